"""What is said about gates is what can be counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases import inputs
from elman import DataError, Input, Sequential
from elman.layers import GRU, LSTM, Masking, SimpleRNN
from elman.layers.recurrent import Recurrent

Array = np.ndarray[Any, np.dtype[Any]]


def constant(layer: Recurrent, **biases: float) -> Sequential:
    """A model whose gates do not depend on anything but their biases."""
    model = Sequential([Input((None, 2)), Masking(), layer])
    kernel, recurrent, bias = model.get_weights()
    values = np.zeros((len(layer.gates), layer.units), np.float32)
    for gate, value in biases.items():
        values[layer.gates.index(gate)] = value
    bias = np.zeros_like(bias)
    (bias if bias.ndim == 1 else bias[0])[:] = values.ravel()
    model.set_weights([kernel * 0, recurrent * 0, bias])
    return model


def logit(p: Array) -> Array:
    return np.log(p / (1 - p))


@pytest.mark.parametrize(("kind", "gate"), [(LSTM, "forget_gate"), (GRU, "update_gate")])
def test_half_life_is_when_half_of_the_state_is_left(kind: type[Recurrent], gate: str) -> None:
    wanted = np.array([1.0, 10.0, 100.0])
    model = constant(kind(3), **{gate: logit(0.5 ** (1 / wanted))})
    found = model.trace(inputs(2, 5, 2)).statistics()
    half_life = found[model.layers[-1].name].half_life
    assert half_life is not None
    np.testing.assert_allclose(half_life, wanted, rtol=1e-4)


def test_a_state_left_alone_is_halved_after_its_half_life() -> None:
    # The candidate is 0, so what the first step leaves is kept and forgotten by the gate alone.
    steps = 8
    model = constant(GRU(1), update_gate=logit(np.array(0.5 ** (1 / steps))))
    kernel, recurrent, bias = model.get_weights()
    kernel[0, 2] = 3.0
    model.set_weights([kernel, recurrent, bias])
    x = np.zeros((1, steps + 1, 2), np.float32)
    x[:, :, 1] = 1  # no step is masked; the kernel does not see this feature
    x[0, 0, 0] = 1
    trace = model.trace(x)
    assert trace.statistics()["gru"].half_life == pytest.approx([steps], rel=1e-5)
    first, last = trace["gru/state"][0, [0, steps], 0]
    assert last == pytest.approx(first / 2, rel=1e-5)


def test_the_mean_of_a_gate_that_varies_is_the_geometric_one() -> None:
    model = Sequential([Input((None, 2)), LSTM(4)])
    trace = model.trace(3 * inputs(3, 6, 2))
    kept = trace["lstm/forget_gate"].astype(np.float64).reshape(-1, 4)
    half_life = trace.statistics()["lstm"].half_life
    assert half_life is not None
    np.testing.assert_allclose(kept.prod(axis=0) ** (half_life / len(kept)), 0.5)


def test_gates_that_never_close_remember_for_ever_and_shut_ones_not_at_all() -> None:
    model = constant(LSTM(2), forget_gate=np.array([100.0, -100.0]))
    half_life = model.trace(inputs(2, 5, 2)).statistics()["lstm"].half_life
    assert half_life is not None
    assert half_life[0] == np.inf and 0 <= half_life[1] < 0.01


def test_saturation_is_the_share_of_values_near_the_ends() -> None:
    biases = logit(np.array([0.005, 0.02, 0.98, 0.995]))
    found = constant(LSTM(4), output_gate=biases).trace(inputs(2, 5, 2)).statistics()["lstm"]
    assert list(found.shut) == list(found.open) == ["input_gate", "forget_gate", "output_gate"]
    np.testing.assert_array_equal(found.shut["output_gate"], [1, 0, 0, 0])
    np.testing.assert_array_equal(found.open["output_gate"], [0, 0, 0, 1])
    assert found.mean["output_gate"] == pytest.approx(0.5, abs=1e-6)


def test_masked_steps_do_not_count() -> None:
    model = Sequential([Input((None, 2)), Masking(), GRU(3)])
    x = inputs(4, 9, 2)
    padded = np.concatenate([x, np.zeros((4, 5, 2), np.float32)], axis=1)
    plain, masked = (model.trace(values).statistics()["gru"] for values in (x, padded))
    np.testing.assert_array_equal(masked.half_life, plain.half_life)
    assert masked.mean == plain.mean
    np.testing.assert_array_equal(masked.dead, plain.dead)


def test_units_that_never_move_are_dead_and_relu_units_that_never_fire_are_zero() -> None:
    model = Sequential([Input((None, 2)), SimpleRNN(4, activation="relu")])
    kernel, recurrent, bias = model.get_weights()
    kernel[:, 1:3], recurrent[:] = 0, 0
    bias[:] = [1, 0.5, -1, 1]  # unit 1 is 0.5 always, unit 2 is 0 always
    model.set_weights([kernel, recurrent, bias])
    found = model.trace(inputs(3, 20, 2)).statistics()["simple_rnn"]
    assert found.half_life is None and found.mean == {}
    assert list(found.dead) == [1, 2] and list(found.zero) == [2]


def test_of_a_single_step_no_unit_is_called_dead() -> None:
    model = Sequential([Input((None, 2)), LSTM(3)])
    assert not len(model.trace(inputs(1, 1, 2)).statistics()["lstm"].dead)


def test_a_trace_without_a_step_that_counts_is_refused() -> None:
    model = Sequential([Input((None, 2)), Masking(), GRU(3)])
    with pytest.raises(DataError, match="at least one step that counts"):
        model.trace(np.zeros((2, 5, 2))).statistics()


def test_the_table_fits_eighty_columns() -> None:
    below = LSTM(40, return_sequences=True, name="a_long_name_for_a_layer")
    model = Sequential([Input((None, 2)), below, GRU(3, return_sequences=True), SimpleRNN(2)])
    shown = repr(model.trace(np.zeros((3, 6, 2))).statistics())
    assert max(map(len, shown.splitlines())) <= 80
    assert "forget_gate" in shown and "2 of 2 units are dead" in shown


def test_a_model_without_recurrent_layers_has_nothing_to_say() -> None:
    model = Sequential([Input((None, 2)), Masking()])
    found = model.trace(inputs(1, 3, 2)).statistics()
    assert not found and repr(found) == ""
