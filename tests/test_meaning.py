"""Words and their vectors: planted ones whose neighbours are known, and what chance would give."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import elman
from elman import Sequential
from elman.errors import DataError, OptionError, UnknownNameError
from elman.explain.meaning import Meaning, nearest_by_chance
from elman.layers import GRU, Dense, Embedding

#: Two axes that mean something, royal and female, and two that mean nothing to these words.
PLANTED = {
    "king": (1, -1, 0, 0.1),
    "queen": (1, 1, 0.1, 0),
    "man": (-1, -1, 0.1, 0.1),
    "woman": (-1, 1, 0, 0),
    "prince": (0.9, -1.1, 0, 0),
    "apple": (0, 0, 1, -1),
    "pear": (0, 0, 1.1, -0.9),
}


def planted(**options: Any) -> Meaning:
    """What a model with these vectors says; tokens 0 and 1 are padding and unknown words."""
    table = np.array([(9, 9, 9, 9), (1, -1, 0, 0.1), *PLANTED.values()], np.float32)
    model = Sequential([Embedding(len(table), 4, mask_zero=True), GRU(2), Dense(1)])
    model.set_weights([table, *model.get_weights()[1:]])
    return model.embedding(["", "[UNK]", *PLANTED], **options)


# -- words that are near -------------------------------------------------------------------------


def test_neighbours_are_those_that_point_the_same_way() -> None:
    found = planted().neighbours("king", k=2)
    assert found[0].word == "prince"
    vectors = {word: np.array(v) / np.linalg.norm(v) for word, v in PLANTED.items()}
    cosines = {w: vectors["king"] @ v for w, v in vectors.items() if w != "king"}
    assert found.words == sorted(cosines, key=cosines.__getitem__, reverse=True)[:2]
    assert found[0].cosine == pytest.approx(cosines["prince"], abs=1e-6)


def test_length_means_nothing_and_opposites_come_last() -> None:
    found = Meaning(np.array([[1, 0], [100, 1], [0, 2], [-1, 0]], np.float32), list("abcd"))
    assert found.neighbours("a", k=9).words == ["b", "c", "d"]
    assert found.similarity("a", "d") == -1
    assert found.similarity("a", "c") == 0
    assert found.similarity("b", "b") == pytest.approx(1)


def test_padding_and_unknown_words_are_no_words() -> None:
    found = planted()
    assert found.words == list(PLANTED)
    assert "[UNK]" not in found.neighbours("king", k=99).words
    assert "king" in found
    assert "" not in found


def test_an_analogy_is_found_without_the_words_that_ask() -> None:
    found = planted().analogy("king", "man", "woman", k=3)
    assert found.words[0] == "queen"
    assert not {"king", "man", "woman"} & set(found.words)
    assert planted().analogy("man", "king", "queen").words[0] == "woman"


def test_words_are_a_list_or_a_dict() -> None:
    table = np.eye(4, dtype=np.float32)
    by_dict = Meaning(table, {"two": 2, "none": 0, "": 1})
    assert by_dict.words == ["none", "two"]
    np.testing.assert_array_equal(by_dict["two"], table[2])
    np.testing.assert_array_equal(Meaning(table, ["a", "b"])["b"], table[1])


def test_the_vectors_stay_those_of_when_they_were_asked_for() -> None:
    model = Sequential([Embedding(3, 2), GRU(2), Dense(1)])
    found = model.embedding(["a", "b", "c"])
    before = found["b"].copy()
    model.set_weights([w + 1 for w in model.get_weights()])
    np.testing.assert_array_equal(found["b"], before)
    np.testing.assert_array_equal(model.embedding(["a", "b", "c"])["b"], before + 1)


def test_a_vector_of_zeros_is_near_nothing() -> None:
    found = Meaning(np.array([[0, 0], [1, 0], [0, 1]], np.float32), list("abc"))
    assert [n.cosine for n in found.neighbours("a")] == [0, 0]
    assert found.analogy("a", "b", "b", k=1)[0].cosine == 0


# -- counts --------------------------------------------------------------------------------------


def test_rare_words_are_counted_and_left_out_if_asked() -> None:
    counts = dict(zip(PLANTED, (50, 40, 30, 30, 2, 9, 9), strict=True))
    by_word, by_token = planted(counts=counts), planted(counts=[0, 7, *counts.values()])
    np.testing.assert_array_equal(by_word.counts, by_token.counts)
    assert by_word.neighbours("king", k=1)[0].seen == 2
    assert "prince" not in by_word.neighbours("king", k=9, least=3).words
    assert "seen 50 times" in str(by_word.neighbours("king"))
    assert "14% less than 5 times" in repr(by_word)
    np.testing.assert_array_equal(planted(counts={"king": 3}).counts, [3, 0, 0, 0, 0, 0, 0])


# -- chance --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3, 8, 32, 300])
@pytest.mark.parametrize("count", [1, 7, 500])
def test_chance_is_what_random_vectors_give(
    dimension: int, count: int, rng: np.random.Generator
) -> None:
    # By symmetry the word itself may be the first axis; so may the others' first coordinate.
    nearest = []
    for _ in range(400 if count == 500 else 4000):
        others = rng.normal(size=(count, dimension))
        nearest.append(np.max(others[:, 0] / np.linalg.norm(others, axis=1)))
    error = np.std(nearest) / np.sqrt(len(nearest))
    assert abs(nearest_by_chance(count, dimension) - np.mean(nearest)) < 4 * error + 1e-4


def test_nothing_to_choose_from_is_never_near() -> None:
    assert nearest_by_chance(0, 8) == -1
    assert len(Meaning(np.ones((1, 2), np.float32), ["a"]).neighbours("a")) == 0


def test_a_neighbour_no_nearer_than_chance_is_marked(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(400, 10))
    vectors[1] = vectors[0] + 0.1 * rng.normal(size=10)  # of all these one has learned something
    found = Meaning(vectors, [f"w{i}" for i in range(400)])
    near, *others = found.neighbours("w0")
    assert (near.word, near.by_chance) == ("w1", False)
    assert near.cosine > found.chance
    assert all(n.by_chance for n in others)
    assert str(found.neighbours("w0")).count("no nearer than chance") == 4
    # Half of all nearest ones are below the mean, more or less: random words are called random.
    marked = [found.neighbours(f"w{i}", k=1)[0].by_chance for i in range(2, 200)]
    assert 0.3 < np.mean(marked) < 0.8


# -- a map ---------------------------------------------------------------------------------------


def test_the_map_is_the_plane_of_the_largest_spread(rng: np.random.Generator) -> None:
    # Two directions of ten carry a square; all else is faint.
    axes = np.linalg.qr(rng.normal(size=(10, 2)))[0].T
    corners = np.array([[2, 1], [2, -1], [-2, 1], [-2, -1]])
    vectors = corners @ axes + 5.0 + 1e-4 * rng.normal(size=(4, 10))
    found = Meaning(vectors, list("abcd")).map()
    assert found.words == list("abcd")
    apart = np.linalg.norm(found.xy[:, None] - found.xy, axis=-1)
    wanted = np.linalg.norm(corners[:, None] - corners, axis=-1)
    np.testing.assert_allclose(apart, wanted, atol=1e-2)
    np.testing.assert_allclose(found.shares, (0.8, 0.2), atol=1e-3)
    assert "80% of the variance along the first axis" in repr(found)


def test_the_map_shows_the_words_asked_for_or_the_most_frequent() -> None:
    assert planted().map(2).words == ["king", "queen"]
    assert planted(counts={"pear": 9, "man": 3}).map(2).words == ["pear", "man"]
    some = planted().map(["pear", "king"])
    assert some.words == ["pear", "king"]
    everything = planted().map()
    np.testing.assert_array_equal(some.xy[0], everything.xy[everything.words.index("pear")])


def test_labels_cover_neither_each_other_nor_points(rng: np.random.Generator, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    names = [f"a word {i}" for i in range(150)]
    found = Meaning(rng.normal(size=(150, 5)), names).map(150)
    figure = found.plot(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes()[:4] == b"\x89PNG"
    axis = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axis.texts]
    assert 30 < len(boxes) <= 150
    assert not any(box.count_overlaps(boxes[:i]) for i, box in enumerate(boxes))
    points = {n: p for n, p in zip(names, axis.transData.transform(found.xy), strict=True)}
    for text, box in zip(axis.texts, boxes, strict=True):
        others = [p for name, p in points.items() if name != text.get_text()]
        assert not box.count_contains(others)
    missing = len(names) - len(boxes)
    assert f"{missing} of them too close" in axis.get_title("left")


def test_few_words_and_odd_ones_are_drawn_too(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    for vectors, words in (([[1.0, 2.0]], ["$x"]), ([[1.0], [2.0]], ["a_{", ":)"])):
        figure = Meaning(np.array(vectors), words).plot(path=tmp_path / "few.svg")
        assert {text.get_text() for text in figure.axes[0].texts} == set(words)


def test_a_picture_without_matplotlib_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(elman.errors.MissingPackageError, match=r"elman\[plot\]"):
        planted().plot()
    assert planted().map().xy.shape == (7, 2)  # only the picture needs it


# -- what is printed -----------------------------------------------------------------------------


def test_tables_fit_eighty_columns_whatever_the_words() -> None:
    words = ["a" * 70, "b" * 33, "c" * 32, "日本"]
    vectors = np.eye(4) + 0.1
    for counts in (None, [10**6] * 4):
        found = Meaning(vectors, words, counts)
        for shown in (found, found.neighbours(words[0]), found.analogy(*words[:3]), found.map()):
            assert max(map(len, repr(shown).splitlines())) <= 80
    assert f"{found.similarity(*words[2:]):.3f}" in str(found.neighbours("日本"))


# -- what is refused -----------------------------------------------------------------------------


def test_an_unknown_word_suggests_one_that_looks_like_it() -> None:
    with pytest.raises(UnknownNameError, match=r"got 'womn'\. Did you mean 'woman'"):
        planted().neighbours("womn")
    with pytest.raises(UnknownNameError, match="Did you mean 'king'"):
        planted().similarity("pear", "King")
    with pytest.raises(UnknownNameError, match=r"expected a known word, got 'xyzzy'\. Known names"):
        planted().analogy("king", "xyzzy", "queen")


@pytest.mark.parametrize(
    ("words", "counts", "expected"),
    [
        ("king queen", None, "expected a list of words, got the text"),
        (["a", "b", "a"], None, "each word once, got 1 words again"),
        (["a", "b", "c", "d"], None, "words for its 3 tokens, got token 3 for 'd'"),
        ({"a": -1}, None, "got token -1 for 'a'"),
        (["", "[UNK]"], None, "expected words, got none"),
        (["a", "b"], [1], "one count for each token, got shape"),
        (["a", "b"], [1, -2], "whole numbers >= 0"),
        (["a", "b"], [1, 0.5], "whole numbers >= 0"),
    ],
)
def test_words_and_counts_that_do_not_fit_are_refused(words, counts, expected) -> None:
    with pytest.raises((OptionError, DataError), match=expected):
        Meaning(np.eye(3, dtype=np.float32), words, counts)


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="expected k to be a whole number >= 1"):
        planted().neighbours("king", k=0)
    with pytest.raises(OptionError, match="expected counts to leave out rare words"):
        planted().neighbours("king", least=2)
    with pytest.raises(OptionError, match="expected words to be a whole number >= 1"):
        planted().map(0)


def test_a_model_without_an_embedding_says_so() -> None:
    with pytest.raises(OptionError, match="expected an Embedding to read words from, got layers"):
        Sequential([elman.Input((3,)), Dense(1)]).embedding(["a"])
    with pytest.raises(OptionError, match="got layers none"):
        Sequential().embedding(["a"])


def test_an_embedding_has_weights_before_any_data() -> None:
    assert Sequential([Embedding(2, 3)]).embedding(["a", "b"]).dimension == 3


# -- what is learned from little data ------------------------------------------------------------


def test_words_of_feeling_are_told_apart_on_the_bundled_tweets() -> None:
    data = elman.datasets.tweets()
    (x, y), _ = data
    elman.set_random_seed(1)
    model = Sequential([Embedding(len(data.vocabulary), 16, mask_zero=True), GRU(8), Dense(1)])
    model.compile("adam", elman.losses.BinaryCrossentropy(from_logits=True))
    model.fit(x, y, epochs=6, verbose=0)
    counts = np.bincount(x.ravel(), minlength=len(data.vocabulary))
    found = model.embedding(data.vocabulary, counts)
    assert found.similarity("love", "great") > found.chance
    assert found.similarity("love", "hate") < 0
