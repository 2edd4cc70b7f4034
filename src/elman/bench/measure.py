"""Time something again and again, and say how much the times differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """The middle of some measurements and how far they spread."""

    median: float
    low: float  #: the lower quartile: a quarter of the measurements is below
    high: float  #: the upper quartile
    least: float
    turns: int  #: how many measurements

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        low, median, high = (float(q) for q in np.percentile(values, [25, 50, 75]))
        return cls(median, low, high, float(min(values)), len(values))


def repeated(work: Callable[[int], object], seconds: float, turn: float = 0.05) -> list[float]:
    """Seconds per unit of work, measured in turns of about equal length.

    Args:
        work: does as many units as it is told.
        seconds: how long to measure; at least three turns are made whatever they take.
        turn: how long one turn should last.
    """
    began = time.perf_counter()
    work(1)
    once = time.perf_counter() - began
    count = max(1, round(turn / max(once, 1e-7)))
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        work(count)
        times.append((time.perf_counter() - start) / count)
    return times
