"""The folder that holds sequences on disk: what is in it, and how it is opened.

    sequences.json   what they are: kind, names, units, how they are prepared
    values.npy       the steps, float32 [steps, features] or int32 [steps]
    begins.npy       int64 [n]: the step at which each sequence begins
    lengths.npy      int64 [n]: how many steps it has
    targets.npy      [n], [n, k], or of every step of each sequence, one after the other
    groups.npy, times.npy, ids.npy   [n], where there are some

Nothing in it is code, and nothing is believed that was not checked.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data.cut_texts import CutTexts
from elman.data.preparing import Preparation
from elman.data.steps import Tokens
from elman.data.trusting import check_keys, check_numbers, refused, word, words
from elman.errors import DataError, FileError, ShapeError
from elman.ragged import Ragged
from elman.ragged_file import RaggedFile, StepsFile

if TYPE_CHECKING:
    from elman.data.sequences import Sequences

Array = np.ndarray[Any, np.dtype[Any]]

ABOUT, VALUES, BEGINS, LENGTHS, TARGETS, IDS = (
    "sequences.json", "values.npy", "begins.npy", "lengths.npy", "targets.npy", "ids.npy",
)  # fmt: skip
#: What each array beside the values may be of, by NumPy's letters.
BESIDE = {
    BEGINS: "i", LENGTHS: "i", TARGETS: "if", "groups.npy": "biufUM", "times.npy": "iufM",
    IDS: "iuU",
}  # fmt: skip
#: Bytes before the values. A header of fixed length can be written when their number is known.
HEADER = 128
VERSION = 1
KINDS = ("text", "sound", "ecg", "table")
WORDS = ("names", "feature_names", "units")


def open(folder: str | os.PathLike[str]) -> Sequences:
    """Sequences that were stored in a folder. Their values stay there, and are read when used.

    Args:
        folder: what `Sequences.store` or a loader with `on_disk` wrote.

    Raises:
        FileError: it is no such folder, or something in it is damaged.

    Example:
        >>> import tempfile
        >>> made = Sequences([np.ones((2, 1)), np.ones((3, 1))], [0.5, 1.5], kind="table")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(made.store(f"{folder}/some"), open(f"{folder}/some").lengths)
        <Sequences of table: 2 of 2 to 3 steps, numbers as targets> [2 3]
    """
    place = Path(folder)
    about = place / ABOUT
    if not about.is_file():
        got = "a folder without it" if place.is_dir() else "no such folder"
        raise FileError(
            f"data.open expected a folder with {ABOUT}, got {got}: '{place}'. Name one that "
            "Sequences.store or a loader with on_disk wrote."
        )
    try:
        return _opened(place, json.loads(about.read_bytes()))
    except (DataError, ShapeError, OSError, ValueError, TypeError, RecursionError) as error:
        raise FileError(
            f"data.open expected sequences as elman stores them, got others in '{place}' "
            f"({str(error)[:300]}). Store them anew from where they came from."
        ) from error


def is_stored(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds stored sequences."""
    return (Path(folder) / ABOUT).is_file()


def described(data: Sequences) -> dict[str, Any]:
    """What is known of sequences as a whole, as JSON can hold it."""
    prepared, values = data.prepared, data.values
    raw = data.raw if isinstance(data.raw, CutTexts) else None
    later = values.later if isinstance(values, RaggedFile) and raw is None else ()
    return {
        "version": VERSION,
        "kind": data.kind,
        **{name: list(getattr(data, name)) for name in WORDS},
        "step": None if data.step is None else float(data.step),
        "rate": None if data.rate is None else float(data.rate),
        "about": data.about,
        "vocabulary": data.vocabulary,
        "prepared": None if prepared is None else prepared.to_dict(),
        "provisional": prepared is not None and prepared.provisional,
        # How many of the steps of the preparation are for when the values are read.
        "later": len(later),
        "tokens": None if raw is None else list(raw.tokens),
        "by_step": data.by_step,
    }


