"""What is at a path, what is to be predicted from it, and why one may think so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from elman.data import arrays, frames, sound_files, stored
from elman.data.corpora import TARGETS
from elman.data.frames import READERS as TABLES
from elman.data.frames import Columns, columns
from elman.data.pieces import Pieces
from elman.data.sequences import Sequences
from elman.data.tables import NUMBERING
from elman.errors import DataError, OptionError
from elman.learning import bundled, time_tables
from elman.learning.reading import LOADERS

#: What the network is to answer. "tag" is an answer at every step.
TASKS = ("classify", "regress", "tag", "forecast")
#: What each loader can be told, in its own words, by the kind of `Sequences`.
OPTIONS = {
    "text": {"column", "target", "group", "time", "tokens", "size", "least", "on_disk"},
    "sound": {
        "column", "target", "group", "features", "rate", "hop", "slice", "trim", "longest",
        "channel", "on_disk",
    },
    "ecg": {
        "target", "group", "cut", "length", "hop", "label", "rate", "source_rate", "rhythm",
        "classes", "annotations", "channels", "on_disk",
    },
    "table": {"target", "group", "time", "sequence", "form", "features", "on_disk"},
    "forecast": {
        "target", "time", "series", "horizon", "window", "season", "covariates", "known",
    },
}  # fmt: skip
KINDS = ("text", "sound", "ecg", "table")
#: Which loader a file is for, by its ending.
ENDINGS = {
    **dict.fromkeys(TABLES, "table"),
    **dict.fromkeys((".npz", ".ts"), "table"),
    **dict.fromkeys(sound_files.ENDINGS, "sound"),
    **dict.fromkeys((".hea", ".edf", ".bdf"), "ecg"),
    ".txt": "text",
}
#: Recordings of more slices than this are cut into longer ones, each some of these (seconds).
LONG, HOP = 1000, 0.01
#: A text column has as many words as this, on average; less are names of something.
WORDS = 2.5
#: A column with no more different values than this may be one of classes.
FEW = 50

#: More classes are refused: there would be an output, and a column of scores, for each.
MOST = 2_000


@dataclass
class Look:
    """Data, and what is believed of them.

    Attributes:
        data: as they were read; not prepared yet.
        task: "classify", "regress", "tag" or "forecast".
        why: (what, in words): what was decided and what for.
        held_out: what to test on, where the data say it themselves.
        name: of the data, for errors.
    """

    data: Sequences
    task: str
    why: list[tuple[str, str]] = field(default_factory=list)
    held_out: Sequences | None = None
    name: str = "the data"


def look(
    source: str,
    *,
    kind: str | None = None,
    task: str = "auto",
    options: Mapping[str, Any] | None = None,
) -> Look:
    """Read what is at a path, after finding out what it is.

    Args:
        source: a file, a folder, or the name of a bundled dataset.
        kind: "text", "sound", "ecg" or "table", where that is known.
        task: "classify", "regress", "tag", "forecast" or "auto".
        options: what else the loader is told, by the names of its own arguments.

    Raises:
        DataError: nothing is there, it is of no known kind, or it has nothing to predict.
        OptionError: an option of another loader.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    path = Path(source)
    if task == "forecast":
        _check_options(given, task)
        data, chosen = time_tables.read(path, given)
        return Look(data, task, chosen)
    held_out = None
    if source in bundled.NAMES and not path.exists():
        _check_none(given, source)
        data, held_out = bundled.load(source)
        why = [("source", "a dataset that elman brings")]
    elif stored.is_stored(path):
        _check_none(given, source)
        data = stored.open(path)
        why = [("kind", f"{data.kind}: as it was stored")]
    else:
        data, why = _read(path, kind, task, given)
    return Look(data, _task(data, task, path.name), why, held_out, path.name)


def _check_none(given: Mapping[str, Any], source: str) -> None:
    for name in given:
        raise OptionError(
            f"train expected no options for data that were read already, got "
            f"--{name.replace('_', '-')} with {source!r}. Leave it out, or name where the data "
            "came from."
        )


