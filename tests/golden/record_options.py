"""Records what options Keras has: `python tests/golden/record_options.py`, with Keras installed.

The answer is `options.json`. `docs/keras_compat.md` is checked against it, and it against Keras
where that is installed.
"""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path
from typing import Any

#: Every class of `keras.layers` that the page has options of, and what it cannot be made without.
LAYERS: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "tanh"},
    "Add": {},
    "Average": {},
    "AveragePooling1D": {"pool_size": 2},
    "BatchNormalization": {},
    "Bidirectional": {},
    "Concatenate": {},
    "Conv1D": {"filters": 4, "kernel_size": 3},
    "Cropping1D": {},
    "Dense": {"units": 4},
    "Dropout": {"rate": 0.5},
    "ELU": {},
    "Embedding": {"input_dim": 10, "output_dim": 4},
    "Flatten": {},
    "GRU": {"units": 4},
    "GRUCell": {"units": 4},
    "GaussianDropout": {"rate": 0.5},
    "GaussianNoise": {"stddev": 0.5},
    "GlobalAveragePooling1D": {},
    "GlobalMaxPooling1D": {},
    "LSTM": {"units": 4},
    "LSTMCell": {"units": 4},
    "Layer": {},
    "LayerNormalization": {},
    "LeakyReLU": {},
    "Masking": {},
    "MaxPooling1D": {},
    "Maximum": {},
    "Minimum": {},
    "Multiply": {},
    "Normalization": {},
    "Permute": {"dims": [2, 1]},
    "RNN": {},
    "ReLU": {},
    "RepeatVector": {"n": 3},
    "Rescaling": {"scale": 2.0},
    "Reshape": {"target_shape": [3, 4]},
    "SimpleRNN": {"units": 4},
    "SimpleRNNCell": {"units": 4},
    "Softmax": {},
    "SpatialDropout1D": {"rate": 0.5},
    "StackedRNNCells": {},
    "Subtract": {},
    "TimeDistributed": {},
    "UpSampling1D": {},
    "ZeroPadding1D": {},
}
#: Options that Keras takes though its signatures do not say so, with a value for each.
UNSIGNED: dict[str, Any] = {
    "batch_input_shape": [2, 5, 3],
    "implementation": 1,
    "input_dim": 3,
    "input_length": 5,
    "input_shape": [5, 3],
    "time_major": True,
    "weights": None,
    "zero_output_for_mask": True,
}
#: A value that is no default, by the last word of an option's name.
OTHERS = {
    "activation": "relu",
    "constraint": "max_norm",
    "initializer": "random_normal",
    "regularizer": "l2",
}
METHODS = ("compile", "evaluate", "fit", "predict", "train_on_batch")
#: Modules of things with names, and the class that they all are; of functions none.
NAMED = {
    "activations": "",
    "callbacks": "Callback",
    "constraints": "Constraint",
    "initializers": "Initializer",
    "losses": "Loss",
    "metrics": "Metric",
    "optimizers": "Optimizer",
    "optimizers.schedules": "LearningRateSchedule",
    "regularizers": "Regularizer",
}
#: Parts of a config that say where Keras finds a class.
UNTOLD = ("build_config", "module", "registered_name")
#: What has no default.
REQUIRED = "required"


def made(api: Any, name: str, /, **options: Any) -> Any:
    """A layer or cell of that name, Keras's or elman's, with what it cannot be made without."""
    inner = {
        "Bidirectional": lambda: {"layer": api.layers.LSTM(4)},
        "RNN": lambda: {"cell": api.layers.LSTMCell(4)},
        "StackedRNNCells": lambda: {"cells": [api.layers.LSTMCell(4)]},
        "TimeDistributed": lambda: {"layer": api.layers.Dense(4)},
    }
    needed = inner[name]() if name in inner else LAYERS[name]
    return getattr(api.layers, name)(**{**needed, **options})


