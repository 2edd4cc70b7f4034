"""The samples of a call: checked, and handed to the engine whole or in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from elman import checks
from elman.errors import DataError, OptionError, ShapeError, unknown_name
from elman.mapped import PART_BYTES, blocks_at_once, in_file, is_mapped, take
from elman.ragged import Ragged

if TYPE_CHECKING:
    from elman.losses import Loss
    from elman.models import Model
    from elman.models.objectives import Objectives

Array = np.ndarray[Any, np.dtype[Any]]


class Taken(NamedTuple):
    """Arrays, and which of their rows and steps are meant, by the names of the engine."""

    x: Any
    y: list[Array]  # of each loss [n, numbers per sample]
    weight: list[Array | None]
    order: Array
    steps: tuple[int, int] | None  # [first, last); None: all


class Answers:
    """The targets of one output, and their weights.

    Raises:
        ElmanError: they do not fit the inputs, the output or its loss.
    """

    def __init__(
        self,
        y: Any,
        rows: int,
        output: tuple[int, ...],
        loss: Loss,
        label: str,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
    ) -> None:
        self.output = output
        self.label = label
        self.y = checks.targets(y, rows, output, loss, label)
        #: Whether they stay in their file.
        self.mapped = in_file(self.y) or is_mapped(sample_weight)
        self.weight: Array | None = None
        #: The weight of what is held out of these rows: Keras weighs classes in training only.
        self.weight_held_out: Array | None = None
        self._given = sample_weight, class_weight

    def weigh(self, mapped: bool) -> None:
        """Work out the weights: at once, or with something `mapped` part by part."""
        sample_weight, class_weight = self._given
        if not mapped:
            self.weight = self._weights(self.y, *self._given)
            self.weight_held_out = self.weight
            if class_weight is not None:
                self.weight_held_out = self._weights(self.y, sample_weight, None)
        elif sample_weight is not None or class_weight is not None:
            self._check_weights()

    @property
    def by_step(self) -> bool:
        """Whether there is a target for every step."""
        return len(self.output) == 2

    def part(self, rows: slice, held_out: bool, mapped: bool) -> Answers:
        """Those of some rows, to train on or held out."""
        found = object.__new__(Answers)
        found.y, found.output, found.label = self.y[rows], self.output, self.label
        found.mapped = self.mapped
        weight = self.weight_held_out if held_out else self.weight
        found.weight = found.weight_held_out = None if weight is None else weight[rows]
        sample_weight, class_weight = self._given
        if sample_weight is not None and mapped:
            sample_weight = np.asarray(sample_weight)[rows]
        found._given = sample_weight, None if held_out else class_weight
        return found

    def take(self, rows: Array, first: int, last: int | None) -> tuple[Array, Array | None]:
        """A copy of some rows, of their steps [first, last), and its weights."""
        y = self.targets(rows, first, last)
        weight = self._weights(y, *self._given_for(rows, first, last), output=self._output_of(y))
        return flat(y), weight

    def targets(self, rows: Array | slice, first: int = 0, last: int | None = None) -> Array:
        """Targets of some rows, of their steps [first, last) where there is one for each."""
        found: Array = take(self.y, rows, first, last if self.by_step else None)
        return found

    def most(self, rows: int, steps: int) -> int:
        """How many blocks of so many rows and steps to hand over at once, at most."""
        return blocks_at_once(self.y, rows, steps if self.by_step else None)

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
            checks.weights_shape(shape, len(self.y), self.output[:-1], self.label)
        length = self.output[0] if self.by_step else 1
        rows = max(1, PART_BYTES // max(4 * length, 1))
        steps = min(length, PART_BYTES // 4)
        for row in range(0, len(self.y), rows):
            for step in range(0, length, steps):
                chosen = np.arange(row, min(row + rows, len(self.y)))
                last = min(step + steps, length) if self.by_step else None
                y = self.targets(chosen, step, last)
                self._weights(y, *self._given_for(chosen, step, last), output=self._output_of(y))


class Data:
    """Checked arrays, and the names by which the engine takes them.

    Raises:
        ElmanError: they do not fit the model, or each other.
    """

    def __init__(
        self,
        model: Model,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        what: str = "fit",
    ) -> None:
        if y is None:
            y = getattr(x, "model_targets", None)  # of `elman.data.Sequences`
        self.x = model.check_inputs(x)
        if not len(self.x):
            raise DataError(
                f"{model.label} expected at least one sample to {what}, got none. Check the data."
            )
        self.label = model.label
        #: By output; None of one without a loss.
        self.answers: list[Answers | None] = []
        self._tokens = model.tokens[0]
        chosen, outputs = model.objectives, model.outputs_of(self.x)
        if class_weight is not None and chosen.several:
            raise OptionError(
                f"{model.label} expected class_weight=None, got {class_weight!r}: Keras has it for "
                "one output only. Give each output's samples weights: sample_weight={...}."
            )
        if isinstance(self.x, Ragged):
            y = checks.padded(y, self.x, "targets", self.label)
            sample_weight = checks.padded(sample_weight, self.x, "sample weights", self.label)
        targets = _by_output("targets", y, chosen)
        weights = _by_output("sample_weight", sample_weight, chosen)
        for number, (output, loss) in enumerate(zip(outputs, chosen.losses, strict=True)):
            own = f"output {chosen.names[number]!r} of {model.label}"
            label = own if chosen.several else model.label
            if loss is None:
                self.answers.append(None)
                continue
            try:
                made = Answers(
                    targets[number], len(self.x), output, loss, label, weights[number], class_weight
                )
            except ShapeError as error:
                if not chosen.several or own in str(error):
                    raise
                raise ShapeError(f"{own}: {error}") from error
            self.answers.append(made)
        #: Whether something stays in its file, and all is handed over in parts.
        self.mapped = in_file(self.x)
        self.mapped |= any(a.mapped for a in self.compared)
        for answers in self.compared:
            answers.weigh(self.mapped)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def compared(self) -> list[Answers]:
        """The targets of the outputs that have a loss."""
        return [answers for answers in self.answers if answers is not None]

    @property
    def only(self) -> Answers:
        """The targets of the only output, or of the first."""
        return self.compared[0]

    @property
    def y(self) -> Any:
        """The targets."""
        return self.only.y

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of one sample's output."""
        return self.only.output

    @property
    def weight(self) -> Array | None:
        """The weights of samples or steps; None where all weigh the same."""
        return self.only.weight

    @property
    def length(self) -> int:
        """Steps of each sample, 1 where there is no time axis; of the first input."""
        return int(self.x.shape[1]) if self.timed else 1

    @property
    def timed(self) -> bool:
        """Whether the (first) input has a time axis."""
        return self.tokens or len(self.x.shape) == 3

    @property
    def tokens(self) -> bool:
        """Whether the (first) input is whole numbers for an Embedding."""
        return self._tokens

    @property
    def by_step(self) -> bool:
        """Whether there is a target for every step."""
        return self.only.by_step

    def part(self, rows: slice, held_out: bool = False) -> Data:
        """Some of the rows, to train on or held out."""
        found = object.__new__(Data)
        found.x, found.label, found.mapped = self.x[rows], self.label, self.mapped
        found._tokens = self._tokens
        found.answers = [
            None if answers is None else answers.part(rows, held_out, self.mapped)
            for answers in self.answers
        ]
        return found

    def take(self, rows: Array, first: int = 0, last: int | None = None) -> Taken:
        """Some rows, of their steps [first, last) where that is given, for the engine.

        What is in memory is handed over whole and never copied.
        """
        if not self.mapped:
            steps = None if last is None else (first, last)
            ys, weights = [flat(a.y) for a in self.compared], [a.weight for a in self.compared]
            return Taken(self.x, ys, weights, rows, steps)
        x = take(self.x, rows, first, last if self.timed else None)
        taken = [answers.take(rows, first, last) for answers in self.compared]
        ys, weights = [y for y, _ in taken], [weight for _, weight in taken]
        return Taken(x, ys, weights, np.arange(len(rows)), None)

    def targets(self, rows: Array | slice, first: int = 0, last: int | None = None) -> Array:
        """Targets of some rows, of their steps [first, last) where there is one for each."""
        return self.only.targets(rows, first, last)

    def most(self, rows: int, steps: int) -> int:
        """How many blocks of so many rows and steps to hand over at once, at most."""
        found = [answers.most(rows, steps) for answers in self.compared]
        return min([blocks_at_once(self.x, rows, steps if self.timed else None), *found])


