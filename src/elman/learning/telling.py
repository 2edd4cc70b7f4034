"""What is said of a training: tables for people, or one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from shlex import quote
from typing import Any

import numpy as np

from elman.callbacks import Callback
from elman.explain.as_text import WIDTH, seen
from elman.learning.choosing import Settings
from elman.learning.fitting import Parts, equal_texts
from elman.learning.forecasting import Forecasts
from elman.learning.judging import Judgement, Scores
from elman.learning.looking import Look
from elman.learning.making import Made
from elman.models import Sequential
from elman.progress import TrainingBar, duration
from elman.spec import write

Array = np.ndarray[Any, np.dtype[Any]]

#: Where texts begin, behind their names.
MARGIN = 10
#: Of so many classes, those that were found worst are listed where a matrix has no room.
WORST = 12
#: Width of the words in the corner of a matrix.
CORNER = 15
SHARES = {"accuracy", "balanced_accuracy"}
#: How scores are called.
CALLED = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced\naccuracy", "r2": "R2",
    "mae": "mean\nabsolute\nerror", "rmse": "root mean\nsquare\nerror",
}  # fmt: skip


class Silent:
    """Says nothing, until all is done."""

    def busy(self, what: str) -> AbstractContextManager[Any]:
        """Shows that something takes its time, where somebody sees it."""
        return nullcontext()

    def looked(self, source: str, found: Look) -> None:
        """Nothing."""

    def chose(self, parts: Parts, settings: Settings, model: Sequential, seed: int) -> None:
        """Nothing."""

    def watchers(self) -> Sequence[Callback]:
        """A bar where somebody sees it: on standard error, if that is a terminal."""
        return []

    def made(self, made: Made) -> None:
        """Nothing."""


class Json(Silent):
    """One JSON document on standard output."""

    def busy(self, what: str) -> AbstractContextManager[Any]:
        return _spinner(what)

    def watchers(self) -> Sequence[Callback]:
        return _bar()

    def made(self, made: Made) -> None:
        print(json.dumps(document(made), indent=2))


class Tables(Silent):
    """Tables of at most 80 columns; without colours where nobody sees them."""

    def __init__(self) -> None:
        self.console = console()

    def busy(self, what: str) -> AbstractContextManager[Any]:
        return _spinner(what)

    def looked(self, source: str, found: Look) -> None:
        self._rule(source)
        lines = dict(found.data.describe().lines)
        if equal_texts(found.data):
            lines.pop("groups")
        why = dict(found.why)
        lines["kind"] = why.get("kind", lines["kind"])
        targets = [lines.pop("targets"), why.get("target", "")]
        for line, what in (("times", "time"), ("groups", "series"), ("one step", "hop")):
            if line in lines and what in why:
                lines[line] += f"; {why[what]}"
        lines["predicts"] = "; ".join(filter(None, targets))
        self._lines(lines.items())

    def chose(self, parts: Parts, settings: Settings, model: Sequential, seed: int) -> None:
        self._rule("training")
        sizes = ", ".join(
            f"{len(part):,} {what}"
            for part, what in (
                (parts.train, "sequences to train on"),
                (parts.valid, "to validate"),
                (parts.test, "to test"),
            )
        )
        self._lines(
            [
                ("split", f"{sizes}; {parts.by}"),
                ("network", f"{write(model)} ({model.count_params():,} parameters)"),
                (
                    "settings",
                    f"Adam, learning rate {settings.lr:g}, batches of {settings.batch_size}, at "
                    f"most {settings.epochs} epochs, {settings.patience} without improvement, "
                    f"seed {seed}",
                ),
            ]
        )
        for note in parts.notes:
            self._lines([("note", note)])

    def watchers(self) -> Sequence[Callback]:
        return _bar()

    def made(self, made: Made) -> None:
        fitted = made.fitted
        epochs = len(fitted.history.get("loss", []))
        if fitted.best:
            more = ""
            if fitted.best == made.settings.epochs:
                more = f"; more may do better: --epochs {2 * fitted.best}"
            self._lines(
                [
                    (
                        "stopped" if fitted.stopped else "trained",
                        f"{epochs} epochs, {duration(fitted.seconds)}; epoch {fitted.best} had the "
                        f"lowest validation loss, and its weights are kept{more}",
                    )
                ]
            )
        if made.judgement is not None:
            self._judged(made.judgement, made)
        self._end(made)

    def _judged(self, judgement: Judgement | Forecasts, made: Made) -> None:
        test = made.parts.test
        self._rule(f"{len(test):,} sequences held out")
        if isinstance(judgement, Forecasts):
            self.console.print(judgement)
        else:
            compared = {
                always(test.names): judgement.constant,
                "order-free model": judgement.order_free,
                "this network": judgement.network,
            }
            self.console.print(scoreboard(compared))
        self.console.print()
        self._lines([("verdict", judgement.verdict)])
        if isinstance(judgement, Judgement) and judgement.network.confusion is not None:
            self.console.print()
            self.console.print(confusion(judgement.network, test.names, self.console.width))

    def _end(self, made: Made) -> None:
        from rich.text import Text

        self.console.print()
        if made.path is None:
            self.console.print("Nothing was written: no epoch was finished.")
            return
        # Never cut into two lines, which nobody could copy.
        self.console.print(Text.assemble("Written to ", (seen(made.path), "bold")), soft_wrap=True)
        if made.fitted.stopped:
            return
        path = quote(str(made.path))
        known = made.source if made.found.held_out is not None else None
        for command in (
            f"elman predict {path} NEW",
            f"elman evaluate {path} NEW",
            f"elman inspect {path} {known}" if known else f"elman count {path}",
        ):
            self.console.print(f"    {command}", markup=False, soft_wrap=True)

    def _rule(self, title: str) -> None:
        from rich.rule import Rule
        from rich.text import Text

        self.console.print()
        self.console.print(Rule(Text(seen(title), "bold"), style="dim", align="left"))

    def _lines(self, lines: Iterable[tuple[str, str]]) -> None:
        """Names and texts side by side; no spaces behind them, which a table would leave."""
        from textwrap import wrap

        from rich.text import Text

        listed = list(lines)
        margin = max(MARGIN, *(len(name) + 2 for name, _ in listed))
        for name, text in listed:
            first, *rest = wrap(seen(text), self.console.width - margin) or [""]
            self.console.print(Text.assemble((f"{name:<{margin}}", "bold"), first))
            for line in rest:
                self.console.print(Text(" " * margin + line))


def console() -> Any:
    """A terminal, or what stands for it, of at most 80 columns."""
    from rich.console import Console

    found = Console(highlight=False)
    found.width = min(found.width, WIDTH)
    return found


def always(names: Sequence[str]) -> str:
    """What the simplest answer is, to these classes or to numbers."""
    return f"always {'the most frequent class' if names else 'the mean'}"


def scoreboard(compared: Mapping[str, Scores]) -> Any:
    """The scores of each, one below the other; the last is what the others are compared with."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("")
    *_, last = compared
    for name in compared[last].values:
        table.add_column(CALLED[name], justify="right", vertical="bottom")
    for label, of in compared.items():
        style = "bold" if label == last else ""
        table.add_row(label, *(score(n, v) for n, v in of.values.items()), style=style)
    return table


