"""How textbooks and PyTorch count the same layers, and which term differs."""

from __future__ import annotations

from typing import NamedTuple

from elman.explain.ledger import formulas
from elman.explain.ledger.counting import LayerAccount

WHY_TWO = (
    "With reset_after the reset gate is applied after the recurrent product, so that product "
    "needs a bias of its own. It is cuDNN's form: all three recurrent products can be done at "
    "once."
)
WHY_TORCH = "PyTorch keeps a bias for the input and one for the state in every recurrent layer."


class Elsewhere(NamedTuple):
    """Counts of one layer."""

    layer: str
    textbook: int
    elman: int  #: Keras's too
    torch: int
    formula: str  #: the textbook's, with its result
    second: str  #: the second bias in the same form; "" where nobody has one
    second_size: int


def elsewhere(account: LayerAccount) -> Elsewhere:
    """The counts of a layer, all from its own terms."""
    terms = formulas.textbook(account.terms)
    biases: formulas.Terms = {term: n for term, n in terms.items() if len(term) == 1}
    textbook = sum(row.count // row.copies for row in account.rows)
    second = sum(row.count // row.copies for row in account.rows if row.bias and row.gate)
    return Elsewhere(
        account.name,
        textbook,
        account.total,
        textbook + second,
        _equation(terms, account, textbook),
        _equation(biases, account, second) if second else "",
        second,
    )


def _equation(terms: formulas.Terms, account: LayerAccount, result: int) -> str:
    in_numbers = formulas.numbers(terms, account.values)
    known = [] if in_numbers == str(result) else [f"{result:,}"]
    return " = ".join([formulas.symbols(terms), in_numbers, *known])
