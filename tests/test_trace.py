"""The trace shows what `step` computes, step by step, whatever the layer, mask or direction."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases import CELLS, both_ways, cell, ends, every_cell, inputs
from elman import Input, Sequential
from elman.errors import (
    DataError,
    MissingPackageError,
    OptionError,
    ShapeError,
    UnknownNameError,
)
from elman.explain import trace as traces
from elman.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Masking,
    Recurrent,
    SimpleRNN,
)
from harness import assert_close, prepared, randomize, through, weights_of

Array = np.ndarray[Any, np.dtype[Any]]

GATES = {
    "simple_rnn": ("state",),
    "lstm": ("input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "state"),
    "gru": ("update_gate", "reset_gate", "candidate", "state"),
    "gru_reset_before": ("update_gate", "reset_gate", "candidate", "state"),
}


def formulas(model: Sequential, x: Array) -> dict[str, Array]:
    """What the trace must hold, from `step` and `formula` in float64."""
    weights, value, mask = weights_of(model), prepared(x), None
    found: dict[str, Array] = {}
    for layer in model.layers:
        for leaf in layer.leaves():
            if isinstance(leaf, Recurrent):
                own = {p.name: weights[f"{leaf.path}/{p.name}"] for p in leaf.own_params}
                for gate, values in steps_of(leaf, value, mask, own).items():
                    found[f"{leaf.path}/{gate}"] = values
        value, mask = through(layer, value, mask, weights)
        found[layer.name] = value
    return found


def steps_of(
    layer: Recurrent, x: Array, mask: Array | None, weights: dict[str, Array]
) -> dict[str, Array]:
    """Every gate and state of one layer in the order of its input: [rows, steps, units]."""
    rows, steps = x.shape[:2]
    states = [np.zeros((rows, layer.units)) for _ in range(layer.states)]
    found: dict[str, Array] = {}
    for t in range(steps)[:: -1 if layer.go_backwards else 1]:
        new, gates = layer.step(x[:, t], states, weights)
        counts = np.ones((rows, 1), bool) if mask is None else mask[:, t, None]
        states = [np.where(counts, n, s) for n, s in zip(new, states, strict=True)]
        gates = {gate: np.where(counts, value, np.nan) for gate, value in gates.items()}
        gates["state"] = states[0]
        if layer.states == 2:
            gates["cell_state"] = states[1]
        for gate, value in gates.items():
            found.setdefault(gate, np.empty((rows, steps, layer.units)))[:, t] = value
    return found


def assert_traced(model: Sequential, x: Array, tolerance: float = 2e-6) -> traces.Trace:
    """The model's trace is what its formulas say."""
    randomize(model, len(model.layers))
    trace, wanted = model.trace(x), formulas(model, x)
    assert set(trace) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_array_equal(np.isnan(trace[name]), np.isnan(values), err_msg=name)
        assert_close(np.nan_to_num(trace[name]), np.nan_to_num(values), tolerance, name)
    return trace


# -- what it holds --------------------------------------------------------------------------------


@every_cell
@both_ways
@ends
@pytest.mark.parametrize("units", [1, 7, 17, 33])
def test_every_gate_and_state_is_that_of_step(
    name: str, units: int, sequences: bool, backwards: bool, isa: str
) -> None:
    layer = cell(name, units, return_sequences=sequences, go_backwards=backwards)
    trace = assert_traced(Sequential([Input((None, 3)), layer, Dense(2)]), inputs(5, 19, 3))
    assert trace.mask is None
    assert trace.layers[layer.name].gates == GATES[name]
    assert trace.names == (*(f"{layer.name}/{gate}" for gate in GATES[name]), layer.name, "dense")


@every_cell
@both_ways
@ends
def test_a_masked_step_has_states_carried_through_but_no_gates(
    name: str, sequences: bool, backwards: bool
) -> None:
    kept = np.random.default_rng(1).random((9, 11)) < 0.6
    kept[0], kept[1] = True, False
    x = inputs(9, 11, 3) * kept[..., None]
    layer = cell(name, 7, return_sequences=sequences, go_backwards=backwards)
    trace = assert_traced(Sequential([Input((None, 3)), Masking(), layer]), x)
    np.testing.assert_array_equal(trace.mask, kept)


