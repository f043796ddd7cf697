"""The best tags that mean something: the likeliest sequence in which each tag may follow the one before.

A tagger scores each word on its own, so the best tags of all words may make a sequence that no text has, as O I-PER.
Here the sum of the scores is maximised over the legal sequences (Viterbi 1967):

    best_1(j) = s_1(j) where j may stand first
    best_t(j) = s_t(j) + max over i that j may follow of best_(t-1)(i)

The sum over all words is never higher than that of the best tag of each, and equal to it where those are legal: then
nothing changes. What it gives is a sequence that has a meaning; more right tags it gives only as far as the model's
second choices are right. Riveill, *Machine Learning approach*; no deck mentions conditional random fields, whose
transitions are learned, and here they are only forbidden or not.
"""
from __future__ import annotations

import numpy as np

from ..errors import ShapeError, describe


def legal_tags(scores: np.ndarray, lengths: np.ndarray, first: np.ndarray, allowed: np.ndarray, *,
               ignore: int = -100) -> np.ndarray:
    """The legal sequence with the largest sum of scores, for each sentence: (B, T, K) -> tags (B, T).

    scores: of K tags, such as ln P.  lengths (B,): what lies behind changes nothing, and gets the tag `ignore`.
    first (K,), allowed (K, K): which tag may stand first, and allowed[i, j] whether j may follow i, as
    `tag_schemes.transitions` gives them. Of sequences with one sum, the one with the lower last differing tag.
    Raises ShapeError for other shapes, ValueError where no tag may stand first or follow another.
    """
    B, T, K = scores.shape if scores.ndim == 3 else (0, 0, 0)
    if scores.ndim != 3 or np.shape(lengths) != (B,) or first.shape != (K,) or allowed.shape != (K, K):
        raise ShapeError(describe(
            f"legal_tags of scores {scores.shape} has lengths {np.shape(lengths)}, first {first.shape} and allowed "
            f"{allowed.shape}.", fix="scores (B, T, K), lengths (B,), first (K,), allowed (K, K)"))
    if not first.any() or not allowed.any(1).all():
        raise ValueError("no sequence is legal: some tag must be able to stand first, and each needs a follower")
    step = np.where(allowed, 0.0, -np.inf)                       # (K, K)
    best = scores[:, 0] + np.where(first, 0.0, -np.inf)          # (B, K): of the best sequences that end in each tag
    came = np.zeros((T, B, K), int)                              # from which tag
    for t in range(1, T):
        sums = best[:, :, None] + step                           # (B, from, to)
        came[t] = sums.argmax(1)
        alive = (t < lengths)[:, None]
        best = np.where(alive, sums.max(1) + scores[:, t], best)
        came[t] = np.where(alive, came[t], np.arange(K))         # behind the end nothing moves
    tags = np.full((B, T), ignore)
    now = best.argmax(1)
    for t in range(T - 1, -1, -1):
        tags[:, t] = np.where(t < lengths, now, ignore)
        now = came[t][np.arange(B), now]
    return tags
