"""Sequences of unequal length, one after the other in one array. Nobody has to pad them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: What is looked at together, in bytes: whoever prepares it may need it several times over.
TOGETHER_BYTES = 2**22


class Ragged:
    """Sequences of unequal length, as the engine takes them.

    Args:
        values: all steps, one sequence after the other: floats [steps, ...], or tokens [steps].
        offsets: int64 [n + 1]: sequence i is `values[offsets[i] : offsets[i + 1]]`.
        steps: as many as the longest has, or more; counted where None.
    """

    #: Whether they stay in their file: `RaggedFile`.
    in_file = False

    def __init__(self, values: Array, offsets: Array, steps: int | None = None) -> None:
        self._values = values
        self._offsets = offsets
        self.steps = steps or longest(self.lengths)

    @classmethod
    def of(cls, sequences: list[Array]) -> Ragged:
        """Sequences put one after the other."""
        return cls(np.concatenate(sequences), offsets_of([len(s) for s in sequences]))

    @property
    def values(self) -> Array:
        """All steps, one sequence after the other."""
        return self._values

    @property
    def offsets(self) -> Array:
        """Where among them each sequence begins, and at last where they end."""
        return self._offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @property
    def lengths(self) -> Array:
        """Steps of each sequence."""
        return np.diff(self._offsets)

    @property
    def shape(self) -> tuple[int, ...]:
        """What the shape would be if all were as long as the longest."""
        return (len(self), self.steps, *self.values.shape[1:])

    @property
    def ndim(self) -> int:
        """How many axes, that of the sequences included."""
        return self.values.ndim + 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self.values.dtype

    def with_values(self, values: Array) -> Ragged:
        """Other values for the same steps."""
        return Ragged(values, self.offsets, self.steps)

    def astype(self, dtype: Any) -> Ragged:
        """The same values as other numbers; as they are where these are meant."""
        return self.with_values(np.ascontiguousarray(self.values, dtype))

    def dense(self) -> Any:
        """What a model takes: one array [n, steps, ...] where all are of one length."""
        if not len(self) or not self.lengths[0] or (self.lengths != self.lengths[0]).any():
            return self
        return self._as_one()

    def _as_one(self) -> Any:
        return self.values.reshape(len(self), -1, *self.values.shape[1:])

    def parts(self) -> Iterator[tuple[tuple[int, int], Array]]:
        """All steps in arrays of bounded size, each after the place (row, step) of its first.

        Where they are cut depends on the lengths alone: whoever sums up part by part finds the same
        bits, wherever the values are.
        """
        offsets = self.offsets
        for row, _, first, last in cuts(self.lengths, self.shape[2:]):
            begin = offsets[row]
            yield (row, first), self.values[begin + first : begin + last]

    def __getitem__(self, rows: Any) -> Any:
        """Some sequences, or with a number one of them as an array."""
        if isinstance(rows, int | np.integer):
            row = range(len(self))[rows]
            return self.values[self.offsets[row] : self.offsets[row + 1]]
        if isinstance(rows, slice) and rows.step in (None, 1):
            first, last, _ = rows.indices(len(self))
            offsets = self.offsets[first : max(first, last) + 1]
            return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])
        chosen = np.arange(len(self))[rows]
        if not len(chosen):
            return self[:0]
        return Ragged.of([self.values[self.offsets[i] : self.offsets[i + 1]] for i in chosen])

    def take(self, rows: slice | Array, first: int = 0, last: int | None = None) -> Ragged:
        """Some rows, of their steps [first, last) where that is given, as far as they have them."""
        chosen = self[rows]
        if last is None:
            return chosen
        begin = np.minimum(chosen.offsets[:-1] + first, chosen.offsets[1:])
        end = np.minimum(chosen.offsets[:-1] + last, chosen.offsets[1:])
        parts = [chosen.values[b:e] for b, e in zip(begin, end, strict=True)]
        return Ragged(np.concatenate(parts), offsets_of(end - begin), last - first)

    def padded(self) -> Array:
        """One array [n, steps, ...], zeros behind each sequence's end."""
        found = np.zeros(self.shape, self.dtype)
        found[np.arange(self.steps) < self.lengths[:, None]] = self.values
        return found

    def split(self, padded: Array) -> list[Array]:
        """Of an array [n, longest, ...] each sequence's own steps."""
        return [row[:n] for row, n in zip(padded, self.lengths, strict=True)]


def offsets_of(lengths: Any) -> Array:
    """Where sequences of such lengths begin that follow one another, and at last where they end."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def longest(lengths: Array) -> int:
    """The most steps, at least one."""
    return max(1, int(lengths.max(initial=1)))


def cuts(lengths: Array, shape: tuple[int, ...]) -> Iterator[tuple[int, int, int, int]]:
    """Parts of bounded size: rows [row, stop), and of a long one its steps [first, last).

    Args:
        lengths: steps of each sequence.
        shape: of one step, in numbers of 4 bytes.
    """
    most = max(1, TOGETHER_BYTES // (4 * max(1, int(np.prod(shape)))))
    ends = np.cumsum(lengths, dtype=np.int64)
    row = 0
    while row < len(lengths):
        before = ends[row] - lengths[row]
        stop = int(np.searchsorted(ends, before + most, side="right"))
        if stop > row:
            yield row, stop, 0, int(ends[stop - 1] - before)
        else:
            stop = row + 1
            for first in range(0, int(lengths[row]), most):
                yield row, stop, first, min(first + most, int(lengths[row]))
        row = stop


def is_ragged(x: Any) -> bool:
    """Whether `x` is a list (or an array of objects) of arrays that have unequal lengths."""
    if isinstance(x, np.ndarray):
        if x.dtype != object or x.ndim != 1:
            return False
    elif not isinstance(x, list | tuple):
        return False
    if not len(x) or not all((type(s) is np.ndarray and s.ndim) or _has_steps(s) for s in x):
        return False
    return len(set(map(len, x))) > 1


def _has_steps(sequence: Any) -> bool:
    return isinstance(sequence, list | tuple) or (
        hasattr(sequence, "__array__") and getattr(sequence, "ndim", 1) > 0
    )
