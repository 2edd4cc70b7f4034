"""Where randomness comes from: one generator, so that one seed repeats a whole run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

# Made when it is first needed: NumPy loads its random numbers only then.
_generator: np.random.Generator | None = None


def set_random_seed(seed: int) -> None:
    """Make everything random that follows repeatable: weights, shuffling, dropout.

    The same seed, thread count, machine and version of elman give the same bits. NumPy's and
    Python's own generators are left alone.

    Args:
        seed: a whole number from 0 up.

    Raises:
        ValueError: `seed` is not such a number.
    """
    global _generator
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise ValueError(
            f"set_random_seed expected a whole number from 0 up, got {seed!r}. Use e.g. 42."
        )
    _generator = np.random.default_rng(int(seed))


def generator() -> np.random.Generator:
    """The generator in use."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


@contextmanager
def borrowed(generator: np.random.Generator) -> Iterator[None]:
    """Draw from another generator meanwhile."""
    global _generator
    before, _generator = _generator, generator
    try:
        yield
    finally:
        _generator = before


def draw_seed() -> int:
    """A fresh seed for something native, below 2**31."""
    return int(generator().integers(2**31))
