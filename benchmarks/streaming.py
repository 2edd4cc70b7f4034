"""How long does one step of a stream take, the state carried along, one step per call from Python?

    python benchmarks/streaming.py
    python benchmarks/streaming.py --cells LSTM16 --sessions 1,1000 --peers onnxruntime

A cell with one feature and one output. With several sessions, one call steps all of them.
"""

from __future__ import annotations

import argparse
import re

import common
from elman.bench import Case


def more(parser: argparse.ArgumentParser) -> None:
    """The cells."""
    parser.add_argument("--cells", default="LSTM16,LSTM64,GRU16", help="kind and units")
    parser.add_argument("--sessions", default="1", help="comma-separated streams per call")


def cell(word: str) -> Case:
    """LSTM16 as a case of 20 steps, on which the outputs are compared."""
    found = re.fullmatch(r"(SimpleRNN|LSTM|GRU)(\d+)", word)
    if not found:
        raise SystemExit(f"expected a cell such as LSTM16, GRU16 or SimpleRNN8, got {word!r}")
    return Case(word, ((found[1], int(found[2])),), steps=20, features=1)


def main() -> None:
    """Measure the cells asked for."""
    options = common.options(__doc__ or "", "stream", more)
    cases = [cell(word) for word in options.cells.split(",")]
    run = common.Run("streaming", options)
    with run.workers(options.peer_list) as workers:
        for case in cases:
            for sessions in map(int, options.sessions.split(",")):
                one_step = case.changed(steps=1)
                rows = common.compare(
                    run, workers, case, "stream", flops=one_step.flops(sessions, training=False),
                    label={"sessions": sessions}, rows=sessions,
                )  # fmt: skip
                if not rows:  # said so: this elman cannot stream
                    run.end()
                    return
                title = f"{case.name}: one step" + (f" of {sessions}" if sessions > 1 else "")
                run.print_tables(common.case_table(title, rows, 1e3, "us"))
    run.end()


if __name__ == "__main__":
    main()
