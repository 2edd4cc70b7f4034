"""Data as aeon, sktime and the libraries of DataFrames have them: made by these libraries."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.model_selection import cross_val_score

import elman
from elman import cli
from elman.data import Sequences
from elman.errors import DataError, ShapeError
from elman.interop.sklearn import SequenceClassifier, SequenceForecaster, SequenceRegressor

OPTIONS: dict[str, Any] = {"units": 8, "epochs": 3, "random_state": 1}


def said(model: Any, x: Any) -> np.ndarray:
    """What a model says, as numbers."""
    return model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)


def check_alike(forms: dict[str, Any], y: Any, **more: Any) -> None:
    """Whichever form a model is trained on and asked of, it says the same, bit for bit.

    Args:
        forms: the same sequences, by how they are given; with channels first where that is said.
        y: their targets.
        more: options of the model.
    """
    found = {}
    for name, x in forms.items():
        options = {**OPTIONS, **more, "channels_first": "channels first" in name}
        found[name] = said(SequenceClassifier(**options).fit(x, y), x)
    first = next(iter(found))
    for name, values in found.items():
        np.testing.assert_array_equal(values, found[first], err_msg=f"{name} and {first}")


# -- aeon and sktime ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aeon() -> Any:
    """aeon's data sets."""
    return pytest.importorskip("aeon.datasets")


@pytest.fixture(scope="module")
def sktime() -> Any:
    """sktime's data sets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("sktime.datasets")


def test_arrays_of_aeon_and_frames_of_sktime_are_the_same_sequences(aeon: Any, sktime: Any) -> None:
    x, y = aeon.load_basic_motions(split="train")
    assert x.shape == (40, 6, 100)
    forms = {"aeon, channels first": x}
    for kind in ("numpy3D", "nested_univ", "pd-multiindex"):
        frame, labels = sktime.load_basic_motions(split="train", return_type=kind)
        assert labels.tolist() == y.tolist()
        forms[kind + ", channels first" * (kind == "numpy3D")] = frame
    check_alike(forms, y)


def test_sequences_of_unequal_length_are_the_same_in_every_form(aeon: Any, sktime: Any) -> None:
    x, y = aeon.load_japanese_vowels(split="train")
    assert isinstance(x, list) and x[0].shape == (12, 20) and len({row.shape for row in x}) > 1
    forms: dict[str, Any] = {"aeon, channels first": x, "by step": [row.T for row in x]}
    for kind in ("nested_univ", "pd-multiindex"):
        forms[kind] = sktime.load_japanese_vowels(split="train", return_type=kind)[0]
    check_alike(forms, y, epochs=1)


def test_the_vowels_of_aeon_are_learned(aeon: Any) -> None:
    x, y = aeon.load_japanese_vowels(split="train")
    model = SequenceClassifier("bi(gru(?))", epochs=15, random_state=1, channels_first=True)
    assert model.fit(x, y).classes_.tolist() == [str(n) for n in range(1, 10)]
    assert model.score(*aeon.load_japanese_vowels(split="test")) > 0.9


@pytest.mark.parametrize("kind", ["nested_univ", "numpy3D"])
def test_a_cross_validation_takes_the_rows_of_sktime(sktime: Any, kind: str) -> None:
    x, y = sktime.load_italy_power_demand(split="train", return_type=kind)
    model = SequenceClassifier(**OPTIONS, channels_first=kind == "numpy3D")
    scores = cross_val_score(model, x, y, cv=2)
    assert scores.tolist() == cross_val_score(model, *sktime_table(sktime), cv=2).tolist()


def sktime_table(sktime: Any) -> tuple[np.ndarray, np.ndarray]:
    """The same as a plain table, a feature per step."""
    x, y = sktime.load_italy_power_demand(split="train", return_type="numpy3D")
    return x[:, 0, :], y


# -- DataFrames -----------------------------------------------------------------------------------


def frames(columns: dict[str, Any]) -> dict[str, Any]:
    """A table as each library has it."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    return {
        "pandas": pandas.DataFrame(columns),
        "polars": polars.DataFrame(columns),
        "Arrow": arrow.table(columns),
    }


