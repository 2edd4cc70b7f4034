"""The gradient of every step's state is the complex-step derivative of the formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases import CELLS, both_ways, cell, ends, every_cell, inputs
from elman import (
    DataError,
    Input,
    NotReadyError,
    Sequential,
    ShapeError,
    UnknownNameError,
    _core,
)
from elman.explain import trace as traces
from elman.explain.gradient_flow import GradientFlow, StateFlow
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
from harness import (
    STEP,
    assert_close,
    engine_gradients,
    prepared,
    randomize,
    reference_loss,
    through,
    weights_of,
)

Array = np.ndarray[Any, np.dtype[Any]]

STATES = ("state", "cell_state")


class Moved:
    """A recurrent layer's `formula` where step t leaves one of its states moved by `moves`."""

    def __init__(self, layer: Recurrent, t: int, state: int, moves: Array) -> None:
        self.layer, self.t, self.state, self.moves = layer, t, state, moves

    def __call__(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        layer = self.layer
        states = [np.zeros((len(x), layer.units), complex) for _ in range(layer.states)]
        outputs = []
        for t in range(x.shape[1])[:: -1 if layer.go_backwards else 1]:
            new, _ = layer.step(x[:, t], states, weights)
            if mask is not None:
                counts = mask[:, t, None]
                new = [np.where(counts, n, old) for n, old in zip(new, states, strict=True)]
            states = new
            if t == self.t:
                states[self.state] = states[self.state] + self.moves
            outputs.append(states[0])
        return np.stack(outputs, axis=1) if layer.return_sequences else states[0]


def judge(model: Sequential, x: Array, y: Array) -> dict[str, Array]:
    """dLoss/dh_t and dLoss/dc_t of every recurrent layer: [rows, steps, units].

    The batch is there once for each element of the state, which is moved in one of them.
    """
    weights, value, mask = weights_of(model), prepared(x), None
    found: dict[str, Array] = {}
    for depth, layer in enumerate(model.layers):
        for leaf in layer.leaves():
            for state in range(leaf.states if isinstance(leaf, Recurrent) else 0):
                assert isinstance(leaf, Recurrent)
                rows, steps = value.shape[:2]
                times = rows * leaf.units
                moves = STEP * 1j * np.eye(times).reshape(times * rows, leaf.units)
                slopes = np.empty((rows, steps, leaf.units))
                for t in range(steps):
                    batch = np.tile(value, (times, *[1] * (value.ndim - 1)))
                    more = None if mask is None else np.tile(mask, (times, 1))
                    with pytest.MonkeyPatch.context() as patch:
                        patch.setattr(leaf, "formula", Moved(leaf, t, state, moves))
                        batch, more = through(layer, batch, more, weights)
                    for above in model.layers[depth + 1 :]:
                        batch, more = through(above, batch, more, weights)
                    slope = reference_loss(model, y, batch, more).imag / STEP
                    slopes[:, t] = slope.reshape(rows, leaf.units)
                found[f"{leaf.path}/{STATES[state]}"] = slopes
        value, mask = through(layer, value, mask, weights)
    return found


def assert_followed(model: Sequential, x: Array, tolerance: float = 1e-5) -> GradientFlow:
    """The model's gradient flow is what the judge says."""
    model.compile(loss="mean_squared_error")
    model.build((None, *x.shape[1:]))
    randomize(model, len(model.layers))
    output = model.predict(x, verbose=0)
    y = np.random.default_rng(5).normal(size=output.shape).astype(np.float32)
    flow, wanted = model.gradient_flow(x, y), judge(model, x, y)
    assert list(flow) == list(wanted)
    for name, slopes in wanted.items():
        assert np.abs(slopes).max() > 0 or x.shape[1] == 1
        assert_close(flow[name].gradient, slopes, tolerance, name)
        norms = np.sqrt((slopes**2).sum(axis=(0, 2)))
        assert_close(flow[name].norms, norms, tolerance, name)
    return flow


# -- before the judge -----------------------------------------------------------------------------


@every_cell
@both_ways
@ends
@pytest.mark.parametrize("units", [1, 7, 17])
def test_the_gradient_of_every_state_is_the_derivative_of_the_formula(
    name: str, units: int, sequences: bool, backwards: bool, isa: str
) -> None:
    _core.set_threads(2)
    layer = cell(name, units, return_sequences=sequences, go_backwards=backwards)
    assert_followed(Sequential([Input((None, 2)), layer, Dense(2)]), inputs(3, 6, 2))


@every_cell
@both_ways
@ends
def test_a_masked_step_hands_the_gradient_on(name: str, sequences: bool, backwards: bool) -> None:
    kept = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0]], bool)
    x = inputs(4, 5, 2) * kept[..., None]
    layer = cell(name, 5, return_sequences=sequences, go_backwards=backwards)
    assert_followed(Sequential([Input((None, 2)), Masking(), layer, Dense(2)]), x)


