"""Scaled dot-product attention, in one head and in many.  Vaswani et al. 2017; Télécom, *Self-attention*."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..backend import cpu
from ..create import ones, zeros
from ..errors import DTypeError, ShapeError, describe
from ..ops import concatenate, matmul, softmax, squeeze, swapaxes, unsqueeze, where
from ..tensor import Tensor, no_grad
from . import functional as F
from . import init, masks
from .fused.attention import attention
from .gpu.attention import attention as on_device
from .inputs import tensors
from .kv_cache import Cache, Memory, take
from .layers import Linear
from .module import Module, Parameter

__all__ = ["MultiheadAttention", "attend", "scaled_dot_product_attention", "take"]


def attend(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None = None, dropout: float = 0.0
           ) -> tuple[Tensor, Tensor]:
    """softmax(q k^T / sqrt d) v, and the weights.

    q (..., S, d), k (..., T, d), v (..., T, e) -> (..., S, e), (..., S, T).  hidden: what may not be seen, bool, True
    where it is hidden, or a float mask that is added to the scores; its shape stretches to (..., S, T). A row of which
    everything is hidden gets zeros, where PyTorch gives NaN.  dropout: of the weights, with this probability.
    """
    scores = matmul(q, swapaxes(k, -1, -2)) / math.sqrt(q.shape[-1])
    if hidden is not None:
        scores = where(hidden, -math.inf, scores) if hidden.dtype == np.bool_ else scores + hidden
    weights = F.dropout(softmax(scores, axis=-1), dropout)
    return matmul(weights, v), weights


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
                                 dropout_p: float = 0.0, is_causal: bool = False, *, fused: bool = True) -> Tensor:
    """softmax(q k^T / sqrt d) v, as PyTorch's function of this name.

    query (..., S, d), key (..., T, d), value (..., T, e) -> (..., S, e).
    attn_mask stretches to (..., S, T): bool, True where a key takes part (the opposite of the layers' masks!), or
    float, added. is_causal: no key later than the query.  dropout_p is applied always: pass 0 in evaluation.
    A row that sees nothing gives zeros, as in PyTorch since 2.5 (before, NaN).
    fused=False: the readable composition, which has second-order gradients.
    Raises ShapeError, DTypeError, ValueError (a mask and is_causal).
    """
    for name, x, wanted in (("key", key, query.shape[-1]), ("value", value, None)):
        if min(x.ndim, query.ndim) < 2 or wanted not in (None, x.shape[-1]) or x.shape[-2] != key.shape[-2] \
                or not _stretches(x.shape[:-2], query.shape[:-2]):
            raise ShapeError(describe(f"attention cannot join query {tuple(query.shape)} and {name} {tuple(x.shape)}.",
                                      made_at=x._made(), fix="query (..., S, d), key (..., T, d), value (..., T, e)"))
    if is_causal and attn_mask is not None:
        raise ValueError("attn_mask and is_causal: give one of them")
    if attn_mask is not None:
        sizes = query.shape[-2], key.shape[-2]
        if not _stretches(attn_mask.shape, (*query.shape[:-2], *sizes)):
            raise ShapeError(describe(f"attn_mask is {tuple(attn_mask.shape)}, and does not fit.",
                                      made_at=attn_mask._made(), fix=f"(S, T) = {sizes}, or more axes before"))
        if attn_mask.dtype.kind not in "bf":
            raise DTypeError(describe(f"attn_mask is of {attn_mask.dtype}: is 1 seen, or added to a score?",
                                      made_at=attn_mask._made(), fix="attn_mask.to(bool), True where a key takes "
                                                                     "part; or floats, which are added"))
    hidden = ~attn_mask if attn_mask is not None and attn_mask.dtype == np.bool_ else attn_mask
    if not fused:
        hidden = _hidden(query, key, hidden, 0 if is_causal else None)
        return attend(query, key, value, hidden, dropout_p)[0]
    return _without_weights(query, key, value, hidden, dropout_p, 0 if is_causal else None)


def _stretches(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Can the two be lined up from the right, each pair of axes equal, or one of them 1?"""
    return all(1 in pair or pair[0] == pair[1] for pair in zip(shape[::-1], other[::-1], strict=False))


def kept(shape: tuple[int, ...], p: float, like: Tensor) -> Tensor | None:
    """What dropout would multiply an array of that shape by, drawn now: 0 or 1 / (1 - p); None where p is 0."""
    return F.dropout(ones(shape, dtype=like.dtype, device=like.device), p) if p else None


def _without_weights(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, dropout: float,
                     first: int | None = None) -> Tensor:
    """`attend`'s first result: as one node on the host and by kernels, where the mask is data.

    first: later keys than first + i are hidden from query i as well; None hides none.
    """
    sizes = (*q.shape[:-1], k.shape[-2])
    if _one_node(q, k, v, hidden):
        if q.device is cpu:
            y: Tensor = attention(q, k, v, _hidden(q, k, hidden, first), kept(sizes, dropout, q))
        else:
            y = on_device(q, k, v, hidden, kept(sizes, dropout, q), first=sizes[-1] if first is None else first)
        return y
    return attend(q, k, v, _hidden(q, k, hidden, first), dropout)[0]


def _one_node(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None) -> bool:
    """Can a node stand for it: four axes, nothing empty, a mask without a gradient, a form for the device?"""
    fits = q.ndim == 4 and q.shape[:2] == k.shape[:2] == v.shape[:2] and 0 not in (*q.shape, *k.shape, *v.shape)
    return (fits and (hidden is None or not hidden.requires_grad)
            and (q.device is cpu or kernels.of(q.device.xp, q.dtype) is not None))


def _hidden(q: Tensor, k: Tensor, hidden: Tensor | None, first: int | None) -> Tensor | None:
    """A mask that also hides keys later than first + i from query i."""
    if first is None:
        return hidden
    later = masks.causal(q.shape[-2], k.shape[-2], q.device, first)
    return later if hidden is None else masks._both(hidden, later)


class MultiheadAttention(Module):
    """h heads side by side: concat_i(attend(x_q W_i^Q, x_k W_i^K, x_v W_i^V)) W^O.  Télécom, *In summary*.

    Parameters as in PyTorch: in_proj_weight (3 W, E) holds Q, K, V in this order, in_proj_bias (3 W), out_proj; W = h d
    is the width of all heads, and E as long as d_k is not given.
    batch_first=False: (T, B, E), else (B, T, E); (T, E) is one sequence without a batch.

    add_bias_kv: a learned key and value behind the others, bias_k and bias_v (1, 1, W).  add_zero_attn: one of zeros:
    a place for a head that wants to see nothing.  kdim, vdim: widths of key and value where they differ from E; then
    q_proj_weight (W, E), k_proj_weight (W, kdim), v_proj_weight (W, vdim) in place of in_proj_weight.
    d_k: the width of a head, E / h by default (Télécom, *First step*: smaller than the embedding).
    fused=False: the readable composition always, which has second-order gradients; else attention is one node
    (`nn/fused/attention.py`) on the host where nobody asks for the weights.
    Raises ShapeError for heads that cannot share the width.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
                 add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
                 vdim: int | None = None, batch_first: bool = False, *, d_k: int | None = None, fused: bool = True
                 ) -> None:
        if num_heads < 1 or d_k is None and embed_dim % num_heads:
            raise ShapeError(describe(f"{num_heads} heads cannot share a width of {embed_dim}.",
                                      fix="embed_dim is a multiple of num_heads; or give the width of a head, d_k"))
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.d_k = d_k or embed_dim // num_heads
        self.add_zero_attn, self.fused, width = add_zero_attn, fused, num_heads * self.d_k
        self.in_proj_weight: Parameter | None = None
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = _spread(3 * width, embed_dim)
        else:
            self.q_proj_weight = _spread(width, embed_dim)
            self.k_proj_weight = _spread(width, self.kdim)
            self.v_proj_weight = _spread(width, self.vdim)
        self.in_proj_bias = Parameter(zeros(3 * width)) if bias else None
        self.bias_k = init.xavier_normal_(Parameter(zeros(1, 1, width))) if add_bias_kv else None
        self.bias_v = init.xavier_normal_(Parameter(zeros(1, 1, width))) if add_bias_kv else None
        self.out_proj = Linear(width, embed_dim, bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
                need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:
        """query (S, B, E), key and value (T, B, E) -> output (S, B, E), weights (B, S, T), (B, h, S, T) not averaged.

        key_padding_mask (B, T), attn_mask (S, T) or (B h, S, T): bool, True where a key is hidden; or float, added.
        is_causal: later keys are hidden, where no attn_mask says what is.
        Unbatched: query (S, E), key_padding_mask (T), attn_mask (S, T) or (h, S, T), weights (S, T) or (h, S, T).
        Raises ShapeError, DTypeError.
        """
        self.check(query, key, value)
        single = query.ndim == 2
        if single:
            query, key, value = _each(lambda x: unsqueeze(x, 0), query, key, value)
            key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
        elif not self.batch_first:
            query, key, value = _each(lambda x: swapaxes(x, 0, 1), query, key, value)
        sizes = query.shape[0], self.num_heads, query.shape[1], key.shape[1]
        plain = self.bias_k is None and not self.add_zero_attn         # else there are keys that is_causal never hides
        first = 0 if is_causal and attn_mask is None and plain else None
        hidden = masks.joined(attn_mask, key_padding_mask, is_causal and first is None, sizes, query.device)
        q, k, v = self._project(query, key, value)                                             # (B, h, S or T, d)
        k, v, hidden = self._extended(k, v, hidden)
        y, weights = self._attend(q, k, v, hidden, need_weights, first)
        y = self._out(y)
        if single:
            y, weights = squeeze(y, 0), None if weights is None else squeeze(weights, 0)
        elif not self.batch_first:
            y = swapaxes(y, 0, 1)
        return y, weights.mean(-3) if weights is not None and average_attn_weights else weights

    # ------------------------------------------------------------------------------------------ one step at a time

    @no_grad()
    def step(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Attention of new steps to themselves and to all before them: x (B, n, E), mostly n = 1 -> (B, n, E), cache.

        cache: what the last call returned, None at the start. Nothing is recorded. Batch first, whatever the layer is.
        """
        q, k, v = self._project(x, x, x)
        if cache is None:                      # the learned and zero keys come first here: their place does not matter
            cache = Cache(*self._extended(k[:, :, :0], v[:, :, :0], None)[:2])
        first = cache.length if x.shape[1] > 1 else None
        cache = cache.append(k, v)
        return self._out(self._found(q, cache.keys, cache.values, None, first)), cache

    @no_grad()
    def remember(self, memory: Tensor, key_padding_mask: Tensor | None = None) -> Memory:
        """Keys and values of an encoder's output (B, T, E), computed once for all steps of `look`."""
        B, T, _ = memory.shape
        k, v = self._project(None, memory, memory)[1:]
        k, v, hidden = self._extended(k, v, masks.joined(None, key_padding_mask, False, (B, self.num_heads, 1, T)))
        return Memory(Cache(k, v), hidden)

    @no_grad()
    def look(self, x: Tensor, memory: Memory) -> Tensor:
        """Attention of x (B, n, E) to what was remembered -> (B, n, E)."""
        q = self._heads(F.linear(x, *self._rows(0, 1)))
        return self._out(self._found(q, memory.seen.keys, memory.seen.values, memory.hidden))

    # ------------------------------------------------------------------------------------------ parts

    @property
    def _dropout(self) -> float:
        return self.dropout if self.training else 0.0

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, need_weights: bool, first: int | None
                ) -> tuple[Tensor, Tensor | None]:
        """Attention of all heads, and the weights if they are wanted."""
        if self.fused and not need_weights:
            return _without_weights(q, k, v, hidden, self._dropout, first), None
        if self.fused and q.device is not cpu and _one_node(q, k, v, hidden):
            sizes = (*q.shape[:-1], k.shape[-2])
            both: tuple[Tensor, Tensor] = on_device(q, k, v, hidden, kept(sizes, self._dropout, q), shown=True,
                                                    first=sizes[-1] if first is None else first)
            return both
        y, weights = attend(q, k, v, _hidden(q, k, hidden, first), self._dropout)
        return y, weights if need_weights else None

    def _found(self, q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None, first: int | None = None) -> Tensor:
        """Attention of one step: readable on the host, where a step is too small for a node to pay."""
        if q.device is cpu:
            return attend(q, k, v, _hidden(q, k, hidden, first), self._dropout)[0]
        return self._attend(q, k, v, hidden, False, first)[0]

    def simple(self, *given: Tensor | None) -> bool:
        """Is it one product in, attention, one product out, with masks that are data: what a node can stand for?"""
        return (self.in_proj_weight is not None and self.bias_k is None and not self.add_zero_attn
                and not any(mask is not None and mask.requires_grad for mask in given))

    def _rows(self, first: int, last: int) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the projections first ... last - 1 of Q, K, V."""
        width = self.num_heads * self.d_k
        part = slice(first * width, last * width)
        if self.in_proj_weight is None:
            weight: Tensor = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)[first]
        else:
            weight = self.in_proj_weight if (first, last) == (0, 3) else self.in_proj_weight[part]
        bias = self.in_proj_bias
        return weight, bias if bias is None or (first, last) == (0, 3) else bias[part]

    def _heads(self, x: Tensor) -> Tensor:
        """(B, T, W) -> (B, h, T, d)"""
        B, T, _ = x.shape
        return swapaxes(x.reshape(B, T, self.num_heads, self.d_k), 1, 2)

    def _project(self, query: Any, key: Tensor, value: Tensor) -> tuple[Any, Tensor, Tensor]:
        """q, k, v, each (B, h, S or T, d); what has the same input is one product. No query, no q."""
        joint, h, d = self.in_proj_weight is not None, self.num_heads, self.d_k
        if joint and key is value:
            first = 0 if query is key else 1
            both = F.linear(key, *self._rows(first, 3))
            parts = both.reshape(*key.shape[:2], 3 - first, h, d).permute(2, 0, 3, 1, 4).unbind(0)
            q = parts[0] if query is key else None
            k, v = parts[-2:]
        else:
            k, v = (self._heads(F.linear(x, *self._rows(i, i + 1))) for i, x in ((1, key), (2, value)))
            q = None
        if q is None and query is not None:
            q = self._heads(F.linear(query, *self._rows(0, 1)))
        return q, k, v

    def _extended(self, k: Tensor, v: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys and values (B, h, T, d) with the learned and the zero ones behind, which no mask hides."""
        B, h, _, d = k.shape
        more = []
        if self.bias_k is not None and self.bias_v is not None:
            more.append([b.reshape(1, h, 1, d).expand(B, h, 1, d) for b in (self.bias_k, self.bias_v)])
        if self.add_zero_attn:
            more.append([zeros(B, h, 1, d, dtype=k.dtype, device=k.device)] * 2)
        if more:
            k, v = (concatenate([x, *added], 2) for x, added in zip((k, v), zip(*more, strict=True), strict=True))
            if hidden is not None:
                hidden = concatenate([hidden, *[hidden[..., :1].zeros_like()] * len(more)], -1)
        return k, v, hidden

    def _out(self, y: Tensor) -> Tensor:
        """What the heads found, (B, h, S, d), side by side and through W^O -> (B, S, E)."""
        B, h, S, d = y.shape
        return self.out_proj(swapaxes(y, 1, 2).reshape(B, S, h * d))

    def check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        """Raise TypeError, ShapeError or DTypeError with the name of what does not fit, and what would."""
        tensors("MultiheadAttention", query=query, key=key, value=value)
        me, mine = f"MultiheadAttention({self.extra_repr()})", self.out_proj.weight.dtype
        lead = "(B, {}, {})" if self.batch_first else "({}, B, {})"
        sizes = {"query": ("S", self.embed_dim), "key": ("T", self.kdim), "value": ("T", self.vdim)}
        for (name, (length, width)), x in zip(sizes.items(), (query, key, value), strict=True):
            if x.ndim not in (2, 3) or x.ndim != query.ndim or x.shape[-1] != width:
                raise ShapeError(describe(f"{me} cannot take a {name} of {tuple(x.shape)}.", made_at=x._made(), fix=(
                    f"{name} is {lead.format(length, width)}, or ({length}, {width}) unbatched")))
            if x.dtype != mine:
                raise DTypeError(describe(f"{me} is of {mine}, and its {name} of {x.dtype}.", made_at=x._made(),
                                          fix=f"{name}.to(mg.{mine})"))
        batch = 0 if self.batch_first else 1
        if key.shape[:-1] != value.shape[:-1] or query.ndim == 3 and query.shape[batch] != key.shape[batch]:
            raise ShapeError(describe(f"query {tuple(query.shape)}, key {tuple(key.shape)} and value "
                                      f"{tuple(value.shape)} of {me} do not fit together.", key=key._made(),
                                      fix=f"one batch for all three, and as many keys as values; with batch_first="
                                          f"{self.batch_first} they are {lead.format('S or T', 'E')}"))

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}"


def _each(f: Callable[[Tensor], Tensor], *tensors: Tensor) -> list[Tensor]:
    """f of each, once for each object: a query that is the key stays so, and is projected with it."""
    done = {id(x): f(x) for x in tensors}
    return [done[id(x)] for x in tensors]


def _spread(outputs: int, inputs: int) -> Parameter:
    weight = Parameter(zeros(outputs, inputs))
    init.xavier_uniform_(weight)
    return weight
