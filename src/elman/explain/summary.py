"""The table of layers that Keras users know."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from elman.models import Functional

if TYPE_CHECKING:
    from elman.layers import Layer
    from elman.layers.symbol import Symbol
    from elman.models import Model


def summary(model: Model, line_length: int | None = None, print_fn: Any = None) -> None:
    """Print a model's layers, output shapes and parameters; see `Model.summary`."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Model: {model.name!r}", title_justify="left", title_style="bold")
    table.add_column("Layer (type)", overflow="fold")
    table.add_column("Output shape", overflow="fold")
    table.add_column("Parameters", justify="right")
    links = connections(model)
    if links:
        table.add_column("Connected to", overflow="fold")
    for own in getattr(model, "inputs", ()):
        table.add_row(f"{own.name} (Input)", str((None, *own.shape)), "0", "-")
    unknown = 0
    total = trainable = 0
    for layer, (_, shape) in zip(model.layers, model.shapes(), strict=True):
        if layer.built:
            count = sum(p.size for p in layer.own_params)
            total += count
            trainable += sum(
                p.size
                for leaf in layer.leaves()
                for p in leaf.own_params
                if p.trainable and leaf.trainable and layer.trainable
            )
            shown = f"{count:,}"
        else:
            shown, unknown = "?", unknown + 1
        table.add_row(
            f"{layer.name} ({type(layer).__name__})",
            "?" if shape is None else str(shape),
            shown,
            *([links[layer]] if links else []),
        )
    width = line_length or 80
    kept = io.StringIO() if print_fn else None
    # In a notebook, too, the table is text: what is saved with it can be read anywhere.
    out = Console(width=width, file=kept, force_jupyter=False) if kept else _console(width)
    out.print(table)
    if unknown:
        out.print(
            f"{unknown} layers wait for the number of input features: put Input((steps, features)) "
            "first, or call build((None, steps, features)).",
            highlight=False,
        )
    out.print(f"Total parameters: {total:,} ({_size(4 * total)})", highlight=False)
    out.print(f"Trainable: {trainable:,}   Fixed: {total - trainable:,}", highlight=False)
    if model.stateful:
        names = ", ".join(layer.name for layer in model.layers if layer.stateful)
        out.print(
            f"Stateful: {names}. Row i of a batch goes on from row i of the batch before; "
            "reset_states() begins anew.",
            highlight=False,
        )
    if kept:
        print_fn(kept.getvalue())


def connections(model: Model) -> dict[Layer, str]:
    """What each layer of a graph is called on, a line for each call; of a chain nothing."""
    if not isinstance(model, Functional):
        return {}
    found: dict[Layer, list[str]] = {}
    for node in model.wiring.calls:
        names = [_place(symbol) for symbol in node.takes]
        found.setdefault(node.layer, []).append(", ".join(names))  # type: ignore[arg-type]
    return {layer: "\n".join(calls) for layer, calls in found.items()}


def _place(symbol: Symbol) -> str:
    """The layer that makes it, and which of its outputs, unless it is the first."""
    return f"{symbol.name}[{symbol.index}]" if symbol.index else symbol.name


def _console(width: int) -> Any:
    from rich.console import Console

    console = Console(force_jupyter=False)
    if not getattr(sys.stdout, "isatty", bool)():
        console = Console(width=width, color_system=None, force_jupyter=False)
    elif console.width > width:
        console = Console(width=width, force_jupyter=False)
    return console


def _size(n: int) -> str:
    return f"{n / 2**20:.2f} MiB" if n >= 2**20 else f"{n / 2**10:.2f} KiB"
