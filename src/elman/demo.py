"""`elman demo`: train on the bundled real data, and compare with two simple baselines.

>>> from elman import demo
>>> demo.run("ecg", verbose=0)[0].accuracy
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import elman
from elman import baselines
from elman.data import datasets
from elman.errors import OptionError, unknown_name

if TYPE_CHECKING:
    from rich.console import Console


class Recipe(NamedTuple):
    """One task: its data, its network up to the last layer, and how long to train."""

    data: Callable[[], datasets.Dataset]
    layers: Callable[[datasets.Dataset], list[Any]]
    epochs: int
    batch_size: int = 32


class Result(NamedTuple):
    """How one task went; accuracies are shares of the test rows."""

    task: str
    majority: float  #: always answering the most frequent class
    order_free: float  #: logistic regression on features that ignore order
    accuracy: float  #: the recurrent network after its last epoch
    seconds: float  #: time in `fit`
    rows: int  #: how many test rows the accuracies are taken over
    epochs: int  #: how often the network went through the training rows


def _text(data: datasets.Dataset) -> list[Any]:
    return [
        elman.Input(data.x_train.shape[1:]),
        elman.layers.Embedding(len(data.vocabulary), 32, mask_zero=True),
        elman.layers.LSTM(32),
    ]


def _audio(data: datasets.Dataset) -> list[Any]:
    return [
        elman.Input(data.x_train.shape[1:]),
        elman.layers.Masking(mask_value=0.0),
        elman.layers.GRU(32),
    ]


def _ecg(data: datasets.Dataset) -> list[Any]:
    return [elman.Input(data.x_train.shape[1:]), elman.layers.LSTM(16)]


def _two_voices(data: datasets.Dataset) -> list[Any]:
    return [
        elman.Input(data.x_train.shape[1:]),
        elman.layers.Masking(mask_value=0.0),
        elman.layers.LSTM(16),
    ]


def _digits(data: datasets.Dataset) -> list[Any]:
    return [
        elman.Input(data.x_train.shape[1:]),
        elman.layers.Masking(mask_value=0.0),
        elman.layers.GRU(48),
    ]


#: What `run` knows; "all" is the first three.
RECIPES = {
    "text": Recipe(datasets.tweets, _text, epochs=6),
    "audio": Recipe(datasets.voices, _audio, epochs=20),
    "ecg": Recipe(datasets.ecg_beats, _ecg, epochs=20, batch_size=16),
    "two-voices": Recipe(lambda: datasets.voices(("it", "ru")), _two_voices, epochs=15),
    "digits": Recipe(datasets.digits, _digits, epochs=15),
}
ALL = ("text", "audio", "ecg")


def run(
    task: str = "all", seed: int = 0, epochs: int | None = None, verbose: int | str = "auto"
) -> list[Result]:
    """Train the demo's networks and say how they do.

    Args:
        task: "text", "audio", "ecg", "two-voices", "digits", or "all" for the first three.
        seed: Seed of initialization and shuffling; the same seed gives the same result.
        epochs: How often to go through the training rows; each task's own number if None.
        verbose: As in `fit`; 0 prints nothing at all.

    Returns:
        One `Result` per task.

    Raises:
        UnknownNameError: There is no such task.
        OptionError: `epochs` is below 1, or `seed` is negative.
    """
    if task != "all" and task not in RECIPES:
        raise unknown_name("demo", "task", task, ["all", *RECIPES])
    if epochs is not None and epochs < 1:
        raise OptionError(f"demo expected at least 1 epoch, got {epochs}.")
    if seed < 0:
        raise OptionError(f"demo expected a seed of 0 or more, got {seed}.")
    console = _console() if verbose else None
    results = []
    for name in ALL if task == "all" else (task,):
        results.append(_run_one(name, seed, epochs, verbose, console))
        if console:
            console.print()
    if console:
        _conclude(results, console)
    return results


def _run_one(
    task: str, seed: int, epochs: int | None, verbose: int | str, console: Console | None
) -> Result:
    recipe = RECIPES[task]
    data = recipe.data()
    elman.set_random_seed(seed)
    head = elman.layers.Dense(len(data.names), activation="softmax")
    model = elman.Sequential([*recipe.layers(data), head])
    model.compile(
        optimizer=elman.optimizers.Adam(3e-3, clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    if console:
        _introduce(task, data, console)
        model.summary()
    epochs = epochs or recipe.epochs
    start = time.perf_counter()
    model.fit(
        data.x_train,
        data.y_train,
        batch_size=recipe.batch_size,
        epochs=epochs,
        verbose=verbose,
    )
    seconds = time.perf_counter() - start
    _, accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)
    return Result(
        task,
        baselines.majority(data.y_train, data.y_test),
        baselines.order_free(data.x_train, data.y_train, data.x_test, data.y_test),
        float(accuracy),
        seconds,
        len(data.y_test),
        epochs,
    )


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    console.width = min(console.width, 80)
    return console


def _introduce(task: str, data: datasets.Dataset, console: Console) -> None:
    """What the data are, and whose labels they are."""
    features = ", ".join(
        name if unit == "none" else f"{name} ({unit})"
        for name, unit in zip(data.feature_names, data.units, strict=True)
    )
    step = data.step if data.vocabulary else f"{data.step}: {features}"
    console.rule(f"[bold]{task}", style="dim")
    console.print(data.about, markup=False)
    console.print(
        f"{len(data.x_train):,} rows to learn from, {len(data.x_test):,} held out; up to "
        f"{data.x_train.shape[1]} steps, each {step}.",
        markup=False,
    )
    console.print(data.licence, style="dim", markup=False)
    console.print()


def _conclude(results: list[Result], console: Console) -> None:
    from rich.table import Table

    table = Table(title="Accuracy on the rows held out", title_style="bold", title_justify="left")
    table.add_column("task", no_wrap=True)
    for heading in (
        "majority\nbaseline",
        "order-free\nbaseline",
        "this\nmodel",
        "seconds\nto train",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        shares = (result.majority, result.order_free, result.accuracy)
        table.add_row(
            result.task, *(f"{100 * share:.1f} %" for share in shares), f"{result.seconds:.2f}"
        )
    console.print(table)
    console.print(
        "Majority: always the most frequent class. Order-free: logistic regression on what does "
        "not depend on order (weighted word counts; mean, deviation, quantiles).",
        style="dim",
    )
    for result in results:
        console.print(verdict(result), markup=False)


def verdict(result: Result) -> str:
    """One honest line: did the network gain anything from the order of the steps?

    A gain counts if it is beyond two standard errors of the accuracy, which are what so few test
    rows leave open.
    """
    usual = RECIPES[result.task].epochs
    if result.epochs < usual:
        return f"{result.task}: too early to judge, after {result.epochs} of {usual} epochs."
    gain = 100 * (result.accuracy - result.order_free)
    p = result.accuracy
    noise = 200 * (p * (1 - p) / result.rows) ** 0.5
    return f"{result.task}: {baselines.verdict(gain, noise, f'{result.rows} rows')}"
