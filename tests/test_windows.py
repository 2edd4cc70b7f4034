"""Long sequences in windows: truncated back-propagation, predictions in parts, files as arrays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases import CELLS, cell, every_cell
from elman import Input, Sequential, _core, callbacks, set_random_seed, windows
from elman.errors import DataError, OptionError
from elman.layers import GRU, LSTM, Dense, Dropout, Embedding, Masking, Recurrent, SimpleRNN
from harness import randomize, reference_gradients, through, weights_of

Array = np.ndarray[Any, np.dtype[Any]]


def tagger(name: str = "lstm", units: int = 5, optimizer: str = "adam") -> Sequential:
    """A value for every step, with a mask and a stack."""
    model = Sequential(
        [
            Input((None, 2)), Masking(), cell(name, units, return_sequences=True), Dropout(0.2),
            GRU(3, return_sequences=True), Dense(1),
        ]
    )  # fmt: skip
    model.compile(optimizer, "mse", metrics=["mae"])
    randomize(model, units)
    return model


def recording(rows: int = 5, steps: int = 37) -> tuple[Array, Array]:
    """Sequences with masked steps, and a target for each step."""
    rng = np.random.default_rng(rows * steps)
    x = rng.normal(size=(rows, steps, 2)).astype(np.float32)
    x[rng.random((rows, steps)) < 0.2] = 0.0
    return x, rng.normal(size=(rows, steps, 1)).astype(np.float32)


def trained(model: Sequential, *data: Any, **options: Any) -> tuple[list[Array], dict[str, Any]]:
    """Weights and history after a training from seed 3."""
    set_random_seed(3)
    history = model.fit(*data, **{"epochs": 2, "batch_size": 2, "verbose": 0, **options})
    return model.get_weights(), history.history


def assert_same(found: Any, wanted: Any) -> None:
    """Two trainings to the bit."""
    for a, b in zip(found[0], wanted[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert found[1].keys() == wanted[1].keys()
    for name, values in wanted[1].items():  # sums over chunks, which depend on the clock
        np.testing.assert_allclose(found[1][name], values, rtol=1e-12)


# -- truncated back-propagation -------------------------------------------------------------------


@pytest.mark.parametrize("window", [37, 38, 1000])
def test_one_window_that_holds_all_is_plain_training(window: int) -> None:
    assert_same(trained(tagger(), *recording(), tbptt=window), trained(tagger(), *recording()))


@every_cell
@pytest.mark.parametrize("window", [1, 5, 12])
def test_windows_are_updates_by_hand_with_states_carried_over(name: str, window: int) -> None:
    steps, rate, rows = 17, 0.1, 3
    model = Sequential(
        [Input((None, 2)), Masking(), cell(name, 4, return_sequences=True), Dense(1)]
    )
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = rate
    randomize(model, 3)
    x, y = recording(rows, steps)
    by_hand = Sequential.from_config(model.get_config())
    by_hand.compile("sgd", "mse")
    by_hand.set_weights(model.get_weights())
    model.fit(x, y, batch_size=rows, tbptt=window, verbose=0)

    layer = by_hand.layers[1]
    assert isinstance(layer, Recurrent)
    states = [np.zeros((rows, 4)) for _ in range(layer.states)]
    plain, started = type(layer).formula, list[Array]()

    def formula(self: Any, x: Array, weights: Any, mask: Array | None) -> Array:
        tiles = len(x) // rows
        return plain(self, x, weights, mask, [np.tile(s, (tiles, 1)) for s in started])

    for at in range(0, steps, window):
        xs, ys = x[:, at : at + window], y[:, at : at + window]
        started[:] = states
        weights = weights_of(by_hand)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(layer), "formula", formula)
            slopes = reference_gradients(by_hand, xs, ys)
        value, mask = through(by_hand.layers[0], xs.astype(np.float64), None, weights)
        assert mask is not None
        own = {p.name: weights[f"{layer.name}/{p.name}"] for p in layer.own_params}
        for t in range(xs.shape[1]):
            new, _ = layer.step(value[:, t], states, own)
            counts = mask[:, t, None].astype(bool)
            states = [np.where(counts, n, s) for n, s in zip(new, states, strict=True)]
        moved = [
            w - rate * slopes[k].values.reshape(w.shape) for k, w in weights_of(by_hand).items()
        ]
        by_hand.set_weights([w.astype(np.float32) for w in moved])
    for found, wanted in zip(model.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


def test_where_chunks_end_changes_nothing() -> None:
    data = recording(5, 40)
    plain = trained(tagger(), *data, tbptt=7)
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    assert_same(trained(tagger(), *data, tbptt=7, callbacks=[watch]), plain)


def test_threads_share_the_rows_of_a_window() -> None:
    data = recording(6, 40)
    _core.set_threads(1)
    one = trained(tagger(), *data, tbptt=7, batch_size=4)
    _core.set_threads(3)
    three = trained(tagger(), *data, tbptt=7, batch_size=4)
    for a, b in zip(one[0], three[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_progress_and_callbacks_count_windows() -> None:
    seen: list[int] = []
    params: dict[str, Any] = {}

    class Watch(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)
            params.update(self.params)

    model = tagger()
    model.fit(*recording(5, 37), batch_size=2, tbptt=10, epochs=1, verbose=0, callbacks=[Watch()])
    assert seen == list(range(3 * 4))
    assert params["steps"] == 12
    assert model.optimizer is not None
    assert model.optimizer.iterations == 12


def test_a_callback_can_stop_between_windows() -> None:
    model = tagger()

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            model.stop_training = batch == 5

    model.fit(*recording(5, 37), batch_size=2, tbptt=10, epochs=3, verbose=0, callbacks=[Stop()])
    assert model.optimizer is not None
    assert model.optimizer.iterations == 6


def test_weights_of_rows_steps_and_classes_reach_every_window() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4, 23, 2)).astype(np.float32)
    y = rng.integers(0, 3, (4, 23))

    def result(**options: Any) -> Any:
        model = Sequential(
            [Input((None, 2)), GRU(4, return_sequences=True), Dense(3, activation="softmax")]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        randomize(model, 1)
        return trained(model, x, y, tbptt=6, batch_size=4, shuffle=False, **options)

    rows, steps = rng.random(4), rng.random((4, 23))
    classes = {0: 1.0, 1: 5.0, 2: 0.5}
    by_class = np.vectorize(classes.get)(y)
    plain = result()
    assert_same(result(class_weight=classes), result(sample_weight=by_class))
    assert_same(result(sample_weight=np.repeat(rows[:, None], 23, 1)), result(sample_weight=rows))
    several = [result(sample_weight=w)[0][0] for w in (rows, steps, by_class)]
    assert all((w != plain[0][0]).any() for w in several)


def test_validation_of_a_windowed_training_sees_whole_sequences() -> None:
    x, y = recording(6, 37)
    model = tagger()
    history = model.fit(
        x[:4], y[:4], tbptt=10, epochs=1, verbose=0, validation_data=(x[4:], y[4:])
    ).history
    loss, mae = model.evaluate(x[4:], y[4:], verbose=0)
    assert history["val_loss"] == [loss]
    assert history["val_mae"] == [mae]
    split = tagger().fit(x, y, tbptt=10, epochs=1, verbose=0, validation_split=0.5).history
    assert set(split) == {"loss", "mae", "val_loss", "val_mae"}


def test_the_loss_of_an_epoch_is_the_mean_over_all_steps() -> None:
    # One long window and one short one: each step counts the same.
    x, y = recording(4, 40)
    model = Sequential([Input((None, 2)), Dense(1)])
    model.compile("sgd", "mse", metrics=["mse"])
    model.optimizer.learning_rate = 0.0
    found = model.fit(x, y, tbptt=37, epochs=1, batch_size=4, verbose=0).history
    np.testing.assert_allclose(found["loss"], model.evaluate(x, y, verbose=0)[0], rtol=1e-6)
    np.testing.assert_allclose(found["loss"], found["mse"], rtol=1e-6)


def test_tokens_walk_in_windows_and_their_table_learns() -> None:
    rng = np.random.default_rng(5)
    tokens = rng.integers(0, 9, (4, 30))
    y = (tokens[..., None] % 2).astype(np.float32)

    def model() -> Sequential:
        set_random_seed(1)
        model = Sequential(
            [Embedding(9, 3, mask_zero=True), LSTM(4, return_sequences=True), Dense(1)]
        )
        model.compile("adam", "mse")
        return model

    assert_same(trained(model(), tokens, y, tbptt=30), trained(model(), tokens, y))
    learned = trained(model(), tokens, y, tbptt=7, epochs=30, batch_size=4)
    assert learned[1]["loss"][-1] < 0.5 * learned[1]["loss"][0]


def test_a_model_with_one_value_per_sequence_is_told_what_to_do() -> None:
    model = Sequential([Input((None, 2)), LSTM(3), Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(OptionError, match=r"every step with tbptt=5.*return_sequences=True"):
        model.fit(recording()[0], np.zeros((5, 1)), tbptt=5, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_that_walks_backwards_is_named() -> None:
    model = Sequential(
        [Input((None, 2)), LSTM(3, return_sequences=True, go_backwards=True), Dense(1)]
    )
    model.compile("sgd", "mse")
    with pytest.raises(OptionError, match=r"fit with tbptt=5.*LSTM 'lstm'"):
        model.fit(*recording(), tbptt=5, verbose=0)


@pytest.mark.parametrize("window", [0, -1, 2.5, "all", True])
def test_a_window_is_a_whole_number_of_steps(window: Any) -> None:
    with pytest.raises(OptionError, match="tbptt"):
        tagger().fit(*recording(), tbptt=window, verbose=0)


# -- predictions in windows -----------------------------------------------------------------------


def long_models() -> list[Sequential]:
    """Every cell, with a value per step and per sequence; masks, dropout, softmax."""
    found = []
    for name in CELLS:
        for sequences in (False, True):
            model = Sequential(
                [
                    Input((None, 2)), Masking(), cell(name, 7, return_sequences=True), Dropout(0.5),
                    LSTM(3, return_sequences=sequences), Dense(4, activation="softmax"),
                ]
            )  # fmt: skip
            randomize(model, len(found))
            found.append(model)
    return found


@pytest.mark.parametrize("length", [1025, 1280, 1999])
def test_a_long_prediction_has_the_bits_of_a_whole_one(
    length: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, _ = recording(3, length)
    for model in long_models():
        cut = model.predict(x, verbose=0)
        monkeypatch.setattr(windows, "LONG", 10**9)
        np.testing.assert_array_equal(cut, model.predict(x, verbose=0))
        monkeypatch.undo()


def test_many_rows_of_long_sequences_are_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "LONG", 20)
    monkeypatch.setattr(windows, "WINDOW", 8)
    x, _ = recording(150, 41)
    model = long_models()[3]
    _core.set_threads(2)
    cut = model.predict(x, verbose=0)
    monkeypatch.undo()
    np.testing.assert_array_equal(cut, model.predict(x, verbose=0))


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_long_evaluation_is_that_of_whole_sequences(
    which: int, reduction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elman import losses

    x, _ = recording(5, 45)
    model = long_models()[which]
    shape = (5, 45) if which else (5,)
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, shape)
    for ignore in (None, 2):
        loss = losses.SparseCategoricalCrossentropy(ignore_class=ignore, reduction=reduction)
        model.compile("sgd", loss, metrics=["accuracy"])
        for weight in (None, rng.random(5), rng.random(shape)):
            whole = model.evaluate(x, y, batch_size=2, sample_weight=weight, verbose=0)
            monkeypatch.setattr(windows, "LONG", 20)
            monkeypatch.setattr(windows, "WINDOW", 8)
            cut = model.evaluate(x, y, batch_size=2, sample_weight=weight, verbose=0)
            monkeypatch.undo()
            np.testing.assert_allclose(cut, whole, rtol=1e-6)


def test_a_backward_layer_is_predicted_whole() -> None:
    model = Sequential([Input((None, 1)), SimpleRNN(2, go_backwards=True)])
    x = np.random.default_rng(0).normal(size=(2, 1500, 1)).astype(np.float32)
    # Its last step is the first: what is far behind that does not matter.
    np.testing.assert_allclose(
        model.predict(x, verbose=0), model.predict(x[:, :600], verbose=0), atol=1e-6
    )


# -- arrays in files ------------------------------------------------------------------------------


def in_file(path: Path, array: Array) -> Array:
    """The array, memory-mapped."""
    np.save(path, array)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64, np.float16, np.uint8, bool])
@pytest.mark.parametrize("window", [None, 9])
def test_an_array_in_a_file_trains_like_one_in_memory(
    dtype: type, window: int | None, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(7, 30, 2)) * 3).clip(0, 200).astype(dtype)
    y = (rng.normal(size=(7, 30, 1)) * 3).clip(0, 200).astype(dtype)
    weight = rng.random((7, 30))
    options = {"tbptt": window, "sample_weight": weight, "validation_split": 0.3}
    wanted = trained(tagger(), x, y, **options)
    mapped = in_file(tmp_path / "x.npy", x), in_file(tmp_path / "y.npy", y)
    assert_same(trained(tagger(), *mapped, **options), wanted)
    assert_same(trained(tagger(), mapped[0], y, **options), wanted)
    assert_same(trained(tagger(), x, mapped[1], **options), wanted)
    options["sample_weight"] = in_file(tmp_path / "w.npy", weight)
    assert_same(trained(tagger(), x, y, **options), wanted)
    model = tagger()
    np.testing.assert_array_equal(model.predict(mapped[0], verbose=0), model.predict(x, verbose=0))
    assert model.evaluate(*mapped, verbose=0) == model.evaluate(x, y, verbose=0)
    np.testing.assert_array_equal(model(mapped[0]), model(x))


@pytest.mark.parametrize("window", [None, 9])
def test_classes_and_tokens_in_files_train_like_those_in_memory(
    window: int | None, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 9, (6, 30)), rng.integers(0, 3, (6, 30, 1)).astype(np.uint8)

    def result(x: Array, y: Array) -> Any:
        set_random_seed(2)
        model = Sequential(
            [Embedding(9, 3, mask_zero=True), GRU(4, return_sequences=True), Dense(3)]
        )
        from elman import losses

        model.compile(
            "adam", losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
        )
        return trained(model, x, y, tbptt=window, class_weight={1: 3.0})

    mapped = in_file(tmp_path / "x.npy", x), in_file(tmp_path / "y.npy", y)
    assert_same(result(*mapped), result(x, y))


def test_a_view_of_a_file_stays_in_it(tmp_path: Path) -> None:
    x, y = recording(6, 30)
    mapped = in_file(tmp_path / "x.npy", np.ascontiguousarray(x[:, ::-1])), y
    wanted = trained(tagger(), x[1:, :24], y[1:, :24], tbptt=5)
    found = trained(tagger(), mapped[0][1:, ::-1][:, :24], y[1:, :24], tbptt=5)
    assert_same(found, wanted)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_number_that_is_none_is_found_in_a_file(
    value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elman import mapped

    monkeypatch.setattr(mapped, "PART_BYTES", 500)
    x, y = recording(6, 30)
    bad = x.astype(np.float64)
    bad[4, 27, 1] = value
    before = tagger().get_weights()
    model = tagger()
    for call in (
        lambda: model.fit(in_file(tmp_path / "x.npy", bad), y, tbptt=5, verbose=0),
        lambda: model.predict(in_file(tmp_path / "x.npy", bad), verbose=0),
    ):
        with pytest.raises(DataError, match=r"finite inputs, got \w+ at row 4, step 27, feature 1"):
            call()
    bad_y = y.astype(np.float64)
    bad_y[3, 29] = value
    with pytest.raises(DataError, match=r"finite targets, got \w+ at row 3, step 29"):
        model.fit(x, in_file(tmp_path / "y.npy", bad_y), tbptt=5, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_token_and_a_class_out_of_range_are_found_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elman import mapped

    monkeypatch.setattr(mapped, "PART_BYTES", 200)
    tokens, y = np.ones((4, 50), np.int64), np.zeros((4, 50), np.int64)
    model = Sequential([Embedding(9, 3), GRU(4, return_sequences=True), Dense(3)])
    model.compile("adam", "sparse_categorical_crossentropy")
    wrong = tokens.copy()
    wrong[2, 41] = 9
    with pytest.raises(DataError, match="got 9 at row 2, step 41"):
        model.fit(in_file(tmp_path / "x.npy", wrong), y, verbose=0)
    wrong = y.copy()
    wrong[3, 44] = 3
    with pytest.raises(DataError, match="got 3 at row 3, step 44"):
        model.fit(tokens, in_file(tmp_path / "y.npy", wrong), verbose=0)


MEMORY = """
import json, resource, sys
import numpy as np
import elman
from elman.layers import SimpleRNN, Dense

kind, path = sys.argv[1:]
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def run(x, y):
    model = elman.Sequential([elman.Input((None, 2000)), SimpleRNN(1, return_sequences=True)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(x, y, tbptt=100, batch_size=2, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)

small = np.zeros((2, 300, 2000), np.int16)
run(small, np.zeros((2, 300, 1)))
before = peak()
x = np.memmap(path, dtype=kind, mode="r").reshape(2, -1, 2000)
y = np.zeros((2, x.shape[1], 1), np.float32)
run(x, y)
print(json.dumps({"mib": x.nbytes // 2**20, "grown": peak() - before}))
"""


@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_memory_does_not_grow_with_the_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "long.raw"
    with path.open("wb") as file:  # a hole: it takes no room on the disk
        file.truncate(2 * 2000 * 4 * 25000)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, kind, str(path)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["mib"] > 350
    assert found["grown"] < 150, f"{found} MiB"
