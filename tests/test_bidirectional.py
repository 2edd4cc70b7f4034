"""Both ways: two recurrent layers that read one slot, and what is made of what they return."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import elman
from cases import VOCABULARY, below, cell, ends, every_cell, every_mask, kept_steps, masked, normal
from elman import Input, Sequential, _core
from elman.errors import OptionError, ShapeError, UnknownNameError
from elman.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Dropout,
    Masking,
    SimpleRNN,
)
from harness import (
    assert_close,
    assert_same_gradients,
    engine_gradients,
    judged,
    randomize,
    reference,
    reference_gradients,
    reference_loss,
    training_forward,
)

Array = np.ndarray[Any, np.dtype[Any]]

MODES = Bidirectional.MODES
every_mode = pytest.mark.parametrize("mode", MODES)


# -- before the judge ----------------------------------------------------------------------------


@every_cell
@every_mask
@ends
@every_mode
def test_output_and_gradients_match_the_judge(
    name: str, pattern: str, sequences: bool, mode: str, isa: str
) -> None:
    units = 7 if mode in ("concat", "mul") else 17
    layer = Bidirectional(cell(name, units, return_sequences=sequences), merge_mode=mode)
    slopes = judged(Sequential([*below(pattern), layer, Dense(2)]), masked(pattern), small=8)
    assert all(s.scale > 0 for s in slopes.values())


@pytest.mark.parametrize("units", [(1, 33), (17, 4), (16, 16)], ids=str)
@pytest.mark.parametrize("steps", [1, 17])
@ends
def test_a_backward_layer_of_another_kind_and_size_matches_the_judge(
    units: tuple[int, int], steps: int, sequences: bool, isa: str
) -> None:
    one = LSTM(units[0], return_sequences=sequences)
    other = GRU(units[1], return_sequences=sequences, go_backwards=True)
    model = Sequential([Input((None, 2)), Dense(3), Bidirectional(one, "concat", other), Dense(2)])
    judged(model, normal(3, steps, 2), small=8)


@ends
def test_a_layer_that_goes_backwards_first_turns_everything_round(
    sequences: bool, isa: str
) -> None:
    one = LSTM(5, return_sequences=sequences, go_backwards=True)
    other = LSTM(5, return_sequences=sequences)
    layers = [Bidirectional(one, "sum", backward_layer=other), Dense(2)]
    for pattern in ("unmasked", "right"):
        judged(Sequential([*below(pattern), *layers]), masked(pattern), small=8)
        layers = [Bidirectional(one, "sum", backward_layer=other), Dense(2)]


@every_mask
def test_one_above_the_other_matches_the_judge(pattern: str, isa: str) -> None:
    layers = [
        Bidirectional(LSTM(5, return_sequences=True)),
        Bidirectional(SimpleRNN(4, return_sequences=True), merge_mode="mul"),
        Bidirectional(GRU(3), merge_mode="ave"),
        Dense(1),
    ]
    judged(Sequential([*below(pattern), *layers]), masked(pattern), small=8)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 5, 7])
def test_rows_that_do_not_divide_by_threads_match_the_judge(rows: int, threads: int) -> None:
    _core.set_threads(threads)
    tokens = np.random.default_rng(rows).integers(0, VOCABULARY, (rows, 4)).astype(np.int32)
    model = Sequential([*below("embedded"), Bidirectional(LSTM(7)), Dense(2)])
    judged(model, tokens, small=8)


@pytest.mark.parametrize("dropout", [(0.4, 0.3), (0.4, 0.0), (0.0, 0.4)], ids=str)
@pytest.mark.parametrize("embedded", [False, True], ids=["numbers", "tokens"])
def test_each_direction_drops_inputs_of_its_own(
    dropout: tuple[float, float], embedded: bool, isa: str
) -> None:
    one = LSTM(5, dropout=dropout[0])
    other = LSTM(5, dropout=dropout[1], go_backwards=True, name="other")
    both = Bidirectional(one, "sum", backward_layer=other)
    pattern = "embedded" if embedded else "unmasked"
    model = Sequential([*below(pattern), both, Dense(2)])
    model.compile(loss="mean_squared_error")
    randomize(model, 4)
    x, y = masked(pattern), normal(5, 2, seed=1)
    loss, gradients = engine_gradients(model, x, y, seed=3, step=11)
    plan = model.plan_for(x, rows=5, training=True, loss=True).native
    seen = []
    for leaf, rate in zip(both.leaves(), dropout, strict=True):
        if not rate:
            continue
        zero = plan.peek(f"{leaf.path}/dropout") == 0
        seen.append(zero)
        factor, formula = np.where(zero, 0.0, 1 / (1 - rate)), leaf.formula
        leaf.formula = lambda x, weights, mask, formula=formula, factor=factor: formula(
            x * np.tile(factor, (len(x) // 5, 1, 1)), weights, mask
        )
    assert all(0 < zero.mean() < 1 for zero in seen)
    assert len(seen) < 2 or np.any(seen[0] != seen[1])
    output, _ = reference(model, x)
    assert_close(np.array(loss), reference_loss(model, y, output)[0], what="loss")
    assert_same_gradients(gradients, reference_gradients(model, x, y, small=8), 2e-5, 8)


@every_mode
def test_products_of_bf16_are_near_those_of_floats(mode: str, isa: str) -> None:
    def model(dtype: str) -> Sequential:
        layer = Bidirectional(LSTM(32, return_sequences=True, dtype=dtype), merge_mode=mode)
        made = Sequential([Input((None, 8)), Dense(16), layer, Dense(2)])
        made.compile(loss="mean_squared_error")
        randomize(made, 3)
        return made

    x, y = normal(5, 9, 8), normal(5, 9, 2, seed=1)
    exact, rounded = model("float32"), model("mixed_bfloat16")
    assert str(rounded.plan(9, 5, training=False)).count(" bf16") == 2
    apart = rounded.predict(x, verbose=0) - exact.predict(x, verbose=0)
    assert 0 < np.abs(apart).max() < 0.05 * np.abs(exact.predict(x, verbose=0)).max()
    loss, wanted = engine_gradients(exact, x, y)
    other, found = engine_gradients(rounded, x, y)
    assert other == pytest.approx(loss, rel=0.05)
    for name, value in wanted.items():
        assert np.abs(found[name] - value).max() <= 0.06 * np.abs(value).max(), name


# -- what each direction is ----------------------------------------------------------------------


def test_it_is_two_layers_with_the_weights_of_both(isa: str) -> None:
    both = Sequential([Input((None, 3)), Bidirectional(LSTM(4, return_sequences=True))])
    one = Sequential([Input((None, 3)), LSTM(4, return_sequences=True)])
    other = Sequential([Input((None, 3)), LSTM(4, return_sequences=True, go_backwards=True)])
    randomize(both, 1)
    one.set_weights(both.get_weights()[:3])
    other.set_weights(both.get_weights()[3:])
    x = normal(4, 6, 3)
    apart = [one.predict(x, verbose=0), other.predict(x, verbose=0)[:, ::-1]]
    np.testing.assert_array_equal(both.predict(x, verbose=0), np.concatenate(apart, axis=-1))


def test_masked_steps_are_zero_and_rows_without_steps_too(isa: str) -> None:
    for mode, pattern in itertools.product(MODES, ("right", "left", "holes")):
        layer = Bidirectional(GRU(5, return_sequences=True), merge_mode=mode)
        model = Sequential([Input((None, 2)), Masking(), layer])
        randomize(model, 1)
        y, kept = model.predict(masked(pattern), verbose=0), kept_steps(pattern)
        np.testing.assert_array_equal(y[~kept], 0.0)
        assert np.all(np.any(y[kept] != 0, axis=-1))


def test_training_computes_the_same_output_as_predict(isa: str) -> None:
    model = Sequential([*below("embedded"), Bidirectional(GRU(9)), Dense(1)])
    randomize(model, 1)
    x = masked("embedded")
    np.testing.assert_array_equal(training_forward(model, x), model.predict(x, verbose=0))


def test_gates_of_both_directions_are_shown_by_name_and_in_time() -> None:
    model = Sequential([Input((None, 2)), Bidirectional(LSTM(3))])
    randomize(model, 2)
    x = normal(2, 5, 2)
    plan = model.plan_for(x, rows=2, keep=True)
    plan.forward(x)
    for direction in ("forward", "backward"):
        gate = plan.native.peek(f"bidirectional/{direction}_lstm/forget_gate")
        assert gate.shape == (2, 5, 3)
        assert np.all((gate > 0) & (gate < 1))
        end, half = {"forward": (-1, slice(3)), "backward": (0, slice(3, 6))}[direction]
        last = plan.native.peek(f"bidirectional/{direction}_lstm")[:, end]
        np.testing.assert_array_equal(last, model.predict(x, verbose=0)[:, half])


def test_a_plan_says_which_direction_an_operation_belongs_to() -> None:
    model = Sequential([Input((7, 2)), Bidirectional(LSTM(3, dropout=0.1)), Dense(1)])
    lines = str(model.plan()).splitlines()
    ops = [line.split()[0] for line in lines[2:]]
    assert ops == ["dropout", "recurrent", "dropout", "recurrent", "merge", "dense"]
    names = [line.split()[1] for line in lines[2:] if line.startswith("recurrent")]
    assert names[0].endswith("/forward_lstm")
    assert names[1].endswith("/backward_lstm")
    assert max(map(len, lines)) <= 80


# -- a layer with layers inside ------------------------------------------------------------------


def test_weights_have_the_names_and_the_order_of_both_layers() -> None:
    model = Sequential([Input((None, 3)), Bidirectional(GRU(4, name="ear"), name="both"), Dense(1)])
    layer = model.layers[0]
    assert [p.name for p in layer.own_params] == [
        f"{way}_ear/{tensor}"
        for way in ("forward", "backward")
        for tensor in ("kernel", "recurrent_kernel", "bias")
    ]
    assert [leaf.path for leaf in layer.leaves()] == ["both/forward_ear", "both/backward_ear"]
    assert layer.count_params() == 2 * GRU_PARAMETERS
    given = [np.full(w.shape, i, np.float32) for i, w in enumerate(model.get_weights())]
    model.set_weights(given)
    model.predict(normal(1, 2, 3), verbose=0)  # the weights move into the engine
    for found, wanted in zip(model.get_weights(), given, strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(layer.forward_layer.kernel, 0.0)
    np.testing.assert_array_equal(layer.backward_layer.recurrent_kernel, 4.0)
    layer.set_weights([w + 1 for w in given[:6]])
    np.testing.assert_array_equal(model.get_weights()[5], 6.0)


GRU_PARAMETERS = 3 * (3 * 4 + 4 * 4 + 2 * 4)


def test_weights_of_another_shape_change_nothing() -> None:
    model = Sequential([Input((None, 3)), Bidirectional(LSTM(4))])
    before = model.get_weights()
    with pytest.raises(ShapeError, match=r"Bidirectional .* expected backward_lstm/bias of shape"):
        model.set_weights([*before[:5], np.zeros(3)])
    with pytest.raises(ShapeError, match="expected a list of 6 weight arrays, got 3"):
        model.set_weights(before[:3])
    for found, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_first_weights_of_the_directions_differ() -> None:
    layer = Sequential([Input((None, 3)), Bidirectional(LSTM(4))]).layers[0]
    assert np.any(layer.forward_layer.kernel != layer.backward_layer.kernel)


@pytest.mark.parametrize("frozen", ["both", "forward"])
def test_what_is_not_trainable_stays(frozen: str) -> None:
    model = Sequential([Input((None, 2)), Bidirectional(LSTM(3)), Dense(1)])
    layer = model.layers[0]
    (layer if frozen == "both" else layer.forward_layer).trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(normal(8, 4, 2), normal(8, 1), verbose=0)
    moved = [np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True)]
    still = 6 if frozen == "both" else 3
    assert not any(moved[:still])
    assert all(moved[still:])


def test_the_layer_given_is_left_as_it_was() -> None:
    given = LSTM(4)
    Sequential([Input((None, 3)), given])
    kernel = given.kernel.copy()
    other = GRU(4, go_backwards=True)
    both = Bidirectional(given, backward_layer=other)
    Sequential([Input((None, 3)), both])
    assert both.forward_layer is not given
    assert both.backward_layer is not other
    assert not other.built
    np.testing.assert_array_equal(given.kernel, kernel)


def test_a_config_builds_the_same_layer_again() -> None:
    layers = [
        Bidirectional(GRU(5, return_sequences=True, reset_after=False), "sum", name="first"),
        Bidirectional(LSTM(2), backward_layer=SimpleRNN(3, go_backwards=True, name="back")),
    ]
    model = Sequential([Input((None, 4)), *layers])
    again = Sequential.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    x = normal(3, 5, 4)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert "forward_forward" not in str(again.get_config())


def test_a_config_that_names_an_unknown_layer_inside_is_refused() -> None:
    config = Bidirectional(LSTM(2)).get_config()
    config["layer"]["class_name"] = "Lambda"
    with pytest.raises(UnknownNameError, match=r"expected a known layer, got 'Lambda'"):
        Bidirectional.from_config(config)


def test_shapes_and_the_summary_count_both_directions() -> None:
    layers = [Bidirectional(LSTM(5, return_sequences=True)), Bidirectional(LSTM(3), "ave")]
    model = Sequential([Input((None, 2)), *layers])
    assert [shape for _, shape in model.shapes()] == [(None, None, 10), (None, 3)]
    printed: list[str] = []
    model.summary(print_fn=printed.append)
    assert f"{2 * 4 * 5 * (2 + 5 + 1)}" in printed[0]
    assert "bidirectional_1 (Bidirectional)" in printed[0]


def test_it_is_called_on_data_by_itself() -> None:
    layer = Bidirectional(LSTM(3))
    y = layer(normal(2, 4, 2))
    assert y.shape == (2, 6)
    assert [w.shape for w in layer.get_weights()] == [(2, 12), (3, 12), (12,)] * 2


# -- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bidirectional(Dense(3)), "expected a recurrent layer, got Dense"),
        (lambda: Bidirectional(LSTM(3), backward_layer=Dropout(0.1)), "expected a recurrent layer"),
        (
            lambda: Sequential([Input((5, 2)), Bidirectional(LSTM(3), None)]),
            "layers with one output, got Bidirectional 'bidirectional' with merge_mode=None",
        ),
        (lambda: Bidirectional(LSTM(3), "mean"), "expected a known merge_mode, got 'mean'"),
        (lambda: Bidirectional(LSTM(3, go_backwards=True)), "got True for both"),
        (
            lambda: Bidirectional(LSTM(3), backward_layer=GRU(3, name="g")),
            "got False for both",
        ),
        (
            lambda: Bidirectional(
                LSTM(3), backward_layer=GRU(3, go_backwards=True, return_sequences=True)
            ),
            "one return_sequences, got False and True",
        ),
        (
            lambda: Bidirectional(LSTM(3), "sum", GRU(4, go_backwards=True)),
            "got 3 and 4 units",
        ),
        (
            lambda: Bidirectional(LSTM(3), "sum", LSTM(3, go_backwards=True, name="forward_lstm")),
            "layers of two names, got 'forward_lstm' twice",
        ),
        (lambda: Bidirectional(LSTM(3), weights=[]), "got \\[\\]. elman does not"),
    ],
)
def test_errors_say_what_to_do(make: Any, words: str) -> None:
    with pytest.raises((OptionError, UnknownNameError), match=words):
        make()


def test_what_cuts_a_sequence_refuses_to_look_ahead() -> None:
    model = Sequential([Input((None, 2)), Bidirectional(LSTM(3, return_sequences=True)), Dense(1)])
    model.compile("sgd", "mse")
    x, y = normal(2, 300, 2), normal(2, 300, 1)
    for cut in (
        model.stream,
        lambda: model.fit(x, y, tbptt=100, verbose=0),
        lambda: model.fit(x, y, recompute=True, verbose=0),
    ):
        with pytest.raises(OptionError, match="got Bidirectional 'bidirectional', which looks at"):
            cut()
    model.fit(x, y, verbose=0)  # "auto" keeps whole sequences


def test_input_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match="Bidirectional 'bidirectional' expected input of shape"):
        Sequential([Input((3,)), Bidirectional(LSTM(2))])
    model = Sequential([Input((None, 3)), Bidirectional(LSTM(2))])
    with pytest.raises(ShapeError):
        model.predict(normal(2, 4, 5), verbose=0)


# -- learning -------------------------------------------------------------------------------------


def test_training_both_ways_learns_what_one_way_cannot() -> None:
    # The target of a step is the input of the next one: only who walks backwards has seen it.
    elman.set_random_seed(2)
    x = normal(128, 6, 1)
    y = np.concatenate([x[:, 1:], 0 * x[:, :1]], axis=1)

    def loss(layer: Any) -> float:
        model = Sequential([Input((None, 1)), layer, Dense(1)])
        model.compile(elman.optimizers.Adam(0.02), "mse")
        return float(model.fit(x, y, epochs=40, verbose=0).history["loss"][-1])

    assert loss(LSTM(8, return_sequences=True)) > 0.5
    assert loss(Bidirectional(LSTM(8, return_sequences=True))) < 0.1


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_without_merging_both_directions_are_returned_as_in_keras(
    sequences, backwards, tmp_path, keras
):

    def made(api):
        options = {"return_sequences": sequences}
        one = api.layers.GRU(4, go_backwards=backwards, **options)
        other = api.layers.LSTM(3, go_backwards=not backwards, **options)
        x = api.Input((6, 2))
        layer = api.layers.Bidirectional(one, merge_mode=None, backward_layer=other)
        return api.Model(x, layer(x))

    model, judge = made(elman), made(keras)
    judge.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("f4")
    wanted = judge.predict(x, verbose=0)
    model.save(tmp_path / "m.keras")
    for found in (
        model.predict(x, verbose=0),
        elman.load(tmp_path / "m.keras").predict(x, verbose=0),
        keras.saving.load_model(tmp_path / "m.keras").predict(x, verbose=0),
    ):
        for y, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(y, expected, atol=1e-5)