@every_cell
def test_tokens_are_traced_in_the_order_they_were_given(name: str) -> None:
    tokens = np.random.default_rng(2).integers(1, 9, (8, 12)).astype(np.int32)
    for row in range(8):  # of unequal length: the engine sorts them
        tokens[row, 12 - (5 * row) % 12 :] = 0
    layers = [Embedding(9, 5, mask_zero=True), cell(name, 7, return_sequences=True), GRU(4)]
    trace = assert_traced(Sequential([*layers, Dense(3, activation="softmax")]), tokens)
    np.testing.assert_array_equal(trace.input, tokens)
    np.testing.assert_array_equal(trace.mask, tokens != 0)


def test_a_stack_is_traced_layer_by_layer() -> None:
    layers = [cell(name, 3 + i, return_sequences=True) for i, name in enumerate(CELLS)]
    trace = assert_traced(Sequential([Input((None, 2)), *layers, LSTM(5)]), inputs(3, 6, 2))
    assert list(trace.layers) == ["simple_rnn", "lstm", "gru", "gru_1", "lstm_1"]


def test_layers_above_a_backward_sequence_are_in_the_order_of_processing() -> None:
    below = GRU(4, go_backwards=True, return_sequences=True)
    assert_traced(Sequential([Input((None, 2)), below, LSTM(5)]), inputs(3, 6, 2))


@every_cell
@ends
@pytest.mark.parametrize("first", [False, True], ids=["forward-first", "backward-first"])
def test_both_ways_are_traced_under_the_layer_around_them(
    name: str, sequences: bool, first: bool
) -> None:
    layer = cell(name, 3, return_sequences=sequences, go_backwards=first)
    other = cell(name, 3, return_sequences=sequences, go_backwards=not first)
    layer.name, other.name = "one", "other"
    both = Bidirectional(layer, backward_layer=other)
    x = inputs(4, 6, 2) * (np.random.default_rng(4).random((4, 6, 1)) < 0.7)
    trace = assert_traced(Sequential([Input((None, 2)), Masking(), both, Dense(2)]), x)
    assert list(trace.layers) == [leaf.path for leaf in both.leaves()]


@every_cell
@pytest.mark.parametrize("activation", ["softsign", "relu", "elu"])
def test_other_activations_are_traced_too(name: str, activation: str) -> None:
    layer = cell(name, 9, activation=activation)
    assert_traced(Sequential([Input((None, 3)), layer]), inputs(4, 5, 3))


@every_cell
def test_mixed_precision_is_traced_as_close_as_it_rounds(name: str) -> None:
    layer = cell(name, 32, dtype="mixed_bfloat16")
    assert_traced(Sequential([Input((None, 8)), layer]), inputs(4, 6, 8), tolerance=0.05)


def test_dropout_is_off_and_the_end_is_what_predict_gives() -> None:
    layers = [LSTM(8, dropout=0.5, return_sequences=True), Dropout(0.5), GRU(4, dropout=0.5)]
    model = Sequential([Input((None, 3)), *layers, Dense(2)])
    x = inputs(6, 7, 3)
    trace = assert_traced(model, x)
    np.testing.assert_array_equal(trace["dense"], model.predict(x, verbose=0))


def test_one_row_of_one_step_and_a_model_without_steps() -> None:
    assert_traced(Sequential([Input((None, 3)), LSTM(2), Dense(1)]), inputs(1, 1, 3))
    trace = assert_traced(Sequential([Input((3,)), Dense(2, activation="relu")]), inputs(4, 3))
    assert (trace.rows, trace.steps, trace.layers) == (4, 1, {})


def test_many_rows_run_part_by_part_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Sequential([Embedding(9, 4, mask_zero=True), LSTM(5), Dense(2)])
    x = np.random.default_rng(3).integers(0, 9, (23, 6))
    whole = model.trace(x)
    monkeypatch.setattr(traces, "PART_BYTES", 10_000)
    in_parts = model.trace(x)
    for name in whole:
        np.testing.assert_array_equal(in_parts[name], whole[name])
    np.testing.assert_array_equal(in_parts.mask, whole.mask)


def test_the_memory_that_is_reckoned_is_the_memory_that_is_taken() -> None:
    layers = [LSTM(7, return_sequences=True), GRU(3), Dense(2)]
    model = Sequential([Embedding(9, 4), *layers])
    x = np.zeros((5, 6), np.int32)
    taken = sum(value.nbytes for value in model.trace(x).values())
    assert 5 * traces._bytes_of_a_row(model, x) == taken


