"""What a recurrent network has to beat: always the same answer, and an answer that ignores order.

`majority` and `order_free` return test accuracies. A recurrent network that does no better than
`order_free` learned nothing from the order of the steps, however well it does: `verdict` says so.
`answers` and `numbers` are what an order-free model says of each row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from elman.errors import DataError, ShapeError

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def majority(y_train: np.ndarray, y_test: np.ndarray) -> float:
    """Test accuracy of always answering the training part's most frequent class.

    Args:
        y_train, y_test: Integer classes [N].

    Raises:
        ShapeError: The labels are not one-dimensional.
        DataError: There are no labels, or they are no integers.
    """
    classes, counts = np.unique(_labels(y_train, "y_train"), return_counts=True)
    return float(np.mean(_labels(y_test, "y_test") == classes[counts.argmax()]))


def order_free(
    x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> float:
    """Test accuracy of logistic regression on features that do not change if steps are shuffled.

    Tokens become TF-IDF weights of the words, measurements the statistics of `pooled`; both
    leave padding out. Regression is multinomial with an L2 penalty.

    Args:
        x_train, x_test: Integer tokens [N, T], 0 is padding; or measurements [N, T, F],
            where a step that is zero in all features is padding.
        y_train, y_test: Integer classes [N].

    Raises:
        ShapeError: Wrong rank, or the two parts or the labels do not match.
        DataError: Empty data, a value that is not finite, a negative token, labels that are no
            integers, or fewer than two classes to learn.
    """
    y_train, y_test = _labels(y_train, "y_train"), _labels(y_test, "y_test")
    x_train, x_test = _inputs(x_train, y_train, "train"), _inputs(x_test, y_test, "test")
    if x_train.ndim != x_test.ndim or x_train.shape[2:] != x_test.shape[2:]:
        raise ShapeError(
            "order_free expected test rows like the training rows, got x_train of shape "
            f"{x_train.shape} and x_test of shape {x_test.shape}. Prepare both alike."
        )
    if x_train.ndim == 3:
        x_train, x_test = pooled(x_train), pooled(x_test)
    return float(np.mean(answers(x_train, y_train, x_test) == y_test))


def answers(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """The class of each test row by logistic regression, which knows nothing of order.

    Args:
        x_train, x_test: Integer tokens [N, T], 0 is padding; or measurements [N, D], such as the
            statistics of `pooled`.
        y_train: Integer classes [N].

    Returns:
        Classes [N] of the test rows.

    Raises:
        DataError: Fewer than two classes to learn.
    """
    classes, places = np.unique(y_train, return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            f"order_free expected at least two classes in y_train, got only {classes.tolist()}. "
            "There is nothing to tell apart: check how the data were split."
        )
    train, test, l2 = _features(x_train, x_test)
    weights = _logistic(train, places, len(classes), l2)
    found: np.ndarray = classes[_scores(test, weights).argmax(1)]
    return found


def numbers(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """The numbers of each test row by ridge regression, which knows nothing of order.

    Args:
        x_train, x_test: As in `answers`.
        y_train: float [N, K].

    Returns:
        float64 [N, K] of the test rows.
    """
    center, scale = y_train.mean(0, dtype=np.float64), y_train.std(0, dtype=np.float64)
    scale[scale == 0] = 1
    train, test, l2 = _features(x_train, x_test)
    weights = _ridge(train, (y_train - center) / scale, l2)
    found: np.ndarray = _scores(test, weights) * scale + center
    return found


def verdict(gain: float, noise: float, rows: str, unit: str = "points") -> str:
    """One honest line: did a network gain anything from the order of the steps?

    Args:
        gain: What it has more than the order-free baseline.
        noise: What so few test rows leave open of that: two standard errors.
        rows: What these rows are: "568 rows".
        unit: Of the gain; of an accuracy in percent, points.
    """
    if gain > noise:
        return f"order helps, by {gain:.1f} {unit} over the order-free baseline."
    if gain < -noise:
        return f"recurrence does not help; the order-free baseline is {-gain:.1f} {unit} better."
    return (
        "recurrence does not help; the order-free baseline does as well, within the "
        f"{noise:.1f} {unit} that {rows} leave open."
    )


def pooled(x: np.ndarray) -> np.ndarray:
    """Each feature's mean, deviation, extremes and quantiles over the steps that are not padding.

    Args:
        x: float [N, T, F]; a step that is zero in all features is padding.

    Returns:
        float64 [N, 9 F + 1]: the statistics, and the number of steps.
    """
    valid = x.any(axis=2, keepdims=True)  # [N, T, 1]
    steps = valid.sum(1)  # [N, 1]
    count = np.maximum(steps, 1)
    mean = x.sum(1, dtype=np.float64) / count
    deviation = np.sqrt((np.where(valid, x - mean[:, None], 0) ** 2).sum(1) / count)
    ordered = np.sort(np.where(valid, x, np.inf), axis=1)  # padding goes last
    ordered[steps[:, 0] == 0] = 0

    def quantile(q: float) -> np.ndarray:
        place = q * (count - 1)[:, :, None]  # between two steps, [N, 1, 1]
        below = place.astype(int)
        above = np.minimum(below + 1, count[:, :, None] - 1)
        low, high = (np.take_along_axis(ordered, at, axis=1)[:, 0] for at in (below, above))
        between: np.ndarray = low + (place - below)[:, 0] * (high - low)
        return between

    return np.hstack([mean, deviation, *map(quantile, (0, *QUANTILES, 1)), steps])


class _Sparse:
    """A matrix [N, D] that is mostly zero: the values and where they stand."""

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]
    ) -> None:
        self.rows, self.columns, self.values, self.shape = rows, columns, values, shape

    @property
    def T(self) -> _Sparse:
        return _Sparse(self.columns, self.rows, self.values, self.shape[::-1])

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        taken = self.values[:, None] * other[self.columns]
        sums = [np.bincount(self.rows, part, minlength=self.shape[0]) for part in taken.T]
        return np.stack(sums, axis=1)


def _tfidf(x_train: np.ndarray, x_test: np.ndarray) -> tuple[_Sparse, _Sparse]:
    """Rows of length one: how often a token occurs, times how telling it is (scikit-learn's form).

    Tokens of the test part that the training part lacks are left out.
    """
    width = int(x_train.max()) + 1
    once = [np.unique(row[row > 0]) for row in x_train]
    seen = np.bincount(np.concatenate(once), minlength=width)
    telling = np.log((1 + len(x_train)) / (1 + seen)) + 1

    def weigh(x: np.ndarray) -> _Sparse:
        rows, steps = np.nonzero((x > 0) & (x < width))
        places, counts = np.unique(rows * width + x[rows, steps], return_counts=True)
        rows, columns = np.divmod(places, width)
        values = counts * telling[columns] * (seen[columns] > 0)
        length = np.sqrt(np.bincount(rows, values**2, minlength=len(x)))
        length[length == 0] = 1
        return _Sparse(rows, columns, values / length[rows], (len(x), width))

    return weigh(x_train), weigh(x_test)


def _features(
    x_train: np.ndarray, x_test: np.ndarray
) -> tuple[_Sparse | np.ndarray, _Sparse | np.ndarray, float]:
    """What a linear model is given: weighed words, or measurements on one scale; and its penalty.

    The penalty is that of scikit-learn's C of 10 and 1.
    """
    if x_train.dtype.kind in "iu":
        return *_tfidf(x_train, x_test), 0.1 / len(x_train)
    center, scale = x_train.mean(0), x_train.std(0)
    scale[scale == 0] = 1
    return (x_train - center) / scale, (x_test - center) / scale, 1 / len(x_train)


def _scores(x: _Sparse | np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What a linear model says, [N, K]; the last row of its weights is the intercept."""
    return x @ weights[:-1] + weights[-1]


def _ridge(x: _Sparse | np.ndarray, y: np.ndarray, l2: float) -> np.ndarray:
    """Linear regression: weights [D + 1, K], the last row is the intercept.

    Minimises half the mean squared error + l2 / 2 * sum of squared weights, without the intercept.
    """

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(-1, y.shape[1])
        off = (_scores(x, weights) - y) / len(y)
        gradient = np.vstack([x.T @ off + l2 * weights[:-1], off.sum(0)])
        value = len(y) * np.sum(off**2) + l2 * np.sum(weights[:-1] ** 2)
        return float(value / 2), gradient.ravel()

    return _minimum(loss, np.zeros((x.shape[1] + 1) * y.shape[1])).reshape(-1, y.shape[1])


def _logistic(x: _Sparse | np.ndarray, y: np.ndarray, classes: int, l2: float) -> np.ndarray:
    """Multinomial logistic regression: weights [D + 1, K], the last row is the intercept.

    Minimises mean cross-entropy + l2 / 2 * sum of squared weights, without the intercept.
    """
    rows = np.arange(len(y))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(-1, classes)
        scores = _scores(x, weights)
        scores -= scores.max(1, keepdims=True)
        exponents = np.exp(scores)
        total = exponents.sum(1, keepdims=True)
        entropy = np.mean(np.log(total[:, 0]) - scores[rows, y])
        d_scores = exponents / total
        d_scores[rows, y] -= 1
        d_scores /= len(y)
        gradient = np.vstack([x.T @ d_scores + l2 * weights[:-1], d_scores.sum(0)])
        return float(entropy + l2 / 2 * np.sum(weights[:-1] ** 2)), gradient.ravel()

    return _minimum(loss, np.zeros((x.shape[1] + 1) * classes)).reshape(-1, classes)


def _minimum(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]],
    at: np.ndarray,
    *,
    steps: int = 200,
    tolerance: float = 1e-4,
) -> np.ndarray:
    """Where a smooth convex function is least: L-BFGS (Nocedal & Wright 2006, algorithm 7.5)."""
    value, gradient = loss(at)
    memory: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=10)  # steps, changes of gradient
    for _ in range(steps):
        if np.abs(gradient).max() < tolerance:
            break
        # The direction: the inverse curvature, as the last few steps show it, times the gradient.
        direction, shares = -gradient, []
        for step, change in reversed(memory):
            shares.append(_dot(step, direction) / _dot(step, change))
            direction = direction - shares[-1] * change
        if memory:
            step, change = memory[-1]
            direction = direction * (_dot(step, change) / _dot(change, change))
        for step, change in memory:
            share = shares.pop() - _dot(change, direction) / _dot(step, change)
            direction = direction + share * step
        # The step: halved until it gains at least a little of what the slope promises.
        slope, size = _dot(gradient, direction), 1.0
        while True:
            new_value, new_gradient = loss(at + size * direction)
            if new_value <= value + 1e-4 * size * slope or size < 1e-10:
                break
            size /= 2
        step, change = size * direction, new_gradient - gradient
        at, value, gradient = at + step, new_value, new_gradient
        if _dot(step, change) > 0:
            memory.append((step, change))
    return at


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """The scalar product."""
    # Not `a @ b`: for long vectors BLAS calls its threads, and where others want the processor too,
    # each product then takes milliseconds: on 8,000 texts 28 s in place of 1.7.
    return float(np.einsum("i,i->", a, b))


