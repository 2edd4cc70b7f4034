"""Records from tables with a row per sample, and from NPZ files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.frames import Columns, as_float32, columns
from elman.data.signals import Record, runs
from elman.errors import DataError, FileError

#: What people call a column of times, in lower case.
TIMES = ("time", "t", "seconds", "timestamp")
#: Two times that are further apart, in steps, have a gap between them. Less may be rounding.
GAP = 1.5


def read_table(path: Path, rate: float | None, target: str | None, needed: bool) -> Record:
    """A row per sample, a column per channel; a column of times gives the rate."""
    table = columns(path)
    labels = None
    if target is not None and (needed or target in table.names):
        gone = table.missing(target)
        labels = ["" if no else str(one) for one, no in zip(table[target], gone, strict=True)]
    time = next((name for name in table.names if name.lower() in TIMES), None)
    if time is not None:
        rate = _rate_of(table, time)
    channels = [name for name in table.names if name not in (time, target)]
    return _record(path, {name: table.numbers(name) for name in channels}, rate, labels)


def _rate_of(table: Columns, name: str) -> float:
    """Samples per second, from their times in seconds or as dates, which may be rounded."""
    times = table.moments(name)
    if len(times) < 2:
        raise DataError(
            f"ecg expected at least two rows in {table.where}, got {len(times)}. Leave this file "
            "out."
        )
    steps = np.diff(times)
    if steps.dtype.kind == "m":
        steps = steps / np.timedelta64(1, "s")
    even = (steps > 0) & (steps < GAP * np.median(steps))
    if not even.all():
        row = int(np.argmin(even))
        raise DataError(
            f"ecg expected evenly spaced times in column {name!r}, got {times[row]} in "
            f"{table.place(row)} and then {times[row + 1]}. Fill the gap with rows whose values "
            "are empty."
        )
    rate = float(len(steps) / steps.sum())
    return float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate


def read_npz(path: Path, rate: float | None, target: str | None, needed: bool) -> Record:
    """An array [T] per channel, or [T, C] for several; a number `rate` gives the rate."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # a broken zip, a broken array, an array of objects
        raise FileError(
            f"ecg expected plain arrays in {path}, got what cannot be read ({error}). Write it "
            "anew with numpy.savez."
        ) from error
    if "rate" in arrays:
        rate = _positive(arrays.pop("rate"), path)
    labels = _taken(arrays, target, needed, path)
    channels: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
            raise DataError(
                f"ecg expected arrays of numbers [T] or [T, C] in {path}, got {name!r} of shape "
                f"{array.shape} and type {array.dtype}. Leave it out of the file."
            )
        several = {f"{name} {place}": column for place, column in enumerate(array.T)}
        channels |= several if array.ndim == 2 else {name: array}
    lengths = {len(column) for column in channels.values()}
    if len(lengths) > 1:
        raise DataError(
            f"ecg expected channels of one length in {path}, got {sorted(lengths)}. Write those "
            "of another length into a file of their own."
        )
    return _record(path, channels, rate, labels)


def _positive(rate: np.ndarray, path: Path) -> float:
    """The rate that a file says."""
    if rate.size != 1 or rate.dtype.kind not in "iuf" or not 0 < rate.item() < np.inf:
        raise DataError(
            f"ecg expected `rate` in {path} to be a number of samples per second above 0, got "
            f"{str(rate)[:60]}. Write it anew."
        )
    return float(rate.item())


def _taken(
    columns: dict[str, Any], target: str | None, needed: bool, path: Path
) -> Sequence[Any] | None:
    """The labels of all samples, no longer among the columns."""
    if target is None or (target not in columns and not needed):
        return None
    if target not in columns:
        raise DataError(
            f"ecg expected {target!r} in {path}, got only {', '.join(columns) or 'nothing'}. Name "
            "one of these as the target."
        )
    found: Sequence[Any] = columns.pop(target)
    return found


def _record(
    path: Path, channels: dict[str, np.ndarray], rate: float | None, labels: Sequence[Any] | None
) -> Record:
    if rate is None:
        raise DataError(
            f"ecg expected to learn how many samples per second {path} has, got nothing that says "
            "it. Give `source_rate=...`, or add a column `time` in seconds (CSV) or a number "
            "`rate` (NPZ)."
        )
    values = np.stack(list(channels.values()), axis=1) if channels else np.empty((0, 0))
    marks = None if labels is None else runs([str(label).strip() for label in labels])
    names = tuple(channels)
    return Record(path.stem, as_float32(values), rate, names, marks=marks)
