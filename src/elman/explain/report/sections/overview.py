"""What it is, how well it does, and how it got there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elman.explain.report import charts
from elman.explain.report.charts import Line
from elman.explain.report.gathering import Findings
from elman.explain.report.markup import paragraph, tag, text
from elman.explain.report.sections.section import Section

#: Of so many metrics there is a chart.
METRICS = 4


def overview(found: Findings) -> Section:
    judged, given = found.judged, found.given
    rows = f"{found.rows:,} row{'s' * (found.rows != 1)}"
    if found.steps is not None:
        rows += f" of {found.steps:,} step{'s' * (found.steps != 1)}"
    facts = [
        ("Model", f"<code>{text(found.line)}</code>"),
        ("Parameters", f"{found.ledger.total:,}"),
        ("Data", text(f"{given.title}: {rows}")),
    ]
    if given.step:
        facts.append(("One step", text(given.step)))
    facts.append(("Loss", f"{judged.loss:.4g} ({text(found.model.compiled_loss().name)})"))
    about = paragraph(given.about, "about") if given.about else ""
    body = _score(found) + about
    body += tag("dl", "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts))
    return Section("overview", "What this is", "", body)


def _score(found: Findings) -> str:
    judged = found.judged
    if judged.classes:
        of = "steps" if judged.by_step else "rows"
        title = f"{judged.accuracy:.1%} of the {of} are right"
        bars = [("this model", judged.accuracy), ("always the most frequent", judged.majority)]
        gain = 100 * (judged.accuracy - judged.majority)
        note = f"{abs(gain):.1f} points {'more' if gain >= 0 else 'less'} than the baseline"
        if not judged.by_step:
            p = judged.accuracy
            noise = 200 * (p * (1 - p) / found.rows) ** 0.5
            note += f"; so few rows leave about {noise:.1f} points open either way"
        shown = [(name, share, f"{share:.1%}") for name, share in bars]
    else:
        title = f"A loss of {judged.loss:.4g}"
        most = max(judged.loss, judged.plain_loss) or 1.0
        pairs = (("this model", judged.loss), ("always the mean", judged.plain_loss))
        shown = [(name, value / most, f"{value:.4g}") for name, value in pairs]
        left = judged.loss / judged.plain_loss if judged.plain_loss else 1.0
        note = f"{left:.0%} of the loss of always saying the mean; less is better"
    lines = "".join(
        f'<div class="score{" faint" * (n > 0)}"><span>{name}</span>'
        f'<span class="bar"><i style="width:{100 * share:.1f}%"></i></span><b>{value}</b></div>'
        for n, (name, share, value) in enumerate(shown)
    )
    return f'<p class="headline">{title}</p><div class="scores">{lines}</div>' + paragraph(
        note + ".", "note"
    )


def learning(found: Findings) -> Section:
    names = [name for name in found.curves if not name.startswith("val_")]
    names = [n for n in names if n != "learning_rate"]
    title = "How it learned"
    if not names:
        text_ = "The model's file holds no history: it was never trained, or saved by Keras."
        return Section("learning", title, text_, "")
    drawings = ""
    for name in names[:METRICS]:
        lines = []
        for label, key in (("training", name), ("validation", f"val_{name}")):
            values = found.curves.get(key)
            if values:
                epochs = found.epochs if len(found.epochs) == len(values) else range(len(values))
                lines.append(
                    Line(label, [(e + 1, float(v)) for e, v in zip(epochs, values, strict=True)])
                )
        shown = name.replace("_", " ")
        drawing = charts.chart(f"{shown} of each epoch", lines, "epoch", shown, zero=name == "loss")
        drawings += tag("figure", drawing + _spoken(lines))
    how = (
        "Each point is an epoch, once through all training rows. If the validation's loss rises "
        "while the training's falls, the model learns its rows by heart."
    )
    body = f'<div class="charts">{drawings}</div>'
    validated = found.curves.get("val_loss")
    if validated and np.isfinite(validated).any():
        best = int(np.nanargmin(validated))
        words = f"The loss on validation rows was least, {validated[best]:.4g}, in epoch {best + 1}"
        words += f" of {len(validated)}"
        words += (
            f"; it ended at {validated[-1]:.4g}." if best + 1 < len(validated) else ", the last."
        )
        body += paragraph(words, "note")
    if len(names) > METRICS:
        body += paragraph(f"Left out: {', '.join(names[METRICS:])}.", "note")
    return Section("learning", title, how, body)


def _spoken(lines: Sequence[Line]) -> str:
    said = [
        f"{line.label} from {line.points[0][1]:.4g} to {line.points[-1][1]:.4g}" for line in lines
    ]
    return tag("figcaption", text("; ".join(said)))
