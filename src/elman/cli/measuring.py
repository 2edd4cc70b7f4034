"""Commands that show what elman can do: `demo` and `bench`."""

from __future__ import annotations

from elman.cli.app import app


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
