"""scikit-learn's estimators, judged by scikit-learn's own checks and by what elman does alone."""

from __future__ import annotations

import io
import pickle
import pickletools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

import elman
from elman import _core
from elman.errors import DataError, OptionError, ShapeError
from elman.interop.sklearn import (
    SequenceClassifier,
    SequenceForecaster,
    SequenceRegressor,
)
from elman.interop.sklearn.engine import engine

SMALL: dict[str, Any] = {"units": 8, "epochs": 3, "random_state": 1}


def expected_failures(estimator: Any) -> dict[str, str]:
    """The checks that cannot pass, and why."""
    if not isinstance(estimator, SequenceForecaster):
        why = "another number of rows makes other batches: a repeated row is not a heavier one"
        return {"check_sample_weight_equivalence_on_dense_data": why}
    series = "columns are steps, and a series may be of any length"
    single = "one axis is one series"
    return {
        "check_n_features_in": series,
        "check_n_features_in_after_fitting": series,
        "check_fit2d_1feature": "says 'of at least 2 steps' of a table with one column",
        "check_fit1d": single,
        "check_fit2d_predict1d": single,
    }


@parametrize_with_checks(
    [SequenceClassifier(), SequenceRegressor(), SequenceForecaster(window=1)],
    expected_failed_checks=expected_failures,
)
def test_it_is_an_estimator_by_the_rules_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_without_scikit_learn_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import elman.interop.sklearn"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode and 'pip install "elman[sklearn]"' in found.stderr


# -- what X may be --------------------------------------------------------------------------------