@every_cell
def test_padded_tokens_are_followed_in_the_order_they_were_given(name: str) -> None:
    tokens = np.array([[3, 0, 0, 0], [1, 2, 2, 1], [2, 1, 0, 0]], np.int32)
    assert_followed(Sequential([Embedding(4, 3, mask_zero=True), cell(name, 5)]), tokens)


@both_ways
def test_a_stack_is_followed_through_every_layer(backwards: bool) -> None:
    layers = [
        cell(name, 3 + i, return_sequences=True, go_backwards=backwards)
        for i, name in enumerate(CELLS)
    ]
    assert_followed(Sequential([Input((None, 2)), *layers, LSTM(4), Dense(1)]), inputs(2, 4, 2))


@every_cell
@ends
def test_both_ways_are_followed(name: str, sequences: bool) -> None:
    both = Bidirectional(cell(name, 3, return_sequences=sequences))
    x = inputs(3, 5, 2) * (np.random.default_rng(4).random((3, 5, 1)) < 0.7)
    above = [GRU(3)] if sequences else []
    assert_followed(Sequential([Input((None, 2)), Masking(), both, *above, Dense(2)]), x)


@every_cell
def test_other_activations_are_followed_too(name: str) -> None:
    layer = cell(name, 6, activation="softsign")
    assert_followed(Sequential([Input((None, 2)), layer]), inputs(2, 4, 2))


@every_cell
def test_mixed_precision_is_followed_as_close_as_it_rounds(name: str) -> None:
    layer = cell(name, 16, dtype="mixed_bfloat16")
    assert_followed(Sequential([Input((None, 4)), layer]), inputs(2, 4, 4), tolerance=0.05)


def test_a_single_row_of_a_single_step_is_followed() -> None:
    flow = assert_followed(Sequential([Input((None, 2)), GRU(3)]), inputs(1, 1, 2))
    assert (flow["gru/state"].reach, flow["gru/state"].verdict) == (0, "steady")


