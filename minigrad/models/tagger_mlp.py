"""A tagger that sees a window: the word and its k neighbours to either side.   Riveill, *MLP for NER/POS*.

    e_t = E x_t, and 0 beyond the sentence's ends      a_t = tanh(W1 [e_(t-k); ..; e_(t+k)] + b1)      y_t = W2 a_t + b2

Télécom, *Why not using Multi-Layer-Perceptron ?*: one MLP on a whole sentence, filled up with zeros, has n T_x inputs
and learns the same word anew at each place. A window has the same weights at all places (a convolution over time, one
of the deck's cures), and T may be any. What lies k + 1 words away it cannot know.
"""
from __future__ import annotations

import numpy as np

from .. import nn
from ..errors import ShapeError, describe
from ..nn import functional as F
from ..ops import concatenate, unsqueeze, where
from ..ops_more import pad
from ..tensor import Tensor
from .lengths import counted, on_device, on_host, within
from .tagging import Letters, Tagger


class WindowTagger(Tagger):
    """Scores of K tags for each word from a window of 2k + 1 words.

    words: V.  tags: K.  k: neighbours to either side.  embedding: E.  hidden: H.
    Weights: V E + H ((2k + 1) E + 1) + K (H + 1), whatever T is.  Raises ValueError for a negative k.
    """

    def __init__(self, words: int, tags: int, *, k: int = 2, embedding: int = 32, hidden: int = 64) -> None:
        if k < 0:
            raise ValueError(f"a window reaches k words to either side, 0 or more, not {k}")
        self.k = k
        self.embedding = nn.Embedding(words, embedding)
        self.hidden = nn.Linear((2 * k + 1) * embedding, hidden)
        self.read = nn.Linear(hidden, tags)

    def forward(self, words: Tensor, lengths: np.ndarray, letters: Letters | None = None) -> Tensor:
        """words (B, T), lengths (B,) -> scores (B, T, K); letters are not looked at.

        Raises ShapeError unless there is one length for each sentence.
        """
        (B, T), given = words.shape, lengths if on_device(lengths) else on_host(lengths)
        if given.shape != (B,):
            raise ShapeError(describe(f"WindowTagger of words {(B, T)} has lengths {tuple(given.shape)}.",
                                      fix=f"({B},): one length for each sentence"))
        e = self.embedding(words)                                              # (B, T, E)
        e = where(unsqueeze(within(counted(given, e.device), T), 2), e, 0.0)   # 0 behind each sentence's own end
        wide = pad(e, (0, 0, self.k, self.k))                                  # and k zeros around: (B, T + 2k, E)
        windows = concatenate([wide[:, j:j + T] for j in range(2 * self.k + 1)], -1)
        return self.read(F.tanh(self.hidden(windows)))
