"""`elman bench`, and the workers under benchmarks/ that it shares its cases with."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman import _core, bench
from elman.bench import CASES, Case, Spread
from elman.bench.measure import repeated
from elman.errors import OptionError, UnknownNameError
from test_cli import run

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TINY = Case("tiny", (("GRU", 5),), steps=4, features=3, batches=2, batch=7)

# -- cases --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_case_makes_data_that_its_model_takes(name: str) -> None:
    case = CASES[name].changed(batches=1, batch=5)
    x, y = case.data()
    assert len(x) == len(y) == 5
    assert x.dtype == (np.int32 if case.vocabulary else np.float32)
    assert case.model().predict(x, verbose=0).shape == y.shape
    np.testing.assert_array_equal(x, case.data()[0])
    assert not np.array_equal(x, case.data(seed=1)[0])


def test_the_tweets_are_padded_at_the_end_and_fill_the_vocabulary() -> None:
    case = CASES["tweets_gru"]
    tweets = elman.datasets.tweets()
    x, y = case.data()
    assert x.shape[1:] == (case.steps,) == tweets.x_train.shape[1:]
    assert case.vocabulary == len(tweets.vocabulary)
    # Peers take the state at the last word for that behind a mask: there must be one, and no gap.
    words = x != 0
    assert words[:, 0].all() and not (words[:, 1:] & ~words[:, :-1]).any()
    assert {tuple(row) for row in x} <= {tuple(row) for row in tweets.x_train}
    assert len(case.data(5000)[0]) == 5000 and set(y.ravel()) == {0.0, 1.0}


def test_a_case_can_be_learned() -> None:
    elman.set_random_seed(0)
    case = CASES["audio"]
    x, y = case.data()
    losses = case.model().fit(x, y, batch_size=32, epochs=2, verbose=0).history["loss"]
    assert losses[1] < 0.8 * losses[0]


def test_the_arithmetic_of_a_step_is_that_of_its_matrix_products() -> None:
    # T B G H numbers are made forward from F inputs and H states. Backward: as much for the
    # weights, H for the states, and F for the input of an embedding or a layer below.
    lstm = Case("", (("LSTM", 128),), steps=100, features=64)
    head = 3 * 2 * 32 * 128
    assert lstm.flops() == 2 * 32 * 100 * 512 * (3 * 128 + 2 * 64) + head
    tokens = lstm.changed(vocabulary=1000)
    assert tokens.flops() - lstm.flops() == 2 * 32 * 100 * 512 * 64
    assert lstm.flops(1, training=False) == 2 * 100 * 512 * (128 + 64) + 2 * 128
    stack = Case("", (("SimpleRNN", 8), ("GRU", 4)), steps=10, features=3)
    below = 2 * 32 * 10 * 8 * (3 * 8 + 2 * 3)
    assert stack.flops() == below + 2 * 32 * 10 * 12 * (3 * 4 + 3 * 8) + 3 * 2 * 32 * 4


# -- measuring ----------------------------------------------------------------------------------


def test_a_spread_is_median_quartiles_and_least() -> None:
    assert Spread.of([5.0, 1.0, 2.0, 4.0, 3.0]) == (3.0, 2.0, 4.0, 1.0, 5)


def test_work_is_repeated_at_least_three_times() -> None:
    counts: list[int] = []
    assert len(repeated(counts.append, seconds=1e-9, turn=1e-9)) == 3
    assert counts == [1, 1, 1, 1]


@pytest.mark.parametrize("isa", _core.available_isas())
def test_every_instruction_set_has_a_peak(isa: str) -> None:
    before = _core.isa()
    try:
        _core.use_isa(isa)
        # Below the slowest processor that runs the tests, above any without vectors.
        assert 1e8 < _core.fma_peak(0.001) < 1e15
    finally:
        _core.use_isa(before)


# -- elman bench --------------------------------------------------------------------------------


def test_bench_prints_a_table_and_writes_its_numbers(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    done = run("bench", "audio", "--seconds", "0.02", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "audio" in done.stdout and "train" in done.stdout and "predict" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    report = json.loads(file.read_text())
    assert [r["what"] for r in report["results"]] == ["train", "predict"]
    assert report["peak_gflops"] > 0 and report["machine"]["isa"] == _core.isa()
    for result in report["results"]:
        assert 0 < result["ms"]["least"] <= result["ms"]["median"]
        expected = CASES["audio"].flops(training=result["what"] == "train")
        assert result["gflops"] * result["ms"]["median"] * 1e6 == pytest.approx(expected)
        assert result["of_peak"] == pytest.approx(result["gflops"] / report["peak_gflops"])


def test_bench_says_nothing_when_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    report = bench.run(["audio"], seconds=0.01, verbose=0)
    assert capsys.readouterr().out == ""
    assert len(report.results) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cases": ["adio"]}, UnknownNameError, "Did you mean 'audio'"),
        ({"seconds": 0}, OptionError, "positive number of seconds, got 0"),
        ({"seconds": float("nan")}, OptionError, "got nan"),
        ({"json_file": "no/such/folder/x.json"}, OptionError, "no/such/folder"),
    ],
)
def test_bench_refuses_before_it_measures(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], error: type, message: str
) -> None:
    def measured(*_: object) -> None:
        raise AssertionError("measured before all was checked")

    monkeypatch.setattr(bench.short, "measure", measured)
    with pytest.raises(error, match=message):
        bench.run(**{"cases": ["audio"], **options})


# -- the workers --------------------------------------------------------------------------------


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules of benchmarks/, which are scripts and no package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    import common

    yield common
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == BENCHMARKS:
            del sys.modules[name]


def test_a_worker_trains_predicts_and_survives_a_mistake(driver: Any) -> None:
    with driver.Worker(driver.PEERS["elman"], threads=1) as worker, driver.stored(TINY) as file:
        case = TINY.as_dict()
        worker.start()
        assert worker.about["isa"] == _core.isa() and worker.about["threads"] == 1
        with pytest.raises(driver.PeerError, match="do_nonsense"):
            worker.ask("nonsense")
        reply = worker.ask("train", case=case, file=file)
        stored = np.load(file)
        model = TINY.model()
        model.set_weights([stored[f"w{i}"] for i in range(5)])
        x, y = stored["x"], stored["y"]
        assert reply["loss"] == pytest.approx(
            model.evaluate(x[:7], y[:7], batch_size=7, verbose=0), rel=1e-6
        )
        first = model.fit(x, y, batch_size=7, epochs=1, shuffle=False, verbose=0)
        assert reply["first_epoch"] == pytest.approx(first.history["loss"][0], rel=1e-5)
        done = worker.ask("work", count=3)
        assert done["seconds"] > 0 and np.isfinite(done["result"])
        reply = worker.ask("infer", case=case, file=file, rows=4, batch=4)
        model.set_weights([stored[f"w{i}"] for i in range(5)])
        np.testing.assert_allclose(
            reply["outputs"]["predict"], model.predict(x[:4], verbose=0).ravel(), rtol=1e-5
        )
        assert worker.ask("memory")["peak_mib"] > 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_that_waits_cannot_run(driver: Any) -> None:
    with driver.Worker(driver.PEERS["elman"]) as worker:
        worker.start()
        stat, state = Path(f"/proc/{worker.pid}/stat"), ""
        end = time.monotonic() + 5
        while state != "T" and time.monotonic() < end:  # a signal takes a moment
            state = stat.read_text().rsplit(")", 1)[1].split()[0]
        assert state == "T"  # stopped
        worker.ask("hello")


def lying_worker(driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Any:
    """A peer whose worker runs `body`."""
    (tmp_path / "lies.py").write_text("import sys, time\n" + textwrap.dedent(body))
    peers = sys.modules["peers"]
    monkeypatch.setattr(peers, "WORKERS", tmp_path)
    return driver.Worker(driver.Peer("lies", "lies.py"))


def test_a_worker_that_dies_leaves_its_last_words(
    driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "sys.exit('no such library')"
    with (
        lying_worker(driver, tmp_path, monkeypatch, body) as worker,
        pytest.raises(driver.PeerError, match="no such library"),
    ):
        worker.start()


def test_a_worker_that_takes_too_long_is_ended(
    driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lying_worker(driver, tmp_path, monkeypatch, "time.sleep(60)") as worker:
        with pytest.raises(driver.PeerError, match="longer than"):
            worker.ask("hello", limit=0.05)
        with pytest.raises(driver.PeerError, match="has ended"):
            worker.ask("hello")


def test_a_peer_that_computes_something_else_is_not_timed(driver: Any) -> None:
    peer = driver.Peer("other", "x.py")
    own = {"loss": 0.7, "first_epoch": 0.6}
    driver.check(peer, {"loss": 0.70001, "first_epoch": 0.5}, own, epoch=True)
    for loss in (0.701, float("nan")):
        with pytest.raises(ValueError, match="something else"):
            driver.check(peer, {"loss": loss, "first_epoch": 0.6}, own, epoch=True)
    own = {"outputs": {"a": [0.1, 0.5]}}
    driver.check(peer, {"outputs": {"b": [0.1, 0.5]}}, own, epoch=False)
    with pytest.raises(ValueError, match="something else"):
        driver.check(peer, {"outputs": {"b": [0.1, 0.5], "c": [0.1, 0.6]}}, own, epoch=False)


def test_training_is_measured_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "training.json"
    command = [sys.executable, str(BENCHMARKS / "training.py"), "--cases", "audio"]
    command += ["--peers", "elman", "--seconds", "0.05", "--turn", "0.01", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines()[1:-1])) <= 80
    (row,) = json.loads(file.read_text())["results"]
    assert row["peer"] == "elman" and row["ms"]["turns"] >= 3
    assert 0 < row["of_peak"] < 1.5 and row["ratio"] is None


def test_an_environment_counts_as_made_only_with_its_pinned_versions(
    driver: Any, tmp_path: Path
) -> None:
    make_peers = sys.modules["make_peers"]
    assert not make_peers.is_ready("jax", tmp_path)
    (tmp_path / "jax").mkdir()
    mark = tmp_path / "jax" / "pinned.txt"
    mark.write_text("jax==0.1\n")
    assert not make_peers.is_ready("jax", tmp_path)
    mark.write_text("\n".join(make_peers.ENVIRONMENTS["jax"]))
    assert make_peers.is_ready("jax", tmp_path)
    with pytest.raises(driver.PeerError, match="make_peers"):
        driver.Worker(driver.PEERS["torch"], tmp_path)
