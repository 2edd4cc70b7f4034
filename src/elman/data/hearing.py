"""The recipe from a recording to its features, plain enough for a model's file to hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from elman.data import acoustics
from elman.data.recipe import Recipe
from elman.data.resampling import resample
from elman.data.sound_files import Sound
from elman.errors import DataError, OptionError, unknown_name

#: A recipe may come from a file: no more memory than this is taken because it says so.
LONGEST, MOST_BANDS = 2**17, 256


@dataclass(frozen=True)
class Hearing(Recipe):
    """How recordings become features.

    Attributes:
        features: One of `acoustics.FEATURES`.
        rate: Samples per second; what was recorded at more is brought down to it.
        slice: Seconds in one slice.
        hop: Seconds from one slice to the next.
        bands: Mel bands (`log_mel`, `mfcc`).
        coefficients: How many are kept (`mfcc`).
        trim: Slices at both ends that are quieter than this are left out (dB), or None.
        longest: Seconds after which a recording is cut, or None.
        channel: Which channel, from 0; None for the mean of one or two.
    """

    reads: ClassVar[str] = "sound"
    features: str
    rate: int
    slice: float
    hop: float
    bands: int
    coefficients: int
    trim: float | None = None
    longest: float | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.features not in acoustics.FEATURES:
            raise unknown_name("audio", "set of features", self.features, acoustics.FEATURES)
        for name in ("rate", "slice", "hop"):
            if not 0 < getattr(self, name) < float("inf"):
                raise OptionError(f"audio expected `{name}` above 0, got {getattr(self, name)!r}.")
        if self.slice * self.rate > LONGEST or self.bands > MOST_BANDS:
            raise OptionError(
                f"audio expected at most {LONGEST:,} samples in a slice and {MOST_BANDS} bands, "
                f"got {self.slice * self.rate:,.0f} and {self.bands}. Are slices in seconds?"
            )
        length, hop = self.samples_per_slice, round(self.hop * self.rate)
        if length < 2 or hop < 1:
            raise OptionError(
                f"audio expected at least 2 samples in a slice and 1 in a hop, got {length} and "
                f"{hop} ({self.slice} s and {self.hop} s at {self.rate} Hz). Are they in seconds?"
            )
        self.heard(np.zeros(length))  # says what is wrong with bands and coefficients

    @property
    def samples_per_slice(self) -> int:
        return round(self.slice * self.rate)

    @property
    def step(self) -> float:
        """Seconds from one slice to the next, a whole number of samples."""
        return round(self.hop * self.rate) / self.rate

    @property
    def feature_names(self) -> tuple[str, ...]:
        if self.features == "basic":
            return ("dominant frequency", "level", "zero-crossing rate")
        if self.features == "log_mel":
            return tuple(f"mel band {number}" for number in range(self.bands))
        return tuple(f"MFCC {number}" for number in range(self.coefficients))

    @property
    def units(self) -> tuple[str, ...]:
        if self.features == "basic":
            return ("Hz", "dB", "crossings per sample")
        return ("dB",) * len(self.feature_names)

    def heard(self, samples: np.ndarray) -> np.ndarray:
        """The features of samples that already have the recipe's rate, float32 [T, F]."""
        cut = acoustics.slices(samples, self.samples_per_slice, round(self.hop * self.rate))
        if self.features == "basic":
            found = acoustics.basic(cut, self.rate)
        elif self.features == "log_mel":
            found = acoustics.log_mel(cut, self.rate, self.bands)
        else:
            found = acoustics.mfcc(cut, self.rate, self.bands, self.coefficients)
        if self.trim is not None and len(cut):
            loud = np.flatnonzero(acoustics.level(cut) >= self.trim)
            found = found[loud[0] : loud[-1] + 1] if len(loud) else found[:0]
        return found

    def features_of(self, recording: Sound, path: str | Path) -> np.ndarray:
        """The features of one recording, float32 [T, F]; `path` is for messages.

        Raises:
            DataError: It was recorded at a lower rate, or has less than one slice that is heard.
        """
        if recording.rate < self.rate:
            raise DataError(
                f"audio expected at least {self.rate:,} samples per second, got "
                f"{recording.rate:,} in {path}: nothing above {recording.rate / 2:g} Hz is in it. "
                f"Leave it out, or bring all down to that: `rate={recording.rate}`."
            )
        samples = resample(recording.samples, recording.rate, self.rate)
        if self.longest is not None:
            samples = samples[: max(1, round(self.longest * self.rate))]
        found = self.heard(samples)
        if not len(found):
            quiet = f" that reaches {self.trim:g} dB" if self.trim is not None else ""
            raise DataError(
                f"audio expected at least one slice of {self.slice:g} s{quiet} in {path}, got "
                f"{len(samples) / self.rate:.3f} s of sound. Leave it out, or "
                "take shorter slices: `slice=...`."
            )
        return found
