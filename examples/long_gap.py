"""A long gap: who still knows the first value after twenty steps of noise?

    python examples/long_gap.py                         # seconds
    python examples/long_gap.py --seeds 8 --to gap.png  # the table of docs/seeing.md, a picture

The first step holds +1 or -1 and is marked by a second feature; noise follows, and at the end the
network must say which of the two it was. Nothing of the noise helps, and all of it disturbs.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np

import elman
from elman.explain import plots
from elman.explain.gradient_flow import GradientFlow, StateFlow, plot_flows
from elman.layers import GRU, LSTM, Dense, SimpleRNN

CELLS = (SimpleRNN, LSTM, GRU)
GAP, NOISE = 20, 4.0
UNITS, ROWS, TEST_ROWS, EPOCHS, RATE = 16, 4000, 1000, 40, 0.01


class Outcome(NamedTuple):
    """One network after its training."""

    accuracy: float  #: on rows it has not seen
    before: GradientFlow
    after: GradientFlow


def recall(rows: int, gap: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """The task: x [rows, 1 + gap, 2], and y, whether the first value was +1."""
    x = np.zeros((rows, 1 + gap, 2), np.float32)
    x[..., 0] = rng.normal(0.0, NOISE, x.shape[:2])
    y = rng.integers(0, 2, rows)
    x[:, 0] = np.stack([2 * y - 1, np.ones(rows)], axis=1)
    return x, y


def train(cell: Any, gap: int, seed: int) -> Outcome:
    """Train one network, and follow its gradient before and after."""
    elman.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = recall(ROWS, gap, rng)
    x_test, y_test = recall(TEST_ROWS, gap, rng)
    layers = [elman.Input((None, 2)), cell(UNITS), Dense(1, activation="sigmoid")]
    model = elman.Sequential(layers)
    model.compile(elman.optimizers.Adam(RATE), "binary_crossentropy", metrics=["accuracy"])
    before = model.gradient_flow(x_test[:100], y_test[:100])
    model.fit(x, y, epochs=EPOCHS, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    return Outcome(accuracy, before, model.gradient_flow(x_test[:100], y_test[:100]))


def memory(flow: GradientFlow) -> StateFlow:
    """The flow of the state that remembers: the LSTM's is its second, the cell state."""
    return list(flow.values())[-1]


def table(found: dict[str, list[Outcome]], gap: int) -> str:
    """Accuracies of every seed, and the middle reach."""
    lines = [f"{'':<10} {'reach, new':>10} {'trained':>8}   accuracy of each seed, worst first"]
    for name, outcomes in found.items():
        reach = [
            f"{np.median([memory(flow).reach for flow in flows]):.0f}/{gap}"
            for flows in ([o.before for o in outcomes], [o.after for o in outcomes])
        ]
        scores = " ".join(f"{accuracy:.0%}" for accuracy in sorted(o.accuracy for o in outcomes))
        lines.append(f"{name:<10} {reach[0]:>10} {reach[1]:>8}   {scores}")
    return "\n".join(lines)


def one_number(weight: float = 2.1, rate: float = 0.1, gradient: float = 0.001) -> str:
    """What a faint gradient does to a weight."""
    changed = weight - rate * gradient
    return (
        f"A weight of {weight}, a learning rate of {rate} and a gradient of {gradient}:\n"
        f"{weight} - {rate} * {gradient} = {changed:.4f}. It has moved by "
        f"{1 - changed / weight:.4%}: the network does not learn from there."
    )


def draw(found: dict[str, list[Outcome]], path: str) -> None:
    """The gradient of each cell with the first seed, before and after."""
    figure = plots.new_figure(11, 4)
    for axis, moment in zip(figure.subplots(1, 2), ("before", "after"), strict=True):
        flows = {name: memory(getattr(outcomes[0], moment)) for name, outcomes in found.items()}
        plot_flows(axis, flows)
        axis.set_title(f"{moment} training", fontsize=10, loc="left")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gap", type=int, default=GAP, help="steps of noise")
    parser.add_argument("--seeds", type=int, default=2, help="networks of each cell")
    parser.add_argument("--to", help="where to save the picture")
    asked = parser.parse_args()
    found = {
        cell.__name__: [train(cell, asked.gap, seed) for seed in range(asked.seeds)]
        for cell in CELLS
    }
    print(table(found, asked.gap))
    print()
    print(one_number())
    if asked.to:
        draw(found, asked.to)


if __name__ == "__main__":
    main()
