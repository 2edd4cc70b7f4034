"""Losses: how far predictions are from targets, in Keras 3's arithmetic.

Each class is the readable formula (`per_sample`) and the words by which the engine is told which
loss to train (`native`). Training itself runs in native code; the tests judge that code against
these formulas. Source: https://keras.io/api/losses.

Legend: B rows, ... any axes between (such as T time steps), C classes or outputs. A formula
computes in the dtype of the predictions: float32 as Keras does, float64, or complex128, so that
complex-step differentiation works through it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elman.config import Configured
from elman.errors import DataError, OptionError, ShapeError, unknown_name

Array = NDArray[Any]

#: Probabilities are kept this far from 0 and 1 before a logarithm is taken, as in Keras.
EPSILON = 1e-7

#: Keras's reductions elman has; "mean" is Keras's newer word for the first.
REDUCTIONS = ("sum_over_batch_size", "sum")


class Loss(Configured):
    """Base class of the losses.

    Args:
        reduction: "sum_over_batch_size" (the mean over all samples, and over time steps where the
            output has them) or "sum".
        name: a name for the loss.
        dtype: accepted because Keras has it; elman computes in float32.

    Raises:
        OptionError: an option elman does not have.
    """

    module = "keras.losses"
    #: The loss's name in the engine.
    word = ""

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "loss",
        dtype: str | None = None,
    ) -> None:
        who = type(self).__name__
        if reduction == "mean":
            reduction = "sum_over_batch_size"
        if reduction not in REDUCTIONS:
            raise OptionError(
                f"{who} expected reduction to be 'sum_over_batch_size' or 'sum', got "
                f"{reduction!r}. For one loss per sample, call per_sample(y_true, y_pred)."
            )
        if dtype not in (None, "float32"):
            raise OptionError(
                f"{who} expected dtype to be None or 'float32', got {dtype!r}. Leave it out: "
                "elman computes in float32."
            )
        self.reduction = reduction
        self.name = name
        self.dtype = dtype

    def per_sample(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The loss of each sample (and time step).

        Args:
            y_true: targets [B, ..., C]; class numbers [B, ...] for a sparse loss.
            y_pred: predictions [B, ..., C], float32, float64 or complex128.

        Returns:
            losses [B, ...] in the dtype of `y_pred`.

        Raises:
            ShapeError: the two shapes do not belong together.
            DataError: a class number is out of range.
        """
        raise NotImplementedError(f"{type(self).__name__} must define per_sample(y_true, y_pred).")

    def native(self) -> tuple[str, dict[str, float]]:
        """What the engine is told: the loss's word, and its options as numbers.

        An option that is None is left out. The reduction is not among them: read `reduction`.
        """
        shared = ("reduction", "name", "dtype", "axis")
        options = {name: getattr(self, name) for name in self.options() if name not in shared}
        return self.word, {name: float(v) for name, v in options.items() if v is not None}

    def check_shapes(self, y_true: Sequence[int | None], y_pred: Sequence[int | None]) -> None:
        """Raise unless targets of one shape can be compared with outputs of the other.

        Args:
            y_true: shape of the targets, batch axis included; None where unknown.
            y_pred: shape of the outputs, likewise.

        Raises:
            ShapeError: naming both shapes and what to do.
        """
        if not _same_shape(_matched(tuple(y_true), tuple(y_pred)), tuple(y_pred)):
            raise ShapeError(
                f"{type(self).__name__} expected targets of shape {tuple(y_pred)}, as the model's "
                f"output, got {tuple(y_true)}. Reshape the targets, or give the last layer as "
                "many units as a target has values."
            )

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> float:
        """The loss of a batch.

        Args:
            y_true: targets, see `per_sample`.
            y_pred: predictions, see `per_sample`.
            sample_weight: weights [B] or [B, ...]; each multiplies a sample's loss. The mean
                divides by the number of samples all the same, as in Keras.
            mask: True for each [B, ...] that counts. The mean divides by the number that counts.

        Returns:
            one number.
        """
        losses = self.per_sample(y_true, y_pred).astype(np.float64)
        weights = np.ones_like(losses)
        for kept in (mask, self._kept(y_true)):
            if kept is not None:
                weights = weights * _like(np.asarray(kept, bool), losses, "mask")
        if self.reduction == "sum_over_batch_size":
            # Masked samples leave the mean; samples of weight 0 stay in it.
            weights /= weights.sum() or 1.0
        if sample_weight is not None:
            given = np.asarray(sample_weight, np.float64)
            weights = weights * _like(given, losses, "sample_weight")
        return float((losses * weights).sum())

    def _kept(self, y_true: ArrayLike) -> Array | None:
        """Which targets count, where the loss ignores some."""
        return None


