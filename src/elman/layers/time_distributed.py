"""TimeDistributed: a layer of rows, on every step of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from elman.errors import OptionError
from elman.layers.layer import Array, Layer, Shape
from elman.layers.wrapper import Wrapper, layer_inside

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class TimeDistributed(Wrapper):
    """Does to each step by itself what `layer` does to a row; a mask is handed on.

    Args:
        layer: a layer that takes [rows, features] and acts on the features alone, such as Dense,
            Activation or Dropout. A new one is made with its options.

    Raises:
        OptionError: another layer. What takes more than the features of a step has no place in it.
    """

    ranks: ClassVar = (3,)

    def __init__(self, layer: Layer, **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(layer, Layer) or not layer.each_step:
            from elman.layers import LAYERS

            known = ", ".join(name for name, kind in LAYERS.items() if kind.each_step)
            raise OptionError(
                "TimeDistributed expected a layer that acts on the features of a step alone "
                f"({known}), got {layer!r}. elman has no arrays of more than three axes: a step "
                "has nothing but its features."
            )
        self.layer = type(layer).from_config(layer.get_config())
        self.layer.around = self
        self.layer.stored_in = f"layer/{self.layer.stored_in}"
        self.asked_shape = self.asked_shape or layer.asked_shape

    def leaves(self) -> Sequence[Layer]:
        return [self.layer]

    def path_of(self, leaf: Layer) -> str:
        return self.path  # what comes out of it is what comes out of this one

    def leaf_shapes(self, input_shape: Shape) -> list[Shape]:
        return [(input_shape[0], *input_shape[2:])]

    def output_shape(self, input_shape: Shape) -> Shape:
        self.check_rank(input_shape)
        rows, *rest = self.layer.output_shape(self.leaf_shapes(input_shape)[0])
        return (rows, input_shape[1], *rest)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return self.layer.emit(plan, slot)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return self.layer.formula(x, self.own_weights(weights)[0], mask)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TimeDistributed:
        """Build the layer that `get_config` described, Keras's or elman's.

        Raises:
            UnknownNameError: a layer inside that elman does not have.
        """
        return cls(**{**config, "layer": layer_inside("TimeDistributed", config["layer"])})
