"""Where a model's arrays are in Keras's weights file, and how they come and go."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from elman.errors import FileError
from elman.layers.layer import Layer, Param, Shape, snake
from elman.saving import tensors
from elman.saving.tensors import Array, Tensors

if TYPE_CHECKING:
    from elman.models import Model
    from elman.optimizers import Optimizer

OPTIMIZER = "optimizer/vars"


def _numbered(layers: list[Layer]) -> Iterator[tuple[Layer, str]]:
    """Each layer and its group in the file: Keras counts the layers of a class."""
    counts: dict[str, int] = {}
    for layer in layers:
        kind = snake(type(layer).__name__)
        number = counts[kind] = counts.get(kind, -1) + 1
        yield layer, f"layers/{kind}{f'_{number}' if number else ''}"


def pack(model: Model) -> memoryview:
    """The HDF5 file of a model's weights and, if it was compiled, of its optimizer's state."""
    groups = {
        f"{group}/{leaf.stored_in}": (leaf.name, leaf.views())
        for layer, group in _numbered(model.layers)
        for leaf in layer.leaves()
    }
    if model.optimizer is not None:
        groups[OPTIMIZER] = (model.optimizer.name, _optimizer_state(model))
    return tensors.pack(groups)


class Numbered(Tensors):
    """The arrays of a file of Keras 3's: by layer, numbered in the layer's order."""

    def paths(
        self, group: str, layer: Layer, params: list[list[Param]]
    ) -> dict[str, tuple[int, ...]]:
        """Path and shape of every weight of a layer, given those of each of its leaves."""
        return {
            f"{group}/{leaf.stored_in}/{i}": p.shape
            for leaf, own in zip(layer.leaves(), params, strict=True)
            for i, p in enumerate(own)
        }

    def weights(self, wanted: dict[str, tuple[int, ...]]) -> list[Array]:
        """The arrays at some `paths`, as the layers have them."""
        return self.read(wanted)

    def optimizer(self, model: Model) -> tuple[list[str], bool]:
        """Paths of what the optimizer kept, in Keras's order, and whether the rate is in it."""
        assert model.optimizer is not None
        count = self.count(OPTIMIZER) or 0
        return [f"{OPTIMIZER}/{i}" for i in range(count)], model.optimizer.schedule is None


def give(arrays: Numbered, layers: list[Layer], shapes: Iterator[Shape | None]) -> None:
    """Build layers with the weights of a file. Sizes are checked before memory is taken.

    Args:
        arrays: the file.
        layers: without weights, in the order of the file.
        shapes: what enters each, with the batch axis; None where it is not known.

    Raises:
        FileError: a weight is not there, or does not fit.
        ShapeError: the layers do not fit each other.
    """
    wanted: dict[str, tuple[int, ...]] = {}
    entering = []
    for layer, group in _numbered(layers):
        shape = next(shapes)
        if shape is None or not layer.known_features(shape):
            continue  # saved before it had weights
        layer.check_shape(shape)
        leaves = zip(layer.leaves(), layer.leaf_shapes(shape), strict=True)
        found = arrays.paths(group, layer, [leaf.params(own) for leaf, own in leaves])
        wanted |= found
        entering.append((layer, shape, len(found)))
    values = iter(arrays.weights(wanted))
    for layer, shape, count in entering:
        layer.build_params(shape, [next(values) for _ in range(count)])


def read(arrays: Numbered, model: Model) -> list[Array]:
    """The weights of a file for a model that has some already, in its order.

    Raises:
        FileError: a weight is not there, or does not fit.
    """
    wanted: dict[str, tuple[int, ...]] = {}
    for layer, group in _numbered(model.layers):
        wanted |= arrays.paths(group, layer, [leaf.own_params for leaf in layer.leaves()])
    return arrays.weights(wanted)


# -- the optimizer --------------------------------------------------------------------------------


def _optimizer_state(model: Model) -> list[Array]:
    """Steps taken, the rate unless a schedule gives it, and what is kept for each weight."""
    optimizer, native = model.optimizer, model.trained_optimizer
    assert optimizer is not None
    found: list[Array] = [np.array(optimizer.iterations, np.int32)]
    if optimizer.schedule is None:
        found.append(np.array(optimizer.learning_rate, np.float32))
    if native is not None:
        kept = order(optimizer, model.trainable_indices)
        found += [native.moment(moment, index) for moment, index in kept]
    return found


class OptimizerState:
    """What an optimizer kept, read and checked.

    Args:
        arrays: the file.
        model: built, and compiled as when the state was saved.
        who: who asks, for the errors.

    Raises:
        FileError: the state does not fit.
    """

    def __init__(self, arrays: Numbered, model: Model, who: str) -> None:
        assert model.optimizer is not None
        self._model, self._optimizer = model, model.optimizer
        self._steps: int | None = None
        self._rate: np.float32 | None = None
        self._moments: list[tuple[int, int, Array]] = []
        paths, rated = arrays.optimizer(model)
        kept = order(self._optimizer, model.trainable_indices)
        count, first = len(paths), 2 if rated else 1
        if not count:
            return
        if count not in (first, first + len(kept)):
            warnings.warn(
                f"{who} expected {first + len(kept)} arrays of the optimizer, got {count}: "
                "training goes on with a fresh one. Was the model compiled in another way?",
                stacklevel=4,
            )
            return
        (steps,) = arrays.read({paths[0]: ()}, kind="iu", dtype=np.int64)
        if not 0 <= steps < 2**31:
            raise FileError(
                f"{who} expected how many steps were taken, got {steps}. Do not use this file."
            )
        self._steps = int(steps)
        if rated:
            (rate,) = arrays.read({paths[1]: ()})
            self._rate = np.float32(rate)
        if count > first:
            shapes = [p.shape for layer in model.layers for p in layer.own_params]
            values = arrays.read(
                {path: shapes[index] for path, (_, index) in zip(paths[first:], kept, strict=True)}
            )
            self._moments = [(m, i, value) for (m, i), value in zip(kept, values, strict=True)]

    def give(self) -> None:
        """Let the model's optimizer go on where it was."""
        if self._steps is None:
            return
        # The config has more digits of the same rate.
        if self._rate is not None and self._rate != np.float32(self._optimizer.learning_rate):
            self._optimizer.learning_rate = float(self._rate)
        self._optimizer.iterations = self._steps
        if self._moments:
            native = self._model.fresh_optimizer()
            native.iterations = self._steps
            for moment, index, value in self._moments:
                native.moment(moment, index)[...] = value


def order(optimizer: Optimizer, indices: list[int]) -> list[tuple[int, int]]:
    """Keras's order of what an optimizer keeps: (which moment, of which weight)."""
    count = len(optimizer.moments())
    # Adam makes its first two together, weight by weight; all else comes one after the other.
    together = min(2 if optimizer.word == "adam" else 1, count)
    groups = [range(together), *([m] for m in range(together, count))]
    return [(moment, index) for group in groups for index in indices for moment in group]
