"""Penalties on weights and outputs: judged by the complex-step derivative, and by Keras live."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman import _core, constraints, regularizers
from elman.errors import OptionError, ShapeError, UnknownNameError
from elman.layers import (
    GRU,
    LSTM,
    Activation,
    Bidirectional,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Layer,
    Masking,
    SimpleRNN,
)
from elman.regularizers import L1, L1L2, L2, OrthogonalRegularizer
from harness import activity, engine_gradients, judged, reference_loss, through, weights_of

KINDS = [L1(0.03), L2(0.05), L1L2(0.02, 0.04)]
CROSS = [OrthogonalRegularizer(0.3), OrthogonalRegularizer(0.2, "columns")]


def inputs(rows: int = 5, steps: int = 6, features: int = 3) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(rows, steps, features)).astype("f4")


def tokens(rows: int = 5, steps: int = 6) -> np.ndarray:
    found = np.random.default_rng(8).integers(1, 9, (rows, steps)).astype("i4")
    found[1, 4:] = found[2, 1:] = found[3] = 0  # of odd lengths, and nothing but padding
    return found


def tensors(cls: type[Layer]) -> list[str]:
    return [f"{word}_regularizer" for word in cls.ruled]


# -- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, *CROSS], ids=repr)
@pytest.mark.parametrize("cell", [SimpleRNN, LSTM, GRU])
def test_the_gradient_of_a_penalised_cell_is_the_derivative(cell, kind, isa):
    one_axis = cell is not GRU  # GRU's bias has two
    options = {
        name: kind
        for name in tensors(cell)
        if not (one_axis and name.startswith("bias") and kind in CROSS)
    }
    model = elman.Sequential([cell(7, **options), Dense(3)])
    judged(model, inputs())


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kind", [*KINDS, *CROSS], ids=repr)
def test_a_penalty_does_not_depend_on_the_threads(kind, threads):
    _core.set_threads(threads)
    layers = [
        Embedding(9, 4, mask_zero=True, embeddings_regularizer=kind),
        GRU(17, return_sequences=True, recurrent_regularizer=kind),
        Dense(2, "tanh", kernel_regularizer=kind),
    ]
    judged(elman.Sequential(layers), tokens())


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize("padded", [False, True])
def test_the_gradient_of_penalised_outputs_is_the_derivative(kind, padded, isa):
    layers = [
        Embedding(9, 4, mask_zero=padded, activity_regularizer=kind),
        LSTM(5, return_sequences=True, activity_regularizer=kind),
        Dense(7, "relu", activity_regularizer=kind),
        SimpleRNN(3, go_backwards=True, activity_regularizer=kind),
        Activation("tanh", activity_regularizer=kind),
        Dense(1, activity_regularizer=kind),
    ]
    judged(elman.Sequential(layers), tokens())


def test_the_gradient_of_a_penalised_bidirectional_is_the_derivative():
    inside = LSTM(4, kernel_regularizer="l2", recurrent_regularizer=L1(0.1), bias_regularizer="l1")
    layers = [Bidirectional(inside, activity_regularizer=L2(0.2)), Dense(2)]
    judged(elman.Sequential(layers), inputs())


def test_the_gradient_of_a_penalised_convolution_is_the_derivative():
    rules = {"kernel_regularizer": L1(0.1), "bias_regularizer": "l2", "activity_regularizer": "l2"}
    judged(elman.Sequential([Conv1D(3, 3, **rules), GRU(2), Dense(1)]), inputs())


def test_the_loss_is_that_of_the_targets_and_every_penalty():
    layers = [
        Embedding(9, 4, embeddings_regularizer="l2", activity_regularizer=L1(0.2)),
        GRU(5, kernel_regularizer=L1(0.1), recurrent_regularizer=OrthogonalRegularizer(0.5)),
        Dense(2, bias_regularizer=L2(0.3), activity_regularizer=L1L2(0.2, 0.1)),
    ]
    model = elman.Sequential(layers)
    x, y = tokens(), np.random.default_rng(0).normal(size=(5, 2)).astype("f4")
    model.compile("sgd", "mse")
    model.set_weights([w + 0.1 for w in model.get_weights()])
    value, weights, wanted = x, weights_of(model), 0.0
    for layer in model.layers:
        value, _ = through(layer, value, None, weights)
        wanted += float(np.sum(activity(layer, value, len(x))))
        for p in layer.own_params:
            if p.regularizer is not None:
                wanted += float(p.regularizer(weights[f"{layer.name}/{p.name}"]))
    alone = float(reference_loss(model, y, value)[0])
    assert wanted > 0.1
    loss, _ = engine_gradients(model, x, y)
    assert loss == pytest.approx(wanted + alone, rel=1e-6)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(wanted + alone, rel=1e-6)
    assert model.train_on_batch(x, y) == pytest.approx(wanted + alone, rel=1e-6)


# -- where penalties go ---------------------------------------------------------------------------


def test_what_has_no_penalty_has_no_operation_for_it():
    model = elman.Sequential([elman.Input((6, 3)), LSTM(4, kernel_constraint="non_neg"), Dense(1)])
    model.compile("sgd", "mse")
    assert "penalty" not in str(model.plan())


def test_the_plan_shows_each_penalty_in_training_only():
    layer = LSTM(4, kernel_regularizer="l2", activity_regularizer="l1")
    model = elman.Sequential([elman.Input((6, 3)), layer, Dense(1)])
    model.compile("sgd", "mse")
    shown = [line.split()[:2] for line in str(model.plan()).splitlines()]
    assert ["penalty", "lstm/activity"] in shown
    assert ["penalty", "lstm/kernel"] in shown
    assert "penalty" not in str(model.plan(training=False))


def test_a_frozen_layer_costs_nothing():
    layers = [LSTM(4, kernel_regularizer="l2", trainable=False), Dense(1)]
    model = elman.Sequential([elman.Input((6, 3)), *layers])
    bare = elman.Sequential([elman.Input((6, 3)), LSTM(4), Dense(1)])
    bare.set_weights(model.get_weights())
    x, y = inputs(), np.zeros((5, 1), "f4")
    for each in (model, bare):
        each.compile("sgd", "mse")
    assert model.evaluate(x, y, verbose=0) == bare.evaluate(x, y, verbose=0)


def test_predictions_do_not_change():
    rule = {"kernel_regularizer": "l2", "activity_regularizer": "l1", "bias_constraint": "non_neg"}
    model = elman.Sequential([elman.Input((6, 3)), LSTM(4, **rule), Dense(1, **rule)])
    bare = elman.Sequential([elman.Input((6, 3)), LSTM(4), Dense(1)])
    bare.set_weights(model.get_weights())
    np.testing.assert_array_equal(
        model.predict(inputs(), verbose=0), bare.predict(inputs(), verbose=0)
    )


def by_step() -> elman.Sequential:
    layers = [
        elman.Input((None, 3)),
        LSTM(4, return_sequences=True, kernel_regularizer="l2", activity_regularizer=L2(0.002)),
        Dense(2, kernel_regularizer=L1(0.02)),
    ]
    model = elman.Sequential(layers)
    model.compile(elman.optimizers.SGD(0.05), "mse")
    return model


def test_training_in_little_memory_has_the_same_penalties():
    x = inputs(5, 200)
    y = np.zeros((5, 200, 2), "f4")
    models = by_step(), by_step()
    models[1].set_weights(models[0].get_weights())
    losses = [
        model.fit(x, y, 2, 3, 0, shuffle=False, recompute=recompute).history["loss"]
        for model, recompute in zip(models, (False, True), strict=True)
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_every_window_of_truncated_training_has_its_penalties():
    x, y = inputs(2, 20), np.zeros((2, 20, 2), "f4")
    whole, cut = by_step(), by_step()
    cut.set_weights(whole.get_weights())
    # Two windows of a rate of zero: their mean loss is that of the whole, penalties included once.
    for model in (whole, cut):
        model.optimizer.learning_rate = 0.0
    losses = [
        model.fit(x, y, 2, 1, 0, tbptt=steps).history["loss"][0]
        for model, steps in ((whole, None), (cut, 10))
    ]
    # Penalties of outputs are sums over steps, so that a window has its own share of them only.
    out = 0.002 * float(np.sum(np.square(whole.layers[0](x)))) / 2
    assert out > 1e-3 * losses[0]
    assert losses[1] == pytest.approx(losses[0] - out / 2, rel=1e-5)


@pytest.mark.parametrize("outputs", [False, True], ids=["weights", "outputs too"])
def test_evaluating_long_sequences_in_windows_counts_penalties_once(outputs):
    x = inputs(3, 1100)
    penalty = {"activity_regularizer": "l2"} if outputs else {}
    layer = GRU(4, return_sequences=True, kernel_regularizer="l2", **penalty)
    model = elman.Sequential([elman.Input((None, 3)), layer, Dense(1)])
    model.compile("sgd", "mse")
    y = np.zeros((3, 1100, 1), "f4")
    predicted = model.predict(x, verbose=0)
    wanted = float(np.mean(predicted**2)) + 0.01 * float(np.sum(layer.kernel**2))
    if outputs:
        wanted += 0.01 * float(np.sum(layer(x) ** 2)) / 3
    assert model.evaluate(x, y, verbose=0) == pytest.approx(wanted, rel=1e-5)


def test_a_table_with_a_penalty_changes_in_every_row():
    model = elman.Sequential(
        [elman.Input((4,)), Embedding(50, 3, embeddings_regularizer="l2"), LSTM(2), Dense(1)]
    )
    model.compile("sgd", "mse")
    before = np.array(model.layers[0].embeddings)
    model.train_on_batch(np.full((2, 4), 7, "i4"), np.zeros((2, 1), "f4"))
    after = model.layers[0].embeddings
    np.testing.assert_allclose(after[8:], before[8:] * (1 - 0.01 * 2 * 0.01), rtol=1e-5)


# -- names, options and errors --------------------------------------------------------------------


@pytest.mark.parametrize(("cls", "other"), [(LSTM, 4), (Dense, 4)])
def test_a_config_builds_the_same_layer_again(cls, other):
    rules: dict[str, Any] = {name: L1L2(0.1, 0.2) for name in tensors(cls)}
    layer = cls(other, **rules, activity_regularizer="l1", kernel_constraint="max_norm")
    again = cls.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.kernel_regularizer.l2 == 0.2
    assert again.kernel_constraint.max_value == 2.0
    assert repr(again.activity_regularizer) == "L1()"


def test_options_are_those_of_the_tensors_that_a_layer_has():
    with pytest.raises(UnknownNameError, match="recurrent_regularizer"):
        Dense(3, recurrent_regularizer="l2")
    with pytest.raises(UnknownNameError, match="kernel_constraint"):
        Dropout(0.5, kernel_constraint="non_neg")
    assert Masking(activity_regularizer="l2").activity_regularizer is not None


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: LSTM(3, kernel_regularizer="l3"), UnknownNameError, "Did you mean"),
        (lambda: LSTM(3, kernel_regularizer=0.01), UnknownNameError, "got 0.01"),
        (lambda: LSTM(3, kernel_regularizer=lambda w: w), OptionError, "does not call Python"),
        (lambda: L2(-1.0), OptionError, "l2 to be a finite number >= 0, got -1.0"),
        (lambda: L1(float("nan")), OptionError, "got nan"),
        (lambda: L1L2("a"), OptionError, "got 'a'"),
        (lambda: OrthogonalRegularizer(mode="diagonal"), UnknownNameError, "mode"),
        (
            lambda: Dense(3, activity_regularizer=OrthogonalRegularizer()),
            OptionError,
            "activity_regularizer",
        ),
        (
            lambda: elman.Sequential(
                [elman.Input((3,)), Dense(3, bias_regularizer=OrthogonalRegularizer())]
            ),
            ShapeError,
            "Dense 'dense' expected a matrix of two rows or more",
        ),
    ],
)
def test_what_is_no_regularizer_is_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


# -- Keras ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("regularizers", regularizers), ("constraints", constraints)],
    ids=["regularizers", "constraints"],
)
def test_names_and_configs_are_those_of_keras(theirs, ours, keras):
    known = getattr(keras, theirs)
    for name in ours.NAMES:
        if name == "l1_l2":  # Keras has a function of this name, but does not read it as text
            continue
        wanted = known.get(name)
        found = ours.get(name)
        assert found.get_config() == pytest.approx(wanted.get_config()), name
        assert type(ours.get(known.serialize(wanted))) is type(found)
        assert type(known.get(elman.config.serialize(found))) is type(wanted)


@pytest.mark.parametrize("kind", [*KINDS, *CROSS], ids=repr)
def test_a_formula_is_that_of_keras(kind, keras):
    w = np.random.default_rng(3).normal(size=(5, 4)).astype("f4")
    theirs = keras.regularizers.get(elman.config.serialize(kind))
    # As a tensor: given an array, Keras takes the wrong axis for columns.
    assert float(kind(w)) == pytest.approx(float(theirs(keras.ops.array(w))), rel=1e-5)


def ruled(library: Any, turn: int, padded: bool) -> Any:
    """One model, of Keras or of elman, with a penalty and a constraint on every tensor.

    Args:
        turn: which of them each tensor has.
    """
    layers, R, C = library.layers, library.regularizers, library.constraints
    # At zero the derivative of L1 has a step, and a cosine none at all: NonNeg goes with L2.
    pairs = [
        (R.L1(0.02), C.MaxNorm(0.7)),
        (R.L2(0.03), C.NonNeg()),
        (R.L1L2(0.01, 0.02), C.UnitNorm(axis=-1)),
        (R.OrthogonalRegularizer(0.05), C.MinMaxNorm(0.3, 0.6, rate=0.5)),
        (R.L2(0.01), C.MaxNorm(0.9, axis=[0])),
    ]
    count = iter(range(turn, 1000))

    def rules(*words: str) -> dict[str, Any]:
        found = {}
        for word in words:
            penalty, constraint = pairs[next(count) % len(pairs)]
            if word == "bias" and isinstance(penalty, R.OrthogonalRegularizer):
                penalty = R.L2(0.02)
            found[f"{word}_regularizer"], found[f"{word}_constraint"] = penalty, constraint
        return {**found, "activity_regularizer": pairs[next(count) % 3][0]}

    three = ("kernel", "recurrent", "bias")
    inside = layers.LSTM(5, return_sequences=True, **rules(*three))
    # Keras's SimpleRNN takes an activity_regularizer and forgets it: docs/keras_compat.md.
    simple = {**rules(*three), "activity_regularizer": None}
    return library.Sequential(
        [
            library.Input((7,)),
            layers.Embedding(11, 4, mask_zero=padded, **rules("embeddings")),
            layers.Bidirectional(inside, activity_regularizer=R.L1(0.01)),
            layers.GRU(4, return_sequences=True, **rules(*three)),
            layers.SimpleRNN(3, **simple),
            layers.Dense(3, activation="sigmoid", **rules("kernel", "bias")),
        ]
    )


TRAININGS: list[tuple[str, dict[str, Any], bool]] = [
    ("SGD", {"clipnorm": 0.1, "momentum": 0.5}, True),
    ("RMSprop", {"global_clipnorm": 0.3, "weight_decay": 0.01}, True),
    ("Adam", {}, False),
]


@pytest.mark.parametrize("turn", range(len(TRAININGS)))
def test_losses_and_weights_after_20_steps_are_those_of_keras(turn, keras):
    name, options, padded = TRAININGS[turn]
    rng = np.random.default_rng(turn)
    x = rng.integers(1, 11, (40, 7)).astype("i4")
    x[::3, 4:] = 0
    y = rng.integers(0, 2, (40, 3)).astype("f4")
    # The last batch of each of the five epochs is a small one: outputs are penalised by row.
    results = []
    start = None
    for library in (keras, elman):
        model = ruled(library, turn, padded)
        if start is None:
            start = [rng.normal(0, 0.4, w.shape).astype("f4") for w in model.get_weights()]
        model.set_weights(start)
        optimizer = getattr(library.optimizers, name)(0.01, **options)
        model.compile(optimizer, "binary_crossentropy")
        before = model.evaluate(x, y, batch_size=12, verbose=0)
        history = model.fit(x, y, 12, 5, 0, shuffle=False).history["loss"]
        results.append((before, history, model.get_weights()))
    (wanted, losses, weights), (found, own_losses, own_weights) = results
    assert found == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(own_losses, losses, rtol=1e-5)
    for one, other in zip(own_weights, weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_rules_go_both_ways_in_a_file(keras, tmp_path: Path):
    x = np.random.default_rng(1).integers(0, 11, (12, 7)).astype("i4")
    y = np.zeros((12, 3), "f4")
    losses = {}
    for library in (keras, elman):
        model = ruled(library, 0, padded=True)
        model.compile("sgd", "mse")
        losses[library.__name__] = model.evaluate(x, y, verbose=0)
        model.save(tmp_path / f"{library.__name__}.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = keras.saving.load_model(tmp_path / "elman.keras")
    ours = elman.load(tmp_path / "keras.keras")
    assert theirs.evaluate(x, y, verbose=0) == pytest.approx(losses["elman"], rel=1e-5)
    assert ours.evaluate(x, y, verbose=0) == pytest.approx(losses["keras"], rel=1e-5)
    again = elman.load(tmp_path / "elman.keras")
    assert again.evaluate(x, y, verbose=0) == losses["elman"]
