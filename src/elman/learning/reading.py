"""New data, read as those were that a model was trained on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from elman.data.arrays import read_npz
from elman.data.delimited import decoded
from elman.data.forecasts import forecast
from elman.data.frames import check_file
from elman.data.preparing import Preparation
from elman.data.records import ecg
from elman.data.sequences import Sequences
from elman.data.sounds import audio
from elman.data.tables import table
from elman.data.texts import text
from elman.errors import DataError, NotReadyError
from elman.learning import bundled
from elman.models import Model

#: The loader of each kind of `Sequences`.
LOADERS: Mapping[str, Callable[..., Sequences]] = {
    "ecg": ecg,
    "forecast": forecast,
    "sound": audio,
    "table": table,
    "text": text,
}
#: No column is called so.
NOWHERE = "\0"
#: The source that is standard input.
STANDARD_INPUT = "-"


def read(model: Model, source: str, who: str, targets: bool = False) -> Sequences:
    """What is at a path, as the model takes it.

    Args:
        model: its `prepared` says how. Without one, the arrays of an .npz file are taken as they
            are.
        source: a file or folder; "-" for texts from standard input, one in each line; or the name
            of a bundled dataset, for what it holds out.
        who: the command, for the errors.
        targets: whether targets are wanted. If not, what stands in their place does not matter:
            other classes, none, or no such column; and forecasts are of what comes after the end.

    Raises:
        NotReadyError: the model does not know how its data were prepared.
        DataError: the data cannot be read in this way, or have no targets that are wanted.
        FileError: a file is missing or is not what its name says.
    """
    if is_bundled(source):
        data = _bundled(model, source, who)
    elif reads(model.prepared, source):
        assert model.prepared is not None
        data = _by_preparation(model.prepared, source, who, targets)
    else:
        data = _arrays(model, source, who)
    if targets and data.targets is None:
        raise DataError(
            f"{who} expected targets in {source!r}, to compare with what the model says, got none. "
            f"{_how_to_bring_targets(model.prepared)}, or use elman predict."
        )
    return data


def _how_to_bring_targets(prepared: Preparation | None) -> str:
    column = "y" if prepared is None else dict(prepared.columns).get("target")
    if column:
        return f"Add {'an array' if prepared is None else 'a column'} {column!r}"
    if prepared is not None and prepared.kind == "ecg":
        return "Put the annotations beside the records"
    return "Put each class into a folder of its own"


def to_inspect(model: Model, source: str) -> Sequences | None:
    """The same for `elman inspect`, with targets; None of arrays, which it reads by itself."""
    if is_bundled(source):  # padded, as others want them, unless the model knows better
        return None if model.prepared is None else _bundled(model, source, "inspect")
    if reads(model.prepared, source):
        return read(model, source, "inspect", targets=True)
    if Path(source).exists():
        _check_arrays(model, source, "inspect")
    return None


def is_bundled(source: str) -> bool:
    """Whether this is the name of a dataset that elman brings, and of no file."""
    return source in bundled.NAMES and not Path(source).exists()


def _bundled(model: Model, source: str, who: str) -> Sequences:
    """What a bundled dataset holds out, for a model that was trained on the rest."""
    _, held_out = bundled.load(source)
    assert held_out.prepared is not None
    if model.prepared is not None and model.prepared.steps != held_out.prepared.steps:
        raise DataError(
            f"{who} expected data like those that the model was trained on, got {source!r}, which "
            f"are prepared in another way. Train a model on them: elman train {source}."
        )
    return held_out.with_values(
        held_out.values, ids=[f"{source}, row {row}" for row in range(len(held_out))]
    )


def reads(prepared: Preparation | None, source: str) -> bool:
    """Whether a preparation says how to read this; texts and sounds are no arrays."""
    is_arrays = Path(source).suffix.lower() == ".npz"
    return prepared is not None and not (is_arrays and prepared.kind in ("text", "sound"))


def _by_preparation(prepared: Preparation, source: str, who: str, targets: bool) -> Sequences:
    if prepared.kind not in LOADERS:
        raise DataError(
            f"{who} expected a model of {', '.join(LOADERS)}, got one of {prepared.kind[:80]!r}. A "
            "newer elman may know it."
        )
    if prepared.kind in ("sound", "ecg") and not prepared.columns:
        raise DataError(
            f"{who} expected a model that knows how its recordings became numbers, got one of "
            "numbers: a dataset that elman brings. Name that dataset in place of recordings, or "
            "train a model on recordings."
        )
    if source == STANDARD_INPUT and prepared.kind != "text":
        raise DataError(
            f"{who} expected a file or folder, got standard input (-), from which only texts are "
            f"read. The model is one of {prepared.kind}."
        )
    load = LOADERS[prepared.kind]
    loose = _loose_texts(source, who) if prepared.kind == "text" else {}
    if loose:
        data = load(list(loose.values()), prepared=prepared)
        data = data.with_values(data.values, ids=list(loose))
    elif prepared.kind == "forecast":
        data = load(there(source, who), prepared=prepared, upcoming=not targets)
    else:
        asked = prepared if targets else _without_targets(prepared)
        data = load(there(source, who), prepared=asked)
    if targets:
        return data
    return data.with_values(data.values, targets=None, names=prepared.names, prepared=prepared)


def there(source: str, who: str) -> str:
    """The path, if something is there."""
    path = Path(source)
    # A record of WFDB goes by its name without an ending.
    if not path.exists() and not path.with_suffix(".hea").exists():
        raise DataError(f"{who} expected a file or folder, got nothing at {source!r}. Check it.")
    return source


def _without_targets(prepared: Preparation) -> Preparation:
    """The same, of data whose targets nobody asks for."""
    told = dict(prepared.columns)
    if prepared.kind == "ecg":  # its column of labels is no channel, and has to be known as that
        told["label"] = told.get("label") if told.get("cut") == "beats" else None
    else:
        told["target"] = NOWHERE
    if prepared.kind == "table":  # what only a split asks for
        told["sequence"], told["group"] = told.get("sequence") or told.get("group"), None
        if told.get("form") == "wide":
            told["sequence"] = told["time"] = None
    return replace(prepared, names=(), columns=tuple(told.items()))


def _loose_texts(source: str, who: str) -> dict[str, str]:
    """Texts without classes by where they are from: standard input, or a folder; else none."""
    if source == STANDARD_INPUT:
        lines = decoded(sys.stdin.buffer.read(), "standard input").splitlines()
        found = {f"line {number}": line for number, line in enumerate(lines, 1) if line.strip()}
        if not found:
            raise DataError(f"{who} expected a text in each line of standard input, got none.")
        return found
    paths = sorted(Path(source).glob("*.txt")) if Path(source).is_dir() else []
    found = {path.name: decoded(path.read_bytes(), path.name) for path in paths}
    for name, one in found.items():
        if not one.strip():
            raise DataError(f"{who} expected a text, got the empty file {name}. Remove it.")
    return found


def _check_arrays(model: Model, source: str, who: str) -> None:
    if Path(source).suffix.lower() != ".npz":
        raise NotReadyError(
            f"{who} expected an .npz file, or a model that knows how its data were prepared, got "
            f"{source!r} and {model.label}, which does not. Write what it takes with "
            "numpy.savez('data.npz', x=x); or train with elman train, or with fit on "
            "elman.data.Sequences, and save with elman."
        )


def _arrays(model: Model, source: str, who: str) -> Sequences:
    """The arrays of an .npz file, as they are."""
    _check_arrays(model, source, who)
    path = Path(source)
    check_file(path)
    values, targets, more = read_npz(path)
    kind = "text" if model.tokens[0] else "table"
    return Sequences(
        values,
        targets,
        kind=kind,
        ids=[f"{path.name}, row {row}" for row in range(len(values))],
        **more,
    )


def where(data: Sequences) -> list[str]:
    """Where each sequence comes from, in words."""
    if data.ids is None:
        return [f"row {row}" for row in range(len(data))]
    return [str(one) for one in np.asarray(data.ids).tolist()]
