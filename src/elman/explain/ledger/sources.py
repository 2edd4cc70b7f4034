"""From whatever has layers to the layers and the shapes that enter them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from os import PathLike
from typing import Any, NamedTuple

from elman import spec
from elman.errors import ElmanError, NotReadyError, OptionError
from elman.layers import GRU, LAYERS, LSTM, Bidirectional, Dense, Embedding, Layer, SimpleRNN
from elman.layers.layer import Shape, undrawn, unused
from elman.models import Model, Sequential

#: How the names of model files end.
FILES = (".keras", ".h5")


class Uncounted(NamedTuple):
    """A part that elman has no layer for."""

    name: str
    kind: str
    parameters: int


class Source(NamedTuple):
    """What a ledger is about."""

    title: str
    layers: list[tuple[Layer, Shape]]
    model: Model | None = None
    uncounted: tuple[Uncounted, ...] = ()
    notes: tuple[str, ...] = ()


def source(thing: Any) -> Source:
    """The layers of a model, a line, a model file, a Keras model or a PyTorch module.

    Raises:
        SpecError: the line cannot be read.
        NotReadyError: the number of input features is not known.
        OptionError: something else.
    """
    if isinstance(thing, PathLike) or (isinstance(thing, str) and thing.lower().endswith(FILES)):
        from elman.saving import load_model

        return _of_model(load_model(thing))
    if isinstance(thing, str):
        with undrawn():
            return _of_model(spec.parse(thing))
    if isinstance(thing, Model):
        return _of_model(thing)
    # Whoever has such an object has imported its library; nobody else pays for it.
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(thing, torch.nn.Module):
        return _torch(thing, torch.nn)
    if keras is not None and isinstance(thing, keras.Model):
        return _keras(thing, keras)
    raise OptionError(
        "ledger expected a model, a line such as '60x1 > gru(16) > dense(1)', a .keras file, a "
        f"Keras model or a PyTorch module, got {thing!r} ({type(thing).__name__}). Pass one of "
        "them."
    )


def _of_model(model: Model) -> Source:
    found: list[tuple[Layer, Shape]] = []
    for layer, (entering, _) in zip(model.layers, model.shapes(), strict=True):
        if entering is None or not layer.known_features(entering):
            raise NotReadyError(
                f"ledger expected to know the input of {layer.label}, got {entering}. Put an Input "
                "first (in a line: 60x1, or ?x1), or call build((None, steps, features))."
            )
        found.append((layer, entering))
    if not found:
        raise NotReadyError(f"ledger expected layers, got none in {model.label}. Add some first.")
    return Source(_title(model), found, model)


def _title(model: Model) -> str:
    try:
        return spec.write(model)
    except ElmanError:  # an option without words
        return model.name


# -- Keras ----------------------------------------------------------------------------------------


def _keras(model: Any, keras: Any) -> Source:
    layers: list[tuple[Layer, Shape]] = []
    uncounted: list[Uncounted] = []
    for theirs in model.layers:
        kind = type(theirs).__name__
        if kind == "InputLayer":
            continue
        try:
            layers.append(
                (LAYERS[kind].from_config(theirs.get_config()), tuple(theirs.input.shape))
            )
        except (KeyError, ElmanError, AttributeError):  # no such layer, option, or no input yet
            uncounted.append(Uncounted(theirs.name, kind, int(theirs.count_params())))
    if not uncounted and isinstance(model, keras.Sequential):
        with undrawn():
            return _of_model(Sequential.from_config(model.get_config()))
    return Source(model.name, layers, None, tuple(uncounted))


# -- PyTorch --------------------------------------------------------------------------------------


def _torch(module: Any, nn: Any) -> Source:
    layers: list[tuple[Layer, Shape]] = []
    uncounted: list[Uncounted] = []
    taken: set[str] = set()
    for path, part in module.named_modules():
        name = path.replace(".", "_")
        made = list(_torch_layers(part, nn))
        for layer, entering in made:
            layer.name = unused(name or layer.name, taken)
            taken.add(layer.name)
            layers.append((layer, entering))
        own = sum(p.numel() for p in part.parameters(recurse=False))
        if own and not made:
            uncounted.append(Uncounted(path or "itself", type(part).__name__, own))
    theirs = sum(p.numel() for p in module.parameters())
    return Source(
        type(module).__name__, layers, None, tuple(uncounted),
        (f"In PyTorch the module has {theirs:,} parameters. Above are the same layers of elman.",
         "PyTorch does not say in which order modules are used: they stand here in the order in "
         "which they were made.",),
    )  # fmt: skip


def _torch_layers(part: Any, nn: Any) -> Iterator[tuple[Layer, Shape]]:
    """elman's layers for one PyTorch module; none if there are none."""
    if isinstance(part, nn.Linear):
        yield Dense(part.out_features, use_bias=part.bias is not None), (None, part.in_features)
    elif isinstance(part, nn.Embedding):
        yield Embedding(part.num_embeddings, part.embedding_dim), (None, None)
    elif isinstance(part, nn.RNN | nn.LSTM | nn.GRU) and not part.proj_size:
        kinds: Any = {nn.RNN: SimpleRNN, nn.LSTM: LSTM, nn.GRU: GRU}
        kind = next(ours for theirs, ours in kinds.items() if isinstance(part, theirs))
        features = part.input_size
        for _ in range(part.num_layers):
            layer = kind(part.hidden_size, use_bias=part.bias, return_sequences=True)
            if part.bidirectional:
                layer = Bidirectional(layer)
            yield layer, (None, None, features)
            features = part.hidden_size * (1 + part.bidirectional)
