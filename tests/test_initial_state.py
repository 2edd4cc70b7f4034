"""initial_state and return_state: states that come from elsewhere, and go elsewhere."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from cases import cell, ends, every_cell, inputs
from elman import Input, Sequential, _core
from elman.errors import DataError, OptionError, ShapeError
from elman.graph import Call, Graph
from elman.layers import GRU, LSTM, Bidirectional, Dense, Embedding, Masking, SimpleRNN
from elman.plan import Plan
from harness import assert_close
from wired import MSE, Wired, judge, named

Array = np.ndarray[Any, np.dtype[Any]]

B, T, F, H = 5, 6, 2, 4


def holes(x: Array) -> Array:
    """Steps of zeros, which Masking skips: at both ends and between; a row of them."""
    x = x.copy()
    x[0, :2] = x[1, 2:4] = x[2, -2:] = x[3] = 0.0
    return x


# -- gradients ------------------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("units", [1, 17])
@pytest.mark.parametrize("backwards", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_go_through_first_and_last_states(
    name: str, units: int, backwards: bool, threads: int, isa: str
) -> None:
    # input 0 -> encoder, whose first states a Dense makes of input 1 and whose output nobody reads;
    # its last states begin a decoder of input 2. The losses see the decoder and its last states.
    _core.set_threads(threads)
    count = 2 if name == "lstm" else 1
    number = itertools.count(3)
    masked = next(number)
    calls = [Call(Masking(), (0,), (masked,))]
    first = []
    for i in range(count):
        first.append(next(number))
        calls.append(Call(named(Dense(units, "tanh"), f"first_{i}"), (1,), (first[-1],)))
    encoder = cell(name, units, go_backwards=backwards, return_state=True)
    out, *last = (next(number) for _ in range(1 + count))
    calls.append(Call(named(encoder, "encoder"), (masked, *first), (out, *last)))
    decoder = cell(name, units, return_sequences=True, return_state=True)
    decoded, *end = (next(number) for _ in range(1 + count))
    calls.append(Call(named(decoder, "decoder"), (2, *last), (decoded, *end)))
    dense = next(number)
    calls.append(Call(Dense(2), (decoded,), (dense,)))
    xs = [holes(inputs(B, T, F)), inputs(B, 3), inputs(B, 4, F)]
    graph = Graph(3, tuple(calls), (dense, *end))
    judge(Wired(graph, [(T, F), (3,), (4, F)], [MSE] * (1 + count)), xs, B)
    # Where no loss sees the end of the decoder, and another reads the encoder's last state twice.
    more = (*calls, Call(named(Dense(3), "again"), (last[0],), (next(number),)))
    graph = Graph(3, more, (dense, more[-1].makes[0], out))
    judge(Wired(graph, [(T, F), (3,), (4, F)], [MSE, MSE, None]), xs, B)


@ends
def test_both_directions_have_states_of_their_own(sequences: bool) -> None:
    both = Bidirectional(LSTM(3, return_sequences=sequences, return_state=True))
    above = named(Bidirectional(LSTM(3)), "above")
    calls = (
        Call(Masking(), (0,), (2,)),
        Call(both, (2,), (3, 4, 5, 6, 7)),
        Call(above, (1, 4, 5, 6, 7), (8,)),
    )
    graph = Graph(2, calls, (3, 8, 6))
    judge(Wired(graph, [(T, F), (3, F)], [MSE] * 3), [holes(inputs(B, T, F)), inputs(B, 3, F)], B)


def test_tokens_that_repeat_begin_with_states_too() -> None:
    embedding, one, other = Embedding(7, 3, mask_zero=True), GRU(4, return_state=True), GRU(4)
    calls = (
        Call(embedding, (0,), (2,)),
        Call(one, (2,), (3, 4)),
        Call(embedding, (1,), (5,)),
        Call(named(other, "other"), (5, 4), (6,)),
    )
    rng = np.random.default_rng(0)
    xs = [rng.integers(0, 7, (B, steps)).astype(np.int32) for steps in (T, 3)]
    judge(Wired(Graph(2, calls, (6,)), [(T,), (3,)], [MSE]), xs, B)


def test_half_precision_products_hand_states_on_too() -> None:
    layer = LSTM(32, return_state=True, return_sequences=True, dtype="mixed_bfloat16")
    x = inputs(B, T, F)
    _, *last = layer(x)
    whole = layer(np.concatenate([x, x[:, ::-1]], axis=1))
    rest = layer(x[:, ::-1], initial_state=last)
    np.testing.assert_array_equal(rest[0], whole[0][:, T:])
    for a, b in zip(rest[1:], whole[1:], strict=True):
        np.testing.assert_array_equal(a, b)


# -- calls ----------------------------------------------------------------------------------------


@every_cell
def test_states_handed_on_continue_a_sequence_to_the_last_bit(name: str, isa: str) -> None:
    layer = cell(name, 7, return_sequences=True, return_state=True)
    x, mask = inputs(B, 11, F), np.random.default_rng(1).random((B, 11)) < 0.6
    whole, *end = layer(x, mask=mask)
    start, *states = layer(x[:, :4], mask=mask[:, :4])
    rest, *last = layer(x[:, 4:], initial_state=states, mask=mask[:, 4:])
    np.testing.assert_array_equal(np.concatenate([start, rest], axis=1), whole)
    for a, b in zip(last, end, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(last[0], rest[:, -1])


def test_masked_steps_carry_an_initial_state_through() -> None:
    layer = LSTM(3, return_state=True, return_sequences=True)
    h, c = inputs(2, B, 3)
    x = inputs(B, T, F)
    mask = np.zeros((B, T), bool)
    y, *last = layer(x, initial_state=[h, c], mask=mask)
    np.testing.assert_array_equal(y, np.repeat(h[:, None], T, axis=1))
    np.testing.assert_array_equal(last[0], h)
    np.testing.assert_array_equal(last[1], c)
    mask[:, 3:] = True  # leading masked steps: as if the sequence began behind them
    found, wanted = layer(x, [h, c], mask), layer(x[:, 3:], [h, c])
    np.testing.assert_array_equal(found[1], wanted[1])
    np.testing.assert_array_equal(found[0][:, 3:], wanted[0])


def test_an_initial_state_goes_before_the_one_that_is_carried() -> None:
    layer = GRU(3, stateful=True, return_state=True)
    x, h = inputs(B, T, F), inputs(B, 3)
    layer(x)
    _, last = layer(x, initial_state=h)
    np.testing.assert_array_equal(layer(x)[1], layer(x, initial_state=last)[1])
    layer.reset_state()
    again, _ = layer(x, initial_state=[h])
    np.testing.assert_array_equal(again, last)


def test_what_a_layer_returns_and_begins_with_is_checked() -> None:
    x, h = inputs(B, T, F), inputs(B, 3)
    layer = LSTM(3)
    for states, error, words in (
        ([h], ShapeError, r"2 initial states of shapes \(rows, 3\), \(rows, 3\), got \(None, 3\)"),
        ([h, h[:, :2]], ShapeError, "as many units"),
        ([h[:2], h], ShapeError, r"shape \(5, units\), a row for each sequence, got \(2, 3\)"),
        ([h[0], h], ShapeError, "a row for each sequence"),
        ([h, h * np.nan], DataError, "finite initial states"),
        ([h, "c"], DataError, "initial states"),
    ):
        with pytest.raises(error, match=words):
            layer(x, initial_state=states)
    with pytest.raises(ShapeError, match=r"a mask of shape \(5, 6\), one value for each step"):
        layer(x, mask=np.ones((B, T, 1)))
    with pytest.raises(ShapeError, match="4 initial states"):
        Bidirectional(LSTM(3))(x, initial_state=[h, h])
    with pytest.raises(OptionError, match="one return_state, got True and False"):
        Bidirectional(
            GRU(3, return_state=True), backward_layer=GRU(3, go_backwards=True, name="back")
        )
    shapes = Bidirectional(LSTM(3, return_state=True)).output_shapes([(None, T, F)])
    assert shapes == [(None, 6), *[(None, 3)] * 4]
    assert [s.shape for s in SimpleRNN(3, return_state=True)(x[:0])] == [(0, 3), (0, 3)]
    assert layer(x, training=True).shape == (B, 3)


def test_a_plan_shows_and_refuses_states() -> None:
    layer = LSTM(3, return_state=True)
    graph = Graph(1, (Call(layer, (0,), (1, 2, 3)),), (1, 2, 3))
    wired = Wired(graph, [(T, F)], [MSE] * 3)
    plan = wired.plan(2)
    assert "lstm" in str(plan)
    assert [plan._shape(slot) for slot in plan.outputs] == [(3,)] * 3
    native = _core.Plan(wired.store.native, T, 2, False, False, 1, carry=True)
    x, h = native.input("x", T, F, False), native.input("h", 0, 3, False)
    options = {"cell": "gru", "units": 3.0}
    with pytest.raises(ValueError, match="own width"):
        native.add("recurrent", "r", [x, native.input("w", 0, 4, False)], [0, 1, 2], options)
    with pytest.raises(ValueError, match="all of its initial states"):
        native.add("recurrent", "r", [x, h], [0, 1, 2], {**options, "cell": "lstm"})
    with pytest.raises(ValueError, match="'r' needs whole sequences"):
        native.add("recurrent", "r", [x, h, h], [0, 1, 2], {**options, "cell": "lstm"})
    assert isinstance(plan, Plan)


def test_a_stack_has_no_place_for_states() -> None:
    with pytest.raises(OptionError, match=r"LSTM 'lstm' .*return_state=True"):
        Sequential([Input((T, F)), LSTM(3, return_state=True), Dense(1)])
    with pytest.raises(OptionError, match="return_state=True"):
        Sequential([Input((T, F)), Bidirectional(GRU(3, return_state=True))])


# -- Keras: every pair of masks and states ---------------------------------------------------------

RNG = np.random.default_rng(7)
LENGTHS = np.array([T, 2, 1, 4, 3])[:, None]
#: Every kind of mask for some rows of one batch.
KINDS = (
    np.ones((B, T), bool),
    np.arange(T) < LENGTHS,  # padded on the right
    np.arange(T) >= T - LENGTHS,  # on the left
    RNG.random((B, T)) < 0.6,  # holes
    np.zeros((B, T), bool),
)
MASKS = {"no mask": None, "every kind": np.concatenate(KINDS)}


def pair(api: Any, name: str, both: bool, **options: Any) -> Any:
    kinds = {"simple_rnn": "SimpleRNN", "lstm": "LSTM"}
    if "before" in name:
        options["reset_after"] = False
    layer = getattr(api.layers, kinds.get(name, "GRU"))(H, **options)
    return api.layers.Bidirectional(layer) if both else layer


@every_cell
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("way", ["forward", "backward", "both"])
def test_states_and_masks_are_those_of_keras(name: str, mask: str, way: str, keras: Any) -> None:
    rows = B * len(KINDS)
    x = inputs(rows, T, F)
    for stateful in (False, True):
        # Keras's own compute_mask fails for a stateful Bidirectional that returns its states.
        options = {
            "return_state": not (stateful and way == "both"),
            "return_sequences": not stateful,
            "go_backwards": way == "backward",
            "stateful": stateful,
        }
        asked, found = (pair(api, name, way == "both", **options) for api in (keras, elman))
        asked.build((rows, T, F))
        found.build_params((None, T, F))
        found.set_weights([RNG.normal(0, 0.6, w.shape).astype("f4") for w in asked.get_weights()])
        asked.set_weights(found.get_weights())
        count = found.states
        states = [inputs(rows, H) * (i + 1) for i in range(count)]
        # Two calls that carry, and one with states from outside.
        for start in (None, None, states) if stateful else (states,):
            wanted = asked(x, initial_state=start, mask=MASKS[mask])
            got = found(x, initial_state=start, mask=MASKS[mask])
            if not options["return_state"]:
                wanted, got = [wanted], [got]
            assert len(got) == len(wanted) == 1 + count * options["return_state"]
            for a, b in zip(got, wanted, strict=True):
                assert_close(a, np.asarray(b), 1e-5)


# -- encoder and decoder ---------------------------------------------------------------------------


def encoder_decoder(api: Any, kind: str) -> tuple[Any, Any, Any]:
    """Keras's classic: what trains, what encodes, and what decodes one step."""
    layers, cell = api.layers, getattr(api.layers, kind)
    source, target = api.Input((None, F)), api.Input((None, 3))
    _, *states = cell(H, return_state=True, name="encoder")(layers.Masking()(source))
    decoder = cell(H, return_sequences=True, return_state=True, name="decoder")
    dense = layers.Dense(3, activation="softmax")
    decoded, *_ = decoder(target, initial_state=states)
    given = [api.Input((H,)) for _ in states]
    step, *last = decoder(target, initial_state=given)
    return (
        api.Model([source, target], dense(decoded)),
        api.Model(source, states),
        api.Model([target, *given], [dense(step), *last]),
    )


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_an_encoder_and_a_decoder_learn_and_translate_as_in_keras(
    kind: str, keras: Any, tmp_path: Path
) -> None:
    x = np.concatenate([holes(inputs(B, T, F))] * 2)
    given = inputs(2 * B, 4, 3)
    y = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, (2 * B, 4))]
    found, start = {}, None
    for api in (keras, elman):
        model, encoder, decoder = encoder_decoder(api, kind)
        start = model.get_weights() if start is None else start
        model.set_weights(start)
        model.compile(api.optimizers.Adam(0.02), "categorical_crossentropy")
        model.fit([x, given], y, batch_size=B, epochs=10, shuffle=False, verbose=0)
        states = encoder.predict(x, verbose=0)
        states = states if isinstance(states, list) else [states]
        steps = []
        for t in range(4):  # its own answers, one after the other
            answer, *states = decoder.predict([given[:, t : t + 1], *states], verbose=0)
            steps.append(answer)
        teacher = model.predict([x, given], verbose=0)
        assert_close(np.concatenate(steps, axis=1), teacher, 1e-5)
        found[api] = model, model.get_weights(), teacher
    theirs, ours = found[keras], found[elman]
    for a, b, c in zip(ours[1], theirs[1], start, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
        assert np.abs(a - c).max() > 1e-3, "a training that moves nothing proves nothing"
    assert_close(ours[2], theirs[2], 1e-4)
    ours[0].save(tmp_path / "ours.keras")
    theirs[0].save(tmp_path / "theirs.keras")
    read = keras.saving.load_model(tmp_path / "ours.keras").predict([x, given], verbose=0)
    assert_close(read, ours[2], 1e-5)
    assert_close(elman.load(tmp_path / "theirs.keras").predict([x, given]), theirs[2], 1e-5)


def test_what_begins_with_states_is_not_cut_in_time() -> None:
    source = Input((None, F))
    _, state = GRU(3, return_state=True)(source)
    model = elman.Model(source, GRU(3, return_sequences=True)(source, initial_state=state))
    model.compile("sgd", "mse")
    x = inputs(2, 1100, F)
    assert model.predict(x).shape == (2, 1100, 3)
    for options in ({"tbptt": 10}, {"recompute": True}):
        with pytest.raises(OptionError, match="one has an initial_state"):
            model.fit(x, inputs(2, 1100, 3), verbose=0, **options)
    with pytest.raises(OptionError, match=r"Masking or Embedding, got mask="):
        GRU(3)(source, mask=np.ones((2, T)))
    with pytest.raises(ShapeError, match="as many units"):
        GRU(4)(source, initial_state=state)


def test_a_model_in_a_graph_is_stateful_too() -> None:
    x = inputs(B, 12, F)
    source = Input(batch_shape=(B, None, F))
    layer = GRU(3, stateful=True, return_state=True, return_sequences=True)
    model = elman.Model(source, layer(source))
    parts = [model.predict(part) for part in np.split(x, 3, axis=1)]
    model.reset_states()
    whole, last = model.predict(x)
    np.testing.assert_array_equal(np.concatenate([y for y, _ in parts], axis=1), whole)
    np.testing.assert_array_equal(parts[-1][1], last)
    with pytest.raises(DataError, match="batches of 5 rows, which the Input"):
        model.predict(x[:2])
    assert "Stateful: gru" in _printed(model)


def _printed(model: Any) -> str:
    text: list[str] = []
    model.summary(print_fn=text.append)
    return "".join(text)
