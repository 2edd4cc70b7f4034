"""Products of bfloat16: what they compute, where they run, and the policy that asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import elman
from cases import CELLS as EVERY_CELL
from elman import Input, Sequential, _core, mixed_precision, windows
from elman.errors import OptionError, UnknownNameError
from elman.layers import (
    GRU,
    LSTM,
    Dense,
    Embedding,
    Masking,
    Recurrent,
    SimpleRNN,
    dense,
    recurrent,
)
from harness import (
    assert_same_gradients,
    engine_gradients,
    native_targets,
    randomize,
    reference,
    reference_gradients,
    training_forward,
)
from test_recompute import assert_near, data, stack
from test_states import carrying, in_pieces, models, sequences

Array = np.ndarray[Any, np.dtype[Any]]

CELLS: dict[str, tuple[type[Recurrent], dict[str, Any]]] = {
    **EVERY_CELL,
    "lstm_any": (LSTM, {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}),
    "gru_any": (GRU, {"activation": "softsign", "reset_after": False}),
}
MIXED = "mixed_bfloat16"
#: Half the distance of neighbouring bfloat16, relative to their size.
ROUNDING = 2.0**-9


@pytest.fixture(autouse=True)
def policy_as_found() -> Iterator[None]:
    """Puts the global policy and the bfloat16 instruction back."""
    before = elman.dtype_policy()
    yield
    elman.set_dtype_policy(before)
    _core.use_bf16_instruction(True)


@pytest.fixture
def at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiplies bfloat16 even where it gains nothing."""
    for module in (recurrent, dense):
        monkeypatch.setattr(module, "BF16_UNITS", 1)
        monkeypatch.setattr(module, "BF16_FEATURES", 1)


def rounded(x: Array) -> Array:
    """The nearest bfloat16 of a float32, half-way cases to even, as float64."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


class Rounding(np.ndarray):
    """An array that is rounded to bfloat16 where it is multiplied by weights, and only there."""

    def __matmul__(self, weights: Any) -> Any:
        return (rounded(np.asarray(self)) @ rounded(weights)).view(Rounding)


def formula(layer: Recurrent, x: Array, mask: Array | None = None) -> Array:
    """The layer's own formula in float64, its products of bfloat16."""
    names = [p.name for p in layer.own_params]
    weights = dict(zip(names, (w.astype(np.float64) for w in layer.get_weights()), strict=True))
    states = [np.zeros((len(x), layer.units)).view(Rounding) for _ in range(layer.states)]
    outputs = []
    for t in range(x.shape[1])[:: -1 if layer.go_backwards else 1]:
        new, _ = layer.step(x[:, t].astype(np.float64).view(Rounding), states, weights)
        if mask is not None:
            new = [
                np.where(mask[:, t, None], n, old).view(Rounding)
                for n, old in zip(new, states, strict=True)
            ]
        states = new
        outputs.append(np.asarray(states[0]))
    return np.stack(outputs, axis=1)


def made(
    cell: str, units: int, features: int = 5, masked: bool = False, **options: Any
) -> Sequential:
    """One layer with random weights, returning its sequence unless asked otherwise."""
    kind, form = CELLS[cell]
    layer = kind(units, dtype=MIXED, **{"return_sequences": True, **form, **options})
    model = Sequential([Input((None, features)), *[Masking()] * masked, layer])
    randomize(model, units)
    return model


def randomize_for(model: Sequential, x: Array) -> None:
    """Random weights for a model that learns its shape from data."""
    model.build(x.shape)
    randomize(model, 4)


def assert_rounded_alike(got: Array, wanted: Array) -> None:
    """Equal but where one ulp of float32 decided how a state was rounded: in few rows, a little."""
    apart = np.abs(got - wanted).max(axis=(1, 2)) / np.abs(wanted).max()
    assert np.median(apart) < 3e-6
    assert (apart < 3e-6).mean() > 0.8
    assert apart.max() < 4 * ROUNDING


# -- what is computed ---------------------------------------------------------------------------


