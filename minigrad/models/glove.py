"""Vectors from counts.   Télécom, *Learning*: GloVe; Pennington, Socher and Manning 2014."""
from __future__ import annotations

import numpy as np

from .. import nn
from ..create import zeros
from ..nn import functional as F
from ..ops_more import minimum
from ..tensor import Tensor


class GloVe(nn.Module):
    """J = sum_ij w(X_ij) (e_i . e~_j + b_i + b~_j - ln X_ij)^2,   w(x) = min(1, (x / x_max)^0.75).

    X_ij: how often j stands near i (`cooccurrence`). Where it is 0 the weight is 0: only entries that occur are summed.
    """

    def __init__(self, words: int, dim: int = 100, x_max: float = 100.0, power: float = 0.75) -> None:
        self.e, self.context = nn.Embedding(words, dim), nn.Embedding(words, dim)
        for table in (self.e, self.context):
            nn.init.uniform_(table.weight, -0.5 / dim, 0.5 / dim)
        self.b, self.context_b = nn.Parameter(zeros(words)), nn.Parameter(zeros(words))
        self.x_max, self.power = x_max, power

    def forward(self, i: Tensor, j: Tensor, x: Tensor) -> Tensor:
        """i, j (B,) of ids, x (B,): entries of X that are not 0 -> their share of J, summed"""
        b, context_b = (F.embedding(ids, table.reshape(-1, 1)).reshape(-1)                 # as e: no look at the ids
                        for ids, table in ((i, self.b), (j, self.context_b)))
        score = (self.e(i) * self.context(j)).sum(-1) + b + context_b                      # (B,)
        weight = minimum(x / self.x_max, 1.0) ** self.power
        return (weight * F.mse_loss(score, x.log(), reduction="none")).sum()

    @property
    def vectors(self) -> np.ndarray:
        """A row for each word, e + e~: X is symmetric, so both tables say the same.  (V, E)"""
        return (self.e.weight + self.context.weight).detach().cpu().numpy()
