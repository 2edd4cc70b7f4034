"""Models in a graph: how they are made, trained, looked at and saved; Keras judges the numbers."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman import DataError, FileError, Model, OptionError, Sequential, ShapeError, layers
from elman.callbacks import Callback
from elman.errors import ElmanError, NotReadyError, UnknownNameError
from elman.layers import GRU, LSTM, Add, Concatenate, Dense, Dropout, Embedding, Input

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(5)


class Elman:
    """The words of a Keras program, elman's."""

    layers = layers
    Input = staticmethod(Input)
    Model = Model


def padded(rows: int, steps: int, features: int) -> Array:
    """Sequences with steps of padding at the end, some of them with nothing else."""
    x = RNG.normal(size=(rows, steps, features)).astype(np.float32)
    for row in range(rows):
        x[row, row % (steps + 1) :] = 0
    return x


def tokens(rows: int, steps: int, most: int = 9) -> Array:
    x = RNG.integers(1, most, (rows, steps))
    for row in range(rows):
        x[row, 1 + row % steps :] = 0
    return x


# -- what Keras makes of the same program ---------------------------------------------------------


class Case:
    """A program for either library, its data, and how it is compiled."""

    def __init__(
        self,
        program: Callable[[Any], Any],
        x: Any,
        y: Any,
        compiled: dict[str, Any],
        weight: Any = None,
    ) -> None:
        self.program, self.x, self.y, self.compiled = program, x, y, compiled
        self.weight = weight


def several(k: Any) -> Any:
    """Three inputs of unequal lengths, two outputs, branches that are averaged and added."""
    a = k.Input((6,), dtype="int32", name="a")
    b, c = k.Input((4, 3), name="b"), k.Input((5,), name="c")
    words = k.layers.LSTM(5)(k.layers.Embedding(9, 4, mask_zero=True)(a))
    steps = k.layers.GRU(5, return_sequences=True)(b)
    skipped = k.layers.Add()([steps, k.layers.Dense(5)(b)])
    last = k.layers.GRU(5)(skipped)
    mean = k.layers.Average()([words, last, k.layers.Dense(5, activation="tanh")(c)])
    both = k.layers.Concatenate()([mean, words])
    kind = k.layers.Dense(3, activation="softmax", name="kind")(both)
    return k.Model([a, b, c], [kind, k.layers.Dense(1, name="level")(skipped)])


def shared(k: Any) -> Any:
    """One Embedding and one LSTM read two sentences; what they say is compared."""
    a, b = (k.Input((n,), dtype="int32", name=name) for n, name in ((5, "a"), (7, "b")))
    embedding = k.layers.Embedding(9, 4, mask_zero=True)
    lstm, dense = k.layers.LSTM(6), k.layers.Dense(6, activation="tanh")
    one, other = lstm(embedding(a)), lstm(embedding(b))
    apart = k.layers.Subtract()([dense(one), dense(dense(other))])
    near = k.layers.Multiply()([one, other])
    out = k.layers.Dense(1, activation="sigmoid")(k.layers.Concatenate()([apart, near]))
    return k.Model([a, b], out)


def skips(k: Any) -> Any:
    """Masks that meet: sequences are added, multiplied, put side by side and after one another."""
    x, z = k.Input((5, 4), name="x"), k.Input((5, 4), name="z")
    m, n = k.layers.Masking()(x), k.layers.Masking()(z)
    one = k.layers.LSTM(4, return_sequences=True)(m)
    two = k.layers.Add()([one, m])
    three = k.layers.Maximum()([two, n])
    four = k.layers.Multiply()([three, k.layers.GRU(4, return_sequences=True)(n)])
    wide = k.layers.Concatenate()([four, k.layers.Minimum()([one, n])])
    long = k.layers.Concatenate(axis=1)([four, k.layers.Dense(4)(z)])
    tags = k.layers.Dense(2, name="tags")(k.layers.SimpleRNN(3, return_sequences=True)(wide))
    return k.Model([x, z], [tags, k.layers.GRU(3, name="end")(long)])