@pytest.mark.usefixtures("at_any_size")
@pytest.mark.parametrize("units", [1, 7, 17, 33, 129])
@pytest.mark.parametrize("cell", CELLS)
def test_forward_is_the_formula_with_rounded_operands(
    cell: str, units: int, isa: str, rng: np.random.Generator
) -> None:
    for features, rows, steps, backwards in ((5, 9, 7, False), (2, 1, 1, False), (1, 11, 3, True)):
        model = made(cell, units, features, go_backwards=backwards)
        x = rng.normal(size=(rows, steps, features)).astype(np.float32)
        plain = formula(model.layers[0], x)
        predicted = model.predict(x, verbose=0)
        assert_rounded_alike(predicted, plain)
        np.testing.assert_array_equal(training_forward(model, x), predicted)
        # Nothing is left over from the batch before.
        np.testing.assert_array_equal(model.predict(x, verbose=0), predicted)
        assert "bf16" in str(model.plan(steps))


@pytest.mark.usefixtures("at_any_size")
@pytest.mark.parametrize("cell", CELLS)
def test_a_masked_step_carries_the_unrounded_state_through(
    cell: str, isa: str, rng: np.random.Generator
) -> None:
    kept = rng.random((9, 20)) < 0.6  # more steps than are projected at once
    x = np.where(kept[..., None], rng.normal(size=(9, 20, 3)), 0.0).astype(np.float32)
    model = made(cell, 17, 3, masked=True)
    assert_rounded_alike(model.predict(x, verbose=0), formula(model.layers[1], x, kept))


@pytest.mark.usefixtures("at_any_size")
@pytest.mark.parametrize("below", ["dense", "embedding", "input"])
@pytest.mark.parametrize("units", [1, 7, 17, 33, 129])
@pytest.mark.parametrize("cell", CELLS)
def test_gradient_is_the_derivative_within_the_precision_of_bfloat16(
    cell: str, units: int, below: str, isa: str, rng: np.random.Generator
) -> None:
    kind, form = CELLS[cell]
    rows, steps = (5, 5) if units != 17 else (1, 3)
    if below == "embedding":
        bottom: list[Any] = [Embedding(9, 6, mask_zero=True)]
        x = rng.integers(0, 9, (rows, steps)).astype(np.int32)
    else:
        bottom = [Input((None, 6)), *[Dense(6)] * (below == "dense")]
        x = rng.normal(size=(rows, steps, 6)).astype(np.float32)
    backwards, sequences = units in (7, 33), units != 33
    layer = kind(units, dtype=MIXED, go_backwards=backwards, return_sequences=sequences, **form)
    model = Sequential([*bottom, layer, Dense(2)])
    model.build((None, *x.shape[1:]))
    model.compile(loss="mean_squared_error")
    randomize(model, units, 0.5)
    output, _ = reference(model, x)
    y = (output + rng.normal(size=output.shape)).astype(np.float32)
    wanted = reference_gradients(model, x, y)
    _, got = engine_gradients(model, x, y)
    assert_same_gradients(got, wanted, 16 * ROUNDING)
    assert any(s.scale > 1e-3 for s in wanted.values())
    for name, again in engine_gradients(model, x, y)[1].items():
        np.testing.assert_array_equal(again, got[name])
    # Not the float32 gradient under another name.
    with pytest.raises(AssertionError):
        assert_same_gradients(got, wanted, 1e-6)


@pytest.mark.usefixtures("at_any_size")
@pytest.mark.parametrize("units", [1, 7, 17, 33, 129])
def test_dense_multiplies_rounded_operands_too(
    units: int, isa: str, rng: np.random.Generator
) -> None:
    for features, shape in ((5, (1,)), (64, (3,)), (9, (3, 257))):  # more rows than go at once
        top = Dense(units, activation="tanh", dtype=MIXED)
        model = Sequential([Input((*shape[1:], features)), Dense(features), top])
        model.compile(loss="mean_squared_error")
        randomize(model, units)
        x = rng.normal(size=(*shape, features)).astype(np.float32)
        below = Sequential([model.layers[0]]).predict(x, verbose=0)
        kernel, bias = top.get_weights()
        wanted = np.tanh(rounded(below) @ rounded(kernel) + bias)
        np.testing.assert_allclose(model.predict(x, verbose=0), wanted, atol=3e-6)
        y = rng.normal(size=wanted.shape).astype(np.float32)
        _, got = engine_gradients(model, x, y)
        assert_same_gradients(got, reference_gradients(model, x, y), 16 * ROUNDING)
        assert str(model.plan()).splitlines()[3].endswith(("bf16", "bf16 by floats"))


