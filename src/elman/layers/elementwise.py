"""Merging unit by unit: Add, Subtract, Multiply, Average, Maximum, Minimum."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from elman.layers.layer import Array
from elman.layers.merging import Merging, call_one


class Add(Merging):
    """The sum of its inputs, unit by unit: `Add()([a, b])`."""

    mode = "sum"

    def combine(self, xs: list[Array], masks: list[Array | None]) -> Array:
        return reduce(np.add, xs)


class Subtract(Merging):
    """The first of two inputs less the second, unit by unit: `Subtract()([a, b])`."""

    mode = "sub"
    least = most = 2

    def combine(self, xs: list[Array], masks: list[Array | None]) -> Array:
        return np.asarray(xs[0] - xs[1])


class Average(Merging):
    """The mean of its inputs, unit by unit: `Average()([a, b])`."""

    mode = "ave"

    def combine(self, xs: list[Array], masks: list[Array | None]) -> Array:
        return np.asarray(reduce(np.add, xs) / len(xs))


class Multiply(Merging):
    """The product of its inputs, unit by unit: `Multiply()([a, b])`.

    As in Keras, a step of an input that its mask leaves out is a 1, and a step that all inputs
    leave out becomes 0.
    """

    mode = "mul"

    def combine(self, xs: list[Array], masks: list[Array | None]) -> Array:
        pairs = zip(xs, masks, strict=True)
        factors = [x if m is None else np.where(_wide(m), x, 1.0) for x, m in pairs]
        product = reduce(np.multiply, factors)
        counts = self.combine_masks(xs, masks)
        return np.asarray(product if counts is None else np.where(_wide(counts), product, 0.0))


class Extreme(Merging):
    """What Maximum and Minimum share: a step that a mask leaves out gives way to the others."""

    @staticmethod
    def better(a: Array, b: Array) -> Array:
        """Of two values, the one that wins."""
        raise NotImplementedError

    def combine(self, xs: list[Array], masks: list[Array | None]) -> Array:
        found, counts = xs[0], masks[0]
        for x, mask in zip(xs[1:], masks[1:], strict=True):
            x = x if mask is None else np.where(_wide(mask), x, found)
            found = found if counts is None else np.where(_wide(counts), found, x)
            counts = None if mask is None or counts is None else counts | mask
            found = type(self).better(found, x)
        return found


class Maximum(Extreme):
    """The largest of its inputs, unit by unit: `Maximum()([a, b])`."""

    mode = "max"

    @staticmethod
    def better(a: Array, b: Array) -> Array:
        return np.where(a.real >= b.real, a, b)


class Minimum(Extreme):
    """The smallest of its inputs, unit by unit: `Minimum()([a, b])`."""

    mode = "min"

    @staticmethod
    def better(a: Array, b: Array) -> Array:
        return np.where(a.real <= b.real, a, b)


def _wide(mask: Array) -> Array:
    """A mask of steps, for all units."""
    return np.asarray(mask, bool)[..., None]


def add(inputs: Any, **options: Any) -> Any:
    """`Add` at once: `add([a, b])`."""
    return call_one(Add, inputs, **options)


def subtract(inputs: Any, **options: Any) -> Any:
    """`Subtract` at once: `subtract([a, b])`."""
    return call_one(Subtract, inputs, **options)


def multiply(inputs: Any, **options: Any) -> Any:
    """`Multiply` at once: `multiply([a, b])`."""
    return call_one(Multiply, inputs, **options)


def average(inputs: Any, **options: Any) -> Any:
    """`Average` at once: `average([a, b])`."""
    return call_one(Average, inputs, **options)


def maximum(inputs: Any, **options: Any) -> Any:
    """`Maximum` at once: `maximum([a, b])`."""
    return call_one(Maximum, inputs, **options)


def minimum(inputs: Any, **options: Any) -> Any:
    """`Minimum` at once: `minimum([a, b])`."""
    return call_one(Minimum, inputs, **options)
