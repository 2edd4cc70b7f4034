"""A functional model as text: its calls by the names of layers, as in Keras's config.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from elman.errors import ElmanError, FileError
from elman.layers import InputLayer, Layer
from elman.layers.layer import Shape
from elman.layers.symbol import Symbol, record
from elman.saving.text import brief

if TYPE_CHECKING:
    from elman.saving.config import Reader

Config = dict[str, Any]
#: A call: the name of its layer, and which of the layer's calls it is.
Key = tuple[str, int]

#: Operations by which Keras computes masks between layers. elman's layers hand masks on themselves.
MASK_OPS = frozenset(
    {"Any", "Concatenate", "ExpandDims", "LogicalOr", "NotEqual", "OnesLike", "ZerosLike"}
)
#: Honest models have some dozens.
MOST_CALLS = 10_000


def is_mask_op(entry: Any) -> bool:
    """Whether an entry is such an operation, no layer."""
    if not isinstance(entry, dict) or entry.get("class_name") not in MASK_OPS:
        return False
    if "module" in entry:
        return str(entry["module"]).startswith("keras.src.ops.")
    options = entry.get(
        "config"
    )  # an .h5 file names no modules, but every layer is trainable or not
    return isinstance(options, dict) and "trainable" not in options


class Tensor(NamedTuple):
    """What a config names: an output of a call."""

    key: Key
    place: int


class Described(NamedTuple):
    """A model that has no weights yet."""

    layers: list[Layer]  # in the order of the file
    shapes: Iterator[Shape | None]  # what enters each
    make: Callable[[], Any]


class Wires:
    """The calls of a config.

    Args:
        reader: who builds single layers, and refuses.
        options: the model's config.

    Raises:
        FileError: a loop, a call of nothing, two layers of one name, too many calls.
    """

    def __init__(self, reader: Reader, options: Config) -> None:
        self._reader = reader
        self._options = options
        self._layers: dict[str, Layer | InputLayer | None] = {}
        self._calls: dict[str, list[Any]] = {}
        self._made: dict[Key, list[Symbol]] = {}
        self._first: dict[Layer, Shape] = {}
        for entry in reader.entries:
            self._take(entry)
        count = sum(len(calls) for calls in self._calls.values())
        if count > MOST_CALLS:
            raise self._refused(f"{count} calls of layers", f"{MOST_CALLS} are plenty.")
        self.inputs = self._ends("input_layers")
        self.outputs = self._ends("output_layers")

    def _refused(self, what: str, action: str = "Save the model again.") -> FileError:
        return self._reader.refused(what, action)

    def _take(self, entry: Any) -> None:
        if not isinstance(entry, dict):
            raise self._refused(f"{brief(entry)} where a layer stands")
        options = entry.get("config")
        name = entry.get("name", options.get("name") if isinstance(options, dict) else None)
        calls = entry.get("inbound_nodes")
        if not isinstance(name, str) or not isinstance(calls, list):
            raise self._refused("a layer without a name, or without calls")
        if name in self._layers:
            raise self._refused(f"two layers called {name!r}")
        self._calls[name] = calls
        self._layers[name] = None if is_mask_op(entry) else self._reader.layer_or_input(entry)

    # -- calls ------------------------------------------------------------------------------------

    def _ends(self, option: str) -> Any:
        """The symbols of the model's inputs or outputs, in the structure of the config."""

        def symbols(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: symbols(one) for name, one in value.items()}
            if isinstance(value, list) and (not value or not isinstance(value[0], str)):
                return [symbols(one) for one in value]
            return self._symbol(self._tensor(value))

        given = self._options.get(option)
        if not isinstance(given, list | dict) or not given:
            raise self._refused(f"{option} of {brief(given)}")
        return symbols(given)

    def _tensor(self, value: Any) -> Tensor:
        """What a list [name, call, output] names."""
        if isinstance(value, list) and len(value) >= 3:
            name, call, index = value[:3]
            if isinstance(name, str) and _is_number(call) and _is_number(index):
                return Tensor((name, call), index)
        raise self._refused(f"{brief(value)} where the output of a layer is named")

    def _symbol(self, tensor: Tensor) -> Symbol:
        self._resolve(tensor.key)
        made = self._made[tensor.key]
        if tensor.place >= len(made):
            raise self._refused(f"output {tensor.place} of layer {tensor.key[0]!r}, which has none")
        return made[tensor.place]

    def _resolve(self, last: Key) -> None:
        """Make a call, after those that it needs. No recursion: a chain may be long."""
        waiting, begun = [last], set[Key]()
        while waiting:
            key = waiting[-1]
            if key in self._made:
                waiting.pop()
                continue
            layer = self._layer_of(key)
            if isinstance(layer, InputLayer):
                self._made[key] = [layer.symbol]
                continue
            takes, states = self._arguments(key)
            needed = [t.key for t in (*takes, *states) if t.key not in self._made]
            if not needed:
                self._made[key] = self._record(layer, takes, states)
            elif key in begun:
                raise self._refused(f"a loop through layer {key[0]!r}")
            begun.add(key)
            waiting += needed

    def _layer_of(self, key: Key) -> Layer | InputLayer:
        name, number = key
        layer = self._layers.get(name)
        if layer is None:
            what = (
                "a mask as the input of a layer" if name in self._layers else f"no layer {name!r}"
            )
            raise self._refused(what)
        count = 1 if isinstance(layer, InputLayer) else len(self._calls[name])
        if number >= count:
            raise self._refused(f"call {number} of layer {name!r}, which has {count}")
        return layer

    def _record(self, layer: Layer, takes: list[Tensor], states: list[Tensor]) -> list[Symbol]:
        try:
            made = record(
                layer,
                [self._symbol(t) for t in takes],
                [self._symbol(t) for t in states],
                build=False,
            )
        except ElmanError as error:
            raise self._refused("layers that do not fit each other", str(error)) from error
        self._first.setdefault(layer, self._symbol(takes[0]).shape)
        return made if isinstance(made, list) else [made]

    # -- arguments --------------------------------------------------------------------------------

    def _arguments(self, key: Key) -> tuple[list[Tensor], list[Tensor]]:
        """What a call takes: inputs, and initial states."""
        call = self._calls[key[0]][key[1]]
        if isinstance(call, list):  # Keras 2
            return [self._tensor(one) for one in call], []
        given = call.get("args") if isinstance(call, dict) else None
        options = call.get("kwargs") if isinstance(call, dict) else None
        if not isinstance(given, list) or not given or not isinstance(options, dict):
            raise self._refused(f"a call of layer {key[0]!r} with nothing")
        states = given[1] if len(given) == 2 else options.get("initial_state")
        for option, value in options.items():
            if option == "mask" and self._is_mask(value):
                continue
            plain = option == "training" and (value is None or isinstance(value, bool))
            if len(given) > 2 or not (plain or option == "initial_state"):
                raise self._refused(
                    f"a call of layer {key[0]!r} with {option}={brief(value)}",
                    "elman hands masks on from layer to layer. Build the model without it.",
                )
        return self._tensors(given[0]), [] if states is None else self._tensors(states)

    def _tensors(self, value: Any) -> list[Tensor]:
        listed = value if isinstance(value, list) else [value]
        found = []
        for one in listed:
            options = one.get("config") if isinstance(one, dict) else None
            if not isinstance(options, dict):
                raise self._refused(f"{brief(one)} where the output of a layer is named")
            found.append(self._tensor(options.get("keras_history")))
        if not found:
            raise self._refused("a call with an empty list")
        return found

    def _is_mask(self, value: Any) -> bool:
        """Whether it is none, or one that Keras computed between layers."""
        if value is None:
            return True
        name = self._tensors(value)[0].key[0]
        return name in self._layers and self._layers[name] is None

    # -- the model --------------------------------------------------------------------------------

    def described(self) -> Described:
        """The model, whose layers have no weights yet."""
        from elman.models import Functional

        layers = [layer for layer in self._layers.values() if isinstance(layer, Layer)]
        try:
            model = Functional(self.inputs, self.outputs, name=self._reader.name)
        except ElmanError as error:
            raise self._refused("a graph that is none", str(error)) from error
        used = set(model.layers)
        model.layers = [layer for layer in layers if layer in used]
        return Described(layers, iter([self._first.get(layer) for layer in layers]), lambda: model)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
