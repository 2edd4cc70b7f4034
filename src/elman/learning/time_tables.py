"""A table to forecast from: which of its columns are times, and which tell series apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.forecasts import forecast
from elman.data.frames import Columns, columns
from elman.data.sequences import Sequences
from elman.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]

#: What a column of times is called, in lower case; numbers are no times but by their name.
TIMES = ("date", "time", "datetime", "timestamp", "ds", "year", "month", "day", "week", "hour")
#: Options that name several columns, with commas between them.
LISTS = ("target", "covariates", "known")


def read(path: Path, given: Mapping[str, Any]) -> tuple[Sequences, list[tuple[str, str]]]:
    """Windows to forecast from, and why they were read so: (what, in words).

    Args:
        path: a table with a row for each step.
        given: arguments of `elman.data.forecast`, as far as somebody said them: lists of columns
            with commas between them, and a season of 0 for none.

    Raises:
        DataError: what `elman.data.forecast` raises.
    """
    found = columns(path)
    options: dict[str, Any] = {
        name: [one.strip() for one in value.split(",")] if name in LISTS else value
        for name, value in given.items()
    }
    if "season" in options:
        options["season"] = options["season"] or None
    why = []
    for option, guess, because in (
        ("time", time_column, "it has times"),
        ("series", series_column, "times are there once for each of its names"),
    ):
        if option not in options and (name := guess(found, options)) is not None:
            options[option] = name
            why.append((option, f"column {name!r}: {because}"))
        elif option in options:
            why.append((option, f"column {options[option]!r}: --{option} says so"))
    data = forecast(found, **options)
    listed = ", ".join(map(repr, options.get("target", ())))
    said = f"{listed}: --target says so" if listed else "all columns of numbers"
    return data, [*why, ("target", said)]


def time_column(found: Columns, options: Mapping[str, Any]) -> str | None:
    """The first column that has times, or is called so."""
    taken = {name for option in LISTS for name in options.get(option, ())}
    rest = [name for name in found.names if name not in taken and name != options.get("series")]
    dated = [name for name in rest if _has_dates(found, name)]
    named = [name for name in rest if name.lower() in TIMES and _tells_rows_apart(found, name)]
    return next(iter([*dated, *named]), None)


def series_column(found: Columns, options: Mapping[str, Any]) -> str | None:
    """The column of words in which each time is there once for each word, if it is needed."""
    time = options.get("time")
    if time is None or _all_differ(moments := found.moments(time)):
        return None
    for name in found.names:
        if name == time or found.is_numeric(name) or found.has_lists(name):
            continue
        if found.missing(name).any():
            continue
        pairs = set(zip(found.texts(name), moments.tolist(), strict=True))
        if len(pairs) == found.rows:
            return name
    return None


def _all_differ(moments: Array) -> bool:
    return len(np.unique(moments)) == len(moments)


def _tells_rows_apart(found: Columns, name: str) -> bool:
    """Whether a column of numbers may be a time: an hour of the day, which comes again, is none."""
    if not found.is_numeric(name) or found.missing(name).any():
        return False
    return _all_differ(found.moments(name)) or series_column(found, {"time": name}) is not None


def _has_dates(found: Columns, name: str) -> bool:
    """Whether a column has dates, not mere numbers."""
    if found.has_lists(name) or found[name].dtype.kind == "b":
        return False
    try:
        return found.moments(name).dtype.kind == "M"
    except DataError:
        if found.rows > 1 and re.match(r"\s*\d{4}[-/]\d", str(found[name][0])):
            first = Columns({name: found[name][:1]}, found.where)
            if _has_dates(first, name):
                raise  # it begins with a date: what is wrong with another is to be known
        return False
