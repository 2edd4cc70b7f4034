"""A window of steps that slides over a sequence: where it begins, and how many places it has."""

from __future__ import annotations

from typing import Any, NamedTuple

from elman.errors import OptionError, ShapeError, unknown_name
from elman.layers.layer import Layer, Shape, whole


class Sliding(NamedTuple):
    """What a sliding window does.

    Args:
        span: steps from its first to its last, both counted.
        stride: steps from one place to the next.
        padding: "valid" (inside the sequence), "same" (over both ends alike, so that with a
            stride of 1 there are as many places as steps) or "causal" (never past the last step).
    """

    span: int
    stride: int
    padding: str

    def around(self, steps: int) -> tuple[int, int]:
        """How many steps it needs before the first and after the last of so many."""
        if self.padding == "causal":
            return self.span - 1, 0
        if self.padding == "valid":
            return 0, 0
        missing = max((-(-steps // self.stride) - 1) * self.stride + self.span - steps, 0)
        return missing // 2, missing - missing // 2

    def places(self, layer: Layer, shape: Shape) -> int | None:
        """How many places there are in an input of this shape; None where its length is not known.

        Raises:
            ShapeError: there are none.
        """
        steps = shape[1]
        if steps is None:
            return None
        if self.padding == "valid" and steps < self.span:
            raise ShapeError(
                f"{layer.label} expected at least {self.span} steps, which is what its window "
                f"spans, got {steps} (input shape {shape}). Use longer sequences, or "
                "padding='same'."
            )
        return (sum(self.around(steps)) + steps - self.span) // self.stride + 1


def single(who: str, option: str, value: Any) -> tuple[int]:
    """A whole number, also as a tuple of one, which is how Keras writes it down."""
    if isinstance(value, tuple | list):
        if len(value) != 1:
            raise OptionError(
                f"{who} expected {option} as one whole number, got {value!r}. There is one axis "
                "of steps."
            )
        (value,) = value
    return (whole(who, option, value),)


def padding_called(who: str, value: Any, *known: str) -> str:
    """A padding by its name, in whatever case."""
    if not isinstance(value, str) or value.lower() not in known:
        raise unknown_name(who, "padding", value, known)
    return value.lower()
