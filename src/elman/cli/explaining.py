"""Commands that look inside: `count`, `inspect` and `quiz`."""

from __future__ import annotations

import sys
from typing import Any, Literal

from elman.cli.app import Switch, app


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman count '60x1 > rnn(16,seq) > gru(16,seq) > lstm(16) > dense(1,sigmoid)'\n"
        "    elman count '100 > embedding(15000,32) > lstm(16) > dense(1)' --format json\n"
        "    elman count '60x1 > gru(?) > dense(1)' --budget 10000\n"
        "    elman count model.keras\n"
        "\n"
        "60x1 is 60 steps of one feature, 100 a hundred tokens; seq hands every step on.\n"
    )
)
def count(
    spec: str,
    /,
    *,
    budget: int | None = None,
    format: Literal["table", "markdown", "csv", "json"] = "table",
    steps: int | None = None,
    batch: int = 32,
) -> None:
    """Account for every parameter of a network: which layer, tensor and gate, by which formula.

    Parameters
    ----------
    spec
        The network in one line, its input first; or a .keras file.
    budget
        How many parameters there may be: finds the largest number for the ? in SPEC.
    format
        table, markdown, csv or json.
    steps
        Length of the sequences, for what the network costs; the input's, or 100, if not given.
    batch
        Rows of a batch, for the memory of training.
    """
    from elman.explain.ledger import ledger

    question: dict[str, Any] = (
        {"thing": spec} if budget is None else {"budget": budget, "like": spec}
    )
    found = ledger(**question, steps=steps, batch_size=batch)
    if format != "table":
        print(getattr(found, f"to_{format}")(), end="")
    elif sys.stdout.isatty():
        from rich.console import Console

        from elman.explain.ledger.text import terminal

        Console(width=terminal(), highlight=False).print(found)
    else:
        print(found)


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman inspect model.keras ecg-beats --open\n"
        "    elman inspect model.keras new.csv           as elman predict reads it\n"
        "    elman inspect model.keras data.npz --out page.html\n"
        "\n"
        "Of a model that does not know how its data were prepared, DATA is an .npz file:\n"
        "numpy.savez('data.npz', x=x, y=y). It may also hold names (of the classes),\n"
        "words, feature_names, units, step (seconds) and about.\n"
    )
)
def inspect(
    model: str,
    data: str,
    /,
    *,
    out: str = "report.html",
    loss: str | None = None,
    open: Switch = False,
) -> None:
    """Write one HTML page of all there is to see of a model: scores, errors, gates, gradients.

    Parameters
    ----------
    model
        A .keras file, of elman's or Keras's.
    data
        A file or folder as the model was trained on, with targets; an .npz file with x and y;
        or tweets, voices, ecg-beats or digits: their held-out rows.
    out
        The page to write.
    loss
        The loss, for a model that was saved without one.
    open
        Open the page in a browser.
    """
    from elman.explain.report import inspect as write
    from elman.learning.reading import to_inspect

    path = write(model, data, out, loss, to_inspect)
    print(path)
    if open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman quiz                        eight exercises, from easy to hard\n"
        "    elman quiz --topic gru --count 3  three of one kind\n"
        "    elman quiz --seed 7 --sheet sheet.md --key key.md    to print\n"
    )
)
def quiz(
    *,
    count: int = 8,
    topic: str | None = None,
    seed: int | None = None,
    sheet: str | None = None,
    key: str | None = None,
) -> None:
    """Learn to count parameters: exercises, answers checked, mistakes recognised, solutions.

    Parameters
    ----------
    count
        How many exercises.
    topic
        dense, rnn, embedding, lstm, gru, stack or bidirectional; from easy to hard if not given.
    seed
        The same seed poses the same exercises; others each time if not given.
    sheet
        A file for the exercises, in Markdown, instead of posing them here.
    key
        A file for their answers and worked solutions.
    """
    import random

    from elman.explain.quiz import quiz as make
    from elman.explain.quiz import session

    some = make(count, seed=random.randrange(10_000) if seed is None else seed, topic=topic)
    if sheet is None and key is None:
        session.run(some)
        return
    from pathlib import Path

    from elman.saving.replacing import replace

    for file, text in ((sheet, some.sheet), (key, some.key)):
        if file is not None:
            replace(Path(file), text().encode(), "quiz")
            print(f"Written to {file}")
