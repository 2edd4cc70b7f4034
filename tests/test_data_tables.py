"""Tables: from files and DataFrames to sequences of numbers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import elman
from elman.data import Preparation
from elman.errors import DataError, MissingPackageError, OptionError
from elman.layers import GRU, Dense

WIDE = "a,b,c,kind\n1,2,3,up\n3,2,,down\n4,,6,up\n"
LONG = """patient,when,pulse,pressure,outcome
p1,2026-01-01T00:00:02,61,120,ill
p2,2026-01-01T00:00:00,80,,well
p1,2026-01-01T00:00:00,60,118,ill
p2,2026-01-01T00:00:02,82,131,well
p1,2026-01-01T00:00:04,64,,ill
"""


def file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def same(one: np.ndarray, other: object) -> None:
    np.testing.assert_array_equal(one, np.array(other, np.float32))


# -- forms ----------------------------------------------------------------------------------------


def test_in_wide_form_a_row_is_a_sequence_and_empty_cells_at_its_end_are_no_steps(tmp_path) -> None:
    data = elman.data.table(file(tmp_path, "t.csv", WIDE), target="kind")
    assert data.lengths.tolist() == [3, 2, 3] and data.missing == 1
    same(data[2], [[4], [np.nan], [6]])
    assert data.names == ("down", "up") and data.targets.tolist() == [1, 0, 1]
    assert data.ids.tolist() == ["t.csv, line 2", "t.csv, line 3", "t.csv, line 4"]


def test_in_long_form_rows_are_put_in_order_of_time(tmp_path: Path) -> None:
    data = elman.data.table(
        file(tmp_path, "t.csv", LONG), target="outcome", group="patient", time="when",
        units=["1/min", "mmHg"],
    )  # fmt: skip
    assert data.ids.tolist() == ["p1", "p2"] == data.groups.tolist()
    same(data[0], [[60, 118], [61, 120], [64, np.nan]])
    same(data[1], [[80, np.nan], [82, 131]])
    assert data.feature_names == ("pulse", "pressure") and data.units == ("1/min", "mmHg")
    assert data.targets.tolist() == [0, 1] and data.names == ("ill", "well")
    assert data.step == 2.0 and data.times[0] == np.datetime64("2026-01-01")


def test_in_long_form_a_target_that_changes_is_one_for_every_step() -> None:
    table = {"id": [1, 1, 2, 2], "t": [0, 1, 0, 1], "x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 1, 1]}
    data = elman.data.table(table, target="y", sequence="id", time="t")
    assert data.by_step and data.targets[0].tolist() == [0, 1] and data.step is None


@pytest.mark.parametrize(
    "given",
    [
        ["2026-01-31T00:00Z", "2026-01-31 05:30:00+02:00", "2026/01/31 01:00-0600"],
        ["2026-01-31", "2026-01-31T03:30:00", "2026-01-31T07:00:00.000"],
        [datetime(2026, 1, 31, h, m, tzinfo=UTC) for h, m in ((0, 0), (3, 30), (7, 0))],
    ],
)
def test_times_are_read_with_their_zone_and_meant_in_utc(given) -> None:
    found = elman.data.table({"t": given, "x": [1.0, 2.0, 3.0]}, time="t").times
    minutes = (found - np.datetime64("2026-01-31")) / np.timedelta64(1, "m")
    assert minutes.tolist() == [0, 210, 420]


@pytest.mark.parametrize(
    "given, kind", [([20260131, 20260228], "M"), ([20260131, 20260230], "f"), ([1, 2], "f")]
)
def test_numbers_that_are_all_dates_are_dates(given, kind: str) -> None:
    found = elman.data.table({"t": given, "x": [1.0, 2.0]}, time="t").times
    assert found.dtype.kind == kind
    assert kind == "f" or found.astype(str).tolist() == ["2026-01-31", "2026-02-28"]


def test_one_long_series_alone_is_one_sequence() -> None:
    data = elman.data.table({"t": [2, 0, 1], "x": [3.0, 1.0, 2.0]}, time="t", form="long")
    same(data[0], [[1], [2], [3]])


def test_lists_in_cells_are_sequences(tmp_path: Path) -> None:
    rows = [{"x": [1, 2, None], "z": [3, 4, 5], "y": "a"}, {"x": [1], "z": [2], "y": "b"}]
    path = file(tmp_path, "t.jsonl", "\n".join(map(json.dumps, rows)))
    data = elman.data.table(path, target="y")
    assert data.lengths.tolist() == [3, 1] and data.feature_names == ("x", "z")
    same(data[0], [[1, 3], [2, 4], [np.nan, 5]])


def test_a_column_without_numbers_is_no_feature_and_a_chosen_one_must_have_them(tmp_path) -> None:
    path = file(tmp_path, "t.csv", "name,x,w\nann,1,2\nbob,3,4\n")
    assert elman.data.table(path).lengths.tolist() == [2, 2]
    with pytest.raises(DataError, match=r"'name', got 'ann' in t.csv, line 2"):
        elman.data.table(path, features=["name", "x"])


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([0, 1, 1], "auto", 2),
        ([0.5, 1, 2], "auto", 0),
        ([0, 1, 1], "regress", 0),
        ([2.5, 3.5, 2.5], "classify", 2),
        (["a", "b", "a"], "auto", 2),
        ([True, False, True], "auto", 2),
    ],
)
def test_few_whole_numbers_and_text_are_classes(values, task, classes) -> None:
    data = elman.data.table({"x": [1.0, 2.0, 3.0], "y": values}, target="y", task=task)
    assert data.classes == classes
    if not classes:
        same(data.targets, values)


def test_many_whole_numbers_are_numbers_and_classes_are_in_the_order_of_numbers() -> None:
    many = elman.data.table({"x": range(50), "y": range(50)}, target="y")
    assert many.classes == 0
    few = elman.data.table({"x": range(22), "y": list(range(11)) * 2}, target="y")
    assert few.names == tuple(str(n) for n in range(11))


@pytest.mark.parametrize("name", ["id", "Index", ""])
def test_a_column_that_numbers_rows_is_no_measurement(tmp_path: Path, name: str) -> None:
    path = file(tmp_path, "t.csv", f"{name},0,1\n7,1,2\n8,3,4\n")
    same(elman.data.table(path)[1], [[3], [4]])


# -- frames ---------------------------------------------------------------------------------------

FRAME = {"x0": [1.0, 2.0, 3.0], "x1": [4.0, float("nan"), 6.0], "kind": ["a", "b", "a"]}


def check_frame(frame: object) -> None:
    data = elman.data.table(frame, target="kind")
    same(data[0], [[1], [4]])
    assert data.lengths.tolist() == [2, 1, 2]
    assert data.names == ("a", "b") and data.targets.tolist() == [0, 1, 0]
    assert data.ids[1] == "the table, row 1"
    assert elman.data.text(frame, target="x0", column="kind", task="regress").raw[1] == "b"


def test_a_dict_of_columns() -> None:
    check_frame(FRAME)


def test_a_frame_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    check_frame(pandas.DataFrame(FRAME))
    # its own types, with its own word for what is missing
    frame = pandas.DataFrame({"x": pandas.array([1, None, 3], "Int64"), "w": [1, 2, 3]})
    same(elman.data.table(frame)[1], [[np.nan], [2]])
    when = pandas.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"])
    data = elman.data.table(frame.assign(when=when), time="when", form="long")
    assert data.step == 86400


def test_a_frame_of_polars() -> None:
    check_frame(pytest.importorskip("polars").DataFrame(FRAME, strict=False, nan_to_null=True))


def test_a_table_of_pyarrow_and_a_stream_of_it() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    made = pyarrow.table(FRAME)
    check_frame(made)

    class Stream:
        def __arrow_c_stream__(self, schema: object = None) -> object:
            return made.__arrow_c_stream__(schema)

    check_frame(Stream())


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({**FRAME, "x1": [4.0, None, 6.0]}), tmp_path / "t.parquet")
    data = elman.data.table(tmp_path / "t.parquet", target="kind")
    assert data.lengths.tolist() == [2, 1, 2] and data.names == ("a", "b")
    nested = {"s": [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]], "y": ["a", "b"]}
    parquet.write_table(pyarrow.table(nested), tmp_path / "n.parquet")
    same(elman.data.table(tmp_path / "n.parquet", target="y")[0], [[1, 2], [3, 4]])
    with pytest.raises(DataError, match=r"Parquet file, got none in 'bad.parquet'"):
        elman.data.table(file(tmp_path, "bad.parquet", "no"))


def test_any_frame_with_columns_is_taken_by_them() -> None:
    class Column:
        def __init__(self, values: list) -> None:
            self.values = values

        def to_numpy(self) -> np.ndarray:
            return np.array(self.values)

    class Frame:
        @property
        def columns(self) -> list[str]:
            return list(FRAME)

        def __getitem__(self, name: str) -> Column:
            return Column(FRAME[name])

    check_frame(Frame())


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r'pip install "elman\[tables\]"'):
        elman.data.table(file(tmp_path, "t.parquet", "PAR1"))


def test_reading_a_table_imports_no_library_of_frames(tmp_path: Path) -> None:
    path = file(tmp_path, "t.csv", WIDE)
    code = (
        f"import sys, elman; elman.data.table({str(path)!r}, target='kind').split(0.4)\n"
        "print(*sorted({'pandas', 'polars', 'pyarrow', 'rich'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert not found.stdout.split()


# -- arrays and archives --------------------------------------------------------------------------


def npz(**arrays: object) -> bytes:
    kept = io.BytesIO()
    np.savez(kept, **arrays)
    return kept.getvalue()


def test_arrays_of_one_length_and_of_many(tmp_path: Path) -> None:
    x = np.arange(12.0).reshape(2, 3, 2)
    data = elman.data.table(file(tmp_path, "a.npz", npz(X=x, y=[0, 1])))
    same(data[1], x[1])
    assert data.names == ("0", "1")
    flat = npz(
        x=np.arange(6.0)[:, None], lengths=[1, 3, 2], labels=["a", "b", "a"], groups=[5, 6, 7]
    )
    data = elman.data.table(file(tmp_path, "b.npz", flat))
    assert data.lengths.tolist() == [1, 3, 2] and data.targets.tolist() == [0, 1, 0]
    assert data.groups.tolist() == [5, 6, 7]
    named = elman.data.table(file(tmp_path, "c.npz", npz(x=x, y=[1, 0], names=["off", "on"])))
    assert named.names == ("off", "on") and named.targets.tolist() == [1, 0]


TS = """# a comment
@problemName Small
@timeStamps false
@univariate false
@classLabel true one two
@data
1,2,3:4,?,6:two
1,2:3,4:one
"""


def test_a_file_of_the_uea_archive(tmp_path: Path) -> None:
    data = elman.data.table(file(tmp_path, "t.ts", TS))
    same(data[0], [[1, 4], [2, np.nan], [3, 6]])
    assert data.lengths.tolist() == [3, 2] and data.names == ("one", "two")
    assert data.targets.tolist() == [1, 0] and data.about == "Small"
    assert data.ids[1] == "t.ts, line 8"
    number = TS.replace("@classLabel true one two", "@targetLabel true")
    data = elman.data.table(
        file(tmp_path, "n.ts", number.replace("two", "1.5").replace("one", "2.5"))
    )
    assert data.targets.tolist() == [1.5, 2.5] and not data.names


# -- new data -------------------------------------------------------------------------------------


def test_new_rows_are_read_and_scaled_as_the_training_rows_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = [
        f"{i % 7},{rng.normal(9, 3):.3f},{rng.normal(9, 3):.3f},{'ab'[i % 2]}" for i in range(40)
    ]
    path = file(tmp_path, "t.csv", "\n".join(["id,x,w,y", *rows]))
    data = elman.data.table(path, target="y", features=["x", "w"])
    train, _ = data.split()
    kept = Preparation.from_dict(json.loads(json.dumps(train.prepared.to_dict())))
    new = elman.data.table(file(tmp_path, "new.csv", "w,x\n9,3\n,6\n"), prepared=kept)
    raw = np.array([[3.0, 9.0], [6.0, np.nan]])
    scaled = (raw[0] - kept.steps[0].center[0]) / kept.steps[0].scale[0]
    np.testing.assert_allclose(new[0].ravel(), scaled, rtol=1e-5)
    assert new.targets is None and new.lengths.tolist() == [2, 1]
    one = elman.data.table(file(tmp_path, "one.csv", "x,w,y\n1,2,b\n"), prepared=kept)
    assert one.targets.tolist() == [1] and one.names == ("a", "b")
    with pytest.raises(DataError, match=r"column 'w' in other.csv, got none"):
        elman.data.table(file(tmp_path, "other.csv", "x,v\n1,2\n"), prepared=kept)
    with pytest.raises(DataError, match="classes a, b, got 'c'"):
        elman.data.table(file(tmp_path, "c.csv", "x,w,y\n1,2,c\n"), prepared=kept)


def test_a_model_learns_from_a_table_with_missing_values() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(100, 20, (120, 6))
    y = np.where(x[:, 0] > 100, "high", "low")
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 0] = np.where(y == "high", 110, 90) + rng.normal(size=120)
    columns = {f"x{i}": x[:, i] for i in range(6)} | {"y": y}
    train, valid = elman.data.table(columns, target="y").split(0.25)
    assert train.features == 2 and not valid.missing  # the value, and whether it was missing
    elman.set_random_seed(1)
    model = elman.Sequential([elman.Input((None, 2)), GRU(8), Dense(2, activation="softmax")])
    model.compile(
        elman.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(train, epochs=25, validation_data=valid, verbose=0)
    assert model.evaluate(valid, verbose=0)[1] > 0.9


# -- what cannot be read --------------------------------------------------------------------------


def bad_files() -> dict[str, tuple[str, str | bytes, str]]:
    """Of each: the file's name, what it holds, and what the error says."""
    return {
        "empty": ("t.csv", "", "empty file 't.csv'"),
        "header alone": ("t.csv", "x,y\n", "header without rows in t.csv"),
        "ragged row": ("t.csv", "x,y\n1,0\n\n2\n", "2 cells in every row, got 1 in t.csv, line 4"),
        "text among numbers": (
            "t.csv",
            "x,y\n1,0\n1o,1\n",
            "'x', got '1o' in t.csv, line 3. Correct it",
        ),
        "infinity": ("t.csv", "x,y\n1,0\n-inf,1\n", "finite .* 'x', got -inf in t.csv, line 3"),
        "too large": ("t.csv", "x,y\n1e39,0\n2,1\n", "finite .* 'x', got 1e39 in t.csv, line 2"),
        "far too large": (
            "t.jsonl",
            f'{{"x": 1{"0" * 400}, "y": "a"}}\n{{"x": 1, "y": "b"}}\n',
            "in t.jsonl, line 1",
        ),
        "missing target": ("t.csv", "x,y\n1,0\n2,NA\n", "'y', got none in t.csv, line 3. Fill it"),
        "no such target": (
            "t.csv",
            "x,yy\n1,0\n",
            "'y' in t.csv, got none. Did you mean 'yy'",
        ),
        "one class": ("t.csv", "x,y\n1,a\n2,a\n", "two classes .*'y' of t.csv, got 'a' in all 2"),
        "constant": ("t.csv", "x,y\n1,2.5\n2,2.5\n", "varies in column 'y' of t.csv, got 2.5"),
        "nothing in a row": (
            "t.csv",
            "x,w,y\n1,2,0\n,,1\n",
            "in every row, got none in t.csv, line 3",
        ),
        "no numbers": ("t.csv", "x,y\na,0\nb,1\n", "columns of numbers in t.csv, got x, y"),
        "another ending": ("t.xlsx", "x", "ends in .csv, .tsv, .jsonl, .parquet, got 't.xlsx'"),
        "text in a list": (
            "t.jsonl",
            '{"x": [1], "y": 0}\n{"x": ["a"], "y": 1}',
            "'x', got .* in t.jsonl, line 2",
        ),
        "unlike lists": (
            "t.jsonl",
            '{"x": [1], "z": [1, 2], "y": 0.5}\n',
            "one length in a row, got 1, 2 in",
        ),
        "no zip": ("t.npz", "PK", "another in 't.npz'"),
        "objects": ("t.npz", npz(x=np.array([{}, 1], object)), "without objects"),
        "no values": ("t.npz", npz(a=[1.0]), "called x, values, .* got a"),
        "lengths": ("t.npz", npz(x=np.ones((3, 1)), lengths=[1, 1]), "add up to 3 .* got 2"),
        "shape": ("t.npz", npz(x=np.ones(3)), r"got shape \(3,\)"),
        "infinite array": ("t.npz", npz(x=[[1.0], [np.inf]]), "infinity in t.npz, row 1"),
        "no data": ("t.ts", "@problemName x\n", "@data in 't.ts', got none"),
        "no cases": ("t.ts", "@data\n", "cases after @data in 't.ts', got none"),
        "timestamps": ("t.ts", TS.replace("@timeStamps false", "@timeStamps true"), "timestamps"),
        "unknown class": (
            "t.ts",
            TS.replace(":one", ":three"),
            "two in t.ts, line 8, got 'three'",
        ),
        "other dimensions": (
            "t.ts",
            TS.replace("1,2:3,4:one", "1,2:one"),
            "2 dimensions in t.ts, line 8",
        ),
        "unlike dimensions": ("t.ts", TS.replace("3,4:one", "3:one"), "line 8, got 2, 1"),
        "words": ("t.ts", TS.replace("3,4:one", "3,x:one"), "numbers .* t.ts, line 8, got '3,x'"),
        "infinite": ("t.ts", TS.replace("3,4:one", "3,inf:one"), "line 8, got infinity"),
        "infinite to a model": (
            "t.ts",
            TS.replace("3,4:one", "3,1e39:one"),
            "line 8, got infinity",
        ),
    }


