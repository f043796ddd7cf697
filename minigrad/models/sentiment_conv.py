"""A text's verdict by a convolution over its words.   Télécom, *Using 1D convolution instead of RNN*; Kim 2014."""
from __future__ import annotations

from typing import Any

from .. import nn
from ..tensor import Tensor
from .conv1d_net import Conv1dNet


class SentimentConv(nn.Module):
    """e_t = E[x_t],  y = Conv1dNet(e),  P = softmax(y): it finds what lies in a window, wherever the window is.

    Two words that lie further apart than its `reach` never meet in it.  pooling: see Conv1dNet.
    """

    def __init__(self, vocabulary_size: int, embedding: int = 16, channels: int = 32, kernel: int = 3, layers: int = 1,
                 classes: int = 2, *, pooling: str = "max") -> None:
        self.embedding = nn.Embedding(vocabulary_size, embedding)
        self.net = Conv1dNet(embedding, channels, kernel, layers, classes, pooling=pooling)

    def forward(self, ids: Tensor, lengths: Any = None) -> Tensor:
        """Word ids (B, T), lengths (B,) -> scores (B, K)"""
        return self.net(self.embedding(ids), lengths)
