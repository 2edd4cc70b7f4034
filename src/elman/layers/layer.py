"""What every layer is: options, parameters, shapes, and the operations it emits into a plan."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from elman import constraints, initializers, mixed_precision, regularizers, seeds
from elman.config import Configured, serialize
from elman.errors import (
    DataError,
    ElmanWarning,
    NotReadyError,
    OptionError,
    ShapeError,
    unknown_name,
)
from elman.layers.symbol import record, symbolic

if TYPE_CHECKING:
    from elman import _core
    from elman.plan import Plan, Slot

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int | None, ...]

#: Parameters of one layer: 8 GiB of float32. More is a slip of the keyboard.
LARGEST = 2**31

#: What a tensor can be ruled by, and what makes it.
RULES: dict[str, Callable[[Any], Any]] = {
    "regularizer": regularizers.get,
    "constraint": constraints.get,
}

_drawn: ContextVar[bool] = ContextVar("drawn", default=True)


@contextmanager
def undrawn() -> Iterator[None]:
    """Make weights of zeros meanwhile: who only counts them need not wait for random ones."""
    before = _drawn.set(False)
    try:
        yield
    finally:
        _drawn.reset(before)


class Param:
    """One tensor a layer owns. The ledger, the summary and the file format all read this.

    Args:
        name: Keras's name, such as `recurrent_kernel`.
        shape: its extents.
        initializer: what makes its first values.
        gates: names of the column groups, where a tensor holds one block per gate.
        trainable: whether training changes it.
        table: whether tokens look up its rows, so that a gradient touches few of them.
        letters: the extents of one gate's block in the letters of formulas, one per axis: F
            features, H units, V different tokens, E length of a vector; a digit is itself.

    Attributes:
        regularizer: what its size adds to the loss, or None.
        constraint: where it is put back to after each training step, or None. Layers set both
            from their options: see `Layer.ruled`.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: initializers.Initializer,
        gates: tuple[str, ...] = (),
        trainable: bool = True,
        table: bool = False,
        letters: str = "",
    ) -> None:
        self.name = name
        self.shape = shape
        self.initializer = initializer
        self.gates = gates
        self.trainable = trainable
        self.table = table
        self.letters = letters
        self.regularizer: regularizers.Regularizer | None = None
        self.constraint: constraints.Constraint | None = None

    def inside(self, layer: Layer) -> Param:
        """The same tensor of `layer`, as the layer around that one has it."""
        made = copy(self)
        made.name = f"{layer.name}/{self.name}"
        made.trainable = self.trainable and layer.trainable
        return made

    @property
    def by_row(self) -> bool:
        """Whether a training step changes the rows that are looked up only."""
        return self.table and self.regularizer is None and self.constraint is None

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class Layer(Configured):
    """Base class of layers.

    Args:
        name: a name unique in its model; made from the class where None.
        trainable: whether training may change its weights. Set it later, and `compile` heeds it.
        dtype: the precision, "float32" or "mixed_bfloat16"; the global policy where None.
        activity_regularizer: a penalty of `elman.regularizers` on the output, per row of a batch.
        <tensor>_regularizer: a penalty on one of its tensors, where the layer has some.
        <tensor>_constraint: one of `elman.constraints` that it is held to after each step.
    """

    module = "keras.layers"
    #: Tensors that may have a penalty and a constraint, by the word that begins both options.
    ruled: ClassVar[dict[str, str]] = {}
    #: Axes of the input, batch included, and how to say them; (2, 3) allows both.
    ranks: ClassVar[tuple[int, ...]] = (2, 3)
    #: Whether it heeds a mask or hands it on. Elsewhere a mask ends, and a warning says so.
    takes_mask: ClassVar[bool] = True
    #: Whether it does to a sequence what it does to each step by itself.
    each_step: ClassVar[bool] = False
    #: Where in the layer's group of a weights file Keras keeps its tensors.
    stored_in: str = "vars"
    #: Options of Keras's that change nothing here, and those that are not here yet.
    ignored: ClassVar[frozenset[str]] = frozenset(
        {"batch_input_shape", "input_dim", "input_length", "input_shape"}
    )
    absent: ClassVar[dict[str, tuple[Any, ...]]] = {
        "autocast": (True,),
    }

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        activity_regularizer: Any = None,
        **other: Any,
    ) -> None:
        if name is not None and (not isinstance(name, str) or "/" in name or not name):
            raise OptionError(
                f"{type(self).__name__} expected name to be text without '/', got {name!r}. Use "
                "letters, digits and '_'."
            )
        self.named = name is not None
        self._name = name if name is not None else snake(type(self).__name__)
        self.trainable = trainable
        self.dtype_policy = mixed_precision.get(other.pop("dtype", None))
        self.activity_regularizer = regularizers.get(activity_regularizer)
        if isinstance(self.activity_regularizer, regularizers.OrthogonalRegularizer):
            raise OptionError(
                f"{type(self).__name__} expected an activity_regularizer that looks at each number "
                "by itself, got OrthogonalRegularizer. Use L1, L2 or L1L2."
            )
        for word in self.ruled:
            for kind, get in RULES.items():
                setattr(self, f"{word}_{kind}", get(other.pop(f"{word}_{kind}", None)))
        self.asked_shape: Shape | None = None
        if other.get("input_dim") is not None:
            self.asked_shape = (None, other["input_dim"])
        elif other.get("input_shape") is not None:
            self.asked_shape = (None, *other["input_shape"])
        if other.get("batch_input_shape") is not None:
            self.asked_shape = tuple(other["batch_input_shape"])
        for option, value in other.items():
            self._check_other(option, value)
        self.own_params: list[Param] = []
        self.built_for: Shape | None = None
        self.place: tuple[_core.Weights, int] | None = None
        self._values: list[Array] | None = None
        self.around: Layer | None = None
        self._warned_of_mask = False

    @classmethod
    def options(cls) -> dict[str, Any]:
        rules = [f"{word}_{kind}" for word in cls.ruled for kind in RULES]
        return {**super().options(), **dict.fromkeys(rules)}

    def _check_other(self, option: str, value: Any) -> None:
        """Options of Keras's that have no meaning or no code here."""
        if option in self.ignored:
            return
        if option not in self.absent:
            raise unknown_name(type(self).__name__, "option", option, self.options())
        if not any(value is v or value == v for v in self.absent[option]):
            raise OptionError(
                f"{type(self).__name__} expected {option}={self.absent[option][0]!r}, got "
                f"{value!r}. elman does not have this option yet: leave it out."
            )

    # -- what a subclass says ---------------------------------------------------------------------

    #: Whether what it is called on besides a sequence are its initial states.
    takes_states: ClassVar[bool] = False
    #: Whether it returns the states after the last step, too.
    return_state: bool = False
    #: Whether a batch begins with the states that the one before it left.
    stateful: bool = False

    @property
    def returns_several(self) -> bool:
        """Whether it has more than one output."""
        return self.return_state

    @property
    def causal(self) -> bool:
        """Whether no output depends on a later step, so that sequences can be cut anywhere."""
        return True

    @property
    def joins_steps(self) -> bool:
        """Whether training needs all steps of all rows of a batch before it can go on."""
        return False

    #: Of a layer that is not causal: why, and what to do.
    why_whole: ClassVar[str] = "needs all steps at once. Leave it out"

    def params(self, input_shape: Shape) -> list[Param]:
        """What this layer owns. The ledger, the summary and the file format all read this."""
        return []

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output; None where it is not known yet."""
        return input_shape

    def emit(self, plan: Plan, slot: Slot) -> Slot:
        """Append this layer's operations to a plan. Computes nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define emit(plan, slot).")

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """The same of a layer of several inputs or outputs; most have one of each."""
        return [self.output_shape(*input_shapes)]

    def emit_all(self, plan: Plan, slots: Sequence[Slot]) -> list[Slot]:
        """The same of a layer of several inputs or outputs; most have one of each."""
        return [self.emit(plan, *slots)]

    def accept(self, plan: Plan, slots: Sequence[Slot]) -> None:
        """Before `emit`: raise unless the layer fits what enters, and warn if a mask ends here."""
        if len(slots) == 1:
            self.check_shape(slots[0].shape)
        if self.takes_mask or self._warned_of_mask:
            return
        source = next((s for s in map(plan.mask_source, slots) if s is not None), None)
        if source is None:
            return
        self._warned_of_mask = True
        warnings.warn(
            f"{self.label} got a mask (of {source!r}), which it cannot use: the mask ends here, "
            "and from here on padding counts like any other step, as in Keras. Let a layer that "
            "heeds masks come before it (a recurrent one, GlobalAveragePooling1D), or do without "
            "the mask.",
            ElmanWarning,
            stacklevel=2,
        )

    def formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        """The layer in plain NumPy, as the documentation and the tests read it."""
        raise NotImplementedError(f"{type(self).__name__} must define formula(x, weights, mask).")

    def training_formula(self, x: Array, weights: dict[str, Array], mask: Array | None) -> Array:
        """What it is while training, without what is random."""
        return self.formula(x, weights, mask)

    def formula_mask(self, x: Array, mask: Array | None) -> Array | None:
        """The mask that `formula` hands on."""
        return mask if self.takes_mask else None

    def known_features(self, input_shape: Shape) -> bool:
        """Whether `params` can be told from what is known of the input."""
        return input_shape[-1] is not None

    # -- precision --------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """What the weights are: always "float32"."""
        return self.dtype_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """What large products multiply: "float32" or "bfloat16"."""
        return self.dtype_policy.compute_dtype

    # -- weights ----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name in the model."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def path(self) -> str:
        """Name in the model, that of the layer around it first: `bidirectional/forward_lstm`."""
        return self.name if self.around is None else self.around.path_of(self)

    def path_of(self, leaf: Layer) -> str:
        """The path of a layer inside this one."""
        return f"{self.path}/{leaf.name}"

    def leaves(self) -> Sequence[Layer]:
        """The layers that hold the weights: this one, or those inside it."""
        return [self]

    def leaf_shapes(self, input_shape: Shape) -> list[Shape]:
        """What enters each of them."""
        return [input_shape for _ in self.leaves()]

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self.built_for is not None

    def build_params(self, input_shape: Shape, values: list[Array] | None = None) -> None:
        """Make the weights for an input of this shape, unless they exist already.

        Args:
            input_shape: with the batch axis.
            values: what they are; the initializers say where None.

        Raises:
            ShapeError: the shape has another rank than the layer takes, or other features than
                the weights were made for.
        """
        self.check_shape(input_shape)
        if self.built_for is not None:
            return
        params = self.params(input_shape)
        size = sum(p.size for p in params)
        if size > LARGEST:
            raise OptionError(
                f"{self.label} expected at most {LARGEST:,} parameters, got {size:,}, which need "
                f"{size / 2**28:,.0f} GiB. Make it smaller."
            )
        self._rule(params)
        self.own_params = params
        if values is None:
            values = self._first_values(params)
        self._values = [np.asarray(value, np.float32, order="C") for value in values]
        self.built_for = input_shape

    def _rule(self, params: list[Param]) -> None:
        """Give each tensor the penalty and the constraint of its options."""
        for word, tensor in self.ruled.items():
            for p in params:
                if p.name != tensor:
                    continue
                for kind in RULES:
                    rule = getattr(self, f"{word}_{kind}")
                    setattr(p, kind, rule)
                    if rule is not None:
                        rule.check(self.label, f"{word}_{kind}", p.shape)

    @staticmethod
    def _first_values(params: list[Param]) -> list[Array]:
        if not _drawn.get():
            return [np.zeros(p.shape, np.float32) for p in params]
        rng = seeds.generator()
        return [p.initializer(p.shape, rng) for p in params]

    def _features(self, shape: Shape) -> int | None:
        return shape[-1]

    def take_values(self) -> list[Array]:
        """The weights, given up by whoever held them."""
        if self._values is not None:
            values, self._values = self._values, None
            return values
        return self.get_weights()

    def get_weights(self) -> list[Array]:
        """Copies of the weights, in Keras's order."""
        return [np.array(view) for view in self.views()]

    def views(self) -> list[Array]:
        """The weights themselves, read-only."""
        if self._values is not None:
            views = [value.view() for value in self._values]
            for view in views:
                view.flags.writeable = False
            return views
        if self.place is None:
            return []
        native, first = self.place
        return [native.view(first + i) for i in range(len(self.own_params))]

    def set_weights(self, weights: list[Array]) -> None:
        """Replace all weights.

        Args:
            weights: one array per tensor, in the order and shapes of `get_weights`.

        Raises:
            NotReadyError: the layer has no weights yet.
            ShapeError: another number of arrays, or another shape.
        """
        arrays = self.check_weights(weights)
        if self._values is not None:
            self._values = arrays
        elif self.place is not None:
            native, first = self.place
            for i, value in enumerate(arrays):
                native.set(first + i, value)

    def check_weights(self, weights: list[Array]) -> list[Array]:
        """`weights` as float32 arrays that fit, or an error and nothing changed."""
        if not self.built:
            raise NotReadyError(
                f"{self.label} expected to have weights, got none yet. Give the model an Input, or "
                "call it on data."
            )
        if len(weights) != len(self.own_params):
            raise ShapeError(
                f"{self.label} expected {len(self.own_params)} weight arrays "
                f"({', '.join(p.name for p in self.own_params)}), got {len(weights)}. Take them "
                "from get_weights of a layer with the same options."
            )
        arrays = []
        for p, given in zip(self.own_params, weights, strict=True):
            try:
                value = np.array(given, np.float32, order="C")
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"{self.label} expected {p.name} as an array of numbers, got {given!r}. Take "
                    "it from get_weights."
                ) from error
            if value.shape != p.shape:
                raise ShapeError(
                    f"{self.label} expected {p.name} of shape {p.shape}, got {value.shape}. Take "
                    "it from get_weights of a layer of the same size."
                )
            arrays.append(value)
        return arrays

    @property
    def weights(self) -> list[Array]:
        """Read-only views of the weights, in Keras's order."""
        return self.views()

    def count_params(self) -> int:
        """Number of weights.

        Raises:
            NotReadyError: they are not determined yet.
        """
        if not self.built:
            raise NotReadyError(
                f"{self.label} expected to know its number of input features, got no data yet. "
                "Give the model an Input, or call it on data."
            )
        return sum(p.size for p in self.own_params)

    def __getattr__(self, name: str) -> Any:
        # A tensor by its Keras name: layer.kernel, layer.recurrent_kernel, layer.bias.
        if not name.startswith("_"):
            for i, p in enumerate(self.__dict__.get("own_params", ())):
                if p.name == name:
                    return self.views()[i]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    # -- states that stay -------------------------------------------------------------------------

    #: The states that the next batch starts from, each [rows, units]; None: zeros, for any batch.
    carried: list[Array] | None = None

    def reset_state(self) -> None:
        """Begin the next batch with states of zero; it may have any number of rows."""
        for leaf in self.leaves():
            leaf.carried = None

    def reset_states(self) -> None:
        """The same as `reset_state`, as Keras 2 calls it."""
        self.reset_state()

    def check_rows(self, rows: int, who: str) -> None:
        """Raise unless the next batch may have so many rows."""
        if self.carried is not None and len(self.carried[0]) != rows:
            raise ShapeError(
                f"{who} expected batches of {len(self.carried[0])} rows, because {self.label} "
                f"carries their states from the batch before, got {rows}. Use that batch size, or "
                "call reset_states() first."
            )

    # -- checks and calls -------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """How errors name this layer."""
        return f"{type(self).__name__} {self.name!r}"

    def check_shape(self, shape: Shape) -> None:
        """Raise unless the layer takes, and has weights for, an input of this shape."""
        self.check_rank(shape)
        if self.built_for is None or not self.known_features(shape):
            return
        if self._features(self.built_for) != self._features(shape):
            raise ShapeError(
                f"{self.label} expected {self.built_for[-1]} features per step, got {shape[-1]} "
                f"(input shape {shape}). Check the last axis, or rebuild the model for {shape[-1]}."
            )

    def check_shapes(self, shapes: Sequence[Shape]) -> None:
        """Raise unless the layer takes inputs of these shapes; most take one."""
        if len(shapes) != 1:
            raise ShapeError(
                f"{self.label} expected one input, got {len(shapes)}. Merge them first: "
                "Concatenate()([a, b])."
            )
        self.check_shape(shapes[0])

    def check_rank(self, shape: Shape) -> None:
        """Raise unless an input of this shape has as many axes as the layer takes."""
        if len(shape) not in self.ranks:
            forms = {2: "(rows, features)", 3: "(rows, steps, features)"}
            wanted = " or ".join(forms[r] for r in self.ranks)
            hint = self._rank_hint(shape)
            raise ShapeError(f"{self.label} expected input of shape {wanted}, got {shape}. {hint}")

    def _rank_hint(self, shape: Shape) -> str:
        if len(shape) == 2 and 3 in self.ranks:
            return (
                "For one feature per step add an axis with x[..., None]; after a recurrent layer "
                "set its return_sequences=True."
            )
        if len(shape) == 3:
            return "After a recurrent layer set its return_sequences=False."
        return "Reshape the input."

    def __call__(self, x: Any, training: bool = False) -> Any:
        """The layer's output for an array: a plan of one layer. Or, for an `Input`, a symbol.

        Args:
            x: [rows, steps, features] or [rows, features]; for Embedding whole numbers
                [rows, steps]. Or an `Input`, or what a layer returned for one: the call becomes
                part of a `Model`.
            training: whether dropout is active.

        Returns:
            float32 array; or a symbol.

        Raises:
            ElmanError: the array or the symbol does not fit the layer.
        """
        if symbolic(x):
            return record(self, x)
        from elman.checks import inputs
        from elman.mapped import Mapped
        from elman.plan import Plan, Store

        values = inputs(x, self, self.label)
        if isinstance(values, Mapped):
            values = values.take(slice(None))
        for leaf in self.leaves():
            leaf.check_rows(len(values), self.label)
        store = Store([self], [(None, *values.shape[1:])])
        store.own()
        plan = Plan(
            store,
            values.shape[1:],
            tokens=self.takes_tokens,
            rows=max(1, len(values)),
            training=training,
            stateful=True,
        )
        return plan.forward(values, seeds.draw_seed() if training else 0)

    #: Whether the input is whole numbers.
    takes_tokens: ClassVar[bool] = False

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["name"] = self.name
        config["dtype"] = serialize(self.dtype_policy)
        if self.activity_regularizer is None:
            config.pop("activity_regularizer", None)  # not every layer of Keras's takes a None
        return config