def test_tables_of_any_library_are_a_feature_per_step(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(30, 5)), np.arange(30) % 3
    given = frames({f"at {step} s": x[:, step] for step in range(5)})
    check_alike({"array": x, **given}, y)
    for name, frame in given.items():
        model = SequenceClassifier(**OPTIONS).fit(frame, y)
        assert model.feature_names_in_.tolist() == [f"at {step} s" for step in range(5)], name
        assert dict(model.model_.prepared.columns)["features"] == tuple(model.feature_names_in_)
        scores = cross_val_score(SequenceClassifier(**OPTIONS), frame, y, cv=2)
        assert (
            scores.tolist() == cross_val_score(SequenceClassifier(**OPTIONS), x, y, cv=2).tolist()
        )


def test_a_column_of_texts_of_any_library_is_a_list_of_texts() -> None:
    texts = ["so good", "so bad", "good, so good", "bad"] * 3
    given = {name: frame["said"] for name, frame in frames({"said": texts}).items()}
    check_alike({"list": texts, "array": np.array(texts), **given}, [1, 0, 1, 0] * 3)


# -- Sequences, and files of models ---------------------------------------------------------------


@pytest.fixture
def recorded(rng: np.random.Generator) -> Sequences:
    """Sequences [4..8, 2] of 10 people that rise or fall."""
    names = ["falls", "rises"] * 20
    steps = [np.sort(rng.normal(size=(4 + n % 5, 2)) * 3 + 7, axis=0) for n in range(40)]
    steps = [one[:: 1 if name == "rises" else -1] for one, name in zip(steps, names, strict=True)]
    return Sequences(steps, names, kind="table", groups=np.arange(40) // 4)


def test_sequences_bring_their_targets_and_say_what_their_arrays_say(recorded: Sequences) -> None:
    plain, y = list(recorded), np.array(recorded.names)[recorded.targets]
    options = {**OPTIONS, "epochs": 30}
    model = SequenceClassifier(**options).fit(recorded)
    assert (model.classes_.tolist(), model.n_features_in_) == (["falls", "rises"], 2)
    other = SequenceClassifier(**options).fit(plain, y)
    for x in (recorded, plain):
        np.testing.assert_array_equal(model.predict_proba(x), other.predict_proba(x))
    assert model.score(recorded) == model.score(plain, y) > 0.9
    assert model.model_.prepared.names == ("falls", "rises")
    with pytest.raises(ShapeError, match="expected 2 features per step as in fit, got 1"):
        model.predict(Sequences([one[:, :1] for one in plain], kind="table"))


def test_sequences_of_numbers_bring_those(recorded: Sequences, rng: np.random.Generator) -> None:
    numbers = rng.normal(size=40).astype(np.float32)
    data = recorded.with_values(recorded.values, targets=numbers, names=())
    model = SequenceRegressor(**OPTIONS).fit(data)
    wanted = SequenceRegressor(**OPTIONS).fit(list(recorded), numbers)
    np.testing.assert_array_equal(model.predict(data), wanted.predict(data))
    assert model.score(data) == wanted.score(list(recorded), numbers)
    with pytest.raises(ValueError, match="requires y"):
        model.fit(data.with_values(data.values, targets=None))
    with pytest.raises(DataError, match="one for every step"):
        steps = [np.arange(n) for n in recorded.lengths]
        model.fit(recorded.with_values(recorded.values, targets=steps, names=()))


def test_parts_that_split_has_prepared_are_not_prepared_again(recorded: Sequences) -> None:
    holes = recorded.with_values([one.copy() for one in recorded])
    holes.values.values[3, 1] = np.nan
    train, valid = holes.split(0.25, prepare=False)
    learned = train.prepared or elman.data.preparing.Preparation.learn(train)
    raw = SequenceClassifier(**OPTIONS).fit(train)
    made = SequenceClassifier(**OPTIONS).fit(learned(train))
    assert made.model_.prepared == raw.model_.prepared
    assert (raw.n_features_in_, made.n_features_in_) == (2, 2)  # beside the one that marks holes
    for x in (valid, learned(valid)):
        np.testing.assert_array_equal(made.predict_proba(x), raw.predict_proba(x))


def test_early_stopping_holds_out_whole_groups(recorded: Sequences) -> None:
    # Row i has 2**person everywhere, so that the mean tells which people were seen.
    person = recorded.groups
    data = recorded.with_values([np.full((3, 1), 2.0**p) for p in person])
    model = SequenceClassifier(**OPTIONS, early_stopping=True, validation_fraction=0.3).fit(data)
    people = 10 - len(set(person[: 4 * 3]))
    assert round(model.model_.prepared.steps[0].center[0] * people).bit_count() == people
    assert len(model.validation_curve_) == model.n_iter_


def test_a_forecaster_wants_series() -> None:
    with pytest.raises(DataError, match="got Sequences"):
        SequenceForecaster().fit(Sequences([np.zeros((40, 1))], kind="table"))


@pytest.mark.parametrize("kind", [SequenceClassifier, SequenceRegressor])
def test_the_file_of_a_model_needs_nothing_else(
    kind: Any, recorded: Sequences, tmp_path: Path, rng: np.random.Generator
) -> None:
    y = rng.normal(size=(40, 2)) * [1e3, 1] + [0, 1e3] if kind is SequenceRegressor else None
    plain = list(recorded)
    model = kind(**OPTIONS).fit(recorded if y is None else plain, y)
    model.model_.save(tmp_path / "model.keras")
    again = elman.load(tmp_path / "model.keras")
    data = again.prepared(Sequences(plain, kind="table"))
    np.testing.assert_allclose(again.predict(data, verbose=0), said(model, plain), rtol=1e-6)
    if y is not None:
        assert again.evaluate(data.model_inputs, y, verbose=0) == pytest.approx(
            np.mean((said(model, plain) - y) ** 2), rel=1e-4
        )


def test_the_file_of_a_model_of_texts_reads_texts(tmp_path: Path) -> None:
    texts = ["so good", "so bad", "good, so good", "bad"] * 3
    model = SequenceClassifier(**OPTIONS, tokens="chars").fit(texts, ["yes", "no"] * 6)
    model.model_.save(tmp_path / "model.keras")
    again = elman.load(tmp_path / "model.keras")
    data = elman.data.text(["good?", "", "bad"], prepared=again.prepared)
    assert data.names == ("no", "yes")
    wanted = model.predict_proba(["good?", "", "bad"])
    np.testing.assert_allclose(again.predict(data, verbose=0), wanted, rtol=1e-6)


def answers(capsys: Any, model: Path, data: Path) -> list[dict[str, str]]:
    """What `elman predict` writes into a pipe."""
    assert cli.main(["predict", str(model), str(data)]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_elman_predict_reads_the_file_of_a_model(tmp_path: Path, capsys: Any, rng: Any) -> None:
    table = frames({f"at {n}": rng.normal(size=20) for n in range(4)})["pandas"]
    y = rng.normal(size=20) * 10 + 500
    table.assign(weight=1.0).to_csv(tmp_path / "new.csv")  # columns that it was not trained on
    classifier = SequenceClassifier(**OPTIONS).fit(table, np.where(y > 500, "heavy", "light"))
    regressor = SequenceRegressor(**OPTIONS).fit(table, y)
    for name, model in (("kind.keras", classifier), ("weight.keras", regressor)):
        model.model_.save(tmp_path / name)
    found = answers(capsys, tmp_path / "kind.keras", tmp_path / "new.csv")
    assert [row["predicted"] for row in found] == classifier.predict(table).tolist()
    found = answers(capsys, tmp_path / "weight.keras", tmp_path / "new.csv")
    said = [float(row["predicted"]) for row in found]
    np.testing.assert_allclose(said, regressor.predict(table), rtol=1e-5)


def test_elman_predict_goes_on_with_a_series(tmp_path: Path, capsys: Any) -> None:
    series = 1000 + np.arange(80.0) + 5 * np.sin(np.arange(80) / 2)
    model = SequenceForecaster(**OPTIONS, horizon=3, window=8).fit(series)
    model.model_.save(tmp_path / "model.keras")
    (tmp_path / "new.csv").write_text("\n".join(["value", *map(str, series)]) + "\n")
    found = answers(capsys, tmp_path / "model.keras", tmp_path / "new.csv")
    said = [float(row["predicted"]) for row in found]
    np.testing.assert_allclose(said, model.predict(series), rtol=1e-5)
