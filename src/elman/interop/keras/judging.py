"""What of a Keras model elman has, by the closed lists that also judge files."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from elman.errors import ElmanError, FileError
from elman.interop.keras.report import Item
from elman.layers import LAYERS
from elman.models import Sequential
from elman.saving.config import Config, Reader, Refused

#: What errors of the reader begin with.
WHO = "accelerate"


def judged(model: Any) -> Iterator[Item]:
    """Every part of a Keras model, and why not if elman does not have it."""
    if not is_keras(type(model)):
        yield Item("model", model.name, f"{type(model).__name__} is a class of your own.")
    for layer in model.layers:
        if type(layer).__name__ != "InputLayer":
            yield Item("layer", f"{layer.name} ({type(layer).__name__})", _layer(layer))
    if not model.compiled:
        return
    for kind, name, value, config in _compiled(model):
        why_not = _own(value)
        # What names several outputs is judged with them, when the model is built.
        if why_not is None and not isinstance(value, dict | list | tuple):
            why_not = _compile(config)
        if why_not is None and kind == "optimizer":
            why_not = _optimizer(value)
        yield Item(kind, name, why_not)


def is_keras(thing: Any) -> bool:
    """Whether a class or function is one of Keras's own."""
    return str(getattr(thing, "__module__", None)).split(".")[0] == "keras"


def where(model: Any) -> str:
    """How errors name a model."""
    return f"the Keras model {model.name!r}"


# -- layers ---------------------------------------------------------------------------------------


def _layer(layer: Any) -> str | None:
    """Why elman does not have a layer, or None."""
    from keras.saving import serialize_keras_object

    kind = type(layer)
    if not is_keras(kind):
        return f"{kind.__name__} is a class of your own."
    if kind.__name__ not in LAYERS:
        return f"elman has no {kind.__name__}."
    for part in layer._flatten_layers():
        why_not = _part(part)
        if why_not is not None:
            return why_not
    config = {"class_name": "Sequential", "config": {"layers": [serialize_keras_object(layer)]}}
    return _refusal(lambda: Reader(config, "the model", WHO).describe())


def _part(layer: Any) -> str | None:
    """Why elman does not take a layer, or one inside it, whatever its config says."""
    policy = layer.dtype_policy.name
    if policy != "float32":
        return f"It computes in {policy}, where the two round differently; elman takes float32."
    if getattr(layer, "stateful", False):
        return "It is stateful, and elman would keep its states to itself."
    for name, value in vars(layer).items():
        if inspect.isfunction(value) and not is_keras(value):
            return f"Its {name} is a function of your own."
    return None


# -- how it was compiled --------------------------------------------------------------------------


def compile_config(model: Any) -> Config:
    """How a Keras model was compiled, as plain data.

    A loss or metrics of an earlier `compile` stay in use where a later one names none.
    """
    from keras.saving import serialize_keras_object

    found = dict(model.get_compile_config())
    found["loss"] = serialize_keras_object(model.loss)
    found["metrics"] = serialize_keras_object(_metrics(model))
    return found


def _metrics(model: Any) -> Any:
    compiled = model._compile_metrics
    return None if compiled is None else compiled._user_metrics


def _compiled(model: Any) -> Iterator[tuple[str, str, Any, Config]]:
    """Kind, name and object of each part, and the config of a `compile` with that part alone."""
    config = compile_config(model)
    optimizer = model.optimizer
    yield "optimizer", type(optimizer).__name__, optimizer, {"optimizer": config["optimizer"]}
    if model.loss is not None:
        yield "loss", _name(model.loss), model.loss, {"loss": config["loss"]}
    metrics = _metrics(model)
    if isinstance(metrics, list | tuple):
        for metric, part in zip(metrics, config["metrics"], strict=True):
            yield "metric", _name(metric), metric, {"metrics": [part]}
    elif metrics:
        yield "metric", _name(metrics), metrics, {"metrics": [config["metrics"]]}
    for option in ("loss_weights", "weighted_metrics"):
        if config.get(option):
            several = config[option] if option == "loss_weights" else None
            yield option, str(config[option]), several, {option: config[option]}


def _name(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(getattr(value, "name", None) or getattr(value, "__name__", None) or value)


def _own(value: Any) -> str | None:
    """Why not a loss, metric or optimizer: one that somebody wrote."""
    if isinstance(value, dict | list | tuple):
        several = value.values() if isinstance(value, dict) else value
        return next((why for why in map(_own, several) if why is not None), None)
    if value is None or isinstance(value, str | int | float):
        return None
    kind = value if inspect.isfunction(value) or inspect.isclass(value) else type(value)
    return None if is_keras(kind) else f"{_name(kind)} is one of your own."


def _compile(compiled: Config) -> str | None:
    config = {
        "class_name": "Sequential",
        "config": {"layers": []},
        "compile_config": {"optimizer": "sgd", **compiled},
    }
    return _refusal(lambda: Reader(config, "the model", WHO).compile(Sequential()))


def _optimizer(optimizer: Any) -> str | None:
    """Why not an optimizer, for what its config does not say."""
    for option in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if getattr(optimizer, option, None):
            return "Some weights are excluded from its weight decay."
    return None


def _refusal(build: Any) -> str | None:
    """The reason why the reader refuses, or None if it does not."""
    try:
        build()
    except FileError as error:
        return reason(error)
    return None


def reason(error: ElmanError) -> str:
    """Why elman refuses, without the words about files."""
    if error.__cause__ is not None:
        return str(error.__cause__)
    return f"elman has no {error.what}." if isinstance(error, Refused) else str(error)
