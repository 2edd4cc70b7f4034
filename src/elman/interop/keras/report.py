"""What `accelerate` answers: each part of a model, whether elman has it, and why not."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import NamedTuple


class Item(NamedTuple):
    """One part of a model.

    Attributes:
        kind: "model", "layer", "optimizer", "loss", "metric" or another option of `compile`.
        name: its name in the model.
        why_not: why elman cannot take it, or None if it can.
    """

    kind: str
    name: str
    why_not: str | None = None

    def __str__(self) -> str:
        answer = "yes" if self.why_not is None else "no"
        line = f"  {answer:<4} {self.kind:<10} {self.name}"
        if self.why_not is None:
            return line
        why = textwrap.fill(self.why_not, 80, initial_indent=" " * 18, subsequent_indent=" " * 18)
        return f"{line}\n{why}"


class Report:
    """Whether elman runs a model, part by part: `print` it.

    Attributes:
        model: the model's name.
        items: its parts.
    """

    def __init__(self, model: str, items: list[Item], undo: Callable[[], None]) -> None:
        self.model = model
        self.items = items
        self._undo = undo

    @property
    def accelerated(self) -> bool:
        """Whether elman has all of it, so that the model runs on elman's engine."""
        return all(item.why_not is None for item in self.items)

    def __bool__(self) -> bool:
        return self.accelerated

    def undo(self) -> None:
        """Give the model Keras's own methods back, as `restore(model)` does."""
        self._undo()

    def __str__(self) -> str:
        says = (
            "fit, evaluate and predict run on elman's engine."
            if self.accelerated
            else "stays as it was, on Keras's engine."
        )
        return "\n".join([f"{self.model}: {says}", *map(str, self.items)])

    def __repr__(self) -> str:
        return f"<Report: {self.model} {'accelerated' if self.accelerated else 'as it was'}>"
