"""The command `elman`, from the outside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import elman
from elman import cli, demo


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
        (("dmo",), 'Did you mean "demo"?'),
    ],
)
def test_a_mistake_is_one_clean_line_and_exit_code_2(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("elman: ") and done.stderr.count("\n") == 1


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
