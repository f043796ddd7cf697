"""How often two words stand near each other: the counts X that GloVe is fitted to, by sorting.

Pennington et al. 2014: a pair d places apart counts 1/d, on both sides.
"""
from __future__ import annotations

import numpy as np


def cooccurrence(ids: np.ndarray, sentence: np.ndarray, words: int, window: int = 10, distance: bool = True
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The entries of X that are not 0: i (M,), j (M,), x (M,), sorted by i, then j.  X is symmetric.

    ids (N,) of 0 ... words - 1, sentence (N,): only pairs within a sentence count.  distance: a pair d places apart
    counts 1/d, else 1.  Raises ValueError for window < 1.
    """
    if window < 1:
        raise ValueError(f"a window has at least one word on each side, not {window}")
    ids = np.asarray(ids, np.int64)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for d in range(1, window + 1):             # one sort for each distance: pairs of all distances would not fit
        near = sentence[d:] == sentence[:-d]
        key, count = np.unique((ids[:-d] * words + ids[d:])[near], return_counts=True)
        found.append((key, count / d if distance else count.astype(np.float64)))
    one = np.concatenate([key for key, _ in found])
    x = np.concatenate([count for _, count in found])
    both = np.concatenate([one, one % words * words + one // words])             # and seen from the other word
    key, place = np.unique(both, return_inverse=True)
    return key // words, key % words, np.bincount(place, np.concatenate([x, x]), len(key))
