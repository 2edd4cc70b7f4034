"""GRU: Cho et al. (2014), https://arxiv.org/abs/1406.1078, in Keras's two forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman import activations
from elman.layers.layer import Array
from elman.layers.recurrent import Recurrent, product


class GRU(Recurrent):
    """Two gates: z keeps the old state, r decides how much of it the candidate sees.

    Options: see `Recurrent`, and

    Args:
        reset_after: whether r acts on the recurrent product (True, Keras's default and cuDNN's
            form: that product then has a bias of its own, so the bias is [2, 3H]) or on the state
            before it (False, the paper's form, bias [3H]).

    Example:
        >>> sum(p.size for p in GRU(16).params((None, 100, 32)))
        2400
    """

    gates = ("update_gate", "reset_gate", "candidate")
    keep_gate = "update_gate"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        reset_after: bool = True,
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
        self.reset_after = bool(reset_after)

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def cell(self) -> str:
        return "gru" if self.reset_after else "gru_reset_before"

    def step(
        self,
        x: Array,
        states: list[Array],
        weights: dict[str, Array],
        keep: Array | None = None,
    ) -> tuple[list[Array], dict[str, Array]]:
        (h,) = states
        act, rec = activations.get(self.activation), activations.get(self.recurrent_activation)
        bias = weights.get("bias", np.zeros(self.bias_shape()))
        kernel, recurrent = weights["kernel"], weights["recurrent_kernel"]
        H = self.units
        if self.reset_after:
            xz, xr, xn = np.split(x @ kernel + bias[0], 3, axis=-1)
            uz, ur, un = np.split(product(h, recurrent, keep) + bias[1], 3, axis=-1)
            z, r = rec(xz + uz), rec(xr + ur)
            n = act(xn + r * un)
        else:
            xz, xr, xn = np.split(x @ kernel + bias, 3, axis=-1)
            first, last = (None, None) if keep is None else (keep[:, :2], keep[:, 2:])
            uz, ur = np.split(product(h, recurrent[:, : 2 * H], first), 2, axis=-1)
            z, r = rec(xz + uz), rec(xr + ur)
            n = act(xn + product(r * h, recurrent[:, 2 * H :], last))
        h = z * h + (1.0 - z) * n
        return [h], {"update_gate": z, "reset_gate": r, "candidate": n, "state": h}
