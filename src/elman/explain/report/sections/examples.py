"""Single rows: the most wrong ones, and some to be gone through step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.explain.report import panels, pictures
from elman.explain.report.gathering import Findings
from elman.explain.report.judging import Judgement
from elman.explain.report.markup import paragraph, table, tag, text
from elman.explain.report.replay import STEPS, counting, ending, strip
from elman.explain.report.sections.section import MOST, Section
from elman.mapped import take

Array = np.ndarray[Any, np.dtype[Any]]

#: So many of the most wrong rows are shown.
WRONG = 6


def wrong(found: Findings) -> Section:
    judged = found.judged
    rows = judged.order[:WRONG]
    x = found.model.check_inputs(found.given.x)
    shown = "".join(_example(found, take(x, np.array([row]))[0], int(row)) for row in rows)
    how = "The rows with the largest loss, the worst first: look whether the label is right at all."
    if judged.classes and not judged.by_step:
        assert judged.true is not None and judged.said is not None
        wrong = int((judged.true != judged.said).sum())
        how += f" {wrong:,} of {found.rows:,} rows are wrong."
    if "[UNK]" in found.given.words.values():
        how += " [UNK] is any word that it does not know."
    return Section("wrong", "The most wrong", how, f'<div class="cards">{shown}</div>')


def _example(found: Findings, x: Array, row: int) -> str:
    judged, given = found.judged, found.given
    head = f"Row {row}"
    parts = [tag("h3", text(head) + tag("small", f"loss {judged.losses[row]:.3g}"))]
    if judged.classes and not judged.by_step:
        assert judged.true is not None and judged.said is not None and judged.shares is not None
        true, said = int(judged.true[row]), int(judged.said[row])
        parts.append(_verdict(judged, row, true, said))
    elif not judged.by_step:
        assert judged.targets is not None
        pairs = [
            (name, f"{judged.targets[row, n]:.4g}", f"{judged.outputs[row, n]:.4g}")
            for n, name in enumerate(judged.names[:MOST])
        ]
        parts.append(table(("output", "target", "said"), pairs, (False, True, True)))
    steps, counts = _steps(found, x, row)
    parts.append(panels.drawn(x, given, steps, counts))
    if judged.by_step:
        parts.append(_over_time(judged, row, steps) + panels.time_axis(given, steps))
    return tag("article", "".join(parts), _class="card")


def _verdict(judged: Judgement, row: int, true: int, said: int) -> str:
    """What is true, what was said, and the shares of the likeliest classes, as bars."""
    assert judged.shares is not None
    shares = judged.shares[row]
    right = true == said
    if true < 0:
        words = f"said {judged.names[said]}; its label does not count"
    elif right:
        words = f"{judged.names[true]}, and the model said so"
    else:
        words = f"truly {judged.names[true]}, the model said {judged.names[said]}"
    top = list(dict.fromkeys([*np.argsort(-shares, kind="stable")[:3].tolist(), max(true, 0)]))
    lines = "".join(
        f'<div class="score{"" if n == true else " faint"}"><span>{text(judged.names[n])}'
        f"{' (true)' * (n == true)}</span>"
        f'<span class="bar"><i style="width:{100 * float(shares[n]):.1f}%"></i></span>'
        f"<b>{float(shares[n]):.1%}</b></div>"
        for n in top
    )
    mark = "✓" if right else "✗"
    return paragraph(f"{mark} {words}", "verdict") + f'<div class="scores small">{lines}</div>'


def _steps(found: Findings, x: Array, row: int) -> tuple[Array, Array]:
    """Which steps of a row to draw, and which of them count."""
    if found.steps is None:
        return np.arange(1), np.ones(1, bool)
    counts = counting(found.model, x)
    steps = np.arange(0, ending(counts), -(-found.steps // STEPS))
    if x.dtype == np.int32:
        steps = np.arange(min(ending(counts), panels.WORDS))
    return steps, counts[steps]


def _over_time(judged: Judgement, row: int, steps: Array) -> str:
    if judged.shares is not None:
        assert judged.true is not None
        true = judged.true[row][steps]
        truth = np.where(true[:, None] < 0, np.nan, true[:, None] == np.arange(len(judged.names)))
        said = np.where(true[:, None] < 0, np.nan, judged.shares[row][steps])
        order = ", ".join(judged.names) if len(judged.names) <= panels.NAMED else ""
        return (
            panels.panel(strip("truth", truth, judged.names))
            + panels.panel(strip("said", said, judged.names))
            + (paragraph(f"From top to bottom: {order}.", "note") if order else "")
        )
    assert judged.targets is not None
    return "".join(
        panels.curve(
            f"output {name}: target solid, said dashed",
            judged.targets[row, steps, n],
            judged.outputs[row, steps, n].astype(np.float64),
        )
        for n, name in enumerate(judged.names[: panels.CURVES])
    )


def replay(found: Findings) -> Section:
    how = (
        "Move the slider, or use the arrow keys: the input up to that step, each gate and state as "
        "it stands there, with a bar for each unit, and what the model would say if the row ended."
    )
    x = found.model.check_inputs(found.given.x)
    body = _legend()
    asked = "What it would say if the row ended here"
    if found.judged.by_step:
        asked = "What it says at this step"
    for number, example in enumerate(found.replay.examples):
        title = f"Row {example.row}: {example.role}{_outcome(found.judged, example.row)}"
        inputs = take(x, np.array([example.row]))[0]
        body += panels.replayed(example, inputs, found.given, title, number == 0, asked)
    if not found.replay.examples:
        return Section("steps", "Step by step", " ".join(found.replay.left_out), "")
    left = "".join(tag("li", text(words)) for words in found.replay.left_out)
    if left:
        body += paragraph("Left out:", "note") + tag("ul", left)
    return Section("steps", "Step by step", how, body)


def _legend() -> str:
    """What the colours of the heat maps mean."""
    meanings = (
        (pictures.gradient(False), "from 0, dark, to the largest"),
        (pictures.gradient(True), "below zero is dark, zero grey, above light"),
    )
    keys = "".join(
        tag("span", tag("i", "", style=f"background:{colours}") + text(words))
        for colours, words in meanings
    )
    return tag("div", keys + '<span><i class="masked"></i>masked</span>', _class="legend")


def _outcome(judged: Judgement, row: int) -> str:
    if not judged.classes or judged.by_step:
        return f", loss {judged.losses[row]:.3g}"
    assert judged.true is not None and judged.said is not None
    true, said = int(judged.true[row]), int(judged.said[row])
    truth = f"truly {judged.names[true]}" if true >= 0 else "without a label that counts"
    return f", {truth}, said {judged.names[said]}"
