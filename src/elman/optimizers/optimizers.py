"""Optimizers: how a gradient changes a weight, in Keras 3's arithmetic.

Each class is the readable formula of one update (`formula`) and the words by which the engine is
told which update to run (`native`). Training runs in native code, over one flat block; the tests
judge that code against these formulas. Source: https://keras.io/api/optimizers.

Every step is, as in Keras: clip the gradients, let the weights decay, update.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.config import Configured, serialize
from elman.errors import OptionError, unknown_name
from elman.optimizers import schedules
from elman.optimizers.schedules import LearningRateSchedule

Array = NDArray[Any]

#: Options that Keras has (or once had) and elman does not, with the values that change nothing.
KERAS_ONLY: dict[str, tuple[Any, ...]] = {
    "use_ema": (False,),
    "ema_momentum": (0.99,),
    "ema_overwrite_frequency": (None,),
    "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None,),
    "decay": (None, 0.0),
    "jit_compile": (False, True, None),
    "is_legacy_optimizer": (False, True),
}


class Optimizer(Configured):
    """Base class of the optimizers.

    Args:
        learning_rate: the rate, a number >= 0, or a schedule.
        weight_decay: before each update, weights lose this fraction of themselves times the rate.
        clipnorm: each weight's gradient is shortened to this norm if it is longer.
        clipvalue: each value of a gradient is kept within plus or minus this.
        global_clipnorm: all gradients together are shortened to this norm if they are longer.
        name: a name for the optimizer.

    Raises:
        OptionError: a value is out of range, more than one kind of clipping is given, or an
            option of Keras's that elman does not have is set.
        UnknownNameError: an option that neither has.

    Attributes:
        iterations: how many steps were taken, an int.
    """

    module = "keras.optimizers"
    #: The update's name in the engine.
    word = ""

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str = "optimizer",
        **keras_only: Any,
    ) -> None:
        for option, value in keras_only.items():
            self._refuse(option, value)
        self._rate: float | LearningRateSchedule = 0.0
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.name = name
        self.iterations = 0
        for option in ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm"):
            self._check_range(option, 0, np.inf)
        clips = ("clipnorm", "clipvalue", "global_clipnorm")
        given = [option for option in clips if getattr(self, option) is not None]
        if len(given) > 1:
            raise OptionError(
                f"{type(self).__name__} expected at most one of {', '.join(clips)}, got "
                f"{' and '.join(given)}. Choose one of them."
            )

    def _refuse(self, option: str, value: Any) -> None:
        """Raise unless an option elman does not have is left at a value that changes nothing."""
        who = type(self).__name__
        if option not in KERAS_ONLY:
            raise unknown_name(who, "option", option, self.options())
        if value not in KERAS_ONLY[option]:
            raise OptionError(
                f"{who} expected {option} to be {KERAS_ONLY[option][0]!r}, got {value!r}. elman "
                "does not have this option of Keras's: leave it out."
            )

    def _check_range(self, option: str, low: float, high: float) -> None:
        value = getattr(self, option)
        if value is None and option in Optimizer.options():
            return
        good = isinstance(value, int | float | np.number) and low <= value <= high
        if not good:
            wanted = f"from {low} to {high}" if np.isfinite(high) else f">= {low}"
            raise OptionError(
                f"{type(self).__name__} expected {option} to be a number {wanted}, got {value!r}. "
                f"Its default is {self.options()[option]!r}."
            )

    @property
    def learning_rate(self) -> float:
        """The rate of the next step.

        Set it to a number or a schedule. A schedule can be replaced by another one only.

        Raises:
            OptionError: when set to a number while a schedule rules, or to no rate at all.
        """
        if isinstance(self._rate, LearningRateSchedule):
            return float(self._rate(self.iterations))
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        who = type(self).__name__
        if isinstance(value, dict):
            value = schedules.get(value)
        if isinstance(value, LearningRateSchedule):
            self._rate = value
            return
        if isinstance(self._rate, LearningRateSchedule):
            raise OptionError(
                f"{who} expected its learning rate to be left to its "
                f"{type(self._rate).__name__}, got {value!r}. Build the optimizer with a number "
                "to change the rate by hand or by a callback."
            )
        try:
            rate = float(value)
        except (TypeError, ValueError):
            rate = np.nan
        if isinstance(value, str) or not 0 <= rate < np.inf:
            raise OptionError(
                f"{who} expected learning_rate to be a number >= 0 or a schedule, got {value!r}. "
                "Use e.g. 0.001, or one of elman.optimizers.schedules."
            )
        self._rate = rate

    @property
    def schedule(self) -> LearningRateSchedule | None:
        """The schedule that rules the learning rate, if one does."""
        return self._rate if isinstance(self._rate, LearningRateSchedule) else None

    def learning_rates(self, first: int, count: int) -> NDArray[np.float32]:
        """The rates of `count` steps from step `first` on.

        Args:
            first: how many steps were taken before, normally `iterations`.
            count: how many steps follow.

        Returns:
            float32 array [count].
        """
        if isinstance(self._rate, LearningRateSchedule):
            return self._rate.rates(first, count)
        return np.full(count, self._rate, np.float32)

    def native(self) -> tuple[str, dict[str, float]]:
        """What the engine is told: the update's word, and its options as numbers.

        An option that is None is 0.0, a flag 0.0 or 1.0. The rates are not among them: they are
        `learning_rates`, step by step.
        """
        names = [name for name in self.options() if name not in ("learning_rate", "name")]
        return self.word, {name: float(getattr(self, name) or 0.0) for name in names}

    def moments(self) -> tuple[str, ...]:
        """The arrays kept per weight, all zero at first, in the engine's order."""
        raise NotImplementedError(f"{type(self).__name__} must define moments().")

    def clip(self, gradients: list[Array]) -> list[Array]:
        """The gradients after clipping, in the dtype they have.

        Args:
            gradients: one array per weight.
        """
        if self.clipnorm:
            return [g * self.clipnorm / max(_norm([g]), self.clipnorm) for g in gradients]
        if self.global_clipnorm:
            norm = _norm(gradients)
            # A norm that is not finite makes every gradient NaN, as in Keras: nothing is hidden.
            scale = self.global_clipnorm / max(norm, self.global_clipnorm) + (norm - norm)
            return [g * g.dtype.type(scale) for g in gradients]
        if self.clipvalue:
            return [np.clip(g, -self.clipvalue, self.clipvalue) for g in gradients]
        return list(gradients)

    def formula(
        self, value: Array, gradient: Array, state: dict[str, Array], step: int, rate: float
    ) -> Array:
        """One update of one weight, the gradient being clipped already.

        Args:
            value: the weight, of any shape, float32.
            gradient: the gradient of the loss with respect to it, of the same shape.
            state: the weight's moments by name (see `moments`); replaced by the new ones.
            step: how many steps were taken before this one (Keras's `iterations`).
            rate: the learning rate of this step.

        Returns:
            the new weight, in the dtype of the old one.
        """
        lr = value.dtype.type(rate)
        if self.weight_decay:
            value = value - value * value.dtype.type(self.weight_decay) * lr
        return value - self.change(gradient, state, step, lr)

    def change(self, gradient: Array, state: dict[str, Array], step: int, lr: Any) -> Array:
        """What the update subtracts from the weight. Arguments as in `formula`."""
        raise NotImplementedError(f"{type(self).__name__} must define change(...).")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "learning_rate": serialize(self._rate)}

    def __repr__(self) -> str:
        shown = super().__repr__()  # this shows the rate of the moment
        return shown if self.schedule is None else f"{shown} following {self.schedule!r}"


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    Args:
        learning_rate: see `Optimizer`.
        momentum: in [0, 1]; the share of the last change that is added to this one.
        nesterov: True looks ahead along the momentum (Nesterov 1983).
        name, weight_decay, clipnorm, clipvalue, global_clipnorm: see `Optimizer`.
    """

    word = "sgd"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        name: str = "sgd",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.momentum = momentum
        self.nesterov = nesterov
        self._check_range("momentum", 0, 1)

    def moments(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()

    def change(self, gradient: Array, state: dict[str, Array], step: int, lr: Any) -> Array:
        if not self.momentum:
            return gradient * lr
        m = state["momentum"] = state["momentum"] * self.momentum - gradient * lr
        if self.nesterov:
            return gradient * lr - m * self.momentum
        return -m


class RMSprop(Optimizer):
    """Gradients divided by a moving root mean square of themselves.

    Hinton 2012, lecture 6 of "Neural networks for machine learning".

    Args:
        learning_rate: see `Optimizer`.
        rho: in [0, 1]; how much of the old mean square is kept at each step.
        momentum: in [0, 1]; the share of the last change that is added to this one.
        epsilon: added to the mean square, inside the root.
        centered: True subtracts the square of the gradients' moving mean: a variance.
        name, weight_decay, clipnorm, clipvalue, global_clipnorm: see `Optimizer`.
    """

    word = "rmsprop"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *,
        name: str = "rmsprop",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self._check_range("rho", 0, 1)
        self._check_range("momentum", 0, 1)
        self._check_range("epsilon", 0, np.inf)

    def moments(self) -> tuple[str, ...]:
        momentum = ("momentum",) if self.momentum else ()
        return ("velocity", *momentum, *(("average_gradient",) if self.centered else ()))

    def change(self, gradient: Array, state: dict[str, Array], step: int, lr: Any) -> Array:
        rho = self.rho
        v = state["velocity"] = rho * state["velocity"] + (1 - rho) * gradient**2
        if self.centered:
            mean = rho * state["average_gradient"] + (1 - rho) * gradient
            state["average_gradient"] = mean
            v = v - mean**2
        change = lr * gradient / np.sqrt(v + self.epsilon)
        if not self.momentum:
            return change
        state["momentum"] = self.momentum * state["momentum"] + change
        return state["momentum"]


class Adam(Optimizer):
    """Gradients' moving mean, divided by their moving root mean square.

    Kingma and Ba 2015, arXiv:1412.6980; AMSGrad: Reddi et al. 2018.

    Args:
        learning_rate: see `Optimizer`.
        beta_1: in [0, 1); how much of the old mean is kept at each step.
        beta_2: in [0, 1); how much of the old mean square is kept.
        epsilon: added to the root mean square ("epsilon hat" of the paper).
        amsgrad: True divides by the largest mean square so far.
        name, weight_decay, clipnorm, clipvalue, global_clipnorm: see `Optimizer`.
    """

    word = "adam"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *,
        name: str = "adam",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self._check_range("beta_1", 0, np.nextafter(1, 0))
        self._check_range("beta_2", 0, np.nextafter(1, 0))
        self._check_range("epsilon", 0, np.inf)

    def moments(self) -> tuple[str, ...]:
        return ("momentum", "velocity", *(("velocity_hat",) if self.amsgrad else ()))

    def change(self, gradient: Array, state: dict[str, Array], step: int, lr: Any) -> Array:
        # Keras takes these powers in the weight's dtype, but 1 - beta below in double: in
        # float32, 1 - 0.999 is off by 1e-5 of itself, and so would be all weights.
        number = gradient.dtype.type
        beta_1_power = number(self.beta_1) ** number(step + 1)
        beta_2_power = number(self.beta_2) ** number(step + 1)
        alpha = lr * np.sqrt(1 - beta_2_power) / (1 - beta_1_power)
        m, v = state["momentum"], state["velocity"]
        m = state["momentum"] = m + (gradient - m) * (1 - self.beta_1)
        v = state["velocity"] = v + (gradient**2 - v) * (1 - self.beta_2)
        if self.amsgrad:
            v = state["velocity_hat"] = np.maximum(state["velocity_hat"], v)
        return m * alpha / (np.sqrt(v) + self.epsilon)


class AdamW(Adam):
    """Adam whose weights decay by themselves. Loshchilov and Hutter 2019, arXiv:1711.05101.

    Args:
        learning_rate: see `Optimizer`.
        weight_decay: see `Optimizer`; a number.
        beta_1, beta_2, epsilon, amsgrad: see `Adam`.
        name, clipnorm, clipvalue, global_clipnorm: see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        weight_decay: float = 0.004,
        *,
        name: str = "adamw",
        **options: Any,
    ) -> None:
        if weight_decay is None:
            raise OptionError(
                "AdamW expected weight_decay to be a number, got None. Use Adam to have none."
            )
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **options)


NAMES: dict[str, type[Optimizer]] = {
    cls.__name__.lower(): cls for cls in (SGD, RMSprop, Adam, AdamW)
}


def get(identifier: Any) -> Optimizer:
    """The optimizer that `identifier` names.

    Args:
        identifier: a name in any case ("adam", "RMSprop", ...), a config as Keras writes it, an
            optimizer, or its class.

    Raises:
        UnknownNameError: no optimizer has this name.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()  # type: ignore[call-arg]
    name: Any = identifier
    config: dict[str, Any] = {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
    if not isinstance(name, str) or name.lower() not in NAMES:
        raise unknown_name("optimizers.get", "optimizer", name, NAMES)
    return NAMES[name.lower()].from_config(config)


def _norm(gradients: list[Array]) -> Any:
    """The norm of all these gradients together, in their dtype."""
    return np.sqrt(sum(np.sum(g**2) for g in gradients))
