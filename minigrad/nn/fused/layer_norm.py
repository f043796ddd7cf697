"""Layer normalisation as one node; equal to the composition in `nn/functional.py` (test_fused_ops.py).

    h = (x - mean x) r,  r = 1 / sqrt(mean (x - mean x)^2 + eps),  y = h w + b        means over the last axes
    dx = r (u - mean u - h mean(u h)),  u = g w;   dw = sum g h,  db = sum g

One form for every namespace, and with it gradients of every order; on the host the same in place (`norm_rows.py`), on
a device with kernels one launch forward, one for dx, two for dw and db (`kernels/layer_norm.cu`).
"""
from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ... import kernels
from ...tensor import primitive
from ..gpu import rows as on_rows
from . import norm_rows
from .workspace import Lease


@primitive
def layer_norm(xp: Any, x: Any, w: Any, b: Any, *, axes: int, eps: float) -> Any:
    """y = h w + b, h = r (x - mean x), r = 1 / sqrt(var x + eps);  dx = r (u - mean u - h mean(u h)), u = g w, dw = g h

    x (..., *S), w and b of shape S or None; axes: how many axes S has.
    """
    if xp is np and x.size:
        return _on_host(x, w, b, axes, eps)
    if x.size and (k := kernels.of(xp, x.dtype)):
        return _by_kernels(k, xp, x, w, b, axes, eps)
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
    m, shape, inner = len(rows), x.shape, x.shape[-axes:]
    lease = Lease(("layer norm", m, n, dtype.char), lambda: np.empty((m, n), dtype))
    r, y = np.empty((m, 1), dtype), np.empty((m, n), dtype)
    wr, br = w if w is None else w.reshape(n), b if b is None else b.reshape(n)
    norm_rows.normalise(rows, wr, br, eps, lease.space, r, y)

    def vjp(g: np.ndarray) -> Any:
        h = lease.space

        @functools.cache
        def all_three() -> Any:
            dx = np.empty((m, n), dtype)
            return dx, *norm_rows.gradients(g.reshape(m, n), h, r, wr, dx)
        return (lambda: all_three()[0].reshape(shape), lambda: all_three()[1].reshape(inner),
                lambda: all_three()[2].reshape(inner))
    return y.reshape(shape), vjp


def _by_kernels(k: Any, xp: Any, x: Any, w: Any, b: Any, axes: int, eps: float) -> Any:
    shape, inner, n = x.shape, x.shape[-axes:], math.prod(x.shape[-axes:])
    w = None if w is None else xp.ascontiguousarray(w).reshape(n)
    b = None if b is None else xp.ascontiguousarray(b).reshape(n)
    y, rows, mean, r = on_rows.norm(k, xp, xp.ascontiguousarray(x).reshape(-1, n), w, b, eps)

    def vjp(g: Any) -> Any:
        gs = xp.ascontiguousarray(g).reshape(-1, n)

        @functools.cache
        def sums() -> Any:
            return on_rows.norm_sums(k, xp, gs, rows, mean, r, inner)
        return (lambda: on_rows.norm_gradient(k, xp, gs, rows, w, mean, r)[0].reshape(shape),
                lambda: sums()[0], lambda: sums()[1])
    return y.reshape(shape), vjp
