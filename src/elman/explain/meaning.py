"""What an embedding has learned of words: neighbours, analogies, a map, and what chance would give.

Vectors are compared by the cosine of the angle between them. In few dimensions the nearest of many
random vectors is near as well: `chance` says how near, and what is no nearer is marked.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from elman.errors import DataError, OptionError, unknown_name
from elman.layers import Embedding
from elman.layers.layer import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from elman.models import Model

Array = np.ndarray[Any, np.dtype[Any]]

#: What text vectorizers write in place of padding and of unknown words: no words themselves.
NO_WORDS = ("", "[UNK]")


class Neighbour(NamedTuple):
    """One word that was found.

    Attributes:
        word: the word.
        cosine: its similarity, from -1 to 1.
        seen: how often it was seen; None where that is not known.
        by_chance: whether it is no nearer than the nearest of as many random vectors would be.
    """

    word: str
    cosine: float
    seen: int | None
    by_chance: bool


class Neighbours(list[Neighbour]):
    """The words found, nearest first; prints as a table."""

    def __init__(self, found: Iterable[Neighbour], title: str, chance: float) -> None:
        super().__init__(found)
        self.title = title
        self.chance = chance

    @property
    def words(self) -> list[str]:
        """The words alone."""
        return [found.word for found in self]

    def __repr__(self) -> str:
        counted = any(found.seen is not None for found in self)
        lines = [self.title[:80], f"{'word':<32} {'cosine':>7}{'   seen' if counted else ''}"]
        for word, cosine, seen, by_chance in self:
            shown = word if len(word) <= 32 else f"{word[:31]}…"
            count = f" {seen:>6,}" if seen is not None else ""
            mark = "  no nearer than chance" if by_chance else ""
            lines.append(f"{shown:<32} {cosine:>7.3f}{count}{mark}")
        lines.append(f"The nearest of as many random vectors: {self.chance:.3f}, on average.")
        return "\n".join(lines)


class Meaning:
    """The vectors of words, as they were when this was made. Made by `model.embedding(words)`.

    Args:
        vectors: [V, E], one row for each token.
        words: the word of each token, or a dict from word to token.
        counts: how often each word was seen in training: a dict by word, or one number per token.
        who: how errors name the model.

    Attributes:
        words: every word, in the order of the tokens; padding and "[UNK]" are none.
        vectors: float32 [words, E].
        counts: int [words], or None.

    Raises:
        OptionError: words or counts that do not fit the table.
    """

    def __init__(
        self,
        vectors: Array,
        words: Sequence[str] | Mapping[str, int],
        counts: Mapping[str, int] | Sequence[int] | Array | None = None,
        who: str = "Meaning",
    ) -> None:
        tokens = _tokens(words, len(vectors), who)
        self._who = who
        self.words = list(tokens)
        self.vectors = np.array(vectors[list(tokens.values())], np.float32)
        self.counts = None if counts is None else _counts(counts, tokens, who)
        self._places = {word: place for place, word in enumerate(self.words)}
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        self._unit = self.vectors / np.where(lengths > 0, lengths, 1.0)

    @property
    def dimension(self) -> int:
        """E, the length of a vector."""
        return self.vectors.shape[1]

    @functools.cached_property
    def chance(self) -> float:
        """The cosine to expect between a vector and the nearest of as many random ones."""
        return nearest_by_chance(len(self.words) - 1, self.dimension)

    def __contains__(self, word: object) -> bool:
        return word in self._places

    def __getitem__(self, word: str) -> Array:
        """The vector of a word, float32 [E].

        Raises:
            UnknownNameError: the word has no vector; the message suggests one that looks like it.
        """
        return self.vectors[self._place(word)]

    def similarity(self, a: str, b: str) -> float:
        """The cosine of the angle between two words, from -1 to 1; 0 for a vector of zeros.

        Raises:
            UnknownNameError: a word without a vector.
        """
        return float(self._unit[self._place(a)] @ self._unit[self._place(b)])

    def neighbours(self, word: str, k: int = 5, least: int = 0) -> Neighbours:
        """The words that point the same way.

        Args:
            word: a word.
            k: how many to return.
            least: leave out words seen fewer times than this; needs `counts`.

        Returns:
            `Neighbour`s, nearest first; `print` them for a table.

        Raises:
            UnknownNameError: the word has no vector.
            OptionError: `k` or `least` is no whole number, or `least` without counts.
        """
        seen = "" if self.counts is None else f" (seen {self.counts[self._place(word)]:,} times)"
        return self._nearest(self._unit[self._place(word)], {word}, k, least, f"{word!r}{seen}")

    def analogy(self, a: str, b: str, c: str, k: int = 5, least: int = 0) -> Neighbours:
        """`a` without `b` and with `c`: "king", "man", "woman" asks for "queen".

        The three words themselves are left out, as is usual (Mikolov et al. 2013,
        https://arxiv.org/abs/1301.3781). Without that the answer is often `a`: see `similarity`.

        Args:
            a, b, c: words.
            k: how many to return.
            least: leave out words seen fewer times than this; needs `counts`.

        Raises: as `neighbours`.
        """
        way = self._unit[self._place(a)] - self._unit[self._place(b)] + self._unit[self._place(c)]
        length = np.linalg.norm(way)
        unit = way / length if length > 0 else way
        return self._nearest(unit, {a, b, c}, k, least, f"{a!r} - {b!r} + {c!r}")

    def map(self, words: int | Iterable[str] = 60, path: str | Path | None = None) -> Map:
        """Where words lie in the plane in which the vectors spread most.

        Args:
            words: which words; or how many of the first, which are the most frequent in most
                vocabularies. (With counts: the most frequent.)
            path: where to save the picture (.png, .svg, .pdf).

        Returns:
            a `Map` of positions; `.plot()` draws it.

        Raises:
            UnknownNameError: a word without a vector.
            MissingPackageError: a path is given, and matplotlib is not installed.
        """
        if isinstance(words, int | np.integer):
            count = whole("map", "words", words)
            places = np.arange(len(self.words))
            if self.counts is not None:
                places = np.argsort(-self.counts, kind="stable")
            chosen = places[:count]
        else:
            chosen = np.array([self._place(word) for word in words], int)
        center = self.vectors.mean(axis=0)
        _, sizes, axes = np.linalg.svd(self.vectors - center, full_matrices=False)
        shares = sizes**2 / max(float(np.sum(sizes**2)), 1e-30)
        plane = np.zeros((2, self.dimension), np.float32)
        plane[: min(2, len(axes))] = axes[:2]
        found = Map(
            [self.words[place] for place in chosen],
            (self.vectors[chosen] - center) @ plane.T,
            (float(shares[0]), float(shares[1]) if len(shares) > 1 else 0.0),
        )
        if path is not None:
            found.plot(path)
        return found

    def plot(self, words: int | Iterable[str] = 60, path: str | Path | None = None) -> Figure:
        """The picture of `map`; see there for the arguments.

        Raises:
            MissingPackageError: matplotlib is not installed.
        """
        return self.map(words).plot(path)

    def _place(self, word: str) -> int:
        if word not in self._places:
            raise unknown_name(self._who, "word", word, _like(word, self.words))
        return self._places[word]

    def _nearest(self, way: Array, asked: set[str], k: int, least: int, about: str) -> Neighbours:
        k, least = whole("neighbours", "k", k), whole("neighbours", "least", least, 0)
        open_to = np.ones(len(self.words), bool)
        open_to[[self._place(word) for word in asked]] = False
        if least:
            if self.counts is None:
                raise OptionError(
                    f"{self._who} expected counts to leave out rare words, got none. Call "
                    "model.embedding(words, counts=...)."
                )
            open_to &= self.counts >= least
        places = np.flatnonzero(open_to)
        cosines = self._unit[places] @ way
        chance = nearest_by_chance(len(places), self.dimension)
        found = [
            Neighbour(
                self.words[places[i]],
                float(cosines[i]),
                None if self.counts is None else int(self.counts[places[i]]),
                bool(cosines[i] <= chance),
            )
            for i in np.argsort(-cosines, kind="stable")[:k]
        ]
        title = f"Nearest to {about}, of {len(places):,} words in {self.dimension} dimensions"
        return Neighbours(found, title, chance)

    def __repr__(self) -> str:
        lines = [
            f"Meaning of {len(self.words):,} words in {self.dimension} dimensions",
            f"by chance   {self.chance:.3f}: the nearest of {len(self.words) - 1:,} random vectors",
        ]
        if self.counts is None:
            lines.append("counts      not given: model.embedding(words, counts=...)")
        else:
            rare = np.mean(self.counts < 5) if len(self.counts) else 0.0
            lines.append(
                f"counts      half the words were seen {np.median(self.counts):.0f} times or less, "
                f"{rare:.0%} less than 5 times"
            )
        return "\n".join(lines)


class Map:
    """Words in a plane.

    Attributes:
        words: the words.
        xy: float32 [words, 2], their places.
        shares: how much of the variance of all vectors lies along each of the two axes.
    """

    def __init__(self, words: list[str], xy: Array, shares: tuple[float, float]) -> None:
        self.words = words
        self.xy = xy
        self.shares = shares

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw it. A word that would cover another one is left as a point without a label.

        Args:
            path: where to save the picture (.png, .svg, .pdf) too.

        Returns:
            a `matplotlib.figure.Figure`.

        Raises:
            MissingPackageError: matplotlib is not installed.
        """
        from elman.explain.plot_map import plot_map

        return plot_map(self, path)

    def __repr__(self) -> str:
        one, other = self.shares
        return (
            f"Map of {len(self.words)} words: {one:.0%} of the variance along the first axis, "
            f"{other:.0%} along the second"
        )


def meaning(
    model: Model,
    words: Sequence[str] | Mapping[str, int],
    counts: Mapping[str, int] | Sequence[int] | Array | None = None,
) -> Meaning:
    """See `Model.embedding`."""
    for layer in model.layers:
        if isinstance(layer, Embedding):
            return Meaning(layer.embeddings, words, counts, layer.label)
    raise OptionError(
        f"{model.label} expected an Embedding to read words from, got layers "
        f"{', '.join(layer.name for layer in model.layers) or 'none'}. Begin the model with one."
    )


def nearest_by_chance(count: int, dimension: int) -> float:
    """The expected largest cosine between a vector and `count` random ones.

    The angle between random directions of E dimensions has a density proportional to
    sin(angle)^(E - 2); the largest cosine of n independent ones is below cos(angle) where all n
    angles are above `angle`.

    >>> round(nearest_by_chance(1, 3), 3), round(nearest_by_chance(3000, 16), 2)
    (0.0, 0.76)
    """
    if count < 1:
        return -1.0
    if dimension == 1:  # one of two directions: all are opposite, or one is the same
        return 1.0 - 2.0 * 0.5**count
    angle = np.linspace(0.0, np.pi, 20001)
    with np.errstate(divide="ignore"):
        density = np.exp((dimension - 2) * np.log(np.sin(angle).clip(1e-300)))
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    none_nearer = (1.0 - below / below[-1]) ** count  # that all n angles are above this one
    return float(-np.sum(np.diff(none_nearer) * (np.cos(angle[1:]) + np.cos(angle[:-1])) / 2))


def _tokens(words: Sequence[str] | Mapping[str, int], rows: int, who: str) -> dict[str, int]:
    """Each word's token, in the order of the tokens."""
    if isinstance(words, str):
        raise OptionError(f"{who} expected a list of words, got the text {words!r}. Split it.")
    if isinstance(words, Mapping):
        pairs = sorted(((token, word) for word, token in words.items()), key=lambda pair: pair[0])
    else:
        pairs = list(enumerate(words))
    found = {word: int(token) for token, word in pairs if word not in NO_WORDS}
    repeated = len(pairs) - sum(word in NO_WORDS for _, word in pairs) - len(found)
    if repeated:
        raise OptionError(
            f"{who} expected each word once, got {repeated} words again. Give each token its word."
        )
    outside = {word: token for word, token in found.items() if not 0 <= token < rows}
    if outside:
        word, token = next(iter(outside.items()))
        raise OptionError(
            f"{who} expected words for its {rows} tokens, got token {token} for {word!r}. Give the "
            "vocabulary that the inputs were made with."
        )
    if not found:
        raise OptionError(
            f"{who} expected words, got none. Give the vocabulary, such as data.vocabulary."
        )
    return found


def _counts(
    counts: Mapping[str, int] | Sequence[int] | Array, tokens: dict[str, int], who: str
) -> Array:
    """How often each word was seen, in the order of the words."""
    if isinstance(counts, Mapping):
        found = np.array([counts.get(word, 0) for word in tokens])
    else:
        given = np.asarray(counts)
        if given.ndim != 1 or len(given) <= max(tokens.values()):
            raise OptionError(
                f"{who} expected one count for each token, got shape {given.shape}. Count with "
                "np.bincount(x.ravel(), minlength=input_dim)."
            )
        found = given[list(tokens.values())]
    if found.dtype.kind not in "iuf" or found.min() < 0 or not np.array_equal(found, found // 1):
        raise DataError(f"{who} expected counts that are whole numbers >= 0. Check them.")
    return found.astype(np.int64)


def _like(word: object, words: list[str]) -> list[str]:
    """Words that look like one that is not there; some words at least, to show what there is."""
    import difflib

    near = difflib.get_close_matches(str(word).lower(), words, n=3, cutoff=0.6)
    return near or [*words[:5], "..."]
