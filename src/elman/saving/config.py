"""A model as text: what Keras writes into config.json, and the closed lists of what is ever built.

A class or function that a file names is looked up in elman's own lists by its bare name. Nothing
is imported, nothing is looked up in a module, and what is not in a list is refused by its name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from elman import (
    activations,
    constraints,
    initializers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from elman.config import serialize
from elman.errors import ElmanError, FileError
from elman.layers import CELLS, LAYERS, Input, InputLayer, Layer
from elman.layers.layer import Shape
from elman.saving.graphs import Described, Wires, is_mask_op
from elman.saving.text import brief

if TYPE_CHECKING:
    from elman.models import Model, Sequential

Config = dict[str, Any]

#: Names of classes, and of functions, that a file may hold.
CLASSES = frozenset(
    {"Sequential", "Functional", "Model", "InputLayer", "DTypePolicy", "__numpy__"}
    | {"__keras_tensor__", *CELLS, *LAYERS, *initializers.NAMES}
    | {*losses.NAMES, *metrics.NAMES, *optimizers.schedules.NAMES}
    | {*constraints.NAMES, *regularizers.NAMES}
    | {cls.__name__ for cls in optimizers.NAMES.values()}
)
FUNCTIONS = frozenset(
    {*activations.ELEMENTWISE, *activations.ROWWISE, *losses.NAMES, *metrics.NAMES}
)
#: Models that a file may hold; the last is what Keras 2 called the second.
MODELS = frozenset({"Sequential", "Functional", "Model"})
#: Honest files nest a handful deep.
DEEPEST = 100
#: Options that make an object take memory as it is built, and what is plenty.
MOST = {"num_thresholds": 100_000}


class Refused(FileError):
    """What a config names and elman does not have.

    Attributes:
        what: that thing, in a few words.
    """

    what = ""


class Reader:
    """Builds what a config describes.

    Args:
        config: the object in config.json.
        where: how errors name the file.
        who: who asks, for the errors.

    Raises:
        FileError: it names something that is not in the closed lists.
    """

    def __init__(self, config: Config, where: str, who: str) -> None:
        self._where = where
        self._who = who
        for named, path in self._named(config):
            self._check(named, path)
        self._config: Config = _decoded(config)
        if config.get("class_name") not in MODELS:
            raise self.refused(
                f"a {config.get('class_name')!r} model", "elman has Sequential and Functional."
            )

    def refused(self, what: str, action: str) -> FileError:
        """The error for what elman does not have."""
        error = Refused(
            f"{self._who} expected a model of elman's layers, got {brief(what)} in "
            f"{self._where}. {brief(action)}"
        )
        error.what = brief(what)
        return error

    # -- names ------------------------------------------------------------------------------------

    def _named(self, config: Any) -> Iterator[tuple[Config, str]]:
        """Every object that the config names, and where it is."""
        waiting: list[tuple[Any, str, int]] = [(config, "the model", 0)]
        while waiting:
            value, path, depth = waiting.pop()
            if depth > DEEPEST:
                raise self.refused("text nested too deep", "Do not use this file.")
            if isinstance(value, dict):
                if "class_name" in value:
                    yield value, path
                    options = value.get("config")
                    name = options.get("name") if isinstance(options, dict) else None
                    path = f"{value['class_name']} {name!r}" if isinstance(name, str) else path
                waiting += [(v, f"{path}, {k}", depth + 1) for k, v in value.items()]
            elif isinstance(value, list):
                waiting += [(v, path, depth + 1) for v in value if isinstance(v, dict | list)]

    def _check(self, named: Config, path: str) -> None:
        """Raise unless an object is one of Keras's that elman has too."""
        name, module = named["class_name"], named.get("module")
        if name == "__tuple__" or (name == "function" and named.get("config") in FUNCTIONS):
            return
        if name == "function":
            raise self.refused(
                f"the function {_dotted(module, named.get('config'))} ({path})",
                "elman never calls a function that a file names. Do not use this file unless you "
                "know why it is there.",
            )
        if name in ("Lambda", "__lambda__"):
            raise self.refused(
                f"Python code in a Lambda ({path})",
                "elman never runs code from a file. Rebuild the model without it, and take its "
                "weights over with load_weights.",
            )
        ours = module is None or module == "keras" or str(module).startswith("keras.")
        if not ours or not isinstance(name, str) or _registered(named) is not None:
            raise self.refused(
                f"the class {_registered(named) or _dotted(module, name)} ({path})",
                "elman builds its own classes only, never one that a file names.",
            )
        if is_mask_op(named):
            return
        if name not in CLASSES:
            raise self.refused(
                f"{_dotted(module, name)} ({path})",
                "elman does not have this class. Use the file with Keras, or save a model without "
                f"it; layers that elman has: {', '.join(sorted(LAYERS))}.",
            )

    # -- layers -----------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """The model's name."""
        name = self._options(self._config).get("name")
        return name if isinstance(name, str) else None

    def describe(self) -> Described:
        """The model, whose layers have no weights yet.

        Raises:
            FileError: a layer has an option that elman lacks, or that makes no sense; the calls
                of a graph have a loop, or lead nowhere.
        """
        if self._config["class_name"] != "Sequential":
            return Wires(self, self._options(self._config)).described()
        first = self.input
        entries = self.entries
        layers = [self._layer(entry) for entry in entries[_is_input(entries[:1]) :]]

        def make() -> Sequential:
            from elman.models import Sequential

            return Sequential([*first, *layers], name=self.name)

        return Described(layers, _chained(layers, [(None, *entry.shape) for entry in first]), make)

    def layer_or_input(self, entry: Any) -> Layer | InputLayer:
        """What an entry of a graph describes."""
        if not _is_input([entry]):
            return self._layer(entry)
        own = self._options(entry)
        return self._input(own.get("batch_shape") or own.get("batch_input_shape"), own.get("name"))

    @property
    def input(self) -> list[InputLayer]:
        """The Input of a Sequential, if there is one."""
        options = self._options(self._config)
        if _is_input(self.entries[:1]):
            own = self._options(self.entries[0])
            return [self._input(own.get("batch_shape"), own.get("name"))]
        shape = options.get("build_input_shape")
        return [] if shape is None else [self._input(shape, None)]

    @property
    def entries(self) -> list[Any]:
        """Those of the layers, Inputs among them."""
        entries = self._options(self._config).get("layers")
        if not isinstance(entries, list):
            raise self.refused("no list of layers", "Save the model again.")
        return entries

    def _input(self, shape: Any, name: Any) -> InputLayer:
        try:
            return Input(batch_shape=tuple(shape), name=name if isinstance(name, str) else None)
        except (TypeError, ElmanError) as error:
            raise self.refused(f"the input shape {shape!r}", str(error)) from error

    def _layer(self, entry: Any) -> Layer:
        kind = entry.get("class_name") if isinstance(entry, dict) else None
        if kind not in LAYERS:
            raise self.refused(f"{kind or entry!r} where a layer stands", "Save the model again.")
        options = self._options(entry)
        label = f"{kind} {options.get('name')!r}"
        if not isinstance(options.get("trainable", True), bool):
            raise self.refused(f"{label} with a strange 'trainable'", "Save the model again.")
        try:
            return LAYERS[kind].from_config(options)
        except ElmanError as error:
            raise self.refused(
                f"{label} as elman does not have it",
                f"{error} In this file: use it with Keras, or build the model with other options "
                "and call load_weights.",
            ) from error
        except Exception as error:  # a config is anybody's text
            raise self.refused(
                f"{label} with options that make no sense ({error})", "Save the model again."
            ) from error

    def _options(self, named: Any) -> Config:
        options = named.get("config")
        if not isinstance(options, dict):
            raise self.refused(f"{named.get('class_name')} without options", "Save it again.")
        return options

    # -- compiling --------------------------------------------------------------------------------

    def compile(self, model: Model) -> bool:
        """Compile a model as the file says; whether it says so.

        Raises:
            FileError: it says so with something that elman lacks.
        """
        found = self._config.get("compile_config")
        if found is None:
            return False
        try:
            self._check_sizes(found)
            model.compile(
                optimizer=found.get("optimizer", "rmsprop"),
                loss=found.get("loss"),
                metrics=_metrics(found.get("metrics")),
                loss_weights=found.get("loss_weights"),
                weighted_metrics=found.get("weighted_metrics") or None,
            )
        except Exception as error:  # a config is anybody's text
            raise self.refused(
                f"a model compiled as elman cannot ({error})",
                "Open it with compile=False, then compile it yourself.",
            ) from error
        return True

    def _check_sizes(self, found: Any) -> None:
        for named, path in self._named(found):
            options = self._options(named) if named["class_name"] != "function" else {}
            for option, most in MOST.items():
                size = options.get(option)
                if size is not None and not (isinstance(size, int) and 0 < size <= most):
                    raise self.refused(f"{option}={size!r} ({path})", f"{most} is plenty.")


