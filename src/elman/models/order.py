"""In which order Keras has the layers of a graph, which is also that of their weights in a file.

Keras sorts by the distance from an output. In its graph a mask is computed by operations of its
own, between the layers, and they lengthen the way: so they are counted here, though elman needs
none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elman.layers import Concatenate, Embedding, GlobalAveragePooling1D, Masking
from elman.layers.merging import Merging
from elman.layers.symbol import Node, Symbol

#: Layers whose `call` takes a mask in Keras, besides those that go through time.
TAKE_MASKS = frozenset(
    {"BatchNormalization", "GlobalAveragePooling1D", "Softmax", "TimeDistributed"}
)


class Step:
    """A call of a layer, or one of the operations that compute a mask."""

    def __init__(self, layer: Any, takes: Sequence[Step]) -> None:
        self.layer = layer
        self.takes = tuple(takes)


class Steps:
    """What Keras has of a graph."""

    def __init__(self) -> None:
        self._made: dict[Node, Step] = {}
        self._masks: dict[Symbol, Step | None] = {}

    def of(self, node: Node) -> Step:
        """The step of a node, whose inputs have theirs."""
        if node not in self._made:
            takes = [self._made[symbol.node] for symbol in node.takes]
            masks = [self._masks[symbol] for symbol in node.takes]
            # With initial states Keras looks for the mask of each by another name, and finds none.
            if masks and masks[0] is not None and not node.states and _takes_mask(node.layer):
                takes.append(masks[0])
            self._made[node] = Step(node.layer, takes)
            out = self._mask(node, masks)
            for symbol in node.makes:
                self._masks[symbol] = out if symbol.index == 0 else None
        return self._made[node]

    def _mask(self, node: Node, masks: list[Step | None]) -> Step | None:
        layer = node.layer
        below = [self._made[symbol.node] for symbol in node.takes]
        known = [mask for mask in masks if mask is not None]
        if isinstance(layer, Embedding):
            return Step(None, below) if layer.mask_zero else None
        if isinstance(layer, Masking):
            return Step(None, [Step(None, below)])
        if isinstance(layer, Concatenate):
            if not known:
                return None
            parts = [
                Step(None, [x])
                if mask is None
                else Step(None, [Step(None, [mask]), Step(None, [x])])
                for x, mask in zip(below, masks, strict=True)
            ]
            return Step(None, [Step(None, parts)])
        if isinstance(layer, Merging):
            if len(known) < len(masks):
                return None
            found = known[0]
            for mask in known[1:]:
                found = Step(None, [found, mask])
            return found
        return masks[0] if masks and _hands_mask_on(layer) else None


def _takes_mask(layer: Any) -> bool:
    return layer.takes_states or type(layer).__name__ in TAKE_MASKS


def _hands_mask_on(layer: Any) -> bool:
    if isinstance(layer, GlobalAveragePooling1D):
        return False
    return layer.takes_mask and getattr(layer, "return_sequences", True)


def ordered(nodes: Sequence[Node], outputs: Sequence[Symbol]) -> list[Any]:
    """The layers of some nodes, each after those that it needs: farthest from an output first.

    Args:
        nodes: those of the graph, each after those that it needs.
        outputs: the symbols that it hands out.
    """
    steps = Steps()
    for node in nodes:
        steps.of(node)
    met, done = _walked([steps.of(symbol.node) for symbol in outputs])
    of_step: dict[Step, int] = {}
    of_layer: dict[Any, int] = {}
    for step in reversed(done):
        key = step if step.layer is None else step.layer
        depth = max(of_step.get(step, 0), of_layer.get(key, 0))
        of_step[step] = of_layer[key] = depth
        for below in step.takes:
            of_step[below] = max(depth + 1, of_step.get(below, 0))
    layers = [key for key in of_layer if not isinstance(key, Step)]
    return sorted(layers, key=lambda layer: (-of_layer[layer], met[layer]))


def _walked(lasts: Sequence[Step]) -> tuple[dict[Any, int], list[Step]]:
    """Depth first: when each layer is met, and the steps as they are done."""
    met: dict[Any, int] = {}
    seen: set[Step] = set()
    done: list[Step] = []
    for last in lasts:
        waiting: list[tuple[Step, int]] = [(last, 0)]
        while waiting:  # no recursion: a chain may be long
            step, place = waiting.pop()
            if place == 0:
                if step in seen:
                    continue
                seen.add(step)
                met.setdefault(step if step.layer is None else step.layer, len(met))
            if place < len(step.takes):
                waiting += [(step, place + 1), (step.takes[place], 0)]
            else:
                done.append(step)
    return met, done
