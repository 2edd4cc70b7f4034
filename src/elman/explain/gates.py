"""What the gates of a trace say about memory: how long it lasts, what is stuck, what is dead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from elman.errors import DataError
from elman.explain.as_text import as_text

if TYPE_CHECKING:
    from elman.explain.trace import Trace, TracedLayer

Array = np.ndarray[Any, np.dtype[Any]]

#: A gate this close to 0 is shut, this close to 1 it is open: saturated, with hardly a gradient.
NEAR = 0.01
#: A unit is dead if its state varies by less than this share of the liveliest unit's.
STILL = 0.01


class LayerStatistics(NamedTuple):
    """Of one recurrent layer, over all rows and all steps that count.

    Attributes:
        half_life: [units] steps until half of what a unit keeps is forgotten, as its keep gate f
            (LSTM: the forget gate; GRU: the update gate, which keeps where it is 1) stands in the
            mean: ln 0.5 / mean(ln f). What is kept after n steps is the product of n gates, so
            the mean is the geometric one. None for a layer without such a gate.
        mean: the mean of each gate, by name.
        shut, open: by name [units], the share of a gate's values within 1 % of 0, and of 1.
        dead: the numbers of the units whose state hardly changes: by less than 1 % of what the
            liveliest unit's does.
        zero: those of them whose state is 0 throughout, as that of a relu unit that never fires.
    """

    half_life: Array | None
    mean: dict[str, float]
    shut: dict[str, Array]
    open: dict[str, Array]
    dead: Array
    zero: Array


class GateStatistics(Mapping[str, LayerStatistics]):
    """`LayerStatistics` by layer; `print` it for a table. Made by `Trace.statistics`."""

    def __init__(self, trace: Trace) -> None:
        self._title = f"{trace.rows} rows, {trace.steps} steps"
        self._layers = {name: _of_layer(trace, name) for name in trace.layers}
        self._units = {name: traced.layer.units for name, traced in trace.layers.items()}
        self._keep = {name: traced.layer.keep_gate for name, traced in trace.layers.items()}

    def __getitem__(self, layer: str) -> LayerStatistics:
        return self._layers[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        from rich.table import Table

        table = Table(title=f"Gates over {self._title}", title_justify="left", title_style="bold")
        table.add_column("Layer", overflow="fold")
        table.add_column("Gate")
        for heading in ("mean", "near 0", "near 1"):
            table.add_column(heading, justify="right")
        table.add_column("half-life in steps", justify="right")
        for name, found in self.items():
            for gate, mean in found.mean.items():
                half_life = found.half_life if gate == self._keep[name] else None
                table.add_row(
                    name, gate, f"{mean:.3f}", f"{found.shut[gate].mean():.1%}",
                    f"{found.open[gate].mean():.1%}", _range(half_life),
                )  # fmt: skip
        shown: list[object] = [table] if table.row_count else []
        for name, found in self.items():
            dead = f"{len(found.dead)} of {self._units[name]} units are dead"
            if len(found.zero):
                dead += f" ({len(found.zero)} always 0)"
            if len(found.dead):
                dead += ": " + ", ".join(str(unit) for unit in found.dead)
            shown.append(f"{name}: {dead}")
        return as_text(*shown)


def _of_layer(trace: Trace, name: str) -> LayerStatistics:
    traced = trace.layers[name]
    gates = {
        gate: _counting(trace[f"{name}/{gate}"], traced)
        for gate in traced.gates
        if gate.endswith("_gate")
    }
    state = _counting(trace[f"{name}/state"], traced)
    if not len(state):
        raise DataError(
            f"statistics of {name!r} expected at least one step that counts, got masked ones only. "
            "Trace other rows."
        )
    keep = traced.layer.keep_gate
    with np.errstate(divide="ignore"):  # gates of exactly 1 keep for ever, of 0 not at all
        half_life = None if keep is None else np.log(0.5) / np.log(gates[keep]).mean(axis=0)
    dead = zero = np.arange(0)
    if len(state) > 1:  # of one step nothing can be said
        spread = np.ptp(state, axis=0)
        dead = np.flatnonzero(spread <= STILL * spread.max())
        zero = np.flatnonzero(~state.any(axis=0))
    return LayerStatistics(
        None if half_life is None else np.abs(half_life),
        {gate: float(values.mean()) for gate, values in gates.items()},
        {gate: (values <= NEAR).mean(axis=0) for gate, values in gates.items()},
        {gate: (values >= 1 - NEAR).mean(axis=0) for gate, values in gates.items()},
        dead,
        zero,
    )


def _counting(values: Array, traced: TracedLayer) -> Array:
    """[steps of all rows that count, units] in float64."""
    counts = np.ones(values.shape[:2], bool) if traced.mask is None else traced.mask
    return values[counts].astype(np.float64)


def _range(half_life: Array | None) -> str:
    """The middle unit's, and from the shortest to the longest."""
    if half_life is None:
        return ""
    least, middle, most = (f"{q:.3g}" for q in np.quantile(half_life, (0, 0.5, 1)))
    return f"{middle} ({least} to {most})"
