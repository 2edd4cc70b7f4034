"""The config of a model in an older .h5 file, Keras 2's or 3's, in the words of today's.

Only what was spelled otherwise is touched; names and options are judged afterwards by
`config.Reader`, as those of any file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from elman import metrics, optimizers
from elman.errors import FileError
from elman.saving.config import Config

#: Layers that Keras has in LSTM and GRU today, and the options they had fixed.
CUDNN: dict[str, tuple[str, Config]] = {
    "CuDNNLSTM": ("LSTM", {}),
    "CuDNNGRU": ("GRU", {"reset_after": True}),
}
#: Given a layer's name and its H: whether the file's GRU has r act on the recurrent product.
ResetAfter = Callable[[Any, Any], bool]


def model(written: Config, reset_after: ResetAfter) -> Config:
    """The model in today's words.

    Args:
        written: the attribute `model_config`.
        reset_after: asked for a GRU that does not say; Keras 1 and 2 did not always.

    Raises:
        FileError: a layer puts time before the batch.
    """
    options = written.get("config")
    if isinstance(options, list):  # Keras before 2.2.3 had no name for a model
        options = {"layers": options}
    if not isinstance(options, dict) or not isinstance(options.get("layers"), list):
        return written
    entries = options["layers"]
    layers = [_layer(entry, reset_after) for entry in entries]
    return {**written, "config": {**options, "layers": [*_first(entries[:1]), *layers]}}


def _first(entries: list[Any]) -> Iterator[Config]:
    """The Input that the first layer had inside itself."""
    for entry in entries:
        if _has_options(entry) and entry.get("class_name") != "InputLayer":
            inner = entry["config"].get("layer")
            own = inner["config"] if _has_options(inner) else {}
            shape = entry["config"].get("batch_input_shape") or own.get("batch_input_shape")
            if shape is not None:
                yield {"class_name": "InputLayer", "config": {"batch_shape": shape}}


def _has_options(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("config"), dict)


def _layer(entry: Any, reset_after: ResetAfter, around: str | None = None) -> Any:
    """A layer's entry, and those of the layers right inside; no layer has any further in."""
    if not _has_options(entry):
        return entry
    kind, options = entry.get("class_name"), dict(entry["config"])
    name = options.get("name")
    shape = options.pop("batch_input_shape", None)
    if kind == "InputLayer":
        return {**entry, "config": {"batch_shape": shape, **options}}
    if options.pop("time_major", False):
        raise FileError(
            f"load expected sequences of shape (rows, steps, features), got {kind} {name!r} with "
            "time_major=True. Save the model without it, and swap the axes of the data."
        )
    fixed: Config = {}
    if isinstance(kind, str) and kind in CUDNN:
        kind, fixed = CUDNN[kind]
    if kind == "GRU" and "reset_after" not in {**options, **fixed}:
        fixed = {"reset_after": reset_after(around or name, options.get("units"))}
    if kind == "Embedding" and str(options.get("dtype")).startswith("int"):
        del options["dtype"]  # of the tokens, not of the vectors
    for option, value in options.items():
        if option in ("layer", "backward_layer") and around is None:
            options[option] = _layer(value, reset_after, around=str(name))
        elif option.endswith("_initializer") and _has_options(value):
            plain = {k: v for k, v in value["config"].items() if k != "dtype"}
            options[option] = {**value, "config": plain}
    return {**entry, "class_name": kind, "config": {**options, **fixed}}


# -- compiling ------------------------------------------------------------------------------------


def compiled(written: Config) -> Config:
    """How a model was compiled, in today's words.

    Args:
        written: the attribute `training_config`.
    """
    wanted = written.get("metrics")
    if isinstance(wanted, list):  # Keras 2.2 and later have one list per output
        wanted = [m for each in wanted for m in (each if isinstance(each, list) else [each])]
        wanted = [_metric(m) for m in wanted]
    return {
        "optimizer": _optimizer(written.get("optimizer_config")),
        "loss": _loss(written.get("loss")),
        "metrics": wanted,
        "loss_weights": written.get("loss_weights") or None,
        "weighted_metrics": written.get("weighted_metrics"),
    }


def _optimizer(entry: Any) -> Any:
    if not _has_options(entry):
        return entry
    options = {k: v for k, v in entry["config"].items() if k not in NO_LONGER}
    if "lr" in options:
        options["learning_rate"] = options.pop("lr")
    decay = options.pop("decay", 0.0)
    if decay:
        rate = {"initial_learning_rate": options.get("learning_rate"), "decay_steps": 1}
        options["learning_rate"] = {
            "class_name": "InverseTimeDecay",
            "config": {**rate, "decay_rate": decay},
        }
    kind = entry.get("class_name")
    if isinstance(kind, str):  # Keras 2.11 to 2.13 called its own optimizers so
        own = kind.removeprefix("Custom>")
        kind = own if own.lower() in optimizers.NAMES else kind
    return {**entry, "class_name": kind, "config": options}


#: Options of optimizers that said how to compute, never what.
NO_LONGER = frozenset({"jit_compile", "is_legacy_optimizer"})


def _loss(entry: Any) -> Any:
    if not _has_options(entry):
        return entry
    options = {k: v for k, v in entry["config"].items() if k != "fn"}
    if options.get("reduction") == "auto":
        options["reduction"] = "sum_over_batch_size"
    return {**entry, "config": options}


def _metric(entry: Any) -> Any:
    """Keras 2 wrapped functions, "accuracy" among them."""
    if not _has_options(entry) or entry.get("class_name") != "MeanMetricWrapper":
        return entry
    options = dict(entry["config"])
    function = options.pop("fn", None)
    if not isinstance(function, str) or function not in metrics.NAMES:
        return entry
    return {"class_name": metrics.NAMES[function].__name__, "config": options}
