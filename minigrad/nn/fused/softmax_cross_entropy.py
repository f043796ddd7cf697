"""Softmax and cross-entropy of class ids as one node; equal to `nll_loss(log_softmax(x))` (test_fused_ops.py).

    l_i = s_i (log sum_k e^(x_ik) - x_i,c)     c the class of row i, s_i its share in the loss
    dx_ik = g_i s_i (p_ik - [k = c]),  p = softmax x

One form for every namespace, and with it gradients of every order; on the host the same in place, in blocks of rows
that stay in the cache, with two passes less where no e^x can overflow; on a device with kernels one launch forward and
one backward (`kernels/cross_entropy.cu`).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ... import kernels
from ...ops import _under, getitem, logsumexp, put
from ...tensor import primitive
from ..gpu.rows import threads
from .workspace import Lease

BLOCK = 65536                                  # elements: a block of rows and its copy stay in the second-level cache
SAFE = 60.0                                    # e^60 times any number of classes is far from float32's largest, e^88


@primitive
def softmax_cross_entropy(xp: Any, x: Any, scale: Any, *, place: Any) -> Any:
    """l_i = s_i (log sum e^(x_i) - x_i,c);  dx = g s (softmax x - [c])

    x (N, V), scale (N) is s (no gradient), place = (0 ... N - 1, c), checked by the caller -> (N).  A row with s = 0
    gives 0 whatever stands in it, and has the gradient 0 softmax x: NaN where there is one, as in PyTorch.
    """
    if xp is np and x.size:
        return _on_host(x, scale, place)
    if x.shape[1] and (k := kernels.of(xp, x.dtype)):
        return _by_kernels(k, xp, x, scale, place[1])
    shape = x.shape
    lse = _under(xp, logsumexp, x, axis=-1, keepdims=True)
    lse = xp.where(lse != -np.inf, lse, xp.zeros_like(lse))    # a row of -inf: softmax 0, and -inf minus -inf is NaN
    loss = xp.squeeze(lse, -1) - _under(xp, getitem, x, index=place)
    loss = xp.where(scale != 0, loss, xp.zeros_like(loss)) * scale

    def vjp(g: Any) -> Any:
        share = g * scale
        hit = _under(xp, put, share, index=place, shape=shape)
        return xp.exp(x - lse) * xp.expand_dims(share, -1) - hit, None
    return loss, vjp


def _on_host(x: np.ndarray, scale: np.ndarray, place: Any) -> Any:
    n, v = x.shape
    step = max(1, BLOCK // v)
    lease = Lease(("softmax", n, v, x.dtype.char), lambda: np.empty((n, v), x.dtype))
    e, ones, sums = lease.space, np.ones(v, x.dtype), np.empty(n, x.dtype)
    picked = x[place]
    low, high = x.min(), x.max()               # two flat passes: a row's maximum costs as much as its exponentials
    if -SAFE < low and high < SAFE:
        for a in range(0, n, step):
            part = e[a:a + step]
            np.exp(x[a:a + step], out=part)
            np.dot(part, ones, out=sums[a:a + step])
        loss = np.log(sums) - picked
    else:
        top = x.max(axis=1, keepdims=True)
        top = np.where(np.isfinite(top), top, 0)
        for a in range(0, n, step):
            part = e[a:a + step]
            np.subtract(x[a:a + step], top[a:a + step], out=part)
            np.exp(part, out=part)
            np.dot(part, ones, out=sums[a:a + step])
        sums[sums == 0] = 1                    # a row of -inf: e is 0, and so is its gradient
        loss = np.log(sums) + top[:, 0] - np.where(scale != 0, picked, 0)      # no inf minus inf: NumPy would warn
        loss[scale == 0] = 0
    loss *= scale

    def vjp(g: np.ndarray) -> Any:
        share = g * scale
        factor = (share / sums)[:, None]
        dx = np.multiply(lease.space, factor)
        dx[place] -= share
        return dx, None
    return loss, vjp


def _by_kernels(k: Any, xp: Any, x: Any, scale: Any, ids: Any) -> Any:
    n, v = x.shape
    x = xp.ascontiguousarray(x)
    loss, top, logs = (xp.empty(n, x.dtype) for _ in range(3))
    k("cross_entropy_forward", n, threads(v), x, scale, ids, loss, top, logs, v, shared=256)

    def vjp(g: Any) -> Any:
        dx, one = xp.empty_like(x), g.strides == (0,)          # the gradient of a sum: one number, stretched
        g = g[:1] if one else xp.ascontiguousarray(g)
        k("cross_entropy_backward", n, threads(v), x, scale, ids, top, logs, g, dx, v, 0 if one else 1)
        return dx, None
    return loss, vjp
