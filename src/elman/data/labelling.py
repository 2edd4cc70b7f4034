"""What a column of targets means: classes, or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.data.delimited import is_number
from elman.data.frames import Columns
from elman.errors import DataError, OptionError

Array = np.ndarray[Any, np.dtype[Any]]

TASKS = ("auto", "classify", "regress")
#: Whole numbers are classes where there are no more different ones.
FEW = 20
#: Where more of a column than this are numbers, whatever else is in it is a mistake.
WRONG = 0.9
#: More classes than this, most of them with one example, are no classes.
MANY = 100


def targets(table: Columns, name: str, task: str, new: bool = False) -> tuple[Array, list[str]]:
    """A column as targets.

    Args:
        table: the table.
        name: the column.
        task: "classify", "regress", or "auto": text and few whole numbers are classes.
        new: whether these are new data for a model that exists, which may be of one class.

    Returns:
        class numbers int32 and the name of each class; or float32 and no names.

    Raises:
        DataError: a row without a target, one class alone, a constant, or classes that no two
            rows share.
    """
    if task not in TASKS:
        raise OptionError(f"data expected task to be one of {', '.join(TASKS)}, got {task!r}.")
    labels = [text.strip() for text in table.texts(name)]  # raises where one is missing
    numeric = table.is_numeric(name) and table[name].dtype.kind != "b"
    if task == "regress" or (task == "auto" and (numeric or _numbers_but_few(table, name))):
        found = table.numbers(name, needed=True)
        if task == "regress" or not _few(found):
            return _varying(found.astype(np.float32), table, name, new), []
    remedy = "choose another target: `target=...`"
    if numeric:
        remedy += ', or take them as numbers: `task="regress"`'
    return numbered(labels, f"column {name!r} of {table.where}", numeric, new, remedy)


def numbered(
    labels: list[str], where: str, numeric: bool = False, new: bool = False, remedy: str = ""
) -> tuple[Array, list[str]]:
    """Names of classes as numbers, in the order of the alphabet, or of the numbers they are.

    Args:
        labels: the class of each row.
        where, remedy: for the errors: where they are from, and what to do but to bring others.
        numeric: whether the names are numbers.
        new: as of `targets`.

    Raises:
        DataError: one class alone, or classes that no two rows share.
    """
    otherwise = f", or {remedy}." if remedy else "."
    names = sorted(set(labels), key=float if numeric else None)
    if not new and len(names) < 2:
        got = f"{names[0]!r} in all {len(labels):,} rows" if names else "no rows"
        raise DataError(
            f"data expected at least two classes in {where}, got {got}. Add rows of another class"
            f"{otherwise}"
        )
    if not new and len(names) > MANY and len(names) > len(labels) / 2:
        raise DataError(
            f"data expected classes that several rows share in {where}, got {len(names):,} "
            f"different ones in {len(labels):,} rows. Bring more of each{otherwise}"
        )
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[label] for label in labels], np.int32), names


def _numbers_but_few(table: Columns, name: str) -> bool:
    """Whether some few words stand among many different numbers, by mistake."""
    known = [value for value in table[name].tolist() if is_number(value)]
    return len(known) > WRONG * table.rows and not _few(np.array(known, np.float64))


def _few(values: Array) -> bool:
    different = np.unique(values)
    return bool((different == np.floor(different)).all()) and len(different) <= FEW


def _varying(found: Array, table: Columns, name: str, new: bool) -> Array:
    """The numbers, unless they are all the same."""
    if not new and len(found) > 1 and (found == found[0]).all():
        raise DataError(
            f"data expected a target that varies in column {name!r} of {table.where}, got "
            f"{found[0]:g} in all {table.rows:,} rows. Choose another target: "
            "`target=...`."
        )
    return found
