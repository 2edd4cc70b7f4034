"""Every cell, on every instruction set: forward is the formula, backward is its derivative."""

from __future__ import annotations

import functools
import zlib
from typing import Any, NamedTuple

import numpy as np
import pytest

from cases import (
    CELLS,
    FEATURES,
    MASKS,
    ROWS,
    STEPS,
    UNITS,
    VOCABULARY,
    below,
    both_ways,
    cell,
    ends,
    every_cell,
    kept_steps,
    normal,
)
from elman import Input, Sequential, _core, activations
from elman.layers import (
    LAYERS,
    LSTM,
    Dense,
    Embedding,
    Masking,
    Recurrent,
)
from harness import (
    Slopes,
    assert_close,
    assert_same_gradients,
    engine_gradients,
    judged,
    prepared,
    randomize,
    reference,
    reference_gradients,
    through,
    training_forward,
    weights_of,
)

Array = np.ndarray[Any, np.dtype[Any]]

ISAS = _core.available_isas()


class Case(NamedTuple):
    """One point of the grid."""

    cell: str
    units: int
    mask: str
    backwards: bool
    sequences: bool

    def id(self, isa: str) -> str:
        """Such as `lstm-avx2-H17-right-backwards-sequences`."""
        words = [self.cell, isa, f"H{self.units}", self.mask]
        words += ["backwards"] * self.backwards + ["sequences"] * self.sequences
        return "-".join(words)


class Prepared(NamedTuple):
    """Weights, data, and what the judge says."""

    weights: list[Array]
    x: Array
    y: Array
    output: Array
    slopes: dict[str, Slopes]
    gates: dict[str, Array]


GRID = [
    Case(name, units, mask, backwards, sequences)
    for name in CELLS
    for units in UNITS
    for mask in MASKS
    for backwards in (False, True)
    for sequences in (False, True)
]


def build(case: Case) -> Sequential:
    """A Dense above the cell, and something below it: the gradient of its input matters too."""
    layer = cell(
        case.cell, case.units, go_backwards=case.backwards, return_sequences=case.sequences
    )
    model = Sequential([*below(case.mask), layer, Dense(2)])
    model.compile(loss="mean_squared_error")
    return model


@functools.cache  # the judge is asked once, whatever the instruction set
def prepare(case: Case) -> Prepared:
    """Data with the case's mask, and the judge's word on them."""
    seed = zlib.crc32(repr(case).encode())
    rng = np.random.default_rng(seed)
    kept = kept_steps(case.mask)
    if case.mask == "embedded":
        x = np.where(kept, rng.integers(1, VOCABULARY, kept.shape), 0).astype(np.int32)
    else:
        x = np.where(kept[..., None], rng.normal(size=(*kept.shape, 2)), 0.0).astype(np.float32)
    model = build(case)
    randomize(model, seed)
    output, _ = reference(model, x)
    y = rng.normal(size=output.shape).astype(np.float32)
    slopes = reference_gradients(model, x, y)
    return Prepared(model.get_weights(), x, y, output, slopes, gates_by_step(model, x))


def prepared_model(case: Case) -> Sequential:
    """The case's model, with the weights that the judge saw."""
    model = build(case)
    model.set_weights(prepare(case).weights)
    return model


def gates_by_step(model: Sequential, x: Array) -> dict[str, Array]:
    """What `step` of the model's recurrent layer returns at each step: [rows, steps, units]."""
    weights, mask, value = weights_of(model), None, prepared(x)
    layer = next(layer for layer in model.layers if isinstance(layer, Recurrent))
    for lower in model.layers[: model.layers.index(layer)]:
        value, mask = through(lower, value, mask, weights)
    own = {p.name: weights[f"{layer.name}/{p.name}"] for p in layer.own_params}
    rows, steps = value.shape[:2]
    states = [np.zeros((rows, layer.units)) for _ in range(layer.states)]
    found: dict[str, list[Array]] = {}
    for t in range(steps)[:: -1 if layer.go_backwards else 1]:
        new, gates = layer.step(value[:, t], states, own)
        counts = np.ones((rows, 1), bool) if mask is None else mask[:, t, None]
        states = [np.where(counts, n, s) for n, s in zip(new, states, strict=True)]
        gates = {**gates, "state": states[0]}
        if layer.states == 2:
            gates["cell_state"] = states[1]
        for gate, values in gates.items():
            found.setdefault(gate, []).append(values)
    in_time = slice(None, None, -1 if layer.go_backwards else 1)
    return {gate: np.stack(values[in_time], axis=1) for gate, values in found.items()}


