"""softmax(q k^T / sqrt d) v as one node; equal to `attend` in `nn/attention.py` (test_fused_attention.py).

    p = softmax(q k^T c),  c = 1 / sqrt d,  o = p v
    dv = p^T do,  ds = p (dp - sum_j dp_j p_j),  dp = do v^T,  dq = c ds k,  dk = c ds^T q

sum_j dp_j p_j = do . o: d terms a row instead of T.  The scores are made and used in blocks of examples that stay in
the cache. Where no e^s can overflow, which two flat passes tell, nothing is subtracted: a row's maximum costs twice its
exponentials.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...tensor import primitive
from . import threads
from .workspace import Lease

CACHE = 65536                                  # scores a block: they and their gradients fit the second-level cache
SHARED = 262144                                # the same on several threads: calls long enough to run side by side
NARROW = 32                                    # features: up to here a transposing copy costs less than it saves
SAFE = 30.0                                    # e^30 keeps sums, and gradients over them, far from float32's ends


@primitive(second=False)
def attention(xp: Any, q: Any, k: Any, v: Any, mask: Any, kept: Any = None) -> Any:
    """y = softmax(q k^T / sqrt d + mask) v;  dv = p^T g, ds = p (dp - g . y), dq = ds k / sqrt d, dk = ds^T q / sqrt d

    q (B, h, S, d), k (B, h, T, d), v (B, h, T, e), mask None, bool (True: hidden) or float (added; no gradient),
    stretched to (B, h, S, T) -> (B, h, S, e).  kept (B, h, S, T): dropout of the weights, 0 or 1 / (1 - p).
    A row that sees nothing gives zeros.  NumPy only, first order only.
    """
    B, h, S, d = q.shape
    shape, dtype = (B, h, S, k.shape[2]), q.dtype
    lease = Lease(("attention", *shape, dtype.char), lambda: np.empty(shape, dtype))
    scaled = q * dtype.type(1 / math.sqrt(d))
    y = np.empty((B, h, S, v.shape[3]), dtype)
    forward((scaled, k, v), Mask(mask, shape, dtype), lease.space, y, kept=kept)

    def vjp(g: np.ndarray) -> Any:
        p = lease.space

        @functools.cache
        def all_three() -> Any:
            into = [np.empty(a.shape, dtype) for a in (q, k, v)]
            backward((scaled, k, v), p, g, np.vecdot(g, y), into, kept)
            into[0] *= dtype.type(1 / math.sqrt(d))
            return into
        return lambda: all_three()[0], lambda: all_three()[1], lambda: all_three()[2], None, None
    return y, vjp


class Mask:
    """A mask as the blocks add it: floats that stretch to (B, h, S, T), and whether it only hides (0 or -inf)."""

    def __init__(self, mask: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.added, self.hides = None, True
        if mask is not None:
            self.hides = mask.dtype == np.bool_
            added = np.where(mask, dtype.type(-np.inf), dtype.type(0)) if self.hides else mask
            self.added = added.reshape((1,) * (4 - added.ndim) + added.shape)

    def of(self, part: slice) -> Any:
        """The rows of some examples."""
        return None if self.added is None else self.added[part] if len(self.added) > 1 else self.added


def forward(qkv: Sequence[np.ndarray], mask: Mask, p: np.ndarray, y: np.ndarray,
            biases: Sequence[tuple[np.ndarray, np.ndarray]] = (), kept: Any = None) -> None:
    """p = softmax(q k^T + mask) (B, h, S, T), y = (p kept) v; q is scaled.  All may be strided views, but p.

    biases: arrays (B, ...) and what is added to them, example by example, just before they are used.
    """
    (q, k, v), (B, h, S, T) = qkv, p.shape

    def examples(start: int, stop: int) -> None:
        step = block(h * S * T)
        ones, sums = np.ones(T, p.dtype), np.empty(min(step, stop - start) * h * S, p.dtype)
        for a in range(start, stop, step):
            e = slice(a, min(a + step, stop))
            for array, bias in biases:
                array[e] += bias
            s = p[e]
            np.matmul(q[e], _turned(k[e]), out=s)
            _powers(s, mask.of(e), mask.hides)
            total = sums[:len(s) * h * S]
            np.dot(s.reshape(-1, T), ones, out=total)
            if mask.added is not None:
                total[total == 0] = 1          # a row that sees nothing
            np.divide(1, total, out=total)
            s *= total.reshape(len(s), h, S, 1)
            np.matmul(s if kept is None else s * kept[e], v[e], out=y[e])
    threads.parts(examples, B)


def _turned(a: np.ndarray) -> np.ndarray:
    """a^T (..., d, T). Narrow heads are copied: OpenBLAS multiplies small matrices 1.5 times faster than by a view."""
    turned = a.transpose(0, 1, 3, 2)
    return np.ascontiguousarray(turned) if a.shape[-1] <= NARROW else turned


def _powers(s: np.ndarray, added: Any, hides: bool) -> None:
    """s = e^(s + added - c): c = 0 where no power of the block can overflow or vanish, else each row's maximum."""
    if hides and s.size and -SAFE < s.min() and s.max() < SAFE:
        if added is not None:
            s += added
    else:
        if added is not None:
            s += added
        top = s.max(-1, keepdims=True, initial=-np.inf)
        if added is not None:
            top[top == -np.inf] = 0            # a row that sees nothing: -inf minus -inf is NaN
        s -= top
    np.exp(s, out=s)


def backward(qkv: Sequence[np.ndarray], p: np.ndarray, g: np.ndarray, slope: np.ndarray, into: Sequence[np.ndarray],
             kept: Any = None) -> None:
    """Gradients of `forward`'s q (the scaled one), k and v, into three arrays; g = dy, slope = g . y (B, h, S)."""
    (q, k, v), (dq, dk, dv), (B, h, S, T) = qkv, into, p.shape

    def examples(start: int, stop: int) -> None:
        step = block(h * S * T)
        scratch = np.empty((min(step, stop - start), h, S, T), p.dtype)
        for a in range(start, stop, step):
            e = slice(a, min(a + step, stop))
            pe, ge = p[e], g[e]
            ds = scratch[:len(pe)]
            used = pe if kept is None else np.multiply(pe, kept[e], out=ds)
            np.matmul(used.transpose(0, 1, 3, 2), ge, out=dv[e])
            np.matmul(ge, _turned(v[e]), out=ds)
            if kept is not None:
                ds *= kept[e]
            ds -= slope[e][..., None]
            ds *= pe
            np.matmul(ds, k[e], out=dq[e])
            np.matmul(ds.transpose(0, 1, 3, 2), q[e], out=dk[e])
    threads.parts(examples, B)


def block(scores: int) -> int:
    """How many examples of so many scores one call takes."""
    return max(1, (CACHE if threads.count() == 1 else SHARED) // max(scores, 1))
