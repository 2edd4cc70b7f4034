"""The judge of the engine: the layers' readable formulas, and their complex-step derivative.

A forward pass of the engine is compared with `formula` of every layer in float64. A backward
pass is compared with the imaginary part of the loss when one weight (or all weights of a tensor
along a random direction) is moved by 1e-30 i: for analytic code that is the derivative, exact to
rounding, because nothing is subtracted. There is no hand-written gradient in this file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from elman import Sequential
from elman.layers import Layer

Array = np.ndarray[Any, np.dtype[Any]]
Weights = dict[str, Array]

STEP = 1e-30
#: Tensors up to this size are differentiated element by element, larger ones by sample.
SMALL = 128
SAMPLED = 8
DIRECTIONS = 3


# -- forward ------------------------------------------------------------------------------------


def weights_of(model: Sequential) -> Weights:
    """Every tensor by its name, such as `lstm/kernel`: the engine's float32 values as float64."""
    return {
        f"{layer.name}/{p.name}": value.astype(np.float64)
        for layer in model.layers
        for p, value in zip(layer.own_params, layer.get_weights(), strict=True)
    }


def randomize(model: Sequential, seed: int = 0, scale: float = 1.0) -> None:
    """Give every tensor, biases too, random values of a size that keeps activations moderate."""
    rng = np.random.default_rng(seed)
    names = [p.name for layer in model.layers for p in layer.own_params]
    model.set_weights(
        [
            (np.square if "variance" in name else np.asarray)(
                rng.normal(0.0, scale / np.sqrt(max((*w.shape[:1], 4))), w.shape)
            ).astype(np.float32)
            for name, w in zip(names, model.get_weights(), strict=True)
        ]
    )


def prepared(x: Array) -> Array:
    """Inputs for the formulas: tokens as they are, all else exactly as float64."""
    return x if x.dtype.kind == "i" else x.astype(np.result_type(x.dtype, np.float64))


def through(
    layer: Layer,
    x: Array,
    mask: Array | None,
    weights: Weights,
    dropped: Weights | None = None,
    batch: int | None = None,
) -> tuple[Array, Array | None]:
    """One layer by its formula: its output, and the mask that it hands on.

    Args:
        dropped: what dropout multiplies by, by the name of the op; without it nothing is dropped.
        batch: by its formula while training, so many rows being one batch.
    """
    own = {p.name: weights[f"{layer.name}/{p.name}"] for p in layer.own_params}
    for name in (layer.name, f"{layer.name}/dropout"):
        if dropped and name in dropped:
            x = x * dropped[name]
    keep = (dropped or {}).get(f"{layer.name}/recurrent_dropout")
    extra = {} if keep is None else {"keep": keep}
    if batch is None or extra:
        return layer.formula(x, own, mask, **extra), layer.formula_mask(x, mask)
    batches = [slice(at, at + batch) for at in range(0, len(x), batch)]
    trained = [
        layer.training_formula(x[b], own, None if mask is None else mask[b]) for b in batches
    ]
    return np.concatenate(trained), layer.formula_mask(x, mask)


def reference(
    model: Sequential, x: Array, dropped: Weights | None = None, training: bool = False
) -> tuple[Array, Array | None]:
    """Output and mask of the whole model by its formulas, in float64."""
    weights, mask = weights_of(model), None
    x = prepared(x)
    batch = len(x) if training else None
    for layer in model.layers:
        x, mask = through(layer, x, mask, weights, dropped, batch)
    return x, mask


def reference_loss(
    model: Sequential,
    y: Array,
    predicted: Array,
    mask: Array | None = None,
    sample_weight: Array | None = None,
) -> Any:
    """The compiled loss of a batch, as analytic code.

    `Loss.__call__` is a float; this is the same sum in complex numbers. `predicted` and `mask`
    may hold several variants of the batch one after the other; there is one loss for each.
    """
    loss = model.compiled_loss()
    variants = len(predicted) // len(y)
    targets = np.concatenate([y] * variants)
    losses = loss.per_sample(targets, predicted)
    losses = losses.reshape(variants, len(y), *losses.shape[1:])
    counts = np.ones(losses.shape)
    if mask is not None:
        counts = counts * mask.reshape(losses.shape)
    if getattr(loss, "ignore_class", None) is not None:
        counts = counts * (targets.reshape(losses.shape) != loss.ignore_class)
    sums = tuple(range(1, losses.ndim))
    if loss.reduction != "sum":
        counts = counts / np.maximum(counts.sum(axis=sums, keepdims=True), 1e-7)
    if sample_weight is not None:
        given = sample_weight.reshape(1, len(y), -1)
        counts = counts * (given if losses.ndim == 3 else given[..., 0])
    return (losses * counts).sum(axis=sums)


