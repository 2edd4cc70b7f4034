"""Data larger than memory: in a folder, the same bits as in memory, read as they are used."""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import elman
from elman.data import Sequences, pieces
from elman.data.delimited import csv_pieces, jsonl_pieces
from elman.data.steps import Fill, Scale
from elman.errors import DataError, FileError, ShapeError
from elman.layers import GRU, Dense, Embedding
from elman.ragged import Ragged
from elman.ragged_file import RaggedFile, StepsFile

ATTRIBUTES = (
    "kind", "names", "feature_names", "units", "step", "rate", "about", "prepared", "vocabulary",
)  # fmt: skip


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the files of tests are read in several pieces."""
    monkeypatch.setattr(pieces, "SIZE", 1000)


def assert_same(one: Sequences, other: Sequences) -> None:
    """The same values, bit for bit, and the same of all that is known about them."""
    assert len(one) == len(other) and repr(one) == repr(other)
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for name in ("targets", "groups", "times", "ids"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert a.dtype.kind == b.dtype.kind
            for row in range(len(one)):
                np.testing.assert_array_equal(a[row], b[row])
    for name in ATTRIBUTES:
        assert getattr(one, name) == getattr(other, name), name
    assert str(one.describe()) == str(other.describe())


# -- loaders ------------------------------------------------------------------------------------


def wide(folder: Path) -> dict[str, Any]:
    draw = random.Random(1)
    names = [f"s{step}" for step in range(7)]
    lines = [",".join(["id", *names, "kind"])]
    for row in range(80):
        cells = ["" if draw.random() < 0.1 and s else f"{draw.gauss(0, 1):.4f}" for s in range(7)]
        lines.append(
            ",".join([str(row), *cells[: 4 + row % 4], *[""] * (3 - row % 4), "ab"[row % 2]])
        )
    (folder / "wide.csv").write_text("\n".join(lines))
    return {"source": folder / "wide.csv", "target": "kind"}


def long(folder: Path) -> dict[str, Any]:
    draw = random.Random(2)
    rows = [
        (
            f"v{visit}",
            f"2026-01-{1 + visit:02}T00:00:{t:02}",
            draw.gauss(0, 1),
            "" if t == 2 else t,
            "xy"[visit % 2],
        )
        for visit in range(16)
        for t in range(3 + visit % 5)
    ]
    draw.shuffle(rows)
    lines = ["visit,when,u,v,out", *(",".join(map(str, row)) for row in rows)]
    (folder / "long.csv").write_text("\n".join(lines))
    return {"source": folder / "long.csv", "target": "out", "sequence": "visit", "time": "when"}


def every_step(folder: Path) -> dict[str, Any]:
    lines = ["visit,x,y"] + [f"v{v},{v * t},{v + t}.5" for v in range(12) for t in range(2 + v % 4)]
    (folder / "steps.csv").write_text("\n".join(lines))
    return {"source": folder / "steps.csv", "target": "y", "sequence": "visit"}


def lists(folder: Path) -> dict[str, Any]:
    lines = [
        json.dumps({"x": [0.5 * row] * (1 + row % 5), "y": [row] * (1 + row % 5)}
                   | {"kind": "ab"[row % 2]} | ({"note": "late"} if row > 50 else {}))
        for row in range(60)
    ]  # fmt: skip
    (folder / "lists.jsonl").write_text("\n".join(lines))
    return {"source": folder / "lists.jsonl", "target": "kind"}


def parquet(folder: Path) -> dict[str, Any]:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {
        f"s{step}": [None if (step + row) % 7 == 3 else step * row * 0.1 for row in range(90)]
        for step in range(4)
    }
    table = pa.table({**columns, "size": [row * 0.3 for row in range(90)]})
    parquet.write_table(table, folder / "p.parquet", row_group_size=20)
    return {"source": folder / "p.parquet", "target": "size"}


def sentences() -> list[str]:
    draw = random.Random(3)
    words = ["so", "good", "bad", "film", "not", "very", "&amp;", "café", ":)"]
    return [" ".join(draw.choices(words, k=draw.randint(1, 9))) for _ in range(80)]


def notes(folder: Path) -> dict[str, Any]:
    lines = ["text,label,who"] + [
        f'"{t}",{"yn"[r % 2]},p{r // 4}' for r, t in enumerate(sentences())
    ]
    (folder / "notes.csv").write_text("\n".join(lines), encoding="utf-8")
    return {"source": folder / "notes.csv", "group": "who"}


def letters(folder: Path) -> dict[str, Any]:
    return {**notes(folder), "tokens": "chars", "size": 12, "target": "label"}


def text_files(folder: Path) -> dict[str, Any]:
    for row, one in enumerate(sentences()[:20]):
        (folder / "texts" / "ab"[row % 2]).mkdir(parents=True, exist_ok=True)
        (folder / "texts" / "ab"[row % 2] / f"{row}.txt").write_text(one, encoding="utf-8")
    return {"source": folder / "texts", "tokens": "bytes"}


def sounds(folder: Path) -> dict[str, Any]:
    return {
        "source": elman.datasets.path("wav/it/h-16.wav").parents[1],
        "trim": -50,
        "group": r"[^/]+$",
    }


def heart(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    for number in range(3):
        x = rng.normal(size=(900, 2)).astype("f4")
        x[100:130] = np.nan
        label = np.array(["N", "V"])[np.arange(900) // 200 % 2]
        np.savez(folder / f"r{number}.npz", x=x, label=label)
    return {
        "source": sorted(folder.glob("r?.npz")), "source_rate": 100, "target": "label",
        "length": 2, "hop": 0.5,
    }  # fmt: skip


def steps_of_heart(folder: Path) -> dict[str, Any]:
    return {**heart(folder), "label": "step", "rate": 50}


LOADERS: list[tuple[Callable[..., Sequences], Callable[[Path], dict[str, Any]]]] = [
    *((elman.data.table, made) for made in (wide, long, every_step, lists, parquet)),
    *((elman.data.text, made) for made in (notes, letters, text_files)),
    (elman.data.audio, sounds),
    *((elman.data.ecg, made) for made in (heart, steps_of_heart)),
]


@pytest.mark.parametrize(("load", "made"), LOADERS, ids=[made.__name__ for _, made in LOADERS])
def test_what_is_read_onto_disk_is_what_is_read_into_memory(
    load: Callable[..., Sequences], made: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    options = made(tmp_path)
    data, disk = load(**options), load(**options, on_disk=tmp_path / "disk")
    assert isinstance(disk.values, RaggedFile)
    assert_same(data, disk)
    assert_same(data, elman.data.open(tmp_path / "disk"))
    assert_same(data, data.store(tmp_path / "stored"))
    parts = zip(data.split(0.3, seed=1), disk.split(0.3, seed=1), strict=True)
    for number, (one, other) in enumerate(parts):
        assert isinstance(other.values, RaggedFile)
        assert_same(one, other)  # prepared by what the training part teaches
        assert_same(one, other.store(tmp_path / f"part {number}"))
        assert_same(one[::-2], other[::-2])
    learned = one.prepared
    new = {name: options[name] for name in ("source", "source_rate", "group") if name in options}
    disk = load(**new, prepared=learned, on_disk=tmp_path / "new")
    assert_same(load(**new, prepared=learned), disk)


def test_windows_that_overlap_take_no_more_room_than_their_records(tmp_path: Path) -> None:
    data = elman.data.ecg(**heart(tmp_path), on_disk=tmp_path / "disk")
    assert data.lengths.sum() > 3 * 3 * 900
    assert (tmp_path / "disk" / "values.npy").stat().st_size == 128 + 4 * 2 * 3 * 900


def test_arrays_on_disk_are_plain_npy_files(tmp_path: Path) -> None:
    some(5).store(tmp_path / "disk")
    values = np.load(tmp_path / "disk" / "values.npy")
    np.testing.assert_array_equal(values, np.concatenate(list(some(5))))


ENDS: dict[str, bytes] = {
    "crlf": b"a,b\r\n1,2\r\n3,4\r\n",
    "cr": b"a,b\r1,2\r3,4",
    "mixed": b'\xef\xbb\xbfa,b\n1,"2\r\n3"\r4,5\n\n6,"7\n8"',
    "utf-16": "a;b\n\u00e9;2\n3;4\n".encode("utf-16"),
    "one line": b"a\tb",
}


@pytest.mark.parametrize("size", [1, 6, 10**9])
@pytest.mark.parametrize("content", ENDS.values(), ids=ENDS)
def test_pieces_of_a_csv_file_are_its_rows_whatever_ends_its_lines(
    content: bytes, size: int, tmp_path: Path
) -> None:
    import csv
    import io

    (tmp_path / "t.csv").write_bytes(content)
    found = [piece for piece, _ in csv_pieces(tmp_path / "t.csv", size)]
    text = content.decode("utf-16" if content[:2] == b"\xff\xfe" else "utf-8-sig")
    mark = next(one for one in ",;\t" if one in text)
    header, *rows = [r for r in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if r]
    got = [row for values, *_ in found for row in zip(*values.values(), strict=True)]
    assert list(found[0][0]) == header and [list(row) for row in got] == rows
    lines = [line for *_, lines in found for line in lines]
    assert lines == sorted(set(lines)) and len(lines) == len(rows)


def test_a_row_is_named_by_its_line_in_whatever_piece_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(500)) + "1o,0\n")
    with pytest.raises(DataError, match=r"'1o' in t.csv, line 502\."):
        elman.data.table(path, target="y", features=["x"], on_disk=tmp_path / "disk")
    assert sorted(tmp_path.iterdir()) == [path]


def test_pieces_of_json_lines_end_where_lines_end(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"a": n, "b": "\u2028"}) + "\n\n" for n in range(9)))
    found = [piece for piece, _ in jsonl_pieces(path, 30)]
    assert len(found) > 3
    assert [n for values, *_ in found for n in values["a"]] == list(range(9))
    assert [n for *_, lines in found for n in lines] == list(range(1, 19, 2))


# -- sequences in a file --------------------------------------------------------------------------


def some(n: int = 60, features: int = 2, longest: int = 9) -> Sequences:
    """Sequences of 1 to `longest` steps, with gaps; of two classes in turn."""
    rng = np.random.default_rng(n)
    values = [rng.normal(size=(1 + row % longest, features)).astype("f4") for row in range(n)]
    for one in values[::3]:
        one[rng.random(one.shape) < 0.3] = np.nan
    targets = np.array(["no", "yes"])[np.arange(n) % 2]
    return Sequences(values, targets, kind="table", groups=np.arange(n) // 2)


def mapped(values: Ragged, path: Path, *later: Any) -> RaggedFile:
    path.write_bytes(b"begin" + values.values.tobytes())
    source = StepsFile(path, values.dtype, values.values.shape, offset=5)
    return RaggedFile(source, values.offsets[:-1], values.lengths, None, later)


ROWS = {
    "all": slice(None),
    "reversed": slice(None, None, -1),
    "twice": np.array([3, 3, 17, 0]),
    "mask": np.arange(40) % 3 == 0,
    "none": np.array([], int),
}


@pytest.mark.parametrize("steps", [(0, None), (0, 3), (2, 6), (8, 12)], ids=str)
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_any_rows_and_steps_of_a_file_are_those_of_memory(
    rows: Any, steps: tuple[int, int | None], tmp_path: Path
) -> None:
    given = some(40).values
    later = (Scale((0.5, -0.5), (2.0, 3.0)), Fill((0,)))
    memory = given
    for step in later:
        memory = step.over(memory)
    disk = mapped(given, tmp_path / "x.raw", *later)[rows]
    chosen = memory[rows]
    assert len(disk) == len(chosen) and disk.shape[2:] == chosen.shape[2:] == (3,)
    found, wanted = disk.take(slice(None), *steps), chosen
    if steps[1] is not None and len(chosen):
        wanted = chosen.take(slice(None), *steps)
        assert found.steps == wanted.steps
    np.testing.assert_array_equal(found.lengths, wanted.lengths)
    np.testing.assert_array_equal(found.values, wanted.values)
    if len(chosen):
        np.testing.assert_array_equal(disk.padded(), chosen.padded())


def test_parts_are_cut_alike_in_memory_and_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elman.ragged.TOGETHER_BYTES", 100)  # twelve steps of two features
    given = some(50, longest=30).values
    disk = mapped(given, tmp_path / "x.raw")
    parts = list(given.parts())
    assert len(parts) > 50 and max(len(part) for _, part in parts) <= 12
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), given.values)
    for (at, one), (place, other) in zip(parts, disk.parts(), strict=True):
        assert at == place
        np.testing.assert_array_equal(one, other)
        row, step = at
        np.testing.assert_array_equal(one[0], given[row][step] if len(given[row]) else one[0])


def test_reading_a_window_looks_back_no_further_than_a_gap_reaches(tmp_path: Path) -> None:
    values = np.ones((10_000, 1), np.float32)
    values[5_000:5_100] = np.nan
    disk = mapped(Ragged.of([values]), tmp_path / "x.raw", Fill())
    reads: list[int] = []
    read = disk._read
    disk._read = lambda *a: reads.append(int(a[1].sum())) or read(*a)  # type: ignore[method-assign]
    for first, most in ((9_000, 10), (5_050, 200), (0, 10)):
        found = disk.take(slice(None), first, first + 10)
        assert (found.values == 1).all() and found.shape == (1, 10, 1)
        assert reads.pop() <= most


# -- training -----------------------------------------------------------------------------------


def of_one_length() -> Sequences:
    rng = np.random.default_rng(5)
    return Sequences(list(rng.normal(size=(60, 5, 2))), np.arange(60) % 2 * 1.5, kind="table")


def of_texts() -> Sequences:
    return elman.data.text(sentences(), ["yes", "no"] * 40)


def of_steps(unequal: bool = True) -> Sequences:
    rng = np.random.default_rng(6)
    values = [rng.normal(size=(1 + row % 7 if unequal else 6, 2)) for row in range(60)]
    return Sequences(
        values, [np.arange(len(one)) % 2 for one in values], kind="ecg", names=["a", "b"]
    )


KINDS: dict[str, tuple[Callable[[], Sequences], dict[str, Any]]] = {
    "unequal": (some, {}),
    "weighted classes": (some, {"class_weight": {0: 1.0, 1: 3.0}}),
    "in order": (some, {"shuffle": False}),
    "one length": (of_one_length, {}),
    "texts": (of_texts, {}),
    "each step": (of_steps, {}),
    "each step, one length": (lambda: of_steps(False), {}),
    "windows": (of_steps, {"tbptt": 2}),
}


def trained(train: Sequences, valid: Sequences, **options: Any) -> list[Any]:
    """Weights, history, scores and predictions of a small model with one seed."""
    elman.set_random_seed(1)
    if train.kind == "text":
        layers: list[Any] = [Embedding(len(train.vocabulary or ()), 3, mask_zero=True)]
    else:
        layers = [elman.Input((None, train.features))]
    layers += [GRU(3, return_sequences=train.by_step)]
    if train.names:
        layers += [Dense(len(train.names), activation="softmax")]
        model = elman.Sequential(layers)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    else:
        model = elman.Sequential([*layers, Dense(1)])
        model.compile("adam", "mse")
    history = model.fit(
        train, validation_data=valid, epochs=2, batch_size=7, verbose=0, **options
    ).history
    said = model.predict(valid, batch_size=5, verbose=0)
    scores = model.evaluate(valid, batch_size=5, verbose=0)
    split = model.fit(train, validation_split=0.25, epochs=1, verbose=0).history
    return [*model.get_weights(), *said, scores, *history.values(), *split.values()]


@pytest.mark.parametrize(("made", "options"), KINDS.values(), ids=KINDS)
def test_training_from_disk_is_training_from_memory_bit_for_bit(
    made: Callable[[], Sequences], options: dict[str, Any], tmp_path: Path
) -> None:
    data = made()
    disk = data.store(tmp_path / "disk")
    found = [trained(*one.split(0.3, seed=2), **options) for one in (data, disk)]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_not_finite_in_a_file_is_named_by_its_row_and_step(tmp_path: Path) -> None:
    values = [np.ones((4, 1), np.float32) for _ in range(30)] + [np.ones((5, 1), np.float32)]
    values[17][2] = np.inf
    disk = Sequences(values, np.arange(31) * 1.0, kind="table").store(tmp_path / "disk")
    model = elman.Sequential([elman.Input((None, 1)), GRU(2), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(DataError, match="got inf at row 17, step 2, feature 0"):
        model.fit(disk, verbose=0)
    with pytest.raises(DataError, match="infinity"):
        disk.split(0.2)


MEMORY = """
import json, resource, sys
import numpy as np
import elman
from elman.layers import SimpleRNN

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def run(data):
    train, valid = data.split(0.2)
    layers = [elman.Input((None, 400)), SimpleRNN(1, return_sequences=data.by_step)]
    model = elman.Sequential(layers)
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(train, validation_data=valid, verbose=0)
    model.evaluate(valid, verbose=0)
    model.predict(valid[:500], verbose=0)

