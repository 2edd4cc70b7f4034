"""The plan, seen from Python: layers emit operations into it, native code executes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from elman import _core
from elman.errors import OptionError
from elman.graph import Call, Graph
from elman.mapped import Together, arrays_of, together
from elman.ragged import Ragged

if TYPE_CHECKING:
    from elman.layers.layer import Layer, Param
    from elman.losses import Loss
    from elman.models import Model

Array = np.ndarray[Any, np.dtype[Any]]


class Store:
    """The weights of some layers: one flat native block, and where in it each tensor lies."""

    def __init__(self, layers: Iterable[Layer], shapes: Iterable[tuple[int | None, ...]]) -> None:
        self.layers = list(layers)
        self.first: dict[int, int] = {}
        self._trains: set[int] = set()
        params: list[tuple[str, list[int], bool, bool]] = []
        own: list[Param] = []
        for layer, shape in zip(self.layers, shapes, strict=True):
            layer.build_params(shape)
            for leaf in layer.leaves():
                self.first[id(leaf)] = len(params)
                trainable = layer.trainable and leaf.trainable
                if trainable:
                    self._trains.add(id(leaf))
                params += [
                    (f"{leaf.path}/{p.name}", list(p.shape), p.trainable and trainable, p.by_row)
                    for p in leaf.own_params
                ]
                own.extend(leaf.own_params)
        self.native = _core.Weights(params)
        self.names = [name for name, *_ in params]
        #: Tensors that training changes and that have a penalty or a constraint, by their index.
        self.ruled = {
            index: p
            for index, (p, (_, _, trainable, _)) in enumerate(zip(own, params, strict=True))
            if trainable and (p.regularizer is not None or p.constraint is not None)
        }

    def penalty(self) -> float:
        """What the weights add to the loss as they are."""
        return float(
            sum(
                p.regularizer(self.native.view(index).astype(np.float64))
                for index, p in self.ruled.items()
                if p.regularizer is not None
            )
        )

    def trains(self, layer: Layer) -> bool:
        """Whether training changes the layer."""
        return id(layer) in self._trains

    def own(self) -> None:
        """Bring in values that another model, or the layer by itself, has changed meanwhile."""
        for leaf in (leaf for layer in self.layers for leaf in layer.leaves()):
            if leaf.place is None or leaf.place[0] is not self.native:
                first = self.first[id(leaf)]
                for i, value in enumerate(leaf.take_values()):
                    self.native.set(first + i, value)
                if leaf.place is not None:
                    leaf.place[0].left = True
                leaf.place = (self.native, first)
        self.native.left = False


class Slot:
    """What one layer hands to the next inside a plan.

    Attributes:
        index: the native slot.
        shape: (None, steps, features), or (None, features) where there is no time axis.
        logits: the slot before a final sigmoid or softmax and that word, for a loss that wants it.
    """

    __slots__ = ("index", "logits", "shape")

    def __init__(
        self,
        index: int,
        shape: tuple[int | None, ...],
        logits: tuple[int, str] | None = None,
    ) -> None:
        self.index = index
        self.shape = shape
        self.logits = logits


class Plan:
    """Operations for batches of one length: `print` it to see what runs, and on which path.

    The path names the instruction set; a recurrent op is `fused` with its cell's usual
    activations and `general` with others; `plain` is a loop left to the compiler. Under the policy
    "mixed_bfloat16" an op whose products multiply bfloat16 says `bf16`, or `bf16 by floats` on a
    processor that has no instruction for them: the same numbers, without the speed.

    Args:
        store: the weights.
        input_shape: (steps, features), (features,), or (steps,) for tokens; a list of these where
            there are several inputs.
        tokens: whether the input is whole numbers for an Embedding; a list for several.
        rows: the largest batch.
        loss: the loss to compute, or None; a list with one for each of several outputs.
        training: whether there is a way back.
        keep: whether every intermediate keeps all its steps, for `peek`.
        carry: whether the last states of a run are the first of the next. Such a plan goes
            through sequences of any length, part by part, in runs of up to its own steps.
        every_step: whether there is an output for every step, also behind a layer that returns
            its last only: what the model would say if the sequence ended there.
        stateful: whether layers with `stateful=True` go on from the batch before: see `begin`.
        threads: at most so many; as many as elman may use where None.
        graph: how the layers are connected; one after the other where None.
        ragged: whether sequences may be shorter than the input's steps, which then hold the longest
            (`Ragged`): the rest of them are masked, and not gone through. A list for several.
        loss_weights: of the gradient of each loss; 1 where None.

    Raises:
        OptionError: `carry`, and a layer that needs whole sequences.
    """

    def __init__(
        self,
        store: Store,
        input_shape: tuple[int, ...] | list[tuple[int, ...]],
        *,
        tokens: bool | list[bool],
        rows: int,
        loss: Loss | list[Loss | None] | None = None,
        training: bool = False,
        keep: bool = False,
        carry: bool = False,
        every_step: bool = False,
        stateful: bool = False,
        threads: int | None = None,
        graph: Graph | None = None,
        ragged: bool | list[bool] = False,
        loss_weights: Sequence[float] | None = None,
    ) -> None:
        if carry:
            require_causal(store.layers, "a plan that carries states")
        self.store = store
        self.rows = rows
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        self.input_shape = shapes[0]
        self._tokens = tokens if isinstance(tokens, list) else [tokens]
        self._ragged = ragged if isinstance(ragged, list) else [ragged] * len(shapes)
        #: Whether rows end at steps of their own.
        self.ragged = any(self._ragged)
        #: Of each input: whether it has a time axis.
        self._timed = [t or len(s) == 2 for t, s in zip(self._tokens, shapes, strict=True)]
        self.has_steps = self._timed[0]
        #: Of a run, at most; of the first input.
        self.steps = shapes[0][0] if self.has_steps else 1
        threads = threads or _core.threads()
        if training or keep or loss is not None:  # rows are dealt out; else units may be, too
            threads = max(1, min(threads, rows))
        self._penalizes = loss is not None
        self.native = _core.Plan(store.native, self.steps, rows, training, keep, threads, carry)
        self.training = training
        self.carry = carry
        self.every_step = every_step
        self.stateful = stateful and any(layer.stateful for layer in store.layers)
        self._dropouts = 0
        self._calls: Counter[int] = Counter()
        self._renamed: tuple[str, str] | None = None
        graph = graph or Graph.chain(store.layers)
        values: dict[int, Slot] = {}
        for number, shape in enumerate(shapes):
            values[number] = self._add_input(number, shape, len(shapes))
        for call in graph.calls:
            made = self._emit(call, [values[i] for i in call.takes])
            values.update(zip(call.makes, made, strict=True))
        #: What is handed out.
        self.outputs = [self._add_output(values[i]) for i in graph.outputs]
        losses = loss if isinstance(loss, list) else [loss]
        weights = loss_weights or [1.0] * len(losses)
        #: How many there are.
        self.losses = sum(one is not None for one in losses)
        if self._penalizes:
            self._add_weight_penalties()
        for wanted, slot, weight in zip(losses, self.outputs, weights, strict=loss is not None):
            if wanted is not None:
                self._add_loss(wanted, slot, weight)
        self.native.seal()
        #: Of one row of samples, forward.
        self.flops: float = sum(op["flops"] for op in self.native.describe())

    def _add_input(self, number: int, shape: tuple[int, ...], count: int) -> Slot:
        tokens, timed = self._tokens[number], self._timed[number]
        name = "input" if count == 1 else f"input/{number}"
        width = 1 if tokens else shape[-1]
        steps = shape[0] if timed else 0
        index = self.native.input(name, steps, width, tokens, self._ragged[number])
        return Slot(index, (None, *shape))

    def _emit(self, call: Call, slots: list[Slot]) -> list[Slot]:
        """Append the operations of a call. Those of a second one of the layer are named apart."""
        layer = call.layer
        layer.accept(self, slots)
        before = self._calls[id(layer)]
        self._calls[id(layer)] += 1
        if before and self.stateful and layer.stateful:
            raise OptionError(
                f"a model expected to call {layer.label} once, because it carries its states from "
                "batch to batch, got a second call. Leave out stateful, or pass states on with "
                "initial_state."
            )
        self._renamed = (layer.name, f"{layer.name}/{before}") if before else None
        return [self.penalized(layer, slot) for slot in layer.emit_all(self, slots)]

    def _add_output(self, slot: Slot) -> Slot:
        return Slot(self.native.add_output(slot.index), slot.shape, slot.logits)

    @overload
    def add(
        self,
        word: str,
        name: str,
        slot: Slot | Iterable[Slot],
        shape: tuple[int | None, ...],
        params: Iterable[int] = (),
        **options: float | str | list[float],
    ) -> Slot: ...
    @overload
    def add(
        self,
        word: str,
        name: str,
        slot: Slot | Iterable[Slot],
        shape: list[tuple[int | None, ...]],
        params: Iterable[int] = (),
        **options: float | str | list[float],
    ) -> list[Slot]: ...
    def add(
        self,
        word: str,
        name: str,
        slot: Slot | Iterable[Slot],
        shape: tuple[int | None, ...] | list[tuple[int | None, ...]],
        params: Iterable[int] = (),
        **options: float | str | list[float],
    ) -> Slot | list[Slot]:
        """Append the op called `word`; it reads one `slot` or several, its result has `shape`.

        Several ops may read one slot. One that fills several has a list of shapes, and a list of
        slots as its result.
        """
        made = {k: v if isinstance(v, str | list) else float(v) for k, v in options.items()}
        read = [slot.index] if isinstance(slot, Slot) else [s.index for s in slot]
        if self._renamed is not None:
            name = self._renamed[1] + name.removeprefix(self._renamed[0])
        filled = self.native.add(word, name, read, list(params), made)
        if not isinstance(shape, list):
            return Slot(filled[0], shape)
        return [Slot(index, one) for index, one in zip(filled, shape, strict=True)]

    def penalized(self, layer: Layer, slot: Slot, zero_masked: bool = False) -> Slot:
        """The layer's output, after its activity_regularizer has seen it.

        Args:
            zero_masked: whether the layer returns zeros for the steps that a mask leaves out.
        """
        regularizer = layer.activity_regularizer
        if regularizer is not None and self._penalizes:
            nothing: list[tuple[int | None, ...]] = []
            self.add(
                "penalty", f"{layer.path}/activity", slot, nothing, (),
                zero_masked=zero_masked, **regularizer.native(),
            )  # fmt: skip
        return slot

    def _add_weight_penalties(self) -> None:
        for index, p in self.store.ruled.items():
            if p.regularizer is not None:
                name = self.store.names[index]
                self.native.add("penalty", name, [], [index], p.regularizer.native())

    def dropout(
        self,
        name: str,
        slot: Slot,
        rate: float,
        *,
        same_each_step: bool = False,
        kind: str = "zeros",
    ) -> Slot:
        """Append a dropout with random numbers of its own.

        Args:
            rate: the share of zeros; of normal numbers the standard deviation.
            kind: "zeros", or normal numbers that are "added" or a "factor".
        """
        return self.add(
            "dropout", name, slot, slot.shape,
            rate=rate, seed=self.draw(), same_each_step=same_each_step, kind=kind,
        )  # fmt: skip

    def draw(self) -> int:
        """The seed of one more op's own random numbers."""
        self._dropouts += 1
        return (self._dropouts * 0x9E3779B1) % 2**31

    def mask_source(self, slot: Slot) -> str | None:
        """Name of what made the mask of a slot; None where it has none."""
        return self.native.mask_name(slot.index).removesuffix("/mask") or None

    def params(self, layer: Layer) -> list[int]:
        """Where the layer's tensors are in the weights."""
        first = self.store.first[id(layer)]
        return list(range(first, first + len(layer.own_params)))

    def _add_loss(self, loss: Loss, slot: Slot, weight: float) -> None:
        word, options = loss.native()
        index = slot.index
        pair = {"binary_crossentropy": "sigmoid"}.get(word, "softmax")
        if (
            word.endswith("crossentropy")
            and not options.get("from_logits")
            and slot.logits is not None
            and slot.logits[1] == pair
        ):
            # The same number, computed before the sigmoid or softmax could round it away.
            index = slot.logits[0]
            options["from_logits"] = 1.0
            self.native.bypass(slot.index)
        options.update(sum=float(loss.reduction == "sum"), loss_weight=float(weight))
        self.native.add("loss", "loss", [index], [], {"loss": word, **options})

    @property
    def output(self) -> Slot:
        """The first output."""
        return self.outputs[0]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's first output, without the batch axis."""
        return self._shape(self.output)

    def _shape(self, slot: Slot) -> tuple[int, ...]:
        steps, width = self.native.shape(slot.index)
        return (steps, width) if len(slot.shape) == 3 else (width,)

    @property
    def masks(self) -> list[bool]:
        """Of each output, whether a mask says which of its steps count."""
        return [len(s.shape) == 3 and self.native.has_mask(s.index) for s in self.outputs]

    @property
    def masked(self) -> bool:
        """The same of the first output."""
        return self.masks[0]

    def shapes(self, steps: int) -> list[tuple[int, ...]]:
        """The shape of one sample of each output.

        Args:
            steps: of the sequences, which a plan that carries states cannot know.
        """
        found = [self._shape(slot) for slot in self.outputs]
        return [(steps, *s[1:]) if self.carry and len(s) == 2 else s for s in found]

    def begin(self) -> None:
        """Before a batch, or a run of them: states of zero, or those that stateful layers carry."""
        if not (self.carry or self.stateful):
            return
        self.native.reset_states()
        carried = {leaf.path: leaf.carried for leaf in self._stateful() if leaf.carried}
        if carried:
            self.native.set_states(carried)

    def end(self) -> None:
        """After it: stateful layers keep what the next batch, of whatever plan, begins with."""
        if self.stateful:
            found = self.native.get_states()
            for leaf in self._stateful():
                leaf.carried = found[leaf.path]

    def _stateful(self) -> list[Layer]:
        leaves = (leaf for layer in self.store.layers for leaf in layer.leaves())
        return [leaf for leaf in leaves if self.stateful and leaf.stateful]

    def room(self, rows: int, steps: int) -> Any:
        """An array for the output of so many rows and steps; several outputs' are `Together`."""
        return together([np.empty((rows, *shape), np.float32) for shape in self.shapes(steps)])

    def predict(self, x: Any) -> Any:
        """Outputs [rows, ...] for checked inputs."""
        out = self.room(len(x), x.shape[1])
        self.native.predict(self.arrange(x), listed(out))
        return out

    def forward(self, x: Any, seed: int = 0) -> Any:
        """Outputs of one batch, after which `native.peek` shows every intermediate by name.

        Args:
            x: at most `rows` checked inputs.
            seed: for the dropout of a training plan.
        """
        out = self.room(len(x), x.shape[1])
        if self.stateful:
            self.begin()
        self.native.call(self.arrange(x), listed(out), seed)
        self.end()
        return out

    def arrange(self, x: Any) -> Any:
        """Inputs as the native plan takes them: of each tokens [n, T] or floats [n, T, F], or all
        steps of sequences of unequal length and where each begins."""
        found: list[Any] = []
        for array, timed in zip(arrays_of(x), self._timed, strict=True):
            if isinstance(array, Ragged):
                found.append((array.values, array.offsets, array.steps))
            else:
                found.append(array if timed else array[:, None, :])
        return found

    def __str__(self) -> str:
        lines = [
            f"Plan for up to {self.rows} rows, {self.native.threads} threads, "
            f"{_core.isa()} ({_core.lanes()} lanes), {_size(self.native.bytes)}"
            f"{', training' if self.training else ''}",
            f"{'op':<10} {'name':<16} {'in -> out':<16} {'FLOPs/row':>9} {'memory':>9} path",
        ]
        for op in self.native.describe():
            to = "loss" if op["output"] is None else _shape(op["output"])
            read = "weights" if op["input"] is None else _shape(op["input"])
            lines.append(
                f"{op['op']:<10} {_short(op['name']):<16} {read + ' -> ' + to:<16} "
                f"{_count(op['flops']):>9} {_size(op['bytes']):>9} {op['path']}"
            )
        return "\n".join(lines)


