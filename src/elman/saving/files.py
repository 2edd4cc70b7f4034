"""Saving and loading, as `keras.saving`: models in .keras files, weights in .weights.h5 files."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elman.errors import FileError, NotReadyError, OptionError
from elman.saving import archive, config, history, kinds, legacy, prepared, text, weights
from elman.saving.archive import CONFIG, METADATA, WEIGHTS, Archive
from elman.saving.replacing import replace
from elman.saving.weights import Numbered
from elman.version import __version__

if TYPE_CHECKING:
    from elman.models import Model

FilePath = str | os.PathLike[str]

#: The version of Keras that began this format; those after it read it too.
KERAS_VERSION = "3.0.0"


# -- models ---------------------------------------------------------------------------------------


def save_model(model: Model, filepath: FilePath, overwrite: bool = True) -> None:
    """Save a model: layers, weights, how it was compiled, the optimizer's state, the history.

    Also `model.prepared`: how its data were prepared.

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
        "elman": {
            "version": __version__,
            "history": history.written(model.history),
            "prepared": prepared.written(model.prepared, "save"),
        },
    }
    members: dict[str, bytes | memoryview] = {
        METADATA: json.dumps(metadata).encode(),
        CONFIG: json.dumps(written).encode(),
        WEIGHTS: weights.pack(model),
    }
    _check_text(members)
    replace(path, archive.pack(members), "save")


def load_model(
    filepath: FilePath,
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Model:
    """Open a model that elman or Keras saved. No code in the file is ever run.

    Args:
        filepath: a .keras file, or a whole-model .h5 file of Keras 2 or 3.
        custom_objects: accepted for Keras where empty; elman builds its own classes only.
        compile: whether to compile it as it was, optimizer's state included, to train on.
        safe_mode: accepted for Keras where True; elman has no other.

    Returns:
        the model; its `history` is that of the training before it was saved with elman, and
        `prepared` says how its data were prepared.

    Raises:
        FileError: it is no such file, it is damaged, it was made to do harm, or it needs
            something elman lacks; the message says which layer and option, and what to do.
        OptionError: custom objects, or the unsafe mode.
    """
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
    arrays: Numbered
    metadata: dict[str, Any] = {}
    if kinds.is_hdf5(path):
        arrays = older = legacy.Named(path.read_bytes(), f"'{path}'", "load")
        reader = config.Reader(older.model(), f"'{path}'", "load")
    else:
        with Archive(path, "load") as file:
            reader = config.Reader(file.text(CONFIG), f"'{path}'", "load")
            metadata = file.text(METADATA) if METADATA in file else {}
            arrays = Numbered(_weights_in(file), f"'{path}'", "load")
    with arrays:
        described = reader.describe()
        weights.give(arrays, described.layers, described.shapes)
        model: Model = described.make()
        if compile and reader.compile(model):
            weights.OptimizerState(arrays, model, f"load of '{path}'").give()
    own = metadata.get("elman")
    own = own if isinstance(own, dict) else {}
    model.history = history.read(own.get("history"), f"'{path}'")
    model.prepared = prepared.read(own.get("prepared"), f"'{path}'")
    return model


def _check_text(members: Mapping[str, bytes | memoryview]) -> None:
    """Raise where `load` would take a member for longer than any model's."""
    most = text.most(len(members[WEIGHTS]))
    for name in (METADATA, CONFIG):
        if len(members[name]) > most:
            raise FileError(
                f"save expected at most {most:,} bytes of text beside so many weights, got "
                f"{len(members[name]):,} in {name!r}. Is a vocabulary larger than its Embedding?"
            )


def _weights_in(file: Archive) -> bytes:
    if WEIGHTS not in file and "model.weights.npz" in file:
        raise FileError(
            f"load expected weights in HDF5, got model.weights.npz in '{file.path}'. Save the "
            "model with Keras's default, weights_format='h5'."
        )
    return file.read(WEIGHTS)


# -- weights --------------------------------------------------------------------------------------


def save_weights(model: Model, filepath: FilePath, overwrite: bool = True) -> None:
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
    replace(path, weights.pack(model), "save_weights")


def load_weights(model: Model, filepath: FilePath) -> None:
    """Take weights from a file, and the optimizer's state if both have one.

    Args:
        model: a model with the same layers as the one that was saved.
        filepath: a .weights.h5, .keras or older .h5 file of elman's or Keras's.

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
        if not content.startswith(kinds.HDF5):
            raise FileError(
                f"{who} expected a .weights.h5 or .keras file, got '{path}', {kinds.describe(path)}"
            )
    arrays = legacy.opened(content, f"'{path}'", who)
    with arrays:
        values = weights.read(arrays, model)
        compiled = model.optimizer is not None
        state = weights.OptimizerState(arrays, model, f"{who} of '{path}'") if compiled else None
    # All is checked. From here on the model changes.
    model.set_weights(values)
    if state is not None:
        state.give()


def _require_built(model: Model, who: str) -> None:
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
