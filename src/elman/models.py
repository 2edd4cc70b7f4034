"""Sequential: a stack of layers that is built, trained, used and looked into."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from elman import _core, checks, losses, metrics, optimizers, training, visited
from elman.callbacks import Callback, History
from elman.config import serialize
from elman.errors import ElmanError, NotReadyError, OptionError, ShapeError, unknown_name
from elman.layers import LAYERS, InputLayer, Layer
from elman.layers.layer import Shape, unused
from elman.mapped import Mapped
from elman.plan import Plan, Store
from elman.ragged import Ragged
from elman.streaming import Stream

if TYPE_CHECKING:
    from elman.metrics import Metric

Array = np.ndarray[Any, np.dtype[Any]]

#: Options of Keras's `compile` that change nothing here: there is nothing to trace or compile.
COMPILE_IGNORED = {"jit_compile", "run_eagerly", "steps_per_execution", "auto_scale_loss"}


class Sequential:
    """Layers one after the other.

    Args:
        layers: an `Input` first where the number of features is known, then layers; or one layer.
        name: a name.

    Example:
        >>> from elman.layers import Dense, Embedding, GRU
        >>> model = Sequential([Embedding(15000, 32), GRU(16), Dense(1)])
        >>> model.count_params()
        482417
    """

    def __init__(
        self, layers: Iterable[Layer | InputLayer] | Layer | None = (), name: str | None = None
    ) -> None:
        self.name = name or "sequential"
        self.layers: list[Layer] = []
        self.input: InputLayer | None = None
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: Any = None
        self.history: History | None = None
        self.stop_training = False
        self._loss: losses.Loss | None = None
        self._metrics: list[Any] = []
        self._trainable: list[bool] = []  # of each layer, when the model was compiled
        self._store: Store | None = None
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._native_optimizer: _core.Optimizer | None = None
        entries: Any = [layers] if isinstance(layers, Layer) else layers or ()
        for layer in entries:
            self.add(layer)

    # -- building ---------------------------------------------------------------------------------

    def add(self, layer: Layer | InputLayer) -> None:
        """Append a layer.

        Args:
            layer: a layer, or as the first entry an `Input`.

        Raises:
            OptionError: not a layer, an `Input` that is not first, a layer or name used twice.
            ShapeError: the layer cannot follow what is there.
        """
        if isinstance(layer, InputLayer):
            if self.layers or self.input:
                raise OptionError(
                    f"Sequential expected Input as its first entry, got it after "
                    f"{len(self.layers)} layers. Move it to the front."
                )
            self.input = layer
            return
        if not isinstance(layer, Layer):
            raise OptionError(
                f"Sequential expected layers, got {layer!r} ({type(layer).__name__}). Use the "
                "layers of elman.layers."
            )
        if any(layer is other for other in self.layers):
            raise OptionError(
                f"Sequential expected each layer once, got {layer.label} twice. Make another one."
            )
        if layer.takes_tokens and self.layers:
            raise OptionError(
                f"Sequential expected {layer.label} as its first layer, because it takes tokens, "
                f"got it after {self.layers[-1].label}. Move it to the front."
            )
        before = self.input, layer.name
        if layer.asked_shape is not None and not self.layers and self.input is None:
            self.input = InputLayer(layer.asked_shape[1:])
        self._name(layer)
        self.layers.append(layer)
        try:
            self._build()
        except ElmanError:
            self.layers.pop()
            self.input, layer.name = before
            raise
        self._forget()

    def pop(self) -> Layer:
        """Remove the last layer and return it."""
        if not self.layers:
            raise NotReadyError("Sequential expected a layer to remove, got none. Add one first.")
        self._forget()
        return self.layers.pop()

    def _name(self, layer: Layer) -> None:
        taken = {other.name for other in self.layers}
        if layer.name not in taken:
            return
        if layer.named:
            raise OptionError(
                f"Sequential expected different layer names, got {layer.name!r} twice. Rename one."
            )
        layer.name = unused(layer.name, taken)

    def _forget(self) -> None:
        """What depends on the stack of layers is made anew when it is next needed."""
        self._store = None
        self._plans.clear()
        self._native_optimizer = None

    def build(self, input_shape: Shape | None = None) -> None:
        """Make the weights.

        Args:
            input_shape: with the batch axis, such as (None, 30, 3); not needed after an `Input`
                or an Embedding.

        Raises:
            ShapeError: the layers cannot follow each other.
        """
        before = self.input
        if input_shape is not None and self.input is None:
            self.input = InputLayer(tuple(input_shape)[1:])
        elif input_shape is not None:
            self._check_asked(tuple(input_shape))
        try:
            if not all(s is not None and layer.known_features(s) for layer, s in self._entering()):
                raise NotReadyError(
                    f"{self.label} expected to know its number of input features, got "
                    f"{input_shape}. Call build((None, steps, features)), or put an Input first."
                )
            self._build()
        except ElmanError:
            self.input = before
            raise

    def shapes(self) -> list[tuple[Shape | None, Shape | None]]:
        """Input and output shape of every layer, as far as they are known."""
        found: list[tuple[Shape | None, Shape | None]] = []
        shape: Shape | None = None
        if self.input is not None:
            shape = (None, *self.input.shape)
        elif self.layers and self.layers[0].takes_tokens:
            shape = (None, None)
        for layer in self.layers:
            entering = shape
            if shape is None and layer.built_for is not None:
                entering = layer.built_for
            shape = None if entering is None else layer.output_shape(entering)
            found.append((entering, shape))
        return found

    def _entering(self) -> list[tuple[Layer, Shape | None]]:
        """Each layer, and the shape that enters it."""
        shapes = [entering for entering, _ in self.shapes()]
        return list(zip(self.layers, shapes, strict=True))

    def _build(self) -> None:
        """Make the weights of every layer whose parameters are determined, if all layers fit."""
        known = [(layer, shape) for layer, shape in self._entering() if shape is not None]
        for layer, shape in known:
            layer.check_shape(shape)
        for layer, shape in known:
            if layer.known_features(shape):
                layer.build_params(shape)

    @property
    def built(self) -> bool:
        """Whether all weights exist."""
        return bool(self.layers) and all(layer.built for layer in self.layers)

    @property
    def label(self) -> str:
        """How errors name this model."""
        return f"Sequential {self.name!r}"

    @property
    def input_shape(self) -> Shape | None:
        """Shape of the input with the batch axis, as far as it is known."""
        return self.shapes()[0][0] if self.layers else None

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the output with the batch axis, as far as it is known."""
        return self.shapes()[-1][1] if self.layers else None

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
            loss: a name or object of `elman.losses`.
            loss_weights, weighted_metrics: None; they stand here as in Keras's `compile`.
            metrics: names, functions or objects of `elman.metrics`.
            ignored: `jit_compile`, `run_eagerly`, `steps_per_execution`, accepted for Keras.

        Raises:
            UnknownNameError: a name that is not known; the message suggests the nearest.
        """
        _check_loss_weights(loss_weights)
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
        chosen = optimizers.get(optimizer)
        found_loss = None if loss is None else losses.get(loss)
        if isinstance(metrics, dict):
            raise OptionError(
                f"compile expected a list of metrics, got the dict {metrics!r}. A Sequential has "
                "one output: leave out its name."
            )
        several = isinstance(metrics, list | tuple)
        wanted = list(metrics) if several else [] if metrics is None else [metrics]
        for metric in wanted:
            _checked_metric(metric)
        trainable = [layer.trainable for layer in self.layers]
        if chosen is self.optimizer and trainable == self._trainable:
            self._plans.clear()  # the same optimizer goes on where it was, as in Keras
        else:
            self._forget()
        self.optimizer, self.loss, self._trainable = chosen, loss, trainable
        self._loss, self._metrics = found_loss, wanted

    def require_compiled(self, what: str) -> None:
        """Raise unless there is a loss and an optimizer."""
        if self._loss is None or self.optimizer is None:
            raise NotReadyError(
                f"{self.label} expected a loss before {what}, got none. Call "
                'compile(optimizer="adam", loss=...) first.'
            )

    def compiled_loss(self) -> losses.Loss:
        """The loss."""
        assert self._loss is not None
        return self._loss

    def compiled_metrics(self, y: tuple[int, ...], output: tuple[int, ...]) -> list[Metric]:
        """The metrics, for targets and outputs of these shapes."""
        return [_metric(m, self._loss, y, (None, *output)) for m in self._metrics]

    @property
    def chosen_metrics(self) -> list[Any]:
        """The metrics as `compile` was given them: names, functions or objects."""
        return list(self._metrics)

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns."""
        return ["loss", *(metric.name for metric in self.metrics)]

    @property
    def metrics(self) -> list[Metric]:
        """The compiled metrics; callbacks ask them whether more or less is better."""
        return [_checked_metric(m) for m in self._metrics]

    # -- plans ------------------------------------------------------------------------------------

    def check_inputs(self, x: Any) -> Array | Mapped | Ragged:
        """Inputs as the engine takes them, or what hands them out in parts. No weights are made."""
        if not self.layers:
            raise NotReadyError(f"{self.label} expected layers, got none. Add some first.")
        first = self.layers[0]
        values = checks.inputs(x, first, self.label)
        self._check_asked(values.shape)
        return values

    def _check_asked(self, shape: Shape) -> None:
        asked = self.input.shape if self.input is not None else None
        if asked is None:
            return
        same = len(asked) == len(shape) - 1 and all(
            a is None or a == s for a, s in zip(asked, shape[1:], strict=True)
        )
        # Any length is fine: a recurrent net does not mind, and its weights do not depend on it.
        by_step = len(asked) == 2 or self.layers[0].takes_tokens
        if not same and by_step and len(asked) == len(shape) - 1:
            same = asked[1:] == shape[2:] or (len(asked) == 2 and asked[1] is None)
        if not same:
            raise ShapeError(
                f"{self.label} expected input of shape {(None, *asked)}, got {shape}. Check the "
                "last axis, or change Input."
            )

    def _build_for(self, shape: Shape) -> None:
        before = self.input
        try:
            # Any length will do, unless the numbers of all steps come together somewhere.
            for length in (None, shape[1]) if before is None else (None,):
                self.input = InputLayer((*([length] * (len(shape) - 2)), shape[-1]))
                self._build()
                if self.built:
                    break
        finally:
            self.input = before if self.built is False else self.input
        self._require_built("a run")

    def output_of(self, x: Array | Mapped | Ragged) -> tuple[int, ...]:
        """Shape of one sample's output for these inputs."""
        shape: Shape = (None, *x.shape[1:])
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return tuple(int(e) for e in shape[1:] if e is not None)

    def plan_for(
        self,
        x: Array | Mapped | Ragged,
        *,
        rows: int,
        training: bool = False,
        loss: bool = False,
        keep: bool = False,
        steps: int | None = None,
    ) -> Plan:
        """The plan for checked inputs of this length, made once and kept; weights too.

        With `steps` it carries states, and goes through sequences of any length in runs of that.
        """
        if not self.built:
            self._build_for((None, *x.shape[1:]))
        store = self.store(x.shape)
        shape = x.shape[1:] if steps is None else (steps, *x.shape[2:])
        carry = steps is not None
        path = (_core.isa(), _core.has_bf16_instruction(), *(a.compute_dtype for a in self.layers))
        ragged = isinstance(x, Ragged)
        key = (shape, rows, training, loss, keep, carry, ragged, _core.threads(), path)
        if key not in self._plans:
            if len(self._plans) >= 8:  # lengths may be many; memory is not
                self._plans.pop(next(iter(self._plans)))
            self._plans[key] = Plan(
                store,
                shape,
                tokens=self.layers[0].takes_tokens,
                rows=rows,
                loss=self._loss if loss else None,
                training=training,
                keep=keep,
                carry=carry,
                ragged=ragged,
            )
        return self._plans[key]

    def store(self, shape: Shape) -> Store:
        """The weights as the engine has them, made when they are first needed.

        Args:
            shape: of some inputs, with the batch axis.
        """
        if self._store is None:
            self._store = Store(self.layers, self._layer_shapes(shape))
        self._store.own()
        return self._store

    def _layer_shapes(self, shape: Shape) -> list[Shape]:
        shapes: list[Shape] = [(None, *shape[1:])]
        for layer in self.layers[:-1]:
            shapes.append(layer.output_shape(shapes[-1]))
        return shapes

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
        shape = self.input_shape
        assert shape is not None
        self.store(shape)
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
        shape = self.shapes()[0][0]
        assert shape is not None
        known = list(shape[1:])
        if steps is not None and len(known) == (1 if self.layers[0].takes_tokens else 2):
            known[0] = steps
        extents = [e for e in known if e is not None]
        if len(extents) < len(known):
            raise NotReadyError("plan expected a length, got none. Call plan(steps=100), say.")
        x = np.zeros((1, *extents), np.int32 if self.layers[0].takes_tokens else np.float32)
        return self.plan_for(
            x, rows=batch_size, training=training, loss=training and self._loss is not None
        )

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

        Returns:
            a `History`: `.history` holds loss and metrics of each epoch.

        Raises:
            ElmanError: before any work, if data, model and loss do not fit together.
            DivergedError: a loss or a gradient is not finite. The batch changed nothing. With the
                callback `TerminateOnNaN` training ends without an error.
        """
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
        found = training.evaluate(self, x, y, batch_size, verbose, sample_weight, steps, callbacks)
        return self._scores(found, return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: list[Callback] | None = None,
    ) -> Array:
        """Outputs for inputs.

        Args:
            x: inputs, as in `fit`; may be empty.
            batch_size: accepted for Keras; the result does not depend on it.
            verbose: as in `fit`; a bar is shown only where it takes long.
            steps: so many batches of `batch_size` only, the first.
            callbacks: as in `fit`; one that overrides a hook of batches makes it predict batch by
                batch.

        Returns:
            float32 array, one row per input; for sequences of unequal length and an output at every
            step a list of arrays, each as long as its sequence.
        """
        return training.predict(self, x, batch_size, verbose, steps, callbacks)

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
            >>> from elman.layers import LSTM, Dense
            >>> model = Sequential([InputLayer((None, 1)), LSTM(16), Dense(1)])
            >>> stream = model.stream()
            >>> [type(stream.step(x)) for x in (0.1, 0.2)]
            [<class 'float'>, <class 'float'>]
        """
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
        found = training.train_on_batch(self, x, y, sample_weight, class_weight)
        return self._scores(found, return_dict)

    def _scores(self, found: dict[str, float], return_dict: bool) -> Any:
        if return_dict:
            return found
        values = [found["loss"], *(v for k, v in found.items() if k != "loss")]
        return values if len(values) > 1 else values[0]

    def __call__(self, x: Any, training: bool = False) -> Array:
        """Outputs for inputs; with `training=True` dropout is active."""
        from elman import seeds

        if not training:
            return self.predict(x, verbose=0)
        values = self.check_inputs(x)
        if isinstance(values, Mapped):
            values = values.take(slice(None))
        plan = self.plan_for(values, rows=max(1, len(values)), training=True)
        return plan.forward(values, seeds.draw_seed())

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

    # -- as plain data ----------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The architecture as plain data, in Keras's form."""
        entries = [serialize(layer) for layer in self.layers]
        if self.input is not None:
            shape = [None, *self.input.shape]
            entries.insert(
                0,
                {
                    "module": "keras.layers",
                    "class_name": "InputLayer",
                    "config": {"batch_shape": shape, "dtype": "float32", "name": self.input.name},
                    "registered_name": None,
                },
            )
        return {"name": self.name, "layers": entries}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """Build the model that `get_config` described. Only layers elman has are ever built.

        Raises:
            UnknownNameError: a layer that elman does not have.
        """
        model = cls(name=config.get("name"))
        for entry in config["layers"]:
            kind, options = entry["class_name"], dict(entry["config"])
            if kind == "InputLayer":
                shape = options.get("batch_shape") or options["batch_input_shape"]
                model.add(InputLayer(tuple(shape[1:]), options.get("name")))
                continue
            if kind not in LAYERS:
                raise unknown_name("from_config", "layer", kind, LAYERS)
            model.add(LAYERS[kind].from_config(options))
        return model

    def __repr__(self) -> str:
        return f"<Sequential {self.name!r}: {', '.join(layer.name for layer in self.layers)}>"


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Sequential:
    """Open a model: another name of `elman.load`; see there."""
    from elman import saving

    return saving.load_model(filepath, custom_objects, compile, safe_mode)


def _check_loss_weights(given: Any) -> None:
    if given is None:
        return
    entries = given if isinstance(given, list | tuple) else [given]
    if any(isinstance(entry, str | metrics.Metric) for entry in entries):
        raise OptionError(
            f"compile expected its third argument to be loss_weights, as in Keras 3, got metrics: "
            f"{given!r}. Call compile(optimizer, loss, metrics=...)."
        )
    raise OptionError(
        f"compile expected loss_weights=None, got {given!r}. elman does not have this option yet: "
        "leave it out."
    )


def _metric(identifier: Any, loss: Any, y: Any, output: Any) -> Metric:
    return metrics.get(identifier, loss=loss, y_shape=y, output_shape=output)


def _checked_metric(identifier: Any) -> Metric:
    """A metric by its name alone; which accuracy is meant is known when there are data."""
    return _metric(identifier, None, (None, 1), (None, 1))
