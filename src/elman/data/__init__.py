"""Text, sound, ECG and tables as `Sequences`, and the bundled datasets (`elman.datasets`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman.data.forecasts import forecast
    from elman.data.preparing import Preparation
    from elman.data.records import ecg
    from elman.data.sequences import Sequences
    from elman.data.sounds import audio
    from elman.data.stored import is_stored, open
    from elman.data.tables import table
    from elman.data.texts import text

#: Nobody pays for these who does not ask: a name, and the module that has it, which must not have
#: the name itself: an imported module would take its place.
_LATER = {
    "Preparation": "elman.data.preparing",
    "Sequences": "elman.data.sequences",
    "audio": "elman.data.sounds",
    "ecg": "elman.data.records",
    "forecast": "elman.data.forecasts",
    "is_stored": "elman.data.stored",
    "open": "elman.data.stored",
    "table": "elman.data.tables",
    "text": "elman.data.texts",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'elman.data' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)


__all__ = [
    "Preparation", "Sequences", "audio", "ecg", "forecast", "is_stored", "open", "table", "text",
]  # fmt: skip
