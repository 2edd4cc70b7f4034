"""What the questions share: options, taking turns, checks, tables, JSON."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import elman
from elman.bench import CASES, Case, Spread
from elman.bench.short import machine
from make_peers import VENVS
from peers import PEERS, Absent, Peer, PeerError, Worker, chosen

#: What the check of a case leaves in its row.
CHECKED = ("loss", "difference", "first_epoch", "epoch_difference")
RESULTS = Path(__file__).resolve().parent / "results"


def options(
    doc: str, do: str, more: Callable[[argparse.ArgumentParser], object] = lambda _: None
) -> argparse.Namespace:
    """The command line that all questions share.

    Args:
        doc: the docstring of the question's file.
        do: what the peers must be able to do.
        more: adds the question's own options.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", help=f"comma-separated, among {','.join(CASES)}")
    parser.add_argument("--peers", help=f"comma-separated, among {','.join(PEERS)}")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of measuring, per case and peer"
    )
    parser.add_argument("--turn", type=float, default=0.15, help="seconds of one turn, about")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path, help="where to write; benchmarks/results by default")
    parser.add_argument("--venvs", type=Path, default=VENVS, help="the environments of the peers")
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds after which a peer is given up"
    )
    parser.add_argument(
        "--lock",
        type=Path,
        action="append",
        default=[],
        help="on a shared machine: a file that is locked exclusively while timing, and shared "
        "while preparing; repeat it for several, taken in this order",
    )
    more(parser)
    found = parser.parse_args()
    unknown = [name for name in (found.cases or "").split(",") if name and name not in CASES]
    if unknown:
        parser.error(f"expected cases among {', '.join(CASES)}, got {', '.join(unknown)}")
    if found.seconds <= 0 or found.turn <= 0 or found.threads < 1:
        parser.error("expected --seconds, --turn and --threads above zero")
    found.case_list = [CASES[name] for name in (found.cases or ",".join(CASES)).split(",")]
    found.peer_list = chosen(found.peers, do)
    return found


class Run:
    """One question being answered: its workers, its console, its JSON file."""

    def __init__(self, question: str, chosen_options: argparse.Namespace) -> None:
        self.question = question
        self.options = chosen_options
        self.console = Console(highlight=False)
        self.console.width = min(self.console.width, 80)
        self.json = chosen_options.json or RESULTS / f"{question}.json"
        self.json.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, Any]] = []
        self.report: dict[str, Any] = {
            "question": question,
            "when": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "machine": {**machine(), "threads": chosen_options.threads},
            "options": {k: str(v) for k, v in vars(chosen_options).items() if "_list" not in k},
            "peers": {},
            "results": self.rows,
        }
        about = self.report["machine"]
        self.console.print(
            f"{question}: {about['processor']}, {about['threads']} of {about['cores']} cores, "
            f"{about['system']}, elman {elman.__version__} on {about['isa']}",
            markup=False,
        )

    @contextlib.contextmanager
    def workers(self, peers: list[Peer], threads: int | None = None) -> Iterator[list[Worker]]:
        """Running workers, elman's first; a peer that cannot start is reported and left out."""
        started: list[Worker] = []
        with contextlib.ExitStack() as stack:
            for peer in peers:
                try:
                    with Locks(self.options.lock).shared():  # imports are work for seconds
                        worker = stack.enter_context(
                            Worker(peer, self.options.venvs, threads or self.options.threads)
                        )
                        worker.start()
                except PeerError as error:
                    if peer.name == "elman":
                        raise SystemExit(f"elman's own worker failed: {error}") from error
                    self.say(peer, str(error))
                    continue
                self.report["peers"][peer.name] = worker.about
                started.append(worker)
            yield started

    def say(self, peer: Peer | Worker, message: str) -> None:
        """One line about a peer, also for the JSON file."""
        self.console.print(f"{peer.name}: {message}", markup=False, style="yellow")
        self.report.setdefault("notes", []).append(f"{peer.name}: {message}")

    def add(self, row: dict[str, Any]) -> None:
        """One result; the file is written at once, so that nothing is lost."""
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        """The JSON file as it is now."""
        self.json.write_text(json.dumps(self.report, indent=1) + "\n")

    def print_tables(self, *tables: Table) -> None:
        """Tables, within 80 columns."""
        for table in tables:
            self.console.print(table)

    def end(self) -> None:
        """Say where the numbers are."""
        self.write()
        self.console.print(f"Written to {self.json}", markup=False, style="dim")


# -- the data of a case ---------------------------------------------------------------------------


