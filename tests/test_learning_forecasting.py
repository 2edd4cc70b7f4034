"""Forecasts are judged beside those that anyone can make."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest

import elman
from elman.data.naive import LAST, SEASONAL
from elman.errors import DataError
from elman.learning.forecasting import NETWORK, judge

RNG = np.random.default_rng(8)


class Says:
    """A model that says what it is told to, in the unit of the series."""

    def __init__(self, forecasts: np.ndarray) -> None:
        self.forecasts = forecasts

    def predict(self, data, verbose: int) -> np.ndarray:
        step = data.prepared.steps[0]
        return step.aim(self.forecasts, data.raw.tolist())


def parts(table, target, horizon=3, **more):
    return elman.data.forecast(table, target, horizon=horizon, **more).split(0.4)


def came(data) -> np.ndarray:
    return data.prepared.restore(data.targets, data)


def noisy(count: int = 300) -> dict[str, np.ndarray]:
    return {"x": 50 + np.tile([0.0, 8, 3, 9], count // 4) + RNG.normal(size=count)}


def test_errors_are_those_of_every_step_of_the_horizon() -> None:
    train, test = parts(noisy(), "x", season=4, window=8, units=["kW"])
    off = np.array([1.0, -2, 4])[:, None]
    found = judge(Says(came(test) + off), train, test)
    np.testing.assert_allclose(found.errors[NETWORK], [[1], [2], [4]], rtol=1e-4)
    windows = np.stack(test.raw.tolist())
    expected = np.abs(windows[:, -1:, :] - came(test)).mean(axis=0)
    np.testing.assert_allclose(found.errors[LAST], expected)
    assert list(found.errors) == [LAST, SEASONAL, NETWORK] and found.units == ("kW",)


def test_scaled_errors_are_in_units_of_what_each_series_usually_is_off() -> None:
    walk = RNG.normal(size=200).cumsum()
    table = {
        "s": np.repeat(["small", "large"], 200),
        "t": np.tile(np.arange(200.0), 2),
        "x": np.concatenate([walk, 100 * walk]),
    }
    train, test = parts(table, "x", horizon=1, series="s", time="t", season=None)
    found = judge(Says(came(test) * 0), train, test)
    # One step ahead both series are forecast as well, each in its own scale.
    changes = [
        np.abs(came(part)[:, 0] - np.stack(part.raw.tolist())[:, -1]) for part in (train, test)
    ]
    one = [c[part.groups == "small"].mean() for c, part in zip(changes, (train, test), strict=True)]
    assert found.scaled[LAST] == pytest.approx([one[1] / one[0]], rel=1e-4)


@pytest.mark.parametrize(
    "share, says",
    [
        (0.2, r"network's error is [5-9]\d.\d % below that of the seasonal naive"),
        (3.0, r"does not help: the seasonal naive is a better forecast, by [1-9]\d\d"),
        (0.0, r"does not help: the seasonal naive is as good a forecast, within the 0.0 %"),
    ],
)
def test_the_verdict_is_honest(share: float, says: str) -> None:
    train, test = parts(noisy(), "x", season=4, window=8)
    said = test.prepared.restore(np.zeros_like(test.targets), test)
    if share:
        said = came(test) + np.sqrt(2) * share * RNG.normal(size=said.shape)
    assert re.search(says, judge(Says(said), train, test).verdict)


@pytest.mark.parametrize("horizon", [1, 8])
def test_chance_is_not_taken_for_skill_although_windows_overlap(horizon: int) -> None:
    """Of a walk's last value a forecast of another walk is as far off as it is of its own."""
    wrong = []
    for _ in range(60):
        walk, other = RNG.normal(size=(2, 160)).cumsum(axis=1)
        train, test = parts({"x": walk}, "x", horizon=horizon, season=None, window=2)
        last = test.times.astype(int)
        moves = np.stack([other[last + 1 + ahead] - other[last] for ahead in range(horizon)], 1)
        found = judge(Says(came(test) + moves[:, :, None]), train, test)
        wrong.append(abs(found.gain) > found.noise)
    # Two standard errors are left in 5 % of cases. Windows taken for independent are so in half.
    assert np.mean(wrong) < 0.25


def test_several_targets_are_told_apart() -> None:
    table = {"a": RNG.normal(size=200), "b": 1000 * RNG.normal(size=200)}
    train, test = parts(table, ["a", "b"], horizon=30, window=6, season=None, units=["V", ""])
    found = judge(Says(came(test) + np.array([0.25, 500])), train, test)
    np.testing.assert_allclose(found.errors[NETWORK].mean(axis=0), [0.25, 500], rtol=1e-3)
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert [line.split()[0] for line in text.splitlines()[:4]] == ["mean", "a", "last", "this"]
    assert "30 ahead" in text and "a [V]" in text
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["mae"][NETWORK]["b"] == pytest.approx([500] * 30, rel=1e-3)
    assert plain["verdict"] == found.verdict and set(plain["mase"][LAST]) == {"a", "b"}


def test_the_table_is_the_same_in_colours() -> None:
    from rich.console import Console

    train, test = parts(noisy(), "x", horizon=1)
    found = judge(Says(came(test)), train, test)
    console = Console(file=io.StringIO(), width=80)
    console.print(found)
    words = [line.split() for line in console.file.getvalue().splitlines()]
    assert words == [line.split() for line in str(found).splitlines()[: len(words)]]


def test_what_cannot_be_judged_is_refused() -> None:
    train, test = parts(noisy(), "x")
    raw = elman.data.forecast(noisy(), "x")
    end = elman.data.forecast(noisy(), upcoming=True, prepared=train.prepared)
    for given, message in ((raw, "that were prepared"), (end, "what came after them")):
        with pytest.raises(DataError, match=message):
            judge(Says(came(test)), train, given)
