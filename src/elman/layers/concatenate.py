"""Concatenate: inputs side by side, or one after the other in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import OptionError
from elman.layers.layer import Array, Shape
from elman.layers.merging import Merging, call_one

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Concatenate(Merging):
    """Puts its inputs together along one axis: `Concatenate()([a, b])`.

    Along time a step of an input without a mask counts; side by side a step counts where it does
    in any input.

    Args:
        axis: -1, side by side, or 1, one after the other in time.

    Raises:
        OptionError: another axis.
    """

    why_whole = "puts sequences one after the other. Put them side by side"

    def __init__(self, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        if isinstance(axis, bool) or axis not in (-1, -2, 1, 2):
            raise OptionError(
                f"Concatenate expected axis -1 (side by side) or 1 (in time), got {axis!r}. The "
                "batch axis stays as it is."
            )
        self.axis = axis

    def _in_time(self, shape: Shape) -> bool:
        return len(shape) == 3 and self.axis % 3 == 1

    @property
    def causal(self) -> bool:
        return self.axis not in (1, -2)

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        first = input_shapes[0]
        rank = len(first)
        if any(len(shape) != rank for shape in input_shapes) or not -rank < self.axis < rank:
            raise self._refuse(input_shapes, "Give them as many axes.")
        along = self.axis % rank
        found: list[int | None] = [None]
        for axis in range(1, rank):
            extents = [shape[axis] for shape in input_shapes]
            known = {e for e in extents if e is not None}
            if axis == along:
                found.append(sum(known_extents(extents)) if None not in extents else None)
            elif len(known) > 1:
                raise self._refuse(
                    input_shapes, f"Only their axis {along} may differ, along which they are put."
                )
            else:
                found.append(next(iter(known), None))
        return [tuple(found)]

    def emit_all(self, plan: Plan, slots: Sequence[Slot]) -> list[Slot]:
        (shape,) = self.output_shapes([slot.shape for slot in slots])
        if self._in_time(shape):
            return [plan.add("append", self.name, slots, shape)]
        return [plan.add("merge", self.name, slots, shape, mode="concat")]

    def combine(self, xs: list[Array], masks: list[Array | None]) -> Array:
        return np.concatenate(xs, axis=self.axis)

    def combine_masks(self, xs: list[Array], masks: list[Array | None]) -> Array | None:
        if not self._in_time(xs[0].shape):
            return super().combine_masks(xs, masks)
        if all(mask is None for mask in masks):
            return None
        pairs = zip(xs, masks, strict=True)
        return np.concatenate([np.ones(x.shape[:2], bool) if m is None else m for x, m in pairs], 1)


def known_extents(extents: Sequence[int | None]) -> list[int]:
    """Those that are known."""
    return [e for e in extents if e is not None]


def concatenate(inputs: Any, axis: int = -1, **options: Any) -> Any:
    """`Concatenate` at once: `concatenate([a, b])`."""
    return call_one(Concatenate, inputs, axis=axis, **options)
