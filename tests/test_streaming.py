"""Streams: step by step, the numbers that `predict` gives for the whole sequence."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from cases import cell, every_cell
from elman import Input, Sequential, _core
from elman.errors import DataError, NotReadyError, OptionError, ShapeError, UnknownNameError
from elman.layers import GRU, LSTM, Activation, Dense, Dropout, Embedding, Masking
from elman.streaming import SHARED_WORK, Stream
from harness import randomize

Array = np.ndarray[Any, np.dtype[Any]]


def sequences(rows: int, steps: int, features: int = 2) -> Array:
    """Random sequences with holes of zeros, which Masking skips."""
    x = np.random.default_rng(steps).normal(size=(rows, steps, features)).astype(np.float32)
    x[np.random.default_rng(rows).random((rows, steps)) < 0.2] = 0.0
    return x


def prefixes(model: Sequential, x: Array) -> Array:
    """What `predict` says after each step: [rows, steps, outputs]."""
    if len(model.outputs_of(x)[0]) == 2:
        return model.predict(x, verbose=0)
    return np.stack(
        [model.predict(x[:, : t + 1], verbose=0) for t in range(x.shape[1])], axis=1
    )  # fmt: skip


def tokens_model() -> Sequential:
    model = Sequential([Embedding(9, 4, mask_zero=True), GRU(5, return_sequences=True), LSTM(3)])
    randomize(model, 2)
    return model


def small(units: int = 4, features: int = 1, outputs: int = 1) -> Sequential:
    model = Sequential([Input((None, features)), LSTM(units), Dense(outputs)])
    randomize(model, units)
    return model


# -- the same numbers -----------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("units", [1, 7, 17, 33])
@pytest.mark.parametrize("return_sequences", [False, True], ids=["last", "sequences"])
def test_every_step_gives_the_bits_of_predict(
    name: str, units: int, return_sequences: bool, isa: str
) -> None:
    last = cell(name, units, return_sequences=return_sequences)
    for model in (
        Sequential([Input((None, 2)), cell(name, units, return_sequences=return_sequences)]),
        Sequential(
            [
                Input((None, 2)), Masking(), cell(name, 3, return_sequences=True), Dropout(0.5),
                Dense(5), Activation("relu"), last, Dense(3, activation="softmax"),
            ]
        ),
    ):  # fmt: skip
        randomize(model, units)
        x = sequences(3, 20)
        wanted = prefixes(model, x)
        many, one = model.stream(sessions=3), model.stream()
        np.testing.assert_array_equal(
            [many.step(x[:, t]) for t in range(20)], wanted.swapaxes(0, 1)
        )
        for row in range(3):
            one.reset()
            np.testing.assert_array_equal([one.step(step) for step in x[row]], wanted[row])
            one.reset()
            np.testing.assert_array_equal(one.run(x[row]), wanted[row])


@every_cell
@pytest.mark.parametrize("activation", ["tanh", "softsign"])
@pytest.mark.parametrize("units", [1, 5, 17, 150])
def test_one_row_gives_the_bits_of_many(name: str, isa: str, units: int, activation: str) -> None:
    # 150: full tiles of blocks and a rest, whatever the width of vectors.
    layer = cell(name, units)
    layer.activation = activation
    model = Sequential([Input((None, 2)), Masking(), layer])
    randomize(model, 1)
    x = sequences(7, 5)
    wanted = model.predict(x, verbose=0)
    np.testing.assert_array_equal(
        np.concatenate([model.predict(x[row : row + 1], verbose=0) for row in range(7)]), wanted
    )
    np.testing.assert_array_equal(model.stream().run(x[6])[-1], wanted[6])


@every_cell
def test_activations_of_choice_stream_as_they_predict(name: str, isa: str) -> None:
    layer = cell(name, 5)
    layer.activation, layer.recurrent_activation = "softsign", "hard_sigmoid"
    model = Sequential([Input((None, 2)), layer])
    randomize(model, 4)
    x = sequences(1, 12)
    np.testing.assert_array_equal(model.stream().run(x[0]), prefixes(model, x)[0])


def test_tokens_stream_as_they_predict(isa: str) -> None:
    model = tokens_model()
    tokens = np.random.default_rng(3).integers(0, 9, (4, 40)).astype(np.int32)
    tokens[:, 5:8] = 0
    wanted = prefixes(model, tokens)
    one, many = model.stream(), model.stream(sessions=4)
    np.testing.assert_array_equal([one.step(int(t)) for t in tokens[2]], wanted[2])
    one.reset()
    np.testing.assert_array_equal([one.step(t) for t in tokens[2]], wanted[2])  # int32 scalars
    one.reset()
    np.testing.assert_array_equal(one.run(tokens[2]), wanted[2])
    for kind in (np.int32, np.int64, np.uint8, np.float64, list):
        many.reset()
        steps = [t.tolist() if kind is list else t.astype(kind) for t in tokens.T]
        np.testing.assert_array_equal([many.step(t) for t in steps], wanted.swapaxes(0, 1))
    many.reset()
    np.testing.assert_array_equal(many.run(tokens.T), wanted.swapaxes(0, 1))


@pytest.mark.parametrize("sessions", [5, 40])
def test_some_sessions_step_and_the_others_stay(sessions: int, isa: str) -> None:
    model = Sequential([Input((None, 2)), LSTM(5, return_sequences=True), GRU(7)])
    randomize(model, 1)
    stream = model.stream(sessions=sessions)
    rng = np.random.default_rng(sessions)
    so_far: list[list[Array]] = [[] for _ in range(sessions)]
    for turn in range(30):
        chosen = rng.permutation(sessions)[: rng.integers(1, sessions + 1)]
        steps = int(rng.integers(1, 4)) if turn % 3 else 1
        x = rng.normal(size=(steps, len(chosen), 2)).astype(np.float32)
        given = [chosen, chosen.tolist(), tuple(chosen.tolist()), chosen.astype(np.int32)][turn % 4]
        y = stream.run(x, sessions=given) if steps > 1 else stream.step(x[0], sessions=given)[None]
        for i, session in enumerate(chosen):
            so_far[session] += list(x[:, i])
            alone = model.predict(np.stack(so_far[session])[None], verbose=0)[0]
            np.testing.assert_array_equal(y[-1, i], alone)


def test_large_streams_on_several_threads_give_the_same_bits() -> None:
    model = Sequential([Input((None, 3)), LSTM(64), Dense(2)])
    randomize(model, 1)
    x = np.random.default_rng(1).normal(size=(4, 301, 3)).astype(np.float32)
    _core.set_threads(3)
    shared = model.stream(sessions=301)
    assert shared._plan.native.threads == 3
    assert model.stream(sessions=2)._plan.native.threads == 1
    assert shared._plan.flops * 301 > SHARED_WORK
    _core.set_threads(1)
    alone = model.stream(sessions=301)
    few = np.arange(0, 301, 7)
    for i in range(4):
        np.testing.assert_array_equal(shared.step(x[i]), alone.step(x[i]))
        most = np.random.default_rng(i).permutation(301)[:290]
        for chosen in (few, most):
            np.testing.assert_array_equal(
                shared.step(x[i][chosen], sessions=chosen),
                alone.step(x[i][chosen], sessions=chosen),
            )
    np.testing.assert_array_equal(shared.run(x), alone.run(x))


def test_a_model_without_states_streams_too() -> None:
    model = Sequential([Input((3,)), Dense(4, activation="tanh"), Dense(2)])
    x = sequences(1, 6, 3)[0]
    stream = model.stream()
    np.testing.assert_array_equal(stream.run(x), model.predict(x, verbose=0))
    assert stream.state == {}


# -- what goes in and out -------------------------------------------------------------------------


def test_a_number_in_is_a_number_out_where_there_is_one_output() -> None:
    model = small()
    wanted = model.predict(np.float32([[[0.5]]]), verbose=0)[0]
    for x in (0.5, np.float64(0.5), np.float32(0.5), np.array(0.5, np.float32)):
        y = model.stream().step(x)
        assert type(y) is float
        assert y == wanted[0]
    assert type(model.stream().step(1)) is float
    for x in (
        [0.5],
        (0.5,),
        np.array([0.5]),
        np.array([0.5, 9], np.float32)[::2],
        np.float16([0.5]),
    ):
        y = model.stream().step(x)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, wanted)
    assert model.stream(sessions=1).step(0.5, sessions=None) == wanted[0]
    assert small(outputs=2).stream().step(0.5).shape == (2,)
    assert small().stream().step([[0.5]], sessions=[0]).shape == (1, 1)


@pytest.mark.parametrize("outputs", [1, 33, 300])
def test_results_are_arrays_of_their_own(outputs: int) -> None:
    model = small(outputs=outputs)
    stream = model.stream()
    x = np.float32([0.5])
    first = stream.step(x)
    kept = first.copy()
    stream.step(x)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(first, model.predict(x[None, None], verbose=0)[0])
    assert first.flags.owndata


def test_out_is_written_and_returned() -> None:
    model = small(outputs=3)
    x = sequences(2, 5, 1)
    for sessions, given, shape in ((1, x[0], (3,)), (2, x.swapaxes(0, 1), (2, 3))):
        plain, written = (model.stream(sessions=sessions) for _ in range(2))
        out = np.zeros(shape, np.float32)
        for step in given:
            assert written.step(step, out=out) is out
            np.testing.assert_array_equal(out, plain.step(step))
            assert written.step(step.tolist(), out=out) is out
            np.testing.assert_array_equal(out, plain.step(step))
            strided = np.zeros((*shape, 2), np.float32)[..., 0]
            assert written.step(step, out=strided) is strided
            np.testing.assert_array_equal(strided, plain.step(step))
        room = np.zeros((len(given), *shape), np.float32)
        assert written.run(given, out=room) is room
        np.testing.assert_array_equal(room, plain.run(given))


def test_no_steps_give_no_outputs_and_move_nothing() -> None:
    stream = small().stream()
    stream.step(0.5)
    before = stream.state
    assert stream.run(np.empty((0, 1), np.float32)).shape == (0, 1)
    np.testing.assert_array_equal(stream.state["lstm"]["c"], before["lstm"]["c"])
    assert small().stream(sessions=3).run(np.empty((0, 3, 1))).shape == (0, 3, 1)


# -- states ---------------------------------------------------------------------------------------


@every_cell
def test_a_stream_goes_on_elsewhere_from_its_state(name: str, isa: str) -> None:
    model = Sequential([Input((None, 2)), cell(name, 17, return_sequences=True), cell(name, 3)])
    randomize(model, 1)
    x = sequences(4, 16)
    for sessions, given in ((1, x[0]), (4, x.swapaxes(0, 1))):
        stream = model.stream(sessions=sessions)
        stream.run(given[:9])
        kept = pickle.loads(pickle.dumps(stream.state))
        other = model.stream(sessions=sessions)
        other.state = kept
        np.testing.assert_array_equal(other.run(given[9:]), stream.run(given[9:]))
        for layer, units in zip(model.layers, (17, 3), strict=True):
            assert list(kept[layer.name]) == ["h", "c"][: 1 + name.startswith("lstm")]
            for value in kept[layer.name].values():
                assert value.shape == ((units,) if sessions == 1 else (sessions, units))
    # The output of a model that ends in a recurrent layer is its h.
    y = stream.step(given[0])
    np.testing.assert_array_equal(stream.state[model.layers[1].name]["h"], y)


def test_the_state_of_some_layers_can_be_set_alone() -> None:
    model = Sequential([Input((None, 1)), LSTM(3, return_sequences=True), GRU(2)])
    stream = model.stream()
    stream.step(0.5)
    before = stream.state
    stream.state = {"gru": {"h": [1, 2]}}
    np.testing.assert_array_equal(stream.state["gru"]["h"], [1, 2])
    np.testing.assert_array_equal(stream.state["lstm"]["c"], before["lstm"]["c"])


def test_reset_begins_new_sequences() -> None:
    model = small(features=2)
    x = sequences(3, 6).swapaxes(0, 1)
    stream = model.stream(sessions=3)
    first = stream.run(x)
    stream.reset()
    np.testing.assert_array_equal(stream.run(x), first)
    stream.reset(sessions=[2, 0])
    again = stream.run(x)
    np.testing.assert_array_equal(again[:, [0, 2]], first[:, [0, 2]])
    assert (again[:, 1] != first[:, 1]).any()


# -- weights that change --------------------------------------------------------------------------


def test_a_step_sees_weights_that_were_set() -> None:
    model = small()
    stream = model.stream()
    x = np.float32([[[0.1], [0.2], [0.3]]])
    stream.step(0.1)
    model.set_weights([w * 2 for w in model.get_weights()])
    stream.reset()
    np.testing.assert_array_equal(stream.run(x[0]), prefixes(model, x)[0])


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_a_step_sees_what_was_learned_since(optimizer: str) -> None:
    model = tokens_model()
    model.compile(optimizer, loss="mean_squared_error")
    tokens = np.random.default_rng(1).integers(0, 9, (16, 6))
    tokens[:, 0] = 8
    stream = model.stream()
    for _ in range(2):
        model.fit(tokens[:, 1:] // 2, np.zeros((16, 3)), epochs=2, verbose=0)
        stream.reset()
        y = stream.step(
            8
        )  # a token that no batch touched, which the optimizer moved on all the same
        np.testing.assert_array_equal(y, model.predict([[8]], verbose=0)[0])
        np.testing.assert_array_equal(stream.step(3), model.predict([[8, 3]], verbose=0)[0])


def test_weights_that_another_model_took_over_are_found_again() -> None:
    layer = LSTM(4)
    model = Sequential([Input((None, 1)), layer])
    stream = model.stream()
    stream.step(0.5)
    other = Sequential([Input((None, 1)), layer, Dense(1)])
    other.compile("sgd", loss="mean_squared_error")
    other.fit(np.ones((4, 3, 1)), np.ones((4, 1)), verbose=0)
    stream.reset()
    y = stream.step(0.5)
    np.testing.assert_array_equal(y, model.predict([[[0.5]]], verbose=0)[0])
    other.fit(np.ones((4, 3, 1)), np.ones((4, 1)), verbose=0)
    stream.reset()
    changed = stream.step(np.float32([0.5]))
    assert (changed != y).any()
    np.testing.assert_array_equal(changed, model.predict([[[0.5]]], verbose=0)[0])


def test_a_stream_goes_on_when_the_instruction_set_is_changed() -> None:
    model = small(units=17)
    x = np.float32([0.1, 0.2, 0.3, 0.4])
    streams = []
    for isa in _core.available_isas():
        _core.use_isa(isa)
        stream = model.stream()
        stream.step(float(x[0]))
        streams.append(stream)
    for isa in _core.available_isas():
        _core.use_isa(isa)
        for stream in streams:
            assert stream.step(0.2) is not None
    for stream in streams:
        np.testing.assert_allclose(
            stream.state["lstm"]["c"], streams[0].state["lstm"]["c"], rtol=1e-5, atol=1e-6
        )


# -- what is refused ------------------------------------------------------------------------------


def test_a_layer_that_looks_ahead_is_refused() -> None:
    model = Sequential([Input((None, 1)), GRU(3, go_backwards=True)])
    with pytest.raises(OptionError, match="walk forward in time, got GRU 'gru'"):
        model.stream()


def test_a_model_without_weights_is_refused() -> None:
    with pytest.raises(NotReadyError, match="expected weights before stream"):
        Sequential([LSTM(3)]).stream()
    for sessions in (0, -1, 1.5, True, "2"):
        with pytest.raises(OptionError, match="sessions to be a whole number >= 1"):
            small().stream(sessions=sessions)


BAD_STEPS: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (np.zeros((3, 3), np.float32), {}, ShapeError, r"shape \(3, 2\) .*got shape \(3, 3\)"),
    (np.zeros(2, np.float32), {}, ShapeError, r"shape \(3, 2\)"),
    (0.5, {}, ShapeError, r"shape \(3, 2\)"),
    ([[1, 2], [3]], {}, ShapeError, "unequal length"),
    (None, {}, DataError, "got None"),
    ("abc", {}, DataError, "numbers"),
    (np.float32([[1, 2], [np.nan, 1], [1, 1]]), {}, DataError, "finite inputs, got nan at row 1"),
    (np.float64([[1, 2], [1e300, 1], [1, 1]]), {}, DataError, "finite inputs, got inf"),
    (np.zeros((1, 2)), {"sessions": [3]}, OptionError, "sessions from 0 to 2, got 3"),
    (np.zeros((1, 2)), {"sessions": [-1]}, OptionError, "sessions from 0 to 2, got -1"),
    (np.zeros((1, 2)), {"sessions": [2**70]}, OptionError, "list of whole numbers"),
    (np.zeros((2, 2)), {"sessions": [1, 1]}, OptionError, "each session once, got session 1 twice"),
    (np.zeros((1, 2)), {"sessions": 1}, OptionError, "list of whole numbers, got 1"),
    (np.zeros((1, 2)), {"sessions": [0.5]}, OptionError, "list of whole numbers"),
    (np.zeros((1, 2)), {"sessions": []}, OptionError, "list of whole numbers"),
    (np.zeros((1, 2)), {"sessions": [True]}, OptionError, "list of whole numbers"),
    (np.zeros((3, 2)), {"sessions": [1]}, ShapeError, r"shape \(1, 2\)"),
    (np.zeros((3, 2)), {"out": np.zeros(3, np.float32)}, ShapeError, r"out as a writable float32"),
    (np.zeros((3, 2)), {"out": np.zeros((3, 1))}, ShapeError, r"float32 array of shape \(3, 1\)"),
    (np.zeros((3, 2)), {"out": [0, 0, 0]}, ShapeError, "got list"),
]


@pytest.mark.parametrize(("x", "options", "kind", "message"), BAD_STEPS)
def test_a_step_that_does_not_fit_moves_nothing(
    x: Any, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    stream = small(features=2).stream(sessions=3)
    stream.step(np.ones((3, 2)))
    before = stream.state["lstm"]["c"]
    with pytest.raises(kind, match=message):
        stream.step(x, **options)
    np.testing.assert_array_equal(stream.state["lstm"]["c"], before)


def test_out_that_cannot_be_written_is_refused() -> None:
    out = np.zeros((3, 1), np.float32)
    out.flags.writeable = False
    with pytest.raises(ShapeError, match="writable"):
        small(features=2).stream(sessions=3).step(np.zeros((3, 2), np.float32), out=out)


def test_tokens_and_numbers_outside_their_range_are_refused() -> None:
    stream = tokens_model().stream()
    for token in (9, -1, 2**40, np.int64(9), [9][0]):
        with pytest.raises(DataError, match="tokens from 0 to 8"):
            stream.step(token)
    with pytest.raises(DataError, match=r"whole numbers as tokens, got 0\.5"):
        stream.step(0.5)
    with pytest.raises(ShapeError, match="a single token"):
        stream.step([1])
    for number in (float("nan"), float("inf"), 1e300):
        with pytest.raises(DataError, match="finite"):
            small().stream().step(number)
    with pytest.raises(ShapeError, match="one entry per step"):
        small().stream().run(0.5)
    with pytest.raises(ShapeError, match=r"shape \(1,\)"):
        small().stream().run(np.zeros((4, 2)))


def test_wrong_calls_are_python_errors() -> None:
    model: Any = small()
    stream: Any = model.stream()
    for call in (
        lambda: stream.step(),
        lambda: stream.step(1.0, None, None, None),
        lambda: stream.step(1.0, x=1.0),
        lambda: stream.step(1.0, session=[0]),
        lambda: Stream.step(model, 1.0),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(AttributeError):
        Stream.__new__(Stream).step(1.0)


BAD_STATES: list[tuple[Any, type[Exception], str]] = [
    ([1], OptionError, "dict by layer name, got list"),
    ({"gru": {"h": np.zeros(4)}}, UnknownNameError, "layer with states, got 'gru'"),
    ({"lstm": {"h": np.zeros(4)}}, OptionError, r"states \['h', 'c'\] .* got \['h'\]"),
    ({"lstm": np.zeros(4)}, OptionError, "got ndarray"),
    ({"lstm": {"h": np.zeros(4), "c": np.zeros(5)}}, ShapeError, r"c .* shape \(4,\), got \(5,\)"),
    ({"lstm": {"h": np.zeros(4), "c": np.full(4, np.inf)}}, DataError, "finite states, got c"),
    ({"lstm": {"h": "abcd", "c": np.zeros(4)}}, DataError, "numbers"),
]


@pytest.mark.parametrize(("states", "kind", "message"), BAD_STATES)
def test_states_that_do_not_fit_change_nothing(
    states: Any, kind: type[Exception], message: str
) -> None:
    stream = small().stream()
    stream.step(0.5)
    before = stream.state["lstm"]
    with pytest.raises(kind, match=message):
        stream.state = states
    for name, value in stream.state["lstm"].items():
        np.testing.assert_array_equal(value, before[name])


def test_a_stream_says_what_it_is_and_stays_where_it_is() -> None:
    stream = small(features=3, outputs=2).stream(sessions=5)
    assert repr(stream) == "<Stream of 'sequential': 5 sessions, 3 features -> 2 outputs a step>"
    for away in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(NotReadyError, match="stay in its process"):
            away(stream)


# -- several at once ------------------------------------------------------------------------------


def test_two_streams_of_a_model_do_not_disturb_each_other() -> None:
    model = small()
    x = sequences(2, 12, 1)
    wanted = prefixes(model, x)
    first, second = model.stream(), model.stream()
    for t in range(12):
        np.testing.assert_array_equal(first.step(x[0, t]), wanted[0, t])
        np.testing.assert_array_equal(second.step(x[1, t]), wanted[1, t])


def together(*jobs: Any) -> None:
    """Runs the jobs on threads of their own; the first error of any is raised."""
    errors: list[BaseException] = []

    def run(job: Any) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("units", [3, 200], ids=["small", "large"])
def test_threads_step_streams_and_sessions_side_by_side(units: int) -> None:
    model = small(units=units)
    x = sequences(6, 60, 1)
    wanted = prefixes(model, x[:, :60])
    shared = model.stream(sessions=4)
    alone = [model.stream(), model.stream()]

    def session(row: int) -> Any:
        def job() -> None:
            for t in range(60):
                y = shared.step(x[None, row, t], sessions=[row])
                np.testing.assert_array_equal(y[0], wanted[row, t])

        return job

    def stream(i: int) -> Any:
        def job() -> None:
            for t in range(60):
                np.testing.assert_array_equal(alone[i].step(x[4 + i, t]), wanted[4 + i, t])

        return job

    together(*[session(row) for row in range(4)], stream(0), stream(1))


def test_a_stream_steps_while_the_model_learns() -> None:
    model = small()
    model.compile("sgd", loss="mean_squared_error")
    x = sequences(64, 30, 1)
    stream = model.stream()
    done = threading.Event()

    def learn() -> None:
        try:
            model.fit(x, np.zeros((64, 1)), epochs=30, verbose=0)
        finally:
            done.set()

    def step() -> None:
        while not done.is_set():
            assert np.isfinite(stream.step(0.5))
            assert np.isfinite(stream.state["lstm"]["h"]).all()

    together(learn, step)
    stream.reset()
    np.testing.assert_array_equal(stream.run(x[0]), prefixes(model, x[:1])[0])


def test_elman_exports_the_stream_of_a_model() -> None:
    assert isinstance(small().stream(), Stream)
    assert elman.Sequential.stream.__doc__
    assert "sessions" in (Stream.step.__doc__ or "")


def test_a_mapped_file_of_whole_numbers_can_be_run_through(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(-5, 5, (50, 2)).astype(np.int16)
    np.save(tmp_path / "x.npy", x)
    model = Sequential([Input((None, 2)), LSTM(5), Dense(1)])
    from_file = model.stream().run(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert np.array_equal(from_file, model.stream().run(x.astype(np.float32)))
