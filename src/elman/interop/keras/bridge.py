"""Keras's callbacks, called while elman trains."""

from __future__ import annotations

import functools
from typing import Any

from elman.callbacks import (
    PREDICT_BATCH_HOOKS,
    TEST_BATCH_HOOKS,
    TRAIN_BATCH_HOOKS,
    Callback,
    Logs,
    overrides,
)
from elman.interop.keras.twin import Twin

#: Keras's callbacks that look at nothing but the logs, by the names of their classes.
ONLY_LOGS = {"CSVLogger", "History", "ProgbarLogger", "TerminateOnNaN"}


class Bridge(Callback):
    """One callback of elman's that stands for Keras's whole list.

    Before a hook that somebody overrides, Keras's variables get what was learned; after it, elman
    gets what was changed. After single batches that is done, and asked for, only where it must be.

    Args:
        callbacks: the list, with Keras's History in it.
        keras_model: the model that the callbacks know.
        twin: the model that is trained.
    """

    def __init__(self, callbacks: Any, keras_model: Any, twin: Twin) -> None:
        self.began = False
        self._callbacks, self._keras_model, self._twin = callbacks, keras_model, twin
        self._in_training = self._in_epoch = False
        every = callbacks.callbacks
        self._progress = next((c for c in every if type(c).__name__ == "ProgbarLogger"), None)
        self._active = [c for c in every if c is not self._progress]
        self._lookers = [c for c in every if type(c).__name__ not in ONLY_LOGS]
        self._batches = 0
        # Hooks of batches are there only if somebody wants them: they cost the chunks.
        for hooks in (TRAIN_BATCH_HOOKS, TEST_BATCH_HOOKS, PREDICT_BATCH_HOOKS):
            if self._wanted(hooks):
                for hook in hooks[:2]:
                    setattr(self, hook, functools.partial(self._batch, hook))
        if self._progress is not None and not self._by_batch("train"):
            self.on_chunk_end = self._chunk_end  # type: ignore[method-assign]

    def _wanted(self, hooks: tuple[str, ...]) -> bool:
        active = [c for c in self._active if not _saves_epochs(c)]
        return any(overrides(c, hook) for c in active for hook in hooks)

    def _by_batch(self, what: str) -> bool:
        """Whether somebody wants the hooks of single batches of "train", "test" or "predict"."""
        return f"on_{what}_batch_end" in vars(self)

    def _call(self, *hooks: str, arguments: tuple[int, ...] = (), logs: Logs | None = None) -> None:
        """Call a hook of all; the others are what it calls by default."""
        looked_at = any(overrides(c, hook) for c in self._lookers for hook in hooks)
        if looked_at:
            self._twin.push()
        getattr(self._callbacks, hooks[0])(*arguments, logs)
        if looked_at:
            self._twin.pull(state=self._in_training)
        if self._in_training:
            self._twin.model.stop_training = bool(self._keras_model.stop_training)

    def set_params(self, params: Logs) -> None:
        self._batches = params["steps"]
        self._callbacks.set_params({**(self._callbacks.params or {}), "steps": self._batches})

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.began = self._in_training = True
        self._call("on_train_begin")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._in_epoch = True
        self._call("on_epoch_begin", arguments=(epoch,))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_end", arguments=(epoch,), logs=logs)
        self._in_epoch = False

    def on_train_end(self, logs: Logs | None = None) -> None:
        # Also called when training was interrupted: what was learned stays, as in elman, but
        # Keras's callbacks are told of an end in good order only.
        self._twin.push()
        if not self._in_epoch:
            self._call("on_train_end", logs=logs)

    def _batch(self, hook: str, batch: int, logs: Logs | None = None) -> None:
        # Those of training call `on_batch_...` by default.
        self._call(hook, hook.replace("train_", ""), arguments=(batch,), logs=logs)

    def _chunk_end(self, batches_done: int, batches: int, logs: Logs) -> None:
        assert self._progress is not None
        self._progress.on_train_batch_end(batches_done - 1, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self.began = True
        self._call("on_test_begin")

    def on_test_end(self, logs: Logs | None = None) -> None:
        if self._progress is not None and not (self._in_training or self._by_batch("test")):
            self._progress.on_test_batch_end(self._batches - 1, logs)
        self._call("on_test_end", logs=logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self.began = True
        self._call("on_predict_begin")

    def on_predict_end(self, logs: Logs | None = None) -> None:
        if self._progress is not None and not self._by_batch("predict"):
            self._progress.on_predict_batch_end(self._batches - 1)
        self._call("on_predict_end")


def _saves_epochs(callback: Any) -> bool:
    """Whether this is a checkpoint that overrides a hook of batches to do nothing in it."""
    if type(callback).__name__ != "ModelCheckpoint":
        return False
    return bool(getattr(callback, "save_freq", None) == "epoch")
