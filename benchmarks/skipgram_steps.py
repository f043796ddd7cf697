"""One pass of skip-gram with negative sampling over a generated text, ours beside gensim's: same settings and words.

dim 100, window 5 (drawn), 5 negatives, subsampling at 1e-3 by the C program's formula, linear decay of the rate. The
vocabulary is there before the clock starts; looking words up and the starting values are within it on both sides.
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .steps import Step

Rates = float | list[float]
DIM, WINDOW, NEGATIVES, SUBSAMPLING = 100, 5, 5, 1e-3


@functools.cache
def text(count: int) -> tuple[list[list[str]], np.ndarray]:
    """Sentences of words, and each word's group (8000,): word k is "wk"."""
    from minigrad.data.word_groups import word_groups
    corpus, group = word_groups(np.random.default_rng(0), count)
    names = np.array(corpus.words)[corpus.ids]
    return [names[line].tolist() for line in np.split(np.arange(len(names)), len(names) // 20)], group


def ours(count: int, rate: Rates, workers: int = 1, seed: int = 1) -> Step:
    """A pass by minigrad's fused form; returns words by id and their vectors.

    rate: one, or a pair of which the first is ours: `compare` gives both sides the same arguments.
    """
    rate = rate if isinstance(rate, float) else rate[0]
    import minigrad as mg
    from minigrad.data import Vocabulary
    from minigrad.data.skipgram_pairs import corpus_of
    from minigrad.models.skipgram import SkipGram
    from minigrad.models.word_training import train_words
    sentences, _ = text(count)
    vocabulary = Vocabulary.build((word for line in sentences for word in line), specials=())

    def step() -> Any:
        rng = mg.manual_seed(seed)
        corpus = corpus_of(sentences, vocabulary)
        model = SkipGram(vocabulary.counts, DIM, "negative", NEGATIVES)
        for _ in train_words(model, corpus, window=WINDOW, subsampling=SUBSAMPLING, formula="program", epochs=1,
                             lr=rate, rng=rng, fast=True, workers=workers):
            pass
        return corpus.words, model.vectors
    return step


def gensim(count: int, rate: Rates, workers: int = 1, seed: int = 1) -> Step:
    """The same by gensim's compiled Word2Vec.  rate: one, or a pair of which the second is its own."""
    rate = rate if isinstance(rate, float) else rate[1]
    from gensim.models import Word2Vec
    sentences, _ = text(count)
    model = Word2Vec(vector_size=DIM, window=WINDOW, negative=NEGATIVES, sg=1, min_count=1, sample=SUBSAMPLING,
                     workers=workers, alpha=rate, epochs=1, seed=seed)
    model.build_vocab(sentences)

    def step() -> Any:
        model.init_weights()
        model.train(sentences, total_examples=model.corpus_count, epochs=1, start_alpha=rate)
        return model.wv.index_to_key, model.wv.vectors
    return step


def quality(step: Step, count: int) -> float:
    """The share of the ten neighbours of the 2,000 commonest words that are of the word's own group, after one pass."""
    from minigrad.models.word_vectors import WordVectors
    result: Any = step()
    words, vectors = result
    group = text(count)[1][[int(word[1:]) for word in words]]
    return WordVectors(words, vectors).own_group(group, words=np.arange(2000))   # both sides: commonest first