def _by_output(what: str, given: Any, chosen: Objectives) -> list[Any]:
    """What was given for each output: an array, a list of them, or a dict by name."""
    names = chosen.names
    if isinstance(given, dict):
        for name in given:
            if name not in names:
                raise unknown_name(f"{what} by output", "output", str(name), names)
        return [given.get(name) for name in names]
    if not chosen.several:
        one = isinstance(given, list | tuple) and len(given) == 1 and _is_array(given[0])
        return [given[0]] if one else [given]
    if given is None or (what == "sample_weight" and _is_array(given)):
        return [given] * len(names)  # as in Keras, one weight for all outputs
    if isinstance(given, list | tuple) and len(given) in (len(names), len(chosen.compared)):
        if len(given) == len(names):
            return list(given)
        own = dict(zip(chosen.compared, given, strict=True))
        return [own.get(number) for number in range(len(names))]
    got = f"{len(given)} of them" if isinstance(given, list | tuple) else type(given).__name__
    raise OptionError(
        f"{what} expected a list of {len(names)} arrays, or a dict by name ({', '.join(names)}), "
        f"got {got}. Give each output its own."
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def flat(y: Any) -> Array:
    """Targets as the native plan takes them: [n, numbers per sample]."""
    found: Array = y.reshape(len(y), -1)
    return found
