"""Texts cut into tokens: words, characters or bytes."""

from __future__ import annotations

import html
import unicodedata

from elman.data.datasets import SPECIAL, words

__all__ = ["SPECIAL", "UNITS", "clean", "cut"]

UNITS = ("words", "chars", "bytes")


def clean(text: str) -> str:
    """A text as it is meant: HTML entities as characters, and each of these in one form (NFC).

    >>> clean("caf&eacute; &amp; cafe\\u0301")
    'café & café'
    """
    return unicodedata.normalize("NFC", html.unescape(text)).strip()


def cut(text: str, unit: str) -> list[str]:
    """The tokens of a text.

    Args:
        text: any.
        unit: "words" in lower case, with runs of punctuation between them; "chars" as they are;
            or "bytes" of UTF-8, by two hexadecimal digits each.

    >>> cut("Oh, no!", "words"), cut("né", "chars"), cut("né", "bytes")
    (['oh', ',', 'no', '!'], ['n', 'é'], ['6e', 'c3', 'a9'])
    """
    text = clean(text)
    if unit == "words":
        return words(text)
    if unit == "chars":
        return list(text)
    return [f"{byte:02x}" for byte in text.encode("utf-8", "surrogatepass")]
