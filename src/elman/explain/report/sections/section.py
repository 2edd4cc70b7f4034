"""A part of the page."""

from __future__ import annotations

from typing import NamedTuple

#: Of layers, and of outputs, so many are drawn; what is left out is said.
MOST = 8


class Section(NamedTuple):
    """A heading, how to read what is below it, and that."""

    name: str  #: in its address
    title: str
    how: str  #: a plain sentence
    body: str
