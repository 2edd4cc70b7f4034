"""The layers: one room, one layer per group of neighbouring files."""

from elman.layers.activation import Activation
from elman.layers.bidirectional import Bidirectional
from elman.layers.concatenate import Concatenate, concatenate
from elman.layers.dense import Dense
from elman.layers.dropout import Dropout
from elman.layers.elementwise import (
    Add,
    Average,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    maximum,
    minimum,
    multiply,
    subtract,
)
from elman.layers.embedding import Embedding
from elman.layers.gru import GRU
from elman.layers.input import Input, InputLayer
from elman.layers.layer import Layer, Param
from elman.layers.lstm import LSTM
from elman.layers.masking import Masking
from elman.layers.recurrent import Recurrent
from elman.layers.simple_rnn import SimpleRNN

#: Every layer a model file or a config may name: a closed list.
LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        Add,
        Average,
        Bidirectional,
        Concatenate,
        Dense,
        Dropout,
        Embedding,
        GRU,
        LSTM,
        Masking,
        Maximum,
        Minimum,
        Multiply,
        SimpleRNN,
        Subtract,
    )
}

__all__ = [
    "GRU",
    "LAYERS",
    "LSTM",
    "Activation",
    "Add",
    "Average",
    "Bidirectional",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Input",
    "InputLayer",
    "Layer",
    "Masking",
    "Maximum",
    "Minimum",
    "Multiply",
    "Param",
    "Recurrent",
    "SimpleRNN",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
