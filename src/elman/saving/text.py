"""JSON from a file, whose length and depth are checked before they are believed."""

from __future__ import annotations

import json
from typing import Any

from elman.errors import FileError

#: Text is a few KiB per layer. Only the first values of weights may make it long (an initializer
#: can be an array): some 22 characters for the 4 bytes of a number.
PLENTY, PER_BYTE = 4 * 2**20, 6


def most(weights: int) -> int:
    """How long text may be beside so many bytes of weights."""
    return PLENTY + PER_BYTE * weights


def parsed(content: str | bytes, name: str, where: str, expected: str) -> dict[str, Any]:
    """The object that a text holds.

    Args:
        content: the text.
        name: how errors name it.
        where: how errors name the file.
        expected: how errors begin.

    Raises:
        FileError: it is no JSON, no object, or nested too deep.
    """
    try:
        found = json.loads(content)
    except RecursionError as error:
        raise refused(f"text nested too deep in {name!r}", where, expected) from error
    except ValueError as error:
        raise FileError(
            f"{expected}, got no JSON in {name!r} of {where} ({brief(error)}). "
            "Save the model again."
        ) from error
    if not isinstance(found, dict):
        raise refused(f"JSON that is no object in {name!r}", where, expected)
    return found


def refused(what: str, where: str, expected: str) -> FileError:
    """The error for what no honest file has."""
    return FileError(
        f"{expected}, got {what} in {where}. Do not use this file; ask for it again where it came "
        "from."
    )


def brief(words: object, longest: int = 600) -> str:
    """Words for an error: what a file holds may be as long as it likes."""
    text = str(words)
    return text if len(text) <= longest else f"{text[:longest]} ..."
