"""The bundled datasets as what a loader returns, with the part that they hold out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from elman.data import datasets
from elman.data.hearing import Hearing
from elman.data.preparing import Preparation
from elman.data.sequences import Sequences
from elman.data.steps import Fill, Scale, Tokens

#: Their names on the command line, and the kind of each.
NAMES: dict[str, tuple[Callable[[], datasets.Dataset], str]] = {
    "tweets": (datasets.tweets, "text"),
    "voices": (datasets.voices, "sound"),
    "ecg-beats": (datasets.ecg_beats, "ecg"),
    "digits": (datasets.digits, "sound"),
}

#: How they were read, where that is known, so that a model of them can be asked about new data. The
#: voices are the first 60 slices of each prompt, what is quiet at its ends left out.
READ: dict[str, tuple[tuple[str, Any], ...]] = {
    "tweets": (("tokens", "words"),),
    "voices": tuple(
        Hearing("basic", 8000, 0.025, 0.025, 40, 13, trim=-50, longest=1.5).to_dict().items()
    ),
}


def load(name: str) -> tuple[Sequences, Sequences]:
    """What to train on, and what was held out. Both are prepared already."""
    make, kind = NAMES[name]
    stored = make()
    first: Tokens | Scale
    if kind == "text":
        first = Tokens("words", tuple(stored.vocabulary))
    else:
        first = Scale(tuple(stored.center.tolist()), tuple(stored.scale.tolist()))
    prepared = Preparation(
        kind,
        (first,) if kind == "text" else (first, Fill()),
        stored.names,
        () if kind == "text" else stored.feature_names,
        () if kind == "text" else stored.units,
        columns=READ.get(name, ()),
    )
    parts = []
    for x, y in stored:
        real = np.asarray(x != 0 if x.ndim == 2 else x.any(axis=2))
        # A step in the middle may be zero in all features; behind the last other one is padding.
        lengths = x.shape[1] - real[:, ::-1].argmax(axis=1)
        parts.append(
            Sequences(
                [row[:steps] for row, steps in zip(x, lengths, strict=True)],
                np.asarray(y, np.int32),
                kind=kind,
                names=stored.names,
                feature_names=prepared.feature_names,
                units=prepared.units,
                vocabulary=stored.vocabulary or None,
                about=stored.about,
                prepared=prepared,
            )
        )
    return parts[0], parts[1]
