"""From symbols to a graph: which calls lead from a model's inputs to its outputs, in what order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elman.errors import OptionError
from elman.graph import Call, Graph
from elman.layers import InputLayer, Layer
from elman.layers.symbol import Node, Symbol, symbol_of
from elman.models.order import ordered


class Wiring:
    """The calls between some inputs and outputs.

    Args:
        who: how errors name the model.
        inputs: symbols of Inputs.
        outputs: symbols.

    Raises:
        OptionError: an output needs an Input that is not among the inputs.
    """

    def __init__(self, who: str, inputs: Sequence[Symbol], outputs: Sequence[Symbol]) -> None:
        self.who = who
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self._seen: set[Node] = set()
        #: Each after those that it needs.
        self.nodes: list[Node] = []
        for symbol in self.outputs:
            self._walk(symbol.node)
        unused = [s.node.layer for s in self.inputs if s.node not in self._seen]
        #: The layers and Inputs in Keras's order; Inputs that no output needs come last.
        self.order: list[Any] = [*ordered(self.nodes, self.outputs), *unused]
        numbers = {symbol: i for i, symbol in enumerate(self.inputs)}
        calls = []
        for node in self.calls:
            takes = tuple(numbers[symbol] for symbol in node.takes)
            for symbol in node.makes:
                numbers[symbol] = len(numbers)
            assert isinstance(node.layer, Layer)
            calls.append(Call(node.layer, takes, tuple(numbers[s] for s in node.makes)))
        self.graph = Graph(
            len(self.inputs), tuple(calls), tuple(numbers[symbol] for symbol in self.outputs)
        )

    def _walk(self, last: Node) -> None:
        """Depth first, without recursion: a chain may be long."""
        waiting: list[tuple[Node, int]] = [(last, 0)]
        while waiting:
            node, place = waiting.pop()
            if place == 0:
                if node in self._seen:
                    continue
                self._seen.add(node)
                if isinstance(node.layer, InputLayer) and node.makes[0] not in self.inputs:
                    raise OptionError(
                        f"{self.who} expected every Input that its outputs need, got none of "
                        f"{node.layer!r} ({node.layer.name!r}). Add it to the inputs."
                    )
            if place < len(node.takes):
                waiting += [(node, place + 1), (node.takes[place].node, 0)]
            else:
                self.nodes.append(node)

    @property
    def calls(self) -> list[Node]:
        """The calls of layers."""
        return [node for node in self.nodes if isinstance(node.layer, Layer)]

    @property
    def layers(self) -> list[Layer]:
        """The layers, each once."""
        return [layer for layer in self.order if isinstance(layer, Layer)]


def symbols(who: str, given: Any, what: str) -> tuple[list[Symbol], list[str] | None]:
    """Symbols as a list, and their names where they come in a dict.

    Raises:
        OptionError: no symbol.
    """
    names = sorted(given) if isinstance(given, dict) else None  # in Keras's order
    entries = [given[name] for name in names] if names is not None else given
    entries = list(entries) if isinstance(entries, list | tuple) else [entries]
    if not entries:
        raise OptionError(f"{who} expected {what}, got none. Name at least one.")
    return [symbol_of(entry, who) for entry in entries], names
