"""Data of the lectures' experiments, one generator a file; each makes its series, sentences or images from a seed."""
from .agreement import Agreement, agreement_texts
from .arpa import read_arpa, write_arpa
from .byte_pairs import BytePairs
from .download import DownloadError, fetch
from .grammar import HOMOPHONES, PHRASES, Grammar, homophone_pairs
from .melodies import melodies, melody_entropy
from .memory_tasks import adding, copying, echo, marked, parity, temporal_order
from .one_hot_text import one_hot_text
from .sine_series import Forecasting, forecasting_sets, sine_series
from .streams import batches_by_length, padded, streams, windows
from .tokenise import characters, sentences, words
from .topics import split_text, topics_text
from .vocabulary import Vocabulary

__all__ = ["Agreement", "BytePairs", "DownloadError", "Forecasting", "Grammar", "HOMOPHONES", "PHRASES", "Vocabulary",
           "adding", "agreement_texts", "batches_by_length", "characters", "copying", "echo", "fetch",
           "forecasting_sets", "homophone_pairs", "marked", "melodies", "melody_entropy", "one_hot_text", "padded",
           "parity", "read_arpa", "sentences", "sine_series", "split_text", "streams", "temporal_order", "topics_text",
           "windows", "words", "write_arpa"]
