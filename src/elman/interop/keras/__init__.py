"""Real Keras models on elman's engine.

    from elman.interop.keras import accelerate

    print(accelerate(model))    # says of every layer, loss and metric whether elman has it
    model.fit(x, y)             # Keras's fit, on elman's engine

The way through the files: `judging.py` says what elman has, `twin.py` is elman's model of the same
architecture and carries numbers to and fro, `methods.py` stands in for Keras's `fit`, `evaluate`
and `predict`, and `bridge.py` calls Keras's callbacks meanwhile.
"""

from __future__ import annotations

from elman.interop.keras.methods import accelerate, restore
from elman.interop.keras.report import Item, Report

__all__ = ["Item", "Report", "accelerate", "restore"]
