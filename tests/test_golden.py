"""elman judged by what Keras answered when `golden/record_training.py` last ran. Needs no Keras."""

from __future__ import annotations

import numpy as np
import pytest

import elman
import keras_judge
import trainings
from trainings import CELLS, OPTIMIZERS, STACKS, TAGGER, TRAININGS, Arrays, differences, part


def recorded(topic: str, name: str) -> Arrays:
    found = part(keras_judge.quoted(topic), f"{name}/")
    assert found, f"golden/record_training.py recorded no {name} in {topic}.npz"
    return found


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_gives_the_outputs_recorded_in_every_use(name):
    asked = recorded("cells", name)
    found = trainings.elman_cell(name, asked)
    assert not differences(found, trainings.outputs_in(asked), 1e-5)


@pytest.mark.parametrize("name", STACKS)
def test_layers_above_each_other_give_the_outputs_recorded(name):
    asked = recorded("stacks", name)
    assert not differences(trainings.elman_stack(name, asked), trainings.outputs_in(asked), 1e-5)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_gives_the_losses_and_weights_recorded(name):
    asked = recorded("trainings", name)
    found = trainings.elman_training(TRAININGS[name], asked)
    assert not differences(found, part(asked, "last "), 1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_gives_the_weights_recorded(name):
    asked = recorded("trained", name)
    found = trainings.elman_training(TAGGER, asked, OPTIMIZERS[name](elman))
    assert not differences(part(found, "weight "), part(asked, "last weight "), 1e-4)


@pytest.mark.parametrize("topic", ["cells", "stacks", "trainings", "trained"])
def test_what_is_recorded_is_finite_and_not_trivial(topic):
    for name, values in keras_judge.quoted(topic).items():
        assert np.all(np.isfinite(values)), name
        assert np.any(values), name
