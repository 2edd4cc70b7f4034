"""Training on whole sequences in the memory of a part: the same step, computed twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases import cell, every_cell
from elman import Input, Sequential, _core, losses, set_random_seed, windows
from elman.errors import OptionError
from elman.layers import GRU, Dense, Dropout, Embedding, Masking
from harness import native_targets, randomize
from test_states import carrying, sequences
from test_windows import in_file

Array = np.ndarray[Any, np.dtype[Any]]

every_output = pytest.mark.parametrize("by_step", [False, True], ids=["last", "each step"])


def stack(name: str, by_step: bool, tokens: bool = False, dropout: float = 0.4) -> Sequential:
    """Two cells, dropout of both kinds, a mask, and a Dense above."""
    below: list[Any] = [Input((None, 2)), Masking(), Dense(3)]
    if tokens:
        below = [Embedding(11, 3, mask_zero=True)]
    model = Sequential(
        [
            *below, cell(name, 7, return_sequences=True, dropout=dropout), Dropout(dropout),
            cell(name, 5, return_sequences=by_step), Dropout(dropout), Dense(2),
        ]
    )  # fmt: skip
    model.compile("adam", "mse", metrics=["mae"])
    randomize(model, 4)
    return model


def data(
    by_step: bool, tokens: bool = False, rows: int = 5, steps: int = 53
) -> tuple[Array, Array]:
    """Inputs with masked steps, and targets."""
    rng = np.random.default_rng(steps)
    x = sequences(rows, steps)
    if tokens:
        x = rng.integers(0, 11, (rows, steps)).astype(np.int32)
    return x, rng.normal(size=(rows, steps, 2) if by_step else (rows, 2)).astype(np.float32)


def assert_near(found: list[Array], wanted: list[Array], tolerance: float) -> None:
    """Each tensor within a share of its own size."""
    for a, b in zip(found, wanted, strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


@every_cell
@every_output
@pytest.mark.parametrize("tokens", [False, True], ids=["numbers", "tokens"])
def test_gradients_are_those_of_the_plain_plan(
    name: str, by_step: bool, tokens: bool, isa: str
) -> None:
    _core.set_threads(2)
    model = stack(name, by_step, tokens)
    x, y = data(by_step, tokens)
    weight = native_targets(np.random.default_rng(2).random(x.shape[: 1 + by_step]))
    plain = model.plan_for(x, rows=5, training=True, loss=True).native
    for steps in (1, 16, 52, 53, 64):
        plan = carrying(model, steps, 5, training=True).native
        plan.recomputes = True
        for given in (None, weight):
            loss, wanted = plain.gradients(x, native_targets(y), given, 7, 3)
            cut, found = plan.gradients(x, native_targets(y), given, 7, 3)
            np.testing.assert_allclose(cut, loss, rtol=1e-12)
            assert_near(found, wanted, 2e-6)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
@every_output
def test_what_does_not_count_is_left_out_over_the_whole_sequence(
    by_step: bool, reduction: str
) -> None:
    model = stack("gru", by_step)
    x, y = data(by_step)
    y = np.random.default_rng(1).integers(0, 2, y.shape[:-1]).astype(np.float32)
    y[1] = -1
    loss = losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=-1, reduction=reduction
    )
    model.compile("sgd", loss)
    plan = carrying(model, 16, 5, training=True).native
    plan.recomputes = True
    wanted = model.plan_for(x, rows=5, training=True, loss=True).native.gradients(
        x, native_targets(y), None, 7, 3
    )
    found = plan.gradients(x, native_targets(y), None, 7, 3)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-12)
    assert_near(found[1], wanted[1], 2e-6)


def trained(model: Sequential, x: Array, y: Array, **options: Any) -> tuple[list[Array], Any]:
    """Weights and history after 20 steps of a training from seed 3."""
    set_random_seed(3)
    history = model.fit(x, y, **{"epochs": 10, "batch_size": 3, "verbose": 0, **options})
    return model.get_weights(), history.history


@every_cell
@every_output
@pytest.mark.parametrize("tokens", [False, True], ids=["numbers", "tokens"])
def test_twenty_steps_are_those_of_plain_training(name: str, by_step: bool, tokens: bool) -> None:
    x, y = data(by_step, tokens, steps=150)
    plain, history = trained(stack(name, by_step, tokens), x, y, recompute=False)
    cut, cut_history = trained(stack(name, by_step, tokens), x, y, recompute=True)
    for name, values in history.items():
        np.testing.assert_allclose(cut_history[name], values, rtol=1e-5)
    # Adam turns the rounding of a gradient near zero into a step of its own size.
    for a, b in zip(cut, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(1.0, float(np.abs(b).max())))


def test_optimizers_and_clipping_see_one_gradient_per_batch() -> None:
    from elman import optimizers

    x, y = data(True, True, steps=130)
    for make in (
        lambda: optimizers.SGD(0.1, momentum=0.9, clipnorm=0.5),
        lambda: optimizers.RMSprop(0.01, global_clipnorm=0.3),
    ):
        found = []
        for recompute in (False, True):
            model = stack("lstm", True, True)
            model.compile(make(), "mse")
            found.append(trained(model, x, y, recompute=recompute)[0])
            assert model.optimizer is not None
            assert model.optimizer.iterations == 20
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_recomputed_training_repeats_itself_to_the_bit() -> None:
    x, y = data(True, steps=130)
    one, two = (trained(stack("gru", True), x, y, recompute=True)[0] for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_is_recomputed_like_memory(tmp_path: Path) -> None:
    x, y = data(False, steps=130)
    wanted = trained(stack("gru", False), x, y, recompute=True)[0]
    found = trained(stack("gru", False), in_file(tmp_path / "x.npy", x), y, recompute=True)[0]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


# -- when -----------------------------------------------------------------------------------------


def is_recomputed(model: Sequential) -> bool:
    """Whether a training of this model was."""
    return any(plan.native.carries and plan.native.recomputes for plan in model._plans.values())


def test_auto_recomputes_where_a_plan_would_pass_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data(False, steps=400)
    model = stack("lstm", False)
    trained(model, x, y, epochs=1)
    assert not is_recomputed(model)
    plain = model.plan_for(x, rows=3, training=True, loss=True).native.bytes
    for bound, wanted in ((plain * 1.1, False), (plain * 0.9, True)):
        monkeypatch.setattr(windows, "RECOMPUTE_BYTES", bound)
        model = stack("lstm", False)
        trained(model, x, y, epochs=1)
        assert is_recomputed(model) == wanted
    trained(model := stack("lstm", False), x, y, epochs=1, recompute=False)
    assert not is_recomputed(model)


def test_a_backward_layer_stays_plain_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "RECOMPUTE_BYTES", 1)
    model = Sequential([Input((None, 2)), GRU(3, go_backwards=True), Dense(2)])
    model.compile("sgd", "mse")
    x, y = data(False, steps=200)
    trained(model, x, y, epochs=1)
    assert not is_recomputed(model)
    with pytest.raises(OptionError, match=r"fit with recompute=True.*GRU 'gru'"):
        model.fit(x, y, recompute=True, verbose=0)


@pytest.mark.parametrize("value", [None, "yes", 1, 0.5])
def test_recompute_is_a_word_or_a_truth(value: Any) -> None:
    with pytest.raises(OptionError, match="recompute to be True, False or 'auto'"):
        stack("gru", False).fit(*data(False), recompute=value, verbose=0)


def test_recompute_and_windows_exclude_each_other() -> None:
    with pytest.raises(OptionError, match="recompute=True and tbptt=5"):
        stack("gru", True).fit(*data(True), recompute=True, tbptt=5, verbose=0)


# -- what it is for -------------------------------------------------------------------------------

MEMORY = """
import json, resource, sys, time
import numpy as np
import elman
from elman.layers import LSTM, Dense

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def run(steps):
    x = np.random.default_rng(0).normal(size=(8, steps, 2)).astype(np.float32)
    model = elman.Sequential([elman.Input((None, 2)), LSTM(16), Dense(1)])
    model.compile("adam", "mse")
    began = time.perf_counter()
    model.fit(x, np.ones((8, 1)), batch_size=8, epochs=1, verbose=0, recompute=True)
    plain = model.plan(steps=64, batch_size=8).native.bytes * steps / 64 / 2**20
    return (time.perf_counter() - began) / steps, plain

run(200)
before = peak()
short, _ = run(12500)
long, plain = run(100000)
print(json.dumps({"grown": peak() - before, "plain": plain, "slower": long / short}))
"""


def test_a_hundred_thousand_steps_train_in_little_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["plain"] > 350
    assert found["grown"] < 40, found
    assert found["slower"] < 2.5, "the cost of a step must not grow with their number"
