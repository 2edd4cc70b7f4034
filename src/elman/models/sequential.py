"""Sequential: layers one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from elman import checks
from elman.config import serialize
from elman.errors import ElmanError, NotReadyError, OptionError, ShapeError, unknown_name
from elman.graph import Graph
from elman.layers import LAYERS, Input, InputLayer, Layer
from elman.layers.layer import Shape, unused
from elman.mapped import Mapped
from elman.models.model import Model
from elman.ragged import Ragged

Array = np.ndarray[Any, np.dtype[Any]]


class Sequential(Model):
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
        super().__init__(name or "sequential")
        self.layers = []
        self.input: InputLayer | None = None
        entries: Any = [layers] if isinstance(layers, Layer) else layers or ()
        for layer in entries:
            self.add(layer)

    @property
    def graph(self) -> Graph:  # type: ignore[override]
        """One input, and the layers one after the other."""
        return Graph.chain(self.layers)

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
        if layer.return_state:
            raise OptionError(
                f"Sequential expected layers with one output, got {layer.label} with "
                "return_state=True. Leave it out, or build a Model, which has a place for states."
            )
        if layer.takes_tokens and self.layers:
            raise OptionError(
                f"Sequential expected {layer.label} as its first layer, because it takes tokens, "
                f"got it after {self.layers[-1].label}. Move it to the front."
            )
        before = self.input, layer.name
        if layer.asked_shape is not None and not self.layers and self.input is None:
            self.input = Input(batch_shape=layer.asked_shape)
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
            self.input = Input(batch_shape=tuple(input_shape))
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
            shape = self.input.batch_shape
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
    def input_shape(self) -> Shape | None:
        """Shape of the input with the batch axis, as far as it is known."""
        return self.shapes()[0][0] if self.layers else None

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the output with the batch axis, as far as it is known."""
        return self.shapes()[-1][1] if self.layers else None

    @property
    def entering(self) -> list[Shape]:
        shape = self.input_shape
        assert shape is not None
        return [shape]

    @property
    def fixed_rows(self) -> int | None:
        return None if self.input is None else self.input.batch_size

    @property
    def tokens(self) -> list[bool]:
        return [self.layers[0].takes_tokens]

    @property
    def output_names(self) -> list[str]:
        return [self.layers[-1].name if self.layers else "output"]

    # -- checks -----------------------------------------------------------------------------------

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

    def _build_for(self, shapes: list[Shape]) -> None:
        (shape,) = shapes
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

    # -- as plain data ----------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The architecture as plain data, in Keras's form."""
        entries = [serialize(layer) for layer in self.layers]
        if self.input is not None:
            shape = list(self.input.batch_shape)
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
                model.add(Input(batch_shape=tuple(shape), name=options.get("name")))
                continue
            if kind not in LAYERS:
                raise unknown_name("from_config", "layer", kind, LAYERS)
            model.add(LAYERS[kind].from_config(options))
        return model

    def __repr__(self) -> str:
        return f"<Sequential {self.name!r}: {', '.join(layer.name for layer in self.layers)}>"
