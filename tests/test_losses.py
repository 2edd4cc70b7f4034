"""Losses: Keras's numbers, derivatives by complex step, names and configs, bad inputs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from elman import losses
from elman.errors import DataError, OptionError, ShapeError, UnknownNameError
from golden import record
from keras_judge import case, keras, stale

NEAR = {"rtol": 2e-5, "atol": 1e-6}


def make(name: str, **options: object) -> losses.Loss:
    cls, given, _ = record.LOSSES[name]
    return getattr(losses, cls)(**given, **options)


@pytest.mark.parametrize("name", record.LOSSES)
def test_the_loss_of_each_sample_is_that_of_keras(name):
    asked = case("losses", name)
    got = make(name).per_sample(asked["y"], asked["p"])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, asked["each"], **NEAR)


@pytest.mark.parametrize("name", record.LOSSES)
def test_the_loss_of_a_batch_is_that_of_keras(name):
    asked = case("losses", name)
    y, p, w = asked["y"], asked["p"], asked["w"]
    np.testing.assert_allclose(make(name)(y, p), asked["mean"], **NEAR)
    np.testing.assert_allclose(make(name, reduction="sum")(y, p), asked["sum"], **NEAR)
    np.testing.assert_allclose(make(name)(y, p, w), asked["weighted"], **NEAR)


@pytest.mark.parametrize("name", record.LOSSES)
def test_the_plain_function_is_the_class(name):
    asked = case("losses", name)
    loss = make(name)
    word, options = loss.native()
    given = {key: getattr(loss, key) for key in options}
    got = getattr(losses, word)(asked["y"], asked["p"], **given)
    assert np.array_equal(got, loss.per_sample(asked["y"], asked["p"]))


def test_recorded_answers_are_those_keras_gives_now():
    if keras() is None:
        pytest.skip("Keras is not installed")
    assert stale("losses", **NEAR) == []


@pytest.mark.parametrize("name", record.LOSSES)
def test_the_formula_can_be_differentiated_by_complex_step(name):
    asked = case("losses", name)
    y, p = asked["y"], asked["p"].astype(np.float64)
    loss = make(name)
    rng = np.random.default_rng(0)
    if not loss.native()[1].get("from_logits") and "crossentropy" in loss.word:
        p = rng.uniform(0.1, 0.9, p.shape)  # away from where clipping has a corner
    direction = rng.normal(size=p.shape)
    step = loss.per_sample(y, p + 1e-30j * direction).imag / 1e-30
    h = 1e-6
    difference = loss.per_sample(y, p + h * direction) - loss.per_sample(y, p - h * direction)
    np.testing.assert_allclose(step, difference / (2 * h), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["binary of logits", "categorical of logits", "sparse of logits"])
def test_logits_never_overflow(name):
    asked = case("losses", name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = make(name).per_sample(asked["y"], asked["p"] * np.float32(1e4))
    assert np.isfinite(values).all()


def test_a_loss_computes_in_the_dtype_of_the_predictions():
    p = np.full((2, 1), 0.3)
    for dtype in (np.float32, np.float64, np.complex128):
        assert losses.mean_squared_error([[0], [1]], p.astype(dtype)).dtype == dtype
    assert losses.mean_squared_error([[0.5]], [[1]]).dtype == np.float32


def test_targets_of_one_axis_belong_to_one_output():
    p = np.array([[0.2], [0.8]])
    expected = losses.binary_crossentropy([[0], [1]], p)
    assert np.array_equal(losses.binary_crossentropy([0, 1], p), expected)
    assert np.array_equal(losses.binary_crossentropy([[0], [1]], p[:, 0]), expected)


def test_a_mask_leaves_time_steps_out_of_the_mean():
    y = np.array([[0, 1, 1], [2, 0, 1]])
    p = np.random.default_rng(0).dirichlet(np.ones(3), (2, 3))
    mask = np.array([[True, True, False], [True, False, False]])
    each = losses.sparse_categorical_crossentropy(y, p)
    loss = losses.SparseCategoricalCrossentropy()
    assert loss(y, p, mask=mask) == pytest.approx(each[mask].mean())
    weights = np.array([2.0, 1.0])
    weighted = (each * weights[:, None])[mask].sum() / 3
    assert loss(y, p, sample_weight=weights, mask=mask) == pytest.approx(weighted)
    assert loss(y, p, mask=np.zeros((2, 3), bool)) == 0.0


def test_mean_is_another_word_for_the_default_reduction():
    assert losses.MeanSquaredError(reduction="mean").reduction == "sum_over_batch_size"


def test_the_engine_is_told_words_and_numbers():
    assert losses.MeanSquaredError().native() == ("mean_squared_error", {})
    assert losses.Huber(delta=2).native() == ("huber", {"delta": 2.0})
    assert losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1).native() == (
        "binary_crossentropy",
        {"from_logits": 1.0, "label_smoothing": 0.1},
    )
    sparse = "sparse_categorical_crossentropy"
    assert losses.SparseCategoricalCrossentropy().native() == (sparse, {"from_logits": 0.0})
    assert losses.SparseCategoricalCrossentropy(ignore_class=-1).native() == (
        sparse,
        {"from_logits": 0.0, "ignore_class": -1.0},
    )


@pytest.mark.parametrize("name", sorted(losses.NAMES))
def test_every_name_is_one_keras_accepts(name):
    loss = losses.get(name)
    if keras() is None:
        return
    theirs = keras().losses.get(name)
    word = getattr(theirs, "__name__", None) or type(theirs).__name__
    assert word in (loss.word, type(loss).__name__)


def test_get_takes_a_class_an_object_a_function_and_a_config():
    huber = losses.Huber(delta=0.5)
    assert losses.get(huber) is huber
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    assert isinstance(losses.get(losses.huber), losses.Huber)
    config = {"class_name": "Huber", "config": huber.get_config()}
    assert losses.get(config).delta == 0.5
    function = {"class_name": "function", "config": "huber", "module": "builtins"}
    assert isinstance(losses.get(function), losses.Huber)


@pytest.mark.parametrize("name", record.LOSSES)
def test_configs_are_understood_both_ways(name):
    if keras() is None:
        pytest.skip("Keras is not installed")
    cls, options, _ = record.LOSSES[name]
    theirs = getattr(keras().losses, cls)(**options)
    ours = make(name)
    again = losses.get({"class_name": cls, "config": theirs.get_config()})
    there = getattr(keras().losses, cls).from_config(ours.get_config())
    assert there.get_config() == theirs.get_config()
    if cls == "Huber":  # Keras itself forgets delta
        assert float(there([[2.0]], [[0.0]])) == pytest.approx(float(theirs([[2.0]], [[0.0]])))
    else:
        assert again.get_config() == ours.get_config()


def test_a_repr_shows_what_was_chosen():
    assert repr(losses.Huber(delta=2.0)) == "Huber(delta=2.0)"
    assert repr(losses.MeanSquaredError()) == "MeanSquaredError()"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'binary_crossentropy'"):
        losses.get("binary_crosentropy")


@pytest.mark.parametrize("identifier", [None, 3, {"config": {}}])
def test_what_is_no_loss_is_refused(identifier):
    with pytest.raises(UnknownNameError, match=r"losses\.get expected a known loss"):
        losses.get(identifier)


def test_a_function_of_your_own_is_refused():
    with pytest.raises(OptionError, match="Losses run in native code"):
        losses.get(lambda y_true, y_pred: 0.0)


@pytest.mark.parametrize("reduction", ["none", None, "mean_with_sample_weight", "avg"])
def test_a_reduction_elman_does_not_have_is_refused(reduction):
    with pytest.raises(OptionError, match=r"expected reduction to be .* call per_sample"):
        losses.MeanSquaredError(reduction=reduction)


def test_options_out_of_range_are_refused():
    with pytest.raises(OptionError, match="expected delta to be a positive number, got 0"):
        losses.Huber(delta=0)
    with pytest.raises(OptionError, match=r"expected label_smoothing in \[0, 1\], got 1.5"):
        losses.BinaryCrossentropy(label_smoothing=1.5)
    with pytest.raises(OptionError, match="expected axis=-1, got 1"):
        losses.CategoricalCrossentropy(axis=1)
    with pytest.raises(OptionError, match="expected dtype to be None or 'float32'"):
        losses.MeanSquaredError(dtype="float16")


@pytest.mark.parametrize(
    ("y", "p"), [((4, 2), (4, 3)), ((4,), (4, 3)), ((5, 1), (4, 1)), ((4, 3, 1), (4, 2))]
)
def test_targets_of_another_shape_are_refused(y, p):
    with pytest.raises(ShapeError, match="MeanSquaredError expected targets of shape"):
        losses.mean_squared_error(np.zeros(y), np.zeros(p))


def test_one_hot_targets_of_a_sparse_loss_are_refused_with_advice():
    with pytest.raises(ShapeError, match="use CategoricalCrossentropy if they are one-hot"):
        losses.sparse_categorical_crossentropy(np.eye(3), np.full((3, 3), 1 / 3))


@pytest.mark.parametrize("label", [3, -1, 0.5])
def test_labels_that_are_no_class_numbers_are_refused(label):
    with pytest.raises(DataError, match=f"class numbers from 0 to 2, got {label}"):
        losses.sparse_categorical_crossentropy([0, label], np.full((2, 3), 1 / 3))


def test_one_class_is_warned_of():
    with pytest.warns(UserWarning, match="this loss is always 0"):
        losses.CategoricalCrossentropy().check_shapes((None, 1), (None, 1))


def test_unknown_sizes_fit_any_shape():
    losses.MeanSquaredError().check_shapes((None, 3), (32, 3))
    losses.SparseCategoricalCrossentropy().check_shapes((None, 7), (32, 7, 3))
    with pytest.raises(ShapeError):
        losses.SparseCategoricalCrossentropy().check_shapes((None, 7), (32, 8, 3))


def test_weights_of_another_length_are_refused():
    with pytest.raises(ShapeError, match=r"sample_weight of shape \(4,\)"):
        losses.MeanSquaredError()(np.zeros((4, 2)), np.zeros((4, 2)), np.ones(3))
