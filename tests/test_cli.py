"""The command `elman`, from the outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import elman
from elman import cli, demo

STACK = "60x1 > rnn(16,seq) > gru(16,seq) > lstm(16) > dense(1,sigmoid)"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m elman ...`, as in a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "elman", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )


def test_the_version_is_the_packages():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.strip() == f"elman {elman.__version__}"


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_names_the_commands_and_shows_examples(arguments):
    done = run(*arguments)
    assert done.returncode == 0
    assert "demo" in done.stdout and "elman demo ecg" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_help_of_a_command_explains_its_options():
    done = run("demo", "--help")
    assert done.returncode == 0
    for word in ("TASK", "--seed", "--epochs", *demo.ALL):
        assert word in done.stdout


@pytest.mark.parametrize(
    "command", ["demo", "bench", "convert", "count", "evaluate", "inspect", "predict", "quiz"]
)
def test_the_help_of_a_command_shows_examples_of_it_alone_within_the_columns(command):
    done = run(command, "--help")
    examples = [line for line in done.stdout.splitlines() if line.startswith("    elman ")]
    assert len(examples) > 1 and all(line.split()[1] == command for line in examples)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_demo_trains_one_task_and_closes_with_the_table():
    done = run("demo", "ecg", "--epochs", "1", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "majority" in done.stdout and "order-free" in done.stdout
    assert "not from a cardiologist" in " ".join(done.stdout.split())
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demo", "tex"), "got 'tex'. Did you mean 'text'?"),
        (("demo", "ecg", "--epochs", "0"), "at least 1 epoch, got 0"),
        (("demo", "ecg", "--seed", "x"), "--seed"),
        (("demo", "ecg", "--sed", "1"), "Did you mean --seed?"),
        (("demo", "ecg", "audio"), "audio"),
        (("count", "60x1 > gru(?)", "--budget", "5"), "needs 12 parameters"),
        (("count", "gru(3)"), "Put an Input first"),
        (("count", STACK, "--format", "xml"), "--format"),
        (("dmo",), 'Did you mean "demo"?'),
    ],
)
def test_a_mistake_is_one_clean_line_and_exit_code_2(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("elman: ") and done.stderr.count("\n") == 1


def test_count_accounts_for_the_parameters_of_a_line():
    done = run("count", STACK, "--steps", "30", "--batch", "8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() and max(map(len, done.stdout.splitlines())) <= 80
    assert f"{elman.parse(STACK).count_params():,} parameters" in done.stdout
    told = " ".join(done.stdout.split())
    assert "sequence of 30 steps" in told and "batch of 8 rows" in told


@pytest.mark.parametrize("form", ["markdown", "csv", "json"])
def test_count_writes_the_forms_of_the_ledger(form):
    done = run("count", STACK, "--format", form)
    assert done.stdout == getattr(elman.ledger(STACK), f"to_{form}")()


def test_count_finds_the_largest_network_within_a_budget():
    done = run("count", "60x1 > gru(?) > dense(1)", "--budget", "10000")
    answer = elman.ledger(budget=10_000, like="60x1 > gru(?) > dense(1)").answer
    assert f"60x1 > gru({answer}) > dense(1)" in done.stdout


def test_a_line_that_cannot_be_read_is_shown_with_the_place():
    done = run("count", "60x1 > lstn(16) > dense(1)")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "elman: spec: unknown layer 'lstn' - did you mean 'lstm'?\n"
        "  60x1 > lstn(16) > dense(1)\n"
        "         ^~~~\n"
    )


def test_count_in_a_terminal_fits_it():
    pty = pytest.importorskip("pty")
    code = "import sys; from elman import cli; sys.exit(cli.main(['count', '60x1 > gru(2)']))"
    kept: list[bytes] = []

    def read(file: int) -> bytes:
        kept.append(os.read(file, 4096))
        return kept[-1]

    os.environ["COLUMNS"], before = "60", os.environ.get("COLUMNS")
    try:
        assert pty.spawn([sys.executable, "-c", code], read) == 0
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    plain = re.sub(r"\x1b\[[0-9;]*m", "", b"".join(kept).decode())
    assert "30 parameters" in plain
    assert max(len(line.rstrip("\r")) for line in plain.splitlines()) <= 60


def test_ctrl_c_exits_with_130_and_a_short_line(monkeypatch, capsys):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err.strip() == "elman: stopped."


def test_a_reader_that_leaves_early_sees_no_traceback():
    command = f"{sys.executable} -m elman demo ecg --epochs 1 | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert done.stdout.count("\n") == 1


def test_a_defect_is_not_dressed_up_as_a_mistake_of_the_user(monkeypatch):
    def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(demo, "run", defect)
    with pytest.raises(ZeroDivisionError):
        cli.main(["demo"])


def test_commands_import_nothing_heavy_before_they_run():
    code = (
        "import sys, elman.cli; "
        "print([m for m in ('elman.demo', 'elman.data.datasets', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
