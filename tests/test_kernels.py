"""The vectorised activations over a dense sweep of floats, against float64."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elman import _core, activations

Array = np.ndarray[Any, np.dtype[Any]]

HEADER = Path(__file__).parents[1] / "src/core/kernels/activations.h"
TINY = float(np.finfo(np.float32).tiny)  # the smallest normal float: those below may flush to 0
LARGEST = float(np.finfo(np.float32).max)

#: The three that everything recurrent is made of, in float64 without cancellation.
PRECISE = {
    "exponential": np.exp,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
}
#: Within this of the formula, relative to the result or absolutely, whichever is larger.
VALUE, SLOPE = 5e-7, 2e-6
#: Up to here. Beyond it squares overflow, and what is multiplied by x is not quite zero.
FAR = 1e18
#: Where a formula has a corner its slope is a convention, not a derivative.
CORNERS = (-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0)


@functools.cache
def sweep() -> Array:
    """Floats of every exponent and both signs, and closely where something happens."""
    every = np.arange(0, 2**32, 8209, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = [np.linspace(-a, a, 120_001).astype(np.float32) for a in (110.0, 9.0, 0.1)]
    corners = np.array([*CORNERS, -0.0, TINY, -TINY, LARGEST, -LARGEST], np.float32)
    found = np.concatenate([every[np.isfinite(every)], *near, corners])
    return np.concatenate([found, np.zeros(-len(found) % 16, np.float32)])


@functools.cache
def formula(name: str) -> tuple[Array, Array]:
    """Value and slope over the sweep in float64, the slope by the complex step."""
    x = sweep().astype(np.float64)
    f = activations.ELEMENTWISE[name]
    with np.errstate(all="ignore"):
        return f(x), f(x + 1e-30j).imag / 1e-30


def stated_ulps() -> dict[str, float]:
    """The largest errors that activations.h promises: `exp 2 ulp, sigmoid 4 ulp, ...`."""
    found = dict(re.findall(r"(\w+) ([\d.]+) ulp", HEADER.read_text()))
    return {"exponential": float(found["exp"])} | {n: float(found[n]) for n in ("tanh", "sigmoid")}


def ulps(got: Array, wanted: Array) -> Array:
    """How many float32 units in the last place lie between the two."""
    size = np.clip(np.abs(wanted), TINY, LARGEST).astype(np.float32)
    return np.abs(got.astype(np.float64) - wanted) / np.spacing(size).astype(np.float64)


def assert_within(got: Array, wanted: Array, allowed: Array, x: Array, what: str) -> None:
    apart = np.where(got == wanted, 0.0, np.abs(got.astype(np.float64) - wanted)) / allowed
    worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    assert apart[worst] <= 1.0, (
        f"{what} at x = {x[worst]!r}: got {got[worst]!r}, expected {wanted[worst]!r}; "
        f"{apart[worst]:.3g} times as far apart as allowed"
    )


@pytest.mark.parametrize("name", PRECISE)
def test_error_is_within_the_ulps_that_the_header_states(name: str, isa: str) -> None:
    x = sweep()
    got = _core.activate(name, x)
    with np.errstate(over="ignore"):
        wanted = PRECISE[name](x.astype(np.float64))
    normal = (np.abs(wanted) >= TINY) & (np.abs(wanted) <= LARGEST)
    if name == "sigmoid":
        # exp(86) is where its exponent ends: below, the result stays at 4.5e-38.
        normal &= x > -86.0
    measured = ulps(got[normal], wanted[normal])
    worst = int(np.argmax(measured))
    assert measured[worst] <= stated_ulps()[name], (
        f"{name}({x[normal][worst]!r}) is off by {measured[worst]:.2f} ulp"
    )
    assert np.abs(got[~normal & (np.abs(wanted) < 1)]).max(initial=0.0) < 4.5e-38
    assert (got[wanted > LARGEST] == np.inf).all()


@pytest.mark.parametrize("name", activations.ELEMENTWISE)
def test_value_is_that_of_the_formula(name: str, isa: str) -> None:
    x, (wanted, _) = sweep(), formula(name)
    near = np.abs(x) <= FAR
    allowed = VALUE * np.maximum(1.0, np.abs(wanted))
    if name == "squareplus":  # x + sqrt(x^2 + 4) cancels for large negative x, in Keras too
        allowed = 2e-7 * np.maximum(1.0, np.abs(x.astype(np.float64)))
    over = near & (wanted > LARGEST)
    assert (_core.activate(name, x)[over] == np.inf).all()
    near &= ~over
    assert_within(_core.activate(name, x)[near], wanted[near], allowed[near], x[near], name)


@pytest.mark.parametrize("name", activations.ELEMENTWISE)
def test_slope_is_the_derivative_of_the_formula(name: str, isa: str) -> None:
    x, (_, wanted) = sweep(), formula(name)
    near = (np.abs(x) <= FAR) & ~np.isin(x, np.array(CORNERS, np.float32)) & (wanted <= LARGEST)
    allowed = SLOPE * np.maximum(1.0, np.abs(wanted))
    got = _core.activate(name, x, slope=True)
    assert_within(got[near], wanted[near], allowed[near], x[near], f"slope of {name}")


@pytest.mark.parametrize("name", activations.ELEMENTWISE)
def test_value_does_not_depend_on_the_place_in_a_vector(name: str, isa: str) -> None:
    x = np.linspace(-7, 7, 64).astype(np.float32)
    straight = _core.activate(name, x)
    np.testing.assert_array_equal(_core.activate(name, np.roll(x, 5)), np.roll(straight, 5))


@pytest.mark.parametrize("name", activations.ELEMENTWISE)
def test_infinities_give_what_the_formula_gives_and_nan_stays(name: str, isa: str) -> None:
    x = np.array([np.inf, -np.inf, np.nan] + [0.0] * 13, np.float32)
    with np.errstate(all="ignore"):
        wanted = activations.ELEMENTWISE[name](x[:2].astype(np.float64))
    got = _core.activate(name, x)
    # Infinity times zero is NaN in a formula; there the engine may give the limit.
    told = ~np.isnan(wanted)
    np.testing.assert_allclose(got[:2][told], wanted[told], atol=1e-6)
    # A NaN must not be hidden, but by the two that Keras has hide it.
    assert np.isnan(got[2]) or name in ("soft_shrink", "hard_shrink")


def test_bounded_functions_stay_within_their_bounds(isa: str) -> None:
    # A sigmoid above one, by rounding, would make a forget gate that grows.
    x = sweep()
    for name, low, high in [
        ("sigmoid", 0, 1), ("tanh", -1, 1), ("hard_sigmoid", 0, 1), ("softsign", -1, 1),
        ("hard_tanh", -1, 1), ("relu6", 0, 6), ("sparse_sigmoid", 0, 1),
    ]:  # fmt: skip
        y = _core.activate(name, x)
        assert y.min() >= low, name
        assert y.max() <= high, name


def test_the_engine_and_the_formulas_name_the_same_activations() -> None:
    assert set(_core.activations()) == set(activations.ELEMENTWISE)
    with pytest.raises(ValueError, match="no activation is called 'tahn'"):
        _core.activate("tahn", np.zeros(16, np.float32))
