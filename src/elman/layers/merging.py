"""What merging layers share: several inputs become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman.errors import ShapeError
from elman.layers.layer import Array, Layer, Shape
from elman.layers.symbol import record, symbolic
from elman.mapped import Together, take

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Merging(Layer):
    """A layer that is called on a list of inputs, `Add()([a, b])`.

    An input of one step, of one feature or without steps is used for all steps or features of
    the others. A step counts where it does in any input, if all have a mask; else all count.
    """

    #: The word of the native op.
    mode: ClassVar[str] = ""
    #: How many inputs there must be, at least; and at most, if that is limited.
    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        if len(shapes) < self.least or (self.most is not None and len(shapes) > self.most):
            wanted = f"a list of {self.most}" if self.most else "a list of"
            raise ShapeError(
                f"{self.label} expected {wanted} inputs, got {len(shapes)}. Call it on a list: "
                f"{type(self).__name__}()([a, b])."
            )
        for shape in shapes:
            self.check_rank(shape)
        self.output_shapes(shapes)

    def _refuse(self, shapes: Sequence[Shape], hint: str) -> ShapeError:
        listed = " and ".join(map(str, shapes))
        return ShapeError(f"{self.label} expected inputs that fit together, got {listed}. {hint}")

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        longest = max(len(shape) for shape in input_shapes)
        found: list[int | None] = []
        for axis in range(1, longest):
            extents = {_at(shape, axis, longest) for shape in input_shapes} - {1}
            known = extents - {None}
            if len(known) > 1:
                raise self._refuse(
                    input_shapes, "Give them the same steps and features, or one of either."
                )
            found.append(None if None in extents and not known else next(iter(known or {1})))
        return [(None, *found)]

    def emit_all(self, plan: Plan, slots: Sequence[Slot]) -> list[Slot]:
        (shape,) = self.output_shapes([slot.shape for slot in slots])
        return [plan.add("merge", self.name, slots, shape, mode=self.mode)]

    def __call__(self, x: Any, training: bool = False) -> Any:
        """The output for a list of arrays, or the symbol for a list of symbols.

        Args:
            x: a list of arrays [rows, steps, features] or [rows, features]; or of what layers
                returned for an `Input`.
            training: accepted for Keras; it makes no difference here.

        Returns:
            float32 array, or a symbol.

        Raises:
            ShapeError: no list, or inputs that do not fit together.
            DataError: no finite numbers.
        """
        if not isinstance(x, list | tuple):
            raise ShapeError(
                f"{self.label} expected a list of inputs, got {type(x).__name__}. Call it on a "
                f"list: {type(self).__name__}()([a, b])."
            )
        if symbolic(x):
            return record(self, x)
        from elman.checks import inputs
        from elman.graph import Call, Graph
        from elman.plan import Plan, Store

        arrays = [take(inputs(one, self, self.label), slice(None)) for one in x]
        self.check_shapes([(None, *array.shape[1:]) for array in arrays])
        if len({len(array) for array in arrays}) > 1:
            raise ShapeError(
                f"{self.label} expected inputs of as many rows, got "
                f"{', '.join(str(len(array)) for array in arrays)}. Check the arrays."
            )
        count = len(arrays)
        plan = Plan(
            Store([self], [(None, *arrays[0].shape[1:])]),
            [array.shape[1:] for array in arrays],
            tokens=[False] * count,
            rows=max(1, len(arrays[0])),
            graph=Graph(count, (Call(self, tuple(range(count)), (count,)),), (count,)),
        )
        return plan.forward(Together(arrays))

    def combine(self, xs: list[Array], masks: list[Array | None]) -> Array:
        """The layer in plain NumPy: inputs of equal rank, and the masks of their steps."""
        raise NotImplementedError(f"{type(self).__name__} must define combine(xs, masks).")

    def combine_masks(self, xs: list[Array], masks: list[Array | None]) -> Array | None:
        """The mask that it hands on."""
        if any(mask is None for mask in masks):
            return None
        return np.any(np.broadcast_arrays(*[m for m in masks if m is not None]), axis=0)


def _at(shape: Shape, axis: int, longest: int) -> int | None:
    """An extent, where missing axes lie behind the batch and count as 1."""
    missing = longest - len(shape)
    return 1 if axis <= missing else shape[axis - missing]


def call_one(layer: type[Merging], inputs: Any, **options: Any) -> Any:
    """A merging layer made and called at once, as Keras's functions do."""
    return layer(**options)(inputs)
