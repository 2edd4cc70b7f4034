"""States carried from run to run: a sequence cut anywhere is the same sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases import cell, every_cell
from elman import Input, Sequential, _core
from elman.errors import OptionError
from elman.layers import GRU, LSTM, Dense, Dropout, Embedding, Masking, Recurrent, SimpleRNN
from elman.plan import Plan
from harness import (
    assert_close,
    assert_same_gradients,
    native_targets,
    randomize,
    reference,
    reference_gradients,
)

Array = np.ndarray[Any, np.dtype[Any]]


def carrying(
    model: Sequential, steps: int, rows: int, *, training: bool = False, keep: bool = False
) -> Plan:
    """A plan of the model that carries its states, for runs of up to `steps` steps."""
    tokens = model.layers[0].takes_tokens
    features = () if tokens else (model.shapes()[0][0][-1],)
    x = np.zeros((1, steps, *features), np.int32 if tokens else np.float32)
    store = model.plan_for(x, rows=rows).store
    return Plan(
        store, x.shape[1:], tokens=tokens, rows=rows, training=training, keep=keep, carry=True,
        loss=model.compiled_loss() if training else None,
    )  # fmt: skip


def in_pieces(plan: Plan, x: Array, pieces: list[int]) -> Array:
    """Outputs of a sequence that arrives in pieces of these lengths, and then one by one."""
    found, at = [], 0
    for length in [*pieces, *[1] * x.shape[1]]:
        if at < x.shape[1]:
            found.append(plan.predict(np.ascontiguousarray(x[:, at : at + length])))
            at += length
    return np.concatenate(found, axis=1) if found[0].ndim == 3 else found[-1]


def sequences(rows: int, steps: int, features: int = 2) -> Array:
    """Random sequences with holes of zeros, which Masking skips; the last begins with one."""
    rng = np.random.default_rng(steps)
    x = rng.normal(size=(rows, steps, features)).astype(np.float32)
    x[rng.random((rows, steps)) < 0.2] = 0.0
    x[-1, : steps // 2] = 0.0
    return x


def models(name: str, units: int, sequences: bool, dropout: float = 0.5) -> list[Sequential]:
    """A layer alone, masked, and a stack."""
    last = cell(name, units, return_sequences=sequences)
    found = [
        Sequential([Input((None, 2)), cell(name, units, return_sequences=sequences)]),
        Sequential(
            [
                Input((None, 2)), Masking(), cell(name, 3, return_sequences=True), Dropout(dropout),
                Dense(5, activation="relu"), last, Dense(2),
            ]
        ),
    ]  # fmt: skip
    for model in found:
        randomize(model, units)
    return found


# -- prediction -----------------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("units", [1, 7, 17, 33])
@pytest.mark.parametrize("return_sequences", [False, True], ids=["last", "sequences"])
def test_a_sequence_in_pieces_gives_the_same_bits(
    name: str, units: int, return_sequences: bool, isa: str
) -> None:
    x = sequences(5, 40)
    for model in models(name, units, return_sequences):
        whole = model.predict(x, verbose=0)
        for capacity, pieces in (
            (1, []),
            (7, [3, 1, 7, 12]),
            (16, [16, 16]),
            (33, [5, 33]),
            (64, [40]),
        ):
            plan = carrying(model, capacity, 5)
            np.testing.assert_array_equal(in_pieces(plan, x, pieces), whole)


@every_cell
def test_pieces_do_not_depend_on_threads_or_what_is_kept(name: str) -> None:
    model = models(name, 7, sequences=True)[1]
    x = sequences(7, 20)
    whole = model.predict(x, verbose=0)
    for threads in (1, 2, 3):
        _core.set_threads(threads)
        plan = carrying(model, 6, 7, keep=True)
        np.testing.assert_array_equal(in_pieces(plan, x, [6, 2, 11]), whole)
        plan.native.reset_states()
        parts = [plan.forward(np.ascontiguousarray(part)) for part in np.split(x, 4, axis=1)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_tokens_come_in_pieces_too(isa: str) -> None:
    model = Sequential([Embedding(9, 4, mask_zero=True), GRU(5, return_sequences=True), LSTM(3)])
    tokens = np.random.default_rng(3).integers(0, 9, (4, 23)).astype(np.int32)
    whole = model.predict(tokens, verbose=0)
    np.testing.assert_array_equal(in_pieces(carrying(model, 5, 4), tokens, [5, 1, 9]), whole)


def test_a_short_run_peeks_at_its_own_steps_only() -> None:
    model = models("lstm", 7, sequences=True)[0]
    x = sequences(3, 9)
    whole = model.predict(x, verbose=0)
    plan = carrying(model, 6, 3, keep=True)
    plan.forward(np.ascontiguousarray(x[:, :6]))
    plan.forward(np.ascontiguousarray(x[:, 6:]))
    shown = plan.native.peek(model.layers[0].name)
    np.testing.assert_array_equal(shown, whole[:, 6:])
    assert plan.native.peek(f"{model.layers[0].name}/input_gate").shape == (3, 3, 7)


# -- states as arrays -----------------------------------------------------------------------------


@every_cell
def test_states_can_be_taken_out_and_put_back(name: str, isa: str) -> None:
    model = models(name, 17, sequences=True)[0]
    layer = model.layers[0].name
    x = sequences(4, 12)
    whole = model.predict(x, verbose=0)
    plan = carrying(model, 12, 4)
    plan.predict(np.ascontiguousarray(x[:, :5]))
    states = plan.native.get_states()
    assert plan.native.states == {layer: ["h", "cell_state"][: 1 + (name == "lstm")]}
    assert [s.shape for s in states[layer]] == [(4, 17)] * len(states[layer])
    np.testing.assert_array_equal(states[layer][0], whole[:, 4])
    rest = np.ascontiguousarray(x[:, 5:])
    plan.native.reset_states()
    assert all((s == 0).all() for s in plan.native.get_states()[layer])
    assert (plan.predict(rest) != whole[:, 5:]).any()
    # Into another plan, of other rows in another order.
    other = carrying(model, 3, 4)
    order = [2, 0, 3, 1]
    other.native.set_states({layer: [np.ascontiguousarray(s[order]) for s in states[layer]]})
    np.testing.assert_array_equal(in_pieces(other, rest[order], [3, 3]), whole[order, 5:])


def test_some_rows_can_start_again_while_others_go_on() -> None:
    model = models("lstm", 7, sequences=True)[0]
    x = sequences(4, 6)
    plan = carrying(model, 6, 4)
    first = plan.predict(x)
    plan.native.reset_states([1, 3])
    again = plan.predict(x)
    np.testing.assert_array_equal(again[[1, 3]], first[[1, 3]])
    assert (again[[0, 2]] != first[[0, 2]]).any(axis=(1, 2)).all()


def test_rows_that_take_no_part_keep_their_states() -> None:
    model = models("lstm", 7, sequences=True)[0]
    x = sequences(4, 6)
    plan = carrying(model, 3, 4)
    plan.predict(x)
    before = plan.native.get_states()[model.layers[0].name]
    for rows in (1, 2, 0):
        plan.predict(np.ascontiguousarray(x[:rows, :2]))
    after = plan.native.get_states()[model.layers[0].name]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new[2:], old[2:])
        assert (new[:2] != old[:2]).any(axis=1).all()


def test_a_masked_first_step_shows_the_state_that_was_set() -> None:
    model = Sequential([Input((None, 2)), Masking(), LSTM(5, return_sequences=True)])
    plan = carrying(model, 2, 1, keep=True)
    h, c = np.random.default_rng(1).normal(size=(2, 1, 5)).astype(np.float32)
    name = model.layers[1].name
    plan.native.set_states({name: [h, c]})
    np.testing.assert_array_equal(plan.forward(np.zeros((1, 2, 2), np.float32))[:, 1], h)
    np.testing.assert_array_equal(plan.native.peek(f"{name}/cell_state")[:, 1], c)
    assert_close(plan.native.peek(f"{name}/cell_output")[:, 1], np.tanh(c.astype(np.float64)))


def test_states_that_do_not_fit_are_refused() -> None:
    model = models("lstm", 7, sequences=True)[0]
    plan, name = carrying(model, 3, 2), model.layers[0].name
    good = np.zeros((2, 7), np.float32)
    for bad in (
        {name: [good]},
        {"x": [good]},
        {name: [good, good[:, :3].copy()]},
        {name: [good[:1], good]},
    ):
        with pytest.raises(ValueError, match="the plan"):
            plan.native.set_states(bad)
    with pytest.raises(ValueError, match="no row 2"):
        plan.native.reset_states([2])
    assert model.plan_for(np.zeros((1, 3, 2), np.float32), rows=1).native.states == {}


# -- training -------------------------------------------------------------------------------------


def started(
    monkeypatch: pytest.MonkeyPatch, model: Sequential, plan: Plan, rows: int, seed: int = 0
) -> None:
    """Random states for the plan, and for the formulas of the model's layers."""
    rng = np.random.default_rng(seed)
    states = {}
    for layer in model.layers:
        if isinstance(layer, Recurrent):
            states[layer.name] = [
                rng.normal(size=(rows, layer.units)).astype(np.float32) for _ in range(layer.states)
            ]
    plan.native.set_states(states)

    def formula(self: Recurrent, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        own = [np.tile(s.astype(np.float64), (len(x) // rows, 1)) for s in states[self.name]]
        return plain(self, x, weights, mask, own)

    plain = Recurrent.formula
    for kind in (SimpleRNN, LSTM, GRU):
        monkeypatch.setattr(kind, "formula", formula)


@every_cell
@pytest.mark.parametrize("units", [1, 7, 17, 33])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("return_sequences", [False, True], ids=["last", "sequences"])
def test_gradients_from_any_first_state_match_complex_step(
    name: str,
    units: int,
    steps: int,
    return_sequences: bool,
    isa: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _core.set_threads(2)
    for model in models(name, units, return_sequences, dropout=0.0):
        model.compile(loss="mean_squared_error")
        plan = carrying(model, max(steps, 2) + 1, 5, training=True)  # a run shorter than the plan
        started(monkeypatch, model, plan, 5)
        x = sequences(5, steps)
        output, _ = reference(model, x)
        y = np.random.default_rng(1).normal(size=output.shape).astype(np.float32)
        _, arrays = plan.native.gradients(x, native_targets(y), None, 0, 0)
        names = [f"{la.name}/{p.name}" for la in model.layers for p in la.own_params]
        judge = reference_gradients(model, x, y)
        assert_same_gradients(dict(zip(names, arrays, strict=True)), judge, 2e-5)
        monkeypatch.undo()


def test_dropout_of_a_sequence_does_not_depend_on_how_it_is_cut() -> None:
    model = Sequential([Input((None, 3)), Dropout(0.5), Dense(2)])
    model.compile(loss="mean_squared_error")
    x = np.ones((4, 12, 3), np.float32)
    whole = model.plan_for(x, rows=4, training=True).forward(x, seed=5)
    cut = carrying(model, 5, 4, training=True).forward(x, seed=5)
    np.testing.assert_array_equal(cut, whole)


# -- what cannot be cut ---------------------------------------------------------------------------


@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_layer_that_walks_backwards_cannot_carry(return_sequences: bool) -> None:
    model = Sequential(
        [Input((None, 2)), GRU(3, go_backwards=True, return_sequences=return_sequences)]
    )
    with pytest.raises(OptionError, match="walk forward in time, got GRU 'gru'"):
        carrying(model, 4, 1)
    native = _core.Plan(_core.Weights([]), 4, 1, False, False, 1, carry=True)
    with pytest.raises(ValueError, match="'turned' needs whole sequences"):
        native.add("reverse", "turned", [native.input("input", 4, 2, False)], [], {})
