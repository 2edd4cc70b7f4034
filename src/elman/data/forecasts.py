"""Series and what comes next: `elman.data.forecast`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from elman.data.calendar import expanded
from elman.data.clocks import LONGEST_SEASON, Clock
from elman.data.frames import columns
from elman.data.lookahead import Lookahead, Windows
from elman.data.naive import strongest_season
from elman.data.ordering import in_order
from elman.data.preparing import Preparation, with_preparation
from elman.data.sequences import Sequences
from elman.data.series import Series, check_varies, clock_of, on_clock
from elman.data.tables import measurements
from elman.errors import DataError, ElmanWarning, OptionError

Array = np.ndarray[Any, np.dtype[Any]]

#: Steps of a window where there is no season to see two of.
WINDOW = 24


def forecast(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    time: str | None = None,
    series: str | None = None,
    horizon: int = 1,
    window: int | None = None,
    season: int | str | None = "auto",
    covariates: Sequence[str] = (),
    known: Sequence[str] = (),
    units: Sequence[str] = (),
    upcoming: bool = False,
    prepared: Preparation | None = None,
) -> Sequences:
    """Windows of series and the values that come after each, from a table.

    Args:
        source: what `elman.data.table` takes, but for .npz and .ts: a path to .csv, .tsv, .jsonl or
            .parquet; a DataFrame of pandas, polars or pyarrow; or a dict of columns.
        target: the column to forecast, or several at once; None: all that have numbers and no
            other part.
        time: the column of times, which must be regular; steps that are not there are missing
            values. None: rows are steps, in order.
        series: the column that tells many series apart; a row is one step of one of them.
        horizon: steps to forecast.
        window: steps that a forecast sees. None: two seasons, or 24; at least the horizon where
            something is known ahead; less where the series are short.
        season: steps of a season, for the seasonal-naive forecast; None: there is none. "auto": 24
            hours, 7 days, 12 months and the like; else where the first part of the series is most
            like itself. `about` says which.
        covariates: more columns that a forecast sees, up to the end of its window.
        known: columns that are known ahead: a holiday, a price that is fixed. A forecast also sees
            them in the horizon. "time of day", "day of week" and "day of year" are no columns but
            what the time says.
        units: the unit of each of the columns, in the order target, covariates, known.
        upcoming: whether to return the end of each series alone, for the forecast of what nobody
            knows yet.
        prepared: of a model that exists: its options in place of all above but `upcoming`. The
            values are prepared as its were.

    Returns:
        `Sequences` of kind "forecast", float32 [window, features] each; `targets` are the values
        that come, [n, horizon * targets], step by step; `times` when each window ends, `until` when
        its horizon does; `groups` the series, where there are several. `split` holds out the
        latest. What a model says becomes forecasts by `prepared.restore(outputs, data)`.

    Raises:
        DataError: times that are not regular or there twice, no series long enough for a window
            and a horizon, text or infinity among numbers, a target that is constant.
        OptionError: a horizon, window or season that cannot be.

    Example:
        >>> data = forecast({"sales": np.arange(100.0) % 7}, "sales", horizon=2)
        >>> data.about
        'the next 2 steps (every row) after each 14; season: 7 steps, by autocorrelation'
        >>> data[0].ravel()[-3:].tolist(), data.targets[0].tolist()
        ([4.0, 5.0, 6.0], [0.0, 1.0])
    """
    found = columns(source)
    if prepared is not None:
        recipe = Lookahead.from_dict(dict(prepared.columns))
        ordered = in_order(found, recipe.series, recipe.time, "data.forecast", "series")
        ahead = recipe.horizon if upcoming else 0
        every = on_clock(found, recipe.columns, ordered, recipe.clock, recipe.time, ahead, new=True)
        said = ""
    else:
        others = (time, series, *covariates, *known)
        given = [target] if isinstance(target, str) else target
        targets = tuple(measurements(found, given, others))
        read = (*targets, *covariates, *expanded(known))
        twice = next((name for name in read if read.count(name) > 1), None)
        if twice is not None:
            raise OptionError(
                f"data.forecast expected each column once, got {twice!r} twice. A target is among "
                "what a forecast sees anyway."
            )
        ordered = in_order(found, series, time, "data.forecast", "series")
        clock = clock_of(ordered)
        every = on_clock(found, read, ordered, clock, time, horizon if upcoming else 0)
        check_varies(found, every, targets)
        steps, said = _season(season, clock, every)
        if window is None:
            window = _window(steps, horizon, bool(known), every)
        if season == "auto" and steps is not None and steps > window:
            steps, said = None, f"a window is too short for {steps} steps"
        recipe = Lookahead(
            targets, time, series, horizon, window, steps, tuple(covariates), tuple(known),
            clock.unit, clock.step,
        )  # fmt: skip
    cuts = [
        recipe.upcoming(one.values, one.name) if upcoming else recipe.windows(one.values)
        for one in every
    ]
    data = _sequences(recipe, every, cuts, found.where, upcoming)
    data.about = _about(recipe, cuts, said)
    if prepared is None and units:
        data = data.with_values(data.values, units=recipe.units(units))
    return with_preparation(data, recipe.to_dict(), prepared)


def times_ahead(data: Sequences) -> Array:
    """The times of what comes after each window, [n, horizon]: datetime64, or numbers.

    Args:
        data: of `forecast`.
    """
    if data.prepared is None or data.kind != "forecast" or data.times is None:
        raise DataError("times_ahead expected what elman.data.forecast returns. Load it with that.")
    recipe = Lookahead.from_dict(dict(data.prepared.columns))
    ahead = np.arange(1, recipe.horizon + 1)
    return np.stack([recipe.clock.times(last, ahead) for last in data.times])


def _season(given: Any, clock: Clock, every: list[Series]) -> tuple[int | None, str]:
    """Steps of a season, and how that is known."""
    if given != "auto":
        return given, ""
    longest = int(np.median([len(one.values) for one in every])) // 3
    expected = clock.season()
    if expected is not None and expected <= longest:
        return expected, "by the calendar"
    first = [one.values[:, 0] for one in every]
    likely = strongest_season(first, min(longest, LONGEST_SEASON))
    return likely, "" if likely is None else "by autocorrelation"


def _window(season: int | None, horizon: int, known: bool, every: list[Series]) -> int:
    """Two seasons, as far as the series leave room for that and for windows to train on."""
    wanted = max(2 * season if season else WINDOW, horizon if known else 1)
    room = (int(np.median([len(one.values) for one in every])) - horizon) // 3
    return max(1, horizon if known else 1, min(wanted, room))


def _sequences(
    recipe: Lookahead, every: list[Series], cuts: list[Windows], where: str, upcoming: bool
) -> Sequences:
    raw = [window for one in cuts for window in one.seen]
    coming = [one.coming for one in cuts if one.coming is not None]
    if not raw:
        longest = max(len(one.values) for one in every)
        needed = recipe.window + (0 if upcoming else recipe.horizon)
        raise DataError(
            f"data.forecast expected a series of at least {needed} steps in {where}, without gaps "
            f"in what is to be forecast, got none (the longest has {longest}). Choose a shorter "
            "`window=...` or `horizon=...`, or fill the gaps."
        )
    none = [one.name for one, cut in zip(every, cuts, strict=True) if not cut.seen]
    if none and upcoming:
        warnings.warn(
            f"data.forecast leaves out {len(none)} of {len(every)} series, which have no window of "
            f"{recipe.window} steps: {', '.join(none[:5])}.",
            ElmanWarning,
            stacklevel=3,
        )
    clock = recipe.clock
    both = list(zip(every, cuts, strict=True))
    names = np.repeat([one.name for one in every], [len(cut.seen) for cut in cuts])
    return Sequences(
        raw,
        np.concatenate(coming) if coming else None,
        kind="forecast",
        groups=names if len(every) > 1 else None,
        times=np.concatenate([clock.times(one.first, cut.last) for one, cut in both]),
        until=np.concatenate(
            [clock.times(one.first, cut.last + recipe.horizon) for one, cut in both]
        ),
        feature_names=recipe.feature_names,
        step=clock.seconds,
        ids=names,
        raw=raw,
    )


def _about(recipe: Lookahead, cuts: list[Windows], said: str) -> str:
    steps = f"{recipe.horizon} steps" if recipe.horizon > 1 else "step"
    found = f"the next {steps} ({recipe.clock}) after each {recipe.window}"
    if recipe.season is not None:
        found += f"; season: {recipe.season} steps{f', {said}' if said else ''}"
    elif said:
        found += f"; no season, for {said}"
    if len(cuts) > 1:
        short = sum(not cut.seen for cut in cuts)
        found += f"; {len(cuts):,} series{f', {short:,} too short' if short else ''}"
    if left_out := sum(cut.left_out for cut in cuts):
        found += f"; {left_out:,} more left out, for values to forecast are missing"
    return found
