"""Series of a table with a row for each step, whether the table has one or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from elman.data.clocks import Clock
from elman.data.frames import Columns, spelled
from elman.data.ordering import Ordered
from elman.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]

#: So many steps for each row of a table, and more, are no series with gaps; a few always are.
GAPS, FEW = 4, 24


class Series(NamedTuple):
    """One series on its clock: float64 [steps, columns], NaN where a value is missing."""

    name: str
    first: Any
    values: Array


def clock_of(ordered: Ordered) -> Clock:
    """What all of the series go by."""
    if ordered.moments is None:
        return Clock()
    return Clock.of([_moments(ordered.moments[rows]) for rows in ordered.rows])


def _moments(times: Array) -> Array:
    return times.astype("datetime64[ns]") if times.dtype.kind == "M" else times


def on_clock(
    found: Columns,
    names: Sequence[str],
    ordered: Ordered,
    clock: Clock,
    time: str | None,
    new: bool,
) -> list[Series]:
    """Every series with a row for each step.

    Args:
        found: the table.
        names: its columns to read.
        ordered: its rows by series and time.
        clock: what the steps are.
        time: the column of times.
        new: whether the clock is that of a model, and not taken from these series.

    Raises:
        DataError: text or infinity, times that are not regular, or steps most of which are missing.
    """
    table = np.stack([found.numbers(name) for name in names], axis=1)
    every = []
    for name, rows in zip(ordered.names, ordered.rows, strict=True):
        if ordered.moments is None:
            every.append(Series(name, 0, table[rows]))
            continue
        times = _moments(ordered.moments[rows])
        wrong = clock.irregular(times)
        places = clock.places(times)
        if wrong is None and new and len(rows) > 2 and np.median(np.diff(places)) != 1:
            wrong = 1
        if wrong is not None:
            model = ", as the model was trained on" if new else ""
            raise DataError(
                f"data.forecast expected regular times ({clock}{model}) in column {time!r}, got "
                f"{spelled(times[wrong])} after {spelled(times[wrong - 1])} in "
                f"{found.place(int(rows[wrong]))}. Bring them to one step first, such as the mean "
                "of each hour, or name the column that tells series apart: series=..."
            )
        if places[-1] > GAPS * len(rows) + FEW:
            raise DataError(
                f"data.forecast expected a value for most steps, got {len(rows):,} rows for "
                f"{places[-1] + 1:,} steps ({clock}) in {found.where}. Bring them to a longer "
                "step, or give each stretch a name of its own: series=..."
            )
        values = np.full((places[-1] + 1, len(names)), np.nan)
        values[places] = table[rows]
        every.append(Series(name, times[0], values))
    return every


def check_varies(found: Columns, every: list[Series], targets: Sequence[str]) -> None:
    """Raise DataError where a target never changes."""
    for place, name in enumerate(targets):
        values = np.concatenate([one.values[:, place] for one in every])
        known = values[~np.isnan(values)]
        if not len(known) or (known == known[0]).all():
            got = f"{known[0]:g} in all rows" if len(known) else "no value"
            raise DataError(
                f"data.forecast expected a target that varies in column {name!r} of "
                f"{found.where}, got {got}. Choose another target."
            )
