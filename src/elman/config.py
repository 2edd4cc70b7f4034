"""An option is spelled once: a class's `__init__` signature is its configuration."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from elman.errors import OptionError, unknown_name

C = TypeVar("C", bound="Configured")


def __getattr__(name: str) -> Any:
    # Keras has these two here; `mixed_precision` is built on this module.
    if name in ("set_dtype_policy", "dtype_policy"):
        from elman import mixed_precision

        return getattr(mixed_precision, name)
    raise AttributeError(f"module 'elman.config' has no attribute {name!r}")


class Configured:
    """Base of everything with options: `__init__` stores each argument under its own name.

    `get_config` reads the options back, `from_config` builds the object again, and `repr`
    shows the options that differ from their defaults. A subclass that passes `**options` on to
    its base class inherits the base class's options.
    """

    #: What Keras writes as `module` when it serializes such an object.
    module = "keras"

    @classmethod
    def options(cls) -> dict[str, Any]:
        """Each option's name and default (`...` where there is none), in signature order."""
        found: dict[str, Any] = {}
        for klass in cls.__mro__:
            init = klass.__dict__.get("__init__")
            if init is None or klass is object:
                continue
            code = init.__code__
            names = code.co_varnames[1 : code.co_argcount]
            defaults = init.__defaults__ or ()
            values = (...,) * (len(names) - len(defaults)) + defaults
            for name, default in zip(names, values, strict=True):
                found.setdefault(name, default)
            for name in code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]:
                found.setdefault(name, (init.__kwdefaults__ or {}).get(name, ...))
            if not code.co_flags & 0x08:  # no **options: nothing is inherited
                break
        return found

    def get_config(self) -> dict[str, Any]:
        """The options as plain values, nested objects in the form Keras writes them."""
        return {name: serialize(getattr(self, name)) for name in self.options()}

    @classmethod
    def from_config(cls: type[C], config: dict[str, Any]) -> C:
        """Build the object that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name, default in self.options().items()
            if default is ... or not _same(getattr(self, name), default)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def named(identifier: Any, base: type[C], names: dict[str, type[C]], kind: str) -> C | None:
    """The object that `identifier` names; None for None.

    Args:
        identifier: a name, a config as Keras writes it (`{"class_name": ..., "config": {...}}`),
            an object, or its class.
        base: what such objects are.
        names: every name, and the class it stands for.
        kind: the word for them in errors.

    Raises:
        OptionError: a function of Python's: the engine does not call Python.
        UnknownNameError: nothing has this name.
    """
    if identifier is None or isinstance(identifier, base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    name: Any = identifier
    config: dict[str, Any] = {}
    if isinstance(identifier, dict):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
    if callable(name):
        raise OptionError(
            f"elman expected a {kind} of its own, got {name!r}. The engine does not call Python: "
            f"use one of {', '.join(sorted(cls.__name__ for cls in set(names.values())))}."
        )
    if not isinstance(name, str) or name not in names:
        raise unknown_name(f"{kind}s.get", kind, name, names)
    return names[name].from_config(config)


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, Configured):
        return False
    return bool(np.array_equal(value, default))


def serialize(value: Any) -> Any:
    """A value as plain data; a `Configured` object in the form Keras writes."""
    if isinstance(value, Configured):
        return {
            "module": value.module,
            "class_name": type(value).__name__,
            "config": value.get_config(),
            "registered_name": None,
        }
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [serialize(item) for item in value]
    if isinstance(value, dict):
        return {key: serialize(item) for key, item in value.items()}
    return value
