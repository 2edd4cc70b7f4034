"""How good a network is on what it has not seen, beside what is simpler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from elman import baselines
from elman.data.sequences import Sequences
from elman.learning.answering import answer
from elman.learning.network import numbers_of
from elman.models import Model
from elman.ragged import Ragged

Array = np.ndarray[Any, np.dtype[Any]]

#: The order-free baseline learns from at most so many rows, or steps: it is to be quick.
MOST = 20_000
#: A confusion matrix of more classes is too large to look at, or to keep.
MOST_CLASSES = 1000
#: So many sequences are padded at a time.
CHUNK = 256


@dataclass
class Scores:
    """What some answers are worth.

    Attributes:
        values: the scores by name: "accuracy" and "balanced_accuracy" as shares, or "r2", and
            "mae" and "rmse" in the targets' unit.
        confusion: [classes, classes], truths in rows and answers in columns; None of numbers, and
            of more than `MOST_CLASSES` classes.
    """

    values: dict[str, float]
    confusion: Array | None = None


@dataclass
class Judgement:
    """A network beside its baselines, on the test part.

    Attributes:
        network, constant, order_free: the scores of each: `constant` always gives the most
            frequent class, or the mean; `order_free` is linear, on what does not change if steps
            are shuffled (at every step: on that step alone).
        verdict: in one sentence, whether the order of the steps helped.
    """

    network: Scores
    constant: Scores
    order_free: Scores
    verdict: str


def judge(model: Model, train: Sequences, test: Sequences) -> Judgement:
    """Scores on the test part.

    Args:
        model: a trained one.
        train: what it was trained on, which the baselines learn from.
        test: what is judged; with targets.
    """
    truth = targets_of(test)
    answers = answer(model, test).said
    known = targets_of(train)
    free = _order_free(train, test)
    if test.names:
        usual = np.bincount(known, minlength=train.classes).argmax()
        constant = np.full_like(truth, usual)
        worth = [(said == truth).astype(float) for said in (answers, free)]
    else:
        constant = np.broadcast_to(known.mean(axis=0), truth.shape)
        spread = np.maximum(((truth - truth.mean(axis=0)) ** 2).mean(axis=0), 1e-30)
        worth = [1 - ((said - truth) ** 2 / spread).mean(axis=1) for said in (answers, free)]
    gain, noise = gain_of(worth[0] - worth[1], _clusters(test))
    rows = f"{len(test):,} sequences"
    unit = "points" if test.names else "points of R2"
    return Judgement(
        scores(truth, answers, test.classes),
        scores(truth, constant, test.classes),
        scores(truth, free, test.classes),
        baselines.verdict(100 * gain, 100 * noise, rows, unit),
    )


def targets_of(data: Sequences) -> Array:
    """Class numbers [n], or numbers [n, k]; of targets at every step, all steps below another."""
    if not data.names:
        return numbers_of(data)
    return data.targets.values if isinstance(data.targets, Ragged) else np.asarray(data.targets)


def scores(truth: Array, answers: Array, classes: int) -> Scores:
    """What answers are worth.

    Args:
        truth, answers: class numbers [n]; or numbers [n, k], with `classes` 0.
    """
    if classes:
        right = np.bincount(truth[truth == answers], minlength=classes)
        rows = np.bincount(truth, minlength=classes)
        recall = right[rows > 0] / rows[rows > 0]
        confusion = None
        if classes <= MOST_CLASSES:
            confusion = np.bincount(truth * classes + answers, minlength=classes**2)
            confusion = confusion.reshape(classes, classes)
        return Scores(
            {
                "accuracy": float(right.sum() / max(rows.sum(), 1)),
                "balanced_accuracy": float(recall.mean()),
            },
            confusion,
        )
    off = answers - truth
    spread = ((truth - truth.mean(axis=0)) ** 2).mean(axis=0)
    unexplained = (off**2).mean(axis=0) / np.where(spread > 0, spread, 1.0)
    return Scores(
        {
            "mae": float(np.abs(off).mean()),
            "rmse": float(np.sqrt((off**2).mean())),
            "r2": float(1 - unexplained.mean()),
        }
    )


def _clusters(data: Sequences) -> Array:
    """Which answers may be wrong together: those of one group, or of one sequence."""
    groups = np.arange(len(data)) if data.groups is None else data.groups
    numbers = np.unique(groups, return_inverse=True)[1]
    return np.repeat(numbers, data.lengths) if data.by_step else numbers


def gain_of(better: Array, clusters: Array) -> tuple[float, float]:
    """The mean of a difference, and two standard errors of it where clusters differ together.

    One answer more or less is never more than chance.
    """
    mean = float(better.mean())
    sums = np.bincount(clusters, better - mean)
    error = float(np.sqrt((sums**2).sum())) / len(better)
    return mean, max(2 * error, 1 / len(better))


def _order_free(train: Sequences, test: Sequences) -> Array:
    """What a model says that knows nothing of the order of the steps."""
    order = np.random.default_rng(0).permutation(len(train))
    rows = np.cumsum(train.lengths[order]) if train.by_step else np.arange(1, len(train) + 1)
    some = train.take(np.sort(order[: max(1, int((rows <= MOST).sum()))]))
    learn = baselines.answers if train.names else baselines.numbers
    return learn(_features(some), targets_of(some), _features(test))


def _features(data: Sequences) -> Array:
    """What does not change if steps are shuffled; of targets at every step, each step alone."""
    if data.by_step:
        values = data.values.values
        return values[:, None] if values.ndim == 1 else values.astype(np.float64)
    if data.kind == "text":
        return data.padded()[0]
    parts = [data[first : first + CHUNK] for first in range(0, len(data), CHUNK)]
    return np.concatenate([baselines.pooled(part.padded()[0]) for part in parts])
