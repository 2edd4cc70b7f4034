"""How long does one training step take, through `fit`?

Small nets where a framework's bookkeeping is most of the time, and larger ones where arithmetic is.
Every case: float32, batch 32, RMSprop, binary cross-entropy, Dense(1) on the last step; data made
here. elman and the peers take turns, epoch by epoch, in one process.

    python benchmarks/training_step.py                      elman alone
    python benchmarks/training_step.py --peer keras         and Keras, on the backend it is set to
    python benchmarks/training_step.py --cases audio,ecg    some of the cases
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH = 32
CASES: dict[str, dict[str, Any]] = {
    "audio": {"cells": ["SimpleRNN"], "units": 16, "shape": (30, 3), "batches": 64},
    "text_rnn": {"cells": ["SimpleRNN"], "units": 16, "shape": (100,), "batches": 48},
    "text_lstm": {"cells": ["LSTM"], "units": 16, "shape": (100,), "batches": 48},
    "text_gru": {"cells": ["GRU"], "units": 16, "shape": (100,), "batches": 48},
    "ecg": {"cells": ["SimpleRNN", "GRU", "LSTM"], "units": 16, "shape": (60, 1), "batches": 48},
    "lstm128": {"cells": ["LSTM"], "units": 128, "shape": (100, 64), "batches": 24},
    "gru128": {"cells": ["GRU"], "units": 128, "shape": (100, 64), "batches": 24},
    "lstm512": {"cells": ["LSTM"], "units": 512, "shape": (100, 64), "batches": 8},
    "gru512": {"cells": ["GRU"], "units": 512, "shape": (100, 64), "batches": 8},
}
WORDS, WIDTH = 15000, 32


def data(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Sequences whose class can be learned: it shifts the features, or the words."""
    rng = np.random.default_rng(0)
    rows, shape = case["batches"] * BATCH, case["shape"]
    y = rng.integers(0, 2, (rows, 1)).astype(np.float32)
    if len(shape) == 1:
        rare = rng.integers(0, WORDS, (rows, *shape))
        telling = rng.integers(0, 200, (rows, *shape)) + 200 * y.astype(int)
        x = np.where(rng.random((rows, *shape)) < 0.3, telling, rare).astype(np.int32)
        return x, y
    x = rng.standard_normal((rows, *shape)).astype(np.float32) + 0.6 * (2 * y - 1)[:, :, None]
    return x, y


def model(library: Any, case: dict[str, Any]) -> Any:
    """The same model, from the same code, in elman or in Keras."""
    layers = library.layers
    net = library.Sequential([library.Input(case["shape"])])
    if len(case["shape"]) == 1:
        net.add(layers.Embedding(WORDS, WIDTH))
    for i, cell in enumerate(case["cells"]):
        more = i < len(case["cells"]) - 1
        net.add(getattr(layers, cell)(case["units"], return_sequences=more))
    net.add(layers.Dense(1, activation="sigmoid"))
    net.compile("rmsprop", "binary_crossentropy")
    return net


def measure(name: str, libraries: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Milliseconds per step of each library, taking turns until the time is used up."""
    case = CASES[name]
    x, y = data(case)
    first: np.ndarray | None = None
    epochs: dict[str, Callable[[], Any]] = {}
    losses = {}
    for who, library in libraries.items():
        net = model(library, case)
        first = net.get_weights() if first is None else first
        net.set_weights(first)
        # Checked first: from the same weights, the same loss.
        losses[who] = net.evaluate(x[:256], y[:256], batch_size=BATCH, verbose=0)
        epochs[who] = lambda net=net: net.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)
    values = list(losses.values())
    assert np.allclose(values, values[0], rtol=1e-4), losses
    for epoch in epochs.values():
        epoch()
    times: dict[str, list[float]] = {who: [] for who in libraries}
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(times["elman"]) < 3:
        for who, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            times[who].append((time.perf_counter() - start) / case["batches"] * 1e3)
    medians = {who: statistics.median(t) for who, t in times.items()}
    ratios = {
        f"{who} / elman": statistics.median(a / b for a, b in zip(t, times["elman"], strict=True))
        for who, t in times.items()
        if who != "elman"
    }
    low = {who: min(t) for who, t in times.items()}
    turns = len(times["elman"])
    return {"case": name, "ms": medians, "ms_min": low, "ratio": ratios, "turns": turns}


def main() -> None:
    """Measure the cases asked for and print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", choices=["keras"], action="append", default=[])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--seconds", type=float, default=3.0, help="per case")
    arguments = parser.parse_args()

    import elman

    libraries: dict[str, Any] = {"elman": elman}
    if "keras" in arguments.peer:
        import keras

        libraries[f"keras-{keras.backend.backend()}"] = keras
    machine = {
        "processor": platform.processor() or platform.machine(),
        "isa": elman._core.isa(),
        "threads": elman.get_threads(),
        "batch": BATCH,
    }
    print(json.dumps(machine))
    for name in arguments.cases.split(","):
        print(json.dumps(measure(name, libraries, arguments.seconds)), flush=True)


if __name__ == "__main__":
    main()
