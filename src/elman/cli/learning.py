"""Commands that learn from data: `train`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Group, Parameter

from elman.cli.app import app

PREDICTED = Parameter(group=Group.create_ordered("What is predicted"))
FORECASTING = Parameter(group=Group.create_ordered("What a forecast sees"))
TRAINING = Parameter(group=Group.create_ordered("Network and training"), negative="")
READING = Parameter(group=Group.create_ordered("How files are read"))
OUTPUT = Parameter(group=Group.create_ordered("Output"), negative="")


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "    elman train reviews.csv              a column of texts, a column of labels\n"
        "    elman train recordings/              a folder of WAV files for each class\n"
        "    elman train pulse.csv --target outcome --sequence visit --time when\n"
        "    elman train load.csv --task forecast --horizon 24 --time date --target load\n"
        "    elman train records/ --cut beats --classes aami\n"
        "    elman train ECG200_TRAIN.ts --test ECG200_TEST.ts --arch 'lstm(32)'\n"
        "    elman train voices --out mine.keras  a dataset that elman brings\n"
    )
)
def train(
    data: str,
    /,
    *,
    task: Annotated[Literal["auto", "classify", "regress", "tag", "forecast"], PREDICTED] = "auto",
    target: Annotated[str | None, PREDICTED] = None,
    group: Annotated[str | None, PREDICTED] = None,
    time: Annotated[str | None, PREDICTED] = None,
    sequence: Annotated[str | None, PREDICTED] = None,
    series: Annotated[str | None, FORECASTING] = None,
    horizon: Annotated[int | None, FORECASTING] = None,
    window: Annotated[int | None, FORECASTING] = None,
    season: Annotated[int | None, FORECASTING] = None,
    covariates: Annotated[str | None, FORECASTING] = None,
    known: Annotated[str | None, FORECASTING] = None,
    arch: Annotated[str | None, TRAINING] = None,
    epochs: Annotated[int | None, TRAINING] = None,
    valid: Annotated[float, TRAINING] = 0.15,
    test: Annotated[float | str, TRAINING] = 0.2,
    by: Annotated[Literal["auto", "group", "time", "random"], TRAINING] = "auto",
    seed: Annotated[int, TRAINING] = 0,
    lr: Annotated[float | None, TRAINING] = None,
    batch_size: Annotated[int | None, TRAINING] = None,
    balanced: Annotated[bool, TRAINING] = False,
    kind: Annotated[Literal["text", "sound", "ecg", "table"] | None, READING] = None,
    column: Annotated[str | None, READING] = None,
    tokens: Annotated[Literal["words", "chars", "bytes"] | None, READING] = None,
    size: Annotated[int | None, READING] = None,
    features: Annotated[str | None, READING] = None,
    rate: Annotated[int | None, READING] = None,
    source_rate: Annotated[float | None, READING] = None,
    channel: Annotated[int | None, READING] = None,
    channels: Annotated[str | None, READING] = None,
    cut: Annotated[Literal["windows", "beats", "records"] | None, READING] = None,
    length: Annotated[float | None, READING] = None,
    slice: Annotated[float | None, READING] = None,
    hop: Annotated[float | None, READING] = None,
    label: Annotated[Literal["auto", "window", "step", "record"] | None, READING] = None,
    classes: Annotated[str | None, READING] = None,
    on_disk: Annotated[str | None, READING] = None,
    out: Annotated[str | None, OUTPUT] = None,
    overwrite: Annotated[bool, OUTPUT] = False,
    json: Annotated[bool, OUTPUT] = False,
    quiet: Annotated[bool, OUTPUT] = False,
) -> None:
    """Train a model on a file or folder: look at it, choose a network, split, train, judge, save.

    Parameters
    ----------
    data
        A table, an .npz, .ts or ECG file, a folder with one for each class, or a bundled dataset.
    task
        classify, regress, tag (an answer at every step) or forecast.
    target
        The column to predict; guessed, and said, if not given.
    group
        The column of what a split keeps together, a patient; for sound, a pattern in the path.
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
        Columns that are known ahead, such as holidays, with commas between them; also 'time of
        day', 'day of week' and 'day of year'.
    arch
        The network in one line, such as 'gru(32)' or 'embedding(?,16,mask) > lstm(32)'.
    epochs
        How often to go through the data, at most.
    valid
        The share of the data that decides when to stop.
    test
        The share that is held out until the end; or a file or folder to test on.
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
    channel
        Of sound with several channels: which one, from 0.
    channels
        Of ECG and sensors: the names of those to read, with commas between them.
    cut
        Cut ECG into windows, beats, or whole records.
    length
        Seconds in a window.
    slice
        Seconds in a slice of sound.
    hop
        Seconds from one window, or one slice of sound, to the next.
    label
        What a window is labelled by.
    classes
        Which annotations make a class: 'narrow=NL,wide=VR', or aami for those of ANSI/AAMI EC57.
    on_disk
        For data larger than memory: a new folder to read them into, which later is DATA itself.
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
        "source_rate": source_rate, "channel": channel, "channels": channels, "cut": cut,
        "length": length, "slice": slice, "hop": hop, "label": label, "classes": classes,
        "on_disk": on_disk,
    }  # fmt: skip
    listener = telling.Json() if json else telling.Silent() if quiet else telling.Tables()
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
