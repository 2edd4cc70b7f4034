"""The layers: one room, one layer per group of neighbouring files."""

from elman.layers.activation import Activation
from elman.layers.bidirectional import Bidirectional
from elman.layers.dense import Dense
from elman.layers.dropout import Dropout
from elman.layers.embedding import Embedding
from elman.layers.gru import GRU
from elman.layers.input import Input, InputLayer
from elman.layers.layer import Layer, Param
from elman.layers.lstm import LSTM
from elman.layers.masking import Masking
from elman.layers.noise import GaussianDropout, GaussianNoise, SpatialDropout1D
from elman.layers.recurrent import Recurrent
from elman.layers.relu import ELU, LeakyReLU, ReLU
from elman.layers.simple_rnn import SimpleRNN
from elman.layers.softmax import Softmax

#: Every layer a model file or a config may name: a closed list.
LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        Bidirectional,
        Dense,
        Dropout,
        ELU,
        Embedding,
        GRU,
        GaussianDropout,
        GaussianNoise,
        LSTM,
        LeakyReLU,
        Masking,
        ReLU,
        SimpleRNN,
        Softmax,
        SpatialDropout1D,
    )
}

__all__ = [
    "ELU",
    "GRU",
    "LAYERS",
    "LSTM",
    "Activation",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "GaussianDropout",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "Masking",
    "Param",
    "ReLU",
    "Recurrent",
    "SimpleRNN",
    "Softmax",
    "SpatialDropout1D",
]