@pytest.mark.usefixtures("at_any_size")
def test_lanes_behind_the_last_unit_never_reach_a_product(isa: str) -> None:
    # In the lanes that fill up a vector every weight is zero, so that these gates stay at one and
    # the cell state counts the steps, until exp(100) is infinite. The units that exist are tame,
    # and an odd one out is paired with the first of those lanes.
    gates = {"activation": "exponential", "recurrent_activation": "exponential"}
    model = Sequential([Input((None, 1)), LSTM(3, dtype=MIXED, **gates), Dense(1)])
    model.compile(loss="mean_squared_error")
    model.set_weights(
        [np.full((1, 12), 0.1), np.full((3, 12), -0.1), np.full(12, -2), [[1]] * 3, [0]]
    )
    x, y = np.ones((2, 100, 1), np.float32), np.zeros((2, 1), np.float32)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), reference(model, x)[0], rtol=2 * ROUNDING
    )
    _, gradients = engine_gradients(model, x, y)
    assert_same_gradients(gradients, reference_gradients(model, x, y), 16 * ROUNDING)


@pytest.mark.skipif(not _core.has_bf16_instruction(), reason="no bfloat16 instruction here")
@pytest.mark.usefixtures("at_any_size")
@pytest.mark.parametrize("units", [7, 33, 128])
@pytest.mark.parametrize("cell", CELLS)
def test_the_instruction_and_its_replacement_compute_the_same(
    cell: str, units: int, rng: np.random.Generator
) -> None:
    kind, form = CELLS[cell]
    model = Sequential([Input((None, 6)), Dense(6), kind(units, dtype=MIXED, **form), Dense(2)])
    model.compile(loss="mean_squared_error")
    randomize(model, units)
    x = rng.normal(size=(5, 300, 6)).astype(np.float32)  # more than one chunk of rows
    y = rng.normal(size=(5, 2)).astype(np.float32)
    outputs, gradients = [], []
    for by_instruction in (True, False):
        _core.use_bf16_instruction(by_instruction)
        plan = str(model.plan(300))
        assert ("bf16 by floats" in plan) != by_instruction
        assert "bf16" in plan
        outputs.append(model.predict(x, verbose=0))
        gradients.append(engine_gradients(model, x, y)[1])
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-5, atol=1e-6)
    for name, value in gradients[0].items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(value, gradients[1][name], rtol=0, atol=2e-5 * scale)


@pytest.mark.usefixtures("at_any_size")
def test_rounding_is_to_nearest_even_and_a_nan_stays_one(isa: str) -> None:
    # One unit, one step, weight one: what comes out is the input as the product saw it.
    model = Sequential([Input((1, 1)), SimpleRNN(1, activation="linear", dtype=MIXED)])
    one = np.ones((1, 1), np.float32)
    model.set_weights([one, 0 * one, np.zeros(1, np.float32)])
    x = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -3.1415927, 1e30, 1e-30, 0.0])
    x = x.astype(np.float32)
    np.testing.assert_array_equal(model(x[:, None, None])[:, 0], rounded(x))
    assert rounded(x)[1] == 1.0
    assert rounded(x)[2] == 1 + 2**-6
    strange = np.array([0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F80FFFF], np.uint32).view(np.float32)
    plan = model.plan_for(strange[:, None, None], rows=4)
    assert np.isnan(plan.predict(strange[:, None, None])).all()


# -- sequences in pieces ------------------------------------------------------------------------


@pytest.mark.usefixtures("at_any_size")
@pytest.mark.parametrize("units", [1, 7, 17, 33])
@pytest.mark.parametrize("name", EVERY_CELL)
def test_a_sequence_in_pieces_gives_the_same_bits(name: str, units: int, isa: str) -> None:
    x = sequences(5, 40)
    exact = [m.predict(x, verbose=0) for m in models(name, units, True)]
    elman.set_dtype_policy(MIXED)
    for model, other in zip(models(name, units, True), exact, strict=True):
        whole = model.predict(x, verbose=0)
        assert (whole != other).any()
        for capacity, pieces in ((1, []), (7, [3, 1, 7, 12]), (16, [16, 16]), (33, [5, 33])):
            plan = carrying(model, capacity, 5)
            np.testing.assert_array_equal(in_pieces(plan, x, pieces), whole)