CASES = {
    "several inputs and outputs": Case(
        several,
        [tokens(23, 6), RNG.normal(size=(23, 4, 3)), RNG.normal(size=(23, 5))],
        [RNG.integers(0, 3, 23), RNG.normal(size=(23, 4, 1))],
        {
            "loss": {"kind": "sparse_categorical_crossentropy", "level": "mse"},
            "loss_weights": {"kind": 0.7, "level": 2.0},
            "metrics": {"kind": ["accuracy"], "level": "mae"},
        },
        [np.linspace(0.5, 1.5, 23), np.linspace(1, 0, 23)[:, None] * np.ones((1, 4))],
    ),
    "shared layers": Case(
        shared,
        [tokens(23, 5), tokens(23, 7)],
        RNG.integers(0, 2, (23, 1)),
        {"loss": "binary_crossentropy", "metrics": ["accuracy"]},
    ),
    "skips with masks": Case(
        skips,
        [padded(23, 5, 4), padded(23, 5, 4)[::-1].copy()],
        [RNG.normal(size=(23, 5, 2)), RNG.normal(size=(23, 3))],
        {"loss": ["mse", "mae"], "loss_weights": [1.0, 0.5]},
    ),
}


def apart(a: Any, b: Any) -> float:
    pairs = zip(listed(a), listed(b), strict=True)
    return max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in pairs)


def listed(values: Any) -> Any:
    return values if isinstance(values, list) else [values]


def floats(arrays: Any) -> Any:
    return [a if a.dtype.kind == "i" else a.astype(np.float32) for a in listed(arrays)]


@pytest.mark.parametrize("name", CASES)
def test_a_program_trains_as_in_keras_and_files_go_both_ways(
    name: str, tmp_path: Path, keras: Any
) -> None:
    case = CASES[name]
    x, y = floats(case.x), floats(case.y)
    x = x if len(x) > 1 else x[0]
    y = y if len(y) > 1 else y[0]
    theirs, ours = case.program(keras), case.program(Elman)
    ours.set_weights(theirs.get_weights())
    assert apart(theirs.predict(x, verbose=0), ours.predict(x, verbose=0)) < 1e-5
    theirs.compile(keras.optimizers.Adam(0.01), **case.compiled)
    ours.compile(elman.optimizers.Adam(0.01), **case.compiled)
    how = {"batch_size": 6, "epochs": 3, "shuffle": False, "verbose": 0, "validation_split": 0.15}
    if case.weight is not None:
        how["sample_weight"] = floats(case.weight)
    # Four batches, the last of them short, three and two times: twenty steps.
    wanted = theirs.fit(x, y, **how).history
    found = ours.fit(x, y, **how).history
    assert list(found) == list(wanted)
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-4, atol=1e-5, err_msg=key)
    assert apart(theirs.get_weights(), ours.get_weights()) < 1e-4
    told = ours.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(told, theirs.evaluate(x, y, verbose=0), rtol=1e-4, atol=1e-5)
    assert len(told) == len(ours.metrics_names)

    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    opened = keras.saving.load_model(tmp_path / "ours.keras")
    loaded = elman.load(tmp_path / "theirs.keras")
    assert apart(opened.predict(x, verbose=0), ours.predict(x, verbose=0)) < 1e-5
    assert apart(loaded.predict(x, verbose=0), theirs.predict(x, verbose=0)) < 1e-5
    # The optimizer's state came along: both go on alike. Eight steps of one size, for Keras
    # compiles each size for seconds.
    how |= {"batch_size": 23, "epochs": 8, "validation_split": 0.0}
    for model in (opened, loaded, ours):
        model.fit(x, y, **how)
    assert apart(opened.get_weights(), ours.get_weights()) < 1e-4
    assert apart(loaded.get_weights(), ours.get_weights()) < 1e-4
    ours.save_weights(tmp_path / "ours.weights.h5")
    opened.load_weights(tmp_path / "ours.weights.h5")
    assert apart(opened.get_weights(), ours.get_weights()) == 0