class MeanSquaredError(Loss):
    """The mean of `(y_true - y_pred)^2` over the last axis.

    Args:
        reduction, name, dtype: see `Loss`.
    """

    word = "mean_squared_error"

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "mean_squared_error",
        **options: Any,
    ) -> None:
        super().__init__(reduction, name, **options)

    def per_sample(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = _aligned(self, y_true, y_pred)
        return np.mean((y - p) ** 2, axis=-1)


class MeanAbsoluteError(Loss):
    """The mean of `|y_true - y_pred|` over the last axis.

    Args:
        reduction, name, dtype: see `Loss`.
    """

    word = "mean_absolute_error"

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "mean_absolute_error",
        **options: Any,
    ) -> None:
        super().__init__(reduction, name, **options)

    def per_sample(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = _aligned(self, y_true, y_pred)
        return np.mean(_absolute(y - p), axis=-1)


class Huber(Loss):
    """Half the squared error up to `delta`, growing linearly beyond; mean over the last axis.

    Huber 1964, "Robust estimation of a location parameter".

    Args:
        delta: where the square ends, > 0.
        reduction, name, dtype: see `Loss`.

    Raises:
        OptionError: delta is not a positive number.
    """

    word = "huber"

    def __init__(self, delta: float = 1.0, *, name: str = "huber_loss", **options: Any) -> None:
        super().__init__(name=name, **options)
        if not delta > 0:
            raise OptionError(
                f"Huber expected delta to be a positive number, got {delta!r}. Use e.g. 1.0."
            )
        self.delta = delta

    def per_sample(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = _aligned(self, y_true, y_pred)
        error = p - y
        size = _absolute(error)
        square = 0.5 * error**2
        line = self.delta * size - 0.5 * self.delta**2
        return np.mean(np.where(size.real <= self.delta, square, line), axis=-1)


class BinaryCrossentropy(Loss):
    """`-(y log p + (1 - y) log(1 - p))`, mean over the last axis: for yes/no targets.

    Args:
        from_logits: True if predictions are logits (no sigmoid at the end of the model).
        label_smoothing: in [0, 1]; moves targets towards 0.5 by this much.
        axis: -1, the only one elman has.
        reduction, name, dtype: see `Loss`.

    Raises:
        OptionError: an option has none of these values.
    """

    word = "binary_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        *,
        name: str = "binary_crossentropy",
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        _check_crossentropy(self, label_smoothing, axis)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def per_sample(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = _aligned(self, y_true, y_pred)
        if self.label_smoothing:
            y = y * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        if self.from_logits:
            log_p, log_not_p = _log_sigmoid(p), _log_sigmoid(-p)
        else:
            p = _clipped(p)
            log_p, log_not_p = np.log(p), np.log(1 - p)
        return np.mean(-(y * log_p + (1 - y) * log_not_p), axis=-1)


class CategoricalCrossentropy(Loss):
    """`-sum(y log p)` over the classes: for targets that are one-hot or probabilities.

    Predictions are first divided by their sum, as Keras does.

    Args:
        from_logits: True if predictions are logits (no softmax at the end of the model).
        label_smoothing: in [0, 1]; spreads this share of each target over all classes.
        axis: -1, the only one elman has.
        reduction, name, dtype: see `Loss`.

    Raises:
        OptionError: an option has none of these values.
    """

    word = "categorical_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        *,
        name: str = "categorical_crossentropy",
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        _check_crossentropy(self, label_smoothing, axis)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def check_shapes(self, y_true: Sequence[int | None], y_pred: Sequence[int | None]) -> None:
        super().check_shapes(y_true, y_pred)
        _warn_of_one_class(self, y_pred)

    def per_sample(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        y, p = _aligned(self, y_true, y_pred)
        if self.label_smoothing:
            y = y * (1 - self.label_smoothing) + self.label_smoothing / y.shape[-1]
        return -np.sum(y * _log_probability(p, self.from_logits), axis=-1)


class SparseCategoricalCrossentropy(Loss):
    """`-log p[y]` for targets that are class numbers.

    Predictions are first divided by their sum, as Keras does.

    Args:
        from_logits: True if predictions are logits (no softmax at the end of the model).
        ignore_class: a class number whose samples do not count, such as -1; or None.
        axis: -1, the only one elman has.
        reduction, name, dtype: see `Loss`.

    Raises:
        OptionError: an option has none of these values.
    """

    word = "sparse_categorical_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        *,
        name: str = "sparse_categorical_crossentropy",
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        _check_crossentropy(self, 0.0, axis)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def check_shapes(self, y_true: Sequence[int | None], y_pred: Sequence[int | None]) -> None:
        y, p = tuple(y_true), tuple(y_pred)
        if len(y) == len(p) and y[-1] == 1:
            y = y[:-1]
        if not _same_shape(y, p[:-1]):
            raise ShapeError(
                f"SparseCategoricalCrossentropy expected targets of shape {p[:-1]}, one class "
                f"number for each of the model's outputs {p}, got {tuple(y_true)}. Reshape the "
                "targets, or use CategoricalCrossentropy if they are one-hot."
            )
        _warn_of_one_class(self, y_pred)

    def per_sample(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        p = _predictions(y_pred)
        self.check_shapes(np.shape(y_true), p.shape)
        y = np.asarray(y_true).reshape(p.shape[:-1])
        kept = self._kept(y)
        if kept is not None:
            y = np.where(kept, y, 0)
        _check_labels(type(self).__name__, y, p.shape[-1])
        log_p = _log_probability(p, self.from_logits)
        losses = -np.take_along_axis(log_p, y.astype(np.int64)[..., None], axis=-1)[..., 0]
        return losses if kept is None else np.where(kept, losses, 0)

    def _kept(self, y_true: ArrayLike) -> Array | None:
        return None if self.ignore_class is None else np.asarray(y_true) != self.ignore_class


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """`MeanSquaredError.per_sample` as a function: losses [B, ...]."""
    return MeanSquaredError().per_sample(y_true, y_pred)


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """`MeanAbsoluteError.per_sample` as a function: losses [B, ...]."""
    return MeanAbsoluteError().per_sample(y_true, y_pred)


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> Array:
    """`Huber.per_sample` as a function: losses [B, ...]."""
    return Huber(delta).per_sample(y_true, y_pred)


def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`BinaryCrossentropy.per_sample` as a function: losses [B, ...]."""
    return BinaryCrossentropy(from_logits, label_smoothing, axis).per_sample(y_true, y_pred)


def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """`CategoricalCrossentropy.per_sample` as a function: losses [B, ...]."""
    return CategoricalCrossentropy(from_logits, label_smoothing, axis).per_sample(y_true, y_pred)


def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """`SparseCategoricalCrossentropy.per_sample` as a function: losses [B, ...]."""
    loss = SparseCategoricalCrossentropy(from_logits, ignore_class, axis)
    return loss.per_sample(y_true, y_pred)


_CLASSES: tuple[type[Loss], ...] = (
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)

#: Every name Keras accepts, and the class it stands for.
NAMES: dict[str, type[Loss]] = {
    **{cls.__name__: cls for cls in _CLASSES},
    **{cls.word: cls for cls in _CLASSES},
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
}

_FUNCTIONS: dict[Callable[..., Array], type[Loss]] = {globals()[cls.word]: cls for cls in _CLASSES}


def get(identifier: Any) -> Loss:
    """The loss that `identifier` names.

    Args:
        identifier: a name ("mse", "binary_crossentropy", "BinaryCrossentropy", ...), a config as
            Keras writes it, a loss, its class, or one of this module's functions.

    Raises:
        UnknownNameError: no loss has this name.
        OptionError: a function that is not one of elman's.
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier):
        if identifier in _FUNCTIONS:
            return _FUNCTIONS[identifier]()
        raise OptionError(
            f"losses.get expected one of elman's losses, got the function {identifier!r}. "
            f"Losses run in native code; choose from {', '.join(sorted(_words()))}."
        )
    name: Any = identifier
    config: dict[str, Any] = {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
        if name == "function":  # how Keras writes a loss that was given as a function
            name, config = config, {}
    if not isinstance(name, str) or name not in NAMES:
        raise unknown_name("losses.get", "loss", name, NAMES)
    return NAMES[name].from_config(config)


def _words() -> list[str]:
    return [cls.word for cls in _CLASSES]


def _predictions(y_pred: ArrayLike) -> Array:
    """Predictions as an array of floating or complex numbers."""
    p = np.asarray(y_pred)
    if p.dtype.kind not in "fc":
        p = p.astype(np.float32)
    return p


def _aligned(loss: Loss, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Targets and predictions of one shape, in the dtype of the predictions."""
    p = _predictions(y_pred)
    y = np.asarray(y_true)
    loss.check_shapes(y.shape, p.shape)
    if y.dtype.kind != "c":
        y = y.astype(p.real.dtype)
    if p.ndim == 1 and y.ndim == 2:  # one prediction per row: the last axis is not the rows
        p = p[:, None]
    return y.reshape(p.shape), p


def _matched(y: tuple[int | None, ...], p: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The targets' shape, with a last axis of 1 added or removed to have the outputs' rank."""
    if len(p) == len(y) + 1 and p[-1] == 1:
        return (*y, 1)
    if len(y) == len(p) + 1 and y[-1] == 1:
        return y[:-1]
    return y


def _same_shape(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> bool:
    """Whether two shapes can be the same; None fits any size."""
    return len(a) == len(b) and all(
        m is None or n is None or m == n for m, n in zip(a, b, strict=True)
    )


def _like(values: Array, losses: Array, who: str) -> Array:
    """Weights of samples [B] or [B, ...] spread over losses [B, ...]."""
    if values.ndim == losses.ndim + 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.shape != losses.shape[: values.ndim]:
        raise ShapeError(
            f"The loss expected {who} of shape {losses.shape[:1]} or {losses.shape}, got "
            f"{values.shape}. Give one value per sample, or per sample and time step."
        )
    values = values.reshape(values.shape + (1,) * (losses.ndim - values.ndim))
    return np.broadcast_to(values, losses.shape)


def _check_crossentropy(loss: Loss, label_smoothing: float, axis: int) -> None:
    who = type(loss).__name__
    if not 0 <= label_smoothing <= 1:
        raise OptionError(
            f"{who} expected label_smoothing in [0, 1], got {label_smoothing!r}. Use e.g. 0.1."
        )
    if axis != -1:
        raise OptionError(
            f"{who} expected axis=-1, got {axis!r}. Put the classes on the last axis."
        )


def _warn_of_one_class(loss: Loss, shape: Sequence[int | None]) -> None:
    if shape and shape[-1] == 1:
        warnings.warn(
            f"{type(loss).__name__} expected outputs of two classes or more, got shape "
            f"{tuple(shape)}: with one class this loss is always 0. Use BinaryCrossentropy, or "
            "give the last layer one unit per class.",
            stacklevel=4,
        )


def _check_labels(who: str, y: Array, classes: int) -> None:
    """Raise unless each label is a class number. (Keras gives others a loss of 0.)"""
    wrong = (y < 0) | (y >= classes) | (y != np.floor(y))
    if wrong.any():
        raise DataError(
            f"{who} expected class numbers from 0 to {classes - 1}, got {y[wrong].flat[0]}. "
            "Check the targets, or give the last layer one unit per class."
        )


# The functions below look at real parts only where they branch, so that they are analytic in
# each branch and complex-step differentiation passes through them.


def _absolute(x: Array) -> Array:
    return np.where(x.real < 0, -x, x)


def _clipped(p: Array) -> Array:
    low, high = p.real.dtype.type(EPSILON), p.real.dtype.type(1 - EPSILON)
    return np.where(p.real < low, low, np.where(p.real > high, high, p))


def _log_sigmoid(x: Array) -> Array:
    # min(x, 0) - log(1 + exp(-|x|)) never overflows.
    return np.where(x.real < 0, x, 0) - np.log1p(np.exp(-_absolute(x)))


def _log_probability(p: Array, from_logits: bool) -> Array:
    if from_logits:
        shifted = p - p.real.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.log(_clipped(p / p.sum(axis=-1, keepdims=True)))
