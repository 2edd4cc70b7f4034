"""The classic mistakes of counting parameters: what each would give, so that it can be recognised.

A mistake changes the terms of the right count - the numbers each layer holds by tensor and gate,
read from the layers themselves - and is recognised where the changed terms add up to the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from elman.explain.ledger.counting import LayerAccount, Row

if TYPE_CHECKING:
    from elman.explain.quiz.exercises import Exercise
    from elman.layers import Layer


@dataclass(frozen=True)
class Term:
    """A row of the ledger, and how much of it is counted.

    Attributes:
        row: one tensor for one gate.
        layer: the layer that has it; in a Bidirectional, one of the two inside.
        place: of the layer in the stack.
        last: whether that is the output layer.
        count: numbers; the right count has `row.count` of them.
    """

    row: Row
    layer: Layer
    place: int
    last: bool
    count: int

    @property
    def kind(self) -> str:
        """Class of the layer."""
        return type(self.layer).__name__

    @property
    def recurrent(self) -> bool:
        """Whether the layer has a state."""
        return bool(self.row.gate)

    @property
    def of_input(self) -> bool:
        """Whether it is multiplied with what enters the layer."""
        return self.row.tensor == "kernel"

    @property
    def inputs(self) -> int:
        """How many numbers it is multiplied with."""
        return self.row.shape[0]


Terms = list[Term]


def terms(accounts: list[LayerAccount]) -> Terms:
    """The terms of the right count; in a Bidirectional, of each direction."""
    return [
        Term(row, leaf, place, account is accounts[-1], row.count)
        for place, account in enumerate(accounts)
        for leaf in account.layer.leaves()
        for row in LayerAccount(leaf, account.input_shape).rows
    ]


def total(some: Terms) -> int:
    """Numbers in all of them."""
    return sum(term.count for term in some)


class Mistake(NamedTuple):
    """A way to count wrongly.

    Attributes:
        name: a short handle.
        says: what to tell who made it.
        change: from the right terms to those that the mistake counts.
    """

    name: str
    says: str
    change: Callable[[Terms, Exercise], Terms]


def _without(which: Callable[[Term], bool]) -> Callable[[Terms, Exercise], Terms]:
    return lambda some, _: [t for t in some if not which(t)]


def _scaled(
    which: Callable[[Term], bool], factor: Callable[[Term, Exercise], float]
) -> Callable[[Terms, Exercise], Terms]:
    """The terms that `which` picks, times `factor`."""
    return lambda some, exercise: [
        replace(t, count=round(t.count * factor(t, exercise))) if which(t) else t for t in some
    ]


#: Of a bias with two rows, GRU's with reset_after, only one.
_one_bias = _scaled(lambda t: t.row.copies > 1, lambda t, _: 1 / t.row.copies)


def _gates(kind: str, has: int, counted: int) -> Callable[[Terms, Exercise], Terms]:
    return _scaled(lambda t: t.kind == kind, lambda t, _: counted / has)


def _no_gates(some: Terms, exercise: Exercise) -> Terms:
    for change in (_one_bias, _gates("LSTM", 4, 1), _gates("GRU", 3, 1)):
        some = change(some, exercise)
    return some


def _first_input(some: Terms, exercise: Exercise) -> Terms:
    """Every recurrent layer fed with the input of the first."""
    first = next((t.inputs for t in some if t.recurrent and t.of_input), 1)
    change = _scaled(lambda t: t.recurrent and t.of_input, lambda t, _: first / t.inputs)
    return change(some, exercise)


def _wider(factor: Callable[[Term, Exercise], float]) -> Callable[[Terms, Exercise], Terms]:
    """The inputs of the first recurrent layer times `factor`."""

    def change(some: Terms, exercise: Exercise) -> Terms:
        first = min((t.place for t in some if t.recurrent), default=-1)
        return _scaled(lambda t: t.place == first and t.of_input, factor)(some, exercise)

    return change


def _second_biases(some: Terms, exercise: Exercise) -> Terms:
    """PyTorch's: a second bias in every recurrent layer; GRU's is there already."""
    change = _scaled(lambda t: t.recurrent and t.row.bias and t.row.copies == 1, lambda t, _: 2)
    return change(some, exercise)


#: The most frequent first: where two explain a number, the earlier one is named.
MISTAKES = (
    Mistake(
        "biases",
        "The biases are missing: every unit of every gate adds one number of its own.",
        _without(lambda t: t.row.bias),
    ),
    Mistake(
        "second bias",
        "GRU's second bias is missing: with reset_after (Keras's default) the recurrent product "
        "has a bias of its own, 3 x units more.",
        _one_bias,
    ),
    Mistake(
        "recurrent weights",
        "The recurrent weights are missing: the state of the step before is an input too, "
        "units x units for every gate.",
        _without(lambda t: t.row.tensor == "recurrent_kernel"),
    ),
    Mistake(
        "output layer",
        "The output layer is missing: it has a weight for each of its inputs, and a bias.",
        _without(lambda t: t.last),
    ),
    Mistake(
        "three gates for an LSTM",
        "An LSTM was counted with three sets of weights. It has four: three gates (input, forget, "
        "output) and the candidate.",
        _gates("LSTM", 4, 3),
    ),
    Mistake(
        "four gates for a GRU",
        "A GRU was counted with four sets of weights. It has three: two gates (update, reset) and "
        "the candidate.",
        _gates("GRU", 3, 4),
    ),
    Mistake(
        "two gates for a GRU",
        "A GRU was counted with two sets of weights. It has three: its candidate has weights too.",
        _gates("GRU", 3, 2),
    ),
    Mistake(
        "no gates",
        "The gates were not counted: an LSTM has four sets of a simple RNN's weights, a GRU three.",
        _no_gates,
    ),
    Mistake(
        "length as features",
        "The number of steps was used as the number of inputs. A recurrent layer sees one step at "
        "a time: its weights know the features of a step, not how many steps there are.",
        _wider(lambda t, e: e.steps / t.inputs),
    ),
    Mistake(
        "flattened input",
        "All steps were fed at once, as to a dense network. A recurrent layer uses the same "
        "weights at every step: the length does not matter.",
        _wider(lambda t, e: e.steps),
    ),
    Mistake(
        "times the length",
        "The weights were counted once per step. They are the same at every step.",
        _scaled(lambda t: t.recurrent, lambda t, e: e.steps),
    ),
    Mistake(
        "output sees every step",
        "The output layer was given the state of every step. It sees the last one only.",
        _scaled(lambda t: t.last and t.of_input, lambda t, e: e.steps),
    ),
    Mistake(
        "records",
        "The number of records was used. However many there are, the network is the same.",
        _scaled(lambda t: True, lambda t, e: e.records),
    ),
    Mistake(
        "first input everywhere",
        "Every layer was given the features of the data. A later layer sees the units of the layer "
        "below it.",
        _first_input,
    ),
    Mistake(
        "one direction",
        "One direction is missing: a bidirectional layer has two sets of weights.",
        _without(lambda t: t.layer.around is not None and t.layer.go_backwards),
    ),
    Mistake(
        "output of one direction",
        "The output layer was given one direction only. It sees both: twice the units.",
        _scaled(lambda t: t.last and t.of_input, lambda t, _: 0.5),
    ),
    Mistake(
        "no embedding",
        "The embedding's table is missing: a row of numbers for every word of the vocabulary.",
        _without(lambda t: t.row.table),
    ),
    Mistake(
        "a row per position",
        "The table was given a row per position. It has one for every word of the vocabulary.",
        _scaled(lambda t: t.row.table, lambda t, e: e.steps / t.inputs),
    ),
    Mistake(
        "PyTorch's biases",
        "That is PyTorch's count: it keeps two biases for every gate. Keras and elman keep one "
        "(and GRU with reset_after two).",
        _second_biases,
    ),
)  # fmt: skip


def recognise(exercise: Exercise, accounts: list[LayerAccount], answer: int) -> tuple[Mistake, ...]:
    """The mistake, or the two together, that lead to a wrong answer; none if unknown.

    Args:
        exercise: what was asked.
        accounts: of the layers of its network.
        answer: the wrong number.
    """
    right = terms(accounts)
    return next((found for found, n in _wrong(exercise, right) if n == answer), ())


def _wrong(exercise: Exercise, right: Terms) -> Iterator[tuple[tuple[Mistake, ...], int]]:
    """Each mistake that changes this count, then each pair of them, with what it leads to."""
    truth = total(right)
    telling = []
    for mistake in MISTAKES:
        n = total(mistake.change(right, exercise))
        if n != truth:
            telling.append((mistake, n))
            yield (mistake,), n
    for (a, _), (b, _) in combinations(telling, 2):
        yield (a, b), total(b.change(a.change(right, exercise), exercise))
