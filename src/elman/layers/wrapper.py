"""What the layers share that hold other layers: their weights are those of the layers inside."""

from __future__ import annotations

from typing import Any

from elman.errors import unknown_name
from elman.layers.layer import Array, Layer, Param, Shape


class Wrapper(Layer):
    """Base of the layers whose weights are those of their `leaves`."""

    def params(self, input_shape: Shape) -> list[Param]:
        leaves = list(zip(self.leaves(), self.leaf_shapes(input_shape), strict=True))
        made = [p.inside(leaf) for leaf, shape in leaves for p in leaf.params(shape)]
        sizes = {(shape[-1], leaf.output_shape(shape)[-1]) for leaf, shape in leaves}
        if len(sizes) > 1:
            for p in made:  # no letter stands for two sizes in one formula
                p.letters = ""
        return made

    def build_params(self, input_shape: Shape, values: list[Array] | None = None) -> None:
        self.check_shape(input_shape)
        for leaf, shape in zip(self.leaves(), self.leaf_shapes(input_shape), strict=True):
            count = len(leaf.params(shape))
            leaf.build_params(shape, None if values is None else values[:count])
            values = None if values is None else values[count:]
        if self.built_for is None:
            self.own_params = [p.inside(leaf) for leaf in self.leaves() for p in leaf.own_params]
            self.built_for = input_shape

    def views(self) -> list[Array]:
        return [view for leaf in self.leaves() for view in leaf.views()]

    def set_weights(self, weights: list[Array]) -> None:
        arrays = self.check_weights(weights)
        for leaf in self.leaves():
            count = len(leaf.own_params)
            leaf.set_weights(arrays[:count])
            arrays = arrays[count:]

    @property
    def compute_dtype(self) -> str:
        return self.leaves()[0].compute_dtype

    def own_weights(self, weights: dict[str, Array]) -> list[dict[str, Array]]:
        """The tensors by name of each layer inside, for its `formula`."""
        return [
            {p.name: weights[f"{leaf.name}/{p.name}"] for p in leaf.own_params}
            for leaf in self.leaves()
        ]


def layer_inside(who: str, entry: dict[str, Any]) -> Layer:
    """The layer that a config inside a config describes.

    Raises:
        UnknownNameError: one that elman does not have.
    """
    from elman.layers import LAYERS

    kind = entry["class_name"]
    if kind not in LAYERS:
        raise unknown_name(who, "layer", kind, LAYERS)
    return LAYERS[kind].from_config(dict(entry["config"]))
