"""From one sampling rate to another, the same way on every machine."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from elman.errors import OptionError

#: Zero crossings of the sinc on either side, and the shape of its Kaiser window. With these, nine
#: tenths of the lower rate's band stay whole, and what would fold back into it is 75 dB down.
CROSSINGS, SHAPE = 64, 8.0
#: Where the filter is at one half, as a share of the lower rate's band.
HALF = 0.95


def resample(values: np.ndarray, rate: float, to: float) -> np.ndarray:
    """A signal as it would have been recorded at another rate.

    Each output is a sum of its neighbours, weighted by a sinc in a Kaiser window (Smith, "Digital
    Audio Resampling", 2002): linear phase, nothing is delayed. Beyond its ends the signal is
    thought to stay as it was. Written out here rather than left to whichever library is installed,
    so that a model meets the same numbers wherever it runs.

    Args:
        values: [T] or [T, C]; a NaN is a missing sample, and so are the outputs nearest to it.
        rate: Samples per second of `values`.
        to: Samples per second of the result.

    Returns:
        float64 [ceil(T * to / rate)] or with C columns.

    Raises:
        OptionError: A rate is not above 0, or the two have no ratio that could be worked with.
    """
    if not (0 < rate < math.inf and 0 < to < math.inf):
        raise OptionError(f"resample expected rates above 0 Hz, got {rate} and {to}.")
    values = np.asarray(values, np.float64)
    if rate == to or not len(values):
        return values
    ratio = Fraction(to / rate).limit_denominator(10_000)
    if not ratio or abs(float(ratio) * rate / to - 1) > 1e-6:
        raise OptionError(
            f"resample expected rates in a ratio of whole numbers up to 10,000, got {rate} Hz and "
            f"{to} Hz. Choose a rounder rate."
        )
    up, down = ratio.numerator, ratio.denominator
    count = math.ceil(len(values) * up / down)
    missing = np.isnan(values)
    if missing.any():
        nearest = np.minimum((np.arange(count) * down + up // 2) // up, len(values) - 1)
        result = resample(_bridged(values, missing), rate, to)
        result[missing[nearest]] = np.nan
        return result

    cutoff = HALF * min(1.0, up / down)  # of half the source's rate
    reach = math.ceil(CROSSINGS / cutoff)
    edges = [(reach - 1, reach), *[(0, 0)] * (values.ndim - 1)]
    around = sliding_window_view(np.pad(values, edges, "edge"), 2 * reach, axis=0)
    result = np.empty((count, *values.shape[1:]))
    for phase in range(min(up, count)):  # outputs of one phase lie alike between their neighbours
        first, past = divmod(phase * down, up)
        distance = np.arange(1 - reach, reach + 1) - past / up
        shape = np.i0(SHAPE * np.sqrt(np.maximum(0, 1 - (distance / reach) ** 2)))
        weights = np.sinc(cutoff * distance) * shape
        rows = result[phase::up]
        rows[:] = around[first::down][: len(rows)] @ (weights / weights.sum())
    return result


def _bridged(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Straight lines across what is missing, so that no NaN spreads through the filter."""
    whole = values.reshape(len(values), -1).copy()
    at = np.arange(len(values))
    for column, gone in zip(whole.T, missing.reshape(whole.shape).T, strict=True):
        column[gone] = np.interp(at[gone], at[~gone], column[~gone]) if not gone.all() else 0.0
    return whole.reshape(values.shape)
