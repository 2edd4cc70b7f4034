"""What the layers share that hold recurrent layers: states go in and come out of those inside."""

from __future__ import annotations

from collections.abc import Sequence

from elman.layers.layer import Shape
from elman.layers.recurrent import Recurrent
from elman.layers.states import WithStates
from elman.layers.wrapper import Wrapper


class RecurrentWrapper(WithStates, Wrapper):
    """Base of the layers around recurrent ones, whose states are those of the layers inside."""

    def leaves(self) -> Sequence[Recurrent]:
        raise NotImplementedError(f"{type(self).__name__} must define leaves().")

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
