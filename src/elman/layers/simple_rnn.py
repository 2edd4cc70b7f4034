"""SimpleRNN: the network of Elman (1990), https://doi.org/10.1207/s15516709cog1402_1."""

from __future__ import annotations

from typing import Any

from elman import activations
from elman.errors import unknown_name
from elman.layers.layer import Array
from elman.layers.recurrent import Recurrent, product


class SimpleRNN(Recurrent):
    """The output of a step is the state of the next: h = tanh(x W + h_prev U + b).

    Options: see `Recurrent`. `recurrent_activation` does not exist: there are no gates.

    Example:
        >>> SimpleRNN(16).output_shape((None, 30, 3))
        (None, 16)
    """

    gates = ("state",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        **options: Any,
    ) -> None:
        if "recurrent_activation" in options:
            raise unknown_name("SimpleRNN", "option", "recurrent_activation", self.options())
        super().__init__(
            units,
            activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            **options,
        )

    @classmethod
    def options(cls) -> dict[str, Any]:
        found = super().options()
        del found["recurrent_activation"]
        return found

    def cell(self) -> str:
        return "simple_rnn"

    def step(
        self,
        x: Array,
        states: list[Array],
        weights: dict[str, Array],
        keep: Array | None = None,
    ) -> tuple[list[Array], dict[str, Array]]:
        (h,) = states
        z = (
            x @ weights["kernel"]
            + product(h, weights["recurrent_kernel"], keep)
            + weights.get("bias", 0.0)
        )
        h = activations.get(self.activation)(z)
        return [h], {"state": h}