def snake(name: str) -> str:
    """A class name as Keras turns it into a layer name: SimpleRNN -> simple_rnn.

    >>> snake("SimpleRNN"), snake("LSTM"), snake("TimeDistributed")
    ('simple_rnn', 'lstm', 'time_distributed')
    """
    import re

    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unused(name: str, taken: set[str]) -> str:
    """The name itself, or where it is taken, with the first number that is free, as in Keras.

    >>> unused("gru", {"gru", "gru_1"})
    'gru_2'
    """
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def whole(who: str, option: str, value: Any, low: int = 1) -> int:
    """A whole number of at least `low`, or an error that says so."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise OptionError(
            f"{who} expected {option} to be a whole number >= {low}, got {value!r}. Use e.g. 16."
        )
    return int(value)


def number(who: str, option: str, value: Any, low: float = 0.0) -> float:
    """A finite number of at least `low`, or an error that says so."""
    real = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
    if not real or not low <= value < math.inf:
        raise OptionError(
            f"{who} expected {option} to be a number >= {low:g}, got {value!r}. Use e.g. "
            f"{low + 0.001:g}."
        )
    return float(value)


def share(who: str, option: str, value: Any) -> float:
    """A number from 0 up to, but not including, 1, or an error that says so."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise OptionError(
            f"{who} expected {option} to be a number in [0, 1), got {value!r}. Use e.g. 0.2."
        )
    return float(value)


def real(
    who: str, option: str, value: Any, low: float = -math.inf, high: float = math.inf
) -> float:
    """A finite number from `low` to `high`, or an error that says so."""
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not low <= value <= high:
        least = "" if low == -math.inf else f" >= {low:g}"
        most = "" if high == math.inf else f" and <= {high:g}"
        raise OptionError(
            f"{who} expected {option} to be a number{least}{most}, got {value!r}. Use e.g. 0.1."
        )
    return float(value)


def channels_last(who: str, value: Any) -> str:
    """The only order of axes there is: features last; or an error that says so."""
    if value not in (None, "channels_last"):
        raise OptionError(
            f"{who} expected data_format='channels_last', got {value!r}. Put the features last."
        )
    return "channels_last"
