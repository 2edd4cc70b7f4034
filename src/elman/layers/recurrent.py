"""What the recurrent layers share: the driver owns time, masks and direction, a cell its gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman import activations, initializers
from elman.errors import OptionError
from elman.layers.layer import Array, Layer, Param, Shape, share, whole
from elman.layers.states import called, check_states

if TYPE_CHECKING:
    from elman.plan import Plan, Slot


#: Smaller products of "mixed_bfloat16" stay float32: rounding would cost what they gain. Measured.
BF16_UNITS, BF16_FEATURES = 16, 4


class Recurrent(Layer):
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
        return_sequences: whether to return the output of every step, not only the last.
        return_state: whether to return the states after the last step too: [outputs, h], or
            [outputs, h, c] of an LSTM.
        go_backwards: whether to walk from the last step to the first; a returned sequence is in
            the order of processing.
        stateful: whether row i of a batch goes on from the state that row i of the batch before
            left; until `reset_states()`. Training does not go back beyond the batch.
        seed: accepted for Keras; `elman.set_random_seed` makes a run repeat.

    Raises:
        OptionError: a value out of its range, or an option elman does not have yet.
        UnknownNameError: an activation, initializer or option that is not known.
    """

    ranks = (3,)
    why_whole = "looks at later steps first. Leave its direction forward"
    stored_in = "cell/vars"
    takes_states = True
    #: The column groups of the weights, in order.
    gates: ClassVar[tuple[str, ...]] = ()
    #: The gate that says how much of the old state stays, where there is one.
    keep_gate: ClassVar[str | None] = None
    #: How many arrays the state consists of.
    states: ClassVar[int] = 1
    ignored = Layer.ignored | {"unroll", "use_cudnn", "implementation", "time_major"}
    absent: ClassVar[dict[str, tuple[Any, ...]]] = {
        **Layer.absent,
        "recurrent_dropout": (0, 0.0, None),
        "zero_output_for_mask": (False,),
        **dict.fromkeys(
            [
                f"{tensor}_{kind}"
                for tensor in ("kernel", "recurrent", "bias")
                for kind in ("regularizer", "constraint")
            ],
            (None,),
        ),
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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
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
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.seed = seed

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

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        """Raise unless they are those of a sequence and, behind it, of its initial states."""
        self.check_shape(shapes[0])
        check_states(self, [self.units] * self.states, shapes[1:])

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
        # The engine keeps outputs in their own time; Keras hands them on as they were made.
        if self.go_backwards and len(slot.shape) == 3:
            slot = plan.add("reverse", f"{self.path}/reversed", slot, slot.shape, keep_mask=True)
        return [slot, *states]

    def emit_in_time(self, plan: Plan, slot: Slot, *start: Slot) -> list[Slot]:
        """The same; a sequence is in its own time, whichever way it is walked."""
        if self.dropout:
            slot = plan.dropout(f"{self.path}/dropout", slot, self.dropout, same_each_step=True)
        sequences = self.return_sequences or plan.every_step
        bf16 = self.compute_dtype == "bfloat16" and self.units >= BF16_UNITS
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
            bf16=bf16,
            bf16_input=bf16 and features >= BF16_FEATURES,
        )

    # -- calls ------------------------------------------------------------------------------------

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
        return called(self, x, initial_state, mask, training)

    # -- the readable side ------------------------------------------------------------------------

    def step(
        self, x: Array, states: list[Array], weights: dict[str, Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """One step of the cell.

        Args:
            x: input [B, F].
            states: the state arrays [B, H], the output first.
            weights: the tensors by name.

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
    ) -> Array:
        return self.walk(x, weights, mask, start)[0]

    def walk(
        self,
        x: Array,
        weights: dict[str, Array],
        mask: Array | None,
        start: list[Array] | None = None,
    ) -> tuple[Array, list[Array]]:
        """The formula over all steps: the output, and the states after the last."""
        rows, steps = x.shape[:2]
        kind = np.result_type(x, *weights.values())
        states = start or [np.zeros((rows, self.units), kind) for _ in range(self.states)]
        outputs = []
        for t in range(steps)[:: -1 if self.go_backwards else 1]:
            new, _ = self.step(x[:, t], states, weights)
            if mask is not None:  # a masked step carries the states through
                counts = mask[:, t, None].astype(bool)
                new = [np.where(counts, n, old) for n, old in zip(new, states, strict=True)]
            states = new
            outputs.append(states[0])
        return (np.stack(outputs, axis=1) if self.return_sequences else states[0]), states

    def formula_mask(self, x: Array, mask: Array | None) -> Array | None:
        return mask if self.return_sequences else None
