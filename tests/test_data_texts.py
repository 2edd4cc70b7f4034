"""Texts: from lists, tables and folders to tokens."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import elman
from elman.data import Preparation
from elman.data.tokens import clean
from elman.errors import DataError, ElmanWarning, OptionError
from elman.layers import GRU, Dense, Embedding

TEXTS = ["so good", "so bad", "very good :)", "very bad"] * 3
LABELS = ["yes", "no", "yes", "no"] * 3


def words_of(data, row: int) -> list[str]:
    return [data.vocabulary[token] for token in data[row]]


def test_a_list_of_texts_becomes_tokens_by_frequency() -> None:
    data = elman.data.text(TEXTS, LABELS)
    assert data.kind == "text" and data.names == ("no", "yes")
    assert data.vocabulary == ["", "[UNK]", "bad", "good", "so", "very", ":)"]
    assert [words_of(data, row) for row in (0, 2)] == [["so", "good"], ["very", "good", ":)"]]


@pytest.mark.parametrize("unit", ["words", "chars", "bytes"])
def test_every_unit_covers_the_texts(unit: str) -> None:
    data = elman.data.text(["né", "né"], tokens=unit)
    assert data[0].min() >= 2 and data.lengths[0] == {"words": 1, "chars": 2, "bytes": 3}[unit]


def test_the_vocabulary_after_a_split_is_that_of_the_training_part() -> None:
    texts = [f"word{i} word{i} common common" for i in range(40)]
    train, valid = elman.data.text(texts, [i % 2 for i in range(40)]).split(0.25)
    known = {word for one in train.raw for word in one.split()}
    assert set(train.vocabulary[2:]) == known
    assert valid.vocabulary == train.vocabulary
    for row in range(len(valid)):
        assert words_of(valid, row) == ["[UNK]", "[UNK]", "common", "common"]


def test_the_same_text_is_never_in_both_parts() -> None:
    data = elman.data.text(["Hi &amp; bye", "hi & bye", *TEXTS], [0, 0, *[1, 2] * 6])
    for seed in range(5):
        train, valid = data.split(0.4, seed=seed)
        assert not {t.lower() for t in train.raw} & {t.lower() for t in valid.raw}


def test_a_rare_word_is_unknown_and_a_size_is_kept() -> None:
    data = elman.data.text(["a b", "a c", "a b"], size=3)
    assert data.vocabulary == ["", "[UNK]", "a"] and data[1].tolist() == [2, 1]
    assert elman.data.text(["a b", "a c", "a b"]).vocabulary == ["", "[UNK]", "a", "b"]


@pytest.mark.parametrize(("ending", "between"), [("csv", ","), ("csv", ";"), ("tsv", "\t")])
def test_a_table_with_a_column_of_texts(tmp_path: Path, ending: str, between: str) -> None:
    path = tmp_path / f"notes.{ending}"
    rows = [f'"{text}, say"{between}{label}' for text, label in zip(TEXTS, LABELS, strict=True)]
    path.write_text("\n".join([f"note{between}label", *rows]))
    data = elman.data.text(path)
    assert words_of(data, 0) == ["so", "good", ",", "say"] and data.names == ("no", "yes")
    assert data.ids[0] == f"notes.{ending}, line 2"
    assert dict(data.prepared.columns)["text"] == "note"


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    lines = [json.dumps({"text": t, "label": y}) for t, y in zip(TEXTS, LABELS, strict=True)]
    path.write_text("\n".join(lines) + "\n\n")
    data = elman.data.text(path)
    assert len(data) == 12 and words_of(data, 2) == ["very", "good", ":)"]


def test_a_line_break_within_quotes_is_part_of_the_text_and_lines_are_still_right(tmp_path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text('text,label\n"one\ntwo one two",a\n\nthree three,b\n')
    data = elman.data.text(path)
    assert words_of(data, 0) == ["one", "two", "one", "two"]
    assert data.ids.tolist() == ["notes.csv, line 2", "notes.csv, line 5"]


def test_folders_of_texts(tmp_path: Path) -> None:
    for number, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / f"{number}.txt").write_text(text)
    data = elman.data.text(tmp_path)
    assert data.names == ("no", "yes") and np.bincount(data.targets).tolist() == [6, 6]
    assert data.ids[0] == "no/1.txt" and words_of(data, 0) == ["so", "bad"]


def test_lines_of_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("a b\n\nb a\n")
    data = elman.data.text(tmp_path / "poem.txt")
    assert data.lengths.tolist() == [2, 2] and data.targets is None
    assert data.ids.tolist() == ["poem.txt, line 1", "poem.txt, line 3"]


def test_lines_that_are_no_utf8_are_read_as_latin_1_and_told(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_bytes(b"text,label\n" + "né né,a\n".encode() + "né né,b\n".encode("latin-1"))
    with pytest.warns(ElmanWarning, match=r"notes.csv: line 3 is not UTF-8, read as Latin-1"):
        data = elman.data.text(path)
    assert words_of(data, 0) == words_of(data, 1) == ["né", "né"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are_need_no_word(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_bytes("text,label\nné né,a\n見 見,b\n".encode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = elman.data.text(path)
    assert words_of(data, 0) == ["né", "né"] and dict(data.prepared.columns)["text"] == "text"


def test_new_texts_are_read_as_the_training_texts_were(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    rows = [
        f"{i},{text},{label}" for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
    ]
    path.write_text("\n".join(["id,note,label", *rows]))
    train, _ = elman.data.text(path, target="label").split(0.3)
    kept = Preparation.from_dict(json.loads(json.dumps(train.prepared.to_dict())))
    (tmp_path / "new.csv").write_text("note,other\nvery good,1\nunheard of,2\n")
    new = elman.data.text(tmp_path / "new.csv", prepared=kept)
    assert new.targets is None and new.vocabulary == train.vocabulary
    assert words_of(new, 0) == ["very", "good"] and new[1].tolist() == [1, 1]
    (tmp_path / "one.csv").write_text("note,label\nvery good,yes\n")
    assert elman.data.text(tmp_path / "one.csv", prepared=kept).targets.tolist() == [1]


def test_a_model_learns_from_texts() -> None:
    train, valid = elman.data.text(
        [f"{t} {i}" for i, t in enumerate(TEXTS * 4)], LABELS * 4
    ).split()
    elman.set_random_seed(3)
    model = elman.Sequential(
        [Embedding(len(train.vocabulary), 4), GRU(8), Dense(2, activation="softmax")]
    )
    model.compile(elman.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    model.fit(train, epochs=20, verbose=0)
    assert model.predict(valid, verbose=0).argmax(axis=1).tolist() == valid.targets.tolist()


def bad_tables() -> dict[str, tuple[bytes, str]]:
    """What a file holds, and what its error says."""
    return {
        "empty": (b"", r"empty file 'bad.csv'.*Write it again"),
        "header alone": (b"text,label\n", r"header without rows in bad.csv"),
        "blank lines": (b"\n\n\n", r"got nothing in bad.csv"),
        "ragged row": (
            b"text,label\na b,x\na,b,c\n",
            r"2 cells .* got 3 in bad.csv, line 3.*quotes",
        ),
        "no target": (b"text,label\na b,x\nb c,\nc d,y\n", r"'label', got none in bad.csv, line 3"),
        "no text": (b"text,label\na b,x\n,y\n", r"'text', got none in bad.csv, line 3"),
        "one class": (b"text,label\na b,x\nb c,x\n", r"two classes .* 'x' in all 2 rows"),
        "open quote": (
            b'text,label\na b,x\n"b c,y\n',
            r"quotes that close, got none in bad.csv, line 3",
        ),
        "numbers alone": (b"a,b\n1,2\n2,3\n", r"column of texts in bad.csv.*elman.data.table"),
        "twice": (b"text,text\na,b\n", r"'text' twice in bad.csv, line 1"),
        "no header": (b"1.5,2\n2,3\n", r"names of the columns, got numbers in bad.csv, line 1"),
        "bytes": (b"\x00\x01PAR1", r"got other bytes in 'bad.csv'"),
        "classes like ids": (
            b"text,label\n" + b"".join(b"a b,%d id\n" % i for i in range(200)),
            r"200 different ones in 200 rows",
        ),
    }


@pytest.mark.parametrize("name", bad_tables())
def test_a_bad_file_says_where_and_what_to_do(tmp_path: Path, name: str) -> None:
    content, words = bad_tables()[name]
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        elman.data.text(tmp_path / "bad.csv")


@pytest.mark.parametrize(
    ("line", "words"),
    [("{", "got none in bad.jsonl, line 2"), ("[1]", "got list in bad.jsonl, line 2")],
)
def test_a_line_that_is_no_json_object_is_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "bad.jsonl").write_text(json.dumps({"text": "a b"}) + f"\n{line}\n")
    with pytest.raises(DataError, match=words):
        elman.data.text(tmp_path / "bad.jsonl")


def test_folders_without_texts_and_empty_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CLASS/NAME.txt, got none"):
        elman.data.text(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_text(" \n")
    with pytest.raises(DataError, match=r"empty file a/1.txt"):
        elman.data.text(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(source=[]), DataError, "empty list"),
        (dict(source=["a", 1]), DataError, "int at place 1"),
        (dict(source=["a", "b"], labels=["x"]), DataError, "2 texts, got 1"),
        (dict(source=["a"], tokens="letters"), OptionError, "words, chars, bytes"),
        (dict(source=["a"], size=2), OptionError, "at least 3"),
        (dict(source=["a"], least=0), OptionError, "at least 1"),
        (dict(source="missing.csv"), DataError, "no file 'missing.csv'"),
        (dict(source={"text": ["a b"]}, column="txt"), DataError, "Did you mean 'text'"),
    ],
)
def test_arguments_that_cannot_be_say_why(arguments, error, words) -> None:
    with pytest.raises(error, match=words):
        elman.data.text(**arguments)


def test_the_bundled_tweets_have_the_vocabulary_that_the_loader_finds() -> None:
    known = elman.datasets.tweets()
    data = elman.data.text(known.texts_train, known.y_train)
    assert set(data.vocabulary) == set(known.vocabulary)
    place = {word: number for number, word in enumerate(data.vocabulary)}
    moved = np.array([place[word] for word in known.vocabulary])  # ties have another order
    compared = 0
    for row, mine, text in zip(known.x_train, data, known.texts_train, strict=True):
        if clean(text) == text:  # else an entity within an entity, which is now another text
            compared += 1
            assert moved[row[: len(mine)]].tolist() == mine.tolist() and not row[len(mine) :].any()
    assert compared > 2600
