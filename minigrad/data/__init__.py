"""Data of the lectures' experiments, one generator a file; each makes its series, sentences or images from a seed."""
from .agreement import Agreement, agreement_texts
from .arpa import read_arpa, write_arpa
from .byte_pairs import BytePairs
from .cooccurrence import cooccurrence
from .download import DownloadError, fetch
from .grammar import HOMOPHONES, PHRASES, Grammar, homophone_pairs
from .huffman import Huffman, huffman
from .melodies import melodies, melody_entropy
from .memory_tasks import adding, copying, echo, marked, parity, temporal_order
from .one_hot_text import one_hot_text
from .relations import Relations, relations
from .sine_series import Forecasting, forecasting_sets, sine_series
from .skipgram_pairs import Corpus, Noise, corpus_of
from .streams import batches_by_length, padded, streams, windows
from .telecom_table import telecom_table
from .tokenise import characters, sentences, words
from .topics import split_text, topics_text
from .vocabulary import Vocabulary
from .word_groups import word_groups

__all__ = ["Agreement", "BytePairs", "Corpus", "DownloadError", "Forecasting", "Grammar", "HOMOPHONES", "Huffman",
           "Noise", "PHRASES", "Relations", "Vocabulary", "adding", "agreement_texts", "batches_by_length",
           "characters", "cooccurrence", "copying", "corpus_of", "echo", "fetch", "forecasting_sets", "homophone_pairs",
           "huffman", "marked", "melodies", "melody_entropy", "one_hot_text", "padded", "parity", "read_arpa",
           "relations", "sentences", "sine_series", "split_text", "streams", "telecom_table", "temporal_order",
           "topics_text", "windows", "word_groups", "words", "write_arpa"]
