"""What a worker is: one library in a process of its own, told what to do line by line.

Each line on standard input is a JSON object with the word `do`; each is answered by one line of
JSON. All timing is done here, by the same code for everybody; a worker's own file only says how its
library builds a case, trains an epoch, predicts, and takes one step of a stream. This file runs in
environments that have nothing but NumPy and one library: it imports nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
#: Runs so many epochs, calls or steps; returns what shows that it was done (a loss, an output).
Work = Callable[[int], Any]


class Peer:
    """One library. A worker's file fills this in; what it leaves out, the library cannot do."""

    #: Names of packages whose versions are reported.
    packages: tuple[str, ...] = ()
    #: Whether its RMSprop computes exactly Keras's formula, so that losses agree step by step.
    same_optimizer = True

    def __init__(self, variant: str, threads: int) -> None:
        self.variant = variant
        self.threads = threads
        #: How many ways to try; each has weights of its own. None: all.
        self.most_ways: int | None = None
        #: What the library ran the last case on, where it can be told.
        self.path = ""

    def about(self) -> dict[str, Any]:
        """The settings it runs with."""
        return {}

    def train(
        self, case: dict[str, Any], weights: list[Array], x: Array, y: Array
    ) -> tuple[float, dict[str, Callable[[int, bool], float]]]:
        """Build the case for training.

        Args:
            case: the attributes of a case.
            weights: in Keras's order and shapes.
            x: one epoch of inputs.
            y: their targets, [rows, 1].

        Returns:
            The loss on the first batch, before any step; and by name one or several ways to train
            so many epochs, with shuffled rows or not, that return the mean loss of the last one.
        """
        raise NotImplementedError

    def infer(
        self, case: dict[str, Any], weights: list[Array], x: Array, batch: int
    ) -> dict[str, Callable[[Array], Array]]:
        """Build the case for prediction.

        Args:
            case: the attributes of a case.
            weights: in Keras's order and shapes.
            x: what will be predicted.
            batch: rows per batch inside one call, where the library cuts a call into batches.

        Returns:
            By name one or several ways, from NumPy to NumPy.
        """
        raise NotImplementedError

    def stream(
        self, case: dict[str, Any], weights: list[Array], rows: int
    ) -> dict[str, tuple[Callable[[], None], Callable[[Array], Any]]]:
        """Build a net that is stepped: by name `reset()` and `step(x_t)`.

        `x_t` is [rows, F]; `step` returns the outputs, [rows, 1] in any shape, ready to be read.
        """
        raise NotImplementedError


