"""When training runs away: where it shows first, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from elman.errors import DivergedError
from elman.layers.layer import Layer

if TYPE_CHECKING:
    from elman.models import Model
    from elman.plan import Plan

#: The square of an output beyond this is no float32.
LARGE = 1e18
#: Activations of a state that cannot grow without end.
BOUNDED = frozenset({"hard_sigmoid", "hard_tanh", "sigmoid", "softsign", "tanh"})


def error(
    model: Model, plan: Plan, loss: float, who: str, epoch: int, batch: int, place: str
) -> DivergedError:
    """The error for a batch whose loss or gradients are not finite, right after it ran.

    Args:
        model: which has the weights from before that batch.
        plan: which has the batch's values.
        loss: of the batch.
        who: "fit" or "train_on_batch".
        epoch: counted from 0.
        batch: in its epoch, counted from 0.
        place: both in words, empty outside `fit`.
    """
    leaves = [leaf for layer in plan.store.layers for leaf in layer.leaves()]
    spoilt = next((a for a in leaves if not _finite(*a.views())), None)
    layer, seen = spoilt, ""
    if spoilt is not None:
        seen = f"The weights of {spoilt.label} are not finite"
    elif not np.isfinite(loss):
        layer, largest = _first_output(plan, leaves)
        if layer is not None:
            size = f"is as large as {largest:.1g}" if np.isfinite(largest) else "is not finite"
            seen = f"The first output that {size} is that of {layer.label}"
    else:
        layer = _last_gradient(plan, leaves)
        if layer is not None:
            seen = (
                f"The first gradient that is not finite, on the way back, is that of {layer.label}"
            )
    got = f"a loss of {loss}" if not np.isfinite(loss) else "gradients that are not finite"
    kept = (
        "give it finite weights with set_weights or load_weights"
        if spoilt is not None
        else "this batch changed nothing: the weights are those from before it"
    )
    told = f"{seen}; {kept}" if seen else kept[0].upper() + kept[1:]
    return DivergedError(
        f"{who} expected a finite loss and finite gradients, got {got}{place}. {told}. "
        f"{_remedies(model, [*filter(None, [layer]), *leaves])}",
        epoch,
        batch,
        None if layer is None else layer.path,
    )


def _remedies(model: Model, leaves: list[Layer]) -> str:
    assert model.optimizer is not None
    optimizer = model.optimizer
    kinds = ("clipnorm", "global_clipnorm", "clipvalue")
    clips = next((kind for kind in kinds if getattr(optimizer, kind)), None)
    clip = (
        "clip gradients (clipnorm=1.0 in the optimizer)"
        if clips is None
        else f"clip gradients to less than {clips}={getattr(optimizer, clips):g}"
    )
    unbounded = next(
        (
            leaf
            for leaf in leaves
            if hasattr(leaf, "gates") and getattr(leaf, "activation", "tanh") not in BOUNDED
        ),
        None,
    )
    rate = f"Lower the learning rate, which is {optimizer.learning_rate:g}"
    if unbounded is None:
        return f"{rate}, or {clip}."
    return (
        f"{rate}, {clip}, or give {unbounded.label} the activation 'tanh': with "
        f"{unbounded.activation!r} a state can grow without end."
    )


def _first_output(plan: Plan, leaves: list[Layer]) -> tuple[Layer | None, float]:
    """The first layer, on the way forward, with an output that is not finite, or beyond `LARGE`.

    Returns:
        the layer, or None, and the largest absolute value of its output.
    """
    names = set(plan.native.names)
    found: tuple[Layer | None, float] = None, 0.0
    for op in plan.native.describe():
        name = str(op["name"])
        if op["output"] is None or name not in names:
            continue
        largest = float(np.abs(plan.native.peek(name)).max(initial=0.0))
        if not np.isfinite(largest):
            return _owner(name, plan, leaves), largest
        if found[0] is None and largest > LARGE:
            found = _owner(name, plan, leaves), largest
    return found


def _owner(name: str, plan: Plan, leaves: list[Layer]) -> Layer | None:
    """The layer that an op's name begins with, the innermost."""
    found = [a for a in (*plan.store.layers, *leaves) if f"{name}/".startswith(f"{a.path}/")]
    return max(found, key=lambda layer: len(layer.path), default=None)


def _last_gradient(plan: Plan, leaves: list[Layer]) -> Layer | None:
    """The first layer, on the way back, with a gradient that is not finite."""
    finite = plan.native.finite_gradients
    for leaf in reversed(leaves):
        first = plan.store.first[id(leaf)]
        if not all(finite[first : first + len(leaf.own_params)]):
            return leaf
    return None


def _finite(*arrays: np.ndarray) -> bool:
    return all(bool(np.isfinite(a).all()) for a in arrays)