def activity(layer: Layer, out: Array, rows: int) -> Any:
    """What the layer's output adds to the loss, for each variant of a batch of so many rows."""
    regularizer = layer.activity_regularizer
    if regularizer is None:
        return 0.0
    return np.array([regularizer(part) / rows for part in np.split(out, len(out) // rows)])


# -- derivatives --------------------------------------------------------------------------------


class Slopes(NamedTuple):
    """What is known of the gradient of one tensor: see `probes` for where."""

    values: Array  # single elements [n]
    along: Array  # derivatives along dense random directions [m]
    size: int

    @property
    def scale(self) -> float:
        """About the largest element of the gradient."""
        largest = float(np.abs(self.values).max(initial=0.0))
        # E (g . d)^2 is |g|^2 for normal d, so this is about the root mean square of g.
        return max(largest, float(np.sqrt(np.mean(self.along**2) / self.size)))


def reference_gradients(
    model: Sequential,
    x: Array,
    y: Array,
    sample_weight: Array | None = None,
    dropped: Weights | None = None,
    small: int | None = SMALL,
) -> dict[str, Slopes]:
    """The complex-step derivative of the loss with respect to every trainable tensor.

    Variants of a tensor run through its own layer one after the other, and through the layers
    above as one large batch.

    Args:
        small: up to which size a tensor is differentiated element by element; larger ones by
            sample. None: no single elements, only the random directions.
    """
    weights = weights_of(model)
    found: dict[str, Slopes] = {}
    value, mask = prepared(x), None
    for depth, layer in enumerate(model.layers):
        for p in layer.own_params:
            if not p.trainable:
                continue
            name = f"{layer.name}/{p.name}"
            places, directions = probes(name, p.size, small)
            outs, masks, sizes = [], [], []
            for direction in [*one_hot(places, p.size), *directions]:
                moved = weights[name] + 1j * STEP * direction.reshape(p.shape)
                out, out_mask = through(
                    layer, value, mask, {**weights, name: moved}, dropped, len(x)
                )
                outs.append(out)
                masks.append(out_mask)
                sizes.append(0.0 if p.regularizer is None else p.regularizer(moved))
            batch = np.concatenate(outs)
            batch_mask = None if masks[0] is None else np.concatenate(masks)
            penalty = np.array(sizes) + activity(layer, batch, len(x))
            more = tiled(dropped, len(outs), len(x))
            for above in model.layers[depth + 1 :]:
                batch, batch_mask = through(above, batch, batch_mask, weights, more, len(x))
                penalty = penalty + activity(above, batch, len(x))
            loss = reference_loss(model, y, batch, batch_mask, sample_weight) + penalty
            slopes = loss.imag / STEP
            n = len(places)
            found[name] = Slopes(slopes[:n], slopes[n:], p.size)
        value, mask = through(layer, value, mask, weights, dropped, len(x))
    return found


def probes(name: str, size: int, small: int | None) -> tuple[Array, Array]:
    """Where to look at a gradient of `size` elements, and along which directions."""
    rng = np.random.default_rng(zlib.crc32(name.encode()) + size)
    if small is None:
        places = np.arange(0)
    elif size <= small:
        places = np.arange(size)
    else:
        places = rng.choice(size, min(size, SAMPLED), replace=False)
    # Dense directions see every element, also those that no sample hits.
    return places, rng.normal(size=(DIRECTIONS, size))


def one_hot(places: Array, size: int) -> Iterable[Array]:
    for place in places:
        row = np.zeros(size)
        row[place] = 1.0
        yield row


def tiled(dropped: Weights | None, times: int, rows: int) -> Weights | None:
    if dropped is None:
        return None
    return {
        name: np.tile(factor, (times, *[1] * (factor.ndim - 1))) for name, factor in dropped.items()
    }


# -- the engine ---------------------------------------------------------------------------------


def native_targets(y: Array) -> Array:
    """Targets as the native plan takes them: float32 [samples, numbers per sample]."""
    return np.ascontiguousarray(np.reshape(y, (len(y), -1)), np.float32)


def engine_gradients(
    model: Sequential,
    x: Array,
    y: Array,
    sample_weight: Array | None = None,
    seed: int = 0,
    step: int = 0,
) -> tuple[float, Weights]:
    """Loss, and the engine's gradient of every trainable tensor by name."""
    plan = model.plan_for(x, rows=len(x), training=True, loss=True)
    weight = None if sample_weight is None else native_targets(sample_weight)
    loss, arrays = plan.native.gradients(plan.arrange(x), native_targets(y), weight, seed, step)
    owned = [(layer, p) for layer in plan.store.layers for p in layer.own_params]
    return loss + sum(plan.native.penalties), {
        f"{layer.name}/{p.name}": gradient
        for (layer, p), gradient in zip(owned, arrays, strict=True)
        if p.trainable
    }


def training_forward(model: Sequential, x: Array) -> Array:
    """The output of a training plan: every intermediate kept, as backward needs it."""
    plan = model.plan_for(x, rows=len(x), training=True)
    return plan.forward(x)


# -- verdicts -----------------------------------------------------------------------------------


def assert_close(got: Array, wanted: Array, tolerance: float = 2e-6, what: str = "output") -> None:
    """Every element within `tolerance` of the largest element that is wanted."""
    assert got.shape == wanted.shape, f"{what} has shape {got.shape}, expected {wanted.shape}"
    if not wanted.size:
        return
    allowed = tolerance * float(np.abs(wanted).max())
    apart = np.abs(got.astype(np.float64) - wanted)
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    assert apart.max() <= allowed, (
        f"{what} at {np.unravel_index(worst, wanted.shape)}: got {got.flat[worst]:.9g}, expected "
        f"{wanted.flat[worst]:.9g}; apart by {apart.flat[worst]:.3g}, allowed {allowed:.3g}"
    )


def assert_same_gradients(
    engine: Weights, judge: dict[str, Slopes], tolerance: float = 8e-6, small: int | None = SMALL
) -> None:
    """Each tensor's gradient is the derivative, within `tolerance` of that tensor's own scale."""
    assert engine.keys() == judge.keys()
    for name, slopes in judge.items():
        got = engine[name].astype(np.float64).ravel()
        allowed = tolerance * slopes.scale
        places, directions = probes(name, slopes.size, small)
        for place, value in zip(places, slopes.values, strict=True):
            apart = abs(got[place] - value)
            # Not `apart > allowed`: a NaN must fail too.
            assert apart <= allowed, (
                f"gradient of {name} at {np.unravel_index(place, engine[name].shape)}: got "
                f"{got[place]:.9g}, expected {value:.9g}; apart by {apart:.3g}, allowed "
                f"{allowed:.3g}"
            )
        for direction, value in zip(directions, slopes.along, strict=True):
            apart = abs(got @ direction - value)
            allowed = tolerance * max(slopes.scale * np.sqrt(len(got)), abs(value))
            assert apart <= allowed, (
                f"gradient of {name} along a random direction: got {got @ direction:.9g}, "
                f"expected {value:.9g}; apart by {apart:.3g}, allowed {allowed:.3g}"
            )


def judged(
    model: Sequential, x: Array, *, scale: float = 1.0, small: int = SMALL, tolerance: float = 2e-5
) -> dict[str, Slopes]:
    """The engine's forward and backward before the judge, for random weights and targets.

    Args:
        scale: of the weights.
        small: up to which size a tensor is differentiated element by element.
        tolerance: of gradients; outputs must be four times as close.

    Returns:
        the judge's gradients, for tests that want to be sure they are not all zero.
    """
    model.build((None, *x.shape[1:]))
    model.compile(loss="mean_squared_error")
    randomize(model, len(model.layers), scale)
    # The judge is asked once, whatever the instruction set and the number of threads.
    key = (str(model.get_config()["layers"]), x.shape, x.tobytes(), scale, small)
    if key not in _asked:
        output, trained = reference(model, x)[0], reference(model, x, training=True)[0]
        y = np.random.default_rng(len(x)).normal(size=output.shape).astype(np.float32)
        _asked[key] = output, trained, y, reference_gradients(model, x, y, small=small)
    output, trained, y, slopes = _asked[key]
    predicted = model.predict(x, verbose=0)
    assert_close(predicted, output, tolerance / 4)
    forward = training_forward(model, x)
    if any(layer.joins_steps for layer in model.layers):
        assert_close(forward, trained, tolerance / 4)
    else:
        np.testing.assert_array_equal(forward, predicted)
    _, gradients = engine_gradients(model, x, y)
    assert_same_gradients(gradients, slopes, tolerance, small)
    return slopes


_asked: dict[Any, tuple[Array, Array, Array, dict[str, Slopes]]] = {}
