"""The activations, as readable formulas over NumPy arrays; the engine's are in core/kernels.

Each is analytic code (also right on complex numbers), so that the tests can differentiate it
by the complex step. Definitions: Keras 3, `keras.activations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from elman.errors import unknown_name

Array = np.ndarray[Any, np.dtype[Any]]


def linear(x: Array) -> Array:
    """x"""
    return x


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written with tanh so that it never overflows."""
    return 0.5 * (np.tanh(0.5 * x) + 1.0)


def relu(x: Array) -> Array:
    """max(x, 0)"""
    return np.where(x.real <= 0, 0.0, x)  # NaN stays NaN


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6)"""
    return _clip(x, 0.0, 6.0)


def leaky_relu(x: Array) -> Array:
    """x above zero, 0.2 x below."""
    return np.where(x.real > 0, x, 0.2 * x)


def elu(x: Array) -> Array:
    """x above zero, exp(x) - 1 below."""
    return np.where(x.real > 0, x, np.expm1(_clip(x, -np.inf, 0.0)))


def celu(x: Array) -> Array:
    """x above zero, exp(x) - 1 below."""
    return elu(x)


def selu(x: Array) -> Array:
    """Scaled elu (Klambauer et al. 2017)."""
    scale, alpha = 1.05070098735548049342, 1.67326324235437728481
    return scale * np.where(x.real > 0, x, alpha * np.expm1(_clip(x, -np.inf, 0.0)))


def softplus(x: Array) -> Array:
    """log(1 + exp(x))"""
    return np.where(x.real < 0, 0.0, x) + np.log1p(np.exp(-_absolute(x)))


def softsign(x: Array) -> Array:
    """x / (1 + |x|)"""
    return x / (1.0 + _absolute(x))


def silu(x: Array) -> Array:
    """x sigmoid(x), also called swish."""
    return x * sigmoid(x)


def gelu(x: Array) -> Array:
    """x times the share of the standard normal distribution below x."""
    return 0.5 * x * (1.0 + _erf(x / np.sqrt(2.0)))


def exponential(x: Array) -> Array:
    """exp(x)"""
    return np.exp(x)


def hard_sigmoid(x: Array) -> Array:
    """relu6(x + 3) / 6"""
    return relu6(x + 3.0) / 6.0


def hard_silu(x: Array) -> Array:
    """x hard_sigmoid(x)"""
    return x * hard_sigmoid(x)


def hard_tanh(x: Array) -> Array:
    """x between -1 and 1."""
    return _clip(x, -1.0, 1.0)


def mish(x: Array) -> Array:
    """x tanh(softplus(x))"""
    return x * np.tanh(softplus(x))


def log_sigmoid(x: Array) -> Array:
    """log(sigmoid(x))"""
    return -softplus(-x)


def tanh_shrink(x: Array) -> Array:
    """x - tanh(x)"""
    return x - np.tanh(x)


def soft_shrink(x: Array) -> Array:
    """x moved towards zero by 0.5."""
    return np.where(x.real > 0.5, x - 0.5, np.where(x.real < -0.5, x + 0.5, 0.0))


def hard_shrink(x: Array) -> Array:
    """x where |x| > 0.5, else zero."""
    return np.where(np.abs(x.real) > 0.5, x, 0.0)


def squareplus(x: Array) -> Array:
    """(x + sqrt(x^2 + 4)) / 2"""
    return 0.5 * (x + np.sqrt(x * x + 4.0))


def sparse_plus(x: Array) -> Array:
    """0 below -1, x above 1, (x + 1)^2 / 4 between."""
    return np.where(x.real <= -1, 0.0, np.where(x.real >= 1, x, 0.25 * (x + 1.0) ** 2))


def sparse_sigmoid(x: Array) -> Array:
    """(x + 1) / 2 between 0 and 1."""
    return _clip(0.5 * (x + 1.0), 0.0, 1.0)


def softmax(x: Array) -> Array:
    """exp(x) / sum(exp(x)) along the last axis."""
    return np.exp(log_softmax(x))


def log_softmax(x: Array) -> Array:
    """Logarithm of the softmax along the last axis."""
    x = x - x.real.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


#: Those that act on each number by itself; the engine has every one of them.
ELEMENTWISE: dict[str, Callable[[Array], Array]] = {
    f.__name__: f
    for f in (
        linear, tanh, sigmoid, relu, relu6, leaky_relu, elu, celu, selu, softplus, softsign, silu,
        gelu, exponential, hard_sigmoid, hard_silu, hard_tanh, mish, log_sigmoid, tanh_shrink,
        soft_shrink, hard_shrink, squareplus, sparse_plus, sparse_sigmoid,
    )
}  # fmt: skip
#: Those that act on a whole row: for Dense and Activation, not inside a cell.
ROWWISE: dict[str, Callable[[Array], Array]] = {"softmax": softmax, "log_softmax": log_softmax}
_ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}


def name_of(identifier: str | Callable[[Array], Array] | None, who: str = "Activation") -> str:
    """The one name of an activation given by name, alias, function (elman's or Keras's) or None.

    Raises:
        UnknownNameError: there is no such activation; the message suggests the nearest.
    """
    if identifier is None:
        return "linear"
    if isinstance(identifier, dict):  # the form Keras writes
        identifier = identifier.get("config", identifier)
        if isinstance(identifier, dict):
            identifier = str(identifier.get("name", identifier))
    name = identifier if isinstance(identifier, str) else getattr(identifier, "__name__", "")
    name = _ALIASES.get(name.lower(), name.lower())
    if name not in ELEMENTWISE and name not in ROWWISE:
        raise unknown_name(who, "activation", identifier, [*ELEMENTWISE, *ROWWISE, *_ALIASES])
    return name


def get(identifier: str | Callable[[Array], Array] | None) -> Callable[[Array], Array]:
    """The formula behind a name.

    >>> float(get("relu")(np.array(-2.0)))
    0.0
    """
    name = name_of(identifier)
    return ELEMENTWISE[name] if name in ELEMENTWISE else ROWWISE[name]


def _clip(x: Array, low: float, high: float) -> Array:
    return np.where(x.real < low, low, np.where(x.real > high, high, x))


def _absolute(x: Array) -> Array:
    return np.where(x.real < 0, -x, x)


def _erf(x: Array) -> Array:
    """Error function; on complex numbers to first order in the imaginary part."""
    from math import erf, pi

    real = np.vectorize(erf, otypes=[float])(x.real)
    if not np.iscomplexobj(x):
        return np.asarray(real)
    return np.asarray(real + 1j * x.imag * 2.0 / np.sqrt(pi) * np.exp(-(x.real**2)))
