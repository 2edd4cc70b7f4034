"""Tables as plain columns: DataFrames of any library, files of any kind, dicts of arrays.

No library is imported first: a frame is taken by its columns, and what only has an Arrow stream
through pyarrow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.delimited import Read, is_number, read_csv, read_jsonl
from elman.errors import DataError, MissingPackageError, nearest

Array = np.ndarray[Any, np.dtype[Any]]

#: Words that stand for a value that is not there, in lower case.
MISSING = {"", "?", "-", "na", "n/a", "nan", "nat", "none", "null", "<na>", "#n/a"}

#: How a time says its zone.
ZONE = re.compile(r"(?i)[t ]\d\d.*(z|[+-]\d\d(:?\d\d)?)$")


class Columns:
    """A table: its columns by name, and where each row stands.

    Args:
        values: each column's values, all of one length.
        where: how errors name the table: its file, or "the table".
        lines: the line of the file that each row stands in, counted from 1; None where there
            are no lines: rows are then counted from `first`.
        first: the number of the first row.

    Raises:
        DataError: no columns, no rows, or columns of different lengths.
    """

    def __init__(
        self, values: dict[str, Any], where: str, lines: Any = None, first: int = 0
    ) -> None:
        self.values = {name: _array(column) for name, column in values.items()}
        self.where = where
        self.first = first
        self.lines = None if lines is None else np.asarray(lines)
        lengths = {len(column) for column in self.values.values()}
        if len(lengths) > 1:
            raise DataError(
                f"data expected columns of one length, got {sorted(lengths)} in {where}. Give each "
                "row all columns."
            )
        self.rows = lengths.pop() if lengths else 0
        if not self.rows:
            what = "a header without rows" if self.values else "nothing"
            raise DataError(
                f"data expected a table with rows, got {what} in {where}. Check how the file was "
                "written."
            )

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self.values)

    def place(self, row: int) -> str:
        """Where a row stands, for errors."""
        if self.lines is None:
            return f"{self.where}, row {self.first + row}"
        return f"{self.where}, line {self.lines[row]}"

    def __getitem__(self, name: str) -> Array:
        self.require(name)
        return self.values[name]

    def require(self, name: str) -> None:
        """Raise DataError unless there is such a column."""
        if name not in self.values:
            raise no_column(name, self.names, self.where)

    def missing(self, name: str) -> Array:
        """Which rows have no value in a column."""
        column = self[name]
        if column.dtype.kind == "f":
            return np.isnan(column)
        if column.dtype.kind in "mM":
            return np.isnat(column)
        if column.dtype.kind != "O":
            return np.zeros(len(column), bool)
        return np.array([_is_missing(value) for value in column], bool)

    def numbers(self, name: str, needed: bool = False) -> Array:
        """A column as float64, NaN where a value is missing.

        Args:
            name: the column.
            needed: whether its rows are of no use without it, for the errors.

        Raises:
            DataError: text, or infinity; the message names the row.
        """
        column = self[name]
        if column.dtype.kind in "iufb":
            found = column.astype(np.float64)
        else:
            gone = self.missing(name)
            found = np.full(len(column), np.nan)
            try:
                found[~gone] = column[~gone].astype(np.float64)
            except (TypeError, ValueError, OverflowError):
                row = next(r for r in range(self.rows) if not gone[r] and not is_number(column[r]))
                raise DataError(
                    f"data expected numbers in column {name!r}, got {str(column[row])[:60]!r} in "
                    f"{self.place(row)}. Correct it, or "
                    f"{'leave out the row' if needed else 'name other columns: `features=[...]`'}."
                ) from None
        infinite = np.isinf(as_float32(found))
        if infinite.any():
            row = int(np.argmax(infinite))
            raise DataError(
                f"data expected finite numbers in column {name!r}, got {column[row]} in "
                f"{self.place(row)}. Correct it, or "
                f"{'leave out the row' if needed else 'leave the cell empty: it then is missing'}."
            )
        return found

    def is_numeric(self, name: str) -> bool:
        """Whether whatever a column has is a number."""
        column = self[name]
        if column.dtype.kind != "O":
            return column.dtype.kind in "iufb"
        return all(_is_missing(value) or is_number(value) for value in column)

    def has_numbers(self, name: str) -> bool:
        """Whether a column has a number anywhere."""
        column = self[name]
        if column.dtype.kind != "O":
            return column.dtype.kind in "iufb"
        return any(is_number(value) and not _is_missing(value) for value in column)

    def has_lists(self, name: str) -> bool:
        """Whether the cells of a column are lists: sequences in a cell."""
        column = self[name]
        return column.dtype.kind == "O" and any(
            isinstance(value, list | tuple | np.ndarray) for value in column
        )

    def is_text(self, name: str) -> bool:
        """Whether a column has something that is no number."""
        return self[name].dtype == object and not self.is_numeric(name)

    def length(self, name: str) -> int:
        """Characters of all values of a column together."""
        return sum(len(str(value)) for value in self[name])

    def texts(self, name: str) -> list[str]:
        """A column as texts.

        Raises:
            DataError: a row without one.
        """
        gone = np.flatnonzero(self.missing(name))
        if len(gone):
            raise DataError(
                f"data expected a value in column {name!r}, got none in {self.place(int(gone[0]))}"
                f"{f' and {len(gone) - 1} more' if len(gone) > 1 else ''}. Fill it, or leave out "
                "the row."
            )
        return [_text(value) for value in self[name].tolist()]

    def moments(self, name: str) -> Array:
        """A column of times, as numbers or datetime64, whichever it has.

        Raises:
            DataError: neither, or a row without one.
        """
        column = self[name]
        if column.dtype.kind == "M":
            found = column
        elif self.is_numeric(name):
            found = _dates(self.numbers(name))
        else:
            found = np.empty(len(column), "datetime64[ns]")
            for row, value in enumerate(column):
                try:
                    found[row] = np.datetime64(None if _is_missing(value) else _instant(value))
                except (TypeError, ValueError):
                    raise DataError(
                        f"data expected times in column {name!r}, got {str(value)[:60]!r} in "
                        f"{self.place(row)}. Write them as numbers, or as 2026-01-31T12:00:00."
                    ) from None
        gone = np.isnan(found) if found.dtype.kind == "f" else np.isnat(found)
        if gone.any():
            raise DataError(
                f"data expected a time in every row of column {name!r}, got none in "
                f"{self.place(int(np.argmax(gone)))}. Fill it, or leave out the row."
            )
        return found


def no_column(name: str, names: Sequence[str], where: str) -> DataError:
    """The error for a column that a table does not have."""
    near = nearest(name, names)
    hint = (
        f"Did you mean {near!r}?"
        if near
        else f"It has {', '.join(names[:20])}: take or rename one."
    )
    return DataError(f"data expected a column {name!r} in {where}, got none. {hint}")


def columns(source: Any) -> Columns:
    """A table as columns.

    Args:
        source: a path to .csv, .tsv, .jsonl or .parquet; a DataFrame of pandas, polars or
            pyarrow; whatever has an Arrow stream; a dict of columns; or `Columns`.

    Raises:
        DataError: none of these, or a file that cannot be read as what its name says.
        MissingPackageError: Parquet, or an Arrow stream, without pyarrow.
    """
    if isinstance(source, Columns):
        return source
    if isinstance(source, str | os.PathLike):
        return _of_file(Path(source))
    if isinstance(source, Mapping):
        return Columns({str(name): column for name, column in source.items()}, "the table")
    names = getattr(source, "column_names", None)  # pyarrow's; `columns` are its values
    if names is None and hasattr(source, "__getitem__"):
        names = getattr(source, "columns", None)
    if names is not None and not callable(names):
        return Columns({str(name): _column(source[name]) for name in names}, "the table")
    if hasattr(source, "__arrow_c_stream__"):
        return columns(_pyarrow("an Arrow stream").table(source))
    raise DataError(
        f"data expected a path, a DataFrame or a dict of columns, got {type(source).__name__}. "
        "Make one of these of it."
    )


def _of_file(path: Path) -> Columns:
    return Columns(*READERS[known_ending(path)](path))


def known_ending(path: Path) -> str:
    """How a file ends that is there and may be a table; raises DataError otherwise."""
    check_file(path)
    ending = path.suffix.lower()
    if ending not in READERS:
        raise DataError(
            f"data expected a file that ends in {', '.join(READERS)}, got {path.name!r}. Give it "
            "the ending of what it holds."
        )
    return ending


def check_file(path: Path) -> None:
    """Raise DataError unless it is a file with something in it."""
    if not path.exists():
        raise DataError(f"data expected a file, got no file {str(path)!r}. Check the path.")
    if not path.is_file():
        raise DataError(f"data expected a file, got the folder {str(path)!r}. Name a file in it.")
    if not path.stat().st_size:
        raise DataError(f"data expected a table, got the empty file {path.name!r}. Write it again.")


def _parquet(path: Path) -> Read:
    return next(parquet_pieces(path, None))[0]


def parquet_pieces(path: Path, size: int | None) -> Iterator[tuple[Read, float]]:
    """The columns of a Parquet file in pieces of about `size` bytes, each with the share of the
    file it ends at; None: all in one.

    Raises:
        DataError: it is none.
        MissingPackageError: pyarrow is not installed.
    """
    pyarrow = _pyarrow("a Parquet file")
    try:
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(path) as file:
            count, done = file.metadata.num_rows, 0
            if size is None or not count:
                tables = iter([file.read()])
            else:
                groups = range(file.metadata.num_row_groups)
                whole = sum(file.metadata.row_group(one).total_byte_size for one in groups)
                rows = max(1, int(size * count / max(whole, 1)))
                tables = (pyarrow.Table.from_batches([batch]) for batch in file.iter_batches(rows))
            for table in tables:
                done += table.num_rows
                found = {name: _column(table[name]) for name in table.column_names}
                yield (found, path.name, None), done / max(count, 1)
    except pyarrow.ArrowException as error:
        raise DataError(
            f"data expected a Parquet file, got none in {path.name!r} ({error}). Write it again."
        ) from error


READERS: dict[str, Callable[[Path], Read]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_jsonl,
    ".parquet": _parquet,
}


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingPackageError(
            f"data expected the package pyarrow for {what}, got none. Install it with "
            '`pip install "elman[tables]"`.'
        ) from error
    return pyarrow


def _column(column: Any) -> Any:
    """A Series, or an Arrow array, as NumPy's."""
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind in ("i", "u", "f", "b") and hasattr(column, "isna"):  # pandas' own types of numbers
        return column.to_numpy(np.float64, na_value=np.nan)
    return column.to_numpy() if hasattr(column, "to_numpy") else np.asarray(column)


