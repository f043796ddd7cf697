"""A sentence read by self-attention, and a question about it: at one of its words, or about all of it.

Télécom, *Self-Attention*: "The animal didn't cross the street because it was too tired": what is "it"? The answer is
read from the state of "it", into which attention has to carry the noun. `BagOfWords` is the same reading without
attention and without an order.
"""
from __future__ import annotations

from typing import Any

from .. import nn
from ..create import arange, tensor
from ..ops import unsqueeze
from ..tensor import Tensor
from .lengths import counted, on_device, within
from .over_time import at_place
from .word_encoder import WordEncoder


class AttentionReader(nn.Module):
    """Scores of K answers: W h_at + b of the word that is asked about, or W (mean of h over the words) + b.

    encoder: its options as keywords (`WordEncoder`).
    """

    def __init__(self, vocabulary_size: int, answers: int, **encoder: Any) -> None:
        self.encoder = WordEncoder(vocabulary_size, **encoder)
        self.read = nn.Linear(self.encoder.d_model, answers)

    def forward(self, ids: Tensor, lengths: Any, at: Any = None) -> Tensor:
        """ids (B, T), true lengths (B,), the place asked about (B,) or None for the mean -> (B, K)"""
        h = self.encoder(ids, lengths)         # (B, T, d)
        if at is None:
            return self.read(mean_of_words(h, lengths))
        if on_device(at):
            return self.read(at_place(h, at))
        return self.read(h[arange(len(at), device=h.device), tensor(at, device=h.device)])


class BagOfWords(nn.Module):
    """W2 relu(W1 (mean of the words' vectors) + b1) + b2: no attention, no order.  Same call as `AttentionReader`."""

    def __init__(self, vocabulary_size: int, answers: int, d_model: int = 32, hidden: int = 64) -> None:
        self.embedding = nn.Embedding(vocabulary_size, d_model)
        self.read = nn.Sequential(nn.Linear(d_model, hidden), nn.ReLU(), nn.Linear(hidden, answers))

    def forward(self, ids: Tensor, lengths: Any, at: Any = None) -> Tensor:
        """ids (B, T), true lengths (B,) -> (B, K); the place asked about tells it nothing."""
        return self.read(mean_of_words(self.embedding(ids), lengths))


def mean_of_words(h: Tensor, lengths: Any) -> Tensor:
    """The mean over each sentence's own words: h (B, T, d), lengths (B,) -> (B, d)"""
    n = counted(lengths, h.device)
    real = within(n, h.shape[1]).astype(h.dtype)                                           # (B, T)
    return (h * unsqueeze(real, 2)).sum(1) / unsqueeze(n.astype(h.dtype), 1)
