"""elman's model of a Keras model, and how numbers go to and fro between the two.

Between runs Keras's variables are what counts: `pull` brings what has changed in them to elman,
`push` brings back what elman has learned. So a model can go on in either engine at any time.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from elman.errors import ElmanError, FileError
from elman.interop.keras import judging
from elman.layers import Layer
from elman.layers.layer import undrawn
from elman.models import Model
from elman.saving.config import Config, Reader
from elman.saving.weights import order

Array = np.ndarray[Any, np.dtype[Any]]


def described(model: Any) -> Config:
    """A Keras model as plain data: its layers, and how it was compiled."""
    from keras.saving import serialize_keras_object

    # As a file would hold it: Keras has tuples where text has lists.
    found: Config = json.loads(json.dumps(serialize_keras_object(model)))
    found.pop("compile_config", None)
    if model.compiled:
        found["compile_config"] = judging.compile_config(model)
    return found


def is_same(one: Config, other: Config) -> bool:
    """Whether two descriptions differ in no more than a learning rate set by hand or callback."""
    return _without_rate(one) == _without_rate(other)


def _without_rate(description: Config) -> Config:
    compiled = description.get("compile_config") or {}
    optimizer = compiled.get("optimizer")
    if not isinstance(optimizer, dict):
        return description
    options = optimizer["config"]
    if isinstance(options.get("learning_rate"), dict):
        return description
    optimizer = {**optimizer, "config": {**options, "learning_rate": None}}
    return {**description, "compile_config": {**compiled, "optimizer": optimizer}}


class Twin:
    """elman's model of a Keras model.

    Args:
        keras_model: a model that has its weights.
        description: of that model, as `described` gives it.

    Raises:
        FileError: elman does not have all of it.
    """

    def __init__(self, keras_model: Any, description: Config) -> None:
        reader = Reader(description, judging.where(keras_model), judging.WHO)
        with undrawn():
            found = reader.describe()
            for layer, shape in zip(found.layers, found.shapes, strict=False):
                if shape is not None:
                    layer.build_params(shape)
            self.model: Model = found.make()
        reader.compile(self.model)
        self._keras_model = keras_model
        self._weights = [
            (layer, list(keras_model.get_layer(layer.name).weights))
            for layer in self.model.layers
            if layer.own_params
        ]
        for layer, variables in self._weights:
            shapes = [tuple(v.shape) for v in variables]
            if shapes != [p.shape for p in layer.own_params]:
                raise FileError(
                    f"{judging.WHO} expected weights of {layer.label} of shapes "
                    f"{[p.shape for p in layer.own_params]}, got {shapes} in "
                    f"{judging.where(keras_model)}. Use Keras's own engine."
                )
        self._state: list[tuple[Any, Array]] | None = None
        # Where tensors never change, another tensor is how a change is noticed.
        self._seen: dict[int, Any] = {}
        self._pushed = 0

    # -- from Keras -------------------------------------------------------------------------------

    def pull(self, state: bool = False) -> None:
        """Bring what has changed in Keras's variables to elman.

        Args:
            state: whether also what the optimizer keeps, for training.

        Raises:
            ElmanError: the optimizer keeps something else than elman's would.
        """
        for layer, variables in self._weights:
            if self._changed(layer, variables):
                layer.set_weights([_array(v) for v in variables])
        if state:
            self._pull_state()

    def _changed(self, layer: Layer, variables: list[Any]) -> bool:
        news = [v for v in variables if self._is_news(v)]
        return bool(news) and any(
            not np.array_equal(_array(v), view)
            for v, view in zip(variables, layer.views(), strict=True)
        )

    def _is_news(self, variable: Any) -> bool:
        """Whether a variable may have another value than when it was last looked at."""
        if not _immutable():
            return True
        before = self._seen.get(id(variable))
        now = self._seen[id(variable)] = variable.value
        return before is not now

    def _pull_state(self) -> None:
        theirs, ours = self._keras_model.optimizer, self.model.optimizer
        assert ours is not None
        if self._state is None:
            self._state = self._paired_state()
        native = self.model.native_optimizer()
        if ours.schedule is None:
            ours.learning_rate = float(_array(theirs.learning_rate))
        steps = int(_array(theirs.iterations))
        if steps != ours.iterations:
            native.catch_up()
            ours.iterations = native.iterations = steps
        for variable, moment in self._state:
            if self._is_news(variable):
                moment[...] = _array(variable)
        self._pushed = steps

    def _paired_state(self) -> list[tuple[Any, Array]]:
        """Keras's variable and elman's array for all that an optimizer keeps for the weights."""
        theirs, ours = self._keras_model.optimizer, self.model.optimizer
        assert ours is not None
        if not theirs.built:
            theirs.build(self._keras_model.trainable_variables)
        variables = theirs.variables[1 if ours.schedule is not None else 2 :]
        indices = self.model.trainable_indices
        native = self.model.fresh_optimizer()
        moments = [native.moment(m, i) for m, i in order(ours, indices)]
        if [tuple(v.shape) for v in variables] != [m.shape for m in moments]:
            raise ElmanError(
                f"its optimizer was built for other weights: it keeps {len(variables)} arrays, "
                f"expected {len(moments)}. Compile the model again."
            )
        return list(zip(variables, moments, strict=True))

    # -- to Keras ---------------------------------------------------------------------------------

    def push(self) -> None:
        """Bring what elman has learned since the last time to Keras's variables."""
        ours = self.model.optimizer
        if ours is None or self._state is None or ours.iterations == self._pushed:
            return
        self.model.native_optimizer().catch_up()
        for layer, variables in self._weights:
            for variable, view in zip(variables, layer.views(), strict=True):
                self._assign(variable, view)
        for variable, moment in self._state:
            self._assign(variable, moment)
        self._keras_model.optimizer.iterations.assign(ours.iterations)
        self._pushed = ours.iterations

    def _assign(self, variable: Any, value: Array) -> None:
        # A copy: a tensor may be no more than a view of the array that it was made from.
        variable.assign(np.array(value))
        if _immutable():
            self._seen[id(variable)] = variable.value


def _array(value: Any) -> Array:
    from keras.ops import convert_to_numpy

    found: Array = convert_to_numpy(getattr(value, "value", value))
    return found


def _immutable() -> bool:
    """Whether a variable of this backend gets another tensor when it gets another value."""
    from keras import backend

    return bool(backend.backend() == "jax")
