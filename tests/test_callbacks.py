"""Callbacks: Keras's decisions, dispatch, files, bad inputs. The model is a small fake."""

from __future__ import annotations

import csv
import warnings

import numpy as np
import pytest

from elman import callbacks
from elman.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from elman.errors import OptionError, UnknownNameError
from elman.optimizers import SGD, schedules
from golden import record
from golden.record import Model
from keras_judge import case, keras, stale


def epochs(callback, values, name="loss", model=None):
    """Give a callback one value per epoch; the model it saw."""
    model = model or Model(SGD(0.1))
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            break
    callback.on_train_end()
    return model


@pytest.mark.parametrize("name", record.STOPPING)
def test_early_stopping_decides_as_keras_does(name):
    asked = case("callbacks", f"stopping {name}")
    for values, end in zip(asked["values"], asked["ends"], strict=True):
        got = record.stop(EarlyStopping(**record.STOPPING[name]), values)
        assert got.tolist() == end.tolist(), values
    assert len(set(asked["ends"][:, 0])) > 1, "the runs should stop at different epochs"


@pytest.mark.parametrize("name", record.PLATEAUS)
def test_reduce_lr_on_plateau_sets_the_rates_keras_sets(name):
    asked = case("callbacks", f"plateau {name}")
    for values, rates in zip(asked["values"], asked["rates"], strict=True):
        got = record.plateau(ReduceLROnPlateau(**record.PLATEAUS[name]), values, SGD(0.1))
        np.testing.assert_allclose(got, rates, rtol=1e-6)
    assert asked["rates"].min() < 0.1, "some rate should fall"


@pytest.mark.parametrize("append", [False, True])
def test_csv_logger_writes_the_file_keras_writes(append, tmp_path):
    path = tmp_path / "log.csv"
    record.log(CSVLogger(path, separator=";", append=append))
    assert path.read_bytes() == case("callbacks", "log")[f"append {append}"].tobytes()


def test_recorded_answers_are_those_keras_gives_now():
    if keras() is None:
        pytest.skip("Keras is not installed")
    assert stale("callbacks", rtol=1e-6) == []


def test_early_stopping_restores_weights_that_training_went_on_to_change():
    class Views(Model):
        """Hands out its own memory, as a model over one flat block does."""

        def get_weights(self):
            return [self.weight]

    model = Views()
    callback = EarlyStopping(monitor="loss", patience=1, restore_best_weights=True)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate([0.5, 0.2, 0.4]):
        model.weight[:] = epoch
        callback.on_epoch_end(epoch, {"loss": loss})
    callback.on_train_end()
    assert model.stop_training and model.weight[0] == 1


def test_early_stopping_can_be_used_again():
    callback = EarlyStopping(monitor="loss", patience=1)
    assert epochs(callback, [0.1, 0.2]).stop_training
    assert not epochs(callback, [0.9, 0.8]).stop_training


def test_early_stopping_says_what_it_did(capsys):
    epochs(EarlyStopping(monitor="loss", verbose=1, restore_best_weights=True), [0.1, 0.2])
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 2: early stopping",
        "Restoring the weights of epoch 1, the best.",
    ]


@pytest.mark.parametrize(
    ("monitor", "falling_stops"),
    [
        ("val_accuracy", True),
        ("acc", True),
        ("val_auc", True),
        ("precision_1", True),
        ("loss", False),
        ("val_loss", False),
        ("mean_absolute_error", False),
        ("mse", False),
    ],
)
def test_auto_mode_knows_quantities_by_name(monitor, falling_stops):
    model = epochs(EarlyStopping(monitor=monitor), [0.9, 0.5, 0.1], name=monitor)
    assert model.stop_training == falling_stops


def test_auto_mode_asks_the_metrics_of_the_model_first():
    model = Model()
    model.metrics = [type("Metric", (), {"name": "error_free", "direction": "up"})()]
    assert epochs(EarlyStopping(monitor="val_error_free"), [0.9, 0.1], "val_error_free", model)
    assert model.stop_training


@pytest.mark.parametrize("cls", [EarlyStopping, ReduceLROnPlateau])
def test_auto_mode_refuses_to_guess_in_the_first_epoch(cls):
    with pytest.raises(OptionError, match="more or less of 'charm' is better"):
        epochs(cls(monitor="charm"), [0.1], name="charm")


@pytest.mark.parametrize("cls", [EarlyStopping, ReduceLROnPlateau])
def test_an_unknown_monitor_is_warned_of_once_with_the_names_there_are(cls):
    callback = cls(monitor="val_los")
    with pytest.warns(UserWarning, match=r"expected to monitor 'val_los', got only .*loss") as seen:
        epochs(callback, [0.3, 0.2, 0.1])
    assert len(seen) == 1
    assert "validation_data" in str(seen[0].message)


def test_a_misspelt_mode_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="EarlyStopping expected a known mode, got 'mini'"):
        EarlyStopping(mode="mini")


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.0, -0.5])
def test_a_factor_that_does_not_lower_the_rate_is_refused(factor):
    with pytest.raises(OptionError, match="expected a factor between 0 and 1"):
        ReduceLROnPlateau(factor=factor)


