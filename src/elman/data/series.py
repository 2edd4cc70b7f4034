"""Series of a table with a row for each step, whether the table has one or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from elman.data.calendar import FEATURES, feature
from elman.data.clocks import Clock
from elman.data.frames import Columns, spelled
from elman.data.ordering import Ordered
from elman.errors import DataError, OptionError

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
    ahead: int = 0,
    new: bool = False,
) -> list[Series]:
    """Every series with a row for each step.

    Args:
        found: the table.
        names: its columns to read, and features of the calendar.
        ordered: its rows by series and time.
        clock: what the steps are.
        time: the column of times.
        ahead: steps behind the end of each, where the calendar goes on.
        new: whether the clock is that of a model, and not taken from these series.

    Raises:
        DataError: text or infinity, times that are not regular, or steps most of which are missing.
        OptionError: features of the calendar, and no dates.
    """
    dated = [(place, name) for place, name in enumerate(names) if name in FEATURES]
    if dated and (ordered.moments is None or ordered.moments.dtype.kind != "M"):
        raise OptionError(
            f"data.forecast expected dates to know the {dated[0][1].rsplit(' ', 1)[0]} by, got "
            f"{'none' if time is None else f'numbers in column {time!r}'}. Name the column that "
            "has them: `time=...`."
        )
    table = np.full((found.rows, len(names)), np.nan)
    for place, name in enumerate(names):
        if name not in FEATURES:
            table[:, place] = found.numbers(name)
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
                "of each hour, or name the column that tells series apart: "
                "`series=...`."
            )
        if not 0 <= places[-1] <= GAPS * len(rows) + FEW:
            raise DataError(
                f"data.forecast expected a value for most steps, got {len(rows):,} rows for "
                f"{places[-1] + 1:,} steps ({clock}) in {found.where}. Bring them to a longer "
                "step, or give each stretch a name of its own: `series=...`."
            )
        values = np.full((places[-1] + 1 + (ahead if dated else 0), len(names)), np.nan)
        values[places] = table[rows]
        for place, cycle in dated:
            values[:, place] = feature(cycle, clock.times(times[0], np.arange(len(values))))
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
                f"{found.where}, got {got}. Choose another target: `target=...`."
            )
