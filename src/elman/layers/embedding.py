"""Embedding: a row of a table for every token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman import initializers
from elman.errors import ShapeError
from elman.layers.layer import Array, Layer, Param, Shape, whole

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Embedding(Layer):
    """Looks up a vector for each whole number.

    Args:
        input_dim: how many different tokens there are: 0 to input_dim - 1.
        output_dim: length of a vector.
        embeddings_initializer: for the table [input_dim, output_dim].
        mask_zero: whether token 0 is padding, which later layers skip.
        weights: the first values of the table, in place of the initializer's: an array, or a list
            of one.

    With an `embeddings_regularizer` or `embeddings_constraint` each training step changes the whole
    table, not the rows it looks up only, and costs accordingly.
    """

    ranks = (2,)
    takes_tokens = True
    ruled: ClassVar = {"embeddings": "embeddings"}
    absent: ClassVar = {
        **Layer.absent,
        "lora_rank": (None,),
        "lora_alpha": (None,),
        "quantization_config": (None,),
    }

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        mask_zero: bool = False,
        **options: Any,
    ) -> None:
        weights = options.pop("weights", None)  # values, which are no part of a configuration
        super().__init__(**options)
        self.input_dim = whole("Embedding", "input_dim", input_dim)
        self.output_dim = whole("Embedding", "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.mask_zero = bool(mask_zero)
        if weights is not None:
            self.build_params((None, None))
            self.set_weights(list(weights) if isinstance(weights, list | tuple) else [weights])

    def params(self, input_shape: Shape) -> list[Param]:
        shape = (self.input_dim, self.output_dim)
        return [Param("embeddings", shape, self.embeddings_initializer, table=True, letters="VE")]

    def known_features(self, input_shape: Shape) -> bool:
        return True  # the table does not depend on the input's length

    def _features(self, shape: Shape) -> int | None:
        return None

    def check_rank(self, shape: Shape) -> None:
        if len(shape) != 2:
            raise ShapeError(
                f"{self.label} expected tokens of shape (rows, steps), got {shape}. Give it whole "
                "numbers, not features."
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        return plan.add(
            "embedding",
            self.name,
            slot,
            self.output_shape(slot.shape),
            plan.params(self),
            mask_zero=self.mask_zero,
        )

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        return weights["embeddings"][x]

    def formula_mask(self, x: Array, mask: Array | None) -> Array | None:
        return np.asarray(x != 0) if self.mask_zero else None
