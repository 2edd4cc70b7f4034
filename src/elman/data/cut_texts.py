"""Texts on disk, cut into tokens once: a vocabulary renumbers them when they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from elman.data.trusting import refused
from elman.ragged import Ragged
from elman.ragged_file import RaggedFile

Array = np.ndarray[Any, np.dtype[Any]]


class CutTexts:
    """Texts as the numbers of their tokens among all tokens there are.

    Args:
        numbers: of each text, int32.
        tokens: the token of each number.
    """

    def __init__(self, numbers: RaggedFile, tokens: Sequence[str]) -> None:
        self.numbers = numbers
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Any) -> CutTexts:
        return CutTexts(self.numbers[rows], self.tokens)

    def counts(self) -> Counter[str]:
        """How often each token is in these texts."""
        found = np.zeros(len(self.tokens), np.int64)
        for _, part in self.numbers.then(Renumbered(np.arange(len(found), dtype=np.int32))).parts():
            found += np.bincount(part, minlength=len(found))
        there = np.flatnonzero(found).tolist()
        return Counter({self.tokens[number]: int(found[number]) for number in there})

    def as_tokens(self, vocabulary: Sequence[str]) -> RaggedFile:
        """The texts by the numbers of a vocabulary; 1 is whatever it lacks."""
        place = {token: number for number, token in enumerate(vocabulary)}
        table = np.array([place.get(token, 1) for token in self.tokens], np.int32)
        return self.numbers.then(Renumbered(table))


class Renumbered:
    """Numbers by other numbers.

    Args:
        table: int32, the new number of each old one.
    """

    def __init__(self, table: Array) -> None:
        self.table = table

    def over(self, values: Ragged) -> Ragged:
        """Sequences as long as these, with the new numbers.

        Raises:
            DataError: a number that the table has no other for: a damaged file.
        """
        old = values.values
        if old.size and not 0 <= old.min() <= old.max() < len(self.table):
            raise refused(f"numbers from {old.min()} to {old.max()} for {len(self.table)} words")
        return values.with_values(self.table[old])
