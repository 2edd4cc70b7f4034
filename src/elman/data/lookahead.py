"""The recipe from a series to what is forecast from what, plain enough for a model's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from elman.data.calendar import FEATURES, expanded
from elman.data.clocks import UNITS, Clock
from elman.data.recipe import Recipe
from elman.data.relative import MOST_STEPS
from elman.data.trusting import refused
from elman.errors import DataError, OptionError

Array = np.ndarray[Any, np.dtype[Any]]

#: Steps of no honest file are shorter, or longer than the other way round.
SHORTEST = 1e-9


def cut(series: Array, window: int, horizon: int) -> Array:
    """Every window of a series with the horizon after it, [steps, K] to [n, window + horizon, K].

    Nothing is copied: each is a view of the series.
    """
    return sliding_window_view(series, window + horizon, axis=0).swapaxes(1, 2)


class Windows(NamedTuple):
    """Windows of one series.

    Attributes:
        last: int64 [n], the step of the series that is the last of each window.
        seen: n arrays float64 [window, features]: views of the series.
        coming: float64 [n, horizon * targets], step by step; None where it has not come yet.
        left_out: windows in which a value to forecast, or all that were before it, are missing.
    """

    last: Array
    seen: list[Array]
    coming: Array | None
    left_out: int


@dataclass(frozen=True)
class Lookahead(Recipe):
    """What is forecast from what; most attributes are the arguments of `elman.data.forecast`.

    Attributes:
        season: steps of a season; None: there is none.
        unit, step: what a step is, see `Clock`.
    """

    reads: ClassVar[str] = "forecasts"
    target: tuple[str, ...]
    time: str | None
    series: str | None
    horizon: int
    window: int
    season: int | None
    covariates: tuple[str, ...]
    known: tuple[str, ...]
    unit: str = "row"
    step: float = 1.0

    def __post_init__(self) -> None:
        for name in ("horizon", "window", "season"):
            given = getattr(self, name)
            whole = isinstance(given, int) and not isinstance(given, bool)
            if not (whole and 1 <= given < MOST_STEPS) and (given is not None or name != "season"):
                raise OptionError(
                    f"data.forecast expected `{name}` to be a number of steps from 1 on, got "
                    f"{given!r}."
                )
        if (self.season or 1) > self.window:
            raise OptionError(
                f"data.forecast expected a window of a season or more, got `window={self.window}` "
                f"and `season={self.season}`. Make the window longer, or leave the season "
                "out."
            )
        if self.known and self.horizon > self.window:
            raise OptionError(
                f"data.forecast expected a window as long as the horizon where something is known "
                f"ahead, got `window={self.window}` and `horizon={self.horizon}`. Make it longer."
            )

    @property
    def clock(self) -> Clock:
        """What the steps are."""
        return Clock(self.unit, self.step)

    @property
    def ahead(self) -> tuple[str, ...]:
        """What is known ahead, feature by feature."""
        return expanded(self.known)

    @property
    def columns(self) -> tuple[str, ...]:
        """What a series has at each step, what is to be forecast first."""
        return (*self.target, *self.covariates, *self.ahead)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What a window has at each step: what is known ahead is there twice, now and then."""
        return (*self.columns, *(f"{name} {self.horizon} ahead" for name in self.ahead))

    def units(self, given: Sequence[str]) -> tuple[str, ...]:
        """The unit of every feature.

        Args:
            given: of the columns that a table has; what is known ahead is there twice.

        Raises:
            OptionError: more or fewer.
        """
        named = [name for name in self.columns if name not in FEATURES]
        if len(given) != len(named):
            raise OptionError(
                f"data.forecast expected a unit for each of {', '.join(named)}, got {len(given)}. "
                "Give all of them, '' for none."
            )
        unit = dict(zip(named, given, strict=True))
        return tuple(unit.get(name, "") for name in (*self.columns, *self.ahead))

    def windows(self, series: Array) -> Windows:
        """Those of a series that have a horizon after them.

        Args:
            series: float64 [steps, columns], NaN where a value is missing.
        """
        count, ahead = len(self.target), self._with_known(series)
        if len(series) < self.window + self.horizon:
            nothing = np.empty((0, self.horizon * count))
            return Windows(np.empty(0, np.int64), [], nothing, 0)
        both = cut(ahead, self.window, self.horizon)
        seen, coming = both[:, : self.window], both[:, self.window :, :count]
        there = ~np.isnan(coming).any(axis=(1, 2)) & self._begun(seen)
        rows = np.flatnonzero(there)
        targets = coming[rows].reshape(len(rows), -1)
        return Windows(
            self.window - 1 + rows, [seen[row] for row in rows], targets, int((~there).sum())
        )

    def upcoming(self, series: Array, name: str) -> Windows:
        """The window at the end of a series, whose horizon is still to come.

        Args:
            series: as for `windows`; with the steps to come where something is known of them.
            name: how errors name it.

        Raises:
            DataError: what must be known of the horizon is not.
        """
        count, ahead = len(self.target), self._with_known(series)
        given = np.flatnonzero(~np.isnan(series[:, :count]).all(axis=1))
        last = int(given[-1]) if len(given) else -1
        seen = ahead[None, last + 1 - self.window : last + 1]
        if last + 1 < self.window or not self._begun(seen)[0]:
            return Windows(np.empty(0, np.int64), [], None, 0)
        coming = seen[0, -self.horizon :, len(self.columns) :]
        if np.isnan(coming).any():
            step, place = np.argwhere(np.isnan(coming))[0]
            raise DataError(
                f"data.forecast expected {self.ahead[place]!r} for the {self.horizon} steps after "
                f"the last value of {self.target[0]!r} in {name}, got none at step {step + 1} of "
                "them. Add rows with it, and leave what is to be forecast empty."
            )
        return Windows(np.array([last]), list(seen), None, 0)

    def _with_known(self, series: Array) -> Array:
        """Beside each step what is known of the step a horizon later."""
        ahead = np.full((len(series), len(self.ahead)), np.nan)
        first = len(self.columns) - len(self.ahead)
        ahead[: -self.horizon] = series[self.horizon :, first:]
        return np.concatenate([series, ahead], axis=1)

    def _begun(self, seen: Array) -> Array:
        """Which windows have a value of every target to begin from."""
        there: Any = ~np.isnan(seen[:, :, : len(self.target)])
        found: Array = there.any(axis=1).all(axis=1)
        return found

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """The recipe that `to_dict` described.

        Raises:
            DataError: it is not what `to_dict` writes.
        """
        if set(given) != {field.name for field in fields(cls)}:
            raise refused("a recipe for forecasts that lacks something or has more")
        made = super().from_dict(given)
        if made.unit not in UNITS or not SHORTEST < made.step < 1 / SHORTEST:
            raise refused("steps of no known length")
        if not made.target or len(set(made.columns)) < len(made.columns):
            raise refused("a recipe for forecasts of nothing, or with a column twice")
        return made
