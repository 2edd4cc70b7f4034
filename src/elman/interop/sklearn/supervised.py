"""A class, or numbers, for every sequence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from elman.data.preparing import Preparation
from elman.data.sequences import Sequences
from elman.data.splitting import split_rows
from elman.data.steps import Scale
from elman.errors import DataError, OptionError
from elman.interop.sklearn.estimator import Array, Head, SequenceEstimator, chosen
from elman.interop.sklearn.preparing import Found
from elman.interop.sklearn.reading import targets
from elman.layers import Rescaling
from elman.models import Sequential
from elman.optimizers import Adam


@dataclass(eq=False, repr=False)
class Supervised(SequenceEstimator):
    """What the estimators with targets share."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train.

        Args:
            X: n sequences; what they may be stands at the class. Where early stopping holds some
                of `Sequences` out, their groups stay whole, and of times it holds out the latest.
            y: their targets, [n]; of a regressor also [n, outputs]. `Sequences` have their own.
            sample_weight: a weight for each, [n], >= 0.

        Raises:
            ValueError: X, y or the weights are no such data. elman's own errors are ValueErrors.
        """
        fresh = not (self.warm_start and self._fitted)
        return self._fit(X, y, sample_weight, fresh)

    def _fit(self, X: Any, y: Any, weight: Any, fresh: bool, known: Any = None) -> Self:
        """Train; where X and y are some of the data only, `known` tells what targets there are."""
        found, y = self._read(X, self._known(X, y), fresh=fresh)
        if weight is not None:
            weight = np.asarray(_check_sample_weight(weight, y, dtype=np.float64))
        weight = self._weighed(y, weight)
        if fresh:
            self._begin()
        rows, held_out = self._split(found, y) if known is None else (None, None)
        prepared = None
        if fresh:
            self._learn_targets(y if known is None else known, rows)
            prepared = self._prepare(chosen(found, rows))
        epochs = self.epochs if known is None else 1
        self._train(found, self._targets(y), weight, prepared, epochs, rows, held_out)
        return self

    def _split(self, found: Found, y: Array) -> tuple[Array | None, Array | None]:
        """The rows to train on, and those held out; None and None for all, and none."""
        if not self.early_stopping:
            return None, None
        seed = int(self._generator.integers(2**31))
        if isinstance(found, Sequences) and not (found.groups is None and found.times is None):
            train, held_out = split_rows(found, self.validation_fraction, "auto", seed)
            return train, held_out
        train, held_out = train_test_split(
            np.arange(len(y)),
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=y if isinstance(self, ClassifierMixin) else None,
        )
        return np.sort(train), np.sort(held_out)

    def _known(self, X: Any, y: Any) -> Any:
        """Targets as given, or those that `Sequences` bring."""
        return targets(X, self._who) if y is None and isinstance(X, Sequences) else y

    def _weighed(self, y: Array, weight: Array | None) -> Array | None:
        """The weight of each row."""
        return weight

    def _learn_targets(self, y: Array, rows: Array | None) -> None:
        """What `_targets` needs to know: of all targets, and which of them are trained on."""
        raise NotImplementedError

    def _targets(self, y: Array) -> Array:
        """What the network is to answer."""
        raise NotImplementedError


@dataclass(eq=False, repr=False, kw_only=True)
class SequenceClassifier(ClassifierMixin, Supervised):
    """A class for every sequence.

    What X may be, and all other options and attributes: `SequenceEstimator`.

    Args:
        class_weight: None, "balanced", or a dict with each class's weight.

    Attributes:
        classes_: the classes, sorted.

    Example:
        >>> from elman.data import datasets
        >>> (x, y), (x_test, y_test) = datasets.voices()
        >>> model = SequenceClassifier("gru(24)", epochs=5, random_state=1).fit(x, y)
        >>> model.predict_proba(x_test).shape == (len(x_test), 5)
        True
    """

    class_weight: Any = None

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch, on some of the data.

        Args:
            X, y, sample_weight: as `fit` takes them.
            classes: all classes that there are, in the first call.

        Raises:
            OptionError: the first call without classes, or class_weight="balanced".
            ValueError: as `fit`.
        """
        fresh = not self._fitted
        if fresh and classes is None:
            raise OptionError(
                "partial_fit expected all classes in its first call, got None. Pass "
                "classes=np.unique(y) of all the data."
            )
        if isinstance(self.class_weight, str):
            raise OptionError(
                f"partial_fit expected class_weight to be None or a dict, got "
                f"{self.class_weight!r}: some of the data do not tell. Compute the weights of all."
            )
        known = self.classes_ if classes is None else np.asarray(classes)
        return self._fit(X, y, sample_weight, fresh, known)

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, float32 [n, classes]."""
        return self._outputs(self._read(X, fresh=False))

    def predict(self, X: Any) -> Array:
        """The likeliest class of each sequence, [n]."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def _weighed(self, y: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        by_class = compute_sample_weight(self.class_weight, y)
        return np.asarray(by_class if weight is None else by_class * weight)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """The share of sequences whose class is right: of `y`, or what `Sequences` have."""
        return float(super().score(X, self._known(X, y), sample_weight))

    def _prepare(self, found: Found) -> Preparation:
        return replace(super()._prepare(found), names=tuple(map(str, self.classes_)))

    def _learn_targets(self, y: Array, rows: Array | None) -> None:
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise DataError(
                f"{self._who} expected at least two classes, got one class: "
                f"{self.classes_.tolist()}. There is nothing to tell apart: check the targets."
            )

    def _targets(self, y: Array) -> Array:
        strange = np.setdiff1d(y, self.classes_)
        if len(strange):
            raise DataError(
                f"{self._who} expected the classes {self.classes_.tolist()}, got also "
                f"{strange.tolist()}. Train it anew, with all of them."
            )
        return np.searchsorted(self.classes_, y)

    def _head(self) -> Head:
        return Head(len(self.classes_), "softmax", "sparse_categorical_crossentropy")


