"""JAX as an expert writes it: cells by hand, a whole epoch in one compiled program.

The input projection of all steps is one product. The way back is written by hand, so that the
gradient of the recurrent weights is one product after the loop, not a sum inside it; a way with
JAX's own derivative is tried beside it, and so are loops unrolled by 4. The fastest is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from protocol import Peer, serve

sigmoid = jax.nn.sigmoid

# Each cell: forward(z, u, b) -> states [T, B, H] and what the way back needs; z is the projected
# input [T, B, G H], u the recurrent weights, b the recurrent bias (of a GRU).


def rnn_forward(z: Any, u: Any, b: Any, unroll: int) -> Any:
    """h = tanh(z + h_prev u)"""

    def step(h: Any, z_t: Any) -> Any:
        h = jnp.tanh(z_t + h @ u)
        return h, h

    zero = jnp.zeros((z.shape[1], u.shape[0]), z.dtype)
    hs = lax.scan(step, zero, z, unroll=unroll)[1]
    return hs, ()


def rnn_backward(u: Any, b: Any, hs: Any, kept: Any, d_hs: Any, unroll: int) -> Any:
    """d_z; the recurrent product's own gradient is the same."""

    def step(d_next: Any, at: Any) -> Any:
        h, d = at
        d_z = (d + d_next) * (1 - h * h)
        return d_z @ u.T, d_z

    d_z = lax.scan(step, jnp.zeros_like(hs[0]), (hs, d_hs), reverse=True, unroll=unroll)[1]
    return d_z, d_z


def lstm_forward(z: Any, u: Any, b: Any, unroll: int) -> Any:
    """Gates in the order i f c o."""

    def step(state: Any, z_t: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z_t + h @ u, 4, -1)
        i, f, g, o = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (h, c), (h, c, jnp.concatenate([i, f, g, o], -1))

    zero = jnp.zeros((z.shape[1], u.shape[0]), z.dtype)
    hs, cs, gates = lax.scan(step, (zero, zero), z, unroll=unroll)[1]
    return hs, (cs, gates)


def lstm_backward(u: Any, b: Any, hs: Any, kept: Any, d_hs: Any, unroll: int) -> Any:
    """d_z; the recurrent product's own gradient is the same."""
    cs, gates = kept
    c_before = jnp.concatenate([jnp.zeros_like(cs[:1]), cs[:-1]])

    def step(carry: Any, at: Any) -> Any:
        d_h, d_c = carry
        c, c_prev, gate, d = at
        i, f, g, o = jnp.split(gate, 4, -1)
        d_h = d_h + d
        t = jnp.tanh(c)
        d_c = d_c + d_h * o * (1 - t * t)
        d_z = jnp.concatenate(
            [
                d_c * g * i * (1 - i),
                d_c * c_prev * f * (1 - f),
                d_c * i * (1 - g * g),
                d_h * t * o * (1 - o),
            ],
            -1,
        )
        return (d_z @ u.T, d_c * f), d_z

    zero = jnp.zeros_like(hs[0])
    along = (cs, c_before, gates, d_hs)
    d_z = lax.scan(step, (zero, zero), along, reverse=True, unroll=unroll)[1]
    return d_z, d_z


def gru_forward(z: Any, u: Any, b: Any, unroll: int) -> Any:
    """Gates in the order z r h, reset after the product."""
    units = u.shape[0]

    def step(h: Any, z_t: Any) -> Any:
        p = h @ u + b
        update = sigmoid(z_t[:, :units] + p[:, :units])
        reset = sigmoid(z_t[:, units : 2 * units] + p[:, units : 2 * units])
        p_h = p[:, 2 * units :]
        candidate = jnp.tanh(z_t[:, 2 * units :] + reset * p_h)
        h = update * h + (1 - update) * candidate
        return h, (h, update, reset, candidate, p_h)

    zero = jnp.zeros((z.shape[1], units), z.dtype)
    hs, *kept = lax.scan(step, zero, z, unroll=unroll)[1]
    return hs, tuple(kept)