def _is_input(first: list[Any]) -> bool:
    """Whether the first entry, if there is one, is an Input."""
    return any(isinstance(e, dict) and e.get("class_name") == "InputLayer" for e in first)


def _dotted(module: Any, name: Any) -> str:
    return f"{module}.{name}" if isinstance(module, str) else str(name)


def _registered(named: Config) -> str | None:
    """The name under which somebody's own class was registered."""
    name = named.get("registered_name")
    return None if name is None or name == named["class_name"] else str(name)


def _decoded(value: Any) -> Any:
    """Config with functions as their names, and tuples as lists."""
    if isinstance(value, list):
        return [_decoded(item) if isinstance(item, dict | list) else item for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "function":
        return value["config"]
    if value.get("class_name") == "__tuple__":
        return _decoded(value.get("items"))
    return {key: _decoded(item) for key, item in value.items()}


def _metrics(given: Any) -> Any:
    """Metrics by their names, or built, in the structure in which they stand."""
    if isinstance(given, list):
        return [_metrics(one) for one in given]
    if not isinstance(given, dict):
        return given
    if "class_name" in given:
        return metrics.get(given)
    return {name: _metrics(one) for name, one in given.items()}


def _chained(layers: list[Layer], first: list[Shape]) -> Iterator[Shape | None]:
    """What enters each of layers that follow one another; None from where it is not known."""
    shape = first[0] if first else None
    for layer in layers:
        yield shape
        known = shape is not None and layer.known_features(shape)
        shape = layer.output_shape(shape) if known and shape is not None else None


# -- writing --------------------------------------------------------------------------------------


def written(model: Model, who: str) -> Config:
    """A model in the form of Keras's config.json.

    Raises:
        FileError: it has something that no file could bring back.
    """
    from elman.models import Sequential

    config = model.get_config()
    found: Config
    if isinstance(model, Sequential):
        shape = _plain(model.input_shape)
        found = {
            "module": "keras",
            "class_name": "Sequential",
            "config": {**config, "build_input_shape": shape},
            "registered_name": None,
            **({} if shape is None else {"build_config": {"input_shape": shape}}),
        }
    else:
        found = {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "config": config,
            "registered_name": "Functional",
            "build_config": {"input_shape": None},
        }
    Reader(found, f"the model {model.name!r}", who)
    return {**found, "compile_config": _compiled(model, who)}


def _plain(shape: Shape | None) -> list[int | None] | None:
    return None if shape is None else list(shape)


def _compiled(model: Model, who: str) -> Config | None:
    """How a model was compiled; what is the user's own code stays out, with a warning."""
    if model.optimizer is None:
        return None
    try:
        optimizer = _writable(model.optimizer)
        loss = _each(model.loss, lambda one: _writable(losses.get(one)))
    except FileError as error:
        warnings.warn(
            f"{who} leaves out how the model was compiled: {error} Compile it again after loading.",
            stacklevel=4,
        )
        return None
    return {
        "optimizer": optimizer,
        "loss": loss,
        "loss_weights": model.loss_weights,
        "metrics": _chosen_metrics(model, who),
        "weighted_metrics": None,
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": "auto",  # Keras decides; without it, it trains many times more slowly
    }


def _chosen_metrics(model: Model, who: str) -> Any:
    """The metrics in the structure in which they were given."""

    def plain(metric: Any) -> Any:
        try:
            return _writable(metrics.get(metric))
        except FileError as error:
            warnings.warn(f"{who} leaves out a metric: {error}", stacklevel=6)
            return None

    found = _each(model.chosen_metrics, plain)
    if isinstance(found, list) and len(model.output_names) == 1:
        found = [metric for metric in found if metric is not None]
    return found or None


def _each(given: Any, plain: Callable[[Any], Any]) -> Any:
    """Names as they are, and objects as plain data, in lists and dicts as they stand."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, list | tuple):
        return [_each(one, plain) for one in given]
    if isinstance(given, dict) and "class_name" not in given:
        return {name: _each(one, plain) for name, one in given.items()}
    return plain(given)


def _writable(value: Any) -> Any:
    """An object's config, if it is one of elman's own and not of a class made from one."""
    for part in (value, getattr(value, "schedule", None)):
        if part is None or isinstance(part, str):
            continue
        if not type(part).__module__.startswith("elman.") or type(part).__name__ not in CLASSES:
            raise FileError(f"it uses {type(part).__name__}, which a file cannot bring back.")
    return serialize(value)
