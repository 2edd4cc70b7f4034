"""The command `elman`: one small function per command.

A command imports what it needs when it runs, so that `elman --help` and a mistyped option cost
nothing. Exit codes: 0 done, 2 a request that cannot be met (one line on stderr), 130 stopped by
Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from elman.errors import ElmanError


def _version() -> str:
    from elman import __version__

    return f"elman {__version__}"


app = App(
    name="elman",
    help="Train, run and explain recurrent neural networks.",
    help_epilogue=(
        "Examples:\n\n"
        "    elman demo                  text, sound and an ECG, one after the other\n"
        "    elman demo ecg              one of them\n"
        "    elman demo audio --seed 1   again, from other random weights\n"
        "    elman bench                 how fast this machine trains\n"
    ),
    help_format="plaintext",
    version=_version,
    suppress_keyboard_interrupt=False,
)


@app.command
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


@app.command
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: What follows `elman` on the command line; `sys.argv[1:]` if None.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
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
