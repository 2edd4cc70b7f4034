"""Rows of a table that missed steps end as near to a dense update in float64 as single steps do."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman.layers import Dense, Embedding, SimpleRNN
from elman.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop, schedules

Array = np.ndarray[Any, np.dtype[Any]]

#: A row is looked up once, after so many steps, and misses all others: around the ends of the
#: expansions, which are at 40, 263, 400 and 512 steps for the usual numbers, and far from them.
GAPS = (1, 2, 3, 7, 39, 40, 41, 189, 262, 263, 264, 399, 400, 401, 511, 512, 513, 1000, 2500, 4999)
STEPS = 5000
#: Steps taken before: Keras corrects Adam's first rates by powers taken in float32, which is not
#: what is judged here.
BEFORE = 40_000

WARM_UP = schedules.CosineDecay(1e-6, 3000, warmup_target=0.01, warmup_steps=500)
STAIRS = schedules.PiecewiseConstantDecay([BEFORE + 20, BEFORE + 700], [0.0, 0.02, 0.001])
RULES: dict[str, Callable[[], Optimizer]] = {
    "adam": lambda: Adam(0.001),
    "adam-epsilon": lambda: Adam(0.01, epsilon=1e-3),
    "adam-0.99": lambda: Adam(0.01, beta_2=0.99),
    "adam-0.9": lambda: Adam(0.01, beta_1=0.5, beta_2=0.9),
    "adam-slow": lambda: Adam(0.01, beta_1=0.99),
    "adam-growing": lambda: Adam(0.001, beta_1=0.9, beta_2=0.7),
    "adam-no-momentum": lambda: Adam(0.01, beta_1=0.0),
    "adam-no-memory": lambda: Adam(0.01, beta_1=0.0, beta_2=0.0),
    "adam-warm-up": lambda: Adam(WARM_UP),
    "adam-stairs": lambda: Adam(STAIRS),
    "amsgrad": lambda: Adam(0.01, amsgrad=True),
    "adamw": lambda: AdamW(0.01, weight_decay=0.1),
    "adamw-stairs": lambda: AdamW(STAIRS, weight_decay=0.5),
    "sgd": lambda: SGD(0.01),
    "sgd-momentum": lambda: SGD(0.01, momentum=0.9),
    "sgd-nesterov": lambda: SGD(0.01, momentum=0.9, nesterov=True),
    "sgd-slow": lambda: SGD(0.01, momentum=0.999),
    "sgd-for-ever": lambda: SGD(0.01, momentum=1.0),
    "sgd-decay": lambda: SGD(0.01, weight_decay=0.05),
    "sgd-momentum-decay": lambda: SGD(WARM_UP, momentum=0.9, weight_decay=0.05),
    "rmsprop": lambda: RMSprop(0.01),
    "rmsprop-momentum": lambda: RMSprop(0.01, momentum=0.9),
    "rmsprop-all": lambda: RMSprop(
        0.01, rho=0.7, momentum=0.5, centered=True, weight_decay=0.1
    ),
}  # fmt: skip


def start(optimizer: Optimizer, width: int) -> tuple[Array, dict[str, Array]]:
    """Weights and moments of a table, row 0 unused.

    Roots of mean squares go from far below epsilon to far above it, in one row. Every other weight
    is zero, so that all of it is what the missed steps made.
    """
    rng = np.random.default_rng(3)
    shape = (len(GAPS) + 1, width)
    root = 10.0 ** rng.uniform(-11, 0, shape)
    value = rng.normal(0, 0.05, shape)
    value[:, ::2] = 0
    sizes = {"momentum": root if isinstance(optimizer, Adam) else 1e-3, "average_gradient": 0.0}
    moments = {
        name: root**2 if "velocity" in name else rng.normal(size=shape) * sizes[name]
        for name in optimizer.moments()
    }
    moments = {name: moment.astype(np.float32) for name, moment in moments.items()}
    return value.astype(np.float32), moments


@cache
def dense(rule: str, width: int, dtype: type) -> tuple[Array, dict[str, Array]]:
    """Weights and moments after as many steps without a gradient, each taken, in `dtype`."""
    optimizer = RULES[rule]()
    value, moments = start(optimizer, width)
    state = {name: moment.astype(dtype) for name, moment in moments.items()}
    value, nothing = value.astype(dtype), np.zeros(value.shape, dtype)
    for step, rate in enumerate(optimizer.learning_rates(BEFORE, STEPS), BEFORE):
        value = optimizer.formula(value, nothing, state, step, rate)
    return value, state


def engine(rule: str, width: int) -> tuple[Array, dict[str, Array]]:
    """The same by the engine, which looks each row up once and catches up twice."""
    optimizer = RULES[rule]()
    value, moments = start(optimizer, width)
    model = elman.Sequential([Embedding(*value.shape), SimpleRNN(1), Dense(1)])
    model.compile(optimizer, "mse")
    x = np.zeros((STEPS, 1), np.int32)
    x[list(GAPS), 0] = np.arange(1, len(GAPS) + 1)
    model.predict(x[:1], verbose=0)
    model.set_weights([value, *model.get_weights()[1:]])
    native = model.native_optimizer()
    native.iterations = optimizer.iterations = BEFORE
    for i, moment in enumerate(moments.values()):
        native.moment(i, 0)[:] = moment
    no_weight = np.zeros(STEPS, np.float32)  # the gradient of every step is zero
    model.fit(
        x, x.astype(np.float32), sample_weight=no_weight, batch_size=1, shuffle=False, verbose=0
    )
    table = model.get_weights()[0]
    return table, {name: native.moment(i, 0) for i, name in enumerate(moments)}


def worst(got: Array, exact: Array, scale: Array | float = 0.0) -> float:
    """The largest error, relative to the number itself, or to `scale` where that is more."""
    apart = np.abs(got.astype(np.float64) - exact)[1:]
    return float((apart / np.maximum(np.maximum(np.abs(exact), scale), 1e-30)[1:]).max())


@pytest.mark.parametrize("width", [1, 17])
@pytest.mark.parametrize("rule", RULES)
def test_missed_steps_are_as_near_to_float64_as_steps_taken(
    rule: str, width: int, isa: str
) -> None:
    table, moments = engine(rule, width)
    (exact, exact_moments), (taken, taken_moments) = (
        dense(rule, width, dtype) for dtype in (np.float64, np.float32)
    )
    # Five roundings at the least: in the moments, in a sum, in the weight.
    few = 5 * float(np.finfo(np.float32).eps)
    # What is left of a weight that was nearly undone is no scale for its error.
    scale = np.abs(start(RULES[rule](), width)[0])
    assert worst(table, exact, scale) <= max(worst(taken, exact, scale), few)
    for name, moment in moments.items():
        allowed = max(worst(taken_moments[name], exact_moments[name]), few)
        assert worst(moment, exact_moments[name]) <= allowed, name


WORDS = 300
SENTENCES = np.random.default_rng(4).integers(0, WORDS, (60, 5))
ANSWERS = np.random.default_rng(5).normal(size=(60, 1))
MOVING = ("adam", "amsgrad", "adamw", "sgd-nesterov", "rmsprop", "rmsprop-momentum")


def beginner(rule: str) -> elman.Sequential:
    elman.set_random_seed(7)
    model = elman.Sequential(
        [elman.Input((5,)), Embedding(WORDS, 3, mask_zero=True), SimpleRNN(4), Dense(1)]
    )
    model.compile(RULES[rule](), "mse")
    return model


def go_on(model: elman.Sequential, first: int, last: int, **more: Any) -> list[Array]:
    """The weights after epochs in which each row of the table misses most steps."""
    model.fit(
        SENTENCES, ANSWERS, batch_size=3, shuffle=False, verbose=0,
        initial_epoch=first, epochs=last, **more,
    )  # fmt: skip
    return model.get_weights()


def assert_same_bits(got: list[Array], wanted: list[Array]) -> None:
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


class Looking(elman.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert self.model is not None
        self.model.get_weights()


@pytest.mark.parametrize("rule", MOVING)
def test_nothing_done_at_the_end_of_an_epoch_changes_a_bit(rule: str, tmp_path: Path) -> None:
    wanted = go_on(beginner(rule), 0, 3)
    assert_same_bits(go_on(beginner(rule), 0, 3, callbacks=[Looking()]), wanted)
    saving = elman.callbacks.ModelCheckpoint(tmp_path / "saved.keras")
    assert_same_bits(go_on(beginner(rule), 0, 3, callbacks=[saving]), wanted)
    held_out = (SENTENCES[:9], ANSWERS[:9])
    assert_same_bits(go_on(beginner(rule), 0, 3, validation_data=held_out), wanted)


@pytest.mark.parametrize("rule", MOVING)
def test_training_goes_on_from_a_file_as_if_it_had_not_stopped(rule: str, tmp_path: Path) -> None:
    wanted = go_on(beginner(rule), 0, 4)
    saving = elman.callbacks.ModelCheckpoint(tmp_path / "saved.keras")
    go_on(beginner(rule), 0, 2, callbacks=[saving])
    assert_same_bits(go_on(elman.models.load_model(tmp_path / "saved.keras"), 2, 4), wanted)
