"""Sequences in NumPy's .npz files."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.frames import as_float32
from elman.errors import DataError

#: What people call them, in lower case; the first that is there is taken.
VALUES = ("x", "values", "data", "x_train")
TARGETS = ("y", "targets", "labels", "y_train")
#: What NumPy and Python raise of a file that is no zip, is cut short or locked.
BROKEN = (
    ValueError, OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error
)  # fmt: skip
LENGTHS = ("lengths", "len")
GROUPS = ("groups", "group")


def read_npz(path: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Values, targets and what else a file holds.

    `x` is [n, steps] or [n, steps, features]; or [all steps, features] beside `lengths` [n], the
    steps of each sequence, which follow one another.

    Raises:
        DataError: no such file or arrays; objects, which only code could read.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name.lower(): stored[name] for name in stored.files}
    except BROKEN as error:
        raise DataError(
            f"data.table expected an .npz file of numbers and text, got another in {path.name!r}. "
            "Write it with np.savez, without objects."
        ) from error
    x = _first(arrays, VALUES)
    if x is None:
        raise DataError(
            f"data.table expected an array called {', '.join(VALUES)} in {path.name!r}, got "
            f"{', '.join(arrays) or 'none'}. Save it under one of these names."
        )
    if x.dtype.kind not in "iufb":
        raise DataError(
            f"data.table expected numbers in {path.name!r}, got {x.dtype}. Save floats."
        )
    x = as_float32(x)
    lengths = _first(arrays, LENGTHS)
    if lengths is not None:
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths.sum() != len(x):
            raise DataError(
                f"data.table expected lengths that add up to {len(x)} steps in {path.name!r}, got "
                f"{lengths.sum()}. Save the steps of all sequences one after the other."
            )
        values = np.split(x, np.cumsum(lengths)[:-1])
    elif x.ndim in (2, 3):
        values = list(x)
    else:
        raise DataError(
            f"data.table expected an array [n, steps] or [n, steps, features] in {path.name!r}, "
            f"got shape {x.shape}. Save it so, or its lengths beside it."
        )
    for row, one in enumerate(values):
        if np.isinf(one).any():
            raise DataError(
                f"data.table expected finite numbers, got infinity in {path.name}, row {row}. "
                "Correct it, or use NaN: it then is missing."
            )
    more: dict[str, Any] = {"groups": _first(arrays, GROUPS)}
    if "names" in arrays:
        more["names"] = [str(name) for name in arrays["names"]]
    return values, _first(arrays, TARGETS), more


def _first(arrays: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((arrays[name] for name in names if name in arrays), None)