def gru_backward(u: Any, b: Any, hs: Any, kept: Any, d_hs: Any, unroll: int) -> Any:
    """d_z, and the recurrent product's own gradient: the candidate's passes the reset gate."""
    h_before = jnp.concatenate([jnp.zeros_like(hs[:1]), hs[:-1]])

    def step(d_next: Any, at: Any) -> Any:
        h_prev, (update, reset, candidate, p_h), d = at
        d_h = d_next + d
        d_candidate = d_h * (1 - update) * (1 - candidate * candidate)
        d_update = d_h * (h_prev - candidate) * update * (1 - update)
        d_reset = d_candidate * p_h * reset * (1 - reset)
        d_z = jnp.concatenate([d_update, d_reset, d_candidate], -1)
        d_p = jnp.concatenate([d_update, d_reset, d_candidate * reset], -1)
        return d_h * update + d_p @ u.T, (d_z, d_p)

    along = (h_before, kept, d_hs)
    return lax.scan(step, jnp.zeros_like(hs[0]), along, reverse=True, unroll=unroll)[1]


CELLS = {
    "SimpleRNN": (rnn_forward, rnn_backward),
    "LSTM": (lstm_forward, lstm_backward),
    "GRU": (gru_forward, gru_backward),
}


def recurrence(kind: str, by_hand: bool, unroll: int) -> Callable[..., Any]:
    """states = f(z, u, b), with a derivative by hand or JAX's own."""
    forward, backward = CELLS[kind]
    if not by_hand:
        return lambda z, u, b: forward(z, u, b, unroll)[0]

    @jax.custom_vjp
    def run(z: Any, u: Any, b: Any) -> Any:
        return forward(z, u, b, unroll)[0]

    def run_forward(z: Any, u: Any, b: Any) -> Any:
        hs, kept = forward(z, u, b, unroll)
        return hs, (u, b, hs, kept)

    def run_backward(saved: Any, d_hs: Any) -> Any:
        u, b, hs, kept = saved
        d_z, d_p = backward(u, b, hs, kept, d_hs, unroll)
        h_before = jnp.concatenate([jnp.zeros_like(hs[:1]), hs[:-1]])
        d_u = h_before.reshape(-1, hs.shape[-1]).T @ d_p.reshape(-1, d_p.shape[-1])
        return d_z, d_u, d_p.sum((0, 1)) if b.ndim else jnp.zeros(())

    run.defvjp(run_forward, run_backward)
    return run


def parameters(case: dict[str, Any], weights: list[Any]) -> dict[str, Any]:
    """Keras's list of weights as a tree."""
    left = [jnp.asarray(w) for w in weights]
    tree: dict[str, Any] = {}
    if case["vocabulary"]:
        tree["table"] = left.pop(0)
    tree["layers"] = []
    for _ in case["cells"]:
        kernel, recurrent, bias = (left.pop(0) for _ in range(3))
        layer = {"kernel": kernel, "recurrent": recurrent, "bias": bias}
        if bias.ndim == 2:
            layer["bias"], layer["recurrent_bias"] = bias
        tree["layers"].append(layer)
    tree["head"], tree["head_bias"] = left
    return tree


def logits(cells: list[Any], p: dict[str, Any], x: Any, masked: bool = False) -> Any:
    """[rows, 1] of [T, rows, F], or of tokens [T, rows]."""
    last = x.shape[0] - 1
    if "table" in p:
        if masked:  # nothing flows back in time: what follows a row's last word changes nothing
            last = (x != 0).sum(0) - 1
        x = p["table"][x]
    for run, layer in zip(cells, p["layers"], strict=True):
        steps, rows, features = x.shape
        z = (x.reshape(-1, features) @ layer["kernel"] + layer["bias"]).reshape(steps, rows, -1)
        x = run(z, layer["recurrent"], layer.get("recurrent_bias", jnp.zeros(())))
    return x[last, jnp.arange(x.shape[1])] @ p["head"] + p["head_bias"]


#: name: (derivative by hand, steps of the loop unrolled)
WAYS = {
    "by hand": (True, 1),
    "by hand, unrolled by 4": (True, 4),
    "JAX's derivative": (False, 1),
}


