"""The lectures' models, one a file: each with its equation and its slide."""
from .agreement import AgreementReader
from .cbow import CBOW
from .char_rnn import CharRNN, MemorylessChar, spell
from .collobert_weston import CollobertWeston
from .decoding import beam_search, sample
from .forecaster import DeepRNN, DeepRNNDense, DenseForecaster, GRUForecaster, LSTMForecaster, SimpleRNN
from .glove import GloVe
from .ngram import NGram
from .ngram_arpa import from_arpa, to_arpa
from .rnn_lm import RNNLM
from .sequence_reader import SequenceReader
from .skipgram import SkipGram
from .text_model import TextModel
from .text_vectors import train_on_text
from .window_mlp_lm import WindowMLPLM
from .word_training import train_words
from .word_vectors import WordVectors

__all__ = ["AgreementReader", "CBOW", "CharRNN", "CollobertWeston", "DeepRNN", "DeepRNNDense", "DenseForecaster",
           "GRUForecaster", "GloVe", "LSTMForecaster", "MemorylessChar", "NGram", "RNNLM", "SequenceReader",
           "SimpleRNN", "SkipGram", "TextModel", "WindowMLPLM", "WordVectors", "beam_search", "from_arpa", "sample",
           "spell", "to_arpa", "train_on_text", "train_words"]
