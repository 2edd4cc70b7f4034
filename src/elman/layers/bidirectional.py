"""Bidirectional: Schuster and Paliwal (1997), https://doi.org/10.1109/78.650093."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman.errors import OptionError, unknown_name
from elman.layers.layer import Array, Layer, Shape
from elman.layers.recurrent import Recurrent, turned
from elman.layers.recurrent_wrapper import RecurrentWrapper
from elman.layers.wrapper import layer_inside

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


class Bidirectional(RecurrentWrapper):
    """Walks a sequence both ways with two recurrent layers, and merges what they return.

    With `return_sequences=True` the merged steps are in time, so that a step has seen everything
    before and after it; steps that a mask leaves out become zero, as in Keras.

    Args:
        layer: a recurrent layer, with weights or without: two new ones are made with its options.
        merge_mode: "concat" (side by side), "sum", "mul" or "ave" of each unit; None: both are
            returned, that of `layer` first.
        backward_layer: a recurrent layer whose options the other direction has; that of `layer`
            with `go_backwards=True` where None.

    Raises:
        OptionError: a layer that is not recurrent, or two that cannot be merged.
    """

    MODES: ClassVar[tuple[str, ...]] = ("concat", "sum", "mul", "ave")
    absent: ClassVar = {**RecurrentWrapper.absent, "weights": (None,)}

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str | None = "concat",
        backward_layer: Recurrent | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        for given in (layer, *([] if backward_layer is None else [backward_layer])):
            if not isinstance(given, Recurrent):
                raise OptionError(
                    f"Bidirectional expected a recurrent layer, got {given!r}. Use SimpleRNN, LSTM "
                    "or GRU."
                )
        if merge_mode is not None and merge_mode not in self.MODES:
            raise unknown_name("Bidirectional", "merge_mode", merge_mode, self.MODES)
        self.merge_mode = merge_mode
        self.forward_layer = self._inside(layer, name=_prefixed("forward_", layer.name))
        if backward_layer is None:
            name = _prefixed("backward_", layer.name)
            self.backward_layer = self._inside(layer, name=name, go_backwards=True)
        else:
            self.backward_layer = self._inside(backward_layer)
        for place, leaf in zip(("forward_layer", "backward_layer"), self.leaves(), strict=True):
            leaf.stored_in = f"{place}/{leaf.stored_in}"
        self._check_pair()
        self.asked_shape = self.asked_shape or layer.asked_shape

    def _inside(self, layer: Recurrent, **options: Any) -> Recurrent:
        """A new layer like this one, without its weights, in its place inside this one."""
        zeroed = {"zero_output_for_mask": layer.return_sequences}  # as Keras, whatever it says
        made = type(layer).from_config({**layer.get_config(), **zeroed, **options})
        made.around = self
        return made

    def _check_pair(self) -> None:
        forward, backward = self.leaves()
        if forward.go_backwards == backward.go_backwards:
            raise OptionError(
                "Bidirectional expected one layer with go_backwards=False and one with True, got "
                f"{forward.go_backwards} for both. Leave go_backwards out of `layer`, and set it "
                "in `backward_layer`."
            )
        if forward.return_sequences != backward.return_sequences:
            raise OptionError(
                "Bidirectional expected both layers to have one return_sequences, got "
                f"{forward.return_sequences} and {backward.return_sequences}. Set both alike."
            )
        if forward.stateful != backward.stateful:
            raise OptionError(
                "Bidirectional expected both layers to have one stateful, got "
                f"{forward.stateful} and {backward.stateful}. Set both alike."
            )
        if forward.return_state != backward.return_state:
            raise OptionError(
                "Bidirectional expected both layers to have one return_state, got "
                f"{forward.return_state} and {backward.return_state}. Set both alike."
            )
        if self.merge_mode not in ("concat", None) and forward.units != backward.units:
            raise OptionError(
                f"Bidirectional expected layers of one size to take their {self.merge_mode}, got "
                f"{forward.units} and {backward.units} units. Make them alike, or use concat."
            )
        if forward.name == backward.name:
            raise OptionError(
                f"Bidirectional expected layers of two names, got {forward.name!r} twice. Name "
                "`backward_layer` otherwise."
            )

    @property
    def layer(self) -> Recurrent:
        """The option `layer`: the one that walks forward."""
        return self.forward_layer

    @property
    def return_sequences(self) -> bool:  # type: ignore[override]
        """Whether there is an output for every step."""
        return self.forward_layer.return_sequences

    @property
    def return_state(self) -> bool:  # type: ignore[override]
        """Whether the last states of both directions are returned, too."""
        return self.forward_layer.return_state

    @property
    def causal(self) -> bool:
        return False

    @property
    def stateful(self) -> bool:  # type: ignore[override]
        """Whether both directions carry their states from batch to batch."""
        return self.forward_layer.stateful

    # -- weights: those of the layers inside ------------------------------------------------------

    def leaves(self) -> Sequence[Recurrent]:
        return [self.forward_layer, self.backward_layer]

    # -- shapes and operations --------------------------------------------------------------------

    @property
    def returns_several(self) -> bool:
        return self.merge_mode is None or super().returns_several

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        merged, *states = super().output_shapes(input_shapes)
        if self.merge_mode is not None:
            return [merged, *states]
        return [*(leaf.output_shape(input_shapes[0]) for leaf in self.leaves()), *states]

    def output_shape(self, input_shape: Shape) -> Shape:
        shape = self.forward_layer.output_shape(input_shape)
        if self.merge_mode != "concat":
            return shape
        return (*shape[:-1], self.forward_layer.units + self.backward_layer.units)

    def emit_all(self, plan: Plan, slots: Sequence[Slot]) -> list[Slot]:
        slot, *start = slots
        half = self.forward_layer.states if start else 0
        starts = start[:half], start[half:]
        # One that drops inputs needs each step's own row of an Embedding, so it reads first.
        order = sorted((0, 1), key=lambda i: not self.leaves()[i].dropout)
        made = {i: self._walked(plan, self.leaves()[i], slot, starts[i]) for i in order}
        slots, states = [made[0][0], made[1][0]], [*made[0][1:], *made[1][1:]]
        if self.merge_mode is None:
            return [*map(partial(self._in_time, plan), self.leaves(), slots), *states]
        merged = plan.add(
            "merge",
            self.name,
            slots,
            (*slots[0].shape[:-1], self.output_shape((None, None, None))[-1]),
            mode=self.merge_mode,
        )
        return [self._in_time(plan, self, merged), *states]

    def _in_time(self, plan: Plan, who: Layer, slot: Slot) -> Slot:
        """A sequence as `layer` made it: the engine keeps it in its own time."""
        if self.forward_layer.go_backwards and self.return_sequences:
            slot = turned(plan, f"{who.path}/reversed", slot)
        return slot

    def _walked(self, plan: Plan, leaf: Recurrent, slot: Slot, start: Sequence[Slot]) -> list[Slot]:
        made, *states = leaf.emit_in_time(plan, slot, *start)
        made = plan.penalized(leaf, made, zero_masked=self.return_sequences)
        return [made, *(plan.penalized(leaf, state) for state in states)]

    # -- the readable side ------------------------------------------------------------------------

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        pairs = zip(self.leaves(), self.own_weights(weights), strict=True)
        return self._merged([leaf.formula(x, own, mask) for leaf, own in pairs])

    def walk(
        self,
        x: Array,
        weights: dict[str, Array],
        mask: Array | None,
        start: list[Array] | None = None,
    ) -> tuple[Array, list[Array]]:
        """The formula over all steps: the output, and the states of both directions."""
        half = self.forward_layer.states
        starts = (start[:half], start[half:]) if start else (None, None)
        both = [
            leaf.walk(x, own, mask, first)
            for leaf, own, first in zip(
                self.leaves(), self.own_weights(weights), starts, strict=True
            )
        ]
        return self._merged([y for y, _ in both]), [s for _, last in both for s in last]

    def _merged(self, outputs: list[Array]) -> Array:
        one, other = outputs
        if self.return_sequences:
            other = other[:, ::-1]  # it was made the other way round
        if self.merge_mode in ("concat", None):
            return np.concatenate([one, other], axis=-1)
        if self.merge_mode == "mul":
            return one * other
        return (one + other) / (2 if self.merge_mode == "ave" else 1)

    # -- configuration ----------------------------------------------------------------------------

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Bidirectional:
        """Build the layer that `get_config` described, Keras's or elman's.

        Raises:
            UnknownNameError: a layer inside that elman does not have.
        """
        inside = {}
        for option in ("layer", "backward_layer"):
            entry = config.get(option)
            if entry is None:
                continue
            inside[option] = layer_inside("Bidirectional", entry)
        return cls(**{**config, **inside})


def _prefixed(prefix: str, name: str) -> str:
    """A name that has the prefix keeps it, so that a config can be read again, as in Keras."""
    return prefix + name.removeprefix("forward_").removeprefix("backward_")
