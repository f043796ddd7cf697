"""The Transformer: encoder, decoder, and both, with PyTorch's names, so that weights go there and back.

Vaswani et al. 2017; Télécom, *Transformer*. The norm stands after the residual sum, as on the slide; norm_first=True
puts it before. `step` computes one more position from a cache of the earlier ones (`kv_cache.py`): what decoding does.
"""
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .. import kernels
from ..backend import cpu
from ..ops import relu
from ..ops_more import gelu
from ..tensor import Tensor, no_grad
from . import init, masks
from .attention import MultiheadAttention, kept
from .fused.attention_block import attention_block
from .fused.feed_forward import feed_forward
from .gpu.attention_block import attention_block as attention_block_on_device
from .gpu.feed_forward import feed_forward as feed_forward_on_device
from .inputs import tensors
from .kv_cache import Cache, DecoderCache
from .layers import Linear
from .module import Module, ModuleList
from .normalize import Dropout, LayerNorm

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": relu, "gelu": gelu}
Activation = str | Callable[[Tensor], Tensor]


class _Layer(Module):
    """What encoder and decoder layers share: attention to itself, and a network on each position alone.

    activation: "relu", "gelu", or a function of a Tensor.  bias=False: no biases, in the norms either.  d_k: width of a
    head, d_model / nhead by default.  fused=False: the readable composition always, which has second-order gradients;
    else each half of a layer is one node (`nn/fused/attention_block.py`, `feed_forward.py`; `nn/gpu/` on a device with
    kernels) where it can be: as long as nobody hooks or replaces a part. With one seed both drop the same.
    """

    cross = False                              # does a second attention look at an encoder's output?

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: Activation = "relu", layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, *, d_k: int | None = None, fused: bool = True) -> None:
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}, or a function, not {activation!r}")
        self.activation, self.norm_first, self.batch_first, self.fused = activation, norm_first, batch_first, fused
        options: dict[str, Any] = dict(batch_first=batch_first, d_k=d_k, fused=fused)
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, **options)
        if self.cross:                         # in PyTorch's order, which is that of state_dict
            self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, **options)
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.dropout, self.dropout1, self.dropout2 = (Dropout(dropout) for _ in range(3))
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps, bias=bias) for _ in range(2))
        if self.cross:
            self.norm3, self.dropout3 = LayerNorm(d_model, layer_norm_eps, bias=bias), Dropout(dropout)

    def _residual(self, x: Tensor, norm: Module, block: Callable[[Tensor], Tensor]) -> Tensor:
        """x + block(norm x), or norm(x + block x)."""
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))

    def _attention(self, x: Tensor, memory: Tensor | None, attn: MultiheadAttention, norm: LayerNorm, dropout: Dropout,
                   mask: Tensor | None, padding: Tensor | None, is_causal: bool, whose: str) -> Tensor:
        """Attention of x to a memory, or to itself, with residual and norm.  whose: the masks, for errors."""
        tensors(type(self).__name__, input=x, **({} if memory is None else {"memory": memory}))
        seen, first = x if memory is None else memory, self.batch_first and x.ndim == 3
        words: dict[str, Any] = {}
        if is_causal and mask is None:
            if x.device is cpu or type(attn) is not MultiheadAttention or _hooked(attn):
                mask = masks.causal(x.shape[first], seen.shape[first], x.device)     # what hooks a part sees it
            else:
                words["is_causal"] = True      # a mask would be uploaded in each step
        if x.ndim == 3 and type(attn) is MultiheadAttention:
            attn.check(x, seen, seen)
            sizes = x.shape[not first], attn.num_heads, x.shape[first], seen.shape[first]
            masks.check(mask, padding, sizes, whose)
            parts = attn, attn.out_proj, norm, dropout
            if attn.simple(mask, padding) and 0 not in seen.shape and self._one_node(x, *parts):
                node: Any = attention_block
                options: dict[str, Any] = dict(heads=attn.num_heads, norm_first=self.norm_first, eps=norm.eps,
                                               batch_first=first)
                if x.device is not cpu:
                    node, options["first"] = attention_block_on_device, 0 if words else seen.shape[first]
                y: Tensor = node(
                    x, memory, masks.joined(mask, padding, False, sizes), kept(sizes, _dropout_of(attn), x),
                    kept(x.shape, _dropout_of(dropout), x), attn.in_proj_weight, attn.in_proj_bias,
                    attn.out_proj.weight, attn.out_proj.bias, norm.weight, norm.bias, **options)
                return y

        def block(y: Tensor) -> Tensor:
            seen = y if memory is None else memory
            return dropout(attn(y, seen, seen, padding, False, mask, **words)[0])
        return self._residual(x, norm, block)

    def _network(self, x: Tensor, norm: LayerNorm, dropout: Dropout) -> Tensor:
        """The network on each position, with residual and norm."""
        named = isinstance(self.activation, str)
        if named and self._one_node(x, self.linear1, self.linear2, norm, self.dropout, dropout):
            inside = kept((*x.shape[:-1], self.linear1.out_features), _dropout_of(self.dropout), x)
            node = feed_forward if x.device is cpu else feed_forward_on_device
            y: Tensor = node(
                x, inside, kept(x.shape, _dropout_of(dropout), x), self.linear1.weight, self.linear1.bias,
                self.linear2.weight, self.linear2.bias, norm.weight, norm.bias, activation=self.activation,
                norm_first=self.norm_first, eps=norm.eps)
            return y
        phi = ACTIVATIONS[self.activation] if isinstance(self.activation, str) else self.activation
        return self._residual(x, norm, lambda y: dropout(self.linear2(self.dropout(phi(self.linear1(y))))))

    def _one_node(self, x: Tensor, *parts: Module) -> bool:
        """Can a node stand for these parts: is there a form for the device, none of them hooked or replaced?"""
        form = x.device is cpu or kernels.of(x.device.xp, x.dtype) is not None
        return self.fused and form and 0 not in x.shape and all(
            type(part) in _PLAIN and not _hooked(part) for part in parts)

    def _own_step(self, x: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        """Attention of new positions to themselves and to those in the cache, with residual and norm."""
        y, after = self.self_attn.step(self.norm1(x) if self.norm_first else x, cache)
        x = x + self.dropout1(y)
        return x if self.norm_first else self.norm1(x), after


class TransformerEncoderLayer(_Layer):
    """x = norm(x + attention(x, x, x));  x = norm(x + W2 phi(W1 x)).  src (T, B, E) or, batch_first, (B, T, E)."""

    def forward(self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                is_causal: bool = False) -> Tensor:
        """src (T, B, E); masks as MultiheadAttention takes them -> (T, B, E).  is_causal: hides later ones."""
        x = self._attention(src, None, self.self_attn, self.norm1, self.dropout1, src_mask, src_key_padding_mask,
                            is_causal, "src")
        return self._network(x, self.norm2, self.dropout2)

    @no_grad()
    def step(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """One position more, or several, that see all before them: forward with is_causal, step by step.

        x (B, n, E), mostly n = 1, batch first whatever the layer is; cache: the last call's, None at the start ->
        y (B, n, E), cache. Nothing is recorded.
        """
        x, cache = self._own_step(x, cache)
        return self._network(x, self.norm2, self.dropout2), cache


class TransformerDecoderLayer(_Layer):
    """As the encoder's layer, with attention to the encoder's output between the two.  Télécom, *[Decoder layers]*."""

    cross = True

    def forward(self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                tgt_is_causal: bool = False, memory_is_causal: bool = False) -> Tensor:
        """tgt (S, B, E), memory (T, B, E) -> (S, B, E)"""
        x = self._attention(tgt, None, self.self_attn, self.norm1, self.dropout1, tgt_mask, tgt_key_padding_mask,
                            tgt_is_causal, "tgt")
        x = self._attention(x, memory, self.multihead_attn, self.norm2, self.dropout2, memory_mask,
                            memory_key_padding_mask, memory_is_causal, "memory")
        return self._network(x, self.norm3, self.dropout3)

    @no_grad()
    def step(self, x: Tensor, memory: Tensor, cache: DecoderCache | None = None,
             memory_key_padding_mask: Tensor | None = None) -> tuple[Tensor, DecoderCache]:
        """One position more, or several: forward with tgt_is_causal, step by step.

        x (B, n, E), memory (B, T, E), both batch first; cache: the last call's, None at the start -> y (B, n, E),
        cache. Keys and values of memory are computed, and its mask is read, at the start only: the cache keeps them.
        """
        own, seen = cache or (None, self.multihead_attn.remember(memory, memory_key_padding_mask))
        x, own = self._own_step(x, own)
        x = self._residual(x, self.norm2, lambda y: self.dropout2(self.multihead_attn.look(y, seen)))
        return self._network(x, self.norm3, self.dropout3), DecoderCache(own, seen)


_PLAIN = (MultiheadAttention, Linear, LayerNorm, Dropout)


def _dropout_of(part: Dropout | MultiheadAttention) -> float:
    """The probability with which a part drops something now."""
    return 0.0 if not part.training else part.p if isinstance(part, Dropout) else part.dropout


def _hooked(part: Module) -> bool:
    return part._hooks is not None and any(vars(part._hooks).values())


class _Stack(Module):
    """Copies of a layer one after another, and a norm at the end."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(self, x: Tensor, *others: Any, **masks: Any) -> Tensor:
        """Each layer in turn, with the same masks."""
        for layer in self.layers:
            x = layer(x, *others, **masks)
        return x if self.norm is None else self.norm(x)

    def _steps(self, x: Tensor, caches: list[Any] | None, step: Callable[[Any, Tensor, Any], Any]
               ) -> tuple[Tensor, list[Any]]:
        """`step` of each layer, each with its own cache."""
        after = []
        for layer, cache in zip(self.layers, caches or [None] * len(self.layers), strict=True):
            x, cache = step(layer, x, cache)
            after.append(cache)
        return x if self.norm is None else self.norm(x), after


class TransformerEncoder(_Stack):
    """Encoder layers one after another.  src (T, B, E) -> (T, B, E)."""

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                is_causal: bool = False) -> Tensor:
        """src (T, B, E); masks as MultiheadAttention takes them -> (T, B, E)"""
        return super().forward(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=is_causal)

    @no_grad()
    def step(self, x: Tensor, cache: list[Cache] | None = None) -> tuple[Tensor, list[Cache]]:
        """`TransformerEncoderLayer.step` through the stack.  x (B, n, E), batch first; cache: a list, one a layer."""
        return self._steps(x, cache, lambda layer, y, own: layer.step(y, own))


class TransformerDecoder(_Stack):
    """Decoder layers one after another.  tgt (S, B, E), memory (T, B, E) -> (S, B, E)."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    @no_grad()
    def step(self, x: Tensor, memory: Tensor, cache: list[DecoderCache] | None = None,
             memory_key_padding_mask: Tensor | None = None) -> tuple[Tensor, list[DecoderCache]]:
        """`TransformerDecoderLayer.step` through the stack.  x (B, n, E), memory (B, T, E), batch first."""
        return self._steps(x, cache, lambda layer, y, own: layer.step(y, memory, own, memory_key_padding_mask))


class Transformer(Module):
    """Encoder and decoder.  src (T, B, E), tgt (S, B, E), both embedded and with positions -> (S, B, E).

    custom_encoder, custom_decoder: modules in their places, called with the same arguments.  d_k, fused: the layers'.
    """

    def __init__(self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
                 dim_feedforward: int = 2048, dropout: float = 0.1, activation: Activation = "relu",
                 custom_encoder: Module | None = None, custom_decoder: Module | None = None,
                 layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
                 *, d_k: int | None = None, fused: bool = True) -> None:
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        ours: dict[str, Any] = dict(d_k=d_k, fused=fused)
        norms = [LayerNorm(d_model, layer_norm_eps, bias=bias) for _ in range(2)]
        self.batch_first = batch_first
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*options, **ours), num_encoder_layers, norms[0])
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*options, **ours), num_decoder_layers, norms[1])
        for p in self.parameters():            # each layer its own start: the stacks begin as copies of one
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None,
                memory_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
                tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
                src_is_causal: bool = False, tgt_is_causal: bool = False, memory_is_causal: bool = False) -> Tensor:
        """src (T, B, E), tgt (S, B, E) -> (S, B, E)"""
        memory = self.encoder(src, src_mask, src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                            tgt_key_padding_mask=tgt_key_padding_mask,
                            memory_key_padding_mask=memory_key_padding_mask,
                            tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(size: int, device: Any = "cpu") -> Tensor:
        """(size, size), bool: True above the diagonal, where a later position would be seen."""
        return masks.causal(size, device=device)
