"""How does the time grow with length, units, batch and threads?

    python benchmarks/scaling.py                              all four, elman and expert JAX
    python benchmarks/scaling.py --axis steps --peers torch   one of them, another peer
    python benchmarks/scaling.py --axis threads --values 1,2,4

Training steps of one LSTM. Steps: 32 units, 8 features. Units: 100 steps, 64 features. Batch and
threads: 64 units, 100 steps, 64 features.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from rich.table import Table

import common
from elman.bench import Case

#: What is asked for by default, along each axis.
VALUES = {
    "steps": [30, 100, 300, 1000, 3000, 10_000],
    "units": [8, 16, 32, 64, 128, 256, 512, 1024],
    "batch": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    "threads": [n for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64) if n <= (os.cpu_count() or 1)],
}


def more(parser: argparse.ArgumentParser) -> None:
    """Which axis."""
    parser.add_argument("--axis", default=",".join(VALUES), help="comma-separated")
    parser.add_argument("--values", help="comma-separated, instead of the usual ones")
    parser.set_defaults(peers="jax", seconds=1.0)


def case_at(axis: str, value: int) -> Case:
    """The case at one point of an axis; an epoch has about the same arithmetic everywhere."""
    case = Case(f"{axis} {value}", (("LSTM", 64),), steps=100, features=64)
    if axis == "steps":
        case = case.changed(cells=(("LSTM", 32),), features=8, steps=value)
    elif axis == "units":
        case = case.changed(cells=(("LSTM", value),))
    elif axis == "batch":
        case = case.changed(batch=value)
    return case.changed(batches=int(max(2, min(64, 1e10 / case.flops()))))


def main() -> None:
    """Walk along the axes."""
    options = common.options(__doc__ or "", "train", more)
    run = common.Run("scaling", options)
    for axis in options.axis.split(","):
        if axis not in VALUES:
            raise SystemExit(f"expected an axis among {', '.join(VALUES)}, got {axis!r}")
        values = [int(v) for v in options.values.split(",")] if options.values else VALUES[axis]
        points: list[tuple[int, list[dict[str, Any]]]] = []
        if axis == "threads":
            for value in values:
                with run.workers(options.peer_list, threads=value) as workers:
                    points.append((value, measured(run, workers, axis, value)))
        else:
            with run.workers(options.peer_list) as workers:
                points += [(value, measured(run, workers, axis, value)) for value in values]
        run.print_tables(table(axis, points))
    run.end()


def measured(run: common.Run, workers: list[Any], axis: str, value: int) -> list[dict[str, Any]]:
    """One point."""
    case = case_at(axis, value)
    return common.compare(
        run, workers, case, "train", flops=case.flops(), units=case.batches,
        label={"axis": axis, "value": value},
    )  # fmt: skip


def table(axis: str, points: list[tuple[int, list[dict[str, Any]]]]) -> Table:
    """One axis: what a step costs, per unit of the axis, and beside the peers."""
    title = f"One training step along {axis}"
    found = Table(title=title, title_style="bold", title_justify="left")
    per = {"steps": "us per\ntime step", "units": "ns per\nunit^2", "batch": "us per\nrow"}
    found.add_column(axis, justify="right")
    headings = ["elman\nms", per.get(axis, "speed-up"), "% of\npeak", "best\npeer ms"]
    for heading in headings:
        found.add_column(heading, justify="right", no_wrap=True)
    found.add_column("who", no_wrap=True)
    found.add_column("x\nelman", justify="right", no_wrap=True)
    alone = next((r for _, rows in points for r in rows if r["peer"] == "elman"), None)
    for value, rows in points:
        own = next((row for row in rows if row["peer"] == "elman"), None)
        if own is None or alone is None:
            continue
        ms, best = own["ms"]["median"], common.best_peer(rows)
        each = {
            "steps": ms * 1e3 / value,
            "units": ms * 1e6 / value**2,
            "batch": ms * 1e3 / value,
            "threads": alone["ms"]["median"] / ms,
        }[axis]
        found.add_row(
            f"{value:,}",
            common.number(ms),
            common.number(each),
            f"{100 * own['of_peak']:.0f}",
            common.number(best["ms"]["median"]) if best else "-",
            best["peer"] if best else "-",
            common.number(best["ratio"]["median"]) if best else "-",
        )
    return found


if __name__ == "__main__":
    main()
