"""Layers that move, convolve or pool steps, masks that end at them, and TimeDistributed.

Formulas and their complex-step derivatives judge every op; real Keras judges outputs, masks, twenty
training steps and files of stacks that mix these layers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import elman
import trainings
from cases import normal
from elman import Input, OptionError, Sequential, ShapeError, _core, layers
from elman.errors import ElmanWarning
from harness import assert_close, judged, randomize, reference, training_forward
from trainings import differences

Array = np.ndarray[Any, np.dtype[Any]]
Layers = Callable[[Any], list[Any]]


#: Each from an api; they take [rows, 7, width].
OPS: dict[str, Callable[[Any], Any]] = {
    "flatten": lambda api: api.layers.Flatten(),
    "reshape to one axis": lambda api: api.layers.Reshape((-1,)),
    "reshape to other steps": lambda api: api.layers.Reshape((-1, 7)),
    "permute": lambda api: api.layers.Permute((2, 1)),
    "permute nothing": lambda api: api.layers.Permute((1, 2)),
    "pad": lambda api: api.layers.ZeroPadding1D((1, 3)),
    "crop": lambda api: api.layers.Cropping1D((2, 1)),
    "upsample": lambda api: api.layers.UpSampling1D(3),
    "max": lambda api: api.layers.MaxPooling1D(),
    "max that overlap": lambda api: api.layers.MaxPooling1D(3, 1),
    "max same": lambda api: api.layers.MaxPooling1D(4, 3, "same"),
    "mean with gaps": lambda api: api.layers.AveragePooling1D(2, 3),
    "mean same": lambda api: api.layers.AveragePooling1D(4, 2, "same"),
    "max of all": lambda api: api.layers.GlobalMaxPooling1D(),
    "max of all, kept": lambda api: api.layers.GlobalMaxPooling1D(keepdims=True),
    "mean of all": lambda api: api.layers.GlobalAveragePooling1D(),
    "mean of all, kept": lambda api: api.layers.GlobalAveragePooling1D(keepdims=True),
    "step by step": lambda api: api.layers.TimeDistributed(api.layers.Dense(5, "tanh")),
    "conv": lambda api: api.layers.Conv1D(9, 3),
    "conv of one step": lambda api: api.layers.Conv1D(3, 1, use_bias=False),
    "conv over all": lambda api: api.layers.Conv1D(70, 7),
    "conv same": lambda api: api.layers.Conv1D(4, 4, padding="same", activation="relu"),
    "conv causal": lambda api: api.layers.Conv1D(4, 3, padding="causal", activation="softmax"),
    "conv dilated": lambda api: api.layers.Conv1D(5, 3, dilation_rate=2, padding="same"),
    "conv in strides": lambda api: api.layers.Conv1D(17, 2, strides=3),
    "conv causal in strides": lambda api: api.layers.Conv1D(2, 3, strides=2, padding="causal"),
    "conv same in strides": lambda api: api.layers.Conv1D(2, 4, strides=3, padding="same"),
}


@pytest.mark.parametrize("width", [1, 7, 17, 33])
@pytest.mark.parametrize("name", OPS)
def test_an_op_and_its_gradients_are_those_of_its_formula(name: str, width: int, isa: str) -> None:
    stack = [Input((7, 3)), layers.Dense(width), OPS[name](elman)]
    judged(Sequential(stack), normal(3, 7, 3))


@pytest.mark.parametrize("name", OPS)
def test_an_op_is_that_of_keras(name: str, keras: ModuleType, isa: str) -> None:
    ours = Sequential([Input((7, 4)), OPS[name](elman)])
    theirs = keras.Sequential([keras.Input((7, 4)), OPS[name](keras)])
    assert ours.output_shape == theirs.output_shape
    randomize(ours)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    theirs.set_weights(ours.get_weights())
    x = normal(5, 7, 4)
    np.testing.assert_allclose(
        ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_any_number_of_rows_and_threads_gives_the_same(rows: int, threads: int, isa: str) -> None:
    _core.set_threads(threads)
    stack = [layers.Conv1D(6, 2), layers.MaxPooling1D(2), layers.Flatten(), layers.RepeatVector(3)]
    judged(Sequential([Input((6, 3)), *stack, layers.GRU(4), layers.Dense(1)]), normal(rows, 6, 3))


def test_one_step_is_enough_for_every_layer_that_does_not_need_more(isa: str) -> None:
    longer = {"crop", "max", "max that overlap", "mean with gaps", "conv", "conv over all"}
    for name in OPS.keys() - longer - {"reshape to other steps", "conv in strides"}:
        judged(Sequential([Input((1, 2)), layers.Dense(3), OPS[name](elman)]), normal(2, 1, 2))


def test_a_batch_of_no_rows_gives_no_outputs() -> None:
    for name, make in OPS.items():
        model = Sequential([Input((7, 4)), make(elman)])
        found = model.predict(np.empty((0, 7, 4)), verbose=0)
        assert found.shape == (0, *model.output_shape[1:]), name


def test_repeat_vector_stands_between_an_encoder_and_a_decoder(isa: str) -> None:
    stack = [layers.LSTM(5), layers.RepeatVector(4), layers.LSTM(3, return_sequences=True)]
    judged(
        Sequential([Input((None, 3)), *stack, layers.TimeDistributed(layers.Dense(2))]),
        normal(3, 6, 3),
    )


def test_gradients_of_repeats_add_up_and_equal_numbers_share_a_largest(isa: str) -> None:
    x = np.array([[[2.0], [2.0], [1.0]]], np.float32)
    judged(Sequential([Input((3, 1)), layers.Dense(1), layers.UpSampling1D(2)]), x)
    model = Sequential([Input((3, 1)), layers.Dense(1), layers.GlobalMaxPooling1D()])
    model.compile(loss="mean_squared_error")
    model.set_weights([np.ones((1, 1), "f4"), np.zeros(1, "f4")])
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((1, 1)), verbose=0)
    # d (2 w + b)^2 is 4 (2 w + b) in w, once and not once for each of the two largest.
    np.testing.assert_allclose(model.get_weights()[0], 1 - 0.01 * 2 * 2 * 2, rtol=1e-6)


# -- masks ----------------------------------------------------------------------------------------

TOKENS = np.array([[3, 1, 4, 0, 0, 0], [0, 0, 5, 2, 0, 1], [1, 2, 3, 4, 5, 6]], np.int32)

#: Layers that cannot use a mask.
ENDS: dict[str, Callable[[Any], Any]] = {
    "Conv1D": lambda api: api.layers.Conv1D(3, 2, padding="same"),
    "Cropping1D": lambda api: api.layers.Cropping1D(1),
    "Flatten": lambda api: api.layers.Flatten(),
    "GlobalMaxPooling1D": lambda api: api.layers.GlobalMaxPooling1D(),
    "AveragePooling1D": lambda api: api.layers.AveragePooling1D(2),
    "MaxPooling1D": lambda api: api.layers.MaxPooling1D(2),
    "Permute": lambda api: api.layers.Permute((2, 1)),
    "Reshape": lambda api: api.layers.Reshape((3, 8)),
    "UpSampling1D": lambda api: api.layers.UpSampling1D(2),
    "ZeroPadding1D": lambda api: api.layers.ZeroPadding1D(1),
}
#: Layers that use it or hand it on.
HEEDS: dict[str, Callable[[Any], Any]] = {
    "GaussianNoise": lambda api: api.layers.GaussianNoise(0.0),
    "GlobalAveragePooling1D": lambda api: api.layers.GlobalAveragePooling1D(),
    "LeakyReLU": lambda api: api.layers.LeakyReLU(),
    "ReLU": lambda api: api.layers.ReLU(),
    "SpatialDropout1D": lambda api: api.layers.SpatialDropout1D(0.0),
    "TimeDistributed": lambda api: api.layers.TimeDistributed(api.layers.Dense(2)),
}


def behind_a_mask(api: Any, make: Callable[[Any], Any]) -> Any:
    """A layer behind masked tokens, and a recurrent one that would use what mask is left."""
    made = make(api)
    flat = type(made).__name__ in ("Flatten", "GlobalMaxPooling1D", "GlobalAveragePooling1D")
    above = api.layers.Dense(2) if flat else api.layers.GRU(3)
    return api.Sequential(
        [api.Input((6,)), api.layers.Embedding(7, 4, mask_zero=True), made, above]
    )


def warned(run: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        run()
    return [str(w.message) for w in seen if "mask" in str(w.message)]


@pytest.mark.parametrize("name", [*ENDS, *HEEDS])
def test_a_mask_goes_as_far_as_in_keras_and_its_end_is_told(name: str, keras: ModuleType) -> None:
    make = {**ENDS, **HEEDS}[name]
    ours = behind_a_mask(elman, make)
    randomize(ours, 3)
    theirs: list[Any] = []
    keras_warned = warned(lambda: theirs.append(behind_a_mask(keras, make)))
    theirs[0].set_weights(ours.get_weights())
    told = warned(lambda: ours.predict(TOKENS, verbose=0))
    assert bool(told) == bool(keras_warned) == (name in ENDS)
    with warnings.catch_warnings(action="ignore"):
        wanted = theirs[0].predict(TOKENS, verbose=0)
    np.testing.assert_allclose(ours.predict(TOKENS, verbose=0), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ENDS)
def test_the_warning_is_given_once_and_names_the_layer_and_the_source(name: str) -> None:
    model = behind_a_mask(elman, ENDS[name])
    with pytest.warns(ElmanWarning) as seen:
        model.predict(TOKENS, verbose=0)
        model.predict(TOKENS, verbose=0)
        model.compile(loss="mse")
        model.evaluate(TOKENS, model.predict(TOKENS, verbose=0), verbose=0)
    (text,) = {str(w.message) for w in seen}
    assert len(seen) == 1
    assert model.layers[1].label in text and "'embedding'" in text


@pytest.mark.filterwarnings("ignore::elman.errors.ElmanWarning")
@pytest.mark.parametrize("name", [*ENDS, *HEEDS])
def test_gradients_behind_a_mask_are_those_of_the_formulas(name: str, isa: str) -> None:
    judged(behind_a_mask(elman, {**ENDS, **HEEDS}[name]), TOKENS)


def test_the_mean_of_a_row_without_a_step_that_counts_is_zero_and_trains_nothing() -> None:
    model = Sequential([Input((3, 2)), layers.Masking(), layers.GlobalAveragePooling1D()])
    x = normal(2, 3, 2)
    x[1] = 0
    assert_close(model.predict(x, verbose=0), reference(model, x)[0])
    np.testing.assert_array_equal(model.predict(x, verbose=0)[1], 0)


def test_a_mask_made_above_fewer_steps_reaches_loss_and_metrics(keras: ModuleType) -> None:
    def build(api: Any) -> Any:
        stack = [
            api.layers.MaxPooling1D(2),
            api.layers.Masking(),
            api.layers.LSTM(3, return_sequences=True),
        ]
        model = api.Sequential([api.Input((7, 2)), *stack, api.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
        return model

    ours, theirs = build(elman), build(keras)
    randomize(ours)
    theirs.set_weights(ours.get_weights())
    x, y, w = normal(5, 7, 2), normal(5, 3, 1), np.random.default_rng(2).random((5, 3))
    x[0, 2:4] = x[3] = 0
    for weight in (None, w):
        found, wanted = (m.evaluate(x, y, sample_weight=weight, verbose=0) for m in (ours, theirs))
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5)
    np.testing.assert_allclose(
        ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), rtol=1e-5
    )


# -- stacks, beside Keras -------------------------------------------------------------------------

STACKS: dict[str, tuple[Layers, tuple[int, ...]]] = {
    "convolution over features": (
        lambda api: [
            api.layers.Conv1D(6, 3, padding="same", activation="relu"),
            api.layers.MaxPooling1D(2),
            api.layers.LSTM(4),
            api.layers.Dense(2),
        ],
        (9, 3),
    ),
    "spatial dropout over words": (
        lambda api: [
            api.layers.Embedding(8, 4, mask_zero=True),
            api.layers.SpatialDropout1D(0.0),
            api.layers.GRU(4),
            api.layers.LeakyReLU(),
            api.layers.Dense(2),
        ],
        (9,),
    ),
    "all steps at once": (
        lambda api: [
            api.layers.LSTM(4, return_sequences=True),
            api.layers.TimeDistributed(api.layers.Dense(3, activation="tanh")),
            api.layers.Flatten(),
            api.layers.Dense(2),
        ],
        (9, 3),
    ),
    "autoencoder": (
        lambda api: [
            api.layers.Masking(),
            api.layers.LSTM(4),
            api.layers.RepeatVector(9),
            api.layers.LSTM(4, return_sequences=True),
            api.layers.TimeDistributed(api.layers.Dense(3)),
        ],
        (9, 3),
    ),
    "causal convolutions": (
        lambda api: [
            api.layers.Conv1D(5, 2, padding="causal", activation="tanh"),
            api.layers.Conv1D(5, 2, padding="causal", dilation_rate=2),
            api.layers.ReLU(max_value=2.0, negative_slope=0.1),
            api.layers.AveragePooling1D(3, padding="same"),
            api.layers.GlobalMaxPooling1D(),
            api.layers.Dense(2),
        ],
        (9, 3),
    ),
    "masked mean": (
        lambda api: [
            api.layers.Embedding(8, 4, mask_zero=True),
            api.layers.Bidirectional(api.layers.GRU(3, return_sequences=True)),
            api.layers.TimeDistributed(api.layers.Dropout(0.0)),
            api.layers.GlobalAveragePooling1D(),
            api.layers.Dense(3, activation="linear"),
            api.layers.Softmax(),
        ],
        (9,),
    ),
    "turned and stretched": (
        lambda api: [
            api.layers.Permute((2, 1)),
            api.layers.UpSampling1D(2),
            api.layers.ZeroPadding1D(1),
            api.layers.Cropping1D((0, 3)),
            api.layers.Reshape((-1, 3)),
            api.layers.GRU(4),
            api.layers.ELU(),
            api.layers.Dense(2),
        ],
        (9, 3),
    ),
}


def samples(shape: tuple[int, ...], rows: int = 12) -> Array:
    rng = np.random.default_rng(8)
    if len(shape) == 1:
        x = rng.integers(1, 8, (rows, *shape))
        for row, length in enumerate(rng.integers(1, shape[0], rows)):
            x[row, length:] = 0
        return x
    found = normal(rows, *shape)
    found[::4, 5:] = 0
    return found


def built(api: Any, name: str) -> Any:
    make, shape = STACKS[name]
    model = api.Sequential([api.Input(shape), *make(api)])
    model.compile(api.optimizers.Adam(0.02), "mse")
    return model


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_predicts_and_trains_as_in_keras(name: str, keras: ModuleType) -> None:
    ours, theirs = built(elman, name), built(keras, name)
    assert [shape for _, shape in ours.shapes()] == [layer.output.shape for layer in theirs.layers]
    rng = np.random.default_rng(4)
    start = trainings.any_weights([w.shape for w in ours.get_weights()], rng)
    ours.set_weights(start)
    theirs.set_weights(start)
    x = samples(STACKS[name][1])
    wanted = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(ours.predict(x, verbose=0), wanted, rtol=1e-5, atol=1e-5)
    y = rng.normal(size=wanted.shape).astype("f4")
    for model in (ours, theirs):
        model.fit(x, y, batch_size=3, epochs=5, shuffle=False, verbose=0)  # 20 steps
    for i, (a, b, before) in enumerate(
        zip(ours.get_weights(), theirs.get_weights(), start, strict=True)
    ):
        assert not differences({str(i): a}, {str(i): b}, 1e-4)
        assert np.abs(a - before).max() > 0.01, "a training that moves nothing proves nothing"


@pytest.mark.parametrize("name", STACKS)
def test_files_go_both_ways(name: str, keras: ModuleType, tmp_path: Path) -> None:
    ours = built(elman, name)
    x = samples(STACKS[name][1])
    y = ours.predict(x, verbose=0) + 1
    ours.fit(x, y, verbose=0)
    ours.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    wanted = ours.predict(x, verbose=0)
    np.testing.assert_allclose(theirs.predict(x, verbose=0), wanted, rtol=1e-5, atol=1e-5)
    theirs.save(tmp_path / "theirs.keras")
    theirs.save(tmp_path / "theirs.h5")
    for file in ("ours.keras", "theirs.keras", "theirs.h5"):
        loaded = elman.load(tmp_path / file)
        np.testing.assert_allclose(loaded.predict(x, verbose=0), wanted, rtol=1e-6, atol=1e-6)
        assert [layer.name for layer in loaded.layers] == [layer.name for layer in ours.layers]


# -- lengths, shapes, streams ---------------------------------------------------------------------


def test_convolution_and_pooling_take_sequences_of_any_length(isa: str) -> None:
    stack = [layers.Conv1D(4, 3), layers.MaxPooling1D(2, padding="same"), layers.GRU(3)]
    model = Sequential([Input((None, 2)), *stack])
    randomize(model)
    for steps in (3, 8, 17):
        x = normal(4, steps, 2, seed=steps)
        assert_close(model.predict(x, verbose=0), reference(model, x)[0])
        np.testing.assert_array_equal(training_forward(model, x), model.predict(x, verbose=0))


def test_a_model_that_flattens_keeps_to_one_length() -> None:
    for first in ([], [Input((5, 2))]):
        model = Sequential([*first, layers.Flatten(), layers.Dense(3)])
        assert model.predict(normal(2, 5, 2), verbose=0).shape == (2, 3)
        with pytest.raises(ShapeError, match="14"):
            model.predict(normal(2, 7, 2), verbose=0)
        assert model.predict(normal(2, 5, 2), verbose=0).shape == (2, 3)


def test_a_layer_called_on_an_array_is_its_formula() -> None:
    x = normal(3, 7, 4)
    for name, make in OPS.items():
        layer = make(elman)
        got = layer(x)
        weights = {p.name: w for p, w in zip(layer.own_params, layer.get_weights(), strict=True)}
        assert_close(got, layer.formula(x.astype("f8"), weights, None), what=name)


@pytest.mark.parametrize("name", [*OPS, "repeat"])
def test_what_needs_all_steps_is_refused_by_a_stream_by_name(name: str) -> None:
    make = OPS.get(name, lambda api: api.layers.RepeatVector(2))
    below = [layers.LSTM(3)] if name == "repeat" else [layers.LSTM(3, return_sequences=True)]
    model = Sequential([Input((7, 4)), *below, make(elman)])
    if name == "step by step":
        whole = model.predict(normal(1, 7, 4), verbose=0)[0]
        np.testing.assert_array_equal(model.stream().run(normal(1, 7, 4)[0]), whole)
        return
    with pytest.raises(OptionError, match=model.layers[1].name):
        model.stream()
    model.compile(loss="mse")
    if len(model.output_shape) == 3:
        with pytest.raises(OptionError, match=model.layers[1].name):
            model.fit(normal(1, 7, 4), np.zeros((1, *model.output_shape[1:])), tbptt=2, verbose=0)


def test_flatten_of_rows_does_nothing_and_may_be_streamed() -> None:
    model = Sequential([Input((None, 2)), layers.LSTM(3), layers.Flatten(), layers.Dense(1)])
    x = normal(1, 5, 2)
    found = model.stream().run(x[0])[-1]
    np.testing.assert_array_equal(found, model.predict(x, verbose=0)[0])


def test_a_plan_shows_the_ops() -> None:
    model = Sequential(
        [
            Input((9, 2)),
            layers.Conv1D(4, 3, padding="same"),
            layers.MaxPooling1D(2),
            layers.Flatten(),
        ]
    )
    text = str(model.plan())
    for word in ("pad", "conv1d", "pooling", "reshape"):
        assert f"\n{word} " in text


# -- wrong options --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Reshape((2, 3, 4)), ("Reshape", "(2, 3, 4)")),
        (lambda: layers.Reshape((-1, -1)), ("Reshape", "(-1, -1)")),
        (lambda: layers.Permute((1, 3, 2)), ("Permute", "(1, 3, 2)")),
        (lambda: layers.RepeatVector(0), ("RepeatVector", "n", "0")),
        (lambda: layers.Flatten("channels_first"), ("Flatten", "channels_first")),
        (lambda: layers.ZeroPadding1D((1, 2, 3)), ("ZeroPadding1D", "(1, 2, 3)")),
        (lambda: layers.Conv1D(2, (3, 3)), ("Conv1D", "kernel_size", "(3, 3)")),
        (lambda: layers.Conv1D(2, 3, groups=2), ("Conv1D", "groups=1", "2")),
        (lambda: layers.Conv1D(2, 3, strides=2, dilation_rate=2), ("Conv1D", "dilation_rate")),
        (lambda: layers.MaxPooling1D(2, padding="causal"), ("MaxPooling1D", "causal", "same")),
        (lambda: layers.TimeDistributed(layers.LSTM(3)), ("TimeDistributed", "LSTM", "Dense")),
        (lambda: layers.TimeDistributed(layers.Flatten()), ("TimeDistributed", "Flatten")),
        (lambda: layers.TimeDistributed(3), ("TimeDistributed", "3")),
        (lambda: Sequential([Input((5, 2)), layers.Reshape((3, 2))]), ("reshape", "(3, 2)", "10")),
        (lambda: Sequential([Input((5, 2)), layers.Permute((1,))]), ("permute", "(1,)")),
        (lambda: Sequential([Input((5, 2)), layers.Conv1D(1, 6)]), ("conv1d", "6 steps", "5")),
        (lambda: Sequential([Input((5, 2)), layers.Cropping1D(3)]), ("cropping1d", "6", "5")),
        (lambda: Sequential([Input((5,)), layers.Conv1D(1, 6)]), ("conv1d", "(None, 5)")),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_by_name(make: Any, words: tuple[str, ...]) -> None:
    with pytest.raises((OptionError, ShapeError, elman.errors.UnknownNameError)) as error:
        make()
    for word in words:
        assert word in str(error.value)
