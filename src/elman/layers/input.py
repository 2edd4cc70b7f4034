"""Input: what shape a model's data has."""

from __future__ import annotations

from typing import Any

from elman.errors import ShapeError
from elman.layers.layer import Shape


class InputLayer:
    """The shape of one sample; made by `Input`."""

    def __init__(self, shape: Shape, name: str | None = None) -> None:
        self.shape = shape
        self.name = name or "input"

    def __repr__(self) -> str:
        return f"Input({self.shape})"


def Input(
    shape: tuple[int | None, ...] | list[int | None] | int | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    name: str | None = None,
    **other: Any,
) -> InputLayer:
    """The shape of one sample, as a model's first entry.

    Args:
        shape: without the batch axis: (steps, features), (features,), or (steps,) for an
            Embedding. None where a length may differ.
        batch_size: accepted for Keras; any batch works.
        dtype: accepted for Keras; the first layer decides.
        name: a name.

    Returns:
        an entry for `Sequential`.

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
