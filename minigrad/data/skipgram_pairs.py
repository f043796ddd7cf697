"""From a text to what word2vec learns from: pairs of a word and one near it, and words drawn as noise.

Chemnitz, *word2vec (2)*: vocabulary, context size, training pairs. Mikolov et al. 2013 add three things that no deck
names: the window is drawn for each word (so near words count more), frequent words are left out at random
(subsampling), and noise words are drawn by count^0.75.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np

from .vocabulary import Vocabulary


class Corpus(NamedTuple):
    """A text as ids: ids (N,) of its words in order, sentence (N,) the number of each one's sentence, words by id."""

    ids: np.ndarray
    sentence: np.ndarray
    words: list[str]

    @property
    def counts(self) -> np.ndarray:
        """How often each word occurs: (V,)."""
        return np.bincount(self.ids, minlength=len(self.words))


def corpus_of(sentences: Iterable[Sequence[str]], vocabulary: Vocabulary) -> Corpus:
    """Sentences of words as a Corpus. A word that is not in the vocabulary is left out, as if it were not there.

    Raises ValueError if nothing is left.
    """
    lines = list(sentences)
    known = {token: k for k, token in enumerate(vocabulary.tokens)}
    lengths = list(map(len, lines))
    ids = np.fromiter(map(known.get, chain.from_iterable(lines), repeat(-1)), np.int64, sum(lengths))
    kept = ids >= 0
    if not kept.any():
        raise ValueError("no word of these sentences is in the vocabulary: lower min_count, or give more text")
    return Corpus(ids[kept], np.repeat(np.arange(len(lines)), lengths)[kept], list(vocabulary.tokens))


# ---------------------------------------------------------------------------------------------- windows and pairs

def reach(rng: np.random.Generator, count: int, window: int, dynamic: bool = True) -> np.ndarray:
    """How far each of `count` words looks: (count,), drawn from 1 ... window, or window for all if not dynamic.

    Drawn, a word d places away is a pair with probability (window - d + 1) / window. Raises ValueError for window < 1.
    """
    if window < 1:
        raise ValueError(f"a window has at least one word on each side, not {window}")
    return rng.integers(1, window + 1, size=count) if dynamic else np.full(count, window)


def sides(sentence: np.ndarray, far: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many context words each word has left and right of it: within its reach, and in its own sentence.

    sentence (N,), far (N,) from `reach` -> left (N,), right (N,)
    """
    place = np.arange(len(sentence))
    first = np.ones(len(sentence), bool)
    first[1:] = sentence[1:] != sentence[:-1]
    starts = np.append(np.flatnonzero(first), len(sentence))
    which = np.cumsum(first) - 1
    return np.minimum(far, place - starts[which]), np.minimum(far, starts[which + 1] - 1 - place)


def pairs(ids: np.ndarray, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a word and one in its context, in the order of the text.

    ids (N,), left and right (N,) from `sides` -> centre (M,), context (M,), with M = sum of left + right
    """
    many = left + right
    centre = np.repeat(np.arange(len(ids)), many)
    nth = np.arange(len(centre)) - np.repeat(np.cumsum(many) - many, many)       # 0 ... left + right - 1 for each word
    nth += nth >= left[centre]                                                   # not the word itself
    return ids[centre], ids[centre - left[centre] + nth]


def contexts(ids: np.ndarray, left: np.ndarray, right: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """The context of every word as a row: ids (N, 2 window), 0 where there is none, and where there is one.

    ids, left, right (N,) -> context (N, 2 window) of ids, there (N, 2 window) of bool
    """
    offset = np.r_[-window:0, 1:window + 1]
    there = (offset >= -left[:, None]) & (offset <= right[:, None])
    place = np.where(there, np.arange(len(ids))[:, None] + offset, 0)
    return np.where(there, ids[place], 0), there


# ---------------------------------------------------------------------------------------------- subsampling, noise

def keep_probability(counts: np.ndarray, threshold: float, formula: str = "paper") -> np.ndarray:
    """With which probability an occurrence of each word is kept; f is its share of all words, t the threshold.

    formula "paper": min(1, sqrt(t / f)) (Mikolov et al. 2013, *Distributed Representations*).
    formula "program": min(1, sqrt(t / f) + t / f), which the authors' C program and gensim compute: it keeps more.
    counts (V,) -> (V,).  Raises ValueError for another formula, or a threshold that is not positive.
    """
    if formula not in ("paper", "program") or threshold <= 0:
        raise ValueError(f"subsampling needs a threshold above 0 and formula 'paper' or 'program', not {threshold} "
                         f"and {formula!r}")
    ratio = threshold * counts.sum() / np.maximum(counts, 1)
    return np.minimum(1, np.sqrt(ratio) + (ratio if formula == "program" else 0))


def subsample(rng: np.random.Generator, ids: np.ndarray, sentence: np.ndarray, keep: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray]:
    """The text without some of its frequent words: what is left moves together, so windows reach further.

    ids, sentence (N,), keep (V,) from `keep_probability` -> ids, sentence (n,)
    """
    chosen = rng.random(len(ids), dtype=np.float32) < keep.astype(np.float32)[ids]
    return ids[chosen], sentence[chosen]


class Noise:
    """The distribution of noise words: p(w) proportional to count(w)^0.75 (Mikolov et al. 2013).

    Against the plain counts the power gives rare words a larger share.  p (V,).
    Raises ValueError if all counts are 0.
    """

    def __init__(self, counts: np.ndarray, power: float = 0.75) -> None:
        weights = np.asarray(counts, np.float64) ** power * (np.asarray(counts) > 0)
        if not weights.sum() > 0:
            raise ValueError("noise needs at least one word with a count above 0")
        self.p = weights / weights.sum()
        self._below = np.cumsum(self.p)
        self._below /= self._below[-1]

    def draw(self, rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
        """Ids of that shape."""
        return np.searchsorted(self._below, rng.random(shape), side="right")
