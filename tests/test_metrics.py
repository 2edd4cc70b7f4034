"""Metrics: Keras's numbers, batches or all at once, names and configs, bad inputs."""

from __future__ import annotations

import numpy as np
import pytest

from elman import metrics
from elman.errors import OptionError, ShapeError, UnknownNameError
from golden import record
from keras_judge import case, keras, stale

NEAR = {"rtol": 2e-5, "atol": 1e-6}


def make(name: str) -> metrics.Metric:
    cls, options, _ = record.METRICS[name]
    return getattr(metrics, cls)(**options)


def together(array: np.ndarray) -> np.ndarray:
    """Both batches as one."""
    return array.reshape(-1, *array.shape[2:])


@pytest.mark.parametrize("name", record.METRICS)
def test_the_result_is_that_of_keras(name):
    asked = case("metrics", name)
    metric = make(name)
    for batch in range(2):
        metric.update_state(asked["y"][batch], asked["p"][batch], asked["w"][batch])
    np.testing.assert_allclose(metric.result(), asked["weighted"], **NEAR)
    if "plain" in asked:
        metric.reset_state()
        for batch in range(2):
            metric.update_state(asked["y"][batch], asked["p"][batch])
        np.testing.assert_allclose(metric.result(), asked["plain"], **NEAR)


def test_recorded_answers_are_those_keras_gives_now():
    if keras() is None:
        pytest.skip("Keras is not installed")
    assert stale("metrics", **NEAR) == []


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", record.METRICS)
def test_rows_count_the_same_in_batches_of_any_size_and_all_at_once(name, weighted):
    asked = case("metrics", name)
    y, p = together(asked["y"]), together(asked["p"])
    w = together(asked["w"]) if weighted else None
    whole, parts = make(name), make(name)
    whole.update_state(y, p, w)
    for rows in (slice(0, 7), slice(7, 8), slice(8, 24)):
        parts.update_state(y[rows], p[rows], None if w is None else w[rows])
    np.testing.assert_allclose(parts.result(), whole.result(), rtol=1e-12)
    assert not np.array_equal(whole.result(), 0)


@pytest.mark.parametrize("name", record.METRICS)
def test_weights_of_one_change_nothing_and_weights_of_zero_leave_rows_out(name):
    asked = case("metrics", name)
    y, p = together(asked["y"]), together(asked["p"])
    keep = np.arange(len(p)) % 3 > 0
    plain, ones, some, kept = (make(name) for _ in range(4))
    plain.update_state(y, p)
    ones.update_state(y, p, np.ones(len(p)))
    np.testing.assert_allclose(ones.result(), plain.result(), rtol=1e-12)
    some.update_state(y, p, keep)
    kept.update_state(y[keep], p[keep])
    np.testing.assert_allclose(some.result(), kept.result(), rtol=1e-12)


@pytest.mark.parametrize("name", record.METRICS)
def test_a_metric_without_rows_is_zero_again_after_a_reset(name):
    asked = case("metrics", name)
    metric = make(name)
    before = metric.result()
    assert not np.any(before)
    metric(asked["y"][0], asked["p"][0])
    metric.reset_state()
    assert np.array_equal(metric.result(), before)


@pytest.mark.parametrize("name", record.METRICS)
def test_configs_are_understood_both_ways(name):
    cls, options, _ = record.METRICS[name]
    ours = make(name)
    asked = case("metrics", name)
    again = metrics.get({"class_name": cls, "config": ours.get_config()})
    expected = ours(asked["y"][0], asked["p"][0], asked["w"][0])
    assert np.array_equal(again(asked["y"][0], asked["p"][0], asked["w"][0]), expected)
    if keras() is None:
        return
    theirs = getattr(keras().metrics, cls)(**options)
    read = metrics.get({"class_name": cls, "config": theirs.get_config()})
    assert read(asked["y"][0], asked["p"][0], asked["w"][0]) == pytest.approx(expected)
    assert getattr(keras().metrics, cls).from_config(ours.get_config()).name == ours.name


