"""The bundled datasets: what they hold, how they are split, and what padding looks like."""

from __future__ import annotations

import subprocess
import sys
import wave
import zlib

import numpy as np
import pytest

from elman.data import datasets
from elman.errors import DataError, OptionError, UnknownNameError

EVERY = {
    "tweets": datasets.tweets,
    "voices": datasets.voices,
    "two-voices": lambda: datasets.voices(languages=("it", "ru")),
    "ecg_beats": datasets.ecg_beats,
    "digits": datasets.digits,
}


@pytest.fixture(scope="module", params=list(EVERY))
def data(request):
    return EVERY[request.param]()


def test_every_dataset_unpacks_as_kerass_datasets_do(data):
    (x_train, y_train), (x_test, y_test) = data
    assert x_train is data.x_train and y_train is data.y_train
    assert x_test is data.x_test and y_test is data.y_test


def test_every_dataset_has_matching_shapes_and_types(data):
    for x, y in data:
        assert x.dtype == (np.int32 if data.name == "tweets" else np.float32)
        assert y.dtype == np.int32
        assert len(x) == len(y) > 0
        assert x.shape[1:] == data.x_train.shape[1:]
        assert np.isfinite(x).all()


def test_every_class_has_a_name_and_occurs_in_both_parts(data):
    for _, y in data:
        np.testing.assert_array_equal(np.unique(y), np.arange(len(data.names)))


def test_every_dataset_says_what_it_is_and_under_which_terms(data):
    features = 1 if data.x_train.ndim == 2 else data.x_train.shape[2]
    assert len(data.feature_names) == len(data.units) == features
    assert data.center.shape == data.scale.shape == (features,)
    assert len(data.about) > 80
    assert data.licence and data.step
    assert data.name in repr(data)


@pytest.mark.parametrize(
    ("name", "rows", "test_majority"),
    [
        ("tweets", 3362, 0.671),
        ("voices", 2743, 0.211),
        ("two-voices", 1127, 0.509),
        ("ecg_beats", 499, 0.667),
        ("digits", 3000, 0.10),
    ],
)
def test_rows_and_class_shares_are_those_of_the_source(name, rows, test_majority):
    data = EVERY[name]()
    assert len(data.y_train) + len(data.y_test) == rows
    # Where a hash decides what is held out, the shares differ a little from split to split.
    shares = np.bincount(data.y_test) / len(data.y_test)
    assert shares.max() == pytest.approx(test_majority, abs=0.015)


@pytest.mark.parametrize("name", ["tweets", "voices", "two-voices", "digits"])
def test_about_a_fifth_is_held_out(name):
    data = EVERY[name]()
    assert 0.18 < len(data.y_test) / (len(data.y_test) + len(data.y_train)) < 0.22


@pytest.mark.parametrize("name", ["voices", "two-voices", "digits", "ecg_beats"])
def test_a_masked_step_is_always_padding_and_padding_always_masked(name):
    data = EVERY[name]()
    stored = {
        "voices": ("voices3.npz", "len"),
        "two-voices": ("voices3.npz", "len"),
        "digits": ("fsdd16.npz", "lengths"),
    }
    for x, _ in data:
        real = x.any(axis=2)
        assert (np.diff(real.astype(int), axis=1) <= 0).all(), "a real step follows padding"
    lengths = np.concatenate([x.any(axis=2).sum(1) for x, _ in data])
    if name == "ecg_beats":
        assert (lengths == 84).all()
        return
    file, key = stored[name]
    with np.load(datasets.path(file)) as arrays:
        expected = arrays[key]
        if name == "two-voices":
            expected = expected[arrays["y"] >= 3]
    np.testing.assert_array_equal(np.sort(lengths), np.sort(expected))


