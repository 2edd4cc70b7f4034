"""elman trains, runs and explains recurrent neural networks on CPUs, with Keras's API.

Named after Jeff Elman, whose network of 1990 is what Keras calls `SimpleRNN`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman import (
    activations,
    callbacks,
    config,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    mixed_precision,
    optimizers,
    regularizers,
    spec,
)
from elman._core import set_threads
from elman._core import threads as get_threads
from elman.errors import (
    DataError,
    DivergedError,
    ElmanError,
    FileError,
    NotReadyError,
    OptionError,
    ShapeError,
    SpecError,
    UnknownNameError,
)
from elman.layers import Input
from elman.mixed_precision import DTypePolicy, dtype_policy, set_dtype_policy
from elman.models import Model, Sequential
from elman.seeds import set_random_seed
from elman.spec import parse
from elman.version import __version__

if TYPE_CHECKING:
    from elman import saving
    from elman.data import datasets
    from elman.explain.ledger.ledger import ledger
    from elman.explain.quiz import quiz
    from elman.saving import load_model as load

#: Nobody pays for these who does not ask: a module, or what in it.
_LATER = {
    "datasets": ("elman.data.datasets", None),
    "ledger": ("elman.explain.ledger", "ledger"),
    "load": ("elman.saving", "load_model"),
    "quiz": ("elman.explain.quiz", "quiz"),
    "saving": ("elman.saving", None),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'elman' has no attribute {name!r}")
    import importlib

    module, attribute = _LATER[name]
    found = importlib.import_module(module)
    return found if attribute is None else getattr(found, attribute)


__all__ = [
    "DTypePolicy",
    "DataError",
    "DivergedError",
    "ElmanError",
    "FileError",
    "Input",
    "Model",
    "NotReadyError",
    "OptionError",
    "Sequential",
    "ShapeError",
    "SpecError",
    "UnknownNameError",
    "__version__",
    "activations",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policy",
    "get_threads",
    "initializers",
    "layers",
    "ledger",
    "load",
    "losses",
    "metrics",
    "mixed_precision",
    "optimizers",
    "parse",
    "quiz",
    "regularizers",
    "saving",
    "set_dtype_policy",
    "set_random_seed",
    "set_threads",
    "spec",
]
