"""Recordings as sequences: `elman.data.audio`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elman.data import acoustics
from elman.data.folders import check_one_each, files_in, groups_of
from elman.data.frames import READERS, Columns, columns
from elman.data.hearing import Hearing
from elman.data.labelling import numbered, targets
from elman.data.preparing import Preparation, with_preparation
from elman.data.sequences import Sequences
from elman.data.shelf import FilePath, shelf
from elman.data.sound_files import ENDINGS, Sound, read_sound
from elman.data.waiting import over
from elman.errors import DataError


def audio(
    source: Any,
    labels: Sequence[Any] | None = None,
    *,
    column: str | None = None,
    target: str | None = None,
    group: str | Sequence[Any] | None = None,
    features: str = "basic",
    rate: int | None = None,
    slice: float = 0.025,
    hop: float | None = None,
    bands: int = 40,
    coefficients: int = 13,
    trim: float | None = None,
    longest: float | None = None,
    channel: int | None = None,
    prepared: Preparation | None = None,
    on_disk: FilePath | None = None,
) -> Sequences:
    """Recordings as sequences of short slices, a few numbers each.

    Args:
        source: A folder with a folder of recordings per class, a folder of recordings, one file,
            a list of files, or a table with a column of paths, as `elman.data.table` takes it.
        labels: [n], a class or a number for each file; where folders are the classes, nothing.
        column: With a table, the column of paths, which begin at the table's own folder; the one
            whose values all end like sounds where None.
        target: With a table, the column of classes or numbers; None for no targets.
        group: Whatever must not be split between training and test: one per file, a column of the
            table, or a regular expression that finds it in the path, such as r"_(speaker\\d+)_".
        features: "basic" (dominant frequency in Hz, level in dB, zero crossings per sample),
            "log_mel" (dB per mel band) or "mfcc"; the formulas are in `elman.data.acoustics`.
        rate: Samples per second that all recordings are brought down to; None keeps that of the
            files, which then must be the same for all.
        slice: Seconds in one slice.
        hop: Seconds from one slice to the next; None is the whole slice for "basic", and 10 ms
            for the others.
        bands: Mel bands, for "log_mel" and "mfcc".
        coefficients: How many coefficients "mfcc" keeps.
        trim: A level in dB of full scale, such as -50: the quieter slices at both ends are left
            out.
        longest: Seconds after which a recording is cut.
        channel: Which channel, from 0; None takes the mean of one or two.
        prepared: Of a model that exists: its recipe in place of all options above, its scale and
            its classes.
        on_disk: A folder to write the sequences to, where there are more than fit into memory: one
            recording after the other is read, and what is returned stays in the folder
            (`elman.data.open`).

    Returns:
        `Sequences` of kind "sound", float32 [slices, features] each; `ids` are the paths.

    Raises:
        DataError: No recordings, none in a file, another sampling rate, too short a recording.
        FileError: A file is missing, cut short, or no sound.
        OptionError: An option that cannot be.
        MissingPackageError: A file needs soundfile, which is not installed; WAV files of whole
            numbers are read without.

    Example:
        >>> data = audio(elman.datasets.path("wav/it/h-16.wav").parents[1], trim=-50)
        >>> data.names, len(data), data.feature_names[0]
        (('it', 'ru'), 10, 'dominant frequency')
    """
    told = {"column": column, "target": target} if prepared is None else dict(prepared.columns)
    column, target = column or told.get("column"), target or told.get("target")
    listed = _listed(source, labels, column, target, group, prepared is not None)
    files = listed.files
    first: Sound | None = None  # where it is read already, for its rate
    if prepared is not None:
        hearing = Hearing.from_dict(told)
        rate, channel = hearing.rate, hearing.channel
    else:
        wanted = rate
        if wanted is None:
            first = read_sound(files[0], channel)
            wanted = first.rate
        hearing = Hearing(
            features,
            rate=wanted,
            slice=slice,
            hop=hop if hop is not None else acoustics.FEATURES.get(features) or slice,
            bands=bands,
            coefficients=coefficients,
            trim=trim,
            longest=longest,
            channel=channel,
        )
    seconds, counts = 0.0, Counter[int]()
    with shelf(on_disk, "audio") as place:
        for file in over(files, "reading sounds"):
            recording, first = first or read_sound(file, channel), None
            if rate is None and recording.rate != hearing.rate:
                raise DataError(
                    f"audio expected one sampling rate, got {hearing.rate:,} Hz in {files[0]} and "
                    f"{recording.rate:,} Hz in {file}. Bring all down to one with "
                    f"`rate={min(hearing.rate, recording.rate)}`."
                )
            place.append(hearing.features_of(recording, file))
            seconds += len(recording.samples) / recording.rate
            counts[recording.channels] += 1
        data = Sequences(
            place.values(),
            listed.labels,
            kind="sound",
            names=listed.names,
            groups=listed.groups,
            feature_names=hearing.feature_names,
            units=hearing.units,
            step=hearing.step,
            rate=hearing.rate,
            about=_about(len(files), seconds, counts, channel),
            ids=[str(file) for file in files],
        )
        return place.finished(with_preparation(data, {**told, **hearing.to_dict()}, prepared))


class _Listed(NamedTuple):
    """What a source names: each file, and what is known of it."""

    files: list[Path]
    labels: Any = None
    names: Sequence[str] = ()
    groups: Any = None


def _listed(
    source: Any, labels: Any, column: str | None, target: str | None, group: Any, new: bool
) -> _Listed:
    """The files of a folder, a list or a table; `new` ones may lack the target."""
    is_path = isinstance(source, str | os.PathLike)
    names: Sequence[str] = ()
    if is_path and Path(source).suffix.lower() not in READERS:
        files, classes = files_in("audio", Path(source), ENDINGS)
        if classes is not None and labels is None:
            labels, names = numbered(classes, f"the folders of {str(source)!r}", new=new)
    elif isinstance(source, list | tuple | np.ndarray):
        files = [Path(one) for one in source]
    else:
        table = columns(source)
        folder = Path(source).parent if is_path else Path()
        files = [folder / one for one in table.texts(column or _paths(table))]
        if target is not None and not (new and target not in table.names):
            labels, names = targets(table, target, "auto", new)
        groups = table.texts(group) if isinstance(group, str) else group
        return _Listed(files, labels, names, groups)
    if not files:
        raise DataError("audio expected at least one file, got an empty list. Name some.")
    groups = groups_of("audio", source, files, group)
    check_one_each("audio", "file", len(files), label=labels, group=groups)
    return _Listed(files, labels, names, groups)


def _paths(table: Columns) -> str:
    """The column whose values all end like sounds."""
    found = [
        name
        for name in table.names
        if all(str(value).lower().endswith(ENDINGS) for value in table[name])
    ]
    if len(found) != 1:
        raise DataError(
            f"audio expected one column of paths to sounds in {table.where}, got "
            f"{', '.join(found) or 'none'} among {', '.join(table.names[:20])}. Name it with "
            "`column`."
        )
    return found[0]


def _about(count: int, seconds: float, channels: Counter[int], channel: int | None) -> str:
    minutes, rest = divmod(round(seconds), 60)
    text = f"{count:,} recordings, {minutes:,} min {rest} s in all"
    if channel is not None:
        return f"{text}, channel {channel} of each"
    return f"{text}; {channels[2]:,} of two channels, averaged" if channels[2] else text
