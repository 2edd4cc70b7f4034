"""Options of every recurrent layer: what is dropped of its state, what masked steps return."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import elman
from cases import (
    ROWS,
    STEPS,
    UNITS,
    VOCABULARY,
    below,
    cell,
    either_way,
    ends,
    every_cell,
    every_mask,
    masked,
    normal,
)
from elman import Input, Sequential, _core
from elman.errors import OptionError
from elman.layers import GRU, LSTM, Bidirectional, Dense, Embedding, Masking, SimpleRNN
from harness import (
    assert_close,
    assert_same_gradients,
    engine_gradients,
    judged,
    randomize,
    reference,
    reference_gradients,
    reference_loss,
)

Array = np.ndarray[Any, np.dtype[Any]]


# -- recurrent_dropout ---------------------------------------------------------------------------


def drawn(model: Sequential, layer: str, x: Array, rate: float, **run: int) -> Array:
    """What a batch of a training multiplies the states of a layer by [B, G, H], as float64."""
    plan = model.plan_for(x, rows=len(x), training=True)
    plan.forward(x, run.get("seed", 0))
    zero = plan.native.peek(f"{layer}/recurrent_dropout") == 0
    return np.where(zero, 0.0, 1 / (1 - rate))


def check_dropping(model: Sequential, x: Array, rate: float, *, small: int = 8) -> None:
    """Loss and gradients of one batch before the judge, who is told what was dropped."""
    model.compile(loss="mean_squared_error")
    randomize(model, 4)
    (layer,) = (each for each in model.layers if isinstance(each, elman.layers.Recurrent))
    wanted = reference(model, x)[0]
    y = normal(*wanted.shape, seed=1)
    loss, gradients = engine_gradients(model, x, y, seed=3, step=11)
    plan = model.plan_for(x, rows=len(x), training=True, loss=True).native
    name = f"{layer.name}/recurrent_dropout"
    zero = plan.peek(name) == 0
    dropped = {name: np.where(zero, 0.0, 1 / (1 - rate))}
    output, mask = reference(model, x, dropped)
    assert_close(np.array(loss), reference_loss(model, y, output, mask)[0], what="loss")
    slopes = reference_gradients(model, x, y, dropped=dropped, small=small)
    assert_same_gradients(gradients, slopes, 2e-5, small)


@every_cell
@pytest.mark.parametrize("units", UNITS)
@every_mask
@either_way
def test_gradients_match_the_judge_who_drops_the_same_states(
    name: str, units: int, pattern: str, backwards: bool, isa: str
) -> None:
    layer = cell(name, units, recurrent_dropout=0.4, go_backwards=backwards, return_sequences=True)
    check_dropping(Sequential([*below(pattern), layer, Dense(2)]), masked(pattern), 0.4)


@every_cell
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (8, 1), (17, 4)], ids=str)
def test_one_row_and_one_step_drop_as_any(name: str, shape: tuple[int, int], isa: str) -> None:
    layer = cell(name, 5, recurrent_dropout=0.5, activation="elu")
    check_dropping(Sequential([Input((None, 2)), layer, Dense(2)]), normal(*shape, 2), 0.5)


@every_cell
def test_a_state_is_dropped_anew_for_each_row_and_gate_and_batch(name: str) -> None:
    model = Sequential([Input((None, 2)), cell(name, 64, recurrent_dropout=0.25)])
    model.compile(loss="mean_squared_error")
    x = normal(40, 3, 2)
    keep = drawn(model, name.removesuffix("_reset_before"), x, 0.25)
    assert keep.shape == (40, len(model.layers[0].gates), 64)
    assert abs((keep == 0).mean() - 0.25) < 0.03
    rows, gates = keep.reshape(40, -1), keep.reshape(40 * keep.shape[1], 64)
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert len(np.unique(gates, axis=0)) == len(gates)
    again = drawn(model, name.removesuffix("_reset_before"), x, 0.25)
    np.testing.assert_array_equal(again, keep)
    other = drawn(model, name.removesuffix("_reset_before"), x, 0.25, seed=1)
    assert np.any(other != keep)


def test_what_is_dropped_does_not_depend_on_threads_or_on_an_order_of_rows() -> None:
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (7, 9)).astype(np.int32)
    found = []
    for threads in (1, 2, 3):
        _core.set_threads(threads)
        elman.set_random_seed(1)
        embedding = Embedding(VOCABULARY, 3, mask_zero=True)
        model = Sequential([embedding, LSTM(5, recurrent_dropout=0.5)])
        model.compile(loss="mean_squared_error")
        found.append(drawn(model, "lstm", tokens, 0.5))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_inputs_and_states_are_dropped_together() -> None:
    layer = GRU(5, dropout=0.3, recurrent_dropout=0.4)
    model = Sequential([Input((None, 3)), Dense(4), layer, Dense(2)])
    model.compile(loss="mean_squared_error")
    randomize(model, 4)
    x, y = normal(5, 4, 3), normal(5, 2, seed=1)
    loss, gradients = engine_gradients(model, x, y, seed=3)
    plan = model.plan_for(x, rows=5, training=True, loss=True).native
    rates = {"gru/dropout": 0.3, "gru/recurrent_dropout": 0.4}
    dropped = {n: np.where(plan.peek(n) == 0, 0.0, 1 / (1 - r)) for n, r in rates.items()}
    output, _ = reference(model, x, dropped)
    assert_close(np.array(loss), reference_loss(model, y, output)[0], what="loss")
    assert_same_gradients(gradients, reference_gradients(model, x, y, dropped=dropped), 2e-5)


@every_cell
def test_nothing_is_dropped_but_in_training(name: str, isa: str) -> None:
    x, dropping = normal(5, 4, 2), cell(name, 7, recurrent_dropout=0.5)
    model = Sequential([Input((None, 2)), dropping, Dense(1)])
    judged_plain = Sequential([Input((None, 2)), cell(name, 7), Dense(1)])
    for each in (model, judged_plain):
        each.compile("sgd", "mean_squared_error")
        randomize(each, 2)
    np.testing.assert_array_equal(model.predict(x, verbose=0), judged_plain.predict(x, verbose=0))
    assert_close(np.array(dropping(x)), judged_plain.layers[0](x))
    assert np.abs(dropping(x, training=True) - dropping(x)).max() > 0.01
    stream = model.stream()
    last = [stream.step(x[0, t]) for t in range(4)][-1]
    assert_close(np.ravel(last), np.ravel(model.predict(x[:1], verbose=0)), 1e-5)
    # The way back without dropout, as gradient_flow takes it.
    y = normal(5, 1, seed=2)
    plan = model.plan_for(x, rows=5, training=True, loss=True)
    _, arrays = plan.native.gradients(x, y, None, 0, 0, training=False)
    slopes = reference_gradients(model, x, y)
    names = [f"{layer.name}/{p.name}" for layer in model.layers for p in layer.own_params]
    assert_same_gradients(dict(zip(names, arrays, strict=True)), slopes, 2e-5)


@every_cell
def test_a_training_computed_twice_drops_the_same_states(name: str) -> None:
    x, y = normal(6, 50, 2), normal(6, 1, seed=1)
    found = []
    for recompute in (False, True):
        elman.set_random_seed(3)
        layers = [cell(name, 6, recurrent_dropout=0.4, return_sequences=True)]
        layers += [cell(name, 5, recurrent_dropout=0.4), Dense(1)]
        model = Sequential([Input((None, 2)), *layers])
        model.compile("sgd", "mean_squared_error")
        model.fit(x, y, epochs=2, batch_size=3, verbose=0, recompute=recompute)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        assert_close(one, other.astype(np.float64), 1e-5)


def test_products_of_states_that_are_dropped_stay_float32_and_the_plan_says_so() -> None:
    layer = LSTM(32, recurrent_dropout=0.2, dtype="mixed_bfloat16")
    model = Sequential([Input((9, 8)), layer, Dense(2)])
    model.compile("sgd", "mean_squared_error")
    assert " fused dropping" in str(model.plan(9, 5))
    assert " fused bf16" in str(model.plan(9, 5, training=False))
    check_dropping(Sequential([Input((None, 8)), layer, Dense(2)]), normal(5, 9, 8), 0.2)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, "much", True])
def test_a_share_that_cannot_be_dropped_is_refused(rate: Any) -> None:
    with pytest.raises(OptionError, match=r"GRU expected recurrent_dropout .* in \[0, 1\)"):
        GRU(4, recurrent_dropout=rate)


# -- zero_output_for_mask ------------------------------------------------------------------------


@every_cell
@every_mask
@either_way
@ends
def test_masked_steps_return_zeros_and_their_gradients_match_the_judge(
    name: str, pattern: str, backwards: bool, sequences: bool, isa: str
) -> None:
    options = {"go_backwards": backwards, "return_sequences": sequences}
    layer = cell(name, 7, zero_output_for_mask=True, **options)
    model = Sequential([*below(pattern), layer, Dense(2)])
    judged(model, masked(pattern), small=8)
    assert (" zeroing" in str(model.plan(STEPS, ROWS))) == (pattern != "unmasked")


def test_states_pass_a_step_that_returns_zeros() -> None:
    layer = SimpleRNN(3, zero_output_for_mask=True, return_sequences=True)
    model = Sequential([Input((None, 2)), Masking(), layer])
    randomize(model, 1)
    x = normal(1, 3, 2)
    x[:, 1] = 0.0
    seen = model.predict(x, verbose=0)
    assert not seen[:, 1].any()
    np.testing.assert_allclose(seen[:, 2], layer(x[:, ::2])[:, 1], rtol=1e-6)


@every_cell
def test_a_layer_that_zeroes_streams_and_is_traced(name: str) -> None:
    layer = cell(name, 3, zero_output_for_mask=True)
    model = Sequential([Input((None, 2)), Masking(), layer])
    randomize(model, 1)
    x = masked("holes", 4, 6)
    wanted = model.predict(x, verbose=0)
    stream = model.stream()
    for t in range(6):
        last = stream.step(x[0, t])
    assert_close(np.ravel(last), wanted[0].astype(np.float64), 1e-5)
    traced = model.trace(x)
    np.testing.assert_array_equal(traced[layer.name], wanted)


# -- options that say how Keras computes ---------------------------------------------------------


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
@pytest.mark.parametrize(
    ("option", "value"),
    [("unroll", True), ("use_cudnn", "auto"), ("use_cudnn", False), ("implementation", 1)],
)
def test_an_option_that_says_how_changes_nothing(kind: Any, option: str, value: Any) -> None:
    assert kind(4, **{option: value}).get_config() == kind(4).get_config()


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("time_major", True, "swap the first two axes"),
        ("implementation", 7, "one of 0, 1, 2"),
        ("unroll", "yes", "one of False, True"),
        ("use_cudnn", "never", "one of 'auto'"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(option: str, value: Any, word: str) -> None:
    with pytest.raises(OptionError, match=f"LSTM expected .*{word}"):
        LSTM(4, **{option: value})
    with pytest.raises(OptionError, match=f"LSTM expected .*{word}"):
        Bidirectional(LSTM(4, **{option: value}))
