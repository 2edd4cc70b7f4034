"""Callbacks: what happens beside the training loop, with Keras 3's hooks and behaviour.

elman trains whole chunks of batches in native code and comes up for air about ten times a second.
Hooks of epochs cost nothing; a callback that overrides a hook of training batches makes the loop
come up after every batch. Source: https://keras.io/api/callbacks.
"""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

import numpy as np

from elman.errors import OptionError, unknown_name

Logs = dict[str, Any]

#: Quantities whose direction is known by name where the model does not tell it.
UP = ("acc", "auc", "precision", "recall", "f1", "r2")
DOWN = ("loss", "error", "mse", "mae", "rmse", "bce", "crossentropy")


class Callback:
    """Base class of the callbacks: override the hooks you need.

    Attributes:
        model: the model being trained.
        params: a dict with "verbose", "epochs" and "steps" (batches per epoch).
    """

    params: Logs
    model: Any = None

    def set_params(self, params: Logs) -> None:
        """Called with `params` before anything begins."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called with the model before anything begins."""
        self.model = model

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called when `fit` begins."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called when `fit` ends, with the logs of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before each epoch; `epoch` counts from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after each epoch with its results; those of validation begin with "val_"."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of training with the epoch's results so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name for `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name for `on_train_batch_end`."""

    def on_chunk_end(self, batches_done: int, batches: int, logs: Logs) -> None:
        """Called about ten times a second while batches run. elman's own: Keras has no chunks.

        Args:
            batches_done: how many batches of this epoch are done.
            batches: how many it has.
            logs: the epoch's results so far.
        """

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called when `evaluate`, or the validation in `fit`, begins."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called when it ends, with its results."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of evaluation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called when `predict` begins."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called when `predict` ends."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of prediction."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
TEST_BATCH_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
PREDICT_BATCH_HOOKS = ("on_predict_batch_begin", "on_predict_batch_end")
TRAIN_BATCH_HOOKS = (
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_batch_begin",
    "on_batch_end",
)


class CallbackList(Callback):
    """Several callbacks called as one, in order.

    Args:
        callbacks: callbacks, or lists of them; None for none. Keras's own callbacks work too, as
            far as they ask nothing of the model that only Keras's has.
        add_history: True appends a `History` if there is none.
        add_progbar: True appends a `ProgressBar` if there is none.
        model: given to each callback.
        params: "verbose", "epochs", "steps": given to each callback.

    Raises:
        OptionError: something in the list is no callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks: list[Any] = list(_flat(callbacks))
        for callback in self.callbacks:
            _check_callback(callback)
        self.history = next((c for c in self.callbacks if isinstance(c, History)), None)
        if add_history and self.history is None:
            self.history = History()
            self.callbacks.append(self.history)
        self.progress = next((c for c in self.callbacks if _is_progress(c)), None)
        if add_progbar and self.progress is None:
            from elman.progress import ProgressBar

            self.progress = ProgressBar(params.get("verbose", "auto"))
            self.callbacks.append(self.progress)
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    @property
    def wants_batches(self) -> bool:
        """Whether a callback overrides a hook of training batches. The progress bar never does."""
        return self._overridden(TRAIN_BATCH_HOOKS)

    @property
    def wants_test_batches(self) -> bool:
        """Whether a callback overrides a hook of the batches of evaluation."""
        return self._overridden(TEST_BATCH_HOOKS)

    @property
    def wants_predict_batches(self) -> bool:
        """Whether a callback overrides a hook of the batches of prediction."""
        return self._overridden(PREDICT_BATCH_HOOKS)

    @property
    def wants_chunks(self) -> bool:
        """Whether a callback looks on while batches run: the progress bar, unless it is silent."""
        silent = all(getattr(c, "verbose", 0) == 0 for c in self.callbacks if _is_progress(c))
        return not silent or self._overridden(("on_chunk_end",))

    def _overridden(self, hooks: Iterable[str]) -> bool:
        return any(
            overrides(callback, hook)
            for callback in self.callbacks
            if not _is_progress(callback)
            for hook in hooks
        )

    def append(self, callback: Callback) -> None:
        """Add a callback at the end."""
        _check_callback(callback)
        self.callbacks.append(callback)

    def close(self) -> None:
        """Close what callbacks have open, such as the progress bar, however training ended."""
        for callback in self.callbacks:
            close = getattr(callback, "close", None)
            if close is not None:
                close()

    def set_params(self, params: Logs) -> None:
        self.params = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def set_model(self, model: Any) -> None:
        self.model = model
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)

    def _call(self, hook: str, *arguments: Any, logs: Mapping[str, Any] | None) -> None:
        # One dict for all, so that what a callback adds (a learning rate) the next ones see.
        shared = _plain(logs)
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments, shared)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._call("on_train_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_end", epoch, logs=logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call_batch("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call_batch("on_train_batch_end", batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call_batch("on_batch_begin", batch, logs)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call_batch("on_batch_end", batch, logs)

    def _call_batch(self, hook: str, batch: int, logs: Mapping[str, Any] | None) -> None:
        # Keras's callbacks take the logs of a batch by name only.
        shared = _plain(logs)
        for callback in self.callbacks:
            getattr(callback, hook)(batch, logs=shared)

    def on_chunk_end(self, batches_done: int, batches: int, logs: Logs) -> None:
        shared = _plain(logs)
        for callback in self.callbacks:
            if hasattr(callback, "on_chunk_end"):
                callback.on_chunk_end(batches_done, batches, shared)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._call("on_test_end", logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call_batch("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call_batch("on_test_batch_end", batch, logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._call("on_predict_end", logs=logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call_batch("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call_batch("on_predict_batch_end", batch, logs)


class History(Callback):
    """Keeps the results of every epoch; `fit` returns it.

    Attributes:
        history: a list of results per quantity, e.g. `history["val_loss"]`.
        epoch: the numbers of the epochs, from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._add(epoch, logs or {})
        if self.model is not None:
            self.model.history = self

    def _add(self, epoch: int, logs: Logs) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def ahead(self, epoch: int, logs: Logs) -> History:
        """A copy that knows of one more epoch, for who is told of it before this one is."""
        copy = History()
        copy.epoch = list(self.epoch)
        copy.history = {name: list(values) for name, values in self.history.items()}
        copy._add(epoch, logs)
        return copy


