"""The steps of a preparation: texts to tokens, features to one scale, missing values filled, series
from where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from elman.data import tokens as cutting
from elman.data.cut_texts import CutTexts
from elman.data.naive import (
    LAST,
    SEASONAL,
    TINY,
    absolute_errors,
    last_value,
    naive,
    usual_change,
)  # fmt: skip
from elman.data.trusting import LONGEST, MOST, check_keys, check_numbers, entries, refused, words
from elman.errors import DataError, unknown_name
from elman.ragged import Ragged
from elman.ragged_file import RaggedFile

Array = np.ndarray[Any, np.dtype[Any]]

#: What a horizon, window or season of an honest file stays below.
MOST_STEPS = 10**5
#: Fewer windows than this do not teach what a season looks like.
FEW_WINDOWS = 500


@dataclass(frozen=True)
class Step:
    """One step of a preparation. Its fields are plain data; `check` says whether they make sense.

    A subclass has a word `kind`, under which it is listed in `STEPS`.
    """

    kind: ClassVar[str]

    def check(self) -> None:
        """Raise DataError unless the fields can be used."""

    def apply(self, values: list[Any]) -> list[Any]:
        """The values of each sequence, taken one step further."""
        raise NotImplementedError

    def made(self, values: Any) -> Any:
        """The same of whatever holds them: what lies in a file is taken further when it is read.

        Args:
            values: a list, a `Ragged`, or `CutTexts`.
        """
        if isinstance(values, RaggedFile):
            return values.then(self)
        return self.over(values) if isinstance(values, Ragged) else self.apply(list(values))

    def over(self, values: Ragged) -> Ragged:
        """The same for sequences that lie one after the other."""
        found = self.apply([values[row] for row in range(len(values))])
        return values.with_values(np.concatenate(found)) if found else values

    def aim(self, targets: Array, raw: list[Any]) -> Array:
        """What a model is to say in place of these targets.

        Args:
            targets: in their own unit.
            raw: what the values of each sequence were made of.
        """
        return targets

    def restore(self, outputs: Array, raw: list[Any]) -> Array:
        """What a model says, in the unit of the targets: the inverse of `aim`."""
        return outputs


@dataclass(frozen=True)
class Tokens(Step):
    """Texts to token numbers: int32 [steps]. 0 is padding, 1 whatever is not in the vocabulary.

    Args:
        unit: "words", "chars" or "bytes".
        vocabulary: the token of each number; "" and "[UNK]" first.
    """

    kind: ClassVar[str] = "tokens"
    unit: str
    vocabulary: tuple[str, ...]

    def check(self) -> None:
        """The unit is known, the vocabulary begins as it must and has nothing twice."""
        if self.unit not in cutting.UNITS:
            raise refused(f"the unit {str(self.unit)[:80]!r}")
        listed = words(self.vocabulary, "the vocabulary")
        if listed[: len(cutting.SPECIAL)] != cutting.SPECIAL:
            raise refused("a vocabulary that does not begin with padding and unknown")
        if len(set(listed)) < len(listed):
            raise refused("a vocabulary that has a word twice")

    def apply(self, values: list[Any]) -> list[Any]:
        """The numbers of each text's tokens."""
        number = {token: place for place, token in enumerate(self.vocabulary)}
        found = []
        for row, text in enumerate(values):
            if not isinstance(text, str):
                raise DataError(
                    f"Preparation expected texts, got {type(text).__name__} at place {row}. Pass a "
                    "list of strings."
                )
            cut = cutting.cut(text, self.unit)
            found.append(np.array([number.get(token, 1) for token in cut], np.int32))
        return found

    def made(self, values: Any) -> Any:
        """Texts that were cut onto disk are renumbered when they are read."""
        if isinstance(values, CutTexts):
            return values.as_tokens(self.vocabulary)
        return super().made(values)

    @classmethod
    def learned(
        cls, texts: Iterable[str] | CutTexts, unit: str, size: int | None, least: int
    ) -> Tokens:
        """The tokens of some texts, the most frequent first.

        Args:
            texts: those of the training part.
            unit: "words", "chars" or "bytes".
            size: how many tokens at most, the two special ones among them; None: all.
            least: how often a token must be there.
        """
        if isinstance(texts, CutTexts):
            counts = texts.counts()
        else:
            counts = Counter(token for text in texts for token in cutting.cut(text, unit))
        # Of tokens as frequent as each other the order of the alphabet decides, not that of rows.
        ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        kept = [token for token, count in ordered if count >= least]
        kept = [token for token in kept if token not in cutting.SPECIAL and len(token) <= LONGEST]
        return cls(unit, (*cutting.SPECIAL, *kept)[: max(size or MOST, len(cutting.SPECIAL))])


