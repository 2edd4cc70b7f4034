"""Keras as the judge of elman's arithmetic: asked live where it is installed, quoted where not.

What is asked stands in `golden/record.py`; the answers quoted are those of `golden/*.npz`, which
`python tests/golden/record.py` writes. `ELMAN_JUDGE=golden` quotes them even where Keras is.
"""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent / "golden"

Answers = dict[str, np.ndarray]


@functools.cache
def keras() -> ModuleType | None:
    """Keras, imported on first use with the jax backend unless another is set; None if absent."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import keras
    except ImportError:
        return None
    return keras


@functools.cache
def answers(topic: str) -> Answers:
    """Keras's answers on a topic: inputs and results by name."""
    if os.environ.get("ELMAN_JUDGE") != "golden" and keras() is not None:
        return ask(topic)
    return quoted(topic)


def ask(topic: str) -> Answers:
    """Ask Keras now."""
    from golden import record

    with warnings.catch_warnings():
        # Keras's variables do not yet know a keyword of NumPy 2's.
        warnings.simplefilter("ignore", DeprecationWarning)
        return record.TOPICS[topic](keras())


def quoted(topic: str) -> Answers:
    """The recorded answers."""
    with np.load(GOLDEN / f"{topic}.npz") as file:
        return dict(file)


def case(topic: str, name: str) -> Answers:
    """The answers whose names begin with `name/`, by the rest of their names."""
    start = f"{name}/"
    found = {
        key.removeprefix(start): v
        for key, v in answers(topic).items()
        if key[: len(start)] == start
    }
    assert found, f"golden/record.py records nothing named {start} on {topic}"
    return found


def stale(topic: str, **tolerance: Any) -> list[str]:
    """The names under which recorded answers are not those Keras gives now."""
    now, then = answers(topic), quoted(topic)
    return sorted(now.keys() ^ then.keys()) + [
        name
        for name in now.keys() & then.keys()
        if now[name].shape != then[name].shape
        or not np.allclose(now[name], then[name], equal_nan=True, **tolerance)
    ]


def with_states(model: Any) -> Any:
    """A model of Keras's whose stateful layers do what is documented.

    On the jax backend Keras loses states in `fit` and `predict`, because they are no variables of
    the model. Here they become such; take the weights before.
    """
    for layer in model._flatten_layers():
        for state in getattr(layer, "states", None) or []:
            layer._tracker.unlock()
            layer._track_variable(state)
            layer._tracker.lock()
    return model
