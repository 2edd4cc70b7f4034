"""What goes on inside: how far gradients reach, what gates do, where parameters come from."""

from __future__ import annotations

import numpy as np

from elman.explain.gates import LayerStatistics
from elman.explain.report import charts
from elman.explain.report.charts import Line
from elman.explain.report.gathering import Findings
from elman.explain.report.markup import paragraph, scrolling, table, tag, text
from elman.explain.report.replay import STEPS
from elman.explain.report.sections.section import MOST, Section
from elman.explain.trace import recurrent
from elman.layers.recurrent import Recurrent

#: So many dead units are named.
DEAD = 10


def gradient(found: Findings) -> Section:
    title = "How far the gradient reaches"
    if found.flow is None:
        return Section("gradient", title, "There is no recurrent layer it could go through.", "")
    by_layer: dict[str, list[str]] = {}
    for name in found.flow:
        by_layer.setdefault(name.rpartition("/")[0], []).append(name)
    drawings, sentences = "", ""
    for layer, names in list(by_layer.items())[:MOST]:
        lines = []
        for name in names:
            flow = found.flow[name]
            back = [(float(n), float(norm)) for n, norm in enumerate(flow.back)]
            reached = (float(flow.reach), float(flow.back[flow.reach]))
            mark = [] if flow.verdict == "none" else [reached]
            lines.append(Line(name.rpartition("/")[2].replace("_", " "), _thinned(back), mark))
            sentences += tag("li", text(flow))
        drawing = charts.chart(
            f"gradient of {layer}", lines, "steps before the last", "norm of dLoss/dh",
            log=True, backwards=True,
        )  # fmt: skip
        drawings += tag("figure", tag("figcaption", tag("b", text(layer))) + drawing)
    how = (
        "How much the loss would change if a state were different, so many steps before the last. "
        "Where the line is low the model cannot learn from what it read there; a ring marks how "
        f"far it is still 1 % of its maximum. From {found.flow_rows:,} rows."
    )
    body = f'<div class="charts">{drawings}</div>{tag("ul", sentences)}'
    if len(by_layer) > MOST:
        body += paragraph(f"The first {MOST} of {len(by_layer)} layers are drawn.", "note")
    return Section("gradient", title, how, body)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return points[:: -(-len(points) // STEPS)] if points else points


def gates(found: Findings) -> Section:
    title = "What the gates do"
    if found.gates is None:
        return Section("gates", title, "There is no recurrent layer, or all steps are masked.", "")
    leaves = {leaf.path: leaf for layer in found.model.layers for leaf in recurrent(layer)}
    body = "".join(_gates_of(leaves[name], of) for name, of in found.gates.items())
    how = (
        "The half-life is after how many steps half of what a unit keeps is forgotten: the middle "
        "unit, and from the shortest to the longest. A gate within 1 % of 0 or 1 is stuck: it "
        "hardly learns. A dead unit's state varies by less than 1 % of the liveliest unit's. "
        f"From {found.gate_rows:,} rows."
    )
    return Section("gates", title, how, body)


def _gates_of(layer: Recurrent, of: LayerStatistics) -> str:
    """One layer's gates as a table, and its dead units in words."""
    rows = []
    for gate, mean in of.mean.items():
        half = ""
        if of.half_life is not None and gate == layer.keep_gate:
            least, middle, most = np.quantile(of.half_life, (0, 0.5, 1))
            half = f"{middle:.3g} ({least:.3g} to {most:.3g})"
        shut, opened = float(of.shut[gate].mean()), float(of.open[gate].mean())
        rows.append((gate.replace("_", " "), f"{mean:.2f}", f"{shut:.1%}", f"{opened:.1%}", half))
    header = ("gate", "mean", "near 0", "near 1", "half-life, steps")
    numbers = (False, True, True, True, True)
    words = f"{len(of.dead)} of {layer.units:,} units are dead"
    if len(of.zero):
        words += f", {len(of.zero)} of them always 0"
    if len(of.dead):
        words += f": {', '.join(map(str, of.dead[:DEAD]))}{' …' * (len(of.dead) > DEAD)}"
    drawn = scrolling(table(header, rows, numbers), f"gates of {layer.path}") if rows else ""
    return tag("h3", text(layer.path)) + drawn + paragraph(f"{words}.", "note")


def ledger(found: Findings) -> Section:
    how = "Where every parameter comes from: layer, gate and tensor, by which formula."
    return Section("ledger", "Every parameter", how, found.ledger._repr_html_())
