"""The recipe from a record to its pieces, plain enough for a model's file to hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from elman.data import cutting
from elman.data.cutting import Cut
from elman.data.recipe import Recipe
from elman.data.signals import Record
from elman.errors import DataError, OptionError, unknown_name

CUTS = ("windows", "beats", "records")
LABELS = ("auto", "window", "step", "record")


@dataclass(frozen=True)
class Sensing(Recipe):
    """How records are read and cut; the attributes are the arguments of `elman.data.ecg`.

    Attributes:
        classes: None, "aami", or for each class one word: its name and its labels, with tabs
            between them (see `spelled`).
    """

    reads: ClassVar[str] = "records"
    cut: str = "windows"
    length: float = 10.0
    hop: float | None = None
    before: float = 0.25
    after: float = 0.45
    label: str | None = "auto"
    classes: str | tuple[str, ...] | None = None
    channels: tuple[str | int, ...] | None = None
    rate: float | None = None
    annotations: str = "atr"
    rhythm: bool = False
    target: str | None = None

    def __post_init__(self) -> None:
        for what, given, known in (("cut", self.cut, CUTS), ("label", self.label, LABELS)):
            if given not in known and (given is not None or what == "cut"):
                raise unknown_name("ecg", what, given, known)
        if self.cut == "beats" and self.label not in ("auto", "window"):
            raise OptionError(
                "ecg expected beats to be labelled by their annotations, got "
                f'label={self.label!r}. Leave it out, or take cut="windows".'
            )
        for name in ("length", "hop", "rate"):
            given = getattr(self, name)
            if given is not None and not 0 < given < float("inf"):
                raise OptionError(f"ecg expected `{name}` above 0, got {given!r}.")

    def labelled_by(self, listed: bool, marked: bool, new: bool = False) -> str | None:
        """What the targets are of: "beat", "window", "step", "record", or None for no targets.

        Args:
            listed: Whether each record has a label.
            marked: Whether anything is marked in the records.
            new: Whether these are for a model that exists, and may lack labels.
        """
        if self.cut == "beats":
            return "beat"
        if self.label == "auto":
            return "record" if listed else "window" if marked else None
        if new and not (listed if self.label == "record" else marked):
            return None
        if self.label == "record" and not listed:
            raise DataError(
                "ecg expected a label for each record, got none. Give `labels`, or put the files "
                "of each class into a folder of its own."
            )
        return self.label

    def table(self, records: Sequence[Record]) -> tuple[tuple[str, ...], dict[str, int]]:
        """The names of the classes, and the class of each label; see `cutting.class_table`."""
        if self.classes is None or isinstance(self.classes, str):
            return cutting.class_table(self.classes, records)
        words = [word.split("\t") for word in self.classes]
        return cutting.class_table({name: labels for name, *labels in words}, records)

    def pieces(self, record: Record, by: str | None, table: Mapping[str, int]) -> Cut:
        """One record in pieces, labelled by what `labelled_by` said."""
        if by == "beat":
            return cutting.beats(record, self.before, self.after, table)
        length = len(record.values) / record.rate if self.cut == "records" else self.length
        hop = length if self.hop is None or self.cut == "records" else self.hop
        return cutting.windows(record, length, hop, by if by != "record" else None, table)


def spelled(
    classes: Mapping[str, str | Sequence[str]] | str | None,
) -> str | tuple[str, ...] | None:
    """Labels by class as words that a file can hold.

    >>> spelled({"narrow": "NL", "fast": ["(VT"]})
    ('narrow\\tN\\tL', 'fast\\t(VT')
    """
    if classes is None or isinstance(classes, str):
        return classes
    return tuple("\t".join([name, *labels]) for name, labels in classes.items())