def _read(
    path: Path, kind: str | None, task: str, given: dict[str, Any]
) -> tuple[Sequences, list[tuple[str, str]]]:
    """What a loader makes of a path, and why it was that loader, with that target."""
    why: list[tuple[str, str]] = []
    found: Columns | None = None
    is_table = path.suffix.lower() in TABLES
    # A file that is to be read onto disk is larger than memory: its begin tells what it is.
    peek = columns if "on_disk" not in given else _begin
    if kind is None:
        kind, because = _kind(path)
        if kind == "table" and is_table:
            found = peek(path)
            kind, because = _kind_of_table(found, given)
        why.append(("kind", f"{kind}: {because}"))
    elif kind not in KINDS:
        raise OptionError(f"train expected kind to be one of {', '.join(KINDS)}, got {kind!r}.")
    _check_options(given, kind)
    if is_table and kind != "ecg":
        found = peek(path) if found is None else found
        why += _choose_columns(found, given, kind)
    _complete(given, kind, task)
    # Recordings that a table lists lie beside it, and one with a row per sample says its name.
    whole = found if kind in ("text", "table") and "on_disk" not in given else None
    data = LOADERS[kind](path if whole is None else whole, **given)
    half = int(np.median(data.lengths))
    if kind == "sound" and half > LONG and not given.keys() & {"hop", "slice", "on_disk"}:
        # The same seconds in fewer steps, with nothing left out between them.
        step = round(HOP * -(-half // (LONG // 2)), 3)
        data = LOADERS[kind](path, **given, hop=step, slice=max(step, 0.025))
        why.append(("hop", f"of {HOP:g} s there would be {half:,} steps (--hop chooses)"))
    return data, why


def _begin(path: Path) -> Columns:
    """The first rows of a table."""
    frames.check_file(path)
    return next(iter(Pieces(path)))


def _check_options(given: Mapping[str, Any], kind: str) -> None:
    for name in given:
        if name not in OPTIONS[kind]:
            of = [other for other, names in OPTIONS.items() if name in names]
            other = f"--{'task' if of[0] == 'forecast' else 'kind'} {of[0]}"
            hint = "" if kind == "forecast" else f", or say {other}"
            raise OptionError(
                f"train expected options for {kind}, got --{name.replace('_', '-')}, which is for "
                f"{' and '.join(of)}. Leave it out{hint}."
            )


def _complete(given: dict[str, Any], kind: str, task: str) -> None:
    """Options as the loader takes them, from what was typed."""
    if kind == "sound":
        given.setdefault("features", "mfcc")
    if kind == "table" and "features" in given:
        given["features"] = _listed(given["features"])
    if "channels" in given:
        given["channels"] = _listed(given["channels"])
    if kind == "ecg" and task == "tag":
        given.setdefault("label", "step")
    if "classes" in given:
        given["classes"] = _labels_by_class(given["classes"])
    if kind in ("text", "table"):
        given["task"] = "auto" if task == "tag" else task


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _labels_by_class(text: str) -> str | dict[str, str]:
    """What "narrow=NL,wide=VR" says; one word, such as "aami", as it is."""
    if "=" not in text:
        return text
    pairs = [part.partition("=") for part in text.split(",")]
    return {name.strip(): labels.strip() for name, _, labels in pairs}


# -- which kind -----------------------------------------------------------------------------------


def _kind(path: Path) -> tuple[str, str]:
    """The kind of a file or folder, and why it is that."""
    if not path.exists():
        if path.suffix == "" and path.with_suffix(".hea").is_file():
            return "ecg", "a WFDB record"
        beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        near = get_close_matches(path.name, [*bundled.NAMES, *beside], 1, cutoff=0.75)
        hint = f"Did you mean {near[0]!r}?" if near else "Check the path."
        raise DataError(
            f"train expected a file, a folder or one of {', '.join(bundled.NAMES)}, got nothing "
            f"at {str(path)!r}. {hint}"
        )
    if path.is_dir():
        counts = Counter(
            kind
            for one in path.rglob("*")
            if (kind := ENDINGS.get(one.suffix.lower())) and not one.name.startswith(".")
        )
        # A folder of tables is one of records: each is a recording, a row per sample.
        kinds = Counter({"ecg" if kind == "table" else kind: n for kind, n in counts.items()})
        if not kinds:
            raise DataError(
                f"train expected files ending in {', '.join(ENDINGS)} in the folder {str(path)!r}, "
                "got none. Put the files of each class into a folder of its own."
            )
        (kind, most), *others = kinds.most_common()
        if others and others[0][1] * 2 > most:
            raise DataError(
                f"train expected files of one kind in the folder {str(path)!r}, got "
                f"{', '.join(f'{n} of {one}' for one, n in kinds.items())}. Choose with --kind."
            )
        return kind, f"a folder with {most:,} files of it"
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(
            f"train expected a file that ends in {', '.join(ENDINGS)}, got {path.name!r}. Give it "
            "the ending of what it holds."
        )
    if ENDINGS[ending] == "sound":
        raise DataError(
            f"train expected many recordings, got the single one {path.name!r}. Name the folder "
            "that has a folder of recordings for each class."
        )
    if ending == ".npz" and not _has_sequences(path):
        return "ecg", "it has a recording in each array"
    return ENDINGS[ending], f"its name ends in {ending}"


def _has_sequences(path: Path) -> bool:
    """Whether an NPZ file has an array of sequences; one that cannot be read is for its loader."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return any(name.lower() in arrays.VALUES for name in stored.files)
    except arrays.BROKEN:
        return True


def _kind_of_table(found: Columns, given: Mapping[str, Any]) -> tuple[str, str]:
    """What the rows of a table are: texts, paths of recordings, or numbers."""
    for option, kind in (("sequence", "table"), ("tokens", "text"), ("cut", "ecg")):
        if option in given:
            return kind, f"--{option} says so"
    if (paths := _paths(found)) is not None:
        return "sound", f"column {paths!r} has paths of recordings"
    if "column" in given:
        return "text", "--column says so"
    longest = _longest(found, given)
    if longest is not None and (words := _words(found, longest)) > WORDS:
        return "text", f"column {longest!r} has {words:.0f} words a row"
    if any(found.has_lists(name) for name in found.names):
        return "table", "its cells are lists of numbers"
    return "table", "each row is a sequence, each cell a step (if each row is a step: --sequence)"


def _paths(found: Columns) -> str | None:
    """The first column of paths of recordings."""
    for name in found.names:
        if all(str(value).lower().endswith(sound_files.ENDINGS) for value in found[name]):
            return name
    return None


def _longest(found: Columns, given: Mapping[str, Any]) -> str | None:
    """The column with the most words a row, but for that of targets."""
    words = {name: _words(found, name) for name in found.names if name != given.get("target")}
    return max(words, key=lambda name: words[name]) if any(words.values()) else None


def _words(found: Columns, name: str) -> float:
    """How many words a cell has, on average; 0 for numbers."""
    if found[name].dtype != object or found.has_lists(name) or found.is_numeric(name):
        return 0.0
    return float(np.mean([len(str(value).split()) for value in found[name]]))


# -- what to predict ------------------------------------------------------------------------------


def _choose_columns(found: Columns, given: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    """Put the columns of texts, paths and targets into `given`, and say why it is that target."""
    if kind != "table":
        given.setdefault("column", _longest(found, given) if kind == "text" else _paths(found))
    if "target" in given:
        _ = found[given["target"]]  # raises where there is none
        return [("target", f"column {given['target']!r}: --target says so")]
    taken = {given.get(option) for option in ("column", "group", "time", "sequence")}
    rest = [n for n in found.names if n not in taken and n.lower() not in NUMBERING]
    called = [name for name in rest if name.lower() in TARGETS]
    if len(called) == 1:
        because = "the name says so"
    elif len(rest) == 1 and kind != "table":
        called, because = rest, "the only other one"
    else:
        called = [name for name in rest if _is_classes(found, name)]
        because = "the only one of a few different words"
    if len(called) != 1:
        raise DataError(
            f"train expected a column to predict in {found.where}, got "
            f"{'several that may be it' if called else 'none that is called ' + TARGETS[0]} among "
            f"{', '.join(map(repr, found.names[:20]))}. Name it: --target {(called or rest)[-1]}"
        )
    given["target"] = called[0]
    return [("target", f"column {called[0]!r}: {because}")]


def _is_classes(found: Columns, name: str) -> bool:
    """Whether a column has words, the same ones in many rows."""
    if found.is_numeric(name) or found.has_lists(name) or _words(found, name) > WORDS:
        return False
    different = len({str(value) for value in found[name]})
    return 2 <= different <= min(FEW, found.rows / 2)


def _task(data: Sequences, task: str, name: str) -> str:
    """What is to be done with these targets."""
    if data.targets is None:
        raise DataError(
            f"train expected something to predict in {name!r}, got no targets. Name their column "
            "with --target, put each class into a folder of its own, or predict what comes next: "
            "--task forecast."
        )
    if data.names and not 2 <= len(data.names) <= MOST:
        got, so = f"{len(data.names):,}", "Give rare ones one name"
        if len(data.names) == 1:
            got, so = f"{data.names[0]!r} alone", "Bring another one"
        raise DataError(
            f"train expected 2 to {MOST:,} classes in {name!r}, got {got}. {so}, or choose "
            "another --target."
        )
    found = "tag" if data.by_step else "classify" if data.names else "regress"
    if task in ("auto", found):
        return found
    if task == "regress" and data.by_step and not data.names:
        return "tag"
    has = {"tag": "at every step", "classify": "of classes", "regress": "of numbers"}
    raise DataError(
        f"train expected targets {has.get(task, task)} for --task {task}, got targets "
        f"{has[found]} in {name!r}. Choose --task {found}, or another --target."
    )
