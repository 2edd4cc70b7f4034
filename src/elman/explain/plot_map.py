"""The picture of a map of words: no label covers another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.explain.plots import COLOURS, FAINT, INK, new_figure, plain, saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    from elman.explain.meaning import Map

#: Where a label may stand beside its point, in points: the first that is free is taken.
PLACES = [
    (5, 0, "left", "center"),
    (-5, 0, "right", "center"),
    (0, 5, "center", "bottom"),
    (0, -5, "center", "top"),
    (4, 4, "left", "bottom"),
    (-4, 4, "right", "bottom"),
    (4, -4, "left", "top"),
    (-4, -4, "right", "top"),
]
#: Pixels that stay free around a label, so that neighbours do not read as one word.
APART = 2


def plot_map(found: Map, path: str | Path | None = None) -> Figure:
    """See `Map.plot`."""
    figure = new_figure(8.0, 6.0)
    axis = figure.add_subplot()
    plain(axis)
    axis.scatter(found.xy[:, 0], found.xy[:, 1], s=14, color=COLOURS[0], linewidths=0)
    axis.axhline(0, color=FAINT, linewidth=0.5, zorder=0)
    axis.axvline(0, color=FAINT, linewidth=0.5, zorder=0)
    axis.margins(0.12)
    first, second = (f"{share:.0%} of the variance" for share in found.shares)
    axis.set_xlabel(f"first axis: {first}", color=INK, fontsize=9)
    axis.set_ylabel(f"second axis: {second}", color=INK, fontsize=9)
    axis.set_title(f"{len(found.words)} words", loc="left", color=INK, fontsize=10)
    figure.draw_without_rendering()  # lays the axes out, so that labels can be measured
    unlabelled = _label(figure, axis, found)
    if unlabelled:
        axis.set_title(
            f"{len(found.words)} words, {unlabelled} of them too close to others for a label",
            loc="left", color=INK, fontsize=10,
        )  # fmt: skip
    return saved(figure, path)


def _label(figure: Any, axis: Any, found: Map) -> int:
    """Label the points, the outermost first; returns how many had no room."""
    renderer = figure.canvas.get_renderer()
    points = axis.transData.transform(found.xy)
    frame = axis.get_window_extent(renderer)
    taken: list[Bbox] = []
    missed = 0
    for i in np.argsort(-np.hypot(*found.xy.T), kind="stable"):
        for dx, dy, across, along in PLACES:
            text = axis.annotate(
                found.words[i], found.xy[i], (dx, dy), textcoords="offset points",
                ha=across, va=along, fontsize=8, color=INK, parse_math=False,
            )  # fmt: skip
            box = text.get_window_extent(renderer).padded(APART)
            if (
                frame.containsx(box.x0)
                and frame.containsx(box.x1)
                and not box.count_contains(np.delete(points, i, axis=0))
                and not box.count_overlaps(taken)
            ):
                taken.append(box)
                break
            text.remove()
        else:
            missed += 1
    return missed
