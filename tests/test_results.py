"""benchmarks/results.py: the page says what was measured, and settings saw no test row."""

from __future__ import annotations

import hashlib
import statistics
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman.data import Sequences

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TASKS = ("vowels", "digits", "voices", "power", "tweets", "ecg")


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The script, which is no package; on one thread, as it runs."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    threads = elman.get_threads()
    elman.set_threads(1)
    import results as script

    yield script
    elman.set_threads(threads)
    del sys.modules["results"]


@pytest.fixture
def report(results: Any) -> Any:
    return results.read(results.JSON)


# -- what is written ------------------------------------------------------------------------------


def test_the_page_has_the_tables_of_what_was_measured(results: Any, report: Any) -> None:
    begin, end = results.MARKS
    _, after = results.DOCS.read_text().split(begin)
    assert after.split(end)[0] == results.markdown(report)


def test_all_six_tasks_were_measured_with_the_settings_of_the_script(
    results: Any, report: Any
) -> None:
    assert tuple(results.TASKS) == tuple(report["results"]) == TASKS
    for name, task in results.TASKS.items():
        row = report["results"][name]
        assert row["network"] == task.recipe._asdict(), name
        assert (row["epochs"], row["title"]) == (task.epochs, task.title), name
        assert len(row["accuracy"]) == 5, name


@pytest.mark.parametrize("name", TASKS)
def test_the_settings_are_the_best_of_all_candidates_within_the_training_part(
    results: Any, report: Any, name: str
) -> None:
    tried = report["choice"][name]
    best = results.chosen(tried)
    assert {key: best[key] for key in ("line", "rate", "batch")} == (
        results.TASKS[name].recipe._asdict()
    )
    few = report["results"][name]["train_rows"] < results.FEW
    rows = Sequences([[1.0]] * (1 if few else results.FEW), kind="table")
    if name == "tweets":
        rows = Sequences([[1]] * results.FEW, kind="text")
    wanted = [candidate._asdict() for candidate in results.candidates(rows)]
    assert [{k: v for k, v in one.items() if k != "validation"} for one in tried] == wanted


@pytest.mark.parametrize("name", TASKS)
def test_the_median_of_five_seeds_reaches_its_goal(report: Any, name: str) -> None:
    row = report["results"][name]
    assert statistics.median(row["accuracy"]) >= row["goal"]
    assert row["goal"] > row["majority"]


def test_the_verdict_is_of_the_median_and_of_so_many_rows(results: Any) -> None:
    row = {"accuracy": [0.5, 0.9, 0.91, 0.1, 0.92], "order_free": 0.85, "test_rows": 98}
    hits = 0.9 * 98 + 1, 0.85 * 98 + 1
    noise = 100 * 2 * np.sqrt(sum(hit / 100 * (1 - hit / 100) for hit in hits) / 100)
    said = f"as well, within the {noise:.1f} points that 98 rows leave open"
    assert said in results.verdict(row)
    assert "order helps, by 5.0 points" in results.verdict({**row, "test_rows": 10_000})
    assert "baseline is 9.0 points better" in results.verdict({**row, "order_free": 0.99})


def test_four_rows_more_of_141_are_no_proof_even_if_all_are_right(results: Any) -> None:
    row = {"accuracy": [1.0] * 5, "order_free": 137 / 141, "test_rows": 141}
    assert "recurrence does not help" in results.verdict(row)
    assert "order helps" in results.verdict({**row, "order_free": 120 / 141})


# -- choosing and training ------------------------------------------------------------------------


def made(rows: int, seed: int) -> Sequences:
    """Which half of a row is the higher one?"""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    values = [np.r_[np.full(3, k), np.full(3, 1 - k)] + rng.normal(0, 0.1, 6) for k in y]
    return Sequences(values, y.astype(np.int32), kind="table", names=("late", "early"))


def test_settings_are_chosen_without_any_test_row(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "NUMBERS", ("gru(4)", "bi(gru(4))"))
    monkeypatch.setattr(results, "RATES", (1e-6, 3e-2))
    monkeypatch.setattr(results, "JUDGED", 60)
    task = results.TASKS["power"]._replace(parts=lambda folder: (made(60, 0), None), epochs=6)
    tried = list(results.choose(task, Path()))
    assert [(one["line"], one["rate"], one["batch"]) for one in tried] == [
        (line, rate, batch)
        for line in ("gru(4)", "bi(gru(4))")
        for rate in (1e-6, 3e-2)
        for batch in (8, 32)
    ]
    best = results.chosen(tried)
    assert best["rate"] == 3e-2 and best["validation"] > 0.9


