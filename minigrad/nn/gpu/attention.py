"""Attention on a device with kernels, as one node; equal to `attend` in `nn/attention.py` (test_attention_kernels.py).

    p = softmax(q k^T c + mask),  c = 1 / sqrt d,  o = p v
    dv = p^T do,  ds = p (dp - sum_j dp_j p_j),  dp = do v^T,  dq = c ds k,  dk = c ds^T q

Products are cuBLAS's, with c as their factor; what is between two of them is one launch (`kernels/masked_softmax.cu`).
That later keys are hidden is a number, not a mask: nothing is uploaded.
"""
from __future__ import annotations

import functools
import math
from typing import Any

from ... import kernels
from ...tensor import primitive
from .rows import WARPS


@primitive(second=False)
def attention(xp: Any, q: Any, k: Any, v: Any, mask: Any, kept: Any = None, *, first: int, shown: bool = False) -> Any:
    """y = softmax(q k^T / sqrt d + mask) v;  dv = p^T g, ds = p (dp - p . dp), dq = ds k / sqrt d, dk = ds^T q / sqrt d

    q (B, h, S, d), k (B, h, T, d), v (B, h, T, e), all float32; mask None, bool (True: hidden) or float (added; no
    gradient), stretched to (B, h, S, T) -> (B, h, S, e).  kept (B, h, S, T): dropout of the weights, 0 or 1 / (1 - p).
    first: query i sees the keys 0 ... first + i; T hides none.  A row that sees nothing gives zeros.
    shown: the weights (B, h, S, T), thinned by dropout, are a second output.  First order only.
    """
    run, c = kernels.of(xp, q.dtype), 1 / math.sqrt(q.shape[-1])
    q, k, v = (xp.ascontiguousarray(a) for a in (q, k, v))
    p, used = weights(run, xp, run.blas.matmul(q, xp.swapaxes(k, -1, -2), alpha=c), mask, kept, first)

    def vjp(g: Any) -> Any:
        dy, dw = g if shown else (g, None)
        dy = None if dy is None else xp.ascontiguousarray(dy)

        @functools.cache
        def ds() -> Any:
            d = None if dy is None else run.blas.matmul(dy, xp.swapaxes(v, -1, -2))
            if dw is not None:
                d = xp.array(dw, order="C") if d is None else d + dw
            return weights_gradient(run, p, d, kept)
        return (lambda: run.blas.matmul(ds(), k, alpha=c),
                lambda: run.blas.matmul(xp.swapaxes(ds(), -1, -2), q, alpha=c),
                None if dy is None else lambda: run.blas.matmul(xp.swapaxes(used, -1, -2), dy), None, None)
    y = run.blas.matmul(used, v)
    return (y, used) if shown else y, vjp


def weights(run: Any, xp: Any, scores: Any, mask: Any, kept: Any, first: int) -> tuple[Any, Any]:
    """Scores (B, h, S, T), overwritten -> p = softmax(scores + mask), and p kept, which is p without dropout."""
    B, h, S, T = scores.shape
    hidden = added = None
    steps: tuple[int, ...] = (0, 0, 0, 0)
    if mask is not None:
        steps = _steps(mask.shape)
        mask = xp.ascontiguousarray(mask)
        hidden, added = (mask, None) if mask.dtype == bool else (None, mask)
    kept = None if kept is None else xp.ascontiguousarray(kept)
    used = None if kept is None else xp.empty_like(scores)
    run("masked_softmax_forward", -(-B * h * S // WARPS), 32 * WARPS, scores, hidden, added, kept, used, B * h * S, h,
        S, T, *steps, min(first, T))
    return scores, scores if used is None else used


def weights_gradient(run: Any, p: Any, d: Any, kept: Any) -> Any:
    """d (B, h, S, T), overwritten: the gradient of `weights`' second result becomes that of the scores."""
    B, h, S, T = p.shape
    run("masked_softmax_backward", -(-B * h * S // WARPS), 32 * WARPS, p, kept, d, B * h * S, T)
    return d


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """How far apart the entries of a contiguous mask are along (B, h, S, T): 0 along an axis that is stretched."""
    steps, step = [0, 0, 0, 0], 1
    for i in range(1, len(shape) + 1):
        steps[-i] = step if shape[-i] > 1 else 0
        step *= shape[-i]
    return tuple(steps)
