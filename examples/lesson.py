"""What the notebooks share: sentences and tables whose numbers come from code, and one look.

No sentence of a notebook has a number typed into it: `say` shows Markdown that code has filled in,
and tests/test_examples.py refuses digits anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import Markdown, display

from elman.explain.plots import COLOURS

plt.rcParams.update(
    {
        "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "figure.constrained_layout.use": True,
        "figure.dpi": 80,
        "font.size": 9,
        "legend.frameon": False,
    }
)


def say(*lines: str) -> None:
    """Show lines of Markdown."""
    display(Markdown("\n".join(lines)))


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Show a table: the first column on the left, all others, numbers, on the right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    display(Markdown("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)))
