"""A Transformer layer's second half on a device with kernels; equal to its composition (test_attention_kernels.py).

    post-norm   y = norm(x + W2 phi(W1 x + b1) + b2)
    pre-norm    y = x + W2 phi(W1 norm(x) + b1) + b2

Two products of cuBLAS, and one launch for what stands between and behind them. `nn/fused/feed_forward.py` is the
host's.
"""
from __future__ import annotations

from typing import Any

from ... import kernels
from ...tensor import primitive
from .rows import column_sums, each, norm, norm_gradient, norm_sums


@primitive(second=False)
def feed_forward(xp: Any, x: Any, inside: Any, behind: Any, w1: Any, b1: Any, w2: Any, b2: Any, w: Any, b: Any, *,
                 activation: str, norm_first: bool, eps: float) -> Any:
    """y = norm(x + W2 phi(W1 x + b1) + b2), or x + W2 phi(W1 norm(x) + b1) + b2;  dx, dW1 = dz^T x, dW2 = ds^T phi(z)

    x (..., E), w1 (F, E), w2 (E, F), b1, b2 and the norm's w, b or None; activation "relu" or "gelu"; all float32.
    inside (..., F), behind (..., E): dropout of phi and of the network's output, 0 or 1 / (1 - p); or None.
    First order only.
    """
    k, shape, (F, E) = kernels.of(xp, x.dtype), x.shape, w1.shape
    mm = k.blas.matmul
    rows = xp.ascontiguousarray(x).reshape(-1, E)
    inside = None if inside is None else xp.ascontiguousarray(inside).reshape(-1, F)
    behind = None if behind is None else xp.ascontiguousarray(behind).reshape(-1, E)
    inner = rows
    if norm_first:
        inner, s, mean, r = norm(k, xp, rows, w, b, eps)
    z = mm(inner, w1.T)
    f = each(k, f"bias_{activation}_forward", z, b1, inside, xp.empty_like(z))
    out = mm(f, w2.T)
    if norm_first:
        y = each(k, "residual_forward", out, b2, behind, rows, xp.empty_like(out))
    else:
        y, s, mean, r = norm(k, xp, out, w, b, eps, b2, behind, rows)

    def vjp(g: Any) -> Any:
        gs = xp.ascontiguousarray(g).reshape(-1, E)
        if norm_first:
            ds, dout = gs, gs if behind is None else gs * behind
        else:
            dw, db = norm_sums(k, xp, gs, s, mean, r)
            ds, dout = norm_gradient(k, xp, gs, s, w, mean, r, kept=behind)
        dw2, db2 = mm(dout.T, f), None if b2 is None else column_sums(k, xp, dout)
        dz = each(k, f"bias_{activation}_backward", z, b1, inside, mm(dout, w2), xp.empty_like(z))
        dw1, db1 = mm(dz.T, inner), None if b1 is None else column_sums(k, xp, dz)
        if norm_first:
            dinner = mm(dz, w1)
            dw, db = norm_sums(k, xp, dinner, s, mean, r)
            dx = norm_gradient(k, xp, dinner, s, w, mean, r, plus=ds)[0]
        else:
            dx = mm(dz, w1, out=ds, accumulate=True)
        return dx.reshape(shape), None, None, dw1, db1, dw2, db2, dw, db
    return y.reshape(shape), vjp
