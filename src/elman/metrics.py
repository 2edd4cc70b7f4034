"""Metrics: what is watched while a model trains, in Keras 3's arithmetic.

A metric gathers rows with `update_state` and answers `result`. Rows may come one batch at a time
or many batches at once: the answer is the same, because every metric here is a sum over rows.
Sums are kept in float64. Source: https://keras.io/api/metrics.

Legend: B rows, ... any axes between (such as T time steps), C classes or outputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from elman import losses
from elman.config import Configured
from elman.errors import OptionError, ShapeError, unknown_name

Array = NDArray[Any]


class Metric(Configured):
    """Base class of the metrics.

    Args:
        name: the metric's name in logs and histories.
        dtype: accepted because Keras writes it; elman's sums are float64.

    Attributes:
        direction: "up" if more is better, "down" if less is, None if unknown; `EarlyStopping`
            and `ReduceLROnPlateau` ask for it.
    """

    module = "keras.metrics"
    direction: str | None = None

    def __init__(self, name: str = "metric", dtype: str | None = None) -> None:
        if dtype not in (None, "float32", "float64"):
            raise OptionError(
                f"{type(self).__name__} expected dtype to be None or 'float32', got {dtype!r}. "
                "Leave it out."
            )
        self.name = name
        self.dtype = dtype
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all rows."""
        raise NotImplementedError(f"{type(self).__name__} must define reset_state().")

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take in rows.

        Args:
            y_true: targets [B, ..., C], or class numbers [B, ...] for a sparse metric.
            y_pred: predictions [B, ..., C].
            sample_weight: weights [B] or [B, ...]; 0 leaves a sample out.

        Raises:
            ShapeError: the shapes do not belong together.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update_state(...).")

    def result(self) -> Any:
        """The metric over all rows so far, a float; 0.0 before the first."""
        raise NotImplementedError(f"{type(self).__name__} must define result().")

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Take in rows and give the result so far."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


