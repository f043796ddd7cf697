"""A Transformer layer's second half as one node; equal to its composition (test_fused_transformer.py).

    post-norm   y = norm(x + W2 phi(W1 x + b1) + b2)
    pre-norm    y = x + W2 phi(W1 norm(x) + b1) + b2

phi is relu or gelu; norm is layer norm.  Télécom, *Residuals + Normalisation*.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ...tensor import primitive
from . import norm_rows, threads
from .gelu import gelu
from .workspace import Lease


class Forward:
    """What a graph keeps of N rows: the normalised ones, the hidden layer, and for gelu its derivative."""

    def __init__(self, N: int, E: int, F: int, norm_first: bool, curved: bool, dtype: np.dtype) -> None:
        self.h, self.r, self.f = np.empty((N, E), dtype), np.empty((N, 1), dtype), np.empty((N, F), dtype)
        self.normed = np.empty((N, E), dtype) if norm_first else None
        self.slope = np.empty((N, F), dtype) if curved else None
        self.nbytes = sum(a.nbytes for a in (self.h, self.r, self.f, self.normed, self.slope) if a is not None)


class Backward:
    """What a backward pass writes; leased for the pass only."""

    def __init__(self, N: int, E: int, F: int, dtype: np.dtype) -> None:
        self.ds, self.df = np.empty((N, E), dtype), np.empty((N, F), dtype)
        self.nbytes = self.ds.nbytes + self.df.nbytes


@primitive(second=False)
def feed_forward(xp: Any, x: Any, inside: Any, behind: Any, w1: Any, b1: Any, w2: Any, b2: Any, w: Any, b: Any, *,
                 activation: str, norm_first: bool, eps: float) -> Any:
    """y = norm(x + W2 phi(W1 x + b1) + b2), or x + W2 phi(W1 norm(x) + b1) + b2;  dx, dW1 = dz^T x, dW2 = ds^T phi(z)

    x (..., E), w1 (F, E), w2 (E, F), b1, b2 and the norm's w, b or None; activation "relu" or "gelu".
    inside (..., F), behind (..., E): dropout of phi and of the network's output, 0 or 1 / (1 - p); or None.
    NumPy only, first order only.
    """
    shape, (F, E), dtype = x.shape, w1.shape, x.dtype
    inside = None if inside is None else inside.reshape(-1, F)
    behind = None if behind is None else behind.reshape(-1, E)
    rows = np.ascontiguousarray(x).reshape(-1, E)
    N, curved = len(rows), activation == "gelu"
    lease = Lease(("feed forward", N, E, F, norm_first, curved, dtype.char),
                  lambda: Forward(N, E, F, norm_first, curved, dtype))
    s, y = lease.space, np.empty((N, E), dtype)
    inner = rows
    if norm_first:
        norm_rows.normalise(rows, w, b, eps, s.h, s.r, s.normed)
        inner = s.normed
    np.dot(inner, w1.T, out=s.f)
    _activate(s.f, b1, s.slope, inside)
    if norm_first:
        np.dot(s.f, w2.T, out=y)
        norm_rows.add(y, b2, behind, rows)
    else:
        np.dot(s.f, w2.T, out=s.h)
        norm_rows.normalise(s.h, w, b, eps, s.h, s.r, y, b2, behind, rows)

    def vjp(g: np.ndarray) -> Any:
        s = lease.space
        scratch = Lease(("feed forward back", N, E, F, dtype.char), lambda: Backward(N, E, F, dtype))
        gs, df = np.ascontiguousarray(g).reshape(N, E), scratch.space.df
        ds, dw, db = gs, None, None
        if not norm_first:
            ds = scratch.space.ds
            dw, db = norm_rows.gradients(gs, s.h, s.r, w, ds)
        out = ds if behind is None else ds * behind
        np.dot(out, w2, out=df)
        _slopes(df, s.f, s.slope, inside)
        dx = np.dot(df, w1)
        if norm_first:
            dw, db = norm_rows.gradients(dx, s.h, s.r, w, dx)
        norm_rows.add(dx, residual=ds)
        inner = rows if s.normed is None else s.normed
        return (dx.reshape(shape), None, None, lambda: np.dot(scratch.space.df.T, inner),
                lambda: norm_rows.column_sums(scratch.space.df), lambda: np.dot(out.T, s.f),
                lambda: norm_rows.column_sums(out), dw, db)
    return y.reshape(shape), vjp


def _activate(f: np.ndarray, bias: Any, slope: Any, kept: Any) -> None:
    """f = relu(f + bias) kept, or where slope is given f = gelu(f + bias) kept and slope its derivative."""
    def rows(start: int, stop: int) -> None:
        step = norm_rows.block(f.shape[1])
        zero = np.zeros(f.shape[1], f.dtype)   # of a row's length: np.maximum with a single 0 takes three times as long
        for a in range(start, stop, step):
            e = slice(a, min(a + step, stop))
            part = f[e]
            if bias is not None:
                part += bias
            if slope is None:
                np.maximum(part, zero, out=part)
            else:
                gelu(part, slope[e])
            if kept is not None:
                part *= kept[e]
    threads.parts(rows, len(f), 256)


def _slopes(df: np.ndarray, f: np.ndarray, slope: Any, kept: Any) -> None:
    """df = df kept phi'(z): relu's is [f > 0], gelu's is there."""
    def rows(start: int, stop: int) -> None:
        step = norm_rows.block(f.shape[1])
        for a in range(start, stop, step):
            e = slice(a, min(a + step, stop))
            part = df[e]
            part *= f[e] > 0 if slope is None else slope[e]
            if kept is not None:
                part *= kept[e]
    threads.parts(rows, len(f), 256)
