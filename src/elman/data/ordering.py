"""Tables with a row for each step: the rows of every sequence, in order of time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from elman.data.frames import Columns, spelled
from elman.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]


class Ordered(NamedTuple):
    """Sequences, as the rows of a table.

    Attributes:
        names: [n], what each is called, in the order of the file.
        rows: n arrays, the rows of each, in order of time.
        moments: the time of each row of the table; None where no column has it.
    """

    names: Array
    rows: list[Array]
    moments: Array | None


def in_order(
    found: Columns, sequence: str | None, time: str | None, who: str, option: str
) -> Ordered:
    """The rows of each sequence.

    Args:
        found: the table.
        sequence: the column that tells sequences apart; None: all rows are one.
        time: the column that orders their steps; None: the order of the rows.
        who, option: how errors name the loader, and its option for `sequence`.

    Raises:
        DataError: a sequence that has one time twice.
    """
    keys = np.array(found.texts(sequence) if sequence else [found.where] * found.rows, object)
    names = np.array(list({key: None for key in keys}))  # in the order of the file
    place = {key: n for n, key in enumerate(names)}
    of = np.array([place[key] for key in keys])
    moments = None if time is None else found.moments(time)
    order = np.argsort(of, kind="stable") if moments is None else np.lexsort((moments, of))
    if moments is not None:
        again = (np.diff(of[order]) == 0) & (moments[order][1:] == moments[order][:-1])
        if again.any():
            first, second = order[np.argmax(again) : np.argmax(again) + 2]
            raise DataError(
                f"{who} expected each time once in a sequence, got {spelled(moments[second])} "
                f"twice: {found.place(int(first))} and {found.place(int(second))}. Leave one out, "
                f"or name the column that tells sequences apart: `{option}=...`."
            )
    return Ordered(names, np.split(order, np.cumsum(np.bincount(of))[:-1]), moments)
