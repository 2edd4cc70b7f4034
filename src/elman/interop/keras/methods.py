"""What stands in for the methods of a Keras model: the same arguments, the same results."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from elman import seeds
from elman.errors import ElmanError, MissingPackageError, OptionError
from elman.interop.keras import judging
from elman.interop.keras.arrays import Declined, arrays, rows_of, shapes_of
from elman.interop.keras.bridge import Bridge
from elman.interop.keras.report import Item, Report
from elman.interop.keras.twin import Twin, described, is_same

Options = dict[str, Any]

METHODS = (
    "evaluate",
    "fit",
    "predict",
    "predict_on_batch",
    "test_on_batch",
    "train_on_batch",
)


def accelerate(model: Any) -> Report:
    """Let a Keras model's own `fit`, `evaluate` and `predict` run on elman's engine.

    Its weights, its optimizer's state, History and callbacks stay Keras's and go on as before. A
    model of which elman lacks a part is left as it is.

    Args:
        model: a Keras 3 model on any backend, compiled if it is to be trained.

    Returns:
        a `Report`: `print` it. True if elman took the model, else it says of each part why not.

    Raises:
        MissingPackageError: Keras is not installed.
        OptionError: it is no Keras model.
    """
    try:
        import keras
    except ImportError as error:
        raise MissingPackageError(
            "accelerate expected the package keras, got none. Install it with "
            '`pip install "elman[keras]"`.'
        ) from error
    if not isinstance(model, keras.Model):
        raise OptionError(
            f"accelerate expected a Keras model, got {type(model).__name__}. elman's own models "
            "run on elman's engine already."
        )
    restore(model)
    engine = Engine(model)
    report = Report(model.name, engine.judge(), functools.partial(restore, model))
    if report.accelerated:
        for name in METHODS:
            # Past Keras's own way to set attributes, which looks for layers and variables in them.
            vars(model)[name] = engine.method(name)
    return report


def restore(model: Any) -> None:
    """Give a model Keras's own methods back. What it has learned stays."""
    for name in METHODS:
        if hasattr(vars(model).get(name), "elman_engine"):
            del vars(model)[name]


