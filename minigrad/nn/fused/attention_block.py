"""A Transformer layer's attention with its projections, residual and norm as one node (test_fused_transformer.py).

    post-norm   y = norm(x + A(x, m) W_o^T + b_o)
    pre-norm    y = x + A(norm x, m) W_o^T + b_o

A is attention of many heads (`attention.py`): queries from x, keys and values from x itself, or from m, an encoder's
output.  The scale 1 / sqrt d stands in a copy of the queries' weights: the scores need no pass of their own for it.
Télécom, *Residuals + Normalisation*, *[Decoder layers]*.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...tensor import primitive
from . import norm_rows
from .attention import Mask, backward, forward
from .workspace import Lease


class Sizes:
    """The sizes of a call.  Rows of x are (B, S, E), or (S, B, E) without batch_first; those of a memory likewise."""

    def __init__(self, x: np.ndarray, memory: Any, w_in: np.ndarray, heads: int, batch_first: bool) -> None:
        self.heads, self.batch_first, self.cross = heads, batch_first, memory is not None
        self.B, self.S = x.shape[:2] if batch_first else x.shape[1::-1]
        self.T = self.S if memory is None else memory.shape[1 if batch_first else 0]
        self.E, self.W, self.dtype = x.shape[2], len(w_in) // 3, x.dtype
        self.scores = (self.B, heads, self.S, self.T)
        self.key = (*self.scores, self.E, self.W, self.cross, self.dtype.char)

    def empty(self, length: int, width: int) -> np.ndarray:
        """Rows of `length` steps of all examples."""
        return np.empty((self.B * length, width), self.dtype)

    def examples(self, rows: np.ndarray, length: int) -> np.ndarray:
        """Rows -> a view (B, length, width)."""
        if self.batch_first:
            return rows.reshape(self.B, length, -1)
        return rows.reshape(length, self.B, -1).transpose(1, 0, 2)

    def by_head(self, rows: np.ndarray, length: int) -> list[np.ndarray]:
        """Rows of k arrays side by side -> k views (B, h, length, d)."""
        parts = self.examples(rows, length).reshape(self.B, length, -1, self.heads, self.W // self.heads)
        return list(parts.transpose(2, 0, 3, 1, 4))


class Projections:
    """q (N, W) and k, v (M, 2 W), or their gradients; without a memory they lie in one array (N, 3 W)."""

    def __init__(self, n: Sizes) -> None:
        self.q = n.empty(n.S, n.W if n.cross else 3 * n.W)
        self.kv = n.empty(n.T, 2 * n.W) if n.cross else None
        self.nbytes = self.q.nbytes + (self.kv.nbytes if self.kv is not None else 0)
        self.views = [*n.by_head(self.q, n.S), *([] if self.kv is None else n.by_head(self.kv, n.T))]


class Forward:
    """What a graph keeps: scaled weights, q, k, v, the attention p, what it found o, and the normalised rows."""

    def __init__(self, n: Sizes, norm_first: bool) -> None:
        self.w, self.b = np.empty((3 * n.W, n.E), n.dtype), np.empty(3 * n.W, n.dtype)
        self.qkv, self.p = Projections(n), np.empty(n.scores, n.dtype)
        self.o, self.h, self.r = n.empty(n.S, n.W), n.empty(n.S, n.E), n.empty(n.S, 1)
        self.normed = n.empty(n.S, n.E) if norm_first else None
        arrays = (self.w, self.b, self.p, self.o, self.h, self.r, self.normed)
        self.nbytes = self.qkv.nbytes + sum(a.nbytes for a in arrays if a is not None)


class Backward:
    """What a backward pass writes; leased for the pass only."""

    def __init__(self, n: Sizes) -> None:
        self.dqkv, self.ds, self.do = Projections(n), n.empty(n.S, n.E), n.empty(n.S, n.W)
        self.nbytes = self.dqkv.nbytes + self.ds.nbytes + self.do.nbytes


@primitive(second=False)
def attention_block(xp: Any, x: Any, memory: Any, mask: Any, inside: Any, behind: Any, w_in: Any, b_in: Any, w_out: Any,
                    b_out: Any, w: Any, b: Any, *, heads: int, norm_first: bool, eps: float, batch_first: bool) -> Any:
    """y = norm(x + A(x, m) W_o^T + b_o), or x + A(norm x, m) W_o^T + b_o;  dW_o = ds^T o, dW_in = [dq, dk, dv]^T x

    x (B, S, E), memory (B, T, E) or None: x itself; both (S, B, E) without batch_first.  mask None, bool (True: hidden)
    or float (added; no gradient), stretched to (B, h, S, T).  w_in (3 W, E), w_out (E, W); biases b_in, b_out and the
    norm's w, b or None.  inside (B, h, S, T), behind like x: dropout of p and of A W_o^T + b_o, 0 or 1 / (1 - p); or
    None.  NumPy only, first order only.
    """
    n, scale = Sizes(x, memory, w_in, heads, batch_first), x.dtype.type(math.sqrt(heads / (len(w_in) // 3)))
    lease = Lease(("attention block", norm_first, batch_first, *n.key), lambda: Forward(n, norm_first))
    s, y, W = lease.space, n.empty(n.S, n.E), n.W
    rows, behind = np.ascontiguousarray(x).reshape(-1, n.E), None if behind is None else behind.reshape(-1, n.E)
    seen = None if memory is None else np.ascontiguousarray(memory).reshape(-1, n.E)
    inner = rows
    if norm_first:
        norm_rows.normalise(rows, w, b, eps, s.h, s.r, s.normed)
        inner = s.normed
    np.multiply(w_in[:W], scale, out=s.w[:W])
    s.w[W:] = w_in[W:]
    if b_in is not None:
        np.multiply(b_in[:W], scale, out=s.b[:W])
        s.b[W:] = b_in[W:]
    np.dot(inner, s.w[:s.qkv.q.shape[1]].T, out=s.qkv.q)
    biases = [(n.examples(s.qkv.q, n.S), s.b[:s.qkv.q.shape[1]])]
    if seen is not None:
        np.dot(seen, s.w[W:].T, out=s.qkv.kv)
        biases.append((n.examples(s.qkv.kv, n.T), s.b[W:]))
    found = n.by_head(s.o, n.S)[0]
    forward(s.qkv.views, Mask(mask, n.scores, n.dtype), s.p, found, biases if b_in is not None else (), inside)
    if norm_first:
        np.dot(s.o, w_out.T, out=y)
        norm_rows.add(y, b_out, behind, rows)
    else:
        np.dot(s.o, w_out.T, out=s.h)
        norm_rows.normalise(s.h, w, b, eps, s.h, s.r, y, b_out, behind, rows)

    def vjp(g: np.ndarray) -> Any:
        s = lease.space
        scratch = Lease(("attention block back", batch_first, *n.key), lambda: Backward(n))
        back, ds, dw, db = scratch.space, np.ascontiguousarray(g).reshape(-1, n.E), None, None
        if not norm_first:
            dw, db = norm_rows.gradients(ds, s.h, s.r, w, back.ds)
            ds = back.ds
        out = ds if behind is None else ds * behind
        np.dot(out, w_out, out=back.do)
        slope = n.examples(_by_head(back.do, s.o, heads), n.S).transpose(0, 2, 1)              # (B, h, S)
        backward(s.qkv.views, s.p, n.by_head(back.do, n.S)[0], slope, back.dqkv.views, inside)
        dq, dkv = back.dqkv.q, back.dqkv.kv
        dx = np.dot(dq, s.w[:dq.shape[1]])
        if norm_first:
            dw, db = norm_rows.gradients(dx, s.h, s.r, w, dx)
        norm_rows.add(dx, residual=ds)

        def dw_in() -> np.ndarray:
            grad, inner = np.empty_like(w_in), rows if s.normed is None else s.normed
            np.dot(dq.T, inner, out=grad[:dq.shape[1]])
            if seen is not None:
                np.dot(dkv.T, seen, out=grad[W:])
            grad[:W] *= scale
            return grad

        def db_in() -> np.ndarray:
            grad = np.empty(3 * W, n.dtype)
            grad[:dq.shape[1]] = norm_rows.column_sums(dq)
            if dkv is not None:
                grad[W:] = norm_rows.column_sums(dkv)
            grad[:W] *= scale
            return grad
        return (dx.reshape(x.shape), lambda: np.dot(scratch.space.dqkv.kv, s.w[W:]).reshape(memory.shape), None, None,
                None, dw_in, db_in, lambda: np.dot(out.T, s.o), lambda: norm_rows.column_sums(out), dw, db)
    return y.reshape(x.shape), vjp


def _by_head(a: np.ndarray, b: np.ndarray, heads: int) -> np.ndarray:
    """a . b of each head: rows (N, h d) twice -> (N, h), as a product with ones where a column belongs to a head."""
    N, W = a.shape
    belongs, out = np.repeat(np.eye(heads, dtype=a.dtype), W // heads, 0), np.empty((N, heads), a.dtype)
    step = norm_rows.block(W)
    for i in range(0, N, step):
        np.dot(a[i:i + step] * b[i:i + step], belongs, out=out[i:i + step])
    return out
