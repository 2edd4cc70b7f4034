"""Dense: every output is a weighted sum of every input, at each step alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from elman import activations, initializers
from elman.layers.activation import emit_activation
from elman.layers.layer import Array, Layer, Param, Shape, whole

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


#: Smaller products of "mixed_bfloat16" stay float32: rounding would cost what they gain. Measured.
BF16_UNITS, BF16_FEATURES = 16, 16


class Dense(Layer):
    """y = activation(x W + b), on [rows, features] or on every step of [rows, steps, features].

    Args:
        units: size of the output.
        activation: any of `elman.activations`.
        use_bias: whether there is a bias.
        kernel_initializer: for the weights [features, units].
        bias_initializer: for the bias [units].
    """

    each_step = True
    ruled: ClassVar = {"kernel": "kernel", "bias": "bias"}
    absent: ClassVar = {
        **Layer.absent,
        "lora_rank": (None,),
        "lora_alpha": (None,),
        "quantization_config": (None,),
    }

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = whole("Dense", "units", units)
        self.activation = activations.name_of(activation, "Dense")
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def params(self, input_shape: Shape) -> list[Param]:
        features = input_shape[-1]
        assert features is not None
        found = [Param("kernel", (features, self.units), self.kernel_initializer, letters="FH")]
        if self.use_bias:
            found.append(Param("bias", (self.units,), self.bias_initializer, letters="H"))
        return found

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        linear = self.activation == "linear"
        features = slot.shape[-1]
        assert features is not None
        slot = plan.add(
            "dense",
            self.path if linear else f"{self.path}/sum",
            slot,
            self.output_shape(slot.shape),
            plan.params(self),
            units=self.units,
            bf16=(
                self.compute_dtype == "bfloat16"
                and self.units >= BF16_UNITS
                and features >= BF16_FEATURES
            ),
        )
        return slot if linear else emit_activation(plan, self.path, slot, self.activation)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return activations.get(self.activation)(x @ weights["kernel"] + weights.get("bias", 0.0))