class _Monitor(Callback):
    """Base of the callbacks that watch one quantity for improvement."""

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        if mode not in ("auto", "min", "max"):
            raise unknown_name(type(self).__name__, "mode", mode, ["auto", "min", "max"])
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None
        self._warned = False

    def _watched(self, logs: Logs, otherwise: str = "it does nothing") -> float | None:
        """The quantity's value; None, after one warning, where it is not among the logs."""
        value = logs.get(self.monitor)
        if value is None and not self._warned:
            self._warned = True
            hint = ""
            if self.monitor.startswith("val_") and not any(n.startswith("val_") for n in logs):
                hint = " Pass validation_data or validation_split to fit to have it."
            warnings.warn(
                f"{type(self).__name__} expected to monitor {self.monitor!r}, got only "
                f"{', '.join(logs) or 'no quantities'}; {otherwise}.{hint}",
                stacklevel=4,
            )
        return value

    def _improves(self, value: float, reference: float | None) -> bool:
        direction = self._direction()  # asked first, to fail in the first epoch if at all
        if reference is None:
            return True
        if direction == "up":
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def _direction(self) -> str:
        if self.mode != "auto":
            return {"min": "down", "max": "up"}[self.mode]
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "down"
        for metric in getattr(self.model, "metrics", None) or ():
            known = getattr(metric, "direction", None)
            if getattr(metric, "name", None) == name and known is not None:
                return known
        if any(word in name for word in DOWN):
            return "down"
        if any(word in name for word in UP):
            return "up"
        raise OptionError(
            f"{type(self).__name__} expected to know whether more or less of {self.monitor!r} is "
            "better, got mode='auto'. Pass mode='max' or mode='min'."
        )


