"""What X may be. Everything becomes one of five things, told apart by what cannot be mistaken."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array

from elman import checks
from elman.data.sequences import Sequences
from elman.errors import DataError
from elman.ragged import Ragged

Array = np.ndarray[Any, np.dtype[Any]]


def read(x: Any, channels_first: bool, who: str) -> Array | Ragged | Sequences | list[str] | None:
    """Sequences as they were given.

    Args:
        x: an array [n, steps, features]; a list (or an array of objects) of arrays [steps_i] or
            [steps_i, features]; a list of texts; `Sequences`; or a DataFrame of sktime's: nested,
            whose cell is one channel's sequence, or with an index of two levels, the sequence and
            its step.
        channels_first: whether arrays are [n, channels, steps] and [channels, steps_i], as aeon's.
        who: how errors name the estimator.

    Returns:
        float64 [n, steps, features]; a `Ragged` of it where lengths differ; texts; `Sequences`; or
        None for anything else, such as a table [n, steps]: scikit-learn has its own checks for
        that.

    Raises:
        DataError, ShapeError, ValueError: a row is no sequence of numbers, or not finite.
    """
    if isinstance(x, Sequences):
        return x
    if hasattr(x, "to_pylist") and not hasattr(x, "column_names"):  # an array of Arrow's
        x = x.to_pylist()
    shape = getattr(x, "shape", None)
    if _is_nested(x):
        x = [_joined(cells, row, who) for row, cells in enumerate(x.values)]
        channels_first, shape = False, None
    elif _is_indexed(x):
        x, channels_first, shape = _by_index(x), False, None
    if shape is not None and len(shape) == 3:
        found = check_array(x, allow_nd=True, dtype=np.float64, input_name="X", estimator=who)
        return found.swapaxes(1, 2) if channels_first else found
    if isinstance(x, str) or (shape is not None and len(shape) != 1):
        return None
    rows = list(x) if hasattr(x, "__iter__") else []
    if any(isinstance(row, str) for row in rows):
        return [_text(row, number, who) for number, row in enumerate(rows)]
    if not rows or not all(_is_sequence(row) for row in rows):
        return None
    arrays = [_array(row, number, who) for number, row in enumerate(rows)]
    if len({array.shape for array in arrays}) == 1 and arrays[0].ndim == 1:
        return None  # lists of numbers, all of one length, are a table
    return _unequal([_by_step(array, channels_first) for array in arrays], who)


def targets(data: Sequences, who: str) -> Array | None:
    """The class of each sequence by its name, or its numbers; None where there are none.

    Raises:
        DataError: there is one at every step.
    """
    if data.by_step:
        raise DataError(
            f"{who} expected a target for each sequence, got one for every step. Train an "
            "elman.Sequential on these."
        )
    found: Any = data.targets
    return np.array(data.names)[found] if data.names and found is not None else found


def _unequal(arrays: list[Array], who: str) -> Array | Ragged:
    found = checks.sequences(arrays, who, "sequences")
    if not len(found.values):  # arrays without a step know their features all the same
        found = Ragged.of(arrays)
    found = found.with_values(found.values.astype(np.float64))
    if not np.isfinite(found.values).all():
        step = np.flatnonzero(~np.isfinite(found.values.reshape(len(found.values), -1)).all(1))[0]
        row = int(np.searchsorted(found.offsets, step, side="right")) - 1
        raise DataError(
            f"{who} expected finite numbers, got {found.values[step].tolist()} in row {row}, step "
            f"{step - found.offsets[row]} (NaN or infinity). Fill or remove what is missing."
        )
    same = len(set(found.lengths.tolist())) == 1 and found.lengths[0] > 0
    return found.padded() if same else found


def _by_step(array: Array, channels_first: bool) -> Array:
    if array.ndim == 1:
        return array[:, None]
    return array.T if channels_first else array


def _text(row: Any, number: int, who: str) -> str:
    if not isinstance(row, str):
        raise DataError(
            f"{who} expected texts, got {row!r} ({type(row).__name__}) in row {number}. Leave it "
            "out, or write '' for no text."
        )
    return str(row)


def _is_array(row: Any) -> bool:
    return hasattr(row, "__array__")


def _is_sequence(row: Any) -> bool:
    return isinstance(row, list | tuple) or (_is_array(row) and getattr(row, "ndim", 0) > 0)


def _array(row: Any, number: int, who: str) -> Array:
    try:
        return np.asarray(row)
    except ValueError as error:  # NumPy's word for steps of unequal length
        raise DataError(
            f"{who} expected every step of a sequence to have the same features, got others in row "
            f"{number}. Check it."
        ) from error


def _is_nested(x: Any) -> bool:
    """Whether this is a DataFrame with sequences in its cells: no ordinary table has those."""
    if not (hasattr(x, "iloc") and getattr(x, "ndim", 0) == 2 and all(x.shape)):
        return False
    return _is_sequence(x.iloc[0, 0])


def _is_indexed(x: Any) -> bool:
    """Whether this is a DataFrame whose rows say of which sequence they are a step."""
    is_frame = hasattr(x, "iloc") and getattr(x, "ndim", 0) == 2
    return is_frame and getattr(x.index, "nlevels", 1) == 2


def _by_index(x: Any) -> list[Array]:
    """The rows of each sequence, [steps, channels]; sequences in the order of their first row."""
    values = np.asarray(x.values)
    of = np.asarray(x.index.get_level_values(0).factorize()[0])
    order = np.argsort(of, kind="stable")
    return np.split(values[order], np.cumsum(np.bincount(of))[:-1])


def _joined(cells: Any, row: int, who: str) -> Array:
    """The channels of one row side by side, [steps, channels]."""
    channels = [np.asarray(cell) for cell in cells]
    if len({channel.shape for channel in channels}) != 1:
        raise DataError(
            f"{who} expected the channels of a row to have the same steps, got "
            f"{[len(channel) for channel in channels]} in row {row}. Bring them to one rate."
        )
    return np.stack(channels, axis=-1)
