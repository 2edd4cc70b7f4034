"""What a run of batches hands back: losses, and outputs for the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from elman.metrics import Metric
    from elman.models import Model
    from elman.plan import Plan
    from elman.samples import Data

Array = np.ndarray[Any, np.dtype[Any]]


class Scores:
    """The loss, averaged over batches as Keras does, and the metrics of each output."""

    def __init__(self, model: Model, data: Data) -> None:
        chosen = model.objectives
        self.model = model
        self._names = [f"{name}_" if chosen.several else "" for name in chosen.names]
        self._compared = chosen.compared
        self.weights = np.array([chosen.weights[i] for i in chosen.compared])
        self._each = chosen.several
        #: By output.
        self.metrics: list[list[Metric]] = []
        for number in range(len(chosen.names)):
            answers = data.answers[number]
            self.metrics.append([])
            if answers is None:
                continue
            self.metrics[-1] = model.compiled_metrics(answers.y.shape, answers.output, number)
            # A metric that cannot take these targets says so now, not after the first batches.
            shape = answers.output
            output = (min(shape[0], 8), *shape[1:]) if answers.by_step else shape
            for metric in self.metrics[-1]:
                y = answers.targets(slice(0, 1), 0, output[0])
                metric.update_state(y, np.full((1, *output), 0.5, np.float32))
        self.reset()

    def reset(self) -> None:
        """Start again."""
        self._losses = np.zeros(len(self._compared))
        self._penalties = 0.0
        self._rows = 0
        for own in self.metrics:
            for metric in own:
                metric.reset_state()

    def add_losses(self, losses: Array, sizes: Array, penalties: float | Array = 0.0) -> None:
        """Take in the losses of some batches, or windows of one, and how much each counts.

        Args:
            losses: [batches, losses], or [batches] where there is one loss.
            sizes: [batches].
            penalties: what weights and outputs cost besides.
        """
        self._losses += sizes @ losses.reshape(len(sizes), -1)
        self._penalties += float(np.sum(sizes * penalties))
        self._rows += int(sizes.sum())

    def add_outputs(self, y: Array, predicted: Array, mask: Array | None, output: int = 0) -> None:
        """Take in targets and outputs."""
        for metric in self.metrics[output]:
            metric.update_state(y, predicted, mask)

    def logs(self) -> dict[str, float]:
        """The values by name; those of several outputs in Keras's order."""
        rows = max(self._rows, 1)
        found = {
            f"{prefix}{metric.name}": metric.result()
            for prefix, own in zip(self._names, self.metrics, strict=True)
            for metric in own
        }
        found["loss"] = float(self._losses @ self.weights + self._penalties) / rows
        if not self._each:
            return found
        for i, value in zip(self._compared, self._losses, strict=True):
            found[f"{self._names[i]}loss"] = float(value) / rows
        return dict(sorted(found.items()))


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
        self.losses = np.empty((len(sizes), plan.losses))
        self.sizes = sizes
        self.wanted = [bool(own) for own in scores.metrics]
        self.y: list[Array] = []
        self.masks: list[Array | None] = []
        for shape, masked, wanted in zip(plan.shapes(steps), plan.masks, self.wanted, strict=True):
            self.y.append(np.empty((rows if wanted else 0, *shape), np.float32))
            self.masks.append(np.empty((rows, shape[0]), np.float32) if masked and wanted else None)
        #: As the engine takes them: where to write, or nothing.
        self.native = (
            [y if wanted else None for y, wanted in zip(self.y, self.wanted, strict=True)],
            self.masks,
            self.losses,
        )

    def totals(self) -> Array:
        """The loss of each batch, or window, with its penalties."""
        found: Array = self.losses @ self.scores.weights + self.penalties
        return found

    @property
    def penalties(self) -> float | Array:
        """What weights and outputs cost besides, for each of them."""
        found = self.plan.native.penalties
        return np.asarray(found) if len(found) else 0.0

    def score(
        self, data: Data, rows: Array, first: int = 0, last: int | None = None, losses: bool = True
    ) -> None:
        """Hand them to the scores, with the targets of these rows and steps."""
        if losses:
            self.scores.add_losses(self.losses, self.sizes, self.penalties)
        for number, wanted in enumerate(self.wanted):
            answers = data.answers[number]
            if not wanted or answers is None:
                continue
            y = answers.targets(rows, first, last)
            predicted, mask = self.y[number], self.masks[number]
            if last is not None and answers.by_step:
                # A metric is a sum over rows. Each step as a row of its own weighs the same in
                # whatever window it comes.
                y, predicted = _steps_apart(y), _steps_apart(predicted)
                mask = None if mask is None else _steps_apart(mask)
            self.scores.add_outputs(y, predicted, mask, number)


def _steps_apart(values: Array) -> Array:
    return values.reshape(-1, 1, *values.shape[2:])
