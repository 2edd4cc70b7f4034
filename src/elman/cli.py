"""The command `elman`: one small function per command.

A command imports what it needs when it runs, so that `elman --help` and a mistyped option cost
nothing. Exit codes: 0 done, 2 a request that cannot be met (said on stderr), 130 stopped by
Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from elman.errors import ElmanError, SpecError


def _version() -> str:
    from elman import __version__

    return f"elman {__version__}"


app = App(
    name="elman",
    help="Train, run and explain recurrent neural networks.",
    help_epilogue=(
        "Examples:\n\n"
        "    elman demo                           text, sound and an ECG in turn\n"
        "    elman demo ecg                       one of them\n"
        "    elman bench                          how fast this machine trains\n"
        "    elman count '60x1 > lstm(16)'        where its parameters come from\n"
        "    elman quiz                           learn to count them\n"
        "    elman inspect model.keras ecg-beats  a page of what a model does\n"
    ),
    help_format="plaintext",
    version=_version,
    suppress_keyboard_interrupt=False,
)


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman demo                  text, sound and an ECG, one after the other\n"
        "    elman demo ecg              one of them\n"
        "    elman demo audio --seed 1   again, from other random weights\n"
    )
)
def demo(task: str = "all", /, *, seed: int = 0, epochs: int | None = None) -> None:
    """Watch recurrent networks learn from real text, real sound and a real ECG.

    Parameters
    ----------
    task
        text, audio, ecg, two-voices, digits, or all for the first three.
    seed
        The same seed gives the same result.
    epochs
        How often to go through the data; each task's own number if not given.
    """
    from elman import demo as demonstration

    demonstration.run(task, seed=seed, epochs=epochs)


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman bench                 how fast this machine trains\n"
        "    elman bench ecg gru128 --seconds 3 --json bench.json\n"
    )
)
def bench(*cases: str, seconds: float = 1.0, json: str | None = None) -> None:
    """Measure how fast elman trains and predicts here, beside the limit of this processor.

    Parameters
    ----------
    cases
        audio, text_rnn, text_lstm, text_gru, ecg, lstm128, gru128, lstm512, gru512; four of them
        if none is named.
    seconds
        How long to measure each case.
    json
        A file to write the numbers to.
    """
    from elman.bench import short

    short.run(cases or short.USUAL, seconds=seconds, json_file=json)


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
        "    elman inspect model.keras data.npz --out page.html\n"
        "\n"
        "numpy.savez('data.npz', x=x, y=y) writes such a file. It may also hold names\n"
        "(of the classes), words, feature_names, units, step (seconds) and about.\n"
    )
)
def inspect(
    model: str,
    data: str,
    /,
    *,
    out: str = "report.html",
    loss: str | None = None,
    open: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write one HTML page of all there is to see of a model: scores, errors, gates, gradients.

    Parameters
    ----------
    model
        A .keras file, of elman's or Keras's.
    data
        An .npz file with x and y, or tweets, voices, ecg-beats or digits: their held-out rows.
    out
        The page to write.
    loss
        The loss, for a model that was saved without one.
    open
        Open the page in a browser.
    """
    from elman.explain.report import inspect as write

    path = write(model, data, out, loss)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: What follows `elman` on the command line; `sys.argv[1:]` if None.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except SpecError as error:  # it points at a place, two lines below
        print(f"elman: {error}", file=sys.stderr)
        return 2
    except (ElmanError, CycloptsError) as error:
        print("elman:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nelman: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader left (`elman demo | head`): leave too, and keep Python from flushing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0
