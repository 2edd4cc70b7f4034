"""Forecasts: from series in a table to windows, what comes after them, and back to their unit."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import elman
from elman.callbacks import EarlyStopping
from elman.data import Preparation
from elman.data.clocks import Clock
from elman.data.forecasts import times_ahead
from elman.data.lookahead import Lookahead
from elman.data.naive import LAST, SEASONAL, absolute_errors, naive, strongest_season
from elman.data.relative import FEW_WINDOWS, Relative
from elman.errors import DataError, ElmanWarning, OptionError
from elman.layers import GRU, Dense

RNG = np.random.default_rng(3)


def dates(first: str, count: int, step: str = "1h") -> np.ndarray:
    """So many times from one on, such as every "15m"; "M" is a month."""
    number, unit = int(step[:-1]), step[-1]
    start = np.datetime64(first, unit) if unit == "M" else np.datetime64(first, "ns")
    return (start + np.arange(count) * np.timedelta64(number, unit)).astype("datetime64[ns]")


def hourly(values: np.ndarray, **more: np.ndarray) -> dict[str, np.ndarray]:
    return {"date": dates("2026-01-01", len(values)), "load": values, **more}


def forecasts(data) -> dict[str, np.ndarray]:
    """The naive ones for some windows, from their raw values."""
    recipe = Lookahead.from_dict(dict(data.prepared.columns))
    windows = np.stack(data.raw.tolist())[:, :, : len(recipe.target)]
    return naive(windows, recipe.horizon, recipe.season)


# -- windows --------------------------------------------------------------------------------------


def test_a_window_is_followed_by_what_it_is_to_forecast() -> None:
    values = RNG.normal(size=60)
    data = elman.data.forecast(hourly(values), "load", time="date", horizon=3, window=5)
    assert len(data) == 60 - 5 - 3 + 1 and set(data.lengths) == {5}
    for row in (0, 17, len(data) - 1):
        np.testing.assert_array_equal(data[row][:, 0], values[row : row + 5].astype(np.float32))
        np.testing.assert_allclose(data.targets[row], values[row + 5 : row + 8], rtol=1e-6)
        assert data.times[row] == dates("2026-01-01", 60)[row + 4]
        assert data.until[row] == dates("2026-01-01", 60)[row + 7]


def test_several_targets_are_forecast_step_by_step() -> None:
    a, b, wind = np.arange(40.0), 100 - 2 * np.arange(40.0), RNG.normal(size=40)
    table = {"a": a, "wind": wind, "b": b}
    data = elman.data.forecast(table, ["a", "b"], horizon=2, window=4, covariates=["wind"])
    assert data.feature_names == ("a", "b", "wind") and data.groups is None
    assert data.targets[0].tolist() == [a[4], b[4], a[5], b[5]]
    assert elman.data.forecast(table, horizon=2).feature_names == ("a", "wind", "b")


def test_many_series_of_any_length_are_groups_and_the_short_ones_are_left_out() -> None:
    lengths = {"north": 50, "south": 31, "new": 4}
    order = RNG.permutation(sum(lengths.values()))
    table = {
        "shop": np.repeat(list(lengths), list(lengths.values()))[order],
        "day": np.concatenate([dates("2026-01-01", n, "1D") for n in lengths.values()])[order],
        "sales": np.concatenate([np.arange(n) + 100.0 * n for n in lengths.values()])[order],
    }
    data = elman.data.forecast(table, "sales", time="day", series="shop", horizon=2, window=7)
    counts = dict(zip(*np.unique(data.groups, return_counts=True), strict=True))
    assert counts == {"north": 50 - 8, "south": 31 - 8}
    assert "3 series, 1 too short" in data.about
    for one, target in zip(data, data.targets, strict=True):
        np.testing.assert_array_equal(np.diff(np.append(one.ravel(), target)), 1)


def test_steps_that_are_not_there_are_missing_and_are_never_to_be_forecast() -> None:
    table = hourly(RNG.normal(size=50))
    kept = np.delete(np.arange(50), [20, 21])
    table = {name: column[kept] for name, column in table.items()}
    table["load"][30] = np.nan  # at step 32
    data = elman.data.forecast(table, "load", time="date", horizon=2, window=6)
    assert data.missing > 0 and not np.isnan(data.targets).any()
    ends = ((data.times - dates("2026-01-01", 1)[0]) / np.timedelta64(1, "h")).astype(int)
    assert sorted(ends) == [t for t in range(5, 48) if not {t + 1, t + 2} & {20, 21, 32}]
    assert "5 more left out" in data.about
    train, _ = data.split(0.2)
    assert train.missing == 0 and train.feature_names == ("load", "load missing")


def test_what_is_known_ahead_is_seen_then_and_now() -> None:
    open_, sales = RNG.integers(0, 2, 40).astype(float), RNG.normal(size=40)
    table = {"sales": sales, "open": open_}
    data = elman.data.forecast(table, "sales", known=["open"], horizon=3, window=6, units=["€", ""])
    assert data.feature_names == ("sales", "open", "open 3 ahead") and data.units == ("€", "", "")
    for row in (0, len(data) - 1):
        np.testing.assert_array_equal(data[row][:, 1], open_[row : row + 6])
        np.testing.assert_array_equal(data[row][:, 2], open_[row + 3 : row + 9])


def test_the_calendar_is_known_ahead_without_a_column() -> None:
    table = hourly(RNG.normal(size=80))
    known = {"time": "date", "known": ["time of day", "day of week"], "horizon": 5, "window": 8}
    data = elman.data.forecast(table, "load", **known, units=["MW"])
    assert data.units == ("MW", *[""] * 8) and set(data.ids) == {"the table"}
    train, _ = data.split(0.2)
    end = elman.data.forecast(table, prepared=train.prepared, upcoming=True)
    for one, first in ((data.raw[0], 0), (end.raw[0], 72)):
        for step, row in enumerate(one):
            for name, after in (("", 0), (" 5 ahead", 5)):
                hour = first + step + after  # the first of January 2026 is a Thursday
                for cycle, part in (
                    ("time of day", hour / 24),
                    ("day of week", 3 / 7 + hour / 168),
                ):
                    for side, of in (("sin", np.sin), ("cos", np.cos)):
                        place = data.feature_names.index(f"{cycle} {side}{name}")
                        assert row[place] == pytest.approx(of(2 * np.pi * part), abs=1e-9)


def test_the_year_is_as_long_as_it_is() -> None:
    table = {"t": dates("2023-01-01", 1500, "1D"), "x": RNG.normal(size=1500)}
    data = elman.data.forecast(table, "x", time="t", known=["day of year"], window=3)
    place = data.feature_names.index("day of year sin")
    for year in ("2023", "2024", "2025"):  # never further than a day from the season
        row = int(np.flatnonzero(data.times == np.datetime64(f"{year}-04-02"))[0])
        assert data.raw[row][-1, place] == pytest.approx(1, abs=1e-3)


def test_the_end_of_each_series_is_what_nobody_knows_the_future_of() -> None:
    open_ = RNG.integers(0, 2, 43).astype(float)
    table = hourly(np.append(RNG.normal(size=40), [np.nan] * 3), open=open_)
    known = {"time": "date", "known": ["open"], "horizon": 3, "window": 6}
    train, _ = elman.data.forecast(table, "load", **known).split(0.2)
    ahead = elman.data.forecast(table, upcoming=True, prepared=train.prepared)
    assert len(ahead) == 1 and ahead.targets is None
    np.testing.assert_array_equal(ahead.raw[0][:, 0], table["load"][34:40])
    np.testing.assert_array_equal(ahead.raw[0][:, 2], open_[37:43])
    assert times_ahead(ahead).tolist() == [dates("2026-01-01", 43)[40:].tolist()]
    short = {name: column[:42] for name, column in table.items()}
    with pytest.raises(
        DataError, match=r"expected 'open' for the 3 steps after.* in the table.* at step 3"
    ):
        elman.data.forecast(short, upcoming=True, prepared=train.prepared)


def test_a_series_too_short_to_forecast_is_named() -> None:
    table = {"s": ["a"] * 30 + ["b"] * 3, "x": RNG.normal(size=33)}
    train, _ = elman.data.forecast(table, "x", series="s", window=5).split(0.2)
    with pytest.warns(ElmanWarning, match="leaves out 1 of 2 series.*: b"):
        ahead = elman.data.forecast(table, upcoming=True, prepared=train.prepared)
    assert ahead.ids.tolist() == ["a"]


# -- time -----------------------------------------------------------------------------------------

WORKDAYS = dates("2026-01-01", 120, "1D")
WORKDAYS = WORKDAYS[np.is_busday(WORKDAYS.astype("datetime64[D]"))]
MONTHS = dates("2020-01", 40, "1M")


@pytest.mark.parametrize(
    "times, words, season",
    [
        (dates("2026-03-01", 90), "every hour", 24),
        (dates("2026-03-01", 90, "15m"), "every 15 minutes", 96),
        (dates("2026-03-01", 90, "7s"), "every 7 seconds", None),
        (dates("2026-03-01T12:00", 90, "1D"), "every day", 7),
        (dates("2026-03-01", 90, "7D"), "every 7 days", 52),
        (WORKDAYS, "every working day", 5),
        (MONTHS, "every month", 12),
        (MONTHS - np.timedelta64(1, "D"), "every month", 12),
        (MONTHS[::3] + np.timedelta64(14, "D"), "every 3 months", 4),
        (MONTHS[::12], "every 12 months", None),
        (np.arange(1871.0, 1960), "every 1", None),
        (0.1 * np.arange(30), "every 0.1", None),
    ],
)
def test_regular_times_are_found_with_and_without_gaps(times, words, season) -> None:
    rows = np.delete(np.arange(len(times)), [2, len(times) // 2])
    for given, places in ((times, np.arange(len(times))), (times[rows], rows)):
        clock = Clock.of([given])
        assert (str(clock), clock.season(), clock.irregular(given)) == (words, season, None)
        assert clock.places(given).tolist() == places.tolist()
        back = clock.times(given[0], places)
        np.testing.assert_allclose((back - given).astype(float), 0, atol=1e-9)


def test_a_clock_that_ticks_unevenly_is_regular_all_the_same() -> None:
    even = np.datetime64("2026-01-01", "ns") + np.arange(500) * np.timedelta64(1, "s")
    times = even + RNG.integers(-40, 40, 500) * np.timedelta64(1, "ms")
    clock = Clock.of([times])
    assert clock.irregular(times) is None and clock.places(times).tolist() == list(range(500))


def test_the_season_is_the_calendars_or_where_a_series_is_most_like_itself() -> None:
    def about(table, **more):
        return elman.data.forecast(table, "load", **more).about

    wave = np.sin(2 * np.pi * np.arange(400) / 37) + 0.3 * RNG.normal(size=400)
    assert "season: 24 steps, by the calendar" in about(hourly(wave), time="date")
    assert "season: 37 steps, by autocorrelation" in about({"load": wave})
    assert "season: 9 steps" in about({"load": wave}, season=9)
    for other in (RNG.normal(size=400), np.cumsum(RNG.normal(size=400)), np.arange(400.0)):
        assert "season" not in about({"load": other})
    assert "season" not in about({"load": wave}, season=None)


def test_a_season_is_looked_for_in_the_first_part_alone() -> None:
    first, last = np.sin(np.arange(240) * 2 * np.pi / 8), np.sin(np.arange(160) * 2 * np.pi / 20)
    assert strongest_season([np.concatenate([first, last])], 50) == 8


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda lines: lines.insert(9, lines[9]), "each time once.*t.csv, line 10 .*series="),
        (
            lambda lines: lines.insert(9, "2026-01-01T07:25,3"),
            r"regular times \(every hour\) in column 'date', got 2026-01-01T07:25:00 after "
            r"2026-01-01T07:00:00 in t.csv, line 10. Bring them to one step",
        ),
        (lambda lines: lines.append("2027-01-01T00:00,3"), "for most steps, got 41 rows for 8,761"),
        (lambda lines: lines.append("soon,3"), "expected times in column 'date', got 'soon'.*42"),
        (lambda lines: lines.append("2026-01-03,x"), "expected numbers in column 'load'.*42"),
        (lambda lines: lines.append("2026-01-03,inf"), "expected finite numbers.*line 42"),
    ],
)
def test_times_that_cannot_be_are_refused(tmp_path: Path, change, message: str) -> None:
    lines = [f"{time},{n}" for n, time in enumerate(dates("2026-01-01", 40))]
    lines.insert(0, "date,load")
    change(lines)
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=f"(?s){message}"):
        elman.data.forecast(tmp_path / "t.csv", "load", time="date")


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"horizon": 0}, OptionError, "`horizon` to be a number of steps"),
        ({"window": 2.5}, OptionError, "`window` to be a number of steps"),
        ({"window": 5, "season": 7}, OptionError, "window of a season or more"),
        ({"horizon": 9, "window": 5, "known": ["b"]}, OptionError, "as long as the horizon"),
        ({"covariates": ["a"]}, OptionError, "each column once, got 'a'"),
        ({"known": ["day of week"]}, OptionError, "dates to know the day of week by, got none"),
        (
            {"known": ["time of day"], "time": "b"},
            OptionError,
            "dates to know the time of day by, got numbers in column 'b'",
        ),
        ({"units": ["V", "A"]}, OptionError, "a unit for each of a"),
        ({"target": "flat"}, DataError, "varies in column 'flat'.*got 1 in all rows"),
        ({"target": "c"}, DataError, "a column 'c'"),
        ({"horizon": 40}, DataError, "series of at least 4. steps"),
        ({"series": "b"}, DataError, "series of at least"),
    ],
)
def test_options_that_cannot_be_are_refused(options, error, message: str) -> None:
    table = {"a": np.arange(30.0), "b": np.arange(30) * 1.5, "flat": np.ones(30)}
    with pytest.raises(error, match=message):
        elman.data.forecast(table, **{"target": "a", **options})


# -- held out -------------------------------------------------------------------------------------


def two_series() -> dict[str, np.ndarray]:
    """One that ends early, and one that goes on."""
    lengths = {"a": 70, "b": 120}
    return {
        "s": np.repeat(list(lengths), list(lengths.values())),
        "t": np.concatenate([dates("2026-01-01", n, "1D") for n in lengths.values()]),
        "x": np.cumsum(RNG.normal(size=190)),
    }


@pytest.mark.parametrize("share", [0.2, (0.15, 0.25), 0.5])
def test_no_value_that_is_trained_on_comes_in_the_part_that_is_held_out(share) -> None:
    data = elman.data.forecast(two_series(), "x", time="t", series="s", horizon=5, window=9)
    parts = data.split(share)
    for early, late in pairwise(parts):
        assert early.until.max() <= late.times.min()
        # The last window before the cut is not thrown away with those that reach over it.
        assert early.until.max() == late.times.min()


def test_what_comes_later_changes_nothing_that_is_trained_on() -> None:
    table = two_series()
    first, _ = elman.data.forecast(table, "x", time="t", series="s", horizon=5).split(0.3)
    later = np.flatnonzero(table["t"] > first.until.max())
    assert len(later) > 20
    changed = {**table, "x": table["x"].copy()}
    changed["x"][later] = 100 * RNG.permutation(changed["x"][later])
    again, _ = elman.data.forecast(changed, "x", time="t", series="s", horizon=5).split(0.3)
    assert again.prepared == first.prepared
    np.testing.assert_array_equal(again.values.values, first.values.values)
    np.testing.assert_array_equal(again.targets, first.targets)


def test_forecasts_are_held_out_by_time_or_by_series_but_never_at_random() -> None:
    data = elman.data.forecast(two_series(), "x", time="t", series="s", horizon=2)
    train, valid = data.split(0.4, by="group")
    assert not set(train.groups) & set(valid.groups)
    with pytest.raises(OptionError, match="by time or by group, got by random"):
        data.split(by="random")


# -- relative, and back ---------------------------------------------------------------------------


@pytest.mark.parametrize("season", [None, 4])
@pytest.mark.parametrize("targets", [1, 3])
def test_what_a_model_is_trained_on_turns_back_into_what_came(season, targets: int) -> None:
    table = {
        name: np.tile([0, 5, 2, 9], 30) * 10.0**k + 1e4 + RNG.normal(size=120)
        for k, name in enumerate("abc"[:targets])
    }
    data = elman.data.forecast(table, list(table), horizon=3, window=8, season=season)
    assert len(data) < FEW_WINDOWS
    train, valid = data.split(0.3)
    relative = train.prepared.steps[0]
    assert isinstance(relative, Relative) and relative.season == (season or 0)
    for part in (train, valid):
        came = part.prepared.restore(part.targets, part)
        assert came.shape == (len(part), 3, targets)
        rows = np.searchsorted(data.times, part.times)
        np.testing.assert_allclose(came.reshape(len(part), -1), data.targets[rows], rtol=1e-6)
        # Nothing to add is the naive forecast.
        nothing = part.prepared.restore(np.zeros_like(part.targets), part)
        np.testing.assert_array_equal(nothing, forecasts(part)[SEASONAL if season else LAST])
    assert np.sqrt((train.targets.reshape(-1, targets) ** 2).mean(axis=0)) == pytest.approx(1)


def test_a_level_is_no_news_to_a_model() -> None:
    values = RNG.normal(size=80)
    low, _ = elman.data.forecast({"x": values}, "x", horizon=2, window=6).split(0.2)
    high, _ = elman.data.forecast({"x": values + 1024}, "x", horizon=2, window=6).split(0.2)
    np.testing.assert_allclose(high.values.values, low.values.values, atol=1e-5)
    np.testing.assert_allclose(high.targets, low.targets, atol=1e-3)


def test_data_are_prepared_anew_by_another_preparation() -> None:
    table = hourly(RNG.normal(size=80))
    table["load"][70:72] = np.nan  # only the later part has features that say so
    data = elman.data.forecast(table, "load", time="date", horizon=2, window=6)
    one, _ = data.split(0.6)
    other = Preparation.learn(data)
    assert other(data).feature_names == ("load", "load missing") and other != one.prepared
    for first, then in ((one.prepared, other), (other, one.prepared)):
        again, anew = then(first(data)), then(data)
        assert again.feature_names == anew.feature_names and again.prepared == then
        np.testing.assert_array_equal(again.values.values, anew.values.values)
        np.testing.assert_allclose(again.targets, anew.targets, atol=1e-6)


def test_a_window_of_another_length_is_prepared_as_well() -> None:
    made = Relative(1, 0, (2.0,))
    found = made.apply([np.array([[1.0, 7], [np.nan, 8]]), np.array([[4.0, 9]])])
    np.testing.assert_array_equal(np.concatenate(found), [[0, 7], [np.nan, 8], [0, 9]])
    with pytest.raises(DataError, match=r"1 or more features, got an array of shape \(2,\) at"):
        made.apply([np.zeros((2, 1)), np.zeros(2)])


def test_series_of_all_sizes_are_alike_to_a_network() -> None:
    values = RNG.normal(size=60).cumsum()
    table = {
        "s": np.repeat(["small", "large", "still"], 60),
        "x": np.concatenate([values, 1000 * values, values / 1e9]),
    }
    train, _ = elman.data.forecast(table, "x", series="s", horizon=2, window=6).split(0.2)
    small, large, still = (
        np.flatnonzero(train.groups == name) for name in ("small", "large", "still")
    )
    np.testing.assert_allclose(train[large].values.values, train[small].values.values, rtol=1e-4)
    np.testing.assert_allclose(train.targets[large], train.targets[small], rtol=1e-3, atol=1e-5)
    assert np.abs(train.targets[still]).max() < 1e-6  # what hardly changes is not blown up
    came = train.prepared.restore(train.targets, train)
    np.testing.assert_allclose(came[large], 1000 * came[small], rtol=1e-4)


def test_from_many_windows_a_season_is_learned_and_not_given() -> None:
    wave = np.tile([0.0, 5, 2, 9], 200) + RNG.normal(size=800) / 10
    few, many = (
        elman.data.forecast({"x": wave[:count]}, "x", season=4, window=8).split(0.2)[0]
        for count in (FEW_WINDOWS, 800)
    )
    assert (few.prepared.steps[0].season, many.prepared.steps[0].season) == (4, 0)


def test_the_preparation_survives_json_and_reads_new_data() -> None:
    table = hourly(RNG.normal(size=90), heat=RNG.normal(size=90))
    data = elman.data.forecast(table, "load", time="date", horizon=4, covariates=["heat"])
    train, valid = data.split(0.2)
    prepared = Preparation.from_dict(json.loads(json.dumps(train.prepared.to_dict())))
    assert prepared == train.prepared
    again = elman.data.forecast(table, prepared=prepared)
    np.testing.assert_array_equal(again[-len(valid) :].values.values, valid.values.values)
    np.testing.assert_array_equal(again[-len(valid) :].targets, valid.targets)
    every_other = {name: column[::2] for name, column in table.items()}
    with pytest.raises(DataError, match=r"\(every hour, as the model was trained on\)"):
        elman.data.forecast(every_other, prepared=prepared)
    with pytest.raises(DataError, match="a column 'heat'"):
        elman.data.forecast(hourly(table["load"]), prepared=prepared)


def test_a_recipe_that_lies_is_refused() -> None:
    data = elman.data.forecast({"x": RNG.normal(size=50)}, "x", window=6)
    honest = dict(data.prepared.columns)
    assert Lookahead.from_dict(honest).to_dict() == honest
    for lie in (
        {"window": 0}, {"horizon": 10**12}, {"season": 7}, {"unit": "os"}, {"step": -1.0},
        {"target": ()}, {"target": ("x", "x")}, {"covariates": 3}, {"time": ["x"]}, {"code": "x"},
        {"time": 0}, {"unit": []}, {"step": float("nan")}, {"step": 1e-200}, {"step": True},
    ):  # fmt: skip
        with pytest.raises(DataError, match="Preparation expected"):
            Lookahead.from_dict({**honest, **lie})


def test_a_model_in_a_file_forecasts_what_comes_next(tmp_path: Path) -> None:
    table = hourly(np.arange(120.0) % 24, price=RNG.normal(size=120))
    data = elman.data.forecast(
        table, "load", time="date", horizon=4, covariates=["price"], units=["MW", "€"]
    )
    train, _ = data.split(0.2)
    model = elman.Sequential([elman.Input((None, train.features)), GRU(3), Dense(4)])
    model.compile("adam", "mae")
    model.fit(train, epochs=1, verbose=0)
    model.save(tmp_path / "load.keras")
    loaded = elman.load(tmp_path / "load.keras")
    end = elman.data.forecast(table, prepared=loaded.prepared, upcoming=True)
    said = loaded.prepared.restore(loaded.predict(end, verbose=0), end)
    assert said.shape == (1, 4, 1) and end.units == ("MW", "€")
    assert times_ahead(end).tolist() == [dates("2026-01-06", 4).tolist()]
    expected = train.prepared.restore(model.predict(end, verbose=0), end)
    np.testing.assert_array_equal(said, expected)


def test_a_picture_shows_what_comes_in_the_unit_of_the_series() -> None:
    pytest.importorskip("matplotlib")
    table = {"a": 1000 + RNG.normal(size=60), "b": RNG.normal(size=60)}
    data = elman.data.forecast(table, horizon=3, window=8)
    for part in (data, data.split(0.2)[0]):
        seen, other, came, _, _ = part.plot().axes[2].lines
        np.testing.assert_allclose(seen.get_ydata(), table["a"][:8], rtol=1e-6)
        np.testing.assert_allclose(other.get_ydata(), table["b"][:8], rtol=1e-6)
        np.testing.assert_allclose(came.get_ydata(), table["a"][8:11], rtol=1e-6)
        assert came.get_xdata().tolist() == [8, 9, 10]


def test_forecasts_without_their_windows_are_refused() -> None:
    data = elman.data.forecast({"x": RNG.normal(size=50)}, "x", window=6)
    train, valid = data.split(0.2)
    with pytest.raises(DataError, match=f"windows that {len(train)} forecasts are of, got"):
        train.prepared.restore(train.targets, valid)
    bare = data.with_values(data.values, raw=None)
    for use in (train.prepared, Preparation.learn):
        with pytest.raises(DataError, match=r"Load\s+them with elman.data.forecast"):
            use(bare)


# -- what a forecast has to beat ------------------------------------------------------------------


@pytest.mark.parametrize("horizon, season", [(1, 1), (3, 7), (9, 4), (12, 5)])
def test_naive_forecasts_are_what_they_are_called(horizon: int, season: int) -> None:
    windows = RNG.normal(size=(6, 13, 2))
    windows[RNG.random(windows.shape) < 0.3] = np.nan
    windows[:, 0] = 0.5
    found = naive(windows, horizon, season)
    for n, k in np.ndindex(6, 2):
        one = windows[n, :, k]
        last = one[~np.isnan(one)][-1]
        assert found[LAST][n, :, k].tolist() == [last] * horizon
        for step in range(horizon):
            same = one[::-1][season - 1 - step % season :: season]
            same = same[~np.isnan(same)]
            assert found[SEASONAL][n, step, k] == (same[0] if len(same) else last)
    assert list(naive(windows, horizon)) == [LAST]


def test_errors_are_in_the_unit_of_the_series() -> None:
    coming = np.array([[[1.0, 100], [2, 200]], [[3, 300], [4, 400]]])
    (found,) = absolute_errors({"off": coming + np.array([[1, -10], [2, 20]])}, coming).values()
    assert found.tolist() == [[1, 10], [2, 20]]


def trained(values: np.ndarray, horizon: int) -> dict[str, float]:
    """Errors of a small network on the last fifth, beside the naive forecasts'."""
    data = elman.data.forecast(hourly(values), "load", time="date", horizon=horizon)
    train, valid, test = data.split((0.15, 0.2))
    elman.set_random_seed(0)
    model = elman.Sequential([elman.Input((None, train.features)), GRU(24), Dense(horizon)])
    model.compile(elman.optimizers.Adam(0.005), "mae")
    stop = EarlyStopping(patience=5, restore_best_weights=True)
    model.fit(train, validation_data=valid, epochs=40, verbose=0, callbacks=[stop])
    said = train.prepared.restore(model.predict(test, verbose=0), test)
    came = train.prepared.restore(test.targets, test)
    errors = absolute_errors({"forecast": said, **forecasts(test)}, came)
    return {name: float(one.mean()) for name, one in errors.items()}


def test_a_season_that_drifts_is_forecast_better_than_by_the_last_one() -> None:
    t = np.arange(1500)
    day = 10 * np.sin(2 * np.pi * t / 24) * (1 + 0.5 * np.sin(2 * np.pi * t / 170))
    errors = trained(100 + day + RNG.normal(size=len(t)), 6)
    assert errors["forecast"] < 0.9 * errors[SEASONAL] and errors["forecast"] < errors[LAST] / 3
    # The noise itself is what nobody forecasts.
    assert errors["forecast"] > np.sqrt(2 / np.pi) * 0.9


def test_nothing_forecasts_a_random_walk_better_than_its_last_value() -> None:
    errors = trained(np.cumsum(RNG.normal(size=1500)), 4)
    assert errors["forecast"] > 0.97 * errors[LAST] and errors[LAST] < errors[SEASONAL]
