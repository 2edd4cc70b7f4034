"""Functional: layers in a graph, with several inputs, outputs, branches and shared layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elman import checks
from elman.errors import OptionError, ShapeError, unknown_name
from elman.layers import InputLayer
from elman.layers.layer import Shape, unused
from elman.layers.symbol import Symbol
from elman.mapped import together
from elman.models.describing import described
from elman.models.entry import Entry
from elman.models.model import Model
from elman.models.wiring import Wiring, symbols
from elman.ragged import Ragged


class Functional(Model):
    """What `Model(inputs, outputs)` makes."""

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name or "functional")
        #: The names by which inputs are given, and outputs handed out, where they came in a dict.
        self.input_keys: list[str] | None
        self.output_keys: list[str] | None
        into, self.input_keys = symbols(self.label, inputs, "inputs")
        out, self.output_keys = symbols(self.label, outputs, "outputs")
        for symbol in into:
            if not isinstance(symbol.node.layer, InputLayer):
                raise OptionError(
                    f"{self.label} expected an Input as each input, got what "
                    f"{symbol.node.layer.name!r} makes. Name the Inputs it was made from."
                )
        if len(set(into)) < len(into):
            raise OptionError(
                f"{self.label} expected different inputs, got one twice. Name each once."
            )
        self.wiring = Wiring(self.label, into, out)
        if not self.wiring.layers:
            raise OptionError(f"{self.label} expected layers between inputs and outputs, got none.")
        self.layers = self.wiring.layers
        self.graph = self.wiring.graph
        self._entries = [self._entry(number) for number in range(len(into))]
        self._name_apart()

    def _entry(self, number: int) -> Entry:
        """What one input takes, by the layers that are called on it."""
        own = self.inputs[number]
        readers = [call.layer for call in self.graph.calls if number in call.takes]
        lookups = [layer for layer in readers if layer.takes_tokens]
        if lookups and len(lookups) < len(readers):
            raise OptionError(
                f"{self.label} expected tokens or numbers from Input {own.name!r}, got "
                f"{lookups[0].label} and another layer that read it. Use an Input for each."
            )
        return Entry(self.label, own, lookups, many=self.graph.inputs > 1)

    def _name_apart(self) -> None:
        """Give layers and Inputs whose name was not chosen, and is taken, the next free one."""
        named: set[str] = set()
        given = sorted(self.wiring.order, key=lambda layer: not layer.named)
        for layer in given:
            if layer.name in named and layer.named:
                raise OptionError(
                    f"{self.label} expected different layer names, got {layer.name!r} twice. "
                    "Rename one."
                )
            named.add(layer.name) if layer.named else None
        for layer in self.wiring.order:
            if not layer.named:
                layer.name = unused(layer.name, named)
                named.add(layer.name)

    # -- shapes -----------------------------------------------------------------------------------

    @property
    def inputs(self) -> list[InputLayer]:
        """The Inputs."""
        return [s.node.layer for s in self.wiring.inputs if isinstance(s.node.layer, InputLayer)]

    @property
    def outputs(self) -> list[Symbol]:
        """The symbols of the outputs."""
        return self.wiring.outputs

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs."""
        return self.input_keys or [layer.name for layer in self.inputs]

    @property
    def output_names(self) -> list[str]:
        return self.output_keys or [symbol.name for symbol in self.wiring.outputs]

    @property
    def input_shape(self) -> Any:
        """Shape of the input with the batch axis; a list for several."""
        return self.entering[0] if len(self.entering) == 1 else self.entering

    @property
    def output_shape(self) -> Any:
        """Shape of the output with the batch axis; a list for several."""
        found = [symbol.shape for symbol in self.wiring.outputs]
        return found[0] if len(found) == 1 else found

    @property
    def entering(self) -> list[Shape]:
        return [layer.batch_shape for layer in self.inputs]

    @property
    def fixed_rows(self) -> int | None:
        return next((n for n in (layer.batch_size for layer in self.inputs) if n), None)

    @property
    def tokens(self) -> list[bool]:
        return [entry.takes_tokens for entry in self._entries]

    def shapes(self) -> list[tuple[Shape | None, Shape | None]]:
        first: dict[Any, tuple[Shape, Shape]] = {}
        for node in self.wiring.calls:
            first.setdefault(node.layer, (node.takes[0].shape, node.makes[0].shape))
        return [first[layer] for layer in self.layers]

    def _build_for(self, shapes: list[Shape]) -> None:
        values = self.flow(shapes)
        for call in self.graph.calls:
            call.layer.build_params(values[call.takes[0]])
        self._require_built("a run")

    # -- checks -----------------------------------------------------------------------------------

    def check_inputs(self, x: Any) -> Any:
        given = self._given(x)
        pairs = zip(self._entries, given, strict=True)
        values = [checks.inputs(entry.with_axes(one), entry, self.label) for entry, one in pairs]
        if len(values) > 1 and any(isinstance(one, Ragged) for one in values):
            raise OptionError(
                f"{self.label} expected sequences of one length in each of its inputs, got some of "
                "unequal length. Pad them, and put Masking or Embedding(mask_zero=True) first."
            )
        if len({len(one) for one in values}) > 1:
            listed = ", ".join(
                f"{n!r}: {len(v)}" for n, v in zip(self.input_names, values, strict=True)
            )
            raise ShapeError(
                f"{self.label} expected inputs of as many rows, got {listed}. Give every input "
                "its part of each sample."
            )
        for entry, one in zip(self._entries, values, strict=True):
            entry.check_shape(one.shape)
        self.flow([(None, *one.shape[1:]) for one in values])
        return together(values)

    def _given(self, x: Any) -> Sequence[Any]:
        """An array for each input."""
        names = self.input_names
        if isinstance(x, dict):
            for name in x:
                if name not in names:
                    raise unknown_name(self.label, "input", str(name), names)
            lost = [name for name in names if name not in x]
            if lost:
                raise OptionError(
                    f"{self.label} expected an array for each input, got none for {lost[0]!r}. "
                    "Add it to the dict."
                )
            return [x[name] for name in names]
        several = isinstance(x, list | tuple) and (len(names) > 1 or self._wrapped(x))
        if not several and len(names) > 1:
            raise OptionError(
                f"{self.label} expected a list of {len(names)} arrays, or a dict by name "
                f"({', '.join(names)}), got {type(x).__name__}. Give each input its array."
            )
        if not several:
            return [x]
        if len(x) != len(names):
            raise OptionError(
                f"{self.label} expected {len(names)} arrays, one for each input "
                f"({', '.join(names)}), got {len(x)}. Give each input its array."
            )
        return list(x)

    def _wrapped(self, x: Any) -> bool:
        """Whether the array of the only input stands in a list: not a list of sequences."""
        return len(x) == 1 and np.ndim(x[0]) == len(self.entering[0])

    # -- as plain data ----------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The architecture as plain data, in Keras's form."""
        return described(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Functional:
        """Build the model that `get_config` described. Only layers elman has are ever built.

        Raises:
            FileError: it describes something that elman does not have.
        """
        from elman.saving.config import Reader

        entry = {"class_name": "Functional", "config": config}
        model: Functional = Reader(entry, "the config", "from_config").describe().make()
        model.build()
        return model

    def build(self, input_shape: Any = None) -> None:
        """Make the weights that are not made yet; they are, where layers know their features.

        Args:
            input_shape: accepted for Keras.
        """
        self._build_for(self.entering)

    def __repr__(self) -> str:
        return (
            f"<Functional {self.name!r}: {', '.join(self.input_names)} -> "
            f"{', '.join(layer.name for layer in self.layers)}>"
        )
