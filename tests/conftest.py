"""What every test may rely on: seeded randomness, Keras, and the engine put back as found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from hypothesis import settings

import elman
import keras_judge
from elman import _core

# The same examples on every run, and no deadline: machines that test are slow now and then.
# `HYPOTHESIS_PROFILE=explore pytest tests/test_property.py` looks further.
settings.register_profile("repeat", derandomize=True, deadline=None, max_examples=80, database=None)
settings.register_profile("explore", deadline=None, max_examples=2000, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


@pytest.fixture(autouse=True)
def engine_as_found() -> Iterator[None]:
    """Seeds elman before each test; puts threads and instruction set back after it."""
    isa, threads = _core.isa(), _core.threads()
    elman.set_random_seed(1990)
    yield
    _core.use_isa(isa)
    _core.set_threads(threads)


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    """Each instruction set that runs here, in use for the test."""
    _core.use_isa(request.param)
    return str(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded random numbers."""
    return np.random.default_rng(1990)


@pytest.fixture(scope="session")
def keras() -> ModuleType:
    """Keras, for a test that asks it live; without it the test is skipped."""
    found = keras_judge.keras()
    if found is None:
        pytest.skip("Keras is not installed here")
    return found