class EarlyStopping(_Monitor):
    """Stops training when a quantity has stopped improving.

    Args:
        monitor: the quantity's name, as in the logs.
        min_delta: a change smaller than this is no improvement.
        patience: stop after this many epochs without improvement.
        verbose: 1 prints a line when it acts.
        mode: "min", "max", or "auto" to know by the quantity.
        baseline: the quantity must also be better than this, or it counts as not improving.
        restore_best_weights: True gives the model the weights of its best epoch at the end.
        start_from_epoch: epochs before this one are not looked at.

    Raises:
        OptionError: in training, if mode is "auto" and nothing is known of the quantity.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None
        self._warned = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self._watched(logs or {})
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._improves(value, self.best):
            self.best = value
            self.best_epoch = epoch
            if self.restore_best_weights:
                # Copies: a model's weights may be views of memory that training goes on to change.
                self.best_weights = [np.array(weight) for weight in self.model.get_weights()]
            if self.baseline is None or self._improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring the weights of epoch {self.best_epoch + 1}, the best.")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(_Monitor):
    """Saves the model while it trains. Each file is replaced as a whole, or not at all.

    Args:
        filepath: ends in ".keras", or in ".weights.h5" for weights only. `{epoch}`, `{batch}` and
            names of quantities are filled in: "{epoch:02d}-{val_loss:.2f}.keras". Folders are
            made.
        monitor: the quantity's name, as in the logs.
        verbose: 1 prints a line for each file.
        save_best_only: True saves only when the quantity is better than ever before.
        save_weights_only: True saves the weights and the optimizer's state, not the model.
        mode: "min", "max", or "auto" to know by the quantity.
        save_freq: "epoch", or after how many batches to save.
        initial_value_threshold: the quantity must be better than this to be saved.

    Raises:
        OptionError: another ending or frequency; in training, a quantity in the file's name that
            is not among the logs, or one whose direction is not known.
        FileError: in training, if the file cannot be written.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0.0)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        ending = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(ending):
            raise OptionError(
                f"ModelCheckpoint expected a file name that ends in {ending!r} with "
                f"save_weights_only={save_weights_only}, got {self.filepath!r}. Change its ending."
            )
        every_batches = isinstance(save_freq, int) and not isinstance(save_freq, bool)
        if save_freq != "epoch" and not (every_batches and int(save_freq) > 0):
            raise OptionError(
                f"ModelCheckpoint expected save_freq to be 'epoch' or a number of batches, got "
                f"{save_freq!r}. Use 'epoch'."
            )
        self._epoch = 0
        self._batches = 0
        if every_batches:
            # Only now a hook of batches, for which training must come up after each.
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq != "epoch":
            return
        logs = logs or {}
        history = self.model.history
        # The history is told of this epoch after this callback; the file is to know of it.
        self.model.history = history.ahead(epoch, logs)
        try:
            self._save(logs, epoch=epoch + 1)
        finally:
            self.model.history = history

    def _after_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self._batches % int(self.save_freq) == 0:
            self._save(logs or {}, epoch=self._epoch + 1, batch=batch + 1)

    def _save(self, logs: Logs, **numbers: int) -> None:
        if self.save_best_only:
            value = self._watched(logs, "it saves whatever comes")
            if value is not None:
                if not self._improves(value, self.best):
                    return
                self.best = value
        try:
            path = self.filepath.format(**{**logs, **numbers})
        except (KeyError, IndexError, ValueError) as error:
            raise OptionError(
                f"ModelCheckpoint expected a file name of {', '.join([*numbers, *logs])}, got "
                f"{self.filepath!r} ({error}). Use e.g. '{{epoch:02d}}.keras'."
            ) from error
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose > 0:
            print(f"Epoch {numbers['epoch']}: ModelCheckpoint saved {path}.")