small, large = map(elman.data.open, sys.argv[1:])
run(small)
before = peak()
run(large)
print(json.dumps({"mib": int(large.lengths.sum()) * 1600 // 2**20, "grown": peak() - before}))
"""


@pytest.mark.parametrize("by_step", [False, True], ids=["one target", "a target for each step"])
def test_memory_does_not_grow_with_the_store(by_step: bool, tmp_path: Path) -> None:
    for name, count in (("small", 30), ("large", 8000)):
        lengths = 10 + np.arange(count) % 15
        begins = np.cumsum(lengths) - lengths
        one = Sequences([np.zeros((1, 400))], [np.zeros(1)] if by_step else [0.0], kind="table")
        one.store(tmp_path / name)
        steps = int(lengths.sum())
        from elman.data.stored import header

        # A hole: it takes no room on the disk.
        for file, width in (("values", (400,)), ("targets", ())):
            total = steps if file == "values" or by_step else count
            with (tmp_path / name / f"{file}.npy").open("wb") as stored:
                stored.write(header(np.dtype(np.float32), (total, *width)))
                stored.truncate(128 + 4 * total * int(np.prod(width)))
        np.save(tmp_path / name / "begins.npy", begins)
        np.save(tmp_path / name / "lengths.npy", lengths)
    paths = [str(tmp_path / "small"), str(tmp_path / "large")]
    done = subprocess.run([sys.executable, "-c", MEMORY, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["mib"] > 200
    assert found["grown"] < 110, f"{found} MiB"


# -- the folder ---------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def objects(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)


def edited(**changed: Any) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

    return edit


DAMAGE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "values cut short": ("values.npy", cut, ""),
    "values with more": (
        "values.npy",
        lambda p: p.write_bytes(p.read_bytes() + b"1234"),
        "another",
    ),
    "values of doubles": ("values.npy", lambda p: np.save(p, np.zeros((9, 2))), "float64"),
    "values with code": ("values.npy", objects, ""),
    "groups with code": ("groups.npy", objects, ""),
    "no lengths": ("lengths.npy", Path.unlink, "lengths"),
    "beyond the end": ("begins.npy", lambda p: np.save(p, np.load(p) + 1), "do not fit"),
    "before the start": ("begins.npy", lambda p: np.save(p, np.load(p) - 1), "do not fit"),
    "negative lengths": ("lengths.npy", lambda p: np.save(p, -np.load(p)), "do not fit"),
    "fewer targets": ("targets.npy", lambda p: np.save(p, np.load(p)[1:]), "one target for each"),
    "no such class": ("targets.npy", lambda p: np.save(p, np.load(p) + 7), "from 0 to 1"),
    "no JSON": ("sequences.json", lambda p: p.write_text("{"), ""),
    "another version": ("sequences.json", edited(version=99), "another version"),
    "an unknown key": ("sequences.json", edited(hook="os.system"), "hook"),
    "an unknown kind": ("sequences.json", edited(kind="code"), "kind"),
    "steps nobody knows": ("sequences.json", edited(later=3), "than the preparation has"),
    "no step": ("sequences.json", edited(step="x"), "a step"),
}


@pytest.mark.parametrize(("file", "damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_folder_is_refused_by_its_name(
    file: str, damage: Callable[[Path], Any], said: str, tmp_path: Path
) -> None:
    some(9).store(tmp_path / "disk")
    damage(tmp_path / "disk" / file)
    with pytest.raises(FileError, match=r"data.open expected .*disk") as caught:
        elman.data.open(tmp_path / "disk")
    assert said in str(caught.value)


def test_tokens_that_no_vocabulary_has_are_refused_when_they_are_read(tmp_path: Path) -> None:
    disk = of_texts().store(tmp_path / "disk")
    path = tmp_path / "disk" / "values.npy"
    np.save(path, np.load(path) - 1)
    disk = elman.data.open(tmp_path / "disk")
    with pytest.raises(DataError, match="Do not use this file"):
        list(disk)
    with pytest.raises(DataError, match="Do not use this file"):
        disk.split(0.2)


def test_a_folder_without_sequences_is_no_store(tmp_path: Path) -> None:
    for name, said in ((".", "a folder without it"), ("no", "no such folder")):
        assert not elman.data.is_stored(tmp_path / name)
        with pytest.raises(FileError, match=said):
            elman.data.open(tmp_path / name)
    some(3).store(tmp_path / "disk")
    assert elman.data.is_stored(tmp_path / "disk")


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    disk = some(5).store(tmp_path / "disk")
    for again in (some(9).store, lambda folder: elman.data.text(sentences(), on_disk=folder)):
        with pytest.raises(FileError, match="not there yet"):
            again(tmp_path / "disk")
    assert_same(disk, elman.data.open(tmp_path / "disk"))
    with pytest.raises(FileError, match="in one that exists"):
        some(5).store(tmp_path / "no" / "disk")


def test_an_interrupt_while_storing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elman.data import shelf

    def interrupted(text: str, unit: str) -> list[str]:
        assert len(list(tmp_path.iterdir())) == 1  # it has begun
        raise KeyboardInterrupt

    monkeypatch.setattr(shelf, "cut", interrupted)
    with pytest.raises(KeyboardInterrupt):
        elman.data.text(sentences(), on_disk=tmp_path / "disk")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    data = some(400)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(FileError, match=r"Nothing was written; check the disk's room"):
            data.store(tmp_path / "disk")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
    data.store(tmp_path / "disk")


def test_sequences_with_other_features_are_refused_on_disk_too(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"x": [[1, 2]], "y": "a"}\n{"x": [[1]], "y": "b"}\n')
    for options in ({}, {"on_disk": tmp_path / "disk"}):
        with pytest.raises(ShapeError, match="differ in length only"):
            elman.data.table(path, target="y", **options)
    assert sorted(tmp_path.iterdir()) == [path]


def test_what_is_done_when_sequences_are_read_is_kept_whoever_made_it(tmp_path: Path) -> None:
    data = some(9)
    scaled = data.store(tmp_path / "disk").values.then(Scale((1.0, 2.0), (2.0, 2.0)))
    by_hand = data.with_values(scaled, prepared=None)
    np.testing.assert_array_equal(by_hand[4], by_hand.store(tmp_path / "again")[4])


def test_a_file_that_is_cut_short_while_it_is_open_is_an_error(tmp_path: Path) -> None:
    disk = some(9).store(tmp_path / "disk")
    cut(tmp_path / "disk" / "values.npy")
    with pytest.raises(FileError, match="cut short"):
        list(disk)


def test_sequences_on_disk_go_to_other_processes_as_a_path(tmp_path: Path) -> None:
    import pickle

    disk = some(60).store(tmp_path / "disk")
    content = pickle.dumps(disk)
    assert len(content) < 60 * 100 + 2000
    assert_same(disk, pickle.loads(content))


def test_a_folder_may_be_moved_and_its_sequences_live_on(tmp_path: Path) -> None:
    data = some(9)
    data.store(tmp_path / "disk")
    shutil.move(tmp_path / "disk", tmp_path / "moved")
    assert_same(data, elman.data.open(tmp_path / "moved"))
