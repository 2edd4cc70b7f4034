"""Initializers: the first values of a weight, drawn as Keras draws them.

The distributions, options and names are those of Keras 3 (https://keras.io/api/layers/initializers);
the random numbers themselves come from NumPy, so that a seed gives the same values on every
machine, but not the values Keras would draw from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.config import Configured
from elman.errors import OptionError, ShapeError, unknown_name

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array = np.ndarray[Any, np.dtype[np.float32]]

#: Standard deviation of a standard normal distribution cut off at -2 and 2.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Configured):
    """Base class: an object that makes the first values of a weight."""

    module = "keras.initializers"

    def __call__(self, shape: Sequence[int], rng: np.random.Generator | None = None) -> Array:
        """The values of a weight.

        Args:
            shape: the weight's shape, e.g. `(features, units)`.
            rng: where random numbers come from; None draws unpredictable ones.

        Returns:
            float32 array of that shape.

        Raises:
            ShapeError: the initializer cannot make a weight of this shape.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, rng).")


class Zeros(Initializer):
    """All values are 0."""

    def __call__(self, shape: Sequence[int], rng: np.random.Generator | None = None) -> Array:
        return np.zeros(tuple(shape), np.float32)


class Ones(Initializer):
    """All values are 1."""

    def __call__(self, shape: Sequence[int], rng: np.random.Generator | None = None) -> Array:
        return np.ones(tuple(shape), np.float32)


class Constant(Initializer):
    """All values are `value`; or an array, e.g. pretrained embeddings.

    Args:
        value: a number, or an array of the weight's shape (or one that broadcasts to it).
    """

    def __init__(self, value: float | ArrayLike = 0.0) -> None:
        if isinstance(value, dict) and value.get("class_name") == "__numpy__":
            value = value["config"]["value"]  # how Keras writes an array into a model's config
        if not isinstance(value, int | float):
            value = _numbers("Constant", value)
        self.value = value

    def get_config(self) -> dict[str, Any]:
        if isinstance(self.value, np.ndarray):
            values = {"value": self.value.tolist(), "dtype": "float32"}
            return {"value": {"class_name": "__numpy__", "config": values}}
        return super().get_config()

    def __call__(self, shape: Sequence[int], rng: np.random.Generator | None = None) -> Array:
        values = np.asarray(self.value, np.float32)
        try:
            return np.broadcast_to(values, tuple(shape)).copy()
        except ValueError:
            raise ShapeError(
                f"Constant expected values for a weight of shape {tuple(shape)}, got an array of "
                f"shape {values.shape}. Pass one number, or an array of the weight's shape."
            ) from None


class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere.

    Args:
        gain: the value on the diagonal.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], rng: np.random.Generator | None = None) -> Array:
        if len(shape) != 2:
            raise ShapeError(
                f"Identity expected a weight of 2 axes, got shape {tuple(shape)}. "
                "Choose another initializer for this weight."
            )
        return np.float32(self.gain) * np.eye(*shape, dtype=np.float32)


class RandomInitializer(Initializer):
    """Base class of the initializers that draw random values.

    Args:
        seed: an integer; then every call gives the same values, whatever generator it is given.
            None takes the generator's numbers.
    """

    def __init__(self, seed: int | None = None) -> None:
        if isinstance(seed, dict):  # a Keras SeedGenerator in a model's config
            seed = seed.get("config", {}).get("seed")
        if isinstance(seed, bool) or not (seed is None or isinstance(seed, int | np.integer)):
            raise OptionError(
                f"{type(self).__name__} expected seed to be an integer or None, got {seed!r}. "
                "Pass seed=1, or leave it out."
            )
        self.seed = seed

    def __call__(self, shape: Sequence[int], rng: np.random.Generator | None = None) -> Array:
        if self.seed is not None or rng is None:
            # NumPy takes no negative seeds; Keras does.
            rng = np.random.default_rng(None if self.seed is None else self.seed % 2**64)
        return self.draw(tuple(shape), rng)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """The values, drawn from `rng` [shape, float32]."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(shape, rng).")


class RandomUniform(RandomInitializer):
    """Uniform between two bounds.

    Args:
        minval: the lower bound.
        maxval: the upper bound.
        seed: see `RandomInitializer`.
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return uniform(shape, rng, self.minval, self.maxval)


class RandomNormal(RandomInitializer):
    """Normal distribution.

    Args:
        mean: its mean.
        stddev: its standard deviation.
        seed: see `RandomInitializer`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return normal(shape, rng, self.mean, self.stddev)


class TruncatedNormal(RandomInitializer):
    """Normal distribution whose values beyond two standard deviations are drawn again.

    Args:
        mean: the mean.
        stddev: the standard deviation before cutting; that of the values is 0.88 times it.
        seed: see `RandomInitializer`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return truncated_normal(shape, rng, self.mean, self.stddev)


