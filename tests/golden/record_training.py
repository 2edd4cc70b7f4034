"""What Keras makes of the models of trainings.py, and the script that records it.

    python tests/golden/record_training.py

writes one `.npz` per topic beside this file. Weights and data are recorded too, so that the
answers stay true whatever random numbers NumPy will draw one day.
"""

from __future__ import annotations

import functools
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import trainings
from trainings import CELLS, FEATURES, OPTIMIZERS, STACKS, STEPS, TAGGER, TRAININGS, Arrays

ROWS = 7


def _numbers(name: str) -> np.random.Generator:
    """Random numbers of a case's own: another case beside it changes none of them."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def cell(keras: Any, name: str) -> Arrays:
    """Weights, data, and what one cell makes of them in every use."""
    rng = _numbers(name)
    whole = keras.Input((STEPS, FEATURES))
    inputs = {False: whole, True: keras.layers.Masking()(whole)}
    layers, outputs = [], {}
    for masked in (False, True):
        for backwards in (False, True):
            # The last state is what the layer returns without return_sequences.
            layer = CELLS[name](
                keras, return_sequences=True, return_state=True, go_backwards=backwards
            )
            sequences, last, *_ = layer(inputs[masked])
            outputs[trainings.use_in_words(masked, True, backwards)] = sequences
            outputs[trainings.use_in_words(masked, False, backwards)] = last
            layers.append(layer)
    weights = trainings.any_weights([tuple(w.shape) for w in layers[0].weights], rng)
    for layer in layers:
        layer.set_weights(weights)
    x = trainings.padded(rng, ROWS)
    values = keras.Model(whole, outputs).predict(x, verbose=0)
    return {"x": x, **numbered(weights), **values}


def stack(keras: Any, name: str) -> Arrays:
    """Weights, data, and what layers above each other make of them."""
    rng = _numbers(name)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), *STACKS[name](keras)])
    weights = trainings.any_weights([w.shape for w in model.get_weights()], rng)
    model.set_weights(weights)
    x = trainings.padded(rng, ROWS)
    return {"x": x, **numbered(weights), "output": model.predict(x, verbose=0)}


def training(keras: Any, name: str) -> Arrays:
    """Weights, data, and what a training makes of them."""
    weights, data = trainings.begin(TRAININGS[name])
    model, found = trainings.play(keras, TRAININGS[name], weights, data)
    if "sample_weight" not in data and "x_val" in data:
        found["evaluated"] = np.array(
            model.evaluate(data["x_val"], data["y_val"], batch_size=len(data["x_val"]), verbose=0)
        )
    given = {f"given {key}": values for key, values in data.items()}
    return {**numbered(weights), **given, **{f"last {key}": v for key, v in found.items()}}


def optimizer(keras: Any, name: str) -> Arrays:
    """Weights, data, and what an optimizer makes of them."""
    weights, data = trainings.begin(TAGGER)
    chosen = OPTIMIZERS[name](keras)
    if keras.backend.backend() == "jax":
        last = stepped(keras, chosen, weights, data)
    else:
        last = trainings.play(keras, TAGGER, weights, data, chosen)[0].get_weights()
    given = {f"given {key}": values for key, values in data.items()}
    found = {f"last weight {i}": np.asarray(w) for i, w in enumerate(last)}
    return {**numbered(weights), **given, **found}


def stepped(keras: Any, chosen: Any, weights: list[np.ndarray], data: Arrays) -> list[np.ndarray]:
    """What fit does, with the gradient compiled once for all optimizers instead of once each."""
    import jax

    variables = [keras.Variable(weight) for weight in weights]
    chosen.build(variables)
    apply, slope = jax.jit(chosen.stateless_apply), gradient(keras)
    state = [v.value for v in chosen.variables]
    values: list[Any] = list(weights)
    size = TAGGER.fit["batch_size"]
    for _ in range(TAGGER.fit["epochs"]):
        for first in range(0, TAGGER.rows, size):
            x, y = (data[key][first : first + size] for key in ("x", "y"))
            values, state = apply(state, slope(values, x, y), values)
    return values


@functools.cache
def gradient(keras: Any) -> Callable[..., Any]:
    """From weights, x and y: the gradient of the loss of what every optimizer trains."""
    import jax

    model = trainings.model(keras, TAGGER)

    rest = [v.value for v in model.non_trainable_variables]

    def loss(values: Any, x: Any, y: Any) -> Any:
        return keras.losses.MeanSquaredError()(y, model.stateless_call(values, rest, x)[0])

    return jax.jit(jax.grad(loss))


def numbered(weights: Iterable[np.ndarray]) -> Arrays:
    return {f"weight {i}": weight for i, weight in enumerate(weights)}


#: topic: the cases, and what asks Keras for one of them
TOPICS: dict[str, tuple[Iterable[str], Callable[[Any, str], Arrays]]] = {
    "cells": (CELLS, cell),
    "stacks": (STACKS, stack),
    "trainings": (TRAININGS, training),
    "trained": (OPTIMIZERS, optimizer),
}


def main() -> None:
    import keras_judge

    keras = keras_judge.keras()
    if keras is None:
        raise SystemExit("Keras is not installed here: nothing was recorded.")
    for topic, (names, ask) in TOPICS.items():
        answers = {
            f"{name}/{key}": values for name in names for key, values in ask(keras, name).items()
        }
        path = Path(__file__).with_name(f"{topic}.npz")
        np.savez_compressed(path, **answers)
        print(f"{path.name}: {path.stat().st_size} bytes, Keras {keras.__version__}")


if __name__ == "__main__":
    main()
