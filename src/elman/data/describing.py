"""What some sequences are, as a short table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data.frames import spelled
from elman.ragged import Ragged

if TYPE_CHECKING:
    from elman.data.sequences import Sequences

#: Classes and features that are named one by one.
FEW = 8


class Description:
    """A table of two columns: `print` it, or let rich print it.

    Attributes:
        lines: (what, in words), in order.
    """

    def __init__(self, data: Sequences) -> None:
        self.lines = list(_lines(data))

    def __repr__(self) -> str:
        from elman.explain.as_text import as_text

        return as_text(self)

    def __rich__(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for name, text in self.lines:
            table.add_row(Text(name, style="bold"), Text(text))
        return table


def _lines(data: Sequences) -> Iterator[tuple[str, str]]:
    yield "kind", data.kind
    if data.about:
        yield "about", data.about
    yield "sequences", f"{len(data):,}"
    if len(data):
        lengths = data.lengths
        low, middle, high = (int(f(lengths)) for f in (np.min, np.median, np.max))
        steps = f"{low:,}" if low == high else f"{low:,} to {high:,}, half of them up to {middle:,}"
        yield "steps", steps
    if data.step is not None:
        yield "one step", f"{data.step:g} s"
    if data.rate is not None:
        yield "source", f"{data.rate:g} samples per second"
    if data.vocabulary is not None:
        yield "vocabulary", f"{len(data.vocabulary):,} tokens"
    else:
        yield "features", _features(data)
        missing, count = data.missing, int(data.lengths.sum()) * data.features
        yield "missing", f"{missing:,} ({missing / count:.1%})" if missing else "none"
    yield "targets", _targets(data)
    if data.groups is not None:
        yield "groups", f"{len(np.unique(data.groups)):,}"
    if data.times is not None and len(np.unique(data.times)) > 1:
        yield "times", f"{spelled(data.times.min())} to {spelled(data.times.max())}"


def _features(data: Sequences) -> str:
    if not data.feature_names:
        return f"{data.features:,}"
    units = data.units or ("",) * data.features
    named = [
        f"{name} [{unit}]" if unit else name
        for name, unit in zip(data.feature_names, units, strict=True)
    ]
    return f"{data.features:,}: {_some(named)}"


def _targets(data: Sequences) -> str:
    if data.targets is None:
        return "none"
    each = "at every step " if data.by_step else ""
    if data.names:
        counts = np.zeros(data.classes, np.int64)
        for part in _numbers(data):
            counts += np.bincount(part.ravel(), minlength=data.classes)
        named = [f"{name} ({count:,})" for name, count in zip(data.names, counts, strict=True)]
        return f"{each}{data.classes:,} classes: {_some(named)}"
    wide = data.targets.ndim > 1 + data.by_step and data.targets.shape[-1] > 1
    width = f"{data.targets.shape[-1]} numbers" if wide else "a number"
    low, high = np.inf, -np.inf
    for part in _numbers(data):
        known = part[~np.isnan(part)]
        low, high = known.min(initial=low), known.max(initial=high)
    return f"{each}{width} from {low:.4g} to {high:.4g}" if low <= high else f"{each}{width}"


def _numbers(data: Sequences) -> Iterator[Any]:
    """The targets, part by part where they stay in a file."""
    if isinstance(data.targets, Ragged):
        yield from (part for _, part in data.targets.parts())
    else:
        yield data.targets


def _some(named: list[str]) -> str:
    more = f", and {len(named) - FEW:,} more" if len(named) > FEW else ""
    return ", ".join(named[:FEW]) + more