class VarianceScaling(RandomInitializer):
    """Random values whose variance is `scale / fan`, so that signals keep their size.

    Args:
        scale: a positive number.
        mode: which fan: "fan_in" (inputs of the weight), "fan_out" (outputs) or "fan_avg".
        distribution: "truncated_normal" (or "normal"), "untruncated_normal" or "uniform".
        seed: see `RandomInitializer`.
        input_axes: the axes of the shape that count as inputs, where not the usual ones.
        output_axes: the axes that count as outputs; both or neither.

    Raises:
        OptionError: an option has none of these values.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        who = type(self).__name__
        if not scale > 0:
            raise OptionError(
                f"{who} expected scale to be a positive number, got {scale!r}. Use 1.0 or 2.0."
            )
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise unknown_name(who, "mode", mode, ["fan_in", "fan_out", "fan_avg"])
        if distribution == "normal":
            distribution = "truncated_normal"
        known = ["truncated_normal", "untruncated_normal", "uniform"]
        if distribution not in known:
            raise unknown_name(who, "distribution", distribution, known)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("input_axes", "output_axes"):
            if config[name] is None:  # Keras before 3.13 does not know these options
                del config[name]
        return config

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        fan_in, fan_out = fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return uniform(shape, rng, -limit, limit)
        if self.distribution == "untruncated_normal":
            return normal(shape, rng, 0.0, math.sqrt(variance))
        return truncated_normal(shape, rng, 0.0, math.sqrt(variance) / TRUNCATED_STDDEV)


class _Preset(VarianceScaling):
    """A `VarianceScaling` of fixed scale, mode and distribution: those of the class."""

    preset: tuple[float, str, str]

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self.preset, seed, input_axes, output_axes)


class GlorotUniform(_Preset):
    """Uniform with variance `2 / (fan_in + fan_out)`: Keras's default for kernels.

    Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """

    preset = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Preset):
    """Truncated normal with variance `2 / (fan_in + fan_out)`. Glorot and Bengio 2010."""

    preset = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Preset):
    """Uniform with variance `2 / fan_in`, for ReLU. He et al. 2015, arXiv:1502.01852."""

    preset = (2.0, "fan_in", "uniform")


class HeNormal(_Preset):
    """Truncated normal with variance `2 / fan_in`, for ReLU. He et al. 2015, arXiv:1502.01852."""

    preset = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Preset):
    """Uniform with variance `1 / fan_in`. LeCun et al. 1998, "Efficient BackProp"."""

    preset = (1.0, "fan_in", "uniform")


class LecunNormal(_Preset):
    """Truncated normal with variance `1 / fan_in`. LeCun et al. 1998, "Efficient BackProp"."""

    preset = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal columns (or rows, if there are fewer), times `gain`.

    The default of recurrent kernels: it neither shrinks nor stretches a state. Saxe et al. 2014,
    arXiv:1312.6120. More than two axes are flattened to `(all but the last, last)`.

    Args:
        gain: a factor on the matrix.
        seed: see `RandomInitializer`.

    Raises:
        ShapeError: on a weight with fewer than two axes.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        if len(shape) < 2:
            raise ShapeError(
                f"Orthogonal expected a weight of 2 axes or more, got shape {shape}. "
                "Choose another initializer for this weight."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        # The signs of R's diagonal make Q uniform among all orthogonal matrices.
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
        matrix = q if rows >= columns else q.T
        return (self.gain * matrix).reshape(shape).astype(np.float32)


def uniform(shape: tuple[int, ...], rng: np.random.Generator, low: float, high: float) -> Array:
    """Uniform values in [low, high) [shape, float32]."""
    return rng.random(shape, np.float32) * np.float32(high - low) + np.float32(low)


def normal(shape: tuple[int, ...], rng: np.random.Generator, mean: float, stddev: float) -> Array:
    """Normal values [shape, float32]."""
    return rng.standard_normal(shape, np.float32) * np.float32(stddev) + np.float32(mean)


def truncated_normal(
    shape: tuple[int, ...], rng: np.random.Generator, mean: float, stddev: float
) -> Array:
    """Normal values, those beyond two standard deviations drawn again [shape, float32]."""
    values = rng.standard_normal(math.prod(shape), np.float32)
    beyond = np.flatnonzero(np.abs(values) > 2)
    while beyond.size:
        values[beyond] = rng.standard_normal(beyond.size, np.float32)
        beyond = beyond[np.abs(values[beyond]) > 2]
    return (values * np.float32(stddev) + np.float32(mean)).reshape(shape)


def fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """How many inputs and outputs one weight has: (fan_in, fan_out).

    A kernel `(inputs, outputs)` says so itself; a vector counts as both; axes before the last two
    multiply both, as in a convolution.
    """
    if input_axes is not None and output_axes is not None:
        inputs = math.prod(shape[axis] for axis in input_axes)
        return inputs, math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def _numbers(who: str, value: Any) -> Array:
    try:
        return np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise OptionError(
            f"{who} expected a number or an array of numbers, got {value!r}. Pass e.g. 0.5."
        ) from None


_CLASSES: tuple[type[Initializer], ...] = (
    Zeros,
    Ones,
    Constant,
    Identity,
    RandomUniform,
    RandomNormal,
    TruncatedNormal,
    VarianceScaling,
    GlorotUniform,
    GlorotNormal,
    HeUniform,
    HeNormal,
    LecunUniform,
    LecunNormal,
    Orthogonal,
)


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


#: Every name Keras accepts, and the class it stands for.
NAMES: dict[str, type[Initializer]] = {
    **{cls.__name__: cls for cls in _CLASSES},
    **{_snake(cls.__name__): cls for cls in _CLASSES},
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "normal": RandomNormal,
    "uniform": RandomUniform,
    "one": Ones,
    "zero": Zeros,
}


def get(identifier: Any) -> Initializer:
    """The initializer that `identifier` names.

    Args:
        identifier: a name ("glorot_uniform", "GlorotUniform", ...), a config as Keras writes it
            (`{"class_name": ..., "config": {...}}`), an array of values, an initializer, or its
            class.

    Raises:
        UnknownNameError: no initializer has this name.
    """
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if isinstance(identifier, np.ndarray):
        return Constant(identifier)
    name: Any = identifier
    config: dict[str, Any] = {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
    if not isinstance(name, str) or name not in NAMES:
        raise unknown_name("initializers.get", "initializer", name, NAMES)
    return NAMES[name].from_config(config)
