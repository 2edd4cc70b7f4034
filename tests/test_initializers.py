"""Initializers: distributions as Keras's, reproducible values, names and configs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from elman import initializers
from elman.errors import OptionError, ShapeError, UnknownNameError
from golden import record
from keras_judge import case, keras, stale


def make(name: str, **options: object) -> initializers.Initializer:
    return getattr(initializers, name)(**options)


@pytest.mark.parametrize("name", record.INITIALIZERS)
def test_a_large_kernel_has_the_moments_and_bounds_of_keras(name):
    cls, options = record.INITIALIZERS[name]
    values = make(cls, **options)(record.KERNEL, np.random.default_rng(0))
    mean, std, low, high = map(float, case("initializers", name)["moments"])
    got = record.moments(values)
    assert values.dtype == np.float32 and values.shape == record.KERNEL
    assert got[0] == pytest.approx(mean, abs=std * 0.02)
    assert got[1] == pytest.approx(std, rel=0.015)
    # The extremes of 60,000 values: sharp for bounded distributions, less so for the others.
    bounded = max(abs(low - mean), abs(high - mean)) < 2.5 * std
    assert got[2:] == pytest.approx([low, high], rel=0.005 if bounded else 0.3)


def test_recorded_moments_are_those_keras_gives_now():
    if keras() is None:
        pytest.skip("Keras is not installed")
    # Backends draw other numbers from a seed, so only the distribution is compared.
    assert stale("initializers", rtol=0.3, atol=0.005) == []


@pytest.mark.parametrize("shape", [(3,), (4, 2), (2, 3, 4)])
def test_constant_initializers_fill_any_shape(shape):
    assert np.array_equal(make("Zeros")(shape), np.zeros(shape))
    assert np.array_equal(make("Ones")(shape), np.ones(shape))
    assert np.array_equal(make("Constant", value=2.5)(shape), np.full(shape, 2.5))


def test_identity_has_its_gain_on_the_diagonal():
    expected = np.array([[3, 0, 0], [0, 3, 0]])
    assert np.array_equal(make("Identity", gain=3.0)((2, 3)), expected)


def test_constant_takes_pretrained_embeddings_and_keeps_its_own_copy():
    table = np.arange(6.0).reshape(3, 2)
    initializer = make("Constant", value=table)
    values = initializer((3, 2))
    values[:] = 0
    assert np.array_equal(initializer((3, 2)), table)


def test_constant_with_an_array_survives_its_config():
    initializer = make("Constant", value=np.arange(6.0).reshape(3, 2))
    again = initializers.Constant.from_config(initializer.get_config())
    assert np.array_equal(again((3, 2)), initializer((3, 2)))


def test_keras_reads_the_config_of_an_array():
    if keras() is None:
        pytest.skip("Keras is not installed")
    config = make("Constant", value=np.arange(6.0).reshape(3, 2)).get_config()
    assert np.array_equal(
        keras().initializers.Constant.from_config(config)((3, 2)), np.arange(6).reshape(3, 2)
    )


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (2, 3, 4)])
def test_orthogonal_matrices_are_orthogonal(shape):
    matrix = make("Orthogonal", gain=2.0)(shape, np.random.default_rng(3))
    flat = matrix.reshape(-1, shape[-1]).astype(np.float64)
    product = flat.T @ flat if flat.shape[0] >= flat.shape[1] else flat @ flat.T
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_matrices_favour_no_sign():
    # Without the signs of R's diagonal, the first entries would all be negative.
    rng = np.random.default_rng(0)
    positive = sum(make("Orthogonal")((4, 4), rng)[0, 0] > 0 for _ in range(200))
    assert 70 < positive < 130


def test_truncated_normal_stays_within_two_standard_deviations():
    values = make("TruncatedNormal", mean=1.0, stddev=0.5)((200, 100), np.random.default_rng(0))
    assert np.abs(values - 1.0).max() <= 1.0 + 1e-6


@pytest.mark.parametrize("name", ["RandomNormal", "GlorotUniform", "TruncatedNormal", "Orthogonal"])
def test_a_seed_gives_the_same_values_whatever_the_generator(name):
    initializer = make(name, seed=7)
    first = initializer((6, 4), np.random.default_rng(1))
    assert np.array_equal(first, initializer((6, 4), np.random.default_rng(2)))
    assert np.array_equal(first, make(name, seed=7)((6, 4)))
    assert not np.array_equal(first, make(name, seed=8)((6, 4)))


def test_without_a_seed_the_generator_decides():
    initializer = make("GlorotUniform")
    rng = np.random.default_rng(1)
    first, second = initializer((6, 4), rng), initializer((6, 4), rng)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, initializer((6, 4), np.random.default_rng(1)))


def test_a_negative_seed_works_as_in_keras():
    assert np.array_equal(make("RandomNormal", seed=-1)((3,)), make("RandomNormal", seed=-1)((3,)))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (1, 1)), ((5,), (5, 5)), ((3, 7), (3, 7)), ((2, 4, 3, 7), (24, 56))],
)
def test_fans_count_inputs_and_outputs(shape, expected):
    assert initializers.fans(shape) == expected
    assert all(isinstance(fan, int) for fan in initializers.fans(shape))


@pytest.mark.parametrize("name", sorted(initializers.NAMES))
def test_every_name_is_one_of_keras_and_means_the_same_class(name):
    cls = type(initializers.get(name))
    if keras() is not None and cls is not initializers.Constant:  # Keras fails on its name
        assert type(keras().initializers.get(name)).__name__ == cls.__name__


def test_get_takes_a_class_an_object_a_config_and_an_array():
    orthogonal = make("Orthogonal", gain=2.0, seed=3)
    assert initializers.get(orthogonal) is orthogonal
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    config = {"class_name": "Orthogonal", "config": orthogonal.get_config()}
    assert np.array_equal(initializers.get(config)((3, 3)), orthogonal((3, 3)))
    assert np.array_equal(initializers.get(np.eye(2))((2, 2)), np.eye(2))


@pytest.mark.parametrize("name", sorted({cls.__name__ for cls in initializers.NAMES.values()}))
def test_configs_are_those_of_keras_both_ways(name):
    if keras() is None:
        pytest.skip("Keras is not installed")
    options = {"seed": 3} if "seed" in getattr(initializers, name).options() else {}
    theirs = getattr(keras().initializers, name)(**options).get_config()
    ours = make(name, **options).get_config()
    # Newer options stay out of our configs at their default, for older versions of Keras.
    assert {key: value for key, value in theirs.items() if value is not None} == {
        key: ours[key] for key in theirs if ours.get(key) is not None
    }
    getattr(keras().initializers, name).from_config(ours)
    assert initializers.NAMES[name].from_config(theirs).get_config() == ours


def test_a_seed_generator_in_a_keras_config_becomes_its_seed():
    seed = {"class_name": "SeedGenerator", "config": {"seed": 11}}
    assert initializers.get({"class_name": "HeNormal", "config": {"seed": seed}}).seed == 11


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"glorot_unifrom.*Did you mean 'glorot_uniform'"):
        initializers.get("glorot_unifrom")


@pytest.mark.parametrize("identifier", [None, 3, {"config": {}}, {"class_name": 7}, int])
def test_what_is_no_initializer_is_refused(identifier):
    with pytest.raises(UnknownNameError, match=r"initializers\.get expected a known initializer"):
        initializers.get(identifier)


@pytest.mark.parametrize("seed", ["1", 1.5, True])
def test_a_seed_that_is_no_integer_is_refused(seed):
    with pytest.raises(OptionError, match="HeNormal expected seed to be an integer or None"):
        make("HeNormal", seed=seed)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan])
def test_a_scale_that_is_not_positive_is_refused(scale):
    with pytest.raises(OptionError, match="VarianceScaling expected scale"):
        make("VarianceScaling", scale=scale)


def test_an_unknown_mode_or_distribution_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'fan_in'"):
        make("VarianceScaling", mode="fanin")
    with pytest.raises(UnknownNameError, match="known distribution"):
        make("VarianceScaling", distribution="gauss")


def test_a_constant_that_is_no_number_is_refused():
    with pytest.raises(OptionError, match="Constant expected a number"):
        make("Constant", value="big")


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"shape \(4, 2\), got an array of shape \(3, 2\)"):
        make("Constant", value=np.zeros((3, 2)))((4, 2))


def test_shapes_an_initializer_cannot_fill_are_refused():
    with pytest.raises(ShapeError, match=r"Identity expected a weight of 2 axes, got shape \(3,\)"):
        make("Identity")((3,))
    with pytest.raises(ShapeError, match="Orthogonal expected a weight of 2 axes or more"):
        make("Orthogonal")((3,))