def test_of_settings_that_are_equally_good_the_simplest_is_taken(results: Any) -> None:
    tried = [{"line": line, "validation": v} for line, v in (("a", 0.5), ("b", 0.9), ("c", 0.9))]
    assert results.chosen(tried)["line"] == "b"


def test_as_many_splits_are_judged_as_few_rows_need(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def counted(recipe: Any, epochs: int, rows: Any, judged: Any, seed: int) -> Any:
        seen.append((seed, len(judged)))
        return results.Trained(seed / 10, 0.0)

    monkeypatch.setattr(results, "train", counted)
    recipe = results.Recipe("gru(2)", 1e-3, 8)
    assert results.validate(recipe, 1, made(2000, 0)) == pytest.approx(0.2)
    assert seen == [(seed, 400) for seed in range(5)]
    seen.clear()
    results.validate(recipe, 1, made(50, 0))
    assert seen == [(seed, 10) for seed in range(100)]


def test_a_row_of_the_table_is_measured_and_can_be_repeated(results: Any) -> None:
    task = results.Task(
        "halves", lambda folder: (made(60, 0), made(40, 1)), 0.9, "nobody", results.nearest(0),
        epochs=12, recipe=results.Recipe("gru(8)", 3e-2, 8),
    )  # fmt: skip
    row, again = (results.measure(task, Path()) for _ in range(2))
    assert row["accuracy"] == again["accuracy"]
    assert statistics.median(row["accuracy"]) > 0.9 > row["order_free"]
    assert row["reference"] == 1.0
    assert (row["train_rows"], row["test_rows"]) == (60, 40)
    assert results.verdict(row).startswith("order helps")


def test_the_command_chooses_measures_keeps_other_tasks_and_fills_the_page(
    results: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = results.Task(
        "halves: which?", lambda folder: (made(60, 0), made(40, 1)), 0.5, "nobody", 0.5,
        epochs=2, recipe=results.Recipe("gru(2)", 3e-2, 8),
    )  # fmt: skip
    page = tmp_path / "page.md"
    page.write_text("before\n" + "old".join(results.MARKS) + "\nafter")
    monkeypatch.setattr(results, "TASKS", {"one": task, "two": task})
    monkeypatch.setattr(results, "NUMBERS", ("gru(2)",))
    monkeypatch.setattr(results, "JUDGED", 60)
    monkeypatch.setattr(results, "DOCS", page)
    written = tmp_path / "new" / "results.json"

    def command(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["results.py", "--json", str(written), *words])
        results.main()
        return results.read(written)

    assert list(command("--tasks", "two", "--choose")["choice"]) == ["two"]
    command("--tasks", "two")
    report = command("--tasks", "one", "--docs")
    assert list(report["results"]) == ["one", "two"] and len(report["choice"]["two"]) == 4
    table = results.markdown(report)
    assert page.read_text() == "before\n" + table.join(results.MARKS) + "\nafter"
    assert table.count("| halves: which? | 60, 40 |") == 2
    with pytest.raises(SystemExit):
        command("--tasks", "three")


def test_the_nearest_row_is_that_of_time_warping(results: Any) -> None:
    rng = np.random.default_rng(0)

    def some(rows: int) -> Sequences:
        values = [rng.normal(size=(rng.integers(1, 6), 2)) for _ in range(rows)]
        return Sequences(values, np.arange(rows) % 2, kind="table", names=("a", "b"))

    def distance(a: Any, b: Any) -> float:
        """Straight from the definition."""
        if not len(a) or not len(b):
            return 0.0 if len(a) == len(b) else np.inf
        before = min(distance(a[:-1], b), distance(a, b[:-1]), distance(a[:-1], b[:-1]))
        return float(((a[-1] - b[-1]) ** 2).sum() + before)

    train, test = some(9), some(12)
    nearest = [np.argmin([distance(row, other) for other in train]) for row in test]
    expected = np.mean(train.targets[nearest] == test.targets)
    assert 0 < expected < 1
    assert results.nearest(99)(train, test) == expected


def test_within_a_band_of_nothing_the_distance_is_euclids(results: Any) -> None:
    train, test = made(20, 0), made(20, 1)
    noisy = train.with_values([row[::-1] if k % 3 == 0 else row for k, row in enumerate(train)])
    x, z = noisy.padded()[0], test.padded()[0]
    nearest = ((z[:, None] - x[None]) ** 2).sum((2, 3)).argmin(1)
    expected = np.mean(noisy.targets[nearest] == test.targets)
    assert expected < 1
    assert results.nearest(0)(noisy, test) == expected


# -- data -----------------------------------------------------------------------------------------


def test_what_one_prompt_says_stays_together_in_all_voices(results: Any) -> None:
    train, test = results.TASKS["voices"].parts(Path())
    assert (len(train), len(test)) == (2175, 568)
    pairs = set(zip(train.groups.tolist(), train.targets.tolist(), strict=True))
    assert len(pairs) == len(train), "a voice says a prompt once"
    fit, valid = train.split(0.2, seed=3)
    assert not set(fit.groups) & set(valid.groups)


def test_the_bundled_data_are_scaled_by_the_rows_trained_on_alone(results: Any) -> None:
    train, _ = results.TASKS["ecg"].parts(Path())
    assert len(set(train.groups.tolist())) == 20 and (np.diff(train.groups) >= 0).all()
    fit, valid = train.split(0.2, seed=0)
    assert fit.values.values.mean() == pytest.approx(0, abs=1e-4)
    assert fit.values.values.std() == pytest.approx(1, abs=1e-4)
    assert abs(valid.values.values.mean()) > 1e-3


def test_each_training_part_of_the_tweets_has_a_vocabulary_of_its_own(results: Any) -> None:
    train, test = results.TASKS["tweets"].parts(Path())
    assert (len(train), len(test)) == (2683, 679)
    first, second = (train.split(0.2, seed=seed)[0].vocabulary for seed in (0, 1))
    assert first != second and len(first) < len(train.vocabulary)


def wheel_in(folder: Path) -> bytes:
    text = "@problemName P\n@univariate true\n@classLabel true 1 2\n@data\n1,2,3:1\n4,5,?:2\n"
    with zipfile.ZipFile(folder / "aeon-1.6.0-py3-none-any.whl", "w") as wheel:
        for part in ("TRAIN", "TEST"):
            wheel.writestr(f"aeon/datasets/data/P/P_{part}.ts", text)
    return (folder / "aeon-1.6.0-py3-none-any.whl").read_bytes()


def test_the_archive_is_read_out_of_the_wheel(
    results: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "SHA256", hashlib.sha256(wheel_in(tmp_path)).hexdigest())
    train, test = results.archive("P")(tmp_path)
    assert train.names == ("1", "2") and train.lengths.tolist() == [3, 3]
    np.testing.assert_array_equal(train[0][:, 0], [1, 2, 3])
    np.testing.assert_array_equal(test.targets, [0, 1])


def test_another_wheel_than_the_known_one_is_refused(results: Any, tmp_path: Path) -> None:
    wheel_in(tmp_path)
    with pytest.raises(SystemExit, match=r"expected aeon.*with the SHA-256.*Remove"):
        results.archive("P")(tmp_path)


def test_without_a_network_the_wheel_that_is_needed_is_named(
    results: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(results.subprocess, "run", lambda command, check: asked.append(command))
    with pytest.raises(SystemExit, match=r"aeon-1.6.0-py3-none-any.whl.*--data"):
        results.archive("P")(tmp_path / "new")
    assert asked[0][-3:] == ["--dest", str(tmp_path / "new"), "aeon==1.6.0"]


# -- once more ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_measured_again_the_heartbeats_are_told_apart_as_well(results: Any, report: Any) -> None:
    row = results.measure(results.TASKS["ecg"], Path())
    before = report["results"]["ecg"]
    # The order in which another instruction set adds up is enough to turn a beat or two.
    assert statistics.median(row["accuracy"]) == pytest.approx(
        statistics.median(before["accuracy"]), abs=2.5 / row["test_rows"]
    )
    assert row["order_free"] == pytest.approx(before["order_free"], abs=1.5 / row["test_rows"])
