"""A few rows as they go through the model, step by step: few enough numbers for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import DataError, OptionError
from elman.explain.plots import scale
from elman.mapped import take

if TYPE_CHECKING:
    from elman.explain.report.judging import Judgement
    from elman.explain.trace import Trace
    from elman.models import Model

Array = np.ndarray[Any, np.dtype[Any]]

#: What one page shows at most. What is left out is said there.
UNITS, STEPS, LAYERS = 32, 400, 8
#: How many values all rows have together; a byte each, and a third more as text.
VALUES = 600_000
#: A value that is none: the step is masked.
NONE = 255


@dataclass
class Strip:
    """A heat map over time: one line for each unit.

    Attributes:
        name: what it is, such as "forget_gate".
        values: uint8 [steps, lines]; from 0, `low`, to 254, `high`; 255 where there is none.
        low, high: what the ends stand for; zero is in the middle if `low` is below it.
        lines: what each line is: unit numbers, or class names.
    """

    name: str
    values: Array
    low: float
    high: float
    lines: tuple[str, ...]


@dataclass
class Layer:
    """The gates and states of one recurrent layer."""

    name: str
    kind: str
    units: int
    strips: list[Strip]


@dataclass
class Example:
    """One row on its way.

    Attributes:
        row: its number.
        role: why it was chosen.
        steps: the number of each step shown.
        counts: [steps shown], which of them count.
        answer: what the model would say if the row ended at each step; None where a layer looks
            at later steps first.
    """

    row: int
    role: str
    steps: Array
    counts: Array
    answer: Strip | None
    layers: list[Layer]


@dataclass
class Replay:
    """Some rows, and in words what was left out."""

    examples: list[Example]
    left_out: list[str]
    masked: bool = False  #: whether some steps do not count


def replay(model: Model, x: Any, judged: Judgement) -> Replay:
    """Trace the most wrong row, the least wrong one, and one between them."""
    order = judged.order
    roles = {int(order[0]): "the most wrong"}
    roles.setdefault(int(order[len(order) // 2]), "in the middle")
    roles.setdefault(int(order[-1]), "the least wrong")
    left_out: list[str] = []
    rows = np.array(list(roles))
    values = model.check_inputs(x)
    trace = None
    while trace is None and len(rows):
        try:
            trace = model.trace(take(values, rows))
        except DataError:  # too long for several
            rows = rows[:-1]
    if trace is None:
        return Replay([], ["A single row is too long to be traced: take shorter ones."])
    if not trace.layers:
        return Replay([], ["The model has no recurrent layer: there are no steps to go through."])
    shown = _shown(trace, left_out)
    answers = _answers(model, trace.input, rows, judged)
    if answers is None:
        left_out.append("What the model would say earlier: a layer looks at later steps first.")
    examples = []
    for place, row in enumerate(rows):
        counts = np.ones(trace.steps, bool) if trace.mask is None else trace.mask[place]
        name = "share of each class" if judged.classes else "output"
        steps, answer = shown[shown < ending(counts)], None
        if answers is not None:
            # The answer is carried through masked steps.
            answer = strip(name, answers[place][steps], judged.names, whole=answers)
        layers = [_layer(trace, name, place, steps) for name in list(trace.layers)[:LAYERS]]
        examples.append(Example(int(row), roles[int(row)], steps, counts[steps], answer, layers))
    return Replay(examples, left_out, trace.mask is not None)


def _shown(trace: Trace, left_out: list[str]) -> Array:
    """Which steps are shown: all, or every second, third ..."""
    layers = [trace.layers[name] for name in list(trace.layers)[:LAYERS]]
    lines = sum(min(found.layer.units, UNITS) * len(found.gates) for found in layers)
    most = max(2, min(STEPS, VALUES // max(lines * trace.rows, 1)))
    every = -(-trace.steps // most)
    if every > 1:
        left_out.append(f"Of {trace.steps:,} steps one in {every:,} is shown.")
    for found in layers:
        if found.layer.units > UNITS:
            left_out.append(
                f"Of the {found.layer.units:,} units of {found.layer.name} those {UNITS} whose "
                "state varies most in the row are shown, in the order of their numbers."
            )
    if len(trace.layers) > LAYERS:
        left_out.append(f"Of {len(trace.layers)} recurrent layers the first {LAYERS} are shown.")
    return np.arange(0, trace.steps, every)


def counting(model: Model, x: Array) -> Array:
    """Which steps of one row [steps, ...] count."""
    try:
        mask = model.trace(x[None]).mask
    except DataError:  # too long to be traced
        mask = None
    return np.ones(len(x), bool) if mask is None else mask[0]


def ending(counts: Array) -> int:
    """Where a row ends: behind its last step that counts, for padding says nothing."""
    there = np.flatnonzero(counts)
    return int(there[-1]) + 1 if len(there) else len(counts)


def _layer(trace: Trace, name: str, row: int, shown: Array) -> Layer:
    found = trace.layers[name]
    state = trace[f"{name}/state"][row]
    units = np.arange(found.layer.units)
    if len(units) > UNITS:
        units = np.sort(np.argsort(-state.std(axis=0), kind="stable")[:UNITS])
    labels = tuple(f"unit {unit}" for unit in units)
    strips = []
    for gate in found.gates:
        values = trace[f"{name}/{gate}"]
        strips.append(strip(gate, values[row][np.ix_(shown, units)], labels, whole=values))
    return Layer(name, type(found.layer).__name__, found.layer.units, strips)


def _answers(model: Model, x: Array, rows: Array, judged: Judgement) -> Array | None:
    """[rows, steps, classes or outputs]: at each step, or had the row ended there."""
    if judged.by_step:
        return judged.read(judged.outputs[rows])
    try:
        stream = model.stream()
    except OptionError:  # a layer looks at later steps first
        return None
    said = []
    for row in x:
        stream.reset()
        said.append(stream.run(row))
    return judged.read(np.stack(said))


def strip(name: str, values: Array, lines: tuple[str, ...], whole: Array | None = None) -> Strip:
    """Values [steps, lines] as bytes, on a scale that `whole`, if given, shares."""
    low, high = scale(values if whole is None else whole)
    there = np.isfinite(values)
    scaled = (np.where(there, values, low) - low) / (high - low) * (NONE - 1)
    return Strip(name, np.where(there, np.rint(scaled), NONE).astype(np.uint8), low, high, lines)
