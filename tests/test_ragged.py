"""Sequences of unequal length: the same numbers as when they are padded and masked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import elman
from elman.errors import DataError, ShapeError
from elman.layers import GRU, LSTM, Bidirectional, Dense, Embedding, Masking, SimpleRNN
from elman.ragged import Ragged, is_ragged

PADDING = -7.0

STACKS: dict[str, Any] = {
    "gru": lambda: [GRU(5)],
    "stack": lambda: [LSTM(5, return_sequences=True), SimpleRNN(4)],
    "dropout": lambda: [LSTM(5, dropout=0.3), Dense(3, activation="relu")],
    "backwards": lambda: [GRU(5, go_backwards=True)],
    "both ways": lambda: [Bidirectional(GRU(5, return_sequences=True)), Bidirectional(LSTM(4))],
}


def sequences(count: int = 50, most: int = 23, features: int = 3) -> list[np.ndarray]:
    """Of 0 to `most` steps: an empty one and the longest are among them."""
    rng = np.random.default_rng(count)
    lengths = [0, most, *rng.integers(0, most + 1, count - 2)]
    return [rng.normal(size=(int(n), features)).astype("f4") for n in lengths]


def padded(x: list[np.ndarray], value: float = PADDING) -> np.ndarray:
    found = np.full((len(x), max(map(len, x)), *x[0].shape[1:]), value, x[0].dtype)
    for row, one in zip(found, x, strict=True):
        row[: len(one)] = one
    return found


def twins(layers: Any) -> tuple[elman.Sequential, elman.Sequential]:
    """One for sequences as they are; one for padded ones, with the same weights."""
    found = []
    for first in ([], [Masking(PADDING)]):
        elman.set_random_seed(1)
        model = elman.Sequential([elman.Input((None, 3)), *first, *layers()])
        model.compile("adam", "mse")
        found.append(model)
    return found[0], found[1]


@pytest.mark.parametrize("name", STACKS)
def test_outputs_are_those_of_padded_sequences(name):
    x = sequences()
    plain, masked = twins(STACKS[name])
    np.testing.assert_array_equal(plain.predict(x, verbose=0), masked.predict(padded(x), verbose=0))


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("threads", [1, 2])
def test_training_is_that_of_padded_sequences(name, threads):
    x, rng = sequences(), np.random.default_rng(0)
    plain, masked = twins(lambda: [*STACKS[name](), Dense(1)])
    y = rng.normal(size=(len(x), 1))
    elman.set_threads(threads)
    histories = []
    for model, given in ((plain, x), (masked, padded(x))):
        elman.set_random_seed(3)
        options = {"epochs": 3, "batch_size": 16, "verbose": 0}
        histories.append(model.fit(given, y, validation_split=0.2, **options).history)
        histories[-1]["end"] = [model.evaluate(given, y, verbose=0)]
    for key in histories[0]:
        np.testing.assert_allclose(histories[0][key], histories[1][key], rtol=2e-6)
    for one, other in zip(plain.get_weights(), masked.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_an_output_at_every_step_is_a_list_as_long_as_each_sequence():
    x = sequences()
    plain, masked = twins(lambda: [LSTM(5, return_sequences=True)])
    found = plain.predict(x, verbose=0)
    wanted = masked.predict(padded(x), verbose=0)
    assert [y.shape for y in found] == [(len(s), 5) for s in x]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other[: len(one)])


def test_a_layer_that_walks_backwards_turns_each_sequence_by_its_own_length():
    x = sequences()
    plain, _ = twins(lambda: [GRU(5, go_backwards=True, return_sequences=True)])
    found = plain.predict(x, verbose=0)
    for one, sequence in zip(found, x, strict=True):
        if len(sequence):
            np.testing.assert_allclose(one, plain.predict(sequence[None], verbose=0)[0], atol=1e-6)


def test_targets_and_weights_of_every_step_are_lists_too():
    x, rng = sequences(), np.random.default_rng(0)
    plain, masked = twins(lambda: [GRU(5, return_sequences=True), Dense(2, activation="softmax")])
    y = [rng.integers(0, 2, len(s)) for s in x]
    weight = [rng.uniform(size=len(s)).astype("f4") for s in x]
    found = []
    for model, how in ((plain, lambda v: v), (masked, lambda v: padded(v, 0))):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        elman.set_random_seed(3)
        given = x if model is plain else padded(x)
        history = model.fit(given, how(y), sample_weight=how(weight), epochs=2, verbose=0).history
        found.append([*history["loss"], *history["accuracy"], *model.evaluate(given, how(y))])
    np.testing.assert_allclose(found[0], found[1], rtol=2e-6)


@pytest.mark.parametrize("mask_zero", [True, False])
def test_words_of_unequal_sentences(mask_zero):
    rng = np.random.default_rng(1)
    x = [rng.integers(1, 30, n) for n in rng.integers(1, 20, 40)]
    y = rng.integers(0, 2, 40)
    found = []
    for given, masks in ((x, mask_zero), (padded(x, 0), True)):
        elman.set_random_seed(1)
        model = elman.Sequential(
            [Embedding(30, 4, mask_zero=masks), GRU(5), Dense(1, activation="sigmoid")]
        )
        model.compile("rmsprop", "binary_crossentropy")
        model.predict(given, verbose=0)
        elman.set_random_seed(3)
        model.fit(given, y, epochs=3, batch_size=16, verbose=0)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


@pytest.mark.parametrize("options", [{}, {"recompute": True}])
def test_long_sequences_in_windows_and_recomputed(options):
    rng = np.random.default_rng(4)
    x = [rng.normal(size=(n, 3)).astype("f4") for n in (2500, 1, 700, 1100)]
    y = rng.normal(size=(4, 1))
    plain, masked = twins(lambda: [GRU(4), Dense(1)])
    found = []
    for model, given in ((plain, x), (masked, padded(x))):
        elman.set_random_seed(3)
        history = model.fit(given, y, epochs=2, verbose=0, **options).history
        ends = model.predict(given, verbose=0).ravel()
        found.append([*history["loss"], model.evaluate(given, y, verbose=0), *ends])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_truncated_back_propagation_walks_each_sequence_to_its_end():
    rng = np.random.default_rng(4)
    x = [rng.normal(size=(n, 3)).astype("f4") for n in (50, 1, 33)]
    y = [rng.normal(size=(len(s), 2)).astype("f4") for s in x]
    plain, masked = twins(lambda: [GRU(2, return_sequences=True)])
    for model, how in ((plain, lambda v, _: v), (masked, padded)):
        elman.set_random_seed(3)
        model.fit(how(x, PADDING), how(y, 0), epochs=2, verbose=0, tbptt=10)
    for one, other in zip(plain.get_weights(), masked.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_steps_that_a_batch_does_not_have_are_not_gone_through():
    # The longest sequence is a hundred times as long as the others: a plan holds it, and the
    # batches without it must not show a single step beyond their own.
    model = elman.Sequential([elman.Input((None, 2)), GRU(3, return_sequences=True)])
    plan = model.plan_for(Ragged(np.zeros((0, 2), "f4"), np.zeros(1, np.int64), 500), rows=4)
    x = Ragged.of([np.ones((n, 2), "f4") for n in (5, 3, 0, 1)])
    plan.native.call(plan.arrange(x), plan.room(4, 500), 0)
    # As many as the shortest shard went through.
    assert plan.native.peek("input").shape[1] <= 5


def test_looking_inside_sees_what_padded_sequences_show():
    x, y = sequences(9), np.random.default_rng(0).normal(size=(9, 1))
    plain, masked = twins(lambda: [GRU(5), Dense(1)])
    found, wanted = plain.trace(x), masked.trace(padded(x))
    for name in wanted:
        if "masking" not in name and name != "input":
            np.testing.assert_array_equal(found[name], wanted[name])
    flow, other = plain.gradient_flow(x, y), masked.gradient_flow(padded(x), y)
    assert len(flow) == 1
    for state in flow:
        np.testing.assert_allclose(flow[state].back, other[state].back, rtol=1e-5)


def test_lists_of_one_length_are_an_array_as_ever():
    plain, _ = twins(lambda: [GRU(5)])
    x = [np.ones((4, 3), "f4"), np.zeros((4, 3), "f4")]
    assert not is_ragged(x)
    np.testing.assert_array_equal(plain.predict(x, verbose=0), plain.predict(np.stack(x)))


def test_arrays_of_objects_and_lists_of_lists_are_sequences_too():
    plain, _ = twins(lambda: [GRU(5)])
    x = sequences(4)
    objects = np.empty(4, object)
    objects[:] = x
    wanted = plain.predict(x, verbose=0)
    np.testing.assert_array_equal(plain.predict(objects, verbose=0), wanted)
    np.testing.assert_array_equal(plain.predict([s.tolist() for s in x], verbose=0), wanted)


def test_errors_name_the_sequence():
    plain, _ = twins(lambda: [GRU(5)])
    x = sequences(6)
    x[4] = np.ones((2, 4), "f4")
    with pytest.raises(ShapeError, match=r"differ in length only, got \(2, 4\) in row 4"):
        plain.predict(x)
    x[4] = np.full((2, 3), np.nan, "f4")
    with pytest.raises(DataError, match="nan at row 4, step 0, feature 0"):
        plain.predict(x)
    x[4] = np.array([["a", "b", "c"]])
    with pytest.raises(DataError, match="inputs of row 4 that are numbers"):
        plain.predict(x)
    words = elman.Sequential([Embedding(10, 2), GRU(2)])
    with pytest.raises(DataError, match="got 10 at row 1, step 2"):
        words.predict([[1, 2], [3, 4, 10]])
    y = [np.zeros((len(s), 5)) for s in sequences(6)]
    y[1] = y[1][:-1]
    every, _ = twins(lambda: [GRU(5, return_sequences=True)])
    with pytest.raises(ShapeError, match="got 22 for the 23 steps of row 1"):
        every.fit(sequences(6), y)


def test_parts_of_ragged_sequences_are_what_slices_of_them_are():
    x = sequences(9)
    whole = Ragged.of(x)
    rows = np.array([3, 1, 0])
    for found, wanted in ((whole[2:5], x[2:5]), (whole[rows], [x[i] for i in rows])):
        assert found.split(found.padded())[0].shape == wanted[0].shape
        for one, other in zip(found.split(found.padded()), wanted, strict=True):
            np.testing.assert_array_equal(one, other)
    part = whole.take(slice(None), 4, 9)
    assert part.shape == (9, 5, 3)
    for one, other in zip(part.split(part.padded()), x, strict=True):
        np.testing.assert_array_equal(one, other[4:9])
    assert len(whole[:0]) == 0 and len(whole[5:2]) == 0
