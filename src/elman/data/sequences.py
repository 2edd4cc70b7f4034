"""Sequences: the one small object that carries data from a file to a model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data.cut_texts import CutTexts
from elman.data.splitting import split_rows
from elman.errors import DataError, ShapeError
from elman.ragged import Ragged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from elman.data.describing import Description
    from elman.data.preparing import Preparation

Array = np.ndarray[Any, np.dtype[Any]]


class Sequences:
    """Sequences of unequal length, their targets, and what is known about both.

    `model.fit`, `evaluate` and `predict` take it as `x`; the targets come with it.

    Args:
        values: n arrays, float32 [steps, features] with NaN where a sample is missing; or int32
            [steps] tokens where `kind` is "text". Or a `Ragged` of them.
        targets: None; [n] class numbers, names of classes or numbers; [n, k] numbers; or a list
            of arrays [steps] or [steps, k]: a target at every step.
        kind: what the data are: "text", "sound", "ecg", "table" or "forecast".
        groups: [n], whatever must not be split between training and test: a speaker, a patient.
        times: [n], when each sequence was, for a split in time.
        until: [n], of forecasts: when the last of what comes after each sequence was; `times` then
            says when the sequence ends.
        names: the name of each class; where targets are names, they are numbered in this order.
        feature_names: the name of each feature.
        units: the unit of each feature.
        step: seconds from one step to the next.
        rate: samples per second in the source.
        vocabulary: the token of each number, with "" for 0 (padding) and "[UNK]" for 1 (unknown).
        about: in one sentence what this is.
        prepared: the `Preparation` that made the values from raw ones.
        ids: [n], where each sequence comes from: a file, a row.
        raw: [n], what the values were made of: texts, windows of a series. A split makes them anew,
            with what its training part teaches.

    Raises:
        ShapeError: features, targets or another list do not match the sequences.
        DataError: targets that are not in `names`.

    Example:
        >>> data = Sequences([np.zeros((3, 2)), np.ones((5, 2))], ["no", "yes"], kind="table")
        >>> data.lengths, data.targets, data.names
        (array([3, 5]), array([0, 1], dtype=int32), ('no', 'yes'))
    """

    def __init__(
        self,
        values: Ragged | Sequence[Any],
        targets: Any = None,
        *,
        kind: str,
        groups: Any = None,
        times: Any = None,
        until: Any = None,
        names: Sequence[str] = (),
        feature_names: Sequence[str] = (),
        units: Sequence[str] = (),
        step: float | None = None,
        rate: float | None = None,
        vocabulary: Sequence[str] | None = None,
        about: str = "",
        prepared: Preparation | None = None,
        ids: Any = None,
        raw: Any = None,
    ) -> None:
        self.kind = kind
        self.values = _values(values, np.int32 if kind == "text" else np.float32)
        self.targets, self.names = _targets(targets, names, self.values)
        self.groups = self._beside(groups, "groups")
        self.times = self._beside(times, "times")
        self.until = self._beside(until, "until")
        self.ids = self._beside(ids, "ids")
        self.raw: Any = raw if raw is None or isinstance(raw, CutTexts) else _objects(raw)
        self.feature_names, self.units = tuple(feature_names), tuple(units)
        self.step, self.rate = step, rate
        self.vocabulary = None if vocabulary is None else list(vocabulary)
        self.about = about
        self.prepared = prepared
        if self.raw is not None and len(self.raw) != len(self):
            raise ShapeError(
                f"Sequences expected what each of {len(self)} sequences was made of, got "
                f"{len(self.raw)}. Give all of them, or none."
            )
        for what, given in (("feature_names", self.feature_names), ("units", self.units)):
            if given and len(given) != self.features:
                raise ShapeError(
                    f"Sequences expected one of {what} for each of {self.features} features, got "
                    f"{len(given)}. Name every feature, or none."
                )

    def _beside(self, given: Any, what: str) -> Array | None:
        if given is None:
            return None
        found = np.asarray(given)
        if found.ndim != 1 or len(found) != len(self):
            raise ShapeError(
                f"Sequences expected one of {what} for each of {len(self)} sequences, got shape "
                f"{found.shape}. Give each sequence its own."
            )
        return found

    # -- what is there ----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.values)

    @property
    def lengths(self) -> Array:
        """Steps of each sequence, [n]."""
        return self.values.lengths

    @property
    def features(self) -> int:
        """Numbers per step; 1 for tokens."""
        return int(self.values.shape[2]) if self.values.ndim == 3 else 1

    @property
    def classes(self) -> int:
        """How many classes the targets are of; 0 where they are no classes."""
        return len(self.names)

    @property
    def by_step(self) -> bool:
        """Whether there is a target for every step."""
        return isinstance(self.targets, Ragged)

    @property
    def missing(self) -> int:
        """How many values are missing (NaN)."""
        if self.kind == "text":
            return 0
        return sum(int(np.isnan(part).sum()) for _, part in self.values.parts())

    def __iter__(self) -> Iterator[Array]:
        return (self.values[row] for row in range(len(self)))

    def __getitem__(self, rows: Any) -> Any:
        """Some of the sequences (a slice, indices, a mask), or with a number one as an array."""
        if isinstance(rows, int | np.integer):
            return self.values[int(rows)]
        return self.take(np.arange(len(self))[rows])

    def take(self, rows: Array) -> Sequences:
        """The sequences with these places, in this order."""
        return self.with_values(
            self.values[rows],
            targets=None if self.targets is None else self.targets[rows],
            groups=None if self.groups is None else self.groups[rows],
            times=None if self.times is None else self.times[rows],
            until=None if self.until is None else self.until[rows],
            ids=None if self.ids is None else self.ids[rows],
            raw=None if self.raw is None else self.raw[rows],
        )

    def with_values(self, values: Ragged | Sequence[Any], **changed: Any) -> Sequences:
        """The same but for these values, and for the arguments of `Sequences` named here."""
        kept = {
            name: getattr(self, name)
            for name in (
                "targets", "kind", "groups", "times", "until", "names", "feature_names", "units",
                "step", "rate", "vocabulary", "about", "prepared", "ids", "raw",
            )
        }  # fmt: skip
        return Sequences(values, **{**kept, **changed})

    # -- for a model ------------------------------------------------------------------------------

    @property
    def model_inputs(self) -> Any:
        """What a model takes: one array [n, steps, ...] where all are of one length."""
        return self.values.dense()

    @property
    def model_targets(self) -> Any:
        """What a model is trained on: [n] or [n, k]; of every step `Ragged`, or one array."""
        if not isinstance(self.targets, Ragged):
            return self.targets
        return self.targets.dense()

    @property
    def model_prepared(self) -> Preparation | None:
        """What a model that was trained on these keeps: for it, nothing is provisional."""
        return None if self.prepared is None else replace(self.prepared, provisional=False)

    def padded(self) -> tuple[Array, Array]:
        """The values in one array, and which of its steps are real.

        Returns:
            values [n, longest, features] or tokens [n, longest], 0 behind each sequence's end;
            and a mask, bool [n, longest].
        """
        steps = np.arange(self.values.steps) < self.lengths[:, None]
        return self.values.padded(), steps

    def store(self, folder: str | os.PathLike[str]) -> Sequences:
        """Write them to a folder, and return them as they are there: values stay on disk.

        `fit`, `evaluate` and `predict` read what a batch needs. `elman.data.open` opens the folder
        again.

        Args:
            folder: that is not there yet; it appears only once all is written.

        Raises:
            FileError: it is there already, or there is no room or no permission.
            OptionError: they are forecasts, whose windows are made anew where they are needed.
        """
        from elman.data.shelf import store

        return store(self, folder)

    # -- parts ------------------------------------------------------------------------------------

    def split(
        self,
        share: float | tuple[float, float] = 0.2,
        by: str = "auto",
        seed: int = 0,
        prepare: bool = True,
    ) -> tuple[Sequences, ...]:
        """Parts to train on and to hold out, with nothing of the one in the other.

        Args:
            share: of the sequences that are held out; or two shares, for validation and test.
            by: "group" keeps every group whole; "time" holds out the latest, and leaves out windows
                that reach from one part into the next; "random" deals the rows, each class in
                proportion; "auto" is "time" for forecasts, else the first that the data allow.
            seed: which of the possible splits.
            prepare: whether to learn scale, missing values or vocabulary from the training part,
                and to prepare all parts by that. `train.prepared` repeats it on new data.

        Returns:
            (train, valid), or (train, valid, test).

        Raises:
            OptionError: shares that leave nothing, or another word.
            DataError: no groups or times to split by, or too few sequences.
        """
        parts = tuple(self.take(rows) for rows in split_rows(self, share, by, seed))
        if not prepare or (self.kind == "text" and self.raw is None):
            return parts  # as they are: of tokens alone nothing is learned
        from elman.data.preparing import Preparation

        learned = Preparation.learn(parts[0])
        return tuple(learned(part) for part in parts)

    # -- to look at -------------------------------------------------------------------------------

    def describe(self) -> Description:
        """What is here, as a short table: rows, steps, features, classes, missing values."""
        from elman.data.describing import Description

        return Description(self)

    def plot(self) -> Figure:
        """A picture: lengths, targets, and a sequence of each of a few classes.

        Returns:
            a matplotlib Figure, which a notebook shows; `.savefig("data.png")` keeps it.

        Raises:
            DataError: there are no sequences.
            MissingPackageError: matplotlib is not installed: the extra `plot`.
        """
        if not len(self):
            raise DataError("plot expected sequences, got none. Choose others.")
        from elman.explain.plot_sequences import plot_sequences as visit

        return visit(self)

    def __rich__(self) -> Any:
        return self.describe().__rich__()

    def __repr__(self) -> str:
        what = f"{self.classes} classes" if self.names else "no targets"
        if self.targets is not None and not self.names:
            what = "targets at every step" if self.by_step else "numbers as targets"
        low, high = (int(self.lengths.min()), int(self.lengths.max())) if len(self) else (0, 0)
        steps = f"{low:,} steps" if low == high else f"{low:,} to {high:,} steps"
        return f"<Sequences of {self.kind}: {len(self):,} of {steps}, {what}>"


def _objects(given: Any) -> Array:
    """Whatever they are, one object for each sequence."""
    found = np.empty(len(given), object)
    for place, one in enumerate(given):  # arrays of one shape would become one array
        found[place] = one
    return found


def _values(given: Ragged | Sequence[Any], dtype: type) -> Ragged:
    if isinstance(given, Ragged):
        return given.astype(dtype)
    arrays: list[Array] = [np.asarray(one, dtype) for one in given]
    wanted = 1 if dtype is np.int32 else 2
    if wanted == 2:
        arrays = [one[:, None] if one.ndim == 1 else one for one in arrays]
    shape = next((one.shape[1:] for one in arrays if len(one)), (1,) * (wanted - 1))
    for row, one in enumerate(arrays):
        if one.ndim != wanted or (len(one) and one.shape[1:] != shape):
            raise ShapeError(
                f"Sequences expected arrays of shape (steps{', features' if wanted == 2 else ''}) "
                f"that differ in length only, got {one.shape} at place {row}, and "
                f"(steps{''.join(f', {e}' for e in shape)}) before it. Give every step the same "
                "features."
            )
    if not arrays:
        return Ragged(np.empty((0, *shape), dtype), np.zeros(1, np.int64))
    return Ragged.of([one.reshape(len(one), *shape) for one in arrays])


def _targets(
    given: Any, names: Sequence[str], values: Ragged
) -> tuple[Array | Ragged | None, tuple[str, ...]]:
    """Targets as numbers, and the names of their classes."""
    if given is None:
        return None, tuple(names)
    if not isinstance(given, Ragged) and _is_by_step(given):
        given = Ragged.of([np.asarray(one) for one in given])
    if isinstance(given, Ragged):
        if not np.array_equal(given.lengths, values.lengths):
            raise ShapeError(
                f"Sequences expected a target for every step, got {len(given)} lists for "
                f"{len(values)} sequences, or lists of other lengths. Give each step its own."
            )
        if given.in_file:  # it was looked at before it was written
            return given, tuple(map(str, names))
        numbers, known = _numbered(given.values, tuple(map(str, names)))
        return Ragged(numbers, given.offsets, values.steps), known
    found = np.asarray(given)
    if len(found) != len(values):
        raise ShapeError(
            f"Sequences expected one target for each of {len(values)} sequences, got {len(found)}. "
            "Give each sequence its target."
        )
    return _numbered(found, tuple(map(str, names)))


def _is_by_step(given: Any) -> bool:
    if isinstance(given, np.ndarray) and given.dtype != object:
        return given.ndim == 3
    return any(isinstance(one, np.ndarray | list | tuple) and np.ndim(one) for one in given) and (
        not isinstance(given, np.ndarray) or given.ndim == 1
    )


def _numbered(found: Array, names: tuple[str, ...]) -> tuple[Array, tuple[str, ...]]:
    if found.dtype.kind in "OUSb":
        text = found.astype(str)
        names = names or tuple(np.unique(text).tolist())
        place = {name: number for number, name in enumerate(names)}
        unknown = sorted(set(text.ravel().tolist()) - set(place))
        if unknown:
            raise DataError(
                f"Sequences expected targets among {', '.join(names)}, got {unknown[0]!r}. Add it "
                "to the names, or leave out its rows."
            )
        numbers = [place[one] for one in text.ravel().tolist()]
        return np.array(numbers, np.int32).reshape(text.shape), names
    if found.dtype.kind in "iu" and names:
        if found.size and not 0 <= found.min() <= found.max() < len(names):
            raise DataError(
                f"Sequences expected class numbers from 0 to {len(names) - 1}, got {found.min()} "
                f"to {found.max()}. Number the classes as their names are."
            )
        return found.astype(np.int32, copy=False), names
    return found.astype(np.int32 if found.dtype.kind in "iu" else np.float32, copy=False), names
