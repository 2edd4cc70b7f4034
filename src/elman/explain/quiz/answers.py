"""What a person types as an answer: a number, or the arithmetic that leads to it."""

from __future__ import annotations

import ast
import operator
import re

import numpy as np

from elman.errors import DataError

_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
#: Longer than any count by hand, and no number on the way may be larger.
LONGEST, LARGEST = 300, 10**15
#: The largest exponent: units x units is a square.
HIGHEST = 3
#: Signs that people write, and what Python calls them.
SIGNS = str.maketrans(
    {"\u00d7": "*", "\u00b7": "*", "x": "*", "[": "(", "]": ")", "^": "**", "\u00b2": "**2"}
)
#: Between groups of three digits only, so that 4049,0 is not taken for 40,490.
THOUSANDS = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:[,_'\s][0-9]{3})+(?![0-9.,])")


def read(answer: int | str) -> int:
    """The number behind an answer such as `2,400` or `3 * ((16 + 32) * 16 + 16) + 48`.

    Args:
        answer: a whole number; or text: one with or without thousands separators, or arithmetic
            with + - * ^ and brackets.

    Raises:
        DataError: it is neither.

    >>> read("4,049"), read("4 * [(32 + 16) * 16 + 16]")
    (4049, 3136)
    """
    wrong = DataError(
        f"quiz expected a whole number or its arithmetic, got {str(answer).strip()[:40]!r}. Write "
        "e.g. 2,400 or 3 * ((16 + 32) * 16 + 16)."
    )
    if isinstance(answer, int | np.integer) and not isinstance(answer, bool):
        return int(answer)
    if not isinstance(answer, str):
        raise wrong
    given = answer.strip()
    if len(given) > LONGEST:
        raise wrong
    given = THOUSANDS.sub(lambda found: re.sub("[^0-9]", "", found[0]), given).translate(SIGNS)
    if re.fullmatch("[0-9]{1,15}", given):  # also 017, which Python would not read
        return int(given)
    try:
        value = _value(ast.parse(given, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise wrong from None
    return value


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        value = node.value
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        value = _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        base, exponent = _value(node.left), _value(node.right)
        if not 0 <= exponent <= HIGHEST:
            raise ValueError("no power of a count")
        value = base**exponent
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = -_value(node.operand)
    else:
        raise ValueError("not arithmetic")
    if abs(value) > LARGEST:
        raise ValueError("too large")
    return value
