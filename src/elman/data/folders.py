"""Which files a source names, and the class of each where folders say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Sized
from pathlib import Path

from elman.errors import DataError


def files_in(
    who: str, source: str | Path, endings: Sequence[str]
) -> tuple[list[Path], list[str] | None]:
    """A file, or all files of a folder in the order of their names.

    Where the folder has folders of such files and no such files itself, each folder's name is the
    class of what lies in it, however deep.

    Returns:
        The files, and the class of each or None.

    Raises:
        DataError: A folder without such files.
    """
    source = Path(source)
    if not source.is_dir():
        return [source], None  # whoever reads it says what is wrong with it
    found = sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in endings and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise DataError(
            f"{who} expected files ending in {', '.join(endings)} in {source}, got none. "
            "Put each class into a folder of its own."
        )
    inside = [path.relative_to(source).parts for path in found]
    if any(len(parts) == 1 for parts in inside):
        return found, None
    return found, [parts[0] for parts in inside]


def groups_of(
    who: str, source: object, files: Iterable[str | Path], group: str | Sequence[object] | None
) -> list[object] | None:
    """The group of each file: as listed, or what a regular expression finds in its path.

    Of a folder, only what is inside it is looked at: where it lies says nothing about its files.

    Raises:
        DataError: The expression is none, or finds nothing in a file's path.
    """
    if group is None:
        return None
    if not isinstance(group, str):
        return list(group)
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise DataError(
            f"{who} expected `group` as a list or a regular expression, got {group!r} ({error})."
        ) from error
    folder = source if isinstance(source, str | Path) and Path(source).is_dir() else ""
    found: list[object] = []
    for file in files:
        match = pattern.search(Path(file).relative_to(folder).as_posix())
        if match is None:
            raise DataError(
                f"{who} expected {group!r} to find the group in every path, got nothing in {file}. "
                "Widen the expression, or give a list with one group per file."
            )
        found.append(match[1] if pattern.groups else match[0])
    return found


def check_one_each(who: str, what: str, count: int, **given: Sized | None) -> None:
    """Raise DataError unless each of so many files has one of all that is given."""
    for name, listed in given.items():
        if listed is not None and len(listed) != count:
            raise DataError(
                f"{who} expected one {name} for each of {count} {what}s, got {len(listed)}. "
                f"Give each {what} its own."
            )
