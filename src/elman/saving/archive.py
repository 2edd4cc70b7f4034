"""A .keras file from anywhere: a zip archive whose claims are checked before they are believed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elman.errors import FileError
from elman.saving import kinds, text

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

#: An archive of Keras's has three members, and some more for what its layers keep beside weights.
MOST_MEMBERS = 1000
#: What is larger than `FLOOR` and shrinks by more than `MOST_EXPANSION` is a bomb, not weights.
FLOOR, MOST_EXPANSION = 2**20, 100


class Archive:
    """The members of a .keras file by name. Nothing is ever unpacked to the disk.

    Args:
        path: the file.
        who: who asks, for the errors.

    Raises:
        FileError: it is no such file, it is damaged, or it is made to do harm.
    """

    def __init__(self, path: Path, who: str) -> None:
        self.path = path
        self.who = who
        self._expected = f"{who} expected a whole .keras file"
        try:
            self._zip = zipfile.ZipFile(path)
            self._members = self._checked(self._zip.infolist())
            if CONFIG not in self._members:
                raise zipfile.BadZipFile
        except OSError as error:
            raise kinds.unreadable(path, who, error) from error
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            if isinstance(error, FileError):
                raise
            raise FileError(
                f"{who} expected a .keras file, got '{path}', {kinds.describe(path)}"
            ) from error

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def _checked(self, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        if len(infos) > MOST_MEMBERS:
            raise self._refused(f"{len(infos)} members")
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            name = info.filename
            if name in members:
                raise self._refused(f"two members called {name!r}")
            parts = name.replace("\\", "/").split("/")
            if name[:1] in "/\\" or ".." in parts or ":" in parts[0] or "\0" in info.orig_filename:
                raise self._refused(f"a member {name!r}, which leads out of the archive")
            if info.flag_bits & 1:
                raise self._refused(f"an encrypted member {name!r}")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise self._refused(f"a member {name!r} of an unusual compression")
            if info.file_size > max(FLOOR, MOST_EXPANSION * info.compress_size):
                raise self._refused(
                    f"a member {name!r} that claims {info.file_size:,} bytes and has "
                    f"{info.compress_size:,} (a decompression bomb)"
                )
            members[name] = info
        return members

    def _refused(self, what: str) -> FileError:
        return text.refused(what, f"'{self.path}'", self._expected)

    def read(self, name: str) -> bytes:
        """A member's bytes, its checksum checked.

        Raises:
            FileError: it is not there, or damaged.
        """
        if name not in self._members:
            raise FileError(
                f"{self._expected}, got '{self.path}' without {name!r}. Save the model again."
            )
        info = self._members[name]
        try:
            with self._zip.open(info) as member:
                content = member.read(info.file_size + 1)
        except Exception as error:  # whatever zip, zlib and the disk have to say
            raise FileError(
                f"{self._expected}, got a damaged {name!r} in '{self.path}' ({text.brief(error)}). "
                "Save or copy the model again."
            ) from error
        if len(content) != info.file_size:
            raise self._refused(f"a member {name!r} that is not as long as it claims")
        return content

    def text(self, name: str) -> dict[str, Any]:
        """A member of JSON that holds an object.

        Raises:
            FileError: it is not there, damaged, too long, nested too deep, or no object.
        """
        weights = self._members.get(WEIGHTS)
        most = text.most(weights.file_size if weights else 0)
        if name in self._members and self._members[name].file_size > most:
            raise self._refused(f"{self._members[name].file_size:,} bytes of text in {name!r}")
        return text.parsed(self.read(name), name, f"'{self.path}'", self._expected)


def pack(members: Mapping[str, bytes | memoryview]) -> memoryview:
    """A .keras file with these members, not compressed, as Keras writes them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getbuffer()
