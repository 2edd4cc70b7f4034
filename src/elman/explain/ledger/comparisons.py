"""What the same would cost without recurrence, and without an embedding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from elman.explain.ledger import formulas
from elman.explain.ledger.counting import LayerAccount
from elman.layers import Dense


class Flattened(NamedTuple):
    """A dense layer of the same size on all steps at once, beside the first recurrent layer."""

    layer: str
    units: int
    steps: int
    features: int
    recurrent: int  #: parameters
    dense: int
    dense_longer: int  #: with twice as many steps
    formula: str


class OneHot(NamedTuple):
    """Words as rows of zeros with a single one, beside an embedding's table."""

    layer: str
    words: int
    steps: int
    sentences: int
    vector: int  #: length of an embedded word
    numbers: int  #: in the one-hot input
    table: int  #: in the table
    indices: int  #: in the input of the embedding


def flattened(accounts: Iterable[LayerAccount], steps: int) -> Flattened | None:
    """The comparison, if a layer is recurrent."""
    account = next((a for a in accounts if a.recurrent), None)
    if account is None:
        return None
    features, units = account.input_shape[-1], account.output_shape[-1]
    assert features is not None and units is not None
    dense, longer = (LayerAccount(Dense(units), (None, n * steps * features)) for n in (1, 2))
    in_letters = formulas.expression(dense.terms, lambda c: "T * F" if c == "F" else c)
    in_numbers = formulas.expression(
        dense.terms, lambda c: f"{steps} * {features}" if c == "F" else str(dense.values[c])
    )
    return Flattened(
        account.name, units, steps, features,
        account.total, dense.total, longer.total, f"{in_letters} = {in_numbers}",
    )  # fmt: skip


def one_hot(accounts: Iterable[LayerAccount], steps: int, sentences: int) -> OneHot | None:
    """The comparison, if a layer looks up rows of a table."""
    for account in accounts:
        for row in account.rows:
            if row.table:
                words, vector = row.shape
                indices = steps * sentences
                return OneHot(
                    account.name, words, steps, sentences, vector,
                    words * indices, row.count, indices,
                )  # fmt: skip
    return None
