"""Texts as sequences of tokens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.delimited import decoded
from elman.data.frames import Columns, columns
from elman.data.labelling import numbered, targets
from elman.data.preparing import Preparation
from elman.data.sequences import Sequences
from elman.data.steps import Tokens
from elman.data.tokens import UNITS, clean
from elman.errors import DataError, OptionError

#: What people call a column of classes, in lower case.
TARGETS = ("label", "target", "class", "category", "sentiment", "y")


def text(
    source: Any,
    labels: Any = None,
    *,
    column: str | None = None,
    target: str | None = None,
    group: str | None = None,
    time: str | None = None,
    task: str = "auto",
    tokens: str = "words",
    size: int | None = None,
    least: int | None = None,
    prepared: Preparation | None = None,
) -> Sequences:
    """Texts and their targets.

    HTML entities become the characters they mean, and each character has one form (NFC). Token 0
    is padding and 1 is whatever the vocabulary lacks. The vocabulary is that of all texts until
    `split` makes one of its training part. Texts that are there twice are one group: a split does
    not put the one into training and the other into the test (unless `group` says otherwise).

    Args:
        source: a list of texts; a folder that has a folder of .txt files for each class; a .txt
            file with a text in each line; or a table with a column of texts, as
            `elman.data.table` takes it.
        labels: with a list of texts, the class or number of each.
        column: with a table, the column of texts; the one with the longest texts where None.
        target: the column of targets. None: one called label, target, class or so, or the only
            other column.
        group: the column of what a split must keep together: who wrote it, the thread.
        time: the column of when it was written, for a split in time.
        task: "classify", "regress", or "auto": text and few whole numbers are classes.
        tokens: "words" in lower case with runs of punctuation between them, "chars" or "bytes".
        size: how many tokens the vocabulary has at most, the most frequent.
        least: how often a token must be in the training part; 2 for words and 1 for others.
        prepared: of a model that exists: its vocabulary, columns and classes, and targets only
            where there are some.

    Raises:
        DataError: an empty file, a row without text or target, one class alone.

    Example:
        >>> data = text(["so good", "so bad"], ["yes", "no"], least=1)
        >>> data.vocabulary, [one.tolist() for one in data]
        (['', '[UNK]', 'so', 'bad', 'good'], [[2, 4], [2, 3]])
    """
    _check_options(tokens, size, least)
    told: dict[str, Any] = {"tokens": tokens, "size": size, "least": least}
    if least is None:
        told["least"] = 2 if tokens == "words" else 1
    if prepared is not None:
        told = dict(prepared.columns)
        column, target = column or told.get("text"), target or told.get("target")
        task = told.get("task", task)
    beside: dict[str, Any] = {}
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    if path is not None and path.is_dir():
        texts, names, beside["ids"] = _folders(path)
        y, classes = numbered(names, f"the folders of {path.name!r}", new=prepared is not None)
    elif path is not None and path.suffix.lower() == ".txt":
        texts, beside["ids"] = _lines(path)
        y, classes = _given(labels, texts)
    elif isinstance(source, list | tuple | np.ndarray):
        texts = _checked(source)
        y, classes = _given(labels, texts)
    else:
        table = columns(source)
        column = column or _longest(table)
        texts = table.texts(column)
        target = _target(table, column, target, (group, time), prepared is not None)
        y, classes = None, []
        if target is not None:
            y, classes = targets(table, target, task, prepared is not None)
        told |= {"text": column, "target": target}
        beside["ids"] = [table.place(row) for row in range(table.rows)]
        beside["groups"] = None if group is None else table.texts(group)
        beside["times"] = None if time is None else table.moments(time)
    told["task"] = "classify" if classes else "regress"
    if beside.get("groups") is None:
        beside["groups"] = _alike(texts)
    if prepared is None:
        vocabulary = Tokens.learned(texts, tokens, size, told["least"])
        prepared = Preparation(
            "text", (vocabulary,), tuple(classes), columns=tuple(told.items()), provisional=True
        )
    first = prepared.steps[0] if prepared.steps else None
    if not isinstance(first, Tokens):
        raise OptionError(
            f"data.text expected a preparation of texts, got one of {prepared.kind}. Load the data "
            "with the loader that the model was trained with."
        )
    return prepared.named(
        Sequences(
            prepared.apply(texts),
            y,
            kind="text",
            names=classes,
            vocabulary=first.vocabulary,
            prepared=prepared,
            raw=texts,
            **beside,
        )
    )


def _check_options(tokens: str, size: int | None, least: int | None) -> None:
    if tokens not in UNITS:
        raise OptionError(
            f"data.text expected tokens to be one of {', '.join(UNITS)}, got {tokens!r}."
        )
    if size is not None and size < 3:
        raise OptionError(
            f"data.text expected a size of at least 3, got {size}. Two tokens are padding and "
            "unknown."
        )
    if least is not None and least < 1:
        raise OptionError(f"data.text expected least to be at least 1, got {least}.")


def _folders(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Texts, class names and paths of `folder/CLASS/*.txt`."""
    found = sorted(folder.glob("*/*.txt"))
    if not found:
        what = f"{folder.name}/CLASS/NAME.txt"
        raise DataError(
            f"data.text expected files {what}, got none in the folder {str(folder)!r}. Put the "
            "texts of each class into a folder of its own."
        )
    texts = [decoded(path.read_bytes(), path.name) for path in found]
    for path, one in zip(found, texts, strict=True):
        if not one.strip():
            raise DataError(
                f"data.text expected a text, got the empty file {path.parent.name}/{path.name}. "
                "Write it again, or remove it."
            )
    ids = [path.relative_to(folder).as_posix() for path in found]
    return texts, [path.parent.name for path in found], ids


