"""Tables of numbers as sequences: a row for each sequence, or a row for each step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from elman.data.arrays import read_npz
from elman.data.frames import Columns, as_float32, check_file, columns
from elman.data.labelling import numbered, targets
from elman.data.ordering import in_order
from elman.data.pieces import Kept, Pieces, Survey
from elman.data.preparing import Preparation, with_preparation
from elman.data.recipe import Recipe
from elman.data.sequences import Sequences
from elman.data.shelf import FilePath, Shelf, shelf
from elman.data.uea import read_ts
from elman.errors import DataError, OptionError

Array = np.ndarray[Any, np.dtype[Any]]

#: Columns that number rows and measure nothing, in lower case; "column 0" has no name in its file.
NUMBERING = {"id", "index", "row", "column 0", "unnamed: 0"}
FORMS = ("auto", "wide", "long")


@dataclass(frozen=True)
class Columned(Recipe):
    """Which column of a table is what; the attributes are the arguments of `table`."""

    reads: ClassVar[str] = "tables"
    target: str | None = None
    features: tuple[str, ...] | None = None
    sequence: str | None = None
    group: str | None = None
    time: str | None = None
    form: str = "auto"
    task: str = "auto"


def table(
    source: Any,
    target: str | None = None,
    *,
    features: Sequence[str] | None = None,
    sequence: str | None = None,
    group: str | None = None,
    time: str | None = None,
    form: str = "auto",
    units: Sequence[str] = (),
    task: str = "auto",
    prepared: Preparation | None = None,
    on_disk: FilePath | None = None,
) -> Sequences:
    """Measurements and their targets, from a table.

    Args:
        source: a path to .csv, .tsv, .jsonl, .parquet, .npz or .ts (of the UEA & UCR archive); a
            DataFrame of pandas, polars or pyarrow; or a dict of columns.
        target: the column of targets; in long form one for each sequence where all its rows agree,
            else one for each step.
        features: the columns of measurements; where None, all that have numbers and no other
            part, but for one called id or index.
        sequence: long form: rows with one value here are the steps of one sequence; `group` where
            None.
        group: the column of what a split must keep together: a patient, a machine.
        time: long form: the column that orders the steps; wide form: when the row was recorded.
        form: "wide": each row is a sequence, its cells are the steps, or lists of them; empty
            cells at the end are no steps. "long": each row is a step. "auto": long where there
            is `sequence`, or both `group` and `time`.
        units: the unit of each feature.
        task: "classify", "regress", or "auto": text and few whole numbers are classes.
        prepared: of a model that exists: its columns and classes, and targets only where there
            are some. The values are prepared as its were.
        on_disk: a folder to write the sequences to, for a file that is larger than memory: it is
            read piece by piece, and what is returned stays in the folder (`elman.data.open`).

    Raises:
        DataError: no rows, text or infinity among numbers, a row without a target, one class.
        FileError: `on_disk` is there already, or cannot be written.

    Example:
        >>> data = table({"id": ["a", "b", "a"], "t": [2, 1, 1], "x": [5.0, 3.0, 4.0]},
        ...              sequence="id", time="t")
        >>> [one.ravel().tolist() for one in data]
        [[4.0, 5.0], [3.0]]
    """
    if form not in FORMS:
        raise OptionError(
            f"data.table expected form to be one of {', '.join(FORMS)}, got {form!r}."
        )
    new = prepared is not None
    if prepared is not None:
        recipe = Columned.from_dict(dict(prepared.columns))
        target, features = target or recipe.target, features or recipe.features
        sequence, group = sequence or recipe.sequence, group or recipe.group
        time, form, task = time or recipe.time, recipe.form, recipe.task
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    if path is not None and path.suffix.lower() in (".npz", ".ts"):
        data = _stored(path, task, new)
        told = {"task": "classify" if data.names else "regress"}
        data = _prepared(data, units, told, prepared)
        return data if on_disk is None else data.store(on_disk)
    pieces = Pieces(columns(source) if on_disk is None else source)
    found = pieces.survey()
    if form == "auto":
        form = "long" if sequence or (group and time) else "wide"
    if new and target not in found.names:
        target = None
    chosen = measurements(found, features, (target, sequence, group, time))
    lists = all(found.has_lists(name) for name in chosen)
    with shelf(on_disk, "data.table") as place:
        kept = Kept((target, sequence, group, time))
        for piece in pieces:
            kept.add(piece)
            if form == "long":
                place.write(_numbers(piece, chosen))
            else:
                place.extend(_listed(piece, chosen) if lists else _cells(piece, chosen))
        rows = kept.columns()
        y, names = (None, []) if target is None else targets(rows, target, task, new)
        if form == "long":
            data = _long(rows, place, chosen, y, names, sequence or group, group, time)
        else:
            data = _wide(rows, place, chosen if lists else (), y, names, group, time)
        kind = "classify" if names else "regress"
        recipe = Columned(target, tuple(chosen), sequence, group, time, form, kind)
        return place.finished(_prepared(data, units, recipe.to_dict(), prepared))


def _prepared(
    data: Sequences, units: Sequence[str], told: dict[str, Any], prepared: Preparation | None
) -> Sequences:
    if units:
        data = data.with_values(data.values, units=units)
    return with_preparation(data, told, prepared)


def measurements(
    found: Columns | Survey, given: Sequence[str] | None, others: Sequence[str | None]
) -> list[str]:
    """The columns of measurements."""
    if given is not None:
        for name in given:
            found.require(name)
        chosen = list(given)
    else:
        rest = [n for n in found.names if n not in others and n.lower() not in NUMBERING]
        # One wrong cell in a column of numbers is an error; a column without any measures nothing.
        chosen = [name for name in rest if found.has_numbers(name) or found.has_lists(name)]
    if not chosen:
        raise DataError(
            f"data.table expected columns of numbers in {found.where}, got "
            f"{', '.join(found.names[:20])}. Name them: `features=[...]`."
        )
    return chosen


def _numbers(found: Columns, chosen: Sequence[str]) -> Array:
    """The measurements of all rows, float32 [rows, features]."""
    return np.stack([found.numbers(name) for name in chosen], axis=1).astype(np.float32)


def _cells(found: Columns, chosen: Sequence[str]) -> Iterator[Array]:
    """Each row's cells as the steps of a sequence."""
    cells = _numbers(found, chosen)
    known = ~np.isnan(cells)
    # The last cell that is there ends the sequence.
    lengths = np.where(known.any(axis=1), cells.shape[1] - known[:, ::-1].argmax(axis=1), 0)
    if not lengths.all():
        raise DataError(
            "data.table expected numbers in every row, got none in "
            f"{found.place(int(np.argmin(lengths)))}. Fill it, or leave out the row."
        )
    return (row[:steps, None] for row, steps in zip(cells, lengths, strict=True))


