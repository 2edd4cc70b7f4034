"""Models: layers one after the other, or in a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman.models.model import Model, load_model
from elman.models.sequential import Sequential

if TYPE_CHECKING:
    from elman.models.functional import Functional


def __getattr__(name: str) -> Any:
    if name != "Functional":
        raise AttributeError(f"module 'elman.models' has no attribute {name!r}")
    from elman.models.functional import Functional  # nobody pays for graphs who makes none

    return Functional


__all__ = ["Functional", "Model", "Sequential", "load_model"]
