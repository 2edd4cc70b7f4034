"""Regular times: seconds, working days or months as whole steps, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: What steps are counted in: months from their first day or from their last.
UNITS = ("row", "number", "second", "workday", "month", "month end")
#: How far from its place on the grid a time may be, in steps: clocks that tick unevenly, summer
#: time written in UTC.
JITTER = 0.1
MINUTE, HOUR, DAY = 60, 3600, 86400
NAMES = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second"))
#: A season of more steps is no season that a network could see in its window.
LONGEST_SEASON = 300


@dataclass(frozen=True)
class Clock:
    """Steps of one length.

    Args:
        unit: one of `UNITS`; "row" where there are no times, "number" where they are no dates.
        step: how many of them from one step to the next.

    Example:
        >>> days = np.array(["2026-01-31", "2026-02-28", "2026-04-30"], "datetime64[ns]")
        >>> clock = Clock.of([days])
        >>> print(clock), clock.places(days).tolist()
        every month
        (None, [0, 1, 3])
    """

    unit: str = "row"
    step: float = 1.0

    @classmethod
    def of(cls, series: Sequence[Array]) -> Clock:
        """What all of some series go by.

        Args:
            series: the times of each, numbers or datetime64, ascending.
        """
        apart = np.concatenate([np.diff(times) for times in series])
        if not len(apart):
            return cls("number" if series[0].dtype.kind != "M" else "second")
        if apart.dtype.kind != "m":
            return cls("number", _mean_step(apart.astype(np.float64)))
        days = np.median(apart / np.timedelta64(1, "D"))
        if days >= 28:
            for unit in ("month", "month end"):
                months = [_months(times, unit) for times in series]
                if all(_constant(_within(times, unit)) for times in series):
                    gaps = np.concatenate([np.diff(one) for one in months])
                    return cls(unit, float(np.gcd.reduce(gaps)))
        if days == 1 and _are_workdays(series):
            return cls("workday")
        return cls("second", _mean_step(apart / np.timedelta64(1, "s")))

    def places(self, times: Array) -> Array:
        """The step of each time, int64 counted from the first; rounded where it is between two."""
        return np.rint(self._counted(times)).astype(np.int64)

    def irregular(self, times: Array) -> int | None:
        """The first of some times that is not a whole number of steps after the one before it."""
        counted = self._counted(times)
        places = np.rint(counted)
        off = np.abs(counted - places) > JITTER
        off[1:] |= np.diff(places) < 1
        return int(np.argmax(off)) if off.any() else None

    def times(self, first: Any, places: Array) -> Array:
        """The times of some steps, counted from one: the inverse of `places`."""
        if self.unit in ("row", "number"):
            return first + places * self.step
        begin = np.datetime64(first, "ns")
        if self.unit == "second":
            return begin + np.rint(places * self.step * 1e9).astype("timedelta64[ns]")
        if self.unit == "workday":
            day = begin.astype("datetime64[D]")
            return np.busday_offset(day, places).astype("datetime64[ns]") + (begin - day)
        months = _months(begin, self.unit) + np.rint(places * self.step).astype(np.int64)
        found: Array = _begins(months) + _within(begin, self.unit)
        return found

    @property
    def seconds(self) -> float | None:
        """Seconds from one step to the next, where that is always the same."""
        return self.step if self.unit == "second" else None

    def season(self) -> int | None:
        """Steps of the season that one expects: a day of hours, a week of days, a year of months.

        Returns:
            None where no calendar says so, or it would be too long for a window.
        """
        if self.unit == "workday":
            return 5
        if self.unit.startswith("month"):
            return _whole(12 / self.step)
        if self.unit != "second":
            return None
        if self.step < DAY:
            return _whole(DAY / self.step)
        return 7 if self.step == DAY else 52 if self.step == 7 * DAY else None

    def __str__(self) -> str:
        step, name = self.step, self.unit
        if name == "second":
            step, name = next(
                ((step / length, word) for length, word in NAMES if step >= length), (step, name)
            )
        name = {"workday": "working day", "month end": "month"}.get(name, name)
        if name == "number":
            return f"every {step:g}"
        return f"every {name}" if step == 1 else f"every {step:.6g} {name}s"

    def _counted(self, times: Array) -> Array:
        """Steps from the first time to each, with fractions."""
        if self.unit in ("row", "number"):
            return (times - times[0]).astype(np.float64) / self.step
        if self.unit == "second":
            return (times - times[0]) / np.timedelta64(1, "s") / self.step
        if self.unit == "workday":
            days = times.astype("datetime64[D]")
            off = 0.5 * ~np.is_busday(days)  # a weekend lies between two steps
            counted: Array = np.busday_count(days[0], days) + off
            return counted
        counted = _months(times, self.unit) / self.step
        off = np.abs(_within(times, self.unit) - _within(times[0], self.unit))
        return counted - counted[0] + 0.5 * (off > np.timedelta64(1, "h"))


def _mean_step(apart: Array) -> float:
    """The length of a step from the times between values, of which some may be missing."""
    usual = float(np.quantile(apart, 0.5, method="lower"))
    counts = np.maximum(np.rint(apart / usual), 1) if usual > 0 else np.ones(len(apart))
    near = np.abs(apart / usual - counts) <= JITTER if usual > 0 else np.ones(len(apart), bool)
    if not near.any():
        return usual or 1.0
    return float(f"{apart[near].sum() / counts[near].sum():.10g}")


def _whole(steps: float) -> int | None:
    return int(steps) if steps == int(steps) and 1 < steps <= LONGEST_SEASON else None


def _constant(within: Array) -> bool:
    """Whether times are at one place of their month, but for the hour of summer time."""
    return bool((np.abs(within - within[0]) <= np.timedelta64(1, "h")).all())


def _months(times: Any, unit: str) -> Any:
    """The month of each time; that of the day after, where months are counted by their end."""
    ahead = np.timedelta64(1, "D") if unit == "month end" else np.timedelta64(0, "D")
    return (times + ahead).astype("datetime64[M]").astype(np.int64)


def _begins(months: Any) -> Any:
    return np.asarray(months).astype("datetime64[M]").astype("datetime64[ns]")


def _within(times: Any, unit: str) -> Any:
    return times - _begins(_months(times, unit))


def _are_workdays(series: Sequence[Array]) -> bool:
    """Whether days go on over weekends, and have none of them."""
    days = [times.astype("datetime64[D]") for times in series]
    if not all(np.is_busday(one).all() for one in days):
        return False
    return any(np.busday_count(one[0], one[-1]) < (one[-1] - one[0]).astype(int) for one in days)
