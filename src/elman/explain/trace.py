"""The trace: every gate, candidate and state of a run, step by step and unit by unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from elman.checks import prepared_alike
from elman.errors import DataError, UnknownNameError, unknown_name
from elman.layers.layer import Layer, Shape
from elman.layers.recurrent import Recurrent
from elman.layers.rnn import RNN
from elman.mapped import take
from elman.plan import require_single
from elman.ragged import Ragged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from elman.explain.gates import GateStatistics
    from elman.models import Model
    from elman.plan import Plan

Array = np.ndarray[Any, np.dtype[Any]]

#: What a trace may hold, in bytes. More rows are refused, and the error says how many fit.
MOST_BYTES = 2**30
#: What is run at once while it is filled, in bytes of the trace.
PART_BYTES = 2**25


class TracedLayer(NamedTuple):
    """A recurrent layer in a trace, under its path: `lstm`, `bidirectional/forward_lstm`."""

    layer: Recurrent
    gates: tuple[str, ...]  #: the names that its `step` gives, such as `forget_gate`
    mask: Array | None  #: [rows, steps], true where the step counts; None: all count


class Trace(Mapping[str, Array]):
    """What a model computed on its way, by name; made by `Model.trace`.

    `trace["lstm/forget_gate"]` is one gate of one layer, [rows, steps, units], by the names of the
    layer's `step`; `trace["lstm"]` is what the layer handed on, as `predict` of that layer alone
    would give it. All arrays are float32 and read-only.

    A masked step has states, those carried through, but no gates: these are NaN there. Steps are
    in the order of the layer's input, also where `go_backwards` walks them from the last. (What
    a `go_backwards` layer hands on is, as in Keras, in the order of processing; the layers
    above it have that order.)

    Attributes:
        input: what was traced: tokens [rows, steps] or features [rows, steps, features].
        layers: the recurrent layers by name, also those inside a Bidirectional
            (`bidirectional/forward_lstm`): each its `layer`, `gates` and `mask`.
    """

    def __init__(
        self, label: str, x: Array, values: dict[str, Array], layers: dict[str, TracedLayer]
    ) -> None:
        self.input = x
        self.layers = layers
        self._label = label
        self._values = values
        for value in values.values():
            value.flags.writeable = False

    def __getitem__(self, name: str) -> Array:
        if name not in self._values:
            raise NoSuchName(str(unknown_name(f"trace of {self._label}", "name", name, self)))
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of computation."""
        return tuple(self._values)

    @property
    def rows(self) -> int:
        """How many sequences."""
        return len(self.input)

    @property
    def steps(self) -> int:
        """Steps of each sequence, 1 where there is no time axis."""
        timed = self.input.ndim == 3 or self.input.dtype == np.int32
        return self.input.shape[1] if timed else 1

    @property
    def mask(self) -> Array | None:
        """Which steps count, [rows, steps]; None where nothing is masked.

        It is the mask of the first recurrent layer that has one; `layers` has that of each.
        """
        masks = (traced.mask for traced in self.layers.values())
        return next((mask for mask in masks if mask is not None), None)

    def save(self, path: str | Path) -> Path:
        """Write everything to an .npz file, which `numpy.load` opens: the names, `input`, `mask`.

        Returns:
            the path, with its ending.
        """
        path = Path(path)
        if path.suffix != ".npz":
            path = path.with_name(path.name + ".npz")
        mask = {} if self.mask is None else {"mask": self.mask}
        np.savez_compressed(path, **self._values, input=self.input, **mask)  # type: ignore[arg-type]
        return path

    def statistics(self) -> GateStatistics:
        """Memory half-lives, saturated gates and dead units; `print` it for a table."""
        from elman.explain.gates import GateStatistics

        return GateStatistics(self)

    def plot(
        self,
        row: int = 0,
        layer: str | None = None,
        *,
        tokens: Iterable[str] | Mapping[int, str] | None = None,
        seconds: float | None = None,
        units: Iterable[int] | None = None,
        features: Iterable[str] | None = None,
        path: str | Path | None = None,
    ) -> Figure:
        """Draw heat maps over time, the input above them. Needs no display.

        Violet is negative and orange positive; what is never negative goes from dark blue (0) to
        yellow. Masked steps are hatched.

        Args:
            row: which sequence.
            layer: the name of one recurrent layer; all of them where None.
            tokens: words below the time axis: one for each step, or a dict from token to word.
            seconds: duration of a step; the time axis is then in seconds.
            units: which units to draw; all where None.
            features: a name for each feature of the input, such as `data.feature_names`.
            path: where to save the picture (.png, .svg, .pdf) too.

        Returns:
            a `matplotlib.figure.Figure`.

        Raises:
            MissingPackageError: matplotlib is not installed.
            ElmanError: no such row, layer or unit, or another number of words than steps or of
                names than features.
        """
        from elman.explain.plot_trace import plot_trace

        return plot_trace(self, row, layer, tokens, seconds, units, features, path)

    def __repr__(self) -> str:
        counted = "" if self.mask is None else f", {self.mask.mean():.0%} of the steps count"
        lines = [f"Trace of {self._label}: {self.rows} rows, {self.steps} steps{counted}"]
        lines.append(f"{'name':<35} {'shape':<16} {'least':>8} {'mean':>8} {'most':>8}")
        for name, value in {"input": self.input, **self._values}.items():
            shown = name if len(name) <= 35 else f"{name[:16]}...{name[-16:]}"
            shape = " x ".join(str(extent) for extent in value.shape)
            seen = value[~np.isnan(value)]
            numbers = (
                " ".join(f"{f(seen):>8.3g}" for f in (np.min, np.mean, np.max))
                if seen.size
                else "no step counts"
            )
            lines.append(f"{shown:<35} {shape:<16} {numbers}")
        return "\n".join(line[:80] for line in lines)


