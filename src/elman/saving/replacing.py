"""A file is replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from elman.errors import FileError


def replace(path: Path, content: bytes | memoryview, who: str) -> None:
    """Write a file, on the disk when this returns; on any failure the old one is still there.

    The bytes go to a new file in the same folder, which takes the name only once it is whole: a
    full disk, Ctrl-C or a crash in between leaves what was there before. A symbolic link stays,
    and the file it leads to is replaced.

    Args:
        path: the file; its folder must exist.
        content: what to write.
        who: who asks, for the errors.

    Raises:
        FileError: there is no such folder, no permission or no room.
    """
    target = place(path, who)
    # A name of its own, so that two runs that save to one place do not meet.
    started = target.with_name(f".{target.name}.{secrets.token_hex(4)}.unfinished")
    try:
        _write(started, content, mode=_mode(target))
        os.replace(started, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise FileError(
            f"{who} expected to write '{path}', got: {error.strerror or error}. "
            f"{'What was there is unchanged' if target.exists() else 'Nothing was written'}; "
            "check the disk's room and the folder's permissions."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            started.unlink(missing_ok=True)


def place(path: Path, who: str) -> Path:
    """Where a file of this name would lie, links followed.

    Raises:
        FileError: it is a folder, or in one that does not exist.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise FileError(f"{who} expected a file name, got the folder '{path}'. Add a name to it.")
    if not target.parent.is_dir():
        raise FileError(
            f"{who} expected a folder that exists, got '{path}': there is no '{target.parent}'. "
            "Make it first, or choose another."
        )
    return target


def require_free(path: Path, who: str, overwrite: bool) -> None:
    """Raise unless a file may be written here: asked before there is any work.

    Args:
        path: the file.
        who: who asks, for the errors.
        overwrite: whether it may replace one that is there.

    Raises:
        FileError: it is there; or its folder is not, or nothing may be written in it.
    """
    target = place(path, who)
    if path.exists() and not overwrite:
        raise FileError(
            f"{who} expected a new file, got '{path}', which is there. Choose another name, or "
            "replace it with --overwrite."
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise FileError(
            f"{who} expected to write '{path}', got no permission to write in '{target.parent}'. "
            "Choose another folder."
        )


def _write(path: Path, content: bytes | memoryview, mode: int | None) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        if mode is not None:
            os.chmod(path, mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _mode(target: Path) -> int | None:
    """The permissions of the file that is there, if one is."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    """Put the new name itself on the disk, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
