"""The quiz at a terminal: one question after the other, with the score."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from elman.errors import DataError

if TYPE_CHECKING:
    from elman.explain.quiz import Question, Quiz

#: Answers to one question, before its solution is shown.
TRIES = 3
HELP = "A number or its arithmetic; Enter alone shows the solution, q ends the quiz."


def run(quiz: Quiz, ask: Callable[[str], str] = input, say: Callable[[str], None] = print) -> int:
    """Pose every question, and return how many were right.

    Args:
        quiz: the questions.
        ask: shows a prompt and returns what was typed; `EOFError` ends the quiz.
        say: shows a text.
    """
    say(HELP)
    right = posed = 0
    for number, question in enumerate(quiz, 1):
        say(f"\n{number} of {len(quiz)} - {question.exercise.topic}\n{_folded(question.text)}")
        outcome = _pose(question, ask, say)
        if outcome is None:
            break
        posed += 1
        right += outcome
    say(f"\n{right} of {posed} right." if posed else "\nNo question answered.")
    return right


def _pose(question: Question, ask: Callable[[str], str], say: Callable[[str], None]) -> bool | None:
    """Whether it was answered rightly; None to end the quiz."""
    tries = 0
    while tries < TRIES:
        try:
            typed = ask("> ").strip()
        except EOFError:
            return None
        if typed.lower() in ("q", "quit", "exit"):
            return None
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
