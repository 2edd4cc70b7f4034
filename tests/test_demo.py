"""The demo: its networks reach the reference accuracies, and it prints what it should."""

from __future__ import annotations

import statistics

import pytest

from elman import demo
from elman.data import datasets
from elman.demo import Result
from elman.errors import OptionError, UnknownNameError

# Last-epoch test accuracy of the same untuned networks in Keras: the median of three seeds.
REFERENCE = {"text": 0.863, "audio": 0.831, "ecg": 0.972, "two-voices": 0.914, "digits": 0.995}


@pytest.mark.parametrize("task", ["text", "audio", "ecg", "two-voices", "digits"])
def test_the_median_of_three_seeds_is_within_two_points_of_the_reference(task):
    results = [demo.run(task, seed=seed, verbose=0)[0] for seed in range(3)]
    found = statistics.median(result.accuracy for result in results)
    # More is welcome, but far more would mean that test rows leaked into the training.
    assert REFERENCE[task] - 0.02 <= found <= REFERENCE[task] + 0.06, results
    assert found > results[0].majority + 0.1


def test_the_same_seed_gives_the_same_result_and_another_seed_another():
    first, again, other = (
        demo.run("ecg", seed=seed, epochs=2, verbose=0)[0].accuracy for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_silent_run_prints_nothing(capsys):
    demo.run("ecg", epochs=1, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_run_prints_data_summary_progress_and_table_within_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    results = demo.run("ecg", epochs=2, verbose=2)
    printed = capsys.readouterr().out
    flat = " ".join(printed.split())
    data = datasets.ecg_beats()
    order = [data.about, data.licence, "lstm (LSTM)", "Epoch 1/2", "Epoch 2/2", "Accuracy on"]
    places = [flat.find(part) for part in order]
    assert -1 not in places and places == sorted(places)
    for share in (results[0].majority, results[0].order_free, results[0].accuracy):
        assert f"{100 * share:.1f} %" in printed.split("Accuracy on")[1]
    assert max(map(len, printed.splitlines())) <= 80


def test_all_runs_text_then_audio_then_ecg():
    assert [result.task for result in demo.run(epochs=1, verbose=0)] == ["text", "audio", "ecg"]


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        (0.90, "order helps, by 10.0 points"),
        (0.81, "recurrence does not help; the order-free baseline does as well"),
        (0.79, "recurrence does not help; the order-free baseline does as well"),
        (0.70, "recurrence does not help; the order-free baseline is 10.0 points better"),
    ],
)
def test_the_verdict_credits_order_only_beyond_chance(accuracy, said):
    assert said in demo.verdict(Result("audio", 0.2, 0.80, accuracy, 1.0, 568, 20))


def test_the_verdict_does_not_judge_a_network_that_was_stopped_early():
    said = demo.verdict(Result("audio", 0.2, 0.80, 0.3, 1.0, 568, 2))
    assert said == "audio: too early to judge, after 2 of 20 epochs."


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'text'"):
        demo.run("texts")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"epochs": 0}, "at least 1 epoch, got 0"), ({"seed": -1}, "seed of 0 or more, got -1")],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        demo.run("ecg", **options)
