"""The plan, seen from Python: layers emit operations into it, native code executes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import _core
from elman.errors import OptionError

if TYPE_CHECKING:
    from elman.layers.layer import Layer
    from elman.losses import Loss

Array = np.ndarray[Any, np.dtype[Any]]


class Store:
    """The weights of some layers: one flat native block, and where in it each tensor lies."""

    def __init__(self, layers: Iterable[Layer], shapes: Iterable[tuple[int | None, ...]]) -> None:
        self.layers = list(layers)
        self.first: dict[int, int] = {}
        params: list[tuple[str, list[int], bool, bool]] = []
        for layer, shape in zip(self.layers, shapes, strict=True):
            layer.build_params(shape)
            for leaf in layer.leaves():
                self.first[id(leaf)] = len(params)
                trainable = layer.trainable and leaf.trainable
                params += [
                    (f"{leaf.path}/{p.name}", list(p.shape), p.trainable and trainable, p.table)
                    for p in leaf.own_params
                ]
        self.native = _core.Weights(params)

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
        input_shape: (None, steps, features), (None, features), or (None, steps) for tokens.
        tokens: whether the input is whole numbers for an Embedding.
        rows: the largest batch.
        loss: the loss to compute, or None.
        training: whether there is a way back.
        keep: whether every intermediate keeps all its steps, for `peek`.
        carry: whether the last states of a run are the first of the next. Such a plan goes
            through sequences of any length, part by part, in runs of up to its own steps.
        every_step: whether there is an output for every step, also behind a layer that returns
            its last only: what the model would say if the sequence ended there.
        stateful: whether layers with `stateful=True` go on from the batch before: see `begin`.
        threads: at most so many; as many as elman may use where None.

    Raises:
        OptionError: `carry`, and a layer that needs whole sequences.
    """

    def __init__(
        self,
        store: Store,
        input_shape: tuple[int, ...],
        *,
        tokens: bool,
        rows: int,
        loss: Loss | None = None,
        training: bool = False,
        keep: bool = False,
        carry: bool = False,
        every_step: bool = False,
        stateful: bool = False,
        threads: int | None = None,
    ) -> None:
        if carry:
            require_causal(store.layers, "a plan that carries states")
        self.store = store
        self.rows = rows
        self.input_shape = input_shape
        self.has_steps = tokens or len(input_shape) == 2
        #: Of a run, at most.
        self.steps = steps = input_shape[0] if self.has_steps else 1
        width = 1 if tokens else input_shape[-1]
        threads = threads or _core.threads()
        if training or keep or loss is not None:  # rows are dealt out; else units may be, too
            threads = max(1, min(threads, rows))
        self.native = _core.Plan(store.native, steps, rows, training, keep, threads, carry)
        self.training = training
        self.carry = carry
        self.every_step = every_step
        self.stateful = stateful and any(layer.stateful for layer in store.layers)
        self._dropouts = 0
        index = self.native.input("input", width, tokens)
        slot = Slot(index, (None, *input_shape))
        for layer in store.layers:
            slot = layer.emit(self, slot)
        self.output = slot
        target = 0
        if loss is not None:
            target = self._add_loss(loss, slot)
        self.native.seal(slot.index, target)
        #: Of one row of samples, forward.
        self.flops: float = sum(op["flops"] for op in self.native.describe())

    def add(
        self,
        word: str,
        name: str,
        slot: Slot | Iterable[Slot],
        shape: tuple[int | None, ...],
        params: Iterable[int] = (),
        **options: float | str,
    ) -> Slot:
        """Append the op called `word`; it reads one `slot` or several, its result has `shape`.

        Several ops may read one slot. Of an Embedding's, those that need a row for every step (all
        but the recurrent ones) must come first.
        """
        made = {k: v if isinstance(v, str) else float(v) for k, v in options.items()}
        read = [slot.index] if isinstance(slot, Slot) else [s.index for s in slot]
        index = self.native.add(word, name, read, list(params), made)
        return Slot(index, shape)

    def dropout(self, name: str, slot: Slot, rate: float, *, same_each_step: bool) -> Slot:
        """Append a dropout with random numbers of its own."""
        self._dropouts += 1
        seed = (self._dropouts * 0x9E3779B1) % 2**31
        return self.add(
            "dropout", name, slot, slot.shape,
            rate=rate, seed=seed, same_each_step=same_each_step,
        )  # fmt: skip

    def params(self, layer: Layer) -> list[int]:
        """Where the layer's tensors are in the weights."""
        first = self.store.first[id(layer)]
        return list(range(first, first + len(layer.own_params)))

    def _add_loss(self, loss: Loss, slot: Slot) -> int:
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
        options["sum"] = float(loss.reduction == "sum")
        self.native.add("loss", "loss", [index], [], {"loss": word, **options})
        steps, width = self.native.shape(slot.index)
        return steps * (1 if word.startswith("sparse") else width)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's output, without the batch axis."""
        steps, width = self.native.shape(self.output.index)
        return (steps, width) if len(self.output.shape) == 3 else (width,)

    @property
    def masked(self) -> bool:
        """Whether a mask says which steps of the output count."""
        return len(self.output.shape) == 3 and self.native.has_mask(self.output.index)

    def room(self, rows: int, steps: int) -> Array:
        """An array for the outputs of so many rows and steps."""
        shape = self.output_shape
        return np.empty((rows, *((steps, *shape[1:]) if len(shape) == 2 else shape)), np.float32)

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

    def predict(self, x: Array) -> Array:
        """Outputs [rows, ...] for checked inputs."""
        out = self.room(len(x), x.shape[1])
        self.native.predict(self.arrange(x), out)
        return out

    def forward(self, x: Array, seed: int = 0) -> Array:
        """Outputs of one batch, after which `native.peek` shows every intermediate by name.

        Args:
            x: at most `rows` checked inputs.
            seed: for the dropout of a training plan.
        """
        out = self.room(len(x), x.shape[1])
        if self.stateful:
            self.begin()
        self.native.call(self.arrange(x), out, seed)
        self.end()
        return out

    def arrange(self, x: Array) -> Array:
        """Inputs as the native plan takes them: tokens [n, T] or floats [n, T, F]."""
        return x if self.has_steps else x[:, None, :]

    def __str__(self) -> str:
        lines = [
            f"Plan for up to {self.rows} rows, {self.native.threads} threads, "
            f"{_core.isa()} ({_core.lanes()} lanes), {_size(self.native.bytes)}"
            f"{', training' if self.training else ''}",
            f"{'op':<10} {'name':<16} {'in -> out':<16} {'FLOPs/row':>9} {'memory':>9} path",
        ]
        for op in self.native.describe():
            to = "loss" if op["output"] is None else _shape(op["output"])
            lines.append(
                f"{op['op']:<10} {_short(op['name']):<16} {_shape(op['input']) + ' -> ' + to:<16} "
                f"{_count(op['flops']):>9} {_size(op['bytes']):>9} {op['path']}"
            )
        return "\n".join(lines)


def require_causal(layers: Iterable[Layer], who: str) -> None:
    """Raise if a layer looks at later steps, so that nothing can be cut before them."""
    for layer in layers:
        if not layer.causal:
            raise OptionError(
                f"{who} expected layers that walk forward in time, got {layer.label}, which looks "
                "at later steps first. Leave its direction forward, or use whole sequences."
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
