"""Softmax: the features of each step become shares that add up to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman import activations
from elman.errors import OptionError
from elman.layers.activation import emit_activation
from elman.layers.layer import Array, Layer

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Softmax(Layer):
    """y = exp(x) / sum exp(x) over the last axis.

    A mask of the steps is handed on: it leaves out whole steps, never some of the features that
    are compared here. (Keras has no meaning for it here and stops with an error.)

    Args:
        axis: -1, the features.

    Raises:
        OptionError: another axis.
    """

    each_step = True

    def __init__(self, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        if axis not in (-1, [-1], (-1,)):
            raise OptionError(
                f"Softmax expected axis=-1, got {axis!r}. elman takes it over the features: swap "
                "the axes before it."
            )
        self.axis = -1

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return emit_activation(plan, self.path, slot, "softmax")

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return activations.get("softmax")(x)
