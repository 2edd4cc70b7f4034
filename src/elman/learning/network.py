"""The network for some data: its layers, its last layer, its loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from elman.data.sequences import Sequences
from elman.errors import OptionError
from elman.layers import Dense, Embedding, Input, InputLayer, Layer, Rescaling, TimeDistributed
from elman.models import Sequential
from elman.optimizers import Adam
from elman.optimizers.schedules import LearningRateSchedule
from elman.ragged import Ragged
from elman.spec import parsing

Array = np.ndarray[Any, np.dtype[Any]]


class Head(NamedTuple):
    """The end of a network: its last layer, and how it is judged."""

    width: int
    activation: str
    loss: str
    metric: str

    @classmethod
    def of(cls, data: Sequences) -> Head:
        """The one for these targets: a probability for each class, or as many numbers."""
        if data.names:
            return cls(data.classes, "softmax", "sparse_categorical_crossentropy", "accuracy")
        # A forecast is judged by how far it is off, not by the worst of it.
        loss = "mae" if data.kind == "forecast" else "mse"
        return cls(numbers_of(data).shape[1], "linear", loss, "mae")


def numbers_of(data: Sequences) -> Array:
    """Targets that are numbers, one below the other: [n, k], or [all steps, k]."""
    found = data.targets.values if isinstance(data.targets, Ragged) else data.targets
    assert found is not None
    return found.reshape(len(found), -1)


def build(data: Sequences, arch: str, lr: float | LearningRateSchedule) -> Sequential:
    """A network for some data, with fresh weights, compiled.

    Args:
        data: the training part, prepared.
        arch: the layers before the last one, or with it. `?` is the size of the vocabulary.
        lr: Adam's learning rate.

    Raises:
        SpecError: the line cannot be read.
        OptionError: its layers do not fit the data.
    """
    words = len(data.vocabulary) if data.vocabulary is not None else None
    layers: list[Any] = list(parsing.layers(arch, unknown=words))
    if isinstance(layers[0], InputLayer):
        _check_input(layers.pop(0).shape, data, arch)
    head = Head.of(data)
    if not layers or not _is_head(layers[-1], head, arch):
        layers.append(Dense(head.width, activation=head.activation))
    if words is not None and not isinstance(layers[0], Embedding):
        layers.insert(0, Embedding(words, 32, mask_zero=True))
    if words is not None and layers[0].input_dim < words:
        raise OptionError(
            f"train expected an embedding of at least {words:,} tokens, got "
            f"{layers[0].input_dim:,} in {arch!r}. Write embedding(?,32): ? is that number."
        )
    model = Sequential([Input((None,) if words is not None else (None, data.features)), *layers])
    _check_output(model, data, arch)
    model.compile(Adam(lr, clipnorm=1.0), head.loss, metrics=[head.metric])
    return model


def to_units(model: Sequential, center: Array, scale: Array) -> None:
    """Let a network that was trained on targets of mean 0 and deviation 1 answer in their own unit.

    One more layer brings them back, so that a file of it needs nothing else, in Keras either.

    Args:
        model: the trained one.
        center, scale: [k], the mean and the deviation of the targets.
    """
    optimizer = model.optimizer
    one = len(center) == 1
    model.add(
        Rescaling(
            float(scale[0]) if one else scale.tolist(),
            float(center[0]) if one else center.tolist(),
        )
    )
    model.compile(optimizer, "mse", metrics=["mae"])


def _check_input(shape: tuple[int | None, ...], data: Sequences, arch: str) -> None:
    """An input that is given must be that of the data."""
    wanted = () if data.kind == "text" else (data.features,)
    if shape[1:] not in (wanted, (None,) * len(wanted)):
        said = "?" if data.kind == "text" else f"?x{data.features}"
        raise OptionError(
            f"train expected an input of {said} for these data, got another in {arch!r}. Leave it "
            "out: the data tell."
        )


def _is_head(last: Layer, head: Head, arch: str) -> bool:
    """Whether a layer is the network's last one already."""
    if isinstance(last, TimeDistributed):
        last = last.layer
    if not isinstance(last, Dense):
        return False
    activation = last.get_config()["activation"]
    if last.units == head.width and activation == head.activation:
        return True
    if activation in ("softmax", "sigmoid"):
        raise OptionError(
            f"train expected arch to end in dense({head.width},{head.activation}), got "
            f"dense({last.units},{activation}) in {arch!r}. Leave it out: it is added by itself."
        )
    return False


def _check_output(model: Sequential, data: Sequences, arch: str) -> None:
    rank = len(model.output_shape or ())
    if rank != (3 if data.by_step else 2):
        raise OptionError(
            f"train expected arch to answer {'every step' if data.by_step else 'each sequence'}, "
            f"got {arch!r}. {'Write' if data.by_step else 'Leave out'} seq in its last recurrent "
            "layer."
        )
