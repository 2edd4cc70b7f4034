"""RNN: a cell, or several one above the other, at every step of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elman.layers.cells import Cell, StackedRNNCells, built, checked
from elman.layers.layer import Array, Shape, snake, unused
from elman.layers.recurrent import Recurrent, check_how, in_order
from elman.layers.recurrent_wrapper import RecurrentWrapper

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class RNN(RecurrentWrapper):
    """Does the step of a cell at every time. `RNN(LSTMCell(16))` computes what `LSTM(16)` does.

    Cells one above the other are as many recurrent operations, each over all steps: the numbers of
    Keras, which goes through all cells at each step.

    Args:
        cell: a `SimpleRNNCell`, `LSTMCell`, `GRUCell` or `StackedRNNCells`, or a list of cells. A
            cell is a holder of options, so that one may serve several layers.
        return_sequences, return_state, go_backwards, stateful, zero_output_for_mask: see
            `Recurrent`; states are those of all cells, one after the other.

    Raises:
        OptionError: a cell of another kind, or an option elman does not have yet.
    """

    ignored = Recurrent.ignored
    absent = Recurrent.absent

    def __init__(
        self,
        cell: Cell | StackedRNNCells | list[Cell] | tuple[Cell, ...],
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        *,
        zero_output_for_mask: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if isinstance(cell, list | tuple):
            cell = StackedRNNCells(cell)
        if not isinstance(cell, StackedRNNCells):
            cell = checked("RNN", cell)
        self.cell = cell
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self._leaves = self._made(cell)

    def _check_other(self, option: str, value: Any) -> None:
        check_how(type(self).__name__, option, value)
        super()._check_other(option, value)

    def _made(self, cell: Cell | StackedRNNCells) -> list[Recurrent]:
        """A recurrent layer for each cell: those below the last hand on every step."""
        stacked = isinstance(cell, StackedRNNCells)
        cells = cell.cells if isinstance(cell, StackedRNNCells) else [cell]
        made: list[Recurrent] = []
        kinds: dict[type[Cell], int] = {}
        for number, each in enumerate(cells):
            last = number == len(cells) - 1
            leaf = each.in_time(
                unused(each.name, {leaf.name for leaf in made}),
                return_sequences=self.return_sequences or not last,
                return_state=self.return_state,
                go_backwards=self.go_backwards,
                stateful=self.stateful,
                zero_output_for_mask=self.zero_output_for_mask and last,
            )
            leaf.around = self
            if isinstance(cell, StackedRNNCells) and not cell.trainable:
                leaf.trainable = False
            place = "cell"
            if stacked:  # Keras counts the cells of a class
                kinds[type(each)] = kinds.get(type(each), -1) + 1
                place = f"cell/cells/{_group(type(each), kinds[type(each)])}"
            leaf.stored_in = f"{place}/vars"
            made.append(leaf)
        return made

    @property
    def causal(self) -> bool:
        return not self.go_backwards

    def leaves(self) -> Sequence[Recurrent]:
        return self._leaves

    def leaf_shapes(self, input_shape: Shape) -> list[Shape]:
        shapes = [input_shape]
        for leaf in self._leaves[:-1]:
            shapes.append(leaf.output_shape(shapes[-1]))
        return shapes

    def output_shape(self, input_shape: Shape) -> Shape:
        return self._leaves[-1].output_shape(input_shape)

    def emit_all(self, plan: Plan, slots: Sequence[Slot]) -> list[Slot]:
        slot, *start = slots
        states: list[Slot] = []
        for leaf in self._leaves:
            own, start = start[: leaf.states], start[leaf.states :]
            slot, *last = leaf.emit_in_time(plan, slot, *own)
            states += last
        return [in_order(plan, self, slot), *states]

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        for leaf, own in zip(self._leaves, self.own_weights(weights), strict=True):
            x = leaf.formula(x, own, mask)
            if self.go_backwards and leaf is not self._leaves[-1]:
                x = x[:, ::-1]  # as it was made; the next one turns it round itself
        return x

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RNN:
        """Build the layer that `get_config` described, Keras's or elman's.

        Raises:
            UnknownNameError: a cell that elman does not have.
        """
        return cls(**{**config, "cell": built("RNN", config["cell"])})


def _group(kind: type[Cell], number: int) -> str:
    return f"{snake(kind.__name__)}{f'_{number}' if number else ''}"