def test_dropout_is_off_and_weights_stay() -> None:
    model = Sequential([Input((None, 2)), LSTM(4, dropout=0.5), Dropout(0.5), Dense(1)])
    assert_followed(model, inputs(3, 5, 2))
    before = model.get_weights()
    model.gradient_flow(inputs(3, 5, 2), np.ones((3, 1)))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_training_takes_no_room_for_it_and_computes_the_same() -> None:
    model = Sequential([Input((None, 2)), LSTM(4), Dense(1)])
    model.compile(loss="mean_squared_error")
    x, y = inputs(3, 5, 2), inputs(3, 1)
    plan = model.plan_for(x, rows=3, training=True, loss=True)
    kept = model.plan_for(x, rows=3, training=True, loss=True, keep=True)
    assert plan.native.bytes < kept.native.bytes
    assert not [name for name in plan.native.names if name.endswith("gradient")]
    loss, wanted = engine_gradients(model, x, y)
    kept_loss, found = kept.native.gradients(x, y, None)
    assert loss == kept_loss == model.gradient_flow(x, y).loss
    for old, new in zip(wanted.values(), found, strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_of_samples_weigh() -> None:
    model = Sequential([Input((None, 2)), GRU(3), Dense(1)])
    model.compile(loss="mean_squared_error")
    flow = model.gradient_flow(inputs(3, 5, 2), inputs(3, 1), sample_weight=[1, 0, 2])
    by_row = np.abs(flow["gru/state"].gradient).sum(axis=(1, 2))
    assert by_row[1] == 0 and by_row[0] > 0 and by_row[2] > 0


# -- what it says ---------------------------------------------------------------------------------


def flow_of(norms: list[float], backwards: bool = False) -> StateFlow:
    """A flow with these norms, from the first step to the last."""
    return StateFlow("rnn/state", np.array(norms, np.float32)[None, :, None], backwards)


def test_the_reach_is_the_farthest_step_with_a_hundredth_of_the_maximum() -> None:
    assert flow_of([0.001, 0.02, 0.005, 1.0, 0.5]).reach == 3
    assert flow_of([0.5, 1.0, 0.005, 0.02, 0.001], backwards=True).reach == 3
    assert flow_of([0.0, 0.0, 1.0]).reach == 0
    assert flow_of([1.0, 1.0, 1.0]).reach == 2


@pytest.mark.parametrize(
    ("norms", "verdict", "factor"),
    [
        ([1.0, 1.0, 1.0], "steady", 1.0),
        ([0.25, 0.5, 1.0], "steady", 0.5),
        ([1e-4, 1e-2, 1.0], "vanishes", 0.01),
        ([0.0, 0.1, 1.0], "vanishes", 0.1),
        ([400.0, 20.0, 1.0], "explodes", 20.0),
        ([0.0, 0.0, 0.0], "none", 0.0),
        ([0.25, 0.5, 0.0], "steady", 0.5),  # as a cell state, whose last nobody reads
        ([1.0], "steady", 1.0),
    ],
)
def test_the_verdict_follows_from_the_norms(
    norms: list[float], verdict: str, factor: float
) -> None:
    flow = flow_of(norms)
    assert flow.verdict == verdict
    assert flow.factor == pytest.approx(factor)
    assert verdict in str(flow) or verdict == "none"


@pytest.mark.parametrize(
    ("scale", "verdict"), [(0.5, "vanishes"), (1.0, "steady"), (2.0, "explodes")]
)
def test_a_linear_network_multiplies_the_gradient_by_its_matrix(scale: float, verdict: str) -> None:
    steps = 12
    model = Sequential([Input((None, 2)), SimpleRNN(4, activation="linear")])
    kernel, recurrent, bias = model.get_weights()  # the recurrent matrix is orthogonal
    model.set_weights([kernel, scale * recurrent, bias])
    model.compile(loss="mean_squared_error")
    flow = model.gradient_flow(inputs(3, steps, 2), inputs(3, 4))["simple_rnn/state"]
    assert flow.verdict == verdict
    np.testing.assert_allclose(flow.norms[:-1] / flow.norms[1:], scale, rtol=1e-4)
    wanted = next(
        k for k in reversed(range(steps)) if scale**k >= 0.01 * max(1, scale ** (steps - 1))
    )
    assert flow.reach == wanted


def test_the_table_fits_eighty_columns() -> None:
    layers = [LSTM(4, return_sequences=True, name="a_long_name_for_a_layer"), GRU(3)]
    model = Sequential([Input((None, 2)), *layers])
    model.compile(loss="mean_squared_error")
    flow = model.gradient_flow(inputs(3, 5, 2), inputs(3, 3))
    shown = repr(flow)
    assert max(map(len, shown.splitlines())) <= 80
    assert "gru/state" in shown and flow["gru/state"].verdict in shown
    assert len(flow) == 3


def test_the_picture_has_a_line_for_each_state_on_a_logarithmic_axis(tmp_path: Path) -> None:
    model = Sequential([Input((None, 2)), LSTM(4), Dense(1)])
    model.compile(loss="mean_squared_error")
    flow = model.gradient_flow(inputs(3, 5, 2), inputs(3, 1))
    (axis,) = flow.plot(tmp_path / "flow.png").axes
    assert (tmp_path / "flow.png").read_bytes().startswith(b"\x89PNG")
    assert axis.get_yscale() == "log" and axis.xaxis_inverted()
    lines = {line.get_label().split(":")[0]: line for line in axis.lines}
    np.testing.assert_array_equal(lines["lstm/state"].get_ydata(), flow["lstm/state"].back)
    assert lines.keys() >= set(flow)


# -- what it refuses ------------------------------------------------------------------------------


def test_without_a_loss_there_is_no_gradient() -> None:
    model = Sequential([Input((None, 2)), GRU(3), Dense(1)])
    with pytest.raises(NotReadyError, match="compile"):
        model.gradient_flow(inputs(3, 5, 2), inputs(3, 1))


def test_data_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sequential([Input((None, 2)), GRU(3), Dense(1)])
    model.compile(loss="mean_squared_error")
    with pytest.raises(ShapeError, match="as many targets as inputs"):
        model.gradient_flow(inputs(3, 5, 2), inputs(2, 1))
    with pytest.raises(DataError, match="at least one sample to follow a gradient"):
        model.gradient_flow(inputs(3, 5, 2)[:0], inputs(3, 1)[:0])
    monkeypatch.setattr(traces, "MOST_BYTES", 2000)
    with pytest.raises(DataError, match=r"Take x\[:\d\]"):
        model.gradient_flow(inputs(9, 5, 2), inputs(9, 1))


def test_an_unknown_state_is_named_and_the_nearest_suggested() -> None:
    model = Sequential([Input((None, 2)), Bidirectional(LSTM(3)), Dense(1)])
    model.compile(loss="mean_squared_error")
    flow = model.gradient_flow(inputs(3, 5, 2), inputs(3, 1))
    with pytest.raises(UnknownNameError, match="mean 'bidirectional/forward_lstm/state'"):
        flow["forward_lstm/state"]
    assert flow.get("lstm/state") is None


def test_without_a_recurrent_layer_it_says_so() -> None:
    model = Sequential([Input((2,)), Dense(1)])
    model.compile(loss="mean_squared_error")
    assert "no recurrent layer" in repr(model.gradient_flow(inputs(3, 2), inputs(3, 1)))


def test_a_gradient_that_has_overflowed_says_so() -> None:
    gradient = np.ones((2, 5, 3))
    gradient[0, 2] = np.inf
    flow = StateFlow("lstm/state", gradient, backwards=False)
    assert flow.verdict == "not finite" and "not finite" in str(flow)