def test_reduce_lr_on_plateau_refuses_a_schedule_clearly():
    model = Model(SGD(schedules.CosineDecay(0.1, 10)))
    with pytest.raises(OptionError, match="left to its CosineDecay"):
        epochs(ReduceLROnPlateau(monitor="loss", patience=1), [0.1, 0.2], model=model)


def test_reduce_lr_on_plateau_says_what_it_did_and_logs_the_rate(capsys):
    logs = {"loss": 0.5}
    callback = ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, verbose=1)
    callback.set_model(Model(SGD(0.1)))
    callback.on_train_begin()
    callback.on_epoch_end(0, logs)
    assert logs["learning_rate"] == 0.1
    callback.on_epoch_end(1, {"loss": 0.5})
    assert capsys.readouterr().out == (
        "Epoch 2: ReduceLROnPlateau sets the learning rate to 0.05.\n"
    )


def test_reduce_lr_on_plateau_is_silent_at_the_lowest_rate(capsys):
    callback = ReduceLROnPlateau(monitor="loss", patience=1, min_lr=0.1, verbose=1)
    model = epochs(callback, [0.5, 0.5, 0.5])
    assert model.optimizer.learning_rate == 0.1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "schedule", [lambda epoch, rate: rate / 2, lambda epoch: 0.1 / 2 ** (epoch + 1)]
)
def test_learning_rate_scheduler_takes_functions_of_one_or_two_arguments(schedule):
    callback = LearningRateScheduler(schedule)
    callback.set_model(Model(SGD(0.1)))
    logs = {}
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs)
    assert logs["learning_rate"] == pytest.approx(0.025)


@pytest.mark.parametrize("rate", [None, "0.1", True])
def test_learning_rate_scheduler_refuses_what_is_no_rate(rate):
    callback = LearningRateScheduler(lambda epoch, old: rate)
    callback.set_model(Model(SGD(0.1)))
    with pytest.raises(OptionError, match="expected its function to return a number"):
        callback.on_epoch_begin(0)


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_terminate_on_nan_stops_at_a_chunk_and_at_an_epoch(loss, capsys):
    for hook in (
        lambda c: c.on_chunk_end(3, 9, {"loss": loss}),
        lambda c: c.on_epoch_end(0, {"loss": loss}),
    ):
        callback = TerminateOnNaN()
        callback.set_model(Model())
        callback.on_chunk_end(1, 9, {"loss": 0.5})
        callback.on_epoch_end(0, {"loss": 0.5})
        assert not callback.model.stop_training
        hook(callback)
        assert callback.model.stop_training
        assert capsys.readouterr().out.count("Lower the learning rate") == 1


def test_terminate_on_nan_can_raise():
    callback = TerminateOnNaN(raise_error=True)
    callback.set_model(Model())
    with pytest.raises(RuntimeError, match="finite loss, got nan by batch 3"):
        callback.on_chunk_end(3, 9, {"loss": np.nan})


def test_terminate_on_nan_costs_no_batches():
    assert not CallbackList([TerminateOnNaN()]).wants_batches


def test_csv_logger_has_every_row_in_the_file_at_once(tmp_path):
    path = tmp_path / "log.csv"
    callback = CSVLogger(str(path))
    callback.on_train_begin()
    for epoch in range(3):
        callback.on_epoch_end(epoch, {"loss": 0.5, "note": "a,b"})
        rows = list(csv.reader(path.open(newline="")))
        assert len(rows) == epoch + 2
        assert rows[-1] == [str(epoch), "0.5", "a,b", "NA", "NA"]
    callback.close()


def test_csv_logger_begins_a_new_file_with_a_header_when_it_appends(tmp_path):
    path = tmp_path / "log.csv"
    epochs(CSVLogger(path, append=True), [0.5])
    assert path.read_text().splitlines()[0] == "epoch,loss,val_loss"


def test_lambda_callback_calls_its_functions():
    seen = []
    callback = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(("epoch", epoch)),
        on_train_batch_end=lambda batch, logs: seen.append(("batch", batch)),
        on_test_end=lambda logs: seen.append(("test", logs["loss"])),
    )
    calls = CallbackList([callback])
    calls.on_train_begin()
    calls.on_epoch_begin(2)
    calls.on_train_batch_end(5, {"loss": 1})
    calls.on_test_end({"loss": 0.5})
    assert seen == [("epoch", 2), ("batch", 5), ("test", 0.5)]


