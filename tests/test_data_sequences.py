"""Sequences: from the loaders to a model."""

from __future__ import annotations

import io

import numpy as np
import pytest

import elman
from elman.data import Sequences
from elman.errors import DataError, OptionError, ShapeError
from elman.layers import GRU, Dense, Embedding

RNG = np.random.default_rng(7)


def some(n: int = 30, features: int = 2, **more) -> Sequences:
    """Sequences of 1 to 9 steps, of three classes in turn."""
    values = [RNG.normal(size=(1 + i % 9, features)) for i in range(n)]
    targets = np.array(["a", "b", "c"])[np.arange(n) % 3]
    return Sequences(values, targets, **{"kind": "table", **more})


def test_lengths_targets_and_names_are_those_of_the_arrays() -> None:
    data = some(5)
    assert len(data) == 5 and data.lengths.tolist() == [1, 2, 3, 4, 5]
    assert data.names == ("a", "b", "c") and data.targets.tolist() == [0, 1, 2, 0, 1]
    assert [one.shape for one in data] == [(n, 2) for n in range(1, 6)]


@pytest.mark.parametrize(
    "rows",
    [slice(1, 4), slice(None, None, 2), [3, 0], np.arange(5) > 2, slice(0, 0)],
    ids=["slice", "steps", "indices", "mask", "none"],
)
def test_a_part_keeps_what_belongs_to_its_rows(rows: object) -> None:
    data = some(5, groups=list("vwxyz"), times=range(5), ids=[f"row {i}" for i in range(5)])
    part = data[rows]
    kept = np.arange(5)[rows]
    assert isinstance(part, Sequences) and len(part) == len(kept)
    for one, row in zip(part, kept, strict=True):
        np.testing.assert_array_equal(one, data[int(row)])
    assert part.targets.tolist() == data.targets[kept].tolist()
    assert part.groups.tolist() == [list("vwxyz")[row] for row in kept]
    assert part.times.tolist() == kept.tolist()
    assert part.ids.tolist() == [f"row {row}" for row in kept]


def test_padded_has_zeros_where_the_mask_is_false() -> None:
    data = some(4)
    values, mask = data.padded()
    assert values.shape == (4, 4, 2) and mask.sum(axis=1).tolist() == [1, 2, 3, 4]
    assert not values[~mask].any()
    np.testing.assert_array_equal(values[3][mask[3]], data[3])


