"""What the model says of each row, beside what is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import activations, baselines, losses
from elman.explain.report.material import Material, require_names
from elman.samples import Data

if TYPE_CHECKING:
    from elman.models import Model

Array = np.ndarray[Any, np.dtype[Any]]

#: Rows judged at once.
PART = 1024


@dataclass
class Judgement:
    """Outputs and losses of all rows.

    Attributes:
        names: of the classes, or of the numbers of an output.
        read: what outputs say: shares of classes, or numbers as they are.
        losses: [rows], the loss of each.
        outputs: [rows, outputs], or [rows, steps, outputs].
        targets: the same for numbers; None for classes.
        counts: [rows, steps], which steps count; None where all do, or there are none.
        shares: [rows, classes] or [rows, steps, classes], how sure the model is of each class;
            None where the output is numbers, not one of several classes.
        true, said: [rows] or [rows, steps], class numbers; -1 where a step does not count.
    """

    names: tuple[str, ...]
    read: Callable[[Array], Array]
    losses: Array
    outputs: Array
    targets: Array | None = None
    counts: Array | None = None
    shares: Array | None = None
    true: Array | None = None
    said: Array | None = None
    majority: float = 0.0
    plain_loss: float = 0.0  #: of always saying the mean, for numbers

    @property
    def loss(self) -> float:
        """The mean over the rows."""
        return float(self.losses.mean())

    @property
    def classes(self) -> bool:
        """Whether each row, or step, is one of several classes."""
        return self.shares is not None

    @property
    def by_step(self) -> bool:
        """Whether there is an output for every step."""
        return self.outputs.ndim == 3

    @property
    def accuracy(self) -> float:
        """The share of rows, or steps, that are right."""
        return float(np.trace(self.matrix) / max(self.matrix.sum(), 1))

    @property
    def matrix(self) -> Array:
        """int [classes, classes]: how often a class (row) was called which (column)."""
        assert self.true is not None and self.said is not None
        found = np.zeros((len(self.names), len(self.names)), np.int64)
        there = self.true >= 0
        np.add.at(found, (self.true[there], self.said[there]), 1)
        return found

    @property
    def order(self) -> Array:
        """The rows, the most wrong first."""
        return np.argsort(-self.losses, kind="stable")


def judge(model: Model, given: Material) -> Judgement:
    """Run all rows; each is a batch of its own, so that the engine gives each its loss."""
    model.require_compiled("report")
    data = Data(model, given.x, given.y, what="report")
    outputs, counts, found = _run(model, data)
    loss = model.compiled_loss()
    width = outputs.shape[-1]
    y = np.asarray(given.y)
    read = reader(loss, width)
    if read is None:
        return _numbers(given, outputs, y, counts, found, loss)
    sparse = isinstance(loss, losses.SparseCategoricalCrossentropy)
    binary = isinstance(loss, losses.BinaryCrossentropy)
    shares = read(outputs)
    said = shares.argmax(-1)
    true = y.reshape(said.shape) if sparse or binary else y.reshape(outputs.shape).argmax(-1)
    true = (true > 0.5).astype(np.int64) if binary else true.astype(np.int64)
    if isinstance(loss, losses.SparseCategoricalCrossentropy) and loss.ignore_class is not None:
        true = np.where(true == loss.ignore_class, -1, true)
    if counts is not None:
        true = np.where(counts, true, -1)
    names = require_names(given, shares.shape[-1], "class")
    majority = given.majority
    if majority is None:
        kept = true[true >= 0]
        majority = baselines.majority(kept, kept) if len(kept) else 0.0
    return Judgement(names, read, found, outputs, None, counts, shares, true, said, majority)


def reader(loss: losses.Loss, width: int) -> Callable[[Array], Array] | None:
    """What makes shares of classes of a model's outputs; None where they are numbers.

    Args:
        loss: what it was trained with.
        width: numbers of one output.
    """
    binary = isinstance(loss, losses.BinaryCrossentropy) and width == 1
    several = losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy
    if not binary and not isinstance(loss, several):
        return None
    logits = bool(getattr(loss, "from_logits", False))

    def read(outputs: Array) -> Array:
        if binary:
            p = activations.sigmoid(outputs.astype(np.float64)) if logits else outputs
            return np.concatenate([1 - p, p], axis=-1)
        if logits:
            return activations.softmax(outputs)
        total = outputs.sum(-1, keepdims=True)
        return outputs / np.where(total > 0, total, 1)  # 0 where a sequence has ended

    return read


def _run(model: Model, data: Data) -> tuple[Array, Array | None, Array]:
    """Outputs, which of their steps count, and the loss of each row."""
    plan = model.plan_for(data.x, rows=1, loss=True)
    outputs = plan.room(len(data), data.length)
    masks = np.ones((len(data), data.length), np.float32) if plan.masked else None
    found = np.zeros(len(data))
    for first in range(0, len(data), PART):
        part = slice(first, first + PART)
        rows = np.arange(len(data))[part]
        taken = data.take(rows)
        mask = None if masks is None else masks[part]
        plan.native.evaluate(
            plan.arrange(taken.x), taken.y, taken.weight, 1, outputs[part], mask, found[part],
            taken.order,
        )  # fmt: skip
    return outputs, None if masks is None else masks != 0, found


def _numbers(
    given: Material, outputs: Array, y: Array, counts: Array | None, found: Array, loss: losses.Loss
) -> Judgement:
    targets = y.reshape(outputs.shape).astype(np.float64)
    kept = targets.reshape(len(targets), -1, targets.shape[-1])
    kept = kept[counts] if counts is not None else kept.reshape(-1, targets.shape[-1])
    mean = np.broadcast_to(kept.mean(axis=0), targets.shape).astype(np.float32)
    each = loss.per_sample(targets.astype(np.float32), mean).reshape(len(targets), -1)
    weights = np.ones(each.shape) if counts is None else counts.astype(np.float64)
    plain = (each * weights).sum(axis=1)
    if loss.reduction != "sum":
        plain /= np.maximum(weights.sum(axis=1), 1)
    names = require_names(given, outputs.shape[-1], "output")
    return Judgement(
        names,
        lambda values: values,
        found,
        outputs,
        targets,
        counts,
        plain_loss=float(plain.mean()),
    )
