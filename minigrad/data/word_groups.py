"""Sentences that keep to a group of words: a text in which one knows which words belong together.

Half of the words of a sentence are of its group, half of any; all by Zipf's law, so that a few words are everywhere and
most are rare. How many of a word's nearest neighbours are of its own group measures word vectors (`own_group`).
"""
from __future__ import annotations

import numpy as np

from .skipgram_pairs import Corpus


def word_groups(rng: np.random.Generator, count: int = 1_000_000, vocabulary: int = 8000, groups: int = 100,
                length: int = 20, stray: float = 0.5) -> tuple[Corpus, np.ndarray]:
    """A text of about `count` words in sentences of `length`, and each word's group (vocabulary,).

    The word of rank r is drawn in proportion to r^-0.9.  stray: the share of words drawn from all groups.
    Raises ValueError unless there is at least one sentence, and a word in each group.
    """
    if count < length or vocabulary < groups:
        raise ValueError(f"word_groups of {count} words in sentences of {length}, {vocabulary} different ones in "
                         f"{groups} groups: some would be empty")
    group = rng.permutation(vocabulary) % groups
    zipf = np.arange(1, vocabulary + 1) ** -0.9
    about = rng.integers(groups, size=count // length)         # each sentence's group
    ids = rng.choice(vocabulary, size=(len(about), length), p=zipf / zipf.sum())
    own = rng.random(ids.shape) >= stray
    for g in range(groups):
        mine, rows = np.flatnonzero(group == g), np.flatnonzero(about == g)
        drawn = rng.choice(mine, size=(len(rows), length), p=zipf[mine] / zipf[mine].sum())
        ids[rows] = np.where(own[rows], drawn, ids[rows])
    words = [f"w{k}" for k in range(vocabulary)]
    return Corpus(ids.reshape(-1), np.repeat(np.arange(len(about)), length), words), group
