"""Sequences of unequal length that stay in their file, some of them in any order."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from elman.errors import FileError
from elman.mapped import Mapped
from elman.ragged import TOGETHER_BYTES, Ragged, cuts, longest, offsets_of

Array = np.ndarray[Any, np.dtype[Any]]

#: No system reads more bytes at once.
MOST_BYTES = 2**30


class StepsFile:
    """Steps one after the other in a file, which is open as long as somebody has this.

    They are read, not mapped: nothing of the file counts as memory, and one that is cut short
    meanwhile is an error, not the end of the process.

    Args:
        path: the file.
        dtype: of its numbers.
        shape: (steps, ...).
        offset: bytes before the first.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int = 0
    ) -> None:
        self.path, self.dtype, self.shape, self.offset = path, dtype, shape, offset
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self.shape[0]

    def __reduce__(self) -> Any:
        return StepsFile, (self.path, self.dtype, self.shape, self.offset)

    def read(self, first: int, into: Array) -> None:
        """Copy the steps from `first` on into an array [steps, ...].

        Raises:
            FileError: the file has become shorter.
        """
        wanted = memoryview(into.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        place = self.offset + first * into[:1].nbytes
        while len(wanted):
            # With the place in the call, as many threads and processes as like may read one file.
            found = os.pread(self._descriptor, min(len(wanted), MOST_BYTES), place)
            if not found:
                raise FileError(
                    f"data expected {len(self):,} steps in '{self.path}', got fewer: the file was "
                    "cut short. Store the data anew."
                )
            wanted[: len(found)] = found
            wanted, place = wanted[len(found) :], place + len(found)


class Later(Protocol):
    """What is done to sequences when they are read: a step of a preparation.

    From a step of time on that lacks no value (NaN) it must not depend on those before.
    """

    def over(self, values: Ragged) -> Ragged:
        """Sequences as long as these, each made of itself alone."""


class RaggedFile(Ragged):
    """Sequences in one file, wherever they lie in it.

    Indexing reads nothing: whatever part, in whatever order, is a choice of rows. `take` and
    `parts` read what they are asked for.

    Args:
        source: the file: float32 [steps, features], or int32 [steps].
        begins: int64 [n], the step at which each sequence begins; they may overlap.
        lengths: int64 [n], how many steps each has.
        steps: as many as the longest has, or more; counted where None.
        later: what is done, in this order, to whatever is read.
    """

    in_file = True

    def __init__(
        self,
        source: StepsFile,
        begins: Array,
        lengths: Array,
        steps: int | None = None,
        later: Sequence[Later] = (),
    ) -> None:
        self.source = source
        self.begins = begins
        self._lengths = lengths
        self.steps = steps or longest(lengths)
        self.later = tuple(later)
        # What comes of nothing has the features and the type of whatever comes.
        nothing = np.empty((0, *source.shape[1:]), source.dtype)
        self._nothing = self._made(Ragged(nothing, np.zeros(1, np.int64))).values

    def _chosen(self, begins: Array, lengths: Array) -> RaggedFile:
        found = object.__new__(RaggedFile)
        found.__dict__.update(self.__dict__, begins=begins, _lengths=lengths)
        found.steps = longest(lengths)
        return found

    def then(self, *later: Later) -> RaggedFile:
        """The same sequences with more that is done to them when they are read."""
        made = (*self.later, *later)
        return RaggedFile(self.source, self.begins, self._lengths, self.steps, made)

    def before(self, count: int) -> RaggedFile:
        """The same without the last `count` things that are done."""
        made = self.later[: len(self.later) - count]
        return RaggedFile(self.source, self.begins, self._lengths, self.steps, made)

    # -- as a Ragged ------------------------------------------------------------------------------

    @property
    def values(self) -> Array:
        """All steps, one sequence after the other, in memory."""
        return self.take(slice(None)).values

    @property
    def offsets(self) -> Array:
        """Where among them each sequence begins, and at last where they end."""
        return offsets_of(self._lengths)

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def lengths(self) -> Array:
        """Steps of each sequence."""
        return self._lengths

    @property
    def shape(self) -> tuple[int, ...]:
        """What the shape would be if all were as long as the longest."""
        return (len(self), self.steps, *self._nothing.shape[1:])

    @property
    def ndim(self) -> int:
        """How many axes, that of the sequences included."""
        return self._nothing.ndim + 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values, once they are read."""
        return self._nothing.dtype

    def astype(self, dtype: Any) -> Ragged:
        """The same values as other numbers; as they are where these are meant."""
        return self if self.dtype == dtype else self.take(slice(None)).astype(dtype)

    def __getitem__(self, rows: Any) -> Any:
        """Some sequences, still in the file; or with a number one of them as an array."""
        if isinstance(rows, int | np.integer):
            row = range(len(self))[rows]
            return self.take(slice(row, row + 1)).values
        return self._chosen(self.begins[rows], self._lengths[rows])

    def take(self, rows: slice | Array, first: int = 0, last: int | None = None) -> Ragged:
        """A copy of some rows, of their steps [first, last) where that is given."""
        begins, lengths = self.begins[rows], self._lengths[rows]
        if last is None:
            return self._made(self._read(begins, lengths, self.steps))
        lengths = np.minimum(lengths, last)
        before = first - self._known(begins, lengths, first, last)
        read = self._read(begins + before, np.maximum(lengths - before, 0), last - before)
        made = self._made(read)
        return made.take(slice(None), first - before, last - before) if before < first else made

    def _known(self, begins: Array, lengths: Array, first: int, last: int) -> int:
        """How many steps before `first` to read, so that all that follows is known by them."""
        back, more = 0, last - first
        while self.later and back < first:
            here = begins[lengths > first - back] + first - back
            if not np.isnan(self._read(here, np.ones_like(here), 1).values).any():
                break
            back, more = min(first, back + more), 2 * more
        return back

    def parts(self) -> Iterator[tuple[tuple[int, int], Array]]:
        """All steps in arrays of bounded size, each after the place (row, step) of its first."""
        for row, stop, first, last in cuts(self._lengths, self.shape[2:]):
            whole = first == 0 and last >= self._lengths[row]
            yield (row, first), self.take(slice(row, stop), first, None if whole else last).values

    def padded(self) -> Array:
        """One array [n, steps, ...], zeros behind each sequence's end, in memory."""
        return self.take(slice(None)).padded()

    def _as_one(self) -> Any:
        return Padded(self)

    # -- reading ----------------------------------------------------------------------------------

    def most(self, rows: int, steps: int | None) -> int:
        """How many blocks of so many rows and steps (None: whole rows) to hold at once."""
        width = max(1, int(np.prod(self.shape[2:])))
        return max(1, TOGETHER_BYTES // max(1, 4 * rows * (steps or self.steps) * width))

    def _read(self, begins: Array, lengths: Array, steps: int) -> Ragged:
        offsets = offsets_of(lengths)
        found = np.empty((offsets[-1], *self.source.shape[1:]), self.source.dtype)
        # What follows one another in the file is read in one, and all in the order of the file.
        apart = np.flatnonzero(begins[1:] != begins[:-1] + lengths[:-1]) + 1
        firsts = np.concatenate([[0], apart])[: len(begins)]
        at = offsets[firsts]
        ends = np.append(at, offsets[-1])[1:]
        order = np.argsort(begins[firsts], kind="stable")
        runs = (one[order].tolist() for one in (begins[firsts], at, ends))
        for start, here, end in zip(*runs, strict=True):
            self.source.read(start, found[here:end])
        return Ragged(found, offsets, steps)

    def _made(self, values: Ragged) -> Ragged:
        for step in self.later:
            values = step.over(values)
        return values


class Padded(Mapped):
    """Sequences of a file as one array [n, steps, ...], zeros behind each sequence's end.

    Args:
        rows: the sequences.
        steps: as many as the longest has, or more; as `rows` says where None.
    """

    def __init__(self, rows: RaggedFile, steps: int | None = None) -> None:
        self.rows = rows
        self.dtype = rows.dtype
        self.shape = (len(rows), steps or rows.steps, *rows.shape[2:])

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers, which are always finite."""
        return self.rows.dtype.kind in "iub"

    def reshape(self, *shape: int) -> Padded:
        """The same numbers with another shape behind the axes of rows and steps."""
        found = Padded(self.rows, self.shape[1])
        found.dtype, found.shape = self.dtype, shape
        return found

    def __getitem__(self, rows: slice | Array) -> Padded:
        found = Padded(self.rows[rows], self.shape[1])
        found.dtype, found.shape = self.dtype, (len(found.rows), *self.shape[1:])
        return found

    def most(self, rows: int, steps: int | None) -> int:
        """How many blocks of so many rows and steps (None: whole rows) to hold at once."""
        return self.rows.most(rows, steps or self.shape[1])

    def parts(self, raw: bool = False) -> Iterator[tuple[tuple[int, ...], Array]]:
        """All numbers in copies of bounded size, each after its place (row, step)."""
        lengths = np.full(len(self), self.shape[1])
        for row, stop, first, last in cuts(lengths, self.shape[2:]):
            part = self._read(slice(row, stop), first, min(last, self.shape[1]))
            yield (row, first), part if raw else self._converted(part)

    def _read(self, rows: Array | slice, first: int, last: int | None) -> Array:
        found = self.rows.take(rows, first, self.shape[1] if last is None else last)
        return found.padded()
