"""The next steps of every series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from elman.data.sequences import Sequences
from elman.errors import DataError, OptionError
from elman.interop.sklearn import preparing, reading
from elman.interop.sklearn.estimator import Array, Head, SequenceEstimator
from elman.layers.layer import whole

#: A series that never changes is forecast by its last value: no error to divide by.
TINY = 1e-30


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceForecaster(SequenceEstimator):
    """The next steps of every series, of all its features.

    X is one series [steps], or what `SequenceEstimator` takes but texts: many series. From each
    window the network learns how far the steps after it lie from its last one. The windows at the
    end of every series are held out, where it is long enough: `errors_` says how well they are
    forecast.

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
        self._check_options()
        fresh = not (self.warm_start and self._fitted)
        series, _ = self._series(X)
        parts = [
            self._windows(one, row, self.validation_fraction) for row, one in enumerate(series)
        ]
        windows = np.concatenate([windows for windows, _ in parts])
        late = np.concatenate([late for _, late in parts])
        prepared = None
        if fresh:
            self._begin()
            self.n_features_in_ = windows.shape[-1]
            prepared = preparing.learn(self._seen(windows[~late]), self.standardize, "forecast")
            self._scale = preparing.scale(prepared)
        rows, held_out = np.flatnonzero(~late), np.flatnonzero(late)
        self._train(
            self._seen(windows), self._targets(windows), None, prepared, self.epochs, rows, held_out
        )
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
        return float(1 - errors["forecast"] / max(errors["last value"], TINY))

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
        windows = sliding_window_view(one, length, axis=0).swapaxes(1, 2)
        ends = np.arange(length, len(one) + 1)
        held_out = 0 if share is None else max(self.horizon, round(share * len(one)))
        if len(one) - held_out < length:
            held_out = 0
        early = ends <= len(one) - held_out
        late = ends - self.horizon >= len(one) - held_out
        return windows[early | late], late[early | late]

    # -- windows [n, window + horizon, features], as the network sees them ------------------------

    def _seen(self, windows: Array) -> Array:
        """What lies before the horizon, from its last step."""
        seen = windows[:, : self.window]
        return seen - seen[:, -1:]

    def _targets(self, windows: Array) -> Array:
        coming = windows[:, self.window :] - windows[:, self.window - 1 : self.window]
        return (coming / self._scale).reshape(len(windows), -1)

    def _forecast(self, windows: Array) -> Array:
        """What comes after these windows, [n, horizon, features]."""
        found = self._outputs(self._seen(windows)).reshape(len(windows), self.horizon, -1)
        return found * self._scale + windows[:, self.window - 1 : self.window]

    def _errors(self, windows: Array) -> dict[str, float]:
        seen, coming = windows[:, : self.window], windows[:, self.window :]
        forecasts = {"forecast": self._forecast(seen), "last value": seen[:, -1:]}
        if self.season is not None:
            ahead = np.arange(self.horizon) % self.season
            forecasts["seasonal naive"] = seen[:, self.window - self.season + ahead]
        return {name: float(np.abs(f - coming).mean()) for name, f in forecasts.items()}

    def _head(self) -> Head:
        return Head(self.horizon * self.n_features_in_, None, "mse")

    def _check_options(self) -> None:
        for name in ("horizon", "window"):
            whole(self._who, name, getattr(self, name))
        if not 0 < self.validation_fraction < 1:
            raise OptionError(
                f"{self._who} expected validation_fraction between 0 and 1, got "
                f"{self.validation_fraction!r}. Use e.g. 0.1 for the last tenth of every series."
            )
        if self.season is not None and whole(self._who, "season", self.season) > self.window:
            raise OptionError(
                f"{self._who} expected a window of a season or more, got window={self.window} and "
                f"season={self.season}. Make the window longer."
            )

    def _too_short(self, row: int, got: int, needed: int, what: str) -> DataError:
        return DataError(
            f"{self._who} expected series of at least {needed} steps ({what}), got {got} in row "
            f"{row}. Leave it out, or choose a shorter window or horizon."
        )
