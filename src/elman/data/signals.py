"""A record: signals, their units and rate, and what was marked in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from elman.data.resampling import resample
from elman.errors import DataError


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
        object.__setattr__(self, "feature_names", distinct(self.feature_names))
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
        columns = places(self.name, self.feature_names, wanted)
        return replace(
            self,
            values=self.values[:, columns],
            feature_names=tuple(self.feature_names[one] for one in columns),
            units=tuple(self.units[one] for one in columns),
        )


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, and behind the second of a kind its number: EDF files may have two "ECG"."""
    found: list[str] = []
    for place, name in enumerate(names):
        before = names[:place].count(name)
        found.append(f"{name} ({before + 1})" if before else name)
    return tuple(found)


def places(who: object, names: Sequence[str], wanted: Sequence[str | int] | None) -> list[int]:
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


def runs(labels: Sequence[str]) -> Marks:
    """Labels of single samples as marks that last; "" marks nothing."""
    given = np.asarray(labels, str)
    starts = np.flatnonzero(np.append(True, given[1:] != given[:-1])) if len(given) else given
    starts = starts.astype(np.int64)
    lasting = np.diff(starts, append=len(given))
    said = [number for number, start in enumerate(starts) if given[start]]
    return Marks(starts[said], lasting[said], tuple(str(given[starts[n]]) for n in said))
