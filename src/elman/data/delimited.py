"""CSV, TSV and JSON lines, read with the line of every row, so that errors can name it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from elman.data.waiting import waiting
from elman.errors import DataError, ElmanWarning

#: What may stand between two cells. A header tells which does.
DELIMITERS = ",\t;|"
#: Characters of the longest cell.
LONGEST = 2**30


#: How much of a file is looked at together, in bytes. As Python's objects it is ten times as much.
SIZE = 2**22
#: How a text begins that says which it is.
UTF8, UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")

T = TypeVar("T")
#: The columns by name, how errors name the table, and the line of each row.
Read = tuple[dict[str, Any], str, Any]


def decoded(content: bytes, name: str) -> str:
    """A file's text: UTF-8 (or UTF-16 with its mark); what is not UTF-8, line by line, Latin-1.

    Raises:
        DataError: it is no text.
    """
    if content[:2] in UTF16:
        return content.decode("utf-16", "replace")
    _check_text(content[:4096], name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    lines, other = content.removeprefix(UTF8).split(b"\n"), list[int]()
    found = [_line(line, number, other) for number, line in enumerate(lines, 1)]
    _warn(name, other, len(lines))
    return "\n".join(found)


class Lines:
    """The lines of a file, one at a time, each as `decoded` has it.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        #: How far they were read, in bytes.
        self.at = 0

    def __iter__(self) -> Iterator[str]:
        with self.path.open("rb") as file:
            begin = file.peek(4096)[:4096]
            if begin[:2] in UTF16:
                with io.TextIOWrapper(file, "utf-16", "replace", newline="\n") as wide:
                    for text in wide:
                        self.at += 2 * len(text)
                        yield text
                return
            _check_text(begin, self.path.name)
            other: list[int] = []
            number, line = 0, b""
            for number, line in enumerate(file, 1):
                self.at += len(line)
                yield _line(line if number > 1 else line.removeprefix(UTF8), number, other)
            _warn(self.path.name, other, number + line.endswith(b"\n"))


def _check_text(begin: bytes, name: str) -> None:
    if b"\0" in begin:
        raise DataError(
            f"data expected text, got other bytes in {name!r}. Give the file the ending of what "
            "it holds."
        )


def _line(line: bytes, number: int, other: list[int]) -> str:
    """A line's text; `other` gets its number if it is no UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        other.append(number)
        return line.decode("latin-1")


def _warn(name: str, other: list[int], count: int) -> None:
    if not other:
        return
    which = f"line {other[0]} is"
    if len(other) > 1:
        which = f"line {other[0]} and {len(other) - 1} more of {count} lines are"
    warnings.warn(
        f"{name}: {which} not UTF-8, read as Latin-1. Save the file as UTF-8 if letters are wrong.",
        ElmanWarning,
        stacklevel=3,
    )


def read_csv(path: Path) -> Read:
    """The columns of a CSV or TSV file with a header, its name, and the line of each row.

    Raises:
        DataError: no header, a row with more or fewer cells than it, a quote that is not closed.
    """
    return _whole(csv_pieces(path, SIZE), path.name)


def _whole(pieces: Iterable[tuple[Read, float]], name: str) -> Read:
    """All pieces in one; what one lacks is None."""
    found: dict[str, list[Any]] = {}
    places: list[int] = []
    with waiting(f"reading {name}", 100, "%") as show:
        for (values, _, lines), done in pieces:
            for column in values:
                found.setdefault(column, [None] * len(places))
            for column, kept in found.items():
                kept.extend(values.get(column) or [None] * len(lines))
            places.extend(lines)
            show(int(100 * done))
    return found, name, places


def csv_pieces(path: Path, size: int) -> Iterator[tuple[Read, float]]:
    """The same in pieces of about `size` bytes, each with the share of the file it ends at."""
    lines = Lines(path)
    rows = _rows(lines, path)
    with _long_cells():
        _, header = next(rows, (0, list[str]()))
    for piece in _pieces(rows, lines, size):
        columns = [list(column) for column in zip(*(row for _, row in piece), strict=True)]
        found = dict(zip(header, columns or [[] for _ in header], strict=True))
        yield (found, path.name, [line for line, _ in piece]), lines.at / lines.size


def _pieces(
    items: Iterator[tuple[int, T]], lines: Lines, size: int
) -> Iterator[list[tuple[int, T]]]:
    """Items one after the other until so many bytes were read; one piece at least."""
    piece: list[tuple[int, T]] | None = None
    while piece is None or piece:
        begin, before, piece = lines.at, piece, []
        with _long_cells():
            for item in items:
                piece.append(item)
                if lines.at - begin >= size:
                    break
        if piece or before is None:
            yield piece


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    limit = csv.field_size_limit(LONGEST)  # the module's own, for all who use it
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _rows(source: Lines, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line and the cells of the header, and then of each row."""
    lines = _parted(source)
    blank: list[str] = []
    for line in lines:  # up to the header
        blank.append(line)
        if line.strip():
            break
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(blank)
    reader = csv.reader(chain(blank, lines), delimiter=delimiter, strict=True)
    header: list[str] = []
    first = 1
    try:
        for row in reader:
            begins, first = first, reader.line_num + 1
            if not any(cell.strip() for cell in row) and len(row) <= 1:
                continue
            if not header:
                row = header = _header(row, path.name, begins)
            elif len(row) != len(header):
                raise DataError(
                    f"data expected {len(header)} cells in every row, got {len(row)} in "
                    f"{path.name}, line {begins}. Put quotes around a cell that has "
                    f"{delimiter!r} in it, or complete the row."
                )
            yield begins, row
    except csv.Error as error:
        raise DataError(
            f"data expected cells in quotes that close, got none in {path.name}, line {first} "
            f"({error}). Correct the quotes there."
        ) from error


