"""Layers, recurrent cells and sequences, losses and initial weights, under PyTorch's names."""
from . import functional, init, utils
from .activations import GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .attention import MultiheadAttention
from .cells import GRUCell, LSTMCell, RNNCell
from .conv_lstm import ConvLSTM, ConvLSTMCell
from .embedding_lstm import EmbeddingLSTM
from .gate_trace import gate_trace
from .layers import Bilinear, Embedding, Flatten, Linear, Sequential
from .module import Module, ModuleDict, ModuleList, Parameter
from .normalize import BatchNorm1d, BatchNorm2d, Dropout, LayerNorm
from .positions import PositionalEncoding
from .rnn import GRU, LSTM, RNN
from .scores import AdditiveScore, ConcatScore, DotScore, GeneralScore
from .transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from .truncation import truncated
from .windows import AvgPool2d, Conv1d, Conv2d, MaxPool2d

__all__ = [
    "AdditiveScore", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Bilinear", "ConcatScore", "Conv1d", "Conv2d",
    "ConvLSTM", "ConvLSTMCell", "DotScore", "Dropout", "Embedding", "EmbeddingLSTM", "Flatten", "GELU", "GRU",
    "GRUCell", "GeneralScore", "LSTM", "LSTMCell", "LayerNorm", "LeakyReLU", "Linear", "LogSoftmax", "MaxPool2d",
    "Module", "ModuleDict", "ModuleList", "MultiheadAttention", "Parameter", "PositionalEncoding", "RNN", "RNNCell",
    "ReLU", "Sequential", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh", "Transformer", "TransformerDecoder",
    "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer", "functional", "gate_trace", "init",
    "truncated", "utils",
]