def test_a_model_takes_sequences_as_it_takes_lists_and_their_targets() -> None:
    data = some(12)

    def trained(x, y, held_out) -> tuple[list, dict]:
        elman.set_random_seed(1)
        model = elman.Sequential([elman.Input((None, 2)), GRU(3), Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, epochs=2, verbose=0, validation_data=held_out).history
        scores = model.evaluate(x, y, verbose=0)
        return [*model.get_weights(), np.array(scores), model.predict(x, verbose=0)], history

    arrays, history = trained(list(data), data.targets, (list(data[:4]), data.targets[:4]))
    mine, own_history = trained(data, None, data[:4])
    for a, b in zip(arrays, mine, strict=True):
        np.testing.assert_array_equal(a, b)
    assert history == own_history


@pytest.mark.parametrize("equal", [True, False])
def test_targets_of_every_step_train_a_model(equal: bool) -> None:
    lengths = [3, 3, 3] if equal else [1, 4, 2]
    tokens = [RNG.integers(0, 5, n) for n in lengths]
    data = Sequences(tokens, [one % 2 for one in tokens], kind="text")
    assert data.by_step and data[1:].targets[0].tolist() == (tokens[1] % 2).tolist()
    model = elman.Sequential(
        [Embedding(5, 2), GRU(3, return_sequences=True), Dense(2, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(data, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert [len(one) for one in model.predict(data, verbose=0)] == lengths


def test_a_functional_model_takes_sequences() -> None:
    data = some(6)
    entry = elman.Input((None, 2))
    model = elman.Model(entry, Dense(3, activation="softmax")(GRU(3)(entry)))
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.evaluate(data, verbose=0)
    assert before == model.evaluate(list(data), data.targets, verbose=0)
    assert np.isfinite(model.fit(data, validation_data=data[:2], verbose=0).history["val_loss"])


def test_a_trace_takes_sequences() -> None:
    data = some(4)
    model = elman.Sequential([elman.Input((None, 2)), GRU(3)])
    padded, _ = data.padded()
    found = model.trace(data)["gru/update_gate"]
    np.testing.assert_allclose(found[3], model.trace(padded)["gru/update_gate"][3], atol=1e-6)


def test_a_gradient_flow_takes_sequences_and_their_targets() -> None:
    data = some(4)
    model = elman.Sequential([elman.Input((None, 2)), GRU(3), Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    flow = model.gradient_flow(data)
    assert flow.loss == model.gradient_flow(list(data), data.targets).loss
    assert len(flow["gru/state"].norms) == data.lengths.max()


def test_a_ledger_is_of_as_many_steps_and_sequences_as_there_are() -> None:
    data = some(4)
    model = elman.Sequential([elman.Input((None, 2)), GRU(3)])
    longest = int(data.lengths.max())
    assert str(model.ledger(data)) == str(model.ledger(steps=longest, sentences=4))
    assert str(model.ledger(data, steps=50)) == str(model.ledger(steps=50, sentences=4))


def rows_of(parts: tuple[Sequences, ...]) -> list[list[int]]:
    return [part.ids.tolist() for part in parts]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.2, (0.2, 0.3)])
def test_a_random_split_is_a_partition_with_every_class_in_proportion(seed, share) -> None:
    data = some(300, ids=np.arange(300))
    parts = data.split(share, seed=seed)
    assert sorted(np.concatenate(rows_of(parts))) == list(range(300))
    shares = [0.8, 0.2] if share == 0.2 else [0.5, 0.2, 0.3]
    for part, wanted in zip(parts, shares, strict=True):
        assert np.abs(np.bincount(part.targets) - wanted * 100).max() <= 1
    assert rows_of(data.split(share, seed=seed)) == rows_of(parts)
    assert rows_of(data.split(share, seed=seed + 1)) != rows_of(parts)


@pytest.mark.parametrize("seed", range(3))
def test_a_split_by_group_cuts_no_group_and_keeps_the_classes_in_proportion(seed: int) -> None:
    groups = RNG.integers(0, 40, 400)
    data = some(400, groups=groups, ids=np.arange(400))
    train, valid = data.split(0.25, seed=seed)  # "auto" finds the groups
    assert not set(train.groups) & set(valid.groups)
    assert len(train) + len(valid) == 400 and 80 <= len(valid) <= 120
    assert np.bincount(valid.targets, minlength=3).min() > 20


def test_a_split_in_time_holds_out_the_latest_and_cuts_no_moment() -> None:
    times = np.repeat(np.arange(10), 3)[RNG.permutation(30)]
    train, valid, test = some(30, times=times).split((0.25, 0.15))
    assert train.times.max() < valid.times.min() and valid.times.max() < test.times.min()
    assert len(train) + len(valid) + len(test) == 30


@pytest.mark.parametrize(
    ("share", "by", "error", "words"),
    [
        (0.0, "auto", OptionError, "shares above 0"),
        ((0.5, 0.5), "auto", OptionError, "shares above 0"),
        (0.2, "group", DataError, "expected groups, got none"),
        (0.2, "time", DataError, "expected times, got none"),
        (0.2, "hour", OptionError, "auto, group, time, random"),
        (0.001, "random", DataError, "enough sequences"),
    ],
)
def test_a_split_that_cannot_be_says_why(share, by, error, words) -> None:
    with pytest.raises(error, match=words):
        some().split(share, by)


def test_tokens_alone_are_split_as_they_are() -> None:
    tokens = [RNG.integers(0, 9, 4) for _ in range(10)]
    train, valid = Sequences(tokens, kind="text", ids=np.arange(10)).split()
    for part in (train, valid):
        for row, one in zip(part.ids, part, strict=True):
            assert one.tolist() == tokens[row].tolist()


def test_one_group_alone_cannot_be_split() -> None:
    with pytest.raises(DataError, match="enough groups"):
        some(groups=["same"] * 30).split()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(values=[np.ones((2, 2)), np.ones((3, 4))]), ShapeError, "at place 1"),
        (dict(targets=[0]), ShapeError, "one target for each of 2"),
        (dict(targets=[[0, 1], [0]]), ShapeError, "target for every step"),
        (dict(targets=["a", "d"], names=["a", "b"]), DataError, "among a, b, got 'd'"),
        (dict(targets=[0, 2], names=["a", "b"]), DataError, "from 0 to 1"),
        (dict(groups=[1]), ShapeError, "groups"),
        (dict(units=["mV"]), ShapeError, "units"),
    ],
)
def test_what_does_not_match_is_refused(arguments, error, words) -> None:
    given = dict(values=[np.ones((2, 2)), np.ones((3, 2))], kind="table")
    with pytest.raises(error, match=words):
        Sequences(**{**given, **arguments})


def test_a_description_counts_what_is_there_and_fits_80_columns() -> None:
    values = [np.array([[1.0, np.nan], [2.0, 3.0]]), np.ones((3, 2))]
    data = Sequences(
        values, ["no", "yes"], kind="ecg", feature_names=["lead I", "lead II"],
        units=["mV", "mV"], step=0.004, rate=250, groups=[1, 1], about="two of them " * 10,
    )  # fmt: skip
    found = dict(data.describe().lines)
    assert found["sequences"] == "2" and found["steps"].startswith("2 to 3")
    assert found["features"] == "2: lead I [mV], lead II [mV]"
    assert found["missing"] == "1 (10.0%)" and found["targets"] == "2 classes: no (1), yes (1)"
    assert found["one step"] == "0.004 s" and found["groups"] == "1"
    assert max(map(len, str(data.describe()).splitlines())) <= 80
    assert repr(data) == "<Sequences of ecg: 2 of 2 to 3 steps, 2 classes>"


def test_rich_prints_sequences_as_their_description() -> None:
    from rich.console import Console

    console = Console(width=80, file=io.StringIO())
    console.print(some(4))
    printed = console.file.getvalue()
    assert "sequences" in printed and "3 classes: a (2), b (1), c (1)" in printed


@pytest.mark.parametrize("kind", ["table", "ecg", "text", "none", "steps", "one"])
def test_a_picture_shows_lengths_targets_and_sequences(kind: str) -> None:
    pytest.importorskip("matplotlib")
    data = some(12)
    if kind == "ecg":
        data = some(12, kind="ecg", step=0.01, units=["mV", "mV"], feature_names=["I", "II"])
    elif kind == "text":
        data = elman.data.text(["a b", "b a a", "a"] * 4, ["x", "y", "z"] * 4)
    elif kind == "none":
        data = Sequences(list(data), kind="table")
    elif kind == "steps":
        data = Sequences(list(data), [np.arange(len(one)) / 2 for one in data], kind="table")
    elif kind == "one":
        data = data[:1]
    figure = data.plot()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == f"{len(data)} sequences"
    # one drawn for each class; texts are not drawn
    assert len(titles) == 2 + {"text": 0, "one": 1}.get(kind, 3)
    assert {"table": "3 classes", "steps": "targets of every step"}.get(kind, titles[1]) == titles[
        1
    ]
    figure.canvas.draw()


def test_no_sequences_have_no_picture() -> None:
    with pytest.raises(DataError, match="plot expected sequences"):
        some()[:0].plot()