@pytest.mark.parametrize("name", ["accuracy", "acc", "Accuracy"])
def test_accuracy_is_chosen_by_shapes_as_in_keras_and_keeps_its_name(name):
    for y, p in [((8,), (8, 1)), ((8, 1), (8, 1)), ((8,), (8, 3)), ((8, 1), (8, 3)), ((8, 3),) * 2]:
        metric = metrics.get(name, y_shape=y, output_shape=p)
        assert metric.name == name
        if keras() is not None:
            from keras.src.trainers.compile_utils import get_metric

            theirs = get_metric(name, np.zeros(y), np.zeros(p))
            assert (type(metric).__name__, metric.name) == (type(theirs).__name__, theirs.name)


@pytest.mark.parametrize(
    ("y", "p", "cls"),
    [
        ((None,), (None, 1), metrics.BinaryAccuracy),
        ((None, 7), (None, 7, 3), metrics.SparseCategoricalAccuracy),
        ((None, 7, 3), (None, 7, 3), metrics.CategoricalAccuracy),
    ],
)
def test_accuracy_is_chosen_with_an_unknown_batch_axis(y, p, cls):
    assert type(metrics.get("accuracy", y_shape=y, output_shape=p)) is cls


@pytest.mark.parametrize("name", ["binary", "categorical", "sparse"])
def test_accuracy_without_shapes_is_chosen_when_rows_come(name):
    asked = case("metrics", name)
    metric = metrics.get("accuracy", loss="mse")
    assert (metric.name, metric.direction) == ("accuracy", "up")
    metric.update_state(together(asked["y"]), together(asked["p"]), together(asked["w"]))
    assert metric.result() == pytest.approx(float(asked["weighted"]))


@pytest.mark.parametrize("name", sorted(metrics.NAMES))
def test_every_name_is_one_of_keras_and_is_kept(name):
    if name.lower() == "accuracy":
        return
    metric = metrics.get(name)
    assert metric.name == name
    if keras() is not None:
        assert type(keras().metrics.get(name)).__name__ == type(metric).__name__


def test_get_takes_a_class_and_an_object():
    auc = metrics.AUC(curve="PR")
    assert metrics.get(auc) is auc
    assert isinstance(metrics.get(metrics.Recall), metrics.Recall)


def test_a_plain_function_becomes_a_mean_of_its_name():
    def LargestError(y_true, y_pred):
        return np.abs(y_true - y_pred).max(axis=-1)

    metric = metrics.get(LargestError)
    assert metric.name == "largest_error"
    metric.update_state([[0, 0], [1, 1]], [[0.5, 0.25], [1, 1]])
    metric.update_state([[0, 0]], [[1, 0]])
    assert metric.result() == pytest.approx(0.5)


def test_a_plain_function_with_one_number_counts_for_its_rows():
    metric = metrics.get(lambda y_true, y_pred: np.mean(y_pred - y_true))
    metric.update_state(np.zeros((3, 1)), np.ones((3, 1)))
    metric.update_state(np.zeros((1, 1)), np.full((1, 1), 5.0))
    assert metric.result() == pytest.approx(2.0)