class NoSuchName(UnknownNameError, KeyError):
    """An unknown name, which `in` and `get` of a mapping expect as a KeyError."""

    __str__ = Exception.__str__  # KeyError's own shows the quoted message


def trace(model: Model, x: Any) -> Trace:
    """Run a model and keep what it computes on its way; see `Model.trace`."""
    require_single(model, "trace", "Make a Model of one of its paths, and look into that.")
    prepared_alike(model.prepared, x, model.label)
    values = model.check_inputs(x)
    if not len(values):
        raise DataError(
            f"{model.label} expected at least one sequence to trace, got none. Check the data."
        )
    require_room(model, values, "trace")
    rows, per_row = len(values), _bytes_of_a_row(model, values)
    part = min(rows, max(1, PART_BYTES // per_row))
    plan = model.plan_for(values, rows=part, keep=True)
    parts: dict[str, list[Array]] = {"input": []}
    for first in range(0, rows, part):
        some = take(values, slice(first, first + part), 0, values.shape[1])
        plan.forward(some)
        parts["input"].append(some.padded() if isinstance(some, Ragged) else some)
        for name, value in _peek(model, plan):
            parts.setdefault(name, []).append(value)
    whole = {name: np.concatenate(pieces) for name, pieces in parts.items()}
    layers = {
        leaf.path: TracedLayer(leaf, gates_of(leaf), whole.pop(f"{leaf.path}/mask", None))
        for layer in model.layers
        for leaf in recurrent(layer)
    }
    return Trace(model.label, whole.pop("input"), whole, layers)


def require_room(model: Model, x: Any, what: str, times: int = 1) -> None:
    """Raise if what is kept of the inputs, so many times over, is more than `MOST_BYTES`."""
    per_row = times * _bytes_of_a_row(model, x)
    if len(x) * per_row <= MOST_BYTES:
        return
    fit = MOST_BYTES // per_row
    raise DataError(
        f"{model.label} expected a {what} of at most {MOST_BYTES / 2**30:.0f} GiB, got "
        f"{len(x):,} rows of {per_row / 2**20:.3g} MiB. "
        + (f"Take x[:{fit}], or part by part." if fit else "Take shorter sequences.")
    )


def recurrent(layer: Layer) -> list[Recurrent]:
    """The recurrent layers that a layer is, or holds: two in a Bidirectional."""
    return [leaf for leaf in layer.leaves() if isinstance(leaf, Recurrent)]


def gates_of(layer: Recurrent) -> tuple[str, ...]:
    """What the layer's `step` calls its gates, candidates and states, in its order."""
    weights = {p.name: np.zeros(p.shape) for p in layer.params((None, None, 1))}
    nothing = np.zeros((0, layer.units))
    _, gates = layer.step(np.zeros((0, 1)), [nothing] * layer.states, weights)
    return tuple(gates)


def _output_of(layer: Layer, names: list[str]) -> str:
    """What a plan calls the last thing that a layer made."""
    last = layer.leaves()[-1].path
    own = layer.name
    made = (f"{own}/reversed", f"{own}/zeroed", own, f"{last}/zeroed", last)
    return next(name for name in made if name in names)


def _bytes_of_a_row(model: Model, x: Any) -> int:
    """What a trace holds of one sequence."""
    numbers, shape = 0, (None, *x.shape[1:])
    for layer in model.layers:
        for leaf in recurrent(layer):
            numbers += shape[1] * leaf.units * len(gates_of(leaf))
        shape = layer.output_shape(shape)
        numbers += math.prod(extent or 1 for extent in shape[1:])
    return 4 * numbers


def _peek(model: Model, plan: Plan) -> Iterator[tuple[str, Array]]:
    """Everything of the run that the plan has just made, and the mask of each recurrent layer."""
    native = plan.native
    mask = native.peek("input/mask")[..., 0] != 0 if plan.ragged else None
    shape: Shape = (None, *plan.input_shape)
    for layer in model.layers:
        shape = layer.output_shape(shape)
        if f"{layer.name}/mask" in native.names:
            mask = native.peek(f"{layer.name}/mask")[..., 0] != 0
        for leaf in recurrent(layer):
            if mask is not None:
                yield f"{leaf.path}/mask", mask
            for gate in gates_of(leaf):
                # The state is the output in the layer's own time: the slot called after it.
                value = native.peek(leaf.path if gate == "state" else f"{leaf.path}/{gate}")
                if mask is not None and gate in leaf.gates and gate != "state":
                    value[~mask] = np.nan  # the engine leaves zeros where nothing was computed
                yield f"{leaf.path}/{gate}", value
        value = native.peek(_output_of(layer, native.names))
        if len(shape) == 2:  # the last step processed, or the only one
            backwards = isinstance(layer, Recurrent | RNN) and layer.go_backwards
            value = value[:, 0 if backwards else -1]
            mask = None
        yield layer.name, value
