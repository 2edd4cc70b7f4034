"""Streams: a model step by step, its states kept in between. The plan is the one of `predict`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from elman import _core, checks
from elman.errors import DataError, NotReadyError, OptionError, ShapeError, unknown_name
from elman.layers.layer import whole
from elman.mapped import is_mapped
from elman.plan import Plan, require_causal, require_own_start, require_single

if TYPE_CHECKING:
    from elman.models import Model

Array = np.ndarray[Any, np.dtype[Any]]

#: Steps times sessions of one run through the plan: enough to make its own costs small, few enough
#: to stay in the cache.
RUN = 32
#: Work of one step of all sessions, in FLOPs, from which on it is worth waking other threads.
SHARED_WORK = 8e6
#: How the states are called, the output first.
STATES = ("h", "c")


class Stream(_core.Stream):
    """A model step by step: a step costs one step, however long the sequence is.

    Made by `model.stream()`. The numbers are those that `predict` gives for the whole sequence,
    bit for bit. Weights that change, by training too, are seen by the next step. Dropout is off.
    Two streams of one model do not disturb each other; steps that several threads ask for go one
    at a time.

    Args:
        model: a model with weights.
        sessions: how many sequences go on side by side, each with states of its own.

    Raises:
        OptionError: a layer looks at later steps, or `sessions` is no whole number >= 1.
    """

    def __init__(self, model: Model, sessions: int = 1) -> None:
        super().__init__()
        self._sessions = whole("stream", "sessions", sessions)
        self._model_name = model.name
        self._label = f"the stream of {model.label}"
        require_single(model, self._label, "Call predict on whole sequences.")
        require_own_start(model, self._label)
        require_causal(model.layers, self._label)
        self._graph = model.graph
        self._first = self._graph.calls[0].layer
        self._tokens = self._first.takes_tokens
        (entering,) = model.entering
        self._features = 1 if self._tokens else int(entering[-1] or 0)
        self._store = model.store(entering)
        self._open()

    def _open(self) -> None:
        """Make the plan, for the instruction set in use."""
        self._isa = _core.isa()
        plan = self._new_plan(1)
        steps = plan.input_shape[0]
        if plan.flops / steps * self.sessions >= SHARED_WORK and _core.threads() > 1:
            plan = self._new_plan(_core.threads())
        self._plan = plan
        self._outputs = plan.output_shape[-1]
        self._states: dict[str, list[str]] = {
            name: list(STATES[: len(native)]) for name, native in plan.native.states.items()
        }
        self._attach(
            plan.native,
            self._first.input_dim if self._tokens else 0,
            plan.flops / steps,
            np.empty(self._outputs, np.float32) if self.sessions == 1 else None,
        )

    def _new_plan(self, threads: int) -> Plan:
        steps = max(1, RUN // self.sessions)
        return Plan(
            self._store,
            (steps,) if self._tokens else (steps, self._features),
            tokens=self._tokens,
            rows=self.sessions,
            carry=True,
            every_step=True,
            threads=threads,
            graph=self._graph,
        )

    def _catch_up(self) -> None:
        """Take in what changed around the stream: where the weights are, the instruction set."""
        self._store.own()
        if self._isa != _core.isa():
            states = self._plan.native.get_states()
            self._open()
            self._plan.native.set_states(states)

    @property
    def sessions(self) -> int:
        """How many sequences go on side by side."""
        return self._sessions

    # -- steps ------------------------------------------------------------------------------------

    if TYPE_CHECKING:

        def step(self, x: Any, sessions: Any = None, out: Array | None = None) -> Any:
            """One step; the native method has its documentation."""

        def _attach(self, plan: _core.Plan, vocabulary: int, flops: float, y: Any) -> None: ...
        def _run(self, x: Array, sessions: list[int] | None, out: Array) -> None: ...
        def _reset(self, sessions: list[int] | None) -> None: ...

    def _step(self, x: Any, sessions: Any, out: Any) -> Any:
        """A step that is not of the plainest kind: checked and converted, or an error."""
        self._catch_up()
        rows = self._rows(sessions)
        given = self._numbers(x)
        number = given.ndim == 0 and self._features == 1 and rows is None and self.sessions == 1
        if number and not self._tokens:
            given = given[None]
        values = self._values(given[None], rows)
        self._check_out(out, self._row_shape(rows))
        y = self._steps(values, rows)[0]
        if out is not None:
            out[...] = y
            return out
        return float(y[0]) if number and self._outputs == 1 else y

    def run(self, x: Any, sessions: Any = None, out: Array | None = None) -> Array:
        """Many steps in one native call.

        Args:
            x: what `step` takes for each step: [steps, features], or tokens [steps]; with
                `sessions=n` [steps, n, features], or tokens [steps, n].
            sessions: numbers of the sessions that step, each once; all of them where None.
            out: a float32 array in the shape of the result, to be written instead of a new one.

        Returns:
            what `step` gives at each step: float32 [steps, outputs], or [steps, n, outputs].

        Raises:
            ShapeError, DataError, OptionError: x, sessions or out do not fit. No session has moved.
        """
        self._catch_up()
        rows = self._rows(sessions)
        given = self._numbers(x)
        if given.ndim == 0:
            raise ShapeError(
                f"{self._label} expected one entry per step, got a single number. Use step for it."
            )
        values = self._values(given, rows)
        self._check_out(out, (len(values), *self._row_shape(rows)))
        y = self._steps(values, rows)
        if out is None:
            return y
        out[...] = y
        return out

    def _steps(self, values: Array, rows: list[int] | None) -> Array:
        """Outputs [steps, ...] of checked steps."""
        if self._one(rows):
            y = np.empty((1, len(values), self._outputs), np.float32)
            self._run(values[None], None, y)
            return y[0]
        # The engine goes through one session after the other.
        y = np.empty((values.shape[1], len(values), self._outputs), np.float32)
        self._run(np.ascontiguousarray(values.swapaxes(0, 1)), rows, y)
        return np.ascontiguousarray(y.swapaxes(0, 1))

    # -- checks -----------------------------------------------------------------------------------

    def _one(self, rows: list[int] | None) -> bool:
        """Whether there is no axis of sessions."""
        return self.sessions == 1 and rows is None

    def _row_shape(self, rows: list[int] | None) -> tuple[int, ...]:
        """Shape of the outputs of one step."""
        count = self.sessions if rows is None else len(rows)
        return (self._outputs,) if self._one(rows) else (count, self._outputs)

    def _numbers(self, x: Any) -> Array:
        values = checks.numbers(x, self._label, "inputs", scalar=True)
        return np.array(values) if is_mapped(values) else values

    def _values(self, given: Array, rows: list[int] | None) -> Array:
        """Inputs [steps, ...] as the engine takes them."""
        count = () if self._one(rows) else (self.sessions if rows is None else len(rows),)
        wanted = (*count, *(() if self._tokens else (self._features,)))
        if given.shape[1:] != wanted:
            form = "a single token" if not wanted else f"shape {wanted}"
            each = " (one row per session)" if count else ""
            raise ShapeError(
                f"{self._label} expected {form} for a step{each}, got shape {given.shape[1:]}. "
                "Check the array, or the number of sessions."
            )
        steps = len(given)
        if not steps:
            return np.empty(given.shape, np.int32 if self._tokens else np.float32)
        # A row for each session and step, one step long.
        flat = given.reshape((-1, 1) if self._tokens else (-1, 1, self._features))
        checked = checks.inputs(flat, self._first, self._label)
        assert isinstance(checked, np.ndarray)
        return checked.reshape(given.shape)

    def _rows(self, sessions: Any) -> list[int] | None:
        """Numbers of sessions, checked."""
        if sessions is None:
            return None
        try:
            given = np.asarray(sessions)
        except ValueError:
            given = np.empty(0, object)
        if given.ndim != 1 or not given.size or given.dtype.kind not in "iu":
            raise OptionError(
                f"{self._label} expected sessions as a list of whole numbers, got {sessions!r}. "
                "Use e.g. sessions=[3, 7], or leave it out for all."
            )
        rows = [int(i) for i in given]
        for i in rows:
            if not 0 <= i < self.sessions:
                raise OptionError(
                    f"{self._label} expected sessions from 0 to {self.sessions - 1}, got {i}. "
                    "Open the stream for more: model.stream(sessions=...)."
                )
        if len(set(rows)) < len(rows):
            twice = next(i for i in rows if rows.count(i) > 1)
            raise OptionError(
                f"{self._label} expected each session once, got session {twice} twice. Step it "
                "again in another call."
            )
        return rows

    def _check_out(self, out: Any, wanted: tuple[int, ...]) -> None:
        """Raise unless the outputs can be written to the caller's array, if there is one."""
        if out is None:
            return
        array = isinstance(out, np.ndarray)
        if not array or out.dtype != np.float32 or out.shape != wanted or not out.flags.writeable:
            got = f"{out.dtype} {out.shape}" if array else type(out).__name__
            raise ShapeError(
                f"{self._label} expected out as a writable float32 array of shape {wanted}, got "
                f"{got}. Make it with np.empty({wanted}, np.float32)."
            )

    # -- states -----------------------------------------------------------------------------------

    def reset(self, sessions: Any = None) -> None:
        """Begin new sequences: states of zero.

        Args:
            sessions: numbers of the sessions that begin anew; all of them where None.

        Raises:
            OptionError: numbers that are not sessions of this stream.
        """
        self._reset(self._rows(sessions))

    @property
    def state(self) -> dict[str, dict[str, Array]]:
        """The states by layer name: copies of `h`, and of `c` for an LSTM.

        float32 [units], or [sessions, units] where the stream has several. Setting it takes the
        same form; layers that are left out keep their states. With the model's weights this is
        all that another process needs to go on.

        Raises:
            UnknownNameError: when set, a layer or a state that the stream does not have.
            ShapeError, DataError: when set, states of another shape, or not finite.
        """
        found = self._plan.native.get_states()
        return {
            layer: {
                name: value[0] if self.sessions == 1 else value
                for name, value in zip(names, found[layer], strict=True)
            }
            for layer, names in self._states.items()
        }

    @state.setter
    def state(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        if not isinstance(states, Mapping):
            raise OptionError(
                f"{self._label} expected its states as a dict by layer name, got "
                f"{type(states).__name__}. Take them from the state of a stream."
            )
        checked: dict[str, list[Array]] = {}
        for layer, given in states.items():
            if layer not in self._states:
                raise unknown_name(self._label, "layer with states", layer, self._states)
            checked[layer] = self._checked_states(layer, given)
        self._plan.native.set_states(checked)

    def _checked_states(self, layer: str, given: Any) -> list[Array]:
        names = self._states[layer]
        if not isinstance(given, Mapping) or set(given) != set(names):
            got = sorted(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
            raise OptionError(
                f"{self._label} expected the states {names} for layer {layer!r}, got {got}. Take "
                "them from the state of a stream."
            )
        units = len(self._plan.native.get_states()[layer][0][0])
        wanted = (units,) if self.sessions == 1 else (self.sessions, units)
        values = []
        for name in names:
            value = checks.numbers(given[name], self._label, f"{layer!r} {name}", scalar=True)
            if value.shape != wanted:
                raise ShapeError(
                    f"{self._label} expected {name} of layer {layer!r} in shape {wanted}, got "
                    f"{value.shape}. Take it from a stream of as many sessions."
                )
            with np.errstate(over="ignore"):
                value = np.ascontiguousarray(value, np.float32)
            if not np.isfinite(value).all():
                raise DataError(
                    f"{self._label} expected finite states, got {name} of layer {layer!r} with "
                    f"{value[~np.isfinite(value)][0]}. Take it from the state of a stream."
                )
            values.append(value.reshape(self.sessions, units))
        return values

    # -- describing -------------------------------------------------------------------------------

    def __repr__(self) -> str:
        many = "1 session" if self.sessions == 1 else f"{self.sessions} sessions"
        takes = "a token" if self._tokens else f"{self._features} features"
        return (
            f"<Stream of {self._model_name!r}: {many}, {takes} -> {self._outputs} outputs a step>"
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise NotReadyError(
            f"{self._label} expected to stay in its process, got copied or pickled. Take its "
            "`state` along, and set it on another model.stream()."
        )