def listed(values: Any) -> Any:
    """Arrays as the native plan takes them: several as a list."""
    return values.arrays if isinstance(values, Together) else values


def require_single(model: Model, who: str, action: str) -> None:
    """Raise unless a model has one input and one output."""
    if not model.single:
        raise OptionError(
            f"{who} expected a model of one input and one output, got {model.label} with "
            f"{model.graph.inputs} and {len(model.graph.outputs)}. {action}"
        )


def require_own_start(model: Model, who: str) -> None:
    """Raise if a layer begins with states from elsewhere: they come of a whole sequence."""
    if model.graph.begins:
        raise OptionError(
            f"{who} expected layers that begin with states of zero, got {model.label}, where one "
            "has an initial_state. Leave it out, or use whole sequences."
        )


def require_causal(layers: Iterable[Layer], who: str) -> None:
    """Raise if a layer looks at later steps, so that nothing can be cut before them."""
    for layer in layers:
        if not layer.causal:
            raise OptionError(
                f"{who} expected layers that walk forward in time, got {layer.label}, which "
                f"{layer.why_whole}, or use whole sequences."
            )


def _short(name: str) -> str:
    """The end of a long name, which is where names of neighbours differ."""
    return name if len(name) <= 16 else f"…{name[-15:]}"


def _shape(shape: tuple[int, int]) -> str:
    return f"{shape[0]}x{shape[1]}"


def _count(n: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n:.0f}"


def _size(n: float) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n:.0f} B"
