"""Scaled dot-product attention, in one head and in many.  Vaswani et al. 2017; Télécom, *Self-attention*."""
from __future__ import annotations

import math

import numpy as np

from ..create import zeros
from ..errors import ShapeError, describe
from ..ops import matmul, softmax, swapaxes, where
from ..tensor import Tensor
from . import functional as F
from . import init
from .layers import Linear
from .module import Module, Parameter


def attend(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """softmax(q k^T / sqrt d) v, and the weights.

    q (..., S, d), k (..., T, d), v (..., T, e) -> (..., S, e), (..., S, T).  hidden: what may not be seen, bool, True
    where it is hidden, or a float mask that is added to the scores; its shape stretches to (..., S, T). A row of which
    everything is hidden gets zeros, where PyTorch gives NaN.
    """
    scores = matmul(q, swapaxes(k, -1, -2)) / math.sqrt(q.shape[-1])
    if hidden is not None:
        scores = where(hidden, -math.inf, scores) if hidden.dtype == np.bool_ else scores + hidden
    weights = softmax(scores, axis=-1)
    return matmul(weights, v), weights


class MultiheadAttention(Module):
    """h heads of width E / h side by side: concat_i(attend(x_q W_i^Q, x_k W_i^K, x_v W_i^V)) W^O.

    Parameters as in PyTorch: in_proj_weight (3 E, E) holds Q, K, V in this order, in_proj_bias (3 E), out_proj.
    batch_first=False: (T, B, E), else (B, T, E).
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
                 batch_first: bool = False) -> None:
        if embed_dim % num_heads:
            raise ShapeError(describe(f"{num_heads} heads cannot share a width of {embed_dim}.",
                                      fix="embed_dim is a multiple of num_heads"))
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.in_proj_weight = init.xavier_uniform_(Parameter(zeros(3 * embed_dim, embed_dim)))
        self.in_proj_bias = Parameter(zeros(3 * embed_dim)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
                need_weights: bool = True, attn_mask: Tensor | None = None,
                average_attn_weights: bool = True) -> tuple[Tensor, Tensor | None]:
        """query (S, B, E), key and value (T, B, E) -> output (S, B, E), weights (B, S, T), (B, h, S, T) not averaged.

        key_padding_mask (B, T), attn_mask (S, T) or (B h, S, T): bool, True where a key is hidden; or float, added.
        """
        if not self.batch_first:
            query, key, value = (swapaxes(x, 0, 1) for x in (query, key, value))
        B, S, E = query.shape
        T, h = key.shape[1], self.num_heads
        rows = [self.in_proj_weight[i * E:(i + 1) * E] for i in range(3)]
        bias = [None if self.in_proj_bias is None else self.in_proj_bias[i * E:(i + 1) * E] for i in range(3)]
        q, k, v = (swapaxes(F.linear(x, w, b).reshape(B, -1, h, E // h), 1, 2)                  # (B, h, S or T, E / h)
                   for x, w, b in zip((query, key, value), rows, bias, strict=True))
        hidden, each_head = None, attn_mask is not None and attn_mask.ndim == 3
        for mask, shape in ((attn_mask, (B, h, S, T) if each_head else (1, 1, S, T)), (key_padding_mask, (B, 1, 1, T))):
            if mask is not None:
                mask = mask.reshape(*shape)
                hidden = mask if hidden is None else _both(hidden, mask)
        y, weights = attend(q, k, v, hidden)
        if self.dropout and self.training:
            weights = F.dropout(weights, self.dropout)
            y = matmul(weights, v)
        y = self.out_proj(swapaxes(y, 1, 2).reshape(B, S, E))
        if not self.batch_first:
            y = swapaxes(y, 0, 1)
        return y, (weights.mean(1) if average_attn_weights else weights) if need_weights else None

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}"


def _both(a: Tensor, b: Tensor) -> Tensor:
    """Two masks as one: hidden by either, or both added."""
    if a.dtype == b.dtype == np.bool_:
        return a | b
    zero = (a if a.dtype != np.bool_ else b).zeros_like().sum() * 0
    return sum((where(m, -math.inf, zero) if m.dtype == np.bool_ else m for m in (a, b)), zero)
