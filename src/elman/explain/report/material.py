"""The data a report is about, and what is known of them: names, words, units, time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.sequences import Sequences
from elman.data.steps import Fill, Scale
from elman.errors import DataError, FileError, OptionError, nearest
from elman.ragged import Ragged

Array = np.ndarray[Any, np.dtype[Any]]

#: The bundled datasets, by the names of their functions.
BUNDLED = ("tweets", "voices", "ecg_beats", "digits")
#: What an .npz file may hold.
NEEDED, KNOWN = ("x", "y"), ("names", "words", "feature_names", "units", "step", "about")


@dataclass
class Material:
    """Rows to show a model, as arrays, and the words for what is in them.

    Attributes:
        x, y: inputs and targets, as `fit` takes them.
        title: what the data are called.
        about: what they are, in a sentence or two.
        names: the name of each class, or of each number of the output.
        words: the word of each token.
        feature_names, units: of each feature of a step.
        center, scale: measured = x * scale + center, for each feature.
        step: what one step is, such as "25 ms of sound".
        seconds: how long a step is; None where it has no length.
        majority: accuracy of the most frequent class of the training rows, where it is known.
    """

    x: Any
    y: Any
    title: str = "data"
    about: str = ""
    names: tuple[str, ...] = ()
    words: dict[int, str] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    center: Array | float = 0.0
    scale: Array | float = 1.0
    step: str = ""
    seconds: float | None = None
    majority: float | None = None

    def word(self, token: int) -> str:
        """The word of a token, or its number."""
        return self.words.get(token) or f"#{token}"

    def feature(self, number: int) -> str:
        """The name of a feature, with its unit."""
        name = f"feature {number}"
        if number < len(self.feature_names):
            name = self.feature_names[number]
        unit = self.units[number] if number < len(self.units) else ""
        return f"{name} ({unit})" if unit not in ("", "none") else name

    def time(self, step: int) -> str:
        """When a step is, in seconds or by its number."""
        return f"step {step}" if self.seconds is None else f"{step * self.seconds:.3f} s"


def material(
    x: Any,
    y: Any = None,
    *,
    names: Iterable[str] | None = None,
    words: Iterable[str] | Mapping[Any, Any] | None = None,
    feature_names: Iterable[str] | None = None,
    units: Iterable[str] | None = None,
    step: str | float | None = None,
    title: str = "data",
    about: str = "",
) -> Material:
    """Data as `Model.report` is given them; what `Sequences` know need not be said.

    Raises:
        OptionError: a step that has no length, or a text where a list of words is due.
    """
    for option, value in (("names", names), ("words", words), ("feature_names", feature_names)):
        if isinstance(value, str):
            raise OptionError(f"report expected a list of {option}, got the text {value!r}.")
    number = step is not None and not isinstance(step, str)
    if number and not float(step) > 0:  # type: ignore[arg-type]
        raise OptionError(
            f"report expected step, the seconds from one to the next, to be above 0, got {step!r}. "
            "Use e.g. 1 / 100 for 100 steps a second."
        )
    told: dict[str, Any] = {
        "about": about,
        "names": tuple(map(str, names or ())),
        "words": _words(words),
        "feature_names": tuple(map(str, feature_names or ())),
        "units": tuple(map(str, units or ())),
        "step": "" if step is None or number else str(step),
        "seconds": float(step) if number else _seconds(str(step or "")),  # type: ignore[arg-type]
    }
    if not isinstance(x, Sequences):
        return Material(x, y, title, **told)
    known = of_sequences(x, title)
    return replace(known, **{name: value for name, value in told.items() if value})


def of_sequences(data: Sequences, title: str = "data") -> Material:
    """What `elman.data.Sequences` know of themselves."""
    targets = data.targets
    if isinstance(targets, Ragged):
        targets = targets.padded()
    center, scale = _measured(data)
    return Material(
        data.model_inputs,
        targets,
        title,
        data.about,
        data.names,
        _words(data.vocabulary),
        data.feature_names,
        data.units,
        center,
        scale,
        seconds=data.step,
    )


def _measured(data: Sequences) -> tuple[Array | float, Array | float]:
    """What leads back from prepared values to measured ones: they were scaled, and filled."""
    steps = () if data.prepared is None else data.prepared.steps
    if [step.kind for step in steps] != [Scale.kind, Fill.kind]:
        return 0.0, 1.0
    first = steps[0]
    assert isinstance(first, Scale)
    marks = data.features - len(first.center)  # of features that lack some; they are not scaled
    return np.array([*first.center, *[0.0] * marks]), np.array([*first.scale, *[1.0] * marks])


def read(data: str) -> Material:
    """Data as `elman inspect` is given them: an .npz file, or the name of a bundled dataset.

    Raises:
        FileError: no such file, or not one with arrays x and y.
    """
    name = data.replace("-", "_")
    if name in BUNDLED:
        return _bundled(name)
    path = Path(data)
    if path.suffix != ".npz" and not path.exists():
        near = nearest(name, BUNDLED)
        hint = f"Did you mean {near!r}?" if near else "Give the path of an .npz file."
        raise FileError(
            f"inspect expected an .npz file or one of {', '.join(BUNDLED)}, got {data!r}. {hint}"
        )
    return _file(path)


def _file(path: Path) -> Material:
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {key: stored[key] for key in stored if key in (*NEEDED, *KNOWN)}
            there = list(stored)
    except Exception as error:  # zip, zlib, NumPy and the disk each have their own
        raise FileError(
            f"inspect expected an .npz file of arrays, got '{path}': {error}. Write it with "
            "numpy.savez(path, x=x, y=y)."
        ) from error
    if not set(NEEDED) <= set(found):
        raise FileError(
            f"inspect expected arrays x and y in '{path}', got {', '.join(there) or 'none'}. Write "
            "it with numpy.savez(path, x=x, y=y, names=names)."
        )
    lists = ("names", "words", "feature_names", "units")
    options: dict[str, Any] = {key: found[key].ravel().tolist() for key in lists if key in found}
    if "step" in found:
        options["step"] = found["step"].item()
    if "about" in found:
        options["about"] = str(found["about"])
    return material(found["x"], found["y"], title=path.name, **options)


def _bundled(name: str) -> Material:
    """The rows held out of a bundled dataset."""
    from elman import baselines
    from elman.data import datasets

    data: datasets.Dataset = getattr(datasets, name)()
    return Material(
        data.x_test,
        data.y_test,
        f"{name}, held-out rows",
        data.about,
        data.names,
        _words(data.vocabulary),
        data.feature_names,
        data.units,
        data.center,
        data.scale,
        data.step,
        _seconds(data.step),
        baselines.majority(data.y_train, data.y_test),
    )


def _words(words: Iterable[str] | Mapping[Any, Any] | None) -> dict[int, str]:
    """The word of each token, from a list, or a dict either way round."""
    if isinstance(words, Mapping):
        pairs = [(k, v) if isinstance(v, str) else (v, k) for k, v in words.items()]
        return {int(token): str(word) for token, word in pairs}
    return {token: str(word) for token, word in enumerate(words or ())}


def _seconds(step: str) -> float | None:
    """The length that begins the words for a step.

    >>> _seconds("25 ms of sound"), _seconds("1/120 s"), _seconds("one word")
    (0.025, 0.008333333333333333, None)
    """
    found = re.match(r"(\d+(?:\.\d+)?)(?:/(\d+))? (ms|s)\b", step)
    if not found or float(found[2] or 1) == 0:
        return None
    return float(found[1]) / float(found[2] or 1) / (1000 if found[3] == "ms" else 1) or None


def require_names(given: Material, count: int, what: str) -> tuple[str, ...]:
    """A name for each class or output.

    Raises:
        DataError: another number of names.
    """
    if given.names and len(given.names) != count:
        raise DataError(
            f"report expected {count} names, one for each {what}, got {len(given.names)}. Give "
            "them in the order of the outputs, or none."
        )
    return given.names or tuple(str(number) for number in range(count))
