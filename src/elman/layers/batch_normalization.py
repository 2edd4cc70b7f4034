"""BatchNormalization: Ioffe and Szegedy (2015), https://arxiv.org/abs/1502.03167."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman import initializers
from elman.layers.layer import Array, Layer, Param, Shape, number, share
from elman.layers.layer_normalization import last_axis

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class BatchNormalization(Layer):
    """Gives each feature a mean of 0 and a variance of 1, then scales and shifts it anew.

    While training these are taken over all rows and steps of a batch that count; else they are the
    moving ones, which training brings up to date after each batch. With `trainable=False` they are
    the moving ones always, and stay.

    Args:
        axis: the features: -1, or the number of the last axis.
        momentum: the share of a moving statistic that stays at each batch, in [0, 1).
        epsilon: added to the variance.
        center: whether there is a `beta` to add.
        scale: whether there is a `gamma` to multiply by.
        beta_initializer, gamma_initializer: for these two [features].
        moving_mean_initializer, moving_variance_initializer: for the moving statistics [features].
    """

    ruled: ClassVar = {"gamma": "gamma", "beta": "beta"}
    absent: ClassVar = {
        **Layer.absent,
        "synchronized": (False,),
        "renorm": (False,),
        "renorm_clipping": (None,),
    }
    ignored: ClassVar = Layer.ignored | {"renorm_momentum"}

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.axis = axis
        self.momentum = share("BatchNormalization", "momentum", momentum)
        self.epsilon = number("BatchNormalization", "epsilon", epsilon)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def check_rank(self, shape: Shape) -> None:
        super().check_rank(shape)
        last_axis(self.label, self.axis, shape)

    def params(self, input_shape: Shape) -> list[Param]:
        features = input_shape[-1]
        assert features is not None
        owned = [
            ("gamma", self.gamma_initializer, self.scale, True),
            ("beta", self.beta_initializer, self.center, True),
            ("moving_mean", self.moving_mean_initializer, True, False),
            ("moving_variance", self.moving_variance_initializer, True, False),
        ]
        return [
            Param(name, (features,), initializer, trainable=trainable, letters="F")
            for name, initializer, there, trainable in owned
            if there
        ]

    @property
    def joins_steps(self) -> bool:
        return self.trainable

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.add(
            "batch_norm",
            self.name,
            slot,
            slot.shape,
            plan.params(self),
            momentum=self.momentum,
            epsilon=self.epsilon,
            center=self.center,
            scale=self.scale,
            frozen=not plan.store.trains(self),
        )

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return self._normalized(x, weights, weights["moving_mean"], weights["moving_variance"])

    def training_formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        mean, variance = self.statistics(x, mask)
        return self._normalized(x, weights, mean, variance)

    def _normalized(self, x: Array, weights: dict[str, Array], mean: Any, variance: Any) -> Array:
        z = (x - mean) / np.sqrt(variance + self.epsilon)
        return z * weights.get("gamma", 1.0) + weights.get("beta", 0.0)

    @staticmethod
    def statistics(x: Array, mask: Array | None) -> tuple[Array, Array]:
        """Mean and variance [features] over the rows and steps that count."""
        axes = tuple(range(x.ndim - 1))
        counts = np.ones(x.shape[:-1]) if mask is None else mask.astype(float)
        weight = counts[..., None] / (counts.sum() + (0.0 if mask is None else 1e-7))
        mean = (x * weight).sum(axis=axes)
        return mean, ((x - mean) ** 2 * weight).sum(axis=axes)
