"""ECG and other sensors as sequences: `elman.data.ecg`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.cutting import Cut
from elman.data.folders import check_one_each, files_in, groups_of
from elman.data.labelling import numbered
from elman.data.preparing import Preparation, with_preparation
from elman.data.record_files import ENDINGS, read_record
from elman.data.sensing import Sensing, spelled
from elman.data.sequences import Sequences
from elman.data.shelf import FilePath, Shelf, shelf
from elman.data.signals import Record
from elman.data.waiting import over
from elman.errors import DataError, OptionError


def ecg(
    source: str | Path | Record | np.ndarray | Sequence[str | Path | Record],
    labels: Sequence[Any] | None = None,
    *,
    target: str | None = None,
    cut: str = "windows",
    length: float = 10.0,
    hop: float | None = None,
    before: float = 0.25,
    after: float = 0.45,
    label: str | None = "auto",
    classes: Mapping[str, str | Sequence[str]] | str | None = None,
    group: str | Sequence[Any] | None = None,
    channels: Sequence[str | int] | None = None,
    rate: float | None = None,
    source_rate: float | None = None,
    annotations: str = "atr",
    rhythm: bool = False,
    prepared: Preparation | None = None,
    on_disk: FilePath | None = None,
) -> Sequences:
    """Records of ECG or of other sensors, cut into windows or beats, with their labels.

    Args:
        source: A WFDB record (.hea), EDF, BDF or NPZ file, or a table with a
            row per sample (.csv, .tsv, .jsonl, .parquet); a folder of them, perhaps with a
            folder per class; a list of files; an array [T] or [T, C]; or `Record`s.
        labels: [n], a class or a number for each record; where folders are the classes, nothing.
        target: Of tables and NPZ files, the column with a label for every sample.
        cut: "windows", "beats" (around each annotated beat) or "records" (whole ones).
        length, hop: Seconds in one window, and from one to the next (None: `length`).
        before, after: Seconds kept before and after a beat.
        label: What a window is labelled by: "window" (the class that holds for most of it),
            "step" (the class at every step), "record", or None. "auto" is "record" where records
            have labels, "window" where they have annotations, None otherwise. Beats have their own.
        classes: The labels of each class, `{"narrow": "NL", "wide": "VR"}`, "aami" for the five
            of ANSI/AAMI EC57, or None: each label is a class. Labels of no class are left out.
        group: Whatever must not be split between training and test: one per record, or a regular
            expression that finds it in the path; None: the record, where there are several.
        channels: Names or numbers of the channels to keep.
        rate: Steps per second that all records are brought to; None keeps the records' own, which
            then must be the same for all.
        source_rate: Samples per second of arrays, tables and NPZ files that do not say.
        annotations: The ending of WFDB annotation files.
        rhythm: Label by the annotated rhythm, such as "(AFIB", rather than by beats (WFDB).
        prepared: Of a model that exists: its options in place of all above but `source_rate`, its
            scale and its classes, and targets only where there are some. What does not say its
            rate has that of the model's records.
        on_disk: A folder to write the records to, where they are larger than memory: one after the
            other is read, and what is returned stays in the folder (`elman.data.open`). Windows
            that overlap take no more room than the records.

    Returns:
        `Sequences` of kind "ecg", float32 [steps, channels] each in the records' units, NaN where
        a sample is missing; `times` are the seconds from the record's start, `ids` the records.

    Raises:
        DataError: No annotations where labels are wanted, other channels, units or rates than in
            the first record, or nothing that could be cut from it.
        FileError: A file is missing, cut short, or in another format.
        OptionError: An option that cannot be.
        MissingPackageError: wfdb or pyedflib is not installed.

    Example:
        >>> data = ecg(np.zeros((3600, 1)), source_rate=360, length=2)
        >>> len(data), data.step
        (5, 0.002777777777777778)
    """
    new = prepared is not None
    if source_rate is not None and not 0 < source_rate < np.inf:
        raise OptionError(f"ecg expected a rate above 0, got `source_rate={source_rate:g}`.")
    if prepared is not None:
        recipe = Sensing.from_dict(dict(prepared.columns))
    else:
        chosen = None if channels is None else tuple(channels)
        recipe = Sensing(
            cut, length, hop, before, after, label, spelled(classes), chosen, rate, annotations,
            rhythm, target,
        )  # fmt: skip
    usual = source_rate if prepared is None else source_rate or prepared.rate
    read, paths, folders = _records(source, recipe, source_rate, usual, not new)
    given: Any = labels
    record_names: Sequence[str] = ()
    if folders is not None and labels is None:
        given, record_names = numbered(folders, f"the folders of {str(source)!r}", new=new)
    groups = groups_of("ecg", source, paths, group)
    check_one_each("ecg", "record", len(paths), label=given, group=groups)
    with shelf(on_disk, "ecg") as place:
        records, begins, recorded_rate = _alike(read, recipe.rate, new, place)
        if groups is None and len(records) > 1:
            groups = [record.name for record in records]
        if prepared is not None:
            _check_units(records[0], prepared)
        marked = any(record.marks is not None for record in records)
        by = recipe.labelled_by(given is not None, marked, new)
        names, table = (record_names, {}) if by in ("record", None) else recipe.table(records)
        cuts = [recipe.pieces(record, by, table) for record in records]
        if not any(len(one.starts) for one in cuts):
            raise DataError(_nothing(records, cuts, recipe.cut))

        counts = [len(one.starts) for one in cuts]
        steps = np.repeat([one.steps for one in cuts], counts)
        starts = np.concatenate([one.starts for one in cuts])
        first = records[0]
        data = Sequences(
            place.pieces(starts + np.repeat(begins, counts), steps),
            _each(given, counts) if by == "record" else _targets(cuts, by),
            kind="ecg",
            groups=_each(groups, counts),
            times=starts / first.rate,
            names=names,
            feature_names=first.feature_names,
            units=first.units,
            step=1 / first.rate,
            rate=recorded_rate,
            about=_about(records, cuts, recipe.cut),
            ids=_each(paths, counts),
        )
        # Whatever these records had and were, later ones shall have and be too.
        kept = "auto" if by == "beat" else by
        told = replace(recipe, label=kept, rate=first.rate, channels=first.feature_names)
        return place.finished(with_preparation(data, told.to_dict(), prepared))


def _records(
    source: Any, recipe: Sensing, rate: float | None, usual: float | None, needed: bool
) -> tuple[Iterator[Record], list[str], list[str] | None]:
    """The records, what each is called in `ids`, and the class of each where folders say it."""
    if isinstance(source, np.ndarray):
        if usual is None:
            raise OptionError(
                "ecg expected `source_rate` with an array, got None. Say how many samples per "
                "second it has."
            )
        if source.ndim not in (1, 2) or not source.size:
            raise DataError(
                f"ecg expected an array [T] or [T, C] of samples, got shape {source.shape}. For "
                "pieces that are cut already, use elman.data.Sequences."
            )
        values = source.reshape(len(source), -1).astype(np.float32)
        source = [Record("the array", values, float(usual))]
    if isinstance(source, Record):
        source = [source]
    classes = None
    if isinstance(source, str | os.PathLike):
        source, classes = files_in("ecg", Path(source), ENDINGS)
    if not len(source):
        raise DataError("ecg expected at least one record, got an empty list.")
    records = (
        one.channels(recipe.channels)
        if isinstance(one, Record)
        else read_record(
            one,
            channels=recipe.channels,
            rate=rate,
            usual=usual,
            annotations=recipe.annotations,
            rhythm=recipe.rhythm,
            target=recipe.target,
            needed=needed,
        )
        for one in over(source, "reading records")
    )
    called = [one.name if isinstance(one, Record) else str(one) for one in source]
    return records, called, classes


def _alike(
    read: Iterable[Record], rate: float | None, new: bool, place: Shelf
) -> tuple[list[Record], list[int], float]:
    """The records with the same channels in the same order, at one rate, and put on a shelf.

    Returns:
        The records, of whose values only the number is left; where each begins on the shelf; and
        the rate at which the first was recorded.
    """
    found: list[Record] = []
    begins: list[int] = []
    for record in read:
        if not found:
            first, recorded_rate = record, record.rate
        one = record.channels(first.feature_names)
        if one.units != first.units:
            raise DataError(
                f"ecg expected channels as in {first.name} ({_named(first)}), got {_named(one)} in "
                f"{one.name}. Choose channels that all have, or bring them to one unit."
            )
        if rate is None and one.rate != recorded_rate:
            raise DataError(
                f"ecg expected one sampling rate, got {recorded_rate:g} Hz in {first.name} and "
                f"{one.rate:g} Hz in {one.name}. Bring all to one with "
                f"`rate={min(one.rate, recorded_rate):g}`."
            )
        if rate is not None:
            _check_rate(record, rate, new)
            one = one.at_rate(rate)
        begins.append(place.append(one.values))
        nothing = np.broadcast_to(np.float32(0), one.values.shape)
        found.append(replace(one, values=nothing))
        first = found[0]
    return found, begins, recorded_rate


def _check_rate(record: Record, rate: float, new: bool) -> None:
    """What a record was too slow for cannot be made up."""
    if record.rate < rate * (1 - 1e-6):
        model = ", as the model was trained on," if new else ","
        so = "train a model for it" if new else f"take less: `rate={record.rate:g}`"
        raise DataError(
            f"ecg expected at least {rate:g} samples per second{model} got {record.rate:g} in "
            f"{record.name}. Leave it out, or {so}."
        )


def _check_units(record: Record, prepared: Preparation) -> None:
    """A model of millivolts knows nothing of microvolts; a unit that is not known may be any."""
    for name, unit, wanted in zip(record.feature_names, record.units, prepared.units, strict=False):
        if unit and wanted and unit != wanted:
            raise DataError(
                f"ecg expected channel {name!r} in {wanted}, as the model was trained on, got "
                f"{unit} in {record.name}. Bring it to that unit."
            )


def _named(record: Record) -> str:
    pairs = zip(record.feature_names, record.units, strict=True)
    return ", ".join(f"{name} [{unit}]" if unit else name for name, unit in pairs)


def _targets(cuts: Sequence[Cut], label: str | None) -> Any:
    found = [one.targets for one in cuts if one.targets is not None]
    if label is None:
        return None
    return [row for rows in found for row in rows] if label == "step" else np.concatenate(found)


def _each(given: Sequence[Any] | None, counts: Sequence[int]) -> np.ndarray | None:
    """What is known of each record, for each of its pieces."""
    return None if given is None else np.repeat(np.asarray(given), counts)


def _nothing(records: Sequence[Record], cuts: Sequence[Cut], cut: str) -> str:
    longest = max(len(record.values) / record.rate for record in records)
    left_out = sum(one.left_out for one in cuts)
    why = (
        f"{left_out} {cut} without a label or not whole" if left_out else "none that is long enough"
    )
    return (
        f"ecg expected {cut} in {records[0].name}{' and others' if len(records) > 1 else ''}, got "
        f"{why} (the longest record has {longest:g} s). Take "
        f"shorter ones{': `length=...`' if cut == 'windows' else ''}, or other `classes=...`."
    )


def _about(records: Sequence[Record], cuts: Sequence[Cut], cut: str) -> str:
    seconds = sum(len(record.values) / record.rate for record in records)
    left_out = sum(one.left_out for one in cuts)
    more = f"; {left_out:,} left out, without a label or not whole" if left_out else ""
    of = f"{len(records):,} records" if len(records) > 1 else records[0].name
    return f"{cut} of {of}, {seconds / 60:,.1f} min in all{more}"
