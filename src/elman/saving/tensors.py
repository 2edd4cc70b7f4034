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
from elman.saving import text

#: Names in a path, and steps through a file, that are more than any model needs.
DEEPEST, MOST = 16, 20_000

Array = np.ndarray[Any, np.dtype[Any]]


class Tensors:
    """The arrays of an HDF5 file.

    Args:
        content: the file's bytes.
        where: how errors name the file.
        who: who asks, for the errors.
    """

    def __init__(self, content: bytes, where: str, who: str) -> None:
        self.where, self.who = where, who
        self._expected = f"{who} expected plain arrays"
        self._size = self._left = len(content)  # no honest file has more numbers than bytes
        self._seen = 0
        with self._errors_told():
            self._file = h5py.File(io.BytesIO(content), "r")

    def __enter__(self) -> Tensors:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @contextlib.contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except FileError:
            raise
        except Exception as error:  # a damaged file can make h5py say anything
            raise FileError(
                f"{self._expected}, got a damaged HDF5 file in {self.where} ({text.brief(error)}). "
                "Save or copy it again."
            ) from error

    def refused(self, path: str, what: str, action: str = "Do not use this file.") -> FileError:
        """The error for what is at a path."""
        return FileError(f"{self._expected}, got {what} at {path!r} in {self.where}. {action}")

    def _find(self, path: str) -> Any:
        """The group or dataset at a path, every step of the way being an ordinary one."""
        node: Any = self._file
        for part in path.split("/"):
            node = self._within(node, part, path)
        return node

    def _within(self, node: Any, name: str, path: str) -> Any:
        """What a group holds under a name, if it is a group and holds it itself."""
        if not isinstance(node, h5py.Group):
            return None
        link = node.get(name, getclass=True, getlink=True)
        if link is None:
            return None
        if link is not h5py.HardLink:
            kind = "an external link" if link is h5py.ExternalLink else "a soft link"
            raise self.refused(path, f"{kind} (CVE-2026-1669)")
        return node[name]

    def count(self, group: str) -> int | None:
        """How many arrays a group holds; None where there is no such group."""
        with self._errors_told():
            node = self._find(group)
            return len(node) if isinstance(node, h5py.Group) else None

    def datasets(self, group: str) -> list[str]:
        """The paths of all arrays in a group and in those within; none where there is no group.

        Raises:
            FileError: there are links, or more steps or more arrays than any layer has.
        """
        found = []
        with self._errors_told():
            waiting = [(group, self._find(group))]
            while waiting:
                path, node = waiting.pop()
                self._seen += 1
                if isinstance(node, h5py.Dataset):
                    found.append(path)
                elif isinstance(node, h5py.Group):
                    if path.count("/") > DEEPEST or self._seen + len(node) > MOST:
                        raise self.refused(group, "more inside than any model has")
                    waiting += [(f"{path}/{n}", self._within(node, n, path)) for n in node]
        return found

    def shape(self, path: str) -> tuple[int, ...] | None:
        """What an array claims to be; None where there is none."""
        with self._errors_told():
            node = self._find(path)
            return node.shape if isinstance(node, h5py.Dataset) else None

    def has(self, attribute: str) -> bool:
        """Whether the file has an attribute."""
        with self._errors_told():
            return attribute in self._file.attrs

    def attribute(self, name: str) -> str | None:
        """An attribute of the file that is one text; None where there is none of this name.

        Raises:
            FileError: it is no text, or longer than the file.
        """
        with self._errors_told():
            if name not in self._file.attrs:
                return None
            # One text only: in a list, each could be the same long one.
            claim = self._file.attrs.get_id(name)
            is_text = h5py.check_string_dtype(claim.dtype) is not None and claim.shape == ()
            if not is_text or claim.dtype.itemsize > self._size:
                raise self.refused(name, f"an attribute of type {claim.dtype}, {claim.shape}")
            found = self._file.attrs[name]
            return found.decode() if isinstance(found, bytes) else str(found)

    def json(self, attribute: str) -> dict[str, Any] | None:
        """An attribute that holds an object as JSON; None where there is none of this name.

        Raises:
            FileError: it is no such text, too long, or nested too deep.
        """
        found = self.attribute(attribute)
        if found is None:
            return None
        if len(found) > text.most(self._size - len(found)):
            raise self.refused(attribute, f"{len(found):,} letters of text")
        return text.parsed(found, attribute, self.where, f"{self.who} expected a whole model")

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
            raise self.refused(path, "nothing" if data is None else "a group", again)
        if data.is_virtual:
            raise self.refused(path, "a virtual dataset, which reads other files")
        if data.external:
            raise self.refused(path, "external storage, which reads other files")
        if data.id.get_create_plist().get_nfilters():
            raise self.refused(
                path, "an array behind a filter", "Repack the file with h5repack -f NONE."
            )
        kind += "" if shape else "iu"  # a single number may be a count
        if data.dtype.kind not in kind or data.dtype.itemsize > 8:
            raise self.refused(path, f"numbers of type {data.dtype}", "Save it as float32.")
        if data.shape != shape:
            raise self.refused(
                path, f"shape {data.shape} instead of {shape}", "Use the model it was saved from."
            )
        size = math.prod(shape) * data.dtype.itemsize
        self._left -= size
        if data.id.get_storage_size() != size or self._left < 0:
            raise self.refused(path, f"{size:,} bytes that the file does not have (a shape bomb)")
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
