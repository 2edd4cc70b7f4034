"""Models that others trained with Keras and published: they predict what they do in Keras."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman

#: Sleep stages from heartbeats, https://github.com/cbrnr/sleepecg (BSD-3-Clause), release 0.6.0.
SLEEP_STAGERS = ("wrn-gru-mesa", "wrn-gru-mesa-weighted", "ws-gru-mesa")


def classifiers() -> Path:
    """The folder of the package's models. Nothing of the package is imported."""
    found = importlib.util.find_spec("sleepecg")
    if found is None or not found.submodule_search_locations:
        pytest.skip("sleepecg is not installed: pip install --no-deps sleepecg==0.6.0")
    return Path(found.submodule_search_locations[0]) / "classifiers"


@pytest.mark.parametrize("name", SLEEP_STAGERS)
def test_a_sleep_stager_predicts_what_keras_predicts(name: str, tmp_path: Path, keras: Any) -> None:
    path = classifiers() / f"{name}.zip"
    if not path.exists():
        pytest.skip("this model is not installed here")
    with zipfile.ZipFile(path) as archive:
        archive.extract("classifier.keras", tmp_path)
    ours = elman.load(tmp_path / "classifier.keras", compile=False)
    theirs = keras.saving.load_model(tmp_path / "classifier.keras", compile=False)
    kinds = {type(layer).__name__ for layer in ours.layers}
    assert {"Masking", "BatchNormalization", "ReLU", "Bidirectional"} <= kinds
    assert ours.count_params() == theirs.count_params()
    features = theirs.input_shape[-1]
    x = np.random.default_rng(6).normal(size=(3, 61, features)).astype(np.float32)
    x[0, 40:] = x[2, :5] = -1.0  # what the package pads with
    wanted = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(ours.predict(x, verbose=0), wanted, atol=1e-5)
    assert np.ptp(wanted, axis=(0, 1)).max() > 0.01, "steps of noise that all look alike say little"
    ours.save(tmp_path / "again.keras")
    again = keras.saving.load_model(tmp_path / "again.keras", compile=False)
    np.testing.assert_allclose(again.predict(x, verbose=0), wanted, atol=1e-5)
