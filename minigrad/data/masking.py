"""Words hidden from a model that has to name them: how BERT is trained.   Devlin et al. 2019; Télécom, *BERT*.

Of the words of a sentence 15 % are picked. Of these, 80 % are replaced by [MASK], 10 % by a random word, and 10 % are
left as they are: the model cannot know which words it will be asked about, so it has to keep them all in mind, and it
also meets sentences without [MASK], as in all later use. The loss is that of the picked words alone.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import describe
from .streams import padded
from .vocabulary import PAD, Vocabulary

MASK, CLS = "[MASK]", "[CLS]"
IGNORE = -100                                  # the target of a word that was not picked


def masking_vocabulary(words: Iterable[str]) -> Vocabulary:
    """<pad>, [MASK] and [CLS], then the words in the order of the alphabet, each once."""
    return Vocabulary((PAD, MASK, CLS, *sorted(set(words))))


def with_cls(vocabulary: Vocabulary, texts: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Sentences behind a [CLS] each -> ids (N, T), lengths (N,): the place 0 stands for the whole sentence."""
    return padded([vocabulary.encode((CLS, *text)) for text in texts])


def mask_words(rng: np.random.Generator, ids: np.ndarray, lengths: np.ndarray, vocabulary: Vocabulary, *,
               share: float = 0.15, masked: float = 0.8, other: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Hide words: ids (N, T) with [CLS] first, lengths (N,) -> ids with some replaced, targets (N, T).

    In each sentence of n words round(share n) of them are picked, at least one, never [CLS] and never padding; a target
    is the id that stood there, and IGNORE where nothing was picked.  masked, other: the parts of the picked ones that
    become [MASK], and a word drawn from the vocabulary; the rest is kept.
    Raises ValueError for shares that are none, and a sentence without a word.
    """
    if not 0 < share <= 1 or masked < 0 or other < 0 or masked + other > 1 + 1e-9:
        raise ValueError(f"mask_words takes 0 < share <= 1, and parts of 0 or more that add up to at most 1, not "
                         f"share={share}, masked={masked}, other={other}")
    lengths = np.asarray(lengths)
    if lengths.min(initial=2) < 2:
        raise ValueError(describe("mask_words has nothing to pick in a sentence without a word.",
                                  fix="ids, lengths = with_cls(vocabulary, texts): [CLS] and at least one word"))
    first = vocabulary[CLS] + 1                # ids of words: specials stand before them
    place = np.arange(ids.shape[1])
    keys = np.where((place > 0) & (place < lengths[:, None]), rng.random(ids.shape), 2.0)
    wanted = np.maximum(1, np.rint(share * (lengths - 1))).astype(int)
    picked = keys.argsort(1).argsort(1) < wanted[:, None]      # the rank of each place, padding and [CLS] last
    fate = rng.random(ids.shape)
    drawn = rng.integers(first, len(vocabulary), ids.shape)
    hidden = np.where(fate < masked, vocabulary[MASK], np.where(fate < masked + other, drawn, ids))
    return np.where(picked, hidden, ids), np.where(picked, ids, IGNORE)
