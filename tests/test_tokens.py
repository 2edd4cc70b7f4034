"""Tokens that repeat, rows of unequal length: what is done once or passed by changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import elman
from elman import Sequential, layers, optimizers
from elman.layers import LSTM, Activation, Dense, Dropout, Embedding

Array = np.ndarray[Any, np.dtype[Any]]

every_cell = pytest.mark.parametrize("cell", ["SimpleRNN", "LSTM", "GRU", "GRU before"])
both_ends = pytest.mark.parametrize("padding", ["left", "right", "holes"])


def recurrent(cell: str, units: int, **options: Any) -> Any:
    if cell == "GRU before":
        return layers.GRU(units, reset_after=False, **options)
    return getattr(layers, cell)(units, **options)


def sentences(rows: int, steps: int, words: int, padding: str) -> Array:
    """Tokens from 1 on, of any number per row, none of it in one; 0 is padding."""
    rng = np.random.default_rng(rows * steps)
    x = rng.integers(1, words, (rows, steps)).astype(np.int32)
    if padding == "holes":
        x[rng.random(x.shape) < 0.4] = 0
        return x
    for row, length in zip(x, rng.integers(0, steps + 1, rows), strict=True):
        row[: steps - length] = 0
    return x if padding == "left" else x[:, ::-1].copy()


def compiled(*stack: Any) -> Sequential:
    model = Sequential(list(stack))
    model.compile(optimizers.SGD(1.0), "mse")
    return model


@every_cell
@both_ends
@pytest.mark.parametrize("go_backwards", [False, True])
def test_each_row_gets_its_own_prediction_however_rows_are_sorted(
    cell: str, padding: str, go_backwards: bool
) -> None:
    x = sentences(23, 9, 12, padding)
    model = Sequential(
        [
            Embedding(12, 5, mask_zero=True),
            recurrent(cell, 17, return_sequences=True),
            recurrent(cell, 7, go_backwards=go_backwards),
            Dense(2),
        ]
    )
    alone = np.concatenate([model.predict(x[i : i + 1], verbose=0) for i in range(len(x))])
    np.testing.assert_array_equal(model.predict(x, verbose=0), alone)


@every_cell
@both_ends
def test_targets_and_sample_weights_stay_with_their_rows(cell: str, padding: str) -> None:
    x = sentences(13, 8, 10, padding)
    rng = np.random.default_rng(0)
    y, weight = rng.normal(size=(13, 1)), rng.uniform(0.1, 2, 13)
    model = compiled(Embedding(10, 4, mask_zero=True), recurrent(cell, 6), Dense(1))
    model.predict(x, verbose=0)
    before = model.get_weights()

    def change(rows: slice) -> list[Array]:
        model.set_weights(before)
        model.train_on_batch(x[rows], y[rows], sample_weight=weight[rows])
        return [now - old for now, old in zip(model.get_weights(), before, strict=True)]

    alone = [change(slice(i, i + 1)) for i in range(13)]
    for i, together in enumerate(change(slice(0, 13))):
        mean = np.mean([c[i] for c in alone], axis=0)
        np.testing.assert_allclose(together, mean, rtol=0, atol=2e-6)


def test_masked_outputs_of_a_sequence_stay_with_their_rows() -> None:
    x = sentences(11, 7, 9, "right")
    model = Sequential([Embedding(9, 3, mask_zero=True), LSTM(4, return_sequences=True), Dense(2)])
    alone = np.concatenate([model.predict(x[i : i + 1], verbose=0) for i in range(len(x))])
    np.testing.assert_array_equal(model.predict(x, verbose=0), alone)


def test_what_is_looked_at_comes_in_the_order_of_the_rows() -> None:
    x = sentences(11, 7, 9, "right")
    model = compiled(Embedding(9, 3, mask_zero=True), LSTM(4), Dense(1))
    plan = model.plan_for(model.check_inputs(x), rows=11, keep=True)
    plan.forward(x)
    np.testing.assert_array_equal(plan.native.peek("embedding"), model.layers[0].weights[0][x])


@every_cell
@pytest.mark.parametrize("words", [2, 5, 500])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_tokens_looked_up_once_train_as_if_each_were_looked_up_alone(
    cell: str, words: int, optimizer: str
) -> None:
    # An op between the two needs every row of its own; the recurrent layer itself does not.
    x = sentences(33, 9, words, "holes")
    y = np.random.default_rng(1).normal(size=(33, 1))
    once = Sequential([Embedding(words, 20), recurrent(cell, 17), Dense(1)])
    each = Sequential([Embedding(words, 20), Activation("linear"), recurrent(cell, 17), Dense(1)])
    for model in (once, each):
        model.compile(optimizer, "mse")
        model.predict(x, verbose=0)
    each.set_weights(once.get_weights())
    for model in (once, each):
        model.fit(x, y, batch_size=7, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(once.get_weights(), each.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-5)


def test_dropout_does_not_depend_on_the_number_of_threads_where_rows_are_sorted() -> None:
    x = sentences(16, 8, 10, "left")
    y = np.random.default_rng(2).normal(size=(16, 1))
    found = []
    threads = elman.get_threads()
    try:
        for count in (1, 2, 3):
            elman.set_threads(count)
            elman.set_random_seed(5)
            model = compiled(Embedding(10, 4, mask_zero=True), Dropout(0.5), LSTM(5), Dense(1))
            model.fit(x, y, batch_size=16, epochs=1, verbose=0)
            found.append(model.get_weights())
    finally:
        elman.set_threads(threads)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


# -- what is kept between predictions -----------------------------------------------------------


def judged(model: Sequential, x: Array) -> Array:
    """The outputs by a plan of training, which keeps nothing from batch to batch."""
    return model(x, training=True)


@every_cell
@pytest.mark.parametrize("units", [7, 33])
def test_predictions_are_the_same_bits_whatever_was_predicted_before(
    cell: str, units: int, isa: str
) -> None:
    model = Sequential([Embedding(300, 5, mask_zero=True), recurrent(cell, units), Dense(2)])
    batches = [sentences(rows, 11, 300, "holes") for rows in (1, 9, 17, 70)]
    for x in (*batches, *batches[::-1]):
        np.testing.assert_array_equal(model.predict(x, verbose=0), judged(model, x))


def test_both_directions_keep_what_tokens_come_to() -> None:
    model = Sequential([Embedding(300, 5), layers.Bidirectional(LSTM(7)), Dense(2)])
    for rows in (3, 40, 3):
        x = sentences(rows, 11, 300, "holes")
        np.testing.assert_array_equal(model.predict(x, verbose=0), judged(model, x))


@every_cell
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_predictions_after_weights_change_are_those_of_the_new_weights(
    cell: str, optimizer: str
) -> None:
    x = sentences(13, 8, 40, "left")
    y = np.random.default_rng(3).normal(size=(13, 1))
    model = Sequential([Embedding(40, 6), recurrent(cell, 17), Dense(1)])
    model.compile(optimizer, "mse")
    stream = model.stream(sessions=13)
    for _ in range(3):
        np.testing.assert_array_equal(model.predict(x, verbose=0), judged(model, x))
        stream.reset()
        for t in range(x.shape[1]):
            last = stream.step(x[:, t])
        np.testing.assert_array_equal(last, judged(model, x))
        # Few rows of the table have a gradient; the others may only be brought up to date later.
        model.fit(x[:2], y[:2], validation_data=(x, y), epochs=2, verbose=0)
        np.testing.assert_array_equal(model.predict(x, verbose=0), judged(model, x))
        model.set_weights([w * np.float32(0.9) for w in model.get_weights()])


def test_more_tokens_than_are_kept_change_nothing() -> None:
    # 64 MiB are 16,384 tokens of 4 x 256 floats; here are more than twice as many.
    words, rows, steps = 36_000, 20, 150
    model = Sequential([Embedding(words, 2), LSTM(256), Dense(1)])
    rng = np.random.default_rng(4)
    batches = rng.permutation(words).astype(np.int32).reshape(-1, rows, steps)
    for x in (*batches, batches[-1], batches[0]):
        np.testing.assert_array_equal(model.predict(x, verbose=0), judged(model, x))


def test_rows_that_were_not_looked_up_again_cannot_be_peeked_at() -> None:
    x = sentences(4, 6, 9, "holes")
    model = Sequential([Embedding(9, 3), LSTM(4)])
    plan = model.plan_for(model.check_inputs(x), rows=4)
    plan.forward(x)
    assert "embedding" not in plan.native.names
    plan = model.plan_for(model.check_inputs(x), rows=4, keep=True)
    plan.forward(x)
    np.testing.assert_array_equal(plan.native.peek("embedding"), model.layers[0].weights[0][x])
