"""Embedding, positions and a stack of self-attention: what BERT, GPT and the attention classifier have in common.

    x_t = E[word_t] + P_t          h = encoder layers (x)

Télécom, *Now We're Encoding*, *Bringing The Tensors Into The Picture*, *Positional Encoding (1)*, *BERT*; Escalera,
*Recently in Natural Language Processing*.
"""
from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from .. import nn
from ..nn.positions import PositionalEncoding
from ..tensor import Tensor
from ._judging import judging
from .attention_weights import attention_weights
from .transformer import check_norm, padding
from .translating import ids_of

POSITIONS: dict[str, dict[str, str]] = {"sinusoidal": {}, "halves": {"layout": "halves"},
                                        "learned": {"kind": "learned"}}


class WordEncoder(nn.Module):
    """States (B, T, d) of words, each of which has looked at all others, or with `causal` at those before it.

    positions: "sinusoidal"; "halves", the deck's layout of the same; "learned" (BERT, GPT); or None, for which a
    sentence is a set.  scale: embeddings times sqrt(d_model), as in the paper; they start with variance 1 / d_model.
    norm: "post" or "pre", where a last norm stands on top.  longest: of a sentence.
    Raises ValueError for other positions or another norm.
    """

    def __init__(self, vocabulary_size: int, *, d_model: int = 32, heads: int = 4, layers: int = 2,
                 feedforward: int | None = None, dropout: float = 0.0, activation: str = "relu", norm: str = "post",
                 positions: str | None = "sinusoidal", causal: bool = False, scale: bool = True,
                 longest: int = 512) -> None:
        if positions is not None and positions not in POSITIONS:
            raise ValueError(f"positions are {', '.join(map(repr, POSITIONS))} or None, not {positions!r}")
        check_norm(norm)
        self.d_model, self.causal, self.scale = d_model, causal, math.sqrt(d_model) if scale else 1.0
        self.embedding = nn.Embedding(vocabulary_size, d_model)
        nn.init.normal_(self.embedding.weight, 0.0, d_model ** -0.5)
        self.positions = None if positions is None else PositionalEncoding(d_model, longest, dropout=dropout,
                                                                           **POSITIONS[positions])
        layer = nn.TransformerEncoderLayer(d_model, heads, feedforward or 4 * d_model, dropout, activation,
                                           batch_first=True, norm_first=norm == "pre")
        self.stack = nn.TransformerEncoder(layer, layers, nn.LayerNorm(d_model) if norm == "pre" else None)
        for p in self.stack.parameters():      # the stack begins as copies of one layer: each gets its own start
            if p.ndim > 1:
                nn.init.xavier_uniform_(p)

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """ids (B, T) at places start, start + 1, ... -> (B, T, d)"""
        x = self.embedding(ids) * self.scale
        return x if self.positions is None else self.positions(x, start)

    def forward(self, ids: Tensor, lengths: Any = None) -> Tensor:
        """ids (B, T), true lengths (B,) or None -> states (B, T, d); those of padding mean nothing."""
        return self.stack(self.embed(ids), None, padding(lengths, ids), self.causal)

    def weights(self, ids: Any, lengths: Any = None) -> np.ndarray:
        """What every head of every layer looks at: ids (B, T) -> (B, layers, heads, T, T); rows add up to 1."""
        ids, layers = ids_of(self, ids), cast(Any, self.stack.layers)
        with judging(self):
            found = attention_weights(lambda: self(ids, lengths), *[layer.self_attn for layer in layers])
        return np.stack(found, 1)
