"""A Transformer layer's attention with its projections, residual and norm on a device with kernels, as one node.

    post-norm   y = norm(x + A(x, m) W_o^T + b_o)
    pre-norm    y = x + A(norm x, m) W_o^T + b_o

A is attention of many heads: queries from x, keys and values from x itself, or from m, an encoder's output. Products
are cuBLAS's; what stands between two of them is one launch. Equal to the composition (test_attention_kernels.py);
`nn/fused/attention_block.py` is the host's.
"""
from __future__ import annotations

import math
from typing import Any

from ... import kernels
from ...tensor import primitive
from .attention import weights, weights_gradient
from .rows import column_sums, each, norm, norm_gradient, norm_sums, tiles


class Heads:
    """Rows of projections <-> heads, for a batch of B examples: rows stand as (B, L), or (L, B) without batch_first."""

    def __init__(self, k: Any, xp: Any, B: int, heads: int, d: int, batch_first: bool) -> None:
        self.k, self.xp, self.B, self.heads, self.d, self.batch_first = k, xp, B, heads, d, int(batch_first)

    def split(self, rows: Any, bias: Any = None) -> Any:
        """Rows (N, parts W) and what is added to each -> (parts, B, h, L, d)."""
        L, parts = rows.shape[0] // self.B, rows.shape[1] // (self.heads * self.d)
        out = self.xp.empty((parts, self.B, self.heads, L, self.d), rows.dtype)
        self.k("split_heads", *tiles(*rows.shape), rows, bias, out, parts, self.B, L, self.heads, self.d,
               self.batch_first)
        return out

    def merge(self, x: Any) -> Any:
        """(parts, B, h, L, d) -> rows (N, parts W)."""
        parts, _, _, L, _ = x.shape
        rows = self.xp.empty((self.B * L, parts * self.heads * self.d), x.dtype)
        self.k("merge_heads", *tiles(*rows.shape), x, rows, parts, self.B, L, self.heads, self.d, self.batch_first)
        return rows


@primitive(second=False)
def attention_block(xp: Any, x: Any, memory: Any, mask: Any, inside: Any, behind: Any, w_in: Any, b_in: Any, w_out: Any,
                    b_out: Any, w: Any, b: Any, *, heads: int, norm_first: bool, eps: float, batch_first: bool,
                    first: int) -> Any:
    """y = norm(x + A(x, m) W_o^T + b_o), or x + A(norm x, m) W_o^T + b_o;  dW_o = ds^T o, dW_in = [dq, dk, dv]^T x

    x (B, S, E), memory (B, T, E) or None: x itself; both (S, B, E) without batch_first; all float32.  mask None, bool
    (True: hidden) or float (added; no gradient), stretched to (B, h, S, T).  w_in (3 W, E), w_out (E, W); biases b_in,
    b_out and the norm's w, b or None.  inside (B, h, S, T), behind like x: dropout of p and of A W_o^T + b_o, 0 or
    1 / (1 - p); or None.  first: query i sees the keys 0 ... first + i; T hides none.  First order only.
    """
    k, E, W = kernels.of(xp, x.dtype), x.shape[2], len(w_in) // 3
    mm, c = k.blas.matmul, 1 / math.sqrt(W // heads)
    by = Heads(k, xp, x.shape[0 if batch_first else 1], heads, W // heads, batch_first)
    rows = xp.ascontiguousarray(x).reshape(-1, E)
    seen = None if memory is None else xp.ascontiguousarray(memory).reshape(-1, E)
    behind = None if behind is None else xp.ascontiguousarray(behind).reshape(-1, E)
    inside = None if inside is None else xp.ascontiguousarray(inside)
    inner = rows
    if norm_first:
        inner, s, mean, r = norm(k, xp, rows, w, b, eps)
    if seen is None:
        q, key, v = by.split(mm(inner, w_in.T), b_in)
    else:
        q, = by.split(mm(inner, w_in[:W].T), None if b_in is None else b_in[:W])
        key, v = by.split(mm(seen, w_in[W:].T), None if b_in is None else b_in[W:])
    p, used = weights(k, xp, mm(q, xp.swapaxes(key, -1, -2), alpha=c), mask, inside, first)
    found = by.merge(xp.expand_dims(mm(used, v), 0))                                           # (N, W)
    out = mm(found, w_out.T)
    if norm_first:
        y = each(k, "residual_forward", out, b_out, behind, rows, xp.empty_like(out))
    else:
        y, s, mean, r = norm(k, xp, out, w, b, eps, b_out, behind, rows)

    def vjp(g: Any) -> Any:
        gs = xp.ascontiguousarray(g).reshape(-1, E)
        if norm_first:
            ds, dout = gs, gs if behind is None else gs * behind
        else:
            dw, db = norm_sums(k, xp, gs, s, mean, r)
            ds, dout = norm_gradient(k, xp, gs, s, w, mean, r, kept=behind)
        dw_out, db_out = mm(dout.T, found), None if b_out is None else column_sums(k, xp, dout)
        do, = by.split(mm(dout, w_out))
        dscores = weights_gradient(k, p, mm(do, xp.swapaxes(v, -1, -2)), inside)
        dq = xp.empty((1 if memory is not None else 3, *q.shape), q.dtype)
        dkv = dq[1:] if memory is None else xp.empty((2, *key.shape), q.dtype)
        mm(dscores, key, out=dq[0], alpha=c)
        mm(xp.swapaxes(dscores, -1, -2), q, out=dkv[0], alpha=c)
        mm(xp.swapaxes(used, -1, -2), do, out=dkv[1])
        dq = by.merge(dq)                                                                      # (N, W or 3 W)
        dw_in, db_in, dmemory = xp.empty_like(w_in), None, None
        mm(dq.T, inner, out=dw_in[:dq.shape[1]])
        if b_in is not None:
            db_in = column_sums(k, xp, dq)
        if seen is not None:
            dkv = by.merge(dkv)
            mm(dkv.T, seen, out=dw_in[W:])
            dmemory = mm(dkv, w_in[W:]).reshape(memory.shape)
            if b_in is not None:
                db_in = xp.concatenate([db_in, column_sums(k, xp, dkv)])
        own = w_in[:dq.shape[1]]
        if norm_first:
            dinner = mm(dq, own)
            dw, db = norm_sums(k, xp, dinner, s, mean, r)
            dx = norm_gradient(k, xp, dinner, s, w, mean, r, plus=ds)[0]
        else:
            dx = mm(dq, own, out=ds, accumulate=True)
        return dx.reshape(x.shape), dmemory, None, None, None, dw_in, db_in, dw_out, db_out, dw, db
    return y.reshape(x.shape), vjp
