"""Symbols: what a layer returns when it is called on an Input instead of on numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elman.errors import OptionError

if TYPE_CHECKING:
    from elman.layers.input import InputLayer
    from elman.layers.layer import Layer, Shape


class Symbol:
    """A value that a model will compute: the place where one layer's output enters the next.

    Attributes:
        shape: with the batch axis; None where an extent is not known yet.
        dtype: "int32" for tokens of an Input, else "float32".
    """

    def __init__(self, node: Node, index: int, shape: Shape, dtype: str = "float32") -> None:
        self.node = node
        self.index = index
        self.shape = shape
        self.dtype = dtype

    @property
    def name(self) -> str:
        """Name of the layer that makes it."""
        return self.node.layer.name

    @property
    def ndim(self) -> int:
        """How many axes."""
        return len(self.shape)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise OptionError(
            f"NumPy expected numbers, got {self!r}, which has none before a model runs. Use a "
            "layer such as elman.layers.Add, or call the model on data."
        )

    def __repr__(self) -> str:
        return f"<Symbol {self.name!r}, shape {self.shape}>"


class Node:
    """One call of a layer on symbols."""

    def __init__(
        self,
        layer: Layer | InputLayer,
        takes: Sequence[Symbol],
        shapes: Sequence[Shape],
        dtype: str = "float32",
        states: int = 0,
    ) -> None:
        self.layer = layer
        self.takes = tuple(takes)
        #: How many of what it takes are initial states, the last of them.
        self.states = states
        self.makes = tuple(Symbol(self, i, shape, dtype) for i, shape in enumerate(shapes))


def symbolic(x: Any) -> bool:
    """Whether a layer is called on symbols: one, or a list with one among others."""
    from elman.layers.input import InputLayer

    kinds = (Symbol, InputLayer)
    return isinstance(x, kinds) or (
        isinstance(x, list | tuple) and any(isinstance(one, kinds) for one in x)
    )


def symbol_of(x: Any, who: str) -> Symbol:
    """A symbol, or that of an `Input`.

    Raises:
        OptionError: neither.
    """
    from elman.layers.input import InputLayer

    if isinstance(x, InputLayer):
        return x.symbol
    if not isinstance(x, Symbol):
        raise OptionError(
            f"{who} expected an Input or what a layer returned for one, got {type(x).__name__}. "
            "Begin with x = elman.Input((steps, features)), and call layers on it."
        )
    return x


def record(layer: Layer, x: Any, states: Sequence[Any] = (), build: bool = True) -> Any:
    """A call of a layer on symbols: nothing is computed.

    Args:
        layer: the layer.
        x: a symbol or an Input, or a list of these.
        states: symbols of its initial states.
        build: whether to make its weights, if that can be done.

    Returns:
        the symbol of its output, or a list of several.

    Raises:
        ShapeError: the layer does not take such inputs.
        OptionError: tokens from elsewhere than an Input.
    """
    given = list(x) if isinstance(x, list | tuple) else [x]
    takes = [symbol_of(one, layer.label) for one in [*given, *states]]
    shapes = [symbol.shape for symbol in takes]
    layer.check_shapes(shapes)
    if layer.takes_tokens:
        _tokens(layer, takes[0])
    if build and layer.known_features(shapes[0]):
        layer.build_params(shapes[0])
    return handed_out(Node(layer, takes, layer.output_shapes(shapes), states=len(states)).makes)


def _tokens(layer: Layer, symbol: Symbol) -> None:
    from elman.layers.input import InputLayer

    if not isinstance(symbol.node.layer, InputLayer):
        raise OptionError(
            f"{layer.label} expected tokens from an Input, got what {symbol.name!r} makes. Give "
            "the model another Input((steps,)) for them."
        )
    symbol.dtype = "int32"


def handed_out(symbols: Sequence[Symbol]) -> Any:
    """One symbol as it is, several as a list."""
    return symbols[0] if len(symbols) == 1 else list(symbols)
