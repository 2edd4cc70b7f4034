"""What a user types: counts, summary, building, weights, fit with callbacks, Ctrl-C, output."""

from __future__ import annotations

import csv
import inspect
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import elman
from elman import Input, NotReadyError, Sequential, ShapeError
from elman.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from elman.layers import GRU, LSTM, Activation, Dense, Dropout, Embedding, Masking, SimpleRNN

Array = np.ndarray[Any, np.dtype[Any]]


def sequences(rows: int = 12, steps: int = 5, features: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(rows + steps)
    return rng.normal(size=(rows, steps, features)).astype("f4"), rng.integers(0, 2, rows)


def model(*layers: Any, optimizer: Any = "sgd", **options: Any) -> Sequential:
    """A small compiled model on sequences of 3 features; by default an RNN that says yes or no."""
    stack = layers or (SimpleRNN(4), Dense(1, activation="sigmoid"))
    made = Sequential([Input((None, 3)), *stack])
    made.compile(optimizer, options.pop("loss", "binary_crossentropy"), **options)
    return made


def same(first: list[Array], second: list[Array]) -> bool:
    """Whether all weights are the same bits."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def summary_of(made: Sequential, **options: Any) -> str:
    lines: list[str] = []
    made.summary(print_fn=lines.append, **options)
    return "\n".join(lines)


# -- counts and summary ---------------------------------------------------------------------------


def text(cell: Any) -> list[Any]:
    return [Embedding(15000, 32), cell, Dense(1, activation="sigmoid")]


COUNTS: dict[str, tuple[Any, int]] = {
    "dense": (lambda length: [Input((90,)), Dense(16), Dense(1)], 1_473),
    "rnn": (lambda length: [Input((length, 3)), SimpleRNN(16), Dense(1)], 337),
    "text, rnn": (lambda length: [Input((length,)), *text(SimpleRNN(16))], 480_801),
    "text, lstm": (lambda length: [Input((length,)), *text(LSTM(16))], 483_153),
    "text, gru": (lambda length: [Input((length,)), *text(GRU(16))], 482_417),
    "text, gru reset before": (
        lambda length: [Input((length,)), *text(GRU(16, reset_after=False))],
        482_369,
    ),
    "text, lstm, no input": (lambda length: text(LSTM(16)), 483_153),
    "stack": (
        lambda length: [
            Input((length, 1)),
            SimpleRNN(16, return_sequences=True),
            GRU(16, return_sequences=True),
            LSTM(16),
            Dense(1),
        ],
        4_049,
    ),
}


@pytest.mark.parametrize("length", [None, 1, 60])
@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_counted_exactly_for_any_length(name, length):
    layers, count = COUNTS[name]
    made = Sequential(layers(length))
    assert made.count_params() == count
    assert sum(weight.size for weight in made.get_weights()) == count
    shown = summary_of(made)
    assert f"Total parameters: {count:,} " in shown
    for layer in made.layers:
        row = next(line for line in shown.splitlines() if f" {layer.name} (" in line)
        assert f" {layer.count_params():,} " in row
    assert "?" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_summary_of_long_names_still_fits():
    long = "the_first_of_the_very_many_layers_of_this_model_whose_names_are_all_too_long"
    shown = summary_of(model(LSTM(4, name=long), Dense(1000, name=long[::-1])))
    assert max(map(len, shown.splitlines())) <= 80
    assert long[:30] in shown
    wide = summary_of(model(LSTM(4, name=long), Dense(1000)), line_length=120)
    assert any(long in line for line in wide.splitlines())


def test_a_summary_is_printed_where_no_function_is_given(capsys):
    model().summary()
    assert capsys.readouterr().out.count("\n") > 5
    assert "simple_rnn (SimpleRNN)" in summary_of(model())


def test_weights_that_do_not_train_are_fixed_in_the_summary():
    shown = summary_of(model(SimpleRNN(4, trainable=False), Dense(1)))
    assert "Trainable: 5 " in shown
    assert "Fixed: 32" in shown


# -- building -------------------------------------------------------------------------------------


def test_an_embedding_first_determines_everything_as_layers_are_added():
    made = Sequential()
    counts = []
    for layer in (Embedding(20, 4), GRU(5), Dense(2)):
        made.add(layer)
        counts.append(made.count_params())
    assert counts == [80, 80 + 165, 80 + 165 + 12]
    assert made.built


@pytest.mark.parametrize("cell", [SimpleRNN, LSTM, GRU])
def test_a_model_that_begins_with_a_cell_waits_for_its_features_and_says_so(cell):
    made = Sequential([cell(4), Dense(2)])
    shown = summary_of(made)
    assert shown.count("?") == 4  # two shapes, two counts
    assert "Input((steps, features))" in shown
    assert not made.built
    with pytest.raises(NotReadyError, match=r"Input"):
        made.count_params()


def test_a_model_without_input_is_built_by_its_first_data():
    x, y = sequences()
    made = Sequential([SimpleRNN(4), Dense(1, activation="sigmoid")])
    made.compile("sgd", "binary_crossentropy")
    made.fit(x, y, verbose=0)
    assert made.count_params() == 3 * 4 + 4 * 4 + 4 + 5
    assert "?" not in summary_of(made)
    assert made.predict(sequences(2, 9)[0]).shape == (2, 1)
    with pytest.raises(ShapeError, match="expected 3 features per step, got 2"):
        made.predict(x[..., :2])


@pytest.mark.parametrize("use", ["predict", "call", "evaluate", "train_on_batch"])
def test_any_use_builds_a_model_without_input(use):
    x, y = sequences()
    made = Sequential([LSTM(4), Dense(1, activation="sigmoid")])
    made.compile("sgd", "binary_crossentropy")
    {
        "predict": lambda: made.predict(x),
        "call": lambda: made(x),
        "evaluate": lambda: made.evaluate(x, y, verbose=0),
        "train_on_batch": lambda: made.train_on_batch(x, y),
    }[use]()
    assert made.count_params() == 4 * (3 + 4 + 1) * 4 + 5


def test_build_makes_the_weights_once():
    made = Sequential([LSTM(4), Dense(1)])
    with pytest.raises(NotReadyError, match="features"):
        made.build((None, 7, None))
    made.build((None, None, 3))
    before = made.get_weights()
    made.build((None, 20, 3))
    assert same(before, made.get_weights())
    with pytest.raises(ShapeError, match="3"):
        made.build((None, 20, 4))
    assert same(before, made.get_weights())


def test_input_shape_of_the_first_layer_is_an_input():
    made = Sequential([LSTM(4, input_shape=(None, 3)), Dense(1)])
    assert made.built
    assert made.input_shape == (None, None, 3)
    assert made.output_shape == (None, 1)


def test_a_layer_that_cannot_be_added_leaves_no_trace():
    made = Sequential([Dense(2)])
    cell = LSTM(4, input_shape=(3,))
    empty = Sequential()
    with pytest.raises(ShapeError):
        empty.add(cell)
    assert empty.input is None
    assert empty.layers == []
    made.build((None, 3))
    dense = Dense(2)
    with pytest.raises(ShapeError):
        Sequential([dense, LSTM(4)]).build((None, 3))
    made.add(dense)
    assert [layer.name for layer in made.layers] == ["dense", "dense_1"]
    assert dense.kernel.shape == (2, 2)
    second = LSTM(4)
    with pytest.raises(ShapeError):
        model(LSTM(4)).add(second)
    assert second.name == "lstm"


def test_one_layer_alone_or_none_makes_a_model():
    assert [layer.name for layer in Sequential(Dense(2)).layers] == ["dense"]
    assert Sequential().layers == Sequential(None).layers == []


# -- the stack of layers --------------------------------------------------------------------------


def test_layers_are_named_by_class_and_number():
    made = Sequential([Dense(2), SimpleRNN(2), Dense(2, name="dense_1"), Dense(2), LSTM(2)])
    names = [layer.name for layer in made.layers]
    assert names == ["dense", "simple_rnn", "dense_1", "dense_2", "lstm"]
    for name, layer in zip(names, made.layers, strict=True):
        assert made.get_layer(name) is layer
    assert made.get_layer(index=-1) is made.layers[-1]
    assert made.get_layer(index=0).name == "dense"


def test_layers_can_be_added_and_removed_and_keep_what_they_learned():
    x, y = sequences()
    made = model(SimpleRNN(4), Dense(1, activation="sigmoid"))
    made.fit(x, y, epochs=2, verbose=0)
    learned, predicted = made.get_weights(), made.predict(x)
    head = made.pop()
    features = made.predict(x)
    assert features.shape == (12, 4)
    assert same(made.get_weights(), learned[:3])
    made.add(head)
    assert same(made.get_weights(), learned)
    assert np.array_equal(made.predict(x), predicted)
    made.fit(x, y, verbose=0)
    assert not same(made.get_weights(), learned)


def test_a_layer_of_two_models_has_one_set_of_weights():
    x, y = sequences()
    shared = SimpleRNN(4)
    inner = Sequential([Input((None, 3)), shared])
    outer = Sequential([Input((None, 3)), shared, Dense(1, activation="sigmoid")])
    outer.compile("sgd", "binary_crossentropy")
    before = inner.predict(x)
    outer.fit(x, y, verbose=0)
    after = inner.predict(x)
    assert not np.array_equal(before, after)
    np.testing.assert_allclose(after, shared(x), rtol=1e-6, atol=1e-6)


def test_a_model_is_built_again_from_its_config():
    x, _ = sequences()
    made = Sequential(
        [
            Input((None, 3)),
            Masking(mask_value=-1.0),
            LSTM(4, return_sequences=True, activation="relu", name="memory"),
            GRU(3, reset_after=False, go_backwards=True, dropout=0.25, use_bias=False),
            Dropout(0.5),
            Dense(2, kernel_initializer="he_normal"),
            Activation("softmax"),
        ],
        name="mine",
    )
    again = Sequential.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    assert again.name == "mine"
    again.set_weights(made.get_weights())
    assert np.array_equal(again.predict(x), made.predict(x))


# -- weights --------------------------------------------------------------------------------------


def test_weights_are_given_as_copies_and_shown_read_only():
    x, _ = sequences()
    made = model()
    for _ in range(2):  # before and after the engine holds them
        copies = made.get_weights()
        for copy, view in zip(copies, made.weights, strict=True):
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 7.0
            copy[...] = 7.0
        assert not np.any(made.get_weights()[0] == 7.0)
        made.predict(x)


def test_weights_that_are_set_are_used_and_can_be_got():
    x, _ = sequences()
    made, other = model(), model()
    assert not np.array_equal(made.predict(x), other.predict(x))
    other.set_weights(made.get_weights())
    assert np.array_equal(made.predict(x), other.predict(x))
    zeros = [np.zeros_like(w) for w in made.get_weights()]
    made.set_weights(zeros)
    assert same(made.get_weights(), zeros)
    assert np.array_equal(made.predict(x), np.full((12, 1), 0.5, "f4"))


def test_weights_are_known_by_the_names_of_keras():
    made = model(GRU(4), Dense(2))
    gru, dense = made.layers
    kernel, recurrent, bias, weights, offset = made.get_weights()
    assert np.array_equal(gru.kernel, kernel)
    assert np.array_equal(gru.recurrent_kernel, recurrent)
    assert np.array_equal(gru.bias, bias)
    assert np.array_equal(dense.kernel, weights)
    assert np.array_equal(dense.bias, offset)
    gru.set_weights([kernel + 1, recurrent, bias])
    assert np.array_equal(made.get_weights()[0], kernel + 1)


@pytest.mark.parametrize("when", ["in the constructor", "before compile", "after a fit"])
def test_a_layer_that_is_not_trainable_keeps_its_weights(when):
    x, y = sequences()
    layer = SimpleRNN(4, trainable=when != "in the constructor")
    made = model(layer, Dense(1, activation="sigmoid"), optimizer="adam")
    if when == "after a fit":
        made.fit(x, y, verbose=0)
    if when != "in the constructor":
        layer.trainable = False
        made.compile("adam", "binary_crossentropy")
    before = made.get_weights()
    made.fit(x, y, verbose=0)
    after = made.get_weights()
    assert same(before[:3], after[:3])
    assert not np.any(before[3] == after[3])
    layer.trainable = True
    made.compile("adam", "binary_crossentropy")
    made.fit(x, y, verbose=0)
    assert not np.any(after[0] == made.get_weights()[0])


# -- predict and call -----------------------------------------------------------------------------


def test_predict_on_nothing_returns_nothing_in_the_right_shape():
    x, _ = sequences()
    assert model().predict(x[:0]).shape == (0, 1)
    made = model(LSTM(4, return_sequences=True), Dense(2))
    assert made.predict(x[:0]).shape == (0, 5, 2)
    assert Sequential(text(LSTM(4))).predict(np.zeros((0, 7), int)).shape == (0, 1)


@pytest.mark.parametrize("cell", [SimpleRNN, LSTM, GRU])
def test_a_row_is_predicted_the_same_in_any_company(cell):
    x, _ = sequences(200)
    made = model(cell(5), Dense(2))
    whole = made.predict(x)
    assert np.array_equal(made.predict(x, batch_size=7), whole)
    for rows in (slice(0, 1), slice(60, 61), slice(190, 200), slice(3, 70)):
        np.testing.assert_allclose(made.predict(x[rows]), whole[rows], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_any_length_is_predicted_whatever_the_input_said(steps):
    made = Sequential([Input((5, 3)), GRU(4), Dense(1)])
    assert made.predict(sequences(4, steps)[0]).shape == (4, 1)


def test_the_form_of_the_array_does_not_matter():
    x = np.round(sequences()[0] * 4)
    made = model()
    wanted = made.predict(x)
    forms = (
        x.tolist(),
        list(x),
        x.astype("f8"),
        x.astype("f2"),
        x.astype(">f4"),
        x.astype("i2"),
        np.asfortranarray(x),
        np.repeat(x, 2, axis=1)[:, ::2],
    )
    for form in forms:
        assert np.array_equal(made.predict(form), wanted)
    tagger = Sequential([Embedding(5, 3), LSTM(2)])
    tokens = np.random.default_rng(0).integers(0, 5, (6, 4))
    for form in (
        tokens.tolist(),
        tokens.astype("f4"),
        tokens.astype("u1"),
        tokens[:, ::-1][:, ::-1],
    ):
        assert np.array_equal(tagger.predict(form), tagger.predict(tokens))


def test_a_layer_can_be_called_on_an_array():
    x, _ = sequences()
    assert Dense(2)(x).shape == (12, 5, 2)
    assert Dense(2)(x[:, 0]).shape == (12, 2)
    assert LSTM(4)(x).shape == (12, 4)
    assert GRU(4, return_sequences=True)(x).shape == (12, 5, 4)
    table = Embedding(7, 3)
    assert np.array_equal(table([[1, 6], [0, 1]]), table.embeddings[[[1, 6], [0, 1]]])
    cell = SimpleRNN(4)
    first = cell(x)
    assert np.array_equal(cell(x), first), "weights are made once"
    h = np.zeros((12, 4))
    for t in range(5):
        h = np.tanh(x[:, t] @ cell.kernel + h @ cell.recurrent_kernel + cell.bias)
    np.testing.assert_allclose(first, h, rtol=1e-5, atol=1e-6)


def test_a_model_can_be_called_on_an_array():
    x, _ = sequences()
    made = model(SimpleRNN(4), Dropout(0.5), Dense(1))
    assert np.array_equal(made(x), made.predict(x))
    assert not np.array_equal(made(x, training=True), made(x))


def test_the_plan_is_printed_with_each_operation():
    shown = str(model().plan(steps=9))
    for word in ("simple_rnn", "9x3 -> 1x4", "dense", "loss", "FLOPs"):
        assert word in shown
    assert "loss" not in str(model().plan(steps=9, training=False))


# -- fit ------------------------------------------------------------------------------------------


def fitted(**options: Any) -> tuple[Sequential, list[float]]:
    elman.set_random_seed(options.pop("seed", 3))
    x, y = sequences(20)
    made = model(
        GRU(4, dropout=0.2), Dropout(0.3), Dense(1, activation="sigmoid"), optimizer="adam"
    )
    history = made.fit(x, y, batch_size=6, epochs=4, verbose=0, **options)
    return made, history.history["loss"]


def test_a_seed_repeats_a_whole_run():
    first, losses = fitted()
    again, same_losses = fitted()
    assert same(first.get_weights(), again.get_weights())
    assert losses == same_losses
    other, _ = fitted(seed=4)
    assert not same(first.get_weights(), other.get_weights())


def test_dropout_is_drawn_anew_for_each_seed_and_step():
    x, y = sequences(20)
    start = model(SimpleRNN(4), Dropout(0.5), Dense(1, activation="sigmoid")).get_weights()

    def losses(seed: int) -> list[float]:
        elman.set_random_seed(seed)
        made = model(SimpleRNN(4), Dropout(0.5), Dense(1, activation="sigmoid"))
        made.set_weights(start)
        made.compile(elman.optimizers.SGD(0.0), "binary_crossentropy")
        return made.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"]

    assert losses(1) == losses(1)
    assert len({*losses(1), *losses(2)}) == 6


def test_looking_at_every_batch_changes_nothing():
    seen: list[int] = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    watched, losses = fitted(callbacks=[watch])
    alone, same_losses = fitted()
    assert same(watched.get_weights(), alone.get_weights())
    np.testing.assert_allclose(losses, same_losses, rtol=1e-12)
    assert seen == [0, 1, 2, 3] * 4


def test_rows_are_shuffled_anew_for_each_epoch_unless_told_not_to():
    x, y = sequences(20)

    def first_losses(**options: Any) -> list[float]:
        made = model(optimizer=elman.optimizers.SGD(0.0))
        found: list[float] = []
        look = LambdaCallback(on_train_batch_end=lambda batch, logs: found.append(logs["loss"]))
        made.fit(x, y, batch_size=5, epochs=3, verbose=0, callbacks=[look], **options)
        return found[::4]

    assert len(set(first_losses())) == 3
    assert len(set(first_losses(shuffle=False))) == 1


def test_a_fit_goes_on_where_the_last_one_stopped():
    x, y = sequences(20)
    once, twice = model(optimizer="adam"), model(optimizer="adam")
    twice.set_weights(once.get_weights())
    whole = once.fit(x, y, 6, 4, 0, shuffle=False)
    first = twice.fit(x, y, 6, 2, 0, shuffle=False)
    second = twice.fit(x, y, 6, 4, 0, shuffle=False, initial_epoch=2)
    assert same(once.get_weights(), twice.get_weights())
    assert first.history["loss"] + second.history["loss"] == whole.history["loss"]
    assert (first.epoch, second.epoch, whole.epoch) == ([0, 1], [2, 3], [0, 1, 2, 3])
    assert twice.history is second
    assert once.optimizer.iterations == twice.optimizer.iterations == 16


def test_no_epochs_train_nothing():
    x, y = sequences()
    made = model()
    before = made.get_weights()
    assert made.fit(x, y, epochs=0, verbose=0).history == {}
    assert made.fit(x, y, epochs=2, initial_epoch=2, verbose=0).epoch == []
    assert same(before, made.get_weights())


@pytest.mark.parametrize(("frequency", "batches"), [(2, [3, 3]), ([1, 4, 9], [3, 3]), (7, [])])
def test_validation_is_done_after_the_epochs_asked_for_in_batches_of_its_own(frequency, batches):
    x, y = sequences()
    seen: list[int] = []

    class Watch(Callback):
        def on_test_begin(self, logs=None):
            seen.append(0)

        def on_test_batch_end(self, batch, logs=None):
            seen[-1] += 1

    options = {"validation_freq": frequency, "validation_batch_size": 4}
    history = model().fit(x, y, 6, 5, 0, [Watch()], validation_data=(x, y), **options).history
    assert seen == batches
    assert len(history["loss"]) == 5 and len(history.get("val_loss", [])) == len(batches)


def test_evaluate_tells_its_callbacks_of_every_batch():
    x, y = sequences()
    seen: list[Any] = []
    watch = LambdaCallback(
        on_test_begin=lambda logs: seen.append("begin"),
        on_test_batch_end=lambda batch, logs: seen.append(batch),
        on_test_end=lambda logs: seen.append(logs["loss"]),
    )
    loss = model().evaluate(x, y, 5, 0, callbacks=[watch])
    assert seen == ["begin", 0, 1, 2, loss]


def test_validation_data_may_be_of_another_length_and_have_weights():
    x, y = sequences()
    made = model(metrics=["accuracy"])
    x_val, y_val = sequences(7, 9)
    weight = np.arange(7.0)
    history = made.fit(x, y, epochs=2, verbose=0, validation_data=(x_val, y_val, weight)).history
    loss, accuracy = made.evaluate(x_val, y_val, sample_weight=weight, verbose=0)
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-6)
    assert history["val_accuracy"][-1] == accuracy
    assert list(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]


def test_metrics_of_training_skip_masked_steps_like_those_of_evaluation():
    # Keras on JAX counts masked steps in training, so it cannot judge this.
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (12, 6))
    y = rng.integers(0, 3, (12, 6))
    made = Sequential([Embedding(4, 3, mask_zero=True), GRU(4, return_sequences=True)])
    made.add(Dense(3, activation="softmax"))
    still = elman.optimizers.SGD(0.0)
    made.compile(still, "sparse_categorical_crossentropy", metrics=["accuracy"])
    trained = made.fit(x, y, batch_size=12, verbose=0).history
    loss, accuracy = made.evaluate(x, y, batch_size=12, verbose=0)
    assert trained["accuracy"] == pytest.approx([accuracy])
    assert trained["loss"][0] == pytest.approx(loss, rel=1e-6)
    right = made.predict(x).argmax(-1) == y
    assert accuracy == pytest.approx(right[x != 0].mean()) != pytest.approx(right.mean())


def test_metrics_may_be_names_objects_classes_and_functions():
    def misses(y_true: Array, y_pred: Array) -> Array:
        return (np.abs(y_true - y_pred) > 0.5).mean(axis=-1)

    x, y = sequences()
    metrics = ["accuracy", elman.metrics.AUC(name="area"), elman.metrics.Recall, misses]
    made = model(metrics=metrics)
    assert made.metrics_names == ["loss", "accuracy", "area", "recall", "misses"]
    found = made.evaluate(x, y, verbose=0, return_dict=True)
    assert found["misses"] == pytest.approx(1 - found["accuracy"])
    assert made.evaluate(x, y, verbose=0) == [found[name] for name in made.metrics_names]
    made.compile("sgd", "binary_crossentropy", metrics="accuracy")
    assert made.metrics_names == ["loss", "accuracy"]


def test_train_on_batch_takes_one_step_and_returns_what_was_before_it():
    x, y = sequences()
    made = model(metrics=["accuracy"])
    before = made.evaluate(x, y, verbose=0)
    loss, accuracy = made.train_on_batch(x, y)
    assert [loss, accuracy] == pytest.approx(before, rel=1e-6)
    assert made.optimizer.iterations == 1
    assert made.evaluate(x, y, verbose=0)[0] < loss
    plain = model()
    assert isinstance(plain.train_on_batch(x, y), float)
    assert list(plain.train_on_batch(x, y, return_dict=True)) == ["loss"]


def test_a_network_learns():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(256, 8, 1)).astype("f4")
    y = x.sum(axis=(1, 2)) > 0
    made = Sequential([Input((8, 1)), LSTM(8), Dense(1, activation="sigmoid")])
    made.compile(elman.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    made.fit(x, y, epochs=20, verbose=0)
    assert made.evaluate(x, y, verbose=0)[1] > 0.9


# -- callbacks in real trainings ------------------------------------------------------------------


class Keep(Callback):
    """Keeps copies of the weights after each epoch."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.weights: list[list[Array]] = []
        self.ends = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.weights.append(self.model.get_weights())

    def on_train_end(self, logs: Any = None) -> None:
        self.ends += 1
        self.last_logs = dict(logs or {})


@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping_stops_and_restores_the_best_weights(restore):
    x, y = sequences(20)
    keep = Keep()
    stop = EarlyStopping("val_loss", patience=2, restore_best_weights=restore)
    made = model(optimizer=elman.optimizers.SGD(0.5))
    # The labels of validation are wrong on purpose: soon it only gets worse.
    history = made.fit(
        x, y, 5, 100, 0, [keep, stop], validation_data=(x, 1 - y), shuffle=False
    ).history
    best = int(np.argmin(history["val_loss"]))
    assert len(history["val_loss"]) == best + 3 < 100
    assert same(made.get_weights(), keep.weights[best if restore else -1])
    assert not same(keep.weights[best], keep.weights[-1])
    assert made.stop_training


def test_early_stopping_knows_which_way_a_metric_of_any_name_is_better():
    x, y = sequences(20)
    hits = elman.metrics.BinaryAccuracy(name="quality")
    made = model(optimizer=elman.optimizers.SGD(0.0), metrics=[hits])
    history = made.fit(x, y, epochs=9, verbose=0, callbacks=[EarlyStopping("quality", patience=1)])
    assert len(history.epoch) == 2


def test_reduce_lr_on_plateau_slows_the_training_down():
    x, y = sequences()
    keep = Keep()
    plateau = ReduceLROnPlateau("loss", factor=1e-9, patience=2, min_delta=100)
    made = model(optimizer=elman.optimizers.SGD(0.1))
    history = made.fit(x, y, epochs=5, verbose=0, callbacks=[plateau, keep]).history
    np.testing.assert_allclose(history["learning_rate"][:3], 0.1)
    assert history["learning_rate"][3] == pytest.approx(1e-10)
    assert not same(keep.weights[1], keep.weights[2])
    np.testing.assert_allclose(keep.weights[3][0], keep.weights[2][0], atol=1e-8)


def test_a_learning_rate_scheduler_sets_the_rate_of_each_epoch():
    x, y = sequences()
    keep = Keep()
    made = model()
    schedule = LearningRateScheduler(lambda epoch: 0.0 if epoch == 1 else 0.2)
    history = made.fit(x, y, epochs=3, verbose=0, callbacks=[schedule, keep]).history
    assert history["learning_rate"] == pytest.approx([0.2, 0.0, 0.2])
    assert same(keep.weights[0], keep.weights[1])
    assert not same(keep.weights[1], keep.weights[2])


def test_csv_logger_writes_what_the_history_holds(tmp_path):
    x, y = sequences()
    file = tmp_path / "log.csv"
    made = model(metrics=["accuracy"])
    history = made.fit(
        x, y, epochs=3, verbose=0, callbacks=[CSVLogger(file)], validation_data=(x, y)
    ).history
    with file.open() as opened:
        rows = list(csv.DictReader(opened))
    assert list(rows[0]) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    for name, values in history.items():
        assert [float(row[name]) for row in rows] == values


def test_terminate_on_nan_stops_within_the_epoch():
    x, y = sequences(4000, 3)
    batches: list[int] = []
    made = model(LSTM(4, activation="exponential"), Dense(1), loss="mse")
    made.compile(elman.optimizers.SGD(1e30), "mse")
    look = LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    history = made.fit(x, y, 4, 3, 0, callbacks=[TerminateOnNaN(), look])
    assert len(history.epoch) == 1
    assert len(batches) < 50


class Everything(Callback):
    """A user's callback with hooks of batches, tests and epochs."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.calls: list[str] = []
        self.weights: list[Array] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.calls.append("begin")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(f"batch {batch}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        assert set(logs) == {"loss"}
        self.weights.append(self.model.get_weights()[0])
        if batch == self.stop_at:
            self.model.stop_training = True

    def on_test_begin(self, logs: Any = None) -> None:
        self.calls.append("test")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(f"tested {batch}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(f"epoch {epoch} of {self.params['epochs']}: {' '.join(logs)}")

    def on_train_end(self, logs: Any = None) -> None:
        self.calls.append(f"end: {' '.join(logs)}")


def test_a_users_callback_sees_every_batch_and_the_weights_after_it():
    x, y = sequences(10)
    watch = Everything()
    model().fit(x, y, 4, 1, 0, [watch], validation_data=(x, y))
    names = "loss val_loss"
    tests = ["test", "tested 0", "tested 1", "tested 2"]
    batches = ["batch 0", "batch 1", "batch 2"]
    assert watch.calls == ["begin", *batches, *tests, f"epoch 0 of 1: {names}", f"end: {names}"]
    assert len(watch.weights) == 3
    assert not np.array_equal(watch.weights[0], watch.weights[1])
    assert not np.array_equal(watch.weights[1], watch.weights[2])


def test_a_users_callback_can_stop_in_the_middle_of_an_epoch():
    x, y = sequences(20)
    watch = Everything(stop_at=1)
    made = model()
    made.fit(x, y, batch_size=4, epochs=9, verbose=0, callbacks=watch)
    assert [call for call in watch.calls if call.startswith("batch")] == ["batch 0", "batch 1"]
    assert made.optimizer.iterations == 2
    assert np.array_equal(watch.weights[-1], made.get_weights()[0])


def test_what_a_callback_changes_between_batches_counts():
    x, y = sequences(20)
    zeros = [np.zeros_like(w) for w in model().get_weights()]

    def at(batch: int, logs: Any) -> None:
        if batch == 1:
            made.set_weights(zeros)
            made.optimizer.learning_rate = 0.0

    made = model()
    made.fit(x, y, 4, 1, 0, callbacks=[LambdaCallback(on_train_batch_end=at)])
    assert same(made.get_weights(), zeros)
    assert made.optimizer.iterations == 5


# -- Ctrl-C ---------------------------------------------------------------------------------------


def usable(made: Sequential, x: Array, y: Array) -> bool:
    """Whether an interrupted model can still be used and trained."""
    before = made.get_weights()
    assert all(np.all(np.isfinite(w)) for w in before)
    assert np.all(np.isfinite(made.predict(x)))
    history = made.fit(x, y, epochs=1, verbose=0)
    return len(history.history["loss"]) == 1 and not same(before, made.get_weights())


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end", "on_train_batch_end"])
def test_an_interrupt_in_a_callback_leaves_a_usable_model_and_the_finished_epochs(hook):
    x, y = sequences()
    keep = Keep()
    seen: list[int] = []

    def interrupt(number: int, logs: Any = None) -> None:
        seen.append(number)
        if len(seen) == 3:
            raise KeyboardInterrupt

    made = model(optimizer="adam")
    with pytest.raises(KeyboardInterrupt):
        made.fit(x, y, 12, 9, 0, [keep, LambdaCallback(**{hook: interrupt})])
    assert keep.ends == 1
    assert made.history.epoch == [0, 1]
    assert len(made.history.history["loss"]) == 2
    assert made.optimizer.iterations == (2 if hook == "on_epoch_begin" else 3)
    assert usable(made, x, y)


@contextmanager
def ctrl_c_after(seconds: float) -> Iterator[None]:
    """What Ctrl-C does, by a timer."""

    def press(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
@pytest.mark.parametrize("rows", [64, 20_000], ids=["short epochs", "long epochs"])
def test_ctrl_c_stops_a_training_that_runs(rows):
    x, y = sequences(rows, 20)
    keep = Keep()
    stop = EarlyStopping("loss", patience=10**6, restore_best_weights=True)
    made = model(LSTM(16), Dense(1, activation="sigmoid"), optimizer="adam")
    made.predict(x[:1])
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), ctrl_c_after(0.5):
        made.fit(x, y, epochs=10**6, verbose=0, callbacks=[keep, stop])
    assert time.monotonic() - began < 10
    assert keep.ends == 1
    assert made.optimizer.iterations > 0
    finished = len(keep.weights)
    assert len(made.history.epoch) in (finished - 1, finished)
    if finished:
        assert any(same(made.get_weights(), weights) for weights in keep.weights)
    assert usable(made, x[:64], y[:64])


# -- output ---------------------------------------------------------------------------------------

SCRIPT = """
import numpy as np, elman
from elman.layers import Dense, SimpleRNN
model = elman.Sequential([elman.Input((5, 3)), SimpleRNN(4), Dense(1, activation="sigmoid")])
model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
model.summary()
x = np.random.default_rng(0).normal(size=(50, 5, 3))
model.fit(x, x[:, 0, 0] > 0, epochs=3, validation_split=0.2, verbose=VERBOSE)
model.evaluate(x, x[:, 0, 0] > 0, verbose=VERBOSE)
model.predict(x, verbose=VERBOSE)
print(model.plan())
"""


@pytest.mark.parametrize("verbose", [1, "auto"])
def test_output_through_a_pipe_is_plain_lines(verbose):
    script = SCRIPT.replace("VERBOSE", repr(verbose))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert run.stderr == b""
    shown = run.stdout.decode()
    assert not [c for c in shown if c != "\n" and not c.isprintable()]
    epochs = [line for line in shown.splitlines() if line.startswith("Epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/3", "2/3", "3/3"]
    for line in epochs:
        for name in ("accuracy", "loss", "val_accuracy", "val_loss"):
            assert f" {name} " in line
    assert sum(line.startswith("evaluate") for line in shown.splitlines()) == 1


def test_silence_is_silent(capfd):
    x, y = sequences()
    made = model()
    made.fit(x, y, epochs=2, verbose=0, validation_data=(x, y))
    made.evaluate(x, y, verbose=0)
    made.predict(x, verbose=0)
    made.train_on_batch(x, y)
    assert capfd.readouterr() == ("", "")


def test_compiling_again_with_the_same_optimizer_goes_on_where_it_was():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5, 2)), rng.normal(size=(12, 1))
    steady, twice = (elman.Sequential([elman.Input((5, 2)), LSTM(4), Dense(1)]) for _ in range(2))
    twice.set_weights(steady.get_weights())
    one, other = (elman.optimizers.SGD(0.1, momentum=0.9) for _ in range(2))
    steady.compile(one, "mse")
    steady.fit(x, y, epochs=4, shuffle=False, verbose=0)
    for _ in range(2):
        twice.compile(other, "mse")
        twice.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(steady.get_weights(), twice.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # Another optimizer starts anew.
    twice.compile(elman.optimizers.SGD(0.1, momentum=0.9), "mse")
    assert twice.optimizer.iterations == 0


# -- Keras's arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compile", "fit", "evaluate", "predict", "train_on_batch"])
def test_arguments_stand_in_the_order_of_keras(name, keras):
    theirs = list(inspect.signature(getattr(keras.Model, name)).parameters)
    ours = list(inspect.signature(getattr(Sequential, name)).parameters)
    own = [p for p in ours if p not in ("tbptt", "recompute", "ignored")]
    assert own == theirs[: len(own)]


@pytest.mark.parametrize("metrics", [["accuracy"], "accuracy", [elman.metrics.AUC()]])
def test_metrics_in_the_place_of_loss_weights_are_told(metrics):
    with pytest.raises(elman.OptionError, match=r"third argument to be loss_weights.*metrics="):
        model().compile("adam", "mse", metrics)


def test_an_epoch_that_runs_out_of_data_warns_and_the_next_begins_anew():
    x, y = sequences(12)
    made, seen = model(), []
    watch = LambdaCallback(on_train_batch_begin=lambda batch, logs: seen.append(batch))
    with pytest.warns(UserWarning, match="ended an epoch after 1 of 2 steps"):
        made.fit(x, y, 4, 3, 0, [watch], steps_per_epoch=2)
    assert seen == [0, 1, 0, 0, 1]


def test_steps_that_divide_the_data_take_the_same_way():
    x, y = sequences(16)
    whole, parts = model(), model()
    parts.set_weights(whole.get_weights())
    whole.fit(x, y, 4, 2, 0, shuffle=False)
    parts.fit(x, y, 4, 4, 0, shuffle=False, steps_per_epoch=2)
    assert same(whole.get_weights(), parts.get_weights())


@pytest.mark.parametrize(("freq", "epochs"), [(2, [2, 4]), ([1, 4, 9], [1, 4]), (9, [])])
def test_validation_comes_as_often_as_asked(freq, epochs):
    x, y = sequences()
    seen = []
    watch = LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(epoch + 1) if "val_loss" in logs else None
    )
    history = model().fit(
        x, y, epochs=4, verbose=0, validation_data=(x, y), callbacks=[watch], validation_freq=freq
    )
    assert seen == epochs
    assert len(history.history.get("val_loss", [])) == len(epochs)


def test_validation_in_its_own_batches():
    x, y = sequences(20)
    made = model(optimizer=elman.optimizers.SGD(0.0))
    options = {"validation_data": (x, y), "validation_batch_size": 6, "validation_steps": 2}
    found = made.fit(x, y, 4, 1, 0, **options).history["val_loss"][0]
    assert found == pytest.approx(made.evaluate(x[:12], y[:12], verbose=0), rel=1e-6)


@pytest.mark.parametrize("freq", [0, 1.5, "2", [1, "a"]])
def test_a_frequency_that_is_none_is_refused(freq):
    x, y = sequences()
    with pytest.raises(elman.OptionError, match="validation_freq"):
        model().fit(x, y, verbose=0, validation_data=(x, y), validation_freq=freq)


def test_evaluate_and_predict_take_steps_and_callbacks():
    x, y = sequences(20)
    made, calls = model(), []

    class Watch(Callback):
        def on_test_begin(self, logs=None):
            calls.append("test begins")

        def on_test_batch_end(self, batch, logs=None):
            calls.append(batch)

        def on_test_end(self, logs=None):
            calls.append(sorted(logs))

        def on_predict_begin(self, logs=None):
            calls.append("predict begins")

        def on_predict_batch_end(self, batch, logs=None):
            calls.append(logs["outputs"].shape)

        def on_predict_end(self, logs=None):
            calls.append("predict ends")

    loss = made.evaluate(x, y, 6, 0, steps=2, callbacks=[Watch()])
    assert loss == pytest.approx(made.evaluate(x[:12], y[:12], verbose=0), rel=1e-6)
    assert calls == ["test begins", 0, 1, ["loss"]]
    calls.clear()
    predicted = made.predict(x, 8, 0, callbacks=[Watch()])
    assert calls == ["predict begins", (8, 1), (8, 1), (4, 1), "predict ends"]
    np.testing.assert_array_equal(predicted, made.predict(x, verbose=0))
    assert len(made.predict(x, 8, 0, steps=2)) == 16