class Server:
    """Answers the lines."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.ways: dict[str, Work] = {}
        self.work: Work | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what one line says."""
        arguments = {k: v for k, v in request.items() if k != "do"}
        found: dict[str, Any] = getattr(self, f"do_{request['do']}")(**arguments)
        return found

    def do_hello(self) -> dict[str, Any]:
        from importlib.metadata import PackageNotFoundError, version

        versions = {}
        for package in ("numpy", *self.peer.packages):
            try:
                versions[package] = version(package)
            except PackageNotFoundError:
                versions[package] = "not installed as a package"
        return {
            "python": platform.python_version(),
            "versions": versions,
            "variant": self.peer.variant,
            "threads": self.peer.threads,
            **self.peer.about(),
        }

    def do_train(
        self, case: dict[str, Any], file: str, most_ways: int | None = None
    ) -> dict[str, Any]:
        """Build, check, and make every way ready by one epoch, rows in order."""
        weights, x, y = _arrays(file)
        self._drop()
        self.peer.most_ways = most_ways
        loss, ways = self.peer.train(case, weights, x, y)
        self.ways = {name: _training(way) for name, way in ways.items()}
        self.work = next(iter(self.ways.values()))
        first_epoch = next(iter(ways.values()))(1, False)
        for other in list(ways.values())[1:]:
            other(1, True)
        return {
            "loss": float(loss),
            "first_epoch": float(first_epoch),
            "ways": list(ways),
            "path": self.peer.path,
        }

    def do_infer(self, case: dict[str, Any], file: str, rows: int, batch: int) -> dict[str, Any]:
        """Build, and predict the first rows by every way."""
        weights, x, _ = _arrays(file)
        self._drop()
        x = np.ascontiguousarray(x[:rows])
        ways = self.peer.infer(case, weights, x, batch)
        outputs = {name: way(x)[:32].ravel().tolist() for name, way in ways.items()}

        def calls(way: Callable[[Array], Array]) -> Work:
            def work(count: int) -> None:
                for _ in range(count):
                    way(x)

            return work

        self.ways = {name: calls(way) for name, way in ways.items()}
        self.work = next(iter(self.ways.values()))
        return {"outputs": outputs, "ways": list(ways)}

    def do_stream(self, case: dict[str, Any], file: str, rows: int) -> dict[str, Any]:
        """Build, and step through the first sequences by every way."""
        weights, x, _ = _arrays(file)
        self._drop()
        inputs = [np.ascontiguousarray(x[:rows, t]) for t in range(x.shape[1])]
        outputs = {}
        for name, (reset, step) in self.peer.stream(case, weights, rows).items():
            reset()
            outputs[name] = [
                float(np.asarray(step(x_t), np.float32).reshape(-1)[0]) for x_t in inputs
            ]
            self.ways[name] = _steps(step, inputs)
        self.work = next(iter(self.ways.values()))
        return {"outputs": outputs, "ways": list(outputs)}

    def do_choose(self, seconds: float) -> dict[str, Any]:
        """Keep the fastest of several ways: a peer is measured with its best setting."""
        times = {}
        for name, work in self.ways.items():
            once = _timed(work, 1)
            count = max(1, int(seconds / max(once, 1e-7)))
            more = [_timed(work, count) / count for _ in range(2 if once < 0.5 else 0)]
            times[name] = min([once, *more])
        best = min(times, key=lambda name: times[name])
        self.work = self.ways[best]
        return {"way": best, "tried": times}

    def do_work(self, count: int) -> dict[str, Any]:
        """So many epochs, calls or steps, timed."""
        assert self.work is not None, "nothing is built yet"
        before = time.process_time()
        start = time.perf_counter()
        result = self.work(count)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "cpu": time.process_time() - before, "result": result}

    def do_memory(self) -> dict[str, Any]:
        """The most memory this process ever had, in MiB."""
        return {"peak_mib": peak_memory()}

    def do_peaks(self, seconds: float) -> dict[str, Any]:
        """What the machine can do: elman's worker knows."""
        return self.peer.peaks(seconds)  # type: ignore[attr-defined,no-any-return]

    def _drop(self) -> None:
        """Let go of the last case before the next is built."""
        self.ways, self.work = {}, None


def _arrays(file: str) -> tuple[list[Array], Array, Array]:
    with np.load(file) as stored:
        count = sum(name.startswith("w") for name in stored.files)
        return [stored[f"w{i}"] for i in range(count)], stored["x"], stored["y"]


def _training(way: Callable[[int, bool], float]) -> Work:
    return lambda count: float(way(count, True))


def _steps(step: Callable[[Array], Any], inputs: list[Array]) -> Work:
    def work(count: int) -> float:
        whole, rest = divmod(count, len(inputs))
        for _ in range(whole):
            for x_t in inputs:
                step(x_t)
        out: Any = 0.0
        for x_t in inputs[:rest]:
            out = step(x_t)
        return float(np.asarray(out).reshape(-1)[0])

    return work


def _timed(work: Work, count: int) -> float:
    start = time.perf_counter()
    work(count)
    return time.perf_counter() - start


def peak_memory() -> float:
    """Peak resident memory of this process in MiB."""
    try:
        # Not getrusage: across exec it keeps the parent's peak.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024


def serve(load: Callable[[str, int], Peer]) -> None:
    """Answer lines until there are no more.

    Args:
        load: imports the library and makes its `Peer` from a variant and a number of threads.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    # Libraries print to standard output what they like: the answers keep a channel of their own.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    server = Server(load(options.variant, options.threads))
    for line in sys.stdin:
        try:
            reply = {"ok": True, **server.answer(json.loads(line))}
        except NotImplementedError as error:
            reply = {"ok": False, "absent": True, "error": str(error) or "not done by this peer"}
        except Exception as error:
            traceback.print_exc()
            reply = {"ok": False, "error": f"{type(error).__name__}: {error}"[:400]}
        print(json.dumps(reply), file=answers, flush=True)
