"""Learning rate schedules: the rate as a function of the step, in Keras 3's arithmetic.

A schedule is called with the number of steps already taken (0 before the first) and computes in
float32, as Keras does. Source: https://keras.io/api/optimizers/learning_rate_schedules.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elman.config import Configured
from elman.errors import OptionError, unknown_name

Rates = NDArray[np.float32]


class LearningRateSchedule(Configured):
    """Base class of the schedules. Your own defines `__call__(step)`."""

    module = "keras.optimizers.schedules"

    def __call__(self, step: Any) -> Any:
        """The rate of a step.

        Args:
            step: how many steps were taken before this one, >= 0.

        Returns:
            the rate. elman's own schedules take an array of steps too, and return float32.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step).")

    def rates(self, first: int, count: int) -> Rates:
        """The rates of `count` steps from step `first` on [count, float32]."""
        return np.array([self(step) for step in range(first, first + count)], np.float32)


class _Formula(LearningRateSchedule):
    """A schedule whose formula works on all steps of a run at once."""

    def __call__(self, step: ArrayLike) -> Any:
        return self.formula(np.asarray(step, np.float32))

    def formula(self, step: Rates) -> Rates:
        """The rates of these steps, both float32 of any one shape."""
        raise NotImplementedError(f"{type(self).__name__} must define formula(step).")

    def rates(self, first: int, count: int) -> Rates:
        return self.formula(np.arange(first, first + count).astype(np.float32))

    def _positive(self, option: str) -> None:
        value = getattr(self, option)
        if not value > 0:
            raise OptionError(
                f"{type(self).__name__} expected {option} to be a positive number, got "
                f"{value!r}. Give the number of steps."
            )


class ExponentialDecay(_Formula):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: after so many steps the rate is multiplied by `decay_rate`; > 0.
        decay_rate: that factor.
        staircase: True keeps the rate constant in between.
        name: a name for the schedule.

    Raises:
        OptionError: decay_steps is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name
        self._positive("decay_steps")

    def formula(self, step: Rates) -> Rates:
        p = step / np.float32(self.decay_steps)
        if self.staircase:
            p = np.floor(p)
        return np.float32(self.initial_learning_rate) * np.float32(self.decay_rate) ** p


class InverseTimeDecay(_Formula):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: the unit of time, in steps; > 0.
        decay_rate: how fast the denominator grows.
        staircase: True keeps the rate constant within each unit of time.
        name: a name for the schedule.

    Raises:
        OptionError: decay_steps is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name
        self._positive("decay_steps")

    def formula(self, step: Rates) -> Rates:
        p = step / np.float32(self.decay_steps)
        if self.staircase:
            p = np.floor(p)
        return np.float32(self.initial_learning_rate) / (1 + np.float32(self.decay_rate) * p)


class PiecewiseConstantDecay(_Formula):
    """`values[i]` up to and including step `boundaries[i]`, the last value afterwards.

    Args:
        boundaries: step numbers, ascending.
        values: rates, one more than there are boundaries.
        name: a name for the schedule.

    Raises:
        OptionError: the two lengths do not fit, or the boundaries do not ascend.
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        if len(values) != len(boundaries) + 1 or not boundaries:
            raise OptionError(
                "PiecewiseConstantDecay expected at least one boundary and one value more than "
                f"boundaries, got {len(boundaries)} boundaries and {len(values)} values. Give "
                "the rate before each boundary, and the rate after the last."
            )
        if any(b <= a for a, b in itertools.pairwise(boundaries)):
            raise OptionError(
                f"PiecewiseConstantDecay expected ascending boundaries, got {list(boundaries)}. "
                "Sort them."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def formula(self, step: Rates) -> Rates:
        pieces = np.searchsorted(self.boundaries, step, side="left")
        return np.asarray(self.values, np.float32)[pieces]


class PolynomialDecay(_Formula):
    """From one rate to another along `(1 - step / decay_steps) ** power`.

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: how many steps the way takes; > 0.
        end_learning_rate: the rate it ends at.
        power: the polynomial's degree; 1.0 is a straight line.
        cycle: True starts again from a fraction of the way, each cycle being longer, instead of
            staying at the end.
        name: a name for the schedule.

    Raises:
        OptionError: decay_steps is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name
        self._positive("decay_steps")

    def formula(self, step: Rates) -> Rates:
        start, end = np.float32(self.initial_learning_rate), np.float32(self.end_learning_rate)
        steps: Any = np.float32(self.decay_steps)
        if self.cycle:
            # The first multiple of decay_steps that is not below the step; one at step 0.
            steps = steps * np.where(step == 0, np.float32(1), np.ceil(step / steps))
        else:
            step = np.minimum(step, steps)
        return (start - end) * (1 - step / steps) ** np.float32(self.power) + end


