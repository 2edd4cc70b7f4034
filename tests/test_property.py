"""Random stacks of layers on random data: the formulas are right about all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elman import Input, Sequential, _core
from elman.layers import GRU, LSTM, Activation, Dense, Dropout, Embedding, Masking, SimpleRNN
from harness import (
    DIRECTIONS,
    assert_close,
    assert_same_gradients,
    engine_gradients,
    randomize,
    reference,
    reference_gradients,
    training_forward,
)

Array = np.ndarray[Any, np.dtype[Any]]

VOCABULARY = 11
CELLS: list[Any] = [
    SimpleRNN,
    LSTM,
    GRU,
    lambda units, **options: GRU(units, reset_after=False, **options),
]
#: Smooth ones, so that rounding cannot land on the other side of a corner.
ACTIVATIONS = ["tanh", "sigmoid", "softsign", "silu", "gelu", "linear", "mish"]


class Net(NamedTuple):
    """A model with random weights, and data for it."""

    model: Sequential
    x: Array
    threads: int


@st.composite
def nets(draw: st.DrawFn) -> Net:
    """Stacks of one to three recurrent layers, with a mask or without."""
    rows, steps = draw(st.integers(1, 9)), draw(st.integers(1, 20))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    kind = draw(st.sampled_from(["tokens", "masked tokens", "numbers", "masked numbers"]))
    layers: list[Any] = []
    if kind.endswith("tokens"):
        width = draw(st.integers(1, 20))
        layers.append(Embedding(VOCABULARY, width, mask_zero=kind.startswith("masked")))
        dtype = draw(st.sampled_from(["int8", "int32", "int64", "uint16", "float32", "float64"]))
        x = rng.integers(0, VOCABULARY, (rows, steps)).astype(dtype)
        x[rng.random(x.shape) < 0.3] = 0
    else:
        features = draw(st.integers(1, 20))
        layers.append(Input((None, features)))
        dtype = draw(st.sampled_from(["float16", "float32", "float64", "int16"]))
        # Few decimals, so that every dtype holds the same numbers.
        x = np.round(rng.normal(size=(rows, steps, features)) * 8) / 8
        if dtype == "int16":
            x = np.round(x)
        x = x.astype(dtype)
        if kind.startswith("masked"):
            layers.append(Masking())
            x[rng.random((rows, steps)) < 0.3] = 0
        if draw(st.booleans()):
            layers.append(Dense(draw(st.integers(1, 12)), activation=draw(activation())))
    depth = draw(st.integers(1, 3))
    for level in range(depth):
        layers.append(
            draw(st.sampled_from(CELLS))(
                draw(st.integers(1, 40)),
                activation=draw(st.sampled_from(["tanh", "tanh", "softsign", "sigmoid"])),
                use_bias=draw(st.booleans()),
                go_backwards=draw(st.booleans()),
                return_sequences=level < depth - 1 or draw(st.booleans()),
            )
        )
        if draw(st.booleans()):
            layers.append(Dropout(0.0))
    if draw(st.booleans()):
        layers.append(Activation(draw(activation())))
    layers.append(Dense(draw(st.integers(1, 5)), activation=draw(activation())))
    model = Sequential(layers)
    model.compile(loss="mean_squared_error")
    randomize(model, seed)
    return Net(model, x, draw(st.integers(1, 3)))


def activation() -> st.SearchStrategy[str]:
    return st.sampled_from(ACTIVATIONS)


def shown(net: Net) -> str:
    """What failed, for the reader of a falsifying example."""
    layers = ", ".join(repr(layer) for layer in net.model.layers)
    return f"[{layers}] on {net.x.shape} {net.x.dtype}, {net.threads} threads"


isas = st.sampled_from(_core.available_isas())


@given(nets(), isas)
def test_predict_equals_the_formulas(net: Net, isa: str) -> None:
    _core.use_isa(isa)
    _core.set_threads(net.threads)
    x = net.model.check_inputs(net.x)
    wanted, _ = reference(net.model, x)
    got = net.model.predict(net.x, verbose=0)
    assert_close(got, wanted, 2e-5, shown(net))
    np.testing.assert_array_equal(training_forward(net.model, x), got)


@given(nets(), isas)
def test_derivative_along_random_directions_equals_the_complex_step(net: Net, isa: str) -> None:
    _core.use_isa(isa)
    _core.set_threads(net.threads)
    x = net.model.check_inputs(net.x)
    output, _ = reference(net.model, x)
    y = np.random.default_rng(len(x)).normal(size=output.shape).astype(np.float32)
    _, gradients = engine_gradients(net.model, x, y)
    judge = reference_gradients(net.model, x, y, small=None)
    assert all(len(slopes.along) == DIRECTIONS for slopes in judge.values())
    assert_same_gradients(gradients, judge, 2e-4, small=None)


@given(nets())
def test_a_config_builds_the_same_model_again(net: Net) -> None:
    twin = Sequential.from_config(net.model.get_config())
    twin.build((None, *net.x.shape[1:]))
    twin.set_weights(net.model.get_weights())
    np.testing.assert_array_equal(
        twin.predict(net.x, verbose=0), net.model.predict(net.x, verbose=0)
    )
