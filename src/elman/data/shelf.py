"""Where a loader puts the sequences that it reads: in memory, or in a folder on disk.

A folder takes its name only once all of it is written: a full disk, Ctrl-C or an error in between
leaves nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from elman.data import stored
from elman.data.cut_texts import CutTexts
from elman.data.steps import Step, Tokens
from elman.data.tokens import cut
from elman.data.waiting import over, waiting
from elman.errors import FileError, OptionError, ShapeError
from elman.ragged import Ragged
from elman.ragged_file import RaggedFile, StepsFile

if TYPE_CHECKING:
    from elman.data.sequences import Sequences

Array = np.ndarray[Any, np.dtype[Any]]
FilePath = str | os.PathLike[str]

#: Steps that are read together, wherever in a file they lie.
TOGETHER = 2**14


def shelf(folder: FilePath | None, who: str, dtype: type = np.float32) -> Shelf:
    """A place for sequences: on disk where a folder is named, else in memory."""
    return Shelf() if folder is None else OnDisk(Path(folder), who, dtype)


class Shelf:
    """In memory. Use it in a `with` block: what happens there to one on disk, happens wholly."""

    on_disk = False

    def __init__(self) -> None:
        self._kept: list[Array] = []
        #: Steps so far.
        self.count = 0

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def append(self, values: Array) -> int:
        """Add a sequence; the place of its first step, for `pieces`."""
        self._kept.append(values)
        self.count += len(values)
        return self.count - len(values)

    def extend(self, values: Iterable[Array]) -> None:
        """Add some sequences."""
        for one in values:
            self.append(one)

    def write(self, values: Array) -> None:
        """Add steps; `in_order` says what they are of."""
        self._kept.append(values)

    def values(self) -> Any:
        """All sequences, as `Sequences` takes them."""
        return self._kept

    def pieces(self, begins: Array, lengths: Array) -> Any:
        """Pieces of them: where each begins, and how many steps it has."""
        sizes = [len(one) for one in self._kept]
        ends = np.cumsum(sizes)
        which = np.searchsorted(ends, begins, side="right")
        first = begins - (ends - sizes)[which]
        return [
            self._kept[one][begin : begin + length]
            for one, begin, length in zip(which, first, lengths, strict=True)
        ]

    def in_order(self, rows: Sequence[Array]) -> Any:
        """The sequences that steps belong to: of each the places of its steps, in order."""
        steps = np.concatenate(self._kept)
        return [steps[one] for one in rows]

    def finished(self, data: Sequences) -> Sequences:
        """What was made of them; on disk, opened there."""
        return data


class OnDisk(Shelf):
    """In a folder on disk.

    Args:
        folder: that is not there yet; the one it lies in is.
        who: who asks, for errors.
        dtype: of the values.

    Raises:
        FileError: it is there, or cannot be.
    """

    on_disk = True

    def __init__(self, folder: Path, who: str, dtype: type = np.float32) -> None:
        self.folder, self.who, self.dtype = folder, who, np.dtype(dtype)
        if folder.exists():
            raise FileError(
                f"{who} expected a folder that is not there yet, got '{folder}'. Open it with "
                f"elman.data.open('{folder}'), remove it, or choose another name."
            )
        if not folder.absolute().parent.is_dir():
            raise FileError(
                f"{who} expected a folder in one that exists, got '{folder}'. Make "
                f"'{folder.parent}' first, or choose another."
            )
        self._started = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.unfinished")
        self._lengths = array("q")
        self._file: BinaryIO | None = None
        self._shape: tuple[int, ...] | None = None
        self.count = 0

    def __enter__(self) -> OnDisk:
        with self._told():
            self._started.mkdir()
        self._begin(stored.VALUES)
        return self

    def _begin(self, name: str) -> None:
        with self._told():
            self._file = open(self._started / name, "wb")  # noqa: SIM115 - __exit__ closes it
            self._file.write(bytes(stored.HEADER))  # what is in it comes last

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # of a full disk: was told already
                self._file.close()
        # After success it has its name, and there is nothing to remove.
        shutil.rmtree(self._started, ignore_errors=True)

    def append(self, values: Array) -> int:
        """Add a sequence, float [steps, features] or tokens [steps].

        Raises:
            ShapeError: others have other features.
            FileError: there is no room.
        """
        self._lengths.append(len(values))
        self.write(values)
        return self.count - len(values)

    def write(self, values: Array) -> None:
        """Add steps; `one_by_one` or `in_order` is told which sequences they are."""
        if self._shape is None:
            self._shape = values.shape[1:]
        elif values.shape[1:] != self._shape and len(values):
            raise ShapeError(
                f"{self.who} expected sequences that differ in length only, got "
                f"{values.shape} at place {len(self._lengths) - 1}, and "
                f"(steps{''.join(f', {e}' for e in self._shape)}) before it. Give every step the "
                "same features."
            )
        self.count += len(values)
        with self._told():
            assert self._file is not None
            self._file.write(np.ascontiguousarray(values, self.dtype).data)

    def values(self) -> RaggedFile:
        """All sequences, in their file."""
        return self.one_by_one(self._lengths)

    def one_by_one(self, lengths: Any) -> RaggedFile:
        """Sequences of such lengths that the steps so far are of."""
        lengths = np.array(lengths, np.int64)
        return self.pieces(np.cumsum(lengths) - lengths, lengths)

    def pieces(self, begins: Array, lengths: Array) -> RaggedFile:
        """Pieces of them: where each begins, and how many steps it has."""
        return RaggedFile(self._steps(), begins, np.asarray(lengths, np.int64))

    def in_order(self, rows: Sequence[Array]) -> RaggedFile:
        """The sequences that steps belong to: of each the places of its steps, in order."""
        order, lengths = np.concatenate(rows), [len(one) for one in rows]
        if (np.diff(order) == 1).all():
            return self.one_by_one(lengths)
        found = RaggedFile(self._steps(), order, np.ones_like(order))
        assert self._file is not None
        self._file.close()
        self._begin("ordered.npy")
        self.count = 0
        with waiting("sorting", len(order)) as show:
            for first in range(0, len(order), TOGETHER):
                self.write(found.take(slice(first, first + TOGETHER)).values)
                show(self.count)
        with self._told():
            (self._started / "ordered.npy").replace(self._started / stored.VALUES)
        return self.one_by_one(lengths)

    def _steps(self) -> StepsFile:
        assert self._file is not None
        with self._told():
            self._file.flush()
        shape = (self.count, *(self._shape or (1,) * (self.dtype.kind == "f")))
        return StepsFile(self._started / stored.VALUES, self.dtype, shape, stored.HEADER)

    def finished(self, data: Sequences) -> Sequences:
        """Write what is known of the sequences beside them, and give the folder its name.

        Args:
            data: of `values`, as they are or prepared.
        """
        values = data.raw.numbers if isinstance(data.raw, CutTexts) else data.values
        assert self._file is not None and isinstance(values, RaggedFile)
        with self._told():
            self._file.seek(0)
            self._file.write(stored.header(self.dtype, values.source.shape))
            _on_disk(self._file)
            self._file.close()
            for name, array in stored.beside(data, values).items():
                _write(self._started / name, array)
            with open(self._started / stored.ABOUT, "wb") as file:
                file.write(json.dumps(stored.described(data)).encode())
                _on_disk(file)
            self._started.rename(self.folder)
        return stored.open(self.folder)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(
                f"{self.who} expected to write to '{self.folder}', got: "
                f"{error.strerror or error}. Nothing was written; check the disk's room and the "
                "folder's permissions."
            ) from error


def _write(path: Path, array: Array | Ragged) -> None:
    """An array as .npy, part by part where it stays in another file."""
    with open(path, "wb") as file:
        if isinstance(array, Ragged):
            shape = (int(array.lengths.sum()), *array.shape[2:])
            file.write(stored.header(array.dtype, shape))
            for _, part in array.parts():
                file.write(np.ascontiguousarray(part).data)
        else:
            np.save(file, array, allow_pickle=False)
        _on_disk(file)


def _on_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def store(data: Sequences, folder: FilePath) -> Sequences:
    """Write sequences to a folder; see `Sequences.store`."""
    if data.kind not in stored.KINDS:
        raise OptionError(
            f"store expected sequences of {', '.join(stored.KINDS)}, got a {data.kind}. Store the "
            "table that it is made from, or keep it in memory."
        )
    text = data.kind == "text"
    with OnDisk(Path(folder), "store", np.int32 if text else np.float32) as place:
        steps = data.prepared.steps if data.prepared is not None else ()
        learned = next((step for step in steps if isinstance(step, Tokens)), None)
        if data.raw is not None and learned is not None:
            return place.finished(_texts(data, learned, place))
        values, later = data.values, tuple[Step, ...]()
        if isinstance(values, RaggedFile) and values.later:
            # What is done when they are read is done so again: it is not written, if it is known.
            known = steps[len(steps) - len(values.later) :]
            later = known if known == values.later else ()
            values = values.before(len(later))
        return place.finished(data.with_values(_copied(values, place).then(*later), raw=None))


def _texts(data: Sequences, learned: Tokens, place: OnDisk) -> Sequences:
    """Texts on disk: cut into all their tokens, so that a split can make a vocabulary of them."""
    if isinstance(data.raw, CutTexts):
        raw = CutTexts(_copied(data.raw.numbers, place), data.raw.tokens)
    else:
        assert data.raw is not None
        raw = cut_onto(place, over(data.raw.tolist(), "storing"), learned.unit)
    return data.with_values(learned.made(raw), raw=raw)


def _copied(values: Ragged, place: OnDisk) -> RaggedFile:
    with waiting("storing", int(values.lengths.sum())) as show:
        for _, part in values.parts():
            place.write(part)
            show(place.count)
    return place.one_by_one(values.lengths)


def cut_onto(place: OnDisk, texts: Iterable[str], unit: str) -> CutTexts:
    """Texts as the numbers of their tokens, on disk.

    Args:
        place: where they are put.
        texts: some, one at a time.
        unit: "words", "chars" or "bytes".
    """
    number: dict[str, int] = {}
    for text in texts:
        found = [number.setdefault(token, len(number)) for token in cut(text, unit)]
        place.append(np.array(found, np.int32))
    return CutTexts(place.values(), list(number))