@contextlib.contextmanager
def stored(case: Case, rows: int | None = None) -> Iterator[str]:
    """A file with the weights that everybody starts from, and the data."""
    elman.set_random_seed(0)
    weights = case.model().get_weights()
    # Biases that are not all alike: a peer that mixes two gates up must not pass the check.
    rng = np.random.default_rng(1)
    weights = [w + 0.1 * rng.standard_normal(w.shape).astype(w.dtype) for w in weights]
    x, y = case.data(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.npz"
        np.savez(path, x=x, y=y, **{f"w{i}": w for i, w in enumerate(weights)})
        yield str(path)


# -- a machine that is shared ---------------------------------------------------------------------


class Locks:
    """Files that jobs on one machine lock: shared while they merely work, alone while they time."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """While preparing. All but the last file are gates: passed, not kept."""
        with contextlib.ExitStack() as stack:
            for path in self._paths[:-1]:
                with path.open("a") as gate:
                    fcntl.flock(gate, fcntl.LOCK_EX)
            for path in self._paths[-1:]:
                fcntl.flock(stack.enter_context(path.open("a")), fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While timing: nobody else who takes these locks works meanwhile."""
        with contextlib.ExitStack() as stack:
            for path in self._paths:
                fcntl.flock(stack.enter_context(path.open("a")), fcntl.LOCK_EX)
            yield


# -- taking turns ---------------------------------------------------------------------------------


def busy_seconds() -> float:
    """Seconds of processor time used on this machine so far, also by other machines on it."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return float("nan")
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, fields)
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


class Turns:
    """What one peer's turns took.

    Args:
        worker: who.
        turn: seconds that one turn should take.
        limit: seconds after which the worker is given up.
    """

    def __init__(self, worker: Worker, turn: float, limit: float) -> None:
        self.worker, self.limit = worker, limit
        once = worker.ask("work", limit, count=1)["seconds"]
        self.count = max(1, min(1_000_000, round(turn / max(once, 1e-7))))
        if self.count > 1:  # a single call is too short to judge by, and was the first
            took = worker.ask("work", limit, count=self.count)["seconds"]
            self.count = max(1, round(self.count * turn / max(took, 1e-7)))
        self.seconds: list[float] = []
        self.spent = self.outside = 0.0
        self.result: Any = None

    def take(self) -> float:
        """One turn; seconds per unit."""
        before = busy_seconds()
        reply = self.worker.ask("work", self.limit, count=self.count)
        self.outside += busy_seconds() - before - reply["cpu"]
        self.spent += reply["seconds"]
        self.seconds.append(reply["seconds"] / self.count)
        self.result = reply["result"]
        return self.seconds[-1]

    def enough(self, seconds: float) -> bool:
        """Three turns and the time given; two turns where they take very long."""
        least = 2 if self.spent > 4 * seconds else 3
        return len(self.seconds) >= least and self.spent >= seconds

    @property
    def cores_outside(self) -> float:
        """How many cores others used meanwhile, on average."""
        return max(0.0, self.outside) / max(self.spent, 1e-9)


def take_turns(run: Run, workers: list[Worker]) -> tuple[dict[str, Turns], dict[str, list[float]]]:
    """A B A B: before each peer's turn, one of elman's. Ratios are of these neighbours.

    Everybody has `--seconds` and at least three turns, two where they take very long.
    """
    seconds, turn, limit = run.options.seconds, run.options.turn, run.options.limit
    first = Turns(workers[0], turn, limit)
    turns = {workers[0].name: first}
    for worker in workers[1:]:
        try:
            turns[worker.name] = Turns(worker, turn, limit)
        except PeerError as error:
            run.say(worker, str(error))
    ratios: dict[str, list[float]] = {name: [] for name in turns}
    while True:
        waiting = [t for t in turns.values() if not t.enough(seconds)]
        others = [t for t in waiting if t is not first]
        if not waiting or (not others and len(turns) > 1):
            return turns, ratios
        if not others:
            first.take()
        for their in others:
            own = first.take()
            try:
                ratios[their.worker.name].append(their.take() / own)
            except PeerError as error:
                run.say(their.worker, str(error))
                del turns[their.worker.name]


def compare(
    run: Run,
    workers: list[Worker],
    case: Case,
    do: str,
    *,
    flops: float,
    units: int = 1,
    label: dict[str, Any] | None = None,
    **arguments: Any,
) -> list[dict[str, Any]]:
    """Check that everybody computes the same, then time everybody in turns.

    Args:
        run: the question.
        workers: elman's first.
        case: what to build.
        do: the word of the protocol that builds it.
        flops: floating-point operations of one unit, for everybody.
        units: how many units one piece of work is: the steps of an epoch.
        label: more columns for the rows.
        arguments: what else the word needs.

    Returns:
        The rows of this case, also added to the run.
    """
    locks = Locks(run.options.lock)
    ready: list[Worker] = []
    replies: dict[str, dict[str, Any]] = {}
    with stored(case, arguments.get("rows")) as file, locks.shared():
        for worker in workers:
            try:
                reply = worker.ask(
                    do, run.options.limit, case=case.as_dict(), file=file, **arguments
                )
                check(worker.peer, reply, replies.get("elman", reply), same_epoch(do))
            except (PeerError, ValueError) as error:
                run.say(worker, f"{case.name}: {error}")
                if worker.name == "elman":
                    if isinstance(error, Absent):
                        return []
                    raise SystemExit(1) from error
                run.add({"case": case.name, **(label or {}), "peer": worker.name,
                         "error": str(error)})  # fmt: skip
                continue
            replies[worker.name] = reply
            ready.append(worker)
    with locks.alone():
        for worker in ready:
            if len(replies[worker.name]["ways"]) > 1:
                replies[worker.name].update(worker.ask("choose", run.options.limit, seconds=0.05))
        peaks = ready[0].ask("peaks", seconds=0.4)
        turns, ratios = take_turns(run, ready)
        later = ready[0].ask("peaks", seconds=0.4)
    # The clock rises and sinks with warmth and neighbours: the most that was seen around the turns.
    peaks = {name: max(value, later[name]) for name, value in peaks.items()}
    rows = []
    for name, their in turns.items():
        ms = [s / units * 1e3 for s in their.seconds]
        rate = flops / (statistics.median(ms) / 1e3)
        reply = replies[name]
        row = {
            "case": case.name,
            **(label or {}),
            "peer": name,
            "ms": Spread.of(ms)._asdict(),
            "ratio": Spread.of(ratios[name])._asdict() if ratios[name] else None,
            "gflops": rate / 1e9,
            "of_peak": rate / peaks["fma"],
            "of_sgemm": rate / peaks["sgemm"],
            "peak_gflops": peaks["fma"] / 1e9,
            "sgemm_gflops": peaks["sgemm"] / 1e9,
            "way": reply.get("way", reply["ways"][0]),
            "path": reply.get("path", ""),
            "tried": reply.get("tried"),
            "check": {k: reply[k] for k in CHECKED if k in reply},
            "last": their.result,
            "units_per_turn": their.count * units,
            "cores_outside": round(their.cores_outside, 3),
        }
        rows.append(row)
        run.add(row)
    return rows


def same_epoch(do: str) -> bool:
    """Whether the mean loss of a first epoch is there to be compared."""
    return do == "train"


def check(peer: Peer, reply: dict[str, Any], own: dict[str, Any], epoch: bool) -> None:
    """From the same weights, the same numbers; notes the difference in the reply.

    Raises:
        ValueError: they are not the same, so there is nothing to be timed.
    """
    if epoch:
        difference = abs(reply["loss"] - own["loss"]) / abs(own["loss"])
        # A second look, at the optimizer: the mean loss of one epoch with the rows in order.
        reply["epoch_difference"] = abs(reply["first_epoch"] / own["first_epoch"] - 1)
    else:
        wanted = np.array(next(iter(own["outputs"].values())))
        difference = max(
            float(np.abs(np.array(out) - wanted).max() / np.abs(wanted).max())
            for out in reply["outputs"].values()
        )
    reply["difference"] = difference
    if not difference <= peer.tolerance:
        raise ValueError(
            f"computes something else from the same weights (relative difference "
            f"{difference:.2g}, at most {peer.tolerance:g} expected), so it is not timed"
        )


# -- tables ---------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}".rstrip(".")


def case_table(
    title: str, rows: list[dict[str, Any]], scale: float = 1.0, unit: str = "ms"
) -> Table:
    """One case: a row per peer."""
    table = Table(title=title, title_style="bold", title_justify="left")
    table.add_column("peer", no_wrap=True)
    for heading in (unit, "quartiles", "x\nelman", "GFLOP/s", "% of\npeak", "% of\nsgemm"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if "error" in row:
            table.add_row(row["peer"], "-", "see above")
            continue
        ms, ratio = row["ms"], row["ratio"]
        table.add_row(
            row["peer"],
            number(ms["median"] * scale),
            f"{number(ms['low'] * scale)} - {number(ms['high'] * scale)}",
            number(ratio["median"]) if ratio else "",
            f"{row['gflops']:.3g}",
            f"{100 * row['of_peak']:.1f}",
            f"{100 * row['of_sgemm']:.1f}",
        )
    return table


def best_peer(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The fastest of the others."""
    others = [row for row in rows if row.get("ratio") and not row["peer"].startswith("elman")]
    return min(others, key=lambda row: row["ratio"]["median"], default=None)


def summary_table(title: str, rows: list[dict[str, Any]], by: tuple[str, ...] = ("case",)) -> Table:
    """Every case in a line: elman, the best peer, what learners run."""
    table = Table(title=title, title_style="bold", title_justify="left")
    for name in by:
        table.add_column(name, no_wrap=True)
    for heading in ("elman\nms", "% of\npeak", "best\npeer ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("who", no_wrap=True)
    for heading in ("best /\nelman", "Keras TF\n/ elman"):
        table.add_column(heading, justify="right", no_wrap=True)
    for key in dict.fromkeys(tuple(row[name] for name in by) for row in rows):
        mine = [r for r in rows if tuple(r[name] for name in by) == key]
        found = {r["peer"]: r for r in mine if "error" not in r}
        if "elman" not in found:
            continue
        best, usual = best_peer(mine), found.get("keras-tf")
        table.add_row(
            *map(str, key),
            number(found["elman"]["ms"]["median"]),
            f"{100 * found['elman']['of_peak']:.0f}",
            number(best["ms"]["median"]) if best else "-",
            best["peer"] if best else "-",
            number(best["ratio"]["median"]) if best else "-",
            number(usual["ratio"]["median"]) if usual else "-",
        )
    return table