def beside(data: Sequences, values: RaggedFile) -> dict[str, Array | Ragged]:
    """What is known of each sequence, by the file that it is kept in."""
    found: dict[str, Any] = {BEGINS: values.begins, LENGTHS: values.lengths, TARGETS: data.targets}
    for name in ("groups", "times", "ids"):
        given = getattr(data, name)
        text = given is not None and given.dtype.kind in "OS"
        found[f"{name}.npy"] = given.astype(str) if text else given
    return {name: array for name, array in found.items() if array is not None}


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The first `HEADER` bytes of a .npy file."""
    told = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    length = HEADER - 10  # behind the magic word, the version and this length
    begin = b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little")
    return begin + told.ljust(length - 1).encode() + b"\n"


def _opened(place: Path, about: Any) -> Sequences:
    from elman.data.sequences import Sequences

    if not isinstance(about, dict) or about.get("version") != VERSION:
        raise refused("another version, which a newer elman may open")
    needed = {
        "version", "kind", *WORDS, "step", "rate", "about", "vocabulary", "prepared", "provisional",
        "later", "tokens", "by_step",
    }  # fmt: skip
    check_keys(about, needed, needed)
    if about["kind"] not in KINDS:
        raise refused("another kind")
    for name in ("step", "rate"):
        if about[name] is not None:
            check_numbers([about[name]], f"a {name}")
    prepared = None if about["prepared"] is None else Preparation.from_dict(about["prepared"])
    if prepared is not None and about["provisional"] is True:
        prepared = replace(prepared, provisional=True)
    source = _steps(place / VALUES)
    wanted = (np.int32, 1) if about["kind"] == "text" else (np.float32, 2)
    if (source.dtype, len(source.shape)) != wanted:
        raise refused(f"values of type {source.dtype} and shape {source.shape}")
    arrays: dict[str, Any] = {
        name: _array(place / name) for name in BESIDE if (place / name).exists()
    }
    for name, array in arrays.items():
        if array.dtype.kind not in BESIDE[name]:
            raise refused(f"{name} of type {array.dtype}")
    if BEGINS not in arrays or LENGTHS not in arrays:
        raise refused(f"no {BEGINS} or no {LENGTHS}")
    begins, lengths = arrays.pop(BEGINS), arrays.pop(LENGTHS)
    right = begins.dtype == lengths.dtype == np.int64 and begins.shape == lengths.shape
    if not right or begins.ndim != 1 or (len(begins) and not _within(begins, lengths, len(source))):
        raise refused(f"{BEGINS} and {LENGTHS} that do not fit {VALUES}")
    values: Any = RaggedFile(source, begins, lengths)
    raw, targets = None, arrays.pop(TARGETS, None)
    if about["tokens"] is not None:
        first = prepared.steps[0] if prepared is not None and prepared.steps else None
        if not isinstance(first, Tokens):
            raise refused("texts without the vocabulary that they are read by")
        raw = CutTexts(values, words(about["tokens"], "tokens"))
        values = raw.as_tokens(first.vocabulary)
    elif about["later"]:
        steps = () if prepared is None else prepared.steps
        if type(about["later"]) is not int or not 0 < about["later"] <= len(steps):
            raise refused("more to be done than the preparation has steps")
        values = values.then(*steps[-about["later"] :])
    if about["by_step"] is True:
        if targets is None or len(targets) != lengths.sum():
            raise refused("another number of targets than of steps")
        targets = RaggedFile(_steps(place / TARGETS), np.cumsum(lengths) - lengths, lengths)
    more: dict[str, Any] = {name: words(about[name], name) for name in WORDS}
    more |= {name.removesuffix(".npy"): array for name, array in arrays.items()}
    return Sequences(
        values,
        targets,
        kind=about["kind"],
        **more,
        step=about["step"],
        rate=about["rate"],
        vocabulary=None if about["vocabulary"] is None else words(about["vocabulary"], "words"),
        about=word(about["about"], "a sentence"),
        prepared=prepared,
        raw=raw,
    )


def _within(begins: Array, lengths: Array, steps: int) -> bool:
    return bool(begins.min() >= 0 and lengths.min() >= 0 and (begins <= steps - lengths).all())


def _array(path: Path) -> Array:
    """A small array, copied only once it was looked at."""
    return np.array(_looked_at(path))


def _steps(path: Path) -> StepsFile:
    found = _looked_at(path)
    return StepsFile(path, found.dtype, found.shape, found.offset)


def _looked_at(path: Path) -> np.memmap[Any, Any]:
    """What a .npy file holds, without objects, if it is as long as it says."""
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    if path.stat().st_size != found.offset + found.nbytes or not found.flags.c_contiguous:
        raise refused(f"{path.name} of another length or order than it says")
    return found
