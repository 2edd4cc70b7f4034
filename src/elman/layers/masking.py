"""Masking: steps that hold one value throughout do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import OptionError
from elman.layers.layer import Array, Layer

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Masking(Layer):
    """Masks the steps whose features all equal `mask_value`; they become zero.

    Args:
        mask_value: the value that marks padding.

    Raises:
        OptionError: mask_value is not a number.
    """

    ranks = (3,)

    def __init__(self, mask_value: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        try:
            self.mask_value = float(mask_value)
        except (TypeError, ValueError):
            raise OptionError(
                f"Masking expected mask_value to be a number, got {mask_value!r}. Use e.g. 0.0."
            ) from None

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        # As in Keras a mask before it is forgotten, but for the ends of unequal sequences.
        return plan.add(
            "masking", self.name, slot, slot.shape, mask_value=self.mask_value, within=plan.ragged
        )

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        counts = self.formula_mask(x, mask)
        assert counts is not None
        return np.where(counts[..., None], x, 0.0)

    def formula_mask(self, x: Array, mask: Array | None) -> Array | None:
        return np.any(x != np.float32(self.mask_value), axis=-1)
