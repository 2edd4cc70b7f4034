"""Arrays in an HDF5 file by path; what a file claims is checked before memory is taken for it.

HDF5 can do far more than keep arrays: read other files (external links, external storage, virtual
datasets), run filters, lead in circles. Of all that, Keras uses nothing, and elman reads nothing.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from elman.errors import FileError

Array = np.ndarray[Any, np.dtype[Any]]


class Tensors:
    """The arrays of an HDF5 file.

    Args:
        content: the file's bytes.
        where: how errors name the file.
        who: who asks, for the errors.
    """

    def __init__(self, content: bytes, where: str, who: str) -> None:
        self._where = where
        self._expected = f"{who} expected plain arrays"
        self._left = len(content)  # no honest file has more numbers than bytes
        with self._errors_told():
            self._file = h5py.File(io.BytesIO(content), "r")

    def __enter__(self) -> Tensors:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @contextlib.contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except FileError:
            raise
        except Exception as error:  # a damaged file can make h5py say anything
            raise FileError(
                f"{self._expected}, got a damaged HDF5 file in {self._where} ({error}). Save or "
                "copy it again."
            ) from error

    def _refused(self, path: str, what: str, action: str = "Do not use this file.") -> FileError:
        return FileError(f"{self._expected}, got {what} at {path!r} in {self._where}. {action}")

    def _find(self, path: str) -> Any:
        """The group or dataset at a path, every step of the way being an ordinary one."""
        node: Any = self._file
        for part in path.split("/"):
            if not isinstance(node, h5py.Group):
                return None
            link = node.get(part, getclass=True, getlink=True)
            if link is None:
                return None
            if link is not h5py.HardLink:
                kind = "an external link" if link is h5py.ExternalLink else "a soft link"
                raise self._refused(path, f"{kind} (CVE-2026-1669)")
            node = node[part]
        return node

    def count(self, group: str) -> int | None:
        """How many arrays a group holds; None where there is no such group."""
        with self._errors_told():
            node = self._find(group)
            return len(node) if isinstance(node, h5py.Group) else None

    def read(
        self, wanted: Mapping[str, tuple[int, ...]], kind: str = "f", dtype: Any = np.float32
    ) -> list[Array]:
        """Some arrays, in the order asked for. All are checked before the first is read.

        Args:
            wanted: by path, the shape that the array must have.
            kind: NumPy's letters of the types it may have in the file.
            dtype: the type to hand out.

        Raises:
            FileError: one is not there, has another shape or type, or is none of its own.
        """
        with self._errors_told():
            found = [self._checked(path, shape, kind) for path, shape in wanted.items()]
            arrays = []
            for data in found:
                arrays.append(np.empty(data.shape, dtype))
                data.read_direct(arrays[-1])
            return arrays

    def _checked(self, path: str, shape: tuple[int, ...], kind: str) -> Any:
        data = self._find(path)
        again = "Save the model again."
        if not isinstance(data, h5py.Dataset):
            raise self._refused(path, "nothing" if data is None else "a group", again)
        if data.is_virtual:
            raise self._refused(path, "a virtual dataset, which reads other files")
        if data.external:
            raise self._refused(path, "external storage, which reads other files")
        if data.id.get_create_plist().get_nfilters():
            raise self._refused(
                path, "an array behind a filter", "Repack the file with h5repack -f NONE."
            )
        if data.dtype.kind not in kind or data.dtype.itemsize > 8:
            raise self._refused(path, f"numbers of type {data.dtype}", "Save it as float32.")
        if data.shape != shape:
            raise self._refused(
                path, f"shape {data.shape} instead of {shape}", "Use the model it was saved from."
            )
        size = math.prod(shape) * data.dtype.itemsize
        self._left -= size
        if data.id.get_storage_size() != size or self._left < 0:
            raise self._refused(path, f"{size:,} bytes that the file does not have (a shape bomb)")
        return data


def pack(groups: Mapping[str, tuple[str, Sequence[Array]]]) -> memoryview:
    """An HDF5 file of numbered arrays.

    Args:
        groups: by path, the name of the layer or optimizer it belongs to, and its arrays.
    """
    packed = io.BytesIO()
    with h5py.File(packed, "w") as file:
        for path, (name, arrays) in groups.items():
            group = file.create_group(path)
            group.attrs["name"] = name
            for i, array in enumerate(arrays):
                group[str(i)] = array
    return packed.getbuffer()
