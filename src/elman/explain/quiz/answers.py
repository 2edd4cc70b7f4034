"""What a person types as an answer: a number, or the arithmetic that leads to it."""

from __future__ import annotations

import ast
import operator

from elman.errors import DataError

_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
#: Longer than any count by hand, and no number on the way may be larger.
LONGEST, LARGEST = 300, 10**15


def read(text: str) -> int:
    """The number behind an answer such as `2,400` or `3 * ((16 + 32) * 16 + 16) + 48`.

    Args:
        text: a whole number, with or without thousands separators, or + - * and brackets.

    Raises:
        DataError: it is neither.

    >>> read("4,049"), read("4 * ((32 + 16) * 16 + 16)")
    (4049, 3136)
    """
    given = text.strip().replace("\u00d7", "*").replace("x", "*").replace("_", "")
    wrong = DataError(
        f"quiz expected a whole number or its arithmetic, got {text.strip()[:40]!r}. Write e.g. "
        "2,400 or 3 * ((16 + 32) * 16 + 16)."
    )
    plain = given.replace(",", "").replace(" ", "").replace("'", "")
    if plain.isascii() and plain.isdigit() and len(plain) < 16:
        return int(plain)
    if len(given) > LONGEST:
        raise wrong
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
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = -_value(node.operand)
    else:
        raise ValueError("not arithmetic")
    if abs(value) > LARGEST:
        raise ValueError("too large")
    return value