@dataclass(eq=False, repr=False)
class SequenceRegressor(RegressorMixin, Supervised):
    """One or more numbers for every sequence.

    What X may be, and the options and attributes: `SequenceEstimator`. The network learns targets
    of mean 0 and deviation 1, whatever theirs are.

    Attributes:
        n_outputs_: numbers per sequence.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 12))
        >>> model = SequenceRegressor("lstm(8)", epochs=5).fit(x, x[:, -1])
        >>> model.predict(x[:2]).shape
        (2,)
    """

    _target_checks = {"multi_output": True, "y_numeric": True}  # noqa: RUF012

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch, on some of the data; the first tell the targets' scale.

        Args:
            X, y, sample_weight: as `fit` takes them.

        Raises:
            ValueError: as `fit`.
        """
        return self._fit(X, y, sample_weight, not self._fitted, known=y)

    def predict(self, X: Any) -> Array:
        """The numbers of each sequence, float64 [n], or [n, outputs] where y had two axes."""
        found = self._outputs(self._read(X, fresh=False)).astype(np.float64)
        return found[:, 0] if self._flat else found

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """R^2, the share of the variance that is told: of `y`, or what `Sequences` have."""
        return float(super().score(X, self._known(X, y), sample_weight))

    def _learn_targets(self, y: Array, rows: Array | None) -> None:
        trained = np.asarray(chosen(y, rows), np.float64)
        self._flat = trained.ndim == 1
        self._scale = Scale.learned(trained.reshape(len(trained), -1))
        self.n_outputs_ = len(self._scale.center)

    def _targets(self, y: Array) -> Array:
        return self._scale.scaled(y.reshape(len(y), -1))

    def _head(self) -> Head:
        return Head(self.n_outputs_, None, "mse")

    def _answering(self, network: Any) -> Any:
        """The same layers, and one that brings what they say into the targets' unit."""
        entries = [network.input, *network.layers] if network.input else network.layers
        back = Rescaling(list(self._scale.scale), list(self._scale.center))
        model = Sequential([*entries, back])
        model.compile(Adam(self.learning_rate), "mse")
        return model