class Jax(Peer):
    """A whole epoch in one jitted scan, its state donated."""

    packages = ("jax", "jaxlib", "optax")

    def about(self) -> dict[str, Any]:
        return {
            "settings": "one jitted scan per epoch, donated state, hand-written derivative, optax",
            "devices": str(jax.devices()),
        }

    def train(self, case: dict[str, Any], weights: list[Any], x: Any, y: Any) -> Any:
        batch, batches = case["batch"], case["batches"]
        # Keras's RMSprop: the epsilon inside the root, the mean square from zero.
        rule = optax.rmsprop(1e-3, decay=0.9, eps=1e-7, eps_in_sqrt=True)
        xs = jnp.asarray(np.ascontiguousarray(np.swapaxes(x, 0, 1)))
        ys = jnp.asarray(y)

        def way(by_hand: bool, unroll: int) -> Any:
            steps = min(unroll, case["steps"])
            cells = [recurrence(kind, by_hand, steps) for kind, _ in case["cells"]]

            def loss(p: Any, x: Any, y: Any) -> Any:
                return optax.sigmoid_binary_cross_entropy(
                    logits(cells, p, x, case["tweets"]), y
                ).mean()

            def step(state: Any, rows: Any) -> Any:
                p, moments = state
                value, gradient = jax.value_and_grad(loss)(p, xs_of(rows), ys[rows])
                change, moments = rule.update(gradient, moments, p)
                return (optax.apply_updates(p, change), moments), value

            def xs_of(rows: Any) -> Any:
                return xs[:, rows]

            @partial(jax.jit, donate_argnums=0)
            def epoch(state: Any, order: Any) -> Any:
                state, values = lax.scan(step, state, order)
                return state, values.mean()

            p = jax.tree.map(jnp.copy, parameters(case, weights))
            state = [(p, rule.init(p))]
            rng = np.random.default_rng(0)

            def epochs(count: int, shuffle: bool) -> float:
                value: Any = 0.0
                for _ in range(count):
                    order = np.arange(batches * batch, dtype=np.int32)
                    if shuffle:
                        rng.shuffle(order)
                    state[0], value = epoch(state[0], order.reshape(batches, batch))
                return float(value)

            return epochs, jax.jit(loss)(p, xs[:, :batch], ys[:batch])

        made = {name: way(*options) for name, options in list(WAYS.items())[: self.most_ways]}
        first = float(next(iter(made.values()))[1])
        for name, (_, value) in made.items():
            assert abs(float(value) - first) < 1e-5 * abs(first), f"{name}: another loss"
        return first, {name: epochs for name, (epochs, _) in made.items()}

    def infer(self, case: dict[str, Any], weights: list[Any], x: Any, batch: int) -> Any:
        p = parameters(case, weights)

        def way(unroll: int) -> Any:
            cells = [recurrence(kind, False, unroll) for kind, _ in case["cells"]]
            function = jax.jit(
                lambda p, x: sigmoid(logits(cells, p, jnp.swapaxes(x, 0, 1), case["tweets"]))
            )
            return lambda x: np.asarray(function(p, x))

        return {"jit": way(1), "jit, unrolled by 4": way(min(4, case["steps"]))}

    def stream(self, case: dict[str, Any], weights: list[Any], rows: int) -> Any:
        p = parameters(case, weights)
        (kind, units), layer = case["cells"][0], p["layers"][0]
        b = layer.get("recurrent_bias", jnp.zeros(()))

        @partial(jax.jit, donate_argnums=0)
        def function(state: Any, x: Any) -> Any:
            z = x @ layer["kernel"] + layer["bias"]
            if kind == "LSTM":
                h, c = state
                i, f, g, o = jnp.split(z + h @ layer["recurrent"], 4, -1)
                c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
                h = sigmoid(o) * jnp.tanh(c)
                return (h, c), sigmoid(h @ p["head"] + p["head_bias"])
            (h,) = state
            if kind == "SimpleRNN":
                h = jnp.tanh(z + h @ layer["recurrent"])
            else:
                q = h @ layer["recurrent"] + b
                update = sigmoid(z[:, :units] + q[:, :units])
                reset = sigmoid(z[:, units : 2 * units] + q[:, units : 2 * units])
                candidate = jnp.tanh(z[:, 2 * units :] + reset * q[:, 2 * units :])
                h = update * h + (1 - update) * candidate
            return (h,), sigmoid(h @ p["head"] + p["head_bias"])

        state: list[Any] = [None]

        def reset() -> None:
            count = 2 if kind == "LSTM" else 1
            state[0] = tuple(jnp.zeros((rows, units), jnp.float32) for _ in range(count))

        def step(x: Any) -> Any:
            state[0], out = function(state[0], x)
            return np.asarray(out)

        return {"jit": (reset, step)}


def load(variant: str, threads: int) -> Peer:
    """JAX takes as many threads as the process may use cores."""
    jax.config.update("jax_platforms", "cpu")
    return Jax(variant, threads)


if __name__ == "__main__":
    serve(load)
