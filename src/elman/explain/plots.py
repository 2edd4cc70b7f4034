"""What the pictures share: figures that need no display, colours that every eye can tell apart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import MissingPackageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]

INK, FAINT = "#222222", "#8a8a8a"
#: Okabe & Ito (2008), https://jfly.uni-koeln.de/color/: told apart without colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
#: For values around zero and for values from zero on; both are even in lightness.
SIGNED, POSITIVE = "PuOr_r", "cividis"


def scale(values: Array) -> tuple[float, float]:
    """What the ends of a heat map's colours stand for: 0 and 1, -1 and 1, or as much as there is.

    Args:
        values: all that the same colours are to mean; NaN where there is none.
    """
    seen = values[np.isfinite(values)]
    largest = float(np.abs(seen).max(initial=0.0))
    high = 1.0 if 0 < largest <= 1.0 else largest or 1.0
    return (-high if bool((seen < 0).any()) else 0.0), high


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches. It belongs to no window, so that no display is needed.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "plot expected the package matplotlib, got none. Install it with "
            '`pip install "elman[plot]"`.'
        ) from error

    class Picture(Figure):
        """A figure that a notebook shows when it is the last line of a cell, without pyplot."""

        def _repr_png_(self) -> bytes:
            kept = io.BytesIO()
            self.savefig(kept, format="png")
            return kept.getvalue()

    figure = Picture(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(axis: Any) -> None:
    """Leave out what says nothing: the upper and the right edge."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors=INK, labelsize=8)


def saved(figure: Figure, path: str | Path | None) -> Figure:
    """The figure, written to a file first where a path is given."""
    if path is not None:
        figure.savefig(path)
    return figure
