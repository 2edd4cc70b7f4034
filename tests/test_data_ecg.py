"""ECG and sensors: records, marks, windows, beats, and what is said of files that are wrong."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman.data import cutting, datasets, signals
from elman.data.preparing import Preparation
from elman.data.record_files import read_record
from elman.data.signals import Marks, Record
from elman.errors import (
    DataError,
    FileError,
    MissingPackageError,
    OptionError,
    UnknownNameError,
)

RATE = 100
LIMITS = {"physical_min": -5, "physical_max": 5, "digital_min": -32768, "digital_max": 32767}


def wave(steps: int = 1000, channels: int = 2) -> np.ndarray:
    return np.sin(np.arange(steps)[:, None] / 10 + np.arange(channels)).astype(np.float32)


def record(steps: int = 1000, marks: Marks | None = None, name: str = "r") -> Record:
    return Record(name, wave(steps), RATE, ("I", "II"), ("mV", "mV"), marks)


def beats(*at: int, labels: str = "") -> Marks:
    return Marks(np.array(at), np.zeros(len(at), np.int64), tuple(labels or "N" * len(at)))


def write_wfdb(
    folder: Path, name: str = "r1", *, symbols: str = "", rate: int = RATE, **more: Any
) -> Path:
    """A WFDB record of 10 s, with beats every 0.9 s from 0.5 s on where there are symbols."""
    wfdb = pytest.importorskip("wfdb")
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"units": ["mV", "mV"], "sig_name": ["I", "II"], "fmt": ["16", "16"], **more}
    signal = settings.pop("p_signal", wave(10 * rate).astype(np.float64))
    wfdb.wrsamp(name, fs=rate, p_signal=signal, write_dir=str(folder), **settings)
    if symbols:
        at = np.round((0.5 + 0.9 * np.arange(len(symbols))) * rate).astype(int)
        wfdb.wrann(name, "atr", at, symbol=list(symbols), write_dir=str(folder))
    return folder / f"{name}.hea"


def write_edf(path: Path, notes: tuple[tuple[float, float, str], ...] = ()) -> Path:
    """An EDF file of 10 s: "ECG" at 100 Hz in mV and "Resp" at 50 Hz in litres."""
    pyedflib = pytest.importorskip("pyedflib")
    with pyedflib.EdfWriter(str(path), 2) as file:
        for number, (name, unit, rate) in enumerate([("ECG", "mV", RATE), ("Resp", "l", 50)]):
            told = {"label": name, "dimension": unit, "sample_frequency": rate, **LIMITS}
            file.setSignalHeader(number, {**told, "transducer": "", "prefilter": ""})
        file.writeSamples([wave(1000, 1)[:, 0].astype(float), wave(500, 1)[:, 0].astype(float)])
        for note in notes:
            file.writeAnnotation(*note)
    return path


# -- cutting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "count"), [(99, 0), (100, 1), (199, 2), (200, 3), (1000, 19)])
def test_windows_are_whole_and_begin_every_hop(steps: int, count: int) -> None:
    cut = cutting.windows(record(steps), 1.0, 0.5, None, {})
    assert cut.starts.tolist() == [50 * n for n in range(count)] and cut.targets is None
    for start, piece in zip(cut.starts, cut.values(record(steps)), strict=True):
        np.testing.assert_array_equal(piece, wave(steps)[start : start + 100])


def test_a_beat_is_cut_around_its_mark_unless_it_reaches_beyond_the_record() -> None:
    marked = record(300, beats(10, 100, 150, 290, labels="NVxN"))
    cut = cutting.beats(marked, 0.2, 0.3, {"N": 0, "V": 1})
    assert (cut.starts.tolist(), cut.steps, cut.targets.tolist()) == ([80], 50, [1])
    assert cut.left_out == 3
    cut = cutting.beats(marked, 0.1, 0.1, {"N": 0, "V": 1})
    assert (cut.starts.tolist(), cut.targets.tolist()) == ([0, 90, 280], [0, 1, 0])


def test_a_beat_holds_halfway_to_the_next_and_a_mark_that_lasts_as_long_as_it_says() -> None:
    table = {"N": 0, "V": 1}
    held = cutting.track(beats(2, 6, 8, labels="NVN"), 10, table)
    assert held.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 0, 0]
    lasting = Marks(np.array([1, 6]), np.array([3, 9]), ("V", "N"))
    assert cutting.track(lasting, 10, table).tolist() == [-1, 1, 1, 1, -1, -1, 0, 0, 0, 0]


def test_a_window_has_the_class_that_holds_for_most_of_it() -> None:
    # For 0.8 s "a", then nothing for 1 s, then "b": the second window has nothing for most of it.
    marks = Marks(np.array([0, 180]), np.array([80, 820]), ("a", "b"))
    cut = cutting.windows(record(1000, marks), 1.0, 1.0, "window", {"a": 0, "b": 1})
    assert cut.starts.tolist() == [0, *range(200, 1000, 100)] and cut.left_out == 1
    assert cut.targets.tolist() == [0] + [1] * 8
    by_step = cutting.windows(record(1000, marks), 0.4, 0.4, "step", {"a": 0, "b": 1})
    assert by_step.starts[:3].tolist() == [0, 40, 200] and by_step.left_out == 3
    assert by_step.targets.shape == (22, 40)


def test_classes_are_every_label_or_those_given_or_those_of_the_standard() -> None:
    marked = [record(marks=beats(1, 2, labels="VN")), record(marks=beats(1, labels="A")), record()]
    assert cutting.class_table(None, marked) == (("A", "N", "V"), {"A": 0, "N": 1, "V": 2})
    given = cutting.class_table({"narrow": "NL", "wide": ["V", "(VT"]}, marked)
    assert given == (("narrow", "wide"), {"N": 0, "L": 0, "V": 1, "(VT": 1})
    names, table = cutting.class_table("aami", marked)
    assert names == ("N", "S", "V", "F", "Q") and table["E"] == 2 and "B" not in table
    with pytest.raises(OptionError, match="'N' in 'a' and 'b'"):
        cutting.class_table({"a": "N", "b": "NV"}, marked)


def test_marks_move_with_the_rate() -> None:
    marks = Marks(np.array([0, 360, 720]), np.array([0, 90, 0]), ("N", "x", "N"))
    moved = Record("r", wave(1080), 360, ("I", "II"), ("mV", "mV"), marks).at_rate(120)
    assert moved.values.shape == (360, 2) and moved.values.dtype == np.float32
    assert moved.marks is not None
    assert moved.marks.onset.tolist() == [0, 120, 240]
    assert moved.marks.duration.tolist() == [0, 30, 0]


# -- arrays and the loader -----------------------------------------------------------------------


def test_an_array_becomes_windows_in_order_of_time() -> None:
    with np.load(datasets.path("ecg208.npz")) as stored:
        millivolt = stored["ecg"] / 200
    data = elman.data.ecg(millivolt, source_rate=360, length=2, rate=120)
    assert len(data) == 150 and set(data.lengths) == {240}
    assert (data.step, data.rate, data.kind) == (1 / 120, 360, "ecg")
    np.testing.assert_allclose(data.times, 2 * np.arange(150))
    train, held_out = data.split(0.2)
    assert train.times.max() < held_out.times.min()
    with pytest.raises(OptionError, match="`source_rate`"):
        elman.data.ecg(millivolt)


def test_windows_of_one_record_are_never_in_both_parts() -> None:
    data = elman.data.ecg([record(name=name) for name in "abcd"], list("xyxy"), length=1)
    assert data.names == ("x", "y") and len(data) == 40
    assert data.targets.tolist() == [0] * 10 + [1] * 10 + [0] * 10 + [1] * 10
    train, held_out = data.split(0.5)
    assert len(train) and len(held_out) and not set(train.groups) & set(held_out.groups)
    patients = elman.data.ecg([record(name=name) for name in "abcd"], length=5, group=[1, 1, 2, 2])
    assert patients.groups.tolist() == [1] * 4 + [2] * 4


@pytest.mark.parametrize("hop", [1.0, 0.5, 0.1])
def test_windows_that_overlap_share_no_sample_between_the_parts(hop: float) -> None:
    data = elman.data.ecg(record(3000), length=1, hop=hop)
    train, valid, test = data.split((0.2, 0.2))
    for earlier, later in ((train, valid), (valid, test)):
        assert earlier.times.max() + 1 <= later.times.min() + 1e-9
    # No more is left out than overlaps at the two cuts.
    assert len(data) - len(train) - len(valid) - len(test) == 2 * (round(1 / hop) - 1)


def test_targets_are_of_windows_of_steps_of_records_or_none() -> None:
    marked = record(marks=beats(100, 500, 900, labels="NVN"))
    by_window = elman.data.ecg(marked, length=2)
    assert by_window.names == ("N", "V") and by_window.targets.tolist() == [0, 0, 1, 1, 0]
    by_step = elman.data.ecg(marked, length=2, label="step")
    assert by_step.by_step and by_step.targets[1].tolist() == [0] * 101 + [1] * 99
    assert elman.data.ecg(marked, length=2, label=None).targets is None
    assert elman.data.ecg(marked, ["x"], cut="records").targets.tolist() == [0]
    with pytest.raises(DataError, match="a label for each record, got none"):
        elman.data.ecg(marked, label="record")


def test_missing_samples_stay_nan_for_a_mask() -> None:
    one = record()
    one.values[150:160, 1] = np.nan
    data = elman.data.ecg(one, length=1)
    assert data.missing == 10 and np.isnan(data[1][50:60, 1]).all()


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (Record("b", wave(), 50, ("I", "II"), ("mV", "mV")), r"100 Hz in r and 50 Hz in b.*=50`"),
        (Record("b", wave(), RATE, ("I", "II"), ("mV", "uV")), r"II \[uV\] in b"),
        (Record("b", wave(), RATE, ("I", "V1"), ("mV", "mV")), "'II' in b, got only I, V1"),
    ],
    ids=["rate", "units", "channels"],
)
def test_records_that_do_not_fit_together_are_named(second: Record, said: str) -> None:
    with pytest.raises(DataError, match=said):
        elman.data.ecg([record(), second], length=1)


def test_channels_in_another_order_are_put_in_that_of_the_first_record() -> None:
    turned = Record("b", wave()[:, ::-1], RATE, ("II", "I"), ("mV", "mV"))
    data = elman.data.ecg([record(), turned], length=1)
    assert data.feature_names == ("I", "II")
    np.testing.assert_array_equal(data[0], data[10])


def test_a_rate_brings_records_of_different_rates_together() -> None:
    slow = Record("b", wave()[::2], 50, ("I", "II"), ("mV", "mV"))
    data = elman.data.ecg([record(), slow], length=2, rate=50)
    assert set(data.lengths) == {100}
    np.testing.assert_allclose(data[1], data[6], atol=1e-3)


def known_again(data: elman.data.Sequences) -> Preparation:
    """What the data teach, as a file has it."""
    learned = Preparation.learn(data)
    again = Preparation.from_dict(json.loads(json.dumps(learned.to_dict())))
    assert again == learned
    return again


def test_new_records_are_prepared_as_the_models_were() -> None:
    marked = record(marks=beats(100, 300, 500, 700, labels="NVNV"))
    marked.values[110, 0] = np.nan
    classes = {"narrow": "N", "wide": ["V", "(VT"]}
    data = elman.data.ecg(marked, cut="beats", classes=classes, rate=50, channels=["II", "I"])
    prepared = known_again(data)
    new = elman.data.ecg(marked, prepared=prepared)
    assert new.names == ("narrow", "wide") and new.targets.tolist() == [0, 1, 0, 1]
    assert new.feature_names[:2] == ("II", "I") and not new.missing
    for one, other in zip(new, prepared(data), strict=True):
        np.testing.assert_array_equal(one, other)


def test_records_without_labels_can_be_predicted(tmp_path: Path) -> None:
    rows = [f"{n / 10},{n % 7},{'rest' if n < 50 else 'walk'}" for n in range(100)]
    path = write_csv(tmp_path / "a.csv", "\n".join(["time,x,doing", *rows]))
    prepared = known_again(elman.data.ecg(path, target="doing", length=1, label="window"))
    bare = [row.rpartition(",")[0] for row in rows]
    path = write_csv(tmp_path / "b.csv", "\n".join(["time,x", *bare]))
    new = elman.data.ecg(path, prepared=prepared)
    assert len(new) == 10 and new.targets is None and new.names == ("rest", "walk")
    array = Record("array", wave(300, 1), 10, ("x",))
    assert len(elman.data.ecg(array, prepared=prepared)) == 30
    with pytest.raises(DataError, match="'x' in the array, got only channel 0"):
        elman.data.ecg(wave(300, 1), source_rate=10, prepared=prepared)


def test_what_labelled_the_models_records_labels_new_ones() -> None:
    # Records have labels and marks: "auto" took the labels, and marks must not replace them.
    marked = [record(marks=beats(100, labels="V"), name=name) for name in "ab"]
    prepared = known_again(elman.data.ecg(marked, ["ill", "well"], length=1))
    assert elman.data.ecg(marked, ["well", "ill"], prepared=prepared).targets[0] == 1
    new = elman.data.ecg(marked[0], prepared=prepared)
    assert new.targets is None and new.names == ("ill", "well")


def test_other_units_than_the_models_are_refused() -> None:
    prepared = known_again(elman.data.ecg(record(), length=1))
    other = Record("b", wave(), RATE, ("I", "II"), ("mV", "uV"))
    with pytest.raises(DataError, match="'II' in mV, as the model was trained on, got uV in b"):
        elman.data.ecg(other, prepared=prepared)
    assert len(elman.data.ecg(Record("b", wave(), RATE, ("I", "II")), prepared=prepared)) == 10


def test_two_channels_of_one_name_stay_two() -> None:
    twins = Record("r", wave(), RATE, ("ECG", "ECG"))
    data = elman.data.ecg(twins, length=1, channels=["ECG (2)"])
    np.testing.assert_array_equal(data[0], wave()[:100, 1:])


@pytest.mark.parametrize(
    "wrong", [{"cut": "all"}, {"length": "long"}, {"rate": -1}, {"label": 5}, {"hop": 0}]
)
def test_a_recipe_from_a_file_is_not_believed(wrong: dict[str, object]) -> None:
    made = elman.data.ecg(record(), length=1).prepared
    assert made is not None
    made = dataclasses.replace(made, columns=tuple({**dict(made.columns), **wrong}.items()))
    with pytest.raises(DataError, match="Preparation expected what elman writes"):
        elman.data.ecg(record(), prepared=made)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"cut": "window"}, UnknownNameError, "Did you mean 'windows'"),
        ({"label": "steps"}, UnknownNameError, "Did you mean 'step'"),
        ({"classes": "ami"}, OptionError, "aami"),
        ({"cut": "beats", "label": "step"}, OptionError, "labelled by their annotations"),
        ({"length": 0}, OptionError, "`length` above 0"),
        ({"length": 1e-9}, OptionError, "Are they in seconds"),
        ({"cut": "beats", "before": -1}, OptionError, "`before` from 0 on"),
        ({"length": 60}, DataError, "longest record has 10 s"),
        ({"cut": "beats", "classes": {"x": "?"}}, DataError, "3 beats without a label"),
        ({"channels": ["V1"]}, DataError, "'V1' in r, got only I, II"),
        ({"channels": [2]}, DataError, "a channel 2 in r"),
    ],
)
def test_options_that_cannot_be_are_refused(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        elman.data.ecg(record(marks=beats(100, 500, 900)), **options)


def test_beats_of_a_record_without_annotations_are_refused_by_its_name() -> None:
    with pytest.raises(DataError, match=r"annotations of beats in r, got none.*`annotations`"):
        elman.data.ecg(record(), cut="beats")


# -- WFDB ----------------------------------------------------------------------------------------


def test_a_wfdb_record_keeps_its_rate_units_beats_and_signal(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, symbols="NVNV~N")
    found = read_record(path.with_suffix(""))
    assert (found.rate, found.feature_names, found.units) == (RATE, ("I", "II"), ("mV", "mV"))
    np.testing.assert_allclose(found.values, wave(), atol=1e-3)
    assert found.marks is not None and found.marks.labels == tuple("NVNVN")
    data = elman.data.ecg(path, cut="beats", classes={"narrow": "N", "wide": "V"})
    assert data.names == ("narrow", "wide") and data.targets.tolist() == [0, 1, 0, 1, 0]
    np.testing.assert_array_equal(data[1], found.values[140 - 25 : 140 + 45])


def test_missing_samples_of_a_wfdb_record_are_nan(tmp_path: Path) -> None:
    signal = wave().astype(np.float64)
    signal[100:120, 0] = np.nan
    found = read_record(write_wfdb(tmp_path, p_signal=signal))
    assert np.flatnonzero(np.isnan(found.values[:, 0])).tolist() == list(range(100, 120))


def test_the_rhythm_holds_until_it_changes(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = write_wfdb(tmp_path)
    at, notes = np.array([0, 300, 350]), ["(N", "", "(AFIB"]
    wfdb.wrann("r1", "atr", at, symbol=list("+N+"), aux_note=notes, write_dir=str(tmp_path))
    marks = read_record(path, rhythm=True).marks
    assert marks is not None and marks.labels == ("(N", "(AFIB")
    assert marks.onset.tolist() == [0, 350] and marks.duration.tolist() == [350, 650]
    data = elman.data.ecg(path, length=1, rhythm=True)
    assert data.names == ("(AFIB", "(N") and data.targets.tolist() == [1, 1, 1] + [0] * 7


def test_a_wfdb_record_without_annotations_has_windows_but_no_beats(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path)
    assert elman.data.ecg(path, length=1).targets is None
    with pytest.raises(DataError, match="annotations of beats in r1, got none"):
        elman.data.ecg(path, cut="beats")


def test_a_wfdb_record_that_is_not_whole_is_named(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, symbols="NV")
    signal = path.with_suffix(".dat")
    signal.write_bytes(signal.read_bytes()[:1000])
    with pytest.raises(FileError, match=r"r1\.hea, which cannot be read"):
        read_record(path)
    signal.unlink()
    with pytest.raises(FileError, match=r"r1\.hea beside it, got none"):
        read_record(path)
    path.write_text("\x00\x01 not a header")
    with pytest.raises(FileError, match=r"r1\.hea"):
        read_record(path)


def test_a_folder_of_records_is_read_and_its_folders_are_classes(tmp_path: Path) -> None:
    write_wfdb(tmp_path / "sick", "b")
    write_wfdb(tmp_path / "well", "a")
    data = elman.data.ecg(tmp_path, length=2)
    assert data.names == ("sick", "well") and data.targets.tolist() == [0] * 5 + [1] * 5
    assert data.groups.tolist() == ["b"] * 5 + ["a"] * 5


# -- EDF -----------------------------------------------------------------------------------------


def test_an_edf_file_keeps_rate_unit_and_notes(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "night.edf", ((0, 4, "wake"), (4, 6, "sleep")))
    data = elman.data.ecg(path, length=1, channels=["ECG"])
    assert (data.rate, data.feature_names, data.units) == (RATE, ("ECG",), ("mV",))
    assert data.names == ("sleep", "wake") and data.targets.tolist() == [1] * 4 + [0] * 6
    np.testing.assert_allclose(data[3], wave(1000, 1)[300:400], atol=1e-3)
    assert elman.data.ecg(path, length=1, channels=[1]).feature_names == ("Resp",)


def test_an_edf_file_of_several_rates_wants_a_choice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"night\.edf, got ECG 100 Hz, Resp 50 Hz"):
        elman.data.ecg(write_edf(tmp_path / "night.edf"))


@pytest.mark.parametrize("kept", [0, 300, 2000])
def test_an_edf_file_cut_short_is_named(kept: int, tmp_path: Path) -> None:
    path = write_edf(tmp_path / "cut.edf")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FileError, match=r"cut\.edf.*copy it anew"):
        read_record(path)


def test_an_edf_file_with_more_behind_its_end_is_named(tmp_path: Path, capfd: Any) -> None:
    path = write_edf(tmp_path / "long.edf")
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(FileError, match=r"long\.edf.*more behind its end.*copy it anew"):
        read_record(path)
    assert capfd.readouterr() == ("", "")  # EDFlib itself would print


@pytest.mark.parametrize("rate", [0, -1.0, np.nan, [1, 2], "fast"])
def test_a_rate_of_an_npz_file_is_a_number_above_0(rate: object, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=wave(100, 1)[:, 0], rate=rate)
    with pytest.raises(DataError, match=r"`rate` in .*a\.npz to be a number .* above 0"):
        elman.data.ecg(tmp_path / "a.npz", length=1)


def test_records_are_not_brought_to_a_higher_rate_than_they_have() -> None:
    with pytest.raises(
        DataError, match=r"at least 200 samples per second, got 100 in .*`rate=100`"
    ):
        elman.data.ecg([record()], length=1, rate=200)


def test_a_wrong_rate_is_told_from_the_files(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "night.edf")
    with pytest.raises(DataError, match=r"250 samples per second in .*night\.edf, got 100"):
        elman.data.ecg(path, source_rate=250, channels=["ECG"])


# -- CSV and NPZ ---------------------------------------------------------------------------------


def write_csv(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding)
    return path


def test_a_table_has_its_rate_from_its_times_and_gaps_where_nothing_stands(
    tmp_path: Path,
) -> None:
    path = write_csv(tmp_path / "a.csv", "time,x,y\n0,1,2\n0.5,,3\n1,nan,4\n1.5,7,8\n")
    found = read_record(path)
    assert (found.rate, found.feature_names) == (2, ("x", "y"))
    np.testing.assert_array_equal(found.values, [[1, 2], [np.nan, 3], [np.nan, 4], [7, 8]])


def test_a_column_of_labels_labels_every_sample(tmp_path: Path) -> None:
    rows = "".join(f"{n},{'rest' if n < 4 else 'walk'}\n" for n in range(8))
    path = write_csv(tmp_path / "a.csv", f"x,doing\n{rows}")
    data = elman.data.ecg(path, target="doing", source_rate=1, length=4)
    assert data.names == ("rest", "walk") and data.targets.tolist() == [0, 1]
    by_step = elman.data.ecg(path, target="doing", source_rate=1, cut="records", label="step")
    assert by_step.targets[0].tolist() == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the empty file"),
        ("time,x\n", "a header without rows"),
        ("time,x\n0,1\n", "at least two rows"),
        ("time,x\n0,1\n1,2,3\n", "line 3"),
        ("time,x\n0,1\n1,high\n", "column 'x', got 'high' in bad.csv, line 3"),
        ("time,x\n0,1\n1,2\n3,3\n4,5\n", "evenly spaced .* got 1.0 in bad.csv, line 3 and .* 3.0"),
        ("x\n1\n2\n", "nothing that says it. Give `source_rate="),
        ("time,x\n0,1\n1,inf\n", "bad.csv, line 3"),
        ("time\n0\n1\n", "samples in"),
    ],
)
def test_a_table_that_is_wrong_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "bad.csv", text)
    with pytest.raises(DataError, match=said) as raised:
        read_record(path)
    assert "bad.csv" in str(raised.value)


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        ([f"{n / 360:.3f}" for n in range(400)], 360),
        ([f"2026-01-31T12:00:{n / 4:05.2f}" for n in range(40)], 4),
        (range(0, 600, 10), 0.1),
    ],
    ids=["rounded", "dates", "slow"],
)
def test_the_rate_comes_from_rounded_times_and_from_dates(
    times: Any, rate: float, tmp_path: Path
) -> None:
    text = "\n".join(["time,x", *(f"{time},1" for time in times)])
    assert read_record(write_csv(tmp_path / "a.csv", text)).rate == pytest.approx(rate)


def test_an_npz_file_has_channels_a_rate_and_labels(tmp_path: Path) -> None:
    labels = np.repeat(["a", "b"], 50)
    np.savez(tmp_path / "a.npz", x=wave(100, 1)[:, 0], acc=wave(100, 3), rate=50, doing=labels)
    found = read_record(tmp_path / "a.npz", target="doing")
    assert found.rate == 50 and found.feature_names == ("x", "acc 0", "acc 1", "acc 2")
    assert found.marks is not None and found.marks.duration.tolist() == [50, 50]
    with pytest.raises(DataError, match=r"'doing' of shape \(100,\)"):
        read_record(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"'done' in .*a\.npz, got only x, acc"):
        read_record(tmp_path / "a.npz", target="done")


def test_an_npz_file_with_objects_or_a_broken_one_is_never_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    for name in ("objects", "broken"):
        with pytest.raises(FileError, match=rf"plain arrays in .*{name}\.npz"):
            read_record(tmp_path / f"{name}.npz", rate=1)


def test_a_path_that_is_none_or_another_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone\.edf\. Check the path"):
        read_record(tmp_path / "gone.edf")
    with pytest.raises(FileError, match=r"a file ending in \.hea"):
        read_record(write_csv(tmp_path / "a.xls", "x"))


@pytest.mark.parametrize(("package", "file"), [("wfdb", "a.hea"), ("pyedflib", "a.edf")])
def test_a_missing_package_is_named_with_its_extra(
    package: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf'{package} .*elman\[ecg\]"'):
        read_record(write_csv(tmp_path / file, "x"))


@pytest.mark.parametrize("labels", ["", "a", "aab", "a bb"])
def test_runs_of_labels_are_marks_that_last(labels: str) -> None:
    given = [label.strip() for label in labels]
    marks = signals.runs(given)
    again = [""] * len(given)
    for onset, duration, label in zip(marks.onset, marks.duration, marks.labels, strict=True):
        again[onset : onset + duration] = [label] * duration
    assert again == given
    assert all(left != right for left, right in zip(marks.labels, marks.labels[1:], strict=False))
