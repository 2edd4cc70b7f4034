"""Preparation: what turns raw data into what a model takes, as plain data that a file can hold.

It is learned from a training part alone and repeated on whatever comes later. It lives inside
model files, so nothing in it is code, and `from_dict` believes nothing that it has not checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data.relative import Relative
from elman.data.step import Step
from elman.data.steps import Fill, Scale, Tokens, step_of
from elman.data.trusting import MOST, check_keys, check_numbers, entries, refused, word, words
from elman.errors import DataError
from elman.ragged import Ragged

if TYPE_CHECKING:
    from elman.data.sequences import Sequences

Array = np.ndarray[Any, np.dtype[Any]]

VERSION = 1


@dataclass(frozen=True)
class Preparation:
    """How raw data became a model's inputs, so that new data can become so too.

    Args:
        kind: the kind of the `Sequences`.
        steps: what is done to the values, in this order.
        names: the name of each class.
        feature_names, units: of the raw values, as far as known.
        rate: samples per second of the source.
        columns: how the loader read it: which column of a table is the "text", the "target" and so
            on; for text also "tokens", "size" and "least".
        provisional: whether it was learned from all data; a split learns another one from its
            training part.

    Example:
        >>> made = Preparation("table", (Scale((2.0,), (0.5,)), Fill()))
        >>> made.apply([[[1.0], [np.nan], [3.0]]])[0].ravel().tolist()
        [-2.0, -2.0, 2.0]
        >>> Preparation.from_dict(made.to_dict()) == made
        True
    """

    kind: str
    steps: tuple[Step, ...] = ()
    names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    rate: float | None = None
    columns: tuple[tuple[str, Any], ...] = ()
    provisional: bool = False

    # -- learning and using -----------------------------------------------------------------------

    @classmethod
    def learn(cls, data: Sequences) -> Preparation:
        """What a training part teaches: the vocabulary of a text, or scale and missing values.

        Args:
            data: the training part. What was learned for it before stays, unless that was
                provisional.

        Raises:
            DataError: there is nothing to learn from.
        """
        before = data.prepared
        if before is None:
            before = cls(data.kind, (), data.names, data.feature_names, data.units, data.rate)
        if not before.provisional and any(isinstance(s, Tokens | Scale) for s in before.steps):
            return before
        if not len(data):
            raise DataError("Preparation expected sequences to learn from, got none.")
        kept = () if before.provisional else before.steps
        return replace(before, steps=(*kept, *_learned(data)), provisional=False)

    def apply(self, raw: Sequence[Any]) -> list[Array]:
        """Raw values as the model takes them.

        Args:
            raw: texts, or arrays [steps, features] with NaN where a value is missing.

        Returns:
            int32 [steps] tokens of each, or float32 [steps, features].

        Raises:
            DataError: other features than those it was learned from.
        """
        return _made(list(raw), self.steps)

    def made(self, raw: Any) -> Any:
        """The same of all that `Sequences` may have: what lies in a file is prepared when read.

        Args:
            raw: a list, a `Ragged` or `CutTexts`.
        """
        return _made(raw, self.steps)

    def __call__(self, data: Sequences) -> Sequences:
        """The same sequences, prepared; what was done to them already is not done again.

        Raises:
            DataError: other features or classes, or another preparation that cannot be undone.
        """
        before = data.prepared.steps if data.prepared and not data.prepared.provisional else ()
        begun = before == self.steps[: len(before)]
        found = self.named(data)
        targets: Any = found.targets
        names, units = data.feature_names, data.units
        values: Any
        if data.raw is not None and not (before and begun):
            values, steps = data.raw, self.steps
            if before and data.prepared is not None:
                targets = data.prepared.restore(targets, data)
                names, units = self.feature_names, self.units
        elif begun:
            values, steps = data.values, self.steps[len(before) :]
        else:
            raise DataError(
                "Preparation expected data as they were read, got some that were prepared in "
                "another way. Load them again."
            )
        for step in steps if targets is not None else ():
            targets = step.aim(targets, _raw(data))
        return found.with_values(
            _made(values, steps),
            targets=targets,
            prepared=self,
            **_described(names, units, steps),
        )

    def restore(self, outputs: Any, data: Sequences) -> Any:
        """What a model says of prepared data, in the unit of the targets that it was trained on.

        Args:
            outputs: of `model.predict(data)`, or targets as the model takes them.
            data: what it was said of.

        Returns:
            Forecasts as float64 [n, horizon, targets]; all else, and None, as it is.
        """
        for step in reversed(self.steps) if outputs is not None else ():
            outputs = step.restore(outputs, _raw(data))
        return outputs

    def named(self, data: Sequences) -> Sequences:
        """The same sequences with the class numbers of this preparation.

        Raises:
            DataError: a class that it does not know.
        """
        if not self.names or self.names == data.names:
            return data
        return data.with_values(data.values, targets=self._renumbered(data), names=self.names)

    def _renumbered(self, data: Sequences) -> Any:
        """Targets by the class numbers of the preparation."""
        if not data.names or data.targets is None:
            return data.targets
        places = {name: place for place, name in enumerate(self.names)}
        unknown = [name for name in data.names if name not in places]
        if unknown:
            number, targets = data.names.index(unknown[0]), data.targets
            rows = (row for row in range(len(data)) if np.any(targets[row] == number))
            row = None if data.ids is None else next(rows, None)
            where = "" if data.ids is None or row is None else f" in {data.ids[row]}"
            raise DataError(
                f"Preparation expected the classes {', '.join(self.names[:10])}, got "
                f"{unknown[0]!r}{where}. Leave out its rows, or train a model that knows it."
            )
        table = np.array([places[name] for name in data.names], np.int32)
        if isinstance(data.targets, np.ndarray):
            return table[data.targets]
        return data.targets.with_values(table[data.targets.values])

    @property
    def restores(self) -> bool:
        """Whether targets are something else to a model than they are, and `restore` undoes it."""
        return any(isinstance(step, Relative) for step in self.steps)

    # -- as plain data ----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: numbers, words, lists and dicts."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        found.pop("provisional")
        found["steps"] = [{"kind": step.kind, **asdict(step)} for step in self.steps]
        found["columns"] = dict(self.columns)
        return {"version": VERSION, **_plain(found)}

    @classmethod
    def from_dict(cls, given: Any) -> Preparation:
        """The preparation that `to_dict` described. Only what is in `STEPS` is ever built.

        Raises:
            DataError: it is not what `to_dict` writes.
        """
        if not isinstance(given, dict):
            raise refused(f"{type(given).__name__} in place of a dict")
        if given.get("version") != VERSION:
            raise DataError(
                f"Preparation expected version {VERSION}, got {str(given.get('version'))[:80]}. A "
                "newer elman may open this."
            )
        known = {field.name for field in fields(cls)} - {"provisional"}
        check_keys(given, known | {"version"}, {"kind", "steps"})
        kind = word(given["kind"], "a kind")
        steps = tuple(step_of(one) for one in entries(given["steps"], "steps"))
        rate = given.get("rate")
        if rate is not None:
            check_numbers([rate], "a rate")
            if rate <= 0:
                raise refused(f"a rate of {rate}")
        columns = given.get("columns", {})
        if not isinstance(columns, dict):
            raise refused("columns that are no dict")
        return cls(
            kind,
            steps,
            words(given.get("names", ()), "names"),
            words(given.get("feature_names", ()), "feature names"),
            words(given.get("units", ()), "units"),
            rate,
            tuple((word(name, "a column"), _column(what)) for name, what in columns.items()),
        )


def with_preparation(
    data: Sequences, told: dict[str, Any], prepared: Preparation | None
) -> Sequences:
    """What a loader read: prepared as for a model that exists, or as the start of a preparation.

    Args:
        data: as they were read.
        told: how they were read, for whoever reads more of the kind.
        prepared: of the model, if there is one.
    """
    if prepared is not None:
        if not any(data.units) and len(prepared.units) == data.features:  # a table says none
            data = data.with_values(data.values, units=prepared.units)
        return prepared(data)
    begun = Preparation(
        data.kind, (), data.names, data.feature_names, data.units, data.rate, tuple(told.items())
    )
    return data.with_values(data.values, prepared=begun)


def _made(values: Any, steps: Sequence[Step]) -> Any:
    for step in steps:
        values = step.made(values)
    return values


def _learned(data: Sequences) -> tuple[Step, ...]:
    told = dict(data.prepared.columns) if data.prepared else {}
    if data.kind == "text":
        if data.raw is None:
            raise DataError(
                "Preparation expected the texts themselves to learn a vocabulary from, got tokens. "
                "Load them with elman.data.text."
            )
        unit = str(told.get("tokens", "words"))
        least = told.get("least", 2 if unit == "words" else 1)
        return (Tokens.learned(data.raw, unit, told.get("size"), least),)
    first: tuple[Step, ...] = ()
    values = data.values
    if data.kind == "forecast":
        raw, season = _raw(data), told.get("season") or 0
        if "horizon" not in told or not raw:
            raise DataError(
                "Preparation expected windows of series and what came after them, got others. Load "
                "them with elman.data.forecast."
            )
        relative = Relative.learned(
            raw, np.asarray(data.targets), told["horizon"], season, data.groups is not None
        )
        first, values = (relative,), Ragged.of(relative.apply(raw))
    gone = np.zeros(values.shape[2], bool)
    for _, part in values.parts():
        if np.isinf(part).any():
            raise DataError(
                "Preparation expected finite values, got infinity. Correct it where the data come "
                "from."
            )
        gone |= np.isnan(part).any(axis=0)
    return *first, Scale.learned(values), Fill(tuple(np.flatnonzero(gone).tolist()))


def _described(
    names: tuple[str, ...], units: tuple[str, ...], steps: Sequence[Step]
) -> dict[str, Any]:
    """Names and units of the features after some steps, and the vocabulary where there is one."""
    found: dict[str, Any] = {}
    for step in steps:
        if isinstance(step, Tokens):
            found["vocabulary"] = step.vocabulary
        if isinstance(step, Fill) and step.marked:
            names = (*names, *(f"{names[p]} missing" for p in step.marked)) if names else names
            units = (*units, *[""] * len(step.marked)) if units else units
    return {**found, "feature_names": names, "units": units}


def _raw(data: Sequences) -> list[Any]:
    """What each sequence was made of, where that is in memory."""
    return data.raw.tolist() if isinstance(data.raw, np.ndarray) else []


def _column(given: Any) -> Any:
    """A word, a number, None, or a list of words."""
    if given is None or (isinstance(given, int | float) and abs(given) <= MOST):
        return given
    return word(given, "a column") if isinstance(given, str) else words(given, "columns")


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
