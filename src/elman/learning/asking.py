"""What `elman predict` and `elman evaluate` do, step by step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from elman.errors import FileError, OptionError
from elman.learning import forecasting, telling, writing
from elman.learning.answering import answer
from elman.learning.evaluating import Evaluation, compare
from elman.learning.forecasting import Forecasts
from elman.learning.reading import read
from elman.saving import load_model
from elman.saving.replacing import replace, require_free

WRITERS = {".csv": writing.as_csv, ".jsonl": writing.as_json_lines}


def predict(
    model: str,
    source: str,
    *,
    out: str | None = None,
    top: int | None = None,
    overwrite: bool = False,
    as_json: bool = False,
) -> None:
    """Open a model, read data as it says, and print or write its answers.

    Args:
        model: a .keras file.
        source: a file or folder, or "-"; see `read`.
        out: a .csv or .jsonl file; where None, the answers are printed: as a table on a terminal,
            else as CSV.
        top: only so many classes, the likeliest.
        overwrite: whether `out` may be there.
        as_json: whether to print JSON lines.

    Raises:
        ElmanError: before any work, where model, data or the file cannot be.
    """
    if top is not None and top < 1:
        raise OptionError(f"predict expected --top to be 1 or more classes, got {top}.")
    path = None if out is None else _target(Path(out), overwrite)
    opened = load_model(model)
    data = read(opened, source, "predict")
    seen = sys.stdout.isatty() and not as_json
    answers = answer(opened, data, verbose=1 if seen else 0)
    if path is not None:
        text = "".join(WRITERS[path.suffix.lower()](answers, top))
        replace(path, text.encode(), "predict")
        print(f"{len(answers):,} answers written to {path}", file=sys.stderr)
    if as_json:
        sys.stdout.writelines(writing.as_json_lines(answers, top))
    elif path is None and seen:
        from rich.console import Console

        Console(highlight=False).print(writing.shown(answers, top))
    elif path is None:
        sys.stdout.writelines(writing.as_csv(answers, top))


def _target(path: Path, overwrite: bool) -> Path:
    """The file to write, asked before any work."""
    if path.suffix.lower() not in WRITERS:
        raise FileError(
            f"predict expected --out to end in {' or '.join(WRITERS)}, got '{path}'. Add it."
        )
    require_free(path, "predict", overwrite)
    return path


def evaluate(model: str, source: str, as_json: bool = False) -> None:
    """Open a model, read data as it says, and print how good its answers are.

    Args:
        model: a .keras file.
        source: a file or folder with targets; see `read`.
        as_json: whether to print one JSON document.

    Raises:
        ElmanError: where model and data cannot be.
    """
    opened = load_model(model)
    data = read(opened, source, "evaluate", targets=True)
    seen = sys.stdout.isatty() and not as_json
    found: Evaluation | Forecasts
    if data.kind == "forecast":
        found = forecasting.judge(opened, data, data)
    else:
        found = compare(answer(opened, data, verbose=1 if seen else 0), data)
    if as_json:
        told = found.to_dict()
        document = {"model": model, "data": source, "sequences": len(data), **told}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print(source, len(data), found)


def _print(source: str, sequences: int, found: Evaluation | Forecasts) -> None:
    console = telling.console()
    if isinstance(found, Forecasts):
        console.print(f"{source}: {sequences:,} windows\n\n{found}", markup=False)
        return
    steps = f" of {found.steps:,} steps in all" if found.steps is not None else ""
    console.print(f"{source}: {sequences:,} sequences{steps}\n", markup=False)
    compared = {f"{telling.always(found.names)} of these": found.constant}
    compared["this network"] = found.network
    console.print(telling.scoreboard(compared))
    if found.network.confusion is not None:
        console.print()
        console.print(telling.confusion(found.network, found.names, console.width))
