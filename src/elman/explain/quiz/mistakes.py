"""The classic mistakes of counting parameters: what each would give, so that it can be recognised.

A mistake changes the terms of the right count - the numbers each layer holds by tensor and gate,
read from the layers themselves - and is recognised where the changed terms add up to the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from elman.explain.quiz.exercises import Exercise
    from elman.models import Sequential


@dataclass(frozen=True)
class Term:
    """What one tensor of one layer holds for one gate.

    Attributes:
        layer: place in the stack.
        kind: class of the layer; of the inner one in a Bidirectional.
        backward: whether it is the second direction of a Bidirectional.
        tensor: `kernel`, `recurrent_kernel`, `bias`, `second_bias` or `embeddings`.
        gate: name of the gate, or "".
        inputs: rows of the tensor.
        count: numbers in it.
        last: whether the layer is the output layer.
    """

    layer: int
    kind: str
    backward: bool
    tensor: str
    gate: str
    inputs: int
    count: int
    last: bool

    @property
    def recurrent(self) -> bool:
        """Whether the layer has a state."""
        return self.kind in ("SimpleRNN", "LSTM", "GRU")


Terms = list[Term]


def terms(model: Sequential) -> Terms:
    """The terms of the right count."""
    found: Terms = []
    for at, layer in enumerate(model.layers):
        for direction, own in enumerate(layer.inner_layers() or [layer]):
            for p in own.own_params:
                gates = p.gates or ("",)
                rows = p.shape[0] if len(p.shape) == 2 else 1
                # A bias with two rows is reset_after's: the input's, and the recurrent one.
                biases = ["bias", "second_bias"][:rows] if p.name == "bias" else [p.name]
                for tensor in biases:
                    each = p.size // len(gates) // len(biases)
                    found += [
                        Term(
                            at, type(own).__name__, direction == 1, tensor, gate, rows, each,
                            last=layer is model.layers[-1],
                        )
                        for gate in gates
                    ]  # fmt: skip
    return found


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


def _without(tensor: str, *others: str) -> Callable[[Terms, Exercise], Terms]:
    return lambda some, _: [t for t in some if t.tensor not in (tensor, *others)]


def _scaled(
    which: Callable[[Term], bool], factor: Callable[[Term, Exercise], float]
) -> Callable[[Terms, Exercise], Terms]:
    """The terms that `which` picks, times `factor`."""
    return lambda some, exercise: [
        replace(t, count=round(t.count * factor(t, exercise))) if which(t) else t for t in some
    ]


def _gates(kind: str, has: int, counted: int) -> Callable[[Terms, Exercise], Terms]:
    return _scaled(lambda t: t.kind == kind, lambda t, _: counted / has)


def _first_input(some: Terms, exercise: Exercise) -> Terms:
    """Every recurrent layer fed with the input of the first."""
    kernels = [t for t in some if t.recurrent and t.tensor == "kernel"]
    first = kernels[0].inputs if kernels else 1
    return _scaled(
        lambda t: t.recurrent and t.tensor == "kernel", lambda t, _: first / t.inputs
    )(some, exercise)


def _first_kernel(some: Terms) -> int:
    return min((t.layer for t in some if t.tensor == "kernel"), default=-1)


def _wider(factor: Callable[[Term, Exercise], float]) -> Callable[[Terms, Exercise], Terms]:
    """The first layer's inputs times `factor`."""

    def change(some: Terms, exercise: Exercise) -> Terms:
        first = _first_kernel(some)
        of_first = _scaled(lambda t: t.layer == first and t.tensor == "kernel", factor)
        return of_first(some, exercise)

    return change


def _second_biases(some: Terms, exercise: Exercise) -> Terms:
    """PyTorch's: a second bias wherever there is one, GRU's second is there already."""
    more = [
        replace(t, tensor="second_bias")
        for t in some
        if t.tensor == "bias" and t.kind in ("SimpleRNN", "LSTM")
    ]
    return [*some, *more]


#: The most frequent first: where two explain a number, the earlier one is named.
MISTAKES = (
    Mistake(
        "biases",
        "The biases are missing: every unit of every gate adds one number of its own.",
        _without("bias", "second_bias"),
    ),
    Mistake(
        "second bias",
        "GRU's second bias is missing: with reset_after (Keras's default) the recurrent product "
        "has a bias of its own, 3 x units more.",
        _without("second_bias"),
    ),
    Mistake(
        "recurrent weights",
        "The recurrent weights are missing: the state of the step before is an input too, "
        "units x units for every gate.",
        _without("recurrent_kernel"),
    ),
    Mistake(
        "output layer",
        "The output layer is missing: it has a weight for each of its inputs, and a bias.",
        lambda some, _: [t for t in some if not t.last],
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
        lambda some, e: _gates("LSTM", 4, 1)(_gates("GRU", 3, 1)(_without("second_bias")(some, e), e), e),
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
        _scaled(lambda t: t.last and t.tensor == "kernel", lambda t, e: e.steps),
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
        lambda some, _: [t for t in some if not t.backward],
    ),
    Mistake(
        "output of one direction",
        "The output layer was given one direction only. It sees both: twice the units.",
        _scaled(
            lambda t: t.last and t.tensor == "kernel" and t.layer > 0, lambda t, e: 0.5
        ),
    ),
    Mistake(
        "no embedding",
        "The embedding's table is missing: a row of numbers for every word of the vocabulary.",
        _without("embeddings"),
    ),
    Mistake(
        "a row per position",
        "The table was given a row per position. It has one for every word of the vocabulary.",
        _scaled(lambda t: t.tensor == "embeddings", lambda t, e: e.steps / t.inputs),
    ),
    Mistake(
        "PyTorch's biases",
        "That is PyTorch's count: it keeps two biases for every gate. Keras and elman keep one "
        "(and GRU with reset_after two).",
        _second_biases,
    ),
)  # fmt: skip


def recognise(exercise: Exercise, model: Sequential, answer: int) -> tuple[Mistake, ...]:
    """The mistake, or the two together, that lead to a wrong answer; none if unknown.

    Args:
        exercise: what was asked.
        model: its network.
        answer: the wrong number.
    """
    right = terms(model)
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
