"""Regularizers: what the size of weights, or of a layer's output, adds to the loss, as in Keras.

Each class is the readable formula (`__call__`) and the numbers by which the engine is told what to
add (`native`). Source: https://keras.io/api/layers/regularizers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.config import Configured, named
from elman.errors import OptionError, ShapeError, unknown_name

Array = np.ndarray[Any, np.dtype[Any]]


class Regularizer(Configured):
    """Base class: an object that tells a penalty, the larger the worse."""

    module = "keras.regularizers"

    def __call__(self, w: Array) -> Any:
        """The penalty of a tensor.

        Args:
            w: real; or complex with tiny imaginary parts, which then carry the derivative.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(w).")

    def native(self) -> dict[str, float]:
        """What the engine is told."""
        raise NotImplementedError(f"{type(self).__name__} must define native().")

    def check(self, who: str, option: str, shape: tuple[int, ...]) -> None:
        """Raise a `ShapeError` unless a tensor of this shape has such a penalty."""

    def _factor(self, name: str, value: Any) -> float:
        good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not good or not 0 <= value < np.inf:
            raise OptionError(
                f"{type(self).__name__} expected {name} to be a finite number >= 0, got {value!r}. "
                "Use e.g. 0.01."
            )
        return float(value)


class L1(Regularizer):
    """l1 * sum |w|, which drives small weights to zero.

    Args:
        l1: the factor.
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = self._factor("l1", 0.01 if l1 is None else l1)

    def __call__(self, w: Array) -> Any:
        return self.l1 * _size(w).sum()

    def native(self) -> dict[str, float]:
        return {"l1": self.l1}


class L2(Regularizer):
    """l2 * sum w^2, which keeps weights small.

    Args:
        l2: the factor.
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = self._factor("l2", 0.01 if l2 is None else l2)

    def __call__(self, w: Array) -> Any:
        return self.l2 * (w * w).sum()

    def native(self) -> dict[str, float]:
        return {"l2": self.l2}


class L1L2(Regularizer):
    """l1 * sum |w| + l2 * sum w^2.

    Args:
        l1: the first factor.
        l2: the second factor.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = self._factor("l1", 0.0 if l1 is None else l1)
        self.l2 = self._factor("l2", 0.0 if l2 is None else l2)

    def __call__(self, w: Array) -> Any:
        return self.l1 * _size(w).sum() + self.l2 * (w * w).sum()

    def native(self) -> dict[str, float]:
        return {"l1": self.l1, "l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """factor * mean |cosine| between the rows of a matrix, or its columns: zero at right angles.

    Args:
        factor: the factor.
        mode: "rows" or "columns".
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = self._factor("factor", factor)
        if mode not in ("rows", "columns"):
            raise unknown_name("OrthogonalRegularizer", "mode", mode, ("rows", "columns"))
        self.mode = mode

    def __call__(self, w: Array) -> Any:
        vectors = w if self.mode == "rows" else w.T
        unit = vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        cosines = unit @ unit.T
        pairs = np.triu(np.ones(cosines.shape, bool), 1)
        return self.factor * _size(cosines[pairs]).mean()

    def native(self) -> dict[str, float]:
        return {"orthogonal": self.factor, "columns": float(self.mode == "columns")}

    def check(self, who: str, option: str, shape: tuple[int, ...]) -> None:
        count = shape[self.mode == "columns"] if len(shape) == 2 else 0
        if count < 2:
            raise ShapeError(
                f"{who} expected a matrix of two {self.mode} or more for the OrthogonalRegularizer "
                f"of {option}, got a tensor of shape {shape}. Choose another regularizer for it."
            )


def _size(w: Array) -> Array:
    """|w| as analytic code: the sign is that of the real part."""
    return np.where(np.real(w) < 0, -w, w)


# As Keras spells them too.
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

#: Every name Keras accepts, and the class it stands for.
NAMES: dict[str, type[Regularizer]] = {
    **{cls.__name__: cls for cls in (L1, L2, L1L2, OrthogonalRegularizer)},
    "l1": L1,
    "l1_l2": L1L2,
    "l1l2": L1L2,
    "l2": L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def get(identifier: Any) -> Regularizer | None:
    """The regularizer that `identifier` names; None for None.

    Args:
        identifier: a name ("l2", ...), a config as Keras writes it
            (`{"class_name": ..., "config": {...}}`), a regularizer, or its class.

    Raises:
        OptionError: a function of Python's: the engine does not call Python.
        UnknownNameError: no regularizer has this name.
    """
    return named(identifier, Regularizer, NAMES, "regularizer")