def _array(column: Any) -> Array:
    if isinstance(column, np.ndarray) and column.ndim == 1:
        return column.astype(object) if column.dtype.kind in "US" else column
    values: Sequence[Any] = list(column)
    if values and all(type(value) in (int, float, bool) for value in values):
        return np.array(values)
    found = np.empty(len(values), object)
    found[:] = values
    return found


def as_float32(values: Any) -> Array:
    """Numbers as a model takes them: what float32 cannot hold is infinite, as checks then say."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return str(value) in ("<NA>", "NaT")  # pandas' words for it, without pandas


def _text(value: Any) -> str:
    """A value as text: 1.0, which is how some libraries store 1 beside a missing value, as 1."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def spelled(moment: Any) -> str:
    """A time of `moments` in words."""
    if isinstance(moment, np.datetime64):
        second = moment.astype("datetime64[s]")
        return str(second if second == moment else moment)
    return f"{moment:.10g}"


def _instant(value: Any) -> Any:
    """A time as NumPy reads it: it knows no zones, and takes UTC."""
    if isinstance(value, str):
        text = value.strip().replace("/", "-")
        if not ZONE.search(text):
            return text
        value = datetime.fromisoformat(text)
    zone = getattr(value, "tzinfo", None)
    return value.astimezone(UTC).replace(tzinfo=None) if zone is not None else value


def _dates(numbers: Array) -> Array:
    """Numbers that are all dates, such as 20260131, as dates."""
    if not ((numbers >= 1800_01_01) & (numbers < 2200_01_01) & (numbers % 1 == 0)).all():
        return numbers
    digits = numbers.astype(np.int64)
    year, month, day = digits // 10_000, digits // 100 % 100, digits % 100
    if not ((month >= 1) & (month <= 12) & (day >= 1)).all():
        return numbers
    first = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    found: Array = first.astype("datetime64[D]") + (day - 1)
    return found if (found.astype("datetime64[M]") == first).all() else numbers