def test_a_memory_mapped_file_is_traced_as_its_array(tmp_path: Path) -> None:
    x = inputs(5, 4, 2)
    np.save(tmp_path / "x.npy", x)
    model = Sequential([Input((None, 2)), GRU(3)])
    mapped = model.trace(np.load(tmp_path / "x.npy", mmap_mode="r"))
    np.testing.assert_array_equal(mapped["gru/state"], model.trace(x)["gru/state"])


# -- how it is used -------------------------------------------------------------------------------


@pytest.fixture
def model() -> Sequential:
    return Sequential([Input((None, 2)), Masking(), LSTM(4), Dense(1)])


@pytest.fixture
def x() -> Array:
    x = inputs(3, 10, 2)
    x[1, 4:6] = 0
    return x


def test_it_is_a_read_only_mapping(model: Sequential, x: Array) -> None:
    trace = model.trace(x)
    assert "lstm/forget_gate" in trace and "lstm/forget" not in trace
    assert trace.get("lstm/forget") is None
    assert len(trace) == len(trace.names) == 9
    with pytest.raises(ValueError, match="read-only"):
        trace["lstm"][0] = 0


def test_an_unknown_name_suggests_the_nearest(model: Sequential, x: Array) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'lstm/forget_gate'") as error:
        model.trace(x)["lstm/forgetgate"]
    assert str(error.value).startswith("trace of Sequential 'sequential' expected a known name")


def test_no_rows_and_too_many_rows_are_refused(
    model: Sequential, x: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="at least one sequence to trace"):
        model.trace(x[:0])
    monkeypatch.setattr(traces, "MOST_BYTES", 3 * traces._bytes_of_a_row(model, x) - 1)
    with pytest.raises(DataError, match=r"Take x\[:2\]"):
        model.trace(x)
    assert model.trace(x[:2]).rows == 2


def test_it_is_shown_within_eighty_columns(model: Sequential, x: Array) -> None:
    shown = repr(model.trace(x))
    assert max(map(len, shown.splitlines())) <= 80
    assert "lstm/forget_gate" in shown and "3 x 10 x 4" in shown and "93% of the steps" in shown
    long = Sequential([Input((None, 2)), Masking(), LSTM(4, name="a_name_" * 12)])
    assert max(map(len, repr(long.trace(x * 0)).splitlines())) <= 80


@pytest.mark.parametrize("file", ["t", "t.npz"])
def test_it_is_saved_for_numpy(model: Sequential, x: Array, file: str, tmp_path: Path) -> None:
    trace = model.trace(x)
    path = trace.save(tmp_path / file)
    assert path == tmp_path / "t.npz"
    with np.load(path) as found:
        assert set(found) == {*trace, "input", "mask"}
        np.testing.assert_array_equal(found["lstm/input_gate"], trace["lstm/input_gate"])
        np.testing.assert_array_equal(found["mask"], trace.mask)


# -- the picture ----------------------------------------------------------------------------------


def panels(figure: Any) -> list[Any]:
    """The axes of a picture, without the bars of colours."""
    return [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]


def test_the_picture_has_the_input_above_a_panel_for_each_gate(
    model: Sequential, x: Array, tmp_path: Path
) -> None:
    trace = model.trace(x)
    figure = trace.plot(row=1, path=tmp_path / "trace.png")
    assert (tmp_path / "trace.png").read_bytes().startswith(b"\x89PNG")
    above, *gates = panels(figure)
    np.testing.assert_array_equal(above.lines[1].get_ydata(), x[1, :, 1])
    assert [g.get_title(loc="left") for g in gates] == [
        "lstm/" + gate.replace("_", " ") for gate in GATES["lstm"]
    ]
    for axis, gate in zip(gates, GATES["lstm"], strict=True):
        (image,) = axis.images
        shown = np.ma.filled(image.get_array().astype(float), np.nan)
        np.testing.assert_array_equal(shown, trace[f"lstm/{gate}"][1].T)
        largest = max(1.0, float(np.nanmax(np.abs(trace[f"lstm/{gate}"]))))
        assert image.get_clim() == (0.0 if gate.endswith("gate") else -largest, largest)
        # steps 4 and 5 are masked
        (hatched,) = [patch for patch in axis.patches if patch.get_hatch()]
        assert (hatched.get_x(), hatched.get_width()) == (4, 2)