class Mean(Metric):
    """The mean of the values it is given; base of the metrics that are means.

    Args:
        name, dtype: see `Metric`.
    """

    def __init__(self, name: str = "mean", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def reset_state(self) -> None:
        self.total = 0.0
        self.count = 0.0

    def update_state(  # type: ignore[override]
        self, values: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take in values.

        Args:
            values: numbers [B, ...]; a sample's value is the mean over the axes after the first.
            sample_weight: weights [B] or [B, ...].
        """
        self._add(np.asarray(values, np.float64), sample_weight)

    def _add(self, values: Array, sample_weight: ArrayLike | None) -> None:
        if sample_weight is None:
            self.total += _per_row(values).sum()
            self.count += len(values) if values.ndim else 1
            return
        values, weights = _weighted(type(self).__name__, values, sample_weight)
        self.total += _per_row(values * weights).sum()
        self.count += _per_row(weights).sum()

    def result(self) -> float:
        return float(self.total / self.count) if self.count else 0.0

    def __call__(self, *arguments: Any, **options: Any) -> float:
        self.update_state(*arguments, **options)
        return self.result()


class _MeanOf(Mean):
    """A mean of a value per sample that a subclass defines as `values`."""

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        values = self.values(np.asarray(y_true), _column(y_pred))
        self._add(np.asarray(values, np.float64), sample_weight)

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """The value of each sample [B, ...]."""
        raise NotImplementedError(f"{type(self).__name__} must define values(y_true, y_pred).")


class FunctionMetric(_MeanOf):
    """The mean of a plain function of targets and predictions.

    Args:
        function: called with (y_true, y_pred); returns a value per sample [B, ...], or one number
            for all of them, which then counts once for each row.
        name: by default the function's name.
        dtype: see `Metric`.

    A number for all rows is only the same for many batches as for each by itself if it is a mean
    over rows: return a value per sample where you can.
    """

    def __init__(
        self, function: Callable[..., Any], name: str | None = None, dtype: str | None = None
    ) -> None:
        super().__init__(name or _snake(getattr(function, "__name__", "metric")), dtype)
        self.function = function

    def get_config(self) -> dict[str, Any]:
        # A model file never runs code, so the function itself is not written.
        return {"name": self.name, "function": getattr(self.function, "__name__", "function")}

    def values(self, y_true: Array, y_pred: Array) -> Array:
        values = np.asarray(self.function(y_true, y_pred))
        return values if values.ndim else np.full(len(y_pred), values)


class Accuracy(_MeanOf):
    """How often predictions equal targets exactly.

    Args:
        name, dtype: see `Metric`.
    """

    direction = "up"

    def __init__(self, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: Array, y_pred: Array) -> Array:
        y = _aligned(self, y_true, y_pred)
        return y.astype(y_pred.dtype) == y_pred


class BinaryAccuracy(_MeanOf):
    """How often a prediction is on the right side of a threshold; targets are 0 or 1.

    Args:
        name, dtype: see `Metric`.
        threshold: predictions above it count as 1.
    """

    direction = "up"

    def __init__(
        self, name: str = "binary_accuracy", dtype: str | None = None, threshold: float = 0.5
    ) -> None:
        super().__init__(name, dtype)
        self.threshold = threshold

    def values(self, y_true: Array, y_pred: Array) -> Array:
        y = _aligned(self, y_true, y_pred)
        return y == (y_pred > y_pred.dtype.type(self.threshold))


class CategoricalAccuracy(_MeanOf):
    """How often the largest prediction is that of the target's class; targets are one-hot.

    Args:
        name, dtype: see `Metric`.
    """

    direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: Array, y_pred: Array) -> Array:
        y = _aligned(self, y_true, y_pred)
        return y.argmax(axis=-1) == y_pred.argmax(axis=-1)


class SparseCategoricalAccuracy(_MeanOf):
    """How often the largest prediction is that of the target's class; targets are class numbers.

    Args:
        name, dtype: see `Metric`.
    """

    direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return _class_numbers(self, y_true, y_pred) == y_pred.argmax(axis=-1)


class TopKCategoricalAccuracy(_MeanOf):
    """How often the target's class is among the k largest predictions; targets are one-hot.

    Args:
        k: how many predictions count.
        name, dtype: see `Metric`.
    """

    direction = "up"

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: str | None = None
    ) -> None:
        super().__init__(name, dtype)
        self.k = k

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return _in_top(_aligned(self, y_true, y_pred).argmax(axis=-1), y_pred, self.k)


class SparseTopKCategoricalAccuracy(_MeanOf):
    """How often the target's class is among the k largest predictions; class numbers as targets.

    Args:
        k: how many predictions count.
        name, dtype: see `Metric`.
    """

    direction = "up"

    def __init__(
        self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: str | None = None
    ) -> None:
        super().__init__(name, dtype)
        self.k = k

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return _in_top(_class_numbers(self, y_true, y_pred), y_pred, self.k)


class _AccuracyByShape(_MeanOf):
    """The accuracy that fits its targets and predictions, known once they come."""

    direction = "up"

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return _accuracy(y_true.shape, y_pred.shape)().values(y_true, y_pred)


class _LossMetric(_MeanOf):
    """The mean of a loss, unweighted by its reduction."""

    direction = "down"
    loss: losses.Loss

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return self.loss.per_sample(y_true, y_pred)


class MeanSquaredError(_LossMetric):
    """The mean of `(y_true - y_pred)^2`.

    Args:
        name, dtype: see `Metric`.
    """

    def __init__(self, name: str = "mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        self.loss = losses.MeanSquaredError()


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean of `(y_true - y_pred)^2`.

    Args:
        name, dtype: see `Metric`.
    """

    def __init__(self, name: str = "root_mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def result(self) -> float:
        return float(np.sqrt(super().result()))


class MeanAbsoluteError(_LossMetric):
    """The mean of `|y_true - y_pred|`.

    Args:
        name, dtype: see `Metric`.
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        self.loss = losses.MeanAbsoluteError()


class BinaryCrossentropy(_LossMetric):
    """The mean of the loss of this name.

    Args:
        name, dtype: see `Metric`.
        from_logits, label_smoothing: see `losses.BinaryCrossentropy`.
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.loss = losses.BinaryCrossentropy(from_logits, label_smoothing)


class CategoricalCrossentropy(_LossMetric):
    """The mean of the loss of this name.

    Args:
        name, dtype: see `Metric`.
        from_logits, label_smoothing, axis: see `losses.CategoricalCrossentropy`.
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis
        self.loss = losses.CategoricalCrossentropy(from_logits, label_smoothing, axis)


class SparseCategoricalCrossentropy(_LossMetric):
    """The mean of the loss of this name.

    Args:
        name, dtype: see `Metric`.
        from_logits, ignore_class, axis: see `losses.SparseCategoricalCrossentropy`.
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis
        self.loss = losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis)

    def update_state(  # type: ignore[override]
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        if self.ignore_class is not None:
            y = _class_numbers(self, np.asarray(y_true), _column(y_pred))
            kept = (y != self.ignore_class).astype(np.float64)
            _, given = _weighted(
                type(self).__name__, kept, 1.0 if sample_weight is None else sample_weight
            )
            sample_weight = kept * given.reshape(given.shape + (1,) * (kept.ndim - given.ndim))
        super().update_state(y_true, y_pred, sample_weight)


class _Thresholded(Metric):
    """Base of precision and recall: weights of hits and misses above thresholds.

    Args:
        thresholds: a number or several in [0, 1]; predictions above count as positive. One result
            per threshold; None for 0.5.
        top_k: not in elman; leave it out.
        class_id: count this class only (an index into the last axis); None for all.
        name, dtype: see `Metric`.

    Raises:
        OptionError: an option has none of these values.
    """

    direction = "up"

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: None = None,
        class_id: int | None = None,
        name: str = "metric",
        dtype: str | None = None,
    ) -> None:
        who = type(self).__name__
        if top_k is not None:
            raise OptionError(
                f"{who} expected top_k to be None, got {top_k!r}. elman does not have this option "
                "of Keras's; TopKCategoricalAccuracy may be what you look for."
            )
        levels = np.atleast_1d(np.asarray(0.5 if thresholds is None else thresholds, np.float32))
        if not (levels.ndim == 1 and levels.size and np.all((levels >= 0) & (levels <= 1))):
            raise OptionError(
                f"{who} expected thresholds in [0, 1], got {thresholds!r}. Use e.g. 0.5."
            )
        self.thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self._levels = levels
        super().__init__(name, dtype)

    def reset_state(self) -> None:
        self.true_positives = np.zeros(self._levels.size)
        self.others = np.zeros(self._levels.size)

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        y, p, weights = _binary_rows(self, y_true, y_pred, sample_weight)
        if self.class_id is not None:
            if not 0 <= self.class_id < p.shape[-1]:
                raise ShapeError(
                    f"{type(self).__name__} expected predictions with a class {self.class_id}, "
                    f"got {p.shape[-1]} classes. Check class_id."
                )
            y, p = y[:, self.class_id], p[:, self.class_id]
            weights = weights[:, self.class_id]
        for i, level in enumerate(self._levels):
            positive = p > level
            self.true_positives[i] += weights[y & positive].sum()
            self.others[i] += weights[self._other(y, positive)].sum()

    def _other(self, true: Array, positive: Array) -> Array:
        """Which samples the true positives are compared with."""
        raise NotImplementedError

    def result(self) -> float | Array:
        """A float; for several thresholds, an array with one value for each."""
        ratio = _divide(self.true_positives, self.true_positives + self.others)
        return float(ratio[0]) if ratio.size == 1 else ratio


class Precision(_Thresholded):
    """Of the samples predicted positive, how many are: tp / (tp + fp).

    Args:
        thresholds: a number or several in [0, 1]; predictions above count as positive. One result
            per threshold; None for 0.5.
        top_k: not in elman; leave it out.
        class_id: count this class only (an index into the last axis); None for all.
        name, dtype: see `Metric`.

    Raises:
        OptionError: an option has none of these values.
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: None = None,
        class_id: int | None = None,
        name: str = "precision",
        dtype: str | None = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)

    def _other(self, true: Array, positive: Array) -> Array:
        return ~true & positive


class Recall(_Thresholded):
    """Of the positive samples, how many are predicted so: tp / (tp + fn).

    Args:
        thresholds: a number or several in [0, 1]; predictions above count as positive. One result
            per threshold; None for 0.5.
        top_k: not in elman; leave it out.
        class_id: count this class only (an index into the last axis); None for all.
        name, dtype: see `Metric`.

    Raises:
        OptionError: an option has none of these values.
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: None = None,
        class_id: int | None = None,
        name: str = "recall",
        dtype: str | None = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)

    def _other(self, true: Array, positive: Array) -> Array:
        return true & ~positive


class AUC(Metric):
    """The area under the ROC or the precision-recall curve, from histograms of predictions.

    Each prediction falls into the bucket between two thresholds; the curve is that of the
    thresholds. Interpolation of the PR curve: Davis and Goadrich 2006.

    Args:
        num_thresholds: how many thresholds, evenly spaced, > 1.
        curve: "ROC" or "PR".
        summation_method: "interpolation", or "minoring" and "majoring" for lower and upper bounds.
        name, dtype: see `Metric`.
        thresholds: your own thresholds in [0, 1] instead of evenly spaced ones.
        multi_label: True averages an area per column of the last axis; False takes every value
            for a sample of its own.
        num_labels: how many columns, where they are to be checked.
        label_weights: a weight per column.
        from_logits: True if predictions are logits.

    Raises:
        OptionError: an option has none of these values.
    """

    direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str = "auc",
        dtype: str | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if curve.upper() not in ("ROC", "PR"):
            raise unknown_name("AUC", "curve", curve, ["ROC", "PR"])
        methods = ["interpolation", "minoring", "majoring"]
        if summation_method.lower() not in methods:
            raise unknown_name("AUC", "summation_method", summation_method, methods)
        if thresholds is not None:
            num_thresholds = len(thresholds) + 2
        if num_thresholds < 2:
            raise OptionError(
                f"AUC expected num_thresholds to be greater than 1, got {num_thresholds!r}. "
                "Its default is 200."
            )
        if num_labels and not multi_label:
            raise OptionError(
                f"AUC expected num_labels with multi_label=True only, got {num_labels!r}. Leave "
                "it out, or set multi_label=True."
            )
        self.num_thresholds = num_thresholds
        self.curve = curve.upper()
        self.summation_method = summation_method.lower()
        self.thresholds = None if thresholds is None else [float(t) for t in thresholds]
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = label_weights
        self.from_logits = from_logits
        even = np.arange(num_thresholds) / (num_thresholds - 1)
        levels = even if thresholds is None else np.array([0.0, *sorted(thresholds), 1.0])
        if levels.min() < 0 or levels.max() > 1:
            raise OptionError(
                f"AUC expected thresholds in [0, 1], got {thresholds!r}. Use from_logits=True if "
                "predictions are logits."
            )
        self._even = num_thresholds > 2 and bool(np.allclose(levels, even, atol=losses.EPSILON))
        # The outer thresholds step outside [0, 1], so that 0 and 1 lie between thresholds.
        levels[0], levels[-1] = -losses.EPSILON, 1 + losses.EPSILON
        self._levels = levels.astype(np.float32)
        super().__init__(name, dtype)

    def reset_state(self) -> None:
        # Weights of positive and negative samples above each threshold [thresholds, columns].
        self.true_positives = np.zeros((self.num_thresholds, 1))
        self.false_positives = np.zeros((self.num_thresholds, 1))

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        y, p, weights = _binary_rows(self, y_true, y_pred, sample_weight)
        if self.num_labels and p.shape[-1] != self.num_labels:
            raise ShapeError(
                f"AUC expected predictions of {self.num_labels} labels, got {p.shape[-1]}. Check "
                "num_labels, or leave it out."
            )
        if self.from_logits:
            with np.errstate(over="ignore"):  # exp(1000) is inf, and 1 / inf is right
                p = 1 / (1 + np.exp(-p))
        if self.multi_label:
            columns = [(y[:, i], p[:, i], weights[:, i]) for i in range(p.shape[-1])]
        else:
            if self.label_weights is not None:
                weights = weights * np.asarray(self.label_weights, np.float64)
            columns = [(y.ravel(), p.ravel(), weights.ravel())]
        hits = [self._above(p[y], w[y]) for y, p, w in columns]
        misses = [self._above(p[~y], w[~y]) for y, p, w in columns]
        # The first rows say how many columns there are: the sums broadcast once.
        self.true_positives = self.true_positives + np.stack(hits, axis=1)
        self.false_positives = self.false_positives + np.stack(misses, axis=1)

    def _above(self, p: Array, weights: Array) -> Array:
        """The weight of the predictions above each threshold [thresholds]."""
        p = np.clip(p, 0, 1)
        if self._even:
            # In float32, as in Keras, to put a prediction that equals a threshold where Keras does.
            bucket = np.ceil(p * np.float32(self.num_thresholds - 1)).astype(np.int64) - 1
            bucket = np.maximum(bucket, 0)
        else:
            bucket = np.searchsorted(self._levels, p, side="left") - 1
        histogram = np.bincount(bucket, weights, minlength=self.num_thresholds)
        return histogram[::-1].cumsum()[::-1]

    def result(self) -> float:
        areas = self._pr_interpolated() if self._interpolates_pr() else self._riemann()
        if areas.size == 1:  # one label, or no rows yet
            return float(areas[0])
        return float(np.average(areas, weights=self.label_weights))

    def _interpolates_pr(self) -> bool:
        return self.curve == "PR" and self.summation_method == "interpolation"

    def _riemann(self) -> Array:
        """The area under each column's curve, as a sum of rectangles or trapezia [columns]."""
        tp, fp = self.true_positives, self.false_positives
        # The first threshold lies below every prediction: there all positives are counted.
        recall = _divide(tp, tp[0])
        if self.curve == "PR":
            x, y = recall, _divide(tp, tp + fp)
        else:
            x, y = _divide(fp, fp[0]), recall
        left, right = y[:-1], y[1:]
        heights = {
            "interpolation": (left + right) / 2,
            "minoring": np.minimum(left, right),
            "majoring": np.maximum(left, right),
        }[self.summation_method]
        return ((x[:-1] - x[1:]) * heights).sum(axis=0)

    def _pr_interpolated(self) -> Array:
        """The area under each column's PR curve [columns].

        Between two thresholds a and b, true positives TP grow linearly with positives P. With the
        slope s = dTP / dP and the intercept i = TP_b - s P_b, the area is the integral of
        precision over recall: s (dTP + i log(P_a / P_b)) / TP of all positives.
        """
        tp = self.true_positives
        p = tp + self.false_positives
        d_tp = tp[:-1] - tp[1:]
        slope = _divide(d_tp, np.maximum(p[:-1] - p[1:], 0))
        intercept = tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.where(both, _divide(p[:-1], p[1:]), 1.0)
        return _divide(slope * (d_tp + intercept * np.log(ratio)), tp[0]).sum(axis=0)


_CLASSES: tuple[type[Metric], ...] = (
    Mean,
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    MeanSquaredError,
    RootMeanSquaredError,
    MeanAbsoluteError,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    Precision,
    Recall,
    AUC,
)


def _snake(name: str) -> str:
    name = re.sub(r"\W+", "", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


#: Every name Keras accepts, and the class it stands for.
NAMES: dict[str, type[Metric]] = {
    **{cls.__name__: cls for cls in _CLASSES},
    **{_snake(cls.__name__): cls for cls in _CLASSES},
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
}


def get(
    identifier: Any,
    loss: Any = None,
    y_shape: Sequence[int | None] | None = None,
    output_shape: Sequence[int | None] | None = None,
) -> Metric:
    """The metric that `identifier` names.

    Args:
        identifier: a name ("accuracy", "mse", "AUC", ...), which the metric then bears, as in
            Keras; a config as Keras writes it; a metric, its class; or a function of
            (y_true, y_pred).
        loss: the model's loss; accepted, but like Keras 3 this goes by shapes alone.
        y_shape: shape of the targets, batch axis included (None where unknown).
        output_shape: shape of the model's outputs, likewise. With both, "accuracy" is chosen by
            them, as in Keras: one output is binary, class numbers are sparse, else one-hot.
            Without, it is chosen when the first rows come.

    Raises:
        UnknownNameError: no metric has this name.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if callable(identifier):
        return FunctionMetric(identifier)
    if isinstance(identifier, str):
        if identifier.lower() in ("accuracy", "acc"):
            if y_shape is None or output_shape is None:
                return _AccuracyByShape(identifier)
            return _accuracy(y_shape, output_shape)(name=identifier)
        if identifier in NAMES:
            return NAMES[identifier](name=identifier)
    name: Any = identifier
    config: dict[str, Any] = {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
    if not isinstance(name, str) or name not in NAMES:
        raise unknown_name("metrics.get", "metric", name, [*NAMES, "acc"])
    return NAMES[name].from_config(config)


def _accuracy(y: Sequence[int | None], output: Sequence[int | None]) -> type[_MeanOf]:
    """The accuracy that "accuracy" means for targets and outputs of these shapes."""
    if output[-1] == 1:
        return BinaryAccuracy
    if len(y) < len(output) or y[-1] == 1:
        return SparseCategoricalAccuracy
    return CategoricalAccuracy


def _column(y_pred: ArrayLike) -> Array:
    """Predictions as floating-point numbers, of two axes at least: [B] becomes [B, 1]."""
    p = np.asarray(y_pred)
    if p.dtype.kind != "f":
        p = p.astype(np.float32)
    return p[:, None] if p.ndim == 1 else p


def _aligned(metric: Metric, y_true: Array, y_pred: Array) -> Array:
    """Targets reshaped to the predictions' shape, where only a last axis of 1 differs."""
    y = y_true
    if y.shape != y_pred.shape and (*y.shape, 1) != y_pred.shape and y.shape != (*y_pred.shape, 1):
        raise ShapeError(
            f"{type(metric).__name__} expected targets of shape {y_pred.shape}, as the "
            f"predictions, got {y.shape}. Reshape the targets, or choose another metric."
        )
    return y.reshape(y_pred.shape)


def _class_numbers(metric: Metric, y_true: Array, y_pred: Array) -> Array:
    """Class numbers [B, ...] that belong to predictions [B, ..., C]."""
    shape = y_pred.shape[:-1]
    if y_true.shape != shape and y_true.shape != (*shape, 1):
        raise ShapeError(
            f"{type(metric).__name__} expected class numbers of shape {shape} for predictions of "
            f"shape {y_pred.shape}, got {y_true.shape}. For one-hot targets, use the metric "
            "without 'Sparse'."
        )
    return y_true.reshape(shape)


def _in_top(classes: Array, y_pred: Array, k: int) -> Array:
    """Whether fewer than k predictions are larger than that of the class."""
    known = (classes >= 0) & (classes < y_pred.shape[-1])
    index = np.where(known, classes, 0).astype(np.int64)
    own = np.take_along_axis(y_pred, index[..., None], axis=-1)
    # A NaN is no large prediction.
    own = np.where(np.isnan(own), -np.inf, own)
    return known & ((y_pred > own).sum(axis=-1) < k)


def _per_row(values: Array) -> Array:
    """The mean of each row's values."""
    return values.reshape(len(values), -1).mean(axis=1) if values.ndim > 1 else values


def _weighted(who: str, values: Array, sample_weight: ArrayLike) -> tuple[Array, Array]:
    """Values and weights of one shape: values [B, ...] are averaged over axes weights lack."""
    weights = np.asarray(sample_weight, np.float64)
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    axes = max(weights.ndim, 1)
    try:
        weights = np.broadcast_to(weights, values.shape[:axes])
    except ValueError:
        raise ShapeError(
            f"{who} expected sample_weight of shape {values.shape[:1]} or {values.shape}, got "
            f"{weights.shape}. Give one value per sample, or per sample and time step."
        ) from None
    if values.ndim > axes:
        values = values.mean(axis=tuple(range(axes, values.ndim)))
    return values, weights


def _binary_rows(
    metric: Metric, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Truth (bool), predictions (float32) and weights (float64), all [samples, columns]."""
    p = _column(y_pred).astype(np.float32)
    y = _aligned(metric, np.asarray(y_true), p).astype(bool)
    columns = p.shape[-1]
    weights = np.ones(p.shape)
    if sample_weight is not None:
        given = np.asarray(sample_weight, np.float64)
        if given.shape != p.shape[: given.ndim]:
            raise ShapeError(
                f"{type(metric).__name__} expected sample_weight of shape {p.shape[:1]} or "
                f"{p.shape}, got {given.shape}. Give one value per sample."
            )
        weights = weights * given.reshape(given.shape + (1,) * (p.ndim - given.ndim))
    return y.reshape(-1, columns), p.reshape(-1, columns), weights.reshape(-1, columns)


def _divide(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=b != 0)
