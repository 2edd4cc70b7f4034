"""What the recurrent layers share: the driver owns time, masks and direction, a cell its gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman import activations, initializers
from elman.errors import OptionError
from elman.layers.layer import Array, Layer, Param, Shape, share, whole
from elman.layers.states import WithStates

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


#: Smaller products of "mixed_bfloat16" stay float32: rounding would cost what they gain. Measured.
BF16_UNITS, BF16_FEATURES = 16, 4

#: Keras's options that say how to compute, never what, and the values they may have.
HOW: dict[str, tuple[Any, ...]] = {
    "implementation": (0, 1, 2),
    "unroll": (False, True),
    "use_cudnn": ("auto", False, True),
}


def check_how(who: str, option: str, value: Any) -> None:
    """Raise for a value that an option of `HOW` cannot have, and for time before the batch."""
    if option == "time_major" and value:
        raise OptionError(
            f"{who} expected sequences of shape (rows, steps, features), got time_major=True. "
            "Leave it out, and swap the first two axes of the data."
        )
    if option in HOW and value not in HOW[option]:
        raise OptionError(
            f"{who} expected {option} to be one of {', '.join(map(repr, HOW[option]))}, got "
            f"{value!r}. Leave it out: it changes no number here."
        )


class Recurrent(WithStates):
    """A layer that carries a state from step to step.

    Args:
        units: H, the size of the state.
        activation: of the candidate (and, in LSTM, of the cell state on its way out).
        recurrent_activation: of the gates.
        use_bias: whether there are biases.
        kernel_initializer: for the weights of the input, [F, G*H].
        recurrent_initializer: for the weights of the state, [H, G*H].
        bias_initializer: for the biases.
        dropout: share of the inputs set to zero while training; one choice for all steps.
        recurrent_dropout: share of the state that each gate does not see while training; one
            choice per row and gate for all steps (Gal & Ghahramani 2016). What is carried on by
            itself, as the cell state and the old state of a GRU, is whole.
        return_sequences: whether to return the output of every step, not only the last.
        return_state: whether to return the states after the last step too: [outputs, h], or
            [outputs, h, c] of an LSTM.
        go_backwards: whether to walk from the last step to the first; a returned sequence is in
            the order of processing.
        stateful: whether row i of a batch goes on from the state that row i of the batch before
            left; until `reset_states()`. Training does not go back beyond the batch.
        zero_output_for_mask: whether a step that a mask leaves out returns zeros, and not what the
            step before it returned. The states pass on either way.
        seed: accepted for Keras; `elman.set_random_seed` makes a run repeat.

    `unroll`, `use_cudnn` and `implementation` say how Keras computes, never what: accepted, and
    without effect.

    Raises:
        OptionError: a value out of its range, or an option elman does not have yet.
        UnknownNameError: an activation, initializer or option that is not known.
    """

    stored_in = "cell/vars"
    #: The column groups of the weights, in order.
    gates: ClassVar[tuple[str, ...]] = ()
    #: The gate that says how much of the old state stays, where there is one.
    keep_gate: ClassVar[str | None] = None
    #: How many arrays the state consists of.
    states: ClassVar[int] = 1
    ruled: ClassVar = {"kernel": "kernel", "recurrent": "recurrent_kernel", "bias": "bias"}
    ignored = Layer.ignored | HOW.keys()
    absent: ClassVar[dict[str, tuple[Any, ...]]] = {
        **Layer.absent,
        "time_major": (False,),
    }

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        zero_output_for_mask: bool = False,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        who = type(self).__name__
        self.units = whole(who, "units", units)
        self.activation = self._elementwise(activation)
        self.recurrent_activation = self._elementwise(recurrent_activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.dropout = share(who, "dropout", dropout)
        self.recurrent_dropout = share(who, "recurrent_dropout", recurrent_dropout)
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.seed = seed

    def _check_other(self, option: str, value: Any) -> None:
        check_how(type(self).__name__, option, value)
        super()._check_other(option, value)

    def _elementwise(self, activation: Any) -> str:
        who = type(self).__name__
        name = activations.name_of(activation, who)
        if name not in activations.ELEMENTWISE:
            raise OptionError(
                f"{who} expected an activation that acts on each unit by itself, got {name!r}, "
                "which mixes the units of a step. Use it in a Dense or Activation layer."
            )
        return name

    # -- shapes and parameters --------------------------------------------------------------------

    def params(self, input_shape: Shape) -> list[Param]:
        features, columns = input_shape[-1], len(self.gates) * self.units
        assert features is not None
        tensors: list[tuple[str, tuple[int, ...], initializers.Initializer, str]] = [
            ("kernel", (features, columns), self.kernel_initializer, "FH"),
            ("recurrent_kernel", (self.units, columns), self.recurrent_initializer, "HH"),
        ]
        if self.use_bias:
            shape = self.bias_shape()
            letters = "H" if len(shape) == 1 else f"{shape[0]}H"
            tensors.append(("bias", shape, self.bias_start(), letters))
        return [
            Param(name, shape, start, self.gates, letters=letters)
            for name, shape, start, letters in tensors
        ]

    def bias_shape(self) -> tuple[int, ...]:
        """Extents of the bias."""
        return (len(self.gates) * self.units,)

    def bias_start(self) -> initializers.Initializer:
        """What makes the first values of the bias."""
        return self.bias_initializer

    def output_shape(self, input_shape: Shape) -> Shape:
        if self.return_sequences:
            return (input_shape[0], input_shape[1], self.units)
        return (input_shape[0], self.units)

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        shape = input_shapes[0]
        states: list[Shape] = [(shape[0], self.units)] * (self.states if self.return_state else 0)
        return [self.output_shape(shape), *states]

    # -- the native side --------------------------------------------------------------------------

    def cell(self) -> str:
        """The native cell's word."""
        raise NotImplementedError(f"{type(self).__name__} must define cell().")

    @property
    def causal(self) -> bool:
        return not self.go_backwards

    def emit_all(self, plan: Plan, slots: Sequence[Slot]) -> list[Slot]:
        """Append the operations: of a sequence and, behind it, its initial states."""
        slot, *states = self.emit_in_time(plan, *slots)
        return [in_order(plan, self, slot), *states]

    def emit_in_time(self, plan: Plan, slot: Slot, *start: Slot) -> list[Slot]:
        """The same; a sequence is in its own time, whichever way it is walked."""
        if self.dropout:
            slot = plan.dropout(f"{self.path}/dropout", slot, self.dropout, same_each_step=True)
        sequences = self.return_sequences or plan.every_step
        drops = self.recurrent_dropout if plan.training else 0.0
        # Where each gate sees a state of its own, products stay float32.
        bf16 = self.compute_dtype == "bfloat16" and self.units >= BF16_UNITS and not drops
        features = slot.shape[-1]
        assert features is not None
        states = self.output_shapes([slot.shape])[1:]
        return plan.add(
            "recurrent",
            self.path,
            [slot, *start],
            [(*slot.shape[: 2 if sequences else 1], self.units), *states],
            plan.params(self),
            cell=self.cell(),
            units=self.units,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            return_sequences=sequences,
            return_state=self.return_state,
            go_backwards=self.go_backwards,
            stateful=plan.stateful and self.stateful,
            zero_output_for_mask=self.zero_output_for_mask,
            bf16=bf16,
            bf16_input=bf16 and features >= BF16_FEATURES,
            recurrent_dropout=drops,
            seed=plan.draw() if drops else 0,
        )

    # -- the readable side ------------------------------------------------------------------------

    def step(
        self,
        x: Array,
        states: list[Array],
        weights: dict[str, Array],
        keep: Array | None = None,
    ) -> tuple[list[Array], dict[str, Array]]:
        """One step of the cell.

        Args:
            x: input [B, F].
            states: the state arrays [B, H], the output first.
            weights: the tensors by name.
            keep: what recurrent_dropout multiplies the state by, for each gate: [B, G, H].

        Returns:
            the new states, and every gate by name.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step(x, states, weights).")

    def formula(
        self,
        x: Array,
        weights: dict[str, Array],
        mask: Array | None,
        start: list[Array] | None = None,
        keep: Array | None = None,
    ) -> Array:
        return self.walk(x, weights, mask, start, keep)[0]

    def walk(
        self,
        x: Array,
        weights: dict[str, Array],
        mask: Array | None,
        start: list[Array] | None = None,
        keep: Array | None = None,
    ) -> tuple[Array, list[Array]]:
        """The formula over all steps: the output, and the states after the last."""
        rows, steps = x.shape[:2]
        kind = np.result_type(x, *weights.values())
        states = start or [np.zeros((rows, self.units), kind) for _ in range(self.states)]
        outputs = []
        for t in range(steps)[:: -1 if self.go_backwards else 1]:
            new, _ = self.step(x[:, t], states, weights, keep)
            counts = np.ones((rows, 1), bool) if mask is None else mask[:, t, None].astype(bool)
            # A masked step carries the states through.
            states = [np.where(counts, n, old) for n, old in zip(new, states, strict=True)]
            zeroed = self.zero_output_for_mask
            outputs.append(np.where(counts, states[0], 0.0) if zeroed else states[0])
        return (np.stack(outputs, axis=1) if self.return_sequences else outputs[-1]), states


def in_order(plan: Plan, layer: Any, slot: Slot) -> Slot:
    """Outputs in the order of processing: the engine keeps them in their own time."""
    if layer.go_backwards and len(slot.shape) == 3:
        slot = turned(plan, f"{layer.path}/reversed", slot)
    return slot


def turned(plan: Plan, name: str, slot: Slot) -> Slot:
    """A sequence turned round in time; its mask is not, as in Keras."""
    return plan.add("reverse_each" if plan.ragged else "reverse", name, slot, slot.shape)


def product(state: Array, weights: Array, keep: Array | None) -> Array:
    """The state [B, H] times the weights [H, G*H] of G gates; each sees its own part of it.

    Args:
        keep: what each gate's state is multiplied by [B, G, H]; None: nothing.
    """
    if keep is None:
        return state @ weights
    parts = np.split(weights, keep.shape[1], axis=-1)
    return np.concatenate([(state * keep[:, g]) @ u for g, u in enumerate(parts)], axis=-1)
