"""A text's verdict by the mean of its word vectors.   Télécom, *Sentiment Classification / using a simple model*."""
from __future__ import annotations

from typing import Any

from .. import nn
from ..tensor import Tensor
from .over_time import pooled


class SentimentAverage(nn.Module):
    """e_t = E[x_t],  scores = W (1/T sum_t e_t) + b,  P = softmax(scores).

    A sum has no order: texts that hold the same words equally often get the same answer, whatever they say. The deck:
    "The model can not understand that we mean the opposite". T is a text's own length.
    """

    def __init__(self, vocabulary_size: int, embedding: int = 16, classes: int = 2) -> None:
        self.embedding = nn.Embedding(vocabulary_size, embedding)
        self.read = nn.Linear(embedding, classes)

    def forward(self, ids: Tensor, lengths: Any = None) -> Tensor:
        """Word ids (B, T), lengths (B,) -> scores (B, K)"""
        return self.read(pooled(self.embedding(ids), lengths, "mean"))
