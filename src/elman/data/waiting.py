"""Bars for loaders. `elman.progress` draws them, which is upstairs: it knows callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

T = TypeVar("T")


def waiting(what: str, total: int, unit: str = "") -> AbstractContextManager[Callable[[int], None]]:
    """See `elman.progress.waiting`."""
    from elman.progress import waiting

    return waiting(what, total, unit)


def over(items: Sequence[T], what: str) -> Iterator[T]:
    """See `elman.progress.over`."""
    from elman.progress import over

    return over(items, what)