def random_program(k: Any, seed: int) -> Any:
    """Layers called on one another as chance has it, many of them of one class and size."""
    chance = random.Random(seed)
    a, b = k.Input((5,), dtype="int32", name="a"), k.Input((5, 4), name="b")
    masked = k.layers.Masking()(b) if chance.random() < 0.6 else b
    values = [k.layers.Embedding(9, 4, mask_zero=chance.random() < 0.7)(a), masked]
    again = k.layers.Dense(4, name="again")
    makers: list[Callable[[Any, Any], Any]] = [
        lambda x, y: k.layers.Add()([x, y]),
        lambda x, y: k.layers.Multiply()([x, y]),
        lambda x, y: k.layers.Dense(4)(k.layers.Concatenate()([x, y])),
        lambda x, y: k.layers.GRU(4, return_sequences=True)(x),
        lambda x, y: k.layers.Masking()(x),
        lambda x, y: k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True))(x),
        lambda x, y: k.layers.Dense(4)(x),
        lambda x, y: again(x),
    ]
    for _ in range(chance.randint(4, 9)):
        values.append(chance.choice(makers)(chance.choice(values), chance.choice(values)))
    return k.Model([a, b], [k.layers.GRU(3)(values[-1]), k.layers.Dense(2)(chance.choice(values))])


@pytest.mark.parametrize("seed", range(12))
def test_keras_finds_every_weight_of_any_graph_where_it_looks(
    seed: int, tmp_path: Path, keras: Any
) -> None:
    # Keras numbers the layers of a class by their place in the graph, masks included: weights of
    # one shape would change places unnoticed, were the order another.
    ours = random_program(Elman, seed)
    ours.save(tmp_path / "m.keras")
    opened = keras.saving.load_model(tmp_path / "m.keras")
    assert apart(opened.get_weights(), ours.get_weights()) == 0
    theirs = {layer.name: layer.get_weights() for layer in opened.layers}
    for layer in ours.layers:
        for got, wanted in zip(theirs[layer.name], layer.get_weights(), strict=True):
            np.testing.assert_array_equal(got, wanted)


#: What may stand between a mask and the layer that heeds it.
BETWEEN: dict[str, Callable[[Any], Any]] = {
    "RNN": lambda k: k.layers.RNN(k.layers.LSTMCell(4), return_sequences=True),
    "ZeroPadding1D": lambda k: k.layers.ZeroPadding1D(1),
    "Cropping1D": lambda k: k.layers.Cropping1D(1),
    "UpSampling1D": lambda k: k.layers.UpSampling1D(2),
    "Conv1D": lambda k: k.layers.Conv1D(4, 2),
    "SpatialDropout1D": lambda k: k.layers.SpatialDropout1D(0.1),
}


def beside(k: Any, name: str, depth: int) -> Any:
    """A branch with masks, through a layer, beside one of so many layers without."""
    a, b = k.Input((6, 3)), k.Input((6, 3))
    masked = k.layers.Concatenate(axis=1)([k.layers.Masking()(a), k.layers.Masking()(a)])
    ends = [k.layers.LSTM(4)(BETWEEN[name](k)(masked)), b]
    for _ in range(depth):
        ends[1] = k.layers.Dense(4)(ends[1])
    ends[1] = k.layers.LSTM(4)(ends[1])
    return k.Model([a, b], k.layers.Dense(1)(k.layers.Concatenate()(ends)))


