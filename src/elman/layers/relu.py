"""ReLU and its relatives: what lies below a threshold is bent, what lies above goes through."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.layers.activation import emit_activation
from elman.layers.layer import Array, Layer, real

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class ReLU(Layer):
    """x above `threshold`, up to `max_value`; below it negative_slope (x - threshold).

    Args:
        max_value: the largest output; None for no limit.
        negative_slope: slope below the threshold.
        threshold: where the bend is.

    Raises:
        OptionError: a value that is no number >= 0.
    """

    each_step = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.max_value = None if max_value is None else real("ReLU", "max_value", max_value, 0)
        self.negative_slope = real("ReLU", "negative_slope", negative_slope, 0)
        self.threshold = real("ReLU", "threshold", threshold, 0)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        if (self.max_value, self.negative_slope, self.threshold) == (None, 0, 0):
            return emit_activation(plan, self.path, slot, "relu")
        return plan.add(
            "bend", self.path, slot, slot.shape,
            slope=self.negative_slope, threshold=self.threshold, max_value=self._most,
        )  # fmt: skip

    @property
    def _most(self) -> float:
        return math.inf if self.max_value is None else self.max_value

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        below = self.negative_slope * (x - self.threshold)
        above = (
            x if self.max_value is None else np.where(x.real > self.max_value, self.max_value, x)
        )
        return np.where(x.real > self.threshold, above, below)


class LeakyReLU(Layer):
    """x above zero, negative_slope x below.

    Args:
        negative_slope: the slope below zero.

    Raises:
        OptionError: it is no number >= 0.
    """

    each_step = True

    def __init__(self, negative_slope: float = 0.3, **options: Any) -> None:
        if "alpha" in options:
            negative_slope = options.pop("alpha")
            warnings.warn(
                "LeakyReLU takes alpha as negative_slope, its name since Keras 3.", stacklevel=2
            )
        super().__init__(**options)
        self.negative_slope = real("LeakyReLU", "negative_slope", negative_slope, 0)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.add("bend", self.path, slot, slot.shape, slope=self.negative_slope)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return np.where(x.real > 0, x, self.negative_slope * x)


class ELU(Layer):
    """x above zero, alpha (exp(x) - 1) below.

    Args:
        alpha: what very negative numbers come near to, negated.

    Raises:
        OptionError: it is no number.
    """

    each_step = True

    def __init__(self, alpha: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = real("ELU", "alpha", alpha)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        if self.alpha == 1:
            return emit_activation(plan, self.path, slot, "elu")
        return plan.add("bend", self.path, slot, slot.shape, alpha=self.alpha)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return np.where(x.real > 0, x, self.alpha * np.expm1(np.where(x.real > 0, 0.0, x)))
