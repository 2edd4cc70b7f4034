"""Sums of products in letters, written as a textbook writes them: `4 * [(F + H) * H + H]`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

#: The letters of a product's factors; digits stand for themselves.
Term = tuple[str, ...]
#: How often each product occurs.
Terms = Mapping[Term, int]


def symbols(terms: Terms) -> str:
    """The formula in letters.

    >>> symbols({("F", "H"): 4, ("H", "H"): 4, ("H",): 4})
    '4 * [(F + H) * H + H]'
    """
    return expression(terms, lambda letter: letter)


def numbers(terms: Terms, values: Mapping[str, int]) -> str:
    """The formula with the values of its letters.

    >>> numbers({("F", "H"): 4, ("H", "H"): 4, ("H",): 4}, {"F": 32, "H": 16})
    '4 * [(32 + 16) * 16 + 16]'
    """
    return expression(terms, lambda letter: str(values.get(letter, letter)))


def expression(terms: Terms, text: Callable[[str], str]) -> str:
    """The formula, each letter as `text` writes it: common factors once, equal parts together."""
    if not terms:
        return "0"
    often = math.gcd(*terms.values())
    left = {term: count // often for term, count in terms.items()}
    parts: list[str] = []
    while left:
        term, count = next(iter(left.items()))
        alike = [t for t, n in left.items() if _matrix(t) and t[-1] == term[-1] and n == count == 1]
        if _matrix(term) and len(alike) > 1:
            parts.append(f"({' + '.join(text(t[0]) for t in alike)}) * {text(term[-1])}")
        else:
            alike = [term]
            factors = [*([str(count)] if count > 1 else []), *map(text, term)]
            parts.append(" * ".join(factors))
        for done in alike:
            del left[done]
    inner = " + ".join(parts)
    if often == 1:
        return inner
    return f"{often} * [{inner}]" if len(parts) > 1 else f"{often} * {inner}"


def textbook(terms: Terms) -> Counter[Term]:
    """The same with each vector once: without the digit that says how many there are."""
    found: Counter[Term] = Counter()
    for term, count in terms.items():
        found[term[1:] if term[0].isdigit() and len(term) == 2 else term] += count
    return found


def _matrix(term: Term) -> bool:
    return len(term) == 2 and not any(letter.isdigit() for letter in term)
