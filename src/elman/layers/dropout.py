"""Dropout: Srivastava et al. (2014), https://jmlr.org/papers/v15/srivastava14a.html."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman.errors import OptionError
from elman.layers.layer import Array, Layer, share

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Dropout(Layer):
    """Sets a random share of its inputs to zero while training, and scales the rest up.

    Args:
        rate: the share, in [0, 1).
        noise_shape: None, or (None, 1, None) to choose once for all steps.
        seed: accepted for Keras; `elman.set_random_seed` makes a run repeat.
    """

    each_step = True

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.rate = share("Dropout", "rate", rate)
        if noise_shape is not None and tuple(noise_shape) != (None, 1, None):
            raise OptionError(
                f"Dropout expected noise_shape None or (None, 1, None), got {noise_shape!r}. Leave "
                "it out to choose anew for each number."
            )
        self.noise_shape = noise_shape
        self.seed = seed

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.dropout(self.path, slot, self.rate, same_each_step=self.noise_shape is not None)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return x  # what it is while not training
