"""Normalization: features of a mean of 0 and a variance of 1, by statistics known beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import initializers
from elman.errors import DataError, OptionError, ShapeError
from elman.layers.layer import Array, Layer, Param, Shape
from elman.layers.layer_normalization import last_axis
from elman.layers.rescaling import check_count, emit_rescaling, numbers
from elman.mapped import Mapped, parts
from elman.ragged import Ragged

if TYPE_CHECKING:
    from elman.plan import Plan, Slot

#: Keras's least deviation: a feature that is constant is divided by this.
LEAST = 1e-7
#: Numbers that `adapt` turns into float64 at once.
PART = 2**20


class Normalization(Layer):
    """y = (x - mean) / sqrt(variance), for each feature.

    The statistics are given, or those of some data: call `adapt` before training.

    Args:
        axis: the features: -1, or the number of the last axis; None for one mean and variance of
            all numbers together.
        mean: a number, or one for each feature; those that `adapt` finds where None.
        variance: the same, given together with `mean`.
        invert: whether to go the other way: y = mean + x sqrt(variance).

    Raises:
        OptionError: no such axis; a mean without a variance, or of another length.
    """

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        whole = axis is None or (isinstance(axis, list | tuple) and not axis)
        #: As in Keras a tuple, of no axis where one mean is that of all numbers.
        self.axis = () if whole else tuple(axis) if isinstance(axis, list | tuple) else (axis,)
        self.invert = bool(invert)
        if (mean is None) != (variance is None):
            raise OptionError(
                f"Normalization expected mean and variance together, got mean={mean!r} and "
                f"variance={variance!r}. Give both, or neither and call adapt."
            )
        self.input_mean = None if mean is None else numbers("Normalization", "mean", mean)
        self.input_variance = (
            None if mean is None else numbers("Normalization", "variance", variance)
        )
        if np.size(mean) != np.size(variance):
            raise OptionError(
                f"Normalization expected as many variances as means, got {np.size(mean)} means and "
                f"{np.size(variance)} variances. Give one of each for every feature."
            )
        if self.input_variance is not None and np.any(np.asarray(self.input_variance) < 0):
            raise OptionError(
                f"Normalization expected variances of at least 0, got {variance!r}. They are "
                "squares: standard deviations need no sign."
            )

    @property
    def _whole(self) -> bool:
        """Whether one mean and variance are those of all numbers."""
        return not self.axis

    def check_rank(self, shape: Shape) -> None:
        super().check_rank(shape)
        if not self._whole:
            last_axis(self.label, self.axis, shape)
        if self.input_mean is not None:
            check_count(self.label, "mean", self.input_mean, shape)

    def known_features(self, input_shape: Shape) -> bool:
        return self._whole or super().known_features(input_shape)

    def params(self, input_shape: Shape) -> list[Param]:
        if self.input_mean is not None:
            return []
        features = input_shape[-1]
        shape, letters = ((), "") if self._whole else ((int(features or 0),), "F")
        zeros, ones = initializers.get("zeros"), initializers.get("ones")
        return [
            Param("mean", shape, zeros, trainable=False, letters=letters),
            Param("variance", shape, ones, trainable=False, letters=letters),
            Param("count", (), zeros, trainable=False),  # Keras keeps one, and never uses it
        ]

    def adapt(self, data: Any) -> None:
        """Take the mean and variance of some data, in place of those there were.

        Every row and step counts, masked ones too, as in Keras. Memory-mapped files are read in
        parts.

        Args:
            data: an array [n, features] or [n, steps, features]; or an iterable of such batches.

        Raises:
            OptionError: the layer was given its mean.
            ShapeError, DataError: the data do not fit the layer, or there are none.
        """
        if self.input_mean is not None:
            raise OptionError(
                f"{self.label} expected to find its mean in data, got mean={self.input_mean!r} as "
                "an option. Leave out mean and variance, or adapt."
            )
        found = _Moments(self._whole)
        shape: Shape | None = None
        for values in self._batches(data):
            if shape is not None and values.shape[-1] != shape[-1]:
                raise ShapeError(
                    f"{self.label} expected batches of {shape[-1]} features, got one of "
                    f"{values.shape[-1]}. Check how they are made."
                )
            shape = (*[None] * (values.ndim - 1), values.shape[-1])
            for _, part in parts(values):
                rows = max(1, PART // part[0].size) if len(part) else 1
                for row in range(0, len(part), rows):
                    found.add(part[row : row + rows])
        if shape is None or not found.count:
            raise DataError(f"{self.label} expected data to adapt to, got none. Check the data.")
        self.build_params(shape)
        self.set_weights([found.mean, found.squares / found.count, self.get_weights()[-1]])

    def _batches(self, data: Any) -> Iterator[Array | Mapped]:
        """The arrays of some data, checked: it is one, or an iterable of them."""
        from elman import checks

        if isinstance(data, list | tuple) and not any(hasattr(b, "__array__") for b in data):
            data = np.asarray(data)
        for batch in [data] if hasattr(data, "__array__") else data:
            found = checks.inputs(batch, self, self.label)
            yield found.values if isinstance(found, Ragged) else found

    @property
    def mean(self) -> Any:
        """The mean: as it was given, or found by `adapt`; None as long as it is not known."""
        return self._statistic(0, self.input_mean)

    @property
    def variance(self) -> Any:
        """The variance: as it was given, or found by `adapt`; None as long as it is not known."""
        return self._statistic(1, self.input_variance)

    def _statistic(self, place: int, given: Any) -> Any:
        return given if given is not None or not self.built else self.views()[place]

    def get_config(self) -> dict[str, Any]:
        given = {"axis": self.axis, "mean": self.input_mean, "variance": self.input_variance}
        return {**super().get_config(), **given}

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        if self.input_mean is None:
            return plan.add(
                "rescaling", self.name, slot, slot.shape, plan.params(self)[:2], invert=self.invert
            )
        mean, deviation = self.input_mean, self._deviation(self.input_variance)
        if self.invert:
            return emit_rescaling(plan, self.name, slot, 0.0, deviation, mean)
        return emit_rescaling(plan, self.name, slot, mean, 1.0 / deviation, 0.0)

    @staticmethod
    def _deviation(variance: Any) -> Array:
        return np.maximum(np.sqrt(np.asarray(variance)), LEAST)

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        mean = np.asarray(weights.get("mean", self.input_mean))
        deviation = self._deviation(weights.get("variance", self.input_variance))
        return mean + x * deviation if self.invert else (x - mean) / deviation


class _Moments:
    """Mean and squared distances from it of numbers that come in parts (Chan et al. 1979).

    Args:
        whole: whether of all numbers together, and not of each feature.
    """

    def __init__(self, whole: bool) -> None:
        self._whole = whole
        self.count = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0

    def add(self, part: Array) -> None:
        """Take in more numbers [..., features]."""
        values = part.reshape(-1, 1 if self._whole else part.shape[-1]).astype(np.float64)
        axis = None if self._whole else 0
        count, mean = len(values), values.mean(axis=axis)
        apart, both = mean - self.mean, self.count + count
        self.squares += ((values - mean) ** 2).sum(axis=axis) + apart**2 * self.count * count / both
        self.mean += apart * count / both
        self.count = both
