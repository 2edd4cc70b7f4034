"""How a model's data were prepared, as its file keeps it: plain data, all of it checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman.errors import DataError, FileError
from elman.saving.text import brief

if TYPE_CHECKING:
    from elman.data.preparing import Preparation


def written(prepared: Preparation | None, who: str) -> dict[str, Any] | None:
    """A preparation as plain data.

    Raises:
        FileError: `read` would refuse it, which is better said now than when the model is needed.
    """
    if prepared is None:
        return None
    found = prepared.to_dict()
    try:
        type(prepared).from_dict(found)
    except DataError as error:
        raise FileError(
            f"{who} expected a preparation that a file can hold ({brief(error)}). Set "
            "model.prepared to None to save the model without it."
        ) from error
    return found


def read(found: Any, where: str) -> Preparation | None:
    """What `written` wrote.

    Args:
        found: plain data; None where there is none.
        where: how errors name the file.

    Raises:
        FileError: it is something else.
    """
    if found is None:
        return None
    from elman.data.preparing import Preparation

    try:
        return Preparation.from_dict(found)
    except DataError as error:
        raise FileError(f"load of {where}: {brief(error)}") from error
