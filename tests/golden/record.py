"""What the tests ask Keras, and the script that records its answers for where Keras is absent.

    python tests/golden/record.py

writes one `.npz` per topic beside this file. Each entry is named `case/array`; the inputs are
recorded too, so that the answers stay true whatever random numbers NumPy will draw one day.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Answers = dict[str, np.ndarray]

STEPS = 5
SHAPES = ((3, 4), (5,))
#: name: class, options, kind of data
LOSSES: dict[str, tuple[str, dict[str, Any], str]] = {
    "squared": ("MeanSquaredError", {}, "numbers"),
    "squared of columns": ("MeanSquaredError", {}, "column"),
    "absolute": ("MeanAbsoluteError", {}, "numbers"),
    "huber": ("Huber", {}, "numbers"),
    "huber of delta 0.3": ("Huber", {"delta": 0.3}, "numbers"),
    "binary": ("BinaryCrossentropy", {}, "binary"),
    "binary smoothed": ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary"),
    "binary of logits": ("BinaryCrossentropy", {"from_logits": True}, "binary logits"),
    "categorical": ("CategoricalCrossentropy", {}, "one-hot"),
    "categorical smoothed": ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "one-hot"),
    "categorical of logits": ("CategoricalCrossentropy", {"from_logits": True}, "one-hot logits"),
    "sparse": ("SparseCategoricalCrossentropy", {}, "classes"),
    "sparse of logits": ("SparseCategoricalCrossentropy", {"from_logits": True}, "class logits"),
    "sparse ignoring": ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "classes"),
    "sparse sequences": ("SparseCategoricalCrossentropy", {}, "class sequences"),
}
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "momentum": ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True}),
    "decaying sgd": ("SGD", {"learning_rate": 0.1, "weight_decay": 0.05, "clipnorm": 0.5}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01}),
    "rmsprop with momentum": ("RMSprop", {"learning_rate": 0.01, "rho": 0.7, "momentum": 0.6}),
    "centered rmsprop": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
    "adam": ("Adam", {"learning_rate": 0.01}),
    "amsgrad": ("Adam", {"learning_rate": 0.01, "beta_2": 0.5, "amsgrad": True}),
    "clipped adam": ("Adam", {"learning_rate": 0.01, "clipvalue": 0.3}),
    "globally clipped adam": ("Adam", {"learning_rate": 0.01, "global_clipnorm": 0.7}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1, "beta_1": 0.8}),
}
SCHEDULES: dict[str, tuple[str, dict[str, Any]]] = {
    "exponential": ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.5}),
    "stairs": ("ExponentialDecay", {"decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    "inverse time": ("InverseTimeDecay", {"decay_steps": 5, "decay_rate": 0.5}),
    "inverse stairs": (
        "InverseTimeDecay",
        {"decay_steps": 5, "decay_rate": 0.5, "staircase": True},
    ),
    "pieces": ("PiecewiseConstantDecay", {"boundaries": [3, 11.5], "values": [0.3, 0.2, 0.1]}),
    "polynomial": ("PolynomialDecay", {"decay_steps": 20, "power": 2.0}),
    "cycling polynomial": ("PolynomialDecay", {"decay_steps": 9, "cycle": True}),
    "cosine": ("CosineDecay", {"decay_steps": 20, "alpha": 0.1}),
    "warm cosine": ("CosineDecay", {"decay_steps": 20, "warmup_target": 0.9, "warmup_steps": 6}),
    "restarts": ("CosineDecayRestarts", {"first_decay_steps": 5, "m_mul": 0.7, "alpha": 0.05}),
    "even restarts": ("CosineDecayRestarts", {"first_decay_steps": 7, "t_mul": 1.0}),
}
#: name: class, options, kind of data
METRICS: dict[str, tuple[str, dict[str, Any], str]] = {
    "accuracy": ("Accuracy", {}, "labels"),
    "binary": ("BinaryAccuracy", {}, "binary"),
    "binary above 0.7": ("BinaryAccuracy", {"threshold": 0.7}, "binary"),
    "categorical": ("CategoricalAccuracy", {}, "one-hot"),
    "sparse": ("SparseCategoricalAccuracy", {}, "classes"),
    "top 2": ("TopKCategoricalAccuracy", {"k": 2}, "one-hot"),
    "sparse top 3": ("SparseTopKCategoricalAccuracy", {"k": 3}, "classes"),
    "squared": ("MeanSquaredError", {}, "numbers"),
    "root": ("RootMeanSquaredError", {}, "numbers"),
    "absolute": ("MeanAbsoluteError", {}, "numbers"),
    "binary crossentropy": ("BinaryCrossentropy", {"label_smoothing": 0.1}, "binary column"),
    "crossentropy": ("CategoricalCrossentropy", {}, "one-hot"),
    "sparse crossentropy": ("SparseCategoricalCrossentropy", {}, "classes"),
    "precision": ("Precision", {}, "binary"),
    "precision at three": ("Precision", {"thresholds": [0.9, 0.2, 0.5]}, "binary"),
    "precision of a class": ("Precision", {"class_id": 1, "thresholds": 0.3}, "one-hot"),
    "recall": ("Recall", {}, "binary"),
    "recall at three": ("Recall", {"thresholds": [0.25, 0.75, 0.4]}, "binary"),
    "roc": ("AUC", {}, "binary"),
    "coarse roc": ("AUC", {"num_thresholds": 6}, "binary"),
    "own thresholds": ("AUC", {"thresholds": [0.1, 0.15, 0.8], "curve": "PR"}, "binary"),
    "pr": ("AUC", {"curve": "PR"}, "binary"),
    "pr from below": ("AUC", {"curve": "PR", "summation_method": "minoring"}, "binary"),
    "roc from above": ("AUC", {"num_thresholds": 6, "summation_method": "majoring"}, "binary"),
    "roc of logits": ("AUC", {"from_logits": True}, "binary logits"),
    "roc per label": (
        "AUC",
        {"multi_label": True, "num_labels": 4, "label_weights": [1.0, 2.0, 0.5, 1.0]},
        "one-hot",
    ),
    "pr per label": ("AUC", {"multi_label": True, "num_labels": 4, "curve": "PR"}, "one-hot"),
}
#: The metrics that Keras is asked without weights too.
PLAIN = ("binary", "sparse", "squared", "root", "precision", "roc", "pr")
INITIALIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "uniform": ("RandomUniform", {"minval": -0.2, "maxval": 0.6}),
    "normal": ("RandomNormal", {"mean": 0.3, "stddev": 0.2}),
    "truncated": ("TruncatedNormal", {"mean": 0.1, "stddev": 0.2}),
    "scaled": ("VarianceScaling", {"scale": 3.0, "mode": "fan_out", "distribution": "uniform"}),
    "scaled untruncated": ("VarianceScaling", {"distribution": "untruncated_normal"}),
    "by axes": (
        "VarianceScaling",
        {"input_axes": [1], "output_axes": [0], "distribution": "uniform"},
    ),
    "glorot uniform": ("GlorotUniform", {}),
    "glorot normal": ("GlorotNormal", {}),
    "he uniform": ("HeUniform", {}),
    "he normal": ("HeNormal", {}),
    "lecun uniform": ("LecunUniform", {}),
    "lecun normal": ("LecunNormal", {}),
    "orthogonal": ("Orthogonal", {"gain": 1.5}),
}
KERNEL = (300, 200)
STOPPING: dict[str, dict[str, Any]] = {
    "at once": {"monitor": "loss"},
    "patient": {"monitor": "loss", "patience": 2, "restore_best_weights": True},
    "upwards": {"monitor": "gain", "mode": "max", "patience": 3, "min_delta": 0.1},
    "by more than a little": {"monitor": "loss", "patience": 2, "min_delta": 0.2},
    "from a baseline": {
        "monitor": "loss",
        "baseline": 0.3,
        "patience": 3,
        "restore_best_weights": True,
    },
    "later": {"monitor": "loss", "patience": 1, "start_from_epoch": 4},
}
PLATEAUS: dict[str, dict[str, Any]] = {
    "patience": {"monitor": "loss", "factor": 0.5, "patience": 2},
    "cooldown": {"monitor": "loss", "factor": 0.5, "patience": 1, "cooldown": 2},
    "bottom": {"monitor": "gain", "mode": "max", "factor": 0.1, "patience": 1, "min_lr": 0.003},
}
RUNS = 6
EPOCHS = 12


def data(kind: str, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of a kind, with the awkward values the kind can have."""
    if kind == "numbers":
        return rng.normal(size=(rows, 3)).astype("f4"), rng.normal(size=(rows, 3)).astype("f4")
    if kind == "column":
        return rng.normal(size=rows).astype("f4"), rng.normal(size=(rows, 1)).astype("f4")
    if kind == "labels":
        return rng.integers(0, 2, (rows, 1)), rng.integers(0, 2, (rows, 1)).astype("f4")
    if kind.startswith("binary"):
        y = rng.integers(0, 2, rows)
        logits = rng.normal(size=(rows, 1)) + 0.8 * y[:, None]
        if kind == "binary column":
            y = y[:, None]
        if kind == "binary logits":
            logits[:4, 0] = [60, -60, 60, -60]
            return y, logits.astype("f4")
        p = 1 / (1 + np.exp(-logits))
        p[:6, 0] = [0, 1, 0, 1, 0.5, 0.2]
        return y, p.astype("f4")
    classes = rng.integers(0, 4, (rows, 5) if kind == "class sequences" else rows)
    logits = rng.normal(size=(*classes.shape, 4)) * 2
    y = np.eye(4, dtype="f4")[classes] if kind.startswith("one-hot") else classes
    if kind.endswith("logits"):
        logits[0] = [80, -80, 0, 1]
        return y, logits.astype("f4")
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True) * 0.9  # Keras divides by the sum
    if kind != "class sequences":
        p[0] = [0, 1, 0, 0]
    return y, p.astype("f4")


