"""Bad input at the command line: one line that says what to do, and nothing is lost or left."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import elman
from elman import cli
from elman.cli.wording import ARGUMENT, _options, as_typed
from elman.learning import asking, making
from test_data_ecg import write_edf

#: What is there already where the answers of a command go.
OLDER = b"what was there before"
SOON = ("--epochs", "1", "--valid", "0.25", "--quiet")
OUT = ("--out", "out.keras", "--overwrite")


class Case(NamedTuple):
    """A request that cannot be met.

    Attributes:
        write: writes the files into the folder that it runs in, and returns the command.
        said: what the message has: the file, the row where there is one, what to do.
        remedy: options with which the same command works, where the message names some.
    """

    write: Callable[[], list[str]]
    said: tuple[str, ...]
    remedy: tuple[str, ...] = ()


# -- files ----------------------------------------------------------------------------------------


def file(name: str, content: str | bytes = "") -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def folder(*files: Sequence[str]) -> str:
    for name, content in files:
        file(f"data/{name}", content)
    return "data"


def lines(header: str, *rows: str) -> str:
    return "".join(f"{row}\n" for row in (header, *rows))


def texts(*more: str, header: str = "text,label") -> str:
    rows = [f"{n} was {'good' if n % 2 else 'bad'},{'yes' if n % 2 else 'no'}" for n in range(24)]
    return file("data.csv", lines(header, *rows, *more))


def numbers(*more: str, header: str = "speed,heat,mass,label", name: str = "data.csv") -> str:
    rows = [f"{n % 7},{n % 5}.5,{n % 3},{'yes' if n % 2 else 'no'}" for n in range(24)]
    return file(name, lines(header, *rows, *more))


def targets(values: Sequence[object]) -> str:
    """A table of numbers with such targets."""
    rows = [f"{n % 7},{n % 5},{value}" for n, value in enumerate(values)]
    return file("data.csv", lines("speed,heat,target", *rows))


def series(*more: str, values: Callable[[int], float] = np.sin) -> str:
    rows = [f"2026-01-01T{n // 60:02d}:{n % 60:02d}:00,{values(n):.3f}" for n in range(200)]
    return file("data.csv", lines("when,load", *rows, *more))


def samples(name: str = "data.csv", every: float = 0.1, header: str = "time,v,mark") -> str:
    """A row for each sample; "a" for 2 s, "b" for the next two, and so on."""
    marks = ["ab"[n // 20 % 2] for n in range(400)]
    rows = [f"{n * every:.2f},{np.sin(n):.3f},{mark}" for n, mark in enumerate(marks)]
    if not header.startswith("time"):
        rows = [row.partition(",")[2] for row in rows]
    return file(name, lines(header, *rows))


def sound(name: str, count: int = 1600, width: int = 2, channels: int = 1, rate: int = 8000) -> str:
    """A WAV file of noise."""
    noise = np.random.default_rng(0).normal(size=count) * 2**28
    content = noise.astype("<i4").repeat(channels).view(np.uint8).reshape(-1, 4)[:, 4 - width :]
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    with wave.open(name, "wb") as opened:
        opened.setparams((channels, width, rate, 0, "NONE", ""))
        opened.writeframes(content.tobytes())
    return name


def sounds(width: int = 2, **bad: int) -> str:
    """A folder of sounds for each of two classes; the last one is another."""
    for number in range(12):
        sound(f"data/{'ab'[number % 2]}/{number:02d}.wav", 1600 + number, width=width)
    if bad:
        sound("data/b/last.wav", **bad)
    return "data"


def silent_about_rate(data: str) -> str:
    """The same folder, after the first file's header lost its sampling rate."""
    path = Path(data, "a/00.wav")
    content = path.read_bytes()
    path.write_bytes(content[:24] + bytes(4) + content[28:])
    return data


def edf(kept: int | None = None) -> str:
    """A file of 10 s of an ECG and of breathing, or so many of its bytes."""
    path = write_edf(Path("data.edf"), ((0.0, 5.0, "calm"), (5.0, 5.0, "busy")))
    path.write_bytes(path.read_bytes()[:kept])
    return str(path)


def train(data: str, *options: str) -> list[str]:
    soon = SOON if "--test" in options else (*SOON, "--test", "0.25")
    return ["train", data, *options, *soon]