@dataclass(frozen=True)
class Scale(Step):
    """Features to mean 0 and standard deviation 1: (x - center) / scale. NaN stays NaN.

    Args:
        center, scale: one number per feature.
    """

    kind: ClassVar[str] = "scale"
    center: tuple[float, ...]
    scale: tuple[float, ...]

    def check(self) -> None:
        """As many centers as scales, all finite, no scale of 0 or below."""
        check_numbers(self.center, "a center")
        check_numbers(self.scale, "a scale")
        if len(self.center) != len(self.scale) or not all(value > 0 for value in self.scale):
            raise refused("scales that do not fit their centers, or that are not above 0")

    def apply(self, values: list[Any]) -> list[Any]:
        """Each feature on its own scale, in double precision and then float32."""
        return [self._checked(np.asarray(one, np.float32), row) for row, one in enumerate(values)]

    def over(self, values: Ragged) -> Ragged:
        """The same for sequences that lie one after the other."""
        return values.with_values(self._checked(values.values, 0))

    def _checked(self, array: Array, row: int) -> Array:
        width = len(self.center)
        if array.ndim != 2 or (len(array) and array.shape[1] != width):
            raise DataError(
                f"Preparation expected {width} features per step, got an array of shape "
                f"{array.shape} at place {row}. Bring the features that the model was trained on."
            )
        return self.scaled(array.reshape(-1, width))

    def scaled(self, values: Array) -> Array:
        """Numbers [..., features] of any precision on their scale, float32."""
        return ((values - np.array(self.center)) / np.array(self.scale)).astype(np.float32)

    @classmethod
    def learned(cls, values: Array | Ragged) -> Scale:
        """Mean and deviation of each feature, whatever is missing left out.

        Args:
            values: [steps, features], or sequences of such.
        """
        if isinstance(values, np.ndarray):
            values = Ragged(values, np.array([0, len(values)]))
        count = total = squares = np.zeros(values.shape[2])
        for _, part in values.parts():
            known = np.isfinite(part)
            count = count + known.sum(axis=0)
            total = total + np.where(known, part, 0.0).sum(axis=0, dtype=np.float64)
        count = np.maximum(count, 1)
        center = total / count
        for _, part in values.parts():
            off = part - center
            off[~np.isfinite(part)] = 0.0
            off *= off
            squares = squares + off.sum(axis=0)
        deviation = np.sqrt(squares / count)
        # What never changes has no scale; rounding leaves a trace of its size.
        rounding = 1e-6 if values.dtype == np.float32 else 1e-12
        constant = deviation <= rounding * np.abs(center)
        return cls(tuple(center.tolist()), tuple(np.where(constant, 1.0, deviation).tolist()))


