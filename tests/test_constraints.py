"""Constraints: the engine puts weights where the readable formula does, after each step."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import elman
from elman import _core
from elman.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from elman.errors import ElmanError, OptionError, ShapeError, UnknownNameError
from elman.layers import GRU, LSTM, Bidirectional, Dense, Embedding, SimpleRNN
from elman.optimizers import SGD

KINDS = [
    NonNeg(),
    MaxNorm(0.5),
    MaxNorm(0.5, axis=-1),
    MaxNorm(1.5, axis=[0, 1]),
    UnitNorm(),
    UnitNorm(axis=1),
    MinMaxNorm(0.4, 0.6),
    MinMaxNorm(0.4, 0.6, rate=0.3, axis=1),
]
#: For biases of one axis.
FLAT = [kind for kind in KINDS if getattr(kind, "axis", 0) in (0, -1)]


def stilled(*layers: Any) -> elman.Sequential:
    """A model whose training steps change nothing, so that only constraints do."""
    model = elman.Sequential([elman.Input((6,)), Embedding(9, 5), *layers])
    model.compile(SGD(0.0), "mse")
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


def step(model: elman.Sequential) -> None:
    x = np.random.default_rng(4).integers(0, 9, (4, 6)).astype("i4")
    model.train_on_batch(x, np.zeros((4, 2), "f4"))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_a_step_ends_where_the_formula_says(kind, threads):
    _core.set_threads(threads)
    matrices = {"kernel_constraint": kind, "recurrent_constraint": kind}
    model = stilled(
        Bidirectional(LSTM(7, return_sequences=True, **matrices)),
        GRU(3, return_sequences=True, **matrices, bias_constraint=kind),
        SimpleRNN(4, **matrices),
        Dense(2, kernel_constraint=kind),
    )
    before = model.get_weights()
    step(model)
    params = [p for layer in model.layers for p in layer.own_params]
    for p, was, now in zip(params, before, model.get_weights(), strict=True):
        wanted = was if p.constraint is None else p.constraint(was.astype("f8"))
        np.testing.assert_allclose(now, wanted, rtol=1e-6, err_msg=p.name)
    assert sum(p.constraint is not None for p in params) == 10


@pytest.mark.parametrize("kind", FLAT, ids=repr)
def test_a_bias_of_one_axis_is_one_vector(kind):
    model = stilled(LSTM(7, bias_constraint=kind), Dense(2, bias_constraint=kind))
    before = model.layers[1].bias.copy()
    step(model)
    np.testing.assert_allclose(model.layers[1].bias, kind(before.astype("f8")), rtol=1e-6)


def test_a_constrained_table_is_held_in_every_row():
    model = elman.Sequential(
        [Embedding(50, 4, embeddings_constraint=UnitNorm(axis=1)), LSTM(3), Dense(2)]
    )
    model.compile("adam", "mse")
    model.train_on_batch(np.full((2, 5), 7, "i4"), np.zeros((2, 2), "f4"))
    lengths = np.linalg.norm(model.layers[0].embeddings, axis=1)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-5)


def test_a_frozen_layer_is_left_alone():
    model = stilled(LSTM(3, kernel_constraint="non_neg", trainable=False), Dense(2))
    before = model.layers[1].kernel.copy()
    step(model)
    np.testing.assert_array_equal(model.layers[1].kernel, before)
    model.layers[1].trainable = True
    model.compile(SGD(0.0), "mse")
    step(model)
    assert before.min() < 0 <= model.layers[1].kernel.min()


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: Dense(2, kernel_constraint="maxnorm"), UnknownNameError, "mean 'MaxNorm'"),
        (lambda: Dense(2, kernel_constraint=abs), OptionError, "does not call Python"),
        (lambda: MaxNorm(-1), OptionError, "max_value to be a number >= 0, got -1"),
        (lambda: MaxNorm(axis="rows"), OptionError, "axis to be a whole number"),
        (lambda: MinMaxNorm(rate=2.0), OptionError, "rate to be a number from 0 to 1, got 2.0"),
        (lambda: MinMaxNorm(2.0, 1.0), OptionError, "min_value <= max_value, got 2.0 and 1.0"),
        (
            lambda: elman.Sequential([elman.Input((3,)), Dense(2, bias_constraint=UnitNorm(1))]),
            ShapeError,
            r"Dense 'dense' expected the axis of UnitNorm in bias_constraint .* \(2,\), got 1",
        ),
    ],
)
def test_what_is_no_constraint_is_refused(wrong, error, words):
    with pytest.raises(error) as caught:
        wrong()
    assert isinstance(caught.value, ElmanError)
    assert re.search(words, str(caught.value))
