"""Exercises in counting parameters: a story, and the network it asks about as a one-line spec."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from elman.errors import unknown_name

#: What an exercise leaves unsaid: textbooks and PyTorch count some layers otherwise.
CONVENTION = "The layers are Keras's, with its defaults."

#: The recurrent layers as a spec and as a story say them.
WORDS = {"rnn": "simple RNN", "gru": "GRU", "lstm": "LSTM"}
ORDER = ", one after the other"
SIZES = (4, 8, 10, 12, 16, 20, 24, 32, 48, 64)

#: Who was recorded, what a step is called, and the numbers of one step.
RECORDINGS = (
    ("patients", "second", 1, "one voltage"),
    ("heartbeats", "sample", 2, "two voltages"),
    ("walks", "sample", 3, "three accelerations"),
    ("sound clips", "time slice", 3, "three numbers (frequency, level, zero-crossing rate)"),
    ("kitchens", "minute", 4, "four gas concentrations"),
    ("weather stations", "hour", 5, "five readings (temperature, pressure, humidity, wind, rain)"),
    ("spoken words", "time slice", 13, "13 cepstral coefficients"),
)
#: What was written, what a step is called, and sizes of the vocabulary.
TEXTS = (
    ("sentences", "word", (1000, 5000, 15000)),
    ("reviews", "word", (1000, 5000, 15000)),
    ("tweets", "word", (1000, 5000, 15000)),
    ("names", "character", (30, 50, 100)),
)


@dataclass(frozen=True)
class Exercise:
    """One question: how many parameters does this network have?

    Attributes:
        topic: what it trains; one of `TOPICS`.
        question: the story, in plain text.
        spec: the network, in the one-line language of `elman.parse`.
        records: how many records the story tells of. It does not matter.
        steps: how long each is. It does not matter for recurrent layers.
    """

    topic: str
    question: str
    spec: str
    records: int
    steps: int


def make(topic: str, rng: random.Random) -> Exercise:
    """An exercise on a topic.

    Args:
        topic: one of `TOPICS`.
        rng: where its numbers come from.

    Raises:
        UnknownNameError: there is no such topic.
    """
    if topic not in TOPICS:
        raise unknown_name("quiz", "topic", topic, TOPICS)
    return TOPICS[topic](rng)


def course(count: int) -> list[str]:
    """Topics of so many exercises, from the easiest on."""
    names = list(TOPICS)
    return [names[i * len(names) // count] for i in range(count)]


def _numbers(rng: random.Random) -> tuple[int, int]:
    """How many records, and how many steps each."""
    return rng.choice((50, 80, 100, 200, 500, 1000)), rng.choice((15, 20, 30, 50, 60, 90, 120))


def _recorded(topic: str, layers: list[tuple[str, int]], rng: random.Random) -> Exercise:
    """Recurrent layers on measurements."""
    who, unit, features, what = rng.choice(RECORDINGS)
    records, steps = _numbers(rng)
    return Exercise(
        topic,
        f"{_measured(records, who, steps, unit, what)} The network is {_said(layers)}, and an "
        "output layer of one unit. How many parameters does it have?",
        " > ".join([f"{steps}x{features}", *_stack(layers), "dense(1)"]),
        records,
        steps,
    )


def _measured(records: int, who: str, steps: int, unit: str, what: str) -> str:
    """What there is: '100 patients, 60 seconds each, one voltage per second.'"""
    return f"{records:,} {who}, {steps} {unit}s each, {what} per {unit}."


def _said(layers: list[tuple[str, int]]) -> str:
    """The layers in words: 'a simple RNN and a GRU of 16 units each, in this order'."""
    sizes = {units for _, units in layers}
    if len(layers) > 1 and len(sizes) == 1:
        names = [f"a {WORDS[kind]}" if kind != "lstm" else "an LSTM" for kind, _ in layers]
        return f"{', '.join(names[:-1])} and {names[-1]} of {sizes.pop()} units each{ORDER}"
    names = [
        f"{'an' if kind == 'lstm' else 'a'} {WORDS[kind]} of {units} units"
        for kind, units in layers
    ]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}{ORDER}"


def _stack(layers: list[tuple[str, int]]) -> list[str]:
    last = len(layers) - 1
    return [f"{kind}({n}{',seq' if i < last else ''})" for i, (kind, n) in enumerate(layers)]


# -- the topics, from easy to hard -----------------------------------------------------------------


def _dense(rng: random.Random) -> Exercise:
    records, features, units = rng.choice((100, 200, 500)), rng.randint(3, 20), rng.choice(SIZES)
    return Exercise(
        "dense",
        f"{records} houses, each described by {features} numbers. The network is a dense layer of "
        f"{units} units, and an output layer of one unit. How many parameters does it have?",
        f"{features} > dense({units}) > dense(1)",
        records,
        1,
    )


def _rnn(rng: random.Random) -> Exercise:
    return _recorded("rnn", [("rnn", rng.choice(SIZES))], rng)


def _embedding(rng: random.Random) -> Exercise:
    who, unit, vocabularies = rng.choice(TEXTS)
    records, steps = _numbers(rng)
    words, wide, units = rng.choice(vocabularies), rng.choice((8, 16, 32)), 16
    return Exercise(
        "embedding",
        f"{records:,} {who} of {steps} {unit}s, from a vocabulary of {words:,} {unit}s. An "
        f"embedding turns each {unit} into {wide} numbers; then come a simple RNN of {units} units "
        "and an output layer of one unit. How many parameters does the network have?",
        f"{steps} > embedding({words},{wide}) > rnn({units}) > dense(1)",
        records,
        steps,
    )


def _lstm(rng: random.Random) -> Exercise:
    return _recorded("lstm", [("lstm", rng.choice(SIZES))], rng)


def _gru(rng: random.Random) -> Exercise:
    return _recorded("gru", [("gru", rng.choice(SIZES))], rng)


def _stacked(rng: random.Random) -> Exercise:
    kinds = rng.sample(list(WORDS), rng.choice((2, 3)))
    same = rng.choice(SIZES)
    alike = rng.random() < 0.5
    return _recorded("stack", [(k, same if alike else rng.choice(SIZES)) for k in kinds], rng)


def _bidirectional(rng: random.Random) -> Exercise:
    who, unit, features, what = rng.choice(RECORDINGS)
    records, steps = _numbers(rng)
    kind, units = rng.choice(list(WORDS)), rng.choice(SIZES)
    return Exercise(
        "bidirectional",
        f"{_measured(records, who, steps, unit, what)} A bidirectional {WORDS[kind]} of {units} "
        "units in each direction is followed by an output layer of one unit, which sees both "
        "directions. How many parameters does the network have?",
        f"{steps}x{features} > bi({kind}({units})) > dense(1)",
        records,
        steps,
    )


#: Topics in growing difficulty.
TOPICS: dict[str, Callable[[random.Random], Exercise]] = {
    "dense": _dense,
    "rnn": _rnn,
    "embedding": _embedding,
    "lstm": _lstm,
    "gru": _gru,
    "stack": _stacked,
    "bidirectional": _bidirectional,
}

#: The exercise of the course: 100 patients, and three recurrent layers one after the other.
PATIENTS = Exercise(
    "stack",
    f"{_measured(100, 'patients', 60, 'second', 'one voltage')} The network is a simple RNN, a GRU "
    f"and an LSTM of 16 units each{ORDER}, and an output layer of one unit. How many parameters "
    "does it have?",
    "60x1 > rnn(16,seq) > gru(16,seq) > lstm(16) > dense(1)",
    100,
    60,
)
