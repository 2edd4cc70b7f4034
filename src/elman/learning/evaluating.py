"""How good answers are, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from elman.data.sequences import Sequences
from elman.errors import DataError, ShapeError
from elman.learning.answering import Answers
from elman.learning.judging import Scores, scores, targets_of

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Evaluation:
    """A network on some data, beside what is simplest.

    Attributes:
        steps: how many answers there are, where there is one at every step; else None.
        names: the name of each class; none where answers are numbers.
        network: its scores.
        constant: those of always saying the class that is most frequent in these data, or their
            mean: what is known of them only afterwards.
    """

    steps: int | None
    names: tuple[str, ...]
    network: Scores
    constant: Scores

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        found: dict[str, Any] = {} if self.steps is None else {"steps": self.steps}
        found |= {"network": self.network.values, "constant": self.constant.values}
        if self.network.confusion is not None:
            found |= {"classes": self.names, "confusion": self.network.confusion.tolist()}
        return found


def compare(answers: Answers, data: Sequences) -> Evaluation:
    """What a model said of some data, beside their targets.

    Raises:
        ShapeError: there is not a target for each answer.
        DataError: a class that the model does not have.
    """
    classes = len(answers.names)
    truth = _classes(targets_of(data), classes) if classes else targets_of(data)
    if truth.shape != answers.said.shape:
        raise ShapeError(
            f"evaluate expected a target for each answer, got targets of shape {truth.shape} for "
            f"answers of shape {answers.said.shape}. Does the model answer at every step, and the "
            "data do not, or the other way round?"
        )
    if not len(truth):
        raise DataError("evaluate expected at least one sequence, got none.")
    if classes:
        constant: Array = np.full_like(truth, np.bincount(truth).argmax())
    else:
        constant = np.broadcast_to(truth.mean(axis=0), truth.shape)
    return Evaluation(
        None if answers.steps is None else len(answers),
        answers.names,
        scores(truth, answers.said, classes),
        scores(truth, constant, classes),
    )


def _classes(truth: Array, classes: int) -> Array:
    """Targets as class numbers, whichever of the forms that `fit` takes they have."""
    if truth.ndim == 2 and truth.shape[1] == classes and classes > 1:
        truth = truth.argmax(axis=1)  # one-hot
    flat = truth.reshape(len(truth), -1)
    found = flat[:, 0].astype(np.int64)
    if flat.shape[1] != 1 or (found != flat[:, 0]).any() or not _within(found, classes):
        raise DataError(
            f"evaluate expected class numbers from 0 to {classes - 1}, got others among the "
            "targets. Are they of another model?"
        )
    return found


def _within(numbers: Array, classes: int) -> bool:
    return not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < classes)
