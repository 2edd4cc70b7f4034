"""What the parameters cost: multiplications, and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from elman.explain.ledger.counting import LayerAccount
from elman.layers.layer import Shape

if TYPE_CHECKING:
    from elman.models import Model

#: Of a float32.
BYTES = 4


class Cost(NamedTuple):
    """Multiply-adds of one row of data in the matrix products of one layer, forward."""

    layer: str
    per_step: int
    steps: int  #: how often the layer is applied to one sequence

    @property
    def per_sequence(self) -> int:
        """Of a whole sequence."""
        return self.per_step * self.steps


def cost(account: LayerAccount, entering: Shape, leaving: Shape) -> Cost:
    """The cost of a layer for one sequence, given what enters and leaves."""
    per_step = sum(row.products for row in account.rows)
    # A convolution is applied as often as it says something, a recurrent layer at every step.
    counted = leaving if len(leaving) == 3 else entering
    steps = counted[1] if account.timed else 1
    return Cost(account.name, per_step, steps or 1)


def training_bytes(model: Model, steps: int, batch_size: int) -> int | None:
    """The memory of a plan of training: activations and their gradients; None if it is too much.

    Args:
        model: a model with weights.
        steps: length of the sequences.
        batch_size: rows.
    """
    from elman.plan import Plan

    shapes = []
    for (_, *known), tokens in zip(model.entering, model.tokens, strict=True):
        timed = tokens or len(known) == 2
        shapes.append(tuple(int(e or 0) for e in ((steps, *known[1:]) if timed else known)))
    store = model.store(*[(batch_size, *shape) for shape in shapes])
    try:
        plan = Plan(
            store,
            shapes,
            tokens=model.tokens,
            rows=batch_size,
            training=True,
            graph=model.graph,
        )
    except MemoryError:
        return None
    return int(plan.native.bytes)
