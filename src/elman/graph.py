"""How layers are connected: a list of calls without a loop, each after those that it needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from elman.layers.layer import Layer


class Call(NamedTuple):
    """One use of a layer, and the numbers of the values that it takes and makes.

    A layer that is called several times has one set of weights.
    """

    layer: Layer
    takes: tuple[int, ...]
    makes: tuple[int, ...]


class Graph(NamedTuple):
    """Calls in an order in which they can be run. Values are numbered, the inputs first."""

    inputs: int
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]

    @property
    def begins(self) -> bool:
        """Whether some layer begins with states that come from elsewhere."""
        return any(len(call.takes) > 1 and call.layer.takes_states for call in self.calls)

    @classmethod
    def chain(cls, layers: Iterable[Layer]) -> Graph:
        """One input, and layers one after the other."""
        calls = tuple(Call(layer, (i,), (i + 1,)) for i, layer in enumerate(layers))
        return cls(1, calls, (len(calls),))
