"""The pages of memory-mapped files: what was read is let go of, so that memory stays small."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: What is read of a file before its pages are let go of, in bytes.
PART_BYTES = 2**24
#: What the system maps around a place that is touched, in bytes.
AROUND = 2**16


class Pages:
    """Counts what is read of the file under an array.

    Args:
        array: a `numpy.memmap`, or a view of one. Of another array there is nothing to let go of.
    """

    def __init__(self, array: Array) -> None:
        self._file = _file(array)
        self._touched = 0

    def touched(self, size: int, places: int) -> None:
        """So many bytes were copied, from so many places."""
        self._touched += size + AROUND * places
        if self._touched > PART_BYTES:
            self.let_go()

    def let_go(self) -> None:
        """Give back the memory of what was read."""
        # Pages that were read count as this process's memory until the system needs room. Those
        # of a shared mapping can be dropped at any time: they are read again when next touched.
        self._touched = 0
        if self._file is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._file.madvise(mmap.MADV_DONTNEED)


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
