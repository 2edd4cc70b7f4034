"""Pooling: the largest number, or the mean, of each feature over some steps or over all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman.layers.layer import Array, Layer, Shape, channels_last
from elman.layers.sliding import Sliding, padding_called, single

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Pooling1D(Layer):
    """Base of the poolings in windows of steps.

    Args:
        pool_size: steps of a window.
        strides: steps from one window to the next; `pool_size` where None.
        padding: "valid" (only whole windows) or "same" (windows may reach over both ends, where
            they see fewer steps).
        data_format: "channels_last".

    Raises:
        OptionError: a value out of its range.
        ShapeError: sequences shorter than a window.
    """

    ranks: ClassVar = (3,)
    takes_mask: ClassVar = False
    kind: ClassVar[str]

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__
        self.pool_size = single(who, "pool_size", pool_size)
        self.strides = self.pool_size if strides is None else single(who, "strides", strides)
        self.padding = padding_called(who, padding, "valid", "same")
        self.data_format = channels_last(who, data_format)

    @property
    def causal(self) -> bool:
        return False

    @property
    def _window(self) -> Sliding:
        return Sliding(self.pool_size[0], self.strides[0], self.padding)

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        return (input_shape[0], self._window.places(self, input_shape), input_shape[-1])

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        shape = self.output_shape(slot.shape)
        assert slot.shape[1] is not None and shape[1] is not None
        return plan.add(
            "pooling", self.path, slot, shape,
            kind=self.kind, size=self.pool_size[0], stride=self.strides[0], steps=shape[1],
            before=self._window.around(slot.shape[1])[0],
        )  # fmt: skip

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        steps = x.shape[1]
        places = self.output_shape(x.shape)[1]
        assert places is not None
        first = np.arange(places) * self.strides[0] - self._window.around(steps)[0]
        windows = [x[:, max(t, 0) : t + self.pool_size[0]] for t in first]
        return np.stack([POOLED[self.kind](w) for w in windows], axis=1)


class MaxPooling1D(Pooling1D):
    __doc__ = Pooling1D.__doc__
    kind = "max"


class AveragePooling1D(Pooling1D):
    __doc__ = Pooling1D.__doc__
    kind = "mean"


class GlobalPooling1D(Layer):
    """Base of the poolings over all steps: [rows, steps, features] to [rows, features].

    Args:
        data_format: "channels_last".
        keepdims: whether to keep a time axis of one step.

    Raises:
        OptionError: another data_format.
    """

    ranks: ClassVar = (3,)
    kind: ClassVar[str]

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.data_format = channels_last(type(self).__name__, data_format)
        self.keepdims = bool(keepdims)

    @property
    def causal(self) -> bool:
        return False

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        rows, _, features = input_shape
        return (rows, 1, features) if self.keepdims else (rows, features)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.add(
            "pooling", self.path, slot, self.output_shape(slot.shape),
            kind=self.kind, masked=self.takes_mask, flat=not self.keepdims,
        )  # fmt: skip

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        if mask is not None and self.takes_mask:
            counts = mask.astype(float)[..., None]
            y = (x * counts).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
        else:
            y = POOLED[self.kind](x)
        return y[:, None] if self.keepdims else y

    def formula_mask(self, x: Array, mask: Array | None) -> Array | None:
        return None


class GlobalMaxPooling1D(GlobalPooling1D):
    __doc__ = GlobalPooling1D.__doc__
    kind = "max"
    takes_mask = False


class GlobalAveragePooling1D(GlobalPooling1D):
    """The mean of each feature over the steps that count: [rows, features].

    Of a row without a step that counts it is zero, where Keras divides by zero.

    Args:
        data_format: "channels_last".
        keepdims: whether to keep a time axis of one step.

    Raises:
        OptionError: another data_format.
    """

    kind = "mean"


def _largest(x: Array) -> Array:
    """Along steps; complex numbers by their real part."""
    return np.take_along_axis(x, x.real.argmax(axis=1)[:, None], axis=1)[:, 0]


#: Each kind of pooling: [rows, steps, features] to [rows, features].
POOLED = {"max": _largest, "mean": lambda x: x.mean(axis=1)}
