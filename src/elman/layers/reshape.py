"""The numbers of each row in another shape: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman.errors import OptionError, ShapeError
from elman.layers.activation import emit_activation
from elman.layers.layer import Array, Layer, Shape, channels_last, whole

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Reshaping(Layer):
    """Base of the layers after which steps are no longer the steps that a mask speaks of."""

    takes_mask: ClassVar = False

    @property
    def causal(self) -> bool:
        # Where nothing has a time axis, nothing is moved in time.
        return (
            self.built_for is not None
            and len(self.built_for) == len(self.output_shape(self.built_for)) == 2
        )

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        if self.causal:  # the same numbers
            return emit_activation(plan, self.path, slot, "linear")
        return self.emit_moved(plan, slot, self.output_shape(slot.shape))

    def emit_moved(self, plan: Plan, slot: Slot, shape: Shape) -> Slot:
        """Append the op that makes another shape, for a plan's own extents."""
        flat = len(shape) == 2
        assert shape[-1] is not None
        return plan.add("reshape", self.path, slot, shape, width=shape[-1], flat=flat)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return x.reshape(len(x), *(e for e in self.output_shape(x.shape)[1:] if e is not None))


class Flatten(Reshaping):
    """All numbers of a row side by side: [rows, steps, features] to [rows, steps * features].

    Args:
        data_format: "channels_last".

    Raises:
        OptionError: another data_format.
    """

    def __init__(self, data_format: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.data_format = channels_last("Flatten", data_format)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], product(input_shape[1:]))


class Reshape(Reshaping):
    """The same numbers, row after row of the array, in another shape.

    Args:
        target_shape: without the batch axis: (features,) or (steps, features). One of them may be
            -1: what is left for it.

    Raises:
        OptionError: another number of axes, or extents that are none.
        ShapeError: a row has another number of numbers.
    """

    def __init__(self, target_shape: Any, **options: Any) -> None:
        super().__init__(**options)
        one = isinstance(target_shape, int)
        extents = (target_shape,) if one else tuple(target_shape)
        good = all(isinstance(e, int | np.integer) and (e > 0 or e == -1) for e in extents)
        if not good or list(extents).count(-1) > 1 or len(extents) not in (1, 2):
            raise OptionError(
                f"Reshape expected target_shape as (features,) or (steps, features), one of them "
                f"may be -1, got {target_shape!r}. elman has no arrays of more axes: put what "
                "belongs to a step side by side."
            )
        self.target_shape = tuple(int(e) for e in extents)

    def output_shape(self, input_shape: Shape) -> Shape:
        numbers = product(input_shape[1:])
        if -1 not in self.target_shape:
            if numbers is not None and numbers != math.prod(self.target_shape):
                raise self._misfit(input_shape)
            return (input_shape[0], *self.target_shape)
        known = -math.prod(self.target_shape)
        if numbers is not None and numbers % known:
            raise self._misfit(input_shape)
        left = None if numbers is None else numbers // known
        return (input_shape[0], *(left if e == -1 else e for e in self.target_shape))

    def _misfit(self, shape: Shape) -> ShapeError:
        return ShapeError(
            f"{self.label} expected rows of numbers that fill {self.target_shape}, got "
            f"{product(shape[1:])} (input shape {shape}). Change target_shape, or use -1 in it."
        )


class Permute(Reshaping):
    """The axes in another order: (2, 1) turns steps into features and features into steps.

    Args:
        dims: the axes of the input, counted from 1 without the batch axis: (2, 1), (1, 2) or (1,).

    Raises:
        OptionError: no order of one or two axes.
        ShapeError: an input with another number of axes.
    """

    def __init__(self, dims: Any, **options: Any) -> None:
        super().__init__(**options)
        self.dims = tuple(dims)
        if self.dims not in ((1,), (1, 2), (2, 1)):
            raise OptionError(
                f"Permute expected dims (2, 1), (1, 2) or (1,), got {dims!r}. elman has no arrays "
                "of more axes."
            )

    def check_rank(self, shape: Shape) -> None:
        super().check_rank(shape)
        if len(shape) != len(self.dims) + 1:
            raise ShapeError(
                f"{self.label} expected input of {len(self.dims)} axes besides the rows, as in "
                f"dims={self.dims}, got {shape}. Change dims."
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        return (input_shape[0], *(input_shape[i] for i in self.dims))

    def emit_moved(self, plan: Plan, slot: Slot, shape: Shape) -> Slot:
        return plan.add("transpose" if self.dims == (2, 1) else "pad", self.path, slot, shape)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return x.transpose(0, *self.dims)


class RepeatVector(Reshaping):
    """The same features at each of n steps: [rows, features] to [rows, n, features].

    Args:
        n: how many steps.

    Raises:
        OptionError: n is no whole number >= 1.
    """

    ranks: ClassVar = (2,)

    def __init__(self, n: int, **options: Any) -> None:
        super().__init__(**options)
        self.n = whole("RepeatVector", "n", n)

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        return (input_shape[0], self.n, input_shape[1])

    def emit_moved(self, plan: Plan, slot: Slot, shape: Shape) -> Slot:
        return plan.add("repeat", self.path, slot, shape, times=self.n)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return np.repeat(x[:, None], self.n, axis=1)


def product(extents: Shape) -> int | None:
    """How many numbers extents hold; None where one is not known."""
    known = [e for e in extents if e is not None]
    return math.prod(known) if len(known) == len(extents) else None
