"""From a model to its line."""

from __future__ import annotations

import math
import re
from typing import Any

from elman import activations, constraints, initializers, mixed_precision, regularizers
from elman.errors import NotReadyError, OptionError, SpecError
from elman.layers import Layer
from elman.layers.layer import snake, unused
from elman.models import Model, Sequential
from elman.spec import parsing
from elman.spec.grammar import CONSTANTS, DIGITS, WORD

_SHORT = {word: alias for alias, word in parsing.ALIASES.items()}
#: What a wrapper decides for the layer inside it, whatever that was given.
_DECIDED = {"bidirectional": {"zero_output_for_mask"}}
_BARE = {flag.option: (flag.value, word) for word, flag in parsing.FLAGS.items()}


def write(model: Model) -> str:
    """The line that describes a model: what `parse` reads into the same architecture.

    Args:
        model: the model; its weights and how it is compiled are no part of the line.

    Raises:
        NotReadyError: the model has no layers.
        OptionError: an option has a value that a line has no words for.

    Example:
        >>> from elman.layers import GRU, Dense, Input
        >>> write(Sequential([Input((60, 1)), GRU(16), Dense(1, activation="sigmoid")]))
        '60x1 > gru(16) > dense(1,sigmoid)'
    """
    if not model.layers:
        raise NotReadyError(f"write expected a model with layers, got {model.label} with none.")
    if not isinstance(model, Sequential):
        raise OptionError(
            f"write expected layers one after the other, got {model.label}: a line has no words "
            "for a graph. Save it with model.save."
        )
    items = []
    if model.input is not None:
        items.append("x".join("?" if e is None else str(e) for e in model.input.shape))
    taken: set[str] = set()
    for layer in model.layers:
        usual = unused(snake(type(layer).__name__), taken)
        items.append(_layer(layer, usual))
        taken.add(layer.name)
    return " > ".join(items)


def _layer(layer: Layer, usual_name: str, within: str = "") -> str:
    """One layer; `within` is the word of the one that wraps it."""
    word = snake(type(layer).__name__)
    known = type(layer).options()
    given = [name for name, default in known.items() if default is ...]
    arguments = [_value(layer, name) for name in given]
    try:
        usual = _read(word, arguments)  # what a layer of these alone is
    except SpecError:  # they need the layers that stand beside them
        beside = [n for n in known if n not in given and isinstance(getattr(layer, n), Layer)]
        arguments += [f"{name}={_value(layer, name)}" for name in beside]
        given += beside
        usual = _read(word, arguments)
    for place, name in enumerate(given):
        inner = getattr(layer, name)
        if isinstance(inner, Layer) and getattr(usual, name).name != inner.name:
            option = arguments[place].partition("=")[0] + "=" if known[name] is not ... else ""
            arguments[place] = option + _layer(inner, "", word)  # with its name
            usual = _read(word, arguments)
    config, without = layer.get_config(), usual.get_config()
    if layer.name != usual_name:
        arguments.append(f"name={_word(layer, 'name', layer.name)}")
    for name in known:
        if name in given or name == "name" or config.get(name) == without.get(name):
            continue
        if name in _DECIDED.get(within, ()):
            continue
        value = getattr(layer, name)
        if name in _BARE and value is _BARE[name][0]:
            arguments.append(_BARE[name][1])
        elif name == "activation":
            arguments.append(activations.name_of(value))
        else:
            arguments.append(f"{name}={_value(layer, name)}")
    precision = layer.dtype_policy.name
    if not precision == mixed_precision.dtype_policy().name == "float32":
        arguments.append(f"dtype={precision}")
    return _SHORT.get(word, word) + f"({','.join(arguments)})" * bool(arguments)


def _read(word: str, arguments: list[str]) -> Layer:
    (layer,) = parsing.layers(f"{word}({','.join(arguments)})")
    assert isinstance(layer, Layer)
    return layer


def _value(layer: Layer, option: str) -> str:
    value: Any = getattr(layer, option)
    if isinstance(value, tuple) and len(value) == 1:  # Keras's form of a number for one axis
        (value,) = value
    if value is None or isinstance(value, bool):
        return next(word for word, constant in CONSTANTS.items() if constant is value)
    if isinstance(value, int | float) and math.isfinite(value) and len(repr(value)) <= DIGITS:
        return repr(value)
    if isinstance(value, str):
        return _word(layer, option, value)
    if isinstance(value, Layer):
        needed = type(layer).options()[option] is ...
        usual = value.name if needed else snake(type(value).__name__)
        return _layer(value, usual, snake(type(layer).__name__))
    for room in (constraints, initializers, regularizers):
        name = snake(type(value).__name__)
        if name in room.NAMES and room.NAMES[name]().get_config() == value.get_config():
            return name
    raise _wordless(layer, option, value)


def _word(layer: Layer, option: str, value: str) -> str:
    if re.fullmatch(WORD, value) and value not in CONSTANTS:
        return value
    if '"' in value or "\n" in value:
        raise _wordless(layer, option, value)
    return f'"{value}"'


def _wordless(layer: Layer, option: str, value: object) -> OptionError:
    return OptionError(
        f"write expected options that are numbers, words, true or false, got {option}={value!r} of "
        f"{layer.label}. A line has no words for it: keep the model with get_config."
    )
