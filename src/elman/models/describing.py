"""A functional model in the form of Keras's config: layers, and calls by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman.config import serialize
from elman.layers import InputLayer
from elman.layers.merging import Merging
from elman.layers.symbol import Node, Symbol

if TYPE_CHECKING:
    from elman.models.functional import Functional

Config = dict[str, Any]


def described(model: Functional) -> Config:
    """The model's config."""
    numbers: dict[Node, int] = {}
    calls: dict[Any, list[Node]] = {}
    for node in model.wiring.nodes:
        own = calls.setdefault(node.layer, [])
        numbers[node] = len(own)
        own.append(node)

    def place(symbol: Symbol) -> list[Any]:
        return [symbol.name, numbers.get(symbol.node, 0), symbol.index]

    def tensor(symbol: Symbol) -> Config:
        history = place(symbol)
        options = {"shape": list(symbol.shape), "dtype": symbol.dtype, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": options}

    def call(node: Node) -> Config:
        takes = [tensor(symbol) for symbol in node.takes]
        count = len(takes) - node.states
        given: list[Any] = [takes[:count]] if isinstance(node.layer, Merging) else takes[:count]
        return {"args": given, "kwargs": {"initial_state": takes[count:]} if node.states else {}}

    def entry(layer: Any) -> Config:
        if isinstance(layer, InputLayer):
            own = {"batch_shape": list(layer.batch_shape), "dtype": layer.symbol.dtype}
            found = {
                "module": "keras.layers",
                "class_name": "InputLayer",
                "config": {**own, "name": layer.name},
                "registered_name": None,
            }
            return {**found, "name": layer.name, "inbound_nodes": []}
        return {
            **serialize(layer),
            "name": layer.name,
            "inbound_nodes": [call(node) for node in calls[layer]],
        }

    def ends(symbols: list[Symbol], keys: list[str] | None) -> Any:
        places = [place(symbol) for symbol in symbols]
        if keys is not None:
            return dict(zip(keys, places, strict=True))
        return places if len(places) > 1 else places[0]

    inputs = [layer for layer in model.wiring.order if isinstance(layer, InputLayer)]
    return {
        "name": model.name,
        "trainable": True,
        "layers": [entry(layer) for layer in [*inputs, *model.layers]],
        "input_layers": ends(model.wiring.inputs, model.input_keys),
        "output_layers": ends(model.wiring.outputs, model.output_keys),
    }
