"""The samples of a call: checked, and handed to the engine whole or in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from elman import checks
from elman.errors import DataError
from elman.mapped import PART_BYTES, Mapped, is_mapped, take
from elman.ragged import Ragged

if TYPE_CHECKING:
    from elman.models import Sequential

Array = np.ndarray[Any, np.dtype[Any]]


class Taken(NamedTuple):
    """Arrays, and which of their rows and steps are meant, by the names of the engine."""

    x: Array | Ragged
    y: Array  # [n, numbers per sample]
    weight: Array | None
    order: Array
    steps: tuple[int, int] | None  # [first, last); None: all


class Data:
    """Checked arrays, and the names by which the engine takes them.

    Raises:
        ElmanError: they do not fit the model, or each other.
    """

    def __init__(
        self,
        model: Sequential,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        what: str = "fit",
    ) -> None:
        if y is None:
            y = getattr(x, "model_targets", None)
        self.x = model.check_inputs(x)
        if not len(self.x):
            raise DataError(
                f"{model.label} expected at least one sample to {what}, got none. Check the data."
            )
        self.output = model.output_of(self.x)
        self.label = model.label
        if isinstance(self.x, Ragged):
            y = checks.padded(y, self.x, "targets", self.label)
            sample_weight = checks.padded(sample_weight, self.x, "sample weights", self.label)
        self.y = checks.targets(y, len(self.x), self.output, model.compiled_loss(), self.label)
        #: Whether something stays in its file, and all is handed over in parts.
        self.mapped = any(isinstance(v, Mapped) for v in (self.x, self.y))
        self.mapped |= is_mapped(sample_weight)
        self.weight: Array | None = None
        #: The weight of what is held out of these rows: Keras weighs classes in training only.
        self.weight_held_out: Array | None = None
        self._given = sample_weight, class_weight
        if not self.mapped:
            self.weight = self._weights(self.y, *self._given)
            self.weight_held_out = self.weight
            if class_weight is not None:
                self.weight_held_out = self._weights(self.y, sample_weight, None)
        elif sample_weight is not None or class_weight is not None:
            self._check_weights()

    def __len__(self) -> int:
        return len(self.x)

    @property
    def length(self) -> int:
        """Steps of each sample, 1 where there is no time axis."""
        return self.x.shape[1] if self.timed else 1

    @property
    def timed(self) -> bool:
        """Whether inputs have a time axis."""
        return self.x.ndim == 3 or self.tokens

    @property
    def tokens(self) -> bool:
        """Whether inputs are whole numbers for an Embedding."""
        return self.x.dtype == np.int32

    @property
    def by_step(self) -> bool:
        """Whether there is a target for every step."""
        return len(self.output) == 2

    def part(self, rows: slice, held_out: bool = False) -> Data:
        """Some of the rows, to train on or held out."""
        found = object.__new__(Data)
        found.x, found.y, found.output = self.x[rows], self.y[rows], self.output
        found.label, found.mapped = self.label, self.mapped
        weight = self.weight_held_out if held_out else self.weight
        found.weight = found.weight_held_out = None if weight is None else weight[rows]
        sample_weight, class_weight = self._given
        if sample_weight is not None and self.mapped:
            sample_weight = np.asarray(sample_weight)[rows]
        found._given = sample_weight, None if held_out else class_weight
        return found

    def take(self, rows: Array, first: int = 0, last: int | None = None) -> Taken:
        """Some rows, of their steps [first, last) where that is given, for the engine.

        What is in memory is handed over whole and never copied.
        """
        if not self.mapped:
            assert isinstance(self.x, np.ndarray | Ragged)
            steps = None if last is None else (first, last)
            return Taken(self.x, _flat(self.y), self.weight, rows, steps)
        x = take(self.x, rows, first, last if self.timed else None)
        y = self.targets(rows, first, last)
        weight = self._weights(y, *self._given_for(rows, first, last), output=self._output_of(y))
        return Taken(x, _flat(y), weight, np.arange(len(rows)), None)

    def targets(self, rows: Array | slice, first: int = 0, last: int | None = None) -> Array:
        """Targets of some rows, of their steps [first, last) where there is one for each."""
        return take(self.y, rows, first, last if self.by_step else None)

    def most(self, rows: int, steps: int) -> int:
        """How many blocks of so many rows and steps to hand over at once, at most."""
        found = 2**31
        for values, timed in ((self.x, self.timed), (self.y, self.by_step)):
            if isinstance(values, Mapped):
                found = min(found, values.most(rows, steps if timed else None))
        return found

    def _weights(
        self,
        y: Any,
        sample_weight: Any,
        class_weight: dict[int, float] | None,
        output: tuple[int, ...] | None = None,
    ) -> Array | None:
        return checks.weights(sample_weight, class_weight, y, output or self.output, self.label)

    def _given_for(self, rows: Any, first: int, last: int | None) -> tuple[Any, Any]:
        sample_weight, class_weight = self._given
        if sample_weight is None:
            return None, class_weight
        found = np.asarray(sample_weight)
        by_step = self.by_step and found.ndim > 1 and found.shape[1] > 1 and last is not None
        return (found[rows, first:last] if by_step else found[rows]), class_weight

    def _output_of(self, y: Array) -> tuple[int, ...]:
        return (y.shape[1], *self.output[1:]) if self.by_step else self.output

    def _check_weights(self) -> None:
        """Ask for the weight of everything once, in parts."""
        sample_weight = self._given[0]
        if sample_weight is not None:
            shape = np.shape(sample_weight)
            checks.weights_shape(shape, len(self), self.output[:-1], self.label)
        rows = max(1, PART_BYTES // max(4 * self.length, 1))
        steps = min(self.length, PART_BYTES // 4)
        for row in range(0, len(self), rows):
            for step in range(0, self.output[0] if self.by_step else 1, steps):
                chosen = np.arange(row, min(row + rows, len(self)))
                last = min(step + steps, self.output[0]) if self.by_step else None
                y = self.targets(chosen, step, last)
                self._weights(y, *self._given_for(chosen, step, last), output=self._output_of(y))


def _flat(y: Any) -> Array:
    return y.reshape(len(y), -1)
