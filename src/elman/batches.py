"""Rows of a batch: as asked for, or as layers need them whose states go on from batch to batch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from elman.errors import DataError, OptionError
from elman.layers.layer import whole

if TYPE_CHECKING:
    from elman.models import Model

#: Where nobody says how many, as in Keras.
USUAL = 32


def size(model: Model, rows: int, asked: int | None, who: str) -> int:
    """Rows of a batch.

    Args:
        model: what runs.
        rows: how many there are in all.
        asked: `batch_size` as the caller gave it.
        who: the method, for errors.

    Raises:
        OptionError: `asked` is no whole number >= 1.
        ShapeError: a layer carries states of another number of rows.
        DataError: the Input fixed another number, or rows are left over for a smaller batch.
    """
    batch = None if asked is None else whole(who, "batch_size", asked)
    if not model.stateful or rows == 0:
        return batch or USUAL
    fixed = model.fixed_rows
    if batch is None:
        leaves = [leaf for layer in model.layers for leaf in layer.leaves()]
        carried = [len(leaf.carried[0]) for leaf in leaves if leaf.carried]
        batch = fixed or next(iter(carried), USUAL)
    batch = min(batch, rows)
    if fixed not in (None, batch):
        raise DataError(
            f"{who} expected batches of {fixed} rows, which the Input of {model.label} fixes, got "
            f"{batch}. Use batch_size={fixed} and data of as many rows or a multiple, or leave the "
            "batch size out of Input."
        )
    for layer in model.layers:
        for leaf in layer.leaves():
            leaf.check_rows(batch, who)
    check_whole(model, rows, batch, who)
    return batch


def check_whole(model: Model, rows: int, batch: int, who: str) -> None:
    """Raise if rows would be left over for a smaller batch, and states stay from batch to batch."""
    if model.stateful and rows % batch:
        raise DataError(
            f"{who} expected whole batches of {batch} rows, because {model.label} carries states "
            f"from batch to batch, got {rows} rows, of which {rows % batch} are left over. Use "
            "another batch_size, or leave some rows out."
        )


def check_held_out(model: Model, rows: int, batch: int, trained: int) -> None:
    """Raise if batches to validate on could not go on from those to train on."""
    if model.stateful and batch != trained:
        raise OptionError(
            f"fit expected validation_batch_size={trained}, the rows of the batches that "
            f"{model.label} carries states from, got {batch}. Leave it out."
        )
    check_whole(model, rows, batch, "validation")


def warn_of_shuffling(model: Model) -> None:
    """Say that dealing rows anew cuts what stateful layers are for."""
    names = ", ".join(layer.name for layer in model.layers if layer.stateful)
    warnings.warn(
        f"fit deals the rows anew for each epoch, so that a row of {names} (stateful=True) goes on "
        "from one that has nothing to do with it. Use shuffle=False.",
        stacklevel=4,
    )