def _listed(found: Columns, chosen: Sequence[str]) -> Iterator[Array]:
    """Each row's lists, side by side, as a sequence."""
    return (_side_by_side(found, chosen, row) for row in range(found.rows))


def _side_by_side(found: Columns, chosen: Sequence[str], row: int) -> Array:
    """The lists in the cells of a row: [steps, features]."""
    parts = []
    for name in chosen:
        cell = found[name][row]
        try:
            # Parquet's lists of lists come as arrays of arrays.
            nested = isinstance(cell, np.ndarray) and cell.dtype == object
            part = as_float32([*cell] if nested else cell)
        except (TypeError, ValueError, OverflowError):
            part = np.empty(0, np.float32)
        part = part[:, None] if part.ndim == 1 else part
        if part.ndim != 2 or not len(part) or np.isinf(part).any():
            raise DataError(
                f"data.table expected a list of finite numbers in column {name!r}, got "
                f"{str(cell)[:60]!r} in {found.place(row)}. Correct it."
            )
        parts.append(part)
    if len({len(part) for part in parts}) > 1:
        raise DataError(
            "data.table expected lists of one length in a row, got "
            f"{', '.join(str(len(part)) for part in parts)} in {found.place(row)}. Give every "
            "feature all steps."
        )
    return np.concatenate(parts, axis=1)


def _wide(
    found: Columns,
    place: Shelf,
    lists: Sequence[str],
    y: Any,
    names: list[str],
    group: str | None,
    time: str | None,
) -> Sequences:
    """Each row is a sequence; `lists` are the columns of its lists."""
    values = place.values()
    return Sequences(
        values,
        y,
        kind="table",
        names=names,
        feature_names=lists if lists and values[0].shape[1] == len(lists) else (),
        groups=None if group is None else found.texts(group),
        times=None if time is None else found.moments(time),
        ids=[found.place(row) for row in range(found.rows)],
    )


def _long(
    found: Columns,
    place: Shelf,
    chosen: list[str],
    y: Any,
    names: list[str],
    sequence: str | None,
    group: str | None,
    time: str | None,
) -> Sequences:
    """Each row is a step."""
    number, rows, moments = in_order(found, sequence, time, "data.table", "sequence")
    firsts = np.array([one[0] for one in rows])
    given: Any = None
    if y is not None:
        agree = all((y[one] == y[one[0]]).all() for one in rows) and len(rows) > 1
        given = y[firsts] if agree else [y[one] for one in rows]
    groups = None
    if group is not None:
        groups = np.array(found.texts(group), object)
        for one in rows:
            other = np.flatnonzero(groups[one] != groups[one[0]])
            if len(other):
                raise DataError(
                    f"data.table expected one {group!r} for all of a sequence, got "
                    f"{groups[one[other[0]]]!r} after {groups[one[0]]!r} in "
                    f"{found.place(int(one[other[0]]))}. Choose another column as "
                    "sequence or group."
                )
        groups = groups[firsts].astype(str)
    return Sequences(
        place.in_order(rows),
        given,
        kind="table",
        names=names,
        feature_names=chosen,
        groups=groups,
        times=None if moments is None else moments[firsts],
        step=None if moments is None else _step([moments[one] for one in rows]),
        ids=number.astype(str),
    )


def _step(moments: list[Array]) -> float | None:
    """Seconds between steps, the median; None where the times are no dates."""
    apart = np.concatenate([np.diff(one) for one in moments])
    if apart.dtype.kind != "m" or not len(apart):
        return None
    return float(np.median(apart.astype("timedelta64[ns]").astype(np.int64)) / 1e9)


def _stored(path: Path, task: str, new: bool) -> Sequences:
    """What a file holds that has sequences already."""
    check_file(path)
    read = read_npz if path.suffix.lower() == ".npz" else read_ts
    values, y, more = read(path)
    names: Sequence[str] = more.pop("names", ())
    if y is not None and not names and not isinstance(y, list):
        y = np.asarray(y)
        if y.ndim == 1:
            flat = Columns({"targets": y}, path.name)
            y, names = targets(flat, "targets", task, new)
    elif y is not None and names and isinstance(y, list):
        y, names = numbered([str(one) for one in y], path.name, new=new)
    return Sequences(values, y, kind="table", names=names, **more)
