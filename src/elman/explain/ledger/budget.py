"""The inverse question: the largest number that a budget of parameters allows."""

from __future__ import annotations

from elman import spec
from elman.errors import OptionError
from elman.explain.ledger.sources import source
from elman.layers import InputLayer
from elman.layers.layer import Shape, undrawn
from elman.models import Sequential
from elman.spec import parsing


def largest(like: str, budget: int) -> tuple[Sequential, int]:
    """The model that a line describes when each `?` is as large as the budget allows.

    Args:
        like: a line with `?` among the arguments of its layers.
        budget: how many parameters there may be.

    Returns:
        the model, its weights zeros, and what `?` is.

    Raises:
        SpecError: the line cannot be read.
        NotReadyError: the line does not say what enters the model.
        OptionError: no number fits, or every number does.
    """
    with undrawn():
        source(spec.parse(like, unknown=1))  # says what is wrong with the line
    if count(like, 1) > budget:
        raise OptionError(
            f"ledger expected a budget that '?' = 1 fits into, got {budget:,}: {like} needs "
            f"{count(like, 1):,} parameters then. Allow more, or take a layer out."
        )
    low, high = 1, 2
    while count(like, high) <= budget:
        low, high = high, 2 * high
        if low > budget:  # each of so many would need a parameter at least
            raise OptionError(
                f"ledger expected a '?' on which the number of parameters depends, got {like}. "
                "Write e.g. '60x1 > gru(?) > dense(1)'."
            )
    while high - low > 1:
        middle = (low + high) // 2
        if count(like, middle) <= budget:
            low = middle
        else:
            high = middle
    with undrawn():
        return spec.parse(like, unknown=low), low


def count(line: str, unknown: int) -> int:
    """Parameters of the model of a line, without making it."""
    total = 0
    shape: Shape = (None, None)  # until an input says otherwise
    for entry in parsing.layers(line, unknown=unknown):
        if isinstance(entry, InputLayer):
            shape = (None, *entry.shape)
            continue
        total += sum(p.size for p in entry.params(shape))
        shape = entry.output_shape(shape)
    return total
