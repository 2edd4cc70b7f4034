"""Activation: a function of its input, without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman import activations
from elman.layers.layer import Array, Layer

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Activation(Layer):
    """y = activation(x).

    Args:
        activation: a name or function of `elman.activations`.
    """

    each_step = True

    def __init__(self, activation: Any, **options: Any) -> None:
        super().__init__(**options)
        self.activation = activations.name_of(activation, "Activation")

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return emit_activation(plan, self.path, slot, self.activation)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return activations.get(self.activation)(x)


def emit_activation(plan: Plan, name: str, slot: Slot, activation: str) -> Slot:
    """Append an activation; a loss may later enter before it."""
    out = plan.add("activation", name, slot, slot.shape, activation=activation)
    out.logits = (slot.index, activation)
    return out