@dataclass(frozen=True)
class Fill(Step):
    """Missing values to the last one before them in the sequence, or else the mean, which is 0.

    Args:
        marked: features that get a feature more behind all others: 1 where it was missing, else 0.
    """

    kind: ClassVar[str] = "fill"
    marked: tuple[int, ...] = ()

    def check(self) -> None:
        """Features by their places."""
        entries(self.marked, "marked features")
        if not all(type(place) is int and 0 <= place < MOST for place in self.marked):
            raise refused("marked features that are no places")

    def apply(self, values: list[Any]) -> list[Any]:
        """No NaN any more."""
        return [self._filled(one, np.zeros(len(one), np.int64)) for one in values]

    def over(self, values: Ragged) -> Ragged:
        """The same for sequences that lie one after the other."""
        firsts = np.repeat(values.offsets[:-1], values.lengths)
        return values.with_values(self._filled(values.values, firsts))

    def _filled(self, values: Array, firsts: Array) -> Array:
        """Values [steps, features]; `firsts` is where the sequence of each step begins."""
        if self.marked and max(self.marked) >= values.shape[1]:
            raise DataError(
                f"Preparation expected more than {max(self.marked)} features, got "
                f"{values.shape[1]}. Bring the features that the model was trained on."
            )
        gone = np.isnan(values)
        lacking = np.flatnonzero(gone.any(axis=0))
        if len(lacking):
            values = values.copy()
        for feature in lacking:
            gaps = np.flatnonzero(gone[:, feature])
            last = np.where(gone[:, feature], -1, np.arange(len(values)))
            before = np.maximum.accumulate(last)[gaps]
            known = before >= firsts[gaps]
            values[gaps, feature] = np.where(known, values[before, feature], np.float32(0))
        if not self.marked:
            return values
        return np.concatenate([values, gone[:, list(self.marked)].astype(np.float32)], axis=1)


