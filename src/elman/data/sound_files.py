"""WAV, FLAC and OGG files as samples from -1 to 1."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from elman.errors import DataError, FileError, MissingPackageError, OptionError

#: What is looked for in folders. libsndfile opens more; name such a file to have it read.
ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")

#: Samples per second; whatever says more is no sound.
FASTEST = 10_000_000


class Sound(NamedTuple):
    """One recording: samples float64 [n] from -1 to 1, per second `rate` of them."""

    samples: np.ndarray
    rate: int
    channels: int  # how many there were before they became one


def read_sound(path: str | Path, channel: int | None = None) -> Sound:
    """One file as one channel.

    Plain WAV (PCM of 8, 16, 24 or 32 bits) needs nothing but Python; all else goes to libsndfile.

    Args:
        path: The file.
        channel: Which channel, from 0; None takes the mean of one or two.

    Raises:
        FileError: No such file, not a sound, or cut short.
        DataError: No samples, samples that are no numbers, or more than two channels and no word
            about which.
        OptionError: There is no such channel.
        MissingPackageError: The file needs soundfile, and it is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"audio expected a file, got none at {path}. Check the path.")
    if not path.stat().st_size:
        raise FileError(
            f"audio expected a sound, got the empty file {path}. Leave it out, or copy it anew."
        )
    found = _plain_wav(path)
    samples, rate = found if found else _with_soundfile(path)
    if not len(samples):
        raise DataError(f"audio expected samples in {path}, got none. Leave this file out.")
    if not 0 < rate <= FASTEST:
        raise FileError(
            f"audio expected 1 to {FASTEST:,} samples per second in {path}, got {rate:,}. Write "
            "the file anew, or leave it out."
        )
    wrong = ~np.isfinite(samples).all(1)
    if wrong.any():
        raise DataError(
            f"audio expected finite samples in {path}, got {wrong.sum()} that are not, the first "
            f"at {wrong.argmax() / rate:.3f} s. Write the file anew, or leave it out."
        )
    return Sound(_one_channel(samples, channel, path), rate, samples.shape[1])


def _one_channel(samples: np.ndarray, channel: int | None, path: Path) -> np.ndarray:
    count = samples.shape[1]
    if channel is None:
        if count <= 2:
            return samples.mean(1)
        # The mean of many microphones cancels what reaches them at different times.
        raise DataError(
            f"audio expected one or two channels in {path}, got {count}. Write it with one, or "
            f"say which one to take: `channel=0` to `channel={count - 1}`."
        )
    if not 0 <= channel < count:
        raise OptionError(
            f"audio expected a channel from 0 to {count - 1} for {path}, got {channel}."
        )
    return samples[:, channel]


def _plain_wav(path: Path) -> tuple[np.ndarray, int] | None:
    """Samples [n, channels] and the rate of a PCM file; None if it is anything else."""
    import wave

    try:
        with wave.open(str(path), "rb") as file:
            expected, rate = file.getnframes(), file.getframerate()
            width, channels = file.getsampwidth(), file.getnchannels()
            content = file.readframes(expected)
    except (wave.Error, EOFError):
        return None
    whole = len(content) // (width * channels)
    # Programs that write into a pipe cannot know the length: they leave the largest number there.
    if whole < expected and expected * width * channels < 2**31 - 2**16:
        raise FileError(
            f"audio expected {expected:,} samples in {path}, as its header says, got {whole:,}. "
            "The file is cut short: copy it anew, or leave it out."
        )
    raw = np.frombuffer(content, np.uint8, whole * width * channels).reshape(-1, channels, width)
    if width == 1:  # bytes without a sign; all wider ones have one
        return (raw[:, :, 0] - 128.0) / 128, rate
    # Into the upper bytes of 32 bits, whatever the width.
    whole_words = np.zeros((*raw.shape[:2], 4), np.uint8)
    whole_words[:, :, 4 - width :] = raw
    return whole_words.view("<i4")[:, :, 0] / 2.0**31, rate


def _with_soundfile(path: Path) -> tuple[np.ndarray, int]:
    try:
        import soundfile
    except ImportError as error:
        raise MissingPackageError(
            f"audio expected the package soundfile to read {path}, got none. Install it with "
            '`pip install "elman[audio]"`. (WAV files of whole numbers are read without.)'
        ) from error
    try:
        with soundfile.SoundFile(str(path)) as file:
            expected, rate = file.frames, file.samplerate
            samples = file.read(dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise FileError(
            f"audio expected a sound file, got {path}, which cannot be read ({error}). Is it cut "
            "short, or no sound at all? Leave it out, or convert it to WAV."
        ) from error
    if len(samples) < expected:
        raise FileError(
            f"audio expected {expected:,} samples in {path}, got {len(samples):,}. The file is cut "
            "short: copy it anew, or leave it out."
        )
    return samples, rate
