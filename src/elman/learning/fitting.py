"""Splits without leakage, trains, and keeps the best weights, also after Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elman.callbacks import Callback, EarlyStopping
from elman.data.preparing import Preparation
from elman.data.sequences import Sequences
from elman.data.splitting import way
from elman.errors import DataError, OptionError
from elman.learning.choosing import Settings
from elman.learning.judging import targets_of
from elman.learning.looking import Look
from elman.learning.network import numbers_of, to_units
from elman.learning.reading import LOADERS, there
from elman.models import Sequential
from elman.ragged import Ragged

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Parts:
    """What is trained on, what decides when to stop, and what nothing is decided by.

    Attributes:
        by: how they were split, in words.
        notes: what a reader should know of the split.
    """

    train: Sequences
    valid: Sequences
    test: Sequences
    by: str
    notes: list[str] = field(default_factory=list)


@dataclass
class Fitted:
    """A trained network.

    Attributes:
        history: loss and metrics by epoch.
        best: the epoch whose weights it has, counted from 1; 0 where none was finished.
        seconds: time in `fit`.
        stopped: whether Ctrl-C ended it.
    """

    model: Sequential
    history: dict[str, list[float]]
    best: int
    seconds: float
    stopped: bool


def split(found: Look, valid: float, test: float | str, by: str = "auto", seed: int = 0) -> Parts:
    """Deal the sequences, so that nothing of the one part is in the other.

    Args:
        found: the data; where they hold a part out themselves, that is the test.
        valid: the share of all sequences that decides when to stop.
        test: the share that is held out to the end; or a file or folder to test on instead.
        by: "group", "time", "random", or "auto": the first of these that the data allow.
        seed: which of the possible splits.

    Raises:
        DataError: too few sequences for three parts.
    """
    data, held_out = found.data, found.held_out
    shares = valid if held_out is not None or isinstance(test, str) else (valid, test)
    if found.task == "classify" and np.bincount(targets_of(data)).max(initial=0) < 2:
        raise DataError(
            f"train expected classes that several sequences share in {found.name!r}, got another "
            f"one for each of {len(data):,}. Bring more of each, or choose another --target."
        )
    parts = list(data.split(shares, by=by, seed=seed))
    what = _how(data, way(data, by))
    prepared = parts[0].prepared
    assert prepared is not None
    if isinstance(test, str):
        parts.append(_others(data, prepared, test))
        what += f"; those to test are {test}"
    elif held_out is not None:
        parts.append(prepared(held_out))
        what += "; those to test are set apart by the data themselves"
    return Parts(parts[0], parts[1], parts[2], what, _notes(parts))


def _others(data: Sequences, prepared: Preparation, source: str) -> Sequences:
    """What is at another path, read and prepared as these data are."""
    found = LOADERS[data.kind](there(source, "train"), prepared=prepared)
    if found.targets is None or found.by_step != data.by_step:
        raise DataError(
            f"train expected targets in {source!r} as in the data to train on, got "
            f"{'none' if found.targets is None else 'others'}. Hold out a share: --test 0.2."
        )
    return found


def equal_texts(data: Sequences) -> bool:
    """Whether the groups are no more than texts that are there twice."""
    return data.kind == "text" and data.groups is not None and data.groups.dtype.kind == "i"


def _how(data: Sequences, by: str) -> str:
    """A way to split in words."""
    if by == "time":
        return "by time: the latest are held out"
    if by == "group" and data.groups is not None:
        if equal_texts(data):
            return "at random, equal texts together"
        return f"by group: each of {len(np.unique(data.groups)):,} stays whole"
    return "at random, each class in proportion" if data.names else "at random"


def _notes(parts: Sequence[Sequences]) -> list[str]:
    """Classes that a part lacks, and that therefore cannot be learned, or are not judged."""
    if not parts[0].names:
        return []
    counts = np.array([np.bincount(targets_of(p), minlength=p.classes) for p in parts])
    names = np.array(parts[0].names)
    found = []
    for lacks, so in (
        (counts[0] == 0, "no example to train on: the network will never answer it"),
        ((counts[0] > 0) & (counts[2] == 0), "no example to test on: how well it is told apart "
         "is not known"),
    ):  # fmt: skip
        found += [f"class {name!r} has {so}" for name in names[lacks][:5].tolist()]
        if lacks.sum() > 5:
            found.append(f"so have {lacks.sum() - 5} more classes")
    if (counts[0] > 0).sum() < 2:
        raise DataError(
            f"train expected at least two classes to train on, got {_listed(names[counts[0] > 0])} "
            "alone. Bring more data, hold out less, or split at random: --by random."
        )
    return found


def _listed(names: Array) -> str:
    shown = ", ".join(repr(str(name)) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def fit(
    model: Sequential,
    parts: Parts,
    settings: Settings,
    balanced: bool = False,
    watchers: Sequence[Callback] = (),
) -> Fitted:
    """Train a network on the first part, and stop when the second gets no better.

    Ctrl-C ends it too; it then has the best weights so far.

    Args:
        model: what `network.build` returned.
        parts: what `split` returned.
        settings: what `choose` returned.
        balanced: whether each class counts as much as any other, however rare.
        watchers: callbacks, such as a progress bar.

    Raises:
        DivergedError: a loss is not finite.
    """
    prepared = parts.train.prepared
    as_they_are = bool(parts.train.names) or (prepared is not None and prepared.restores)
    given, valid = parts.train, parts.valid
    if not as_they_are:
        given, valid, (center, scale) = _scaled(given, valid)
    stopper = EarlyStopping(patience=settings.patience, restore_best_weights=True)
    began, stopped = time.perf_counter(), False
    try:
        model.fit(
            given,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            verbose=1 if watchers else 0,
            callbacks=[stopper, *watchers],
            validation_data=valid,
            class_weight=_weights(parts.train) if balanced else None,
        )
    except KeyboardInterrupt:
        stopped = True  # the best weights are back already
    seconds = time.perf_counter() - began
    best = stopper.best_epoch + 1 if stopper.best_weights is not None else 0
    history = model.history.history if model.history is not None else {}
    if not as_they_are:
        to_units(model, center, scale)
    return Fitted(model, history, best, seconds, stopped)


def _scaled(train: Sequences, valid: Sequences) -> tuple[Sequences, Sequences, tuple[Array, Array]]:
    """Targets that are numbers at mean 0 and deviation 1, by those of the training part."""
    numbers = numbers_of(train).astype(np.float64)
    center, scale = numbers.mean(axis=0), numbers.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)

    def changed(part: Sequences) -> Sequences:
        found = ((numbers_of(part) - center) / scale).astype(np.float32)
        targets = part.targets
        return part.with_values(
            part.values,
            targets=targets.with_values(found) if isinstance(targets, Ragged) else found,
        )

    return changed(train), changed(valid), (center, scale)


def _weights(data: Sequences) -> dict[int, float]:
    """A weight for each class, so that all count the same; 1 on average."""
    if not data.names:
        raise OptionError("train expected classes for --balanced, got numbers. Leave it out.")
    counts = np.bincount(targets_of(data), minlength=data.classes)
    present = np.maximum(counts, 1) * (counts > 0).sum()
    return {place: float(counts.sum() / n) for place, n in enumerate(present)}
