"""The progress of `fit`, `evaluate` and `predict`, as a live bar or as one line per epoch; and of
whatever else takes long.

While an epoch runs, a terminal shows a bar; when it ends, one plain line stays:

    Epoch 3/5  84/84  0.4s  accuracy 0.861  loss 0.3312  val_accuracy 0.85  val_loss 0.35

A pipe or a file gets that line only. rich is imported when the first bar is drawn, not before: an
epoch that is over in a blink costs no import.
"""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from elman.callbacks import Callback, Logs
from elman.errors import OptionError

#: Redrawing more often than this many seconds is not seen, only paid for.
REDRAW = 0.05


class ProgressBar(Callback):
    """Shows how far a loop is and what it has reached.

    Args:
        verbose: 0 shows nothing, 1 a live bar and then one line per epoch, 2 one line per epoch;
            "auto" is 1 on a terminal or in a notebook, and 2 elsewhere. Where nothing can move,
            as in a pipe, 1 shows what 2 shows.
        epochs: how many epochs there will be; `set_params` sets it too.
        file: where to write; None for the standard output of the moment.

    Raises:
        OptionError: verbose has none of these values.
    """

    #: Tells `CallbackList` that this callback never asks for single batches.
    is_progress_bar = True

    def __init__(
        self, verbose: int | str = "auto", epochs: int = 1, file: TextIO | None = None
    ) -> None:
        self.params = {}
        self.verbose = _checked(verbose)
        self.epochs = epochs
        self.file = file
        self._live: Any = None
        self._label: str | None = None  # None while nothing runs
        self._in_fit = False
        self._validating = False
        self._done = self._batches = 0
        self._logs: Logs = {}
        self._began = self._drawn = 0.0
        self._notebook_width = 0

    def set_params(self, params: Logs) -> None:
        super().set_params(params)
        self.verbose = _checked(params.get("verbose", self.verbose))
        self.epochs = params.get("epochs") or self.epochs

    # fit

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._in_fit = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._begin(f"Epoch {epoch + 1}/{self.epochs}")

    def on_chunk_end(self, batches_done: int, batches: int, logs: Logs) -> None:
        """Redraw; called now and then, and after the last batch."""
        if self._validating or self._label is None:
            return
        self._done, self._batches, self._logs = batches_done, batches, dict(logs or {})
        now = time.monotonic()
        if self.verbose == 0 or now - self._drawn < REDRAW:
            return
        self._drawn = now
        if _is_notebook():
            if self.verbose in (1, "auto"):
                self._draw_in_notebook()
        elif self.verbose in (1, "auto") and _is_terminal(self._stream()):
            self._draw(now - self._began)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._end(logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._in_fit = False
        self.close()

    # evaluate; inside fit it is validation, and the epoch's line stays

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if self._in_fit:
            self._validating = True
        else:
            self._begin("evaluate")

    def on_test_end(self, logs: Logs | None = None) -> None:
        if self._validating:
            self._validating = False
        else:
            self._end(logs)

    # whatever else takes long

    def begin(self, label: str, since: float) -> None:
        """Start by hand, with a label and the `time.monotonic()` at which it began."""
        self._begin(label)
        self._began = since

    # predict

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._begin("predict")

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._end(None)

    def close(self) -> None:
        """Give the terminal back, whatever happened. Calling it twice does no harm.

        A bar that was moving leaves the line it had reached.
        """
        if self._label is not None and self._drawing():
            self._erase()
            self._write_line(self._logs)
        self._label = None
        self._validating = self._in_fit = False

    def _begin(self, label: str) -> None:
        self._erase()
        self._label = label
        self._done, self._batches = 0, self.params.get("steps") or 0
        self._logs = {}
        self._began = self._drawn = time.monotonic()

    def _end(self, logs: Logs | None) -> None:
        self._erase()
        if self._label is not None and self.verbose != 0:
            self._done = self._done or self._batches
            self._write_line(logs or {})
        self._label = None

    def _stream(self) -> TextIO:
        return self.file if self.file is not None else sys.stdout

    def _drawing(self) -> bool:
        return self._live is not None or self._notebook_width > 0

    def _write_line(self, logs: Logs) -> None:
        stream = self._stream()
        terminal = _is_terminal(stream)
        width = _columns() if terminal else 80
        elapsed = time.monotonic() - self._began
        assert self._label is not None
        lines = fitted(self._label, self._counts(), duration(elapsed), logs, width)
        if not terminal:  # a file keeps one line per epoch, however long
            lines = ["  ".join(line.strip() for line in lines)]
        stream.write("\n".join(lines) + "\n")
        stream.flush()

    def _counts(self) -> str:
        return f"{self._done}/{self._batches}" if self._batches else ""

    def _draw(self, elapsed: float) -> None:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            console = Console(file=self._stream(), highlight=False)
            # Transient: the bar disappears when it stops, and the plain line takes its place.
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._bar(elapsed), refresh=True)

    def _bar(self, elapsed: float) -> Any:
        """The moving line, a `rich.text.Text` that fits the terminal's width."""
        from rich.text import Text

        console = self._live.console
        share = self._done / self._batches if self._batches else 0.0
        left = elapsed / share - elapsed if share > 0 else 0.0
        counts = self._counts().rjust(2 * len(str(self._batches)) + 1)
        head, tail = f"{self._label}  ", f"  {counts}  {duration(left)} left"
        room = console.width - len(head) - len(tail)
        words = metrics(self._logs)
        # The bar gives way to the metrics, but not altogether.
        size = min(30, room, max(10, room - sum(len(word) + 2 for word in words)))
        size = max(0, size)
        filled = round(share * size)
        dash = "-" if console.options.ascii_only else "━"
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        text.append(head, "bold")
        text.append(dash * filled, "green")
        # Without colour, the part to come would look like the part that is done.
        text.append((" " if console.no_color else dash) * (size - filled), "bright_black")
        text.append(tail)
        room -= size
        for word in words:
            room -= len(word) + 2
            if room < 0:
                break
            text.append(f"  {word}")
        return text

    def _draw_in_notebook(self) -> None:
        # Notebooks understand a carriage return, and need no widgets for it.
        lines = fitted(str(self._label), self._counts(), "", self._logs, 80)
        self._stream().write("\r" + lines[0].ljust(self._notebook_width))
        self._stream().flush()
        self._notebook_width = len(lines[0])

    def _erase(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()
        if self._notebook_width:
            self._stream().write("\r" + " " * self._notebook_width + "\r")
            self._notebook_width = 0


class TrainingBar(ProgressBar):
    """One live bar over all epochs, with what the last one reached on the validation data.

    Nothing of it stays: for those who say themselves how it went. Args: as of `ProgressBar`.
    """

    _epoch = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self._begin("Training")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_chunk_end(self, batches_done: int, batches: int, logs: Logs) -> None:
        done = self._epoch * batches + batches_done
        super().on_chunk_end(done, self.epochs * batches, self._logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        told = {k: v for k, v in (logs or {}).items() if k.startswith("val_")}
        # What decides comes first: the end of a line may have no room.
        self._logs = dict(sorted(told.items(), key=lambda one: one[0] != "val_loss"))

    def close(self) -> None:
        self._erase()
        self._label = None
        self._validating = self._in_fit = False

    def _counts(self) -> str:
        return f"epoch {self._epoch + 1}/{self.epochs}"


def duration(seconds: float) -> str:
    """A time as people read it: 0.4s, 12.3s, 2:05, 1:02:33."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def number(value: Any, digits: int = 4) -> str:
    """A metric's value in few digits: 0.3312, 0.85, 12346, 1e-05."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return str(value)
    if 10**digits <= abs(value) < 1e9:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def metrics(logs: Logs, digits: int = 4) -> list[str]:
    """The logs as words: ["accuracy 0.861", "loss 0.3312"]."""
    return [f"{name} {number(value, digits)}" for name, value in logs.items()]


def fitted(label: str, counts: str, elapsed: str, logs: Logs, width: int) -> list[str]:
    """An epoch in one line of at most `width` characters, or in several where it cannot be.

    Shortened step by step: fewer digits, then less space, then further lines, indented.
    """
    head = [word for word in (label, counts, elapsed) if word]
    for digits, gap in ((4, "  "), (3, "  "), (3, " ")):
        line = gap.join([*head, *metrics(logs, digits)])
        if len(line) <= width:
            return [line]
    lines = ["  ".join(head)]
    for metric in metrics(logs):
        if len(lines[-1]) + 2 + len(metric) <= width:
            lines[-1] += f"  {metric}"
        else:
            lines.append(f"    {metric}")
    return lines


def _checked(verbose: Any) -> int | str:
    if verbose in (0, 1, 2, "auto"):
        return verbose if verbose == "auto" else int(verbose)
    raise OptionError(
        f"ProgressBar expected verbose to be 0, 1, 2 or 'auto', got {verbose!r}. Use 0 for "
        "silence, 1 for a live bar, 2 for one line per epoch."
    )


def _columns() -> int:
    import shutil  # late: it brings all of Python's compressors along

    return shutil.get_terminal_size((80, 24)).columns


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # not a real stream, or closed
        return False


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    return type(ipython.get_ipython()).__name__ in ("ZMQInteractiveShell", "Shell")
