"""A bar while something is read or written that takes long."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from elman.progress import ProgressBar

#: What takes no longer than this many seconds needs no bar.
PATIENCE = 1.0

T = TypeVar("T")


@contextlib.contextmanager
def waiting(what: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
    """A bar on the standard error of a terminal; in a pipe there is none.

    Args:
        what: what is done, in a word or two.
        total: how much there is to do.
        unit: what it is counted in.

    Yields:
        what to call with how much is done.
    """
    began = time.monotonic()
    bar: ProgressBar | None = None

    def show(done: int) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - began > PATIENCE:
            from elman.progress import ProgressBar  # upstairs: it knows callbacks

            bar = ProgressBar(1, file=sys.stderr)
            bar.begin(f"{what} ({unit})" if unit else what, since=began)
        if bar is not None:
            bar.on_chunk_end(done, total, {})

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def over(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, one by one, with a bar of `waiting`.

    >>> list(over(["a", "b"], "reading"))
    ['a', 'b']
    """
    with waiting(what, len(items)) as show:
        for done, item in enumerate(items, 1):
            yield item
            show(done)
