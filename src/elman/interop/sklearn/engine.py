"""One engine for many estimators: whose turn it is, with how many threads, by which seed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from elman import _core, seeds

#: An estimator that trains uses every thread it may, and the generator of the whole process.
_turn = threading.RLock()


@contextmanager
def engine(generator: np.random.Generator | None = None) -> Iterator[None]:
    """This thread alone uses the engine meanwhile, with its share of the cores.

    Args:
        generator: where everything random comes from meanwhile; the process's own where None.
    """
    with _turn:
        before = _core.threads()
        _core.set_threads(min(before, share() or before))
        try:
            with seeds.borrowed(generator or seeds.generator()):
                yield
        finally:
            _core.set_threads(before)


def share() -> int | None:
    """Threads that this process should use; None where nothing is said.

    OMP_NUM_THREADS is how joblib tells its processes. Whoever sets ELMAN_THREADS knows better.
    """
    told = os.environ.get("OMP_NUM_THREADS", "")
    if "ELMAN_THREADS" in os.environ or not told.isdecimal():
        return None
    return max(1, int(told))