def test_time_steps_can_be_weighted_one_by_one():
    y = np.array([[0, 1, 1], [1, 0, 1]])
    p = np.eye(2)[[[0, 0, 1], [0, 0, 1]]]
    w = np.array([[1, 1, 0], [1, 1, 1]])
    metric = metrics.SparseCategoricalAccuracy()
    assert metric(y, p, w) == pytest.approx(3 / 5)
    metric.reset_state()
    assert metric(y, p, [1, 0]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("weights", [None, [1.0, 3.0]])
def test_an_ignored_class_counts_neither_as_a_value_nor_as_a_row(weights):
    y = np.array([[0, -1, 1], [-1, -1, 1]])
    p = np.random.default_rng(0).dirichlet(np.ones(2), (2, 3))
    each = -np.log([p[0, 0, 0], p[0, 2, 1], p[1, 2, 1]])
    metric = metrics.SparseCategoricalCrossentropy(ignore_class=-1)
    per_step = None if weights is None else [1, 1, 3]
    assert metric(y, p, weights) == pytest.approx(np.average(each, weights=per_step))


def test_predictions_of_one_axis_are_rows():
    metric = metrics.MeanSquaredError()
    metric.update_state([1, 1, 1], [0, 0, 0])
    metric.update_state([1], [1])
    assert metric.result() == pytest.approx(0.75)


def test_mean_averages_its_values():
    mean = metrics.Mean()
    mean.update_state([1, 3, 5, 7])
    assert mean.result() == 4.0
    mean.reset_state()
    mean.update_state([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
    assert mean.result() == 2.0
    assert mean(9.0) == pytest.approx(13 / 3)


def test_auc_is_exact_where_its_thresholds_part_the_predictions():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    p = (rng.integers(0, 40, 500) + 0.5 + 15 * y) / 80
    pairs = p[y == 1][:, None] - p[y == 0][None, :]
    exact = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert metrics.AUC(num_thresholds=81)(y, p) == pytest.approx(exact)


def test_auc_takes_a_million_rows_at_once():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1_000_000)
    assert metrics.AUC()(y, rng.random(1_000_000)) == pytest.approx(0.5, abs=0.005)


def test_directions_are_known():
    assert metrics.AUC.direction == metrics.BinaryAccuracy.direction == "up"
    assert metrics.MeanSquaredError.direction == "down"
    assert metrics.Mean.direction is None


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'binary_accuracy'"):
        metrics.get("binary_acuracy")


@pytest.mark.parametrize("identifier", [None, 3, {"config": {}}])
def test_what_is_no_metric_is_refused(identifier):
    with pytest.raises(UnknownNameError, match=r"metrics\.get expected a known metric"):
        metrics.get(identifier)


@pytest.mark.parametrize(
    ("make_metric", "message"),
    [
        (lambda: metrics.Precision(thresholds=1.5), r"Precision expected thresholds in \[0, 1\]"),
        (lambda: metrics.Recall(thresholds=[]), r"Recall expected thresholds in \[0, 1\]"),
        (lambda: metrics.Recall(top_k=3), "Recall expected top_k to be None"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds to be greater than 1"),
        (lambda: metrics.AUC(thresholds=[-0.5]), r"AUC expected thresholds in \[0, 1\]"),
        (lambda: metrics.AUC(num_labels=3), "num_labels with multi_label=True only"),
        (lambda: metrics.Mean(dtype="float16"), "Mean expected dtype to be None or 'float32'"),
    ],
)
def test_options_out_of_range_are_refused(make_metric, message):
    with pytest.raises(OptionError, match=message):
        make_metric()


def test_unknown_curves_and_summations_are_refused():
    with pytest.raises(UnknownNameError, match="known curve, got 'PRGAIN'"):
        metrics.AUC(curve="PRGAIN")
    with pytest.raises(UnknownNameError, match="Did you mean 'interpolation'"):
        metrics.AUC(summation_method="interpolate")


@pytest.mark.parametrize(
    ("metric", "y", "p"),
    [
        (metrics.BinaryAccuracy(), (4,), (5, 1)),
        (metrics.CategoricalAccuracy(), (4,), (4, 3)),
        (metrics.SparseCategoricalAccuracy(), (4, 3), (4, 3)),
        (metrics.MeanAbsoluteError(), (4, 2), (4, 3)),
        (metrics.Precision(), (4,), (4, 3)),
        (metrics.Recall(class_id=3), (4, 3), (4, 3)),
        (metrics.AUC(multi_label=True, num_labels=2), (4, 3), (4, 3)),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(metric, y, p):
    with pytest.raises(ShapeError, match=f"{type(metric).__name__} expected"):
        metric.update_state(np.zeros(y), np.zeros(p))


@pytest.mark.parametrize("metric", [metrics.BinaryAccuracy(), metrics.AUC()])
def test_weights_of_another_length_are_refused(metric):
    with pytest.raises(ShapeError, match="sample_weight of shape"):
        metric.update_state(np.zeros((4, 1)), np.zeros((4, 1)), np.ones(3))
