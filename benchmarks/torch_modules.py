"""How much faster does a PyTorch model train after `replace(model)`?

    pip install ".[bench,torch]"
    python benchmarks/torch_modules.py
    python benchmarks/torch_modules.py --cells gru --features 32 --optimizers adam

The same model twice in one process: a layer of torch.nn over batches of 32 sequences of 100 steps,
16 units, batch first, a linear head on the last state, binary cross-entropy on logits. A step is
`zero_grad`, forward, backward and the optimizer's step; head, loss and optimizer are torch's on
both sides, each optimizer in its fastest form, on one thread and on `--threads`. Before anything is
timed, the gradients of both must agree. Then they take turns; a ratio is that of two neighbours.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.table import Table
from torch import nn

import common
from elman.bench import Spread
from elman.interop.torch import replace

ROWS, STEPS, UNITS = 32, 100, 16
CELLS: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, foreach=True),
    "adam": lambda weights: torch.optim.Adam(weights, fused=True),
}
#: How far gradients may be apart. Weights after some steps would say less: the first step of
#: RMSprop is as long for a gradient of 1e-9 as for any other, and may go either way.
TOLERANCE = 1e-5
SIDES = ("torch", "elman")


def more(parser: argparse.ArgumentParser) -> None:
    """Which layers, inputs and optimizers."""
    parser.add_argument("--cells", default="gru", help=f"comma-separated, among {','.join(CELLS)}")
    parser.add_argument("--features", default="1,3,32", help="of the input, comma-separated")
    parser.add_argument("--optimizers", default=",".join(OPTIMIZERS), help="comma-separated")
    parser.set_defaults(peers="elman")


class Classifier(nn.Module):
    """A recurrent layer and a head on its last state."""

    def __init__(self, cell: str, features: int) -> None:
        super().__init__()
        self.rnn = CELLS[cell](features, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = self.rnn(x)[1]
        return self.head((last[0] if isinstance(last, tuple) else last)[-1])


class Side:
    """One of the two: a model, its optimizer, and how long its turns took."""

    def __init__(self, name: str, cell: str, features: int, optimizer: str) -> None:
        torch.manual_seed(0)
        self.model = Classifier(cell, features)
        self.x, self.y = torch.randn(ROWS, STEPS, features), torch.rand(ROWS, 1).round()
        if name == "elman":
            replace(self.model)
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.ms: list[float] = []
        self.gradients = torch.autograd.grad(self.loss(), list(self.model.parameters()))
        self.count = 1

    def loss(self) -> torch.Tensor:
        """Of the one batch."""
        return nn.functional.binary_cross_entropy_with_logits(self.model(self.x), self.y)

    def train(self, count: int) -> None:
        """So many steps."""
        for _ in range(count):
            self.optimizer.zero_grad()
            self.loss().backward()
            self.optimizer.step()

    def turn(self) -> float:
        """ms per step."""
        start = time.perf_counter()
        self.train(self.count)
        self.ms.append((time.perf_counter() - start) * 1e3 / self.count)
        return self.ms[-1]


def measured(sides: list[Side], seconds: float, turn: float) -> list[float]:
    """Turns of about equal length; how much longer torch took than elman after it."""
    for side in sides:
        side.count = max(1, round(turn * 1e3 / side.turn()))
        side.count = max(1, round(turn * 1e3 / side.turn()))
        side.ms.clear()
    ratios: list[float] = []
    began = time.perf_counter()
    while len(ratios) < 3 or time.perf_counter() - began < seconds:
        theirs, ours = (side.turn() for side in sides)
        ratios.append(theirs / ours)
    return ratios


def main() -> None:
    """Every combination asked for, a row of the table each."""
    options = common.options(__doc__ or "", "train", more)
    run = common.Run("torch_modules", options)
    run.report["peers"] = {"torch": {"version": torch.__version__}}
    locks = common.Locks(options.lock)
    asked = [getattr(options, name).split(",") for name in ("cells", "features", "optimizers")]
    for (cell, features, optimizer), threads in itertools.product(
        itertools.product(*asked), sorted({1, options.threads})
    ):
        torch.set_num_threads(threads)
        with locks.shared():
            sides = [Side(name, cell, int(features), optimizer) for name in SIDES]
        both = zip(*(side.gradients for side in sides), strict=True)
        apart = max((a - b).abs().max().item() for a, b in both)
        row: dict[str, Any] = {
            "cell": cell,
            "features": int(features),
            "optimizer": optimizer,
            "threads": threads,
            "difference": apart,
        }
        if not apart <= TOLERANCE:
            run.add(row | {"error": "gradients differ"})
            continue
        with locks.alone():
            ratios = measured(sides, options.seconds, options.turn)
        for name, side in zip(SIDES, sides, strict=True):
            row[f"{name}_ms"] = Spread.of(side.ms)._asdict()
        run.add(row | {"ratio": Spread.of(ratios)._asdict()})
    run.print_tables(shown(run.rows))
    run.end()


def shown(rows: list[dict[str, Any]]) -> Table:
    """A line for each combination."""
    table = Table(title="One training step, ms", title_style="bold", title_justify="left")
    for heading in ("cell", "optimizer"):
        table.add_column(heading, no_wrap=True)
    for heading in ("features", "threads", "torch.nn", "on elman", "times\nfaster", "quartiles"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        about = (row["cell"], row["optimizer"], str(row["features"]), str(row["threads"]))
        if "error" in row:
            table.add_row(*about, row["error"])
            continue
        ratio = row["ratio"]
        table.add_row(
            *about,
            *(common.number(row[f"{name}_ms"]["median"]) for name in SIDES),
            common.number(ratio["median"]),
            f"{common.number(ratio['low'])} - {common.number(ratio['high'])}",
        )
    return table


if __name__ == "__main__":
    main()
