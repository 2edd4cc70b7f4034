"""The sections of a report, in the order a person asks: what, how well, where wrong, why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from elman.explain.report import charts, panels, pictures
from elman.explain.report.charts import Line
from elman.explain.report.gathering import Findings
from elman.explain.report.judging import Judgement
from elman.explain.report.markup import paragraph, scrolling, table, tag, text
from elman.explain.report.replay import STEPS, strip
from elman.mapped import take

Array = np.ndarray[Any, np.dtype[Any]]

#: How many of each are shown; what is left out is said.
WRONG, CLASSES, METRICS, LAYERS, DOTS = 6, 12, 4, 8, 400


class Section(NamedTuple):
    """A part of the page."""

    name: str  #: in its address
    title: str
    how: str  #: how to read it, in a plain sentence
    body: str


def sections(found: Findings) -> list[Section]:
    """All sections of a report."""
    return [
        _overview(found),
        _learning(found),
        _confusion(found) if found.judged.classes else _against(found),
        _wrong(found),
        _replay(found),
        _gradient(found),
        _gates(found),
        _ledger(found),
    ]


# -- what it is, and how well it does ---------------------------------------------------------------


def _overview(found: Findings) -> Section:
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


# -- how it got there -------------------------------------------------------------------------------


def _learning(found: Findings) -> Section:
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
                lines.append(Line(label, [(e + 1, float(v)) for e, v in zip(epochs, values, strict=True)]))
        shown = name.replace("_", " ")
        drawing = charts.chart(f"{shown} of each epoch", lines, "epoch", shown)
        drawings += tag("figure", drawing + _spoken(lines))
    how = (
        "Each point is an epoch, once through all training rows. If the validation's loss rises while "
        "the training's falls, the model learns its rows by heart."
    )
    body = f'<div class="charts">{drawings}</div>'
    validated = found.curves.get("val_loss")
    if validated and np.isfinite(validated).any():
        best = int(np.nanargmin(validated))
        words = f"The loss on validation rows was least, {validated[best]:.4g}, in epoch {best + 1}"
        words += f" of {len(validated)}"
        words += f"; it ended at {validated[-1]:.4g}." if best + 1 < len(validated) else ", the last."
        body += paragraph(words, "note")
    if len(names) > METRICS:
        body += paragraph(f"Left out: {', '.join(names[METRICS:])}.", "note")
    return Section("learning", title, how, body)


def _spoken(lines: Sequence[Line]) -> str:
    said = [
        f"{line.label} from {line.points[0][1]:.4g} to {line.points[-1][1]:.4g}" for line in lines
    ]
    return tag("figcaption", text("; ".join(said)))


# -- where it is right and wrong --------------------------------------------------------------------


def _confusion(found: Findings) -> Section:
    judged = found.judged
    matrix, names = judged.matrix, list(judged.names)
    what = "steps" if judged.by_step else "rows"
    how = (
        f"Each line is what {what} truly are, each column what the model said; on the diagonal it is "
        "right. A cell has the share of its line, and below it the count."
    )
    body = ""
    worst = matrix - np.diag(np.diag(matrix))
    if worst.any():
        a, b = np.unravel_index(int(worst.argmax()), worst.shape)
        body = paragraph(
            f"Most often, {worst[a, b]:,} times, {names[a]} was taken for {names[b]}.", "note"
        )
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
    for name, counts in zip(names, matrix, strict=True):
        total = int(counts.sum())
        cells = "".join(
            _cell(int(n), total, place, names, name) for place, n in enumerate(counts)
        )
        lines += f'<tr><th scope="row">{text(name)}</th>{cells}<td class="sum">{total:,}</td></tr>'
    inside = (
        f'<table class="confusion"><caption>truth ↓ · said →</caption>'
        f"<thead><tr><td></td>{heads}<th scope=\"col\">{what}</th></tr></thead>"
        f"<tbody>{lines}</tbody></table>"
    )
    return Section(
        "confusion", "What it confuses", how, scrolling(inside, "confusion matrix") + body
    )


def _cell(count: int, total: int, place: int, names: Sequence[str], name: str) -> str:
    right = names[place] == name and names.index(name) == place
    share = count / total if total else 0.0
    shown = f"<b>{share:.0%}</b><small>{count:,}</small>" if count else "<small>0</small>"
    kind = "right" if right else None
    return tag("td", shown, _class=kind, style=f"--s:{share:.3f}")


def _against(found: Findings) -> Section:
    judged = found.judged
    assert judged.targets is not None
    targets, outputs = judged.targets, judged.outputs
    if judged.by_step:
        kept = np.ones(targets.shape[:2], bool) if judged.counts is None else judged.counts
        targets, outputs = targets[kept], outputs[kept]
    drawings = ""
    chosen = np.linspace(0, len(targets) - 1, min(len(targets), DOTS)).astype(int)
    for n, name in enumerate(judged.names[:LAYERS]):
        points = [(float(targets[i, n]), float(outputs[i, n])) for i in chosen]
        shown = f"output {name}" if len(judged.names) > 1 else "output"
        drawing = charts.chart(
            f"{shown} against its target", [Line(shown, points)], "target", shown,
            dots=True, diagonal=True,
        )  # fmt: skip
        error = float(np.abs(targets[:, n] - outputs[:, n]).mean())
        drawings += tag(
            "figure", drawing + tag("figcaption", f"mean absolute error {error:.3g}")
        )
    notes = []
    if len(chosen) < len(targets):
        notes.append(f"{len(chosen):,} of {len(targets):,} points are drawn, evenly chosen.")
    if len(judged.names) > LAYERS:
        notes.append(f"The first {LAYERS} of {len(judged.names)} outputs are drawn.")
    body = f'<div class="charts">{drawings}</div>' + "".join(paragraph(n, "note") for n in notes)
    how = "Each dot is one target, and what the model said; on the dashed line it is right."
    return Section("against", "What it says, and what is true", how, body)


def _wrong(found: Findings) -> Section:
    judged = found.judged
    rows = judged.order[:WRONG]
    x = found.model.check_inputs(found.given.x)
    shown = "".join(_example(found, take(x, np.array([row]))[0], int(row)) for row in rows)
    how = "The rows with the largest loss, the worst first: look whether the label is right at all."
    if judged.classes and not judged.by_step:
        assert judged.true is not None and judged.said is not None
        wrong = int((judged.true != judged.said).sum())
        how += f" {wrong:,} of {found.rows:,} rows are wrong."
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
            for n, name in enumerate(judged.names[:LAYERS])
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
    steps = np.arange(0, found.steps, -(-found.steps // STEPS))
    trace = found.model.trace(x[None])
    counts = np.ones(found.steps, bool) if trace.mask is None else trace.mask[0]
    if x.dtype == np.int32:  # words are read, not measured: padding behind them says nothing
        there = np.flatnonzero(counts)
        steps = there[: panels.WORDS] if trace.mask is not None else steps[: panels.WORDS]
    return steps, counts[steps]


def _over_time(judged: Judgement, row: int, steps: Array) -> str:
    if judged.shares is not None:
        assert judged.true is not None
        true = judged.true[row][steps]
        truth = np.where(true[:, None] < 0, np.nan, true[:, None] == np.arange(len(judged.names)))
        said = np.where(true[:, None] < 0, np.nan, judged.shares[row][steps])
        order = ", ".join(judged.names) if len(judged.names) <= CLASSES else ""
        return panels.panel(strip("truth", truth, judged.names)) + panels.panel(
            strip("said", said, judged.names)
        ) + (paragraph(f"From top to bottom: {order}.", "note") if order else "")
    assert judged.targets is not None
    return "".join(
        panels.curve(
            f"output {name}: target solid, said dashed",
            judged.targets[row, steps, n], judged.outputs[row, steps, n].astype(np.float64),
        )  # fmt: skip
        for n, name in enumerate(judged.names[: panels.CURVES])
    )


# -- why --------------------------------------------------------------------------------------------


def _replay(found: Findings) -> Section:
    how = (
        "Move the slider, or use the arrow keys: the input up to that step, each gate and state as "
        "it stands there (bars, one for each unit), and what the model would say if the row ended there."
    )
    x = found.model.check_inputs(found.given.x)
    body = (
        f'<div class="legend"><span><i style="background:{pictures.gradient(False)}"></i>'
        f'0 to the most</span><span><i style="background:{pictures.gradient(True)}"></i>'
        "below zero · zero · above</span>"
        '<span><i class="masked"></i>masked</span></div>'
    )
    for number, example in enumerate(found.replay.examples):
        title = f"Row {example.row}: {example.role}{_outcome(found.judged, example.row)}"
        inputs = take(x, np.array([example.row]))[0]
        body += panels.replayed(example, inputs, found.given, title, number == 0)
    if not found.replay.examples:
        return Section("steps", "Step by step", " ".join(found.replay.left_out), "")
    left = "".join(tag("li", text(words)) for words in found.replay.left_out)
    return Section("steps", "Step by step", how, body + (tag("ul", left) if left else ""))


def _outcome(judged: Judgement, row: int) -> str:
    if not judged.classes or judged.by_step:
        return f", loss {judged.losses[row]:.3g}"
    assert judged.true is not None and judged.said is not None
    true, said = int(judged.true[row]), int(judged.said[row])
    truth = f"truly {judged.names[true]}" if true >= 0 else "without a label that counts"
    return f", {truth}, said {judged.names[said]}"


def _gradient(found: Findings) -> Section:
    title = "How far the gradient reaches"
    if found.flow is None:
        return Section("gradient", title, "There is no recurrent layer it could go through.", "")
    by_layer: dict[str, list[str]] = {}
    for name in found.flow:
        by_layer.setdefault(name.rpartition("/")[0], []).append(name)
    drawings, sentences = "", ""
    for layer, names in list(by_layer.items())[:LAYERS]:
        lines = []
        for name in names:
            flow = found.flow[name]
            # The mark is where it is still 1 % of its maximum.
            back = [(float(n), float(norm)) for n, norm in enumerate(flow.back)]
            mark = [(float(flow.reach), float(flow.back[flow.reach]))] if flow.verdict != "none" else []
            lines.append(Line(name.rpartition("/")[2].replace("_", " "), _thinned(back), mark))
            sentences += tag("li", text(flow))
        drawing = charts.chart(
            f"gradient of {layer}", lines, "steps before the last", "norm of dLoss/dh",
            log=True,
        )  # fmt: skip
        drawings += tag("figure", tag("figcaption", tag("b", text(layer))) + drawing)
    how = (
        "How much the loss would change if a state were different, so many steps before the last. Where "
        "the line is low the model cannot learn from what it read there; a ring marks how far it "
        f"is still 1 % of its maximum. From {found.flow_rows:,} rows."
    )
    body = f'<div class="charts">{drawings}</div>{tag("ul", sentences)}'
    if len(by_layer) > LAYERS:
        body += paragraph(f"The first {LAYERS} of {len(by_layer)} layers are drawn.", "note")
    return Section("gradient", title, how, body)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return points[:: -(-len(points) // STEPS)] if points else points


def _gates(found: Findings) -> Section:
    title = "What the gates do"
    if found.gates is None:
        return Section("gates", title, "There is no recurrent layer, or all steps are masked.", "")
    rows, dead = [], ""
    layers = found.model.layers
    units = {}
    for layer in layers:
        for leaf in layer.leaves():
            units[getattr(leaf, "path", leaf.name)] = getattr(leaf, "units", 0)
    keep = {
        getattr(leaf, "path", leaf.name): getattr(leaf, "keep_gate", None)
        for layer in layers
        for leaf in layer.leaves()
    }
    for name, of in found.gates.items():
        for gate, mean in of.mean.items():
            half = ""
            if of.half_life is not None and gate == keep[name]:
                least, middle, most = np.quantile(of.half_life, (0, 0.5, 1))
                half = f"{middle:.3g} ({least:.3g} to {most:.3g})"
            shut, opened = float(of.shut[gate].mean()), float(of.open[gate].mean())
            rows.append(
                (name, gate.replace("_", " "), f"{mean:.2f}", f"{shut:.1%}", f"{opened:.1%}", half)
            )
        words = f"{name}: {len(of.dead)} of {units[name]:,} units are dead"
        words += f", {len(of.zero)} of them always 0" if len(of.zero) else ""
        words += f" (unit {', '.join(map(str, of.dead[:10]))}{' …' * (len(of.dead) > 10)})" if len(of.dead) else ""
        dead += tag("li", text(words + "."))
    how = (
        "The half-life is after how many steps half of what a unit keeps is forgotten: the middle "
        "unit, and from the shortest to the longest. A gate within 1 % of 0 or 1 is stuck: it hardly "
        "learns. A dead unit's state varies by less than 1 % of the liveliest unit's. "
        f"From {found.gate_rows:,} rows."
    )
    header = ("layer", "gate", "mean", "near 0", "near 1", "half-life, steps")
    numbers = (False, False, True, True, True, True)
    body = scrolling(table(header, rows, numbers), "gates") if rows else ""
    return Section("gates", title, how, body + tag("ul", dead))


def _ledger(found: Findings) -> Section:
    how = "Where every parameter comes from: layer, gate and tensor, by which formula."
    return Section("ledger", "Every parameter", how, found.ledger._repr_html_())
