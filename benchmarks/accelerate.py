"""How much faster does a Keras model train, called through Keras's own `fit`, on elman's engine?

The same program twice on each backend: once as it is, once after `accelerate(model)`. A whole epoch
divided by its steps, as in training.py; elman itself, without Keras around it, is the third.

    python benchmarks/accelerate.py
    python benchmarks/accelerate.py --cases audio --seconds 0.5
"""

from __future__ import annotations

from typing import Any

from rich.table import Table

import common
from elman.bench.cases import CASES, SMALL
from peers import chosen

#: What a backend is called, its peer, and the same with elman's engine.
BACKENDS = {
    "jax": ("keras-jax", "keras-jax-elman"),
    "tensorflow": ("keras-tf", "keras-tf-elman"),
}


def main() -> None:
    """Measure the cases asked for."""
    options = common.options(__doc__ or "", "train")
    if options.cases is None:
        options.case_list = [CASES[name] for name in SMALL]
    if options.peers is None:
        options.peer_list = chosen(",".join(p for pair in BACKENDS.values() for p in pair), "train")
    run = common.Run("accelerate", options)
    speedups = []
    with run.workers(options.peer_list) as workers:
        for case in options.case_list:
            rows = common.compare(
                run, workers, case, "train", flops=case.flops(), units=case.batches
            )
            speedups += of_case(case.name, rows)
    run.report["speedups"] = speedups
    run.print_tables(table(speedups))
    run.end()


def of_case(case: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By how much each backend became faster; both sides were timed next to elman's turns."""
    by_peer = {row["peer"]: row for row in rows if row.get("ms")}
    found = []
    for backend, (plain, fast) in BACKENDS.items():
        if plain in by_peer and fast in by_peer:
            times = [by_peer[name]["ms"]["median"] for name in (plain, fast, "elman")]
            ratios = [by_peer[name]["ratio"]["median"] for name in (plain, fast)]
            found.append(
                {
                    "case": case,
                    "backend": backend,
                    **dict(zip(("keras_ms", "accelerated_ms", "elman_ms"), times, strict=True)),
                    "speedup": ratios[0] / ratios[1],
                }
            )
    return found


def table(speedups: list[dict[str, Any]]) -> Table:
    """A line for each case and backend."""
    made = Table(
        title="One training step through Keras's fit, ms", title_style="bold", title_justify="left"
    )
    for heading in ("case", "backend"):
        made.add_column(heading, no_wrap=True)
    for heading in ("Keras", "on elman's\nengine", "times\nfaster", "elman\nalone"):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in speedups:
        numbers = (row[k] for k in ("keras_ms", "accelerated_ms", "speedup", "elman_ms"))
        made.add_row(row["case"], row["backend"], *map(common.number, numbers))
    return made


if __name__ == "__main__":
    main()
