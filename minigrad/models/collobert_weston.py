"""Word vectors by ranking: a real window must score higher than one with a wrong word.   Collobert and Weston 2008.

    s(x) = w2^T tanh(W1 [E x_1; ..; E x_n] + b1) + b2          loss = max(0, 1 - s(x) + s(x'))

x' is x with another word in the middle. No softmax: the cost of a step does not grow with the vocabulary. Télécom,
*Learning* (the deck names the paper and prints no equation).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..create import tensor
from ..nn import functional as F
from ..tensor import Tensor
from ._judging import judging


class CollobertWeston(nn.Module):
    """A score of n words in a row, n odd.

    embedding: E.  hidden: H.  window: n (the paper: 11); its middle word is the one in question.
    tanh stands where the paper has its HardTanh. The word vectors are `embedding.weight` (V, E).
    Raises ValueError for an even window, or one of 1: a word alone has no context.
    """

    def __init__(self, vocabulary_size: int, *, embedding: int = 32, hidden: int = 64, window: int = 5) -> None:
        if window < 3 or window % 2 == 0:
            raise ValueError(f"a window has a middle word and neighbours: an odd number from 3 on, not {window}")
        self.vocabulary_size, self.window = vocabulary_size, window
        self.embedding = nn.Embedding(vocabulary_size, embedding)
        self.hidden = nn.Linear(window * embedding, hidden)
        self.read = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, n) -> scores (B,)"""
        e = self.embedding(x).reshape(x.shape[0], -1)          # (B, n E)
        return self.read(F.tanh(self.hidden(e))).reshape(-1)

    def loss(self, x: Tensor, wrong: Tensor) -> Tensor:
        """The mean of max(0, 1 - s(x) + s(x')).  x, wrong (B, n); `replaced` makes wrong ones."""
        return F.relu(1.0 - self(x) + self(wrong)).mean()

    def ranks(self, x: np.ndarray) -> np.ndarray:
        """The place of each window's middle word among all V in its stead, 1 the best: x (N, n) -> (N,).

        Words of equal score share the mean of their places, so that a model which scores all alike gets (V + 1) / 2.
        """
        found, words = [], np.arange(self.vocabulary_size)
        with judging(self):
            for row in x:
                rows = np.repeat(row[None], len(words), 0)
                rows[:, self.window // 2] = words
                s = self(tensor(rows, device=self.read.weight.device)).cpu().numpy()
                mine = s[row[self.window // 2]]
                found.append((s > mine).sum() + ((s == mine).sum() + 1) / 2)
        return np.array(found)


def replaced(x: np.ndarray, rng: Any, vocabulary_size: int) -> np.ndarray:
    """Windows (N, n) with another word in the middle, each of the V - 1 others with the same probability."""
    wrong = x.copy()
    middle = wrong[:, x.shape[1] // 2]
    middle += rng.integers(1, vocabulary_size, len(x))
    middle %= vocabulary_size
    return wrong
