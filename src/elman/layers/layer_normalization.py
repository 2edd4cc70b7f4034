"""LayerNormalization: Ba et al. (2016), https://arxiv.org/abs/1607.06450."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman import initializers
from elman.errors import OptionError
from elman.layers.layer import Array, Layer, Param, Shape, number

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class LayerNormalization(Layer):
    """Gives the features of each step of each row a mean of 0 and a variance of 1.

    Then each feature is scaled and shifted. Nothing depends on other rows, steps, or on training.

    Args:
        axis: the features: -1, or the number of the last axis.
        epsilon: added to the variance.
        center: whether there is a `beta` to add.
        scale: whether there is a `gamma` to multiply by.
        rms_scaling: as in Keras: the mean stays, there is a `gamma` and no `beta`.
        beta_initializer, gamma_initializer: for these two [features].
    """

    ruled: ClassVar = {"gamma": "gamma", "beta": "beta"}

    def __init__(
        self,
        axis: int | list[int] | tuple[int, ...] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        rms_scaling: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.axis = list(axis) if isinstance(axis, list | tuple) else axis
        self.epsilon = number("LayerNormalization", "epsilon", epsilon)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.rms_scaling = bool(rms_scaling)

    def check_rank(self, shape: Shape) -> None:
        super().check_rank(shape)
        last_axis(self.label, self.axis, shape)

    @property
    def _owned(self) -> dict[str, bool]:
        return {
            "gamma": self.scale or self.rms_scaling,
            "beta": self.center and not self.rms_scaling,
        }

    def params(self, input_shape: Shape) -> list[Param]:
        features = input_shape[-1]
        assert features is not None
        made = {"gamma": self.gamma_initializer, "beta": self.beta_initializer}
        return [
            Param(name, (features,), made[name], letters="F")
            for name, there in self._owned.items()
            if there
        ]

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.add(
            "layer_norm",
            self.name,
            slot,
            slot.shape,
            plan.params(self),
            epsilon=self.epsilon,
            scale=self._owned["gamma"],
            center=self._owned["beta"],
            rms_scaling=self.rms_scaling,
        )

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        mean = x.mean(axis=-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
        z = (x - (0.0 if self.rms_scaling else mean)) / np.sqrt(variance + self.epsilon)
        return z * weights.get("gamma", 1.0) + weights.get("beta", 0.0)


def last_axis(who: str, axis: Any, shape: Shape) -> None:
    """Raise unless `axis`, a number or a list of one, is the last of an input of this shape."""
    only = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    if isinstance(only, bool) or not isinstance(only, int) or only not in (-1, len(shape) - 1):
        raise OptionError(
            f"{who} expected axis to be that of the features, -1, got {axis!r} for an input of "
            f"{len(shape)} axes. elman normalizes along no other: leave axis out."
        )
