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


class ElmanWarning(UserWarning):
    """Base class of the warnings about something that works, but perhaps not as it was meant."""


class SpecError(ElmanError, ValueError):
    """A one-line architecture that cannot be read or built; the message points at the place.

    Args:
        problem: what is wrong.
        text: the whole line.
        start: where in it the wrong part begins.
        end: where it ends.
    """

    def __init__(self, problem: str, text: str, start: int, end: int) -> None:
        self.problem, self.text, self.start, self.end = problem, text, start, end
        shown, at = _excerpt(text, start)
        width = max(1, min(end - start, len(shown) - at))
        super().__init__(f"spec: {problem}\n  {shown}\n  {' ' * at}^{'~' * (width - 1)}")


class UnknownNameError(ElmanError, ValueError):
    """A name that is not in the list; the message suggests the nearest one that is."""


class FileError(ElmanError, OSError, ValueError):
    """A file cannot be read or written, or is not what it should be.

    Both an OSError and a ValueError, as in `io.UnsupportedOperation`, so that programs written
    for Keras catch it whichever they expect.
    """


class DivergedError(ElmanError, ArithmeticError):
    """Training has run away: a loss or a gradient is not finite.

    Attributes:
        epoch: which epoch, counted from 0; 0 outside `fit`.
        batch: which batch of it, counted from 0.
        layer: name of the layer where it shows first, or None.
    """

    def __init__(self, message: str, epoch: int, batch: int, layer: str | None) -> None:
        super().__init__(message)
        self.epoch, self.batch, self.layer = epoch, batch, layer


class NotReadyError(ElmanError, RuntimeError):
    """Something was asked for too early: no weights yet, not compiled, not fitted."""


class MissingPackageError(ElmanError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


def unknown_name(who: str, kind: str, got: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not in a list, with the nearest known name.

    >>> str(unknown_name("compile", "loss", "mean_sqared_error", ["mean_squared_error"]))
    "compile expected a known loss, got 'mean_sqared_error'. Did you mean 'mean_squared_error'?"
    """
    names = sorted(known)
    near = nearest(got, names)
    hint = f"Did you mean {near!r}?" if near else f"Known names: {', '.join(names)}."
    return UnknownNameError(f"{who} expected a known {kind}, got {got!r}. {hint}")


def nearest(got: object, known: Iterable[str]) -> str | None:
    """The known name that is most like `got`, if one is."""
    import difflib

    # Whatever is written in capitals: 'LSTN' is nearer to 'LSTM' than to 'Flatten'.
    said, names = str(got), sorted(known)
    lower = [name.lower() for name in names]
    near = difflib.get_close_matches(said.lower(), lower, n=1, cutoff=0.5)
    alike = [name for name in names if name.lower() in near]
    return max(alike, key=lambda name: sum(map(str.__eq__, name, said)), default=None)


def _excerpt(text: str, start: int, width: int = 76) -> tuple[str, int]:
    """So much of a line that `start` is seen, and where it is then; one column per character."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    if len(shown) <= width:
        return shown, start
    first = max(0, min(start - width // 3, len(shown) - width))
    part = shown[first : first + width]
    if first:
        part = "..." + part[3:]
    if first + width < len(shown):
        part = part[:-3] + "..."
    return part, start - first
