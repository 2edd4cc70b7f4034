"""What does a large vocabulary cost?

    python benchmarks/vocabulary.py
    python benchmarks/vocabulary.py --rules adam --tokens zipf --tables 15000x64,1000000x64

Training steps of LSTM 16 above a table of embeddings: 100 steps, batch 32, through `fit`. Tokens
are drawn evenly, which no text does and which is the hardest for memory, or as in text: the n-th
most frequent with a chance of 1/n (Zipf), frequent ones first in the table. All tables of one rule
and kind of tokens take turns; a ratio is that of two neighbouring turns. Memory is what the process
grew by when the model was built and had trained one epoch, in bytes of its table: 1 for the table,
and 1 for each moment that the rule keeps per weight. (Of a small table the rest is more.)
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

import common
import elman
from elman.bench import Spread
from elman.layers import LSTM, Dense, Embedding

RULES = ("sgd", "rmsprop", "adam")
TABLES = ((15_000, 32), (15_000, 64), (1_000_000, 64))
#: The table that the others are compared with.
SMALL = (15_000, 64)
ROWS, STEPS = 32, 100


def even(rng: np.random.Generator, vocabulary: int, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Every token as often as any other."""
    return rng.integers(0, vocabulary, shape, dtype=np.int32)


def zipf(rng: np.random.Generator, vocabulary: int, shape: tuple[int, int]) -> NDArray[np.int32]:
    """As in text: the chance of a token is one over its rank."""
    upto = np.cumsum(1.0 / np.arange(1, vocabulary + 1))
    return np.searchsorted(upto, rng.random(shape) * upto[-1]).astype(np.int32)


TOKENS: dict[str, Callable[..., NDArray[np.int32]]] = {"even": even, "zipf": zipf}


def more(parser: argparse.ArgumentParser) -> None:
    """Which rules, tokens and tables."""
    parser.add_argument("--rules", default=",".join(RULES), help="comma-separated")
    parser.add_argument("--tokens", default=",".join(TOKENS), help="comma-separated")
    parser.add_argument(
        "--tables", default=",".join(f"{rows}x{width}" for rows, width in TABLES),
        help="comma-separated, rows x width",
    )  # fmt: skip
    parser.add_argument("--batches", type=int, default=96, help="different ones, again and again")
    parser.set_defaults(peers="elman", seconds=4.0)


class Point:
    """A model with one table, its data, and how long its turns took."""

    def __init__(self, rows: int, width: int, rule: str, tokens: str, batches: int) -> None:
        self.table = (rows, width)
        rng = np.random.default_rng(0)
        self.x = TOKENS[tokens](rng, rows, (batches * ROWS, STEPS))
        self.y = rng.integers(0, 2, (batches * ROWS, 1)).astype(np.float32)
        self.different = int(np.mean([len(np.unique(b)) for b in np.split(self.x, batches)]))
        self.ms: list[float] = []
        self.ratios: list[float] = []
        before = resident()
        elman.set_random_seed(0)
        self.model = elman.Sequential(
            [elman.Input((STEPS,)), Embedding(rows, width), LSTM(16), Dense(1, "sigmoid")]
        )
        self.model.compile(rule, "binary_crossentropy")
        self.turn()  # not counted: memory is touched for the first time
        self.memory = (resident() - before) / (rows * width * 4)

    def turn(self) -> float:
        """One epoch; ms per step."""
        start = time.perf_counter()
        self.model.fit(self.x, self.y, batch_size=ROWS, verbose=0)
        return (time.perf_counter() - start) * 1e3 * ROWS / len(self.x)


def resident() -> int:
    """Bytes of memory that this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measured(points: list[Point], seconds: float) -> None:
    """Turns, one after the other; each table's is compared with the small table's before it."""
    small = next((p for p in points if p.table == SMALL), points[0])
    others = [p for p in points if p is not small]
    began = time.perf_counter()
    while len(small.ms) < 3 or time.perf_counter() - began < seconds:
        for point in others or [small]:
            small.ms.append(small.turn())
            if point is not small:
                point.ms.append(point.turn())
                point.ratios.append(point.ms[-1] / small.ms[-1])


def main() -> None:
    """Every rule and kind of tokens; a table of results for each."""
    options = common.options(__doc__ or "", "train", more)
    elman.set_threads(options.threads)
    run = common.Run("vocabulary", options)
    locks = common.Locks(options.lock)
    tables = [tuple(map(int, name.split("x"))) for name in options.tables.split(",")]
    for tokens in options.tokens.split(","):
        for rule in options.rules.split(","):
            with locks.shared():
                points = [Point(*t, rule, tokens, options.batches) for t in tables]
            with locks.alone():
                measured(points, options.seconds)
            for point in points:
                run.add(as_row(point, rule, tokens))
        run.print_tables(shown(tokens, [r for r in run.rows if r["tokens"] == tokens]))
    run.end()


def as_row(point: Point, rule: str, tokens: str) -> dict[str, Any]:
    """One result for the JSON file."""
    return {
        "tokens": tokens,
        "rule": rule,
        "rows": point.table[0],
        "width": point.table[1],
        "different_tokens": point.different,
        "ms": Spread.of(point.ms)._asdict(),
        "ratio": Spread.of(point.ratios)._asdict() if point.ratios else None,
        "memory_per_table_byte": round(point.memory, 3),
    }


def shown(tokens: str, rows: list[dict[str, Any]]) -> Table:
    """The tables with one kind of tokens."""
    title = f"One training step, tokens: {tokens}"
    table = Table(title=title, title_style="bold", title_justify="left")
    for heading in ("rule", "table"):
        table.add_column(heading, no_wrap=True)
    against = f"/ {SMALL[0]:,}\nx {SMALL[1]}"
    for heading in ("tokens\na step", "ms", "quartiles", against, "memory\n/ table"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        ms, ratio = row["ms"], row["ratio"]
        table.add_row(
            row["rule"],
            f"{row['rows']:,} x {row['width']}",
            f"{row['different_tokens']:,}",
            common.number(ms["median"]),
            f"{common.number(ms['low'])} - {common.number(ms['high'])}",
            common.number(ratio["median"]) if ratio else "",
            f"{row['memory_per_table_byte']:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
