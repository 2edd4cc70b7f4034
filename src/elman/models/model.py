"""What every model is: layers that are compiled, trained, used and looked into."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import _core, seeds, visited
from elman.errors import NotReadyError, OptionError, ShapeError, unknown_name
from elman.graph import Graph
from elman.layers import Layer
from elman.layers.layer import Shape
from elman.layers.symbol import handed_out, record, symbol_of, symbolic
from elman.mapped import arrays_of, take, together
from elman.models.objectives import Objectives, checked_metric
from elman.plan import Plan, Store, listed
from elman.ragged import Ragged

if TYPE_CHECKING:
    from elman.callbacks import Callback, History
    from elman.data import Preparation
    from elman.losses import Loss
    from elman.metrics import Metric
    from elman.optimizers import Optimizer
    from elman.streaming import Stream

Array = np.ndarray[Any, np.dtype[Any]]

#: Options of Keras's `compile` that change nothing here: there is nothing to trace or compile.
COMPILE_IGNORED = {"jit_compile", "run_eagerly", "steps_per_execution", "auto_scale_loss"}


class Model:
    """Layers in a graph: what leads from some Inputs to some outputs, without a loop.

    `Model(inputs, outputs)` makes a `Functional`, as in Keras; a `Sequential` is a model too.

    Args:
        inputs: an `Input`, a list of them, or a dict by name.
        outputs: what a layer returned when it was called on these, a list, or a dict.
        name: a name.

    Example:
        >>> from elman.layers import LSTM, Add, Dense, Input
        >>> x = Input((None, 8))
        >>> y = LSTM(16, return_sequences=True)(x)
        >>> Model(x, Dense(1)(Add()([y, Dense(16)(x)]))).count_params()
        1761
    """

    #: The graph, and the layers in Keras's order.
    graph: Graph
    layers: list[Layer]
    #: By which names outputs are handed out; None: an array, or a list of several.
    output_keys: list[str] | None = None

    def __new__(cls, *args: Any, **options: Any) -> Model:
        if cls is Model:
            from elman.models.functional import Functional

            return object.__new__(Functional)
        return object.__new__(cls)

    def __init__(self, name: str) -> None:
        self.name = name
        self.optimizer: Optimizer | None = None
        self.loss: Any = None
        self.loss_weights: Any = None
        self.history: History | None = None
        #: How the data were prepared that it was trained on, where they came as `Sequences`.
        self.prepared: Preparation | None = None
        self.stop_training = False
        self._objectives: Objectives | None = None
        self._metrics: Any = None
        self._trainable: list[bool] = []  # of each layer, when the model was compiled
        self._store: Store | None = None
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._native_optimizer: _core.Optimizer | None = None

    # -- what a model of a kind says --------------------------------------------------------------

    def shapes(self) -> list[tuple[Shape | None, Shape | None]]:
        """Input and output shape of every layer, as far as they are known."""
        raise NotImplementedError

    @property
    def entering(self) -> list[Shape]:
        """Shape of each input with the batch axis, as far as it is known."""
        raise NotImplementedError

    @property
    def tokens(self) -> list[bool]:
        """Of each input, whether it is whole numbers for an Embedding."""
        raise NotImplementedError

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs: those of the layers that make them."""
        raise NotImplementedError

    def check_inputs(self, x: Any) -> Any:
        """Inputs as the engine takes them, or what hands them out in parts; several `Together`.

        No weights are made.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The architecture as plain data, in Keras's form."""
        raise NotImplementedError

    def _build_for(self, shapes: list[Shape]) -> None:
        """Make the weights for inputs of these shapes."""

    # -- building ---------------------------------------------------------------------------------

    def _forget(self) -> None:
        """What depends on the stack of layers is made anew when it is next needed."""
        self._store = None
        self._plans.clear()
        self._native_optimizer = None

    @property
    def built(self) -> bool:
        """Whether all weights exist."""
        return bool(self.layers) and all(layer.built for layer in self.layers)

    @property
    def label(self) -> str:
        """How errors name this model."""
        return f"{type(self).__name__} {self.name!r}"

    @property
    def single(self) -> bool:
        """Whether there is one input and one output."""
        return self.graph.inputs == 1 and len(self.graph.outputs) == 1

    def flow(self, entering: Sequence[Shape]) -> list[Shape]:
        """The shape of every value of the graph, for inputs of these shapes."""
        values = list(entering)
        for call in self.graph.calls:
            values += call.layer.output_shapes([values[i] for i in call.takes])
        return values

    @property
    def fixed_rows(self) -> int | None:
        """Rows of a batch, where an Input fixes them."""
        raise NotImplementedError

    @property
    def stateful(self) -> bool:
        """Whether some layer carries its states from batch to batch."""
        return any(layer.stateful for layer in self.layers)

    def reset_states(self) -> None:
        """Begin the next batch of stateful layers with states of zero."""
        for layer in self.layers:
            layer.reset_states()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or by place.

        Raises:
            UnknownNameError: no layer has this name.
            OptionError: no layer has this place.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise OptionError(
                    f"{self.label} expected the index of one of its {len(self.layers)} layers, got "
                    f"{index}. They count from 0."
                )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise unknown_name(self.label, "layer", name, [layer.name for layer in self.layers])

    # -- weights ----------------------------------------------------------------------------------

    def count_params(self) -> int:
        """Number of weights.

        Raises:
            NotReadyError: the number of input features is not known yet.
        """
        return sum(layer.count_params() for layer in self.layers)

    @property
    def weights(self) -> list[Array]:
        """Read-only views of all weights, in Keras's order."""
        return [view for layer in self.layers for view in layer.views()]

    def get_weights(self) -> list[Array]:
        """Copies of all weights, in Keras's order."""
        return [value for layer in self.layers for value in layer.get_weights()]

    def set_weights(self, weights: list[Array]) -> None:
        """Replace all weights, or none if one does not fit.

        Args:
            weights: arrays in the order and shapes of `get_weights`.

        Raises:
            NotReadyError: there are no weights yet.
            ShapeError: another number of arrays, or another shape.
        """
        self._require_built("set_weights")
        count = sum(len(layer.own_params) for layer in self.layers)
        if not isinstance(weights, list | tuple) or len(weights) != count:
            got = len(weights) if isinstance(weights, list | tuple) else type(weights).__name__
            raise ShapeError(
                f"{self.label} expected a list of {count} weight arrays, got {got}. Take them from "
                "get_weights of a model with the same layers."
            )
        parts, at = [], 0
        for layer in self.layers:
            end = at + len(layer.own_params)
            parts.append(layer.check_weights(weights[at:end]))
            at = end
        for layer, part in zip(self.layers, parts, strict=True):
            layer.set_weights(part)

    def _require_built(self, what: str) -> None:
        if not self.built:
            raise NotReadyError(
                f"{self.label} expected weights before {what}, got none yet: its number of input "
                "features is not known. Put an Input first, or call build((None, steps, features))."
            )

    # -- compiling --------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **ignored: Any,
    ) -> None:
        """Choose how to train.

        Args:
            optimizer: a name or object of `elman.optimizers`.
            loss: a name or object of `elman.losses`; for several outputs one for all, a list, or
                a dict by the outputs' names, where None is no loss.
            loss_weights: how much each loss counts in the sum: a list, or a dict by name.
            metrics: names, functions or objects of `elman.metrics`; for several outputs a list
                with an entry for each, or a dict by name.
            weighted_metrics: None; it stands here as in Keras's `compile`.
            ignored: `jit_compile`, `run_eagerly`, `steps_per_execution`, accepted for Keras.

        Raises:
            UnknownNameError: a name that is not known; the message suggests the nearest.
            OptionError: an option elman does not have, or another number of entries than outputs.
        """
        _check_third(loss_weights)
        if weighted_metrics is not None:
            raise OptionError(
                f"compile expected weighted_metrics=None, got {weighted_metrics!r}. elman does not "
                "have this option yet: leave it out."
            )
        for option in ignored:
            if option not in COMPILE_IGNORED:
                raise unknown_name(
                    "compile", "option", option, {"optimizer", "loss", "metrics", *COMPILE_IGNORED}
                )
        from elman import optimizers

        chosen = optimizers.get(optimizer)
        objectives = Objectives(self.output_names, loss, loss_weights, metrics)
        trainable = [layer.trainable for layer in self.layers]
        if chosen is self.optimizer and trainable == self._trainable:
            self._plans.clear()  # the same optimizer goes on where it was, as in Keras
        else:
            self._forget()
        self.optimizer, self.loss, self._trainable = chosen, loss, trainable
        self.loss_weights = loss_weights
        self._objectives, self._metrics = objectives, metrics

    def require_compiled(self, what: str) -> None:
        """Raise unless there is a loss and an optimizer."""
        if self.optimizer is None or not self.objectives.compared:
            raise NotReadyError(
                f"{self.label} expected a loss before {what}, got none. Call "
                'compile(optimizer="adam", loss=...) first.'
            )

    @property
    def objectives(self) -> Objectives:
        """Losses and metrics by output: none before `compile`."""
        names = self.output_names
        if self._objectives is None or self._objectives.names != names:
            self._objectives = Objectives(names, self.loss, self.loss_weights, self._metrics)
        return self._objectives

    def compiled_loss(self) -> Loss:
        """The loss; the first of several."""
        return next(loss for loss in self.objectives.losses if loss is not None)

    def compiled_metrics(
        self, y: tuple[int, ...], output: tuple[int, ...], number: int = 0
    ) -> list[Metric]:
        """The metrics of an output, for targets and outputs of these shapes."""
        from elman import metrics

        chosen, loss = self.objectives.metrics[number], self.objectives.losses[number]
        return [
            metrics.get(metric, loss=loss, y_shape=y, output_shape=(None, *output))
            for metric in chosen
        ]

    @property
    def chosen_metrics(self) -> Any:
        """The metrics as `compile` was given them: names, functions or objects."""
        return self._metrics

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns."""
        chosen = self.objectives
        if not chosen.several:
            return ["loss", *(metric.name for metric in self.metrics)]
        named = sorted(
            f"{name}_{checked_metric(metric).name}"
            for name, own in zip(chosen.names, chosen.metrics, strict=True)
            for metric in own
        )
        return ["loss", *(f"{chosen.names[i]}_loss" for i in chosen.compared), *named]

    @property
    def metrics(self) -> list[Metric]:
        """The compiled metrics; callbacks ask them whether more or less is better."""
        return [checked_metric(metric) for own in self.objectives.metrics for metric in own]

    # -- plans ------------------------------------------------------------------------------------

    def outputs_of(self, x: Any) -> list[tuple[int, ...]]:
        """Shape of one sample's outputs for these inputs."""
        values = self.flow([(None, *array.shape[1:]) for array in arrays_of(x)])
        return [tuple(int(e) for e in values[i][1:] if e is not None) for i in self.graph.outputs]

    def plan_for(
        self,
        x: Any,
        *,
        rows: int,
        training: bool = False,
        loss: bool = False,
        keep: bool = False,
        steps: int | None = None,
        stateful: bool = False,
    ) -> Plan:
        """The plan for checked inputs of this length, made once and kept; weights too.

        With `steps` it carries states, and goes through sequences of any length in runs of that.
        With `stateful` layers that are go on from the batch before.
        """
        given = [array.shape for array in arrays_of(x)]
        if not self.built:
            self._build_for([(None, *shape[1:]) for shape in given])
        store = self.store(*given)
        shapes = [s[1:] if steps is None else (steps, *s[2:]) for s in given]
        carry = steps is not None
        path = (_core.isa(), _core.has_bf16_instruction(), *(a.compute_dtype for a in self.layers))
        ragged = [isinstance(array, Ragged) for array in arrays_of(x)]
        how = (rows, training, loss, keep, carry, stateful)
        key = (*shapes, *ragged, *how, _core.threads(), path)
        if key not in self._plans:
            if len(self._plans) >= 8:  # lengths may be many; memory is not
                self._plans.pop(next(iter(self._plans)))
            self._plans[key] = Plan(
                store,
                shapes,
                tokens=self.tokens,
                rows=rows,
                loss=self.objectives.losses if loss else None,
                loss_weights=self.objectives.weights,
                training=training,
                keep=keep,
                carry=carry,
                ragged=ragged,
                graph=self.graph,
                stateful=stateful,
            )
        return self._plans[key]

    def store(self, *shapes: Shape) -> Store:
        """The weights as the engine has them, made when they are first needed.

        Args:
            shapes: of some inputs, with the batch axis.
        """
        if self._store is None:
            values = self.flow([(None, *shape[1:]) for shape in shapes])
            first: dict[int, Shape] = {}
            for call in self.graph.calls:
                first.setdefault(id(call.layer), values[call.takes[0]])
            self._store = Store(self.layers, [first[id(layer)] for layer in self.layers])
        self._store.own()
        return self._store

    @property
    def trainable_indices(self) -> list[int]:
        """Which of all weights, counted in their order, the compiled model trains."""
        trains = [
            trainable and p.trainable
            for layer, trainable in zip(self.layers, self._trainable, strict=True)
            for p in layer.own_params
        ]
        return [index for index, yes in enumerate(trains) if yes]

    @property
    def trained_optimizer(self) -> _core.Optimizer | None:
        """The optimizer's native state, if it has one yet."""
        return self._native_optimizer

    def fresh_optimizer(self) -> _core.Optimizer:
        """The optimizer's native state, made anew: all it keeps is zero."""
        self.store(*self.entering)
        self._native_optimizer = None
        return self.native_optimizer()

    def native_optimizer(self) -> _core.Optimizer:
        """The optimizer's native state, made when it is first needed."""
        assert self.optimizer is not None
        if self._native_optimizer is None:
            assert self._store is not None
            word, options = self.optimizer.native()
            self._native_optimizer = _core.Optimizer(
                self._store.native, word, options, len(self.optimizer.moments())
            )
            for index, p in self._store.ruled.items():
                if p.constraint is not None:
                    rule = p.constraint.native(len(p.shape))
                    self._native_optimizer.constrain(index, **rule)
        return self._native_optimizer

    def plan(self, steps: int | None = None, batch_size: int = 32, training: bool = True) -> Plan:
        """What runs: every operation with shapes, FLOPs, bytes and kernel path. `print` it.

        Args:
            steps: length of the sequences; the Input's where None.
            batch_size: rows of a batch.
            training: whether to show the plan of training (with a way back) or of prediction.

        Raises:
            NotReadyError: the model has no weights, or no length was given and none is known.
        """
        self._require_built("plan")
        arrays = []
        for shape, tokens in zip(self.entering, self.tokens, strict=True):
            known = list(shape[1:])
            if steps is not None and len(known) == (1 if tokens else 2):
                known[0] = steps
            extents = [e for e in known if e is not None]
            if len(extents) < len(known):
                raise NotReadyError("plan expected a length, got none. Call plan(steps=100), say.")
            arrays.append(np.zeros((1, *extents), np.int32 if tokens else np.float32))
        loss = training and bool(self.objectives.compared)
        x = together(arrays)
        return self.plan_for(x, rows=batch_size, training=training, loss=loss, stateful=True)

    # -- running ----------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: list[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Collection[int] = 1,
        tbptt: int | None = None,
        recompute: bool | str = "auto",
    ) -> History:
        """Train.

        Ctrl-C stops after the batches under way; what was learned stays in the model, and
        `model.history` holds the epochs that were finished.

        Args:
            x: inputs [n, steps, features], [n, features], or tokens [n, steps]; or a list of arrays
                [steps, features] or [steps] of unequal length; or `elman.data.Sequences`.
            y: targets in the shape of the output, or class numbers for a sparse loss; those of
                the `Sequences` where None.
            batch_size: rows per step, 32 where None.
            epochs: the epoch to stop before, counted from 0.
            verbose: 0 silent, 1 a live bar, 2 a line per epoch, "auto" as the terminal allows.
            callbacks: objects of `elman.callbacks`.
            validation_split: share of the last rows held out for validation.
            validation_data: (x, y), (x, y, sample_weight) or `Sequences` for validation instead.
            shuffle: whether to deal the rows anew for each epoch.
            class_weight: weight of each class's samples in the loss.
            sample_weight: weight of each sample [n], or of each step [n, steps], in the loss.
            initial_epoch: the epoch to start from.
            steps_per_epoch: batches of an epoch, all where None; the next one goes on after them.
            validation_steps: so many batches of the validation data only, the first.
            validation_batch_size: rows per batch of validation; `batch_size` where None.
            validation_freq: validate every so many epochs; or after these, counted from 1.
            tbptt: truncated back-propagation through time: walk each batch of rows window by
                window of so many steps, with one update for each and states carried from one to
                the next. For long recordings with a target for every step.
            recompute: whether to train on whole sequences in little memory: states are kept only
                now and then, and what lies between is computed a second time on the way back.
                "auto" does so where the plan would take more than a GiB.

        Sequences of unequal length are a list of arrays: nothing is padded by hand. Steps that a
        sequence does not have are masked, whatever the layers, and cost nothing. Targets and
        weights of every step are then lists of arrays too.

        Arrays in memory-mapped files (`np.load(..., mmap_mode="r")`) are read in parts and never
        loaded whole. See docs/long_sequences.md.

        How `Sequences` were prepared becomes `model.prepared`, which a file of the model keeps.

        Returns:
            a `History`: `.history` holds loss and metrics of each epoch.

        Raises:
            ElmanError: before any work, if data, model and loss do not fit together.
            DivergedError: a loss or a gradient is not finite. The batch changed nothing. With the
                callback `TerminateOnNaN` training ends without an error.
        """
        from elman import training

        return training.fit(
            self,
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
            tbptt=tbptt,
            recompute=recompute,
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: list[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on some data.

        Args: as in `fit`, and
            steps: so many batches only, the first.
            return_dict: whether to return them by name.

        Returns:
            the loss, or [loss, metrics...], or a dict.
        """
        from elman import training

        found = training.evaluate(self, x, y, batch_size, verbose, sample_weight, steps, callbacks)
        return self._scores(found, return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: list[Callback] | None = None,
    ) -> Any:
        """Outputs for inputs.

        Args:
            x: inputs, as in `fit`; may be empty.
            batch_size: accepted for Keras; the result does not depend on it, unless a layer is
                stateful: then row i of a batch goes on from row i of the batch before.
            verbose: as in `fit`; a bar is shown only where it takes long.
            steps: so many batches of `batch_size` only, the first.
            callbacks: as in `fit`; one that overrides a hook of batches makes it predict batch by
                batch.

        Returns:
            float32 array, one row per input; a list, or a dict, of several outputs.
        """
        from elman import training

        return self.handed_out(training.predict(self, x, batch_size, verbose, steps, callbacks))

    def stream(self, sessions: int = 1) -> Stream:
        """A stream: the model step by step, with its states kept in between.

        Args:
            sessions: how many sequences go on side by side, each with states of its own.

        Returns:
            a `Stream`; `stream.step(x)` gives the numbers that `predict` gives for all steps so
            far. It sees the weights as they are, also after more training.

        Raises:
            NotReadyError: the model has no weights yet.
            OptionError: a layer looks at later steps, or `sessions` is no whole number >= 1.

        Example:
            >>> from elman import Sequential
            >>> from elman.layers import LSTM, Dense, Input
            >>> model = Sequential([Input((None, 1)), LSTM(16), Dense(1)])
            >>> stream = model.stream()
            >>> [type(stream.step(x)) for x in (0.1, 0.2)]
            [<class 'float'>, <class 'float'>]
        """
        from elman.streaming import Stream

        self._require_built("stream")
        return Stream(self, sessions)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step on one batch; returns what `evaluate` does, from before the step."""
        from elman import training

        found = training.train_on_batch(self, x, y, sample_weight, class_weight)
        return self._scores(found, return_dict)

    def _scores(self, found: dict[str, float], return_dict: bool) -> Any:
        if return_dict:
            return found
        chosen = self.objectives
        first = ["loss"]
        if chosen.several:  # Keras's order
            first += [f"{chosen.names[i]}_loss" for i in chosen.compared]
        values = [found[k] for k in first] + [v for k, v in found.items() if k not in first]
        return values if len(values) > 1 else values[0]

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Outputs for inputs; with `training=True` dropout is active.

        On an `Input`, or on what a layer returned for one, the model's layers become part of
        another model.
        """
        if symbolic(x):
            return self._on_symbols(x)
        if not training and not self.stateful:
            return self.predict(x, verbose=0)
        values = take(self.check_inputs(x), slice(None))
        if not training:  # a call is one batch
            return self.predict(x, batch_size=max(1, len(values)), verbose=0)
        from elman import batches

        batches.size(self, len(values), len(values) or None, "a call")
        plan = self.plan_for(values, rows=max(1, len(values)), training=True, stateful=True)
        return self.handed_out(plan.forward(values, seeds.draw_seed()))

    def handed_out(self, outputs: Any) -> Any:
        """An array as it is; of several outputs a list, or a dict where they were given in one."""
        if self.output_keys is None:
            return listed(outputs)
        return dict(zip(self.output_keys, arrays_of(outputs), strict=True))

    def _on_symbols(self, x: Any) -> Any:
        given = list(x) if isinstance(x, list | tuple) else [x]
        if len(given) != self.graph.inputs:
            raise ShapeError(
                f"{self.label} expected {self.graph.inputs} inputs, got {len(given)}. Call it on "
                "a list with one for each."
            )
        values = [symbol_of(one, self.label) for one in given]
        for call in self.graph.calls:
            taken = [values[i] for i in call.takes]
            inputs = 1 if call.layer.takes_states else len(taken)
            made = record(call.layer, taken[:inputs], taken[inputs:])
            values += made if isinstance(made, list) else [made]
        return handed_out([values[i] for i in self.graph.outputs])

    # -- visitors: files, and whoever looks inside -------------------------------------------------

    save = visited.save
    save_weights = visited.save_weights
    load_weights = visited.load_weights
    summary = visited.summary
    trace = visited.trace
    ledger = visited.ledger
    gradient_flow = visited.gradient_flow
    embedding = visited.embedding
    report = visited.report


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Model:
    """Open a model: another name of `elman.load`; see there."""
    from elman import saving

    return saving.load_model(filepath, custom_objects, compile, safe_mode)


def _check_third(given: Any) -> None:
    """Metrics stood where Keras 3 has the weights of losses."""
    from elman import metrics

    entries = given if isinstance(given, list | tuple) else [given]
    if any(isinstance(entry, str | metrics.Metric) for entry in entries):
        raise OptionError(
            f"compile expected its third argument to be loss_weights, as in Keras 3, got metrics: "
            f"{given!r}. Call compile(optimizer, loss, metrics=...)."
        )
