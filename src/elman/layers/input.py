"""Input: what shape a model's data has."""

from __future__ import annotations

from typing import Any

from elman.errors import ShapeError
from elman.layers.layer import Shape
from elman.layers.symbol import Node, Symbol


class InputLayer:
    """The shape of one sample, and of a batch where its rows are fixed; made by `Input`.

    Layers can be called on it.
    """

    def __init__(
        self, shape: Shape, name: str | None = None, batch_size: int | None = None
    ) -> None:
        self.shape = shape
        self.named = name is not None
        self.name = name or "input"
        self.batch_size = batch_size
        self._node: Node | None = None

    @property
    def batch_shape(self) -> Shape:
        """The shape with the batch axis, None where any batch works."""
        return (self.batch_size, *self.shape)

    @property
    def symbol(self) -> Symbol:
        """What a layer that is called on it takes."""
        if self._node is None:
            self._node = Node(self, (), [self.batch_shape])
        return self._node.makes[0]

    def __repr__(self) -> str:
        fixed = "" if self.batch_size is None else f", batch_size={self.batch_size}"
        return f"Input({self.shape}{fixed})"


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
        batch_size: rows of every batch, for layers with `stateful=True`; where there are none,
            any batch works.
        dtype: accepted for Keras; the first layer decides.
        name: a name.
        other: `batch_shape`, the shape with the batch size in front, instead of both.

    Returns:
        an entry for `Sequential`, or an input of a `Model`.

    Raises:
        ShapeError: an extent is neither None nor a positive whole number.

    Example:
        >>> Input((30, 3))
        Input((30, 3))
    """
    for spelling in ("batch_shape", "batch_input_shape"):  # Keras 3's, and Keras 2's
        if shape is None and batch_size is None and other.get(spelling):
            batch_size, *shape = other.pop(spelling)
    if isinstance(shape, int):
        shape = (shape,)
    extents = tuple(shape or ())
    good = all(e is None or (isinstance(e, int) and e > 0) for e in extents)
    good = good and (batch_size is None or (isinstance(batch_size, int) and batch_size > 0))
    if other or not extents or not good or len(extents) > 2:
        raise ShapeError(
            f"Input expected a shape of one or two positive extents (None where unknown), got "
            f"{shape!r}{f' and {sorted(other)}' if other else ''}"
            f"{f' for batches of {batch_size!r}' if batch_size is not None else ''}. Leave out the "
            "batch axis."
        )
    return InputLayer(extents, name, batch_size)
