"""Layer normalisation as one node; equal to the composition in `nn/functional.py` (test_fused_ops.py).

    h = (x - mean x) r,  r = 1 / sqrt(mean (x - mean x)^2 + eps),  y = h w + b        means over the last axes
    dx = r (u - mean u - h mean(u h)),  u = g w;   dw = sum g h,  db = sum g

One form for every namespace, and with it gradients of every order; on the host the same in place, in blocks of rows
that stay in the cache, with means as products: a row sum of NumPy costs several times a BLAS product with 1/n.
"""
from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ...tensor import primitive
from .workspace import Lease

BLOCK = 32768                                  # elements: a block and its copies stay in the second-level cache


@primitive
def layer_norm(xp: Any, x: Any, w: Any, b: Any, *, axes: int, eps: float) -> Any:
    """y = h w + b, h = r (x - mean x), r = 1 / sqrt(var x + eps);  dx = r (u - mean u - h mean(u h)), u = g w, dw = g h

    x (..., *S), w and b of shape S or None; axes: how many axes S has.
    """
    if xp is np and x.size:
        return _on_host(x, w, b, axes, eps)
    n = math.prod(x.shape[-axes:])
    last = tuple(range(-axes, 0))

    def mean(a: Any) -> Any:
        return xp.sum(a, axis=last, keepdims=True) / n
    d = x - mean(x)
    r = 1 / xp.sqrt(mean(d * d) + eps)
    h = d * r

    def vjp(g: Any) -> Any:
        u = g if w is None else g * w
        return r * (u - mean(u) - h * mean(u * h)), lambda: g * h, g
    y = h if w is None else h * w
    return y if b is None else y + b, vjp


def _on_host(x: np.ndarray, w: Any, b: Any, axes: int, eps: float) -> Any:
    n = math.prod(x.shape[-axes:])
    rows, dtype = x.reshape(-1, n), x.dtype
    m, step = len(rows), max(1, BLOCK // n)
    lease = Lease(("layer norm", m, n, dtype.char), lambda: np.empty((m, n), dtype))
    h, r, share = lease.space, np.empty((m, 1), dtype), np.full((n, 1), 1 / n, dtype)
    y, shape, inner = np.empty((m, n), dtype), x.shape, x.shape[-axes:]
    wr, br = w if w is None else w.reshape(n), b if b is None else b.reshape(n)
    for a in range(0, m, step):
        part, out, root = h[a:a + step], y[a:a + step], r[a:a + step]
        np.subtract(rows[a:a + step], np.dot(rows[a:a + step], share), out=part)
        np.vecdot(part, part, out=root[:, 0])
        root *= share[0]
        root += eps
        np.sqrt(root, out=root)
        np.divide(1, root, out=root)
        part *= root
        if wr is None:
            np.copyto(out, part)
        else:
            np.multiply(part, wr, out=out)
        if br is not None:
            out += br

    def vjp(g: np.ndarray) -> Any:
        gs = g.reshape(m, n)
        h = lease.space

        @functools.cache
        def all_three() -> Any:
            """dx, dw, db in one walk over the rows: each block is read once."""
            dx, dw, db = np.empty((m, n), dtype), np.zeros(n, dtype), np.zeros(n, dtype)
            scratch, ones = np.empty((min(step, m), n), dtype), np.ones(min(step, m), dtype)
            gain = share if wr is None else share * wr[:, None]
            for a in range(0, m, step):
                part, gp, out = h[a:a + step], gs[a:a + step], dx[a:a + step]
                gh, one = scratch[:len(part)], ones[:len(part)]
                np.multiply(gp, part, out=gh)
                mean, slope = np.dot(gp, gain), np.dot(gh, gain)
                if wr is None:
                    np.subtract(gp, mean, out=out)
                else:
                    dw += np.dot(one, gh)
                    db += np.dot(one, gp)
                    np.multiply(gp, wr, out=out)
                    out -= mean
                np.multiply(part, slope, out=gh)
                out -= gh
                out *= r[a:a + step]
            return dx.reshape(shape), dw.reshape(inner), db.reshape(inner)
        return (lambda: all_three()[0], lambda: all_three()[1], (lambda: all_three()[2]) if wr is not None else g)
    return y.reshape(shape), vjp