def compiled(keras: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one program, where Keras would else compile each operation by itself."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def losses(keras: Any) -> Answers:
    found: Answers = {}
    rng = np.random.default_rng(1)
    for name, (cls, options, kind) in LOSSES.items():
        y, p = data(kind, 8, rng)
        w = rng.random(8 if y.ndim == 1 or kind != "class sequences" else y.shape).astype("f4")
        make = getattr(keras.losses, cls)
        each, mean, total = (
            make(**options, reduction=r) for r in (None, "sum_over_batch_size", "sum")
        )
        ask = compiled(
            keras,
            lambda y, p, w, f=(each, mean, total): (*(g(y, p) for g in f), f[1](y, p, w)),
        )
        found |= {f"{name}/y": y, f"{name}/p": p, f"{name}/w": w}
        for what, answer in zip(("each", "mean", "sum", "weighted"), ask(y, p, w), strict=True):
            found[f"{name}/{what}"] = np.asarray(answer)
    return found


def optimizers(keras: Any) -> Answers:
    found: Answers = {}
    rng = np.random.default_rng(2)
    for name, (cls, options) in OPTIMIZERS.items():
        # Small, so that rounding of the sum does not hide an error in what is added.
        start = [(rng.normal(size=shape) * 0.01).astype("f4") for shape in SHAPES]
        # Of very different sizes, so that some steps are clipped and some are not.
        gradients = [
            np.stack([rng.normal(size=shape) * 0.3**step for step in range(STEPS)]).astype("f4")
            for shape in SHAPES
        ]
        variables = [keras.Variable(value) for value in start]
        optimizer = getattr(keras.optimizers, cls)(**options)
        values: list[list[np.ndarray]] = [[] for _ in SHAPES]
        for step in range(STEPS):
            optimizer.apply([keras.ops.convert_to_tensor(g[step]) for g in gradients], variables)
            for kept, variable in zip(values, variables, strict=True):
                kept.append(np.asarray(variable.value))
        for i in range(len(SHAPES)):
            found[f"{name}/start {i}"] = start[i]
            found[f"{name}/gradients {i}"] = gradients[i]
            found[f"{name}/values {i}"] = np.stack(values[i])
    return found


def schedules(keras: Any) -> Answers:
    found: Answers = {}
    for name, (cls, options) in SCHEDULES.items():
        first = {} if cls == "PiecewiseConstantDecay" else {"initial_learning_rate": 0.3}
        schedule = getattr(keras.optimizers.schedules, cls)(**first, **options)
        rate = compiled(keras, schedule)
        found[f"{name}/rates"] = np.array([rate(np.int32(s)) for s in range(40)], "f4")
    return found


def metrics(keras: Any) -> Answers:
    found: Answers = {}
    rng = np.random.default_rng(3)
    for name, (cls, options, kind) in METRICS.items():
        y, p = (
            np.stack(arrays) for arrays in zip(*(data(kind, 12, rng) for _ in "12"), strict=True)
        )
        w = rng.random((2, 12)).astype("f4")
        found |= {f"{name}/y": y, f"{name}/p": p, f"{name}/w": w}
        metric = getattr(keras.metrics, cls)(**options)
        found[f"{name}/weighted"] = result(keras, metric, y, p, w)
        if name in PLAIN:
            found[f"{name}/plain"] = result(keras, metric, y, p)
    return found


def result(keras: Any, metric: Any, *batches: np.ndarray) -> np.ndarray:
    """What a metric says after these batches."""

    def run(*arrays: Any) -> Any:
        state = [variable.value for variable in metric.variables]
        for batch in zip(*arrays, strict=True):
            state = metric.stateless_update_state(state, *batch)
        return metric.stateless_result(state)

    return np.asarray(compiled(keras, run)(*batches))


def initializers(keras: Any) -> Answers:
    """Mean, standard deviation, least and largest value of a large kernel."""
    found: Answers = {}
    for name, (cls, options) in INITIALIZERS.items():
        values = getattr(keras.initializers, cls)(**options, seed=5)(KERNEL)
        found[f"{name}/moments"] = moments(np.asarray(values))
    return found


def moments(values: np.ndarray) -> np.ndarray:
    return np.array([values.mean(), values.std(), values.min(), values.max()], np.float64)


class Model:
    """As much of a model as a callback sees; its only weight counts the epochs."""

    def __init__(self, optimizer: Any = None) -> None:
        self.optimizer = optimizer
        self.stop_training = False
        self.weight = np.zeros(1, "f4")

    def get_weights(self) -> list[np.ndarray]:
        return [self.weight.copy()]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        self.weight = weights[0]


def stop(callback: Any, values: np.ndarray) -> np.ndarray:
    """Run epochs until the callback stops: [last epoch, wait, the weight that is left]."""
    model = Model()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        model.weight = np.full(1, epoch + 1, "f4")
        callback.on_epoch_end(epoch, {"loss": float(value), "gain": float(value)})
        if model.stop_training:
            break
    callback.on_train_end()
    return np.array([epoch, callback.wait, model.weight[0]])


def plateau(callback: Any, values: np.ndarray, optimizer: Any) -> np.ndarray:
    """The learning rate after each epoch."""
    callback.set_model(Model(optimizer))
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"loss": float(value), "gain": float(value)})
        rates.append(float(optimizer.learning_rate))
    return np.array(rates)


