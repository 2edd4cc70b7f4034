"""A picture of some sequences: how long they are, what their targets are, and a few of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data.frames import spelled
from elman.explain.plots import COLOURS, FAINT, INK, new_figure
from elman.ragged import Ragged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from elman.data.sequences import Sequences

Array = np.ndarray[Any, np.dtype[Any]]

#: Classes that get a bar of their own, sequences that are drawn, features drawn of each.
MOST_BARS, MOST_DRAWN, MOST_FEATURES = 12, 3, 6


def plot_sequences(data: Sequences) -> Figure:
    """Draw what `Sequences.plot` promises."""
    drawn = _chosen(data)
    below = 0 if data.vocabulary is not None else len(drawn)
    figure = new_figure(8.0, 2.6 + 1.3 * below)
    grid = figure.add_gridspec(1 + below, 2, height_ratios=[2.0, *[1.0] * below])
    _lengths(figure.add_subplot(grid[0, 0]), data)
    _targets(figure.add_subplot(grid[0, 1]), data)
    first: Axes | None = None
    for place, row in enumerate(drawn[:below]):
        axes = figure.add_subplot(grid[1 + place, :], sharex=first)
        first = first or axes
        _one(axes, data, row, last=place == below - 1)
    if below and data.features > 1 and data.feature_names and first is not None:
        first.legend(fontsize=7, frameon=False, loc="upper right", ncols=3)
    return figure


def _chosen(data: Sequences) -> list[int]:
    """A sequence of each class, as far as there is room."""
    classes = _classes(data)
    if classes is not None:
        return np.unique(classes, return_index=True)[1][:MOST_DRAWN].tolist()
    # The first are often of one kind, or windows that overlap.
    return np.linspace(0, len(data) - 1, min(len(data), MOST_DRAWN)).astype(int).tolist()


def _classes(data: Sequences) -> Array | None:
    """The class number of each sequence, where each has one."""
    targets = data.targets
    if data.names and isinstance(targets, np.ndarray) and targets.ndim == 1:
        return targets
    return None


def _lengths(axes: Axes, data: Sequences) -> None:
    lengths = data.lengths
    apart = len(np.unique(lengths))
    axes.hist(lengths, bins=min(30, max(apart, 1)), color=COLOURS[0])
    axes.set_title(f"{len(data):,} sequences", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("steps", fontsize=8)
    _quiet(axes)
    if apart == 1:
        axes.set_xticks(lengths[:1])  # one bar is wide enough for ticks between whole numbers
    else:
        axes.locator_params(axis="x", integer=True)


def _targets(axes: Axes, data: Sequences) -> None:
    if data.targets is None:
        axes.text(0.5, 0.5, "no targets", ha="center", va="center", color=FAINT)
        axes.set_axis_off()
        return
    numbers = data.targets.values if isinstance(data.targets, Ragged) else data.targets
    each = " of every step" if data.by_step else ""
    if not data.names:
        axes.hist(numbers.ravel(), bins=30, color=COLOURS[1])
        axes.set_title(f"targets{each}", loc="left", fontsize=9, color=INK)
        _quiet(axes)
        return
    counts = np.bincount(numbers.ravel(), minlength=len(data.names))
    most = np.sort(np.argsort(-counts, kind="stable")[:MOST_BARS])
    axes.barh([_short(data.names[n]) for n in most], counts[most], color=COLOURS[1])
    axes.invert_yaxis()
    more = f", the {MOST_BARS} largest" if len(data.names) > MOST_BARS else ""
    title = f"{len(data.names)} classes{each}{more}"
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    _quiet(axes)


def _one(axes: Axes, data: Sequences, row: int, last: bool) -> None:
    values = data[row] if data.kind != "forecast" or data.raw is None else data.raw[row]
    step = data.step or 1.0
    for feature in range(min(values.shape[1], MOST_FEATURES)):
        name = data.feature_names[feature] if data.feature_names else None
        style: Any = "." if len(values) == 1 else "-"
        colour = COLOURS[feature % len(COLOURS)]
        axes.plot(
            np.arange(len(values)) * step, values[:, feature], style,
            color=colour, linewidth=0.9, label=name,
        )  # fmt: skip
    if data.kind == "forecast" and data.targets is not None:
        _coming(axes, data, row, len(values), step)
    title = f"sequence {row}" if data.ids is None else str(data.ids[row])
    classes = _classes(data)
    if classes is not None:
        title += f": {data.names[classes[row]]}"
    if data.until is not None and data.times is not None:
        title += f", and what comes after {spelled(data.times[row])}"
    axes.set_title(_short(title, 90), loc="left", fontsize=8, color=INK)
    units = set(data.units)
    if len(units) == 1 and units != {""}:
        axes.set_ylabel(next(iter(units)), fontsize=8)
    if last:
        axes.set_xlabel("seconds" if data.step else "step", fontsize=8)
    else:
        axes.tick_params(labelbottom=False)
    _quiet(axes)


def _coming(axes: Axes, data: Sequences, row: int, steps: int, step: float) -> None:
    """What comes after a window, in its unit and in the colours of its features."""
    one = data.take(np.array([row]))
    coming: Any = one.prepared.restore(one.targets, one) if one.prepared else one.targets
    names = [] if one.prepared is None else list(dict(one.prepared.columns)["target"])
    for feature, after in enumerate(np.reshape(coming, (-1, max(len(names), 1))).T):
        place = (steps + np.arange(len(after))) * step
        colour = COLOURS[feature % len(COLOURS)]
        axes.plot(place, after, "o", color=colour, markersize=2.5)
    axes.axvline((steps - 0.5) * step, color=FAINT, linewidth=0.7, linestyle=":")


def _short(text: str, longest: int = 24) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _quiet(axes: Axes) -> None:
    axes.tick_params(labelsize=7, colors=FAINT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
