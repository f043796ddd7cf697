"""A text's verdict by convolution, bidirectional LSTM and classifier.   Chemnitz, *Many to One: sentiment analysis*."""
from __future__ import annotations

from typing import Any

from .. import nn
from ..create import eye
from ..nn import functional as F
from ..tensor import Tensor
from .conv1d_net import ConvOverTime
from .over_time import last_state


class SentimentConvBiLSTM(nn.Module):
    """v_t = E[x_t] or one-hot,  y = relu(conv(v)),  (h->_T; h<-_1) = BiLSTM(y),  scores = W (h->_T; h<-_1) + b.

    The deck's four steps: one-hot vectors (or word2vec: `embedding`), a convolution that slides over the text, a
    bidirectional LSTM that "computes a state vector for the complete text", and a fully connected layer.
    embedding: the size of a word's vector; None, as in the deck, for one-hot.
    """

    def __init__(self, vocabulary_size: int, embedding: int | None = None, channels: int = 32, kernel: int = 3,
                 hidden: int = 32, classes: int = 2) -> None:
        self.vocabulary_size = vocabulary_size
        self.embedding = None if embedding is None else nn.Embedding(vocabulary_size, embedding)
        self.identity: Tensor                  # its rows are the one-hot vectors, looked up as an embedding's are
        if embedding is None:
            self.register_buffer("identity", eye(vocabulary_size), persistent=False)
        self.convolution = ConvOverTime(embedding or vocabulary_size, channels, kernel)
        self.layer = nn.LSTM(channels, hidden, batch_first=True, bidirectional=True)
        self.read = nn.Linear(2 * hidden, classes)

    def forward(self, ids: Tensor, lengths: Any = None) -> Tensor:
        """Word ids (B, T), lengths (B,) -> scores (B, K)"""
        x = self.embedding(ids) if self.embedding else F.embedding(ids, self.identity)
        return self.read(last_state(self.layer, self.convolution(x, lengths), lengths))
