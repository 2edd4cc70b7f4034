"""Cuts records into windows or beats, each with its label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from elman.data.signals import Marks, Record
from elman.errors import DataError, OptionError

UNKNOWN = -1

#: The five classes of beats of ANSI/AAMI EC57, in WFDB's codes. Codes of none are left out.
AAMI: dict[str, str] = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}


class Cut(NamedTuple):
    """Pieces of one record.

    Attributes:
        starts: int64 [n], the sample at which each piece begins.
        steps: Samples in each piece.
        targets: int [n], int [n, steps], or None.
        left_out: Pieces that were not whole, or had no label.
    """

    starts: np.ndarray
    steps: int
    targets: np.ndarray | None
    left_out: int

    def values(self, record: Record) -> list[np.ndarray]:
        """The pieces themselves, float32 [steps, C] each."""
        return [record.values[start : start + self.steps] for start in self.starts]


def class_table(
    classes: Mapping[str, str | Sequence[str]] | str | None, records: Sequence[Record]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The names of the classes, and the class of each label.

    Args:
        classes: Labels by class, `{"narrow": "NL", "wide": ["V", "R"]}` (a string is one label
            per character); "aami" for those of EC57; None: every label is a class.
        records: Where the labels are, if `classes` is None.

    Raises:
        OptionError: A label in two classes, or another word than "aami".
    """
    if classes is None:
        marked = (record.marks.labels for record in records if record.marks is not None)
        names = tuple(sorted({label for labels in marked for label in labels}))
        return names, {name: number for number, name in enumerate(names)}
    if isinstance(classes, str):
        if classes != "aami":
            raise OptionError(
                f'ecg expected `classes` as "aami" or labels by class, got {classes!r}. '
                'For two kinds of beats: {"narrow": "N", "wide": "VR"}.'
            )
        classes = AAMI
    table: dict[str, int] = {}
    for number, (name, labels) in enumerate(classes.items()):
        for label in labels:
            if label in table:
                raise OptionError(
                    f"ecg expected each label in one class, got {label!r} in "
                    f"{list(classes)[table[label]]!r} and {name!r}. Take it out of one."
                )
            table[label] = number
    return tuple(classes), table


def beats(record: Record, before: float, after: float, table: Mapping[str, int]) -> Cut:
    """From `before` to `after` seconds around each mark that has a class.

    A beat whose surroundings reach beyond the record is left out.
    """
    marks = _marks(record, "beats")
    left, steps = round(before * record.rate), round((before + after) * record.rate)
    if before < 0 or steps < 1:
        raise OptionError(
            f"ecg expected `before` from 0 on and at least one sample in all, got {before} s and "
            f"{after} s at {record.rate:g} Hz."
        )
    targets = _numbered(marks, table)
    starts = marks.onset - left
    kept = (targets != UNKNOWN) & (starts >= 0) & (starts + steps <= len(record.values))
    return Cut(starts[kept], steps, targets[kept], int((~kept).sum()))


def windows(
    record: Record, length: float, hop: float, label: str | None, table: Mapping[str, int]
) -> Cut:
    """Windows of `length` seconds, one every `hop` seconds, as long as they are whole.

    Args:
        label: "window": the class that holds for most of it, left out where none holds for half;
            "step": the class at every step, left out where one has none; None: no targets.
    """
    steps, every = round(length * record.rate), round(hop * record.rate)
    if steps < 1 or every < 1:
        raise OptionError(
            f"ecg expected at least one sample in `length` and in `hop`, got {length} s and {hop} "
            f"s at {record.rate:g} Hz. Are they in seconds?"
        )
    starts = np.arange(0, len(record.values) - steps + 1, every, dtype=np.int64)
    if label is None:
        return Cut(starts, steps, None, 0)
    classes = track(_marks(record, "labels"), len(record.values), table)
    within = classes[starts[:, None] + np.arange(steps)] if len(starts) else np.empty((0, steps))
    if label == "step":
        kept = (within != UNKNOWN).all(1)
        return Cut(starts[kept], steps, within[kept], int((~kept).sum()))
    held = np.stack([(within == c).sum(1) for c in range(max(table.values(), default=0) + 1)], 1)
    kept = (within == UNKNOWN).sum(1) * 2 <= steps
    return Cut(starts[kept], steps, held.argmax(1)[kept], int((~kept).sum()))


def track(marks: Marks, steps: int, table: Mapping[str, int]) -> np.ndarray:
    """The class that holds at each sample, int64 [steps]; UNKNOWN where none does.

    A mark that lasts holds as long as it says; an instant, such as a beat, holds halfway to the
    instants next to it.
    """
    targets, lasting = _numbered(marks, table), marks.duration > 0
    found = np.full(steps, UNKNOWN, np.int64)
    instants = marks.onset[~lasting]
    if len(instants):
        nearest = np.searchsorted((instants[1:] + instants[:-1]) / 2, np.arange(steps))
        found[:] = targets[~lasting][nearest]
    for onset, duration, target in zip(
        marks.onset[lasting], marks.duration[lasting], targets[lasting], strict=True
    ):
        if target != UNKNOWN:
            found[max(onset, 0) : max(onset + duration, 0)] = target
    return found


def _numbered(marks: Marks, table: Mapping[str, int]) -> np.ndarray:
    return np.array([table.get(label, UNKNOWN) for label in marks.labels], np.int64)


def _marks(record: Record, wanted: str) -> Marks:
    if record.marks is None or not len(record.marks.onset):
        raise DataError(
            f"ecg expected annotations of {wanted} in {record.name}, got none. Put their file "
            "beside it, name its ending with `annotations`, or cut windows without labels "
            "(`label=None`)."
        )
    return record.marks