on_the_grid = pytest.mark.parametrize(
    ("case", "isa_name"),
    [pytest.param(case, isa, id=case.id(isa)) for case in GRID for isa in ISAS],
)


def one_thread(isa: str) -> None:
    """Threads are not what the grid asks about, and one is quickest."""
    _core.use_isa(isa)
    _core.set_threads(1)


# -- the grid -----------------------------------------------------------------------------------


@on_the_grid
def test_output_equals_formula(case: Case, isa_name: str) -> None:
    one_thread(isa_name)
    given = prepare(case)
    assert_close(prepared_model(case).predict(given.x, verbose=0), given.output)


@on_the_grid
def test_training_computes_the_same_output_as_predict(case: Case, isa_name: str) -> None:
    one_thread(isa_name)
    model, x = prepared_model(case), prepare(case).x
    np.testing.assert_array_equal(training_forward(model, x), model.predict(x, verbose=0))


@on_the_grid
def test_gradient_matches_complex_step(case: Case, isa_name: str) -> None:
    one_thread(isa_name)
    given = prepare(case)
    _, gradients = engine_gradients(prepared_model(case), given.x, given.y)
    assert_same_gradients(gradients, given.slopes)


@on_the_grid
def test_gates_are_those_of_step(case: Case, isa_name: str) -> None:
    one_thread(isa_name)
    given, model = prepare(case), prepared_model(case)
    plan = model.plan_for(given.x, rows=ROWS, keep=True)
    plan.forward(given.x)
    layer = next(layer for layer in model.layers if isinstance(layer, Recurrent))
    prefix = layer.name
    kept = kept_steps(case.mask)
    for gate, wanted in given.gates.items():
        got = plan.native.peek(prefix if gate == "state" else f"{prefix}/{gate}")
        if gate not in ("state", "cell_state"):  # a masked step has states, but no gates
            got, wanted = got[kept], wanted[kept]
        assert_close(got, wanted, what=gate)


# -- what the grid leaves out ------------------------------------------------------------------


def stack(layer: Recurrent) -> Sequential:
    """The layer between two Dense."""
    return Sequential([Input((None, 2)), Dense(FEATURES), layer, Dense(2)])


def test_every_recurrent_layer_and_native_cell_is_on_the_grid() -> None:
    layers = {layer for layer in LAYERS.values() if issubclass(layer, Recurrent)}
    assert layers == {kind for kind, _ in CELLS.values()}
    assert all(cell(name, 1).cell() == name for name in CELLS)


@every_cell
@pytest.mark.parametrize("units", [7, 17])
def test_a_cell_without_bias_matches_the_judge(name: str, units: int, isa: str) -> None:
    judged(stack(cell(name, units, use_bias=False)), normal(5, 4, 2))


@every_cell
@both_ways
@ends
def test_one_step_is_a_sequence_too(name: str, backwards: bool, sequences: bool, isa: str) -> None:
    layer = cell(name, 7, go_backwards=backwards, return_sequences=sequences)
    judged(stack(layer), normal(5, 1, 2))


@every_cell
@ends
def test_one_row_is_a_batch_too(name: str, sequences: bool, isa: str) -> None:
    judged(stack(cell(name, 17, return_sequences=sequences)), normal(1, 6, 2))


@every_cell
def test_one_row_of_one_step_through_one_unit(name: str, isa: str) -> None:
    judged(stack(cell(name, 1)), normal(1, 1, 2))


