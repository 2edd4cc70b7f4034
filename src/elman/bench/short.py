"""The short form: elman alone, on a few cases, in seconds."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from elman import _core
from elman.bench.cases import CASES, Case
from elman.bench.measure import Spread, repeated
from elman.errors import OptionError, unknown_name
from elman.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

#: One of each kind, and one where arithmetic is most of the time.
USUAL = ("audio", "text_lstm", "ecg", "lstm128")


class Result(NamedTuple):
    """How long one thing took."""

    case: str
    what: str  #: "train": one step; "predict": one call on one batch
    milliseconds: Spread
    flops: float  #: floating-point operations of one step or call, by formula

    @property
    def gflops(self) -> float:
        """Billions of floating-point operations a second, at the median."""
        return self.flops / self.milliseconds.median / 1e6


class Report(NamedTuple):
    """What `elman bench` found."""

    machine: dict[str, Any]
    peak: float  #: floating-point operations a second of multiply-adds alone, on the same threads
    results: list[Result]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [
            {
                "case": r.case,
                "what": r.what,
                "ms": r.milliseconds._asdict(),
                "gflops": r.gflops,
                "of_peak": r.gflops * 1e9 / self.peak,
            }
            for r in self.results
        ]
        return {"machine": self.machine, "peak_gflops": self.peak / 1e9, "results": rows}


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and with what."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "elman": __version__,
        "isa": _core.isa(),
        "threads": _core.threads(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def run(
    cases: Sequence[str] = USUAL,
    seconds: float = 1.0,
    json_file: str | Path | None = None,
    verbose: int = 1,
) -> Report:
    """Measure training steps and predictions, through `fit` and `predict`.

    Args:
        cases: names from `CASES`.
        seconds: how long to measure each case, one half training and one half predicting.
        json_file: where to write the report as JSON, if anywhere.
        verbose: 0 prints nothing.

    Raises:
        UnknownNameError: there is no such case.
        OptionError: `seconds` is not positive, or the file cannot be written.
    """
    for name in cases:
        if name not in CASES:
            raise unknown_name("bench", "case", name, CASES)
    if not 0 < seconds < float("inf"):
        raise OptionError(f"bench expected a positive number of seconds, got {seconds:g}.")
    if json_file is not None:
        _check_writable(Path(json_file))
    results: list[Result] = []
    # At the beginning and at the end: the clock of a laptop sinks when it gets warm.
    peak = _core.fma_peak(0.1)
    for name in cases:
        results += measure(CASES[name], seconds)
    report = Report(machine(), max(peak, _core.fma_peak(0.1)), results)
    if json_file is not None:
        Path(json_file).write_text(json.dumps(report.as_dict(), indent=1) + "\n")
    if verbose:
        _print(report)
    return report


def measure(case: Case, seconds: float) -> list[Result]:
    """Training and prediction of one case, half of the time each."""
    x, y = case.data()
    model = case.model()

    def train(epochs: int) -> None:
        model.fit(x, y, batch_size=case.batch, epochs=epochs, verbose=0)

    few = x[: case.batch]

    def predict(calls: int) -> None:
        for _ in range(calls):
            model.predict(few, batch_size=case.batch, verbose=0)

    steps = [s / case.batches * 1e3 for s in repeated(train, seconds / 2)]
    calls = [s * 1e3 for s in repeated(predict, seconds / 2)]
    return [
        Result(case.name, "train", Spread.of(steps), case.flops()),
        Result(case.name, "predict", Spread.of(calls), case.flops(training=False)),
    ]


def _check_writable(path: Path) -> None:
    """Before any work starts: minutes of measuring must not end in a mistyped folder."""
    if path.is_dir() or not path.parent.is_dir():
        raise OptionError(
            f"bench expected a file to write JSON to, got '{path}'. Name a file in a folder that "
            "exists."
        )


def _print(report: Report, console: Console | None = None) -> None:
    from rich.console import Console
    from rich.table import Table

    if console is None:
        console = Console(highlight=False)
        console.width = min(console.width, 80)
    about = report.machine
    console.print(
        f"elman {about['elman']} on {about['processor']}, {about['threads']} of {about['cores']} "
        f"cores, {about['isa']}: {report.peak / 1e9:.0f} GFLOP/s at most (measured).",
        markup=False,
    )
    table = Table(title="One step on one batch of 32", title_style="bold", title_justify="left")
    table.add_column("case", no_wrap=True)
    table.add_column("", no_wrap=True)
    for heading in ("ms,\nmedian", "quartiles", "GFLOP/s", "share of\nthe peak"):
        table.add_column(heading, justify="right", no_wrap=True)
    for i, result in enumerate(report.results):
        ms = result.milliseconds
        table.add_row(
            result.case if result.what == "train" else "",
            result.what,
            f"{ms.median:.4g}",
            f"{ms.low:.4g} - {ms.high:.4g}",
            f"{result.gflops:.1f}",
            f"{100 * result.gflops * 1e9 / report.peak:.0f} %",
            end_section=i + 1 < len(report.results) and result.what == "predict",
        )
    console.print(table)
    console.print(
        "float32, RMSprop, through fit and predict; arithmetic of the matrix products alone.",
        style="dim",
    )
