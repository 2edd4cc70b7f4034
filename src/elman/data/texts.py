"""Texts as sequences of tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.data.corpora import Twins, corpus
from elman.data.preparing import Preparation
from elman.data.sequences import Sequences
from elman.data.shelf import FilePath, OnDisk, cut_onto, shelf
from elman.data.steps import Tokens
from elman.data.tokens import UNITS
from elman.errors import OptionError


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
    on_disk: FilePath | None = None,
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
        on_disk: a folder to write the tokens to, for texts that are larger than memory: they are
            read one after the other, and what is returned stays in the folder (`elman.data.open`).

    Raises:
        DataError: an empty file, a row without text or target, one class alone.
        FileError: `on_disk` is there already, or cannot be written.

    Example:
        >>> data = text(["so good", "so bad"], ["yes", "no"], least=1)
        >>> data.vocabulary, [one.tolist() for one in data]
        (['', '[UNK]', 'so', 'bad', 'good'], [[2, 4], [2, 3]])
    """
    _check_options(tokens, size, least)
    vocabulary: Any = None
    told: dict[str, Any] = {"tokens": tokens, "size": size, "least": least}
    if least is None:
        told["least"] = 2 if tokens == "words" else 1
    if prepared is not None:
        told = dict(prepared.columns)
        column, target = column or told.get("text"), target or told.get("target")
        task = told.get("task", task)
        vocabulary = prepared.steps[0] if prepared.steps else None
        if not isinstance(vocabulary, Tokens):
            raise OptionError(
                f"data.text expected a preparation of texts, got one of {prepared.kind}. Load the "
                "data with the loader that the model was trained with."
            )
        tokens = vocabulary.unit
    new = prepared is not None
    texts = corpus(source, labels, column, target, (group, time), task, new, on_disk is None)
    twins = Twins()
    with shelf(on_disk, "data.text", np.int32) as place:
        read = twins.noting(texts)
        raw = cut_onto(place, read, tokens) if isinstance(place, OnDisk) else list(read)
        found = texts.beside()
        told |= found.columns | {"task": "classify" if found.names else "regress"}
        if prepared is None:
            vocabulary = Tokens.learned(raw, tokens, size, told["least"])
            named, columns = tuple(found.names), tuple(told.items())
            prepared = Preparation("text", (vocabulary,), named, columns=columns, provisional=True)
        data = Sequences(
            prepared.made(raw),
            found.targets,
            kind="text",
            names=found.names,
            groups=twins.groups if found.groups is None else found.groups,
            times=found.times,
            vocabulary=vocabulary.vocabulary,
            prepared=prepared,
            ids=found.ids,
            raw=raw,
        )
        return place.finished(prepared.named(data))


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
