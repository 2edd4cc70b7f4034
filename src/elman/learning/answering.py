"""What a model says of new data, and of what each answer is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman import activations
from elman.data.forecasts import times_ahead
from elman.data.lookahead import Lookahead
from elman.data.sequences import Sequences
from elman.errors import ShapeError
from elman.explain.report.judging import reader
from elman.learning.reading import where
from elman.models import Model
from elman.plan import require_single

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Answers:
    """What a model says: one answer for each of n sequences, or for each of their steps.

    Attributes:
        where: [n], where what each is about comes from.
        steps: [n], the step it is about; None where it is about a sequence.
        times: [n], when that is: in seconds of its record, or of forecasts in the unit of its
            table, numbers or datetime64; None where that is not known.
        names: the name of each class; none where answers are numbers.
        values: [n, classes], how likely each class is; or [n, k] numbers.
        outputs: the name of each of several numbers, where they have one.
    """

    where: list[str]
    steps: Array | None
    times: Array | None
    names: tuple[str, ...]
    values: Array
    outputs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def said(self) -> Array:
        """The class of each, [n]; of numbers these, [n, k]."""
        return self.values.argmax(axis=1) if self.names else self.values

    def likeliest(self, count: int | None = None) -> Iterator[list[tuple[str, float]]]:
        """The classes of each answer and how likely they are: all, or the so many likeliest."""
        for row in self.values:
            order = np.argsort(-row, kind="stable")[:count] if count else range(len(row))
            yield [(self.names[place], float(row[place])) for place in order]


def answer(model: Model, data: Sequences, verbose: int = 0) -> Answers:
    """What a model says of data that were prepared for it.

    Args:
        model: with one input and one output.
        data: as `elman.learning.reading.read` returns them.
        verbose: as of `Model.predict`.

    Raises:
        OptionError: several inputs or outputs.
        ShapeError: the data, or the classes, are not those of the model.
    """
    require_single(model, "predict", "Make a Model of one of its paths, and ask that.")
    outputs = model.predict(data, verbose=verbose)
    if data.kind == "forecast":
        return _forecasts(model, data, outputs)
    places, steps, times = _places(data, outputs)
    found = outputs if steps is None else np.concatenate([np.asarray(one) for one in outputs])
    found = found.reshape(len(places), -1)
    names = data.names if model.prepared is None else model.prepared.names
    read = _reader(model, found.shape[1], bool(names))
    if read is None:
        return Answers(places, steps, times, (), found)
    shares = read(found)
    names = names or tuple(str(number) for number in range(shares.shape[1]))
    if len(names) != shares.shape[1]:
        raise ShapeError(
            f"{model.label} expected as many outputs as there are classes, got {shares.shape[1]} "
            f"for {len(names)}: {', '.join(names[:10])}. It does not belong to these data."
        )
    return Answers(places, steps, times, names, shares)


def _places(data: Sequences, outputs: Any) -> tuple[list[str], Array | None, Array | None]:
    """What each answer is about: where that is from, its step, and when it began."""
    starts = data.times if data.kind == "ecg" else None  # in seconds of the record
    if not isinstance(outputs, list) and outputs.ndim < 3:
        return where(data), None, starts
    counts = np.array([len(one) for one in outputs])
    firsts = np.cumsum(counts) - counts
    steps = np.arange(counts.sum()) - np.repeat(firsts, counts)
    places = [place for place, count in zip(where(data), counts, strict=True) for _ in range(count)]
    # Some layers make fewer steps of what enters them: when each was is not known then.
    if starts is None or data.step is None or (counts != data.lengths).any():
        return places, steps, None
    return places, steps, np.repeat(starts, counts) + steps * data.step


def _forecasts(model: Model, data: Sequences, outputs: Array) -> Answers:
    """An answer for each step of each horizon."""
    assert model.prepared is not None
    recipe = Lookahead.from_dict(dict(model.prepared.columns))
    said = np.asarray(model.prepared.restore(outputs, data))
    places = [place for place in where(data) for _ in range(recipe.horizon)]
    steps = np.tile(np.arange(1, recipe.horizon + 1), len(data))
    values = said.reshape(len(steps), len(recipe.target))
    return Answers(places, steps, times_ahead(data).ravel(), (), values, recipe.target)


def _reader(model: Model, width: int, classes: bool) -> Callable[[Array], Array] | None:
    """What makes shares of classes of outputs; None where they are numbers."""
    if model.objectives.compared:
        found = reader(model.compiled_loss(), width)
        if found is not None or not classes:
            return found
    if not classes:
        return None
    # There are classes, but no loss that tells what its outputs are: the last layer does.
    last = getattr(model.layers[-1], "activation", None)

    def shares(outputs: Array) -> Array:
        if width == 1:
            p = outputs if last == "sigmoid" else activations.sigmoid(outputs.astype(np.float64))
            return np.concatenate([1 - p, p], axis=1)
        return outputs if last in ("softmax", "sigmoid") else activations.softmax(outputs)

    return shares
