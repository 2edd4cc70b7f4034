"""What tests of layers go through: every cell, every kind of mask, inputs of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elman import Input
from elman.layers import GRU, LSTM, Dense, Embedding, Masking, Recurrent, SimpleRNN

Array = np.ndarray[Any, np.dtype[Any]]

CELLS: dict[str, tuple[type[Recurrent], dict[str, Any]]] = {
    "simple_rnn": (SimpleRNN, {}),
    "lstm": (LSTM, {}),
    "gru": (GRU, {}),
    "gru_reset_before": (GRU, {"reset_after": False}),
}
#: Odd, so that vectors, blocks and tiles are never full: less than one vector to more than two.
UNITS = (1, 7, 17, 33)
MASKS = ("unmasked", "right", "left", "holes", "embedded")
ROWS, STEPS, FEATURES, VOCABULARY = 5, 5, 3, 6

every_cell = pytest.mark.parametrize("name", CELLS)
every_mask = pytest.mark.parametrize("pattern", MASKS)
both_ways = pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
#: The same, under the ids that tests of options have.
either_way = pytest.mark.parametrize("backwards", [False, True], ids=["forward", "backwards"])
ends = pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])


def cell(name: str, units: int, **options: Any) -> Recurrent:
    """A recurrent layer by the native name of its cell."""
    kind, form = CELLS[name]
    return kind(units, **form, **options)


def normal(*shape: int, seed: int = 0) -> Array:
    """Random inputs."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def inputs(*shape: int) -> Array:
    """Random inputs, others for each shape: several of them are used together."""
    return normal(*shape, seed=sum(shape))


def kept_steps(pattern: str, rows: int = ROWS, steps: int = STEPS) -> Array:
    """Which steps count [rows, steps], the last row's none at all where anything is masked."""
    kept = np.ones((rows, steps), bool)
    for row in range(rows):
        if pattern == "right":
            kept[row, steps - row % steps :] = False
        elif pattern == "left":
            kept[row, : row % steps] = False
        elif pattern in ("holes", "embedded"):
            kept[row, (row + 1) % steps] = kept[row, (2 * row) % steps] = False
    if pattern != "unmasked":
        kept[-1] = False
    return kept


def masked(pattern: str, rows: int = ROWS, steps: int = STEPS) -> Array:
    """Inputs [rows, steps, 2], or tokens [rows, steps] where the mask is an Embedding's."""
    kept = kept_steps(pattern, rows, steps)
    if pattern == "embedded":
        numbers = np.arange(kept.size).reshape(kept.shape) % (VOCABULARY - 1) + 1
        return np.where(kept, numbers, 0).astype(np.int32)
    return np.where(kept[..., None], normal(*kept.shape, 2), 0.0).astype(np.float32)


def below(pattern: str) -> list[Any]:
    """Layers that hand on such a mask, and whose weights show the gradient of the input."""
    if pattern == "embedded":
        return [Embedding(VOCABULARY, FEATURES, mask_zero=True)]
    return [Input((None, 2)), *([] if pattern == "unmasked" else [Masking()]), Dense(FEATURES)]
