"""Answers as a table: CSV, JSON lines, or for a terminal."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.explain.as_text import seen
from elman.learning.answering import Answers

if TYPE_CHECKING:
    from rich.table import Table

#: Answers that a terminal shows, and classes of each.
SHOWN, FEW = 40, 4


def as_csv(answers: Answers, top: int | None = None) -> Iterator[str]:
    """The lines of a CSV file, its header first.

    Args:
        answers: what a model said.
        top: so many classes, the likeliest first; all of them where None, each in its column.
    """
    for cells in _rows(answers, top):
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        yield line.getvalue()


def as_json_lines(answers: Answers, top: int | None = None) -> Iterator[str]:
    """One JSON object for each answer, in a line of its own; see `as_csv`."""
    likely, times = answers.likeliest(top) if answers.names else None, _moments(answers.times)
    for row, said in enumerate(answers.said):
        found: dict[str, Any] = {"id": answers.where[row]}
        if answers.times is not None:
            found["time"] = times[row]
        if answers.steps is not None:
            found["step"] = int(answers.steps[row])
        if likely is not None:
            found["predicted"] = answers.names[int(said)]
            found["probabilities"] = {name: _number(p, 6) for name, p in next(likely)}
        else:
            numbers = [_number(value) for value in said]
            several = answers.outputs and dict(zip(answers.outputs, numbers, strict=True))
            found["predicted"] = numbers[0] if len(numbers) == 1 else several or numbers
        yield json.dumps(found, ensure_ascii=False) + "\n"


def shown(answers: Answers, top: int | None = None) -> Table:
    """The first answers, for a terminal; of many classes the likeliest; see `as_csv`."""
    from rich.table import Table
    from rich.text import Text

    if top is None and len(answers.names) > FEW:
        top = FEW - 1
    rows = _rows(answers, top, brief=True)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for place, name in enumerate(next(rows)):
        word = name.startswith(("id", "predicted")) and bool(answers.names or not place)
        table.add_column(Text(seen(name)), justify="left" if word else "right", overflow="fold")
    for cells, _ in zip(rows, range(SHOWN), strict=False):
        table.add_row(*(Text(seen(cell)) for cell in cells))
    more = len(answers) - SHOWN
    if more > 0:
        table.caption = f"and {more:,} more; --out FILE.csv has all"
        table.caption_justify = "left"
    return table


def _rows(answers: Answers, top: int | None, brief: bool = False) -> Iterator[list[str]]:
    """The cells of each row, the names of the columns first."""
    begin = ["id"]
    begin += ["time"] if answers.times is not None else []
    begin += ["step"] if answers.steps is not None else []
    yield begin + _columns(answers, top)
    likely, times = answers.likeliest(top) if answers.names else None, _moments(answers.times)
    for row, said in enumerate(answers.said):
        cells = [answers.where[row]]
        if answers.times is not None:
            cells.append(str(times[row]))
        if answers.steps is not None:
            cells.append(str(answers.steps[row]))
        if likely is None:
            cells += [f"{value:.5g}" if brief else f"{value:.9g}" for value in said]
        elif top:
            cells += [cell for name, p in next(likely) for cell in (name, _share(p, brief))]
        else:
            cells += [answers.names[int(said)], *(_share(p, brief) for _, p in next(likely))]
        yield cells


def _columns(answers: Answers, top: int | None) -> list[str]:
    if not answers.names:
        width = answers.values.shape[1]
        outputs = answers.outputs or range(width)
        return ["predicted"] if width == 1 else [f"predicted {name}" for name in outputs]
    if not top:
        return ["predicted", *(f"p({name})" for name in answers.names)]
    places = ["", *(f" {place}" for place in range(2, min(top, len(answers.names)) + 1))]
    return [f"{what}{place}" for place in places for what in ("predicted", "p")]


def _share(p: float, brief: bool) -> str:
    return f"{p:.3f}" if brief else f"{p:.6g}"


def _number(value: float, digits: int = 9) -> float | None:
    """A number as JSON has it, which knows neither NaN nor infinity."""
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


def _moments(times: Any) -> list[Any]:
    """Times as numbers, whole where they are; or as dates, all to the day or all to the second."""
    if times is None or times.dtype.kind != "M":
        numbers = [] if times is None else [float(f"{time:.9g}") for time in times]
        return [int(one) if one.is_integer() else one for one in numbers]
    texts = np.datetime_as_string(times, unit="ms").tolist()
    for ending in (".000", "T00:00:00"):
        if all(text.endswith(ending) for text in texts):
            texts = [text.removesuffix(ending) for text in texts]
    return list(texts)
