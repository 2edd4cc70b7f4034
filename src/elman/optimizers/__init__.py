"""Optimizers and learning rate schedules; https://keras.io/api/optimizers."""

from __future__ import annotations

from elman.optimizers import schedules
from elman.optimizers.optimizers import NAMES, SGD, Adam, AdamW, Optimizer, RMSprop, get

__all__ = ["NAMES", "SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "get", "schedules"]