@pytest.mark.filterwarnings("ignore:.* mask")
@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("name", BETWEEN)
def test_layers_are_in_the_order_of_keras_wherever_a_mask_ends(
    keras: Any, name: str, depth: int
) -> None:
    theirs, ours = (
        [kind for kind in (type(layer).__name__ for layer in model.layers) if kind in layers.LAYERS]
        for model in (beside(keras, name, depth), beside(Elman, name, depth))
    )
    assert ours == theirs


# -- how they are made ----------------------------------------------------------------------------


def small(**names: str) -> Any:
    x = Input((None, 3), name=names.get("x"))
    y = LSTM(4, return_sequences=True)(x)
    return Model(x, Dense(2, name=names.get("out"))(Add()([y, Dense(4)(x)])))


def two() -> Any:
    a, b = Input((4, 2), name="a"), Input((3,), name="b")
    h = GRU(3)(a)
    one = Dense(1, name="one")(Concatenate()([h, b]))
    return Model([a, b], [one, Dense(2, name="other")(h)])


X2 = [RNG.normal(size=(6, 4, 2)), RNG.normal(size=(6, 3))]
Y2 = [RNG.normal(size=(6, 1)), RNG.normal(size=(6, 2))]


def test_a_model_is_made_of_symbols() -> None:
    x = Input((None, 3))
    y = LSTM(4, return_sequences=True)(x)
    assert y.shape == (None, None, 4)
    model = Model(x, y)
    assert isinstance(model, Model)
    assert isinstance(Sequential(), Model)
    assert model.count_params() == 4 * ((3 + 4) * 4 + 4)
    assert model.output_shape == (None, None, 4)
    assert [layer.name for layer in two().layers] == ["gru", "concatenate", "one", "other"]


def test_a_chain_of_symbols_is_a_sequential_to_the_last_bit() -> None:
    x, y = RNG.normal(size=(40, 12, 3)), RNG.normal(size=(40, 12, 2))
    histories = []
    for chained in (True, False):
        elman.set_random_seed(3)
        stack = [GRU(5, return_sequences=True), Dropout(0.2), Dense(2)]
        if chained:
            model: Any = Sequential([Input((None, 3)), *stack])
        else:
            start = Input((None, 3))
            value: Any = start
            for layer in stack:
                value = layer(value)
            model = Model(start, value)
        model.compile("adam", "mse", metrics=["mae"])
        histories.append(model.fit(x, y, epochs=2, verbose=0, tbptt=5).history)
        histories[-1] |= model.fit(x, y, epochs=2, verbose=0, validation_split=0.25).history
    assert histories[0] == histories[1]


def test_a_model_becomes_part_of_another() -> None:
    inner = small()
    start = Input((None, 3))
    outer = Model(start, GRU(2)(inner(start)))
    assert outer.count_params() > inner.count_params()
    x = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    gru = outer.layers[-1]
    np.testing.assert_array_equal(gru(inner.predict(x, verbose=0)), outer.predict(x, verbose=0))


def test_a_skip_is_walked_step_by_step_and_in_windows() -> None:
    model = small()
    x = RNG.normal(size=(2, 1500, 3)).astype(np.float32)  # longer than predictions are whole
    whole = model.predict(x, verbose=0)
    parts = model.predict(x[:, :700], verbose=0)
    np.testing.assert_allclose(whole[:, :700], parts, atol=1e-6)
    stream = model.stream()
    steps = [stream.step(step) for step in x[0, :20]]
    np.testing.assert_allclose(steps, whole[0, :20], atol=1e-6)
    assert "add" in model.trace(x[:, :10]).names
    model.compile("adam", "mse")
    wanted = model.get_weights()
    losses = []
    for recompute in (False, True):
        model.set_weights(wanted)
        model.compile("adam", "mse")
        losses.append(model.fit(x, whole + 1, epochs=2, verbose=0, recompute=recompute))
    np.testing.assert_allclose(losses[0].history["loss"], losses[1].history["loss"], rtol=1e-5)


