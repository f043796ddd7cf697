"""A picture read row by row.   Télécom, *Handwritten Character Recognition*."""
from __future__ import annotations

from typing import Any

from .. import nn
from ..tensor import Tensor
from .over_time import check_reading, summary
from .rnn_lm import CELLS


class RowReader(nn.Module):
    """h_t = cell(x_t, h_(t-1)) with x_t the t-th row of the picture,  scores = W h_T + b,  P = softmax(scores).

    width: pixels of a row.  cell: "rnn" (tanh), "lstm" or "gru".  reading, bidirectional: as in SentimentRNN.
    Raises ValueError for another cell or reading.
    """

    def __init__(self, width: int = 8, hidden: int = 64, classes: int = 10, *, cell: str = "rnn", reading: str = "last",
                 bidirectional: bool = False) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell is one of {', '.join(CELLS)}, not {cell!r}")
        self.reading = check_reading(reading)
        self.layer = CELLS[cell](width, hidden, batch_first=True, bidirectional=bidirectional)
        self.read = nn.Linear(self.layer.output_size * (1 + bidirectional), classes)

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Pictures x (B, rows, width), of which the first `lengths` (B,) rows are seen -> scores (B, K)"""
        return self.read(summary(self.layer, x, lengths, self.reading))


class WholePicture(nn.Module):
    """scores = W x + b with all pixels at once: what reading row by row is to be held against."""

    def __init__(self, pixels: int = 64, classes: int = 10) -> None:
        self.flatten, self.read = nn.Flatten(), nn.Linear(pixels, classes)

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Pictures x (B, rows, width) -> scores (B, K); it has no steps, and no use for lengths."""
        return self.read(self.flatten(x))
