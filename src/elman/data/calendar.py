"""What the calendar knows ahead: places in the day, the week and the year, which come again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: Each as a place on a circle, so that midnight is near midnight: these two features.
CYCLES = ("time of day", "day of week", "day of year")
SIDES = ("sin", "cos")
#: 1970-01-05, a Monday.
MONDAY = np.datetime64(4, "D")


def expanded(names: Sequence[str]) -> tuple[str, ...]:
    """Columns that are known ahead, with two in place of each cycle of the calendar."""
    return tuple(
        one
        for name in names
        for one in ([f"{name} {side}" for side in SIDES] if name in CYCLES else [name])
    )


#: The features that no column has to have.
FEATURES = expanded(CYCLES)


def feature(name: str, times: Array) -> Array:
    """One of `FEATURES` at some times, float64 [n].

    >>> noon = np.array(["2026-01-05T12:00"], "datetime64[ns]")
    >>> feature("time of day cos", noon).round(6), feature("day of week cos", noon).round(6)
    (array([-1.]), array([0.900969]))
    """
    cycle, side = name.rsplit(" ", 1)
    part = _part(cycle, times) * 2 * np.pi
    found: Array = np.sin(part) if side == "sin" else np.cos(part)
    return found


def _part(cycle: str, times: Array) -> Array:
    """How much of a day, week or year has passed."""
    day = np.timedelta64(1, "D")
    if cycle == "time of day":
        return (times - times.astype("datetime64[D]")) / day
    if cycle == "day of week":
        return ((times - MONDAY) / day) % 7 / 7
    found: Array = (times - times.astype("datetime64[Y]")) / day / 365.2425
    return found
