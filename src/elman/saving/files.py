"""Saving and loading, as `keras.saving`: models in .keras files, weights in .weights.h5 files."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.callbacks import History
from elman.errors import FileError, NotReadyError, OptionError
from elman.layers.layer import Layer, snake
from elman.saving import archive, config, kinds, tensors
from elman.saving.archive import CONFIG, METADATA, WEIGHTS, Archive
from elman.saving.replacing import replace
from elman.saving.tensors import Tensors
from elman.version import __version__

if TYPE_CHECKING:
    from elman.models import Sequential
    from elman.optimizers import Optimizer

Array = np.ndarray[Any, np.dtype[Any]]
FilePath = str | os.PathLike[str]

#: The version of Keras that began this format; those after it read it too.
KERAS_VERSION = "3.0.0"
OPTIMIZER = "optimizer/vars"


# -- models ---------------------------------------------------------------------------------------


def save_model(model: Sequential, filepath: FilePath, overwrite: bool = True) -> None:
    """Save a model: layers, weights, how it was compiled, the optimizer's state, the history.

    The file is Keras's format: `keras.saving.load_model` opens it and trains on. It replaces an
    older file as a whole, or on any failure not at all.

    Args:
        model: the model.
        filepath: ends in ".keras"; its folder exists.
        overwrite: whether to replace a file that is there.

    Raises:
        FileError: another ending, no such folder, no permission, no room; or the model has
            something that no file could bring back.
    """
    path = _target(filepath, ".keras", "save", overwrite)
    written = config.written(model, "save")
    if not model.built:
        warnings.warn(
            f"save expected {model.label} to have weights, got none yet: the file has its layers "
            "only. Put an Input first, or fit it before.",
            stacklevel=3,
        )
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S"),
        # Keras writes this member and never reads it: the place for what only elman knows.
        "elman": {"version": __version__, "history": _history_written(model.history)},
    }
    members = {
        METADATA: json.dumps(metadata).encode(),
        CONFIG: json.dumps(written).encode(),
        WEIGHTS: _weights_packed(model),
    }
    replace(path, archive.pack(members), "save")


def load_model(
    filepath: FilePath,
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Sequential:
    """Open a model that elman or Keras 3 saved. No code in the file is ever run.

    Args:
        filepath: a .keras file.
        custom_objects: accepted for Keras where empty; elman builds its own classes only.
        compile: whether to compile it as it was, optimizer's state included, to train on.
        safe_mode: accepted for Keras where True; elman has no other.

    Returns:
        the model; its `history` is that of the training before it was saved with elman.

    Raises:
        FileError: it is no such file, it is damaged, it was made to do harm, or it needs
            something elman lacks; the message says which layer and option, and what to do.
        OptionError: custom objects, or the unsafe mode.
    """
    from elman.models import Sequential

    if custom_objects:
        raise OptionError(
            f"load expected custom_objects=None, got {', '.join(map(str, custom_objects))}. elman "
            "builds its own classes only: build the model in code, and call load_weights."
        )
    if not safe_mode:
        raise OptionError(
            "load expected safe_mode=True, got False. elman never runs code from a file: leave it "
            "out."
        )
    path = Path(filepath)
    with Archive(path, "load") as file:
        reader = config.Reader(file.text(CONFIG), f"'{path}'", "load")
        metadata = file.text(METADATA) if METADATA in file else {}
        content = _weights_in(file)
    entry, layers = reader.layers()
    with Tensors(content, f"'{path}'", "load") as arrays:
        _give_weights(arrays, entry, layers)
        model = Sequential([*([entry] if entry else []), *layers], name=reader.name)
        if compile and reader.compile(model):
            _give_optimizer_state(model, arrays, f"load of '{path}'")
    model.history = _history_read(metadata, path)
    return model


def _weights_in(file: Archive) -> bytes:
    if WEIGHTS not in file and "model.weights.npz" in file:
        raise FileError(
            f"load expected weights in HDF5, got model.weights.npz in '{file.path}'. Save the "
            "model with Keras's default, weights_format='h5'."
        )
    return file.read(WEIGHTS)


# -- weights --------------------------------------------------------------------------------------


def save_weights(model: Sequential, filepath: FilePath, overwrite: bool = True) -> None:
    """Save the weights, and the optimizer's state if the model was compiled.

    Args:
        model: the model.
        filepath: ends in ".weights.h5"; its folder exists.
        overwrite: whether to replace a file that is there.

    Raises:
        NotReadyError: the model has no weights yet.
        FileError: another ending, no such folder, no permission, no room.
    """
    path = _target(filepath, ".weights.h5", "save_weights", overwrite)
    _require_built(model, "save_weights")
    replace(path, memoryview(_weights_packed(model)), "save_weights")


def load_weights(model: Sequential, filepath: FilePath) -> None:
    """Take weights from a file, and the optimizer's state if both have one.

    Args:
        model: a model with the same layers as the one that was saved.
        filepath: a .weights.h5 or .keras file of elman's or Keras's.

    Raises:
        NotReadyError: the model has no weights yet.
        FileError: it is no such file, or its weights do not fit; the model is unchanged.
    """
    who, path = "load_weights", Path(filepath)
    _require_built(model, who)
    if path.suffix == ".keras":
        with Archive(path, who) as file:
            content = _weights_in(file)
    else:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise kinds.unreadable(path, who, error) from error
        if content[:8] != b"\x89HDF\r\n\x1a\n":
            raise FileError(
                f"{who} expected a .weights.h5 or .keras file, got '{path}', {kinds.describe(path)}"
            )
    with Tensors(content, f"'{path}'", who) as arrays:
        wanted = _wanted(model.layers)
        model.set_weights(arrays.read(wanted))
        if model.optimizer is not None:
            _give_optimizer_state(model, arrays, f"{who} of '{path}'")


def _require_built(model: Sequential, who: str) -> None:
    if not model.built:
        raise NotReadyError(
            f"{model.label} expected weights before {who}, got none yet. Put an Input first, or "
            "call build((None, steps, features))."
        )


def _target(filepath: FilePath, ending: str, who: str, overwrite: bool) -> Path:
    path = Path(filepath)
    if not path.name.endswith(ending):
        raise FileError(
            f"{who} expected a file name that ends in {ending!r}, got '{path}'. Write "
            f"'{path.with_suffix('')}{ending}'."
        )
    if not overwrite and path.exists():
        raise FileError(
            f"{who} expected a new file, got '{path}', which is there, and overwrite=False. Choose "
            "another name."
        )
    return path


def _groups(layers: list[Layer]) -> Iterator[tuple[Layer, str]]:
    """Each layer and its group in the file: Keras counts the layers of a class."""
    counts: dict[str, int] = {}
    for layer in layers:
        kind = snake(type(layer).__name__)
        number = counts[kind] = counts.get(kind, -1) + 1
        yield layer, f"layers/{kind}{f'_{number}' if number else ''}/{layer.stored_in}"


def _wanted(layers: list[Layer]) -> dict[str, tuple[int, ...]]:
    """Path and shape of every weight in a file."""
    return {
        f"{group}/{i}": p.shape
        for layer, group in _groups(layers)
        for i, p in enumerate(layer.own_params)
    }


def _give_weights(arrays: Tensors, entry: Any, layers: list[Layer]) -> None:
    """Build layers with the weights of a file, whose sizes are checked before memory is taken."""
    shape = None if entry is None else (None, *entry.shape)
    if shape is None and layers and layers[0].takes_tokens:
        shape = (None, None)
    wanted: dict[str, tuple[int, ...]] = {}
    shapes = []
    for layer, group in _groups(layers):
        if shape is None or not layer.known_features(shape):
            break  # saved before it had weights
        layer.check_shape(shape)
        params = layer.params(shape)
        wanted |= {f"{group}/{i}": p.shape for i, p in enumerate(params)}
        shapes.append((layer, shape, len(params)))
        shape = layer.output_shape(shape)
    values = iter(arrays.read(wanted))
    for layer, entering, count in shapes:
        layer.build_params(entering, [next(values) for _ in range(count)])


def _weights_packed(model: Sequential) -> bytes:
    groups = {group: (layer.name, layer.views()) for layer, group in _groups(model.layers)}
    if model.optimizer is not None:
        groups[OPTIMIZER] = (model.optimizer.name, _optimizer_state(model))
    return tensors.pack(groups)


# -- the optimizer --------------------------------------------------------------------------------


def _optimizer_state(model: Sequential) -> list[Array]:
    """Steps taken, the rate unless a schedule gives it, and what is kept for each weight."""
    optimizer, native = model.optimizer, model.trained_optimizer
    assert optimizer is not None
    found: list[Array] = [np.array(optimizer.iterations, np.int32)]
    if optimizer.schedule is None:
        found.append(np.array(optimizer.learning_rate, np.float32))
    if native is not None:
        order = _order(optimizer, model.trainable_indices)
        found += [native.moment(moment, index) for moment, index in order]
    return found


def _give_optimizer_state(model: Sequential, arrays: Tensors, who: str) -> None:
    """Let the optimizer go on where it was, if its state is there."""
    optimizer = model.optimizer
    assert optimizer is not None
    count = arrays.count(OPTIMIZER)
    if not count:
        return
    ruled = optimizer.schedule is not None
    order = _order(optimizer, model.trainable_indices)
    first = 1 if ruled else 2
    if count not in (first, first + len(order)):
        warnings.warn(
            f"{who} expected {first + len(order)} arrays of the optimizer, got {count}: training "
            "goes on with a fresh optimizer. Was the model compiled in another way?",
            stacklevel=4,
        )
        return
    (steps,) = arrays.read({f"{OPTIMIZER}/0": ()}, kind="iu", dtype=np.int64)
    rate = [] if ruled else arrays.read({f"{OPTIMIZER}/1": ()})
    moments: list[Array] = []
    if count > first and model.built:
        shapes = [p.shape for layer in model.layers for p in layer.own_params]
        moments = arrays.read(
            {f"{OPTIMIZER}/{first + i}": shapes[index] for i, (_, index) in enumerate(order)}
        )
    if not 0 <= steps < 2**31:
        raise FileError(
            f"{who} expected the number of steps taken, got {steps}. Do not use this file."
        )
    for value in rate:
        # The config has more digits of the same number.
        if value != np.float32(optimizer.learning_rate):
            optimizer.learning_rate = float(value)
    optimizer.iterations = int(steps)
    if moments:
        native = model.fresh_optimizer()
        native.iterations = int(steps)
        for (moment, index), value in zip(order, moments, strict=True):
            native.moment(moment, index)[...] = value


def _order(optimizer: Optimizer, indices: list[int]) -> list[tuple[int, int]]:
    """Keras's order of what an optimizer keeps: (which moment, of which weight)."""
    count = len(optimizer.moments())
    # Adam makes its first two together, weight by weight; all else comes one after the other.
    together = 2 if optimizer.word == "adam" else 1
    groups = [range(min(together, count)), *((m,) for m in range(together, count))]
    return [(moment, index) for group in groups for index in indices for moment in group]


# -- the history ----------------------------------------------------------------------------------


def _history_written(history: History | None) -> dict[str, Any] | None:
    if history is None:
        return None
    values = {name: [_number_written(v) for v in seq] for name, seq in history.history.items()}
    return {"epoch": history.epoch, "values": values}


def _number_written(value: Any) -> Any:
    """JSON has no word for NaN and infinity, so they are written as text."""
    if isinstance(value, list | tuple | np.ndarray):
        return [_number_written(v) for v in value]
    number = float(value)
    return number if math.isfinite(number) else repr(number)


def _history_read(metadata: dict[str, Any], path: Path) -> History | None:
    own = metadata.get("elman")
    found = own.get("history") if isinstance(own, dict) else None
    if found is None:
        return None
    history = History()
    try:
        history.epoch = [int(epoch) for epoch in found["epoch"]]
        for name, values in found["values"].items():
            history.history[name] = [_number_read(value) for value in values]
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise FileError(
            f"load expected a history of numbers, got something else in '{path}' ({error}). Save "
            "the model again."
        ) from error
    return history


def _number_read(value: Any) -> Any:
    return [float(v) for v in value] if isinstance(value, list) else float(value)