def log(callback: Any) -> None:
    """Two runs of a logger, the second with validation."""
    callback.on_train_begin()
    callback.on_epoch_end(0, {"loss": 0.5, "accuracy": 0.25})
    callback.on_epoch_end(1, {"loss": 0.125, "accuracy": np.array([0.5, 1.0])})
    callback.on_train_end()
    callback.on_train_begin()
    callback.on_epoch_end(0, {"loss": 0.5, "val_loss": 2.0})
    callback.on_train_end()


def callbacks(keras: Any) -> Answers:
    found: Answers = {}
    rng = np.random.default_rng(4)
    for name, options in STOPPING.items():
        values = rng.random((RUNS, EPOCHS)).round(2)
        ends = [stop(keras.callbacks.EarlyStopping(**options), run) for run in values]
        found |= {f"stopping {name}/values": values, f"stopping {name}/ends": np.stack(ends)}
    for name, options in PLATEAUS.items():
        values = rng.random((RUNS, EPOCHS)).round(2)
        rates = [
            plateau(keras.callbacks.ReduceLROnPlateau(**options), run, keras.optimizers.SGD(0.1))
            for run in values
        ]
        found |= {f"plateau {name}/values": values, f"plateau {name}/rates": np.stack(rates)}
    for append in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.csv"
            log(keras.callbacks.CSVLogger(path, separator=";", append=append))
            found[f"log/append {append}"] = np.frombuffer(path.read_bytes(), np.uint8)
    return found


TOPICS = {
    "losses": losses,
    "optimizers": optimizers,
    "schedules": schedules,
    "metrics": metrics,
    "initializers": initializers,
    "callbacks": callbacks,
}


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import keras_judge

    keras = keras_judge.keras()
    if keras is None:
        raise SystemExit("Keras is not installed here: nothing was recorded.")
    for topic, ask in TOPICS.items():
        path = Path(__file__).with_name(f"{topic}.npz")
        np.savez_compressed(path, **ask(keras))
        print(f"{path.name}: {path.stat().st_size} bytes, Keras {keras.__version__}")


if __name__ == "__main__":
    main()