def score(name: str, value: float) -> str:
    """A score in words."""
    if name in SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.3f}" if name == "r2" else f"{value:#.4g}"


def confusion(found: Scores, names: Sequence[str], width: int = WIDTH) -> Any:
    """Truths in rows and answers in columns; where they have no room, the worst classes."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    counts = found.confusion
    assert counts is not None
    truths, answers = counts.sum(axis=1), counts.sum(axis=0)
    called = [seen(name) for name in names]  # as `Text`: a name in brackets is no style
    wide = [cell_len(name) for name in called]
    columns = [max(w, len(f"{n:,}")) + 2 for w, n in zip(wide, answers, strict=True)]
    fits = max(CORNER, *wide) + sum(columns) + 22 <= width
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column("true \\ answered" if fits else "class", no_wrap=True, max_width=30)
    for name in called if fits else ("sequences",):
        table.add_column(Text(name), justify="right", no_wrap=True)
    table.add_column("recall", justify="right")
    table.add_column("precision", justify="right")
    recall = counts.diagonal() / np.maximum(truths, 1)
    there = np.flatnonzero(truths + answers)
    if not fits and len(there) > WORST:
        table.title = f"The {WORST} of {len(there)} classes that are found worst"
    for c in there if fits else there[np.argsort(recall[there], kind="stable")][:WORST]:
        cells = [f"{n:,}" for n in counts[c]] if fits else [f"{truths[c]:,}"]
        shares = (_share(counts[c, c], of) for of in (truths[c], answers[c]))
        table.add_row(Text(called[c]), *cells, *shares)
    return table


def _share(part: float, of: float) -> str:
    return f"{100 * part / of:.1f} %" if of else "-"


def _spinner(what: str) -> AbstractContextManager[Any]:
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.status import Status

    return Status(f"{what} ...", console=Console(stderr=True))


def _bar() -> Sequence[Callback]:
    return [TrainingBar(1, file=sys.stderr)] if sys.stderr.isatty() else []


def document(made: Made) -> dict[str, Any]:
    """All of it as plain data."""
    data, fitted, judgement = made.found.data, made.fitted, made.judgement
    found: dict[str, Any] = {
        "data": {
            "source": made.source,
            "kind": data.kind,
            "task": made.found.task,
            "why": dict(made.found.why),
            "sequences": len(data),
            "steps": {"shortest": int(data.lengths.min()), "longest": int(data.lengths.max())},
            "features": list(data.feature_names) or data.features,
            "classes": list(data.names),
            "missing": data.missing,
        },
        "split": {
            "train": len(made.parts.train),
            "valid": len(made.parts.valid),
            "test": len(made.parts.test),
            "by": made.parts.by,
            "notes": made.parts.notes,
        },
        "settings": {**vars(made.settings), "seed": made.seed},
        "training": {
            "epochs": len(fitted.history.get("loss", [])),
            "best_epoch": fitted.best,
            "seconds": round(fitted.seconds, 3),
            "stopped": fitted.stopped,
            "history": fitted.history,
        },
        "model": None if made.path is None else str(made.path),
    }
    if isinstance(judgement, Forecasts):
        found["test"] = judgement.to_dict()
    elif judgement is not None:
        found["test"] = {
            "network": judgement.network.values,
            "constant": judgement.constant.values,
            "order_free": judgement.order_free.values,
            "verdict": judgement.verdict,
        }
        if judgement.network.confusion is not None:
            found["test"]["confusion"] = judgement.network.confusion.tolist()
    return found
