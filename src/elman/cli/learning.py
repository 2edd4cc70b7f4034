"""Commands that learn from data: `train`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from elman.cli.app import app


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman train reviews.csv                     a column of texts, a column of labels\n"
        "    elman train recordings/                     a folder of WAV files for each class\n"
        "    elman train pulse.csv --target outcome --sequence visit --time when\n"
        "    elman train load.csv --task forecast --horizon 24 --time date --target load\n"
        "    elman train records/ --cut beats --classes aami\n"
        "    elman train JapaneseVowels_TRAIN.ts --arch 'bi(gru(32))' --seed 3\n"
        "    elman train voices --out voices.keras       a dataset that elman brings\n"
    )
)
def train(
    data: str,
    /,
    *,
    task: Literal["auto", "classify", "regress", "tag", "forecast"] = "auto",
    target: str | None = None,
    group: str | None = None,
    time: str | None = None,
    sequence: str | None = None,
    series: str | None = None,
    horizon: int | None = None,
    window: int | None = None,
    season: int | None = None,
    covariates: str | None = None,
    known: str | None = None,
    arch: str | None = None,
    epochs: int | None = None,
    valid: float = 0.15,
    test: float = 0.2,
    by: Literal["auto", "group", "time", "random"] = "auto",
    seed: int = 0,
    lr: float | None = None,
    batch_size: int | None = None,
    balanced: Annotated[bool, Parameter(negative="")] = False,
    kind: Literal["text", "audio", "ecg", "table"] | None = None,
    column: str | None = None,
    tokens: Literal["words", "chars", "bytes"] | None = None,
    size: int | None = None,
    features: str | None = None,
    rate: int | None = None,
    source_rate: float | None = None,
    cut: Literal["windows", "beats", "records"] | None = None,
    length: float | None = None,
    hop: float | None = None,
    label: Literal["auto", "window", "step", "record"] | None = None,
    classes: Literal["aami"] | None = None,
    out: str | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Train a model on a file or folder: look at it, choose a network, split, train, judge, save.

    Parameters
    ----------
    data
        A table (.csv, .tsv, .jsonl, .parquet), .npz or .ts file, ECG record (.hea, .edf), a folder
        with a folder for each class, or tweets, voices, ecg-beats or digits.
    task
        classify, regress, tag (an answer at every step) or forecast.
    target
        The column to predict; guessed, and said, if not given.
    group
        The column of what must not be split: a speaker, a patient. For sound a pattern that finds
        it in the path.
    time
        The column of when a step, or a row, was.
    sequence
        For a table with a row for each step: the column that says which sequence it is of.
    series
        For a forecast of many series: the column that tells them apart.
    horizon
        Steps to forecast.
    window
        Steps that a forecast sees; two seasons if not given.
    season
        Steps of a season, 0 for none; found, and said, if not given.
    covariates
        More columns that a forecast sees, with commas between them.
    known
        Columns that are known ahead, such as holidays, with commas between them.
    arch
        The network in one line, such as 'gru(32)' or 'embedding(?,16,mask) > lstm(32)'.
    epochs
        How often to go through the data, at most.
    valid
        The share of the data that decides when to stop.
    test
        The share that is held out until the end.
    by
        Split by group, by time or at random; by what the data allow if auto.
    seed
        The same seed gives the same model.
    lr
        The learning rate.
    batch_size
        Rows of one training step.
    balanced
        Let rare classes count as much as frequent ones.
    kind
        What the data are, where that is not clear.
    column
        The column of texts, or of paths.
    tokens
        What texts are cut into: words, chars or bytes.
    size
        Words of the vocabulary, at most.
    features
        Of sound: basic, log_mel or mfcc. Of a table: its columns, with commas between them.
    rate
        Samples per second to bring sound, ECG or sensors to.
    source_rate
        Samples per second of files that do not say.
    cut
        Cut ECG into windows, beats, or whole records.
    length
        Seconds in a window.
    hop
        Seconds from one window to the next.
    label
        What a window is labelled by.
    classes
        aami: the five classes of beats of ANSI/AAMI EC57.
    out
        The model's file; NAME.keras, by the data's name, if not given.
    overwrite
        Replace a file that is there.
    json
        Print one JSON document, and nothing else.
    quiet
        Print nothing.
    """
    from elman.learning import making, telling

    options = {
        "target": target, "group": group, "time": time, "sequence": sequence, "column": column,
        "series": series, "horizon": horizon, "window": window, "season": season,
        "covariates": covariates, "known": known,
        "tokens": tokens, "size": size, "features": features, "rate": rate,
        "source_rate": source_rate, "cut": cut, "length": length, "hop": hop, "label": label,
        "classes": classes,
    }  # fmt: skip
    listener = telling.Silent() if quiet else telling.Json() if json else telling.Tables()
    made = making.make(
        data,
        listener,
        kind=kind,
        task=task,
        options=options,
        arch=arch,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        valid=valid,
        test=test,
        by=by,
        balanced=balanced,
        seed=seed,
        out=out,
        overwrite=overwrite,
    )
    if made.fitted.stopped:
        raise KeyboardInterrupt