def predict(model: str, data: str) -> list[str]:
    return ["predict", f"{model}.keras", data]


def evaluate(model: str, data: str) -> list[str]:
    return ["evaluate", f"{model}.keras", data]


FORECAST = ("--task", "forecast", "--horizon", "2", "--window", "8")
RECORD = ("--kind", "ecg", "--target", "mark", "--length", "1")

# -- what cannot be met, in the order of the issue -------------------------------------------------

CASES = {
    "an empty file": [
        *(
            Case(lambda end=end: train(file(f"data{end}")), (f"data{end}", "Write it again"))
            for end in (".csv", ".tsv", ".jsonl", ".npz", ".ts", ".txt")
        ),
        Case(lambda: train(file("data.csv", "\n \n")), ("data.csv", "Check how the file was")),
        Case(lambda: train(file("data.csv"), *FORECAST), ("'data.csv'", "Write it again")),
        Case(lambda: predict("numbers", file("new.csv")), ("'new.csv'", "Write it again")),
        Case(lambda: evaluate("numbers", file("new.csv")), ("'new.csv'", "Write it again")),
        Case(lambda: train(sounds(), "--test", file("new.wav")), ("new.wav", "Leave it out")),
        Case(
            lambda: train(folder(["a/1.txt", "so good"], ["b/1.txt", ""])),
            ("b/1.txt", "remove it"),
        ),
    ],
    "a missing target": [
        Case(
            lambda: train(texts("so bad,")), ("data.csv, line 26", "Fill it, or leave out the row")
        ),
        Case(
            lambda: train(texts(), "--target", "mood"),
            ("'mood' in data.csv", "text, label: take or rename one"),
        ),
        Case(
            lambda: train(
                file("data.csv", lines("heat,wear", *(f"{n},{n / 3}" for n in range(24))))
            ),
            ("data.csv", "none that is called label", "--target wear"),
            ("--target", "wear"),
        ),
        Case(
            lambda: evaluate("numbers", numbers(header="speed,heat,mass,other")),
            ("data.csv", "Add a column 'label', or use elman predict"),
        ),
        Case(
            lambda: evaluate("numbers", numbers("1,2,3,")),
            ("data.csv, line 26", "Fill it, or leave out the row"),
        ),
    ],
    "a constant target": [
        Case(
            lambda: train(targets([2.5] * 30), "--target", "target"),
            ("'target' of data.csv", "2.5 in all 30 rows", "another target: --target"),
            ("--target", "heat"),
        ),
        Case(
            lambda: train(series(values=lambda n: 5.0), *FORECAST, "--target", "load"),
            ("'load' of data.csv", "5 in all rows", "another target: --target"),
        ),
    ],
    "one class only": [
        Case(
            lambda: train(file("data.csv", lines("text,label", *["so good a day,yes"] * 9))),
            ("'label' of data.csv", "'yes' in all 9 rows", "Add rows of another class, or choose"),
        ),
        Case(
            lambda: train(str(Path(sound("data/a/1.wav")).parents[1])),
            ("folders of 'data'", "'a' in all 1 rows", "Add rows of another class."),
        ),
        Case(
            lambda: train(samples(), *RECORD, "--classes", "some=ab"),
            ("'data.csv'", "'some' alone", "Bring another one"),
            ("--classes", "some=a,others=b"),
        ),
    ],
    "a class with one example": [
        Case(
            lambda: train(targets([f"w{n}" for n in range(30)])),
            ("'data.csv'", "another one for each of 30", "Bring more of each"),
        ),
    ],
    "a header without rows": [
        Case(lambda: train(file("data.csv", "text,label\n")), ("header without rows in data.csv",)),
        Case(
            lambda: train(file("data.csv", "when,load\n"), *FORECAST),
            ("header without rows in data.csv", "Check how the file was written"),
        ),
        Case(
            lambda: predict("numbers", file("new.csv", "speed,heat,mass\n")),
            ("header without rows in new.csv", "Check how the file was written"),
        ),
    ],
    "mixed encodings": [
        Case(
            lambda: train(file("data.csv", b"text,label\n\0\1\2\3,yes\n")),
            ("'data.csv'", "Give the file the ending of what it holds"),
        ),
    ],
    "ragged rows": [
        Case(
            lambda: train(texts("so bad")),
            ("2 cells", "got 1 in data.csv, line 26", "complete the row"),
        ),
        Case(
            lambda: train(texts("so bad, really,no")),
            ("got 3 in data.csv, line 26", "Put quotes around a cell that has ','"),
        ),
        Case(
            lambda: train(texts('"so bad,no')),
            ("quotes that close", "data.csv, line 26", "Correct the quotes"),
        ),
        Case(
            lambda: train(texts("so bad"), "--on-disk", "shelf"),
            ("got 1 in data.csv, line 26", "complete the row"),
        ),
        Case(
            lambda: train(file("data.jsonl", '{"text": "so good", "label": 1}\n[1, 2]\n')),
            ("data.jsonl, line 2", "Write {"),
        ),
        Case(
            lambda: predict("numbers", numbers("1,2")),
            ("got 2 in data.csv, line 26", "complete the row"),
        ),
    ],
    "text in a number column": [
        Case(
            lambda: train(numbers("1,many,3,no")),
            ("'heat', got 'many' in data.csv, line 26", "Correct it", "--features"),
            ("--features", "speed,mass"),
        ),
        Case(
            lambda: train(targets([n / 3 for n in range(30)] + ["many"])),
            ("'target', got 'many' in data.csv, line 32", "leave out the row"),
        ),
        Case(
            lambda: train(series("2026-01-01T03:20:00,many"), *FORECAST),
            ("'load', got 'many' in data.csv, line 202", "Correct it"),
        ),
        Case(
            lambda: train(series("1.2.2026,0.5"), *FORECAST),
            ("'when', got '1.2.2026' in data.csv, line 202", "Write them as"),
        ),
        Case(
            lambda: predict("numbers", numbers("1,many,3,no", name="new.csv")),
            ("'heat', got 'many' in new.csv, line 26", "Correct it"),
        ),
    ],
    "infinities": [
        Case(
            lambda: train(numbers("1,inf,3,no")),
            ("'heat', got inf in data.csv, line 26", "leave the cell empty"),
        ),
        Case(
            lambda: train(numbers("1,inf,3,no"), "--on-disk", "shelf"),
            ("'heat', got inf in data.csv, line 26", "leave the cell empty"),
        ),
        Case(
            lambda: train(numbers("1,1e39,3,no")),
            ("'heat', got 1e39 in data.csv, line 26", "leave the cell empty"),
        ),
        Case(
            lambda: train(targets([n / 3 for n in range(30)] + ["-inf"])),
            ("'target', got -inf in data.csv, line 32", "leave out the row"),
        ),
        Case(
            lambda: train(series("2026-01-01T03:20:00,inf"), *FORECAST),
            ("'load', got inf in data.csv, line 202", "leave the cell empty"),
        ),
        Case(
            lambda: evaluate("numbers", numbers("1,inf,3,no")),
            ("'heat', got inf in data.csv, line 26", "leave the cell empty"),
        ),
    ],
    "a WAV with no samples": [
        Case(lambda: train(sounds(count=0)), ("data/b/last.wav", "Leave this file out")),
        Case(
            lambda: train(sounds(count=0), "--on-disk", "shelf"),
            ("data/b/last.wav", "Leave this file out"),
        ),
        Case(lambda: predict("sounds", sound("new.wav", 0)), ("new.wav", "Leave this file out")),
        Case(
            lambda: train(sounds(count=50)),
            ("data/b/last.wav", "got 0.006 s", "--slice"),
            ("--slice", "0.005", "--hop", "0.005", "--features", "basic"),
        ),
    ],
    "a WAV of eight channels": [
        Case(
            lambda: train(sounds(channels=8)),
            ("data/b/last.wav, got 8", "Write it with one", "--channel 0 to --channel 7"),
            ("--channel", "0"),
        ),
        Case(
            lambda: predict("sounds", sound("new.wav", channels=8)),
            ("new.wav, got 8", "Write it with one", "--channel is an option of elman train"),
        ),
    ],
    "an EDF cut short": [
        *(
            Case(
                lambda kept=kept: train(edf(kept), "--length", "1"),
                ("data.edf", f"got {kept:,}", "cut short: copy it anew"),
            )
            for kept in (0, 100, 300, 2000, 5000)
        ),
        Case(
            lambda: train(edf(), "--length", "1"),
            ("data.edf", "ECG 100 Hz, Resp 50 Hz", "--channels"),
            ("--channels", "ECG", "--by", "random"),
        ),
    ],
    "a wrong sampling rate": [
        Case(
            lambda: train(sounds(rate=4000)),
            ("8,000 Hz in data/a/00.wav", "4,000 Hz in data/b/last.wav", "--rate 4000"),
            ("--rate", "4000"),
        ),
        Case(
            lambda: train(sounds(), "--rate", "16000"),
            ("got 8,000 in data/a/00.wav", "--rate 8000"),
            ("--rate", "8000"),
        ),
        Case(
            lambda: predict("sounds", sound("new.wav", rate=4000)),
            ("got 4,000 in new.wav", "Leave it out", "--rate is an option of elman train"),
        ),
        Case(
            lambda: train(samples(header="v,mark"), *RECORD),
            ("data.csv", "--source-rate"),
            ("--source-rate", "10"),
        ),
        Case(
            lambda: train(samples(), *RECORD, "--source-rate", "50"),
            ("data.csv, got 10", "Leave --source-rate out"),
        ),
        Case(
            lambda: train(samples(header="v,mark"), *RECORD, "--source-rate", "0"),
            ("above 0, got --source-rate 0",),
        ),
        Case(
            lambda: train(samples(), *RECORD, "--rate", "20"),
            ("got 10 in data", "--rate 10"),
            ("--rate", "10"),
        ),
        Case(
            lambda: train(silent_about_rate(sounds())),
            ("data/a/00.wav, got 0", "Write the file anew, or leave it out"),
        ),
        Case(
            lambda: predict("samples", samples("new.csv", every=0.2)),
            ("as the model was trained on, got 5 in new", "Leave it out"),
        ),
    ],
    "ten million classes": [
        Case(
            lambda: train(targets([f"w{n}" for n in range(5000)])),
            ("'target' of data.csv", "5,000 different ones", "another target: --target"),
        ),
        Case(
            lambda: train(targets([10**7 + n for n in range(5000)]), "--task", "classify"),
            ("'target' of data.csv", "5,000 different ones", "--task regress"),
            ("--task", "regress"),
        ),
        Case(
            lambda: train(targets([f"w{n // 2}" for n in range(5000)])),
            ("'data.csv', got 2,500", "Give rare ones one name"),
        ),
    ],
    "a model trained on other columns": [
        Case(
            lambda: predict("numbers", numbers(header="speed,heat,age,label")),
            ("'mass' in data.csv", "speed, heat, age, label: take or rename one"),
        ),
        Case(
            lambda: evaluate("numbers", texts()),
            ("'speed' in data.csv", "text, label: take or rename"),
        ),
        Case(
            lambda: evaluate("numbers", numbers("1,2,3,perhaps")),
            ("no, yes, got 'perhaps' in data.csv, line 26", "Leave out its rows"),
        ),
        Case(
            lambda: train(
                numbers(), "--test", numbers(header="speed,heat,age,label", name="new.csv")
            ),
            ("'mass' in new.csv", "take or rename one"),
        ),
        Case(
            lambda: predict("samples", samples("new.csv", header="time,w,mark")),
            ("'v' in new, got only w", "Choose among these"),
        ),
    ],
}
ALL = [
    pytest.param(case, id=f"{point}-{number}")
    for point, cases in CASES.items()
    for number, case in enumerate(cases)
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models of numbers, sounds and samples."""
    made, before = tmp_path_factory.mktemp("models"), Path.cwd()
    os.chdir(made)
    try:
        assert cli.main([*train(numbers()), "--out", "numbers.keras"]) == 0
        assert cli.main([*train(sounds()), "--out", "sounds.keras"]) == 0
        assert cli.main([*train(samples(), *RECORD), "--out", "samples.keras"]) == 0
    finally:
        os.chdir(before)
    return made


@pytest.fixture
def here(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in: with models, and older files where answers go."""
    monkeypatch.chdir(tmp_path)
    for model in models.glob("*.keras"):
        shutil.copy(model, tmp_path)
    for name in ("out.keras", "out.csv"):
        file(name, OLDER)
    return tmp_path


def everything() -> dict[str, bytes | bool]:
    return {str(path): path.is_file() and path.read_bytes() for path in Path().rglob("*")}


def outward(command: Sequence[str]) -> list[str]:
    """The command, with where to write."""
    more = {"train": OUT, "predict": ("--out", "out.csv", "--overwrite")}
    return [*command, *more.get(command[0], ())]


def refused(command: Sequence[str], capfd: pytest.CaptureFixture[str]) -> str:
    """What is said of a request that cannot be met; everything is as it was."""
    before = everything()
    capfd.readouterr()
    assert cli.main(outward(command)) == 2
    said = capfd.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and said.err.startswith("elman: ")
    assert everything() == before
    return said.err


@pytest.mark.parametrize("case", ALL)
def test_it_is_refused_before_any_work_and_all_files_stay_as_they_were(
    case, here, capfd, monkeypatch
):
    for room, name in ((making, "build"), (asking, "answer")):
        monkeypatch.setattr(room, name, lambda *_, **__: pytest.fail("it began to work"))
    command = case.write()
    said = refused(command, capfd)
    for part in case.said:
        assert part in said
    # Whatever it tells to do can be typed.
    assert not any(name in _options("train") for name, _ in ARGUMENT.findall(said))
    typed = {name.replace("-", "_") for name in re.findall(r"--([a-z-]+)", said)}
    assert typed <= _options(command[0]) | (
        _options("train") if "of elman train" in said else set()
    )


@pytest.mark.parametrize("case", [one for one in ALL if one.values[0].remedy])
def test_the_options_that_a_message_names_do_help(case, here, capfd):
    command = case.write()
    for name in case.remedy[::2]:  # in place of what was said before
        if name in command:
            del command[(at := command.index(name)) : at + 2]
    assert cli.main([*outward(command), *case.remedy]) == 0, capfd.readouterr().err
    assert elman.load("out.keras").prepared is not None


# -- what works, and is said ----------------------------------------------------------------------


def test_one_example_of_a_class_is_trained_on_and_that_is_said(here, capfd):
    command = train(texts("24 was odd,perhaps"))
    command.remove("--quiet")
    assert cli.main(outward(command)) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "perhaps (1)" in said
    assert "class 'perhaps' has no example to test on: how well it is told apart is not" in said
    assert elman.load("out.keras").prepared.names == ("no", "perhaps", "yes")


def test_a_line_of_another_encoding_is_named_and_read(here, capfd):
    mixed = Path(texts()).read_bytes()
    mixed += "24 was schön,größe\n".encode("latin-1") + "25 was schön,größe\n".encode()
    assert cli.main(outward(train(file("data.csv", mixed)))) == 0
    said = capfd.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert (
        said.err.startswith("elman: data.csv: line 26 is not UTF-8")
        and "Save the file as UTF-8" in said.err
    )
    assert elman.load("out.keras").prepared.names == ("größe", "no", "yes")


def test_24_bits_are_heard_as_16_are(here, capfd):
    assert cli.main(outward(train(sounds(width=3)))) == 0
    answers = []
    for width in (2, 3):
        assert cli.main(predict("sounds", sound("new.wav", width=width))) == 0
        answers.append(list(csv.reader(io.StringIO(capfd.readouterr().out)))[1])
    assert answers[0][:2] == answers[1][:2]
    np.testing.assert_allclose(*[np.array(one[2:], float) for one in answers], atol=1e-3)
    coarse, fine = (elman.data.audio(sound(f"{w}.wav", width=w), features="mfcc") for w in (2, 3))
    np.testing.assert_allclose(fine[0], coarse[0], rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("stored", ["csv", "npz"])
def test_a_huge_class_number_is_one_class_and_not_so_many_outputs(stored, here):
    labels = [10_000_000 * (n % 2) for n in range(24)]
    data = targets(labels)
    if stored == "npz":
        np.savez("data.npz", x=np.random.default_rng(0).normal(size=(24, 3, 1)), y=labels)
        data = "data.npz"
    assert cli.main(outward(train(data))) == 0
    model = elman.load("out.keras")
    assert model.output_shape == (None, 2) and model.prepared.names == ("0", "10000000")


# -- disks and permissions ------------------------------------------------------------------------


def fails(error: OSError) -> Callable[..., None]:
    def failing(*_: object, **__: object) -> None:
        raise error

    return failing


COMMANDS = [
    pytest.param(lambda: train(numbers()), "out.keras", id="train"),
    pytest.param(lambda: predict("numbers", numbers()), "out.csv", id="predict"),
]


@pytest.mark.parametrize("where", ["os.fsync", "os.replace"])
@pytest.mark.parametrize(("write", "out"), COMMANDS)
def test_a_full_disk_costs_nothing_that_was_there(write, out, where, here, capfd, monkeypatch):
    monkeypatch.setattr(where, fails(OSError(28, "No space left on device")))
    said = refused(write(), capfd)
    for part in (out, "No space left", "What was there is unchanged", "check the disk's room"):
        assert part in said


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_file_that_finds_no_room_is_taken_away_again(here):
    before = {**everything(), numbers(): Path("data.csv").read_bytes()}
    limited = 'ulimit -f 4; exec "$@"'
    command = [sys.executable, "-m", "elman", *outward(train("data.csv"))]
    done = subprocess.run(["sh", "-c", limited, "sh", *command], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert "out.keras" in done.stderr and "What was there is unchanged" in done.stderr
    assert everything() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_answers_that_find_no_room_behind_a_pipe_are_one_line(here):
    command = [sys.executable, "-m", "elman", *predict("numbers", numbers())]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("elman: ") and done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr and "disk's room" in done.stderr


@pytest.mark.parametrize(("write", "out"), COMMANDS)
def test_no_permission_to_write_is_said_before_any_work(write, out, here, capfd, monkeypatch):
    command = write()
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs this may be root
    for room, name in ((making, "look"), (asking, "answer")):
        monkeypatch.setattr(room, name, lambda *_, **__: pytest.fail("it began to work"))
    said = refused(command, capfd)
    assert out in said and "no permission to write in" in said and "Choose another folder" in said


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.parametrize(("write", "out"), COMMANDS)
def test_a_locked_folder_is_refused(write, out, here, capfd):
    command = write()
    here.chmod(0o500)
    try:
        assert "no permission to write in" in refused(command, capfd)
    finally:
        here.chmod(0o700)


@pytest.mark.parametrize(("write", "out"), COMMANDS)
def test_a_permission_lost_while_it_works_leaves_what_was_there(
    write, out, here, capfd, monkeypatch
):
    command, opened = write(), os.open

    def locked(path: object, flags: int, *more: object, **others: object) -> int:
        if flags & os.O_CREAT and "unfinished" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *more, **others)

    monkeypatch.setattr(os, "open", locked)
    said = refused(command, capfd)
    assert out in said and "Permission denied" in said and "folder's permissions" in said


@pytest.mark.parametrize(("write", "out"), COMMANDS)
def test_no_permission_to_read_names_the_file(write, out, here, capfd, monkeypatch):
    command = write()
    monkeypatch.setattr(Path, "read_bytes", fails(PermissionError(13, "Denied", "data.csv")))
    monkeypatch.setattr(Path, "open", fails(PermissionError(13, "Denied", "data.csv")))
    capfd.readouterr()
    assert cli.main(outward(command)) == 2
    said = capfd.readouterr()
    monkeypatch.undo()
    assert said.out == "" and said.err.count("\n") == 1
    assert "'data.csv', got: Denied. Check the file's permissions" in said.err
    assert (here / out).read_bytes() == OLDER


# -- wording --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "command", "typed"),
    [
        ('so: `by="random"`.', "train", "so: --by random."),
        ("`source_rate=...`, `channels=[...]`", "train", "--source-rate, --channels"),
        ("a number `rate`, `loss=1`", "train", "a number `rate`, `loss=1`"),
        ("take `rate=8`.", "evaluate", "take --rate 8. (--rate is an option of elman train.)"),
        ("a\n  b", "nonsense", "a b"),
        ("a", "", "a"),
    ],
)
def test_arguments_are_spelled_as_options(message, command, typed):
    assert as_typed(message, command) == typed
