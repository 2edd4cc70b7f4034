"""A search on a cluster finds what it finds here: joblib's Dask backend, with two local workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("distributed")

import distributed
import joblib
from sklearn.model_selection import GridSearchCV, cross_validate

import elman
from elman import _core
from elman.interop.sklearn import SequenceClassifier
from elman.interop.sklearn.engine import engine


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers, processes of their own with one thread each, as on two machines."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config("dask"),
    ):
        yield client


@pytest.fixture
def sequences(rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences of unequal length, and which of them rise."""
    y = np.repeat([0, 1], 20)
    steps = np.sort(rng.normal(size=(40, 9, 3)), axis=1)
    steps[y == 0] = steps[y == 0, ::-1]
    return [row[: 4 + n % 5] for n, row in enumerate(steps)], y


def where_and_with_how_many_threads(model: Any, x: Any, y: Any) -> dict[str, float]:
    """Scores, for what they are measured by."""
    with engine():
        return {
            "worker": float(distributed.get_worker().address.rpartition(":")[2]),
            "threads": _core.threads(),
        }


def test_a_search_on_a_cluster_finds_the_same_bits(cluster: Any, sequences: Any) -> None:
    x, y = sequences
    model = SequenceClassifier(units=4, epochs=3, random_state=1)
    grid = {"arch": ["gru(?)", "simple_rnn(?)"], "learning_rate": [0.01, 0.001]}
    searches = [
        GridSearchCV(model, grid, cv=2, scoring="neg_log_loss", return_train_score=True)
        for _ in range(2)
    ]
    elman.set_threads(1)  # as each of the workers has
    with joblib.parallel_config("loky", n_jobs=1):
        searches[0].fit(x, y)
    searches[1].fit(x, y)
    here, there = (
        {name: values for name, values in search.cv_results_.items() if "time" not in name}
        for search in searches
    )
    for name in here:
        np.testing.assert_array_equal(there[name], here[name], err_msg=name)
    assert searches[1].best_params_ == searches[0].best_params_
    np.testing.assert_array_equal(*(search.predict_proba(x) for search in searches))


def test_every_worker_trains_with_its_share_of_the_cores(cluster: Any, sequences: Any) -> None:
    model = SequenceClassifier(units=4, epochs=1)
    found = cross_validate(model, *sequences, cv=8, scoring=where_and_with_how_many_threads)
    assert len(set(found["test_worker"])) == 2  # both had work
    assert found["test_threads"].tolist() == [1] * 8