def _lines(path: Path) -> tuple[list[str], list[str]]:
    if not path.is_file() or not path.stat().st_size:
        got, so = ("the empty", "Write it again") if path.is_file() else ("no", "Check the path")
        raise DataError(f"data.text expected texts, got {got} file {path.name!r}. {so}.")
    lines = decoded(path.read_bytes(), path.name).splitlines()
    if not any(map(str.strip, lines)):
        raise DataError(
            f"data.text expected texts, got empty lines in {path.name!r}. Write it again."
        )
    kept = [(line, f"{path.name}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    return [line for line, _ in kept], [place for _, place in kept]


def _checked(source: Any) -> list[str]:
    texts = list(source)
    if not texts:
        raise DataError("data.text expected texts, got an empty list. Bring some.")
    for row, one in enumerate(texts):
        if not isinstance(one, str):
            raise DataError(
                f"data.text expected a list of strings, got {type(one).__name__} at place {row}. "
                "Turn each into a string, or leave it out."
            )
    return [str(one) for one in texts]


def _given(labels: Any, texts: Sequence[str]) -> tuple[Any, list[str]]:
    """Labels as they are given beside texts."""
    if labels is None:
        return None, []
    if len(labels) != len(texts):
        raise DataError(
            f"data.text expected a label for each of {len(texts)} texts, got {len(labels)}. Give "
            "each text its label."
        )
    return targets(Columns({"labels": labels}, "the list"), "labels", "auto", new=len(texts) < 2)


def _longest(table: Columns) -> str:
    """The column that has the longest texts."""
    found: dict[str, float] = {}
    for name in table.names:
        if table[name].dtype == object and not table.is_numeric(name):
            length = float(np.mean([len(str(value)) for value in table[name]]))
            found[name] = length if name.lower() not in TARGETS else 0.0
    if not found:
        raise DataError(
            f"data.text expected a column of texts in {table.where}, got numbers only in "
            f"{', '.join(table.names[:20])}. For numbers use elman.data.table."
        )
    return max(found, key=lambda name: found[name])


def _target(
    table: Columns, column: str, given: str | None, others: Sequence[str | None], new: bool
) -> str | None:
    """The column of targets, if there is one."""
    if given is not None:
        return None if new and given not in table.names else given
    rest = [name for name in table.names if name != column and name not in others]
    called = [name for name in rest if name.lower() in TARGETS]
    if len(called) == 1:
        return called[0]
    return rest[0] if len(rest) == 1 else None


def _alike(texts: Sequence[str]) -> Any:
    """The place of the first text that says the same; None where all are different."""
    first: dict[str, int] = {}
    found = [first.setdefault(clean(one).casefold(), row) for row, one in enumerate(texts)]
    return found if len(first) < len(found) else None
