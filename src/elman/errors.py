"""The errors elman raises: who - expected - got - what to do, before any work starts."""

from __future__ import annotations

from collections.abc import Iterable


class ElmanError(Exception):
    """Base class of every error elman raises on purpose."""


class ShapeError(ElmanError, ValueError):
    """An array, a layer or a model has another shape than was expected."""


class DataError(ElmanError, ValueError):
    """The data cannot be used: not finite, out of range, empty, of mismatched lengths."""


class OptionError(ElmanError, ValueError):
    """An option has a value that it cannot take, or that elman does not have."""


class UnknownNameError(ElmanError, ValueError):
    """A name that is not in the list; the message suggests the nearest one that is."""


class NotReadyError(ElmanError, RuntimeError):
    """Something was asked for too early: no weights yet, not compiled, not fitted."""


class MissingPackageError(ElmanError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


def unknown_name(who: str, kind: str, got: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not in a list, with the nearest known name.

    >>> str(unknown_name("compile", "loss", "mean_sqared_error", ["mean_squared_error"]))
    "compile expected a known loss, got 'mean_sqared_error'. Did you mean 'mean_squared_error'?"
    """
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(str(got).lower(), names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known names: {', '.join(names)}."
    return UnknownNameError(f"{who} expected a known {kind}, got {got!r}. {hint}")
