"""The two baselines: right by construction, by hand, and next to the published reference."""

from __future__ import annotations

import numpy as np
import pytest

from elman import baselines
from elman.data import datasets
from elman.errors import DataError, ShapeError

RNG = np.random.default_rng(7)


def test_the_majority_class_is_that_of_the_training_part():
    assert baselines.majority(np.array([3, 3, 1]), np.array([1, 1, 3, 1])) == 0.25


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([], DataError, "got none"),
        ([[0, 1], [1, 0]], ShapeError, "not one-hot"),
        ([0.0, 1.0], DataError, "integer classes"),
    ],
)
def test_unusable_labels_are_refused(y, error, message):
    with pytest.raises(error, match=message):
        baselines.majority(np.array(y), np.array([0]))
    with pytest.raises(error, match=message):
        baselines.majority(np.array([0]), np.array(y))


def test_pooled_statistics_are_numpys_over_the_steps_that_are_not_padding():
    lengths = [1, 2, 5, 9]
    x = np.zeros((4, 9, 3), np.float32)
    for row, length in zip(x, lengths, strict=True):
        row[:length] = RNG.normal(size=(length, 3))
    found = baselines.pooled(x)
    for row, length, got in zip(x, lengths, found, strict=True):
        steps = row[:length].astype(float)
        quantiles = [np.quantile(steps, q, axis=0) for q in (0, *baselines.QUANTILES, 1)]
        expected = np.concatenate([steps.mean(0), steps.std(0), *quantiles, [length]])
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_row_without_any_step_has_statistics_of_zero():
    np.testing.assert_array_equal(baselines.pooled(np.zeros((1, 4, 2))), np.zeros((1, 19)))


def test_pooled_features_do_not_change_if_steps_are_shuffled():
    x = RNG.normal(size=(5, 8, 2))
    shuffled = RNG.permuted(np.arange(8))
    np.testing.assert_allclose(baselines.pooled(x), baselines.pooled(x[:, shuffled]), atol=1e-12)


def test_tfidf_is_the_textbooks_on_three_tiny_texts():
    train = np.array([[2, 2, 3, 0], [2, 4, 0, 0], [3, 0, 0, 0]])
    test = np.array([[4, 4, 4, 9], [0, 0, 0, 0]])  # 9 was never seen
    found, new = baselines._tfidf(train, test)
    counts = np.array([[0, 0, 2, 1, 0], [0, 0, 1, 0, 1], [0, 0, 0, 1, 0]])
    weighed = counts * (np.log(4 / (1 + (counts > 0).sum(0))) + 1)
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    np.testing.assert_allclose(found @ np.eye(5), weighed)
    np.testing.assert_allclose(found.T @ np.eye(3), weighed.T)
    np.testing.assert_allclose(new @ np.eye(5), [[0, 0, 0, 0, 1], [0, 0, 0, 0, 0]])


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_regression_ends_where_its_gradient_vanishes(classes):
    x = RNG.normal(size=(60, 4))
    y = (x[:, 0] + 0.5 * RNG.normal(size=60) > 0).astype(int) + (classes == 3) * (x[:, 1] > 1)
    l2 = 0.01

    def loss(weights):
        scores = x @ weights[:-1] + weights[-1]
        entropy = np.log(np.exp(scores).sum(1)) - scores[np.arange(60), y]
        return entropy.mean() + l2 / 2 * (weights[:-1] ** 2).sum()

    best = baselines._logistic(x, y, classes, l2)
    assert best.shape == (5, classes)
    for place in np.ndindex(best.shape):  # a central difference for each weight
        nudge = np.zeros_like(best)
        nudge[place] = 1e-4
        assert abs(loss(best + nudge) - loss(best - nudge)) / 2e-4 < 2e-4
    assert loss(best) < loss(np.zeros_like(best)) - 0.1


def test_logistic_regression_agrees_with_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    x = RNG.normal(size=(200, 6))
    y = np.argmax(x[:, :3] + RNG.normal(size=(200, 3)), axis=1)
    judge = linear_model.LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(x, y)
    found = baselines._logistic(x, y, 3, l2=1 / 200)
    np.testing.assert_allclose(found[:-1], judge.coef_.T, atol=0.02)


def test_ridge_regression_agrees_with_its_closed_form():
    x, l2 = RNG.normal(size=(80, 5)), 0.05
    y = x @ RNG.normal(size=(5, 2)) + 3 + 0.1 * RNG.normal(size=(80, 2))
    found = baselines._ridge(x, y, l2)
    # Without the intercept, the best weights solve (X'X + n l2 I) W = X'Y of what is centred.
    centred = x - x.mean(0)
    best = np.linalg.solve(centred.T @ centred + 80 * l2 * np.eye(5), centred.T @ (y - y.mean(0)))
    np.testing.assert_allclose(found[:-1], best, atol=1e-3)
    np.testing.assert_allclose(found[-1], y.mean(0) - x.mean(0) @ best, atol=1e-3)


