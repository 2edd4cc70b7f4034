"""Noise while training: random maps, normal numbers, and what leaves mean and variance alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from elman.layers.layer import Array, Layer, real, share

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Noise(Layer):
    """Base of the layers that are noisy while training and do nothing otherwise."""

    each_step = True

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return x  # what it is while not training


class SpatialDropout1D(Noise):
    """Dropout of whole features: the choice is made once for all steps (Tompson et al. 2015).

    Args:
        rate: the share, in [0, 1).
        seed: accepted for Keras; `elman.set_random_seed` makes a run repeat.
        name: as of every layer, and so is `dtype`; Keras's class takes no other options.
    """

    ranks: ClassVar = (3,)
    each_step = False

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.rate = share("SpatialDropout1D", "rate", rate)
        self.seed = seed

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.dropout(self.path, slot, self.rate, same_each_step=True)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dtype": self.dtype}  # a word here, as Keras has it


class GaussianNoise(Noise):
    """Adds normal numbers of mean 0 while training.

    Args:
        stddev: their standard deviation, in [0, 1] as in Keras.
        seed: accepted for Keras; `elman.set_random_seed` makes a run repeat.
    """

    def __init__(self, stddev: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.stddev = real("GaussianNoise", "stddev", stddev, 0, 1)
        self.seed = seed

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.dropout(self.path, slot, self.stddev, kind="added")


class GaussianDropout(Noise):
    """Multiplies by normal numbers of mean 1 while training (Srivastava et al. 2014, section 10).

    Args:
        rate: as in `Dropout`: the numbers have the standard deviation sqrt(rate / (1 - rate)).
        seed: accepted for Keras; `elman.set_random_seed` makes a run repeat.
    """

    def __init__(self, rate: float, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.rate = share("GaussianDropout", "rate", rate)
        self.seed = seed

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        stddev = (self.rate / (1 - self.rate)) ** 0.5
        return plan.dropout(self.path, slot, stddev, kind="factor")
