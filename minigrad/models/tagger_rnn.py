"""A tagger that reads from left to right.   Riveill, *Recurrent neural network for NER*; Télécom, *RNN (1)* and *(2)*.

    h_t = layer(E x_t, h_(t-1))        y_t = W_y h_t + b_y

The answer is given as each word is read, so it knows all words before and none behind.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..tensor import Tensor
from .rnn_lm import CELLS
from .tagging import Letters, Tagger


class RNNTagger(Tagger):
    """Scores of K tags for each word from the words up to it.

    words: V.  tags: K.  embedding: E.  hidden: H.  cell: "rnn", "lstm" or "gru".  more: how much wider than E the
    layer's input is, for a class whose `inputs` adds something.  options: of the layer, such as num_layers=2.
    Raises ValueError for another cell.
    """

    def __init__(self, words: int, tags: int, *, embedding: int = 32, hidden: int = 32, cell: str = "gru",
                 more: int = 0, **options: Any) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell is one of {', '.join(CELLS)}, not {cell!r}")
        self.embedding = nn.Embedding(words, embedding)
        self.layer = CELLS[cell](embedding + more, hidden, batch_first=True, **options)
        self.read = nn.Linear(self.layer.output_size * (1 + self.layer.bidirectional), tags)

    def forward(self, words: Tensor, lengths: np.ndarray, letters: Letters | None = None) -> Tensor:
        """words (B, T), lengths (B,) -> scores (B, T, K)"""
        h, _ = self.layer(self.inputs(words, letters), lengths=lengths)        # (B, T, H), or (B, T, 2H) of two ways
        return self.read(h)

    def inputs(self, words: Tensor, letters: Letters | None) -> Tensor:
        """What the layer reads of each word: words (B, T) -> (B, T, E). Letters are not looked at."""
        return self.embedding(words)
