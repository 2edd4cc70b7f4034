"""The quiz: exercises in counting parameters, checked, explained, and solved by the ledger.

>>> from elman.explain.quiz import quiz
>>> print(quiz(count=1, seed=3).sheet())
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from elman.errors import OptionError
from elman.explain.quiz import exercises
from elman.explain.quiz.answers import read
from elman.explain.quiz.exercises import CONVENTION, PATIENTS, TOPICS, Exercise
from elman.explain.quiz.mistakes import recognise
from elman.layers.layer import whole

if TYPE_CHECKING:
    from elman.explain.ledger import Ledger

#: Of a line of a solution: a key indents it by four within 80.
WIDTH = 76

__all__ = ["PATIENTS", "TOPICS", "Check", "Exercise", "Question", "Quiz", "quiz"]


@dataclass(frozen=True)
class Check:
    """What became of an answer.

    Attributes:
        right: whether it was right.
        given: the number that was given.
        answer: the right one.
        mistakes: names of the classic mistakes that lead to the number given; none if unknown.
        says: the verdict in words.
    """

    right: bool
    given: int
    answer: int
    mistakes: tuple[str, ...]
    says: str


class Question:
    """An exercise with its answer.

    Attributes:
        exercise: the story and the spec of its network.
    """

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise

    @cached_property
    def ledger(self) -> Ledger:
        """The worked solution."""
        from elman.explain.ledger.ledger import ledger

        return ledger(self.exercise.spec)

    @property
    def text(self) -> str:
        """The question."""
        return self.exercise.question

    @property
    def answer(self) -> int:
        """The right number."""
        return self.ledger.total

    def check(self, given: int | str) -> Check:
        """Judge an answer, and recognise the mistake behind a wrong one.

        Args:
            given: a whole number, or text such as "2,400" or "3 * ((16 + 32) * 16 + 16) + 48".

        Raises:
            DataError: it is neither a whole number nor arithmetic.
        """
        number = read(given)
        if number == self.answer:
            return Check(True, number, self.answer, (), f"{number:,} is right.")
        found = recognise(self.exercise, self.ledger.layers, number)
        reasons = " ".join(m.says for m in found)
        if not found:
            alone = [a.name for a in self.ledger.layers if a.total == number]
            reasons = f"It is {abs(number - self.answer):,} too {_side(number, self.answer)}."
            if alone:
                reasons = f"That is {alone[0]} alone: the network has other layers too."
        return Check(
            False, number, self.answer, tuple(m.name for m in found),
            f"{number:,} is not right. {reasons}",
        )  # fmt: skip

    def solution(self) -> str:
        """The worked solution: each layer's formula with its numbers, and the sum."""
        accounts = self.ledger.layers
        lines = [f"{a.name}: {a.symbols} = {a.numbers} = {a.total:,}" for a in accounts]
        parts = " + ".join(f"{a.total:,}" for a in accounts)
        lines.append(f"together: {parts} = {self.answer:,}")
        return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in lines)


def _side(number: int, answer: int) -> str:
    return "many" if number > answer else "few"


class Quiz:
    """Exercises in growing difficulty, the same for the same seed.

    Attributes:
        questions: in order.
        seed: what they were drawn with.
    """

    def __init__(self, questions: list[Question], seed: int) -> None:
        self.questions = questions
        self.seed = seed

    def __len__(self) -> int:
        return len(self.questions)

    def __iter__(self) -> Iterator[Question]:
        return iter(self.questions)

    def __getitem__(self, index: int) -> Question:
        return self.questions[index]

    def sheet(self) -> str:
        """The exercises in Markdown, to print and hand out."""
        lines = [f"# How many parameters? (sheet {self.seed})", "", CONVENTION, ""]
        for number, question in enumerate(self, 1):
            lines += [f"{number}. {question.text}", "", "    Answer: ____________", ""]
        return "\n".join(lines)

    def key(self) -> str:
        """The answers in Markdown, with their worked solutions."""
        lines = [f"# Key to sheet {self.seed}", ""]
        for number, question in enumerate(self, 1):
            lines += [f"{number}. **{question.answer:,}** - `{question.exercise.spec}`", ""]
            lines += [f"    {line}" for line in question.solution().splitlines()]
            lines.append("")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Quiz of {len(self)} exercises, seed {self.seed}>"


def quiz(count: int = 8, seed: int = 0, topic: str | None = None) -> Quiz:
    """Exercises in counting parameters.

    Args:
        count: how many.
        seed: the same seed gives the same exercises.
        topic: one of `TOPICS` for all of them; from easy to hard where None.

    Raises:
        OptionError: fewer than one exercise, or a count or a seed that is no whole number.
        UnknownNameError: there is no such topic.
    """
    count = whole("quiz", "count", count)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise OptionError(f"quiz expected a whole number as seed, got {seed!r}. Use e.g. 0.")
    topics = exercises.course(count)
    rng = random.Random(seed)
    return Quiz([Question(exercises.make(topic or t, rng)) for t in topics], seed)
