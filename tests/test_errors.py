"""Bad input: a clear error of the right class before any work, and the model as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import elman
from elman import (
    DataError,
    ElmanError,
    Input,
    NotReadyError,
    OptionError,
    Sequential,
    ShapeError,
    UnknownNameError,
    losses,
    seeds,
)
from elman.callbacks import EarlyStopping
from elman.layers import (
    GRU,
    LSTM,
    Activation,
    Dense,
    Dropout,
    Embedding,
    Masking,
    SimpleRNN,
)

RNG = np.random.default_rng(7)
X = RNG.normal(size=(8, 5, 3)).astype("f4")
Y = RNG.integers(0, 2, 8)
TOKENS = RNG.integers(0, 7, (8, 5))
CLASSES = RNG.integers(0, 3, 8)


def with_value(array: Any, value: float, kind: str = "f4") -> Any:
    """A copy in which row 2, step 1 is something else."""
    copy = array.astype(kind)
    copy[(2, 1, 0)[: copy.ndim]] = value
    return copy


class Bad(NamedTuple):
    """A bad use of a model: what is done, the error, and words that its message has."""

    do: Callable[[Sequential], Any]
    error: type[ElmanError]
    words: tuple[str, ...]


def bad(error: type[ElmanError], *words: str) -> Callable[[Callable[[Sequential], Any]], Bad]:
    return lambda do: Bad(do, error, words)


def fit(error: type[ElmanError], *words: str, x: Any = X, y: Any = Y, **options: Any) -> Bad:
    return Bad(lambda m: m.fit(x, y, **{"verbose": 0, **options}), error, words)


def read(error: type[ElmanError], *words: str, x: Any = TOKENS, y: Any = CLASSES, **o: Any) -> Bad:
    """`fit` for the reader."""
    return fit(error, *words, x=x, y=y, **o)


def compiled(error: type[ElmanError], *words: str, **options: Any) -> Bad:
    return Bad(lambda m: m.compile(**{"loss": "mse", **options}), error, words)


#: On a model SimpleRNN-Dense(1) of sequences with 3 features, compiled and trained.
LISTENER: dict[str, Bad] = {
    # inputs
    "two axes for three": bad(ShapeError, "SimpleRNN 'simple_rnn'", "(8, 3)", "x[..., None]")(
        lambda m: m.predict(X[:, 0])
    ),
    "four axes": bad(ShapeError, "SimpleRNN 'simple_rnn'", "(8, 5, 3, 1)")(
        lambda m: m.predict(X[..., None])
    ),
    "a number": bad(ShapeError, "Sequential 'sequential'", "single number")(lambda m: m.predict(1)),
    "one row without its axis": bad(ShapeError, "(3,)")(lambda m: m.predict(X[0, 0])),
    "other features": bad(ShapeError, "SimpleRNN 'simple_rnn'", "3 features", "got 2", "(8, 5, 2)")(
        lambda m: m.predict(X[..., :2])
    ),
    "other features in fit": fit(ShapeError, "3 features", "got 4", x=np.zeros((8, 5, 4))),
    "other features in a call": bad(ShapeError, "3 features", "got 2")(lambda m: m(X[..., :2])),
    "no steps": bad(ShapeError, "at least one step", "(8, 0, 3)")(lambda m: m.predict(X[:, :0])),
    "sequences of other features": bad(ShapeError, "differ in length only", "(2, 2) in row 1")(
        lambda m: m.predict([[[1, 2, 3]], [[1, 2], [4, 5]]])
    ),
    "targets of many lengths": fit(ShapeError, "unequal length", y=[[0], [0, 1]] * 4),
    "nan": fit(
        DataError, "finite inputs", "nan", "row 2, step 1, feature 0", x=with_value(X, np.nan)
    ),
    "infinite": fit(DataError, "finite inputs", "-inf", "row 2", x=with_value(X, -np.inf)),
    "too large for float32": fit(DataError, "finite", "row 2", x=with_value(X, 1e300, "f8")),
    "nan to predict": bad(DataError, "nan")(lambda m: m.predict(with_value(X, np.nan))),
    "nan to evaluate": bad(DataError, "nan")(lambda m: m.evaluate(with_value(X, np.nan), Y)),
    "texts": fit(DataError, "numbers", "dtype", x=X.astype(str)),
    "objects": fit(DataError, "numbers", "object", x=X.astype(object)),
    "complex numbers": fit(DataError, "numbers", "complex64", x=X.astype("c8")),
    "no inputs": fit(DataError, "inputs", "None", x=None),
    "empty data": fit(DataError, "at least one sample to fit", x=X[:0], y=Y[:0]),
    "nothing to evaluate": bad(DataError, "at least one sample to evaluate")(
        lambda m: m.evaluate(X[:0], Y[:0])
    ),
    "nothing to train on": bad(DataError, "at least one sample to train on")(
        lambda m: m.train_on_batch(X[:0], Y[:0])
    ),
    # targets
    "fewer targets": fit(ShapeError, "7 targets and 8 inputs", y=Y[:7]),
    "fewer inputs": fit(ShapeError, "8 targets and 3 inputs", x=X[:3]),
    "fewer targets on a batch": bad(ShapeError, "7 targets")(lambda m: m.train_on_batch(X, Y[:7])),
    "fewer targets to evaluate": bad(ShapeError, "7 targets")(lambda m: m.evaluate(X, Y[:7])),
    "no targets": fit(DataError, "targets", "None", y=None),
    "wide targets": fit(
        ShapeError, "BinaryCrossentropy", "(None, 1)", "(None, 2)", y=np.ones((8, 2))
    ),
    "a target per step": fit(ShapeError, "(None, 1)", "(None, 5, 1)", y=np.ones((8, 5, 1))),
    "nan in targets": fit(DataError, "finite targets", "row 2", y=with_value(Y, np.nan)),
    "infinite targets": fit(DataError, "finite targets", "inf", y=with_value(Y, np.inf)),
    "targets of two lengths": fit(ShapeError, "targets", "unequal", y=[[1], [1, 0]] * 4),
    "texts as targets": fit(DataError, "targets", "dtype", y=["yes"] * 8),
    "targets above one": fit(DataError, "from 0 to 1", "2.0", "sparse", y=with_value(Y, 2)),
    "targets below zero": fit(DataError, "from 0 to 1", "-1", "row 2", y=with_value(Y, -1)),
    # options of fit
    "no batch": fit(OptionError, "fit", "batch_size", "0", batch_size=0),
    "half a batch": fit(OptionError, "batch_size", "2.5", batch_size=2.5),
    "a batch in words": fit(OptionError, "batch_size", "'32'", batch_size="32"),
    "no batch to evaluate": bad(OptionError, "evaluate", "batch_size")(
        lambda m: m.evaluate(X, Y, batch_size=0)
    ),
    "no batch to predict": bad(OptionError, "predict", "batch_size", "-1")(
        lambda m: m.predict(X, batch_size=-1)
    ),
    "epochs below zero": fit(OptionError, "epochs", "-1", epochs=-1),
    "epochs and a half": fit(OptionError, "epochs", "1.5", epochs=1.5),
    "initial epoch below zero": fit(OptionError, "initial_epoch", "-2", initial_epoch=-2),
    "all held out": fit(OptionError, "validation_split", "1.0", validation_split=1.0),
    "less than none held out": fit(OptionError, "validation_split", "-0.2", validation_split=-0.2),
    "nan held out": fit(OptionError, "validation_split", "nan", validation_split=float("nan")),
    "split of words": fit(OptionError, "validation_split", "'0.2'", validation_split="0.2"),
    "nothing left": fit(DataError, "both sides", "1 rows", x=X[:1], y=Y[:1], validation_split=0.5),
    "validation without targets": fit(OptionError, "(x, y)", "tuple of 1", validation_data=(X,)),
    "validation of one array": fit(OptionError, "(x, y)", "ndarray of 8", validation_data=X),
    "validation of a number": fit(OptionError, "(x, y)", "int", validation_data=3),
    "short validation": fit(ShapeError, "2 targets and 8 inputs", validation_data=(X, Y[:2])),
    "nan in validation": fit(DataError, "nan", validation_data=(with_value(X, np.nan), Y)),
    "empty validation": fit(DataError, "to validate", validation_data=(X[:0], Y[:0])),
    "narrow validation": fit(ShapeError, "3 features", validation_data=(X[..., :1], Y)),
    "validation weights": fit(ShapeError, "sample_weight", validation_data=(X, Y, np.ones(2))),
    "few weights": fit(ShapeError, "sample_weight", "(8,)", "(3,)", sample_weight=np.ones(3)),
    "weights per step": fit(ShapeError, "sample_weight", "(8, 5)", sample_weight=np.ones((8, 5))),
    "negative weights": fit(DataError, "weights >= 0", "-1", sample_weight=with_value(Y, -1)),
    "nan in weights": fit(DataError, "finite sample weights", sample_weight=with_value(Y, np.nan)),
    "weights in words": fit(DataError, "sample weights", "dtype", sample_weight="balanced"),
    "class weights in words": fit(OptionError, "class_weight", "str", class_weight="balanced"),
    "class weights in a list": fit(OptionError, "class_weight", "dict", class_weight=[1, 2]),
    "a class in words": fit(OptionError, "class_weight", "'yes'", class_weight={"yes": 2.0}),
    "a class that cannot be": fit(OptionError, "from 0 to 1", "2", class_weight={2: 2.0}),
    "half a class": fit(OptionError, "class numbers", "0.5", class_weight={0.5: 2.0}),
    "a class below nothing": fit(OptionError, "class_weight", "-1.0", class_weight={1: -1.0}),
    "a class of nan": fit(OptionError, "class_weight", "nan", class_weight={1: float("nan")}),
    "a class without a number": fit(OptionError, "class_weight", "None", class_weight={1: None}),
    "a class of callback": fit(OptionError, "EarlyStopping(...)", callbacks=[EarlyStopping]),
    "no callback": fit(OptionError, "callback", "3", callbacks=[3]),
    "loud": fit(OptionError, "verbose", "'loud'", verbose="loud"),
    "class weight on a batch": bad(OptionError, "class_weight")(
        lambda m: m.train_on_batch(X, Y, class_weight={"yes": 1})
    ),
    # weights
    "few arrays": bad(ShapeError, "5 weight arrays", "got 1")(lambda m: m.set_weights([X])),
    "arrays of other shapes": bad(ShapeError, "Dense 'dense'", "bias", "(1,)", "(2,)")(
        lambda m: m.set_weights([*m.get_weights()[:-1], np.zeros(2)])
    ),
    "no arrays": bad(ShapeError, "list of 5", "NoneType")(lambda m: m.set_weights(None)),
    "texts as arrays": bad(DataError, "SimpleRNN 'simple_rnn'", "kernel")(
        lambda m: m.set_weights(["a"] * 5)
    ),
    "few arrays for a layer": bad(ShapeError, "kernel, recurrent_kernel, bias", "got 1")(
        lambda m: m.layers[0].set_weights([X])
    ),
    "another shape for a layer": bad(ShapeError, "recurrent_kernel", "(4, 4)", "(3, 3)")(
        lambda m: m.layers[0].set_weights([np.zeros((3, 4)), np.zeros((3, 3)), np.zeros(4)])
    ),
    # compile
    "unknown loss": compiled(
        UnknownNameError,
        "loss",
        "'mean_sqared_error'",
        "'mean_squared_error'",
        loss="mean_sqared_error",
    ),
    "unknown optimizer": compiled(UnknownNameError, "'adma'", "'adam'", optimizer="adma"),
    "unknown metric": compiled(UnknownNameError, "'acuracy'", "'accuracy'", metrics=["acuracy"]),
    "unknown option": compiled(UnknownNameError, "'metric'", "'metrics'", metric=["mse"]),
    "a loss that is a number": compiled(UnknownNameError, "loss", "3", loss=3),
    "a loss in Python": compiled(OptionError, "native code", loss=lambda a, b: 0.0),
    "metrics of no output": compiled(UnknownNameError, "output", metrics={"denser": "mse"}),
    "weights of two losses": compiled(
        OptionError, "loss_weights", "1 entries", loss_weights=[1, 2]
    ),
    "weighted metrics": compiled(OptionError, "weighted_metrics", weighted_metrics=["mse"]),
    # layers
    "unknown layer": bad(UnknownNameError, "'dens'", "Did you mean 'dense'")(
        lambda m: m.get_layer("dens")
    ),
    "layer out of reach": bad(OptionError, "2 layers", "got 2")(lambda m: m.get_layer(index=2)),
    "a layer twice": bad(OptionError, "SimpleRNN 'simple_rnn'", "twice")(
        lambda m: m.add(m.layers[0])
    ),
    "a name twice": bad(OptionError, "'dense'", "twice")(lambda m: m.add(Dense(2, name="dense"))),
    "a cell after a vector": bad(ShapeError, "LSTM 'lstm'", "return_sequences=True")(
        lambda m: m.add(LSTM(3))
    ),
    "an embedding at the end": bad(OptionError, "Embedding 'embedding'", "first", "Dense 'dense'")(
        lambda m: m.add(Embedding(3, 2))
    ),
    "an input at the end": bad(OptionError, "Input", "first")(lambda m: m.add(Input((3,)))),
    "no layer": bad(OptionError, "layers", "'dense'")(lambda m: m.add("dense")),
    "the class of a layer": bad(OptionError, "layers", "LSTM")(lambda m: m.add(LSTM)),
    "a build for others": bad(ShapeError, "3", "4")(lambda m: m.build((None, 5, 4))),
    "a plan without a length": bad(NotReadyError, "length", "steps=100")(lambda m: m.plan()),
}

#: On a model Embedding(7)-GRU-Dense(3, softmax), compiled and trained.
READER: dict[str, Bad] = {
    "a token outside": read(
        DataError,
        "Embedding 'embedding'",
        "0 to 6",
        "got 7",
        "row 2, step 1",
        x=with_value(TOKENS, 7),
    ),
    "a token outside to predict": bad(DataError, "0 to 6", "got 9")(
        lambda m: m.predict(with_value(TOKENS, 9, "i8"))
    ),
    "a huge token": read(DataError, "8589934592", x=with_value(TOKENS, 2**33, "i8")),
    "a negative token": read(DataError, "0 to 6", "got -1", x=with_value(TOKENS, -1, "i4")),
    "half a token": read(DataError, "whole numbers", "1.5", x=with_value(TOKENS, 1.5)),
    "a token that is nan": read(DataError, "nan", x=with_value(TOKENS, np.nan)),
    "a token in validation": read(
        DataError, "0 to 6", "got 7", validation_data=(with_value(TOKENS, 7), CLASSES)
    ),
    "features for tokens": read(ShapeError, "Embedding", "(8, 5, 3)", "not features", x=X),
    "one text": bad(ShapeError, "Embedding", "(5,)")(lambda m: m.predict(TOKENS[0])),
    "a class outside": read(
        DataError,
        "classes from 0 to 2",
        "got 3",
        "row 2",
        "more units",
        y=with_value(CLASSES, 3, "i8"),
    ),
    "a negative class": read(DataError, "0 to 2", "got -1", y=with_value(CLASSES, -1, "i8")),
    "half a class": read(DataError, "0 to 2", "got 0.5", y=with_value(CLASSES, 0.5)),
    "a class outside to evaluate": bad(DataError, "0 to 2", "got 9")(
        lambda m: m.evaluate(TOKENS, with_value(CLASSES, 9))
    ),
    "one-hot for a sparse loss": read(
        ShapeError, "SparseCategoricalCrossentropy", "(None, 3)", "one-hot", y=np.eye(3)[CLASSES]
    ),
    "a class weight outside": read(OptionError, "0 to 2", "got 3", class_weight={3: 1.0}),
}


def listener() -> Sequential:
    made = Sequential([Input((None, 3)), SimpleRNN(4), Dense(1, activation="sigmoid")])
    made.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    made.fit(X, Y, epochs=2, verbose=0)
    return made


def reader() -> Sequential:
    made = Sequential([Embedding(7, 3, mask_zero=True), GRU(4), Dense(3, activation="softmax")])
    made.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    made.fit(TOKENS, CLASSES, epochs=2, verbose=0)
    return made


def state(made: Sequential) -> dict[str, Any]:
    """All that a bad use must not change. The random numbers show that no work began."""
    return {
        "weights": [w.tobytes() for w in made.get_weights()],
        "shapes": made.shapes(),
        "layers": [(id(layer), layer.name, layer.built) for layer in made.layers],
        "input": None if made.input is None else made.input.shape,
        "loss": made.loss,
        "optimizer": id(made.optimizer),
        "iterations": made.optimizer.iterations if made.optimizer else None,
        "metrics": made.metrics_names,
        "history": id(made.history),
        "epochs": made.history and dict(made.history.history),
        "stop": made.stop_training,
        "random numbers": seeds.generator().bit_generator.state,
    }


def check(made: Sequential, use: Bad, capfd: Any) -> None:
    before = state(made)
    with pytest.raises(ElmanError) as caught:
        use.do(made)
    assert type(caught.value) is use.error, caught.value
    message = str(caught.value)
    for word in use.words:
        assert word in message
    assert is_clear(message), message
    assert state(made) == before
    assert capfd.readouterr() == ("", "")


def is_clear(message: str) -> bool:
    """Whether a message is "who expected what, got what. What to do."."""
    return bool(re.fullmatch(r"\S.* expected .+?,? got .+?[.?] [A-Za-z].+[.?]", message))


@pytest.mark.parametrize("name", LISTENER)
def test_a_bad_use_raises_and_changes_nothing(name, capfd):
    check(listener(), LISTENER[name], capfd)


@pytest.mark.parametrize("name", READER)
def test_a_bad_use_of_tokens_or_classes_raises_and_changes_nothing(name, capfd):
    check(reader(), READER[name], capfd)


def test_a_model_goes_on_after_bad_uses_as_if_nothing_had_been():
    elman.set_random_seed(5)
    alone = listener()
    alone.fit(X, Y, epochs=2, batch_size=3, verbose=0)
    elman.set_random_seed(5)
    bothered = listener()
    for use in LISTENER.values():
        if "compile" not in use.do.__code__.co_names:
            with pytest.raises(ElmanError):
                use.do(bothered)
    bothered.fit(X, Y, epochs=2, batch_size=3, verbose=0)
    for a, b in zip(alone.get_weights(), bothered.get_weights(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    "metric",
    ["categorical_accuracy", elman.metrics.Precision(class_id=3), lambda y, p: np.ones(3)[p.shape]],
    ids=["shape", "class", "own"],
)
def test_a_metric_that_cannot_take_the_targets_fails_before_training(metric):
    made = reader()
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=[metric])
    before = state(made)
    with pytest.raises((ElmanError, IndexError)):
        made.fit(TOKENS, CLASSES, verbose=0)
    assert state(made) == before


# -- models that are not ready --------------------------------------------------------------------


def unbuilt() -> Sequential:
    made = Sequential([LSTM(4), Dense(1, activation="sigmoid")])
    made.compile("sgd", "binary_crossentropy")
    return made


NOT_BUILT: dict[str, Bad] = {
    "count_params": bad(NotReadyError, "LSTM 'lstm'", "Input")(lambda m: m.count_params()),
    "set_weights": bad(NotReadyError, "set_weights", "Input")(lambda m: m.set_weights([])),
    "set_weights of a layer": bad(NotReadyError, "LSTM 'lstm'", "Input")(
        lambda m: m.layers[0].set_weights([])
    ),
    "build": bad(NotReadyError, "features", "build((None, steps, features))")(lambda m: m.build()),
    "build without features": bad(NotReadyError, "features")(lambda m: m.build((None, 5, None))),
    "build of another rank": bad(ShapeError, "LSTM 'lstm'", "(None, 5)")(
        lambda m: m.build((None, 5))
    ),
    "plan": bad(NotReadyError, "plan", "Input")(lambda m: m.plan()),
    # Data that are bad build nothing, though their features are known.
    "fit on few targets": fit(ShapeError, "7 targets", y=Y[:7]),
    "fit on bad validation": fit(ShapeError, "2 targets", validation_data=(X, Y[:2])),
    "fit on other validation": fit(DataError, "nan", validation_data=(with_value(X, np.nan), Y)),
    "fit with a bad callback": fit(OptionError, "callback", callbacks=[3]),
    "fit on nothing": fit(DataError, "sample", x=X[:0], y=Y[:0]),
    "evaluate on few targets": bad(ShapeError, "7 targets")(lambda m: m.evaluate(X, Y[:7])),
    "predict on a vector": bad(ShapeError, "LSTM 'lstm'")(lambda m: m.predict(X[:, 0])),
    "call on nan": bad(DataError, "nan")(lambda m: m(with_value(X, np.nan))),
}


@pytest.mark.parametrize("name", NOT_BUILT)
def test_a_model_without_weights_says_so_and_stays_without(name, capfd):
    made = unbuilt()
    check(made, NOT_BUILT[name], capfd)
    assert not any(layer.built for layer in made.layers)
    made.fit(np.zeros((8, 5, 2)), Y, verbose=0)  # any number of features is still welcome


def test_layers_that_do_not_fit_each_other_are_found_before_any_has_weights(capfd):
    made = Sequential([LSTM(4), LSTM(3), Dense(1)])
    made.compile("sgd", "mse")
    check(made, fit(ShapeError, "LSTM 'lstm_1'", "return_sequences=True"), capfd)
    assert not any(layer.built for layer in made.layers)


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.fit(X, Y),
        lambda m: m.evaluate(X, Y),
        lambda m: m.train_on_batch(X, Y),
    ],
    ids=["fit", "evaluate", "train_on_batch"],
)
@pytest.mark.parametrize("compiled", [False, True], ids=["never", "without a loss"])
def test_a_model_that_is_not_compiled_says_so(use, compiled, capfd):
    made = Sequential([Input((None, 3)), LSTM(4), Dense(1)])
    if compiled:
        made.compile("sgd")
    check(made, Bad(use, NotReadyError, ("loss", "compile(")), capfd)
    assert made.predict(X).shape == (8, 1), "to predict, no loss is needed"


@pytest.mark.parametrize("use", ["predict", "fit", "pop"])
def test_a_model_without_layers_says_so(use, capfd):
    made = Sequential()
    made.compile("sgd", "mse")
    do = {
        "predict": lambda m: m.predict(X),
        "fit": lambda m: m.fit(X, Y),
        "pop": lambda m: m.pop(),
    }[use]
    check(made, Bad(do, NotReadyError, ("layer", "Add")), capfd)


# -- options of layers, optimizers and losses -----------------------------------------------------

RECURRENT_NOT_YET = {}
OPTIONS: dict[str, tuple[Callable[[], Any], type[ElmanError], tuple[str, ...]]] = {
    **{
        f"{cell.__name__} {option}": (
            lambda cell=cell, option=option, value=value: cell(4, **{option: value}),
            OptionError,
            (cell.__name__, option, repr(value), "leave it out"),
        )
        for cell in (SimpleRNN, LSTM, GRU)
        for option, value in RECURRENT_NOT_YET.items()
    },
    **{
        f"{value!r} units": (
            lambda value=value: LSTM(value),
            OptionError,
            ("LSTM", "units", f"got {value!r}"),
        )
        for value in (0, -1, 2.5, "4", None, True)
    },
    "activation": (
        lambda: LSTM(4, activation="tnh"),
        UnknownNameError,
        ("LSTM", "'tnh'", "mean 'tanh'"),
    ),
    "activation of Dense": (
        lambda: Dense(4, activation="sofmax"),
        UnknownNameError,
        ("Dense", "mean 'softmax'"),
    ),
    "Activation": (lambda: Activation("rlu"), UnknownNameError, ("Activation", "mean 'relu'")),
    "softmax in a cell": (
        lambda: GRU(4, activation="softmax"),
        OptionError,
        ("GRU", "'softmax'", "Dense"),
    ),
    "initializer": (
        lambda: Dense(4, kernel_initializer="glorot_unifrm"),
        UnknownNameError,
        ("initializer", "'glorot_unifrm'", "mean 'glorot_uniform'"),
    ),
    "option": (
        lambda: LSTM(4, return_sequence=True),
        UnknownNameError,
        ("LSTM", "'return_sequence'", "mean 'return_sequences'"),
    ),
    "option of another": (
        lambda: SimpleRNN(4, recurrent_activation="relu"),
        UnknownNameError,
        ("SimpleRNN", "'recurrent_activation'"),
    ),
    "dropout of all": (lambda: LSTM(4, dropout=1.0), OptionError, ("LSTM", "dropout", "1.0")),
    "dropout below none": (lambda: Dropout(-0.1), OptionError, ("Dropout", "rate", "-0.1")),
    "noise_shape": (
        lambda: Dropout(0.1, (1, 2)),
        OptionError,
        ("Dropout", "noise_shape", "(1, 2)"),
    ),
    "vocabulary": (lambda: Embedding(0, 3), OptionError, ("Embedding", "input_dim", "got 0")),
    "mask_value": (lambda: Masking("none"), OptionError, ("Masking", "mask_value", "'none'")),
    "name": (lambda: Dense(3, name=7), OptionError, ("Dense", "name", "7")),
    "name with a slash": (lambda: Dense(3, name="a/b"), OptionError, ("Dense", "'a/b'")),
    "Input without extents": (lambda: Input(()), ShapeError, ("Input", "()", "batch axis")),
    "Input of nothing": (lambda: Input((0, 3)), ShapeError, ("Input", "(0, 3)")),
    "Input of pictures": (lambda: Input((8, 8, 3)), ShapeError, ("Input", "(8, 8, 3)")),
    "an Embedding of features": (
        lambda: Sequential([Input((5, 3)), Embedding(4, 3)]),
        ShapeError,
        ("Embedding", "(None, 5, 3)"),
    ),
    "an Embedding in the middle": (
        lambda: Sequential([Dense(3), Embedding(4, 3)]),
        OptionError,
        ("Embedding", "first", "Dense"),
    ),
    "Masking of a vector": (
        lambda: Sequential([Input((3,)), Masking()]),
        ShapeError,
        ("Masking", "(None, 3)"),
    ),
    "a model in a model": (
        lambda: Sequential([Sequential()]),
        OptionError,
        ("layers", "Sequential"),
    ),
    "a layer from elsewhere": (
        lambda: Sequential.from_config({"layers": [{"class_name": "LSTN", "config": {}}]}),
        UnknownNameError,
        ("'LSTN'", "LSTM"),
    ),
    "optimizer option": (
        lambda: elman.optimizers.Adam(learnin_rate=0.1),
        UnknownNameError,
        ("mean 'learning_rate'",),
    ),
    "rate": (lambda: elman.optimizers.SGD(-0.1), OptionError, ("SGD", "learning_rate", "-0.1")),
    "two clips": (
        lambda: elman.optimizers.Adam(clipnorm=1.0, clipvalue=0.5),
        OptionError,
        ("Adam", "clipnorm", "clipvalue"),
    ),
    "loss option": (
        lambda: losses.BinaryCrossentropy(label_smoothing=2),
        OptionError,
        ("label_smoothing", "2"),
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_cannot_be_is_refused(name):
    make, error, words = OPTIONS[name]
    with pytest.raises(ElmanError) as caught:
        make()
    assert type(caught.value) is error
    message = str(caught.value)
    for word in words:
        assert word in message
    assert is_clear(message), message


@pytest.mark.parametrize("cell", [SimpleRNN, LSTM, GRU])
def test_options_at_values_that_change_nothing_are_accepted(cell):
    plain = cell(4).get_config()
    assert cell(4, stateful=False, return_state=False, recurrent_dropout=0.0).get_config() == plain
    assert cell(4, unroll=True, kernel_regularizer=None, dtype="float32").get_config() == plain


def test_errors_are_also_those_that_python_users_catch():
    for error in (ShapeError, DataError, OptionError, UnknownNameError):
        assert issubclass(error, ElmanError)
        assert issubclass(error, ValueError)
    assert issubclass(NotReadyError, ElmanError)
    assert issubclass(NotReadyError, RuntimeError)
