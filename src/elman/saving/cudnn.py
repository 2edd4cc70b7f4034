"""The weights of CuDNNLSTM and CuDNNGRU, as LSTM and GRU have them.

cuDNN keeps one matrix per gate, [H, F] for the input and [H, H] for the state, and multiplies it
from the left; Keras 2 wrote the input's into a file as they lie in memory, under the shape
[F, G*H]. There are two biases per gate, one for each product: all of the input's, then all of the
state's. The order of the gates is Keras's. Source: `_convert_rnn_weights` of Keras 2.
"""

from __future__ import annotations

import numpy as np

from elman.layers.layer import Array


def bias_shape(gates: int, units: int) -> tuple[int, ...]:
    """What the bias is in the file: what tells these layouts from others."""
    return (2 * gates * units,)


def turned(name: str, array: Array, gates: int, shape: tuple[int, ...]) -> Array:
    """A weight in the layout of LSTM and GRU.

    Args:
        name: kernel, recurrent_kernel or bias.
        array: as it was in the file.
        gates: G, how many there are.
        shape: what it is to become: a bias [G*H] has both biases in one, [2, G*H] has each.
    """
    if name == "bias":
        both = array.reshape(2, -1)
        return both if len(shape) == 2 else both.sum(axis=0)
    blocks = np.split(array, gates, axis=1)
    # The kernel's blocks only bear Keras's shape; the recurrent ones are square.
    return np.concatenate([b.reshape(b.shape[::-1]).T for b in blocks], axis=1)
