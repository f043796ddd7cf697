"""The lectures' models, one a file: each with its equation and its slide."""
from .agreement import AgreementReader
from .attention_reader import AttentionReader, BagOfWords
from .attention_weights import attention_weights
from .autoregression import least_squares
from .bahdanau import Bahdanau
from .bert import BERT
from .cbow import CBOW
from .char_rnn import CharRNN, MemorylessChar, spell
from .collobert_weston import CollobertWeston
from .conv1d_net import Conv1dNet, ConvOverTime
from .decoding import beam_search, sample
from .forecaster import DeepRNN, DeepRNNDense, DenseForecaster, GRUForecaster, LSTMForecaster, SimpleRNN
from .glove import GloVe
from .gpt import GPT
from .image_encoder import ImageVector, Places
from .legal_tags import legal_tags
from .lstm_regimes import regime_trace
from .multi_step import AllAtOnce, EveryStep, MultiStep, OneByOne
from .ngram import NGram
from .ngram_arpa import from_arpa, to_arpa
from .rnn_lm import RNNLM
from .row_reader import RowReader, WholePicture
from .sentiment_average import SentimentAverage
from .sentiment_conv import SentimentConv
from .sentiment_conv_bilstm import SentimentConvBiLSTM
from .sentiment_rnn import SentimentRNN
from .seq2seq import Seq2Seq
from .sequence_reader import SequenceReader
from .show_and_tell import ShowAndTell
from .show_attend_tell import ShowAttendTell
from .skipgram import SkipGram
from .tagger_birnn import BiRNNTagger
from .tagger_charword import CharWordTagger
from .tagger_mlp import WindowTagger
from .tagger_rnn import RNNTagger
from .tagging import MajorityTags, Tagger
from .text_model import TextModel
from .text_vectors import train_on_text
from .transformer import TransformerTranslator
from .translating import greedy, search, translate
from .video import FilmReader, FrameEncoder, FramesAlone, NextFrame
from .vqa import VQA, AttentiveVQA
from .window_mlp_lm import WindowMLPLM
from .word_encoder import WordEncoder
from .word_training import train_words
from .word_vectors import WordVectors

__all__ = ["AgreementReader", "AllAtOnce", "AttentionReader", "AttentiveVQA", "BERT", "BagOfWords", "Bahdanau",
           "BiRNNTagger", "CBOW", "CharRNN", "CharWordTagger", "CollobertWeston", "Conv1dNet", "ConvOverTime",
           "DeepRNN", "DeepRNNDense", "DenseForecaster", "EveryStep", "FilmReader", "FrameEncoder", "FramesAlone",
           "GPT", "GRUForecaster", "GloVe", "ImageVector", "LSTMForecaster", "MajorityTags", "MemorylessChar",
           "MultiStep", "NGram", "NextFrame", "OneByOne", "Places", "RNNLM", "RNNTagger", "RowReader",
           "SentimentAverage", "SentimentConv", "SentimentConvBiLSTM", "SentimentRNN", "Seq2Seq", "SequenceReader",
           "ShowAndTell", "ShowAttendTell", "SimpleRNN", "SkipGram", "Tagger", "TextModel", "TransformerTranslator",
           "VQA", "WholePicture", "WindowMLPLM", "WindowTagger", "WordEncoder", "WordVectors", "attention_weights",
           "beam_search", "from_arpa", "greedy", "least_squares", "legal_tags", "regime_trace", "sample", "search",
           "spell", "to_arpa", "train_on_text", "train_words", "translate"]
