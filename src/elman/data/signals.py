"""Records of WFDB, EDF, CSV and NPZ: signals, their units and rate, and what was marked in them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.resampling import resample
from elman.errors import DataError, FileError, MissingPackageError

ENDINGS = (".hea", ".edf", ".bdf", ".csv", ".npz")
#: The annotation codes of WFDB that stand at a beat; all others say something else.
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
#: Two times of a CSV file that are further apart, in steps, have a gap between them. Less may be
#: due to rounding.
GAP = 1.5


@dataclass(frozen=True)
class Marks:
    """What somebody marked in a record.

    Attributes:
        onset: int64 [M], the sample at which each mark stands or begins, in order.
        duration: int64 [M], for how many samples it holds; 0 for an instant such as a beat.
        labels: What each mark says.
    """

    onset: np.ndarray
    duration: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """One recording.

    Attributes:
        name: What it is called, for messages and groups.
        values: float32 [T, C] in `units`; NaN where a sample is missing.
        rate: Samples per second.
        feature_names, units: Of each channel; "channel 0" and so on, and "", if not given.
        marks: What was marked in it, or None where nothing could have been.
    """

    name: str
    values: np.ndarray
    rate: float
    feature_names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    marks: Marks | None = None

    def __post_init__(self) -> None:
        width = self.values.shape[1]
        if not self.feature_names:
            names = tuple(f"channel {number}" for number in range(width))
            object.__setattr__(self, "feature_names", names)
        if not self.units:
            object.__setattr__(self, "units", ("",) * width)

    def at_rate(self, rate: float) -> Record:
        """The record as if it had `rate` samples per second, its marks moved along."""
        if rate == self.rate:
            return self
        values = resample(self.values, self.rate, rate).astype(np.float32)
        if self.marks is None:
            return replace(self, values=values, rate=rate)
        ends = self.marks.onset + self.marks.duration
        moved = [
            np.rint(at * (rate / self.rate)).astype(np.int64) for at in (self.marks.onset, ends)
        ]
        marks = Marks(moved[0], moved[1] - moved[0], self.marks.labels)
        return replace(self, values=values, rate=rate, marks=marks)

    def channels(self, wanted: Sequence[str | int] | None) -> Record:
        """The record with these channels only, by name or number, in this order."""
        columns = _places(self.name, self.feature_names, wanted)
        return replace(
            self,
            values=self.values[:, columns],
            feature_names=tuple(self.feature_names[one] for one in columns),
            units=tuple(self.units[one] for one in columns),
        )


def _moved(samples: np.ndarray, ratio: float) -> np.ndarray:
    return np.rint(samples * ratio).astype(np.int64)


def _places(who: object, names: Sequence[str], wanted: Sequence[str | int] | None) -> list[int]:
    """The numbers of the channels that are wanted, of those that are there."""
    if wanted is None:
        return list(range(len(names)))
    place = {name: number for number, name in enumerate(names)}
    found = [one if isinstance(one, int) else place.get(one, -1) for one in wanted]
    for one, number in zip(wanted, found, strict=True):
        if not 0 <= number < len(names):
            raise DataError(
                f"ecg expected a channel {one!r} in {who}, got only {', '.join(names)}. Choose "
                "among these, or their numbers from 0."
            )
    return found


def read_record(
    path: str | Path,
    *,
    channels: Sequence[str | int] | None = None,
    rate: float | None = None,
    annotations: str = "atr",
    rhythm: bool = False,
    target: str | None = None,
    needed: bool = True,
) -> Record:
    """One record from a file.

    Args:
        path: A WFDB record (its .hea file, or its name without), .edf, .bdf, .csv or .npz.
        channels: Names or numbers of the channels to keep; all if None.
        rate: Samples per second, where the file does not say (CSV without a column `time`, NPZ
            without a number `rate`). Where it says something else, that is an error.
        annotations: WFDB: the ending of the annotations' file.
        rhythm: WFDB: mark the rhythm (from the notes such as "(AFIB") instead of the beats.
        target: CSV, NPZ: the column or array with a label for every sample.
        needed: Whether it is an error that `target` is not there.

    Raises:
        FileError: No such file, not such a file, or cut short.
        DataError: No samples, no rate, text where numbers should be, an uneven spacing of times.
        MissingPackageError: The package for this format is not installed.
    """
    path = Path(path)
    if path.suffix == "" and path.with_suffix(".hea").is_file():
        path = path.with_suffix(".hea")
    if not path.is_file():
        raise FileError(f"ecg expected a file, got none at {path}. Check the path.")
    ending = path.suffix.lower()
    if ending == ".hea":
        found = _wfdb(path, annotations, rhythm)
    elif ending in (".edf", ".bdf"):
        found = _edf(path, channels)
    elif ending == ".csv":
        found = _csv(path, rate, target, needed)
    elif ending == ".npz":
        found = _npz(path, rate, target, needed)
    else:
        raise FileError(
            f"ecg expected a file ending in {', '.join(ENDINGS)}, got {path}. Convert it to one."
        )
    if rate is not None and abs(found.rate / rate - 1) > 1e-6:
        raise DataError(
            f"ecg expected {rate:g} samples per second in {path}, got {found.rate:g}. Leave the "
            "rate out to believe the file, or correct the file."
        )
    if ending not in (".edf", ".bdf"):  # those have chosen, for not all need be of one rate
        found = found.channels(channels)
    if not found.values.size:
        raise DataError(f"ecg expected samples in {path}, got none. Leave this file out.")
    if np.isinf(found.values).any():
        row, column = np.argwhere(np.isinf(found.values))[0]
        raise DataError(
            f"ecg expected finite or missing samples in {path}, got an infinity in sample {row} of "
            f"channel {column}. Write NaN, or nothing, where a sample is missing."
        )
    return found


# -- WFDB -----------------------------------------------------------------------------------------


def _wfdb(path: Path, annotations: str, rhythm: bool) -> Record:
    wfdb = _package("wfdb", path)
    base = str(path.with_suffix(""))
    try:
        record = wfdb.rdrecord(base)
    except FileNotFoundError as error:
        raise FileError(
            f"ecg expected the signals of {path} beside it, got none ({error}). Copy the .dat file "
            "there too."
        ) from error
    except Exception as error:  # whatever wfdb stumbles over in a file that is none
        raise FileError(
            f"ecg expected a whole WFDB record, got {path}, which cannot be read ({error}). Copy "
            "the .hea and .dat files anew."
        ) from error
    if record.p_signal is None:
        raise DataError(f"ecg expected signals in {path}, got none. Leave this record out.")
    return Record(
        path.stem,
        record.p_signal.astype(np.float32),
        float(record.fs),
        tuple(record.sig_name),
        tuple(record.units),
        _wfdb_marks(wfdb, path, annotations, rhythm, len(record.p_signal)),
    )


def _wfdb_marks(wfdb: Any, path: Path, ending: str, rhythm: bool, steps: int) -> Marks | None:
    if not path.with_suffix(f".{ending}").is_file():
        return None
    try:
        found = wfdb.rdann(str(path.with_suffix("")), ending)
    except Exception as error:
        raise FileError(
            f"ecg expected annotations in {path.with_suffix(f'.{ending}')}, got a file that cannot "
            f"be read ({error}). Copy it anew, or name another ending."
        ) from error
    at = np.asarray(found.sample, np.int64)
    if rhythm:
        notes = [note.strip("\0 ") for note in found.aux_note]
        kept = [number for number, note in enumerate(notes) if note.startswith("(")]
        onset = at[kept]
        return Marks(onset, np.diff(onset, append=steps), tuple(notes[number] for number in kept))
    kept = [number for number, symbol in enumerate(found.symbol) if symbol in BEATS]
    labels = tuple(found.symbol[number] for number in kept)
    return Marks(at[kept], np.zeros(len(kept), np.int64), labels)


# -- EDF ------------------------------------------------------------------------------------------


def _edf(path: Path, channels: Sequence[str | int] | None) -> Record:
    pyedflib = _package("pyedflib", path)
    try:
        file = pyedflib.EdfReader(str(path))
    except OSError as error:
        raise FileError(
            f"ecg expected a whole EDF file, got {path}, which cannot be read ({error}). It may be "
            "cut short: copy it anew."
        ) from error
    with file:
        names = [label.strip() for label in file.getSignalLabels()]
        kept = _places(path, names, channels)
        rates = {names[one]: float(file.getSampleFrequency(one)) for one in kept}
        if len(set(rates.values())) > 1:
            each = ", ".join(f"{name} {rate:g} Hz" for name, rate in rates.items())
            raise DataError(
                f"ecg expected channels of one sampling rate in {path}, got {each}. Choose some of "
                "them with `channels=[...]`."
            )
        signals = [file.readSignal(one) for one in kept]
        units = tuple(file.getPhysicalDimension(one).strip() for one in kept)
        onset, duration, texts = file.readAnnotations()
    if not signals:
        raise DataError(f"ecg expected signals in {path}, got none. Leave this file out.")
    [rate] = set(rates.values())
    return Record(
        path.stem,
        np.stack(signals, axis=1).astype(np.float32),
        rate,
        tuple(rates),
        units,
        _edf_marks(onset, duration, texts, rate),
    )


def _edf_marks(
    onset: np.ndarray, duration: np.ndarray, texts: np.ndarray, rate: float
) -> Marks | None:
    if not len(onset):
        return None  # the file could hold notes, but nobody wrote any
    order = np.argsort(onset, kind="stable")
    first = np.rint(onset[order] * rate).astype(np.int64)
    lasting = np.rint(np.maximum(duration[order], 0) * rate).astype(np.int64)
    return Marks(first, lasting, tuple(str(texts[one]) for one in order))


# -- CSV and NPZ ----------------------------------------------------------------------------------


def _csv(path: Path, rate: float | None, target: str | None, needed: bool) -> Record:
    """A row per sample, a column per channel; `time` in seconds gives the rate."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
    except UnicodeDecodeError as error:
        raise FileError(
            f"ecg expected text in UTF-8 in {path}, got byte {error.object[error.start]:#x} at "
            f"place {error.start}. Save it as UTF-8."
        ) from error
    except ValueError:
        raise DataError(f"ecg expected a header in {path}, got an empty file.") from None
    header = [name.strip() for name in header]
    rows = [row for row in rows if row]
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise DataError(
                f"ecg expected {len(header)} values in line {line} of {path}, got {len(row)}. "
                "Give every row all columns, empty where a sample is missing."
            )
    columns = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
    labels = _taken(columns, target, needed, path)
    numbers = {name: _numbers(column, name, path) for name, column in columns.items()}
    time = next((name for name in numbers if name.lower() in ("time", "t", "seconds")), None)
    if time is not None:
        rate = _rate_of(numbers.pop(time), path)
    return _record(path, numbers, rate, labels)


