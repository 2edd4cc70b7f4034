"""Conv1D: the same weights for every few neighbouring steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman import activations, initializers
from elman.errors import OptionError
from elman.layers.activation import emit_activation
from elman.layers.layer import Array, Layer, Param, Shape, channels_last, whole
from elman.layers.sliding import Sliding, padding_called, single

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Conv1D(Layer):
    """y[t] = activation(sum over k of x[t + k] W[k] + b), on [rows, steps, features].

    Args:
        filters: size of the output of a step.
        kernel_size: how many steps of the input make one of the output.
        strides: steps of the input from one step of the output to the next.
        padding: "valid" (only where all steps are there), "same" (as many steps as the input,
            zeros beyond both ends) or "causal" (the same, and no step sees a later one).
        data_format: "channels_last".
        dilation_rate: steps from one step that the kernel looks at to the next.
        groups: 1.
        activation: any of `elman.activations`.
        use_bias: whether there is a bias.
        kernel_initializer: for the weights [kernel_size, features, filters].
        bias_initializer: for the bias [filters].

    Raises:
        OptionError: a value out of its range; strides and dilation_rate above 1 at once, as in
            Keras.
        ShapeError: sequences shorter than the kernel.
    """

    ranks: ClassVar = (3,)
    takes_mask: ClassVar = False
    ruled: ClassVar = {"kernel": "kernel", "bias": "bias"}
    absent: ClassVar = {
        **Layer.absent,
        "lora_rank": (None,),
        "lora_alpha": (None,),
    }

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.filters = whole("Conv1D", "filters", filters)
        self.kernel_size = single("Conv1D", "kernel_size", kernel_size)
        self.strides = single("Conv1D", "strides", strides)
        self.padding = padding_called("Conv1D", padding, "valid", "same", "causal")
        self.data_format = channels_last("Conv1D", data_format)
        self.dilation_rate = single("Conv1D", "dilation_rate", dilation_rate)
        if groups != 1:
            raise OptionError(
                f"Conv1D expected groups=1, got {groups!r}. Use one Conv1D per group of features."
            )
        self.groups = 1
        if self.strides[0] > 1 and self.dilation_rate[0] > 1:
            raise OptionError(
                f"Conv1D expected strides or dilation_rate of 1, got {self.strides[0]} and "
                f"{self.dilation_rate[0]}. Only one of them may be larger."
            )
        self.activation = activations.name_of(activation, "Conv1D")
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    @property
    def causal(self) -> bool:
        return False  # a step needs earlier ones, which no stream keeps for it

    @property
    def _window(self) -> Sliding:
        span = (self.kernel_size[0] - 1) * self.dilation_rate[0] + 1
        return Sliding(span, self.strides[0], self.padding)

    def params(self, input_shape: Shape) -> list[Param]:
        features = input_shape[-1]
        assert features is not None
        shape = (*self.kernel_size, features, self.filters)
        found = [Param("kernel", shape, self.kernel_initializer, letters="KFH")]
        if self.use_bias:
            found.append(Param("bias", (self.filters,), self.bias_initializer, letters="H"))
        return found

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        return (input_shape[0], self._window.places(self, input_shape), self.filters)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        rows, steps, features = slot.shape
        assert steps is not None
        shape = self.output_shape(slot.shape)
        before, after = self._window.around(steps)
        if before or after:
            padded = (rows, before + steps + after, features)
            slot = plan.add("pad", f"{self.path}/padded", slot, padded, before=before, after=after)
        linear = self.activation == "linear"
        slot = plan.add(
            "conv1d",
            self.path if linear else f"{self.path}/sum",
            slot,
            shape,
            plan.params(self),
            filters=self.filters,
            stride=self.strides[0],
            dilation=self.dilation_rate[0],
        )
        return slot if linear else emit_activation(plan, self.path, slot, self.activation)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        window, steps = self._window, x.shape[1]
        places, stride = window.places(self, x.shape), self.strides[0]
        assert places is not None
        padded = np.pad(x, ((0, 0), window.around(steps), (0, 0)))
        y = np.zeros(1) + weights.get("bias", 0.0)
        for k in range(self.kernel_size[0]):
            first = k * self.dilation_rate[0]
            seen = padded[:, first : first + (places - 1) * stride + 1 : stride]
            y = y + seen @ weights["kernel"][k]
        return activations.get(self.activation)(y)
