"""Preparation: learned from the training part, repeated on new data, safe in a file."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

import elman
from elman.data import Preparation, Sequences
from elman.data import text as data_text
from elman.data.relative import Relative
from elman.data.steps import STEPS, Fill, Scale, Tokens
from elman.data.tokens import clean, cut
from elman.errors import DataError
from elman.layers import GRU, Dense, Embedding

RNG = np.random.default_rng(11)


def measured(n: int = 40, **more) -> Sequences:
    values = [RNG.normal([5, -100], [2, 30], size=(3 + i % 4, 2)) for i in range(n)]
    return Sequences(values, RNG.permutation(np.arange(n) % 2), kind="table", **more)


def test_scaling_comes_from_the_training_part_alone() -> None:
    data = measured(ids=np.arange(40))
    train, valid = data.split(0.25)
    raw = np.concatenate([data[int(row)] for row in train.ids]).astype(np.float64)
    np.testing.assert_allclose(train.values.values.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(train.values.values.std(axis=0), 1, atol=1e-5)
    expected = (data[int(valid.ids[0])] - raw.mean(axis=0)) / raw.std(axis=0)
    np.testing.assert_allclose(valid[0], expected, atol=1e-5)


def test_what_was_prepared_once_is_not_prepared_again() -> None:
    rest, test = measured().split(0.2)
    train, valid = rest.split(0.2)
    assert train.prepared == valid.prepared == test.prepared
    assert any((one == rest[0]).all() for one in [*train, *valid] if len(one) == len(rest[0]))
    np.testing.assert_array_equal(test.prepared(test)[0], test[0])


def test_new_data_become_what_the_training_data_became() -> None:
    data = measured(ids=np.arange(40))
    train, _ = data.split()
    again = train.prepared.apply([data[int(row)] for row in train.ids])
    for one, other in zip(again, train, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_feature_that_never_changes_becomes_zero() -> None:
    made = Preparation.learn(Sequences([np.full((4, 1), 1e6 / 3)] * 3, kind="table"))
    np.testing.assert_array_equal(made.apply([np.full((2, 1), 1e6 / 3)])[0], np.zeros((2, 1)))


def test_missing_values_take_the_last_one_before_them_or_the_mean_and_are_marked() -> None:
    gone = np.nan
    values = np.array([[gone, 1], [2, 2], [gone, 3], [gone, 4], [4, 5]], np.float32)
    made = Preparation.learn(
        Sequences([values], kind="table", feature_names=["a", "b"], units=["V", "s"])
    )
    data = made(Sequences([values], kind="table", feature_names=["a", "b"], units=["V", "s"]))
    assert data.missing == 0 and data.feature_names == ("a", "b", "a missing")
    assert data.units == ("V", "s", "")
    # a is 2 and 4: its mean is 3 and its deviation 1
    assert data[0][:, 0].tolist() == [0, -1, -1, -1, 1]
    assert data[0][:, 2].tolist() == [1, 0, 1, 1, 0]


def test_a_value_that_is_missing_in_new_data_only_is_filled_too() -> None:
    train, _ = measured().split()
    (found,) = train.prepared.apply([np.full((2, 2), np.nan)])
    assert found.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("shape", [(0, 2), (1, 2)])
def test_short_sequences_are_prepared_too(shape: tuple[int, int]) -> None:
    train, _ = measured().split()
    assert train.prepared.apply([np.ones(shape)])[0].shape == shape


def test_infinity_is_refused() -> None:
    with pytest.raises(DataError, match="infinity"):
        Preparation.learn(Sequences([np.full((2, 1), np.inf)], kind="table"))


def test_other_features_are_refused() -> None:
    train, _ = measured().split()
    with pytest.raises(DataError, match=r"2 features per step, got .*\(3, 5\) at place 0"):
        train.prepared.apply([np.ones((3, 5))])


def test_targets_of_other_data_get_the_numbers_of_the_training_data() -> None:
    made = Preparation("table", (Scale((0.0,), (1.0,)),), names=("a", "b", "c"))
    other = Sequences([np.ones((1, 1))] * 2, ["c", "a"], kind="table")
    assert other.targets.tolist() == [1, 0] and made(other).targets.tolist() == [2, 0]
    with pytest.raises(DataError, match="'d'"):
        made(Sequences([np.ones((1, 1))], ["d"], kind="table"))


def test_the_vocabulary_is_ordered_by_frequency_then_alphabet() -> None:
    texts = ["b a c", "a b", "a d d"]
    assert Tokens.learned(texts, "words", None, 1).vocabulary == ("", "[UNK]", "a", "b", "d", "c")
    assert Tokens.learned(texts, "words", 4, 1).vocabulary == ("", "[UNK]", "a", "b")
    assert Tokens.learned(texts, "words", None, 3).vocabulary == ("", "[UNK]", "a")


@pytest.mark.parametrize("unit", ["words", "chars", "bytes"])
def test_tokens_turn_back_into_what_was_cut(unit: str) -> None:
    text = "Né &amp; 見 :)"
    step = Tokens.learned([text], unit, None, 1)
    (numbers,) = step.apply([text])
    assert [step.vocabulary[n] for n in numbers] == cut(text, unit)
    assert step.apply(["☃"])[0].min() == 1


def test_one_letter_written_in_two_ways_is_one_token() -> None:
    assert cut("cafe\u0301", "chars") == cut("caf\u00e9", "chars") == list("café")
    assert clean("&lt;3 &#9786;") == "<3 ☺"


def every_step() -> Preparation:
    steps = (
        Tokens("words", ("", "[UNK]", "é")),
        Relative(3, 7, (0.5,), (0.25,)),
        Scale((1.0,), (2.0,)),
        Fill((0,)),
    )
    return Preparation(
        "table", steps, ("a",), ("lead I",), ("mV",), 360.0, (("target", "y"), ("features", ("a",)))
    )


def test_a_preparation_survives_json() -> None:
    made = every_step()
    assert {step.kind for step in made.steps} == set(STEPS)
    assert Preparation.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def hostile():
    """What no honest file says: a name, and how to change what one says."""
    return {
        "no dict": lambda d: [],
        "another version": lambda d: {**d, "version": 99},
        "an unknown key": lambda d: {**d, "code": "import os"},
        "no steps": lambda d: {k: v for k, v in d.items() if k != "steps"},
        "steps that are no list": lambda d: {**d, "steps": {"kind": "scale"}},
        "an unknown step": lambda d: {**d, "steps": [{"kind": "os.system"}]},
        "a step of no kind": lambda d: {**d, "steps": [{}]},
        "a kind that cannot be looked up": lambda d: {**d, "steps": [{"kind": []}]},
        "a scale of zero": lambda d: step(d, center=[0.0], scale=[0.0]),
        "a scale that is no number": lambda d: step(d, center=[0.0], scale=["1"]),
        "a scale that is not finite": lambda d: step(d, center=[0.0], scale=[float("nan")]),
        "a huge whole number": lambda d: step(d, center=[10**400], scale=[1]),
        "true for a number": lambda d: step(d, center=[True], scale=[1.0]),
        "scales without centers": lambda d: step(d, center=[], scale=[1.0]),
        "a scale missing": lambda d: step(d, center=[0.0]),
        "nested lists": lambda d: step(d, center=[[0.0]], scale=[1.0]),
        "a dict in a list": lambda d: step(d, "fill", marked=[{}]),
        "a negative place": lambda d: step(d, "fill", marked=[-1]),
        "an unknown unit": lambda d: step(d, "tokens", unit="eval", vocabulary=["", "[UNK]"]),
        "a list as unit": lambda d: step(d, "tokens", unit=["words"], vocabulary=["", "[UNK]"]),
        "a vocabulary without padding": lambda d: step(d, "tokens", unit="chars", vocabulary=["a"]),
        "a word twice": lambda d: step(
            d, "tokens", unit="chars", vocabulary=["", "[UNK]", "a", "a"]
        ),
        "a distance of zero": lambda d: relative(d, scale=[0.0]),
        "forecasts of nothing": lambda d: relative(d, scale=[]),
        "no horizon": lambda d: relative(d, horizon=0),
        "an endless horizon": lambda d: relative(d, horizon=10**9),
        "half a season": lambda d: relative(d, season=0.5),
        "sizes of another number of targets": lambda d: relative(d, least=[1.0, 1.0]),
        "names that are numbers": lambda d: {**d, "names": [1]},
        "an endless name": lambda d: {**d, "names": ["a" * 10**6]},
        "a negative rate": lambda d: {**d, "rate": -1.0},
        "a word as rate": lambda d: {**d, "rate": "fast"},
        "columns that are a list": lambda d: {**d, "columns": []},
        "columns within columns": lambda d: {**d, "columns": {"a": {"b": 1}}},
    }


def step(given: dict, kind: str = "scale", **changed) -> dict:
    return {**given, "steps": [{"kind": kind, **changed}]}


def relative(given: dict, **changed) -> dict:
    return step(
        given, "relative", **{"horizon": 1, "season": 0, "scale": [1.0], "least": []} | changed
    )


@pytest.mark.parametrize("name", hostile())
def test_a_file_that_lies_is_refused(name: str) -> None:
    honest = every_step().to_dict()
    before = copy.deepcopy(honest)
    with pytest.raises(DataError, match="Preparation expected"):
        Preparation.from_dict(hostile()[name](honest))
    assert honest == before


def test_marked_features_that_new_data_lack_are_refused() -> None:
    with pytest.raises(DataError, match="more than 3 features"):
        Fill((3,)).apply([np.zeros((1, 2), np.float32)])


def test_data_that_were_prepared_in_another_way_are_refused_by_the_model() -> None:
    texts = ["so good", "so bad", "very good", "very bad", "good", "bad"] * 2
    train, valid = data_text(texts, list("yn" * 6), least=1).split(0.34, by="random")
    model = elman.Sequential([Embedding(len(train.vocabulary), 2), GRU(2), Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(train, validation_data=valid, verbose=0)
    other = data_text(["bad and good", "good"], list("ny"), least=1)  # its own vocabulary
    asks = (
        lambda x: model.predict(x, verbose=0),
        lambda x: model.evaluate(x, verbose=0),
        lambda x: model.fit(train, validation_data=x, verbose=0),
        model.trace,
        model.gradient_flow,
        model.report,
    )
    for ask in asks:
        with pytest.raises(DataError, match="with another vocabulary or scale"):
            ask(other)
    new = data_text(["bad and good", "good"], list("ny"), prepared=model.prepared)
    for ask in asks[:-1]:
        ask(new)
    model.fit(other[:1].with_values([np.array([1], np.int32)]), verbose=0)
    assert model.prepared.steps == other.prepared.steps  # it is trained on these now


def test_sequences_that_do_not_say_how_they_were_prepared_are_believed() -> None:
    train, _ = measured().split(0.25)
    model = elman.Sequential([elman.Input((None, 2)), GRU(2), Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(train, verbose=0)
    raw = measured()
    assert raw.prepared is None and len(model.predict(raw, verbose=0)) == 40
    with pytest.raises(DataError, match="another vocabulary or scale"):
        model.predict(raw.split(0.5)[0], verbose=0)
