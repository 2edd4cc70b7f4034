"""What a run of batches hands back: losses, and outputs for the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from elman.metrics import Metric
    from elman.models import Sequential
    from elman.plan import Plan
    from elman.samples import Data

Array = np.ndarray[Any, np.dtype[Any]]


class Scores:
    """The loss, averaged over batches as Keras does, and the metrics."""

    def __init__(self, model: Sequential, data: Data) -> None:
        self.model = model
        self.metrics: list[Metric] = model.compiled_metrics(data.y.shape, data.output)
        # A metric that cannot take these targets says so now, not after the first batches.
        output = (min(data.output[0], 8), *data.output[1:]) if data.by_step else data.output
        for metric in self.metrics:
            y = data.targets(slice(0, 1), 0, output[0])
            metric.update_state(y, np.full((1, *output), 0.5, np.float32))
        self.reset()

    def reset(self) -> None:
        """Start again."""
        self._loss = 0.0
        self._rows = 0
        for metric in self.metrics:
            metric.reset_state()

    def add_losses(self, losses: Array, sizes: Array) -> None:
        """Take in the losses of some batches, or windows of one, and how much each counts."""
        self._loss += float(losses @ sizes)
        self._rows += int(sizes.sum())

    def add_outputs(self, y: Array, predicted: Array, mask: Array | None) -> None:
        """Take in targets and outputs."""
        for metric in self.metrics:
            metric.update_state(y, predicted, mask)

    def logs(self) -> dict[str, float]:
        """The values by name."""
        values = {metric.name: metric.result() for metric in self.metrics}
        return {**values, "loss": self._loss / max(self._rows, 1)}


class Outputs:
    """Room for what the engine hands back for some batches, or windows of one.

    Args:
        sizes: how much each loss counts: rows of a batch, or rows times steps of a window.
        rows: of all batches.
        steps: of each row.
    """

    def __init__(self, plan: Plan, sizes: Array, rows: int, steps: int, scores: Scores) -> None:
        self.scores = scores
        self.plan = plan
        self.losses = np.empty(len(sizes))
        self.sizes = sizes
        self.wanted = bool(scores.metrics)
        self.y = plan.room(rows if self.wanted else 0, steps)
        shape = (rows, *self.y.shape[1:2])
        self.mask = np.empty(shape, np.float32) if plan.masked else None
        #: As the engine takes them: where to write, or nothing.
        self.native = (self.y if self.wanted else None, self.mask, self.losses)

    def totals(self) -> Array:
        """The loss of each batch, or window, with its penalties."""
        penalties = self.plan.native.penalties
        return self.losses + penalties if penalties else self.losses

    def score(
        self, data: Data, rows: Array, first: int = 0, last: int | None = None, losses: bool = True
    ) -> None:
        """Hand them to the scores, with the targets of these rows and steps."""
        if losses:
            self.scores.add_losses(self.totals(), self.sizes)
        if not self.wanted:
            return
        y, predicted, mask = data.targets(rows, first, last), self.y, self.mask
        if last is not None and data.by_step:
            # A metric is a sum over rows. Each step as a row of its own weighs the same in
            # whatever window it comes.
            y, predicted = _steps_apart(y), _steps_apart(predicted)
            mask = None if mask is None else _steps_apart(mask)
        self.scores.add_outputs(y, predicted, mask)


def _steps_apart(values: Array) -> Array:
    return values.reshape(-1, 1, *values.shape[2:])
