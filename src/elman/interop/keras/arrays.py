"""Data as Keras takes them, as arrays that elman takes."""

from __future__ import annotations

from typing import Any

import numpy as np


class Declined(Exception):
    """What elman leaves to Keras this time, in words that end a sentence."""


def arrays(value: Any, what: str) -> Any:
    """Arrays, tensors of any backend, or lists and dicts of them, as NumPy arrays.

    Args:
        value: the data; None stays None.
        what: how errors name them.

    Raises:
        Declined: they come in batches, from a dataset or a generator.
    """
    if value is None or isinstance(value, np.ndarray):
        return value
    if isinstance(value, dict):
        return {name: arrays(part, what) for name, part in value.items()}
    if isinstance(value, list | tuple) and value and not np.isscalar(value[0]):
        parts = [arrays(part, what) for part in value]
        return parts[0] if len(parts) == 1 else parts
    if not hasattr(value, "__array__") or not hasattr(value, "shape"):
        raise Declined(f"{what} is a {type(value).__name__}; elman takes arrays and tensors")
    from keras import ops

    return ops.convert_to_numpy(value) if ops.is_tensor(value) else np.asarray(value)


def rows_of(value: Any) -> int:
    """How many rows there are, of one array or of several side by side."""
    while isinstance(value, dict | list | tuple) and value:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return len(value) if np.ndim(value) else 0


def shapes_of(value: Any) -> Any:
    """Keras's symbols of the shapes of arrays, in the structure in which they stand."""
    from keras import KerasTensor, tree

    return tree.map_structure(lambda array: KerasTensor(np.shape(array)), value)
