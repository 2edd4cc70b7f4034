"""From what was read to what the network takes: a preparation of `elman.data`, and its use."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.data.preparing import Preparation
from elman.data.sequences import Sequences
from elman.data.steps import Fill, Scale, Tokens
from elman.errors import DataError
from elman.ragged import Ragged

Array = np.ndarray[Any, np.dtype[Any]]
Found = Array | Ragged | Sequences


def unread(texts: list[str], tokens: str, size: int) -> Sequences:
    """Texts that are cut into tokens when it is known which ones are trained on.

    Args:
        texts: n texts.
        tokens, size: as `elman.data.text` takes them.
    """
    begun = Preparation("text", columns=(("tokens", tokens), ("size", size)), provisional=True)
    nothing = Ragged(np.empty(0, np.int32), np.zeros(len(texts) + 1, np.int64))
    return Sequences(nothing, kind="text", raw=texts, prepared=begun)


def learn(found: Found, standardize: bool) -> Preparation:
    """What these sequences teach.

    Args:
        found: those that are trained on. `Sequences` say themselves how they are prepared.
        standardize: whether each feature is brought to mean 0 and deviation 1.

    Raises:
        DataError: there is nothing to learn from.
    """
    if isinstance(found, Sequences):
        return Preparation.learn(found)
    steps = _steps(found)
    if not len(steps):
        raise DataError("fit expected sequences with steps, got empty ones only. Check the data.")
    return Preparation("table", (Scale.learned(steps),) if standardize else ())


def apply(prepared: Preparation, found: Found) -> Array | Ragged:
    """Sequences for the network: float32, or int32 of texts."""
    if isinstance(found, Sequences):
        return prepared(found.with_values(found.values, targets=None, names=())).model_inputs
    # Nothing is missing, so that each step is prepared for itself and all can be at once; and on
    # its scale before it is rounded to float32, whatever its unit.
    made = _steps(found)
    for step in prepared.steps:
        made = step.scaled(made) if isinstance(step, Scale) else step.apply([made])[0]
    made = np.ascontiguousarray(made, np.float32)
    if isinstance(found, Ragged):
        return found.with_values(made)
    return made.reshape(*found.shape[:-1], made.shape[-1])


def features(found: Found) -> int | None:
    """Features of a step before it is prepared; None of texts."""
    if not isinstance(found, Sequences):
        return int(found.shape[-1])
    if found.kind == "text":
        return None
    steps = found.prepared.steps if found.prepared else ()
    return found.features - sum(len(step.marked) for step in steps if isinstance(step, Fill))


def words(prepared: Preparation) -> int:
    """How many tokens a network has to know; 0 where it takes numbers."""
    return sum(len(step.vocabulary) for step in prepared.steps if isinstance(step, Tokens))


def _steps(found: Array | Ragged) -> Array:
    """All steps of all sequences, [steps, features]."""
    values = found.values if isinstance(found, Ragged) else found
    return values.reshape(-1, values.shape[-1])