def test_lambda_callback_refuses_a_hook_that_does_not_exist():
    with pytest.raises(UnknownNameError, match="Did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ends=print)


def test_history_keeps_every_value_and_is_seen_by_the_model():
    model = Model()
    calls = CallbackList([], add_history=True, model=model)
    calls.on_train_begin()
    calls.on_epoch_end(0, {"loss": np.float32(0.5), "val_loss": 1})
    calls.on_epoch_end(1, {"loss": 0.25})
    assert model.history.history == {"loss": [0.5, 0.25], "val_loss": [1.0]}
    assert model.history.epoch == [0, 1]
    calls.on_train_begin()
    calls.on_epoch_end(2, {"loss": 0.125})
    assert model.history.epoch == [2]
    assert model.history.history["loss"] == [0.5, 0.25, 0.125]


def test_what_one_callback_adds_to_the_logs_the_next_ones_see():
    calls = CallbackList([ReduceLROnPlateau(monitor="loss")], add_history=True)
    calls.set_model(Model(SGD(0.1)))
    calls.on_train_begin()
    logs = {"loss": 0.5}
    calls.on_epoch_end(0, logs)
    assert calls.history.history["learning_rate"] == [0.1]
    assert logs == {"loss": 0.5}, "the loop's own logs stay as they are"


def test_logs_come_in_alphabetical_order_as_python_floats():
    seen = {}
    calls = CallbackList([LambdaCallback(on_epoch_end=lambda epoch, logs: seen.update(logs))])
    calls.on_epoch_end(0, {"loss": np.float32(0.5), "accuracy": np.array(1), "note": "x"})
    assert list(seen) == ["accuracy", "loss", "note"]
    assert type(seen["loss"]) is float and seen["note"] == "x"


@pytest.mark.parametrize(
    "hook", ["on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"]
)
def test_only_hooks_of_training_batches_ask_for_batches(hook):
    quiet = [EarlyStopping(), History(), CSVLogger("log.csv"), LambdaCallback(print)]
    assert not CallbackList(quiet, add_progbar=True).wants_batches
    overriding = type("Overriding", (Callback,), {hook: lambda self, batch, logs=None: None})
    assert CallbackList([*quiet, overriding()]).wants_batches
    assert CallbackList([LambdaCallback(**{hook: print})]).wants_batches


def test_the_old_names_of_batch_hooks_are_called():
    seen = []

    class Old(Callback):
        def on_batch_begin(self, batch, logs=None):
            seen.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            seen.append(("end", batch, logs))

    calls = CallbackList([Old()])
    calls.on_train_batch_begin(0)
    calls.on_train_batch_end(0, {"loss": 1})
    assert seen == [("begin", 0), ("end", 0, {"loss": 1.0})]


@pytest.mark.parametrize("hook", [h for h in callbacks.HOOKS if h != "on_chunk_end"])
def test_every_hook_of_keras_is_dispatched_to_each_callback_in_order(hook):
    seen = []
    first, second = (
        LambdaCallback(**{hook: lambda *arguments, name=name, logs=None: seen.append(name)})
        for name in "ab"
    )
    first.set_params({})
    calls = CallbackList([first, [second]])
    indexed = "epoch" in hook or "batch" in hook
    getattr(calls, hook)(*((0, {}) if indexed else ({},)))
    assert seen == ["a", "b"]


@pytest.mark.parametrize("hook", [h for h in callbacks.HOOKS if h != "on_chunk_end"])
def test_hooks_are_those_of_keras(hook):
    if keras() is None:
        pytest.skip("Keras is not installed")
    assert hasattr(keras().callbacks.Callback, hook)


def test_chunks_are_dispatched():
    seen = []
    calls = CallbackList([LambdaCallback(on_chunk_end=lambda *arguments: seen.append(arguments))])
    calls.on_chunk_end(3, 9, {"loss": np.float32(0.5)})
    assert seen == [(3, 9, {"loss": 0.5})]


def test_callbacks_of_keras_itself_are_called(tmp_path):
    if keras() is None:
        pytest.skip("Keras is not installed")
    theirs = keras().callbacks
    stopping = theirs.EarlyStopping(monitor="loss", mode="min", patience=1)
    calls = CallbackList([stopping, theirs.CSVLogger(tmp_path / "log.csv")])
    assert not calls.wants_batches
    assert CallbackList([theirs.TerminateOnNaN()]).wants_batches
    model = Model()
    calls.set_model(model)
    calls.on_train_begin()
    calls.on_chunk_end(1, 2, {"loss": 0.5})
    for epoch, loss in enumerate([0.1, 0.2]):
        calls.on_train_batch_end(0, {"loss": loss})
        calls.on_epoch_end(epoch, {"loss": loss})
    assert model.stop_training
    calls.on_train_end()


def test_closing_the_list_closes_files(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv")
    calls = CallbackList([logger, History()])
    calls.on_train_begin()
    file = logger._file
    calls.close()
    assert file.closed


def test_set_params_reaches_every_callback():
    history = History()
    CallbackList([history], epochs=3, steps=7, verbose=0)
    assert history.params == {"epochs": 3, "steps": 7, "verbose": 0}


def test_a_class_in_the_list_is_refused_with_advice():
    with pytest.raises(OptionError, match=r"got the class EarlyStopping. Call it: EarlyStopping"):
        CallbackList([EarlyStopping])


@pytest.mark.parametrize("thing", ["early", 3, print])
def test_what_is_no_callback_is_refused(thing):
    with pytest.raises(OptionError, match="CallbackList expected a callback"):
        CallbackList([thing])
    with pytest.raises(OptionError, match="CallbackList expected a callback"):
        CallbackList().append(thing)


def test_a_watched_quantity_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        epochs(EarlyStopping(monitor="loss"), [0.3, 0.2])
