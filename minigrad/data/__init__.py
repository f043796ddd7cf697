"""Data of the lectures' experiments, one generator a file; each makes its series, sentences or images from a seed."""
from .adverts import adverts
from .agreement import Agreement, agreement_texts
from .apple import apple_sentences
from .arpa import read_arpa, write_arpa
from .bleu import bleu, bleu_counts
from .byte_pairs import BytePairs
from .captions import captions, is_true, names_things
from .cooccurrence import cooccurrence
from .download import DownloadError, fetch
from .films import MOTIONS, Films, bouncing_films, drifting_films, walking_films
from .grammar import HOMOPHONES, PHRASES, Grammar, homophone_pairs
from .handwriting import Digits, MissingDigitsError, digit_images, digit_sets
from .hourly_series import HourlySeries, hourly_series, noise_floor
from .huffman import Huffman, huffman
from .masking import mask_words, masking_vocabulary, with_cls
from .melodies import melodies, melody_entropy
from .memory_tasks import adding, copying, echo, marked, parity, temporal_order
from .named_entities import entity_sentences
from .one_hot_text import one_hot_text
from .questions import Questions, questions
from .references import References, noun_pairs, reference_texts
from .relations import Relations, relations
from .reviews import Reviews, plain_reviews, review_pairs
from .sequence_tasks import copying_text, dates, held_letters, merged, number_words, reversal
from .series_windows import series_windows
from .shapes import Thing, pictures, scenes
from .sine_series import Forecasting, forecasting_sets, sine_series
from .skipgram_pairs import Corpus, Noise, corpus_of
from .streams import batches_by_length, padded, streams, windows
from .tag_schemes import Span, SpanCounts, illegal, span_counts, spans_of, tag_names, tags_of, transitions
from .tagged_sentences import Sentence, TagBatch, TagCoder
from .telecom_table import telecom_table
from .time_series_split import time_series_split
from .token_orders import TokenOrders, token_orders
from .tokenise import characters, sentences, words
from .topics import split_text, topics_text
from .translation import translation_pairs, word_by_word
from .trend_season import TrendSeason
from .two_sides import two_sided
from .vocabulary import Vocabulary
from .word_classes import ambiguous_sentences, open_sentences
from .word_groups import word_groups

__all__ = ["Agreement", "BytePairs", "Corpus", "Digits", "DownloadError", "Films", "Forecasting", "Grammar",
           "HOMOPHONES", "HourlySeries", "Huffman", "MOTIONS", "MissingDigitsError", "Noise", "PHRASES", "Questions",
           "References", "Relations", "Reviews", "Sentence", "Span", "SpanCounts", "TagBatch", "TagCoder", "Thing",
           "TokenOrders", "TrendSeason", "Vocabulary", "adding", "adverts", "agreement_texts", "ambiguous_sentences",
           "apple_sentences", "batches_by_length", "bleu", "bleu_counts", "bouncing_films", "captions", "characters",
           "cooccurrence", "copying", "copying_text", "corpus_of", "dates", "digit_images", "digit_sets",
           "drifting_films", "echo", "entity_sentences", "fetch", "forecasting_sets", "held_letters",
           "homophone_pairs", "hourly_series", "huffman", "illegal", "is_true", "marked", "mask_words",
           "masking_vocabulary", "melodies", "melody_entropy", "merged", "names_things", "noise_floor", "noun_pairs",
           "number_words", "one_hot_text", "open_sentences", "padded", "parity", "pictures", "plain_reviews",
           "questions", "read_arpa", "reference_texts", "relations", "reversal", "review_pairs", "scenes",
           "sentences", "series_windows", "sine_series", "span_counts", "spans_of", "split_text", "streams",
           "tag_names", "tags_of", "telecom_table", "temporal_order", "time_series_split", "token_orders",
           "topics_text", "transitions", "translation_pairs", "two_sided", "walking_films", "windows", "with_cls",
           "word_by_word", "word_groups", "words", "write_arpa"]