@pytest.mark.usefixtures("at_any_size")
def test_tokens_in_pieces_and_long_sequences_give_the_same_bits(
    isa: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    elman.set_dtype_policy(MIXED)
    model = Sequential([Embedding(9, 4, mask_zero=True), GRU(5, return_sequences=True), LSTM(3)])
    randomize_for(model, tokens := rng.integers(0, 9, (4, 45)).astype(np.int32))
    whole = model.predict(tokens, verbose=0)
    np.testing.assert_array_equal(in_pieces(carrying(model, 5, 4), tokens, [5, 1, 9]), whole)
    monkeypatch.setattr(windows, "LONG", 20)
    monkeypatch.setattr(windows, "WINDOW", 8)
    np.testing.assert_array_equal(model.predict(tokens, verbose=0), whole)


@pytest.mark.usefixtures("at_any_size")
@pytest.mark.parametrize("tokens", [False, True], ids=["numbers", "tokens"])
@pytest.mark.parametrize("name", EVERY_CELL)
def test_gradients_of_a_sequence_in_runs_are_those_of_the_whole(
    name: str, tokens: bool, isa: str
) -> None:
    elman.set_dtype_policy(MIXED)
    _core.set_threads(2)
    model = stack(name, True, tokens)
    x, y = data(True, tokens)
    whole = model.plan_for(x, rows=5, training=True, loss=True)
    loss, wanted = whole.native.gradients(x, native_targets(y), None, 7, 3)
    names = [p.name for layer in whole.store.layers for p in layer.own_params]
    carried = [n == "recurrent_kernel" for n in names]
    assert sum(carried) == 2
    for steps in (1, 16, 52, 53, 64):
        plan = carrying(model, steps, 5, training=True).native
        plan.recomputes = True
        cut, found = plan.gradients(x, native_targets(y), None, 7, 3)
        np.testing.assert_allclose(cut, loss, rtol=1e-12)
        # What a run begins with meets its gradient as floats.
        for a, b, loose in zip(found, wanted, carried, strict=True):
            assert_near([a], [b], 4 * ROUNDING if loose else 1e-5)


# -- the policy ---------------------------------------------------------------------------------


def trained(layers: list[Any], x: Array, y: Array) -> list[Array]:
    """The weights after a few steps."""
    elman.set_random_seed(3)
    model = Sequential([Input(x.shape[1:]), *layers, Dense(1)])
    model.compile(optimizer="rmsprop", loss="mean_squared_error")
    model.fit(x, y, epochs=2, verbose=0)
    return model.get_weights()


def test_float32_layers_keep_every_bit_whatever_the_global_policy(
    rng: np.random.Generator,
) -> None:
    x = rng.normal(size=(40, 6, 40)).astype(np.float32)
    y = rng.normal(size=(40, 1)).astype(np.float32)
    before = trained([GRU(70)], x, y)
    elman.set_dtype_policy(MIXED)
    for a, b in zip(before, trained([GRU(70, dtype="float32")], x, y), strict=True):
        np.testing.assert_array_equal(a, b)
    mixed = trained([GRU(70)], x, y)
    assert not all(np.array_equal(a, b) for a, b in zip(before, mixed, strict=True))
    for a, b in zip(before, mixed, strict=True):
        np.testing.assert_allclose(a, b, atol=5e-3)


def test_small_layers_stay_float32_and_the_plan_says_so(rng: np.random.Generator) -> None:
    x = rng.normal(size=(40, 6, 3)).astype(np.float32)
    y = rng.normal(size=(40, 1)).astype(np.float32)
    before = trained([LSTM(12)], x, y)
    elman.set_dtype_policy(MIXED)
    for a, b in zip(before, trained([LSTM(12)], x, y), strict=True):
        np.testing.assert_array_equal(a, b)
    model = Sequential([Input((6, 3)), LSTM(12, return_sequences=True), LSTM(128)])
    model.predict(x, verbose=0)
    small, large = str(model.plan()).splitlines()[2:4]
    assert "bf16" not in small
    assert "bf16" in large


def test_one_seed_gives_the_same_bits_again(rng: np.random.Generator) -> None:
    elman.set_dtype_policy(MIXED)
    x = rng.normal(size=(40, 6, 40)).astype(np.float32)
    y = rng.normal(size=(40, 1)).astype(np.float32)
    for a, b in zip(trained([LSTM(70)], x, y), trained([LSTM(70)], x, y), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_takes_its_policy_when_it_is_made() -> None:
    early = LSTM(4)
    elman.set_dtype_policy(MIXED)
    late, own = LSTM(4), LSTM(4, dtype="float32")
    elman.set_dtype_policy("float32")
    assert [layer.dtype_policy.name for layer in (early, late, own)] == [
        "float32", MIXED, "float32",
    ]  # fmt: skip
    assert (late.compute_dtype, late.dtype) == ("bfloat16", "float32")
    assert LSTM(4, dtype=late.dtype_policy).compute_dtype == "bfloat16"


def test_a_plan_is_not_used_for_another_policy(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 6, 40)).astype(np.float32)
    model = Sequential([Input((6, 40)), LSTM(70)])
    exact = model.predict(x, verbose=0)
    model.layers[0].dtype_policy = mixed_precision.get(MIXED)
    assert not np.array_equal(model.predict(x, verbose=0), exact)
    model.layers[0].dtype_policy = mixed_precision.get("float32")
    np.testing.assert_array_equal(model.predict(x, verbose=0), exact)


def test_the_policy_has_kerass_names() -> None:
    for setter in (
        elman.set_dtype_policy,
        elman.config.set_dtype_policy,
        elman.mixed_precision.set_dtype_policy,
        elman.mixed_precision.set_global_policy,
    ):
        setter(MIXED)
        assert elman.dtype_policy() == elman.DTypePolicy(MIXED)
        assert elman.config.dtype_policy().compute_dtype == "bfloat16"
        setter("float32")
        assert elman.mixed_precision.global_policy().name == "float32"
    elman.set_dtype_policy(elman.DTypePolicy(MIXED))
    assert repr(elman.dtype_policy()) == '<DTypePolicy "mixed_bfloat16">'
    assert hash(elman.dtype_policy()) == hash(elman.DTypePolicy(MIXED))
    with pytest.raises(AttributeError):
        _ = elman.config.dtype_polcy


def test_a_configuration_carries_the_policy() -> None:
    config = LSTM(4, dtype=MIXED).get_config()
    assert config["dtype"] == {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": MIXED},
        "registered_name": None,
    }
    elman.set_dtype_policy(MIXED)
    assert LSTM.from_config(LSTM(4, dtype="float32").get_config()).compute_dtype == "float32"
    elman.set_dtype_policy("float32")
    assert LSTM.from_config(config).compute_dtype == "bfloat16"


@pytest.mark.parametrize("ask", [elman.set_dtype_policy, lambda policy: LSTM(4, dtype=policy)])
@pytest.mark.parametrize(
    ("policy", "error", "hint"),
    [
        ("mixed_float16", OptionError, "Use 'mixed_bfloat16'."),
        ("float16", OptionError, "Use 'mixed_bfloat16'."),
        ("bfloat16", OptionError, "Use 'mixed_bfloat16'."),
        ("float64", OptionError, "Use 'float32'."),
        (np.float64, OptionError, "Use 'float32'."),
        ("mixed_bfloat", UnknownNameError, "Did you mean 'mixed_bfloat16'?"),
        (3, UnknownNameError, "'3'"),
        ({"class_name": "DTypePolicy"}, UnknownNameError, "class_name"),
    ],
)
def test_other_policies_are_refused_with_what_to_use(
    ask: Any, policy: Any, error: type[Exception], hint: str
) -> None:
    with pytest.raises(error, match=r"dtype policy|'float32' or 'mixed_bfloat16'") as caught:
        ask(policy)
    assert hint in str(caught.value)
    assert elman.dtype_policy().name == "float32"
