"""From the tree of a line to a model; what is wrong is pointed at."""

from __future__ import annotations

from typing import Any, NamedTuple

from elman import activations
from elman.errors import ElmanError, OptionError, SpecError, UnknownNameError, nearest
from elman.layers import LAYERS, InputLayer, Layer
from elman.layers.layer import snake
from elman.models import Sequential
from elman.spec.grammar import Argument, Call, Shape, read

#: Other words for a layer.
ALIASES = {"rnn": "simple_rnn", "bi": "bidirectional"}


class Flag(NamedTuple):
    """An option and the value that a single word stands for."""

    option: str
    value: bool


FLAGS = {
    "seq": Flag("return_sequences", True),
    "mask": Flag("mask_zero", True),
    "back": Flag("go_backwards", True),
    "nobias": Flag("use_bias", False),
}


def parse(text: str, *, unknown: int | None = None) -> Sequential:
    """The model that a line describes.

    Args:
        text: a line, such as "60x1 > gru(16) > dense(1,sigmoid)"; `help(elman.spec)` shows the
            grammar.
        unknown: the number that a `?` among a layer's arguments stands for.

    Returns:
        the model, with fresh weights where the number of input features is known.

    Raises:
        SpecError: the line cannot be read, or its layers cannot follow each other; the message
            points at the place.

    Example:
        >>> parse("100 > embedding(15000,32) > lstm(16) > dense(1)").count_params()
        483153
    """
    model = Sequential()
    calls: list[Call] = []  # those of the model's layers
    for item in read(_text(text), unknown):
        entry = build(item, text)
        try:
            model.add(entry)
        except (ElmanError, ValueError) as error:
            raise _misfit(error, model, entry, item, calls, text) from error
        if isinstance(item, Call):
            calls.append(item)
    return model


def layers(text: str, *, unknown: int | None = None) -> list[Layer | InputLayer]:
    """The entries of the model that a line describes, without weights.

    Raises:
        SpecError: the line cannot be read, or one of its layers cannot be made.
    """
    return [build(item, text) for item in read(_text(text), unknown)]


def build(item: Shape | Call, text: str) -> Layer | InputLayer:
    """The entry that one item of the line `text` stands for."""
    if isinstance(item, Shape):
        return InputLayer(item.extents)
    kind = _class(item, text)
    places = _options(kind, item, text)
    options = {name: argument.value for name, argument in places.items()}
    try:
        return kind(**options)
    except (ElmanError, TypeError, ValueError) as error:
        # Point at the argument that the error speaks of, or else at the layer.
        named = [a for name, a in places.items() if f" {name} " in f" {error} "]
        named += [a for a in places.values() if a.kind == "word" and repr(a.value) in str(error)]
        place = named[0] if named else item
        raise SpecError(str(error), text, place.start, place.end) from error


def words() -> dict[str, type[Layer]]:
    """Each layer's word."""
    return {snake(name): kind for name, kind in LAYERS.items()}


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise OptionError(
            f"parse expected text, got {text!r} ({type(text).__name__}). Write e.g. "
            "'60x1 > gru(16) > dense(1)'."
        )
    return text


def _class(call: Call, text: str) -> type[Layer]:
    known = words()
    word = ALIASES.get(call.word, call.word)
    if word in known:
        return known[word]
    end = call.start + len(call.word)
    names = [*known, *(alias for alias, word in ALIASES.items() if word in known)]
    raise SpecError(f"unknown layer {call.word!r}{_hint(call.word, names)}", text, call.start, end)


def _options(kind: type[Layer], call: Call, text: str) -> dict[str, Argument]:
    """Each option that is given, with its value."""
    known = kind.options()
    needed = [name for name, default in known.items() if default is ...]
    unnamed = needed or list(known)[:1]
    found: dict[str, Argument] = {}
    for argument in call.arguments:
        if argument.kind == "call":
            argument = argument._replace(value=build(argument.value, text))
        option, value = _meaning(argument, kind, call, text)
        place = text, argument.start, argument.end
        if option is None:
            option = next((name for name in unnamed if name not in found), None)
            if option is None:
                takes = " and ".join(unnamed)
                raise SpecError(
                    f"{call.word} takes {takes} without a name; write option=value for others",
                    *place,
                )
        elif option not in known and option != "dtype":
            raise SpecError(f"{call.word} has no option {option!r}{_hint(option, known)}", *place)
        if option in found:
            raise SpecError(f"{option} is given twice", *place)
        if isinstance(known.get(option), bool) and not isinstance(value, bool):
            raise SpecError(f"expected {option}=true or false, got {value!r}", *place)
        found[option] = argument._replace(value=value)
    for name in needed:
        if name not in found:
            raise SpecError(f"{call.word} needs {name}", text, call.start, call.end)
    return found


def _meaning(
    argument: Argument, kind: type[Layer], call: Call, text: str
) -> tuple[str | None, Any]:
    """The option and the value that an argument stands for; None for the next that is needed."""
    if argument.option is not None or argument.kind in ("number", "call"):
        return argument.option, argument.value
    known = kind.options()
    flags = {word: flag for word, flag in FLAGS.items() if flag.option in known}
    if argument.kind == "word" and argument.value in flags:
        return flags[argument.value]
    if argument.kind == "word" and "activation" in known:
        try:
            return "activation", activations.name_of(argument.value)
        except UnknownNameError:
            pass
    words = [*flags, *known]
    if "activation" in known:
        words += [*activations.ELEMENTWISE, *activations.ROWWISE]
    hint = _hint(argument.value, words)
    got = text[argument.start : argument.end]
    raise SpecError(f"{call.word} does not know {got!r}{hint}", text, argument.start, argument.end)


def _hint(got: object, known: Any) -> str:
    near = nearest(got, known)
    return f" - did you mean {near!r}?" if near else f"; known: {', '.join(known)}"


def _misfit(
    error: Exception, model: Sequential, entry: Any, item: Any, calls: list[Call], text: str
) -> SpecError:
    """The error of a layer that cannot follow; it points at what was forgotten before it."""
    shape = model.output_shape
    if not model.layers and model.input is not None:
        shape = (None, *model.input.shape)
    if isinstance(entry, Layer) and shape and len(shape) == 2 and 2 not in entry.ranks:
        lost = [i for i, (a, b) in enumerate(model.shapes()) if a and b and len(a) > len(b)]
        if lost:
            last = calls[lost[-1]]
            return SpecError(
                f"{last.word} returns only its last step, but {item.word} needs every step - "
                f"write {_with_seq(last, text)}",
                text, last.start, last.end,
            )  # fmt: skip
        if not calls:
            length = "?" if shape[1] is None else shape[1]
            at = len(text) - len(text.lstrip())
            return SpecError(
                f"{item.word} needs steps x features - write {length}x1 for one feature per step",
                text, at, at + len(str(length)),
            )  # fmt: skip
    return SpecError(str(error), text, item.start, item.end)


def _with_seq(call: Call, text: str) -> str:
    inner = call
    while inner.arguments and inner.arguments[0].kind == "call":
        inner = inner.arguments[0].value
    return f"{text[call.start : inner.end - 1]},seq{text[inner.end - 1 : call.end]}"
