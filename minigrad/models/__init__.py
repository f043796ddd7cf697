"""The lectures' models, one a file: each with its equation and its slide."""
from .forecaster import DeepRNN, DeepRNNDense, DenseForecaster, SimpleRNN

__all__ = ["DeepRNN", "DeepRNNDense", "DenseForecaster", "SimpleRNN"]
