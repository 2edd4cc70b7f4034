"""CSV, TSV and JSON lines, read with the line of every row, so that errors can name it."""

from __future__ import annotations

import csv
import io
import json
import warnings
from pathlib import Path
from typing import Any

from elman.errors import DataError, ElmanWarning

#: What may stand between two cells. A header tells which does.
DELIMITERS = ",\t;|"
#: Characters of the longest cell.
LONGEST = 2**30


def decoded(content: bytes, name: str) -> str:
    """A file's text: UTF-8 (or UTF-16 with its mark); what is not UTF-8, line by line, Latin-1.

    Raises:
        DataError: it is no text.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    if b"\0" in content[:4096]:
        raise DataError(
            f"data expected text, got other bytes in {name!r}. Give the file the ending of what "
            "it holds."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    lines, other = content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(line.decode())
        except UnicodeDecodeError:
            found.append(line.decode("latin-1"))
            other.append(number)
    more = f" and {len(other) - 1} more" if len(other) > 1 else ""
    warnings.warn(
        f"{name}: line {other[0]}{more} of {len(lines)} lines are no UTF-8 and were read as "
        "Latin-1. Save the file as UTF-8 if letters are wrong.",
        ElmanWarning,
        stacklevel=2,
    )
    return "\n".join(found)


def read_csv(path: Path) -> tuple[dict[str, list[str]], str, list[int]]:
    """The columns of a CSV or TSV file with a header, its name, and the line of each row.

    Raises:
        DataError: no header, a row with more or fewer cells than it, a quote that is not closed.
    """
    text = decoded(path.read_bytes(), path.name)
    limit = csv.field_size_limit(LONGEST)  # the module's own, for all who use it
    try:
        return _rows(text, path)
    finally:
        csv.field_size_limit(limit)


def _rows(text: str, path: Path) -> tuple[dict[str, list[str]], str, list[int]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    cells: list[list[str]] = []
    lines: list[int] = []
    first = 1
    try:
        for row in reader:
            begins, first = first, reader.line_num + 1
            if not any(cell.strip() for cell in row) and len(row) <= 1:
                continue
            if not header:
                header = _header(row, path.name, begins)
                continue
            if len(row) != len(header):
                raise DataError(
                    f"data expected {len(header)} cells in every row, got {len(row)} in "
                    f"{path.name}, line {begins}. Put quotes around a cell that has "
                    f"{delimiter!r} in it, or complete the row."
                )
            cells.append(row)
            lines.append(begins)
    except csv.Error as error:
        raise DataError(
            f"data expected cells in quotes that close, got none in {path.name}, line {first} "
            f"({error}). Correct the quotes there."
        ) from error
    columns = [list(column) for column in zip(*cells, strict=True)] or [[] for _ in header]
    return dict(zip(header, columns, strict=True)), path.name, lines


def _delimiter(text: str) -> str:
    """The one that is in the header most often; a comma where there is none."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=header.count)


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


def read_jsonl(path: Path) -> tuple[dict[str, list[Any]], str, list[int]]:
    """The columns of a file with one JSON object in each line; what one lacks is None.

    Raises:
        DataError: a line that is no JSON object.
    """
    text = decoded(path.read_bytes(), path.name)
    objects: list[dict[str, Any]] = []
    lines: list[int] = []
    # Not splitlines: U+2028 may stand within a JSON string.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"data expected a JSON object, got none in {path.name}, line {number} ({error}). "
                "Write one object in each line."
            ) from error
        if not isinstance(found, dict):
            raise DataError(
                f"data expected a JSON object, got {type(found).__name__} in {path.name}, line "
                f'{number}. Write {{"name": value}}.'
            )
        objects.append(found)
        lines.append(number)
    names = dict.fromkeys(name for one in objects for name in one)
    return {name: [one.get(name) for one in objects] for name in names}, path.name, lines
