"""Input: what shape a model's data has."""

from __future__ import annotations

from typing import Any

from elman.errors import ShapeError
from elman.layers.layer import Shape
from elman.layers.symbol import Node, Symbol


class InputLayer:
    """The shape of one sample; made by `Input`. Layers can be called on it."""

    def __init__(self, shape: Shape, name: str | None = None) -> None:
        self.shape = shape
        self.named = name is not None
        self.name = name or "input"
        self._node: Node | None = None

    @property
    def symbol(self) -> Symbol:
        """What a layer that is called on it takes."""
        if self._node is None:
            self._node = Node(self, (), [(None, *self.shape)])
        return self._node.makes[0]

    def __repr__(self) -> str:
        return f"Input({self.shape})"


def Input(
    shape: tuple[int | None, ...] | list[int | None] | int | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    name: str | None = None,
    **other: Any,
) -> InputLayer:
    """The shape of one sample: a Sequential's first entry, or what a model's layers are called on.

    Args:
        shape: without the batch axis: (steps, features), (features,), or (steps,) for an
            Embedding. None where a length may differ.
        batch_size: accepted for Keras; any batch works.
        dtype: accepted for Keras; the first layer decides.
        name: a name.

    Returns:
        an entry for `Sequential`, or an input of a `Model`.

    Raises:
        ShapeError: an extent is neither None nor a positive whole number.

    Example:
        >>> Input((30, 3))
        Input((30, 3))
    """
    if "batch_shape" in other and shape is None:
        shape = tuple(other.pop("batch_shape"))[1:]
    if isinstance(shape, int):
        shape = (shape,)
    extents = tuple(shape or ())
    good = all(e is None or (isinstance(e, int) and e > 0) for e in extents)
    if other or not extents or not good or len(extents) > 2:
        raise ShapeError(
            f"Input expected a shape of one or two positive extents (None where unknown), got "
            f"{shape!r}{f' and {sorted(other)}' if other else ''}. Leave out the batch axis."
        )
    return InputLayer(extents, name)
