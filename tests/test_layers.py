"""The layers around the cells: forward is the formula, backward is its derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import elman
from cases import normal
from elman import Input, Sequential, _core, activations
from elman.layers import GRU, LSTM, Activation, Dense, Dropout, Embedding, Masking, SimpleRNN
from harness import (
    assert_close,
    assert_same_gradients,
    engine_gradients,
    judged,
    prepared,
    randomize,
    reference,
    reference_gradients,
    reference_loss,
    training_forward,
)

Array = np.ndarray[Any, np.dtype[Any]]

EVERY_ACTIVATION = [*activations.ELEMENTWISE, *activations.ROWWISE]
#: One float, less than a vector, a full vector, more than one block, more than a group of blocks.
WIDTHS = (1, 3, 16, 17, 70)


# -- Dense and Activation -----------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rows", [1, 2, 3, 9, 17])
def test_dense_on_rows_matches_the_judge(rows: int, width: int, isa: str) -> None:
    judged(Sequential([Input((5,)), Dense(width), Dense(width), Dense(2)]), normal(rows, 5))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no-bias"])
def test_dense_on_every_step_matches_the_judge(width: int, use_bias: bool, isa: str) -> None:
    layers = [Dense(width, use_bias=use_bias), Dense(3, use_bias=use_bias)]
    judged(Sequential([Input((None, 4)), *layers]), normal(5, 6, 4))


@pytest.mark.parametrize("width", [256, 257, 300])
def test_rows_spread_over_the_sets_of_the_cache_match_the_judge(width: int, isa: str) -> None:
    # From 256 floats on, rows are stored further apart than they are wide.
    model = Sequential([Input((None, 3)), Dense(width), Dense(2)])
    judged(model, normal(2, 2, 3), small=0)


@pytest.mark.parametrize("activation", EVERY_ACTIVATION)
def test_dense_takes_any_activation(activation: str, isa: str) -> None:
    model = Sequential([Input((4,)), Dense(7, activation=activation), Dense(2)])
    judged(model, normal(6, 4), scale=2.0, tolerance=1e-4)


@pytest.mark.parametrize("activation", EVERY_ACTIVATION)
def test_activation_as_a_layer_on_every_step(activation: str, isa: str) -> None:
    model = Sequential([Input((None, 4)), Dense(19), Activation(activation), Dense(2)])
    judged(model, normal(3, 4, 4), scale=2.0, tolerance=1e-4)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("activation", activations.ROWWISE)
def test_softmax_of_any_width_matches_the_judge(activation: str, width: int, isa: str) -> None:
    model = Sequential([Input((4,)), Dense(width, activation=activation), Dense(2)])
    judged(model, normal(5, 4), tolerance=5e-5)


@pytest.mark.parametrize("activation", activations.ROWWISE)
def test_softmax_of_large_numbers_does_not_overflow(activation: str, isa: str) -> None:
    x = np.array([[1e4, 0.0, -1e4], [300.0, 300.0, 299.0], [-1e30, 1e30, 0.0]], np.float32)
    wanted = activations.get(activation)(x.astype(np.float64))
    assert_close(Activation(activation)(x), wanted, what=activation)


@pytest.mark.parametrize(
    ("activation", "loss", "classes"),
    [
        ("sigmoid", "binary_crossentropy", 1),
        ("sigmoid", "binary_crossentropy", 3),
        ("softmax", "categorical_crossentropy", 4),
        ("softmax", "sparse_categorical_crossentropy", 4),
        ("tanh", "mean_squared_error", 2),
    ],
)
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
def test_loss_that_enters_before_the_last_activation_has_the_same_gradient(
    activation: str, loss: str, classes: int, sequences: bool, isa: str
) -> None:
    # The engine skips the sigmoid or softmax on the way back; the judge walks through it.
    model = Sequential(
        [
            Input((None, 3)),
            Masking(),
            GRU(5, return_sequences=sequences),
            Dense(classes, activation=activation),
        ]
    )
    model.compile(loss=loss)
    randomize(model, classes)
    x = normal(5, 4, 3)
    x[0, 2:] = x[3, 0] = 0.0
    output, mask = reference(model, x)
    rng = np.random.default_rng(3)
    shape = output.shape[:-1] if loss.startswith("sparse") else output.shape
    y = rng.integers(0, classes, shape) if loss.startswith("sparse") else rng.random(shape)
    value, gradients = engine_gradients(model, x, y)
    assert_close(np.array(value), reference_loss(model, y, output, mask)[0], what="loss")
    assert_same_gradients(gradients, reference_gradients(model, x, y))
    assert_close(model.predict(x, verbose=0), output)


# -- Masking and Embedding ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, -1.0, 0.1])
def test_masking_looks_for_its_value_in_all_features(value: float, isa: str) -> None:
    x = normal(4, 5, 2)
    x[0, 1] = x[2, 3:] = x[3] = np.float32(value)
    x[1, 2, 0] = np.float32(value)  # one feature alone does not mask a step
    model = Sequential([Input((None, 2)), Masking(value), LSTM(3, return_sequences=True)])
    judged(model, x)
    plan = model.plan_for(x, rows=4, keep=True)
    plan.forward(x)
    wanted = (x != np.float32(value)).any(axis=-1)
    np.testing.assert_array_equal(plan.native.peek("masking/mask")[..., 0], wanted)
    np.testing.assert_array_equal(plan.native.peek("masking"), np.where(wanted[..., None], x, 0))


def test_masking_above_other_layers_hands_their_gradient_down(isa: str) -> None:
    # relu makes steps of zeros, which Masking then masks
    model = Sequential(
        [Input((None, 3)), Dense(2, activation="relu"), Masking(), SimpleRNN(4), Dense(1)]
    )
    x = normal(6, 7, 3)
    judged(model, x)
    plan = model.plan_for(x, rows=6, keep=True)
    plan.forward(x)
    mask = plan.native.peek("masking/mask")
    assert 0 < mask.mean() < 1


def test_a_mask_reaches_the_loss_through_dense_dropout_and_activation(isa: str) -> None:
    model = Sequential(
        [
            Embedding(6, 3, mask_zero=True),
            LSTM(4, return_sequences=True),
            Dropout(0.0),
            Dense(2),
            Activation("tanh"),
        ]
    )
    judged(model, np.array([[1, 2, 0, 0], [3, 0, 4, 5], [0, 0, 0, 0]], np.int32))


def test_embedding_adds_up_the_gradient_of_a_token_that_comes_often(isa: str) -> None:
    tokens = np.array([[1, 1, 1, 2], [2, 1, 0, 1]], np.int32)
    for threads in (1, 2):
        _core.set_threads(threads)
        judged(Sequential([Embedding(5, 3), SimpleRNN(4), Dense(1)]), tokens)


def test_embedding_leaves_no_gradient_behind_for_the_next_batch(isa: str) -> None:
    model = Sequential([Embedding(9, 3), GRU(4), Dense(1)])
    model.compile(loss="mean_squared_error")
    y = np.ones((2, 1))
    engine_gradients(model, np.array([[1, 2, 3], [4, 5, 6]], np.int32), y)
    _, gradients = engine_gradients(model, np.array([[7, 7, 8], [8, 7, 8]], np.int32), y)
    rows = np.abs(gradients["embedding/embeddings"]).sum(axis=1)
    assert (rows[:7] == 0).all()
    assert (rows[7:] > 0).all()


# -- Dropout ------------------------------------------------------------------------------------


def dropped(layer: Any, x: Array, seed: int = 1, step: int = 0) -> Array:
    """What one dropout multiplies `x` by in a training step, read off the engine."""
    model = Sequential([Input(x.shape[1:]), layer, Dense(1)])
    model.compile(loss="mean_squared_error")
    shape = (*x.shape[:-1], 1) if isinstance(layer, Dropout) else (len(x), 1)
    engine_gradients(model, x, np.zeros(shape), seed=seed, step=step)
    plan = model.plan_for(x, rows=len(x), training=True, loss=True)
    name = "dropout" if isinstance(layer, Dropout) else f"{layer.name}/dropout"
    return plan.native.peek(name) / plan.native.peek("input")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_zeroes_its_share_and_scales_the_rest(rate: float, isa: str) -> None:
    found = dropped(Dropout(rate), np.ones((64, 20, 33), np.float32))
    zero = found == 0
    assert set(np.unique(found[~zero])) == {np.float32(1) / (np.float32(1) - np.float32(rate))}
    # five standard deviations of a binomial share
    apart = 5 * np.sqrt(rate * (1 - rate) / found.size)
    assert abs(zero.mean() - rate) < apart
    assert abs(found.mean() - 1) < apart / (1 - rate)


def test_dropout_chooses_for_each_row_step_and_feature_by_itself(isa: str) -> None:
    zero = dropped(Dropout(0.5), np.ones((48, 40, 24), np.float32)) == 0
    centred = zero - 0.5
    for axis in range(3):
        for lag in (1, 2, 4, 8):
            a = np.take(centred, range(lag, zero.shape[axis]), axis)
            b = np.take(centred, range(zero.shape[axis] - lag), axis)
            assert abs((a * b).mean()) < 5 * 0.25 / np.sqrt(a.size), (axis, lag)


@pytest.mark.parametrize(
    "layer",
    [lambda: Dropout(0.5, noise_shape=(None, 1, None)), lambda: LSTM(2, dropout=0.5)],
    ids=["noise_shape", "recurrent"],
)
def test_dropout_of_a_sequence_chooses_once_for_all_steps(layer: Any, isa: str) -> None:
    zero = dropped(layer(), np.ones((200, 5, 9), np.float32)) == 0
    np.testing.assert_array_equal(zero, np.broadcast_to(zero[:, :1], zero.shape))
    assert abs(zero[:, 0].mean() - 0.5) < 5 * 0.5 / np.sqrt(zero[:, 0].size)


def test_dropout_does_not_depend_on_threads_or_instruction_set() -> None:
    x = normal(23, 4, 19)
    found = []
    for name in _core.available_isas():
        for threads in (1, 2, 3):
            _core.use_isa(name)
            _core.set_threads(threads)
            found.append(dropped(Dropout(0.4), x) != 0)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_dropout_draws_anew_for_each_step_and_seed_and_repeats_for_the_same() -> None:
    x = np.ones((16, 3, 8), np.float32)
    first = dropped(Dropout(0.5), x, seed=1, step=0)
    np.testing.assert_array_equal(dropped(Dropout(0.5), x, seed=1, step=0), first)
    for seed, step in [(1, 1), (2, 0), (2, 1)]:
        share = (dropped(Dropout(0.5), x, seed, step) == first).mean()
        assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(x.size)


def test_two_dropouts_of_a_model_draw_different_numbers() -> None:
    x = np.ones((32, 3, 16), np.float32)
    model = Sequential([Input((3, 16)), Dropout(0.5), Dropout(0.5), Dense(1)])
    model.compile(loss="mean_squared_error")
    engine_gradients(model, x, np.zeros((32, 3, 1)))
    plan = model.plan_for(x, rows=32, training=True, loss=True)
    below, both = plan.native.peek("dropout") != 0, plan.native.peek("dropout_1") != 0
    assert abs(both[below].mean() - 0.5) < 5 * 0.5 / np.sqrt(below.sum())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", [0, 7])
def test_gradient_through_dropout_matches_complex_step_with_the_same_zeros(
    seed: int, threads: int, isa: str
) -> None:
    _core.set_threads(threads)
    model = Sequential(
        [
            Input((None, 3)),
            Dense(6),
            Dropout(0.3),
            LSTM(5, dropout=0.4, return_sequences=True),
            GRU(5, dropout=0.5),
            Dropout(0.2),
            Dense(2),
        ]
    )
    model.compile(loss="mean_squared_error")
    randomize(model, 4)
    x, y = normal(5, 4, 3), normal(5, 2, seed=1)
    loss, gradients = engine_gradients(model, x, y, seed=seed, step=11)
    plan = model.plan_for(x, rows=5, training=True, loss=True)
    rates = {"dropout": 0.3, "lstm/dropout": 0.4, "gru/dropout": 0.5, "dropout_1": 0.2}
    zeros = {name: plan.native.peek(name) == 0 for name in rates}
    zeros["dropout_1"] = zeros["dropout_1"][:, 0]  # after the last step there is no time axis
    exact = {name: np.where(zero, 0.0, 1 / (1 - rates[name])) for name, zero in zeros.items()}
    assert all(0 < zero.mean() < 1 for zero in zeros.values())
    output, _ = reference(model, x, exact)
    assert_close(np.array(loss), reference_loss(model, y, output)[0], what="loss")
    assert_same_gradients(gradients, reference_gradients(model, x, y, dropped=exact), 2e-5)


def test_dropout_is_off_in_predict_evaluate_and_a_call(isa: str) -> None:
    model = Sequential([Input((None, 3)), Dropout(0.5), LSTM(4, dropout=0.5), Dense(2)])
    model.compile(loss="mean_squared_error")
    randomize(model, 6)
    x, y = normal(5, 4, 3), normal(5, 2, seed=1)
    output, _ = reference(model, x)
    assert_close(model.predict(x, verbose=0), output)
    assert_close(model(x), output)
    wanted = reference_loss(model, y, output)[0]
    assert_close(np.array(model.evaluate(x, y, verbose=0)), wanted, what="loss")


def test_dropout_is_on_in_a_training_call_and_follows_the_seed() -> None:
    model = Sequential([Input((None, 3)), Dropout(0.5), LSTM(4, dropout=0.5), Dense(2)])
    x = normal(5, 4, 3)
    elman.set_random_seed(3)
    first, second = model(x, training=True), model(x, training=True)
    elman.set_random_seed(3)
    np.testing.assert_array_equal(model(x, training=True), first)
    assert (first != second).any()
    ones = Dropout(0.5)(np.ones((4, 8), np.float32), training=True)
    assert set(np.unique(ones)) == {0.0, 2.0}
    np.testing.assert_array_equal(Dropout(0.5)(np.ones((4, 8), np.float32)), 1.0)


# -- layers by themselves -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer",
    [
        lambda: SimpleRNN(5),
        lambda: LSTM(7, return_sequences=True),
        lambda: LSTM(7, return_sequences=True, go_backwards=True),
        lambda: GRU(3, reset_after=False, go_backwards=True),
        lambda: GRU(3, dropout=0.5),
        lambda: Dense(4, activation="softmax"),
        lambda: Activation("gelu"),
        lambda: Masking(),
        lambda: Dropout(0.5),
    ],
    ids=["simple_rnn", "lstm", "lstm-back", "gru", "gru-drop", "dense", "act", "mask", "drop"],
)
def test_a_layer_called_on_an_array_equals_its_formula(layer: Any, isa: str) -> None:
    made, x = layer(), normal(3, 18, 4)
    x[1, 2] = 0.0
    got = made(x)
    weights = {
        p.name: value.astype(np.float64)
        for p, value in zip(made.own_params, made.get_weights(), strict=True)
    }
    assert_close(got, made.formula(prepared(x), weights, None))


def test_embedding_called_on_tokens_looks_up_rows_of_its_table() -> None:
    layer = Embedding(9, 4)
    tokens = np.array([[1, 8, 0], [3, 3, 2]])
    np.testing.assert_array_equal(layer(tokens), layer.get_weights()[0][tokens])


def test_output_of_a_training_plan_equals_predict_for_many_threads() -> None:
    model = Sequential([Input((None, 3)), GRU(9, return_sequences=True), Dense(2)])
    randomize(model, 8)
    x = normal(11, 5, 3)
    _core.set_threads(1)
    wanted = model.predict(x, verbose=0)
    for threads in (2, 3, 8, 16):
        _core.set_threads(threads)
        np.testing.assert_array_equal(model.predict(x, verbose=0), wanted)
        np.testing.assert_array_equal(training_forward(model, x), wanted)
