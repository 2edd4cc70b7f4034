"""What the layers share that hold recurrent layers: states go in and come out of those inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elman.layers.layer import Shape
from elman.layers.recurrent import Recurrent
from elman.layers.states import called, check_states
from elman.layers.wrapper import Wrapper


class RecurrentWrapper(Wrapper):
    """Base of the layers around recurrent ones, whose states are those of the layers inside."""

    ranks = (3,)
    why_whole = Recurrent.why_whole
    return_sequences: bool

    def leaves(self) -> Sequence[Recurrent]:
        raise NotImplementedError(f"{type(self).__name__} must define leaves().")

    @property
    def returns_several(self) -> bool:
        return self.return_state

    @property
    def states(self) -> int:
        """How many arrays the states of all layers inside are."""
        return sum(leaf.states for leaf in self.leaves())

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """Of the output and, with `return_state`, the states of the layers inside."""
        shape = input_shapes[0]
        leaves = zip(self.leaves(), self.leaf_shapes(shape), strict=True)
        states = [state for leaf, own in leaves for state in leaf.output_shapes([own])[1:]]
        return [self.output_shape(shape), *states]

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        """Raise unless they are those of a sequence and, behind it, of its initial states."""
        self.check_shape(shapes[0])
        units = [leaf.units for leaf in self.leaves() for _ in range(leaf.states)]
        check_states(self, units, shapes[1:])

    def __call__(  # type: ignore[override]
        self, x: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """The layer's output for an array; see `Recurrent`."""
        return called(self, x, initial_state, mask, training)

    def formula_mask(self, x: Any, mask: Any) -> Any:
        return mask if self.return_sequences else None
