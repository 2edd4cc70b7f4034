"""Rescaling: fixed numbers that every feature is multiplied by and shifted by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import OptionError
from elman.layers.layer import Array, Layer, Shape

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Rescaling(Layer):
    """y = x scale + offset.

    Args:
        scale: a number, or one for each feature.
        offset: a number, or one for each feature.

    Raises:
        OptionError: neither numbers nor rows of numbers.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.scale = numbers("Rescaling", "scale", scale)
        self.offset = numbers("Rescaling", "offset", offset)

    def check_rank(self, shape: Shape) -> None:
        super().check_rank(shape)
        for option in ("scale", "offset"):
            check_count(self.label, option, getattr(self, option), shape)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return emit_rescaling(plan, self.name, slot, 0.0, self.scale, self.offset)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return x * np.asarray(self.scale) + np.asarray(self.offset)


def emit_rescaling(plan: Plan, name: str, slot: Slot, mean: Any, scale: Any, shift: Any) -> Slot:
    """Append (x - mean) scale + shift, of numbers or one for each feature."""
    features = np.ones(slot.shape[-1] or 1)
    made = {
        word: (features * np.asarray(value)).tolist()
        for word, value in (("mean", mean), ("scale", scale), ("shift", shift))
    }
    return plan.add("rescaling", name, slot, slot.shape, **made)


def numbers(who: str, option: str, value: Any) -> float | list[float]:
    """A finite number or a row of them, also as Keras writes an array, or an error that says so."""
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        value = value.get("config", {}).get("value")
    try:
        found = np.asarray(value, float)
    except (TypeError, ValueError):
        found = np.full((), np.nan)
    largest = np.finfo(np.float32).max
    if found.ndim > 1 or not found.size or not (np.abs(found) <= largest).all():
        raise OptionError(
            f"{who} expected {option} to be a number, or one for each feature, got {value!r}. Use "
            "e.g. 0.5."
        )
    plain: float | list[float] = found.tolist()
    return plain


def check_count(who: str, option: str, value: Any, shape: Shape) -> None:
    """Raise unless `value` is one number, or one for each feature of an input of this shape."""
    count = np.size(value)
    if count != 1 and shape[-1] is not None and count != shape[-1]:
        raise OptionError(
            f"{who} expected {option} to be a number, or one for each of {shape[-1]} features, got "
            f"{count} numbers. Give as many as there are features."
        )