@every_cell
@both_ways
@ends
@pytest.mark.parametrize("steps", [15, 16, 17, 31, 32, 33, 50])
def test_any_length_matches_whatever_the_segments(
    steps: int, name: str, backwards: bool, sequences: bool, isa: str
) -> None:
    # Prediction projects its input in segments of 16 steps and keeps a ring of two states;
    # training keeps all. Both must agree with the formula, and with each other to the bit.
    layer = cell(name, 3, go_backwards=backwards, return_sequences=sequences)
    x = normal(3, steps, 2)
    x[0, steps // 2 :] = 0.0
    x[1, :3] = 0.0
    x[2, -18:-1] = 0.0
    judged(Sequential([Input((None, 2)), Masking(), Dense(3), layer, Dense(1)]), x, small=8)


@every_cell
@pytest.mark.parametrize("units", [64, 130])
def test_every_number_of_rows_fills_its_tiles(name: str, units: int, isa: str) -> None:
    model = stack(cell(name, units, return_sequences=True))
    randomize(model, units)
    x = normal(17, 3, 2)
    output, _ = reference(model, x)
    for rows in range(1, 18):
        _core.set_threads(1)
        assert_close(model.predict(x[:rows], verbose=0), output[:rows], what=f"{rows} rows")
        np.testing.assert_array_equal(
            training_forward(model, x[:rows]), model.predict(x[:rows], verbose=0)
        )


@every_cell
@pytest.mark.parametrize(("units", "rows"), [(64, 2), (64, 17), (130, 5), (256, 1)])
def test_gradients_of_wide_cells_match_the_judge(
    units: int, rows: int, name: str, isa: str
) -> None:
    judged(stack(cell(name, units)), normal(rows, 2, 2), small=0)


@every_cell
def test_an_input_wider_than_the_cell_matches_the_judge(name: str, isa: str) -> None:
    model = Sequential([Input((None, 2)), Dense(70), cell(name, 5), Dense(2)])
    judged(model, normal(3, 4, 2))


@every_cell
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 5, 7])
def test_rows_that_do_not_divide_by_threads_match_the_judge(
    rows: int, threads: int, name: str
) -> None:
    _core.set_threads(threads)
    x = normal(rows, 4, 2)
    x[0, 2] = 0.0
    judged(Sequential([Input((None, 2)), Masking(), Dense(3), cell(name, 7), Dense(2)]), x)


def wide(activation: str) -> dict[str, float]:
    """Weights of a size that leaves the middle of the activation and does not explode."""
    # Without bounds a state of three steps is a polynomial of high degree: rounding grows.
    return {"scale": 0.5 if activation == "exponential" else 1.5, "tolerance": 1e-4}


@every_cell
@pytest.mark.parametrize("activation", activations.ELEMENTWISE)
def test_a_cell_takes_any_activation(activation: str, name: str, isa: str) -> None:
    found = judged(stack(cell(name, 5, activation=activation)), normal(4, 3, 2), **wide(activation))
    assert all(slopes.scale > 0 for slopes in found.values())


@pytest.mark.parametrize("name", [name for name in CELLS if name != "simple_rnn"])
@pytest.mark.parametrize("activation", activations.ELEMENTWISE)
def test_a_cell_takes_any_recurrent_activation(activation: str, name: str, isa: str) -> None:
    layer = cell(name, 5, recurrent_activation=activation)
    found = judged(stack(layer), normal(4, 3, 2), **wide(activation))
    assert all(slopes.scale > 0 for slopes in found.values())


@pytest.mark.parametrize("units", UNITS)
@both_ways
def test_lstm_with_relu_and_a_mask_matches_the_judge(units: int, backwards: bool, isa: str) -> None:
    x = np.where(kept_steps("holes")[..., None], normal(ROWS, STEPS, 2), 0.0).astype(np.float32)
    layer = LSTM(units, activation="relu", return_sequences=True, go_backwards=backwards)
    judged(Sequential([Input((None, 2)), Masking(), Dense(3), layer, Dense(2)]), x)


