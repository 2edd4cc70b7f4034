"""Forecasts are judged beside those that anyone can make."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import elman
from elman import cli
from elman.data.naive import LAST, SEASONAL
from elman.errors import DataError, OptionError
from elman.learning.forecasting import NETWORK, judge
from elman.learning.looking import look

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

    train, test = parts(noisy(), "x", horizon=1, units=["m\x1b"])
    found = judge(Says(came(test)), train, test)
    console = Console(file=io.StringIO(), width=80)
    console.print(found)
    words = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["x", "[m?]"] in words
    assert words == [line.split() for line in str(found).splitlines()[: len(words)]]


def test_what_cannot_be_judged_is_refused() -> None:
    train, test = parts(noisy(), "x")
    raw = elman.data.forecast(noisy(), "x")
    end = elman.data.forecast(noisy(), upcoming=True, prepared=train.prepared)
    for given, message in ((raw, "that were prepared"), (end, "what came after them")):
        with pytest.raises(DataError, match=message):
            judge(Says(came(test)), train, given)


# -- elman train --task forecast ------------------------------------------------------------------


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """Two shops that sell more on some days of the week, and when there is an offer."""
    rng = np.random.default_rng(0)
    week = np.tile([0.0, 1, 2, 3, 4, 6, 5], 30)
    rows = []
    for shop, size in (("north", 10), ("south", 40)):
        offer = rng.integers(0, 2, len(week))
        sales = size * (3 + week / 3 + offer + 0.2 * rng.normal(size=len(week)))
        day = np.datetime64("2026-01-01") + np.arange(len(week))
        rows += zip([shop] * len(week), day, sales.round(2), offer, ["-"] * len(week), strict=True)
    with (tmp_path / "shops.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["shop", "day", "sales", "offer", "note"], *rows])
    return tmp_path / "shops.csv"


def test_a_model_of_forecasts_is_trained_with_one_command(shops: Path, tmp_path: Path, capsys):
    out = tmp_path / "shops.keras"
    command = ["train", str(shops), "--task", "forecast", "--target", "sales", "--horizon", "3"]
    command += ["--known", "offer", "--epochs", "40", "--out", str(out)]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines() if str(out) not in line) <= 80
    for words in (
        "the next 3 steps (every day) after each 14; season: 7 steps", "column 'day': it has times",
        "2; column 'shop': times are there once for each of its names", "'sales': --target says so",
        "sales, offer, offer 3 ahead", "by time: the latest are held out", "gru(32) > dense(3)",
        "seasonal naive", "2 ahead", "below that of the",
    ):  # fmt: skip
        assert words in " ".join(said.split()), words
    model = elman.load(out)
    assert model.prepared is not None and model.prepared.restores
    assert model.output_shape == (None, 3)  # no layer brings a forecast to its unit


def test_programs_get_the_errors_of_every_step_as_json(shops: Path, tmp_path: Path, capsys):
    command = ["train", str(shops), "--task", "forecast", "--target", "sales,offer", "--json"]
    command += ["--horizon", "2", "--season", "0", "--epochs", "2", "--out", f"{tmp_path}/m.keras"]
    assert cli.main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data"]["task"] == found["data"]["kind"] == "forecast"
    assert set(found["test"]["mae"]) == {LAST, NETWORK}
    assert [len(one) for one in found["test"]["mae"][NETWORK].values()] == [2, 2]
    assert set(found["test"]["mase"][NETWORK]) == {"sales", "offer"}


def test_columns_of_times_and_series_are_found_or_named(shops: Path, tmp_path: Path) -> None:
    def why(path: Path, **options: str) -> dict[str, str]:
        return dict(look(str(path), task="forecast", options=options).why)

    assert why(shops, target="sales", time="day") == {
        "time": "column 'day': --time says so",
        "series": "column 'shop': times are there once for each of its names",
        "target": "'sales': --target says so",
    }
    yearly = tmp_path / "yearly.csv"
    yearly.write_text("n,Year,spots\n" + "".join(f"{n},{1900 + n},{n % 11}\n" for n in range(90)))
    assert why(yearly, target="spots")["time"] == "column 'Year': it has times"
    bare = tmp_path / "bare.csv"  # an hour that comes again is no time
    bare.write_text("hour,b\n" + "".join(f"{n % 24},{n % 5}\n" for n in range(90)))
    assert why(bare) == {"target": "all columns of numbers"}


@pytest.mark.parametrize(
    "task, options, message",
    [
        ("forecast", {"group": "shop"}, r"options for forecast, got --group.*Leave it out\.$"),
        ("regress", {"horizon": 3}, "got --horizon, which is for forecast.* --task forecast"),
        ("forecast", {"horizon": 0}, "`horizon` to be a number of steps"),
    ],
)
def test_options_of_another_task_are_refused(shops: Path, task, options, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        look(str(shops), task=task, options={"target": "sales", **options})
