"""Calls with states: what a recurrent layer begins with, and what it hands out at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import seeds
from elman.errors import DataError, OptionError, ShapeError
from elman.layers.layer import Array, Layer, Shape
from elman.layers.symbol import record, symbolic

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class WithStates(Layer):
    """Base of the layers that go through time with states: recurrent ones, and what holds those."""

    ranks = (3,)
    why_whole = "looks at later steps first. Leave its direction forward"
    takes_states = True
    return_sequences: bool

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        """Raise unless they are those of a sequence and, behind it, of its initial states."""
        sequence, *states = shapes
        self.check_shape(sequence)
        units = [leaf.units for leaf in self.leaves() for _ in range(leaf.states)]
        if states and [shape[1:] for shape in states] != [(width,) for width in units]:
            wanted = ", ".join(f"(rows, {width})" for width in units)
            raise ShapeError(
                f"{self.label} expected {len(units)} initial states of shapes {wanted}, got "
                f"{', '.join(map(str, states))}. Take them from a layer with return_state=True and "
                "as many units."
            )

    def __call__(  # type: ignore[override]
        self, x: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """The layer's output for an array: a plan of one layer.

        Args:
            x: [rows, steps, features].
            initial_state: what a sequence begins with, [rows, units] for each state: h, or
                [h, c] of an LSTM; of a `Bidirectional` those of both directions. Zeros where
                None.
            mask: which steps count [rows, steps]; all where None.
            training: whether dropout is active.

        Returns:
            float32 array; with `return_state` a list of it and the last states.

        Raises:
            ElmanError: an array does not fit the layer.
        """
        return _called(self, x, initial_state, mask, training)

    def formula_mask(self, x: Array, mask: Array | None) -> Array | None:
        return mask if self.return_sequences else None


def _called(layer: Layer, x: Any, initial_state: Any, mask: Any, training: bool) -> Any:
    """What `layer(x, initial_state, mask)` returns; see `WithStates.__call__`."""
    if symbolic(x):
        if mask is not None:
            raise OptionError(
                f"{layer.label} expected masks of symbols from Masking or Embedding, got mask=. "
                "Put one of those below."
            )
        return record(layer, x, state_list(initial_state))
    from elman.checks import inputs
    from elman.graph import Call, Graph
    from elman.mapped import take, together
    from elman.plan import Plan, Store, listed

    values = take(inputs(x, layer, layer.label), slice(None))
    rows = len(values)
    arrays = [values, *(_state(layer, state, rows) for state in state_list(initial_state))]
    layer.check_shapes([(None, *array.shape[1:]) for array in arrays])
    for leaf in layer.leaves():
        leaf.check_rows(rows, layer.label)
    states = range(1, len(arrays))
    calls, entering = [], 0
    if mask is not None:
        entering = len(arrays) + 1
        calls = [Call(_GivenMask(), (0, len(arrays)), (entering,))]
        arrays.append(_mask(layer, mask, values.shape[:2]))
    first = len(arrays) + 1
    made = tuple(range(first, first + len(layer.output_shapes([values.shape]))))
    store = Store([layer], [(None, *values.shape[1:])])
    store.own()
    plan = Plan(
        store,
        [array.shape[1:] for array in arrays],
        tokens=[False] * len(arrays),
        rows=max(1, rows),
        training=training,
        stateful=True,
        graph=Graph(len(arrays), (*calls, Call(layer, (entering, *states), made)), made),
    )
    return listed(plan.forward(together(arrays), seeds.draw_seed() if training else 0))


def state_list(states: Any) -> list[Any]:
    """States as a list: one alone, several, or none."""
    if states is None:
        return []
    return list(states) if isinstance(states, list | tuple) else [states]


def _state(layer: Layer, state: Any, rows: int) -> Array:
    from elman.checks import numbers

    who, what = layer.label, "initial states"
    found = np.ascontiguousarray(numbers(state, who, what), np.float32)
    if len(found) != rows or found.ndim != 2:
        raise ShapeError(
            f"{who} expected {what} of shape ({rows}, units), a row for each sequence, got "
            f"{found.shape}. Check the arrays."
        )
    if not np.isfinite(found).all():
        raise DataError(f"{who} expected finite {what}, got NaN or infinity. Check the arrays.")
    return found


def _mask(layer: Layer, mask: Any, shape: tuple[int, ...]) -> Array:
    found = np.asarray(mask)
    if found.shape != shape:
        raise ShapeError(
            f"{layer.label} expected a mask of shape {shape}, one value for each step, got "
            f"{found.shape}. Check the array."
        )
    return np.ascontiguousarray(found.astype(bool)[..., None], np.float32)


class _GivenMask(Layer):
    """Steps count where the second input is not zero."""

    def emit_all(self, plan: Plan, slots: Sequence[Slot]) -> list[Slot]:
        return [plan.add("masking", "mask", slots, slots[0].shape)]