@pytest.fixture
def sequences(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sequences [40, 9, 3] that rise or fall, and which: only order tells them apart."""
    y = np.repeat([0, 1], 20)
    steps = np.sort(rng.normal(size=(40, 9, 3)), axis=1)
    steps[y == 1] = steps[y == 1, ::-1]
    return steps, y


def unequal(x: np.ndarray) -> list[np.ndarray]:
    """The same sequences, cut to different lengths."""
    return [row[: 4 + n % 5] for n, row in enumerate(x)]


def test_order_alone_is_learned(sequences: Any) -> None:
    x, y = sequences
    model = SequenceClassifier(units=8, epochs=30, random_state=1).fit(x[::2], y[::2])
    assert model.score(x[1::2], y[1::2]) > 0.9


def test_every_form_of_the_same_sequences_gives_the_same_bits(sequences: Any) -> None:
    pandas = pytest.importorskip("pandas")
    x, y = sequences
    series = [[pandas.Series(channel) for channel in row.T] for row in x]
    objects = np.empty(len(x), object)
    objects[:] = list(x)
    forms = {
        "list": list(x),
        "lists": x.tolist(),
        "objects": objects,
        "sktime": pandas.DataFrame(series, columns=["a", "b", "c"]),
        "aeon": x.swapaxes(1, 2),
        "aeon's list": [row.T for row in x],
    }
    wanted = SequenceClassifier(**SMALL).fit(x, y).predict_proba(x)
    for name, form in forms.items():
        model = SequenceClassifier(**SMALL, channels_first=name.startswith("aeon")).fit(form, y)
        np.testing.assert_array_equal(model.predict_proba(form), wanted, err_msg=name)
        assert model.n_features_in_ == 3


def test_a_table_is_one_feature_per_step(sequences: Any) -> None:
    x, y = sequences[0][:, :, 0], sequences[1]
    table = SequenceClassifier(**SMALL).fit(x, y)
    cube = SequenceClassifier(**SMALL).fit(x[:, :, None], y)
    assert (table.n_features_in_, cube.n_features_in_) == (9, 1)
    np.testing.assert_array_equal(table.predict_proba(x), cube.predict_proba(x))
    np.testing.assert_array_equal(table.predict_proba(x), table.predict_proba(list(x)))


@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceRegressor])
def test_sequences_of_unequal_length_are_as_good_alone_as_together(
    kind: Any, sequences: Any
) -> None:
    x, y = unequal(sequences[0]), sequences[1]
    model = kind(**SMALL).fit(x, y)
    ask = model.predict_proba if kind is SequenceClassifier else model.predict
    alone = np.concatenate([ask([row]) for row in x])
    np.testing.assert_allclose(ask(x), alone, atol=1e-6)
    assert np.isfinite(ask([x[0][:0]])).all()  # and one of no steps at all


@pytest.mark.parametrize("tokens", ["words", "chars", "bytes"])
def test_texts_are_read_by_a_vocabulary_of_the_training_part(tokens: str) -> None:
    texts = ["warm and sunny", "cold and wet", "sunny, so sunny", "wet and grey!"] * 6
    y = np.array(["good", "bad"] * 12)
    model = SequenceClassifier(units=8, tokens=tokens, random_state=1, epochs=40).fit(texts, y)
    assert model.score(texts, y) == 1
    (step,) = model.model_.prepared.steps
    assert {"words": "sunny", "chars": "s", "bytes": "73"}[tokens] in step.vocabulary
    assert model.model_.layers[0].input_dim == len(step.vocabulary)
    assert model.predict(["never seen Ω", ""]).shape == (2,)


def test_the_vocabulary_keeps_the_frequent_words() -> None:
    model = SequenceClassifier(**SMALL, max_tokens=4)
    model.fit(["a a a b b c c", "b a d"], [0, 1])
    assert model.model_.prepared.steps[0].vocabulary == ("", "[UNK]", "a", "b")


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        ([np.ones((3, 2)), np.ones((4, 3))], ShapeError, "in row 1"),
        ([np.ones((3, 2)), np.full((4, 2), np.inf)], DataError, "in row 1, step 0"),
        ([[[1, 2], [3, 4]], [[1, 2], [3]]], DataError, "in row 1"),
        (["text", float("nan")], DataError, "in row 1"),
        (np.full((2, 3, 1), np.nan), ValueError, "NaN"),
        ([[], []], ValueError, "0 feature"),
        ([np.ones((0, 2)), np.ones((0, 2))], DataError, "empty ones only"),
    ],
)
def test_what_is_wrong_with_the_data_is_said(x: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        SequenceClassifier(**SMALL).fit(x, [0, 1])


def test_prediction_wants_what_fit_was_given(sequences: Any) -> None:
    x, y = sequences
    model = SequenceClassifier(**SMALL).fit(x, y)
    with pytest.raises(ShapeError, match="expected 3 features per step as in fit, got 2"):
        model.predict(x[:, :, :2])
    with pytest.raises(DataError, match="got texts"):
        model.predict(["a", "b"])
    with pytest.raises(DataError, match="expected texts as in fit"):
        SequenceClassifier(**SMALL).fit(["a", "b"], [0, 1]).predict(x)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"arch": "9x3 > gru(4)"}, "layers alone"),
        ({"arch": "gru(4,seq)"}, "Leave out seq"),
        ({"arch": "gruu(4)"}, "did you mean 'gru'"),
        ({"epochs": 0}, "epochs"),
    ],
)
def test_options_that_cannot_be_are_refused(options: Any, says: str, sequences: Any) -> None:
    with pytest.raises(elman.ElmanError, match=says):
        SequenceClassifier(**options).fit(*sequences)


# -- training -------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(sequences: Any) -> None:
    x, y = sequences
    first, again, other = (
        SequenceRegressor("gru(?,dropout=0.2)", units=4, epochs=3, random_state=seed).fit(x, y)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.predict(x), again.predict(x))
    assert first.loss_curve_ == again.loss_curve_ != other.loss_curve_


def test_training_leaves_the_randomness_of_the_process_alone(sequences: Any) -> None:
    drawn = []
    for trains in (False, True):
        elman.set_random_seed(3)
        if trains:
            SequenceClassifier(**SMALL).fit(*sequences)
        drawn.append(elman.layers.Dense(3)(np.eye(3, dtype="f4")).tolist())
    assert drawn[0] == drawn[1]


def test_preparation_learns_nothing_from_rows_that_are_held_out() -> None:
    # Row i is 2**i everywhere, so that the mean tells which rows were seen.
    x = np.repeat(2.0 ** np.arange(20), 3).reshape(20, 3, 1)
    model = SequenceRegressor(**SMALL, early_stopping=True, validation_fraction=0.25)
    model.fit(x, np.arange(20))
    seen = round(model.model_.prepared.steps[0].center[0] * 15)
    assert seen.bit_count() == 15


def test_standardised_features_may_have_any_unit(sequences: Any) -> None:
    x, y = sequences
    found = [
        SequenceClassifier(**SMALL).fit(given, y).predict_proba(given)
        for given in (x, x * [1e6, 1, 1e-6] + [1e9, 0, 1])
    ]
    np.testing.assert_allclose(*found, atol=1e-4)


def test_class_weights_are_sample_weights(sequences: Any) -> None:
    x, y = sequences[0][:30], sequences[1][:30]
    for weights in ("balanced", {0: 2.0, 1: 0.5}):
        by_class = SequenceClassifier(**SMALL, class_weight=weights).fit(x, y)
        by_row = SequenceClassifier(**SMALL).fit(x, y, compute_sample_weight(weights, y))
        np.testing.assert_array_equal(by_class.predict_proba(x), by_row.predict_proba(x))


def test_rows_without_weight_teach_nothing(sequences: Any) -> None:
    x, y = sequences
    wrong = y.copy()
    wrong[::4] = 1 - y[::4]
    weight = (wrong == y).astype(float)
    found = [SequenceClassifier(**SMALL).fit(x, given, weight).loss_curve_ for given in (y, wrong)]
    assert found[0] == found[1]


def test_early_stopping_keeps_the_best_epoch(sequences: Any, rng: np.random.Generator) -> None:
    x, y = sequences[0], rng.integers(0, 2, 40)  # nothing to learn: it is soon at its best
    options: dict[str, Any] = {"units": 8, "random_state": 1, "early_stopping": True}
    model = SequenceClassifier(**options, epochs=200, patience=3).fit(x, y)
    best = int(np.argmin(model.validation_curve_)) + 1
    assert model.n_iter_ == best + 3 < 200
    until = SequenceClassifier(**options, epochs=best, patience=3).fit(x, y)
    np.testing.assert_array_equal(model.predict_proba(x), until.predict_proba(x))


def test_warm_start_goes_on(sequences: Any) -> None:
    x, y = sequences
    model = SequenceClassifier(**SMALL, warm_start=True).fit(x, y).fit(x, y)
    once = SequenceClassifier(units=8, epochs=6, random_state=1).fit(x, y)
    assert (model.n_iter_, len(model.loss_curve_)) == (6, 6)
    assert model.loss_curve_ == once.loss_curve_
    with pytest.raises(DataError, match=r"got also \[2\]"):
        model.fit(x, y + 1)


@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceRegressor])
def test_partial_fit_trains_one_epoch_a_call(kind: Any, sequences: Any) -> None:
    x, y = sequences
    parts, whole = kind(**SMALL), kind(**SMALL).fit(x, y)
    for _ in range(3):
        known = {"classes": [0, 1]} if kind is SequenceClassifier else {}
        parts.partial_fit(x, y, **known)
    assert parts.loss_curve_ == whole.loss_curve_


def test_partial_fit_learns_classes_that_the_first_part_lacks(sequences: Any) -> None:
    x, y = sequences
    model = SequenceClassifier(**SMALL).partial_fit(x[:5], y[:5], classes=[0, 1])
    assert model.partial_fit(x, y).predict_proba(x).shape == (40, 2)
    with pytest.raises(OptionError, match="all classes in its first call"):
        SequenceClassifier().partial_fit(x, y)
    with pytest.raises(OptionError, match="some of the data do not tell"):
        SequenceClassifier(class_weight="balanced").partial_fit(x, y, classes=[0, 1])


def test_one_class_is_refused(sequences: Any) -> None:
    with pytest.raises(DataError, match="at least two classes"):
        SequenceClassifier().fit(sequences[0], np.zeros(40))


def test_a_regressor_answers_in_the_units_and_shape_of_its_targets(sequences: Any) -> None:
    x = sequences[0]
    y = np.stack([x[:, -1, 0] * 1e5 + 1e6, x[:, 0, 1]], axis=1)
    model = SequenceRegressor(units=16, epochs=60, random_state=1).fit(x, y)
    assert model.predict(x).shape == (40, 2)
    assert model.score(x, y) > 0.8
    assert SequenceRegressor(**SMALL).fit(x, y[:, 0]).predict(x).shape == (40,)


# -- at home with scikit-learn --------------------------------------------------------------------


def test_a_pickled_model_gives_the_same_bits_and_holds_a_keras_file(sequences: Any) -> None:
    x, y = unequal(sequences[0]), sequences[1]
    model = SequenceClassifier(**SMALL).fit(x, y)
    content = pickle.dumps(model)
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    names = {arg for op, arg, _ in pickletools.genops(content) if isinstance(arg, str)}
    assert not [name for name in names if name.startswith(("elman.models", "elman.layers"))]
    held = model.__getstate__()["model_"]
    assert type(held) is bytes and io.BytesIO(held).read(2) == b"PK"
    for one in (model, again):  # the optimizer's state and the generator came along
        one.partial_fit(x, y)
    assert again.loss_curve_ == model.loss_curve_


def test_a_pickled_regressor_goes_on_and_answers_in_the_targets_unit(sequences: Any) -> None:
    x, y = sequences[0], sequences[0][:, 0, 0] * 1e4 + 1e5
    model = SequenceRegressor(**SMALL).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    for _ in range(2):
        np.testing.assert_array_equal(again.predict(x), model.predict(x))
        assert abs(model.predict(x).mean() - 1e5) < 1e5
        for one in (model, again):
            one.partial_fit(x, y)
    assert again.loss_curve_ == model.loss_curve_


def test_fitted_estimators_come_back_from_two_processes(sequences: Any) -> None:
    x, y = sequences
    elman.set_threads(max(joblib.cpu_count() // 2, 1))  # as each of the processes has
    found = [
        cross_validate(
            SequenceClassifier(**SMALL), x, y, cv=2, n_jobs=n_jobs, return_estimator=True
        )["estimator"]
        for n_jobs in (1, 2)
    ]
    for here, there in zip(*found, strict=True):
        np.testing.assert_array_equal(there.predict_proba(x), here.predict_proba(x))


def test_a_clone_has_the_options_alone(sequences: Any) -> None:
    model = SequenceClassifier("lstm(?)", **SMALL, class_weight={0: 1.0, 1: 2.0}).fit(*sequences)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "model_")


def test_a_pipeline_scales_before_it(sequences: Any) -> None:
    x, y = sequences[0][:, :, 0], sequences[1]
    pipe = make_pipeline(StandardScaler(), SequenceClassifier(units=8, random_state=1))
    assert cross_val_score(pipe, x, y, cv=2).mean() > 0.8


@pytest.mark.parametrize("form", ["cube", "unequal", "texts"])
def test_a_search_in_two_processes_finds_what_one_finds(form: str, sequences: Any) -> None:
    x, y = sequences
    given: Any = {
        "cube": x,
        "unequal": unequal(x),
        "texts": ["up and up" if label else "down it goes" for label in y],
    }[form]
    grid = {"arch": ["gru(?)", "simple_rnn(?)"], "units": [4]}
    elman.set_threads(max(joblib.cpu_count() // 2, 1))  # as each of the processes has
    scores = []
    for n_jobs in (1, 2):
        search = GridSearchCV(
            SequenceClassifier(**SMALL), grid, cv=2, n_jobs=n_jobs, scoring="neg_log_loss"
        )
        search.fit(given, y)
        scores.append(search.cv_results_["mean_test_score"].tolist())
    assert scores[0] == scores[1]


def threads_in_use(model: Any, x: Any, y: Any) -> int:
    """A score, for what it is measured by."""
    with engine():
        return _core.threads()


def test_processes_share_the_cores(sequences: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "ELMAN_THREADS"):
        monkeypatch.delenv(name, raising=False)
    found = cross_val_score(
        SequenceClassifier(**SMALL), *sequences, cv=2, n_jobs=2, scoring=threads_in_use
    )
    assert found.tolist() == [max(joblib.cpu_count() // 2, 1)] * 2


def test_who_says_elman_threads_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    _core.set_threads(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("ELMAN_THREADS", "2")
    assert threads_in_use(None, None, None) == 2
    monkeypatch.delenv("ELMAN_THREADS")
    assert threads_in_use(None, None, None) == 1
    assert _core.threads() == 2


def test_threads_of_one_process_take_turns(sequences: Any) -> None:
    model, (x, y) = SequenceClassifier(**SMALL), sequences
    wanted = cross_val_predict(model, x, y, cv=4, method="predict_proba")
    with joblib.parallel_config(backend="threading", n_jobs=4):
        found = cross_val_predict(model, x, y, cv=4, method="predict_proba")
    np.testing.assert_array_equal(found, wanted)


# -- forecasts ------------------------------------------------------------------------------------


def wave(steps: int, phase: float = 0.0) -> np.ndarray:
    """A season of 12 steps on a rising line, in large numbers."""
    t = np.arange(steps)
    return 1000 + t + 50 * np.sin(2 * np.pi * t / 12 + phase)


def test_a_forecast_beats_the_last_value_and_the_last_season() -> None:
    series = wave(300)
    model = SequenceForecaster(horizon=6, season=12, epochs=40, random_state=1).fit(series)
    assert model.errors_["forecast"] < model.errors_["seasonal naive"] < model.errors_["last value"]
    coming = model.predict(series)
    assert coming.shape == (6,)
    np.testing.assert_allclose(coming, wave(306)[300:], atol=12)
    assert model.score(wave(340)[250:]) > 0.7


def test_the_naive_errors_are_those_of_the_end_of_the_series(rng: np.random.Generator) -> None:
    series, season, horizon = rng.normal(size=100), 5, 7
    model = SequenceForecaster(horizon=horizon, season=season, window=10, epochs=1).fit(series)
    last, naive = [], []
    for origin in range(90, 100 - horizon + 1):  # a tenth is held out
        for step in range(horizon):
            last.append(abs(series[origin + step] - series[origin - 1]))
            same = origin + step
            while same >= origin:
                same -= season
            naive.append(abs(series[origin + step] - series[same]))
    assert model.errors_["last value"] == pytest.approx(np.mean(last))
    assert model.errors_["seasonal naive"] == pytest.approx(np.mean(naive))


def test_what_is_held_out_is_not_trained_on() -> None:
    series = wave(100)
    changed = series.copy()
    changed[90:] = 0
    found = [SequenceForecaster(**SMALL, horizon=3).fit(s) for s in (series, changed)]
    assert found[0].loss_curve_ == found[1].loss_curve_
    assert found[0].errors_ != found[1].errors_


@pytest.mark.parametrize(
    ("series", "shape"),
    [
        (wave(60), (2,)),
        (wave(60).tolist(), (2,)),
        (np.stack([wave(60), wave(60, 1)]), (2, 2)),
        ([wave(60), wave(50), wave(26)], (3, 2)),  # the last too short to hold anything out
        (np.stack([wave(60), wave(60, 1)], axis=1)[None], (1, 2, 2)),
        ([np.stack([wave(n), wave(n, 1)], axis=1) for n in (60, 40)], (2, 2, 2)),
    ],
)
def test_one_series_or_many_of_one_feature_or_more(series: Any, shape: tuple[int, ...]) -> None:
    model = SequenceForecaster(**SMALL, horizon=2).fit(series)
    assert model.predict(series).shape == shape
    assert model.predict(series).dtype == np.float64


def test_a_forecaster_is_cross_validated_in_time() -> None:
    model = SequenceForecaster(**SMALL, window=6)
    scores = cross_val_score(model, wave(120), cv=TimeSeriesSplit(3))
    assert np.isfinite(scores).all()


def test_forecasts_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match="window of a season or more"):
        SequenceForecaster(window=5, season=7).fit(wave(100))
    with pytest.raises(OptionError, match="validation_fraction between 0 and 1"):
        SequenceForecaster(validation_fraction=1.0).fit(wave(100))
    with pytest.raises(OptionError, match="horizon"):
        SequenceForecaster(horizon=0).fit(wave(100))
    with pytest.raises(DataError, match=r"at least 25 steps .* got 20 in row 1"):
        SequenceForecaster().fit([wave(60), wave(20)])
    with pytest.raises(DataError, match=r"at least 24 steps .* got 23 in row 0"):
        SequenceForecaster(**SMALL).fit(wave(60)).predict(wave(23))
    with pytest.raises(DataError, match="got texts"):
        SequenceForecaster().fit(["a", "b"])