def _numbers(column: Sequence[str], name: str, path: Path) -> np.ndarray:
    """A column of text as numbers; what is empty is missing."""
    found = np.empty(len(column))
    for row, text in enumerate(column):
        try:
            found[row] = float(text) if text.strip() else np.nan
        except ValueError:
            raise DataError(
                f"ecg expected numbers in column {name!r} of {path}, got {text!r} in line "
                f"{row + 2}. Correct it, leave it empty where a sample is missing, or name the "
                "column as the target."
            ) from None
    return found


def _rate_of(seconds: np.ndarray, path: Path) -> float:
    """Samples per second, from their times, which may be rounded."""
    if len(seconds) < 2:
        raise DataError(
            f"ecg expected at least two rows in {path}, got {len(seconds)}. Leave this file out."
        )
    steps = np.diff(seconds)
    even = (steps > 0) & (steps < GAP * np.nanmedian(steps))  # NaN is neither
    if not even.all():
        row = int(np.argmin(even))
        raise DataError(
            f"ecg expected evenly spaced times in {path}, got {seconds[row]:g} and "
            f"{seconds[row + 1]:g} s in lines {row + 2} and {row + 3}. Fill the gap with rows "
            "whose values are empty."
        )
    rate = float((len(seconds) - 1) / (seconds[-1] - seconds[0]))
    return float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate


