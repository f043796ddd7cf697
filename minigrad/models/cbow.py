"""The word from its context.   Chemnitz, *word2vec (1)*; Télécom, *Learning*; Mikolov et al. 2013."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..tensor import Tensor
from .word_outputs import output_named, small_table


class CBOW(nn.Module):
    """h = the mean of the context's e;  p(w | context) = softmax(U h)_w;  the loss is -log p(w | context).

    A bag: the order of the context does not count. counts, output, negatives: as in `SkipGram`.
    """

    def __init__(self, counts: np.ndarray, dim: int = 100, output: str = "negative", negatives: int = 5) -> None:
        self.embedding = small_table(len(counts), dim)
        self.output = output_named(output, counts, dim, negatives)

    def forward(self, context: Tensor, there: Tensor, word: Tensor, noise: Any = None) -> Tensor:
        """context (B, C) of ids, there (B, C) 1 where there is one and 0 elsewhere, word (B,) -> the mean loss

        noise: see `NegativeSampling`.
        """
        h = self.hidden(context, there)
        return self.output(h, word) if noise is None else self.output(h, word, noise)

    def hidden(self, context: Tensor, there: Tensor) -> Tensor:
        """h: (B, C), (B, C) -> (B, E).  Each row has at least one word."""
        e = self.embedding(context)                            # (B, C, E)
        weights = there / there.sum(-1, True)                  # (B, C)
        return (weights.reshape(*weights.shape, 1) * e).sum(1)

    @property
    def vectors(self) -> np.ndarray:
        """A row for each word: (V, E)."""
        return self.embedding.weight.detach().cpu().numpy()