def test_the_time_axis_is_in_seconds_or_words(model: Sequential, x: Array) -> None:
    trace = model.trace(x)
    last = panels(trace.plot(seconds=0.5))[-1]
    assert last.get_xlabel() == "seconds" and last.get_xlim() == (0, 5)
    last = panels(trace.plot(tokens="abcdefghij"))[-1]
    assert [t.get_text() for t in last.get_xticklabels()] == list("abcdefghij")
    assert panels(trace.plot())[-1].get_xlabel() == "step"


def test_words_of_tokens_are_looked_up() -> None:
    model = Sequential([Embedding(4, 3, mask_zero=True), GRU(2)])
    trace = model.trace([[1, 3, 2, 0]])
    axis = panels(trace.plot(tokens={1: "to", 2: "or", 3: "be"}))[0]
    assert [text.get_text() for text in axis.texts] == ["to", "be", "or", ""]
    assert [text.get_text() for text in panels(trace.plot())[0].texts] == ["1", "3", "2", "0"]


def test_many_features_are_a_heat_map_and_values_above_one_get_their_own_scale() -> None:
    model = Sequential([Input((None, 9)), SimpleRNN(6, activation="relu", return_sequences=True)])
    model.set_weights([w * 9 for w in model.get_weights()])
    x = inputs(2, 5, 9)
    trace = model.trace(x)
    above, state = panels(trace.plot(row=1, units=[5, 0]))
    np.testing.assert_array_equal(above.images[0].get_array(), x[1].T)
    np.testing.assert_array_equal(state.images[0].get_array(), trace["simple_rnn"][1].T[[5, 0]])
    assert state.images[0].get_clim() == (0, float(trace["simple_rnn"].max()))


def test_one_layer_of_several_is_drawn() -> None:
    model = Sequential([Input((None, 2)), LSTM(4, return_sequences=True), GRU(3)])
    assert len(panels(model.trace(inputs(1, 5, 2)).plot(layer="gru"))) == 1 + len(GATES["gru"])


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"row": 3}, OptionError, "one of the 3 rows"),
        ({"layer": "gru"}, UnknownNameError, "recurrent layer"),
        ({"tokens": ["a"]}, ShapeError, "one word for each of 10 steps, got 1"),
        ({"tokens": {1: "a"}}, OptionError, "needs tokens"),
        ({"units": [4]}, OptionError, "units from 0 to 3"),
        ({"units": []}, OptionError, "units from 0 to 3"),
        ({"seconds": 0}, OptionError, "above 0"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused(
    model: Sequential, x: Array, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        model.trace(x).plot(**options)


def test_without_matplotlib_the_error_names_the_extra(
    model: Sequential, x: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match=r"elman\[plot\]"):
        model.trace(x).plot()


def test_features_have_the_names_they_are_given(model: Sequential, x: Array) -> None:
    trace = model.trace(x)
    names = [f"lead {n}" for n in range(x.shape[-1])]
    above, *_ = panels(trace.plot(features=names))
    assert [text.get_text() for text in above.get_legend().get_texts()] == names
    with pytest.raises(ShapeError, match=f"each of {len(names)} features, got 1"):
        trace.plot(features=["voltage"])


def test_a_notebook_shows_a_picture_without_being_told_how(model: Sequential, x: Array) -> None:
    figure: Any = model.trace(x).plot()
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("colours", ["", "1"])
def test_in_a_notebook_every_table_is_still_text(
    x: Array, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], colours: str
) -> None:
    """There rich would write into the page, and colours are forced."""
    model = Sequential([Input((None, x.shape[-1])), LSTM(3), Dense(1)])
    model.compile("adam", "mse")
    expected = [str(model.ledger(steps=5)), repr(model.trace(x).statistics())]
    expected.append(repr(model.gradient_flow(x, np.zeros(len(x)))))
    model.summary()
    expected.append(capsys.readouterr().out)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", colours)
    shown = [str(model.ledger(steps=5)), repr(model.trace(x).statistics())]
    shown.append(repr(model.gradient_flow(x, np.zeros(len(x)))))
    model.summary()
    shown.append(capsys.readouterr().out)
    assert shown == expected
    assert all("lstm" in text and "\x1b" not in text for text in shown)


def test_a_picture_needs_no_display_and_leaves_no_window() -> None:
    code = (
        "import sys, elman; from elman.layers import GRU;"
        "elman.Sequential([elman.Input((None, 1)), GRU(2)]).trace([[[1.0]]]).plot();"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
