"""What the model says beside what is true: classes counted, numbers drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.explain.report import charts
from elman.explain.report.charts import Line
from elman.explain.report.gathering import Findings
from elman.explain.report.markup import paragraph, scrolling, tag, text
from elman.explain.report.sections.section import MOST, Section

Array = np.ndarray[Any, np.dtype[Any]]

#: Of more classes the most frequent are shown; of more targets some, evenly chosen.
CLASSES, DOTS = 12, 400


def confusion(found: Findings) -> Section:
    judged = found.judged
    matrix, names = judged.matrix, list(judged.names)
    what = "steps" if judged.by_step else "rows"
    how = (
        f"Each line is what {what} truly are, each column what the model said; on the diagonal it "
        "is right. A cell has the share of its line, and below it the count."
    )
    body = ""
    worst = matrix - np.diag(np.diag(matrix))
    if worst.any():
        a, b = np.unravel_index(int(worst.argmax()), worst.shape)
        body = paragraph(
            f"Most often, {worst[a, b]:,} times, {names[a]} was taken for {names[b]}.", "note"
        )
    single = min(len(names), CLASSES)
    if len(names) > CLASSES:
        kept = np.sort(np.argsort(-(matrix.sum(0) + matrix.sum(1)), kind="stable")[:CLASSES])
        rest = np.setdiff1d(np.arange(len(names)), kept)
        join = np.zeros((len(kept) + 1, len(names)), np.int64)
        join[np.arange(len(kept)), kept] = 1
        join[-1, rest] = 1
        body += paragraph(
            f"The {len(kept)} most frequent of {len(names)} classes; all others are one.", "note"
        )
        matrix = join @ matrix @ join.T
        names = [*(names[k] for k in kept), "all others"]
    heads = "".join(tag("th", tag("span", text(name)), scope="col") for name in names)
    lines = ""
    for place, (name, counts) in enumerate(zip(names, matrix, strict=True)):
        total = int(counts.sum())
        cells = "".join(
            _cell(int(n), total, right=place == column < single) for column, n in enumerate(counts)
        )
        lines += f'<tr><th scope="row">{text(name)}</th>{cells}<td class="sum">{total:,}</td></tr>'
    kind = "confusion many" if len(names) > 6 else "confusion"
    inside = (
        f'<table class="{kind}"><caption>truth ↓ · said →</caption>'
        f'<thead><tr><td></td>{heads}<th scope="col">{what}</th></tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )
    return Section(
        "confusion", "What it confuses", how, scrolling(inside, "confusion matrix") + body
    )


def _cell(count: int, total: int, right: bool) -> str:
    share = count / total if total else 0.0
    shown = f"<b>{share:.0%}</b><small>{count:,}</small>" if count else "<small>0</small>"
    return tag("td", shown, _class="right" if right else None, style=f"--s:{share:.3f}")


def against(found: Findings) -> Section:
    judged = found.judged
    assert judged.targets is not None
    targets, outputs = judged.targets, judged.outputs
    if judged.by_step:
        kept = np.ones(targets.shape[:2], bool) if judged.counts is None else judged.counts
        targets, outputs = targets[kept], outputs[kept]
    drawings = ""
    chosen = np.linspace(0, len(targets) - 1, min(len(targets), DOTS)).astype(int)
    for n, name in enumerate(judged.names[:MOST]):
        points = [(float(targets[i, n]), float(outputs[i, n])) for i in chosen]
        shown = f"output {name}" if len(judged.names) > 1 else "output"
        drawing = charts.chart(
            f"{shown} against its target", [Line(shown, points)], "target", shown,
            dots=True, diagonal=True,
        )  # fmt: skip
        error = float(np.abs(targets[:, n] - outputs[:, n]).mean())
        drawings += tag("figure", drawing + tag("figcaption", f"mean absolute error {error:.3g}"))
    notes = []
    if len(chosen) < len(targets):
        notes.append(f"{len(chosen):,} of {len(targets):,} points are drawn, evenly chosen.")
    if len(judged.names) > MOST:
        notes.append(f"The first {MOST} of {len(judged.names)} outputs are drawn.")
    body = f'<div class="charts">{drawings}</div>' + "".join(paragraph(n, "note") for n in notes)
    how = "Each dot is one target, and what the model said; on the dashed line it is right."
    return Section("against", "What it says, and what is true", how, body)