def _labels(y: np.ndarray, name: str) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim != 1:
        raise ShapeError(
            f"A baseline expected {name} as one integer class per row, got shape {y.shape}. "
            "Use integer labels, not one-hot rows."
        )
    if len(y) == 0:
        raise DataError(f"A baseline expected labels in {name}, got none. Pass at least one row.")
    if y.dtype.kind not in "iub":
        raise DataError(
            f"A baseline expected integer classes in {name}, got {y.dtype}. "
            f"If they are whole numbers, pass {name}.astype(int)."
        )
    return y


def _inputs(x: np.ndarray, y: np.ndarray, part: str) -> np.ndarray:
    x = np.asarray(x)
    tokens = x.ndim == 2 and x.dtype.kind in "iu"
    if not tokens and not (x.ndim == 3 and x.dtype.kind in "fiu"):
        raise ShapeError(
            f"order_free expected x_{part} as integer tokens [rows, steps] or measurements "
            f"[rows, steps, features], got {x.dtype} of shape {x.shape}."
        )
    if len(x) != len(y):
        raise ShapeError(
            f"order_free expected as many rows as labels, got {len(x)} rows in x_{part} and "
            f"{len(y)} labels in y_{part}."
        )
    if 0 in x.shape:
        raise DataError(f"order_free expected data in x_{part}, got shape {x.shape}.")
    if tokens and x.min() < 0:
        raise DataError(
            f"order_free expected tokens from 0 up in x_{part}, got {x.min()}. 0 is padding."
        )
    if not np.isfinite(x).all():
        row = int(np.argwhere(~np.isfinite(x))[0, 0])
        raise DataError(
            f"order_free expected finite measurements in x_{part}, got NaN or infinity in row "
            f"{row}. Drop or repair that row."
        )
    return x
