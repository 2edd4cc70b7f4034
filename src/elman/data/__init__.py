"""Text, sound, ECG and tables as `Sequences`, and the bundled datasets (`elman.datasets`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman.data.preparing import Preparation
    from elman.data.records import ecg
    from elman.data.sequences import Sequences
    from elman.data.sounds import audio

#: Nobody pays for these who does not ask: a name, and the module that has it.
_LATER = {
    "Preparation": "elman.data.preparing",
    "Sequences": "elman.data.sequences",
    "audio": "elman.data.sounds",
    "ecg": "elman.data.records",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'elman.data' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_LATER[name]), name)
    globals()[name] = found  # for good: a module that is imported takes the name of its function
    return found


__all__ = ["Preparation", "Sequences", "audio", "ecg"]