class ReduceLROnPlateau(_Monitor):
    """Lowers the learning rate when a quantity has stopped improving.

    Args:
        monitor: the quantity's name, as in the logs.
        factor: in (0, 1); the rate is multiplied by it.
        patience: lower the rate after this many epochs without improvement.
        verbose: 1 prints a line when it acts.
        mode: "min", "max", or "auto" to know by the quantity.
        min_delta: a change smaller than this is no improvement.
        cooldown: how many epochs to rest after lowering the rate.
        min_lr: the rate never falls below.

    Raises:
        OptionError: factor is not below 1; in training, the optimizer follows a schedule.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0 < factor < 1:
            raise OptionError(
                f"ReduceLROnPlateau expected a factor between 0 and 1, got {factor!r}. The rate "
                "is multiplied by it: use e.g. 0.1."
            )
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.wait = 0
        self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0
        self._warned = False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        value = self._watched(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
        if self._improves(value, self.best):
            self.best = value
            self.wait = 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        optimizer = self.model.optimizer
        old = float(optimizer.learning_rate)
        if np.float32(old) <= np.float32(self.min_lr):  # Keras keeps the rate in float32
            return
        new = max(old * self.factor, self.min_lr)
        optimizer.learning_rate = new
        if self.verbose > 0:
            print(f"Epoch {epoch + 1}: ReduceLROnPlateau sets the learning rate to {new:.6g}.")
        self.cooldown_counter = self.cooldown
        self.wait = 0


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Args:
        schedule: called with (epoch, rate), or with (epoch) if it takes one argument; epochs
            count from 0. Returns the new rate.
        verbose: 1 prints the rate before each epoch.

    Raises:
        OptionError: in training, if schedule returns no number, or the optimizer follows a
            schedule of its own.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:
            rate = self.schedule(epoch)
        if isinstance(rate, bool) or not isinstance(rate, float | int | np.number):
            raise OptionError(
                f"LearningRateScheduler expected its function to return a number, got {rate!r}. "
                "Return the new learning rate."
            )
        optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            print(f"Epoch {epoch + 1}: LearningRateScheduler sets the learning rate to {rate:.6g}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class TerminateOnNaN(Callback):
    """Stops training when the loss is NaN or infinite.

    It looks about ten times a second and after each epoch, so it costs no speed: a loss that was
    once not finite stays so until the epoch's end.

    Args:
        raise_error: True raises a RuntimeError instead of stopping training in good order.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_chunk_end(self, batches_done: int, batches: int, logs: Logs) -> None:
        self._look(logs, f"by batch {batches_done}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._look(logs or {}, f"in epoch {epoch + 1}")

    def _look(self, logs: Logs, when: str) -> None:
        loss = logs.get("loss")
        if loss is None or np.isfinite(loss) or self.model.stop_training:
            return
        message = (
            f"TerminateOnNaN expected a finite loss, got {loss} {when}. Lower the learning rate, "
            "clip gradients (clipnorm=1.0), or check the data."
        )
        if self.raise_error:
            raise RuntimeError(message)
        print(message)
        self.model.stop_training = True


class CSVLogger(Callback):
    """Writes the results of every epoch to a CSV file, a row at a time.

    Args:
        filename: the file's path.
        separator: between the columns.
        append: True adds rows to an existing file instead of replacing it.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._file: TextIO | None = None
        self._keys: list[str] | None = None
        self._header = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.close()
        self._keys = None
        exists = self.append and os.path.exists(self.filename)
        self._header = not (exists and os.path.getsize(self.filename) > 0)
        self._file = open(  # noqa: SIM115 - open from epoch to epoch, see close
            self.filename, "a" if self.append else "w", newline="", encoding="utf-8"
        )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self._file is None:
            return
        writer = csv.writer(self._file, delimiter=self.separator)
        if self._keys is None:
            self._keys = sorted(logs)
            if not any(key.startswith("val_") for key in self._keys):
                # Room for a validation that begins later, as in Keras.
                self._keys += [f"val_{key}" for key in self._keys]
            if self._header:
                writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self._keys)])
        self._file.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Every row is in it already."""
        if self._file is not None:
            self._file.close()
            self._file = None


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: called with (epoch, logs); likewise on_epoch_end.
        on_train_begin: called with (logs); likewise on_train_end.
        on_train_batch_begin: called with (batch, logs=logs); likewise on_train_batch_end.
        hooks: any other hook of `Callback`, by its name.

    Raises:
        UnknownNameError: there is no hook of this name.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **hooks: Callable[..., Any],
    ) -> None:
        given: dict[str, Callable[..., Any] | None] = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **hooks,
        }
        for name, function in given.items():
            if name not in HOOKS:
                raise unknown_name("LambdaCallback", "hook", name, HOOKS)
            if function is not None:
                setattr(self, name, function)


def _flat(callbacks: Any) -> Iterable[Any]:
    if callbacks is None:
        return
    if isinstance(callbacks, list | tuple):
        for callback in callbacks:
            yield from _flat(callback)
    else:
        yield callbacks


def _check_callback(callback: Any) -> None:
    if isinstance(callback, type):
        raise OptionError(
            f"CallbackList expected a callback, got the class {callback.__name__}. Call it: "
            f"{callback.__name__}(...)."
        )
    if not all(hasattr(callback, name) for name in ("set_model", "on_epoch_end")):
        raise OptionError(
            f"CallbackList expected a callback, got {callback!r}. Derive it from "
            "elman.callbacks.Callback, or wrap functions in LambdaCallback."
        )


def _is_progress(callback: Any) -> bool:
    # By mark, not by class, so that the progress bar is not imported where none is shown.
    return getattr(callback, "is_progress_bar", False)


def overrides(callback: Any, hook: str) -> bool:
    own = getattr(callback, hook, None)
    function = getattr(own, "__func__", own)
    # Keras marks the hooks of its own base class as defaults.
    return not (
        function is None
        or function is getattr(Callback, hook)
        or getattr(function, "_is_default", False)
    )


def _plain(logs: Mapping[str, Any] | None) -> Logs:
    """Logs in alphabetical order, as in Keras, their numbers as Python floats."""
    plain: Logs = {}
    for name, value in sorted((logs or {}).items()):
        try:
            plain[name] = float(value)
        except (TypeError, ValueError):
            plain[name] = value
    return plain


def _cell(value: Any) -> Any:
    """A log's value as it stands in a CSV file."""
    if isinstance(value, str) or np.ndim(value) == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'
