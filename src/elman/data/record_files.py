"""Records from files of WFDB, EDF, NPZ and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elman.data import record_tables
from elman.data.frames import READERS
from elman.data.signals import Marks, Record, distinct, places
from elman.errors import DataError, FileError, MissingPackageError

ENDINGS = (".hea", ".edf", ".bdf", ".npz", *READERS)
#: The annotation codes of WFDB that stand at a beat; all others say something else.
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")


def read_record(
    path: str | Path,
    *,
    channels: Sequence[str | int] | None = None,
    rate: float | None = None,
    usual: float | None = None,
    annotations: str = "atr",
    rhythm: bool = False,
    target: str | None = None,
    needed: bool = True,
) -> Record:
    """One record from a file.

    Args:
        path: A WFDB record (its .hea file, or its name without), .edf, .bdf, .npz, or a
            table (.csv, .tsv, .jsonl, .parquet) with a row per sample.
        channels: Names or numbers of the channels to keep; all if None.
        rate: Samples per second, where the file does not say (a table without a column `time`, NPZ
            without a number `rate`). Where it says something else, that is an error.
        usual: Samples per second of such a file where there is no `rate`.
        annotations: WFDB: the ending of the annotations' file.
        rhythm: WFDB: mark the rhythm (from the notes such as "(AFIB") instead of the beats.
        target: Tables, NPZ: the column or array with a label for every sample.
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
    elif ending == ".npz":
        found = record_tables.read_npz(path, rate or usual, target, needed)
    elif ending in READERS:
        found = record_tables.read_table(path, rate or usual, target, needed)
    else:
        raise FileError(
            f"ecg expected a file ending in {', '.join(ENDINGS)}, got {path}. Convert it to one."
        )
    if rate is not None and abs(found.rate / rate - 1) > 1e-6:
        raise DataError(
            f"ecg expected {rate:g} samples per second in {path}, got {found.rate:g}. Leave "
            "`source_rate=...` out to believe the file, or correct the file."
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
    _check_size(path)
    try:
        file = pyedflib.EdfReader(str(path))
    except OSError as error:
        raise FileError(
            f"ecg expected a whole EDF file, got {path}, which cannot be read "
            f"({str(error).removeprefix(f'{path}: ')}). Copy it anew."
        ) from error
    with file:
        names = distinct([label.strip() for label in file.getSignalLabels()])
        kept = places(path, names, channels)
        rates = [float(file.getSampleFrequency(one)) for one in kept]
        if len(set(rates)) > 1:
            each = ", ".join(f"{names[n]} {rate:g} Hz" for n, rate in zip(kept, rates, strict=True))
            raise DataError(
                f"ecg expected channels of one sampling rate in {path}, got {each}. Choose some of "
                "them with `channels=[...]`."
            )
        signals = [file.readSignal(one) for one in kept]
        units = tuple(file.getPhysicalDimension(one).strip() for one in kept)
        onset, duration, texts = file.readAnnotations()
    if not signals:
        raise DataError(f"ecg expected signals in {path}, got none. Leave this file out.")
    return Record(
        path.stem,
        np.stack(signals, axis=1).astype(np.float32),
        rates[0],
        tuple(names[one] for one in kept),
        units,
        _edf_marks(onset, duration, texts, rates[0]),
    )


def _check_size(path: Path) -> None:
    """Raise FileError if a file has another size than its header says; EDFlib would print that.

    The header: Kemp et al., "A simple format for exchange of digitized polygraphic recordings"
    (1992), and https://www.edfplus.info.
    """
    size, expected, known = path.stat().st_size, 256, False
    with path.open("rb") as file:
        fixed = file.read(256)
        try:
            records, signals = int(fixed[236:244]), max(0, int(fixed[252:256]))
            expected += 256 * signals
            counts = file.read(256 * signals)[216 * signals :]  # samples in a record, of each
            samples = sum(int(counts[8 * one : 8 * one + 8]) for one in range(signals))
            known = records >= 0  # it is -1 while somebody writes
            expected += max(0, records) * samples * (3 if fixed[0] == 0xFF else 2)
        except ValueError:
            pass  # cut short within the header, or no EDF: pyedflib says what is wrong
    if size < expected or (known and size > expected):
        is_wrong = "is cut short" if size < expected else "has more behind its end"
        raise FileError(
            f"ecg expected {expected:,} bytes in {path}, as its header says, got {size:,}. The "
            f"file {is_wrong}: copy it anew, or leave it out."
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