@pytest.mark.parametrize("tokens", [True, False])
def test_numbers_that_do_not_depend_on_order_are_found_in_their_own_unit(tokens):
    if tokens:  # how often token 2 is there
        x = RNG.integers(2, 6, size=(400, 12))
        y = 1000 + 50 * (x == 2).sum(1)
    else:
        x = RNG.normal(size=(400, 4))
        y = 1000 + 50 * x[:, 1]
    found = baselines.numbers(x[:300], y[:300, None].astype(float), x[300:])[:, 0]
    assert np.abs(found - y[300:]).mean() < 0.3 * y.std()


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (10.0, "order helps, by 10.0 points over the order-free baseline."),
        (1.0, "does as well, within the 2.0 points that 50 rows leave open."),
        (-1.0, "does as well, within the 2.0 points that 50 rows leave open."),
        (-9.0, "recurrence does not help; the order-free baseline is 9.0 points better."),
    ],
)
def test_the_verdict_is_one_sentence_and_credits_nothing_to_chance(gain, said):
    assert baselines.verdict(gain, 2.0, "50 rows").endswith(said)


def test_order_alone_is_beyond_the_order_free_baseline():
    # Rising and falling ramps hold the same values: only their order tells them apart.
    values = np.sort(RNG.normal(size=(400, 10, 1)), axis=1)
    y = RNG.integers(0, 2, 400)
    x = np.where(y[:, None, None] == 1, values, values[:, ::-1])
    assert baselines.order_free(x[:300], y[:300], x[300:], y[300:]) < 0.65
    # Where a value tells, the baseline is right.
    easy = x + 3 * y[:, None, None]
    assert baselines.order_free(easy[:300], y[:300], easy[300:], y[300:]) > 0.95


def test_classes_need_not_start_at_zero():
    x = RNG.normal(size=(80, 5, 1)) + np.repeat([0, 5], 40)[:, None, None]
    y = np.repeat([3, -8], 40)
    assert baselines.order_free(x[::2], y[::2], x[1::2], y[1::2]) > 0.95


# The reference regression knows mean and deviation of each feature: the first columns of `pooled`.
@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (lambda: datasets.voices(("it", "ru")), 0.768),
        (datasets.ecg_beats, 0.936),
        (datasets.digits, 0.94),
    ],
)
def test_mean_and_deviation_alone_reach_the_published_reference(load, expected):
    data = load()
    width = 2 * data.x_train.shape[2]
    train, test = (baselines.pooled(x)[:, :width] for x in (data.x_train, data.x_test))
    center, scale = train.mean(0), train.std(0)
    train, test = (train - center) / scale, (test - center) / scale
    weights = baselines._logistic(train, data.y_train, len(data.names), 1 / len(train))
    found = np.mean((test @ weights[:-1] + weights[-1]).argmax(1) == data.y_test)
    assert found == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(
    ("load", "at_least"),
    [
        (datasets.tweets, 0.852),
        (datasets.voices, 0.51),
        (lambda: datasets.voices(("it", "ru")), 0.768),
        (datasets.ecg_beats, 0.936),
        (datasets.digits, 0.92),
    ],
)
def test_the_order_free_baseline_is_at_least_as_strong_as_the_published_one(load, at_least):
    data = load()
    (x_train, y_train), (x_test, y_test) = data
    found = baselines.order_free(x_train, y_train, x_test, y_test)
    assert at_least <= found < 1
    assert found > baselines.majority(y_train, y_test) + 0.1


GOOD = (RNG.normal(size=(6, 4, 2)), np.array([0, 1, 0, 1, 0, 1]))
TOKENS = (np.ones((6, 4), int), GOOD[1])


@pytest.mark.parametrize(
    ("train", "test", "error", "message"),
    [
        ((GOOD[0][0], GOOD[1]), GOOD, ShapeError, r"rows, steps, features"),
        ((GOOD[0][:, :, 0], GOOD[1]), GOOD, ShapeError, "integer tokens"),
        (GOOD, (GOOD[0][:5], GOOD[1]), ShapeError, "5 rows in x_test and 6 labels in y_test"),
        (GOOD, (GOOD[0][:, :, :1], GOOD[1]), ShapeError, "test rows like the training rows"),
        (GOOD, TOKENS, ShapeError, "test rows like the training rows"),
        ((GOOD[0][:, :0], GOOD[1]), GOOD, DataError, "expected data in x_train"),
        ((-TOKENS[0], TOKENS[1]), TOKENS, DataError, "tokens from 0 up"),
        ((GOOD[0], 0 * GOOD[1]), GOOD, DataError, r"at least two classes in y_train, got only \[0"),
    ],
)
def test_unusable_data_are_refused(train, test, error, message):
    with pytest.raises(error, match=message):
        baselines.order_free(*train, *test)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_measurements_that_are_not_finite_are_refused_with_their_row(value):
    broken = GOOD[0].copy()
    broken[4, 1, 0] = value
    with pytest.raises(DataError, match="in row 4"):
        baselines.order_free(broken, GOOD[1], *GOOD)
