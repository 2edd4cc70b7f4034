"""Recordings as sequences: `elman.data.audio`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elman.data import acoustics
from elman.data.folders import files_in, groups_of
from elman.data.hearing import Hearing
from elman.data.preparing import Preparation, with_preparation
from elman.data.sequences import Sequences
from elman.data.sound_files import ENDINGS, read_sound
from elman.errors import DataError


def audio(
    source: str | Path | Sequence[str | Path],
    labels: Sequence[Any] | None = None,
    *,
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
) -> Sequences:
    """Recordings as sequences of short slices, a few numbers each.

    Args:
        source: A folder with a folder of recordings per class, a folder of recordings, one file,
            or a list of files.
        labels: [n], a class or a number for each file; where folders are the classes, nothing.
        group: Whatever must not be split between training and test: one per file, or a regular
            expression that finds it in the path, such as r"_(speaker\\d+)_".
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
    files, classes = _files(source)
    labels = classes if labels is None else list(labels)
    for what, given in (("label", labels), ("group", group)):
        if given is not None and not isinstance(given, str) and len(given) != len(files):
            raise DataError(
                f"audio expected one {what} for each of {len(files)} files, got {len(given)}. "
                "Give each file its own."
            )
    if prepared is not None:
        hearing = Hearing.from_dict(dict(prepared.columns))
        rate, channel = hearing.rate, hearing.channel
    else:
        hearing = Hearing(
            features,
            rate=read_sound(files[0], channel).rate if rate is None else rate,
            slice=slice,
            hop=hop if hop is not None else acoustics.FEATURES.get(features) or slice,
            bands=bands,
            coefficients=coefficients,
            trim=trim,
            longest=longest,
            channel=channel,
        )
    values, seconds, channels = [], 0.0, Counter[int]()
    for file in files:
        recording = read_sound(file, channel)
        if rate is None and recording.rate != hearing.rate:
            raise DataError(
                f"audio expected one sampling rate, got {hearing.rate:,} Hz in {files[0]} and "
                f"{recording.rate:,} Hz in {file}. Bring all down to one with "
                f"`rate={min(hearing.rate, recording.rate)}`."
            )
        values.append(hearing.features_of(recording, file))
        seconds += len(recording.samples) / recording.rate
        channels[recording.channels] += 1
    data = Sequences(
        values,
        labels,
        kind="sound",
        groups=groups_of("audio", source, files, group),
        feature_names=hearing.feature_names,
        units=hearing.units,
        step=hearing.step,
        rate=hearing.rate,
        about=_about(len(files), seconds, channels, channel),
        ids=[str(file) for file in files],
    )
    return with_preparation(data, hearing.to_dict(), prepared)


def _files(source: Any) -> tuple[list[Path], list[str] | None]:
    if isinstance(source, str | os.PathLike):
        return files_in("audio", Path(source), ENDINGS)
    files = [Path(one) for one in source]
    if not files:
        raise DataError("audio expected at least one file, got an empty list.")
    return files, None


def _about(count: int, seconds: float, channels: Counter[int], channel: int | None) -> str:
    minutes, rest = divmod(round(seconds), 60)
    text = f"{count:,} recordings, {minutes:,} min {rest} s in all"
    if channel is not None:
        return f"{text}, channel {channel} of each"
    return f"{text}; {channels[2]:,} of two channels, averaged" if channels[2] else text
