"""The judge itself: it is right where the answer is known, and it does say no."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elman import Input, Sequential
from elman.layers import GRU, LSTM, Dense, Masking, SimpleRNN
from harness import (
    assert_close,
    assert_same_gradients,
    engine_gradients,
    judged,
    randomize,
    reference,
    reference_gradients,
    reference_loss,
    weights_of,
)

Array = np.ndarray[Any, np.dtype[Any]]


def case() -> tuple[Sequential, Array, Array]:
    """A small model with a mask, inputs and targets."""
    model = Sequential([Input((None, 2)), Masking(), Dense(3), LSTM(4), Dense(2)])
    model.compile(loss="mean_squared_error")
    randomize(model, 1)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 4, 2)).astype(np.float32)
    x[0, 2:] = 0.0
    return model, x, rng.normal(size=(5, 2)).astype(np.float32)


def test_complex_step_is_the_known_gradient_of_a_linear_model() -> None:
    model = Sequential([Input((3,)), Dense(2)])
    model.compile(loss="mean_squared_error")
    randomize(model, 1)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    weights = weights_of(model)
    error = x @ weights["dense/kernel"] + weights["dense/bias"] - y
    judge = reference_gradients(model, x, y)
    # mean over 6 rows and 2 outputs of the squared error
    known = x.T @ error * 2 / 12
    np.testing.assert_allclose(judge["dense/kernel"].values, known.ravel(), rtol=1e-6)
    known = error.sum(axis=0) * 2 / 12
    np.testing.assert_allclose(judge["dense/bias"].values, known, rtol=1e-6)


def test_complex_step_is_what_finite_differences_approach() -> None:
    model, x, y = case()
    judge = reference_gradients(model, x, y)
    given = model.get_weights()
    step = 2.0**-12  # float32 weights hold it exactly
    for i, (name, start) in enumerate(weights_of(model).items()):
        slopes = []
        for place in range(start.size):
            sides = []
            for sign in (1, -1):
                moved = [w.copy() for w in given]
                moved[i].flat[place] += sign * step
                model.set_weights(moved)
                sides.append(reference_loss(model, y, *reference(model, x))[0])
            slopes.append((sides[0] - sides[1]) / (2 * step))
        model.set_weights(given)
        scale = judge[name].scale
        np.testing.assert_allclose(slopes, judge[name].values, atol=1e-3 * scale, err_msg=name)


def test_a_single_wrong_number_in_any_tensor_is_found() -> None:
    model, x, y = case()
    judge = reference_gradients(model, x, y)
    _, right = engine_gradients(model, x, y)
    assert_same_gradients(right, judge)
    for name, gradient in right.items():
        for place in range(gradient.size):
            wrong = gradient.copy()
            wrong.flat[place] += 1e-4 * np.abs(gradient).max()
            with pytest.raises(AssertionError, match=f"gradient of {name}"):
                assert_same_gradients({**right, name: wrong}, judge)


@pytest.mark.parametrize("small", [0, None], ids=["sampled", "directions"])
def test_a_wrong_number_that_no_sample_hits_is_found_along_a_direction(small: int | None) -> None:
    model, x, y = case()
    judge = reference_gradients(model, x, y, small=small)
    _, right = engine_gradients(model, x, y)
    assert_same_gradients(right, judge, small=small)
    kernel = right["lstm/kernel"]
    for place in range(kernel.size):
        wrong = kernel.copy()
        wrong.flat[place] += 0.05 * np.abs(kernel).max()
        with pytest.raises(AssertionError, match="gradient of lstm/kernel"):
            assert_same_gradients({**right, "lstm/kernel": wrong}, judge, small=small)


@pytest.mark.parametrize("spoil", [np.zeros_like, np.negative, lambda g: np.full_like(g, np.nan)])
def test_gradients_of_zero_the_wrong_sign_or_nan_are_found(spoil: Any) -> None:
    model, x, y = case()
    judge = reference_gradients(model, x, y)
    _, right = engine_gradients(model, x, y)
    for name, gradient in right.items():
        with pytest.raises(AssertionError, match=f"gradient of {name}"):
            assert_same_gradients({**right, name: spoil(gradient)}, judge)


def test_a_missing_tensor_is_found() -> None:
    model, x, y = case()
    judge = reference_gradients(model, x, y)
    _, gradients = engine_gradients(model, x, y)
    del gradients["lstm/bias"]
    with pytest.raises(AssertionError):
        assert_same_gradients(gradients, judge)


def test_outputs_that_are_not_finite_or_of_another_shape_are_found() -> None:
    wanted = np.ones((2, 3))
    assert_close(wanted.astype(np.float32), wanted)
    for wrong in (wanted[:, :2], wanted * np.nan, wanted * np.inf, wanted + 1e-4):
        with pytest.raises(AssertionError):
            assert_close(wrong, wanted)


class ForgetfulLSTM(LSTM):
    """Its cell state fades; the engine's does not."""

    def step(self, x: Array, states: list[Array], weights: Any, keep: Any = None) -> Any:
        return super().step(x, [states[0], 0.999 * states[1]], weights)


class MirroredGRU(GRU):
    """z and 1 - z change places."""

    def step(self, x: Array, states: list[Array], weights: Any, keep: Any = None) -> Any:
        (h,), gates = super().step(x, states, weights)
        return [gates["candidate"] + states[0] - h], gates


class BlindRNN(SimpleRNN):
    """Does not look at masks."""

    def formula(self, x: Array, weights: Any, mask: Array | None) -> Array:
        return super().formula(x, weights, None)


class HalfMeantDense(Dense):
    """The right value, but a derivative that is half of it."""

    def formula(self, x: Array, weights: Any, mask: Array | None) -> Array:
        y = super().formula(x, weights, mask)
        return y.real + 0.5j * y.imag if np.iscomplexobj(y) else y


@pytest.mark.parametrize("layer", [ForgetfulLSTM, MirroredGRU, BlindRNN])
def test_a_formula_that_differs_a_little_does_not_pass(layer: Any) -> None:
    x = np.random.default_rng(2).normal(size=(4, 5, 2)).astype(np.float32)
    x[1, 1:3] = 0.0
    with pytest.raises(AssertionError, match="output at"):
        judged(Sequential([Input((None, 2)), Masking(), layer(6), Dense(1)]), x)


def test_a_derivative_that_differs_does_not_pass_where_the_value_is_right() -> None:
    x = np.random.default_rng(2).normal(size=(4, 5, 2)).astype(np.float32)
    with pytest.raises(AssertionError, match="gradient of half_meant_dense"):
        judged(Sequential([Input((None, 2)), HalfMeantDense(3), GRU(6), Dense(1)]), x)