class Engine:
    """elman's engine for one Keras model.

    Args:
        model: the Keras model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._twin: Twin | None = None
        self._why_not: str | None = None
        # What was judged: all of it as plain data, and what is cheap to look at.
        self._description: Any = None
        self._glance: Any = None

    # -- what it may run --------------------------------------------------------------------------

    def judge(self) -> list[Item]:
        """Every part of the model as it is now, and why not if elman lacks it."""
        model = self._model
        self._description, self._glance, self._twin = None, self._glanced(), None
        items = list(judging.judged(model))
        if all(item.why_not is None for item in items):
            try:
                self._description = described(model)
                self._twin = Twin(model, self._description) if model.built else None
            except ElmanError as error:
                items.insert(0, Item("model", model.name, judging.reason(error)))
        refused = [item for item in items if item.why_not is not None]
        self._why_not = f"{refused[0].name}: {refused[0].why_not}" if refused else None
        return items

    def _ready(self, x: Any, *, state: bool = False, thorough: bool = True) -> Twin:
        """The twin with the numbers of now; made anew where the model has changed.

        Raises:
            Declined: elman cannot run the model as it is now.
        """
        model = self._model
        if not model.built:
            model.build((None, *np.shape(x)[1:]))
        same = self._twin is not None and self._glance == self._glanced()
        if not same or (thorough and not is_same(self._description, described(model))):
            self.judge()
        if self._twin is None:
            raise Declined(f"the model was changed ({self._why_not})")
        try:
            self._twin.pull(state)
        except ElmanError as error:
            raise Declined(str(error)) from error
        return self._twin

    def _glanced(self) -> Any:
        """What tells at a glance that a model was compiled or frozen anew."""
        layers = [(layer, layer.trainable) for layer in self._model._flatten_layers()]
        return getattr(self._model, "_compile_config", None), layers

    # -- standing in for Keras's methods ----------------------------------------------------------

    def method(self, name: str) -> Callable[..., Any]:
        """What is called instead of a method of Keras's."""
        original = getattr(type(self._model), name)
        signature = inspect.signature(original)
        run = getattr(self, f"_{name}")

        @functools.wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(self._model, *args, **kwargs)
            bound.apply_defaults()
            asked: Options = {**bound.arguments}
            # Keras's own fit calls its evaluate with words of its own: that is Keras's to run.
            inner = asked.get("kwargs")
            if not inner and (self._model.compiled or name.startswith("predict")):
                try:
                    return run(asked)
                except Declined as reason:
                    warnings.warn(
                        f"{name} runs on Keras's engine this time, not on elman's: {reason}.",
                        stacklevel=2,
                    )
            return original(self._model, *args, **kwargs)

        method.elman_engine = self  # type: ignore[attr-defined]
        return method

    def _fit(self, asked: Options) -> Any:
        model = self._model
        x, y, weight = _samples(asked)
        held_out = asked["validation_data"]
        if held_out is not None:
            if not isinstance(held_out, tuple | list):
                raise Declined(f"validation_data is a {type(held_out).__name__}")
            held_out = tuple(arrays(part, "validation_data") for part in held_out)
        twin = self._ready(x, state=True)
        callbacks = self._callbacks(asked["callbacks"], asked, add_history=True)
        if any(type(c).__name__ == "BackupAndRestore" for c in callbacks.callbacks):
            raise Declined("BackupAndRestore begins where an earlier fit broke off")
        if y is None:
            raise Declined("there are no targets")
        self._build_metrics(y)
        bridge = Bridge(callbacks, model, twin)
        model.stop_training = False
        with _before_any_work(bridge), _keras_randomness():
            twin.model.fit(
                x,
                y,
                batch_size=asked["batch_size"],
                epochs=asked["epochs"],
                verbose=0,
                callbacks=[bridge],
                validation_split=asked["validation_split"],
                validation_data=held_out,
                shuffle=bool(asked["shuffle"]),
                class_weight=asked["class_weight"],
                sample_weight=weight,
                initial_epoch=asked["initial_epoch"],
                steps_per_epoch=asked["steps_per_epoch"],
                validation_steps=asked["validation_steps"],
                validation_batch_size=asked["validation_batch_size"],
                validation_freq=asked["validation_freq"],
            )
        return model.history

    def _evaluate(self, asked: Options) -> Any:
        x, y, weight = _samples(asked)
        twin = self._ready(x)
        bridge = Bridge(self._callbacks(asked["callbacks"], asked), self._model, twin)
        with _before_any_work(bridge):
            return twin.model.evaluate(
                x,
                y,
                batch_size=asked["batch_size"],
                verbose=0,
                sample_weight=weight,
                steps=asked["steps"],
                callbacks=[bridge],
                return_dict=asked["return_dict"],
            )

    def _predict(self, asked: Options) -> Any:
        x = arrays(asked["x"], "x")
        if not rows_of(x):
            raise Declined("there are no inputs")
        twin = self._ready(x)
        bridge = Bridge(self._callbacks(asked["callbacks"], asked), self._model, twin)
        with _before_any_work(bridge):
            return twin.model.predict(
                x,
                batch_size=asked["batch_size"],
                verbose=0,
                steps=asked["steps"],
                callbacks=[bridge],
            )

    def _train_on_batch(self, asked: Options) -> Any:
        x, y, weight = _samples(asked)
        twin = self._ready(x, state=True, thorough=False)
        with _before_any_work(), _keras_randomness():
            found = twin.model.train_on_batch(
                x, y, weight, asked["class_weight"], return_dict=asked["return_dict"]
            )
        twin.push()
        return found

    def _test_on_batch(self, asked: Options) -> Any:
        x, y, weight = _samples(asked)
        twin = self._ready(x, thorough=False)
        with _before_any_work():
            return twin.model.evaluate(
                x, y, rows_of(x), 0, sample_weight=weight, return_dict=asked["return_dict"]
            )

    def _predict_on_batch(self, asked: Options) -> Any:
        x = arrays(asked["x"], "x")
        twin = self._ready(x, thorough=False)
        with _before_any_work():
            return twin.model.predict(x, verbose=0)

    # -- Keras's side -----------------------------------------------------------------------------

    def _callbacks(self, given: Any, asked: Options, **more: bool) -> Any:
        """Keras's list of callbacks, as its own methods make it."""
        from keras.callbacks import CallbackList

        if isinstance(given, CallbackList):
            return given
        return CallbackList(
            given,
            add_progbar=asked["verbose"] != 0,
            verbose=asked["verbose"],
            epochs=asked.get("epochs", 1),
            steps=0,  # the bridge is told
            model=self._model,
            **more,
        )

    def _build_metrics(self, y: Any) -> None:
        """Let the model know its metrics by name: callbacks ask them whether more is better."""
        model, metrics = self._model, self._model._compile_metrics
        if metrics is not None and not metrics.built:
            outputs = getattr(model, "_outputs_struct", None)
            metrics.build(shapes_of(y), model.outputs[0] if outputs is None else outputs)


def _samples(asked: Options) -> tuple[Any, Any, Any]:
    """Inputs, targets and the weights of samples."""
    if asked.get("class_weight") is not None and asked["sample_weight"] is not None:
        raise Declined("Keras takes either class_weight or sample_weight")
    return (
        arrays(asked["x"], "x"),
        arrays(asked["y"], "y"),
        arrays(asked["sample_weight"], "sample_weight"),
    )


@contextmanager
def _before_any_work(bridge: Bridge | None = None) -> Iterator[None]:
    """What elman refuses before it begins is left to Keras, which may see it otherwise."""
    try:
        yield
    except ElmanError as error:
        if bridge is not None and bridge.began:
            raise
        raise Declined(str(error)) from error


@contextmanager
def _keras_randomness() -> Iterator[None]:
    """Draw from NumPy's generator, which keras.utils.set_random_seed sets, to be repeatable."""
    seed = int(np.random.randint(2**31))
    with seeds.borrowed(np.random.default_rng(seed)):
        yield
