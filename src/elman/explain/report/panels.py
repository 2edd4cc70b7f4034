"""An example drawn over time: its input, and what went on inside, on one time axis."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from elman.explain.report import pictures
from elman.explain.report.charts import ticks
from elman.explain.report.markup import number, paragraph, tag, text
from elman.explain.report.material import Material
from elman.explain.report.replay import NONE, Example, Strip, strip

Array = np.ndarray[Any, np.dtype[Any]]

#: Up to so many features have a curve each; more are a heat map.
CURVES = 4
#: So many words of a row are shown outside a replay.
WORDS = 80
#: Up to so many classes each have a bar with their name.
NAMED = 12
#: The height of such a bar, and of its line in the heat map beside it, in pixels; page.css has it.
ROW = 18


def drawn(x: Array, given: Material, steps: Array, counts: Array) -> str:
    """The input of one row: its words, curves or a heat map, and the time below.

    Args:
        x: the row: tokens [T], features [T, F], or plain features [F].
        given: names and units.
        steps: which steps to draw.
        counts: [steps], which of those count.
    """
    if x.dtype == np.int32:
        return words(x, given, steps, counts)
    if x.ndim == 1:
        shown = x[:WORDS]
        rest = f" … and {len(x) - WORDS:,} more" if len(x) > WORDS else ""
        measured = _measured(x, given)
        return paragraph(
            ", ".join(f"{given.feature(f)} {number(measured[f])}" for f in range(len(shown))) + rest
        )
    values = _measured(x, given)[steps].astype(np.float64)
    values[~counts] = np.nan
    if x.shape[1] <= CURVES:
        found = "".join(curve(given.feature(f), values[:, f]) for f in range(x.shape[1]))
    else:
        lines = tuple(given.feature(f) for f in range(x.shape[1]))
        standard = np.where(counts[:, None], x[steps], np.nan)
        found = panel(strip(f"input, {len(lines)} features", standard, lines))
    return found + time_axis(given, steps)


def words(x: Array, given: Material, steps: Array, counts: Array) -> str:
    """The words of a row, each in a box of its own; padding is left out."""
    boxes = " ".join(
        tag("span", text(given.word(int(x[step]))), data_t=place)
        for place, (step, there) in enumerate(zip(steps, counts, strict=True))
        if there
    )
    return tag("p", boxes or "no words", _class="words")


def curve(name: str, values: Array, beside: Array | None = None) -> str:
    """One feature over time, a gap where a step is masked; `beside` is dashed."""
    both = values if beside is None else np.concatenate([values, beside])
    seen = both[~np.isnan(both)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    span = high - low or 1.0
    lines = _polyline(values, low, span, "curve")
    if beside is not None:
        lines += _polyline(beside, low, span, "curve beside")
    svg = (
        f'<svg viewBox="0 0 {max(len(values), 1)} 100" preserveAspectRatio="none" '
        f'aria-hidden="true">{lines}</svg>'
    )
    return _panel(name, f"{number(low)} to {number(high)}", svg, "plot")


def panel(shown: Strip, values: bool = False, named: bool = False) -> str:
    """A heat map with its name and scale.

    Args:
        shown: what to draw.
        values: whether a script sets bars beside it to the values of one step.
        named: whether each line has a name that says something, such as that of a class.
    """
    signed = shown.low < 0
    lying = values and named and len(shown.lines) <= NAMED
    picture = tag(
        "img", None, src=pictures.heat(shown.values.T, signed), alt=_described(shown),
        style=f"height:{ROW * len(shown.lines) if lying else _height(len(shown.lines))}px",
    )  # fmt: skip
    scale = f"{number(shown.low)} to {number(shown.high)}"
    beside = ""
    data: dict[str, Any] = {}
    if values:
        beside = (_rows if lying else _bars)(shown)
        data = {
            "data_values": base64.b64encode(shown.values.tobytes()).decode(),
            "data_low": f"{shown.low:.6g}",
            "data_high": f"{shown.high:.6g}",
            "data_lines": "\n".join(map(_one_line, shown.lines)),
        }
    return _panel(_words(shown.name), scale, picture, "plot heat", beside, **data)


def time_axis(given: Material, steps: Array) -> str:
    """Numbers below the panels: seconds where a step has a length."""
    unit = given.seconds or 1.0
    last = float(steps[-1]) * unit if len(steps) else 0.0
    every = float(steps[1] - steps[0]) if len(steps) > 1 else 1.0
    marks = ticks(0.0, last, 6) if last > 0 else [0.0]
    if given.seconds is None:
        marks = [m for m in marks if m == round(m)]
    places = [(m / unit / every + 0.5) / max(len(steps), 1) for m in marks]
    numbers = "".join(
        tag("span", text(f"{mark:g}"), style=f"left:{100 * place:.2f}%")
        for mark, place in zip(marks, places, strict=True)
        if place <= 1
    )
    name = "seconds" if given.seconds else f"step ({given.step})" if given.step else "step"
    return tag(
        "div",
        tag("div", text(name), _class="label") + tag("div", numbers, _class="ticks"),
        _class="panel time",
        aria_hidden="true",
    )


def replayed(
    example: Example, x: Array, given: Material, title: str, is_open: bool, asked: str
) -> str:
    """One example with its slider; without a script it shows all steps.

    Args:
        asked: what the answer at each step is.
    """
    steps = len(example.steps)
    there = np.flatnonzero(example.counts)
    last = int(there[-1]) if len(there) else steps - 1
    tokens = x.dtype == np.int32
    labels = [
        given.time(int(s)) + (f" · {given.word(int(x[s]))}" if tokens and c else "")
        + ("" if c else " · masked, skipped")
        for s, c in zip(example.steps, example.counts, strict=True)
    ]  # fmt: skip
    name = "step" if given.seconds is None else "time"
    label = f"Row {example.row}: {name}"
    slider = (
        tag("button", "◀", type="button", data_move=-1, aria_label="one step back")
        + tag("input", None, type="range", min=0, max=steps - 1, value=last, aria_label=label,
              aria_valuetext=labels[last])
        + tag("button", "▶", type="button", data_move=1, aria_label="one step on")
        + tag("output", text(labels[last]))
    )  # fmt: skip
    parts = [tag("div", slider, _class="slider"), drawn(x, given, example.steps, example.counts)]
    if example.answer is not None:
        parts.append(tag("h4", text(asked)))
        parts.append(panel(example.answer, values=True, named=True))
    for place, layer in enumerate(example.layers):
        inside = "".join(panel(s, values=True) for s in layer.strips)
        head = f"{layer.name}: {layer.kind} of {layer.units:,} units"
        summary = tag("summary", text(head))
        parts.append(
            tag(
                "details", summary + inside + time_axis(given, example.steps),
                open="" if place < 2 else None,
            )
        )  # fmt: skip
    body = tag(
        "div", "".join(parts), _class="replay", data_steps=steps,
        data_labels="\n".join(_one_line(label) for label in labels),
        style=f"--t:{(last + 0.5) / max(steps, 1):.4f}",
    )  # fmt: skip
    return tag(
        "details", tag("summary", text(title)) + body, _class="example",
        open="" if is_open else None,
    )  # fmt: skip


def _bars(shown: Strip) -> str:
    """A bar for each line, and below them the least and the most in words."""
    kind = "bars signed" if shown.low < 0 else "bars"
    inside = tag("div", "<i></i>" * len(shown.lines), _class=kind, aria_hidden="true")
    return inside + tag("p", "", _class="now")


def _rows(shown: Strip) -> str:
    """The same lying down, each with its name and number."""
    rows = "".join(
        f'<div><span>{text(name)}</span><span class="bar"><i></i></span><b></b></div>'
        for name in shown.lines
    )
    return tag("div", rows, _class="rows signed" if shown.low < 0 else "rows")


# -- parts ----------------------------------------------------------------------------------------


def _panel(name: str, scale: str, plot: str, kind: str, beside: str = "", **data: Any) -> str:
    label = tag("div", tag("b", text(name)) + " " + tag("span", text(scale)), _class="label")
    cursor = '<u class="cursor"></u>'
    return tag(
        "div", label + tag("div", plot + cursor, _class=kind) + tag("div", beside, _class="side"),
        _class="panel", **data,
    )  # fmt: skip


def _polyline(values: Array, low: float, span: float, kind: str) -> str:
    path, pen = "", "M"
    for step, value in enumerate(values):
        if np.isnan(value):
            pen = "M"
            continue
        path += f"{pen}{step + 0.5:g} {95 - 90 * (value - low) / span:.1f}"
        if pen == "M" and (step + 1 == len(values) or np.isnan(values[step + 1])):
            path += "h.01"  # a single step is a dot
        pen = "L"
    return f'<path class="{kind}" d="{path}"/>'


def _measured(x: Array, given: Material) -> Array:
    """In the units it was measured in."""
    width = x.shape[-1]
    scale, center = np.asarray(given.scale), np.asarray(given.center)
    if scale.shape not in ((), (width,)) or center.shape not in ((), (width,)):
        return x
    return np.asarray(x * scale + center)


def _described(shown: Strip) -> str:
    seen = shown.values[shown.values != NONE].astype(np.float64)
    if not seen.size:
        return f"{_words(shown.name)}: no step counts"
    least, mean, most = (
        shown.low + q / (NONE - 1) * (shown.high - shown.low)
        for q in (seen.min(), seen.mean(), seen.max())
    )
    return (
        f"{_words(shown.name)}, {len(shown.lines)} lines by {len(shown.values)} steps: from "
        f"{least:.2g} to {most:.2g}, mean {mean:.2g}"
    )


def _height(lines: int) -> int:
    return int(np.clip(lines * 5, 14 * min(lines, 4), 96))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _one_line(label: str) -> str:
    return " ".join(label.split())
