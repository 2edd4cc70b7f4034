"""Forecasts that anyone can make, and how far off a forecast is.

W steps of a window, S of its horizon, K targets; a value that is missing is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

LAST, SEASONAL = "last value", "seasonal naive"
#: A series that never changes is forecast by its last value: no error to divide by.
TINY = 1e-30
#: A season is looked for in the first part of a series, which no usual split holds out.
FIRST = 0.6
#: What the autocorrelation of a season is at least, and how much less a nearly as good, shorter
#: one may have.
LEAST, NEARLY = 0.3, 0.9


def last_value(windows: Array) -> Array:
    """The last value of each window that is there, [n, W, K] to [n, K]; NaN where none is."""
    known = ~np.isnan(windows)
    last = windows.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    found: Array = np.take_along_axis(windows, last[:, None], axis=1)[:, 0]
    return found


def naive(windows: Array, horizon: int, season: int | None = None) -> dict[str, Array]:
    """What a forecast has to beat.

    Args:
        windows: float [n, W, K].
        horizon: S, the steps to forecast.
        season: steps of a season, at most W; None: there is none.

    Returns:
        float [n, S, K] by name: the "last value", for all of the horizon; and where there is a
        season the "seasonal naive", the value at the same place of the last season that has one.
    """
    last = np.repeat(last_value(windows)[:, None], horizon, axis=1)
    if season is None:
        return {LAST: last}
    places = windows.shape[1] - season + np.arange(horizon) % season
    found = windows[:, places]
    while (places := places - season).max() >= 0 and np.isnan(found).any():
        earlier = np.where(places[:, None] >= 0, windows[:, places], np.nan)
        found = np.where(np.isnan(found), earlier, found)
    return {LAST: last, SEASONAL: np.where(np.isnan(found), last, found)}


def usual_change(windows: Array) -> Array:
    """How much each window changes from one step to the next, on average: [n, W, K] to [n, K]."""
    changes = np.abs(np.diff(windows, axis=1))
    known = ~np.isnan(changes)
    found: Array = np.where(known, changes, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return found


def absolute_errors(forecasts: Mapping[str, Array], coming: Array) -> dict[str, Array]:
    """How far each forecast is from what came, on average over the windows.

    Args:
        forecasts: float [n, S, K] by name.
        coming: [n, S, K].

    Returns:
        float64 [S, K] by name, in the unit of the targets.
    """
    return {name: np.abs(one - coming).mean(axis=0) for name, one in forecasts.items()}


def strongest_season(series: list[Array], longest: int) -> int | None:
    """The lag at which series are most like themselves, once their trend is taken off.

    Args:
        series: float [steps] each; NaN where a value is missing.
        longest: the longest season to look for.

    Returns:
        steps; None where the autocorrelation nowhere rises to a peak.
    """
    total, weight = np.zeros(longest + 2), 0.0
    for one in series:
        one = one[: int(FIRST * len(one))]
        known = np.flatnonzero(~np.isnan(one))
        if len(known) < 3 * 2 or np.ptp(one[known]) == 0:
            continue
        off = np.zeros(len(one))
        off[known] = one[known] - np.polyval(np.polyfit(known, one[known], 1), known)
        power = np.abs(np.fft.rfft(off, 2 * len(off))) ** 2
        products = np.fft.irfft(power)[: min(len(total), len(off) // 2)]
        total[: len(products)] += products
        weight += products[0]
    if weight <= 0:
        return None
    total /= weight
    inner = total[1:-1]
    peaks = 1 + np.flatnonzero((inner > total[:-2]) & (inner >= total[2:]) & (inner > LEAST))
    peaks = peaks[peaks > 1]
    if not len(peaks):
        return None
    return int(peaks[total[peaks] >= NEARLY * total[peaks].max()][0])
