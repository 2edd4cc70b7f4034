"""The next steps of every series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from elman.data.lookahead import Lookahead, cut
from elman.data.naive import LAST, TINY, absolute_errors, naive
from elman.data.preparing import Preparation
from elman.data.sequences import Sequences
from elman.data.steps import Relative, Scale
from elman.errors import DataError, OptionError
from elman.interop.sklearn import reading
from elman.interop.sklearn.estimator import Array, Head, SequenceEstimator
from elman.layers.layer import whole


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceForecaster(SequenceEstimator):
    """The next steps of every series, of all its features.

    X is one series [steps], or what `SequenceEstimator` takes but texts and `Sequences`: many
    series. From each window the network learns how far the steps after it lie from its last one, or
    from the last season. The windows at the end of every series are held out, where it is long
    enough: `errors_` says how well they are forecast.

    Args:
        horizon: steps to forecast.
        window: steps that a forecast sees.
        season: steps of a season, for the seasonal-naive forecast: the same step of the last one.

    Attributes:
        errors_: mean absolute errors on what was held out, by name: of the "forecast", and of
            "last value" and "seasonal naive", which a network has to beat.

    Example:
        >>> wave = np.sin(np.arange(300) / 4)
        >>> model = SequenceForecaster("gru(8)", horizon=5, epochs=3).fit(wave)
        >>> model.predict(wave).shape, sorted(model.errors_)
        ((5,), ['forecast', 'last value'])
    """

    horizon: int = 1
    window: int = 24
    season: int | None = None

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train.

        Args:
            X: one series, or many, each at least as long as a window and a horizon.
            y: ignored; scikit-learn passes it.

        Raises:
            OptionError: a horizon, window or season that cannot be.
            ValueError: X is no such data.
        """
        fresh = not (self.warm_start and self._fitted)
        series, _ = self._series(X)
        recipe = self._recipe(series[0].shape[-1])
        parts = [
            self._windows(one, row, self.validation_fraction) for row, one in enumerate(series)
        ]
        windows = np.concatenate([windows for windows, _ in parts])
        late = np.concatenate([late for _, late in parts])
        prepared = None
        if fresh:
            self._begin()
            self.n_features_in_ = windows.shape[-1]
            prepared = self._learned(windows[~late], recipe, len(series) > 1)
        rows, held_out = np.flatnonzero(~late), np.flatnonzero(late)
        seen, coming = windows[:, : self.window], windows[:, self.window :]
        relative = (prepared or self._prepared).steps[0]
        y = relative.aim(coming, list(seen))
        self._train(self._seen(seen), y, None, prepared, self.epochs, rows, held_out)
        self.errors_ = self._errors(windows[held_out]) if len(held_out) else {}
        return self

    def predict(self, X: Any) -> Array:
        """The steps after the end of every series.

        Args:
            X: one series, or many, each at least as long as a window.

        Returns:
            float64 [n, horizon, features]; without the last axis where there is one feature, and
            without the first where X is one series.

        Raises:
            NotFittedError, ValueError: it has not been fitted, or X is no such data.
        """
        check_is_fitted(self, "model_")
        series, single = self._series(X)
        for row, one in enumerate(series):
            if len(one) < self.window:
                raise self._too_short(row, len(one), self.window, "a window")
        found = self._forecast(np.stack([one[-self.window :] for one in series]))
        found = found[..., 0] if found.shape[-1] == 1 else found
        return found[0] if single else found

    def score(self, X: Any, y: Any = None) -> float:
        """How much smaller the mean absolute error is than that of the last value.

        Args:
            X: one series, or many; every window of them that has a horizon after it counts.
            y: ignored.

        Returns:
            1 is a perfect forecast, 0 no better than the last value, below 0 worse.
        """
        check_is_fitted(self, "model_")
        parts = [self._windows(one, row, None)[0] for row, one in enumerate(self._series(X)[0])]
        errors = self._errors(np.concatenate(parts))
        return float(1 - errors["forecast"] / max(errors[LAST], TINY))

    def _series(self, X: Any) -> tuple[list[Array], bool]:
        """Every series, [steps, features], and whether X was a single one."""
        found, single = reading.read(X, self.channels_first, self._who), False
        if isinstance(found, list | Sequences):
            what = "texts" if isinstance(found, list) else "Sequences"
            raise DataError(
                f"{self._who} expected series of numbers, got {what}. Pass arrays [steps] or "
                "[steps, features]."
            )
        if found is None:
            table = check_array(X, ensure_2d=False, input_name="X", estimator=self)
            single = table.ndim == 1
            found = np.atleast_2d(table)[:, :, None].astype(np.float64)
        return [found[row] for row in range(len(found))], single

    def _windows(self, one: Array, row: int, share: float | None) -> tuple[Array, Array]:
        """Each window with the horizon after it, and whether it is held out.

        With a share the end of the series is held out, and no step of it is in the others; unless
        the series is so short that nothing else were left.
        """
        length = self.window + self.horizon
        if len(one) < length:
            raise self._too_short(row, len(one), length, "a window and a horizon")
        windows = cut(one, self.window, self.horizon)
        ends = np.arange(length, len(one) + 1)
        held_out = 0 if share is None else max(self.horizon, round(share * len(one)))
        if len(one) - held_out < length:
            held_out = 0
        early = ends <= len(one) - held_out
        late = ends - self.horizon >= len(one) - held_out
        return windows[early | late], late[early | late]

    # -- windows ----------------------------------------------------------------------------------

    def _seen(self, windows: Array) -> Sequences:
        """What a forecast sees, windows [n, window, features], as the data room has it."""
        return Sequences(list(windows), kind="forecast", raw=list(windows))

    def _learned(self, windows: Array, recipe: Lookahead, several: bool) -> Preparation:
        """What windows with their horizons teach, those that are trained on."""
        seen, coming = list(windows[:, : self.window]), windows[:, self.window :]
        relative = Relative.learned(seen, coming, recipe.horizon, recipe.season or 0, several)
        steps: list[Any] = [relative]
        if self.standardize:
            steps.append(Scale.learned(np.concatenate(relative.apply(seen))))
        return Preparation("forecast", tuple(steps), columns=tuple(recipe.to_dict().items()))

    def _forecast(self, windows: Array) -> Array:
        """What comes after windows [n, window, features]: float64 [n, horizon, features]."""
        self._check_known(windows)
        seen = self._seen(windows)
        return np.asarray(self._prepared.restore(self._outputs(seen), seen))

    def _errors(self, windows: Array) -> dict[str, float]:
        seen, coming = windows[:, : self.window], windows[:, self.window :]
        forecasts = {"forecast": self._forecast(seen), **naive(seen, self.horizon, self.season)}
        return {name: float(e.mean()) for name, e in absolute_errors(forecasts, coming).items()}

    def _head(self) -> Head:
        return Head(self.horizon * self.n_features_in_, None, "mse")

    def _recipe(self, features: int) -> Lookahead:
        """What is forecast from what; the options are checked."""
        if not 0 < self.validation_fraction < 1:
            raise OptionError(
                f"{self._who} expected validation_fraction between 0 and 1, got "
                f"{self.validation_fraction!r}. Use e.g. 0.1 for the last tenth of every series."
            )
        names = ("value",) if features == 1 else tuple(f"value {n}" for n in range(features))
        horizon = whole(self._who, "horizon", self.horizon)
        window = whole(self._who, "window", self.window)
        season = None if self.season is None else whole(self._who, "season", self.season)
        return Lookahead(names, None, None, horizon, window, season, (), ())

    def _too_short(self, row: int, got: int, needed: int, what: str) -> DataError:
        return DataError(
            f"{self._who} expected series of at least {needed} steps ({what}), got {got} in row "
            f"{row}. Leave it out, or choose a shorter window or horizon."
        )