def _parted(lines: Iterable[str]) -> Iterator[str]:
    """Lines that may also end in a carriage return alone."""
    for line in lines:
        if "\r" in line.removesuffix("\r\n"):
            yield from io.StringIO(line, newline="")
        else:
            yield line


def _delimiter(lines: list[str]) -> str:
    """The one that is in the header, the last of some lines, most often; or else a comma."""
    return max(DELIMITERS, key=lines[-1].count) if lines else DELIMITERS[0]


def _header(row: list[str], name: str, line: int) -> list[str]:
    found = [cell.strip() or f"column {place}" for place, cell in enumerate(row)]
    counted = row in ([str(place + first) for place in range(len(row))] for first in (0, 1))
    if not counted and all(map(is_number, row)):
        raise DataError(
            f"data expected a first line with the names of the columns, got numbers in {name}, "
            f"line {line}. Put a line of names before it."
        )
    twice = next((cell for cell in found if found.count(cell) > 1), None)
    if twice is not None:
        raise DataError(
            f"data expected each column once, got {twice!r} twice in {name}, line {line}. Rename "
            "one."
        )
    return found


def is_number(value: Any) -> bool:
    """Whether Python reads it as a number."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def read_jsonl(path: Path) -> Read:
    """The columns of a file with one JSON object in each line; what one lacks is None.

    Raises:
        DataError: a line that is no JSON object.
    """
    return _whole(jsonl_pieces(path, SIZE), path.name)


def jsonl_pieces(path: Path, size: int) -> Iterator[tuple[Read, float]]:
    """The same in pieces of about `size` bytes, each with the share of the file it ends at."""
    lines = Lines(path)
    for piece in _pieces(_objects(lines, path.name), lines, size):
        names = dict.fromkeys(name for _, one in piece for name in one)
        found = {name: [one.get(name) for _, one in piece] for name in names}
        yield (found, path.name, [line for line, _ in piece]), lines.at / lines.size


def _objects(lines: Lines, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # Not splitlines: U+2028 may stand within a JSON string.
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"data expected a JSON object, got none in {name}, line {number} ({error}). "
                "Write one object in each line."
            ) from error
        if not isinstance(found, dict):
            raise DataError(
                f"data expected a JSON object, got {type(found).__name__} in {name}, line "
                f'{number}. Write {{"name": value}}.'
            )
        yield number, found
