"""Small layers: bends, noise, shapes. Formulas and their derivatives judge; so does Keras, live."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import elman
from cases import normal
from elman import Input, OptionError, Sequential, _core, layers
from harness import assert_close, engine_gradients, judged

Array = np.ndarray[Any, np.dtype[Any]]


# -- bends ----------------------------------------------------------------------------------------

BENDS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda api: api.layers.ReLU(),
    "relu up to 1": lambda api: api.layers.ReLU(max_value=1.0),
    "relu with a slope": lambda api: api.layers.ReLU(negative_slope=0.25),
    "relu with everything": lambda api: api.layers.ReLU(1.5, negative_slope=0.1, threshold=0.5),
    "leaky relu": lambda api: api.layers.LeakyReLU(),
    "leaky relu as steep as it comes": lambda api: api.layers.LeakyReLU(negative_slope=1.0),
    "elu": lambda api: api.layers.ELU(),
    "elu with alpha": lambda api: api.layers.ELU(alpha=0.3),
    "softmax": lambda api: api.layers.Softmax(),
}


@pytest.mark.parametrize("width", [1, 7, 17, 33])
@pytest.mark.parametrize("name", BENDS)
def test_a_bend_and_its_gradient_are_those_of_its_formula(name: str, width: int, isa: str) -> None:
    judged(
        Sequential([Input((None, 3)), layers.Dense(width), BENDS[name](elman), layers.Dense(2)]),
        normal(3, 5, 3), scale=2.0, tolerance=5e-5,
    )  # fmt: skip


@pytest.mark.parametrize("name", BENDS)
def test_a_bend_is_that_of_keras(name: str, keras: ModuleType) -> None:
    x = np.linspace(-4, 4, 8 * 33, dtype=np.float32).reshape(8, 33)  # 0 and 0.5 are in it, too
    x[0, :3] = 0.0, 0.5, 1.5
    np.testing.assert_allclose(BENDS[name](elman)(x), BENDS[name](keras)(x), rtol=1e-5, atol=1e-6)


# -- noise ----------------------------------------------------------------------------------------


def noisy(layer: Any, x: Array, seed: int = 1) -> Array:
    """What a layer makes of `x` in a training step."""
    model = Sequential([Input(x.shape[1:]), layer])
    model.compile(loss="mean_squared_error")
    engine_gradients(model, x, np.zeros(x.shape), seed=seed)
    plan = model.plan_for(x, rows=len(x), training=True, loss=True)
    return np.asarray(plan.native.peek(layer.name))


NOISE: dict[str, Callable[[Any], Any]] = {
    "spatial": lambda api: api.layers.SpatialDropout1D(0.4),
    "added": lambda api: api.layers.GaussianNoise(0.7),
    "factor": lambda api: api.layers.GaussianDropout(0.3),
}


@pytest.mark.parametrize("name", NOISE)
def test_noise_repeats_for_a_seed_whatever_the_threads_and_is_off_in_predict(
    name: str, isa: str
) -> None:
    x = normal(23, 4, 19)
    _core.set_threads(1)
    first = noisy(NOISE[name](elman), x)
    assert (first != x).any()
    assert (noisy(NOISE[name](elman), x, seed=2) != first).any()
    for threads in (2, 3):
        _core.set_threads(threads)
        np.testing.assert_array_equal(noisy(NOISE[name](elman), x), first)
    np.testing.assert_array_equal(NOISE[name](elman)(x), x)


@pytest.mark.parametrize("name", ["added", "factor"])
def test_gaussian_noise_is_normally_distributed(name: str, isa: str) -> None:
    ones = np.ones((64, 50, 33), np.float32)
    stddev = {"added": 0.7, "factor": (0.3 / 0.7) ** 0.5}[name]
    z = (noisy(NOISE[name](elman), ones).astype(np.float64) - 1) / stddev
    n = z.size
    for power, moment in enumerate([0.0, 1.0, 0.0, 3.0, 0.0, 15.0], start=1):
        spread = {1: 1, 2: 2, 3: 15, 4: 96, 5: 945, 6: 10170}[power]  # variance of z ** power
        assert abs((z**power).mean() - moment) < 5 * np.sqrt(spread / n), power
    for edge, share in {-2.0: 0.02275, 0.0: 0.5, 1.0: 0.84134}.items():
        assert abs((z < edge).mean() - share) < 5 * np.sqrt(share * (1 - share) / n)
    for axis in range(3):  # neighbours have nothing to do with each other
        a, b = (np.take(z, range(i, z.shape[axis] - 1 + i), axis) for i in (0, 1))
        assert abs((a * b).mean()) < 5 / np.sqrt(a.size)


def test_spatial_dropout_drops_whole_features(isa: str) -> None:
    found = noisy(NOISE["spatial"](elman), np.ones((200, 5, 9), np.float32))
    np.testing.assert_array_equal(found, np.broadcast_to(found[:, :1], found.shape))
    assert set(np.unique(found)) == {0.0, np.float32(1) / (np.float32(1) - np.float32(0.4))}
    assert abs((found[:, 0] == 0).mean() - 0.4) < 5 * np.sqrt(0.24 / found[:, 0].size)


@pytest.mark.parametrize("name", NOISE)
def test_the_gradient_goes_through_noise_as_the_noise_was(name: str, isa: str) -> None:
    # The loss sum (f w x)^2 has the gradient 2 sum f^2 w x^2 in w where noise is a factor f, and
    # 2 sum (w x + e) x where it is an e that is added.
    model = Sequential([Input((6, 1)), layers.Dense(17, use_bias=False), NOISE[name](elman)])
    model.compile(loss="mean_squared_error")
    x = normal(7, 6, 1)
    _, gradients = engine_gradients(model, x, np.zeros((7, 6, 17)), seed=5)
    plan = model.plan_for(x, rows=7, training=True, loss=True)
    y = plan.native.peek(model.layers[1].name).astype(np.float64)
    (w,) = model.get_weights()
    factor = 1.0 if name == "added" else y / (x.astype(np.float64) * w)
    wanted = (2 * y * factor * x).sum(axis=(0, 1)) / y.size
    assert_close(gradients["dense/kernel"][0], wanted, 2e-5)


# -- wrong options --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.ReLU(max_value=-1), ("ReLU", "max_value", ">= 0", "-1")),
        (lambda: layers.ReLU(negative_slope=None), ("ReLU", "negative_slope", "None")),
        (lambda: layers.LeakyReLU(-0.1), ("LeakyReLU", "negative_slope", "-0.1")),
        (lambda: layers.ELU("x"), ("ELU", "alpha", "'x'")),
        (lambda: layers.Softmax(axis=1), ("Softmax", "axis=-1", "1")),
        (lambda: layers.GaussianNoise(1.5), ("GaussianNoise", "stddev", "<= 1", "1.5")),
        (lambda: layers.GaussianDropout(1), ("GaussianDropout", "rate", "1")),
        (lambda: layers.SpatialDropout1D(True), ("SpatialDropout1D", "rate", "True")),
    ],
)
def test_an_option_that_cannot_be_is_named(make: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(OptionError) as error:
        make()
    for word in words:
        assert word in str(error.value)
