"""The peers, and how the driver talks to a worker.

A worker is a process of its own in its own environment (`make_peers.py`), spoken to in lines of
JSON (`workers/protocol.py`). Only the one whose turn it is runs: the others are stopped by a
signal, so that no thread pool can spin in another's turn.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import elman
from make_peers import VENVS, is_ready, python_of

WORKERS = Path(__file__).resolve().parent / "workers"


@dataclass(frozen=True)
class Peer:
    """One row of the tables.

    Attributes:
        name: what tables call it.
        worker: the file under `workers/`.
        venv: its environment; none for elman, which runs in the driver's own.
        variant: its settings, a word for the worker.
        does: what it can be asked for.
        tolerance: how far its first loss may be from elman's, relative.
        usual: whether it takes part when no peers are named.
    """

    name: str
    worker: str
    venv: str | None = None
    variant: str = ""
    does: frozenset[str] = frozenset({"train", "infer", "stream"})
    tolerance: float = 1e-4
    usual: bool = True


PEERS = {
    peer.name: peer
    for peer in (
        Peer("elman", "with_elman.py"),
        Peer("elman-bf16", "with_elman.py", None, "mixed_bfloat16", tolerance=2e-2, usual=False),
        Peer("keras-tf", "with_keras.py", "tensorflow", "tensorflow"),
        Peer("keras-tf-best", "with_keras.py", "tensorflow", "tensorflow+best"),
        Peer("keras-jax", "with_keras.py", "jax", "jax"),
        Peer("keras-jax-best", "with_keras.py", "jax", "jax+best", frozenset({"train", "infer"})),
        Peer("keras-tf-elman", "with_keras.py", "tensorflow", "tensorflow+elman", usual=False),
        Peer("keras-jax-elman", "with_keras.py", "jax", "jax+elman", usual=False),
        Peer("torch", "with_torch.py", "torch"),
        Peer("torch-compile", "with_torch.py", "torch", "compile", usual=False),
        Peer("jax", "with_jax.py", "jax"),
        Peer(
            "onnxruntime", "with_onnxruntime.py", "onnxruntime", "", frozenset({"infer", "stream"})
        ),
    )
}


class PeerError(Exception):
    """A worker could not do what it was asked; the message is its own."""


class Absent(PeerError):
    """The library does not do this at all."""


@dataclass
class Worker:
    """A running worker. Use as a context: it is ended on the way out.

    Args:
        peer: which.
        venvs: the folder of the environments.
        threads: how many threads it may use; it is held to as many cores.
        pause: whether it is stopped between requests.
    """

    peer: Peer
    venvs: Path = VENVS
    threads: int = 2
    pause: bool = True
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        python = sys.executable
        if self.peer.venv is not None:
            if not is_ready(self.peer.venv, self.venvs):
                raise PeerError(
                    f"no environment {self.venvs / self.peer.venv} with the pinned versions; run "
                    f"python benchmarks/make_peers.py {self.peer.venv}"
                )
            python = str(python_of(self.peer.venv, self.venvs))
        # Deleted on the way out; shown where a worker fails.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        command = [python, str(WORKERS / self.peer.worker)]
        command += ["--variant", self.peer.variant, "--threads", str(self.threads)]
        threads = str(self.threads)
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONUNBUFFERED": "1",
        }
        if self.peer.venv is not None:
            environment.pop("PYTHONPATH", None)
            environment["ELMAN_FOLDER"] = str(Path(elman.__file__).resolve().parents[1])
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            preexec_fn=self._in_child if sys.platform == "linux" else None,
        )
        self._left = b""
        self.pause = self.pause and hasattr(signal, "SIGSTOP")

    def _in_child(self) -> None:
        # A stopped process must not outlive a driver that was killed: 1 is PR_SET_PDEATHSIG.
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        cores = sorted(os.sched_getaffinity(0))
        if self.threads < len(cores):
            os.sched_setaffinity(0, cores[: self.threads])

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The peer's name."""
        return self.peer.name

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(self, do: str, limit: float = 600.0, **arguments: Any) -> dict[str, Any]:
        """Send one line and wait for its answer.

        Args:
            do: a word of the protocol.
            limit: seconds after which the worker is ended.
            arguments: what goes with the word.

        Raises:
            PeerError: it answered with an error, took too long, or is gone.
        """
        if self._process.poll() is not None:
            raise PeerError(f"has ended: {self.last_words()}")
        line = json.dumps({"do": do, **arguments}) + "\n"
        assert self._process.stdin is not None
        self._signal("SIGCONT")
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
            reply: dict[str, Any] = json.loads(self._line(limit))
        except BrokenPipeError as error:
            raise PeerError(f"has ended: {self.last_words()}") from error
        self._signal("SIGSTOP")
        if reply.pop("ok"):
            return reply
        kind = Absent if reply.get("absent") else PeerError
        raise kind(reply["error"])

    def start(self) -> None:
        """Wait until the library is imported, and learn its versions."""
        self.about = self.ask("hello")

    def _line(self, limit: float) -> bytes:
        assert self._process.stdout is not None
        end = time.monotonic() + limit
        while b"\n" not in self._left:
            ready, _, _ = select.select(
                [self._process.stdout], [], [], max(0.0, end - time.monotonic())
            )
            if not ready:
                self.close()
                raise PeerError(f"took longer than {limit:.0f} s and was ended")
            more = os.read(self._process.stdout.fileno(), 1 << 16)
            if not more:
                self._process.wait()
                raise PeerError(f"has ended: {self.last_words()}")
            self._left += more
        line, self._left = self._left.split(b"\n", 1)
        return line

    def _signal(self, name: str) -> None:
        if self.pause:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, getattr(signal, name))

    def last_words(self) -> str:
        """The end of what it printed."""
        self._log.seek(0)
        return " ".join(self._log.read()[-600:].split())[-400:] or "it said nothing"

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
            self._signal("SIGCONT")
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def chosen(names: str | None, do: str) -> list[Peer]:
    """The peers of a comma-separated list that can be asked for `do`; elman first."""
    if names is None:
        found = [peer for peer in PEERS.values() if peer.usual]
    else:
        wanted = [name for name in names.split(",") if name]
        unknown = [name for name in wanted if name not in PEERS]
        if unknown:
            raise SystemExit(f"expected peers among {', '.join(PEERS)}, got {', '.join(unknown)}")
        found = [PEERS[name] for name in ("elman", *wanted) if name]
    unique: Iterable[Peer] = dict.fromkeys(found)
    return [peer for peer in unique if do in peer.does]
