"""stateful=True: row i of a batch goes on from row i of the batch before, whatever plan runs it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
import keras_judge
from cases import cell, every_cell
from elman import Input, Sequential, _core
from elman.errors import DataError, OptionError, ShapeError
from elman.graph import Call, Graph
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
from elman.plan import Plan, Store
from harness import (
    assert_close,
    assert_same_gradients,
    native_targets,
    randomize,
    reference,
    reference_gradients,
)

Array = np.ndarray[Any, np.dtype[Any]]

B, T, F = 3, 4, 2
PARTS = 5

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def sequences(parts: int = PARTS, steps: int = T) -> Array:
    """Long sequences [B, parts * steps, F], with holes of zeros, one longer than a part."""
    rng = np.random.default_rng(parts)
    x = rng.normal(size=(B, parts * steps, F)).astype(np.float32)
    x[rng.random(x.shape[:2]) < 0.2] = 0.0
    x[1, steps : 2 * steps + 1] = 0.0
    return x


def batches(x: Array, parts: int = PARTS) -> Array:
    """Part after part of long sequences as batch after batch of rows."""
    return np.concatenate(np.split(x, parts, axis=1))


def whole(y: Array, parts: int = PARTS) -> Array:
    """The outputs of such batches as those of the long sequences."""
    return np.concatenate(np.split(y, parts), axis=1)


def stack(stateful: bool, name: str = "lstm", *, masked: bool = True) -> Sequential:
    model = Sequential(
        [
            Input((None, F)),
            *([Masking()] if masked else []),
            cell(name, 5, return_sequences=True, stateful=stateful),
            Dense(4, activation="tanh"),
            GRU(3, return_sequences=True, stateful=stateful),
            Dense(2),
        ]
    )
    randomize(model, 3)
    return model


def compiled(model: Sequential) -> Sequential:
    model.compile(elman.optimizers.SGD(0.1), "mse")
    return model


def targets(x: Array, width: int = 2, seed: int = 1) -> Array:
    shape = (*x.shape[:2], width)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# -- what a batch begins with ---------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_batch_after_batch_is_one_long_sequence_to_the_last_bit(
    name: str, threads: int, isa: str
) -> None:
    _core.set_threads(threads)
    x = sequences()
    long = stack(False, name).predict(x, verbose=0)
    model = stack(True, name)
    np.testing.assert_array_equal(whole(model.predict(batches(x), batch_size=B)), long)
    model.reset_states()
    calls = [model.predict(part) for part in np.split(x, PARTS, axis=1)]
    np.testing.assert_array_equal(np.concatenate(calls, axis=1), long)


def test_states_go_on_from_plan_to_plan_until_they_are_reset() -> None:
    x, model, plain = sequences(), stack(True), stack(False)
    long = plain.predict(x)
    compiled(model).evaluate(x[:, :7], targets(x[:, :7]), verbose=0)
    np.testing.assert_array_equal(model.predict(x[:, 7:16]), long[:, 7:16])
    np.testing.assert_array_equal(model(x[:, 16:]), long[:, 16:])
    again = model.predict(x[:, :7])
    assert (again != long[:, :7]).any()
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x[:, :7]), long[:, :7])
    for layer in model.layers:
        layer.reset_states()
    np.testing.assert_array_equal(model(x[:, :7]), long[:, :7])
    # Training goes on from there too, and what follows goes on from training.
    learns = compiled(stack(True))
    learns.compile(elman.optimizers.SGD(0.0), "mse")
    learns.fit(batches(x[:, :16], 4), batches(targets(x[:, :16]), 4), B, shuffle=False, verbose=0)
    np.testing.assert_array_equal(learns.predict(x[:, 16:]), long[:, 16:])


def test_stateful_and_other_layers_may_be_mixed() -> None:
    x = sequences()
    model = stack(True)
    model.layers[3].stateful = False
    parts = [model.predict(part) for part in np.split(x, PARTS, axis=1)]
    plain = stack(False)
    below, above = Sequential(plain.layers[:3]), Sequential(plain.layers[3:])
    hidden = below.predict(x)
    counts = (x != 0).any(axis=-1)
    for part, seen, mask in zip(
        parts, np.split(hidden, PARTS, axis=1), np.split(counts, PARTS, axis=1), strict=True
    ):
        for row in range(B):  # steps that do not count are not there for the layer above
            there = mask[row]
            if there.any():
                alone = above.predict(seen[row : row + 1, there])[0]
                np.testing.assert_allclose(part[row, there], alone, rtol=1e-6, atol=1e-6)


def test_a_layer_called_by_itself_goes_on_too() -> None:
    x = sequences()
    layer = LSTM(4, return_sequences=True, stateful=True)
    parts = [layer(part) for part in np.split(x, PARTS, axis=1)]
    plain = LSTM(4, return_sequences=True)
    plain.build_params((None, None, F))
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), plain(x))
    with pytest.raises(ShapeError, match=r"batches of 3 rows, because LSTM 'lstm' .*got 2"):
        layer(x[:2])
    layer.reset_state()
    assert layer(x[:2]).shape == (2, PARTS * T, 4)


def test_a_bidirectional_layer_carries_the_states_of_both_ways() -> None:
    x = sequences()
    both = Bidirectional(GRU(3, stateful=True, return_sequences=True))
    parts = np.split(x, PARTS, axis=1)
    found = [both(part) for part in parts]
    one, other = both.leaves()
    both.reset_states()
    forward = [one(part) for part in parts]
    backward = [other(part)[:, ::-1] for part in parts]
    for y, a, b in zip(found, forward, backward, strict=True):
        np.testing.assert_array_equal(y, np.concatenate([a, b], axis=-1))


# -- training -------------------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("threads", [1, 2])
def test_training_is_that_of_windows_to_the_last_bit(name: str, threads: int) -> None:
    _core.set_threads(threads)
    x = sequences()
    y = targets(x)
    parts, windows = compiled(stack(True, name)), compiled(stack(False, name))
    reset = elman.callbacks.LambdaCallback(on_epoch_begin=lambda *_: parts.reset_states())
    fitted = parts.fit(
        batches(x), batches(y), B, 3, shuffle=False, verbose=0, callbacks=[reset]
    ).history
    walked = windows.fit(x, y, B, 3, tbptt=T, shuffle=False, verbose=0).history
    np.testing.assert_array_equal(parts.get_weights()[1], windows.get_weights()[1])
    for a, b in zip(parts.get_weights(), windows.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(fitted["loss"], walked["loss"], rtol=1e-6)


def test_states_stay_between_epochs_and_a_run_repeats() -> None:
    x, y = batches(sequences()), batches(targets(sequences()))

    def trained(**how: Any) -> list[Array]:
        model = compiled(stack(True))
        model.fit(x, y, B, 2, shuffle=False, verbose=0, **how)
        return [*model.get_weights(), model.predict(x)]

    twice = [trained(), trained()]
    for a, b in zip(*twice, strict=True):
        np.testing.assert_array_equal(a, b)
    by_hand = compiled(stack(True))
    for _, at in itertools.product(range(2), range(0, len(x), B)):
        by_hand.train_on_batch(x[at : at + B], y[at : at + B])
    for a, b in zip(twice[0], [*by_hand.get_weights(), by_hand.predict(x)], strict=True):
        np.testing.assert_array_equal(a, b)


def test_windows_within_a_batch_leave_their_last_states_to_the_next() -> None:
    x = sequences(4, 6)
    y = targets(x)
    fine, coarse = compiled(stack(True)), compiled(stack(True))
    fine.fit(batches(x, 4), batches(y, 4), B, shuffle=False, verbose=0)
    coarse.fit(batches(x, 2), batches(y, 2), B, tbptt=6, shuffle=False, verbose=0)
    for a, b in zip(fine.get_weights(), coarse.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(fine.predict(x), coarse.predict(x))


@pytest.mark.parametrize("threads", [1, 2])
def test_recomputed_training_begins_and_ends_with_the_same_states(threads: int) -> None:
    _core.set_threads(threads)
    x = sequences(3, 150)
    y = targets(x)
    kept, recomputed = compiled(stack(True)), compiled(stack(True))
    for model, recompute in ((kept, False), (recomputed, True)):
        model.layers[2].stateful = False  # a layer that begins anew, in parts of the same plan
        model.fit(batches(x, 3), batches(y, 3), B, 2, recompute=recompute, shuffle=False, verbose=0)
    for a, b in zip(kept.get_weights(), recomputed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kept.predict(x), recomputed.predict(x), rtol=1e-4, atol=1e-5)


def test_long_sequences_are_predicted_and_evaluated_in_parts() -> None:
    x = sequences(2, 1100)
    y = targets(x)
    model, plain = compiled(stack(True)), compiled(stack(False))
    np.testing.assert_array_equal(whole(model.predict(batches(x, 2), B), 2), plain.predict(x))
    model.reset_states()
    loss = model.evaluate(batches(x, 2), batches(y, 2), B, verbose=0)
    np.testing.assert_allclose(loss, plain.evaluate(x, y, B, verbose=0), rtol=1e-2)
    after = model.predict(x[:, :3])
    model.reset_states()
    model.predict(batches(x, 2), B)
    np.testing.assert_array_equal(model.predict(x[:, :3]), after)


def test_files_as_arrays_give_the_same(tmp_path: Path) -> None:
    x, y = batches(sequences()), batches(targets(sequences()))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    found = []
    for a, b in ((x, y), (np.load(tmp_path / "x.npy", "r"), np.load(tmp_path / "y.npy", "r"))):
        model = compiled(stack(True))
        model.fit(a, b, B, shuffle=False, verbose=0)
        found.append([*model.get_weights(), model.predict(a)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@every_cell
@pytest.mark.parametrize("units", [1, 17])
@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("backwards", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_gradients_from_carried_states_match_complex_step(
    name: str, units: int, steps: int, backwards: bool, policy: str, isa: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _core.set_threads(2)
    model = Sequential(
        [
            Input((None, F)),
            Masking(),
            cell(name, units, go_backwards=backwards, stateful=True, dtype=policy),
            Dense(2),
        ]
    )
    randomize(model, units)
    model.compile(loss="mse")
    layer: Any = model.layers[1]
    x = sequences(1, steps)
    rng = np.random.default_rng(2)
    start = [rng.normal(size=(B, units)).astype(np.float32) for _ in range(layer.states)]
    plan = model.plan_for(x, rows=B, training=True, loss=True, stateful=True)

    plain = Recurrent.formula

    def formula(self: Recurrent, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        own = [np.tile(s.astype(np.float64), (len(x) // B, 1)) for s in start]
        return plain(self, x, weights, mask, own)

    for kind in (SimpleRNN, LSTM, GRU):
        monkeypatch.setattr(kind, "formula", formula)
    exact = policy == "float32" or units < 16
    layer.carried = start
    output, _ = reference(model, x)
    assert_close(model.predict(x), output, 5e-6 if exact else 2e-2)
    y = np.random.default_rng(1).normal(size=output.shape).astype(np.float32)
    layer.carried = start
    plan.begin()
    _, arrays = plan.native.gradients(x, native_targets(y), None, 0, 0)
    names = [f"{la.name}/{p.name}" for la in model.layers for p in la.own_params]
    judge = reference_gradients(model, x, y)
    tolerance = 2e-5 if exact else 5e-2
    assert_same_gradients(dict(zip(names, arrays, strict=True)), judge, tolerance)


# -- rows of a batch ------------------------------------------------------------------------------


def fixed(batch: int) -> Sequential:
    model = Sequential([Input(batch_shape=(batch, None, F)), LSTM(4, stateful=True), Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_the_input_may_fix_the_rows_of_a_batch() -> None:
    model = fixed(4)
    x, y = np.ones((8, 5, F), "f4"), np.ones((8, 1), "f4")
    assert model.input_shape == (4, None, F)
    assert model.output_shape == (4, 1)
    model.fit(x, y, shuffle=False, verbose=0)  # the batch size need not be said again
    assert model.predict(x).shape == (8, 1)
    assert isinstance(model.evaluate(x, y, verbose=0), float)
    for do in (
        lambda: model.predict(x[:2]),
        lambda: model.predict(x, batch_size=8),
        lambda: model.train_on_batch(x, y),
        lambda: model.fit(x, y, batch_size=2),
        lambda: model(x),
    ):
        model.reset_states()
        with pytest.raises(DataError, match=r"batches of 4 rows, which the Input .* fixes, got"):
            do()
    assert repr(model.input) == "Input((None, 2), batch_size=4)"
    assert repr(Input((3, 2), batch_size=7)) == "Input((3, 2), batch_size=7)"
    for options in ({"batch_input_shape": (4, 5, F)}, {"input_shape": (5, F)}):
        asked = Sequential([GRU(3, stateful=True, **options)]).input_shape
        assert asked == (options.get("batch_input_shape", [None])[0], 5, F)
    with pytest.raises(ShapeError, match="for batches of 0"):
        Input((3, 2), batch_size=0)


def test_otherwise_the_first_batch_does() -> None:
    model = compiled(stack(True))
    x, y = batches(sequences()), batches(targets(sequences()))
    model.fit(x, y, batch_size=5, shuffle=False, verbose=0)
    assert model.predict(x).shape == (15, T, 2)  # in batches of 5
    before = [leaf.carried for leaf in model.layers if leaf.stateful]
    for do in (
        lambda: model.predict(x, batch_size=3),
        lambda: model.predict(x[:2]),
        lambda: model.evaluate(x, y, batch_size=15),
        lambda: model.train_on_batch(x[:4], y[:4]),
        lambda: model(x, training=True),
    ):
        with pytest.raises(ShapeError, match=r"batches of 5 rows, .*call reset_states\(\) first"):
            do()
    for old, leaf in zip(before, (la for la in model.layers if la.stateful), strict=True):
        assert old is leaf.carried
    with pytest.raises(DataError, match=r"whole batches of 5 rows.* got 7 rows, of which 2"):
        model.predict(x[:7])
    model.reset_states()
    with pytest.raises(DataError, match="validation expected whole batches of 6 rows"):
        model.fit(x[:12], y[:12], 6, validation_data=(x[12:], y[12:]), shuffle=False, verbose=0)
    assert model.predict(x[:0]).shape == (0, T, 2)
    assert model.predict(x[:7]).shape == (7, T, 2)


def test_validation_goes_on_from_training_as_in_keras() -> None:
    x, y = batches(sequences()), batches(targets(sequences()))
    model = compiled(stack(True))
    history = model.fit(
        x[: 3 * B], y[: 3 * B], B, validation_data=(x[3 * B :], y[3 * B :]), shuffle=False,
        verbose=0,
    ).history  # fmt: skip
    other = compiled(stack(True))
    other.fit(x[: 3 * B], y[: 3 * B], B, shuffle=False, verbose=0)
    assert history["val_loss"] == [other.evaluate(x[3 * B :], y[3 * B :], B, verbose=0)]


def test_shuffled_rows_are_allowed_and_told() -> None:
    x, y = batches(sequences()), batches(targets(sequences()))
    with pytest.warns(UserWarning, match=r"row of lstm, gru \(stateful=True\).*shuffle=False"):
        compiled(stack(True)).fit(x, y, B, verbose=0)
    compiled(stack(False)).fit(x, y, B, verbose=0)


def test_both_layers_of_a_bidirectional_are_stateful_or_none() -> None:
    with pytest.raises(OptionError, match="one stateful, got True and False"):
        Bidirectional(
            LSTM(3, stateful=True), backward_layer=LSTM(3, go_backwards=True, name="back")
        )


# -- who only looks -------------------------------------------------------------------------------


def test_looking_begins_with_zeros_and_leaves_states_alone() -> None:
    x = sequences()
    y = targets(x)
    model, plain = compiled(stack(True)), compiled(stack(False))
    model.predict(x)
    before = model.layers[1].carried
    np.testing.assert_array_equal(model.trace(x)["lstm/state"], plain.trace(x)["lstm/state"])
    assert str(model.gradient_flow(x, y)) == str(plain.gradient_flow(x, y))
    np.testing.assert_array_equal(
        model.stream(sessions=B).run(x.swapaxes(0, 1)), plain.predict(x).swapaxes(0, 1)
    )
    assert model.layers[1].carried is before


def test_the_summary_tells(capsys: pytest.CaptureFixture[str]) -> None:
    stack(True).summary()
    shown = capsys.readouterr().out
    assert "Stateful: lstm, gru." in shown
    assert all(len(line.rstrip()) <= 80 for line in shown.splitlines())
    stack(False).summary()
    assert "Stateful" not in capsys.readouterr().out
    fixed(4).summary()
    assert "(4, 4)" in capsys.readouterr().out


# -- Keras ----------------------------------------------------------------------------------------


def stateful_stack(api: Any) -> Any:
    layers = api.layers
    return api.Sequential(
        [
            api.Input(batch_shape=(B, T, F)),
            layers.Masking(),
            layers.LSTM(5, return_sequences=True, stateful=True),
            layers.Bidirectional(layers.GRU(4, return_sequences=True, stateful=True)),
            layers.SimpleRNN(4, return_sequences=True),
            layers.GRU(3, go_backwards=True, stateful=True),
            layers.Dense(2),
        ]
    )


def test_a_stack_trains_and_predicts_as_in_keras(keras: Any) -> None:
    x = batches(sequences())
    y = np.random.default_rng(5).normal(size=(len(x), 2)).astype("f4")
    asked, found = stateful_stack(keras), stateful_stack(elman)
    start = asked.get_weights()
    keras_judge.with_states(asked)
    found.set_weights(start)

    def reset() -> None:
        found.reset_states()
        for layer in asked.layers:
            if getattr(layer, "stateful", False):
                layer.reset_states()

    history = []
    for model, api in ((asked, keras), (found, elman)):
        model.compile(api.optimizers.SGD(0.2), "mse")
        history.append(model.fit(x, y, B, epochs=4, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*history, rtol=1e-4)
    for a, b, c in zip(found.get_weights(), asked.trainable_variables, start, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-4)
        assert np.abs(a - c).max() > 1e-3, "a training that moves nothing proves nothing"
    first = asked.predict(x, B, verbose=0)
    assert_close(found.predict(x, verbose=0), first, 1e-5)
    scores = asked.evaluate(x, y, B, verbose=0), found.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(*scores, rtol=1e-4)
    reset()
    after = asked.predict(x, B, verbose=0)
    assert_close(found.predict(x, verbose=0), after, 1e-5)
    assert np.abs(after - first).max() > 1e-3, "states that make no difference prove nothing"


def test_files_go_both_ways(keras: Any, tmp_path: Path) -> None:
    x = batches(sequences())
    ours = stateful_stack(elman)
    ours.compile("sgd", "mse")
    randomize(ours, 1)
    ours.save(tmp_path / "ours.keras")
    theirs = keras.saving.load_model(tmp_path / "ours.keras")
    assert theirs.input_shape == (B, T, F)
    assert [getattr(la, "stateful", None) for la in theirs.layers[1:4]] == [True, True, False]
    theirs.save(tmp_path / "theirs.keras")
    back = elman.load(tmp_path / "theirs.keras")
    assert back.input_shape == (B, T, F)
    first = ours.predict(x)
    np.testing.assert_array_equal(back.predict(x), first)
    assert_close(np.asarray(theirs(x[:B])), first[:B], 1e-5)
    assert (back.predict(x) != first).any()
    copied = Sequential.from_config(ours.get_config())
    assert copied.get_config() == ours.get_config()


def test_dropout_draws_for_each_batch() -> None:
    model = Sequential([Input((None, F)), Dropout(0.5), LSTM(3, stateful=True, dropout=0.3)])
    x = np.ones((B, T, F), "f4")
    model(x, training=True)
    model.reset_states()
    a = model(x, training=True)
    model.reset_states()
    assert (a != model(x, training=True)).any()


def test_a_plan_says_no_more_than_it_was_asked() -> None:
    model = stack(True)
    x = sequences()
    model.predict(x)
    assert model.plan_for(x, rows=B).native.states == {}
    assert set(model.plan_for(x, rows=B, stateful=True).native.states) == {"lstm", "gru"}
    shown = model.plan(T)
    assert isinstance(shown, Plan)
    assert str(shown).count(" stateful") == 2


def test_tokens_that_are_sorted_by_length_keep_their_rows(isa: str) -> None:
    _core.set_threads(2)
    tokens = np.random.default_rng(3).integers(0, 9, (5, 12)).astype(np.int32)
    tokens[0, 3:] = tokens[1, :2] = tokens[2, 5:9] = tokens[3] = 0
    found = []
    for stateful, x in ((False, [tokens]), (True, np.split(tokens, 3, axis=1))):
        model = Sequential(
            [
                Embedding(9, 4, mask_zero=True),
                GRU(5, return_sequences=True, stateful=stateful),
                LSTM(3, stateful=stateful),
            ]
        )
        randomize(model, 1)
        found.append([model.predict(part) for part in x][-1])
    np.testing.assert_array_equal(*found)


def test_one_row_that_all_threads_work_on_is_carried_too() -> None:
    _core.set_threads(2)
    x = np.random.default_rng(0).normal(size=(1, 6, 2)).astype(np.float32)
    model = Sequential([Input((None, 2)), LSTM(520, return_sequences=True, stateful=True)])
    parts = [model.predict(x[:, :4]), model.predict(x[:, 4:])]
    model.reset_states()
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), model.predict(x))


def test_a_stateful_layer_is_called_once() -> None:
    layer = GRU(3, stateful=True, return_sequences=True)
    layer.build_params((None, T, 3))
    graph = Graph(1, (Call(layer, (0,), (1,)), Call(layer, (1,), (2,))), (2,))
    store = Store([layer], [(None, T, 3)])
    with pytest.raises(OptionError, match=r"GRU 'gru' once, .*pass states on with initial_state"):
        Plan(store, (T, 3), tokens=False, rows=1, stateful=True, graph=graph)


def test_sequences_of_unequal_length_are_carried_row_by_row() -> None:
    rng = np.random.default_rng(4)
    lengths = [5, 2, 7, 3, 6, 1]  # two batches of three rows
    parts = [rng.normal(size=(n, F)).astype(np.float32) for n in lengths]
    model = Sequential(
        [Input((None, F)), GRU(4, return_sequences=True, stateful=True), LSTM(3, stateful=True)]
    )
    found = model.predict(parts, batch_size=B)
    plain = Sequential([Input((None, F)), GRU(4, return_sequences=True), LSTM(3)])
    plain.set_weights(model.get_weights())
    whole = [np.concatenate([parts[row], parts[row + B]]) for row in range(B)]
    np.testing.assert_array_equal(found[B:], plain.predict(whole))
    np.testing.assert_array_equal(found[:B], plain.predict(parts[:B]))
