"""elman judged by what Keras answered when `golden/record_training.py` last ran."""

from __future__ import annotations

import pytest
import trainings
from keras_judge import case
from trainings import CELLS, OPTIMIZERS, STACKS, TAGGER, TRAININGS, differences, part

import elman


def recorded(topic: str, name: str) -> trainings.Arrays:
    from keras_judge import quoted

    found = part(quoted(topic), f"{name}/")
    assert found, f"golden/record_training.py recorded nothing of {name} on {topic}"
    return found
