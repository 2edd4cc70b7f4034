"""Steps added, left out or repeated: ZeroPadding1D, Cropping1D, UpSampling1D."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman.errors import OptionError, ShapeError
from elman.layers.layer import Array, Layer, Shape, channels_last, whole

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Steps(Layer):
    """Base of the layers that change how many steps there are; a mask ends here."""

    ranks: ClassVar = (3,)
    takes_mask: ClassVar = False

    @property
    def causal(self) -> bool:
        return False


class ZeroPadding1D(Steps):
    """Adds steps of zeros.

    Args:
        padding: how many before and after: one number for both, or two.
        data_format: "channels_last".

    Raises:
        OptionError: no such numbers, or another data_format.
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.data_format = channels_last("ZeroPadding1D", data_format)
        self.padding = _pair("ZeroPadding1D", "padding", padding)

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        rows, steps, features = input_shape
        return (rows, None if steps is None else steps + sum(self.padding), features)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        before, after = self.padding
        shape = self.output_shape(slot.shape)
        return plan.add("pad", self.path, slot, shape, before=before, after=after)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return np.pad(x, ((0, 0), self.padding, (0, 0)))


class Cropping1D(Steps):
    """Leaves out the first and the last steps.

    Args:
        cropping: how many of the first and of the last: one number for both, or two.

    Raises:
        OptionError: no such numbers.
        ShapeError: nothing is left.
    """

    def __init__(self, cropping: Any = 1, **options: Any) -> None:
        super().__init__(**options)
        self.cropping = _pair("Cropping1D", "cropping", cropping)

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        rows, steps, features = input_shape
        if steps is not None and steps <= sum(self.cropping):
            raise ShapeError(
                f"{self.label} expected more than {sum(self.cropping)} steps, got {steps} (input "
                f"shape {input_shape}). Crop less."
            )
        return (rows, None if steps is None else steps - sum(self.cropping), features)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        before, after = self.cropping
        shape = self.output_shape(slot.shape)
        return plan.add("pad", self.path, slot, shape, before=-before, after=-after)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return x[:, self.cropping[0] : x.shape[1] - self.cropping[1]]


class UpSampling1D(Steps):
    """Each step several times.

    Args:
        size: how often.

    Raises:
        OptionError: it is no whole number >= 1.
    """

    def __init__(self, size: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.size = whole("UpSampling1D", "size", size)

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        rows, steps, features = input_shape
        return (rows, None if steps is None else steps * self.size, features)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.add("repeat", self.path, slot, self.output_shape(slot.shape), times=self.size)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return np.repeat(x, self.size, axis=1)


def _pair(who: str, option: str, value: Any) -> tuple[int, int]:
    """Numbers of steps before and after."""
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2:
        raise OptionError(
            f"{who} expected {option} as one number or two, got {value!r}. Use e.g. (2, 0)."
        )
    before, after = (whole(who, option, n, 0) for n in pair)
    return before, after
