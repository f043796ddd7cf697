"""The lectures' models, one a file: each with its equation and its slide."""
from .agreement import AgreementReader
from .char_rnn import CharRNN, MemorylessChar, spell
from .forecaster import DeepRNN, DeepRNNDense, DenseForecaster, GRUForecaster, LSTMForecaster, SimpleRNN
from .sequence_reader import SequenceReader

__all__ = ["AgreementReader", "CharRNN", "DeepRNN", "DeepRNNDense", "DenseForecaster", "GRUForecaster",
           "LSTMForecaster", "MemorylessChar", "SequenceReader", "SimpleRNN", "spell"]
