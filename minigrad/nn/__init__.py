"""Layers, recurrent cells and sequences, losses and initial weights, under PyTorch's names."""
from . import functional, init
from .cells import GRUCell, LSTMCell, RNNCell
from .layers import Embedding, Flatten, Linear, ReLU, Sequential, Sigmoid, Tanh
from .module import Module, ModuleList, Parameter
from .rnn import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN", "Embedding", "Flatten", "GRUCell", "LSTMCell", "Linear", "Module", "ModuleList",
           "Parameter", "RNNCell", "ReLU", "Sequential", "Sigmoid", "Tanh", "functional", "init"]