def signature(function: Any) -> dict[str, Any]:
    """The defaults of a function's own arguments, as JSON has them."""
    return {
        name: REQUIRED if p.default is p.empty else plain(p.default)
        for name, p in inspect.signature(function).parameters.items()
        if name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }


def plain(value: Any) -> Any:
    """A value as JSON has it; a config without what only a file needs."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in UNTOLD}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value


def ask(keras: Any) -> dict[str, Any]:
    """Options with their defaults and what `get_config` says of them; methods; names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "layers": {name: _layer(keras, name) for name in LAYERS},
            "methods": {name: signature(getattr(keras.Model, name)) for name in METHODS},
            "names": {
                "Sequential": _members(keras),
                **{module: _names(keras, module, base) for module, base in NAMED.items()},
            },
        }


def _layer(keras: Any, name: str) -> dict[str, Any]:
    own = signature(getattr(keras.layers, name).__init__)
    # What a base class takes besides; of every layer that is told once, of `Layer`.
    known = own if name == "Layer" else {**signature(keras.layers.Layer.__init__), **own}
    unsigned = [
        option
        for option, value in UNSIGNED.items()
        if option not in known and _takes(keras, name, option, value)
    ]
    config = {} if name == "Layer" else _config(keras, name, {})
    # A name is numbered by how many layers there were before.
    config = {o: config[o] for o in own if o in config and o != "name"}
    return {
        "options": own,
        "unsigned": unsigned,
        "config": config,
        "other": {
            option: {"given": value, "config": _config(keras, name, {option: value})[option]}
            for option, was in config.items()
            for value in [another(option, was)]
            if value is not None and _takes(keras, name, option, value)
        },
    }


def another(option: str, value: Any) -> Any:
    """Another value than this one that an option may have; None where that is not obvious."""
    word = option.rpartition("_")[2]
    if word in OTHERS:
        return OTHERS[word]
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return value / 2 or 0.25
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list) and all(isinstance(extent, int) for extent in value):
        return [extent + 1 for extent in value]
    return None


def _config(keras: Any, name: str, options: dict[str, Any]) -> dict[str, Any]:
    return plain(made(keras, name, **options).get_config())


def _takes(keras: Any, name: str, option: str, value: Any) -> bool:
    try:
        made(keras, name, **{option: value})
    except (TypeError, ValueError):
        return False
    return True


def _names(keras: Any, module: str, base: str) -> dict[str, dict[str, Any]]:
    """Every class of a module and its options, by the name that begins with a capital."""
    space = keras
    for part in module.split("."):
        space = getattr(space, part)
    kind = getattr(space, base, None)
    if kind is None:  # functions
        names = [n for n, f in sorted(vars(space).items()) if getattr(f, "__name__", "") == n]
        return {n: {} for n in names if n not in ("deserialize", "get", "serialize")}
    return {
        name: signature(found.__init__)
        for name, found in sorted(vars(space).items())
        if inspect.isclass(found) and issubclass(found, kind) and found.__name__ == name
        if found is not kind
    }


def _members(keras: Any) -> dict[str, dict[str, Any]]:
    """What a Sequential has and a layer has not, but the methods that are told option by option."""
    own = set(dir(keras.Sequential)) - set(dir(keras.layers.Layer)) - set(METHODS)
    return {
        name: signature(found) if inspect.isfunction(found) else {}
        for name in sorted(own)
        if not name.startswith("_")
        for found in [getattr(keras.Sequential, name)]
    }


def written(answers: dict[str, Any]) -> str:
    """As JSON, one line for each class or function."""
    parts = [
        ",\n".join(f"{json.dumps(name)}: {json.dumps(what)}" for name, what in part.items())
        for part in (answers["layers"], answers["methods"], answers["names"])
    ]
    layers, methods, names = (f"{{\n{part}\n}}" for part in parts)
    return f'{{"layers": {layers},\n"methods": {methods},\n"names": {names}}}\n'


if __name__ == "__main__":
    import keras

    Path(__file__).with_name("options.json").write_text(written(ask(keras)))
