"""The context from the word.   Chemnitz, *word2vec (1)*; Télécom, *Learning*; Mikolov et al. 2013."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..tensor import Tensor
from .word_outputs import NegativeSampling, output_named, small_table


class SkipGram(nn.Module):
    """p(o | c) = softmax(U e_c)_o for every word o near c;  the loss is -log p(o | c), averaged over pairs.

    A net of three layers: one-hot in, the table E as a dense layer without activation, and one of `word_outputs`.
    counts (V,): how often each word occurs; only the tree and the noise look at the numbers.
    output: "softmax", "hierarchical" or "negative", the last with so many `negatives` for each pair.
    """

    def __init__(self, counts: np.ndarray, dim: int = 100, output: str = "negative", negatives: int = 5) -> None:
        self.embedding = small_table(len(counts), dim)
        self.output = output_named(output, counts, dim, negatives)

    def forward(self, centre: Tensor, context: Tensor, noise: Any = None) -> Tensor:
        """centre (B,), context (B,): ids of pairs -> the mean loss.  noise: see `NegativeSampling`."""
        output, table = self.output, self.embedding
        if isinstance(output, NegativeSampling) and table._hooks is None and output.takes_table(table.weight, centre):
            return output(table.weight, context, noise, centre)
        e = table(centre)                                      # (B, E)
        return output(e, context) if noise is None else output(e, context, noise)

    @property
    def vectors(self) -> np.ndarray:
        """A row for each word: (V, E)."""
        return self.embedding.weight.detach().cpu().numpy()
