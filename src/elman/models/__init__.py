"""Models: layers one after the other, or in a graph."""

from elman.models.functional import Functional
from elman.models.model import Model, load_model
from elman.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "load_model"]
