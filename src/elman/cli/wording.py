"""What a loader says to a programmer, as whoever typed a command can follow it."""

from __future__ import annotations

import inspect
import re

from elman.cli.app import app

#: An argument as messages write it: `by="random"`, or `target=...` where any value will do.
ARGUMENT = re.compile(r"`([a-z_]+)=([^`]*)`")


def as_typed(message: str, command: str) -> str:
    """A message in one line, with the command's options in place of a loader's arguments.

    Args:
        message: of an error or a warning.
        command: what was typed behind `elman`.

    >>> as_typed('Bring more data, or split by chance: `by="random"`.', "train")
    'Bring more data, or split by chance: --by random.'
    >>> as_typed("Say which one to take: `channel=0`.", "predict")
    'Say which one to take: --channel 0. (--channel is an option of elman train.)'
    """
    own, elsewhere = _options(command), _options("train")
    foreign: dict[str, None] = {}

    def typed(argument: re.Match[str]) -> str:
        name, value = argument.groups()
        if name not in own | elsewhere:
            return argument[0]
        option = f"--{name.replace('_', '-')}"
        if name not in own:
            foreign[option] = None
        value = value.strip("\"'[]")
        return option if value in ("", "...") else f"{option} {value}"

    found = " ".join(ARGUMENT.sub(typed, message).split())
    are = "is an option" if len(foreign) == 1 else "are options"
    return found + (f" ({' and '.join(foreign)} {are} of elman train.)" if foreign else "")


def _options(command: str) -> set[str]:
    """The names of a command's options; none of what is no command."""
    try:
        function = app[command].default_command
    except KeyError:
        return set()
    parameters = inspect.signature(function).parameters.values() if function else ()
    return {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}
