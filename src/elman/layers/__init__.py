"""The layers: one room, one layer per group of neighbouring files."""

from elman.layers.activation import Activation
from elman.layers.batch_normalization import BatchNormalization
from elman.layers.bidirectional import Bidirectional
from elman.layers.dense import Dense
from elman.layers.dropout import Dropout
from elman.layers.embedding import Embedding
from elman.layers.gru import GRU
from elman.layers.input import Input, InputLayer
from elman.layers.layer import Layer, Param
from elman.layers.layer_normalization import LayerNormalization
from elman.layers.lstm import LSTM
from elman.layers.masking import Masking
from elman.layers.normalization import Normalization
from elman.layers.recurrent import Recurrent
from elman.layers.rescaling import Rescaling
from elman.layers.simple_rnn import SimpleRNN

#: Every layer a model file or a config may name: a closed list.
LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        BatchNormalization,
        Bidirectional,
        Dense,
        Dropout,
        Embedding,
        GRU,
        LSTM,
        LayerNormalization,
        Masking,
        Normalization,
        Rescaling,
        SimpleRNN,
    )
}

__all__ = [
    "GRU",
    "LAYERS",
    "LSTM",
    "Activation",
    "BatchNormalization",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "Masking",
    "Normalization",
    "Param",
    "Recurrent",
    "Rescaling",
    "SimpleRNN",
]
