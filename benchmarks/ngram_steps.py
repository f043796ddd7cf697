"""Counting all n-grams of 1 M tokens, n = 1 ... 5: by sorting ids, and by hashing tuples of words.

The tokens are drawn by Zipf's law, P(rank r) ~ 1 / r, so that n-grams of all frequencies occur.
"""
from __future__ import annotations

import collections
from typing import Any

import numpy as np

from .steps import Step

TOKENS, ORDER = 1_000_000, 5


def text(vocab: int, tokens: int = TOKENS) -> tuple[np.ndarray, list[str]]:
    """The same text as ids, int32 (T,), and as a list of words."""
    p = 1 / np.arange(1, vocab + 1)
    ids = np.random.default_rng(0).choice(vocab, tokens, p=p / p.sum()).astype(np.int32)
    return ids, [f"w{w}" for w in ids.tolist()]


def ours(vocab: int, tokens: int = TOKENS) -> Step:
    """count_all: one sort counts all lengths."""
    from minigrad.data.ngram_counts import count_all
    ids, _ = text(vocab, tokens)
    return lambda: count_all(ids, ORDER, vocab=vocab)


def ours_from_words(vocab: int, tokens: int = TOKENS) -> Step:
    """The same from the words: the vocabulary is built, the text encoded, then counted."""
    from minigrad.data.ngram_counts import count_all
    from minigrad.data.vocabulary import Vocabulary
    _, words = text(vocab, tokens)

    def step() -> Any:
        vocabulary = Vocabulary.build(words)
        return count_all(vocabulary.encode(words), ORDER, vocab=len(vocabulary))
    return step


def counter(vocab: int, tokens: int = TOKENS) -> Step:
    """collections.Counter over tuples made by zip: the fastest that plain Python has."""
    _, words = text(vocab, tokens)
    return lambda: [collections.Counter(zip(*(words[j:] for j in range(n)), strict=False)) for n in range(1, ORDER + 1)]


def freqdist(vocab: int, tokens: int = TOKENS) -> Step:
    """nltk.FreqDist over nltk.ngrams."""
    import nltk
    _, words = text(vocab, tokens)
    return lambda: [nltk.FreqDist(nltk.ngrams(words, n)) for n in range(1, ORDER + 1)]


def nltk_lm(vocab: int, tokens: int = TOKENS) -> Step:
    """nltk.lm.NgramCounter, which its models are fitted with."""
    import nltk
    from nltk.lm import NgramCounter
    _, words = text(vocab, tokens)
    return lambda: NgramCounter(nltk.ngrams(words, n) for n in range(1, ORDER + 1))
