"""New data for a model in a file: how they are read, what it says of them, how that is told."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import pty
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman import (
    DataError,
    ElmanError,
    FileError,
    NotReadyError,
    OptionError,
    Sequential,
    ShapeError,
    cli,
)
from elman.data import Sequences
from elman.layers import GRU, Dense, Embedding
from elman.learning import answering, asking, bundled, evaluating, reading, writing
from test_data_ecg import write_edf

RNG = np.random.default_rng(5)
CLASSES = "sparse_categorical_crossentropy"
WAV = elman.datasets.path("wav/it/h-16.wav").parents[1]


def trained(
    data: Sequences, width: int, loss: Any = CLASSES, activation: str | None = "softmax"
) -> Sequential:
    """A model of some data, after one epoch."""
    elman.set_random_seed(2)
    first: list[Any] = [elman.Input((None, data.features))]
    if data.vocabulary:
        first = [elman.Input((None,)), Embedding(len(data.vocabulary), 4)]
    model = Sequential([*first, GRU(4, return_sequences=data.by_step), Dense(width, activation)])
    model.compile("adam", loss)
    model.fit(data, verbose=0)
    return model


def write(path: Path, header: str, *rows: object) -> Path:
    path.write_text("\n".join([header, *map(str, rows)]) + "\n", encoding="utf-8")
    return path


def moods(folder: Path) -> Path:
    """Texts, and what they are."""
    rows = [
        f"{'so good' if i % 2 else 'so bad'} {i // 2},{'yes' if i % 2 else 'no'}" for i in range(12)
    ]
    return write(folder / "moods.csv", "text,label", *rows)


def visits(folder: Path, name: str = "visits.csv", target: str = "ill") -> Path:
    """A row for each step: visits of two to five steps, a gap in one column."""
    rows = [
        f"v{visit},{step},{visit + step},{'' if step == 1 else step / 2},{(visit + step) % 3 == 0}"
        for visit in range(8)
        for step in range(2 + visit % 4)
    ]
    return write(folder / name, f"visit,when,pulse,pressure,{target}", *rows)


def widths(folder: Path) -> Path:
    """A row for each sequence, and a number."""
    rows = [f"{a:.4f},{b:.4f},{a - b:.4f}" for a, b in RNG.normal(size=(12, 2))]
    return write(folder / "widths.csv", "first,second,size", *rows)


def record(folder: Path, rows: int = 1200, header: str = "I,II") -> Path:
    """A row for each sample of two channels."""
    at = np.arange(rows) / 100
    return write(folder / "record.csv", header, *(f"{np.sin(t):.4f},{np.cos(t):.4f}" for t in at))


def of_moods(folder: Path, **options: Any) -> Sequential:
    data = elman.data.text(moods(folder), least=1, **options)
    return trained(data.split(0.25, by="random")[0], 2)


def of_visits(folder: Path) -> Sequential:
    data = elman.data.table(visits(folder), "ill", sequence="visit", time="when")
    return trained(data.split(0.25, by="random")[0], 2)


def of_widths(folder: Path) -> Sequential:
    return trained(elman.data.table(widths(folder), "size").split(0.25)[0], 1, "mse", None)


def of_sounds(folder: Path) -> Sequential:
    data = elman.data.audio(WAV, features="mfcc", trim=-50)
    return trained(data.split(0.25)[0], 1, "binary_crossentropy", "sigmoid")


def of_records(folder: Path) -> Sequential:
    data = elman.data.ecg(record(folder), np.array([0]), source_rate=100, length=2, rate=50)
    halves = np.arange(len(data)) % 2
    data = data.with_values(data.values, targets=halves, names=("even", "odd"))
    return trained(data.split(0.34, prepare=False)[0], 2)


# -- what it says is what predict says -------------------------------------------------------------


def test_the_answer_to_each_text_is_its_own(tmp_path):
    model = of_moods(tmp_path)
    data = reading.read(model, str(moods(tmp_path)), "predict")
    said = answering.answer(model, data)
    assert said.names == ("no", "yes") and said.steps is None and said.times is None
    assert said.where[:2] == ["moods.csv, line 2", "moods.csv, line 3"]
    own = elman.data.text(["so good 3"], prepared=model.prepared)
    np.testing.assert_allclose(said.values[7], model.predict(own, verbose=0)[0], atol=1e-6)
    assert said.said.tolist() == said.values.argmax(axis=1).tolist()


def test_an_answer_for_every_step_bears_its_sequence_and_step(tmp_path):
    model = of_visits(tmp_path)
    data = reading.read(model, str(visits(tmp_path)), "predict")
    said = answering.answer(model, data)
    lengths = [2 + visit % 4 for visit in range(8)]
    assert said.steps.tolist() == [step for length in lengths for step in range(length)]
    assert said.where == [f"v{v}" for v, length in enumerate(lengths) for _ in range(length)]
    outputs = np.concatenate(model.predict(data, verbose=0))
    np.testing.assert_allclose(said.values, outputs, atol=1e-6)
    assert said.names == ("False", "True")


def test_windows_bear_their_time_and_steps_theirs(tmp_path):
    model = of_records(tmp_path)
    said = answering.answer(model, reading.read(model, str(record(tmp_path)), "predict"))
    assert said.times.tolist() == [0, 2, 4, 6, 8, 10]
    assert said.where == [str(record(tmp_path))] * 6
    by_step = Sequential([elman.Input((None, 2)), GRU(2, return_sequences=True), Dense(2)])
    by_step.prepared = model.prepared
    said = answering.answer(by_step, reading.read(model, str(record(tmp_path)), "predict"))
    np.testing.assert_allclose(said.times, np.arange(600) / 50, atol=1e-9)


def test_a_sigmoid_is_the_share_of_the_second_class(tmp_path):
    model = of_sounds(tmp_path)
    said = answering.answer(model, reading.read(model, str(WAV), "predict"))
    data = elman.data.audio(WAV, prepared=model.prepared)
    np.testing.assert_allclose(said.values[:, 1:], model.predict(data, verbose=0), atol=1e-6)
    np.testing.assert_allclose(said.values.sum(axis=1), 1, atol=1e-6)
    assert said.names == ("it", "ru")


def test_numbers_stay_numbers(tmp_path):
    model = of_widths(tmp_path)
    data = reading.read(model, str(widths(tmp_path)), "predict")
    said = answering.answer(model, data)
    assert not said.names
    np.testing.assert_array_equal(said.values, model.predict(data, verbose=0))


@pytest.mark.parametrize("compiled", [True, False])
def test_logits_become_shares(compiled, tmp_path):
    data = elman.data.text(moods(tmp_path), least=1)
    loss = elman.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = trained(data, 2, loss, None)
    if not compiled:
        model.save(tmp_path / "m.keras")
        model = elman.load(tmp_path / "m.keras", compile=False)
    said = answering.answer(model, data)
    exponents = np.exp(model.predict(data, verbose=0))
    np.testing.assert_allclose(
        said.values, exponents / exponents.sum(axis=1, keepdims=True), atol=1e-5
    )


def test_arrays_of_a_model_without_a_preparation_are_taken_as_they_are(tmp_path):
    x, y = RNG.normal(size=(6, 4, 2)), np.arange(6) % 3
    model = Sequential([elman.Input((4, 2)), GRU(3), Dense(3, "softmax")])
    model.compile("adam", CLASSES)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    said = answering.answer(model, reading.read(model, str(tmp_path / "d.npz"), "predict"))
    np.testing.assert_allclose(said.values, model.predict(x, verbose=0), atol=1e-6)
    assert said.names == ("0", "1", "2") and said.where[5] == "d.npz, row 5"
    tokens = Sequential([elman.Input((None,)), Embedding(9, 2), GRU(3), Dense(1)])
    tokens.compile("adam", "mse")
    np.savez(tmp_path / "t.npz", x=np.arange(8).reshape(2, 4))
    said = answering.answer(tokens, reading.read(tokens, str(tmp_path / "t.npz"), "predict"))
    assert said.values.shape == (2, 1)


def hours(folder: Path) -> Path:
    """Two series by the hour, five days of each."""
    times = np.arange("2026-03-01T00", "2026-03-06T00", dtype="datetime64[h]")
    rows = [
        f"{plant},{time},{100 * (plant == 'a') + np.sin(hour / 24 * 2 * np.pi):.3f},{hour % 5}"
        for plant in "ab"
        for hour, time in enumerate(times)
    ]
    return write(folder / "hours.csv", "plant,when,load,wind", *rows)


def of_hours(folder: Path, *target: str) -> Sequential:
    data = elman.data.forecast(hours(folder), target, time="when", series="plant", horizon=3)
    return trained(data.split(0.25)[0], 3 * len(target), "mse", None)


def test_a_forecast_is_of_what_comes_after_the_end_in_its_own_unit(tmp_path):
    model = of_hours(tmp_path, "load")
    said = answering.answer(model, reading.read(model, str(hours(tmp_path)), "predict"))
    assert said.where == ["a"] * 3 + ["b"] * 3 and said.steps.tolist() == [1, 2, 3] * 2
    ahead = ["2026-03-06T00", "2026-03-06T01", "2026-03-06T02"]
    assert said.times.astype("datetime64[h]").astype(str).tolist() == ahead * 2
    expected = np.sin(np.arange(3) / 24 * 2 * np.pi)
    np.testing.assert_allclose(said.values[:3, 0], 100 + expected, atol=1.5)
    np.testing.assert_allclose(said.values[3:, 0], expected, atol=1.5)
    lines = rows_of("".join(writing.as_csv(said)))
    assert lines[0] == ["id", "time", "step", "predicted"]
    assert lines[1][:3] == ["a", "2026-03-06T00:00:00", "1"]


def test_forecasts_of_several_columns_bear_their_names(tmp_path):
    model = of_hours(tmp_path, "load", "wind")
    said = answering.answer(model, reading.read(model, str(hours(tmp_path)), "predict"))
    lines = rows_of("".join(writing.as_csv(said)))
    assert lines[0] == ["id", "time", "step", "predicted load", "predicted wind"]
    assert list(json.loads(next(writing.as_json_lines(said)))["predicted"]) == ["load", "wind"]


# -- data that lack what nobody needs --------------------------------------------------------------


def test_targets_may_be_missing_other_ones_or_empty(tmp_path):
    model = of_moods(tmp_path)
    wanted = answering.answer(model, reading.read(model, str(moods(tmp_path)), "predict")).values
    rows = moods(tmp_path).read_text().splitlines()[1:]
    for header, ending in (("text", None), ("text,label", "never seen"), ("text,label", "")):
        lines = [r.split(",")[0] + ("" if ending is None else f",{ending}") for r in rows]
        path = write(tmp_path / "new.csv", header, *lines)
        data = reading.read(model, str(path), "predict")
        assert data.targets is None and data.names == ("no", "yes")
        np.testing.assert_array_equal(answering.answer(model, data).values, wanted)


def test_a_folder_of_sounds_needs_no_folders_of_classes(tmp_path):
    model = of_sounds(tmp_path)
    for name in ("a.wav", "b.wav"):
        (tmp_path / "new" / "batch 7").mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / "batch 7" / name).write_bytes((WAV / "it/h-16.wav").read_bytes())
    said = answering.answer(model, reading.read(model, str(tmp_path / "new"), "predict"))
    np.testing.assert_array_equal(said.values[0], said.values[1])


def test_a_folder_of_texts_needs_no_folders_of_classes(tmp_path):
    model, new = of_moods(tmp_path), tmp_path / "new"
    new.mkdir()
    for name, one in (("b.txt", "so bad"), ("a.txt", "so good\n")):
        (new / name).write_text(one)
    data = reading.read(model, str(new), "predict")
    assert data.ids.tolist() == ["a.txt", "b.txt"] and data.lengths.tolist() == [2, 2]
    with pytest.raises(DataError, match="targets in"):
        reading.read(model, str(new), "evaluate", targets=True)
    (new / "c.txt").write_text(" ")
    with pytest.raises(DataError, match=r"the empty file c\.txt"):
        reading.read(model, str(new), "predict")


def test_a_table_needs_no_column_that_only_a_split_asks_for(tmp_path):
    rows = [
        f"{a:.3f},{b:.3f},p{i % 4},{a - b:.3f}" for i, (a, b) in enumerate(RNG.normal(size=(12, 2)))
    ]
    path = write(tmp_path / "own.csv", "first,second,patient,size", *rows)
    data = elman.data.table(path, "size", group="patient")
    model = trained(data.split(0.25)[0], 1, "mse", None)
    new = write(tmp_path / "new.csv", "first,second", "0.5,1", "1,2")
    assert len(reading.read(model, str(new), "predict")) == 2


def test_labels_beside_samples_are_no_channel_and_leave_no_window_out(tmp_path):
    at = np.arange(1200)
    rows = [f"{np.sin(t / 9):.3f},{'AB'[t // 200 % 2] if t < 1000 else ''}" for t in at]
    path = write(tmp_path / "r.csv", "I,mark", *rows)
    data = elman.data.ecg(path, target="mark", source_rate=100, length=2)
    model = trained(data, 2)
    assert len(data) == 5 and model.prepared.names == ("A", "B")
    assert len(reading.read(model, str(path), "predict")) == 6
    bare = write(tmp_path / "bare.csv", "I", *(row.split(",")[0] for row in rows))
    assert len(reading.read(model, str(bare), "predict")) == 6


# -- errors ----------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any], str]] = {
    "no such file": (of_moods, lambda f: f / "nope.csv", "got nothing at"),
    "an empty file": (
        of_moods, lambda f: write(f / "e.csv", "").write_text("") or f / "e.csv", "empty file"
    ),
    "a header without rows": (
        of_visits, lambda f: write(f / "h.csv", "visit,when,pulse,pressure"), "without rows"
    ),
    "other columns": (
        of_visits, lambda f: write(f / "o.csv", "visit,when,pulses,x", "a,1,2,3"),
        r"column 'pulse' in o.csv, got none. Did you mean 'pulses'",
    ),
    "a column of sequences is missing": (
        of_visits, lambda f: write(f / "o.csv", "when,pulse,pressure", "1,2,3"),
        "column 'visit' in o.csv",
    ),
    "text where numbers should be": (
        of_visits, lambda f: write(f / "t.csv", "visit,when,pulse,pressure", "a,1,2,3", "a,2,o,3"),
        r"numbers in column 'pulse', got 'o' in t.csv, line 3",
    ),
    "numbers in place of texts": (
        of_moods, lambda f: write(f / "n.csv", "x,y", "1,2"), "a column 'text' in n.csv"
    ),
    "a lower sampling rate": (of_sounds, lambda f: slow(f), "nothing above 2000 Hz is in it"),
    "another sampling rate": (
        of_records, lambda f: write(f / "s.csv", "time,I,II", *(f"{t},1,2" for t in range(9))),
        "expected at least 50 samples per second, as the model was trained on, got 1 in s",
    ),
    "other channels": (of_records, lambda f: record(f, header="I,III"), "'II'"),
    "another kind of file": (of_sounds, lambda f: moods(f), "column of paths to sounds"),
    "a file with an unknown ending": (
        of_widths, lambda f: write(f / "w.xlsx", "x"), "ends in .csv, .tsv, .jsonl, .parquet"
    ),
}  # fmt: skip


def slow(folder: Path) -> Path:
    """A sound of 4000 samples per second."""
    import wave

    with wave.open(str(folder / "slow.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(4000)
        file.writeframes(b"\1\2" * 4000)
    return folder / "slow.wav"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_data_that_do_not_fit_the_model_are_refused_by_what_is_wrong(mistake, tmp_path):
    make, source, words = MISTAKES[mistake]
    model = make(tmp_path)
    with pytest.raises((DataError, FileError), match=words):
        answering.answer(model, reading.read(model, str(source(tmp_path)), "predict"))


def test_another_unit_is_refused(tmp_path):
    pytest.importorskip("pyedflib")
    path = write_edf(tmp_path / "r.edf")
    data = elman.data.ecg(path, length=1, channels=["ECG"])
    model = trained(data.with_values(data.values, targets=np.arange(len(data)) % 2), 2)
    model.prepared = replace(model.prepared, units=tuple("furlong" for _ in data.units))
    with pytest.raises(DataError, match="in furlong, as the model was trained on"):
        reading.read(model, str(path), "predict")


def test_a_model_without_a_preparation_says_what_to_do(tmp_path):
    model = Sequential([elman.Input((4, 2)), GRU(3), Dense(3)])
    with pytest.raises(NotReadyError, match=r"numpy.savez\('data.npz', x=x\); or train with elman"):
        reading.read(model, str(moods(tmp_path)), "predict")
    with pytest.raises(DataError, match="no file"):
        reading.read(model, str(tmp_path / "nope.npz"), "predict")


def test_classes_that_are_not_the_models_are_refused(tmp_path):
    model = of_moods(tmp_path)
    model.prepared = replace(model.prepared, names=("no", "yes", "perhaps"))
    data = reading.read(model, str(moods(tmp_path)), "predict")
    with pytest.raises(ShapeError, match="as many outputs as there are classes, got 2 for 3"):
        answering.answer(model, data)


def test_several_outputs_are_refused(tmp_path):
    model = of_widths(tmp_path)
    x = elman.Input((None, 1))
    last = GRU(2)(x)
    two = elman.Model(x, [Dense(1)(last), Dense(1)(last)])
    with pytest.raises(OptionError, match="Make a Model of one of its paths"):
        answering.answer(two, reading.read(model, str(widths(tmp_path)), "predict"))


@pytest.mark.parametrize(
    ("make", "source", "option", "value"),
    [
        (of_visits, visits, "features", 7.0),
        (of_visits, visits, "features", ()),
        (of_widths, widths, "task", ("classify",)),
        (of_sounds, lambda _: WAV, "longest", "long"),
        (of_sounds, lambda _: WAV, "coefficients", 3.7),
        (of_sounds, lambda _: WAV, "channel", ()),
        (of_records, record, "length", None),
        (of_records, record, "channels", True),
    ],
)
def test_a_recipe_of_other_types_is_refused(make, source, option, value, tmp_path):
    model = make(tmp_path)
    told = {**dict(model.prepared.columns), option: value}
    model.prepared = replace(model.prepared, columns=tuple(told.items()))
    with pytest.raises(DataError):
        reading.read(model, str(source(tmp_path)), "predict")


STRANGE: list[Any] = [
    None, -1, 0, 2**31, 1e-7, 3.7, "", "x" * 50, "windows", "beats", "step", "long", "wide", [],
    ["pulse"], ["a", "a"], True,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "source"),
    [(of_moods, moods), (of_visits, visits), (of_sounds, lambda _: WAV), (of_records, record),
     (lambda folder: of_hours(folder, "load"), hours)],
    ids=["text", "table", "sound", "ecg", "forecast"],
)  # fmt: skip
def test_mutants_of_a_recipe_raise_nothing_but_errors_of_elman(make, source, tmp_path):
    model, path, rng = make(tmp_path), str(source(tmp_path)), random.Random(1990)
    good, found = model.prepared.to_dict(), {"read": 0, "refused": 0}
    for _ in range(60):
        told = copy.deepcopy(good)
        for name in rng.sample(list(told["columns"]), rng.choice([1, 1, 2])):
            told["columns"][name] = rng.choice(STRANGE)
        told["kind"] = rng.choice([*[told["kind"]] * 9, *reading.LOADERS])
        try:
            model.prepared = elman.data.Preparation.from_dict(told)
            answering.answer(model, reading.read(model, path, "predict"))
            found["read"] += 1
        except ElmanError as error:
            found["refused"] += 1
            assert len(str(error)) < 2000
    assert found["refused"]


def test_a_kind_that_is_not_known_is_named(tmp_path):
    model = of_moods(tmp_path)
    model.prepared = replace(model.prepared, kind="smell" * 100)
    with pytest.raises(DataError, match="got one of 'smellsmell") as raised:
        reading.read(model, str(moods(tmp_path)), "predict")
    assert len(str(raised.value)) < 400


# -- how it is told --------------------------------------------------------------------------------


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_and_json_lines_say_the_same(tmp_path):
    model = of_visits(tmp_path)
    said = answering.answer(model, reading.read(model, str(visits(tmp_path)), "predict"))
    header, *rows = rows_of("".join(writing.as_csv(said)))
    assert header == ["id", "step", "predicted", "p(False)", "p(True)"]
    objects = [json.loads(line) for line in writing.as_json_lines(said)]
    assert len(rows) == len(objects) == len(said)
    for cells, found, shares in zip(rows, objects, said.values, strict=True):
        assert cells[:3] == [found["id"], str(found["step"]), found["predicted"]]
        assert [float(p) for p in cells[3:]] == list(found["probabilities"].values())
        np.testing.assert_allclose(list(found["probabilities"].values()), shares, atol=1e-6)


def test_the_likeliest_classes_come_first(tmp_path):
    values = np.array([[0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
    said = answering.Answers(["a", "b, c"], None, np.array([0.0, 2.5]), ("x", 'y"', "z"), values)
    text = "".join(writing.as_csv(said, 2))
    assert rows_of(text) == [
        ["id", "time", "predicted", "p", "predicted 2", "p 2"],
        ["a", "0", 'y"', "0.6", "z", "0.3"],
        ["b, c", "2.5", "z", "0.6", "x", "0.2"],
    ]
    assert [json.loads(line) for line in writing.as_json_lines(said, 1)] == [
        {"id": "a", "time": 0.0, "predicted": 'y"', "probabilities": {'y"': 0.6}},
        {"id": "b, c", "time": 2.5, "predicted": "z", "probabilities": {"z": 0.6}},
    ]
    assert rows_of("".join(writing.as_csv(said, 9)))[0][-1] == "p 3"


def test_several_numbers_have_columns_of_their_own_and_all_their_digits():
    values = np.array([[1.1, -2.0]], np.float32)
    said = answering.Answers(["a"], None, None, (), values)
    header, row = rows_of("".join(writing.as_csv(said)))
    assert header == ["id", "predicted 0", "predicted 1"]
    assert np.float32(row[1]) == values[0, 0]
    assert json.loads(next(writing.as_json_lines(said)))["predicted"] == [1.10000002, -2.0]


def test_what_is_no_number_is_null_in_json():
    said = answering.Answers(["a"], None, None, (), np.array([[np.nan, np.inf, 1]], np.float32))
    assert json.loads(next(writing.as_json_lines(said)))["predicted"] == [None, None, 1.0]
    assert rows_of("".join(writing.as_csv(said)))[1] == ["a", "nan", "inf", "1"]


def test_a_table_for_a_terminal_shows_the_first_and_says_how_many_there_are():
    from rich.console import Console

    names = tuple(f"class [{n}]" for n in range(6))
    values = np.full((100, 6), 1 / 6)
    said = answering.Answers([f"row {n}" for n in range(100)], None, None, names, values)
    out = io.StringIO()
    Console(file=out, width=80).print(writing.shown(said))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and "class [0]" in out.getvalue()
    assert "row 39" in out.getvalue() and "row 40" not in out.getvalue()
    assert "and 60 more" in lines[-1]


def test_names_and_places_move_no_cursor():
    from elman.explain.as_text import as_text

    names = ("\x1b[31mred", "plain")
    said = answering.Answers(["line\x1b[2J 1"], None, None, names, np.array([[0.75, 0.25]]))
    table = as_text(writing.shown(said))
    assert "line?[2J 1" in table and table.count("?[31mred") == 2 and "\x1b" not in table


# -- how good it is --------------------------------------------------------------------------------


def evaluated(model: Sequential, source: Path) -> evaluating.Evaluation:
    data = reading.read(model, str(source), "evaluate", targets=True)
    return evaluating.compare(answering.answer(model, data), data)


def test_accuracy_is_what_evaluate_says_and_the_matrix_counts_it(tmp_path):
    model = of_moods(tmp_path)
    model.compile("adam", CLASSES, metrics=["accuracy"])
    found = evaluated(model, moods(tmp_path))
    data = elman.data.text(moods(tmp_path), prepared=model.prepared)
    assert found.network.values["accuracy"] == pytest.approx(model.evaluate(data, verbose=0)[1])
    assert found.network.confusion.sum() == 12 and found.steps is None
    assert found.constant.values["accuracy"] == 0.5 and found.names == ("no", "yes")


def test_every_step_is_judged(tmp_path):
    model = of_visits(tmp_path)
    found = evaluated(model, visits(tmp_path))
    assert found.steps == found.network.confusion.sum() == sum(2 + v % 4 for v in range(8))


def test_a_sigmoid_is_judged_by_its_two_classes(tmp_path):
    model = of_sounds(tmp_path)
    said = model.predict(elman.data.audio(WAV, prepared=model.prepared), verbose=0)[:, 0] > 0.5
    truth = np.arange(10) >= 5  # it, then ru
    assert evaluated(model, WAV).network.values["accuracy"] == pytest.approx((said == truth).mean())


def test_numbers_are_judged_by_their_errors(tmp_path):
    model = of_widths(tmp_path)
    data = elman.data.table(widths(tmp_path), prepared=model.prepared)
    write(tmp_path / "widths2.csv", *(tmp_path / "widths.csv").read_text().splitlines())
    found = evaluated(model, tmp_path / "widths2.csv")
    off = model.predict(data, verbose=0)[:, 0] - data.targets
    assert found.network.values["mae"] == pytest.approx(np.abs(off).mean(), rel=1e-5)
    assert found.constant.values["r2"] == pytest.approx(0, abs=1e-6)
    assert found.network.confusion is None


@pytest.mark.parametrize("one_hot", [False, True])
def test_targets_may_have_any_form_that_fit_takes(one_hot):
    shares = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
    said = answering.Answers(["a", "b", "c"], None, None, ("0", "1", "2"), shares)
    truth = np.eye(3, dtype=np.float32)[[0, 1, 2]] if one_hot else np.array([0.0, 1.0, 2.0])
    data = Sequences([np.zeros((2, 1))] * 3, truth, kind="table")
    assert evaluating.compare(said, data).network.values["accuracy"] == pytest.approx(2 / 3)
    wrong = Sequences([np.zeros((2, 1))] * 3, np.array([0.0, 1.5, 7.0]), kind="table")
    with pytest.raises(DataError, match="class numbers from 0 to 2"):
        evaluating.compare(said, wrong)


def test_answers_for_sequences_are_not_compared_with_targets_of_steps(tmp_path):
    data = elman.data.table(visits(tmp_path), "ill", sequence="visit", time="when")
    said = answering.Answers(["a"] * 8, None, None, ("False", "True"), np.full((8, 2), 0.5))
    with pytest.raises(ShapeError, match="a target for each answer"):
        evaluating.compare(said, data)


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        ("text", ["so good"], "Add a column 'label', or use elman predict"),
        ("text,label", ["so good,perhaps", "so bad,no"], "expected the classes no, yes, got 'perh"),
        ("text,label", ["so good,yes", "so bad,"], "column 'label', got none in t.csv, line 3"),
    ],
)
def test_targets_that_are_missing_or_unknown_are_named(header, rows, words, tmp_path):
    model = of_moods(tmp_path)
    with pytest.raises(DataError, match=words):
        evaluated(model, write(tmp_path / "t.csv", header, *rows))


def test_a_bundled_dataset_is_judged_on_what_it_holds_out(tmp_path):
    data = elman.datasets.ecg_beats()
    with pytest.raises(DataError, match="elman train voices"):
        reading.read(of_moods(tmp_path), "voices", "evaluate", targets=True)
    model = Sequential([elman.Input((84, 1)), GRU(2), Dense(2, "softmax")])
    model.compile("adam", CLASSES)
    found = reading.read(model, "ecg-beats", "evaluate", targets=True)
    assert len(found) == len(data.y_test) and found.ids[3] == "ecg-beats, row 3"
    np.testing.assert_array_equal(found.targets, data.y_test)


def test_a_model_of_the_bundled_voices_hears_recordings_and_one_of_digits_says_that_it_cannot():
    train, held_out = bundled.load("voices")
    assert reading.read(trained(train[:40], 5), "voices", "predict").features == 3
    heard = reading.read(trained(train[:40], 5), str(WAV), "predict")
    assert heard.names == train.names and heard.lengths.max() <= held_out.lengths.max() == 60
    # Both are on the scale of the training part.
    assert np.abs(np.nanmean(heard.values.values, axis=0)).max() < 1
    digits, _ = bundled.load("digits")
    with pytest.raises(DataError, match="Name that dataset in place of recordings"):
        reading.read(trained(digits[:40], 10), str(WAV), "predict")


# -- elman predict ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with moods.csv and mood.keras, where commands run."""
    monkeypatch.chdir(tmp_path)
    of_moods(tmp_path).save("mood.keras")
    return tmp_path


