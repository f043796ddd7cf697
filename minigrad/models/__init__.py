"""The lectures' models, one a file: each with its equation and its slide."""
from .agreement import AgreementReader
from .char_rnn import CharRNN, MemorylessChar, spell
from .forecaster import DeepRNN, DeepRNNDense, DenseForecaster, GRUForecaster, LSTMForecaster, SimpleRNN
from .ngram import NGram
from .ngram_arpa import from_arpa, to_arpa
from .sequence_reader import SequenceReader

__all__ = ["AgreementReader", "CharRNN", "DeepRNN", "DeepRNNDense", "DenseForecaster", "GRUForecaster",
           "LSTMForecaster", "MemorylessChar", "NGram", "SequenceReader", "SimpleRNN", "from_arpa", "spell", "to_arpa"]
