"""What does the policy "mixed_bfloat16" gain, and what does it cost in accuracy?

Speed: `fit` and `predict` of one recurrent layer with Dense(1), batch 32, RMSprop, 100 steps of 64
features; both policies take turns in one process. Accuracy: the tasks of `elman demo` under both
policies, from the same seeds, every product of bfloat16 however small.

    python benchmarks/mixed_precision.py                      speed
    python benchmarks/mixed_precision.py --accuracy --seeds 30
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

import elman
from elman import demo
from elman.layers import dense, recurrent

POLICIES = ("float32", "mixed_bfloat16")
CELLS = [(cell, units) for units in (128, 256, 512) for cell in ("LSTM", "GRU")]
BATCH, STEPS, FEATURES = 32, 100, 64


def speed(cell: str, units: int, seconds: float) -> dict[str, Any]:
    """Milliseconds per batch under each policy, and their ratios."""
    rng = np.random.default_rng(0)
    rows = BATCH * (24 if units < 256 else 8)
    x = rng.standard_normal((rows, STEPS, FEATURES)).astype(np.float32)
    y = (x.mean(axis=(1, 2), keepdims=True)[:, 0] > 0).astype(np.float32)
    nets = []
    for policy in POLICIES:
        layers = [getattr(elman.layers, cell)(units, dtype=policy), elman.layers.Dense(1)]
        nets.append(elman.Sequential([elman.Input((STEPS, FEATURES)), *layers]))
        nets[-1].compile("rmsprop", elman.losses.BinaryCrossentropy(from_logits=True))
        nets[-1].fit(x, y, batch_size=BATCH, verbose=0)
    times: dict[str, list[float]] = {f"{do} {p}": [] for do in ("fit", "predict") for p in POLICIES}
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(times["fit float32"]) < 3:
        for policy, net in zip(POLICIES, nets, strict=True):
            start = time.perf_counter()
            net.fit(x, y, batch_size=BATCH, verbose=0)
            between = time.perf_counter()
            net.predict(x, batch_size=BATCH, verbose=0)
            times[f"fit {policy}"].append((between - start) * BATCH / rows * 1e3)
            times[f"predict {policy}"].append((time.perf_counter() - between) * BATCH / rows * 1e3)
    ms = {name: statistics.median(t) for name, t in times.items()}
    gain = {do: ms[f"{do} float32"] / ms[f"{do} mixed_bfloat16"] for do in ("fit", "predict")}
    path = str(nets[1].plan()).splitlines()[2].split(" ", 2)[-1].split("iB ")[-1]
    return {"case": f"{cell} {units}", "path": path, "ms": ms, "gain": gain}


def accuracy(task: str, seeds: int) -> dict[str, Any]:
    """Per cent correct on the test rows under each policy, and the mean of the differences."""
    for module in (recurrent, dense):
        module.BF16_UNITS = module.BF16_FEATURES = 1
    found: dict[str, list[float]] = {}
    for policy in POLICIES:
        elman.set_dtype_policy(policy)
        found[policy] = [100 * demo.run(task, seed=s, verbose=0)[0].accuracy for s in range(seeds)]
    elman.set_dtype_policy("float32")
    apart = [b - a for a, b in zip(*found.values(), strict=True)]
    return {
        "task": task,
        "seeds": seeds,
        "median": {policy: statistics.median(values) for policy, values in found.items()},
        "difference": statistics.mean(apart),
        "standard_error": statistics.stdev(apart) / seeds**0.5,
    }


def main() -> None:
    """Print one JSON line per case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--accuracy", action="store_true", help="instead of speed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="per case")
    arguments = parser.parse_args()
    if arguments.accuracy:
        for task in demo.RECIPES:
            print(json.dumps(accuracy(task, arguments.seeds)), flush=True)
        return
    print(json.dumps({"isa": elman._core.isa(), "threads": elman.get_threads(), "batch": BATCH}))
    for cell, units in CELLS:
        print(json.dumps(speed(cell, units, arguments.seconds)), flush=True)


if __name__ == "__main__":
    main()
