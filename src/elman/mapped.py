"""Arrays that stay in their file: read part by part, and let go of again."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from elman.ragged import Ragged

Array = np.ndarray[Any, np.dtype[Any]]

#: More blocks than there ever are.
MANY = 2**31
#: What is read of a file before its pages are let go of, in bytes.
PART_BYTES = 2**24
#: What the system maps around a place that is touched, in bytes.
AROUND = 2**16


class Mapped:
    """Numbers in a memory-mapped file that become float32 or int32 only where they are asked for.

    Args:
        array: a `numpy.memmap`, or a view of one.
        dtype: what its numbers become.
    """

    #: Tells the loops to ask for it part by part.
    in_file = True

    def __init__(self, array: Array, dtype: type = np.float32) -> None:
        self.array = np.asarray(array)
        self.dtype = np.dtype(dtype)
        self.shape: tuple[int, ...] = array.shape
        self._file = _file(array)
        self._touched = 0

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """How many axes."""
        return len(self.shape)

    @property
    def whole(self) -> bool:
        """Whether the file holds whole numbers, which are always finite."""
        return self.array.dtype.kind in "iub"

    def reshape(self, *shape: int) -> Mapped:
        """The same numbers with another shape behind the axes of rows and steps."""
        found = Mapped(self.array, self.dtype.type)
        found._file, found.shape = self._file, shape
        return found

    def astype(self, dtype: type) -> Mapped:
        """The same as other numbers, once they are read."""
        found = self.reshape(*self.shape)
        found.dtype = np.dtype(dtype)
        return found

    def __getitem__(self, rows: slice) -> Mapped:
        found = Mapped(self.array[rows], self.dtype.type)
        found._file = self._file
        found.shape = (len(found.array), *self.shape[1:])
        return found

    def take(self, rows: Array | slice, first: int = 0, last: int | None = None) -> Array:
        """A copy of some rows, of their steps [first, last) where that is given."""
        return self._converted(self._read(rows, first, last))

    def most(self, rows: int, steps: int | None) -> int:
        """How many blocks of so many rows and steps (None: whole rows) to hold at once."""
        block = rows * int(np.prod(self.shape[1 if steps is None else 2 :])) * (steps or 1)
        return max(1, PART_BYTES // max(4 * block, 1))

    def parts(self, raw: bool = False) -> Iterator[tuple[tuple[int, ...], Array]]:
        """All numbers in copies of bounded size, each after its place (row, step).

        Args:
            raw: whether to leave numbers as they are in the file.
        """
        per_row = max(1, self.array.nbytes // max(len(self), 1))
        rows = max(1, PART_BYTES // per_row)
        steps = self.array.shape[1] if self.array.ndim > 1 else 1
        if per_row > PART_BYTES:
            steps = max(1, steps * PART_BYTES // per_row)
        for row in range(0, len(self), rows):
            for step in range(0, self.array.shape[1] if self.array.ndim > 1 else 1, steps):
                last = step + steps if self.array.ndim > 1 else None
                part = self._read(slice(row, row + rows), step, last)
                yield (row, step), part if raw else self._converted(part)

    def _read(self, rows: Array | slice, first: int, last: int | None) -> Array:
        part = self.array[rows] if last is None else self.array[rows, first:last]
        if isinstance(rows, slice):  # a view; rows by number are a copy already
            part = np.array(part)
        self._touched += part.nbytes + AROUND * len(part)
        if self._touched > PART_BYTES:
            self._touched = 0
            self._let_go()
        return part

    def _converted(self, part: Array) -> Array:
        with np.errstate(over="ignore"):  # too large for float32 is found by the checks
            part = np.ascontiguousarray(part, self.dtype)
        if part.ndim > 1 and len(self.shape) > 1:
            return part.reshape(*part.shape[:2], *self.shape[2:])
        return part.reshape(len(part), *self.shape[1:])

    def _let_go(self) -> None:
        # Pages that were read count as this process's memory until the system needs room. Those
        # of a shared mapping can be dropped at any time: they are read again when next touched.
        if self._file is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._file.madvise(mmap.MADV_DONTNEED)


class Together:
    """Arrays of the same rows: what a model of several inputs takes, and one of several outputs
    hands out.

    Args:
        arrays: one for each input or output.
    """

    def __init__(self, arrays: list[Any]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, rows: slice) -> Together:
        return Together([array[rows] for array in self.arrays])

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the first."""
        return tuple(self.arrays[0].shape)


def together(arrays: list[Any]) -> Any:
    """One array as it is, several as `Together`."""
    return arrays[0] if len(arrays) == 1 else Together(arrays)


def arrays_of(values: Any) -> list[Any]:
    """The other way round."""
    return values.arrays if isinstance(values, Together) else [values]


def joined(parts: list[Any]) -> Any:
    """Arrays one after the other; several outputs' each by itself."""
    columns = zip(*map(arrays_of, parts), strict=True)
    return together([np.concatenate(column) for column in columns])


def is_mapped(array: Any) -> bool:
    """Whether an array lies in a memory-mapped file."""
    return isinstance(array, np.ndarray) and _map_of(array) is not None


def _map_of(array: Any) -> np.memmap[Any, Any] | None:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(getattr(array, "_mmap", None), mmap.mmap):
            return array
        array = array.base
    return None


def _file(array: Any) -> mmap.mmap | None:
    """The mapping under an array, if it is shared: a private one may hold the only copy."""
    found = _map_of(array)
    if found is None or found.mode == "c":
        return None
    return found._mmap  # type: ignore[attr-defined]


def in_file(values: Any) -> bool:
    """Whether something stays in its file, so that it has to be asked for part by part."""
    return any(getattr(one, "in_file", False) for one in arrays_of(values))


def blocks_at_once(values: Any, rows: int, steps: int | None) -> int:
    """How many blocks of so many rows and steps (None: whole rows) to take at once, at most."""
    found = [one.most(rows, steps) for one in arrays_of(values) if in_file(one)]
    return min(found, default=MANY)


def take(values: Any, rows: Array | slice, first: int = 0, last: int | None = None) -> Any:
    """A copy of some rows, of their steps [first, last) where that is given."""
    if isinstance(values, Mapped | Ragged):
        return values.take(rows, first, last)
    if isinstance(values, Together):
        return Together([take(array, rows, first, last) for array in values.arrays])
    part = values[rows] if last is None else values[rows, first:last]
    return np.ascontiguousarray(part)


def parts(values: Array | Mapped) -> Iterator[tuple[tuple[int, ...], Array]]:
    """All numbers, each part after its place (row, step): an array in memory is one part."""
    if isinstance(values, Mapped):
        yield from values.parts()
    else:
        yield (0, 0), values
