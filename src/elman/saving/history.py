"""The history of a training, as a model's file keeps it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from elman.callbacks import History
from elman.errors import FileError
from elman.saving.text import brief


def written(history: History | None) -> dict[str, Any] | None:
    """A history as plain data."""
    if history is None:
        return None
    values = {name: [_plain(v) for v in column] for name, column in history.history.items()}
    return {"epoch": [int(epoch) for epoch in history.epoch], "values": values}


def _plain(value: Any) -> Any:
    """JSON has no word for NaN and infinity: they are written as text."""
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    number = float(value)
    return number if math.isfinite(number) else repr(number)


def read(found: Any, where: str) -> History | None:
    """What `written` wrote.

    Args:
        found: plain data; None where there is none.
        where: how errors name the file.

    Raises:
        FileError: it is something else.
    """
    if found is None:
        return None
    history = History()
    try:
        history.epoch = [int(epoch) for epoch in found["epoch"]]
        for name, values in found["values"].items():
            history.history[name] = [_number(value) for value in values]
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise FileError(
            f"load expected the history of a training, got something else in {where} "
            f"({brief(error)}). Save the model again."
        ) from error
    return history


def _number(value: Any) -> Any:
    return [float(v) for v in value] if isinstance(value, list) else float(value)
