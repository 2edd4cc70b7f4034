"""Exercises in counting parameters: a story, and the network it asks about as a one-line spec."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from elman.errors import OptionError, unknown_name

#: The recurrent layers as a spec and as a story say them.
WORDS = {"rnn": "simple RNN", "gru": "GRU", "lstm": "LSTM"}
SIZES = (4, 8, 10, 12, 16, 20, 24, 32, 48, 64)

#: Who was recorded, in what unit of time, and the numbers of one step.
RECORDINGS = (
    ("patients", "seconds", 1, "one voltage"),
    ("heartbeats", "samples", 2, "two ECG leads"),
    ("walks", "samples", 3, "three axes of acceleration"),
    ("sound clips", "time slices", 3, "frequency, level and zero-crossing rate"),
    ("kitchens", "minutes", 4, "four gas concentrations"),
    ("stations", "hours", 5, "temperature, pressure, humidity, wind and rain"),
    ("spoken words", "time slices", 13, "13 cepstral coefficients"),
)
TEXTS = (("sentences", "words"), ("reviews", "words"), ("tweets", "words"), ("names", "characters"))


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
    """Topics of so many exercises, from the easiest on.

    Raises:
        OptionError: fewer than one exercise.
    """
    if count < 1:
        raise OptionError(f"quiz expected at least 1 exercise, got {count}. Ask for e.g. 8.")
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
        f"{records:,} {who}, {steps} {unit} each, at every step {what}. The network is "
        f"{_said(layers)}, and an output layer of one unit. How many parameters does it have?",
        " > ".join([f"{steps}x{features}", *_stack(layers), "dense(1)"]),
        records,
        steps,
    )


def _said(layers: list[tuple[str, int]]) -> str:
    """The layers in words: 'a simple RNN and a GRU of 16 units each'."""
    sizes = {units for _, units in layers}
    if len(layers) > 1 and len(sizes) == 1:
        names = [f"a {WORDS[kind]}" if kind != "lstm" else "an LSTM" for kind, _ in layers]
        return f"{', '.join(names[:-1])} and {names[-1]} of {sizes.pop()} units each"
    names = [
        f"{'an' if kind == 'lstm' else 'a'} {WORDS[kind]} of {units} units"
        for kind, units in layers
    ]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


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
    who, unit = rng.choice(TEXTS)
    records, steps = _numbers(rng)
    words, wide, units = rng.choice((50, 100, 1000, 15000)), rng.choice((8, 16, 32)), 16
    return Exercise(
        "embedding",
        f"{records:,} {who} of {steps} {unit}, {words:,} different {unit} in all. An embedding "
        f"turns each into {wide} numbers; then come a simple RNN of {units} units and an output "
        "layer of one unit. How many parameters does the network have?",
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
        f"{records:,} {who}, {steps} {unit} each, at every step {what}. A bidirectional "
        f"{WORDS[kind]} of {units} units in each direction is followed by an output layer of one "
        "unit, which sees both directions. How many parameters does the network have?",
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
    "100 patients, 60 seconds each, at every step one voltage. The network is a simple RNN, a GRU "
    "and an LSTM of 16 units each, and an output layer of one unit. How many parameters does it "
    "have?",
    "60x1 > rnn(16,seq) > gru(16,seq) > lstm(16) > dense(1)",
    100,
    60,
)