def test_inputs_and_outputs_by_name() -> None:
    model = two()
    by_name = {"b": X2[1], "a": X2[0]}
    for one, other in zip(model.predict(X2), model.predict(by_name), strict=True):
        np.testing.assert_array_equal(one, other)
    model.compile("adam", {"other": "mse", "one": "mae"}, metrics={"other": ["mae"]})
    assert model.metrics_names == ["loss", "one_loss", "other_loss", "other_mae"]
    in_order = model.evaluate(X2, Y2, verbose=0)
    named = model.evaluate(by_name, {"other": Y2[1], "one": Y2[0]}, verbose=0, return_dict=True)
    assert in_order == [named[key] for key in model.metrics_names]
    assert in_order[0] == pytest.approx(in_order[1] + in_order[2])
    outputs = Model(model.inputs, {"p": model.outputs[0], "q": model.outputs[1]}).predict(X2)
    np.testing.assert_array_equal(outputs["q"], model.predict(X2)[1])


def test_callbacks_get_the_outputs_of_a_batch_as_predict_returns_them() -> None:
    a = Input((3,), name="a")
    seen = []

    class Watch(Callback):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs["outputs"])

    model = Model(a, {"one": Dense(1, name="one")(a), "two": Dense(2, name="two")(a)})
    x = np.eye(3, dtype="f4")
    found = model.predict(x, 2, 0, callbacks=[Watch()])
    for name, output in found.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in seen]), output)


