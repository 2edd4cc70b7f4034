"""One input of a model, as the checks of arrays see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elman.errors import ShapeError
from elman.layers import Embedding, InputLayer, Layer
from elman.layers.layer import Shape


class Entry:
    """What one input of a graph takes.

    Args:
        who: how errors name the model.
        own: the Input.
        lookups: the Embeddings that look its tokens up.
        many: whether it is one of several, so that errors name it.
    """

    def __init__(
        self, who: str, own: InputLayer, lookups: Sequence[Layer], many: bool = False
    ) -> None:
        self.label = f"input {own.name!r} of {who}" if many else who
        self.takes_tokens = bool(lookups)
        self._shape: Shape = (None, *own.shape)
        sizes = [layer.input_dim for layer in lookups if isinstance(layer, Embedding)]
        #: How many different tokens every one of these knows.
        self.input_dim = min(sizes, default=0)

    @property
    def built_for(self) -> Shape | None:
        """What it was made for, if the number of features is known."""
        return None if self._shape[-1] is None else self._shape

    def with_axes(self, x: Any) -> Any:
        """One number a step, or a sample, as an axis of its own where there is none, as Keras."""
        if isinstance(x, np.ndarray) and x.ndim == len(self._shape) - 1 and self._shape[-1] == 1:
            return x[..., None]
        return x

    def check_rank(self, shape: Shape) -> None:
        """Raise unless an array of this shape has as many axes as the Input."""
        if len(shape) != len(self._shape):
            self._refuse(shape)

    def check_shape(self, shape: Shape) -> None:
        """Raise unless an array of this shape fits the Input; any number of steps does."""
        self.check_rank(shape)
        timed = self.takes_tokens or len(self._shape) == 3
        for axis, (asked, got) in enumerate(zip(self._shape, shape, strict=True)):
            if asked is not None and asked != got and not (timed and axis == 1):
                self._refuse(shape)

    def _refuse(self, shape: Shape) -> None:
        raise ShapeError(
            f"{self.label} expected an array of shape {self._shape}, got {shape}. Check its axes, "
            "or change the Input."
        )