def test_a_pipe_gets_csv_and_a_file_what_its_name_says(folder, capsys):
    assert cli.main(["predict", "mood.keras", "moods.csv"]) == 0
    printed = capsys.readouterr().out
    assert rows_of(printed)[0] == ["id", "predicted", "p(no)", "p(yes)"]
    assert len(rows_of(printed)) == 13
    assert cli.main(["predict", "mood.keras", "moods.csv", "--out", "a.csv"]) == 0
    assert (folder / "a.csv").read_text() == printed
    said = capsys.readouterr()
    assert said.out == "" and "12 answers written to a.csv" in said.err
    assert cli.main(["predict", "mood.keras", "moods.csv", "--out", "a.jsonl", "--json"]) == 0
    assert (folder / "a.jsonl").read_text() == capsys.readouterr().out
    assert cli.main(["predict", "mood.keras", "moods.csv", "--top", "1"]) == 0
    assert rows_of(capsys.readouterr().out)[0] == ["id", "predicted", "p"]


def test_texts_come_from_standard_input(folder):
    command = [sys.executable, "-m", "elman", "predict", "mood.keras", "-"]
    done = subprocess.run(command, input="so good\n\nso bad é\n".encode(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert [row[0] for row in rows_of(done.stdout.decode())] == ["id", "line 1", "line 3"]


def test_a_terminal_gets_a_table(folder):
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "elman", "predict", "mood.keras", "moods.csv"]
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "80"}
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, env=environment)
    os.close(theirs)
    printed = os.read(mine, 100_000).decode()
    os.close(mine)
    assert done.returncode == 0 and done.stderr == b""
    assert "moods.csv, line 13" in printed and "p(yes)" in printed and "," not in printed.split()[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mood.keras", "moods.csv", "--out", "moods.csv"], "replace it with --overwrite"),
        (["mood.keras", "moods.csv", "--out", "a.txt"], "--out to end in .csv or .jsonl"),
        (["mood.keras", "moods.csv", "--out", "no/a.csv"], "a folder that exists"),
        (["mood.keras", "moods.csv", "--top", "0"], "--top to be 1 or more"),
        (["mood.keras", "nope.csv"], "nope.csv"),
        (["nope.keras", "moods.csv"], "nope.keras"),
        (["moods.csv", "moods.csv"], "expected a .keras file"),
        (["cut.keras", "moods.csv"], "damaged or cut"),
        (["other.keras", "-"], "from which only texts are read"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_everything_as_it_was(arguments, message, folder, capsys):
    (folder / "cut.keras").write_bytes((folder / "mood.keras").read_bytes()[:-200])
    of_widths(folder).save("other.keras")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert cli.main(["predict", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and message in said.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_is_replaced_where_that_is_asked_for(folder):
    (folder / "a.csv").write_text("old")
    assert cli.main(["predict", "mood.keras", "moods.csv", "--out", "a.csv", "--overwrite"]) == 0
    assert (folder / "a.csv").read_text().startswith("id,")


def test_a_full_disk_leaves_the_old_file_and_no_other(folder, monkeypatch, capsys):
    (folder / "a.csv").write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    before = sorted(path.name for path in folder.iterdir())
    assert cli.main(["predict", "mood.keras", "moods.csv", "--out", "a.csv", "--overwrite"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert (folder / "a.csv").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_folder_without_permission_is_asked_before_the_work(folder, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs this may be root
    monkeypatch.setattr(asking, "answer", pytest.fail)
    assert cli.main(["predict", "mood.keras", "moods.csv", "--out", "a.csv"]) == 2
    assert "no permission to write in" in capsys.readouterr().err


# -- elman evaluate, and all of them in turn -------------------------------------------------------


def test_evaluate_prints_a_table_or_one_json_document(folder, capsys):
    assert cli.main(["evaluate", "mood.keras", "moods.csv"]) == 0
    printed = capsys.readouterr().out
    assert "always the most frequent class of these" in printed and "this network" in printed
    assert max(map(len, printed.splitlines())) <= 80 and "12 sequences" in printed
    assert cli.main(["evaluate", "mood.keras", "moods.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sequences"] == 12 and found["classes"] == ["no", "yes"]
    assert np.sum(found["confusion"]) == 12
    assert f"{100 * found['network']['accuracy']:.1f} %" in printed
    assert cli.main(["evaluate", "mood.keras", "nope.csv"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "nope.csv" in said.err


def test_forecasts_are_judged_beside_the_naive_ones(folder, capsys):
    of_hours(folder, "load").save("load.keras")
    assert cli.main(["evaluate", "load.keras", "hours.csv"]) == 0
    printed = capsys.readouterr().out
    assert "last value" in printed and "seasonal naive" in printed and "this network" in printed
    assert cli.main(["evaluate", "load.keras", "hours.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["mae"]["this network"]["load"]) == 3 and found["sequences"] > 50


def test_a_model_that_was_trained_by_the_command_needs_nothing_but_its_file(folder, capsys):
    visits(folder)
    command = ["train", "visits.csv", "--target", "ill", "--sequence", "visit", "--time", "when"]
    sizes = ["--epochs", "1", "--by", "random", "--test", "0.25", "--valid", "0.25", "--quiet"]
    assert cli.main([*command, *sizes, "--arch", "gru(2,seq)"]) == 0
    capsys.readouterr()
    for name, target in (("new.csv", "ill"), ("bare.csv", "something")):
        visits(folder, name, target)
        assert cli.main(["predict", "visits.keras", name]) == 0
        rows = rows_of(capsys.readouterr().out)
        assert rows[0] == ["id", "step", "predicted", "p(False)", "p(True)"]
        assert len(rows) == 1 + sum(2 + v % 4 for v in range(8))
    assert cli.main(["evaluate", "visits.keras", "new.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == len(rows) - 1
    assert cli.main(["inspect", "visits.keras", "new.csv"]) == 0
    assert "new.csv: 8 rows of 5 steps" in " ".join((folder / "report.html").read_text().split())