def _npz(path: Path, rate: float | None, target: str | None, needed: bool) -> Record:
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
        rate = float(arrays.pop("rate"))
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
            "it. Give `source_rate`, or add a column `time` in seconds (CSV) or a number `rate` "
            "(NPZ)."
        )
    values = np.stack(list(channels.values()), axis=1) if channels else np.empty((0, 0))
    marks = None if labels is None else runs([str(label).strip() for label in labels])
    names = tuple(channels)
    return Record(path.stem, values.astype(np.float32), rate, names, marks=marks)


def runs(labels: Sequence[str]) -> Marks:
    """Labels of single samples as marks that last; "" marks nothing."""
    given = np.asarray(labels, str)
    starts = np.flatnonzero(np.append(True, given[1:] != given[:-1])) if len(given) else given
    starts = starts.astype(np.int64)
    lasting = np.diff(starts, append=len(given))
    said = [number for number, start in enumerate(starts) if given[start]]
    return Marks(starts[said], lasting[said], tuple(str(given[starts[n]]) for n in said))


def _package(name: str, path: Path) -> Any:
    """wfdb or pyedflib, or the error that names the extra."""
    try:
        if name == "wfdb":
            import wfdb as found
        else:
            import pyedflib as found
    except ImportError as error:
        raise MissingPackageError(
            f"ecg expected the package {name} to read {path}, got none. Install it with "
            '`pip install "elman[ecg]"`.'
        ) from error
    return found
