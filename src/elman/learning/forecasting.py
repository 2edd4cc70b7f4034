"""Forecasts: how good they are on what was held out, beside those that anyone can make."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np

from elman.data.lookahead import Lookahead
from elman.data.naive import LAST, SEASONAL, TINY, absolute_errors, naive
from elman.data.preparing import Preparation
from elman.data.sequences import Sequences
from elman.errors import DataError
from elman.explain.as_text import WIDTH, as_text, seen
from elman.models import Model
from elman.progress import number

Array = np.ndarray[Any, np.dtype[Any]]

NETWORK = "this network"
#: How many steps of the horizon get a column of their own.
COLUMNS = 4


@dataclass(frozen=True)
class Forecasts:
    """Errors on the test part, by name: of "this network" and of the naive forecasts.

    Attributes:
        targets, units: what is forecast, and the unit of each.
        errors: mean absolute errors, float64 [horizon, targets], in these units.
        scaled: mean absolute scaled errors (Hyndman & Koehler 2006), float64 [targets]: the error
            divided by that of the naive forecast one step ahead, of the same series in the
            training part.
        best: the name of the best naive forecast.
        gain, noise: how much smaller the network's scaled error is than that one's, as a share of
            it, and how much of this may be chance: two standard errors.
        windows: how many were judged.
    """

    targets: tuple[str, ...]
    units: tuple[str, ...]
    errors: dict[str, Array]
    scaled: dict[str, Array]
    best: str
    gain: float
    noise: float
    windows: int

    @property
    def horizon(self) -> int:
        """Steps that are forecast."""
        return len(self.errors[NETWORK])

    @property
    def verdict(self) -> str:
        """One honest line: is the network worth more than the best naive forecast?"""
        gain, noise = 100 * self.gain, 100 * self.noise
        if gain > noise:
            return (
                f"the network's error is {gain:.1f} % below that of the {self.best}, the best "
                f"simple forecast (± {noise:.1f} % on {self.windows:,} windows)."
            )
        if gain < -noise:
            return (
                f"the network does not help: the {self.best} is a better forecast, by {-gain:.1f} "
                f"% (± {noise:.1f} % on {self.windows:,} windows). Use that."
            )
        return (
            f"the network does not help: the {self.best} is as good a forecast, within the "
            f"{noise:.1f} % that {self.windows:,} windows leave open. Use that."
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data: errors by name, then by target, step after step."""
        return {
            "mae": {
                name: dict(zip(self.targets, one.T.tolist(), strict=True))
                for name, one in self.errors.items()
            },
            "mase": {
                name: dict(zip(self.targets, one.tolist(), strict=True))
                for name, one in self.scaled.items()
            },
            "best_naive": self.best,
            "gain": self.gain,
            "noise": self.noise,
            "verdict": self.verdict,
        }

    def __rich__(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        header, *rows = self._cells()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for place, name in enumerate(header):
            table.add_column(name, justify="right" if place else "left", vertical="bottom")
        for row in rows:  # as `Text`: a unit in brackets is no style
            table.add_row(
                *(Text(seen(cell)) for cell in row), style="bold" if row[0] == NETWORK else ""
            )
        return table

    def __str__(self) -> str:
        return "\n".join([as_text(self), "", fill(self.verdict, WIDTH)])

    __repr__ = __str__

    def _cells(self) -> list[list[str]]:
        """A row for each forecast of each target, below a header."""
        shown = np.unique(np.linspace(1, self.horizon, COLUMNS).round().astype(int))
        steps = [f"{step} ahead" for step in shown] if self.horizon > 1 else []
        cells = [["mean absolute error", "all" if steps else "1 ahead", *steps, "scaled"]]
        for place, (target, unit) in enumerate(zip(self.targets, self.units, strict=True)):
            if len(self.targets) > 1 or unit:
                named = f"{target} [{unit}]" if unit else target
                cells.append([named, *[""] * (len(cells[0]) - 1)])
            for name, errors in self.errors.items():
                each = [errors[:, place].mean(), *(errors[step - 1, place] for step in shown)]
                found = [number(one) for one in (each if steps else each[:1])]
                cells.append([name, *found, number(self.scaled[name][place], 3)])
        return cells


class Windows(NamedTuple):
    """Windows of some series, in their own units.

    Attributes:
        seen: float64 [n, window, targets].
        coming: float64 [n, horizon, targets].
        recipe: what is forecast from what.
    """

    seen: Array
    coming: Array
    recipe: Lookahead

    @classmethod
    def of(cls, data: Sequences) -> Windows:
        """Those of data that were prepared, with what came after them."""
        prepared = prepared_of(data)
        if data.targets is None or data.raw is None or not len(data):
            raise DataError(
                "judge expected windows and what came after them, got none. Load them with "
                "elman.data.forecast, without upcoming."
            )
        recipe = Lookahead.from_dict(dict(prepared.columns))
        seen = np.stack(data.raw.tolist())[:, :, : len(recipe.target)]
        return cls(seen, np.asarray(prepared.restore(data.targets, data)), recipe)

    def naive(self) -> dict[str, Array]:
        """What anyone can forecast of them."""
        return naive(self.seen, self.recipe.horizon, self.recipe.season)


def prepared_of(data: Sequences) -> Preparation:
    """The preparation of data that a model of forecasts can take."""
    if data.kind != "forecast" or data.prepared is None or not data.prepared.steps:
        raise DataError(
            "A forecast expected data of elman.data.forecast that were prepared, got others. Take "
            "those that `split` returns, or pass prepared=model.prepared."
        )
    return data.prepared


def judge(model: Model, train: Sequences, test: Sequences) -> Forecasts:
    """Forecasts of the test part, beside the naive ones.

    Args:
        model: a trained one.
        train: what it was trained on; tells how much each series usually changes.
        test: what is judged; as `split` returns it.

    Raises:
        DataError: no windows with what came after them.
    """
    late = Windows.of(test)
    said = prepared_of(test).restore(model.predict(test, verbose=0), test)
    simple = late.naive()
    forecasts = {**simple, NETWORK: np.asarray(said)}
    usual = _usual(Windows.of(train), train.groups, test.groups, len(test))
    off = {name: np.abs(one - late.coming) / usual[:, None] for name, one in forecasts.items()}
    scaled = {name: one.mean(axis=(0, 1)) for name, one in off.items()}
    best = min(simple, key=lambda name: float(scaled[name].mean()))
    gain, noise = _gain(off[best], off[NETWORK], test.times)
    recipe = late.recipe
    units = test.units[: len(recipe.target)] or ("",) * len(recipe.target)
    return Forecasts(
        recipe.target,
        units,
        absolute_errors(forecasts, late.coming),
        scaled,
        best,
        gain,
        noise,
        len(test),
    )


def _usual(early: Windows, groups: Array | None, wanted: Array | None, rows: int) -> Array:
    """Errors of the naive forecast one step ahead in the training part, for each of some windows.

    Returns:
        float64 [rows, targets], each of its own series; where that was not trained on, of all.
    """
    forecasts = early.naive()
    first = forecasts.get(SEASONAL, forecasts[LAST])[:, 0]
    off = np.abs(first - early.coming[:, 0])
    found = np.tile(off.mean(axis=0), (rows, 1))
    if groups is not None and wanted is not None:
        for group in np.intersect1d(groups, wanted):
            found[wanted == group] = off[groups == group].mean(axis=0)
    return np.maximum(found, TINY)


def _gain(naive_off: Array, off: Array, times: Array | None) -> tuple[float, float]:
    """How much smaller an error is, as a share, and what of that may be chance.

    Errors of windows that overlap are alike. Two standard errors that know so are those of Diebold
    & Mariano (1995), for few windows as corrected by Harvey, Leybourne & Newbold (1997).
    """
    better = (naive_off - off).mean(axis=(1, 2))
    of = np.arange(len(off)) if times is None else np.unique(times, return_inverse=True)[1]
    each = np.bincount(of, better) / np.bincount(of)  # series of one time have one fate
    count, horizon = len(each), min(off.shape[1], len(each))
    apart = each - each.mean()
    alike = np.array([apart[lag:] @ apart[: count - lag] for lag in range(horizon)])
    spread = 2 * alike.sum() - alike[0]
    if spread <= 0:  # which no spread is; weighed by how far apart, it never is (Newey & West 1987)
        spread = 2 * alike @ (1 - np.arange(horizon) / horizon) - alike[0]
    few = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    error = np.sqrt(max(float(spread), 0.0) / max(few, 1 / count)) / count
    usual = max(float(naive_off.mean()), TINY)
    return float(better.mean()) / usual, 2 * float(error) / usual
