"""Real Keras models on elman's engine, judged by the same models on Keras's own."""

from __future__ import annotations

import functools
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import elman
from elman.interop.keras import accelerate, restore
from elman.interop.keras.bridge import Bridge
from elman.interop.keras.twin import Twin, described


@pytest.fixture(autouse=True)
def no_warnings():
    """What runs on Keras's engine after all says so by a warning: here it would be an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*runs on Keras's engine")
        yield


# -- models and data ------------------------------------------------------------------------------


@functools.cache
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(24, 7, 2)).astype("f4")
    x[:9, 5:] = 0
    return x, (3 * rng.random(24)).astype("i4"), rng.random(24).astype("f4")


def net(units: int = 5, **options: Any) -> list[Any]:
    """Layers that are small, so that Keras compiles them soon."""
    from keras import Input, layers

    cell = layers.SimpleRNN(units, name="rnn", **options)
    head = layers.Dense(3, activation="softmax", name="head")
    return [Input((7, 2)), layers.Masking(name="masking"), cell, head]


def convolutional() -> list[Any]:
    from keras import Input, layers

    return [
        Input((7, 2)),
        layers.TimeDistributed(layers.Dense(3, activation="relu")),
        layers.Conv1D(4, 3, padding="causal"),
        layers.MaxPooling1D(2),
        layers.Flatten(),
        layers.Dense(3),
        layers.Softmax(),
    ]


def recurrent() -> list[Any]:
    from keras import Input, layers

    return [
        Input((7, 2)),
        layers.Masking(),
        layers.LSTM(4, return_sequences=True),
        layers.Bidirectional(layers.GRU(3)),
        layers.Dropout(0.0),
        layers.Dense(3, kernel_regularizer="l2", bias_constraint="non_neg"),
        layers.Activation("softmax"),
    ]


OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda o: o.SGD(0.1),
    "momentum": lambda o: o.SGD(0.05, momentum=0.8, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda o: o.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda o: o.Adam(0.02, clipnorm=0.5),
    "amsgrad": lambda o: o.AdamW(0.02, amsgrad=True),
    "schedule": lambda o: o.Adam(o.schedules.ExponentialDecay(0.05, 4, 0.7)),
}


def compiled(layers: list[Any], optimizer: str = "adam") -> Any:
    """A model whose weights, biases too, are the same each time."""
    import keras

    model = keras.Sequential(layers, name="net")
    chosen = OPTIMIZERS[optimizer](keras.optimizers)
    model.compile(chosen, "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


@functools.cache
def asked(optimizer: str = "adam") -> tuple[Any, list[Any], list[Any]]:
    """Keras's own, compiled once for all tests; its weights and its optimizer's state at first."""
    model = compiled(net(), optimizer)
    model.optimizer.build(model.trainable_variables)
    return model, model.get_weights(), [np.array(v) for v in model.optimizer.variables]


def pair(optimizer: str = "adam") -> tuple[Any, Any]:
    """A model on Keras's engine, and the same on elman's."""
    plain, weights, state = asked(optimizer)
    plain.set_weights(weights)
    for variable, value in zip(plain.optimizer.variables, state, strict=True):
        variable.assign(value)
    fast = compiled(net(), optimizer)
    assert accelerate(fast)
    return plain, fast


def check_same(fast: Any, plain: Any, tolerance: float = 1e-4) -> None:
    """Weights and all that the optimizer keeps."""
    for found, wanted in zip(fast.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, atol=tolerance)
    pairs = zip(fast.optimizer.variables, plain.optimizer.variables, strict=True)
    for found, wanted in pairs:
        np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), atol=tolerance)


def check_histories(found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted)
    assert list(found.history) == list(wanted.history)
    assert found.epoch == wanted.epoch
    assert found.params == wanted.params
    for name, values in wanted.history.items():
        np.testing.assert_allclose(found.history[name], values, atol=1e-4, err_msg=name)


def both_fit(optimizer: str = "adam", make: Any = None, **options: Any) -> tuple[Any, Any]:
    """Fit both, with callbacks of their own, and compare everything."""
    x, y, _ = rows()
    found = []
    options = {"batch_size": 6, "epochs": 5, "shuffle": False, "verbose": 0, **options}
    for model in (models := pair(optimizer)):
        history = model.fit(x, y, callbacks=make() if make else None, **options)
        assert model.history is history
        found.append(history)
    plain, fast = models
    check_histories(found[1], found[0])
    check_same(fast, plain)
    return plain, fast


# -- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_twenty_steps_of_fit_are_those_of_keras(optimizer, keras):
    plain, fast = both_fit(optimizer)
    assert int(fast.optimizer.iterations) == 20
    moved = np.abs(fast.get_weights()[0] - compiled(net()).get_weights()[0]).max()
    assert moved > 0.02, "a training that moves nothing proves nothing"
    # ... and it goes on where it was.
    x, y, _ = rows()
    for model in (plain, fast):
        model.fit(x, y, batch_size=6, shuffle=False, verbose=0)
    check_same(fast, plain)


@pytest.mark.parametrize("stack", [recurrent, convolutional], ids=lambda stack: stack.__name__)
def test_a_deep_model_trains_predicts_and_evaluates_as_with_keras(stack, keras):
    x, y, _ = rows()
    plain, fast = compiled(stack()), compiled(stack())
    assert accelerate(fast)
    np.testing.assert_allclose(fast.predict(x, verbose=0), plain.predict(x, verbose=0), atol=1e-5)
    options = {"batch_size": 6, "epochs": 5, "shuffle": False, "verbose": 0}
    check_histories(fast.fit(x, y, **options), plain.fit(x, y, **options))
    check_same(fast, plain)
    found, wanted = (model.evaluate(x, y, verbose=0) for model in (fast, plain))
    assert type(found) is type(wanted)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


FIT: dict[str, Any] = {
    "validation split": {"validation_split": 0.25},
    "validation data": {"validation_data": lambda: rows(), "validation_batch_size": 5},
    "now and then": {"validation_data": lambda: rows()[:2], "validation_freq": 2},
    "after these": {"validation_data": lambda: rows()[:2], "validation_freq": [1, 4]},
    "class weight": {"class_weight": {0: 0.5, 2: 3.0}},
    "sample weight": {"sample_weight": lambda: rows()[2]},
    "from epoch 3": {"initial_epoch": 3},
    "no epoch": {"epochs": 0},
    "a batch left over": {"batch_size": 7},
    "two steps an epoch": {
        "steps_per_epoch": 2,
        "validation_data": lambda: rows(),
        "validation_steps": 1,
    },
}


@pytest.mark.parametrize("name", FIT)
def test_options_of_fit_mean_what_they_mean_in_keras(name, keras):
    both_fit(**{k: v() if callable(v) else v for k, v in FIT[name].items()})


def test_other_ways_to_use_the_model_return_what_keras_does(keras):
    x, y, w = rows()
    found: list[dict[str, Any]] = []
    for model in (models := pair()):
        of = {"evaluate": model.evaluate(x, y, verbose=0)}
        of["by name"] = model.evaluate(x, y, 7, 0, w, return_dict=True)
        of["predict"] = model.predict(x, verbose=0)
        of["two steps"] = model.predict(x, 5, 0, steps=2)
        of["evaluate two steps"] = model.evaluate(x, y, 5, 0, steps=2)
        of["predict_on_batch"] = model.predict_on_batch(x[:5])
        of["train_on_batch"] = model.train_on_batch(x, y, w)
        of["by class"] = model.train_on_batch(x, y, class_weight={1: 2.0}, return_dict=True)
        of["test_on_batch"] = model.test_on_batch(x, y, w)
        found.append(of)
    plain, fast = found
    for name, wanted in plain.items():
        got = fast[name]
        if isinstance(wanted, dict):
            assert list(got) == list(wanted)
            got, wanted = list(got.values()), list(wanted.values())
        assert np.shape(got) == np.shape(wanted), name
        np.testing.assert_allclose(got, np.asarray(wanted), atol=1e-5, err_msg=name)
    check_same(models[1], models[0])


def test_tensors_lists_of_one_and_float64_are_taken_as_arrays(keras):
    x, y, _ = rows()
    _, fast = pair()
    wanted = fast.predict(x, verbose=0)
    for same in (keras.ops.convert_to_tensor(x), [x], x.astype("f8")):
        np.testing.assert_array_equal(fast.predict(same, verbose=0), wanted)
    tensors = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    found = fast.evaluate(*tensors, verbose=0)
    assert found == fast.evaluate(x, y, verbose=0)


def test_the_seed_of_keras_repeats_a_run(keras):
    x, y, _ = rows()
    found = []
    for seed in (3, 3, 4):
        fast = compiled(net(dropout=0.3))
        assert accelerate(fast)
        keras.utils.set_random_seed(seed)
        found.append(fast.fit(x, y, 6, 2, verbose=0).history["loss"])
    assert found[0] == found[1] != found[2]


def test_progress_is_shown_by_keras(keras, capsys):
    x, y, _ = rows()
    _, fast = pair()
    calls = (
        lambda verbose: fast.fit(x, y, 6, verbose=verbose),
        lambda verbose: fast.evaluate(x, y, 6, verbose=verbose),
        lambda verbose: fast.predict(x, 6, verbose=verbose),
    )
    for call in calls:
        for verbose in (0, 1, 2):
            capsys.readouterr()
            call(verbose)
            assert ("4/4" in capsys.readouterr().out) == (verbose > 0)


# -- callbacks ------------------------------------------------------------------------------------


def stopping() -> list[Any]:
    from keras.callbacks import EarlyStopping

    # The loss falls, so that training ends, and goes back to its first epoch.
    options = {"mode": "max", "restore_best_weights": True, "start_from_epoch": 1}
    return [EarlyStopping("loss", patience=2, **options)]


def plateau() -> list[Any]:
    from keras.callbacks import ReduceLROnPlateau

    return [ReduceLROnPlateau("val_accuracy", factor=0.5, patience=1, mode="min")]


def scheduled() -> list[Any]:
    from keras.callbacks import LearningRateScheduler

    return [LearningRateScheduler(lambda epoch, rate: rate * (0.5 if epoch else 2.0))]


def guided() -> list[Any]:
    from keras.callbacks import EarlyStopping

    return [EarlyStopping("val_accuracy", patience=1)]  # more is better: the metric says so


def changing() -> list[Any]:
    from keras.callbacks import Callback

    class Halve(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.set_weights([w / 2 for w in self.model.get_weights()])

        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.get_layer("head").kernel.assign_add(np.full((5, 3), 0.1))
                self.model.optimizer.learning_rate = 0.03

    return [Halve()]


def stopping_in_a_batch() -> list[Any]:
    from keras.callbacks import Callback

    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    return [Stop()]


CALLBACKS: dict[str, Any] = {
    f.__name__: f for f in (stopping, plateau, scheduled, guided, changing, stopping_in_a_batch)
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_does_what_it_does_in_keras(name, keras):
    _, fast = both_fit(make=CALLBACKS[name], validation_split=0.25)
    if "stopping" in name:
        assert len(fast.history.epoch) < 5


HOOKS = ("train", "test", "epoch", "train_batch", "test_batch")


def watch() -> tuple[Any, list[Any]]:
    """A callback that notes every hook: numbers, logs, weights and steps as they are then."""
    from keras.callbacks import Callback

    calls: list[Any] = []

    class Watch(Callback):
        pass

    def hook(name: str) -> Any:
        def called(self: Any, *numbers: Any, logs: Any = None) -> None:
            if numbers and not isinstance(numbers[-1], int):
                *numbers, logs = numbers
            weights = self.model.get_weights()
            calls.append((name, numbers, dict(logs or {}), weights, self.model.optimizer))
            calls[-1] = (*calls[-1][:4], int(self.model.optimizer.iterations))

        return called

    for part in HOOKS:
        for end in ("begin", "end"):
            setattr(Watch, f"on_{part}_{end}", hook(f"on_{part}_{end}"))
    return Watch(), calls


def test_every_hook_sees_what_it_sees_in_keras(keras):
    x, y, _ = rows()
    found = []
    for model in pair():
        watcher, calls = watch()
        model.fit(x, y, 6, 2, 0, [watcher], validation_split=0.25, shuffle=False)
        model.evaluate(x, y, 6, 0, callbacks=[watcher])
        found.append(calls)
    plain, fast = found
    assert [call[:2] for call in fast] == [call[:2] for call in plain]
    assert sum(call[0] == "on_train_batch_end" for call in fast) == 6
    for got, wanted in zip(fast, plain, strict=True):
        assert got[2].keys() == wanted[2].keys(), got[0]
        np.testing.assert_allclose([*got[2].values()], [*wanted[2].values()], atol=1e-4)
        assert got[4] == wanted[4], got[0]
        for a, b in zip(got[3], wanted[3], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4, err_msg=got[0])


def test_predict_hands_callbacks_the_batches(keras):
    from keras.callbacks import LambdaCallback

    x, *_ = rows()
    found = []
    for model in pair():
        seen: list[Any] = []
        look = LambdaCallback(
            on_predict_begin=lambda logs, seen=seen: seen.append("begin"),
            on_predict_batch_end=lambda batch, logs, seen=seen: seen.append(
                (batch, np.shape(logs["outputs"]))
            ),
            on_predict_end=lambda logs, seen=seen: seen.append("end"),
        )
        outputs = model.predict(x, 10, 0, callbacks=[look])
        found.append((seen, outputs))
    assert found[0][0] == found[1][0] and len(found[0][0]) == 5
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-5)


def test_a_callback_may_use_the_model_while_it_trains(keras):
    from keras.callbacks import LambdaCallback

    x, y, _ = rows()

    def look(of: dict[str, Any], model: Any) -> list[Any]:
        def called(epoch: int, logs: Any) -> None:
            of["predict"] = model.predict(x, verbose=0)
            of["evaluate"] = model.evaluate(x, y, verbose=0)

        return [LambdaCallback(on_epoch_end=called)]

    found = []
    for model in (models := pair()):
        of: dict[str, Any] = {}
        model.fit(x, y, 6, 2, 0, look(of, model), shuffle=False)
        found.append(of)
    for name in ("predict", "evaluate"):
        np.testing.assert_allclose(found[1][name], found[0][name], atol=1e-4)
    check_same(models[1], models[0])


def test_a_checkpoint_and_a_log_are_those_of_keras(keras, tmp_path):
    from keras.callbacks import CSVLogger, ModelCheckpoint

    x, y, _ = rows()
    for name, model in zip(("plain", "fast"), pair(), strict=True):
        save = ModelCheckpoint(tmp_path / f"{name}.keras", "val_loss", save_best_only=True)
        log = CSVLogger(tmp_path / f"{name}.csv")
        model.fit(x, y, 6, 3, 0, [save, log], validation_split=0.25, shuffle=False)
    fast, plain = (keras.saving.load_model(tmp_path / f"{n}.keras") for n in ("fast", "plain"))
    check_same(fast, plain)
    assert int(fast.optimizer.iterations) > 0
    lines = [(tmp_path / f"{n}.csv").read_text().splitlines() for n in ("fast", "plain")]
    assert lines[0][0] == lines[1][0]
    read = [np.array([line.split(",") for line in each[1:]], float) for each in lines]
    np.testing.assert_allclose(read[0], read[1], atol=1e-4)
    # elman opens it too, and trains on.
    assert elman.load(tmp_path / "fast.keras").optimizer.iterations == plain.optimizer.iterations


def test_only_who_acts_on_batches_makes_training_come_up_after_each(keras):
    from keras import callbacks

    batches = {
        False: [
            callbacks.EarlyStopping("loss"),
            callbacks.ModelCheckpoint("m.keras"),
            callbacks.LambdaCallback(on_epoch_end=print),
            callbacks.ProgbarLogger(),
        ],
        True: [
            callbacks.LambdaCallback(on_train_batch_end=print),
            callbacks.ModelCheckpoint("m.keras", save_freq=2),
            callbacks.TerminateOnNaN(),
        ],
    }
    _, fast = pair()
    twin = Twin(fast, described(fast))
    for wanted, several in batches.items():
        for callback in several:
            bridge = Bridge(callbacks.CallbackList([callback]), fast, twin)
            assert elman.callbacks.CallbackList([bridge]).wants_batches == wanted, callback


def test_what_was_learned_stays_where_a_callback_fails(keras):
    from keras.callbacks import LambdaCallback

    def fail(batch: int, logs: Any) -> None:
        if batch == 2:
            raise KeyboardInterrupt

    x, y, _ = rows()
    ended: list[Any] = []
    for model in (models := pair()):
        look = LambdaCallback(on_train_batch_end=fail, on_train_end=ended.append)
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, 6, 5, 0, [look], shuffle=False)
    check_same(models[1], models[0])
    assert int(models[1].optimizer.iterations) == 3
    assert not ended


def test_a_training_that_runs_away_ends_before_the_weights_are_spoilt(keras):
    x, *_ = rows()
    model = keras.Sequential(net(activation="relu")[:-1])
    model.compile(keras.optimizers.SGD(1e30), "mse")
    assert accelerate(model)
    target = np.zeros((24, 5))
    with pytest.raises(elman.errors.DivergedError, match="Lower the learning rate"):
        model.fit(x, target, 6, 5, 0)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    quiet = model.fit(x, target, 6, 5, 0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert len(quiet.epoch) == 1 and all(np.isfinite(w).all() for w in model.get_weights())


# -- either engine --------------------------------------------------------------------------------


def test_training_goes_on_in_the_other_engine(keras):
    x, y, _ = rows()
    plain, fast = pair("rmsprop")
    options = {"batch_size": 6, "epochs": 2, "shuffle": False, "verbose": 0}
    for turn in range(4):
        if turn % 2:
            restore(fast)
        else:
            assert accelerate(fast)
        assert ("fit" in vars(fast)) == (turn % 2 == 0)
        plain.fit(x, y, **options)
        fast.fit(x, y, **options)
    check_same(fast, plain)


def test_the_report_can_be_undone(keras):
    fast = compiled(net())
    before = set(vars(fast))
    report = accelerate(fast)
    assert set(vars(fast)) > before
    assert fast.fit.__doc__ == type(fast).fit.__doc__
    report.undo()
    assert set(vars(fast)) == before


def test_weights_set_by_hand_count(keras):
    x, y, _ = rows()
    plain, fast = pair()
    fast.fit(x, y, verbose=0)
    other = [w + 0.25 for w in plain.get_weights()]
    for model in (plain, fast):
        model.set_weights(other)
    np.testing.assert_allclose(fast.predict(x, verbose=0), plain.predict(x, verbose=0), atol=1e-5)
    fast.get_layer("head").bias.assign([9.0, 0.0, 0.0])
    assert (fast.predict(x, verbose=0).argmax(1) == 0).all()


def test_a_model_compiled_anew_is_noticed(keras):
    x, y, _ = rows()
    onehot = np.eye(3)[y]
    plain, fast = compiled(net()), compiled(net())
    assert accelerate(fast)
    fast.fit(x, y, epochs=0, verbose=0)
    for model in (plain, fast):
        model.get_layer("rnn").trainable = False
        model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
        model.fit(x, onehot, 6, 2, 0, shuffle=False)
    check_same(fast, plain)
    assert list(fast.history.history) == list(plain.history.history)
    np.testing.assert_array_equal(fast.get_weights()[0], compiled(net()).get_weights()[0])


def test_a_layer_changed_by_hand_is_noticed(keras):
    x, *_ = rows()
    plain, fast = compiled(net()), compiled(net())
    assert accelerate(fast)
    fast.predict(x, verbose=0)
    for model in (plain, fast):
        model.get_layer("head").activation = keras.activations.sigmoid
    np.testing.assert_allclose(fast.predict(x, verbose=0), plain.predict(x, verbose=0), atol=1e-5)


def test_layers_frozen_without_compiling_are_left_to_keras(keras):
    x, y, _ = rows()
    _, fast = pair()
    fast.fit(x, y, verbose=0)
    fast.get_layer("rnn").trainable = False
    with pytest.warns(UserWarning, match="Compile the model again"), pytest.raises(Exception):  # noqa: B017 - Keras's own
        fast.fit(x, y, verbose=0)
        raise ValueError("some versions of Keras train on")


def test_a_model_that_elman_can_run_no_longer_runs_in_keras_and_says_so(keras):
    x, y, _ = rows()
    fast = compiled(net())
    assert accelerate(fast)
    fast.compile("lion", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="fit runs on Keras's engine this time.*Lion"):
        history = fast.fit(x, y, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    fast.compile("sgd", "sparse_categorical_crossentropy")
    fast.fit(x, y, verbose=0)  # and back


def test_a_model_without_weights_gets_them_from_the_data(keras):
    x, y, _ = rows()
    model = keras.Sequential(net()[1:])
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert accelerate(model)
    history = model.fit(x, y, 6, verbose=0)
    assert model.built and np.isfinite(history.history["loss"]).all()


def test_a_model_not_compiled_yet_predicts_and_says_what_is_missing_to_fit(keras):
    x, y, _ = rows()
    model = keras.Sequential(net())
    assert accelerate(model)
    assert model.predict(x, verbose=0).shape == (24, 3)
    with pytest.raises(ValueError, match="compile"):
        model.fit(x, y)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)


# -- what elman leaves to Keras -------------------------------------------------------------------


def in_batches(x: Any, y: Any) -> Any:
    for at in range(0, 24, 6):
        yield x[at : at + 6], y[at : at + 6]


@pytest.mark.parametrize("why", ["generator", "not finite", "callback"])
def test_what_elman_leaves_to_keras_runs_there_and_says_why(why, keras, tmp_path):
    x, y, _ = rows()
    options: dict[str, Any] = {"batch_size": 6, "shuffle": False, "verbose": 0}
    if why == "callback":
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        options["callbacks"] = [backup]
    said = {"callback": "BackupAndRestore", "not finite": "finite inputs"}.get(why, why)
    plain, fast = pair()
    models = [plain, fast] if why != "callback" else [fast]
    for model in models:
        data: Any = (x, y)
        if why == "generator":
            data = (in_batches(x, y),)
            options["batch_size"] = None
        elif why == "not finite":
            bad = x.copy()
            bad[3, 2, 1] = np.inf
            data = bad, y
        if model is plain:
            model.fit(*data, **options)
        else:
            with pytest.warns(UserWarning, match=f"fit runs on Keras's engine.*{said}"):
                model.fit(*data, **options)
    if why != "callback":
        check_same(fast, plain)


def layers_refused() -> dict[str, Any]:
    from keras import layers

    class Own(layers.Dense):
        pass

    def tanh(x: Any) -> Any:
        return 2 * x

    class LSTM(layers.LSTM):
        pass

    return {
        "elman has no Conv1DTranspose": layers.Conv1DTranspose(3, 2),
        "elman has no Lambda": layers.Lambda(lambda x: x),
        "Own is a class of your own": Own(3),
        "LSTM is a class of your own": LSTM(3),
        "Its activation is a function of your own": layers.Dense(3, activation=tanh),
        "It computes in mixed_float16": layers.Dense(3, dtype="mixed_float16"),
        "expected implementation": layers.Dense(3, lora_rank=2),
    }


@pytest.mark.parametrize("why", range(7))
def test_a_layer_that_elman_lacks_is_named_and_the_model_left_as_it_was(why, keras):
    expected, layer = list(layers_refused().items())[why]
    if "implementation" in expected:
        expected = "lora_rank"
    model = keras.Sequential([keras.Input((7, 2)), layer])
    model.compile("sgd", "mse")
    before = set(vars(model))
    report = accelerate(model)
    assert not report and not report.accelerated
    assert set(vars(model)) == before
    (found,) = [item for item in report.items if item.why_not]
    assert found.kind == "layer" and layer.name in found.name
    assert expected in found.why_not
    printed = str(report)
    assert "stays as it was" in printed and max(map(len, printed.splitlines())) <= 80


def compiles_refused(keras: Any) -> dict[str, dict[str, Any]]:
    def mse(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(y_pred)

    class Own(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return y_pred

    averaged = keras.optimizers.SGD(0.1, use_ema=True)
    decayed = keras.optimizers.AdamW(0.1)
    decayed.exclude_from_weight_decay(var_names=["bias"])
    return {
        "loss: mse is one of your own": {"loss": mse},
        "loss: Own is one of your own": {"loss": Own()},
        "metric: mse is one of your own": {"metrics": ["mae", mse]},
        "optimizer: Lion": {"optimizer": "lion"},
        "optimizer: use_ema": {"optimizer": averaged},
        "optimizer: excluded": {"optimizer": decayed},
        "loss: ctc": {"loss": "ctc"},
        "weighted_metrics: weighted_metrics": {"weighted_metrics": ["mae"]},
    }


@pytest.mark.parametrize("which", range(8))
def test_a_part_of_compile_that_elman_lacks_is_named(which, keras):
    expected, options = list(compiles_refused(keras).items())[which]
    model = keras.Sequential([keras.Input((7, 2)), keras.layers.Dense(3)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **options})
    report = accelerate(model)
    (found,) = [item for item in report.items if item.why_not]
    kind, words = expected.split(": ")
    assert found.kind == kind
    assert words in found.why_not
    assert "fit" not in vars(model)


def test_a_model_class_of_somebodys_own_is_left_alone(keras):
    class Own(keras.Sequential):
        def train_step(self, *data: Any) -> Any:
            raise AssertionError

    model = Own(net())
    assert "Own is a class of your own" in str(accelerate(model))
    assert "fit" not in vars(model)


def test_metrics_that_keras_keeps_from_an_earlier_compile_stay(keras):
    x, y, _ = rows()
    plain, fast = compiled(net()), compiled(net())
    for model in (plain, fast):
        model.compile("sgd", "sparse_categorical_crossentropy")
    assert accelerate(fast)
    wanted = plain.fit(x, y, 6, verbose=0, shuffle=False)
    check_histories(fast.fit(x, y, 6, verbose=0, shuffle=False), wanted)
    assert "accuracy" in wanted.history


# -- at the door ----------------------------------------------------------------------------------


def test_what_is_no_keras_model_is_refused(keras):
    with pytest.raises(elman.errors.OptionError, match="expected a Keras model, got Sequential"):
        accelerate(elman.Sequential())


def test_keras_is_asked_for_by_its_extra_and_only_when_it_is_needed():
    code = (
        "import sys; import elman.interop.keras as k; assert 'keras' not in sys.modules\n"
        "sys.modules['keras'] = None\n"
        "try: k.accelerate(object())\n"
        "except elman.errors.MissingPackageError as error: print(error)"
    )
    code = "import elman\n" + code
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "elman[keras]" in found.stdout, found.stderr


def test_a_graph_of_several_inputs_and_outputs_trains_as_in_keras(keras):
    def made() -> Any:
        keras.utils.set_random_seed(1)
        a, b = keras.Input((7, 3), name="a"), keras.Input((4,), name="b")
        steps = keras.layers.LSTM(5, return_sequences=True)(a)
        last = keras.layers.GRU(5)(steps)
        both = keras.layers.Add()([last, keras.layers.Dense(5)(b)])
        outputs = [
            keras.layers.Dense(1, activation="sigmoid", name="o")(both),
            keras.layers.Dense(2, name="p")(keras.layers.Concatenate()([last, both])),
        ]
        model = keras.Model([a, b], outputs)
        losses = {"o": "binary_crossentropy", "p": "mse"}
        weights = {"o": 1.0, "p": 0.5}
        model.compile("adam", loss=losses, loss_weights=weights, metrics={"o": ["accuracy"]})
        return model

    rng = np.random.default_rng(0)
    x = [rng.normal(size=(64, 7, 3)).astype("f4"), rng.normal(size=(64, 4)).astype("f4")]
    y = [rng.integers(0, 2, (64, 1)).astype("f4"), rng.normal(size=(64, 2)).astype("f4")]
    fast, plain = made(), made()
    assert accelerate(fast).accelerated
    found, wanted = (m.fit(x, y, epochs=10, verbose=0, shuffle=False) for m in (fast, plain))
    assert list(found.history) == list(wanted.history)
    for name, values in wanted.history.items():
        np.testing.assert_allclose(found.history[name], values, atol=1e-4)
    for one, other in zip(fast.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    for one, other in zip(fast.predict(x, verbose=0), plain.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
