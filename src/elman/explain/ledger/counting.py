"""What is counted: one row per tensor and gate, and sums of rows under a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from elman.explain.ledger import formulas
from elman.layers import Layer
from elman.layers.layer import Param, Shape


@dataclass(frozen=True)
class Row:
    """The part of one tensor that belongs to one gate; the whole tensor where it has no gates."""

    layer: str
    tensor: str
    gate: str
    #: Extents of this part.
    shape: tuple[int, ...]
    #: One letter for each of them.
    letters: tuple[str, ...]
    count: int
    trainable: bool
    #: Whether tokens look it up, so that nothing is multiplied.
    table: bool

    @property
    def symbols(self) -> str:
        """The formula in letters."""
        return formulas.symbols({self.letters: 1})

    @property
    def numbers(self) -> str:
        """The formula with numbers."""
        return " * ".join(map(str, self.shape))

    @property
    def copies(self) -> int:
        """How many equal parts it holds: 2 for the two biases of a GRU."""
        return int(self.letters[0]) if len(self.letters) > 1 and self.letters[0].isdigit() else 1

    @property
    def bias(self) -> bool:
        """Whether it is added, not multiplied."""
        return len(self.letters) - (self.copies > 1) == 1

    @property
    def products(self) -> int:
        """Multiplications with it per step: none of what is added or looked up."""
        return 0 if self.bias or self.table else self.count


class Account:
    """A named sum of rows.

    Attributes:
        name: what it is the sum of: a layer, `layer/gate`, `layer/tensor`.
        rows: what it consists of.
    """

    def __init__(self, name: str, rows: Iterable[Row], shape: Shape | None = None) -> None:
        self.name = name
        self.rows = list(rows)
        #: Of the tensor, where it is one.
        self.shape = shape

    @property
    def total(self) -> int:
        """How many parameters."""
        return sum(row.count for row in self.rows)

    @property
    def trainable(self) -> int:
        """How many of them training changes."""
        return sum(row.count for row in self.rows if row.trainable)

    @property
    def terms(self) -> Counter[formulas.Term]:
        """The products of the formula, and how often each occurs."""
        return Counter(row.letters for row in self.rows)

    @property
    def values(self) -> dict[str, int]:
        """What the letters stand for."""
        return {
            letter: extent
            for row in self.rows
            for letter, extent in zip(row.letters, row.shape, strict=True)
            if not letter.isdigit()
        }

    @property
    def symbols(self) -> str:
        """The formula in letters."""
        return formulas.symbols(self.terms)

    @property
    def numbers(self) -> str:
        """The formula with numbers."""
        return formulas.numbers(self.terms, self.values)

    @property
    def formula(self) -> str:
        """Both, without the result: `4 * H = 4 * 16`, but `H = 16`."""
        return f"{self.symbols} = {self.numbers}"

    def __repr__(self) -> str:
        result = f"{self.total:,}"
        return f"<{self.name}: {self.formula}{'' if self.numbers == result else ' = ' + result}>"


class LayerAccount(Account):
    """The parameters of a layer, by gate and by tensor.

    Args:
        layer: the layer; it needs no weights.
        entering: shape of its input, batch included.
    """

    def __init__(self, layer: Layer, entering: Shape) -> None:
        params = layer.params(entering)
        super().__init__(layer.name, (row for p in params for row in _rows(layer, p)))
        self.layer = layer
        self.kind = type(layer).__name__
        self.input_shape = entering
        self.output_shape = layer.output_shape(entering)
        self._shapes = {p.name: p.shape for p in params}

    @property
    def tensors(self) -> list[Account]:
        """One account per tensor."""
        return [
            Account(f"{self.name}/{name}", (r for r in self.rows if r.tensor == name), shape)
            for name, shape in self._shapes.items()
        ]

    @property
    def gates(self) -> list[Account]:
        """One account per gate, over all tensors; none where there are no gates."""
        names = dict.fromkeys(row.gate for row in self.rows if row.gate)
        return [
            Account(f"{self.name}/{name}", (r for r in self.rows if r.gate == name))
            for name in names
        ]

    @property
    def timed(self) -> bool:
        """Whether it is applied to every step of a sequence."""
        return self.layer.takes_tokens or len(self.input_shape) == 3

    @property
    def recurrent(self) -> bool:
        """Whether it has weights for a state of its own."""
        return bool(self.gates)


def _rows(layer: Layer, param: Param) -> Iterable[Row]:
    gates = param.gates or ("",)
    whole = param.shape or (1,)
    shape = (*whole[:-1], whole[-1] // len(gates))
    letters = tuple(param.letters) or tuple(map(str, shape))
    trainable = param.trainable and layer.trainable
    count = param.size // len(gates)
    for gate in gates:
        yield Row(layer.name, param.name, gate, shape, letters, count, trainable, param.table)