@pytest.mark.parametrize("name", bad_files())
def test_a_bad_file_says_where_and_what_to_do(tmp_path: Path, name: str) -> None:
    called, content, words = bad_files()[name]
    target = None if called.endswith(("npz", "ts", "xlsx")) else "y"
    with pytest.raises(DataError, match=words):
        elman.data.table(file(tmp_path, called, content), target=target)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,t,x\na,1,2\na,1,3\n", r"each time once .* t.csv, line 2"),
        ("id,t,x\na,1,2\na,soon,3\n", r"times in column 't', got 'soon' in t.csv, line 3"),
        ("id,t,x\na,1,2\na,,3\n", r"a time in every row of column 't', got none in t.csv, line 3"),
        ("id,t,x\na,1,2\n,2,3\n", r"a value in column 'id', got none in t.csv, line 3"),
    ],
)
def test_a_bad_table_in_long_form_says_where(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        elman.data.table(file(tmp_path, "t.csv", content), sequence="id", time="t")


def test_a_sequence_of_two_groups_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, "t.csv", "id,who,t,x\na,p,1,2\na,q,2,3\n")
    with pytest.raises(DataError, match=r"one 'who' for all .* 'q' after 'p' in t.csv, line 3"):
        elman.data.table(path, sequence="id", group="who", time="t")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(source=3), DataError, "a path, a DataFrame or a dict of columns, got int"),
        (dict(source={}), DataError, "got nothing"),
        (dict(source={"x": [1, 2], "y": [1]}), DataError, r"one length, got \[1, 2\]"),
        (dict(source="."), DataError, "folder"),
        (dict(source="no.csv"), DataError, "no file 'no.csv'"),
        (dict(source={"x": [1.0]}, form="tall"), OptionError, "auto, wide, long"),
        (dict(source={"x": [1.0], "y": [1]}, target="y", task="guess"), OptionError, "regress"),
    ],
)
def test_arguments_that_cannot_be_say_why(arguments, error, words) -> None:
    with pytest.raises(error, match=words):
        elman.data.table(**arguments)
