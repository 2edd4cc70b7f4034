"""elman trains, runs and explains recurrent neural networks on CPUs, with Keras's API.

Named after Jeff Elman, whose network of 1990 is what Keras calls `SimpleRNN`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman import (
    activations,
    config,
    constraints,
    initializers,
    layers,
    mixed_precision,
    regularizers,
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
from elman.version import __version__

if TYPE_CHECKING:
    from elman import callbacks, data, losses, metrics, optimizers, saving, spec
    from elman.data import datasets
    from elman.explain.ledger.ledger import ledger
    from elman.explain.quiz import quiz
    from elman.saving import load_model as load
    from elman.spec import parse

#: Nobody pays for these who does not ask: a module, or what in it.
_LATER = {
    "callbacks": ("elman.callbacks", None),
    "data": ("elman.data", None),
    "datasets": ("elman.data.datasets", None),
    "ledger": ("elman.explain.ledger", "ledger"),
    "load": ("elman.saving", "load_model"),
    "losses": ("elman.losses", None),
    "metrics": ("elman.metrics", None),
    "optimizers": ("elman.optimizers", None),
    "parse": ("elman.spec", "parse"),
    "quiz": ("elman.explain.quiz", "quiz"),
    "saving": ("elman.saving", None),
    "spec": ("elman.spec", None),
    "windows": ("elman.windows", None),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'elman' has no attribute {name!r}")
    import importlib

    module, attribute = _LATER[name]
    found = importlib.import_module(module)
    return found if attribute is None else getattr(found, attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


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
    "data",
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