class CosineDecay(_Formula):
    """Half a cosine from one rate to `alpha` times it, after a linear warm-up if there is one.

    Loshchilov and Hutter 2017, arXiv:1608.03983; warm-up: Goyal et al. 2017, arXiv:1706.02677.

    Args:
        initial_learning_rate: the rate of the first step.
        decay_steps: how many steps the decay takes, after the warm-up; > 0.
        alpha: the last rate, as a fraction of the one the decay starts from.
        name: a name for the schedule.
        warmup_target: the rate the warm-up rises to; None for no warm-up.
        warmup_steps: how many steps the warm-up takes.

    Raises:
        OptionError: decay_steps is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps
        self._positive("decay_steps")

    def formula(self, step: Rates) -> Rates:
        start, steps = np.float32(self.initial_learning_rate), np.float32(self.decay_steps)
        if self.warmup_target is None:
            return self._decay(np.minimum(step, steps), start)
        peak, warmup = np.float32(self.warmup_target), np.float32(self.warmup_steps)
        step = np.minimum(step, steps + warmup)
        rising = (peak - start) * (step / max(warmup, np.float32(1))) + start
        return np.where(step < warmup, rising, self._decay(step - warmup, peak))

    def _decay(self, step: Rates, start: np.float32) -> Rates:
        fraction = step / np.float32(self.decay_steps)
        cosine = np.float32(0.5) * (1 + np.cos(np.float32(math.pi) * fraction))
        return start * (np.float32(1 - self.alpha) * cosine + np.float32(self.alpha))


class CosineDecayRestarts(_Formula):
    """Half a cosine from a rate to `alpha` times it, again and again.

    Loshchilov and Hutter 2017, arXiv:1608.03983.

    Args:
        initial_learning_rate: the rate of the first step.
        first_decay_steps: how many steps the first decay takes; > 0.
        t_mul: each decay takes this many times the steps of the one before.
        m_mul: each decay starts from this many times the rate of the one before.
        alpha: the lowest rate, as a fraction of the first.
        name: a name for the schedule.

    Raises:
        OptionError: first_decay_steps is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name
        self._positive("first_decay_steps")

    def formula(self, step: Rates) -> Rates:
        fraction = step / np.float32(self.first_decay_steps)
        t_mul, m_mul = np.float32(self.t_mul), np.float32(self.m_mul)
        if t_mul == 1:
            restart = np.floor(fraction)
            fraction = fraction - restart
        else:
            # Restart i begins after 1 + t_mul + ... + t_mul^(i-1) first decays.
            restart = np.floor(np.log(1 - fraction * (1 - t_mul)) / np.log(t_mul))
            begun = (1 - t_mul**restart) / (1 - t_mul)
            fraction = (fraction - begun) / t_mul**restart
        cosine = np.float32(0.5) * m_mul**restart * (1 + np.cos(np.float32(math.pi) * fraction))
        alpha = np.float32(self.alpha)
        return np.float32(self.initial_learning_rate) * ((1 - alpha) * cosine + alpha)


NAMES: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls
    for cls in (
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
        CosineDecay,
        CosineDecayRestarts,
    )
}


def get(identifier: Any) -> LearningRateSchedule:
    """A schedule, from itself or from its config as Keras writes it.

    Raises:
        UnknownNameError: no schedule has this name.
    """
    if isinstance(identifier, LearningRateSchedule):
        return identifier
    name: Any = identifier
    config: dict[str, Any] = {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
    if not isinstance(name, str) or name not in NAMES:
        raise unknown_name("schedules.get", "learning rate schedule", name, NAMES)
    return NAMES[name].from_config(config)
