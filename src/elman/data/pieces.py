"""Tables larger than memory: read piece by piece, and what they are like as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.delimited import SIZE, Read, csv_pieces, jsonl_pieces
from elman.data.frames import Columns, columns, known_ending, no_column, parquet_pieces
from elman.data.waiting import waiting

PIECES: dict[str, Callable[[Path, int], Iterator[tuple[Read, float]]]] = {
    ".csv": csv_pieces,
    ".tsv": csv_pieces,
    ".jsonl": jsonl_pieces,
    ".parquet": parquet_pieces,
}


class Pieces:
    """A table that is gone through piece by piece, as often as needed.

    Args:
        source: a path, whose file is never in memory as a whole; or whatever else
            `elman.data.frames.columns` takes, which is one piece.
        what: what is done meanwhile, for a bar.
    """

    def __init__(self, source: Any, what: str = "reading") -> None:
        self._path = Path(source) if isinstance(source, str | os.PathLike) else None
        self._whole = columns(source) if self._path is None else None
        self._what = what
        #: The columns of the whole, once it was surveyed: some may not be in each line of JSON.
        self.names: list[str] = []

    def __iter__(self) -> Iterator[Columns]:
        if self._whole is not None:
            yield self._whole
        if self._path is None:
            return
        ending, rows = known_ending(self._path), 0
        with waiting(f"{self._what} {self._path.name}", 100, "%") as show:
            for (values, where, lines), done in PIECES[ending](self._path, SIZE):
                piece = Columns(values, where, lines, rows)
                rows += piece.rows
                lacking = {n: [None] * piece.rows for n in self.names if n not in values}
                yield (
                    Columns({**values, **lacking}, where, lines, piece.first) if lacking else piece
                )
                show(int(100 * done))

    def survey(self, texts: bool = False) -> Columns | Survey:
        """What the columns are like as a whole; `texts`: whether to look for some of text."""
        if self._whole is not None:
            return self._whole
        found = Survey(self, texts)
        self.names = found.names
        return found


class Survey:
    """What the columns of a table are like as a whole: what `Columns` says of them, by piece.

    Args:
        pieces: the table, which is gone through once.
        texts: whether to look for columns of text.
    """

    def __init__(self, pieces: Iterable[Columns], texts: bool = False) -> None:
        self.where, self.rows = "", 0
        self._length: dict[str, int] = {}
        self._numbers: set[str] = set()
        self._lists: set[str] = set()
        self._texts: set[str] = set()
        for piece in pieces:
            self.where, self.rows = piece.where, self.rows + piece.rows
            for name in piece.names:
                self._length.setdefault(name, 0)
                if name not in self._numbers and piece.has_numbers(name):
                    self._numbers.add(name)
                if name not in self._lists and piece.has_lists(name):
                    self._lists.add(name)
                if texts and (name in self._texts or piece.is_text(name)):
                    self._texts.add(name)
                if texts:
                    self._length[name] += piece.length(name)

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._length)

    def require(self, name: str) -> None:
        """Raise DataError unless there is such a column."""
        if name not in self._length:
            raise no_column(name, self.names, self.where)

    def has_numbers(self, name: str) -> bool:
        """Whether a column has a number anywhere."""
        return name in self._numbers

    def has_lists(self, name: str) -> bool:
        """Whether the cells of a column are lists: sequences in a cell."""
        return name in self._lists

    def is_text(self, name: str) -> bool:
        """Whether a column has something that is no number."""
        return name in self._texts

    def length(self, name: str) -> int:
        """Characters of all values of a column together."""
        return self._length[name]


class Kept:
    """The few columns of a table that are in memory as a whole, while its pieces go by.

    Args:
        names: of the columns; what is None is not asked for.
    """

    def __init__(self, names: Iterable[str | None]) -> None:
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in names if name is not None}
        self._lines: list[np.ndarray] | None = []
        self._same: dict[str, str] = {}
        self._rows, self._where = 0, ""

    def add(self, piece: Columns) -> None:
        """Keep what is asked for of a piece."""
        for name, parts in self._parts.items():
            column = piece[name]
            if column.dtype == object:  # what is there often is kept once
                column = column.copy()
                for row, value in enumerate(column):
                    if type(value) is str:
                        column[row] = self._same.setdefault(value, value)
            parts.append(column)
        self._where = piece.where
        if piece.lines is None:
            self._lines = None
        elif self._lines is not None:
            self._lines.append(piece.lines)
        self._rows += piece.rows

    def columns(self) -> Columns:
        """What was kept, as a table with the places of all rows."""
        found: dict[str, Any] = {n: np.concatenate(parts) for n, parts in self._parts.items()}
        lines = None if self._lines is None else np.concatenate(self._lines)
        # Also where nothing was asked for there are rows, which have places.
        return Columns(found or {"": np.zeros(self._rows, bool)}, self._where, lines)
