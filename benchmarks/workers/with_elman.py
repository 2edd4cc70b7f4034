"""elman, through its public API: `fit`, `predict`, `stream`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from protocol import Peer, serve


class Elman(Peer):
    """What is measured."""

    def about(self) -> dict[str, Any]:
        import elman

        return {"isa": elman._core.isa(), "elman": elman.__version__, "api": "fit, predict, stream"}

    def _model(self, case: dict[str, Any], weights: list[Any]) -> Any:
        from elman.bench import Case

        cells = tuple((kind, units) for kind, units in case["cells"])
        model = Case(**{**case, "cells": cells}).model()
        model.set_weights(weights)
        return model

    def train(self, case: dict[str, Any], weights: list[Any], x: Any, y: Any) -> Any:
        model = self._model(case, weights)
        batch = case["batch"]
        loss = model.evaluate(x[:batch], y[:batch], batch_size=batch, verbose=0)
        self.path = str(model.plan())

        def epochs(count: int, shuffle: bool) -> float:
            history = model.fit(
                x, y, batch_size=batch, epochs=count, shuffle=shuffle, verbose=0
            ).history
            return float(history["loss"][-1])

        return loss, {"fit": epochs}

    def infer(self, case: dict[str, Any], weights: list[Any], x: Any, batch: int) -> Any:
        model = self._model(case, weights)
        return {"predict": lambda x: model.predict(x, batch_size=batch, verbose=0)}

    def stream(self, case: dict[str, Any], weights: list[Any], rows: int) -> Any:
        model = self._model(case, weights)
        if not hasattr(model, "stream"):
            raise NotImplementedError("this elman has no Sequential.stream yet")
        stream = model.stream() if rows == 1 else model.stream(sessions=rows)
        if rows > 1:
            return {"stream": (stream.reset, stream.step)}
        # One session takes the features of one step, [F]: a view, made here as a caller would.
        return {"stream": (stream.reset, lambda x_t: stream.step(x_t[0]))}

    def peaks(self, seconds: float) -> dict[str, Any]:
        """Operations a second of multiply-adds alone, and of NumPy's sgemm at 2048."""
        from elman import _core

        fma = _core.fma_peak(seconds / 2)
        rng = np.random.default_rng(0)
        a, b = (rng.standard_normal((2048, 2048), np.float32) for _ in range(2))
        c = a @ b
        best = float("inf")
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            np.matmul(a, b, out=c)
            best = min(best, time.perf_counter() - start)
        # NumPy's threads spin for a while after a product: not into what is measured next.
        time.sleep(0.3)
        return {"fma": fma, "sgemm": 2 * 2048**3 / best}


def load(variant: str, threads: int) -> Peer:
    """Import elman."""
    import elman

    elman.set_threads(threads)
    if variant:
        elman.set_dtype_policy(variant)
    return Elman(variant, threads)


if __name__ == "__main__":
    serve(load)
