"""From what was read to what the network takes. Learned from training data alone."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

import numpy as np

from elman.data import datasets
from elman.errors import DataError, ShapeError
from elman.ragged import Ragged

Array = np.ndarray[Any, np.dtype[Any]]


class Scale:
    """Measurements with each feature's mean taken off, in units of its standard deviation.

    Attributes:
        center, scale: float64 [features].
    """

    def __init__(self, center: Array, scale: Array) -> None:
        self.center, self.scale = center, scale

    @classmethod
    def learn(cls, found: Array | Ragged) -> Scale:
        """The scale of these sequences, over all their steps."""
        steps = _steps(found)
        scale = steps.std(axis=0)
        # What never changes is taken off, and not divided by its rounding.
        scale[scale <= 1e-12 * np.abs(steps).max(axis=0)] = 1.0
        return cls(steps.mean(axis=0), scale)

    @classmethod
    def none(cls, found: Array | Ragged) -> Scale:
        """Measurements as they are."""
        width = found.shape[-1]
        return cls(np.zeros(width), np.ones(width))

    def apply(self, found: Any, who: str) -> Array | Ragged:
        """Sequences for the network, float32."""
        if isinstance(found, list):
            raise DataError(
                f"{who} expected sequences of numbers as in fit, got texts. Fit it on texts first."
            )
        if found.shape[-1] != len(self.center):
            raise ShapeError(
                f"{who} expected {len(self.center)} features per step as in fit, got "
                f"{found.shape[-1]} (shape {found.shape}). Check the last axis; arrays "
                "[n, channels, steps] need channels_first=True."
            )
        if isinstance(found, Ragged):
            return found.with_values(self._scaled(found.values))
        return self._scaled(found)

    def _scaled(self, values: Array) -> Array:
        return np.ascontiguousarray((values - self.center) / self.scale, np.float32)


class Words:
    """Texts as numbers, by a vocabulary: 0 is padding, 1 a word that training did not have.

    Attributes:
        vocabulary: the word, or the character, of each number.
    """

    def __init__(self, vocabulary: list[str], characters: bool) -> None:
        self.vocabulary, self.characters = vocabulary, characters
        self._number = {word: number for number, word in enumerate(vocabulary)}

    @classmethod
    def learn(cls, texts: list[str], characters: bool, most: int) -> Words:
        """The vocabulary of these texts: so many words at most, the frequent ones first."""
        counts = Counter(chain.from_iterable(_split(text, characters) for text in texts))
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        return cls([*datasets.SPECIAL, *ordered[:most]], characters)

    def apply(self, found: Any, who: str) -> Ragged:
        """Texts for an Embedding, int32."""
        if not isinstance(found, list):
            raise DataError(
                f"{who} expected texts as in fit, got numbers of shape {found.shape}. Pass a list "
                "of strings."
            )
        return Ragged.of(
            [
                np.array([self._number.get(w, 1) for w in _split(text, self.characters)], np.int32)
                for text in found
            ]
        )


def _split(text: str, characters: bool) -> list[str]:
    return list(text) if characters else datasets.words(text)


def _steps(found: Array | Ragged) -> Array:
    """All steps of all sequences, float64 [steps, features]."""
    values = found.values if isinstance(found, Ragged) else found
    steps = values.reshape(-1, values.shape[-1]).astype(np.float64)
    if not len(steps):
        raise DataError("fit expected sequences with steps, got empty ones only. Check the data.")
    return steps
