"""The Transformer: encoder, decoder, and both, with PyTorch's names, so that weights go there and back.

Vaswani et al. 2017; Télécom, *Transformer*. The norm stands after the residual sum, as on the slide; norm_first=True
puts it before.
"""
from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..create import tensor
from ..ops import relu
from ..ops_more import gelu
from ..tensor import Tensor
from . import init
from .attention import MultiheadAttention
from .layers import Linear
from .module import Module, ModuleList
from .normalize import Dropout, LayerNorm

ACTIVATIONS = {"relu": relu, "gelu": gelu}


class _Layer(Module):
    """What encoder and decoder layers share: attention to itself, and a network on each position alone."""

    cross = False                              # does a second attention look at an encoder's output?

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: str = "relu", layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False) -> None:
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}, not {activation!r}")
        self.activation, self.norm_first = activation, norm_first
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first)
        if self.cross:                         # in PyTorch's order, which is that of state_dict
            self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first)
        self.linear1, self.linear2 = Linear(d_model, dim_feedforward), Linear(dim_feedforward, d_model)
        self.dropout, self.dropout1, self.dropout2 = (Dropout(dropout) for _ in range(3))
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps) for _ in range(2))
        if self.cross:
            self.norm3, self.dropout3 = LayerNorm(d_model, layer_norm_eps), Dropout(dropout)

    def _residual(self, x: Tensor, norm: Module, block: Any) -> Tensor:
        """x + block(norm x), or norm(x + block x)."""
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))

    def _feed(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(ACTIVATIONS[self.activation](self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """x = norm(x + attention(x, x, x));  x = norm(x + W2 phi(W1 x)).  src (T, B, E) or, batch_first, (B, T, E)."""

    def forward(self, src: Tensor, src_mask: Tensor | None = None,
                src_key_padding_mask: Tensor | None = None) -> Tensor:
        """src (T, B, E); masks as MultiheadAttention takes them -> (T, B, E)"""
        x = self._residual(src, self.norm1, lambda y: self.dropout1(
            self.self_attn(y, y, y, src_key_padding_mask, False, src_mask)[0]))
        return self._residual(x, self.norm2, lambda y: self.dropout2(self._feed(y)))


class TransformerDecoderLayer(_Layer):
    """As the encoder's layer, with attention to the encoder's output between the two."""

    cross = True

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None) -> Tensor:
        """tgt (S, B, E), memory (T, B, E) -> (S, B, E)"""
        x = self._residual(tgt, self.norm1, lambda y: self.dropout1(
            self.self_attn(y, y, y, tgt_key_padding_mask, False, tgt_mask)[0]))
        x = self._residual(x, self.norm2, lambda y: self.dropout2(
            self.multihead_attn(y, memory, memory, memory_key_padding_mask, False, memory_mask)[0]))
        return self._residual(x, self.norm3, lambda y: self.dropout3(self._feed(y)))


class _Stack(Module):
    """Copies of a layer one after another, and a norm at the end."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.norm = norm

    def forward(self, x: Tensor, *others: Any, **masks: Any) -> Tensor:
        """Each layer in turn, with the same masks."""
        for layer in self.layers:
            x = layer(x, *others, **masks)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """Encoder layers one after another.  src (T, B, E) -> (T, B, E)."""

    def forward(self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None) -> Tensor:
        """src (T, B, E); masks as MultiheadAttention takes them -> (T, B, E)"""
        return super().forward(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask)


class TransformerDecoder(_Stack):
    """Decoder layers one after another.  tgt (S, B, E), memory (T, B, E) -> (S, B, E)."""


class Transformer(Module):
    """Encoder and decoder.  src (T, B, E), tgt (S, B, E), both embedded and with positions -> (S, B, E)."""

    def __init__(self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
                 dim_feedforward: int = 2048, dropout: float = 0.1, activation: str = "relu",
                 layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False) -> None:
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        self.encoder = TransformerEncoder(TransformerEncoderLayer(*options), num_encoder_layers,
                                          LayerNorm(d_model, layer_norm_eps))
        self.decoder = TransformerDecoder(TransformerDecoderLayer(*options), num_decoder_layers,
                                          LayerNorm(d_model, layer_norm_eps))
        for p in self.parameters():            # each layer its own start: the stacks begin as copies of one
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None,
                memory_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None) -> Tensor:
        """src (T, B, E), tgt (S, B, E) -> (S, B, E)"""
        memory = self.encoder(src, src_mask, src_key_padding_mask)
        return self.decoder(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                            tgt_key_padding_mask=tgt_key_padding_mask,
                            memory_key_padding_mask=memory_key_padding_mask)

    @staticmethod
    def generate_square_subsequent_mask(size: int, device: Any = "cpu") -> Tensor:
        """(size, size), bool: True above the diagonal, where a later position would be seen."""
        return tensor(np.triu(np.ones((size, size), bool), 1), device=device)