def test_an_output_without_a_loss_is_predicted_and_not_trained() -> None:
    model = two()
    model.compile("sgd", {"one": "mse"})
    before = [w.copy() for w in model.get_layer("other").get_weights()]
    history = model.fit(X2, {"one": Y2[0]}, epochs=2, verbose=0).history
    assert list(history) == ["loss", "one_loss"]
    for old, new in zip(before, model.get_layer("other").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert len(model.predict(X2)) == 2


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows(count: int) -> None:
    model = two()
    found = model.predict([x[:count] for x in X2])
    assert [y.shape for y in found] == [(count, 1), (count, 2)]
    for one, other in zip(found, model.predict(X2), strict=True):
        np.testing.assert_allclose(one, other[:count], atol=1e-6)


def test_the_summary_says_what_is_connected_to_what() -> None:
    lines: list[str] = []
    two().summary(print_fn=lines.append)
    text = "".join(lines)
    assert "Connected to" in text
    assert "gru, b" in text
    assert max(map(len, text.splitlines())) <= 80
    lines.clear()
    Sequential([Input((3,)), Dense(2)]).summary(print_fn=lines.append)
    assert "Connected to" not in "".join(lines)


def test_a_config_brings_the_graph_back() -> None:
    model = two()
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    for one, other in zip(model.predict(X2), again.predict(X2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_ledger_counts_every_layer_once() -> None:
    start, other = Input((5,)), Input((5,))
    embedding = Embedding(6, 2)
    model = Model([start, other], Add()([GRU(2)(embedding(start)), GRU(2)(embedding(other))]))
    assert model.ledger().total == model.count_params() == 6 * 2 + 2 * 3 * ((2 + 2) * 2 + 4)


# -- what is refused ------------------------------------------------------------------------------

BAD: dict[str, tuple[type[ElmanError], str, Callable[[], Any]]] = {
    "one array for two inputs": (OptionError, "list of 2 arrays", lambda: two().predict(X2[0])),
    "three arrays for two": (OptionError, "2 arrays", lambda: two().predict([*X2, X2[0]])),
    "no such input": (UnknownNameError, "'c'", lambda: two().predict({"a": X2[0], "c": X2[1]})),
    "an input without data": (OptionError, "none for 'b'", lambda: two().predict({"a": X2[0]})),
    "unequal rows": (ShapeError, "'a': 6, 'b': 5", lambda: two().predict([X2[0], X2[1][:5]])),
    "other features": (ShapeError, "input 'b'", lambda: two().predict([X2[0], X2[1][:, :2]])),
    "other axes": (ShapeError, "input 'a'", lambda: two().predict([X2[1], X2[0]])),
    "not finite": (DataError, "finite", lambda: two().predict([X2[0] * np.nan, X2[1]])),
    "an Input left out": (OptionError, "every Input", lambda: Model(Input((3,)), two().outputs)),
    "no symbols": (OptionError, "got ndarray", lambda: Model(Input((3,)), np.zeros(3))),
    "no outputs": (OptionError, "outputs, got none", lambda: Model(Input((3,)), [])),
    "an input twice": (
        OptionError, "one twice", lambda: (lambda x: Model([x, x], Dense(2)(x)))(Input((3,))),
    ),
    "a symbol as input": (
        OptionError, "as each input", lambda: Model(small().outputs, small().outputs),
    ),
    "numbers of a symbol": (OptionError, "before a model runs", lambda: np.sin(two().outputs[0])),
    "tokens of a layer": (
        OptionError, "tokens from an Input", lambda: Embedding(3, 2)(Dense(3)(Input((4,)))),
    ),
    "an Input of tokens and numbers": (
        OptionError, "tokens or numbers",
        lambda: (lambda x: Model(x, [Embedding(3, 2)(x), Dense(2)(x)]))(Input((4,))),
    ),
    "shapes that do not fit": (
        ShapeError, "fit together", lambda: Add()([Input((4, 2)), Input((4, 3))]),
    ),
    "another length": (ShapeError, "fit together", lambda: Add()([Input((4, 2)), Input((5, 2))])),
    "no list": (ShapeError, "a list", lambda: Add()(Input((4, 2)))),
    "a list for one": (ShapeError, "one input", lambda: Dense(2)([Input((3,)), Input((3,))])),
    "three to subtract": (
        ShapeError, "a list of 2", lambda: layers.subtract([Input((3,))] * 3),
    ),
    "arrays of unequal rows": (
        ShapeError, "as many rows", lambda: Add()([np.zeros((2, 3)), np.zeros((3, 3))]),
    ),
    "an axis": (OptionError, "axis", lambda: Concatenate(axis=0)),
    "a name twice": (
        OptionError, "'d' twice",
        lambda: (lambda x: Model(x, Dense(2, name="d")(Dense(2, name="d")(x))))(Input((3,))),
    ),
    "no compile": (NotReadyError, "compile", lambda: two().fit(X2, Y2)),
    "tbptt": (OptionError, "one input and one output", lambda: compiled().fit(X2, Y2, tbptt=2)),
    "class weights": (OptionError, "class_weight", lambda: compiled().fit(X2, Y2, class_weight={})),
    "one target": (OptionError, "list of 2 arrays", lambda: compiled().fit(X2, Y2[0])),
    "a target of another shape": (ShapeError, "'other'", lambda: compiled().fit(X2, [Y2[0]] * 2)),
    "a target of no output": (UnknownNameError, "'z'", lambda: compiled().fit(X2, {"z": Y2[0]})),
    "one loss of two": (OptionError, "2 entries", lambda: two().compile("sgd", ["mse"])),
    "a loss of no output": (UnknownNameError, "'z'", lambda: two().compile("sgd", {"z": "mse"})),
    "a weight": (
        OptionError, "finite", lambda: two().compile("sgd", "mse", loss_weights=[1, np.inf]),
    ),
    "metrics": (OptionError, "each output", lambda: two().compile("sgd", "mse", metrics="mae")),
    "streaming": (OptionError, "one input and one output", lambda: two().stream()),
    "tracing": (OptionError, "one input and one output", lambda: two().trace(X2)),
    "a flow": (OptionError, "one input", lambda: compiled().gradient_flow(X2, Y2)),
    "a report": (OptionError, "one input", lambda: compiled().report(X2, Y2)),
    "a line": (OptionError, "no words for a graph", lambda: elman.spec.write(two())),
    "no such layer": (UnknownNameError, "'one'", lambda: two().get_layer("ona")),
}  # fmt: skip


def compiled() -> Any:
    model = two()
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("name", BAD)
def test_a_bad_use_is_told_clearly(name: str) -> None:
    error, words, use = BAD[name]
    with pytest.raises(error) as raised:
        use()
    assert words in str(raised.value), str(raised.value)


# -- files that were made to do harm --------------------------------------------------------------

Change = Callable[[dict[str, Any]], Any]


def entry(config: dict[str, Any], name: str) -> Any:
    return next(e for e in config["config"]["layers"] if e["name"] == name)


def history(config: dict[str, Any], name: str, call: int = 0) -> Any:
    first = entry(config, name)["inbound_nodes"][call]["args"][0]
    return (first[0] if isinstance(first, list) else first)["config"]["keras_history"]


def repeated(config: dict[str, Any]) -> None:
    own = entry(config, "gru")
    own["inbound_nodes"] *= 20_000


HARM: dict[str, tuple[str, Change]] = {
    "a loop": ("a loop", lambda c: history(c, "gru").__setitem__(slice(None), ["gru", 0, 0])),
    "a longer loop": (
        "a loop", lambda c: history(c, "gru").__setitem__(slice(None), ["concatenate", 0, 0]),
    ),
    "a call of nothing": ("no layer 'x'", lambda c: history(c, "gru").__setitem__(0, "x")),
    "a call that is not there": ("call 7", lambda c: history(c, "one").__setitem__(1, 7)),
    "an output that is not there": ("output 3", lambda c: history(c, "one").__setitem__(2, 3)),
    "a negative output": ("output of a layer", lambda c: history(c, "one").__setitem__(2, -1)),
    "a number that is text": ("output of a layer", lambda c: history(c, "one").__setitem__(1, "0")),
    "a name twice": ("two layers", lambda c: entry(c, "other").update(name="one")),
    "many calls": ("calls of layers", repeated),
    "no outputs": ("output_layers", lambda c: c["config"].update(output_layers=[])),
    "no inputs": ("input_layers", lambda c: c["config"].pop("input_layers")),
    "another input": (
        "every Input", lambda c: c["config"].update(input_layers=[["b", 0, 0]]),
    ),
    "a layer without calls": ("without calls", lambda c: entry(c, "gru").pop("inbound_nodes")),
    "an empty call": ("nothing", lambda c: entry(c, "gru").update(inbound_nodes=[{}])),
    "an option of a call": (
        "use=1", lambda c: entry(c, "gru")["inbound_nodes"][0]["kwargs"].update(use=1),
    ),
    "a mask from elsewhere": (
        "mask", lambda c: entry(c, "gru")["inbound_nodes"][0]["kwargs"].update(
            mask=entry(c, "gru")["inbound_nodes"][0]["args"][0]),
    ),
    "an operation": (
        "keras.src.ops.numpy.Sin",
        lambda c: entry(c, "gru").update(module="keras.src.ops.numpy", class_name="Sin"),
    ),
    "a mask as a layer": (
        "a mask", lambda c: entry(c, "gru").update(
            module="keras.src.ops.numpy", class_name="NotEqual", registered_name="NotEqual"),
    ),
    "shapes that do not fit": (
        "do not fit", lambda c: history(c, "concatenate").__setitem__(0, "a"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARM)
def test_a_file_of_a_graph_that_makes_no_sense_is_refused(name: str, tmp_path: Path) -> None:
    words, change = HARM[name]
    model = two()
    model.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good:
        members = {n: good.read(n) for n in good.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad:
        for member, content in members.items():
            bad.writestr(member, content)
    with pytest.raises(FileError) as raised:
        elman.load(tmp_path / "bad.keras")
    assert words in str(raised.value), str(raised.value)
