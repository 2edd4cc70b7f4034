"""The quiz: its answers, the mistakes it recognises, its sheets and its conversation."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from elman.errors import DataError, ElmanError, OptionError, UnknownNameError
from elman.explain.quiz import PATIENTS, TOPICS, Exercise, Question, exercises, quiz
from elman.explain.quiz.answers import read
from elman.explain.quiz.exercises import CONVENTION
from elman.explain.quiz.mistakes import MISTAKES
from elman.explain.quiz.session import run

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def by_hand(spec: str) -> int:
    """The count of a spec by the formulas of a textbook, knowing nothing of elman."""
    first, *layers = spec.split(" > ")
    inputs, sum_ = int(first.split("x")[-1]), 0
    for layer in layers:
        twice = layer.startswith("bi(")
        name, *numbers = re.findall(r"[a-z]+|\d+", layer.removeprefix("bi("))
        n = int(numbers[0])
        if name == "embedding":
            wide = int(numbers[1])
            sum_, inputs = sum_ + n * wide, wide
            continue
        if name == "dense":
            count = inputs * n + n
        else:
            count = GATES[name] * ((inputs + n) * n + n) + (3 * n if name == "gru" else 0)
        sum_ += count * (2 if twice else 1)
        inputs = n * (2 if twice else 1)
    return sum_


@pytest.mark.parametrize("topic", TOPICS)
def test_every_answer_is_that_of_the_textbook_formula(topic):
    for seed in range(30):
        exercise = exercises.make(topic, random.Random(seed))
        assert Question(exercise).answer == by_hand(exercise.spec), exercise.spec


@pytest.mark.parametrize("topic", TOPICS)
def test_the_story_names_every_number_the_answer_needs(topic):
    spelled = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
    for seed in range(30):
        exercise = exercises.make(topic, random.Random(seed))
        told = {int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", exercise.question)}
        told |= {spelled[w] for w in re.findall(r"[a-z]+", exercise.question) if w in spelled}
        needed = {int(n) for n in re.findall(r"\d+", exercise.spec)}
        assert needed <= told | {1}, exercise


def test_the_hundred_patients_have_the_answer_of_the_course():
    assert Question(PATIENTS).answer == by_hand(PATIENTS.spec) == 288 + 1632 + 2112 + 17


LSTM = Exercise("lstm", "", "60x3 > lstm(16) > dense(1)", 100, 60)
GRU = Exercise("gru", "", "60x3 > gru(16) > dense(1)", 100, 60)
RNN = Exercise("rnn", "", "30x3 > rnn(16) > dense(1)", 100, 30)
WORDS = Exercise("embedding", "", "20 > embedding(1000,8) > rnn(16) > dense(1)", 100, 20)
BOTH = Exercise("bidirectional", "", "60x3 > bi(lstm(16)) > dense(1)", 100, 60)

#: Who counts so, has made this mistake.
WRONG = [
    (LSTM, "4 * (3 + 16) * 16 + 16", ("biases",)),
    (LSTM, "4 * (3 * 16 + 16) + 17", ("recurrent weights",)),
    (LSTM, "4 * ((3 + 16) * 16 + 16)", ("output layer",)),
    (LSTM, "3 * ((3 + 16) * 16 + 16) + 17", ("three gates for an LSTM",)),
    (LSTM, "(3 + 16) * 16 + 16 + 17", ("no gates",)),
    (LSTM, "4 * ((60 + 16) * 16 + 16) + 17", ("length as features",)),
    (LSTM, "4 * ((60 * 3 + 16) * 16 + 16) + 17", ("flattened input",)),
    (LSTM, "60 * 4 * ((3 + 16) * 16 + 16) + 17", ("times the length",)),
    (LSTM, "4 * ((3 + 16) * 16 + 16) + 60 * 16 + 1", ("output sees every step",)),
    (LSTM, "100 * (4 * ((3 + 16) * 16 + 16) + 17)", ("records",)),
    (LSTM, "4 * ((3 + 16) * 16 + 2 * 16) + 17", ("PyTorch's biases",)),
    (LSTM, "4 * (3 + 16) * 16", ("biases", "output layer")),
    (GRU, "3 * ((3 + 16) * 16 + 16) + 17", ("second bias",)),
    (GRU, "4 * ((3 + 16) * 16 + 2 * 16) + 17", ("four gates for a GRU",)),
    (GRU, "2 * ((3 + 16) * 16 + 2 * 16) + 17", ("two gates for a GRU",)),
    (GRU, "3 * ((3 + 16) * 16 + 16)", ("second bias", "output layer")),
    (WORDS, "(8 + 16) * 16 + 16 + 17", ("no embedding",)),
    (WORDS, "20 * 8 + (8 + 16) * 16 + 16 + 17", ("a row per position",)),
    (BOTH, "4 * ((3 + 16) * 16 + 16) + 33", ("one direction",)),
    (BOTH, "8 * ((3 + 16) * 16 + 16) + 17", ("output of one direction",)),
    (PATIENTS, "17*16+16 + 3*(17*16+2*16) + 4*(17*16+16) + 17", ("first input everywhere",)),
]


@pytest.mark.parametrize("exercise, wrong, names", WRONG, ids=lambda v: str(v)[:40])
def test_the_classic_mistakes_are_recognised(exercise, wrong, names):
    check = Question(exercise).check(wrong)
    assert not check.right
    assert check.mistakes == names
    assert f"{check.given:,} is not right." in check.says


def test_every_mistake_of_the_list_is_tried_here():
    assert {name for _, _, names in WRONG for name in names} == {m.name for m in MISTAKES}


def test_an_unknown_mistake_says_how_far_off_it_is():
    question = Question(RNN)
    check = question.check(question.answer + 1000003)
    assert check.mistakes == () and "1,000,003 too many" in check.says


def test_the_right_answer_is_right_in_any_spelling():
    for given in (337, "337", " 337 ", "(3 + 16) * 16 + 16 + 16 + 1", "(3+16)x16+16+17"):
        assert Question(RNN).check(given).right


@pytest.mark.parametrize(
    "text", ["", "abc", "1/2", "2**9999", "__import__('os')", "9" * 400, "(" * 200, "1.5", "{1}",
             "4049,0", "4,04,9", "2 3", "4.049", "9999999999 * 9999999999 * 9999999999",
             "1 if 2 else 3", "²", "True"],
)  # fmt: skip
def test_what_is_no_number_is_refused_kindly(text):
    with pytest.raises(DataError, match="quiz expected"):
        read(text)


@pytest.mark.parametrize("given", [None, True, 336.9, 337.0, float("nan"), [337]])
def test_only_whole_numbers_and_text_are_answers(given):
    with pytest.raises(DataError, match="quiz expected"):
        Question(RNN).check(given)
    assert Question(RNN).check(np.int64(337)).right


@pytest.mark.parametrize(
    "text", ["1,234,567", "1 234 567", "1_234_567", "1'234'567", "1\u202f234\u202f567"]
)
def test_thousands_may_be_separated_also_within_arithmetic(text):
    assert read(text) == 1234567
    assert read(f"{text} + 2 * 1,000") == 1236567


def test_what_the_ledger_writes_and_signs_of_the_hand_are_read():
    for question in quiz(14, seed=3):
        *layers, together = question.solution().replace("\n    ", " ").splitlines()
        assert read(together.split(":")[1].split("=")[0]) == question.answer
        for line, account in zip(layers, question.ledger.layers, strict=True):
            assert line.startswith(account.name) and read(account.numbers) == account.total
    assert read("3\u00b74 + 16\u00b2 + 16^2 + 16**2") == 12 + 3 * 256


def test_the_count_of_one_layer_is_known_as_that():
    lstm = "4 * ((16 + 16) * 16 + 16)"
    assert "That is lstm alone" in Question(PATIENTS).check(lstm).says


def test_a_sheet_says_whose_layers_are_counted():
    assert CONVENTION in quiz(1).sheet() and CONVENTION in converse(quiz(1))[1]


def test_the_same_seed_gives_the_same_sheet_and_another_another():
    assert quiz(6, seed=5).sheet() == quiz(6, seed=5).sheet() != quiz(6, seed=6).sheet()


def test_the_sheet_holds_no_answer_and_the_key_holds_all():
    some = quiz(7, seed=2)
    sheet, key = some.sheet(), some.key()
    for question in some:
        assert question.text in sheet
        assert f"**{question.answer:,}**" in key
        assert f"{question.answer:,}" not in sheet
    assert max(map(len, key.splitlines())) <= 88


def test_difficulty_grows_and_a_topic_can_be_chosen():
    assert [q.exercise.topic for q in quiz(len(TOPICS))] == list(TOPICS)
    assert {q.exercise.topic for q in quiz(5, topic="gru")} == {"gru"}


@pytest.mark.parametrize(
    "options, error",
    [
        ({"count": 0}, OptionError),
        ({"count": 2.5}, OptionError),
        ({"count": "3"}, OptionError),
        ({"seed": 1.5}, OptionError),
        ({"topic": "gnu"}, UnknownNameError),
    ],
)
def test_wrong_options_are_refused(options, error):
    with pytest.raises(error):
        quiz(**options)


def converse(some, *typed):
    """The score and all that was said, for what a person types."""
    answers, said = iter(typed), []

    def ask(_):
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    return run(some, ask, said.append), "\n".join(said)


def test_a_session_keeps_score_explains_and_shows_solutions():
    some = quiz(3, topic="lstm", seed=1)
    first, second, _ = (q.answer for q in some)
    score, said = converse(some, str(first), "what?", str(second + 1), str(second), "", "q")
    assert score == 2
    assert "2 of 3 right." in said
    assert "quiz expected a whole number" in said and "too many" in said
    assert f"The answer is {some[2].answer:,}." in said


def test_a_session_ends_with_the_input():
    score, said = converse(quiz(3))
    assert score == 0 and "No question answered." in said


def test_help_is_given_without_costing_a_try():
    some = quiz(1, topic="rnn")
    score, said = converse(some, "help", "?", "1", "2", str(some[0].answer))
    assert score == 1 and said.count("Enter alone shows the solution") == 3


def test_ctrl_c_still_tells_the_score():
    some, said = quiz(2, topic="rnn"), []
    answers = iter([str(some[0].answer)])

    def ask(_):
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt):
        run(some, ask, said.append)
    assert said[-1].strip() == "1 of 1 right."


def test_three_wrong_answers_show_the_solution():
    some = quiz(1, topic="rnn")
    score, said = converse(some, "1", "2", "3")
    assert score == 0 and f"The answer is {some[0].answer:,}." in said


def test_errors_are_elmans():
    assert issubclass(DataError, ElmanError)