def test_a_step_that_is_average_in_every_feature_is_not_mistaken_for_padding():
    sequences = [np.array([[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]), np.array([[1.0, 3.0]])]
    x, center, _ = datasets._standardised(sequences, np.array([False, False]))
    np.testing.assert_array_equal(center, [1, 3])
    np.testing.assert_array_equal(x.any(axis=2), [[True, True, True], [True, False, False]])
    assert np.abs(x[1, 0]).max() < 1e-6


@pytest.mark.parametrize("name", ["voices", "two-voices", "digits", "ecg_beats"])
def test_only_the_training_part_is_used_to_standardise(name):
    data = EVERY[name]()
    steps = data.x_train[data.x_train.any(axis=2)].astype(np.float64)
    np.testing.assert_allclose(steps.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(steps.std(0), 1, atol=1e-4)


def test_center_and_scale_lead_back_to_what_was_measured():
    data = datasets.ecg_beats()
    with np.load(datasets.path("ecg_beats.npz")) as stored:
        millivolt = stored["millivolt"]
    found = np.concatenate([data.x_train, data.x_test])[:, :, 0] * data.scale + data.center
    np.testing.assert_allclose(found, millivolt, atol=1e-5)
    hertz = datasets.voices().x_train * datasets.voices().scale + datasets.voices().center
    assert hertz[..., 0].min() >= 0 - 1e-2 and hertz[..., 0].max() <= 4000 + 1e-2


# -- text


def test_held_out_texts_are_those_whose_hash_is_a_multiple_of_five():
    data = datasets.tweets()
    assert all(zlib.crc32(text.encode()) % 5 == 0 for text in data.texts_test)
    assert all(zlib.crc32(text.encode()) % 5 != 0 for text in data.texts_train)
    assert not set(data.texts_train) & set(data.texts_test)


def test_the_vocabulary_is_learned_from_the_training_texts_alone():
    data = datasets.tweets()
    assert data.vocabulary[:2] == ["", "[UNK]"]
    assert len(set(data.vocabulary)) == len(data.vocabulary)
    in_training = {word for text in data.texts_train for word in datasets.words(text)}
    assert set(data.vocabulary[2:]) <= in_training
    assert max(data.x_train.max(), data.x_test.max()) < len(data.vocabulary)
    # Some words are only in the test part, and rare ones are unknown in training, too.
    assert (data.x_test == 1).any() and (data.x_train == 1).any()


def test_tokens_spell_the_text_they_came_from():
    data = datasets.tweets()
    for text, row in zip(data.texts_test[:50], data.x_test[:50], strict=True):
        spelled = [data.vocabulary[token] for token in row if token]
        words = datasets.words(text)
        assert len(spelled) == len(words)
        assert all(a in (b, "[UNK]") for a, b in zip(spelled, words, strict=True))


def test_html_entities_are_unescaped():
    data = datasets.tweets()
    texts = data.texts_train + data.texts_test
    assert not [text for text in texts if "&amp;" in text or "&lt;" in text]
    assert [text for text in texts if "&" in text]


def test_words_keep_apostrophes_and_punctuation_but_not_case():
    assert datasets.words("I DON'T like_it :( so 2 BAD!!!") == [
        *("i", "don't", "like", "it", ":(", "so", "2", "bad", "!!!")
    ]
    assert datasets.words("don\N{RIGHT SINGLE QUOTATION MARK}t") == ["don't"]
    assert datasets.words("  ") == []


def test_new_texts_can_be_encoded():
    vocabulary = ["", "[UNK]", "good", "day"]
    x = datasets.encode(["Good day", "day of days", ""], vocabulary)
    assert x.dtype == np.int32
    np.testing.assert_array_equal(x, [[2, 3, 0], [3, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(
        datasets.encode(["good good day"], vocabulary, length=2), [[2, 2]]
    )
    assert datasets.encode([], vocabulary).shape == (0, 1)


def test_a_length_below_one_is_refused():
    with pytest.raises(OptionError, match="at least 1, got 0"):
        datasets.encode(["a"], ["", "[UNK]"], length=0)


# -- voices


def test_all_voices_of_one_prompt_are_on_the_same_side():
    with np.load(datasets.path("voices3.npz")) as stored:
        order = sorted(range(len(stored["y"])), key=lambda row: str(stored["prompt"][row]))
        prompts, y = stored["prompt"][order], stored["y"][order]
    data = datasets.voices()
    test = np.array([zlib.crc32(str(prompt).encode()) % 5 == 0 for prompt in prompts])
    np.testing.assert_array_equal(data.y_test, y[test])
    np.testing.assert_array_equal(data.y_train, y[~test])


def test_the_last_fifth_of_the_training_rows_has_all_voices_in_like_shares():
    y = datasets.voices().y_train
    first, last = np.split(y, [len(y) * 4 // 5])
    shares = [np.bincount(part, minlength=5) / len(part) for part in (first, last)]
    np.testing.assert_allclose(*shares, atol=0.05)


def test_languages_number_the_classes_in_the_order_given():
    forth, back = datasets.voices(("it", "ru")), datasets.voices(["ru", "it"])
    assert forth.names == ("it", "ru") and back.names == ("ru", "it")
    np.testing.assert_array_equal(forth.y_test, 1 - back.y_test)
    np.testing.assert_array_equal(forth.x_test, back.x_test)


@pytest.mark.parametrize(
    ("languages", "nearest"), [(("it", "rus"), "ru"), ("Italian", "it"), (["en", "sp"], None)]
)
def test_an_unknown_language_is_refused_with_the_known_ones_and_the_nearest(languages, nearest):
    with pytest.raises(UnknownNameError, match="'en', 'es', 'fr', 'it', 'ru'") as refused:
        datasets.voices(languages)
    if nearest:
        assert f"Did you mean {nearest!r}?" in str(refused.value)
    else:
        assert "Did you mean" not in str(refused.value)


@pytest.mark.parametrize("languages", ["it", ("it",), (), ("it", "it", "ru")])
def test_fewer_than_two_different_languages_are_refused(languages):
    with pytest.raises(OptionError, match="at least two different languages"):
        datasets.voices(languages)


def test_only_speakers_are_claimed_not_languages():
    assert "not languages in general" in datasets.voices().about
    assert "not from a cardiologist" in datasets.ecg_beats().about
    assert "TF-IDF" in datasets.tweets().about
    assert "same speakers are in both parts" in datasets.digits().about


# -- files


def test_the_bundled_files_stay_under_two_and_a_half_megabytes():
    sizes = [file.stat().st_size for file in datasets.FOLDER.rglob("*") if file.is_file()]
    assert len(sizes) > 10
    assert sum(sizes) < 2.5e6


def test_every_bundled_file_is_named_in_the_notices():
    notices = datasets.path("NOTICES").read_text()
    for file in datasets.FOLDER.rglob("*"):
        if file.is_file() and file.suffix != ".wav" and file.name != "NOTICES":
            assert file.name in notices
    for folder in {file.parent.name for file in datasets.FOLDER.rglob("*.wav")}:
        assert f"wav/{folder}" in notices


def test_raw_recordings_are_8_khz_16_bit_mono():
    with wave.open(str(datasets.path("wav/it/h-16.wav"))) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (8000, 2, 1)
        assert sound.getnframes() > 4000


def test_an_unknown_file_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'wav/it/h-16\.wav'"):
        datasets.path("wav/it/h16.wav")


def test_an_incomplete_installation_is_named_as_such(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "FOLDER", tmp_path)
    with pytest.raises(DataError, match="install elman again"):
        datasets.digits()


def test_importing_elman_does_not_read_the_datasets():
    code = "import sys, elman; print('elman.data.datasets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
