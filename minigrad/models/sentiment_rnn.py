"""A text's verdict by a recurrent network.   Télécom, *Sentiment Classification / using a RNN*; Riveill.

Many to one (Chemnitz, *Classification of LSTM architectures*; KTH, *RNN Design Patterns - Sequence-to-Vector*): of all
states only one vector is read. Which one is what Riveill's two slides are taken to differ in, whose pictures are lost:

    *solution 1*   the last state, at the text's own end             reading="last"
    *solution2*    all states, in both directions, pooled over time   reading="mean" or "max", bidirectional=True
"""
from __future__ import annotations

from typing import Any

from .. import nn
from ..tensor import Tensor
from .over_time import check_reading, summary
from .rnn_lm import CELLS


class SentimentRNN(nn.Module):
    """e_t = E[x_t],  h_t = cell(e_t, h_(t-1)),  scores = W r + b,  P = softmax(scores).

    cell: "rnn", "lstm" or "gru".  reading: r is "last" (h_T; of two directions both last states, (h_T; h_1) side by
    side), "mean" or "max" over the steps (see `over_time`).  options: of the layer, such as forget_bias=1.0.
    Raises ValueError for another cell or reading.
    """

    def __init__(self, vocabulary_size: int, embedding: int = 16, hidden: int = 32, classes: int = 2, *,
                 cell: str = "lstm", reading: str = "last", bidirectional: bool = False, layers: int = 1,
                 **options: Any) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell is one of {', '.join(CELLS)}, not {cell!r}")
        self.reading = check_reading(reading)
        self.embedding = nn.Embedding(vocabulary_size, embedding)
        self.layer = CELLS[cell](embedding, hidden, layers, batch_first=True, bidirectional=bidirectional, **options)
        self.read = nn.Linear(self.layer.output_size * (1 + bidirectional), classes)

    def forward(self, ids: Tensor, lengths: Any = None) -> Tensor:
        """Word ids (B, T), lengths (B,) -> scores (B, K)"""
        return self.read(summary(self.layer, self.embedding(ids), lengths, self.reading))
