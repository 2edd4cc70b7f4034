"""Keras's cells: the options of a recurrent layer without those that concern time."""

from __future__ import annotations

from typing import Any, ClassVar

from elman.config import Configured, serialize
from elman.errors import OptionError, unknown_name
from elman.layers.gru import GRU
from elman.layers.layer import snake, unused
from elman.layers.lstm import LSTM
from elman.layers.recurrent import Recurrent
from elman.layers.simple_rnn import SimpleRNN

#: What a recurrent layer has beyond its cell.
TIME = frozenset(
    {
        "activity_regularizer",
        "go_backwards",
        "return_sequences",
        "return_state",
        "stateful",
        "unroll",
        "use_cudnn",
        "zero_output_for_mask",
    }
)


class Cell(Configured):
    """What happens at one step, for `RNN` to do at all: a holder of options.

    Args:
        *args, **options: those of the layer of the same name, without the ones about time.

    Raises:
        OptionError: a value out of its range.
        UnknownNameError: an option that a cell does not have.
    """

    module = "keras.layers"
    #: The layer whose step it is, and whose signature its own.
    layer: ClassVar[type[Recurrent]]

    def __init__(self, *args: Any, **options: Any) -> None:
        who = type(self).__name__
        for option in options.keys() & TIME:
            raise unknown_name(who, "option", option, self.options())
        options.setdefault("name", snake(who))
        #: A layer with these options. It never gets weights.
        self.held = self.layer(*args, **options)

    @classmethod
    def options(cls) -> dict[str, Any]:
        return {k: v for k, v in cls.layer.options().items() if k not in TIME}

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in self.held.get_config().items() if k not in TIME}

    def __getattr__(self, name: str) -> Any:
        if name in type(self).options():
            return getattr(self.held, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def in_time(self, name: str, **options: Any) -> Recurrent:
        """A layer that does this step at every time."""
        made = self.layer.from_config({**self.get_config(), "name": name, **options})
        made.named = True
        return made


class SimpleRNNCell(Cell):
    """The cell of `SimpleRNN`.

    Example:
        >>> SimpleRNNCell(16, dropout=0.1)
        SimpleRNNCell(units=16, dropout=0.1, name='simple_rnn_cell')
    """

    layer = SimpleRNN


class LSTMCell(Cell):
    """The cell of `LSTM`."""

    layer = LSTM


class GRUCell(Cell):
    """The cell of `GRU`."""

    layer = GRU


class StackedRNNCells(Configured):
    """Cells one above the other: at every step each takes in what the one below puts out.

    Args:
        cells: of `SimpleRNNCell`, `LSTMCell` and `GRUCell`, the lowest first.
        name: made from the class where None.
        trainable: whether training may change their weights.
        dtype: accepted for Keras; each cell has its own.

    Raises:
        OptionError: no cells, or something else.
    """

    module = "keras.layers"

    def __init__(
        self,
        cells: list[Cell] | tuple[Cell, ...],
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        if not isinstance(cells, list | tuple) or not cells:
            raise OptionError(
                f"StackedRNNCells expected a list of cells, got {cells!r}. Use e.g. [LSTMCell(16), "
                "LSTMCell(16)]."
            )
        self.cells = [checked("StackedRNNCells", each) for each in cells]
        self.name = name or snake("StackedRNNCells")
        self.trainable = bool(trainable)
        self.dtype = dtype

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras would give two cells of one name the same place in a file.
        taken: set[str] = set()
        for entry in config["cells"]:
            entry["config"]["name"] = unused(entry["config"]["name"], taken)
            taken.add(entry["config"]["name"])
        config["dtype"] = serialize(self.cells[0].held.dtype_policy)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StackedRNNCells:
        """Build what `get_config` described, Keras's or elman's.

        Raises:
            UnknownNameError: a cell that elman does not have.
        """
        return cls(**{**config, "cells": [built("StackedRNNCells", e) for e in config["cells"]]})


#: Every cell that a model file may name: a closed list.
CELLS: dict[str, type[Cell] | type[StackedRNNCells]] = {
    cell.__name__: cell for cell in (GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells)
}


def checked(who: str, cell: Any) -> Cell:
    """`cell`, if it is one of elman's own."""
    if type(cell) not in CELLS.values() or isinstance(cell, StackedRNNCells):
        raise OptionError(
            f"{who} expected each cell to be a SimpleRNNCell, LSTMCell or GRUCell, got {cell!r}. "
            "Use one of these: a cell of your own has no native code to run."
        )
    return cell


def built(who: str, entry: dict[str, Any]) -> Any:
    """The cell that a config describes."""
    kind = entry["class_name"]
    if kind not in CELLS:
        raise unknown_name(who, "cell", kind, CELLS)
    return CELLS[kind].from_config(entry["config"])