@dataclass(frozen=True)
class Relative(Step):
    """A series from where it stands: its level is no news, what changes is.

    In a window the first features are those to forecast; they become their distance from the last
    of them that is there. What comes after it becomes its distance from a naive forecast, in units
    of the usual one. Where there are series of all sizes, both are in units of how much the window
    changes from step to step.

    Args:
        horizon: steps to forecast.
        season: 0: distance from the last value; else steps of a season: from the last season.
        scale: the usual distance of each feature to forecast.
        least: of each the least that a window is taken to change; nothing where windows are not in
            units of that.
    """

    kind: ClassVar[str] = "relative"
    horizon: int
    season: int
    scale: tuple[float, ...]
    least: tuple[float, ...] = ()

    def check(self) -> None:
        """A horizon, a season, and scales above 0."""
        for numbers in (self.scale, self.least):
            check_numbers(numbers, "a scale")
            if not all(value > 0 for value in numbers):
                raise refused("scales that are not above 0")
        if not self.scale or len(self.least) not in (0, len(self.scale)):
            raise refused("scales of nothing, or of something else")
        for value, least in ((self.horizon, 1), (self.season, 0)):
            if type(value) is not int or not least <= value < MOST_STEPS:
                raise refused("a horizon or season that is no number of steps")

    def apply(self, values: list[Any]) -> list[Any]:
        """Each window from its last values on."""
        count = len(self.scale)
        for row, one in enumerate(values):
            if np.ndim(one) != 2 or not len(one) or np.shape(one)[1] < count:
                raise DataError(
                    f"Preparation expected windows of {count} or more features, got an array of "
                    f"shape {np.shape(one)} at place {row}. Bring the features that the model was "
                    "trained on."
                )
        if len({np.shape(one) for one in values}) > 1:
            return [self._begun(np.array(one, np.float64)[None])[0] for one in values]
        return list(self._begun(np.array(values, np.float64))) if values else []

    def _begun(self, windows: Array) -> Array:
        """The same of windows [n, steps, features], in their place."""
        seen = windows[:, :, : len(self.scale)]
        size = self._size(seen)
        seen -= last_value(seen)[:, None]
        seen /= size
        return windows

    def _size(self, seen: Array) -> Array:
        """What each window is in units of, [n, 1, targets] or a single 1."""
        if not self.least:
            return np.ones((1, 1, 1))
        return np.maximum(usual_change(seen), self.least)[:, None]

    def aim(self, targets: Array, raw: list[Any]) -> Array:
        """The distance of what comes from the naive forecast: float32 [n, horizon * targets]."""
        base, unit = self._base(raw, len(targets))
        off = (np.asarray(targets, np.float64).reshape(base.shape) - base) / unit
        return off.reshape(len(off), -1).astype(np.float32)

    def restore(self, outputs: Array, raw: list[Any]) -> Array:
        """Forecasts, float64 [n, horizon, targets]."""
        base, unit = self._base(raw, len(outputs))
        return np.asarray(outputs, np.float64).reshape(base.shape) * unit + base

    def _base(self, raw: list[Any], wanted: int) -> tuple[Array, Array]:
        """The naive forecasts that all is relative to, [n, horizon, targets], and in what unit."""
        count = len(self.scale)
        if len(raw) != wanted:
            raise DataError(
                f"Preparation expected the windows that {wanted} forecasts are of, got {len(raw)}. "
                "Load them with elman.data.forecast, and bring what the model said of these."
            )
        if not raw:
            return np.empty((0, self.horizon, count)), np.ones(count)
        if min(map(len, raw)) < self.season:
            raise DataError(
                f"Preparation expected windows of at least {self.season} steps, got "
                f"{min(map(len, raw))}. Bring those that the model was trained on."
            )
        windows = np.stack([np.asarray(one, np.float64)[:, :count] for one in raw])
        *_, base = naive(windows, self.horizon, self.season or None).values()
        return base, self._size(windows) * self.scale

    @classmethod
    def learned(
        cls, raw: list[Any], targets: Array, horizon: int, season: int, several: bool = False
    ) -> Relative:
        """Relative to the last season where that is nearer to what came and windows are few.

        From few windows a network does not learn what a season looks like. From many it learns that
        better than the last one shows it, which has its own noise.

        Args:
            raw: windows [steps, features], those of the training part.
            targets: what came after them, [n, horizon * targets].
            horizon, season: in steps; a season of 0 is none.
            several: whether they are of several series, which may be of all sizes.
        """
        coming = np.asarray(targets, np.float64).reshape(len(raw), horizon, -1)
        windows = np.stack(raw)[:, :, : coming.shape[2]]
        forecasts = naive(windows, horizon, season or None)
        errors = absolute_errors(forecasts, coming)
        usual = np.maximum(errors[LAST].mean(axis=0), TINY)  # of each target in its own unit
        worth = {name: float((one.mean(axis=0) / usual).mean()) for name, one in errors.items()}
        chosen = min(worth, key=worth.__getitem__) if len(raw) < FEW_WINDOWS else LAST
        least: tuple[float, ...] = ()
        if several:
            usual = np.median(usual_change(windows), axis=0) / 10
            least = tuple(np.where(usual > 0, usual, 1.0).tolist())
        made = cls(horizon, season if chosen == SEASONAL else 0, (1.0,) * coming.shape[2], least)
        off = (coming - forecasts[chosen]) / made._size(windows)
        # What is forecast without an error has no scale; rounding leaves a trace of its size.
        exact = np.abs(off).max(axis=(0, 1)) <= 1e-9 * np.abs(coming).max(axis=(0, 1))
        scale = np.where(exact, 1.0, np.sqrt((off**2).mean(axis=(0, 1))))
        return replace(made, scale=tuple(scale.tolist()))


#: All that a file can ask for.
STEPS: dict[str, type[Step]] = {step.kind: step for step in (Fill, Relative, Scale, Tokens)}


def step_of(given: Any) -> Step:
    if not isinstance(given, dict) or not isinstance(given.get("kind"), str):
        raise refused("a step without a kind")
    if given["kind"] not in STEPS:
        error = unknown_name("Preparation", "step", given["kind"][:80], STEPS)
        raise DataError(str(error))
    step = STEPS[given["kind"]]
    names = {field.name for field in fields(step)}
    check_keys(given, names | {"kind"}, names)
    made = step(**{name: _frozen(given[name]) for name in names})
    made.check()
    return made


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