def test_gates_of_any_activation_are_shown_as_they_are(isa: str) -> None:
    model = Sequential(
        [Input((None, 2)), LSTM(5, activation="softsign", recurrent_activation="hard_sigmoid")]
    )
    randomize(model, 5)
    x = normal(4, 6, 2)
    plan = model.plan_for(x, rows=4, keep=True)
    plan.forward(x)
    for gate, wanted in gates_by_step(model, x).items():
        name = "lstm" if gate == "state" else f"lstm/{gate}"
        assert_close(plan.native.peek(name), wanted, what=gate)


@pytest.mark.parametrize(
    "names",
    [("simple_rnn", "gru", "lstm"), ("lstm", "lstm", "gru_reset_before"), ("gru", "gru", "gru")],
    ids="-".join,
)
@pytest.mark.parametrize("mask", MASKS)
@both_ways
def test_a_stack_of_three_matches_the_judge(
    names: tuple[str, ...], mask: str, backwards: bool, isa: str
) -> None:
    cells = [
        cell(name, units, return_sequences=deep < 2, go_backwards=backwards and deep == 1)
        for deep, (name, units) in enumerate(zip(names, (7, 9, 4), strict=True))
    ]
    kept = kept_steps(mask)
    if mask == "embedded":
        x = np.where(kept, np.arange(kept.size).reshape(kept.shape) % 5 + 1, 0).astype(np.int32)
        judged(Sequential([Embedding(VOCABULARY, 3, mask_zero=True), *cells, Dense(1)]), x)
    else:
        x = np.where(kept[..., None], normal(ROWS, STEPS, 2), 0.0).astype(np.float32)
        judged(Sequential([Input((None, 2)), Masking(), Dense(3), *cells, Dense(1)]), x)


def test_a_row_without_a_single_step_that_counts_gives_zeros(isa: str) -> None:
    x = np.zeros((3, 4, 2), np.float32)
    for name in CELLS:
        model = Sequential([Input((None, 2)), Masking(), cell(name, 5)])
        randomize(model, 1)
        np.testing.assert_array_equal(model.predict(x, verbose=0), 0.0)


@every_cell
def test_what_stands_at_masked_steps_changes_nothing(name: str, isa: str) -> None:
    # Not even a number so large that its square is infinite: padding is whatever a file held.
    model = Sequential([Embedding(4, 3, mask_zero=True), cell(name, 7), Dense(1)])
    model.compile(loss="mean_squared_error")
    randomize(model, 2)
    tokens = np.array([[1, 2, 0, 0], [0, 3, 0, 1]], np.int32)
    before = model.predict(tokens, verbose=0)
    table, *others = model.get_weights()
    table[0] = 1e30
    model.set_weights([table, *others])
    np.testing.assert_array_equal(model.predict(tokens, verbose=0), before)
    _, gradients = engine_gradients(model, tokens, np.ones((2, 1)))
    np.testing.assert_array_equal(gradients["embedding/embeddings"][0], 0.0)
    assert all(np.isfinite(g).all() for g in gradients.values())


def test_lanes_behind_the_last_unit_never_reach_a_gradient(isa: str) -> None:
    # In the lanes that fill up a vector every weight is zero, so that these gates stay at one and
    # the cell state counts the steps, until exp(100) is infinite. The units that exist are tame.
    gates = {"activation": "exponential", "recurrent_activation": "exponential"}
    model = Sequential([Input((None, 1)), LSTM(3, **gates), Dense(1)])
    model.compile(loss="mean_squared_error")
    model.set_weights(
        [np.full((1, 12), 0.1), np.full((3, 12), -0.1), np.full(12, -2), [[1]] * 3, [0]]
    )
    x, y = np.ones((2, 100, 1), np.float32), np.zeros((2, 1), np.float32)
    assert_close(model.predict(x, verbose=0), reference(model, x)[0])
    _, gradients = engine_gradients(model, x, y)
    assert_same_gradients(gradients, reference_gradients(model, x, y))
