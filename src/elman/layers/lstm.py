"""LSTM: Hochreiter & Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735, with the
forget gate of Gers et al. (2000)."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman import activations, initializers
from elman.layers.layer import Array
from elman.layers.recurrent import Recurrent, product


class LSTM(Recurrent):
    """Three gates and a cell state: i, f, o let in, keep and let out what the candidate g offers.

    Options: see `Recurrent`, and

    Args:
        unit_forget_bias: whether the forget gate's bias starts at one, so that a new network
            remembers (Jozefowicz et al. 2015).

    Example:
        >>> sum(p.size for p in LSTM(16).params((None, 100, 32)))
        3136
    """

    gates = ("input_gate", "forget_gate", "candidate", "output_gate")
    keep_gate = "forget_gate"
    states = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            **options,
        )
        self.unit_forget_bias = bool(unit_forget_bias)

    def bias_start(self) -> initializers.Initializer:
        if not self.unit_forget_bias:
            return self.bias_initializer
        return _ForgetBias(self.bias_initializer, self.units)

    def cell(self) -> str:
        return "lstm"

    def step(
        self,
        x: Array,
        states: list[Array],
        weights: dict[str, Array],
        keep: Array | None = None,
    ) -> tuple[list[Array], dict[str, Array]]:
        h, c = states
        act, rec = activations.get(self.activation), activations.get(self.recurrent_activation)
        z = (
            x @ weights["kernel"]
            + product(h, weights["recurrent_kernel"], keep)
            + weights.get("bias", 0.0)
        )
        i, f, g, o = np.split(z, 4, axis=-1)
        i, f, g, o = rec(i), rec(f), act(g), rec(o)
        c = f * c + i * g
        h = o * act(c)
        gates = {"input_gate": i, "forget_gate": f, "candidate": g, "output_gate": o}
        return [h, c], {**gates, "cell_state": c, "state": h}


class _ForgetBias(initializers.Initializer):
    """Ones for the forget gate, whatever was asked for the other three."""

    def __init__(self, others: initializers.Initializer, units: int) -> None:
        self.others = others
        self.units = units

    def __call__(self, shape: Any, rng: np.random.Generator | None = None) -> Array:
        bias = np.array(self.others(shape, rng))
        bias[self.units : 2 * self.units] = 1.0
        return bias
