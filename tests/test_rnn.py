"""RNN: cells that hold options, alone and one above the other, at every step of a sequence."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import numpy as np
import pytest

import elman
from cases import below, either_way, ends, every_mask, masked, normal
from elman import Input, Sequential
from elman.errors import OptionError, UnknownNameError
from elman.layers import (
    CELLS,
    GRU,
    LSTM,
    RNN,
    Dense,
    GRUCell,
    LSTMCell,
    Masking,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from harness import assert_close, engine_gradients, judged, randomize

PAIRS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "simple_rnn": (SimpleRNN, SimpleRNNCell, {"activation": "relu"}),
    "lstm": (LSTM, LSTMCell, {"unit_forget_bias": False}),
    "gru": (GRU, GRUCell, {"use_bias": False}),
    "gru_reset_before": (GRU, GRUCell, {"reset_after": False}),
}


def stack() -> list[Any]:
    """One cell of each kind, and two of one kind."""
    return [LSTMCell(5), GRUCell(3, reset_after=False), LSTMCell(4), SimpleRNNCell(7)]


@pytest.mark.parametrize("name", PAIRS)
@either_way
@ends
@pytest.mark.parametrize("zero", [False, True], ids=["", "zeroed"])
def test_a_cell_in_rnn_is_the_layer_of_that_cell(
    name: str, backwards: bool, sequences: bool, zero: bool
) -> None:
    layer, cell, own = PAIRS[name]
    time = {"go_backwards": backwards, "return_sequences": sequences, "zero_output_for_mask": zero}
    one = Sequential([Input((None, 2)), Masking(), RNN(cell(5, **own), **time), Dense(1)])
    other = Sequential([Input((None, 2)), Masking(), layer(5, **own, **time), Dense(1)])
    for model in (one, other):
        model.compile("sgd", "mean_squared_error")
        randomize(model, 1)
    x = masked("holes")
    assert [w.shape for w in one.get_weights()] == [w.shape for w in other.get_weights()]
    np.testing.assert_array_equal(one.predict(x, verbose=0), other.predict(x, verbose=0))
    y = normal(*one.predict(x, verbose=0).shape, seed=1)
    found, wanted = (engine_gradients(model, x, y)[1] for model in (one, other))
    for a, b in zip(found.values(), wanted.values(), strict=True):
        np.testing.assert_array_equal(a, b)


@every_mask
@either_way
@ends
@pytest.mark.parametrize("zero", [False, True], ids=["", "zeroed"])
def test_cells_above_each_other_match_the_judge(
    pattern: str, backwards: bool, sequences: bool, zero: bool, isa: str
) -> None:
    time = {"go_backwards": backwards, "return_sequences": sequences, "zero_output_for_mask": zero}
    layer = RNN(stack(), **time)
    slopes = judged(Sequential([*below(pattern), layer, Dense(2)]), masked(pattern), small=8)
    assert len(slopes) > 12
    assert all(s.scale > 0 for s in slopes.values())


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 1)], ids=str)
def test_one_row_and_one_step_pass_through_a_stack(shape: tuple[int, int]) -> None:
    judged(Sequential([Input((None, 2)), RNN(stack()), Dense(2)]), normal(*shape, 2), small=8)


def test_cells_drop_inputs_and_states_of_their_own_while_training() -> None:
    cells = [GRUCell(8, dropout=0.3, recurrent_dropout=0.4), LSTMCell(8, recurrent_dropout=0.5)]
    model = Sequential([Input((None, 2)), RNN(cells)])
    model.compile("sgd", "mean_squared_error")
    x = normal(5, 4, 2)
    plan = model.plan_for(x, rows=5, training=True)
    plan.forward(x, 1)
    keeps = [plan.native.peek(f"rnn/{n}/recurrent_dropout") for n in ("gru_cell", "lstm_cell")]
    np.testing.assert_allclose(np.unique(keeps[0]), [0, 1 / 0.6], rtol=1e-6)
    np.testing.assert_allclose(np.unique(keeps[1]), [0, 2], rtol=1e-6)
    assert np.any((keeps[0][:, 0] == 0) != (keeps[1][:, 0] == 0))
    assert "rnn/gru_cell/dropout" in plan.native.names


def test_a_stack_is_counted_traced_streamed_and_planned() -> None:
    model = Sequential([Input((6, 2)), RNN(stack(), name="deep"), Dense(1)])
    randomize(model, 2)
    x = normal(3, 6, 2)
    wanted = model.predict(x, verbose=0)
    stream = model.stream()
    assert_close(np.ravel([stream.step(x[0, t]) for t in range(6)][-1]), wanted[0].astype("f8"))
    assert model.ledger()["deep"].total == model.layers[0].count_params()
    traced = model.trace(x)
    np.testing.assert_array_equal(traced["deep/lstm_cell/forget_gate"].shape, (3, 6, 5))
    np.testing.assert_array_equal(traced["deep"].shape, (3, 7))
    plan = str(model.plan(6, 3))
    assert all(word in plan for word in ("lstm_cell_1", "gru_cell", "simple_rnn_cell"))


def test_names_configs_and_places_in_a_file_are_those_of_keras(tmp_path) -> None:
    cells = [LSTMCell(3, name="a"), LSTMCell(3, name="a"), GRUCell(2, recurrent_dropout=0.1)]
    model = Sequential([Input((4, 2)), RNN(cells, True), RNN(SimpleRNNCell(2))])
    randomize(model, 1)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))
        (tmp_path / "w.h5").write_bytes(archive.read("model.weights.h5"))
    first, second = config["config"]["layers"][1:]
    assert [first["class_name"], first["config"]["cell"]["class_name"]] == [
        "RNN",
        "StackedRNNCells",
    ]
    inside = first["config"]["cell"]["config"]["cells"]
    assert [e["config"]["name"] for e in inside] == ["a", "a_1", "gru_cell"]
    assert inside[2]["config"]["recurrent_dropout"] == 0.1
    assert not {"return_sequences", "go_backwards"} & inside[2]["config"].keys()
    assert second["config"]["cell"]["module"] == "keras.layers"
    h5py = pytest.importorskip("h5py")
    found: list[str] = []
    with h5py.File(tmp_path / "w.h5") as file:
        file.visititems(lambda n, o: found.append(n) if isinstance(o, h5py.Dataset) else None)
    places = ("cells/lstm_cell", "cells/lstm_cell_1", "cells/gru_cell")
    stored = {f"layers/rnn/cell/{p}/vars/{i}" for p in places for i in range(3)}
    assert stored | {f"layers/rnn_1/cell/vars/{i}" for i in range(3)} <= set(found)
    loaded = elman.load(tmp_path / "m.keras")
    x = normal(2, 4, 2)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.get_config() == model.get_config()


@pytest.mark.parametrize("kind", [SimpleRNNCell, LSTMCell, GRUCell])
def test_a_cell_has_the_options_of_its_layer_but_those_of_time(kind: Any) -> None:
    layer = kind.layer.options()
    gone = {"return_sequences", "go_backwards", "zero_output_for_mask"}
    assert gone <= layer.keys() - kind.options().keys()
    assert [k for k in layer if k in kind.options()] == list(kind.options())
    made = kind(4, "relu", recurrent_dropout=0.25)
    assert (made.units, made.activation, made.recurrent_dropout) == (4, "relu", 0.25)
    assert kind.from_config(made.get_config()).get_config() == made.get_config()
    with pytest.raises(AttributeError):
        _ = made.return_sequences


def test_one_cell_may_serve_two_layers() -> None:
    cell = GRUCell(3)
    model = Sequential([Input((4, 2)), RNN(cell, True), RNN(cell)])
    wanted = [p.size for features in (2, 3) for p in GRU(3).params((None, None, features))]
    assert [w.size for w in model.get_weights()] == wanted


class Mine(LSTMCell):
    """Somebody's own."""


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RNN(object()), OptionError, "RNN expected each cell .* LSTMCell .* own has no"),
        (lambda: RNN(LSTM(4)), OptionError, "RNN expected each cell to be"),
        (lambda: RNN(Mine(4)), OptionError, "RNN expected each cell to be"),
        (lambda: RNN([]), OptionError, r"StackedRNNCells expected a list of cells, got \[\]"),
        (lambda: RNN([StackedRNNCells([GRUCell(2)])]), OptionError, "StackedRNNCells expected"),
        (lambda: RNN(GRUCell(2), time_major=True), OptionError, "RNN expected .* swap the first"),
        (lambda: RNN(GRUCell(2), unroll=3), OptionError, "RNN expected unroll"),
        (lambda: GRUCell(2, return_sequences=True), UnknownNameError, "return_sequences"),
        (lambda: GRUCell(2, reset="after"), UnknownNameError, "GRUCell|GRU"),
        (lambda: GRUCell(0), OptionError, "units to be a whole number"),
        (lambda: RNN.from_config({"cell": {"class_name": "os", "config": {}}}), UnknownNameError,
         "RNN .*cell.* 'os'"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_cell_is_refused(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_the_closed_list_of_cells_is_complete() -> None:
    assert set(CELLS) == {"SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells"}


# -- states ---------------------------------------------------------------------------------------

STACK = [LSTMCell(4, name="a"), GRUCell(3, name="b")]


def test_states_of_a_cell_are_those_of_the_layer():
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("f4")
    start = [np.full((3, 4), 0.5, "f4"), np.full((3, 4), -0.5, "f4")]
    layer = elman.layers.LSTM(4, return_state=True)
    found = elman.layers.RNN(LSTMCell(4), return_state=True)
    wanted = layer(x, initial_state=start)
    found.build_params((None, 6, 2))
    found.set_weights(layer.get_weights())
    for one, other in zip(found(x, initial_state=start), wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_cells_above_each_other_hand_out_and_take_in_the_states_of_all():
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("f4")
    layer = elman.layers.RNN(STACK, return_sequences=True, return_state=True)
    whole, *last = layer(x)
    assert [state.shape for state in last] == [(3, 4), (3, 4), (3, 3)]
    first, *between = layer(x[:, :2])
    second, *end = layer(x[:, 2:], initial_state=between)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
    for one, other in zip(end, last, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    with pytest.raises(elman.ElmanError, match="expected 3 initial states"):
        layer(x, initial_state=last[:1])


def test_stateful_cells_go_on_where_the_batch_before_ended():
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("f4")
    model = elman.Sequential(
        [elman.Input(batch_shape=(3, None, 2)), elman.layers.RNN(STACK, stateful=True)]
    )
    halves = [model.predict(part, verbose=0) for part in (x[:, :2], x[:, 2:])]
    model.reset_states()
    np.testing.assert_allclose(model.predict(x, verbose=0), halves[1], atol=1e-6)


def test_initial_states_of_cells_stay_initial_states_when_a_model_is_called_in_another():
    x, start = Input((20, 3)), Input((4,))
    layer = RNN(SimpleRNNCell(4), return_sequences=True)
    inner = elman.Model([x, start], layer(x, initial_state=start))
    inputs = [Input((20, 3)), Input((4,))]
    outer = elman.Model(inputs, inner(inputs))
    assert inner.graph.begins and outer.graph.begins
    assert outer.get_config()["layers"][-1]["inbound_nodes"][0]["kwargs"]["initial_state"]
