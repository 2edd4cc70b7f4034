"""The layers: one room, one layer per group of neighbouring files."""

from elman.layers.activation import Activation
from elman.layers.bidirectional import Bidirectional
from elman.layers.cells import CELLS, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from elman.layers.dense import Dense
from elman.layers.dropout import Dropout
from elman.layers.embedding import Embedding
from elman.layers.gru import GRU
from elman.layers.input import Input, InputLayer
from elman.layers.layer import Layer, Param
from elman.layers.lstm import LSTM
from elman.layers.masking import Masking
from elman.layers.recurrent import Recurrent
from elman.layers.rnn import RNN
from elman.layers.simple_rnn import SimpleRNN

#: Every layer a model file or a config may name: a closed list.
LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        Bidirectional,
        Dense,
        Dropout,
        Embedding,
        GRU,
        LSTM,
        RNN,
        Masking,
        SimpleRNN,
    )
}

__all__ = [
    "CELLS",
    "GRU",
    "LAYERS",
    "LSTM",
    "RNN",
    "Activation",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "GRUCell",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Layer",
    "Masking",
    "Param",
    "Recurrent",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
