"""The engine as a whole: repeatable, the same on every path, and the arithmetic of the formulas."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import elman
from cases import normal
from elman import Input, Sequential, _core, losses, optimizers, training
from elman.callbacks import LambdaCallback
from elman.layers import GRU, LSTM, Activation, Dense, Dropout, Embedding, Masking, SimpleRNN
from harness import (
    assert_close,
    assert_same_gradients,
    engine_gradients,
    native_targets,
    randomize,
    reference,
    reference_gradients,
)

Array = np.ndarray[Any, np.dtype[Any]]


def run(code: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python process of its own."""
    # Paths where this process found its modules come along, and nothing that pytest set up.
    paths = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def tokens(rows: int, steps: int, vocabulary: int, seed: int = 0) -> Array:
    """Random tokens, frequent ones and rare ones."""
    found = np.random.default_rng(seed).zipf(1.6, (rows, steps))
    return np.minimum(found, vocabulary - 1).astype(np.int32)


# -- the same bits ------------------------------------------------------------------------------


def trained(seed: int, **options: Any) -> tuple[Sequential, list[float]]:
    """A model with everything random in it, trained for two epochs, and its losses."""
    elman.set_random_seed(seed)
    model = Sequential(
        [
            Embedding(30, 5, mask_zero=True),
            Dropout(0.2),
            LSTM(7, return_sequences=True, dropout=0.3),
            GRU(5),
            Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    x = tokens(45, 6, 30)
    history = model.fit(x, x[:, 0] % 3, epochs=2, batch_size=8, verbose=0, **options)
    return model, history.history["loss"]


def digest(model: Sequential) -> str:
    """A fingerprint of all weights."""
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_same_seed_and_threads_give_the_same_bits(threads: int, isa: str) -> None:
    _core.set_threads(threads)
    first, losses_first = trained(5)
    again, losses_again = trained(5)
    other, _ = trained(6)
    assert digest(again) == digest(first)
    assert losses_again == losses_first
    assert digest(other) != digest(first)


def test_another_process_computes_the_same_bits() -> None:
    code = """
import elman, test_engine
elman.set_threads(2)
model, losses = test_engine.trained(5)
print(test_engine.digest(model), losses)
"""
    found = [run(code) for _ in range(2)]
    assert found[0].returncode == 0, found[0].stderr
    _core.set_threads(2)
    model, values = trained(5)
    assert found[0].stdout == found[1].stdout
    assert found[0].stdout.strip() == f"{digest(model)} {values}"


def test_a_seed_decides_weights_and_shuffling_apart_from_numpys_own_generator() -> None:
    found = []
    for numpy_seed in (1, 2):
        np.random.seed(numpy_seed)
        found.append(digest(trained(5)[0]))
        state = np.random.get_state()[1]
        np.random.seed(numpy_seed)
        np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert found[0] == found[1]


def test_training_does_not_depend_on_how_batches_are_cut_into_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _core.set_threads(2)
    found = []
    for seconds in (0.0, 1e-4, 10.0):
        monkeypatch.setattr(training, "CHUNK_SECONDS", seconds)
        found.append(digest(trained(5)[0]))
    # A hook of each batch makes every chunk one batch.
    hook = LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    found.append(digest(trained(5, callbacks=[hook])[0]))
    assert len(set(found)) == 1


def test_native_chunks_of_any_size_give_the_same_bits_and_losses() -> None:
    x, order = tokens(22, 5, 30), np.random.default_rng(0).permutation(22)
    found = []
    for chunk in (1, 2, 3, 6):
        elman.set_random_seed(3)
        model = Sequential([Embedding(30, 4), Dropout(0.5), SimpleRNN(5), Dense(1)])
        model.compile(optimizer=optimizers.SGD(0.1, momentum=0.9), loss="mse")
        model.build()
        plan = model.plan_for(x, rows=4, training=True, loss=True)
        y, optimizer = native_targets(x[:, :1] / 30), model.native_optimizer()
        told = []
        for first in range(0, 6, chunk):
            part = order[first * 4 : (first + chunk) * 4]
            batches = -(-len(part) // 4)
            values = np.empty(batches)
            rates = np.full(batches, 0.1, np.float32)
            plan.native.train(x, y, None, part, 4, 9, optimizer, rates, None, None, values)
            told += list(values)
        assert optimizer.iterations == 6
        found.append((digest(model), told))
    assert all(other == found[0] for other in found[1:])


def test_threads_and_instruction_sets_agree_to_rounding() -> None:
    found = []
    for name in _core.available_isas():
        for threads in (1, 2, 3):
            _core.use_isa(name)
            _core.set_threads(threads)
            model, values = trained(5)
            found.append((model.get_weights(), values))
    for weights, values in found[1:]:
        np.testing.assert_allclose(values, found[0][1], rtol=1e-5)
        for got, wanted in zip(weights, found[0][0], strict=True):
            # Adam divides small gradients by their own size: rounding is not small there.
            np.testing.assert_allclose(got, wanted, atol=2e-4)


def test_more_threads_than_cores_give_the_same_bits_every_time() -> None:
    # Whoever finds another's work undone does it: who does what must not show.
    _core.set_threads(4 * len(os.sched_getaffinity(0)))
    assert len({digest(trained(5)[0]) for _ in range(5)}) == 1


def test_several_python_threads_may_predict_at_once() -> None:
    model = Sequential([Input((None, 3)), LSTM(20, return_sequences=True), GRU(9), Dense(2)])
    given = [normal(40, 20, 3, seed=seed) for seed in range(4)]
    wanted = [model.predict(x, verbose=0) for x in given]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = pool.map(lambda x: model.predict(x, verbose=0), given)
            for got, right in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(got, right)


def test_predicting_while_another_python_thread_trains_does_no_harm() -> None:
    _core.set_threads(2)
    alone, _ = trained(5)
    with ThreadPoolExecutor(1) as pool:
        watcher = Sequential([Input((None, 3)), GRU(9), Dense(2)])
        x = normal(30, 20, 3)
        right = watcher.predict(x, verbose=0)
        training_run = pool.submit(trained, 5)
        while not training_run.done():
            np.testing.assert_array_equal(watcher.predict(x, verbose=0), right)
    assert digest(training_run.result()[0]) == digest(alone)


def test_gradients_of_a_batch_do_not_depend_on_threads() -> None:
    model = Sequential([Input((None, 3)), LSTM(9, return_sequences=True), GRU(4), Dense(2)])
    model.compile(loss="mse")
    randomize(model, 3)
    x, y = normal(13, 7, 3), normal(13, 2, seed=1)
    judge = reference_gradients(model, x, y)
    for threads in (1, 2, 3, 5, 13, 16):
        _core.set_threads(threads)
        assert_same_gradients(engine_gradients(model, x, y)[1], judge)


# -- what the environment says ------------------------------------------------------------------


PREDICT = """
import numpy as np, elman
from elman import _core
model = elman.Sequential([elman.Input((None, 2)), elman.layers.GRU(5)])
print(_core.isa(), _core.threads(), model.predict(np.ones((3, 4, 2)), verbose=0).shape)
"""


@pytest.mark.parametrize("name", _core.available_isas())
def test_elman_isa_forces_an_instruction_set(name: str) -> None:
    found = run(PREDICT, ELMAN_ISA=name)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split()[0] == name


def test_an_unknown_instruction_set_is_a_clear_error() -> None:
    found = run(PREDICT, ELMAN_ISA="nonsense")
    assert found.returncode != 0
    told = found.stderr.strip().splitlines()[-1]
    assert "ELMAN_ISA expected one of" in told
    assert "scalar on this processor, got 'nonsense'" in told
    with pytest.raises(ValueError, match="got 'nonsense'"):
        _core.use_isa("nonsense")


def test_elman_threads_sets_their_number() -> None:
    found = run(PREDICT, ELMAN_THREADS="3")
    assert found.returncode == 0, found.stderr
    assert found.stdout.split()[1] == "3"


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1e9", "99999"])
def test_a_bad_number_of_threads_is_a_clear_error(value: str) -> None:
    found = run(PREDICT, ELMAN_THREADS=value)
    assert found.returncode != 0
    told = found.stderr.strip().splitlines()[-1]
    assert f"ELMAN_THREADS expected a whole number from 1 to 1024, got '{value}'" in told


def test_threads_are_the_cores_this_process_may_use_unless_told_otherwise() -> None:
    found = run(PREDICT, ELMAN_THREADS="")
    assert int(found.stdout.split()[1]) == len(os.sched_getaffinity(0))
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + PREDICT
    assert run(code, ELMAN_THREADS="").stdout.split()[1] == "1"


@pytest.mark.parametrize("count", [0, -3, 1025])
def test_set_threads_refuses_a_bad_number_and_keeps_the_old(count: int) -> None:
    elman.set_threads(2)
    with pytest.raises(ValueError, match=f"from 1 to 1024, got {count}"):
        elman.set_threads(count)
    assert elman.get_threads() == 2


FORK = """
import gc, os, sys, time
import numpy as np
import elman
elman.set_threads(2)
model = elman.Sequential([elman.Input((None, 2)), elman.layers.GRU(5), elman.layers.Dense(1)])
x = np.ones((6, 4, 2), np.float32)
before = model.predict(x, verbose=0)
child = os.fork()
if child == 0:
    if "END" == "untouched":
        del model
        gc.collect()
        sys.exit(0)
    print("the same", np.array_equal(model.predict(x, verbose=0), before))
    mine = elman.Sequential([elman.Input((None, 2)), elman.layers.GRU(5)])
    print(mine.predict(x, verbose=0).shape, flush=True)
    if "END" == "delete":
        del model
        gc.collect()
        os._exit(0)
    sys.exit(0)
for _ in range(100):
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        print("child ended", status)
        break
    time.sleep(0.05)
else:
    os.kill(child, 9)
    print("child hangs")
print("parent", model.predict(x, verbose=0).shape)
"""


@pytest.mark.parametrize("end", ["delete", "exit"])
def test_a_forked_process_gets_threads_of_its_own_and_never_hangs(end: str) -> None:
    found = run(FORK.replace("END", end))
    assert "the same True" in found.stdout, found.stderr
    assert "(6, 5)" in found.stdout, "a model built in the child works there"
    assert "child ended 0" in found.stdout
    assert "parent (6, 1)" in found.stdout


# -- the printed plan ---------------------------------------------------------------------------


def test_a_forked_process_may_drop_a_model_it_never_used() -> None:
    found = run(FORK.replace("END", "untouched"))
    assert "child ended 0" in found.stdout, found.stderr


def test_a_printed_plan_lists_every_op_with_shapes_flops_bytes_and_path(isa: str) -> None:
    model = Sequential(
        [
            Embedding(15000, 32, mask_zero=True, name="a_name_that_is_rather_long_for_a_table"),
            Dropout(0.5),
            LSTM(16, return_sequences=True, go_backwards=True),
            GRU(16, activation="relu"),
            Dense(3, activation="softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy")
    for is_training in (True, False):
        plan = model.plan(steps=100, training=is_training)
        head, columns, *lines = str(plan).splitlines()
        assert "32 rows" in head
        assert isa in head
        assert ("training" in head) == is_training
        assert columns.split() == ["op", "name", "in", "->", "out", "FLOPs/row", "memory", "path"]
        ops = [line.split()[0] for line in lines]
        recurrent = ["recurrent", "reverse", "recurrent"]
        wanted = ["embedding", "dropout", *recurrent, "dense", "activation"]
        assert ops == wanted + ["loss"] * is_training
        assert max(len(line) for line in str(plan).splitlines()) <= 80
        lstm, gru = lines[2], lines[4]
        assert "100x32 -> 100x16" in lstm
        # 2 * 100 steps * (32 + 16) * 4 gates * 16 units
        assert "614.4 k" in lstm
        assert f"{isa} fused" in lstm
        assert f"{isa} general" in gru
        assert "100x16 -> 1x16" in gru


def test_a_plan_tells_the_memory_it_takes() -> None:
    model = Sequential([Input((20, 3)), LSTM(16), Dense(1)])
    model.compile(loss="mse")
    small, large = model.plan(batch_size=8), model.plan(batch_size=64)
    ops = sum(op["bytes"] for op in large.native.describe())
    assert small.native.bytes < large.native.bytes
    # the input is no op
    assert 0.8 * large.native.bytes < ops <= large.native.bytes
    assert model.plan(batch_size=8, training=False).native.bytes < small.native.bytes


# -- losses -------------------------------------------------------------------------------------


LOSSES: dict[str, tuple[losses.Loss, str]] = {
    "mse": (losses.MeanSquaredError(), "any"),
    "mae": (losses.MeanAbsoluteError(), "any"),
    "huber": (losses.Huber(), "any"),
    "huber-0.3": (losses.Huber(0.3), "any"),
    "binary": (losses.BinaryCrossentropy(), "share"),
    "binary-smooth": (losses.BinaryCrossentropy(label_smoothing=0.2), "share"),
    "binary-logits": (losses.BinaryCrossentropy(from_logits=True), "share"),
    "binary-logits-smooth": (
        losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        "share",
    ),
    "categorical": (losses.CategoricalCrossentropy(), "share"),
    "categorical-smooth": (losses.CategoricalCrossentropy(label_smoothing=0.3), "share"),
    "categorical-logits": (losses.CategoricalCrossentropy(from_logits=True), "share"),
    "categorical-logits-smooth": (
        losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        "share",
    ),
    "sparse": (losses.SparseCategoricalCrossentropy(), "class"),
    "sparse-logits": (losses.SparseCategoricalCrossentropy(from_logits=True), "class"),
    "sparse-ignore": (losses.SparseCategoricalCrossentropy(ignore_class=1), "class"),
    "sparse-logits-ignore": (
        losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1),
        "class",
    ),
}


def with_reduction(loss: losses.Loss, reduction: str) -> losses.Loss:
    """The same loss, summed up otherwise."""
    return type(loss)(**{**loss.get_config(), "reduction": reduction})


def loss_case(
    name: str, reduction: str, classes: int, form: str, weighted: str
) -> tuple[Sequential, Array, Array, Array | None]:
    """A model that hands its inputs to the loss, inputs, targets and weights."""
    loss, kind = LOSSES[name]
    rng = np.random.default_rng(classes)
    rows, steps = 7, 4
    shape = (rows, classes) if form == "rows" else (rows, steps, classes)
    x = rng.random(shape) * 0.85 + 0.05 if loss.native()[1].get("from_logits") == 0.0 else None
    x = (rng.normal(size=shape) * 2 if x is None else x).astype(np.float32)
    if form == "masked":
        x[0, 2:] = x[2, 0] = x[5] = 0.0
    masking = [Masking()] if form == "masked" else []
    # The Dense above keeps the mask, its identity keeps the numbers,
    model = Sequential([Input(shape[1:]), *masking, Dense(classes)])
    # and a small bias keeps masked rows from being all zero, of which no share can be taken.
    model.set_weights([np.eye(classes), np.full(classes, 0.05)])
    model.compile(loss=with_reduction(loss, reduction))
    if kind == "class":
        y = rng.integers(0, classes, shape[:-1])
        if getattr(loss, "ignore_class", None) == -1:
            y[0] = y[3] = -1
    else:
        y = rng.random(shape) if kind == "share" else rng.normal(size=shape)
        y = y.astype(np.float32)
    weight = rng.random(shape[:-1] if weighted == "steps" else rows).astype(np.float32)
    weight[1] = 0.0
    return model, x, y, None if weighted == "unweighted" else weight


@pytest.mark.parametrize(
    ("form", "weighted"),
    [
        ("rows", "unweighted"),
        ("rows", "rows"),
        ("steps", "rows"),
        ("steps", "steps"),
        ("masked", "unweighted"),
        ("masked", "steps"),
    ],
)
@pytest.mark.parametrize("classes", [2, 17])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_its_gradient_are_those_of_the_formula(
    name: str, reduction: str, classes: int, form: str, weighted: str, isa: str
) -> None:
    model, x, y, weight = loss_case(name, reduction, classes, form, weighted)
    output, mask = reference(model, x)
    got, gradients = engine_gradients(model, x, y, weight)
    wanted = model.compiled_loss()(y, output, weight, mask)
    assert_close(np.array(got), np.array(wanted), what="loss")
    judge = reference_gradients(model, x, y, weight)
    assert all(slopes.scale > 0 for slopes in judge.values())
    assert_same_gradients(gradients, judge)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("name", ["mse", "sparse-ignore"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
def test_a_masked_mean_is_over_the_whole_batch_and_not_over_a_threads_rows(
    reduction: str, name: str, threads: int
) -> None:
    _core.set_threads(threads)
    model, x, y, weight = loss_case(name, reduction, 5, "masked", "steps")
    output, mask = reference(model, x)
    got, gradients = engine_gradients(model, x, y, weight)
    wanted = np.array(model.compiled_loss()(y, output, weight, mask))
    assert_close(np.array(got), wanted, what="loss")
    assert_close(np.array(model.evaluate(x, y, sample_weight=weight, verbose=0)), wanted)
    assert_same_gradients(gradients, reference_gradients(model, x, y, weight))


@pytest.mark.parametrize("name", ["mse", "sparse-ignore"])
def test_a_batch_in_which_nothing_counts_has_loss_and_gradient_zero(name: str, isa: str) -> None:
    model, x, y, _ = loss_case(name, "sum_over_batch_size", 5, "masked", "unweighted")
    value, gradients = engine_gradients(model, np.zeros_like(x), y)
    assert value == 0.0
    assert all((g == 0).all() for g in gradients.values())


@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy"])
def test_probabilities_of_zero_and_one_are_clipped_as_in_the_formula(loss: str, isa: str) -> None:
    x = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]], np.float32)
    y = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    model = Sequential([Input((2,)), Dense(2)])
    model.set_weights([np.eye(2), np.zeros(2)])
    model.compile(loss=loss)
    value, gradients = engine_gradients(model, x, y)
    np.testing.assert_allclose(value, model.compiled_loss()(y, x), rtol=1e-5)
    assert all(np.isfinite(g).all() for g in gradients.values())


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_loss_before_its_last_activation_survives_large_numbers(activation: str) -> None:
    # In float32 a sigmoid of 50 is one, and its logarithm's gradient would be lost.
    model = Sequential([Input((2,)), Dense(2, activation=activation)])
    model.set_weights([np.eye(2), np.zeros(2)])
    kind = "binary" if activation == "sigmoid" else "categorical"
    model.compile(loss=f"{kind}_crossentropy")
    x, y = np.array([[50.0, -50.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
    value, gradients = engine_gradients(model, x, y)
    np.testing.assert_allclose(value, 50.0 if activation == "sigmoid" else 100.0, rtol=1e-6)
    assert np.abs(gradients["dense/bias"]).min() > 0.4


# -- optimizers ---------------------------------------------------------------------------------


SCHEDULE = optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda: optimizers.SGD(0.1),
    "sgd-momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "sgd-nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "sgd-decay": lambda: optimizers.SGD(0.1, weight_decay=0.05),
    "sgd-momentum-decay": lambda: optimizers.SGD(0.1, momentum=0.5, weight_decay=0.05),
    "sgd-clipnorm": lambda: optimizers.SGD(0.1, clipnorm=0.05),
    "sgd-clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.01),
    "sgd-global": lambda: optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.1),
    "sgd-schedule": lambda: optimizers.SGD(SCHEDULE, momentum=0.9),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "rmsprop-momentum": lambda: optimizers.RMSprop(0.01, momentum=0.8),
    "rmsprop-centered": lambda: optimizers.RMSprop(0.01, centered=True),
    "rmsprop-all": lambda: optimizers.RMSprop(
        0.01, rho=0.7, momentum=0.5, epsilon=1e-4, centered=True, weight_decay=0.1, clipnorm=0.1
    ),
    "adam": lambda: optimizers.Adam(0.01),
    "adam-amsgrad": lambda: optimizers.Adam(0.01, beta_1=0.8, beta_2=0.9, amsgrad=True),
    "adam-clipvalue": lambda: optimizers.Adam(0.01, clipvalue=0.003, epsilon=1e-3),
    "adam-schedule": lambda: optimizers.Adam(
        optimizers.schedules.PiecewiseConstantDecay([2, 5], [0.02, 0.0, 0.01])
    ),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.2),
    "adamw-global": lambda: optimizers.AdamW(0.01, global_clipnorm=0.05),
}


def sentences() -> tuple[Array, Array]:
    """Batches of four of which each looks up few of twenty tokens, some once and never again."""
    x = np.random.default_rng(8).integers(0, 4, (40, 3)).astype(np.int32)
    x[:4] += 16
    x[12:16] += 8
    x[32:36] += 12
    return x, normal(40, 1, seed=4)


def small_model(optimizer: Any) -> Sequential:
    """A table with more rows than a batch looks up, a cell and a Dense."""
    elman.set_random_seed(12)
    model = Sequential([Embedding(20, 5), GRU(6), Dense(1)])
    model.compile(optimizer=optimizer, loss="mse")
    randomize(model, 12)
    return model


def by_formula(
    make: Any, x: Array, y: Array, batch: int
) -> tuple[list[Array], list[dict[str, Array]]]:
    """Weights and moments after one pass over the data, by `Optimizer.clip` and `formula`.

    Only the gradients come from the engine: those have another judge.
    """
    model, optimizer = small_model("sgd"), make()
    weights = model.get_weights()
    states = [{m: np.zeros_like(w) for m in optimizer.moments()} for w in weights]
    for step, first in enumerate(range(0, len(x), batch)):
        part = slice(first, first + batch)
        model.set_weights(weights)
        _, found = engine_gradients(model, x[part], y[part])
        gradients = optimizer.clip(list(found.values()))
        rate = optimizer.learning_rates(step, 1)[0]
        weights = [
            optimizer.formula(w, g, state, step, rate)
            for w, g, state in zip(weights, gradients, states, strict=True)
        ]
    return weights, states


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_steps_of_the_engine_are_those_of_the_formula(
    name: str, threads: int, isa: str
) -> None:
    _core.set_threads(threads)
    x, y = sentences()
    wanted, _ = by_formula(OPTIMIZERS[name], x, y, 4)
    model = small_model(OPTIMIZERS[name]())
    before = model.get_weights()
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    assert model.optimizer is not None
    assert model.optimizer.iterations == 10
    names = ["embeddings", "kernel", "recurrent_kernel", "bias", "dense kernel", "dense bias"]
    for what, got, value, start in zip(names, model.get_weights(), wanted, before, strict=True):
        assert got.dtype == np.float32
        assert np.abs(got - start).max() > 1e-3, f"{what} did not move"
        np.testing.assert_allclose(got, value, rtol=2e-5, atol=2e-6, err_msg=what)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_of_a_table_that_no_batch_looks_up_end_as_if_updated_at_every_step(
    name: str,
) -> None:
    # Two rows are looked up in the first batch only; a hundred steps later they must hold what
    # a dense update would have left there.
    x = np.full((404, 3), 1, np.int32)
    x[:4] = [5, 6, 1]
    y = normal(404, 1, seed=3)
    weights, states = by_formula(OPTIMIZERS[name], x, y, 4)
    model = small_model(OPTIMIZERS[name]())
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    got = model.get_weights()[0]
    rare = [0, 5, 6, 7, 19]
    np.testing.assert_allclose(got[rare], weights[0][rare], rtol=2e-5, atol=2e-6)
    for i, (moment, wanted) in enumerate(states[0].items()):
        got = model.native_optimizer().moment(i, 0)[rare]
        # a hundred roundings of the formula; and what is too small for float32 is zero
        np.testing.assert_allclose(got, wanted[rare], rtol=2e-4, atol=1e-30, err_msg=moment)


def test_a_row_that_hardly_moves_now_may_move_later() -> None:
    # Where the mean square fades faster than the square of the mean, Adam's change grows while
    # there is no gradient: a row that seems at rest in float32 is not.
    def make() -> optimizers.Optimizer:
        return optimizers.Adam(2e-9, beta_1=0.99, beta_2=0.5)

    x, y = np.full((404, 3), 1, np.int32), normal(404, 1, seed=3)
    x[:4] = [5, 6, 1]
    wanted = by_formula(make, x, y, 4)[0][0]
    model = small_model(make())
    start = model.get_weights()[0]
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    assert np.abs(wanted[5] - start[5]).max() > 1e-4
    np.testing.assert_allclose(model.get_weights()[0], wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["sgd-momentum", "adam", "adamw", "rmsprop-momentum"])
def test_looking_at_a_table_while_training_changes_nothing(name: str) -> None:
    x, y = sentences()
    straight = small_model(OPTIMIZERS[name]())
    straight.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    watched = small_model(OPTIMIZERS[name]())
    for first in range(0, 40, 4):
        watched.train_on_batch(x[first : first + 4], y[first : first + 4])
        watched.predict(x[:3], verbose=0)
        watched.get_weights()
    for got, wanted in zip(watched.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["sgd-momentum", "adam", "adamw"])
def test_whoever_reads_a_table_reads_rows_that_are_up_to_date(name: str) -> None:
    # Rows 16 to 19 are looked up in the first batch only, and move on without being asked.
    x, y = sentences()
    readers: dict[str, Any] = {
        "predict": lambda model, rare: model.predict(rare, verbose=0),
        "evaluate": lambda model, rare: model.evaluate(rare, np.zeros((4, 1)), verbose=0),
        "gradients": lambda model, rare: engine_gradients(model, rare, np.zeros((4, 1)))[0],
        "call": lambda model, rare: model(rare, training=True),
        "forward": lambda model, rare: model.plan_for(rare, rows=4, keep=True).forward(rare),
        "embedding": lambda model, rare: model.layers[0](rare),
        "save and build again": lambda model, rare: again(model).predict(rare, verbose=0),
    }
    for what, read in readers.items():
        model = small_model(OPTIMIZERS[name]())
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
        found = read(model, x[:4])
        model.get_weights()
        np.testing.assert_array_equal(read(model, x[:4]), found, err_msg=what)


def again(model: Sequential) -> Sequential:
    """A new model with a model's weights."""
    twin = Sequential.from_config(model.get_config())
    twin.set_weights(model.get_weights())
    return twin


def test_moments_are_those_of_the_formula_and_belong_to_their_tensor() -> None:
    x, y = sentences()
    model = small_model(optimizers.Adam(0.01))
    model.fit(x[:4], y[:4], batch_size=4, shuffle=False, verbose=0)
    native = model.native_optimizer()
    twin = small_model("sgd")
    _, gradients = engine_gradients(twin, x[:4], y[:4])
    for i, g in enumerate(gradients.values()):
        np.testing.assert_allclose(native.moment(0, i), 0.1 * g, rtol=1e-5, atol=1e-10)
        np.testing.assert_allclose(native.moment(1, i), 0.001 * g**2, rtol=1e-4, atol=1e-12)


def test_a_layer_that_is_not_trainable_keeps_its_weights() -> None:
    x, y = sentences()
    for make in (lambda: optimizers.AdamW(0.1), lambda: optimizers.SGD(0.1, clipnorm=0.01)):
        model = Sequential([Embedding(20, 5, trainable=False), GRU(6, trainable=False), Dense(1)])
        model.compile(optimizer=make(), loss="mse")
        before = model.get_weights()
        model.fit(x, y, verbose=0)
        after = model.get_weights()
        for got, wanted in zip(after[:-2], before[:-2], strict=True):
            np.testing.assert_array_equal(got, wanted)
        assert (after[-2] != before[-2]).any()


# -- weights ------------------------------------------------------------------------------------


def test_get_weights_returns_what_set_weights_was_given() -> None:
    model = Sequential([Embedding(9, 5), LSTM(7, return_sequences=True), GRU(3), Dense(2)])
    model.compile(loss="mse")
    given = [np.random.default_rng(1).normal(size=w.shape) for w in model.get_weights()]
    for when in ("before the engine has them", "after"):
        model.set_weights(given)
        for got, wanted in zip(model.get_weights(), given, strict=True):
            np.testing.assert_array_equal(got, wanted.astype(np.float32), err_msg=when)
        model.predict(tokens(2, 3, 9), verbose=0)


def test_set_weights_is_seen_by_plans_that_were_made_before() -> None:
    model = Sequential([Input((None, 2)), GRU(5), Dense(1)])
    model.compile(loss="mse")
    x, y = normal(4, 3, 2), normal(4, 1)
    for seed in (1, 2):
        randomize(model, seed)
        output, _ = reference(model, x)
        assert_close(model.predict(x, verbose=0), output)
        assert_same_gradients(engine_gradients(model, x, y)[1], reference_gradients(model, x, y))


def test_views_of_the_weights_are_read_only_and_copies_are_not() -> None:
    model = Sequential([Input((None, 2)), GRU(5)])
    model.predict(normal(1, 2, 2), verbose=0)
    assert not model.weights[0].flags.writeable
    copies = model.get_weights()
    copies[0][:] = 7.0
    assert (model.weights[0] != 7.0).all()


def test_two_models_share_a_layer_and_its_weights() -> None:
    shared = LSTM(4)
    first = Sequential([Input((None, 2)), shared, Dense(1)])
    second = Sequential([Input((None, 2)), shared])
    x, y = normal(6, 3, 2), normal(6, 1)
    first.compile(optimizer=optimizers.SGD(0.5), loss="mse")
    before = second.predict(x, verbose=0)
    first.fit(x, y, verbose=0)
    after = second.predict(x, verbose=0)
    assert (before != after).any()
    assert_close(after, reference(second, x)[0])
    # and back again: what the second learns, the first has
    second.compile(optimizer=optimizers.SGD(0.5), loss="mse")
    second.fit(x, normal(6, 4), verbose=0)
    assert_close(first.predict(x, verbose=0), reference(first, x)[0])
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])
    np.testing.assert_array_equal(shared(x), second.predict(x, verbose=0))


def test_a_longer_model_keeps_the_weights_of_its_layers() -> None:
    model = Sequential([Input((None, 2)), GRU(4)])
    x = normal(3, 5, 2)
    before = model.predict(x, verbose=0)
    model.add(Dense(2))
    model.predict(x, verbose=0)
    model.pop()
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


# -- data of any size ---------------------------------------------------------------------------


def test_predict_does_not_depend_on_how_many_rows_come_together() -> None:
    model = Sequential([Input((None, 2)), LSTM(5, return_sequences=True), Dense(2)])
    randomize(model, 1)
    x = normal(150, 4, 2)
    for threads in (1, 2, 3):
        _core.set_threads(threads)
        whole = model.predict(x, verbose=0)
        one_by_one = np.concatenate([model.predict(x[i : i + 1], verbose=0) for i in range(150)])
        np.testing.assert_array_equal(whole, one_by_one)


def test_threads_that_share_the_units_of_a_row_give_the_bits_of_one(isa: str) -> None:
    # Enough units for threads to meet at every step, and a cell with two products, which does not.
    plain = {"recurrent_initializer": "glorot_uniform", "return_sequences": True}
    model = Sequential(
        [
            Embedding(20, 5, mask_zero=True), LSTM(259, go_backwards=True, **plain),
            GRU(9, reset_after=False, return_sequences=True), GRU(300, **plain),
            SimpleRNN(520, recurrent_initializer="glorot_uniform"), Dense(3),
        ]
    )  # fmt: skip
    tokens = np.random.default_rng(1).integers(0, 20, (4, 21)).astype(np.int32)
    tokens[0, :9] = 0
    _core.set_threads(1)
    alone = model.predict(tokens, verbose=0)
    for threads in (2, 3, 5):
        _core.set_threads(threads)
        for rows in (1, 2, 4):
            np.testing.assert_array_equal(model.predict(tokens[:rows], verbose=0), alone[:rows])


def test_predict_of_no_rows_is_an_empty_array_of_the_right_shape() -> None:
    model = Sequential([Input((None, 2)), LSTM(5, return_sequences=True), Dense(3)])
    assert model.predict(np.empty((0, 4, 2)), verbose=0).shape == (0, 4, 3)
    assert Dense(3)(np.empty((0, 2))).shape == (0, 3)


def test_a_model_takes_lengths_in_any_order() -> None:
    model = Sequential([Input((None, 2)), LSTM(5), Dense(1)])
    randomize(model, 1)
    for steps in [*range(1, 12), 3, 1, 40, 7]:
        x = normal(3, steps, 2, seed=steps)
        assert_close(model.predict(x, verbose=0), reference(model, x)[0])


def test_a_smaller_last_batch_trains_as_a_batch_of_its_own() -> None:
    x, y = normal(10, 3, 2), normal(10, 1)
    elman.set_random_seed(1)
    whole = Sequential([Input((None, 2)), GRU(4), Dense(1)])
    parts = Sequential([Input((None, 2)), GRU(4), Dense(1)])
    for model in (whole, parts):
        model.compile(optimizer=optimizers.SGD(0.1, momentum=0.9), loss="mse")
        randomize(model, 2)
    whole.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    for part in (slice(0, 4), slice(4, 8), slice(8, 10)):
        parts.train_on_batch(x[part], y[part])
    for got, wanted in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_model_without_weights_trains_without_harm() -> None:
    # In a process of its own: what goes wrong here writes where it must not.
    code = """
import numpy as np, elman
from elman.layers import Activation, Dropout
for shape in [(33,), (20, 33)]:
    model = elman.Sequential([elman.Input(shape), Dropout(0.5), Activation("tanh")])
    model.compile(loss="mse")
    x = np.ones((64, *shape), np.float32)
    for _ in range(20):
        model.fit(x, x, epochs=1, verbose=0)
    model.predict(x, verbose=0)
print("unharmed")
"""
    found = run(code)
    assert (found.stdout.strip(), found.returncode) == ("unharmed", 0), found.stderr


# -- the last guard before native code ----------------------------------------------------------


def test_native_code_refuses_arrays_that_do_not_fit() -> None:
    model = Sequential([Input((None, 2)), GRU(3), Dense(1)])
    model.compile(loss="mse")
    x, y = normal(4, 3, 2), normal(4, 1)
    plan = model.plan_for(x, rows=4, training=True, loss=True).native
    out = np.empty((4, 1), np.float32)
    with pytest.raises(ValueError, match=r"\[samples, steps, features\]"):
        plan.predict(normal(4, 5, 2), out)
    with pytest.raises(ValueError, match=r"\[samples, steps, features\]"):
        plan.predict(normal(4, 3, 3), out)
    with pytest.raises(ValueError, match="room for every output"):
        plan.predict(x, out[:3])
    with pytest.raises(ValueError, match=r"targets \[samples, 1\]"):
        plan.gradients(x, normal(4, 2), None)
    with pytest.raises(ValueError, match=r"weights \[samples, 1 or steps\]"):
        plan.gradients(x, y, normal(3, 1))
    with pytest.raises(ValueError, match="smaller batches"):
        plan.gradients(normal(5, 3, 2), normal(5, 1), None)
    rates, values = np.zeros(1, np.float32), np.zeros(1)
    optimizer = model.native_optimizer()
    with pytest.raises(ValueError, match="names a sample that is not there"):
        plan.train(x, y, None, np.array([0, 1, 2, 4]), 4, 0, optimizer, rates, None, None, values)
    with pytest.raises(ValueError, match="one loss per batch"):
        plan.train(x, y, None, np.arange(4), 2, 0, optimizer, rates, None, None, values)
    with pytest.raises(ValueError, match="nothing called 'gru/forget_gate'"):
        plan.peek("gru/forget_gate")


def test_every_name_of_a_plan_can_be_peeked_at() -> None:
    model = Sequential(
        [
            Embedding(9, 3, mask_zero=True),
            Dropout(0.1),
            LSTM(5, return_sequences=True, go_backwards=True),
            GRU(4, reset_after=False, return_sequences=True),
            SimpleRNN(3),
            Dense(2, activation="softmax"),
            Activation("tanh"),
        ]
    )
    x = tokens(3, 4, 9)
    plan = model.plan_for(x, rows=3, keep=True)
    plan.forward(x)
    for name in plan.native.names:
        found = plan.native.peek(name)
        assert found.shape[0] == 3
        assert np.isfinite(found).all(), name
    for name in ("gru/update_gate", "simple_rnn", "dense", "dense/sum", "embedding/mask"):
        assert name in plan.native.names
