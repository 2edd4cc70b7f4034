"""The layers: one room, one layer per group of neighbouring files."""

from elman.layers.activation import Activation
from elman.layers.batch_normalization import BatchNormalization
from elman.layers.bidirectional import Bidirectional
from elman.layers.cells import CELLS, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from elman.layers.concatenate import Concatenate, concatenate
from elman.layers.conv1d import Conv1D
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
from elman.layers.layer_normalization import LayerNormalization
from elman.layers.lstm import LSTM
from elman.layers.masking import Masking
from elman.layers.noise import GaussianDropout, GaussianNoise, SpatialDropout1D
from elman.layers.normalization import Normalization
from elman.layers.padding import Cropping1D, UpSampling1D, ZeroPadding1D
from elman.layers.pooling import (
    AveragePooling1D,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    MaxPooling1D,
)
from elman.layers.recurrent import Recurrent
from elman.layers.relu import ELU, LeakyReLU, ReLU
from elman.layers.rescaling import Rescaling
from elman.layers.reshape import Flatten, Permute, RepeatVector, Reshape
from elman.layers.rnn import RNN
from elman.layers.simple_rnn import SimpleRNN
from elman.layers.softmax import Softmax
from elman.layers.time_distributed import TimeDistributed

#: Every layer a model file or a config may name: a closed list.
LAYERS: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        Add,
        Average,
        AveragePooling1D,
        BatchNormalization,
        Bidirectional,
        Concatenate,
        Conv1D,
        Cropping1D,
        Dense,
        Dropout,
        ELU,
        Embedding,
        Flatten,
        GRU,
        GaussianDropout,
        GaussianNoise,
        GlobalAveragePooling1D,
        GlobalMaxPooling1D,
        LSTM,
        LayerNormalization,
        LeakyReLU,
        RNN,
        Masking,
        MaxPooling1D,
        Maximum,
        Minimum,
        Multiply,
        Normalization,
        Permute,
        ReLU,
        RepeatVector,
        Rescaling,
        Reshape,
        SimpleRNN,
        Softmax,
        SpatialDropout1D,
        Subtract,
        TimeDistributed,
        UpSampling1D,
        ZeroPadding1D,
    )
}

#: Keras's other names.
AvgPool1D, MaxPool1D, Convolution1D = AveragePooling1D, MaxPooling1D, Conv1D
GlobalAvgPool1D, GlobalMaxPool1D = GlobalAveragePooling1D, GlobalMaxPooling1D

__all__ = [
    "CELLS",
    "ELU",
    "GRU",
    "LAYERS",
    "LSTM",
    "RNN",
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AvgPool1D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Convolution1D",
    "Cropping1D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPooling1D",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPooling1D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "Param",
    "Permute",
    "ReLU",
    "Recurrent",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "UpSampling1D",
    "ZeroPadding1D",
    "add",
    "average",
    "concatenate",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
