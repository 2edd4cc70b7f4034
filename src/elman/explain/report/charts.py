"""Small charts as SVG: axes with words, lines that are told apart by more than colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from elman.explain.report.markup import text

#: Of a chart, in CSS pixels at its natural size: a phone's width.
WIDE, HIGH = 350, 232
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 22, 40
#: Of a letter, on average, and between two labels.
LETTER, LINE = 6.3, 14
#: A logarithmic axis spans so many at least: what hardly changes is to look like it.
DECADES = 2


@dataclass
class Line:
    """A line, or dots.

    Attributes:
        label: stands at its end.
        points: (x, y); a y that is not finite leaves a gap.
        marks: points to be ringed.
    """

    label: str
    points: Sequence[tuple[float, float]]
    marks: Sequence[tuple[float, float]] = ()


def chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    log: bool = False,
    backwards: bool = False,
    dots: bool = False,
    diagonal: bool = False,
    zero: bool = False,
) -> str:
    """A chart of lines, or of dots.

    Args:
        title: what it shows, read aloud in its place.
        lines: up to six.
        x_label, y_label: words for the axes, units included.
        log: a logarithmic y axis; what is not above 0 is left out.
        backwards: whether x runs to the left.
        dots: dots instead of lines.
        diagonal: a line where x and y are the same.
        zero: whether y begins at 0.
    """
    seen = [(x, y) for line in lines for x, y in line.points if _there(y, log)]
    if not seen:
        return f'<p class="none">{text(title)}: there is nothing to draw.</p>'
    xs = [x for x, _ in seen]
    ys = [math.log10(y) if log else y for _, y in seen] + ([0.0] if zero else [])
    if diagonal:
        xs = ys = xs + ys
    if log:
        ys.append(max(ys) - DECADES)
    labels = [_short(line.label) for line in lines]
    right = RIGHT if dots else RIGHT + max(len(label) for label in labels) * LETTER
    x_axis = _Axis(min(xs), max(xs), LEFT, WIDE - right)
    y_axis = _Axis(min(ys), max(ys), HIGH - BOTTOM, TOP)
    if backwards:
        x_axis.first, x_axis.last = x_axis.last, x_axis.first
    parts = [_frame(x_axis, y_axis, x_label, y_label, log)]
    if diagonal:
        low, high = max(x_axis.low, y_axis.low), min(x_axis.high, y_axis.high)
        parts.append(
            f'<path class="guide" d="M{x_axis(low):.1f} {y_axis(low):.1f}'
            f'L{x_axis(high):.1f} {y_axis(high):.1f}"/>'
        )
    ends = []
    for number, line in enumerate(lines):
        placed = [
            (x_axis(x), y_axis(math.log10(y) if log else y)) if _there(y, log) else None
            for x, y in line.points
        ]
        kind = f"line l{number % 6}"
        if dots:
            parts += [f'<circle class="dot" cx="{p[0]:.1f}" cy="{p[1]:.1f}" r="3"/>'
                      for p in placed if p]  # fmt: skip
            continue
        parts.append(f'<path class="{kind}" d="{_path(placed)}"/>')
        there = [p for p in placed if p]
        if len(there) == 1:
            parts.append(
                f'<circle class="mark l{number % 6}" cx="{there[0][0]:.1f}" '
                f'cy="{there[0][1]:.1f}" r="3"/>'
            )
        for x, y in line.marks:
            if _there(y, log):
                at = x_axis(x), y_axis(math.log10(y) if log else y)
                parts.append(
                    f'<circle class="mark l{number % 6}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="4"/>'
                )
        if there:
            ends.append((max(there)[1], labels[number], number))
    parts += _end_labels(ends, WIDE - right + 6)
    return (
        f'<svg class="chart" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{text(title)}">'
        f"{''.join(parts)}</svg>"
    )


class _Axis:
    """From values to places."""

    def __init__(self, low: float, high: float, first: float, last: float) -> None:
        if not high > low:
            room = abs(low) * 0.1 or 1.0
            low, high = low - room, high + room
        self.low, self.high, self.first, self.last = low, high, first, last

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers within an interval.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Whole numbers between two: powers of ten of a logarithmic axis, at most six or so."""
    first, last = math.ceil(low - 1e-6), math.floor(high + 1e-6)
    return [float(n) for n in range(first, last + 1, max(1, -(-(last - first) // 6)))]


def _frame(x_axis: _Axis, y_axis: _Axis, x_label: str, y_label: str, log: bool) -> str:
    bottom, left = HIGH - BOTTOM, min(x_axis.first, x_axis.last)
    right = max(x_axis.first, x_axis.last)
    parts = []
    for value in _decades(y_axis.low, y_axis.high) if log else ticks(y_axis.low, y_axis.high):
        y = y_axis(value)
        name = (
            f"{10**value:.0e}" if log and abs(value) > 3 else f"{10**value if log else value:.6g}"
        )
        parts.append(
            f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>'
            f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
        )
    parts.append(f'<path class="axis" d="M{left:.1f} {bottom}H{right:.1f}"/>')
    span = right - left
    for value in ticks(x_axis.low, x_axis.high, max(2, int(span // 36))):
        x = x_axis(value)
        parts.append(
            f'<path class="axis" d="M{x:.1f} {bottom}v4"/>'
            f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(
        f'<text class="what" x="{(left + right) / 2:.1f}" y="{HIGH - 6}" text-anchor="middle">'
        f"{text(x_label)}</text>"
        f'<text class="what" x="4" y="12">{text(y_label)}</text>'
    )
    return "".join(parts)


def _path(placed: Sequence[tuple[float, float] | None]) -> str:
    path, pen = "", "M"
    for place in placed:
        if place is None:
            pen = "M"
            continue
        path += f"{pen}{place[0]:.1f} {place[1]:.1f}"
        pen = "L"
    return path


def _end_labels(ends: list[tuple[float, str, int]], x: float) -> list[str]:
    """Labels beside the ends of lines, pushed apart where they would meet."""
    ends = sorted(ends)
    places = [y for y, _, _ in ends]
    for n in range(1, len(places)):
        places[n] = max(places[n], places[n - 1] + LINE)
    low = HIGH - BOTTOM
    for n in reversed(range(len(places))):
        places[n] = min(places[n], low)
        low = int(places[n] - LINE)
    return [
        f'<text class="name t{number % 6}" x="{x:.1f}" y="{y + 4:.1f}">{text(label)}</text>'
        for y, (_, label, number) in zip(places, ends, strict=True)
    ]


def _there(y: float, log: bool) -> bool:
    return math.isfinite(y) and (y > 0 or not log)


def _short(label: str, most: int = 14) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"
