"""From nothing to one epoch of `audio` in JAX and optax: `python with_jax.py data.npz`."""

import json
import sys
import time

import jax
import jax.numpy as jnp
import optax

imported = time.monotonic()
import numpy as np  # noqa: E402

data = np.load(sys.argv[1])
x, y = data["x"], data["y"]
rng = np.random.default_rng(0)
params = {
    "kernel": rng.standard_normal((x.shape[2], 16)).astype("f") * 0.3,
    "recurrent": np.linalg.qr(rng.standard_normal((16, 16)))[0].astype("f"),
    "bias": np.zeros(16, "f"),
    "head": rng.standard_normal((16, 1)).astype("f") * 0.3,
    "head_bias": np.zeros(1, "f"),
}
rule = optax.rmsprop(1e-3)


def score(p, x, y):
    """Mean binary cross-entropy."""
    z = jnp.swapaxes(x, 0, 1) @ p["kernel"] + p["bias"]

    def step(h, z_t):
        return jnp.tanh(z_t + h @ p["recurrent"]), None

    h, _ = jax.lax.scan(step, jnp.zeros((x.shape[0], 16)), z)
    return optax.sigmoid_binary_cross_entropy(h @ p["head"] + p["head_bias"], y).mean()


@jax.jit
def epoch(params, moments, x, y):
    """All batches in one program."""

    def step(state, batch):
        p, moments = state
        loss, gradient = jax.value_and_grad(score)(p, *batch)
        change, moments = rule.update(gradient, moments)
        return (optax.apply_updates(p, change), moments), loss

    return jax.lax.scan(step, (params, moments), (x, y))


order = rng.permutation(len(x))
batches = len(x) // 32
_, losses = epoch(
    params,
    rule.init(params),
    x[order].reshape(batches, 32, *x.shape[1:]),
    y[order].reshape(batches, 32, 1),
)
loss = float(losses.mean())
print(json.dumps({"imported": imported, "trained": time.monotonic(), "loss": loss}))
