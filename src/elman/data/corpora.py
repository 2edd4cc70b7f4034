"""Where texts come from, one at a time, and what is known beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elman.data.delimited import Lines, decoded
from elman.data.frames import Columns, columns
from elman.data.labelling import numbered, targets
from elman.data.pieces import Kept, Pieces, Survey
from elman.data.tokens import clean
from elman.data.waiting import over
from elman.errors import DataError

#: What people call a column of classes, in lower case.
TARGETS = ("label", "target", "class", "category", "sentiment", "y")


class Beside(NamedTuple):
    """What is known of some texts.

    Attributes:
        targets: class numbers, numbers, or None.
        names: of the classes.
        ids: where each text comes from.
        groups, times: of each, where there are some.
        columns: which column of a table is what.
    """

    targets: Any
    names: Sequence[str]
    ids: Sequence[str] | None = None
    groups: Any = None
    times: Any = None
    columns: dict[str, str | None] = {}  # noqa: RUF012 - nobody writes into it


class Corpus:
    """Texts, to be gone through once.

    Raises:
        DataError: an empty file, a row without text or target, one class alone.
    """

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def beside(self) -> Beside:
        """What is known of the texts, after all were read."""
        raise NotImplementedError


def corpus(
    source: Any,
    labels: Any,
    column: str | None,
    target: str | None,
    others: tuple[str | None, str | None],
    task: str,
    new: bool,
    whole: bool,
) -> Corpus:
    """The texts of a source, as `elman.data.text` takes it.

    Args:
        others: the columns of groups and times.
        new: whether they are for a model that exists, and may lack targets.
        whole: whether a table is read at once, and not piece by piece.
    """
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    if path is not None and path.is_dir():
        return _Folder(path, new)
    if path is not None and path.suffix.lower() == ".txt":
        return _LinesOf(path, labels)
    if isinstance(source, list | tuple | np.ndarray):
        return _Listed(source, labels)
    return _Table(columns(source) if whole else source, column, target, others, task, new)


class _Folder(Corpus):
    """`folder/CLASS/*.txt`."""

    def __init__(self, folder: Path, new: bool) -> None:
        self._folder = folder
        self._found = sorted(folder.glob("*/*.txt"))
        if not self._found:
            what = f"{folder.name}/CLASS/NAME.txt"
            raise DataError(
                f"data.text expected files {what}, got none in the folder {str(folder)!r}. Put the "
                "texts of each class into a folder of its own."
            )
        self._new = new

    def __iter__(self) -> Iterator[str]:
        for path in over(self._found, "reading texts"):
            one = decoded(path.read_bytes(), path.name)
            if not one.strip():
                raise DataError(
                    f"data.text expected a text, got the empty file {path.parent.name}/{path.name}."
                    " Write it again, or remove it."
                )
            yield one

    def beside(self) -> Beside:
        names = [path.parent.name for path in self._found]
        ids = [path.relative_to(self._folder).as_posix() for path in self._found]
        return Beside(*numbered(names, f"the folders of {self._folder.name!r}", new=self._new), ids)


class _LinesOf(Corpus):
    """A file with a text in each line."""

    def __init__(self, path: Path, labels: Any) -> None:
        if not path.is_file() or not path.stat().st_size:
            got, so = (
                ("the empty", "Write it again") if path.is_file() else ("no", "Check the path")
            )
            raise DataError(f"data.text expected texts, got {got} file {path.name!r}. {so}.")
        self._path, self._labels = path, labels
        self._ids: list[str] = []

    def __iter__(self) -> Iterator[str]:
        lines = (one for line in Lines(self._path) for one in line.splitlines())
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._ids.append(f"{self._path.name}, line {number}")
                yield line
        if not self._ids:
            raise DataError(
                f"data.text expected texts, got empty lines in {self._path.name!r}. Write it again."
            )

    def beside(self) -> Beside:
        return Beside(*_given(self._labels, len(self._ids)), self._ids)


class _Listed(Corpus):
    """A list of texts."""

    def __init__(self, source: Any, labels: Any) -> None:
        self._texts = list(source)
        if not self._texts:
            raise DataError("data.text expected texts, got an empty list. Bring some.")
        for row, one in enumerate(self._texts):
            if not isinstance(one, str):
                raise DataError(
                    f"data.text expected a list of strings, got {type(one).__name__} at place "
                    f"{row}. Turn each into a string, or leave it out."
                )
        self._given = _given(labels, len(self._texts))

    def __iter__(self) -> Iterator[str]:
        return map(str, self._texts)

    def beside(self) -> Beside:
        return Beside(*self._given)


class _Table(Corpus):
    """A table with a column of texts."""

    def __init__(
        self,
        source: Any,
        column: str | None,
        target: str | None,
        others: tuple[str | None, str | None],
        task: str,
        new: bool,
    ) -> None:
        self._pieces = Pieces(source)
        found = self._pieces.survey(texts=column is None)
        self._column = column or _longest(found)
        found.require(self._column)
        self._target = _target(found, self._column, target, others, new)
        self._group, self._time = others
        self._kept = Kept((self._target, *others))
        self._task, self._new = task, new

    def __iter__(self) -> Iterator[str]:
        for piece in self._pieces:
            self._kept.add(piece)
            yield from piece.texts(self._column)

    def beside(self) -> Beside:
        rows = self._kept.columns()
        y, names = None, list[str]()
        if self._target is not None:
            y, names = targets(rows, self._target, self._task, self._new)
        return Beside(
            y,
            names,
            [rows.place(row) for row in range(rows.rows)],
            None if self._group is None else rows.texts(self._group),
            None if self._time is None else rows.moments(self._time),
            {"text": self._column, "target": self._target},
        )


def _given(labels: Any, count: int) -> tuple[Any, list[str]]:
    """Labels as they are given beside so many texts."""
    if labels is None:
        return None, []
    if len(labels) != count:
        raise DataError(
            f"data.text expected a label for each of {count} texts, got {len(labels)}. Give "
            "each text its label."
        )
    return targets(Columns({"labels": labels}, "the list"), "labels", "auto", new=count < 2)


def _longest(table: Columns | Survey) -> str:
    """The column that has the longest texts."""
    found: dict[str, int] = {}
    for name in table.names:
        if table.is_text(name):
            found[name] = table.length(name) if name.lower() not in TARGETS else 0
    if not found:
        raise DataError(
            f"data.text expected a column of texts in {table.where}, got numbers only in "
            f"{', '.join(table.names[:20])}. For numbers use elman.data.table."
        )
    return max(found, key=lambda name: found[name])


def _target(
    table: Columns | Survey,
    column: str,
    given: str | None,
    others: Sequence[str | None],
    new: bool,
) -> str | None:
    """The column of targets, if there is one."""
    if given is not None:
        return None if new and given not in table.names else given
    rest = [name for name in table.names if name != column and name not in others]
    called = [name for name in rest if name.lower() in TARGETS]
    if len(called) == 1:
        return called[0]
    return rest[0] if len(rest) == 1 else None


class Twins:
    """Notes which texts say the same while they go by."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._rows: list[int] = []

    def noting(self, texts: Corpus) -> Iterator[str]:
        """The same texts."""
        for row, one in enumerate(texts):
            said = clean(one).casefold().encode("utf-8", "surrogatepass")
            # The text itself would be another copy of all that there is.
            key = blake2b(said, digest_size=16).digest()
            self._rows.append(self._first.setdefault(key, row))
            yield one

    @property
    def groups(self) -> list[int] | None:
        """Of each text the place of the first that says the same; None where all are different."""
        return self._rows if len(self._first) < len(self._rows) else None
