"""The quiz at a terminal: one question after the other, with the score."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from elman.errors import DataError
from elman.explain.quiz.exercises import CONVENTION

if TYPE_CHECKING:
    from elman.explain.quiz import Question, Quiz

#: Answers to one question, before its solution is shown.
TRIES = 3
HELP = "A number or its arithmetic; Enter alone shows the solution, q ends the quiz."
WORDS_FOR_HELP = ("help", "h", "?")
WORDS_FOR_END = ("q", "quit", "exit")


def run(quiz: Quiz, ask: Callable[[str], str] = input, say: Callable[[str], None] = print) -> int:
    """Pose every question, and return how many were right.

    Args:
        quiz: the questions.
        ask: shows a prompt and returns what was typed; `EOFError` ends the quiz.
        say: shows a text.

    Raises:
        KeyboardInterrupt: Ctrl-C; the score is said first.
    """
    say(f"{CONVENTION}\n{HELP}")
    right = posed = 0
    for number, question in enumerate(quiz, 1):
        say(f"\n{number} of {len(quiz)} - {question.exercise.topic}\n{_folded(question.text)}")
        try:
            outcome = _pose(question, ask, say)
        except KeyboardInterrupt:
            say(_score(right, posed))
            raise
        if outcome is None:
            break
        posed += 1
        right += outcome
    say(_score(right, posed))
    return right


def _score(right: int, posed: int) -> str:
    return f"\n{right} of {posed} right." if posed else "\nNo question answered."


def _pose(question: Question, ask: Callable[[str], str], say: Callable[[str], None]) -> bool | None:
    """Whether it was answered rightly; None to end the quiz."""
    tries = 0
    while tries < TRIES:
        try:
            typed = ask("> ").strip()
        except EOFError:
            return None
        if typed.lower() in WORDS_FOR_END:
            return None
        if typed.lower() in WORDS_FOR_HELP:
            say(HELP)
            continue
        if not typed:
            break
        try:
            check = question.check(typed)
        except DataError as error:
            say(_folded(str(error)))
            continue
        tries += 1
        say(_folded(check.says))
        if check.right:
            say(question.solution())
            return True
    say(f"The answer is {question.answer:,}.\n{question.solution()}")
    return False


def _folded(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 78)
