"""The progress bar: a line per epoch when piped, a live bar on a terminal, nothing left behind."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import elman
from elman import progress
from elman.callbacks import CallbackList
from elman.data import waiting
from elman.errors import OptionError
from elman.progress import ProgressBar, TrainingBar

RESULT = {"accuracy": 0.861, "loss": 0.33123, "val_accuracy": 0.85, "val_loss": 0.35}
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(3[0-7]|9[0-7]|4[0-7]|38;|48;)[0-9;]*m")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "REDRAW", 0.0)
    return Terminal()


def run(bar, epochs=2, batches=4, result=RESULT):
    """Epochs of a loop."""
    bar.set_params({"epochs": epochs, "steps": batches})
    bar.on_train_begin()
    for epoch in range(epochs):
        bar.on_epoch_begin(epoch)
        for batch in range(batches):
            bar.on_chunk_end(batch + 1, batches, {"loss": 0.5, "accuracy": 0.75})
        bar.on_epoch_end(epoch, result)
    bar.on_train_end()


def timeless(text):
    return re.sub(r"\d+\.\ds", "0.4s", text)


@pytest.mark.parametrize("verbose", [1, 2, "auto"])
def test_a_pipe_gets_one_plain_line_per_epoch(verbose):
    file = io.StringIO()
    run(ProgressBar(verbose, file=file), result={"accuracy": 0.861, "loss": 0.33123})
    assert timeless(file.getvalue()).splitlines() == [
        "Epoch 1/2  4/4  0.4s  accuracy 0.861  loss 0.3312",
        "Epoch 2/2  4/4  0.4s  accuracy 0.861  loss 0.3312",
    ]


def test_verbose_zero_shows_nothing(terminal):
    for file in (io.StringIO(), terminal):
        run(ProgressBar(0, file=file))
        assert file.getvalue() == ""


def test_a_terminal_gets_a_moving_bar_and_then_the_plain_line(terminal):
    run(ProgressBar("auto", file=terminal), epochs=1)
    text = terminal.getvalue()
    assert "━" in text and COLOUR.search(text)
    assert "2/4" in text, "the bar passes through the middle"
    assert "\x1b[2K" in text.rsplit("━", 1)[1], "the bar is wiped before the line is written"
    last = ESCAPE.sub("", text.splitlines()[-1]).split("\r")[-1]
    assert timeless(last) == (
        "Epoch 1/1 4/4 0.4s accuracy 0.861 loss 0.331 val_accuracy 0.85 val_loss 0.35"
    )
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor comes back"


def test_verbose_two_moves_nothing_on_a_terminal(terminal):
    run(ProgressBar(2, file=terminal))
    assert "\x1b" not in terminal.getvalue() and "\r" not in terminal.getvalue()


def test_no_color_is_obeyed(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    run(ProgressBar(1, file=terminal))
    assert "━" in terminal.getvalue()
    assert not COLOUR.search(terminal.getvalue())


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_live_bar_fits_the_terminal(terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    many = {f"metric_{i}": 0.123456 for i in range(9)}
    bar = ProgressBar(1, file=terminal)
    bar.on_epoch_begin(0)
    bar.on_chunk_end(3, 1000, many)
    bar.on_epoch_end(0, many)
    for line in re.split(r"[\r\n]", ESCAPE.sub("", terminal.getvalue())):
        assert len(line) <= columns
    assert "metric_8 0.123" in terminal.getvalue(), "the final lines have every metric"


def test_an_epoch_that_is_over_in_a_blink_draws_no_bar(terminal, monkeypatch):
    monkeypatch.setattr(progress, "REDRAW", 60.0)
    run(ProgressBar(1, file=terminal))
    assert "\x1b" not in terminal.getvalue()
    assert len(terminal.getvalue().splitlines()) == 2


def test_the_bar_of_a_training_counts_epochs_and_leaves_nothing(terminal):
    run(TrainingBar(1, file=terminal), epochs=2)
    text = ESCAPE.sub("", terminal.getvalue())
    assert "epoch 1/2" in text and "epoch 2/2" in text and "val_loss 0.35" in text
    assert " loss 0.5" not in text, "that of a part of an epoch goes up and down"
    assert "\x1b[2K" in terminal.getvalue().rsplit("━", 1)[1], "the bar is wiped"
    assert not text.splitlines()[-1].strip(), "and nothing stands in its place"
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1


def test_a_bar_that_the_caller_brings_is_the_only_one(terminal, capsys):
    x, y = np.zeros((8, 3, 1)), np.zeros(8)
    model = elman.Sequential([elman.Input((3, 1)), elman.layers.GRU(2), elman.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=2, verbose=1, callbacks=[TrainingBar(1, file=terminal)])
    assert capsys.readouterr().out == "" and "epoch 2/2" in terminal.getvalue()


def test_an_interrupted_bar_gives_the_terminal_back_and_leaves_its_line(terminal):
    bar = ProgressBar(1, file=terminal)
    bar.set_params({"epochs": 3, "steps": 8})
    stdout = sys.stdout
    bar.on_train_begin()
    with pytest.raises(KeyboardInterrupt):
        try:
            bar.on_epoch_begin(1)
            bar.on_chunk_end(5, 8, {"loss": 0.5})
            assert sys.stdout is not stdout, "prints go above the bar while it lives"
            raise KeyboardInterrupt
        finally:
            bar.close()
    assert sys.stdout is stdout
    text = terminal.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert timeless(ESCAPE.sub("", text)).endswith("Epoch 2/3  5/8  0.4s  loss 0.5\n")
    bar.close()
    assert terminal.getvalue() == text, "closing twice does no harm"


def test_a_closed_bar_can_run_again(terminal):
    bar = ProgressBar(1, file=terminal)
    bar.on_epoch_begin(0)
    bar.on_chunk_end(1, 2, {})
    bar.close()
    run(bar, epochs=1)
    assert (
        timeless(ESCAPE.sub("", terminal.getvalue())).splitlines()[-1].startswith("Epoch 1/1 4/4")
    )


def test_evaluation_has_a_line_of_its_own_and_validation_has_none():
    file = io.StringIO()
    bar = ProgressBar(2, file=file)
    bar.on_test_begin()
    bar.on_chunk_end(7, 7, {})
    bar.on_test_end({"accuracy": 0.5, "loss": 2.0})
    assert timeless(file.getvalue()) == "evaluate  7/7  0.4s  accuracy 0.5  loss 2\n"

    file.truncate(file.seek(0))
    bar.set_params({"epochs": 1, "steps": 4})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_chunk_end(4, 4, {"loss": 0.5})
    bar.on_test_begin()
    bar.on_chunk_end(2, 2, {"loss": 9.0})
    bar.on_test_end({"loss": 9.0})
    bar.on_epoch_end(0, {"loss": 0.5, "val_loss": 9.0})
    bar.on_train_end()
    assert timeless(file.getvalue()) == "Epoch 1/1  4/4  0.4s  loss 0.5  val_loss 9\n"


def test_prediction_has_a_line():
    file = io.StringIO()
    bar = ProgressBar(2, file=file)
    bar.on_predict_begin()
    bar.on_chunk_end(3, 3, {})
    bar.on_predict_end()
    assert timeless(file.getvalue()) == "predict  3/3  0.4s\n"


def test_an_epoch_that_stopped_early_says_how_far_it_came():
    file = io.StringIO()
    bar = ProgressBar(2, file=file)
    bar.on_epoch_begin(0)
    bar.on_chunk_end(3, 8, {"loss": float("nan")})
    bar.on_epoch_end(0, {"loss": float("nan")})
    assert timeless(file.getvalue()) == "Epoch 1/1  3/8  0.4s  loss nan\n"


def test_a_list_of_callbacks_drives_the_bar(capsys):
    calls = CallbackList([], add_progbar=True, verbose=2, epochs=1, steps=5)
    calls.on_train_begin()
    calls.on_epoch_begin(0)
    calls.on_chunk_end(5, 5, {"loss": 0.5})
    calls.on_epoch_end(0, {"loss": 0.5})
    calls.on_train_end()
    assert timeless(capsys.readouterr().out) == "Epoch 1/1  5/5  0.4s  loss 0.5\n"
    assert not calls.wants_batches


def test_bars_that_follow_in_quick_succession_are_drawn_now_and_then(terminal, monkeypatch):
    monkeypatch.setattr(progress, "REDRAW", 0.05)
    bar = ProgressBar(1, file=terminal)
    bar.on_epoch_begin(0)
    began = time.monotonic()
    calls = 0
    while time.monotonic() - began < 0.2:
        calls += 1
        bar.on_chunk_end(calls, 10**6, {})
    bar.close()
    drawn = terminal.getvalue().count("Epoch 1/1")
    assert calls > 50 and drawn < 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (12.34, "12.3s"), (59.94, "59.9s"), (59.96, "1:00"), (125, "2:05"),
     (3753.2, "1:02:33")],
)  # fmt: skip
def test_times_are_written_as_people_read_them(seconds, text):
    assert progress.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.33123, "0.3312"), (0.85, "0.85"), (1, "1"), (12345.6, "12346"), (1e-5, "1e-05"),
     (2.5e12, "2.5e+12"), (float("nan"), "nan"), (float("-inf"), "-inf"), ("x", "x")],
)  # fmt: skip
def test_numbers_are_written_in_few_digits(value, text):
    assert progress.number(value) == text


def test_lines_are_shortened_before_they_are_broken():
    logs = {"accuracy": 0.86123, "loss": 0.33123}
    wide = "Epoch 1/1  4/4  0.4s  accuracy 0.8612  loss 0.3312"
    fitted = lambda width: progress.fitted("Epoch 1/1", "4/4", "0.4s", logs, width)  # noqa: E731
    assert fitted(len(wide)) == [wide]
    assert fitted(len(wide) - 1) == ["Epoch 1/1  4/4  0.4s  accuracy 0.861  loss 0.331"]
    assert fitted(45) == ["Epoch 1/1 4/4 0.4s accuracy 0.861 loss 0.331"]
    assert fitted(42) == ["Epoch 1/1  4/4  0.4s  accuracy 0.8612", "    loss 0.3312"]


def test_a_pipe_keeps_one_line_per_epoch_however_many_metrics():
    file = io.StringIO()
    run(ProgressBar(2, file=file), epochs=1, result={f"metric_{i}": 0.5 for i in range(20)})
    assert len(file.getvalue().splitlines()) == 1
    assert "metric_18 0.5  metric_19 0.5" in file.getvalue()


@pytest.mark.parametrize("verbose", [3, -1, "always", None])
def test_an_unknown_verbosity_is_refused(verbose):
    with pytest.raises(OptionError, match="verbose to be 0, 1, 2 or 'auto'"):
        ProgressBar(verbose)
    with pytest.raises(OptionError):
        ProgressBar().set_params({"verbose": verbose})


def test_rich_is_not_imported_until_a_bar_is_drawn():
    code = (
        "import io, sys; from elman.progress import ProgressBar; "
        "bar = ProgressBar(2, file=io.StringIO()); bar.on_epoch_begin(0); "
        "bar.on_chunk_end(1, 1, {}); bar.on_epoch_end(0, {}); sys.exit('rich' in sys.modules)"
    )
    source = Path(progress.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=source, env=os.environ).returncode == 0


def test_a_bar_over_files_is_seen_on_a_terminal_after_a_while(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    assert list(waiting.over(["a", "b", "c"], "reading sounds")) == ["a", "b", "c"]
    shown = ESCAPE.sub("", terminal.getvalue())
    assert "reading sounds" in shown and "1/3" in shown and "left" in shown
    assert timeless(shown).splitlines()[-1] == "reading sounds  3/3  0.4s"


@pytest.mark.parametrize("seen", [False, True], ids=["in a pipe", "when it is quick"])
def test_a_bar_over_files_shows_nothing(seen, terminal, monkeypatch):
    file = terminal if seen else io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    if not seen:
        monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    assert list(waiting.over(range(50), "reading")) == list(range(50))
    assert not file.getvalue()


def test_the_terminal_is_given_back_when_reading_is_interrupted(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    with pytest.raises(KeyboardInterrupt), waiting.waiting("storing", 10, "MB") as show:
        show(4)
        raise KeyboardInterrupt
    end = terminal.getvalue()[-80:]
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor
    assert timeless(ESCAPE.sub("", end)).splitlines()[-1] == "storing (MB)  4/10  0.4s"
