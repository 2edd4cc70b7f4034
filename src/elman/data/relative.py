"""The step of a preparation that sees series from where they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from elman.data.naive import (
    LAST,
    SEASONAL,
    TINY,
    absolute_errors,
    last_value,
    naive,
    usual_change,
)  # fmt: skip
from elman.data.step import Step
from elman.data.trusting import check_numbers, refused
from elman.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]

#: What a horizon, window or season of an honest file stays below.
MOST_STEPS = 10**5
#: Fewer windows than this do not teach what a season looks like.
FEW_WINDOWS = 500


@dataclass(frozen=True)
class Relative(Step):
    """A series from where it stands: its level is no news, what changes is.

    In a window the first features are those to forecast; they become their distance from the last
    of them that is there. What comes after it becomes its distance from a naive forecast, in units
    of the usual one. Where there are series of all sizes, both are in units of how much the window
    changes from step to step.

    Args:
        horizon: steps to forecast.
        season: 0: distance from the last value; else steps of a season: from the last season.
        scale: the usual distance of each feature to forecast.
        least: of each the least that a window is taken to change; nothing where windows are not in
            units of that.
    """

    kind: ClassVar[str] = "relative"
    horizon: int
    season: int
    scale: tuple[float, ...]
    least: tuple[float, ...] = ()

    def check(self) -> None:
        """A horizon, a season, and scales above 0."""
        for numbers in (self.scale, self.least):
            check_numbers(numbers, "a scale")
            if not all(value > 0 for value in numbers):
                raise refused("scales that are not above 0")
        if not self.scale or len(self.least) not in (0, len(self.scale)):
            raise refused("scales of nothing, or of something else")
        for value, least in ((self.horizon, 1), (self.season, 0)):
            if type(value) is not int or not least <= value < MOST_STEPS:
                raise refused("a horizon or season that is no number of steps")

    def apply(self, values: list[Any]) -> list[Any]:
        """Each window from its last values on."""
        count = len(self.scale)
        for row, one in enumerate(values):
            if np.ndim(one) != 2 or not len(one) or np.shape(one)[1] < count:
                raise DataError(
                    f"Preparation expected windows of {count} or more features, got an array of "
                    f"shape {np.shape(one)} at place {row}. Bring the features that the model was "
                    "trained on."
                )
        if len({np.shape(one) for one in values}) > 1:
            return [self._begun(np.array(one, np.float64)[None])[0] for one in values]
        return list(self._begun(np.array(values, np.float64))) if values else []

    def _begun(self, windows: Array) -> Array:
        """The same of windows [n, steps, features], in their place."""
        seen = windows[:, :, : len(self.scale)]
        size = self._size(seen)
        seen -= last_value(seen)[:, None]
        seen /= size
        return windows

    def _size(self, seen: Array) -> Array:
        """What each window is in units of, [n, 1, targets] or a single 1."""
        if not self.least:
            return np.ones((1, 1, 1))
        return np.maximum(usual_change(seen), self.least)[:, None]

    def aim(self, targets: Array, raw: list[Any]) -> Array:
        """The distance of what comes from the naive forecast: float32 [n, horizon * targets]."""
        base, unit = self._base(raw, len(targets))
        off = (np.asarray(targets, np.float64).reshape(base.shape) - base) / unit
        return off.reshape(len(off), -1).astype(np.float32)

    def restore(self, outputs: Array, raw: list[Any]) -> Array:
        """Forecasts, float64 [n, horizon, targets]."""
        base, unit = self._base(raw, len(outputs))
        return np.asarray(outputs, np.float64).reshape(base.shape) * unit + base

    def _base(self, raw: list[Any], wanted: int) -> tuple[Array, Array]:
        """The naive forecasts that all is relative to, [n, horizon, targets], and in what unit."""
        count = len(self.scale)
        if len(raw) != wanted:
            raise DataError(
                f"Preparation expected the windows that {wanted} forecasts are of, got {len(raw)}. "
                "Load them with elman.data.forecast, and bring what the model said of these."
            )
        if not raw:
            return np.empty((0, self.horizon, count)), np.ones(count)
        if min(map(len, raw)) < self.season:
            raise DataError(
                f"Preparation expected windows of at least {self.season} steps, got "
                f"{min(map(len, raw))}. Bring those that the model was trained on."
            )
        windows = np.stack([np.asarray(one, np.float64)[:, :count] for one in raw])
        *_, base = naive(windows, self.horizon, self.season or None).values()
        return base, self._size(windows) * self.scale

    @classmethod
    def learned(
        cls, raw: list[Any], targets: Array, horizon: int, season: int, several: bool = False
    ) -> Relative:
        """Relative to the last season where that is nearer to what came and windows are few.

        From few windows a network does not learn what a season looks like. From many it learns that
        better than the last one shows it, which has its own noise.

        Args:
            raw: windows [steps, features], those of the training part.
            targets: what came after them, [n, horizon * targets].
            horizon, season: in steps; a season of 0 is none.
            several: whether they are of several series, which may be of all sizes.
        """
        coming = np.asarray(targets, np.float64).reshape(len(raw), horizon, -1)
        windows = np.stack(raw)[:, :, : coming.shape[2]]
        forecasts = naive(windows, horizon, season or None)
        errors = absolute_errors(forecasts, coming)
        usual = np.maximum(errors[LAST].mean(axis=0), TINY)  # of each target in its own unit
        worth = {name: float((one.mean(axis=0) / usual).mean()) for name, one in errors.items()}
        chosen = min(worth, key=worth.__getitem__) if len(raw) < FEW_WINDOWS else LAST
        least: tuple[float, ...] = ()
        if several:
            usual = np.median(usual_change(windows), axis=0) / 10
            least = tuple(np.where(usual > 0, usual, 1.0).tolist())
        made = cls(horizon, season if chosen == SEASONAL else 0, (1.0,) * coming.shape[2], least)
        off = (coming - forecasts[chosen]) / made._size(windows)
        # What is forecast without an error has no scale; rounding leaves a trace of its size.
        exact = np.abs(off).max(axis=(0, 1)) <= 1e-9 * np.abs(coming).max(axis=(0, 1))
        scale = np.where(exact, 1.0, np.sqrt((off**2).mean(axis=(0, 1))))
        return replace(made, scale=tuple(scale.tolist()))
