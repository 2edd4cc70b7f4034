"""The picture of a trace: the input above, below it a heat map of each gate and state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import OptionError, ShapeError, unknown_name
from elman.explain import plots
from elman.layers.layer import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from elman.explain.trace import Trace

Array = np.ndarray[Any, np.dtype[Any]]

#: Up to so many features are lines; more are a heat map.
LINES = 4
#: Up to so many words stand below the time axis; of more every second, third ...
WORDS = 60


def plot_trace(
    trace: Trace,
    row: int,
    layer: str | None,
    tokens: Iterable[str] | Mapping[int, str] | None,
    seconds: float | None,
    units: Iterable[int] | None,
    features: Iterable[str] | None,
    path: str | Path | None,
) -> Figure:
    """See `Trace.plot`."""
    names = _layers(trace, layer)
    chosen = None if units is None else _units(trace, names, units)
    row = _row(trace, row)
    words = _words(trace, row, tokens)
    inputs = _features(trace, features)
    if seconds is not None and not seconds > 0:
        raise OptionError(
            f"plot expected seconds, the duration of a step, to be above 0, got {seconds!r}. "
            "Use e.g. 1 / 100 for 100 steps a second."
        )
    step = seconds or 1.0
    panels = [(name, gate) for name in names for gate in trace.layers[name].gates]
    wide = float(np.clip(0.16 * trace.steps, 7.5, 16))
    figure = plots.new_figure(wide, 1.3 + 1.15 * len(panels))
    ratios = [1.0] + [1.3] * len(panels)
    axes: list[Any] = list(
        figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    )
    _draw_input(axes[0], trace, row, step, words, inputs)
    for axis, (name, gate) in zip(axes[1:], panels, strict=True):
        _draw_gate(axis, trace, f"{name}/{gate}", row, step, chosen)
        _hatch(axis, trace.layers[name].mask, row, step)
    _hatch(axes[0], trace.mask, row, step)
    _label_time(axes[-1], trace.steps, step, seconds, words)
    figure.suptitle(f"Row {row}", fontsize=9, color=plots.INK, x=0.01, ha="left")
    return plots.saved(figure, path)


# -- what was asked for ---------------------------------------------------------------------------


def _layers(trace: Trace, layer: str | None) -> list[str]:
    if layer is None:
        return list(trace.layers)
    if layer not in trace.layers:
        raise unknown_name("plot", "recurrent layer", layer, trace.layers)
    return [layer]


def _row(trace: Trace, row: int) -> int:
    row = whole("plot", "row", row, 0)
    if row >= trace.rows:
        raise OptionError(
            f"plot expected one of the {trace.rows} rows of the trace, got {row}. They count "
            "from 0."
        )
    return row


def _units(trace: Trace, names: list[str], units: Iterable[int]) -> list[int]:
    chosen = [whole("plot", "each of units", unit, 0) for unit in units]
    fewest = min((trace.layers[name].layer.units for name in names), default=0)
    if not chosen or max(chosen) >= fewest:
        raise OptionError(
            f"plot expected units from 0 to {fewest - 1}, got {chosen}. Name one layer, or choose "
            "units that all have."
        )
    return chosen


def _words(
    trace: Trace, row: int, tokens: Iterable[str] | Mapping[int, str] | None
) -> list[str] | None:
    """A word for each step of the row."""
    if tokens is None:
        return None
    if isinstance(tokens, Mapping):
        if trace.input.dtype != np.int32:
            raise OptionError(
                "plot expected a list of one word for each step, got a dict, which needs tokens "
                "as the input of the model. Pass a list."
            )
        return [str(tokens.get(int(token), "")) for token in trace.input[row]]
    words = [str(word) for word in tokens]
    if len(words) != trace.steps:
        raise ShapeError(
            f"plot expected one word for each of {trace.steps} steps, got {len(words)}. Pad them "
            "as the row was padded, or pass a dict from token to word."
        )
    return words


def _features(trace: Trace, features: Iterable[str] | None) -> list[str]:
    """A name for each feature of the input; tokens have none."""
    count = 0 if trace.input.dtype == np.int32 else trace.input.shape[-1]
    if features is None:
        return [f"feature {f}" for f in range(count)]
    names = [str(name) for name in features]
    if len(names) != count:
        raise ShapeError(
            f"plot expected a name for each of {count} features, got {len(names)}. "
            "Name each, or leave features out."
        )
    return names


# -- drawing --------------------------------------------------------------------------------------


def _draw_input(
    axis: Any, trace: Trace, row: int, step: float, words: list[str] | None, names: list[str]
) -> None:
    values = trace.input[row]
    times = (np.arange(trace.steps) + 0.5) * step
    plots.plain(axis)
    if values.dtype == np.int32:
        _title(axis, "input, words" if words else "input, tokens")
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        every = -(-trace.steps // WORDS)
        for t in range(0, trace.steps, every):
            text = words[t] if words else str(values[t])
            axis.text(
                times[t], 0.5, text, rotation=90, fontsize=7, color=plots.INK,
                ha="center", va="center", clip_on=True,
            )  # fmt: skip
        return
    values = values.reshape(trace.steps, -1)
    features = values.shape[1]
    _title(axis, "input" if features == 1 else f"input, {features} features")
    if features > LINES:
        _heat(axis, values.T, values, step)
        return
    for f in range(features):
        axis.plot(times, values[:, f], color=plots.COLOURS[f], linewidth=1.2, label=names[f])
    if features > 1:
        axis.legend(
            fontsize=7, ncols=features, loc="lower right", bbox_to_anchor=(1, 1), frameon=False
        )


def _draw_gate(
    axis: Any, trace: Trace, name: str, row: int, step: float, units: list[int] | None
) -> None:
    values = trace[name]
    shown = values[row].T if units is None else values[row].T[units]
    plots.plain(axis)
    _title(
        axis, name.replace("_", " ") if units is None else f"{name.replace('_', ' ')}, some units"
    )
    _heat(axis, shown, values, step)
    if units is not None:
        axis.set_yticks(range(len(units)), units)
    else:
        axis.yaxis.get_major_locator().set_params(integer=True)
    axis.set_ylabel("unit", fontsize=8, color=plots.INK)


def _heat(axis: Any, shown: Array, everything: Array, step: float) -> None:
    """A heat map whose colours mean the same in every row of the trace."""
    low, high = plots.scale(everything)
    image = axis.imshow(
        np.ma.masked_invalid(shown),
        aspect="auto",
        interpolation="nearest",
        cmap=plots.SIGNED if low < 0 else plots.POSITIVE,
        vmin=low,
        vmax=high,
        extent=(0, shown.shape[1] * step, len(shown) - 0.5, -0.5),
    )
    bar = axis.figure.colorbar(image, ax=axis, pad=0.01, aspect=8, fraction=0.03)
    bar.ax.tick_params(labelsize=7, colors=plots.INK)
    bar.outline.set_visible(False)


def _hatch(axis: Any, mask: Array | None, row: int, step: float) -> None:
    """Masked steps are there, but do not count."""
    if mask is None:
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[True], mask[row], [True]])))
    for first, last in edges.reshape(-1, 2):
        axis.axvspan(
            first * step, last * step, facecolor="#bbbbbb", alpha=0.45, hatch="////",
            edgecolor=plots.FAINT, linewidth=0,
        )  # fmt: skip


def _title(axis: Any, text: str) -> None:
    axis.set_title(text, fontsize=8.5, loc="left", color=plots.INK, pad=3)


def _label_time(
    axis: Any, steps: int, step: float, seconds: float | None, words: list[str] | None
) -> None:
    axis.set_xlim(0, steps * step)
    if words is not None:
        every = -(-steps // WORDS)
        at = np.arange(0, steps, every)
        axis.set_xticks((at + 0.5) * step, [words[t] for t in at], rotation=90, fontsize=8)
        return
    axis.set_xlabel("step" if seconds is None else "seconds", fontsize=9, color=plots.INK)
    if seconds is None:
        every = next(e for k in range(9) for e in (10**k, 2 * 10**k, 5 * 10**k) if steps <= 15 * e)
        at = np.arange(0, steps, every)
        axis.set_xticks(at + 0.5, at)
