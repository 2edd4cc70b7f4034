"""Constraints: where weights are put back to after each training step, as in Keras.

Each class is the readable formula (`__call__`) and the numbers by which the engine is told what to
do (`native`). Source: https://keras.io/api/layers/constraints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elman.config import Configured, named
from elman.errors import OptionError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]

#: Added to a norm before it divides, as in Keras.
EPSILON = 1e-7


class Constraint(Configured):
    """Base class: an object that says where weights may be."""

    module = "keras.constraints"

    def __call__(self, w: Array) -> Array:
        """The weights, put back to where they may be."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(w).")

    def native(self, ndim: int) -> dict[str, Any]:
        """What the engine is told, for a tensor of so many axes."""
        raise NotImplementedError(f"{type(self).__name__} must define native(ndim).")

    def check(self, who: str, option: str, shape: tuple[int, ...]) -> None:
        """Raise a `ShapeError` unless a tensor of this shape can be so constrained."""


class NonNeg(Constraint):
    """No weight below zero."""

    def __call__(self, w: Array) -> Array:
        return np.maximum(w, 0)

    def native(self, ndim: int) -> dict[str, Any]:
        return {"axes": [], "low": 0.0, "high": 0.0, "rate": 1.0}


class Norm(Constraint):
    """Base class of the constraints on the norm of the weights along some axes.

    Args:
        axis: the axis, or axes, to take norms along: 0 takes that of what enters each unit.
    """

    low: float
    high: float
    rate: float = 1.0
    axis: Any

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = list(axis) if isinstance(axis, list | tuple) else axis
        if not self._axes or not all(_whole(a) for a in self._axes):
            raise OptionError(
                f"{type(self).__name__} expected axis to be a whole number or some of them, got "
                f"{axis!r}. Use e.g. 0."
            )

    @property
    def _axes(self) -> list[int]:
        return self.axis if isinstance(self.axis, list) else [self.axis]

    def __call__(self, w: Array) -> Array:
        norms = np.sqrt((w * w).sum(axis=tuple(self._axes), keepdims=True))
        desired = self.rate * np.clip(norms, self.low, self.high) + (1 - self.rate) * norms
        return np.asarray(w * (desired / (EPSILON + norms)))

    def native(self, ndim: int) -> dict[str, Any]:
        return {
            "axes": [axis % ndim for axis in self._axes],
            "low": self.low,
            "high": self.high,
            "rate": self.rate,
        }

    def check(self, who: str, option: str, shape: tuple[int, ...]) -> None:
        if not all(-len(shape) <= axis < len(shape) for axis in self._axes):
            raise ShapeError(
                f"{who} expected the axis of {type(self).__name__} in {option} to be one of the "
                f"{len(shape)} of its tensor of shape {shape}, got {self.axis}. Axes count from 0."
            )

    def _number(self, name: str, value: Any, most: float = np.inf) -> float:
        good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not good or not 0 <= value <= most or not np.isfinite(value):
            wanted = ">= 0" if most == np.inf else f"from 0 to {most:g}"
            raise OptionError(
                f"{type(self).__name__} expected {name} to be a number {wanted}, got {value!r}. "
                "Use e.g. 1.0."
            )
        return float(value)


class MaxNorm(Norm):
    """No norm above `max_value`.

    Args:
        max_value: the largest norm.
        axis: see `Norm`.
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        super().__init__(axis)
        self.max_value = self._number("max_value", max_value)
        self.low, self.high = 0.0, self.max_value


class UnitNorm(Norm):
    """Every norm is 1.

    Args:
        axis: see `Norm`.
    """

    low = high = 1.0

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        super().__init__(axis)


class MinMaxNorm(Norm):
    """Every norm between two bounds, or on its way there.

    Args:
        min_value: the smallest norm.
        max_value: the largest norm.
        rate: the share of the way that each step goes: 1.0 all of it.
        axis: see `Norm`.
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
    ) -> None:
        super().__init__(axis)
        self.min_value = self.low = self._number("min_value", min_value)
        self.max_value = self.high = self._number("max_value", max_value)
        self.rate = self._number("rate", rate, 1.0)
        if self.low > self.high:
            raise OptionError(
                f"MinMaxNorm expected min_value <= max_value, got {self.low} and {self.high}. "
                "Swap them."
            )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# As Keras spells them too.
max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

#: Every name Keras accepts, and the class it stands for.
NAMES: dict[str, type[Constraint]] = {
    **{cls.__name__: cls for cls in (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)},
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}


def get(identifier: Any) -> Constraint | None:
    """The constraint that `identifier` names; None for None.

    Args:
        identifier: a name ("non_neg", ...), a config as Keras writes it
            (`{"class_name": ..., "config": {...}}`), a constraint, or its class.

    Raises:
        OptionError: a function of Python's: the engine does not call Python.
        UnknownNameError: no constraint has this name.
    """
    return named(identifier, Constraint, NAMES, "constraint")
