"""elman judged by real Keras in the same run: outputs, trainings, first weights, configs, hooks."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import elman
import keras_judge
import trainings
from elman import activations
from golden import record_training
from trainings import CELLS, OPTIMIZERS, STACKS, TAGGER, TRAININGS, Arrays, differences, part


@functools.cache
def asked_now(topic: str, name: str) -> Arrays:
    """What Keras makes of a case now."""
    _, ask = record_training.TOPICS[topic]
    return ask(keras_judge.keras(), name)


# -- outputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_predicts_what_keras_does_in_every_use(name, keras):
    asked = asked_now("cells", name)
    found = trainings.elman_cell(name, asked)
    assert len(found) == 8
    assert not differences(found, trainings.outputs_in(asked), 1e-5)


@pytest.mark.parametrize("name", STACKS)
def test_layers_above_each_other_predict_what_keras_does(name, keras):
    asked = asked_now("stacks", name)
    found = trainings.elman_stack(name, asked)
    assert not differences(found, trainings.outputs_in(asked), 1e-5)


@pytest.mark.parametrize("name", [*activations.ELEMENTWISE, *activations.ROWWISE])
def test_an_activation_is_that_of_keras(name, keras):
    x = np.linspace(-9, 9, 4 * 37, dtype="f4").reshape(37, 4)
    wanted = np.asarray(getattr(keras.activations, name)(x))
    found = elman.layers.Activation(name)(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6)


# -- trainings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_has_the_losses_and_weights_of_keras(name, keras):
    asked = asked_now("trainings", name)
    found, wanted = trainings.elman_training(TRAININGS[name], asked), part(asked, "last ")
    assert not differences(found, wanted, 1e-4)
    assert list(found) == list(wanted), "the history has Keras's order"
    moved = [np.abs(wanted[key] - asked[key]).max() for key in wanted if key.startswith("weight")]
    assert min(moved) > 0.02, "a training that moves nothing proves nothing"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_the_steps_of_keras_also_for_words_that_are_rare(name, keras):
    asked = asked_now("trained", name)
    found = trainings.elman_training(TAGGER, asked, OPTIMIZERS[name](elman))
    assert not differences(part(found, "weight "), part(asked, "last weight "), 1e-4)
    # The same, when Python looks on after every batch.
    watch = elman.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    by_batch = trainings.elman_training(TAGGER, asked, OPTIMIZERS[name](elman), [watch])
    assert not differences(part(by_batch, "weight "), part(found, "weight "), 1e-6)


@pytest.mark.parametrize("topic", record_training.TOPICS)
def test_what_is_recorded_is_what_keras_answers_now(topic, keras):
    recorded = keras_judge.quoted(topic)
    names, _ = record_training.TOPICS[topic]
    now = {f"{name}/{key}": v for name in names for key, v in asked_now(topic, name).items()}
    assert not differences(recorded, now, 1e-4), "run python tests/golden/record_training.py"


# -- fit, evaluate, train_on_batch ----------------------------------------------------------------


def classifier(api: Any) -> Any:
    model = api.Sequential(
        [
            api.Input((3,)),
            api.layers.Dense(4, activation="tanh"),
            api.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(5)
    model.set_weights(trainings.any_weights([w.shape for w in model.get_weights()], rng))
    return model


@functools.cache
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(12, 3)).astype("f4")
    return x, rng.integers(0, 3, 12), rng.random(12).astype("f4")


def use_everything(api: Any) -> dict[str, Any]:
    """What each way to use a model returns."""
    model = classifier(api)
    x, y, w = rows()
    found: dict[str, Any] = {}
    first = model.fit(
        x, y, 4, 5, 0, validation_data=(x[:4], y[:4], w[:4]), shuffle=False, initial_epoch=3
    )
    found["history"], found["epochs"] = first.history, first.epoch
    found["kept"] = model.history is first
    found["params"] = first.params
    found["evaluate"] = model.evaluate(x, y, batch_size=4, verbose=0)
    found["evaluate, weighted"] = model.evaluate(x, y, 4, 0, w, return_dict=True)
    found["train_on_batch"] = model.train_on_batch(x[:4], y[:4], w[:4])
    found["a batch by class"] = model.train_on_batch(
        x[:4], y[:4], class_weight={0: 0.5, 2: 3.0}, return_dict=True
    )
    found["weights"] = [np.asarray(weight) for weight in model.get_weights()]
    found["predict"] = model.predict(x[:4], batch_size=4, verbose=0)
    found["iterations"] = int(model.optimizer.iterations)
    return found


def test_fit_evaluate_train_on_batch_and_predict_return_what_keras_does(keras):
    ours, theirs = use_everything(elman), use_everything(keras)
    assert list(ours["history"]) == list(theirs["history"])
    for found in (ours, theirs):
        found |= {f"history {key}": values for key, values in found.pop("history").items()}
    for key in ("epochs", "kept", "params", "iterations"):
        assert ours.pop(key) == theirs.pop(key), key
    for key, wanted in theirs.items():
        got = ours[key]
        assert type(got) is type(wanted), key
        if isinstance(wanted, dict):
            assert list(got) == list(wanted), key
            got, wanted = list(got.values()), list(wanted.values())
        pairs = zip(got, wanted, strict=True) if key == "weights" else [(got, wanted)]
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=key)


HOOKS = ("train", "test", "epoch", "train_batch", "test_batch")


def watch(api: Any, stop: tuple[int, int] | None = None) -> list[tuple[Any, ...]]:
    """Every hook that a fit calls, with its number and the names in its logs."""
    calls: list[tuple[Any, ...]] = []

    class Watch(api.callbacks.Callback):
        pass

    def hook(name: str) -> Any:
        def called(self: Any, *numbers: int, logs: Any = None) -> None:
            if numbers and not isinstance(numbers[-1], int):
                numbers, logs = numbers[:-1], numbers[-1]
            calls.append((name, *numbers, *sorted(logs or ())))
            epoch = sum(call[0] == "on_epoch_begin" for call in calls) - 1
            if name == "on_train_batch_end" and (epoch, *numbers) == stop:
                self.model.stop_training = True

        return called

    for part_of_training in HOOKS:
        for end in ("begin", "end"):
            name = f"on_{part_of_training}_{end}"
            setattr(Watch, name, hook(name))
    x, y, _ = rows()
    watched(api).fit(x, y, 4, 4, 0, [Watch()], validation_split=1 / 3, shuffle=False)
    return calls


watched = functools.cache(classifier)


@pytest.mark.parametrize("stop", [None, (1, 0)], ids=["to the end", "stopped in a batch"])
def test_hooks_are_called_in_the_order_and_with_the_logs_of_keras(stop, keras):
    ours = watch(elman, stop)
    assert ours == watch(keras, stop)
    assert sum(call[0] == "on_epoch_end" for call in ours) == (4 if stop is None else 2)


# -- first weights --------------------------------------------------------------------------------

FIRST: dict[str, Any] = {
    "dense": lambda api: api.layers.Dense(64),
    "embedding": lambda api: api.layers.Embedding(300, 64),
    "simple_rnn": lambda api: api.layers.SimpleRNN(64),
    "lstm": lambda api: api.layers.LSTM(64),
    "gru": lambda api: api.layers.GRU(64),
    "gru_reset_before": lambda api: api.layers.GRU(64, reset_after=False),
}


@pytest.mark.parametrize("name", FIRST)
def test_first_weights_are_distributed_as_those_of_keras(name, keras):
    keras.utils.set_random_seed(0)
    shape = {"dense": (80,), "embedding": (None,)}.get(name, (None, 80))
    ours = elman.Sequential([elman.Input(shape), FIRST[name](elman)]).get_weights()
    layer = FIRST[name](keras)
    layer.build((None, *shape))
    theirs = layer.get_weights()
    assert [w.shape for w in ours] == [w.shape for w in theirs]
    for found, wanted in zip(ours, theirs, strict=True):
        wanted = np.asarray(wanted)
        if np.all(np.abs(wanted - np.rint(wanted)) == 0):  # biases: zeros, ones to forget nothing
            np.testing.assert_array_equal(found, wanted)
            continue
        largest = np.abs(wanted).max()
        assert abs(found.mean()) < 0.03 * largest
        np.testing.assert_allclose(found.std(), wanted.std(), rtol=0.05)
        assert 0.97 < np.abs(found).max() / largest < 1.03 or orthogonal(wanted)
        assert orthogonal(found) == orthogonal(wanted)


def orthogonal(w: np.ndarray) -> bool:
    """Whether the rows are orthonormal."""
    return bool(np.allclose(w @ w.T, np.eye(len(w)), atol=1e-4))


# -- configs --------------------------------------------------------------------------------------

CONFIGS: dict[str, Any] = {
    "Activation": {"activation": "relu"},
    "Add": {},
    "Average": {},
    "AveragePooling1D": {"pool_size": 3, "strides": 2, "padding": "same"},
    "BatchNormalization": {"momentum": 0.9, "epsilon": 0.01, "scale": False},
    "Bidirectional": {
        "layer": lambda api: api.layers.LSTM(4, dropout=0.1, name="lstm"),
        "merge_mode": "sum",
        "backward_layer": lambda api: api.layers.GRU(4, go_backwards=True, name="gru"),
    },
    "Concatenate": {"axis": 1},
    "Conv1D": {"filters": 3, "kernel_size": 2, "padding": "causal", "dilation_rate": 2},
    "Cropping1D": {"cropping": (1, 2)},
    "Dense": {"units": 3, "activation": "gelu", "use_bias": False},
    "Dropout": {"rate": 0.2, "seed": 3},
    "ELU": {},
    "Embedding": {"input_dim": 7, "output_dim": 3, "mask_zero": True},
    "Flatten": {},
    "GRU": {"units": 4, "reset_after": False, "recurrent_activation": "hard_sigmoid"},
    "GaussianDropout": {"rate": 0.3, "seed": 1},
    "GaussianNoise": {"stddev": 0.3, "seed": 1},
    "GlobalAveragePooling1D": {"keepdims": True},
    "GlobalMaxPooling1D": {"keepdims": True},
    "LSTM": {"units": 4, "unit_forget_bias": False, "kernel_initializer": "he_normal"},
    "LayerNormalization": {"epsilon": 0.01, "center": False, "rms_scaling": True},
    "LeakyReLU": {"negative_slope": 0.2},
    "Masking": {"mask_value": -1.0},
    "MaxPooling1D": {"pool_size": 3},
    "Maximum": {},
    "Minimum": {},
    "Multiply": {},
    "Normalization": {"mean": [1.0, -2.0], "variance": [4.0, 0.25], "invert": True},
    "Permute": {"dims": (2, 1)},
    "ReLU": {"max_value": 2.0, "negative_slope": 0.2, "threshold": 0.5},
    "RepeatVector": {"n": 3},
    "Rescaling": {"scale": [0.5, 2.0], "offset": -1.0},
    "Reshape": {"target_shape": (3, -1)},
    "RNN": {
        "cell": lambda api: api.layers.StackedRNNCells(
            [api.layers.LSTMCell(4, name="a"), api.layers.GRUCell(3, name="b")], name="cells"
        ),
        "return_sequences": True,
    },
    "SimpleRNN": {"units": 4, "go_backwards": True, "activation": "relu"},
    "Softmax": {"axis": -1},
    "SpatialDropout1D": {"rate": 0.4, "seed": 2},
    "Subtract": {},
    "TimeDistributed": {"layer": lambda api: api.layers.Dense(4, name="dense")},
    "UpSampling1D": {"size": 3},
    "ZeroPadding1D": {"padding": (1, 2)},
}


def named(api: Any, name: str) -> Any:
    options = {k: v(api) if callable(v) else v for k, v in CONFIGS[name].items()}
    return getattr(api.layers, name)(**options, name="layer")


def covers(more: Any, less: Any) -> bool:
    """Whether all of `less` is in `more`, which may have more keys."""
    if isinstance(less, dict):
        return isinstance(more, dict) and all(covers(more.get(k, ...), v) for k, v in less.items())
    more, less = (list(v) if isinstance(v, tuple) else v for v in (more, less))
    if isinstance(less, list) and isinstance(more, list):
        return len(more) == len(less) and all(map(covers, more, less))
    return bool(more == less)


def test_every_layer_has_a_config_to_compare():
    assert CONFIGS.keys() == elman.layers.LAYERS.keys()


@pytest.mark.parametrize("name", CONFIGS)
def test_the_config_of_a_layer_is_that_of_keras_for_the_options_both_have(name, keras):
    ours, theirs = named(elman, name).get_config(), named(keras, name).get_config()
    both = ours.keys() & theirs.keys()
    assert CONFIGS[name].keys() <= both
    for option in both:
        assert covers(theirs[option], ours[option]), option
    # Keras's SimpleRNN forgets its seed.
    assert ours.keys() - theirs.keys() <= {"seed"}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_layer_is_built_from_the_config_of_keras_and_the_other_way_round(name, keras):
    ours, theirs = named(elman, name), named(keras, name)
    again = type(ours).from_config(theirs.get_config())
    assert again.get_config() == ours.get_config()
    back = type(theirs).from_config(ours.get_config())
    both = {k: v for k, v in ours.get_config().items() if k in theirs.get_config()}
    assert covers(back.get_config(), both)


def test_a_model_is_built_from_the_config_of_keras_and_the_other_way_round(keras):
    training = TRAININGS["gru"]
    theirs, ours = keras_model("gru"), trainings.model(elman, training)
    again = elman.Sequential.from_config(theirs.get_config())
    assert [w.shape for w in again.get_weights()] == [w.shape for w in ours.get_weights()]
    assert [layer.name for layer in again.layers] == [layer.name for layer in theirs.layers]
    back = keras.Sequential.from_config(ours.get_config())
    assert [w.shape for w in back.get_weights()] == [w.shape for w in ours.get_weights()]
    weights, data = trainings.begin(training)
    again.set_weights(weights)
    ours.set_weights(weights)
    np.testing.assert_array_equal(again.predict(data["x"]), ours.predict(data["x"]))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_is_built_from_the_config_of_keras(name, keras):
    ours, theirs = OPTIMIZERS[name](elman), OPTIMIZERS[name](keras)
    again = type(ours).from_config(theirs.get_config())
    found, wanted = again.get_config(), ours.get_config()
    assert found.keys() == wanted.keys()
    for option in found.keys() - {"name", "learning_rate"}:
        assert found[option] == wanted[option], option
    np.testing.assert_allclose(again.learning_rates(0, 20), ours.learning_rates(0, 20), rtol=1e-6)


# -- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "gru", "stack"])
def test_parameters_and_shapes_are_those_of_keras(name, keras):
    ours, theirs = trainings.model(elman, TRAININGS[name]), keras_model(name)
    assert ours.count_params() == theirs.count_params()
    counts = [layer.count_params() for layer in theirs.layers]
    assert [layer.count_params() for layer in ours.layers] == counts
    assert ours.input_shape == theirs.input_shape
    assert ours.output_shape == theirs.output_shape
    assert [shape for _, shape in ours.shapes()] == [layer.output.shape for layer in theirs.layers]


@functools.cache
def keras_model(name: str) -> Any:
    return trainings.model(keras_judge.keras(), TRAININGS[name])


# -- long sequences -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["simple_rnn", "lstm", "gru", "gru with reset before"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_windows_train_like_stateful_layers(name, optimizer, keras):
    # 5 windows in each of 4 epochs: 20 updates, the last window of each epoch shorter.
    rows, steps, window, epochs = 3, 43, 10, 4

    def build(api: Any, **options: Any) -> Any:
        kinds = {"simple_rnn": "SimpleRNN", "lstm": "LSTM"}
        form = {"reset_after": False} if "before" in name else {}
        cell = getattr(api.layers, kinds.get(name, "GRU"))
        layers = [
            api.layers.Masking(),
            cell(4, return_sequences=True, **form, **options),
            api.layers.LSTM(3, return_sequences=True, **options),
            api.layers.Dense(2),
        ]
        first = api.Input(batch_shape=(rows, None, 2)) if options else api.Input((None, 2))
        model = api.Sequential([first, *layers])
        sgd, adam = api.optimizers.SGD(0.3), api.optimizers.Adam(0.03)
        model.compile({"sgd": sgd, "adam": adam}[optimizer], "mse")
        return model

    rng = np.random.default_rng(7)
    x = rng.normal(size=(rows, steps, 2)).astype("f4")
    x[0, 8:12] = 0
    y = rng.normal(size=(rows, steps, 2)).astype("f4")
    asked, found = build(keras, stateful=True), build(elman)
    keras_judge.with_states(asked)
    kept = asked.trainable_variables
    start = trainings.any_weights([tuple(w.shape) for w in kept], rng)
    for variable, value in zip(kept, start, strict=True):
        variable.assign(value)
    found.set_weights(start)
    losses = []
    for _ in range(epochs):
        for layer in asked.layers[1:3]:
            layer.reset_state()
        for at in range(0, steps, window):
            part = slice(at, at + window)
            losses.append(float(asked.train_on_batch(x[:, part], y[:, part])))
            asked.reset_metrics()
    seen = []
    watch = elman.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: seen.append(logs))
    found.fit(x, y, batch_size=rows, tbptt=window, epochs=epochs, verbose=0, callbacks=[watch])
    assert len(seen) == len(losses) == 20
    for a, b, c in zip(found.get_weights(), kept, start, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-4)
        assert np.abs(a - c).max() > 0.005, "a training that moves nothing proves nothing"
    np.testing.assert_allclose(seen[0]["loss"], losses[0], rtol=1e-4)
