"""How long from `python` to the end of the first epoch?

    python benchmarks/cold_start.py
    python benchmarks/cold_start.py --peers jax --turns 9

A new process each time, running the program that one would write (`benchmarks/programs/`):
imports, the model of `audio`, one epoch of 1,024 sequences. All take turns. Each program runs once
before, so that compiled Python files are there for all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

import common
from elman.bench import CASES, Spread
from make_peers import is_ready, python_of
from peers import Peer, PeerError

PROGRAMS = Path(__file__).resolve().parent / "programs"
ROWS = 1024


def more(parser: argparse.ArgumentParser) -> None:
    """How often."""
    parser.add_argument("--turns", type=int, default=5, help="processes per peer")


def once(peer: Peer, venvs: Path, data: Path, limit: float) -> dict[str, float]:
    """One process: seconds to the end of its imports, and to the end of its epoch."""
    python = sys.executable
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if peer.venv is not None:
        if not is_ready(peer.venv, venvs):
            raise PeerError(f"not made yet; run python benchmarks/make_peers.py {peer.venv}")
        python = str(python_of(peer.venv, venvs))
        environment.pop("PYTHONPATH", None)
    if peer.worker == "with_keras.py":
        environment["KERAS_BACKEND"] = peer.variant
    command = [python, str(PROGRAMS / peer.worker), str(data)]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=limit)
    if done.returncode:
        raise PeerError(f"failed: {' '.join(done.stderr.split())[-300:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "import": found["imported"] - start,
        "trained": found["trained"] - start,
        "loss": found["loss"],
    }


def main() -> None:
    """Measure."""
    options = common.options(__doc__ or "", "train", more)
    run = common.Run("cold_start", options)
    # A variant of settings starts as its plain form does.
    peers = [p for p in options.peer_list if not p.name.endswith(("-best", "-compile", "-bf16"))]
    locks = common.Locks(options.lock)
    times: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "audio.npz"
        x, y = CASES["audio"].data(ROWS)
        np.savez(data, x=x, y=y)
        with locks.shared():
            for peer in peers:
                try:
                    once(peer, options.venvs, data, options.limit)
                    times[peer.name] = []
                except (PeerError, subprocess.TimeoutExpired) as error:
                    run.say(peer, str(error))
        for _ in range(options.turns):
            with locks.alone():
                for peer in peers:
                    if peer.name in times:
                        times[peer.name].append(once(peer, options.venvs, data, options.limit))
    report(run, times)


def report(run: common.Run, times: dict[str, list[dict[str, float]]]) -> None:
    """The table and the rows."""
    table = Table(title=f"Seconds from `python` to the end of one epoch of {ROWS:,} sequences")
    table.title_style, table.title_justify = "bold", "left"
    table.add_column("peer", no_wrap=True)
    for heading in ("imports done", "epoch done", "quartiles", "x elman"):
        table.add_column(heading, justify="right", no_wrap=True)
    own: Any = times.get("elman")
    for name, turns in times.items():
        done = Spread.of([t["trained"] for t in turns])
        imports = Spread.of([t["import"] for t in turns])
        ratio = None
        if own and name != "elman":
            ratio = Spread.of(
                [a["trained"] / b["trained"] for a, b in zip(turns, own, strict=True)]
            )
        run.add(
            {
                "peer": name,
                "seconds": done._asdict(),
                "import_seconds": imports._asdict(),
                "ratio": ratio._asdict() if ratio else None,
                "loss": turns[-1]["loss"],
            }
        )
        table.add_row(
            name,
            f"{imports.median:.2f}",
            f"{done.median:.2f}",
            f"{done.low:.2f} - {done.high:.2f}",
            f"{ratio.median:.1f}" if ratio else "",
        )
    run.print_tables(table)
    run.end()


if __name__ == "__main__":
    main()
