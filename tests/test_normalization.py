"""BatchNormalization, LayerNormalization, Normalization, Rescaling: formulas, statistics, Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman import Input, OptionError, Sequential, ShapeError, _core
from elman.errors import DataError
from elman.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Dense,
    Embedding,
    LayerNormalization,
    Masking,
    Normalization,
    Rescaling,
    SimpleRNN,
)
from harness import assert_close, engine_gradients, judged, randomize

Array = np.ndarray[Any, np.dtype[Any]]

#: Less than a vector, a full vector, more than one block, rows spread over the cache.
WIDTHS = (1, 3, 16, 17, 70, 256)
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no gamma": {"scale": False},
    "no beta": {"center": False},
    "neither": {"scale": False, "center": False, "epsilon": 0.1},
}


def normal(*shape: int, seed: int = 0) -> Array:
    """Random inputs, away from a mean of 0 and a variance of 1."""
    return np.random.default_rng(seed).normal(0.5, 2.0, shape).astype(np.float32)


def padded(*shape: int, seed: int = 0) -> Array:
    """The same with steps of zeros: at the end, in between, and a row of nothing else."""
    x = normal(*shape, seed=seed)
    x[0, 2:] = x[1, 1] = x[2] = 0.0
    return x


def model(*layers: Any, shape: tuple[int | None, ...] = (None, 3)) -> Sequential:
    return Sequential([Input(shape), *layers])


# -- the judge ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", [BatchNormalization, LayerNormalization])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_values_and_gradients_match_the_judge(
    threads: int, kind: Any, options: dict[str, Any], isa: str
) -> None:
    # Below and above: a gradient that comes in from above, and one that goes on down.
    _core.set_threads(threads)
    judged(model(Dense(5, "tanh"), kind(**options), Dense(2), shape=(3,)), normal(7, 3))
    judged(model(kind(**options), GRU(4), Dense(2)), normal(5, 4, 3))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", [BatchNormalization, LayerNormalization])
def test_any_width_matches_the_judge(kind: Any, width: int, isa: str) -> None:
    # More rows times steps than are added up in floats at once.
    x = normal(9, 31, 3)
    judged(model(Dense(width, "tanh"), kind(), Dense(2)), x, small=16, tolerance=5e-5)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_statistics_are_of_the_steps_that_count(threads: int, isa: str) -> None:
    _core.set_threads(threads)
    layers = [
        Masking(),
        BatchNormalization(),
        SimpleRNN(4, return_sequences=True),
        BatchNormalization(scale=False),
        LSTM(3),
        BatchNormalization(),
        Dense(2),
    ]
    judged(model(*layers), padded(6, 5, 3), tolerance=5e-5)


def test_rows_of_a_table_get_their_gradient_through_the_statistics(isa: str) -> None:
    tokens = np.array([[1, 2, 0, 0], [3, 0, 4, 5], [0, 0, 0, 0], [5, 5, 5, 1]], np.int32)
    for threads in (1, 2):
        _core.set_threads(threads)
        judged(
            Sequential([Embedding(6, 3, mask_zero=True), BatchNormalization(), GRU(4), Dense(1)]),
            tokens,
        )


def test_a_loss_that_counts_targets_meets_with_statistics(isa: str) -> None:
    layers = [Masking(), BatchNormalization(), GRU(4, return_sequences=True), Dense(2)]
    for threads in (1, 2):
        _core.set_threads(threads)
        judged(model(*layers), padded(6, 5, 3))


def test_rms_scaling_leaves_the_mean_as_keras_does(isa: str) -> None:
    judged(model(Dense(7, "tanh"), LayerNormalization(rms_scaling=True), Dense(2)), normal(4, 5, 3))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4, 3), (2, 1, 3)], ids=str)
def test_one_row_and_one_step_are_ordinary(shape: tuple[int, ...], isa: str) -> None:
    judged(model(BatchNormalization(), GRU(3), Dense(2)), normal(*shape))
    judged(model(Dense(4, "tanh"), LayerNormalization(), GRU(3), Dense(2)), normal(*shape))


def test_fixed_numbers_match_the_judge(isa: str) -> None:
    layers = [
        Rescaling([0.5, -2.0, 1.0], 0.25),
        Dense(17),
        Rescaling(0.3),
        Normalization(mean=0.5, variance=4.0),
        Normalization(mean=np.arange(17) / 16, variance=(1.0 + np.arange(17)) / 4, invert=True),
        GRU(4),
        Normalization(),
        Dense(2),
    ]
    judged(model(*layers), normal(5, 4, 3))


# -- statistics ---------------------------------------------------------------------------------


def trained(layers: Any, x: Array, y: Array, **fit: Any) -> Sequential:
    elman.set_random_seed(2)
    made = Sequential([Input(x.shape[1:]), *layers])
    made.compile("sgd", "mse")
    made.fit(x, y, verbose=0, shuffle=False, **fit)
    return made


def test_statistics_of_numbers_far_from_zero_keep_their_digits(isa: str) -> None:
    x = (1e4 + np.random.default_rng(0).normal(size=(64, 50, 2))).astype(np.float32)
    for threads in (1, 3):
        _core.set_threads(threads)
        layer = BatchNormalization(momentum=0.0)
        layer(x, training=True)
        exact = x.astype(np.float64).reshape(-1, 2)
        np.testing.assert_allclose(layer.moving_mean, exact.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(layer.moving_variance, exact.var(axis=0), rtol=1e-5)


def test_training_repeats_to_the_bit_and_threads_change_only_rounding() -> None:
    x, y = padded(40, 6, 3), normal(40, 1, seed=1)

    def weights(threads: int) -> list[Array]:
        _core.set_threads(threads)
        layers = [Masking(), BatchNormalization(), GRU(4), BatchNormalization(), Dense(1)]
        return trained(layers, x, y, batch_size=16, epochs=3).get_weights()

    one, two = weights(1), weights(2)
    for found, again in zip(two, weights(2), strict=True):
        np.testing.assert_array_equal(found, again)
    for found, wanted in zip(two, one, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_sequences_of_unequal_length_give_what_padding_gives(threads: int) -> None:
    _core.set_threads(threads)
    x, y = normal(12, 7, 3), normal(12, 1, seed=1)
    lengths = np.random.default_rng(4).integers(1, 8, 12)
    for row, length in enumerate(lengths):
        x[row, length:] = 0.0
    rest = [GRU(4, return_sequences=True), BatchNormalization(), LSTM(3), Dense(1)]
    padded = trained([Masking(), BatchNormalization(), *rest], x, y, batch_size=5)
    elman.set_random_seed(2)
    layers = [type(layer).from_config(layer.get_config()) for layer in padded.layers[1:]]
    ragged = model(*layers)
    ragged.compile("sgd", "mse")
    ragged.fit([r[:n] for r, n in zip(x, lengths, strict=True)], y, 5, verbose=0, shuffle=False)
    for found, wanted in zip(ragged.get_weights(), padded.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_layer_that_is_not_trainable_keeps_its_statistics_and_uses_them() -> None:
    x, y = normal(12, 3), normal(12, 1, seed=1)
    frozen = BatchNormalization(trainable=False)
    made = trained([frozen, Dense(1)], x, y, epochs=2)
    np.testing.assert_array_equal(frozen.moving_mean, 0)
    np.testing.assert_array_equal(frozen.moving_variance, 1)
    np.testing.assert_array_equal(made(x, training=True), made(x))
    made.layers[0].trainable = True
    made.compile("sgd", "mse")
    made.fit(x, y, verbose=0)
    assert (frozen.moving_mean != 0).all()


def test_gradients_alone_change_no_statistic() -> None:
    made = model(BatchNormalization(), Dense(1), shape=(3,))
    made.compile(loss="mse")
    before = made.get_weights()
    engine_gradients(made, normal(5, 3), normal(5, 1))
    for found, wanted in zip(made.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_next_prediction_sees_the_statistics_of_a_call_in_training() -> None:
    x = normal(8, 3)
    layer = BatchNormalization(momentum=0.0)
    made = Sequential([Input((3,)), layer])
    made(x, training=True)
    mean, variance = BatchNormalization.statistics(x.astype(np.float64), None)
    assert_close(made(x), (x - mean) / np.sqrt(variance + layer.epsilon))


def test_a_batch_of_nothing_that_counts_is_no_nan(isa: str) -> None:
    x, y = np.zeros((4, 3, 2), np.float32), np.zeros((4, 1), np.float32)
    made = trained([Masking(), BatchNormalization(), GRU(3), Dense(1)], x, y)
    assert all(np.isfinite(w).all() for w in made.get_weights())
    np.testing.assert_allclose(made.layers[1].moving_variance, 0.99)


# -- long sequences -----------------------------------------------------------------------------


def test_a_window_of_tbptt_is_a_batch_of_its_own() -> None:
    x, y = normal(6, 20, 3), normal(6, 20, 1, seed=1)
    layers = [BatchNormalization(), Dense(1)]
    walked = trained(layers, x, y, batch_size=6, tbptt=5)
    parts = trained(
        [BatchNormalization(), Dense(1)],
        np.concatenate(np.split(x, 4, axis=1)),
        np.concatenate(np.split(y, 4, axis=1)),
        batch_size=6,
    )
    for found, wanted in zip(walked.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_recompute_is_refused_where_statistics_join_all_steps() -> None:
    x, y = normal(4, 100, 3), normal(4, 1)
    made = model(BatchNormalization(), GRU(3), Dense(1))
    made.compile("sgd", "mse")
    with pytest.raises(OptionError, match=r"recompute=True .* 'batch_normalization'"):
        made.fit(x, y, recompute=True, verbose=0)
    made.layers[0].trainable = False
    made.compile("sgd", "mse")
    made.fit(x, y, recompute=True, verbose=0)


def test_auto_recomputes_no_model_of_batch_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elman.windows.RECOMPUTE_BYTES", 1)
    x, y = normal(4, 100, 3), normal(4, 1)
    trained([BatchNormalization(), GRU(3), Dense(1)], x, y)


def test_a_stream_gives_what_predict_gives(isa: str) -> None:
    made = model(
        Rescaling(0.5),
        Normalization(),
        BatchNormalization(),
        GRU(4, return_sequences=True),
        LayerNormalization(),
        Dense(2),
    )
    randomize(made, 3)
    x = normal(1, 9, 3)
    stream = made.stream()
    np.testing.assert_array_equal(np.stack([stream.step(s) for s in x[0]]), made.predict(x)[0])


# -- adapt --------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 2, None, [-1]], ids=str)
def test_adapt_finds_mean_and_variance(axis: Any) -> None:
    x = normal(50, 7, 3)
    layer = Normalization(axis=axis)
    layer.adapt(x)
    axes = (0, 1, 2) if axis is None else (0, 1)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(layer.mean, exact.mean(axis=axes), rtol=1e-6)
    np.testing.assert_allclose(layer.variance, exact.var(axis=axes), rtol=1e-6)
    y = layer(x).astype(np.float64)
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-5)
    back = Normalization(axis=axis, invert=True)
    back.adapt(x)
    assert_close(back(layer(x)), exact)


def test_adapt_goes_through_parts_files_and_batches_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = 100 + normal(60, 7, 3)
    whole = Normalization()
    whole.adapt(x)
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setattr("elman.layers.normalization.PART", 100)
    monkeypatch.setattr("elman.mapped.PART_BYTES", 1000)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for data in (x, mapped, x.astype("i4") + (x - x.astype("i4")), [x[:11], x[11:]], iter([x])):
        layer = Normalization()
        layer.adapt(data)
        np.testing.assert_allclose(layer.mean, whole.mean, rtol=1e-6)
        np.testing.assert_allclose(layer.variance, whole.variance, rtol=1e-6)


def test_adapt_in_a_model_is_seen_by_its_next_prediction() -> None:
    x = normal(20, 4, 3)
    layer = Normalization()
    made = model(layer, GRU(2))
    before = made.predict(x, verbose=0)
    layer.adapt(x)
    assert (made.predict(x, verbose=0) != before).any()
    assert_close(made.predict(x, verbose=0), made.layers[1](layer(x)))


def test_a_model_begins_with_what_was_adapted() -> None:
    layer = Normalization()
    layer.adapt(normal(20, 4, 3))
    made = Sequential([layer, GRU(2)])
    assert made.built
    assert made.predict(normal(2, 9, 3), verbose=0).shape == (2, 2)


def test_a_constant_feature_becomes_zero() -> None:
    layer = Normalization()
    layer.adapt(np.full((9, 2), 3.0))
    np.testing.assert_array_equal(layer(np.full((4, 2), 3.0)), 0)


# -- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [BatchNormalization, LayerNormalization, Normalization])
def test_an_axis_that_is_not_the_last_is_refused(kind: Any) -> None:
    for axis in (1, -2, [1, 2], "features"):
        with pytest.raises(OptionError, match="expected axis"):
            model(kind(axis=axis))
    assert model(kind(axis=2)).built
    assert model(kind(axis=1), shape=(3,)).built


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BatchNormalization(epsilon=-1), "epsilon to be a number >= 0, got -1"),
        (lambda: BatchNormalization(momentum=1.5), r"momentum to be a number in \[0, 1\)"),
        (lambda: BatchNormalization(synchronized=True), "synchronized=False, got True"),
        (lambda: BatchNormalization(renorm=True), "renorm=False, got True"),
        (lambda: LayerNormalization(epsilon="small"), "epsilon to be a number >= 0"),
        (lambda: Rescaling("half"), "scale to be a number, or one for each feature, got 'half'"),
        (lambda: Rescaling(1.0, [[1.0]]), "offset to be a number, or one for each feature"),
        (lambda: Rescaling(float("nan")), "scale to be a number"),
        (lambda: Normalization(mean=1.0), "mean and variance together"),
        (lambda: Normalization(mean=[1.0], variance=[1.0, 2.0]), "as many variances as means"),
        (lambda: Normalization(mean=1.0, variance=-1.0), "variances of at least 0"),
        (lambda: model(Rescaling([1.0, 2.0])), "each of 3 features, got 2 numbers"),
        (lambda: model(Normalization(mean=[1, 2], variance=[1, 1])), "of 3 features, got 2 num"),
        (lambda: Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 2))), "to find its mean"),
    ],
)
def test_bad_options_are_told(make: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


def test_data_that_cannot_be_adapted_to_are_told() -> None:
    layer = Normalization()
    with pytest.raises(DataError, match="expected data to adapt to, got none"):
        layer.adapt(np.ones((0, 3)))
    with pytest.raises(DataError, match="got none"):
        layer.adapt(iter([]))
    with pytest.raises(ShapeError, match="batches of 3 features, got one of 2"):
        layer.adapt([np.ones((4, 3)), np.ones((4, 2))])
    assert not layer.built
    layer.adapt(np.ones((4, 3)))
    with pytest.raises(ShapeError, match="expected 3 features per step, got 2"):
        layer.adapt(np.ones((4, 2)))


# -- what is said of them -----------------------------------------------------------------------


def test_a_plan_names_their_ops_and_where_all_rows_meet() -> None:
    made = model(BatchNormalization(), LayerNormalization(), Rescaling(2.0), GRU(2))
    assert "by batch" in str(made.plan(9))
    assert "by batch" not in str(made.plan(9, training=False))
    for word in ("batch_norm", "layer_norm", "rescaling"):
        assert word in str(made.plan(9))


def test_moving_statistics_are_counted_as_fixed() -> None:
    made = model(BatchNormalization(), Normalization(), LayerNormalization())
    lines: list[str] = []
    made.summary(print_fn=lines.append)
    # four of 3 features; mean and variance of 3 and a count; two of 3
    assert "Total parameters: 25" in lines[0]
    assert "Trainable: 12   Fixed: 13" in lines[0]
    ledger = made.ledger()
    assert (ledger.total, ledger.trainable) == (25, 12)
    assert ledger["batch_normalization"].symbols == "4 * F"


# -- Keras --------------------------------------------------------------------------------------


def every_kind(api: Any, x: Array) -> list[Any]:
    adapted = api.layers.Normalization()
    adapted.adapt(x)
    return [
        api.layers.Masking(),
        adapted,
        api.layers.BatchNormalization(momentum=0.7),
        api.layers.GRU(4, return_sequences=True),
        api.layers.LayerNormalization(epsilon=0.01),
        api.layers.Rescaling(0.5, [0.1, 0.2, 0.3, 0.4]),
        api.layers.LSTM(3),
        api.layers.Normalization(mean=[0.1, 0.0, -0.1], variance=[0.5, 1.0, 2.0]),
        api.layers.BatchNormalization(center=False),
        api.layers.Dense(1),
    ]


def test_a_file_goes_to_keras_and_back_and_training_goes_on(tmp_path: Path, keras: Any) -> None:
    x, y = padded(19, 5, 3), normal(19, 1, seed=1)
    theirs = keras.Sequential([keras.Input((5, 3)), *every_kind(keras, x)])
    theirs.compile("adam", "mse")
    theirs.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    theirs.save(tmp_path / "theirs.keras")
    ours = elman.load(tmp_path / "theirs.keras")
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)
    for api in (ours, theirs):
        api.fit(x, y, batch_size=8, epochs=7, shuffle=False, verbose=0)
    for found, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    ours.save(tmp_path / "ours.keras")
    again = keras.saving.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), ours.predict(x), atol=1e-5)
    assert ours.count_params() == theirs.count_params()


def test_penalties_and_constraints_on_gamma_and_beta_are_those_of_keras(keras: Any) -> None:
    x, y = normal(16, 3), normal(16, 1, seed=1)
    found = []
    for api in (elman, keras):
        rules = {
            "gamma_constraint": api.constraints.MaxNorm(0.9),
            "beta_regularizer": api.regularizers.L2(0.5),
        }
        ends = {"kernel_initializer": "ones"}
        made = api.Sequential(
            [
                api.Input((3,)),
                api.layers.BatchNormalization(**rules),
                api.layers.Dense(3, "tanh", **ends),
                api.layers.LayerNormalization(**rules),
                api.layers.Dense(1, **ends),
            ]
        )
        made.compile("sgd", "mse")
        made.fit(x, y, batch_size=8, epochs=5, shuffle=False, verbose=0)
        found.append(made.get_weights())
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_all_masked_batch_leaves_the_statistics_of_keras(keras: Any) -> None:
    x, y = np.zeros((4, 3, 2), np.float32), np.ones((4, 1), np.float32)
    found = []
    for api in (elman, keras):
        made = api.Sequential(
            [
                api.Input((3, 2)),
                api.layers.Masking(),
                api.layers.BatchNormalization(),
                api.layers.GRU(3, kernel_initializer="ones", recurrent_initializer="zeros"),
                api.layers.Dense(1, kernel_initializer="ones"),
            ]
        )
        made.compile("sgd", "mse")
        made.fit(x, y, verbose=0)
        found.append(made.get_weights())
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_weights_of_one_layer_are_set_from_keras_and_back(keras: Any) -> None:
    x = normal(6, 5, 3)
    for name in ("BatchNormalization", "LayerNormalization", "Normalization"):
        ours, theirs = getattr(elman.layers, name)(), getattr(keras.layers, name)()
        theirs.build(x.shape)
        ours(x)
        rng = np.random.default_rng(3)
        drawn = [np.abs(rng.normal(size=w.shape)).astype(w.dtype) for w in theirs.get_weights()]
        ours.set_weights(drawn)
        theirs.set_weights(ours.get_weights())
        if name == "Normalization":
            theirs.finalize_state()  # Keras takes new statistics in only when it loads them
        np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), atol=1e-5, err_msg=name)
