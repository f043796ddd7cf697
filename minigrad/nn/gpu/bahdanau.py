"""Bahdanau's decoder on a device with kernels, a whole sentence as one node; equal to the loop in models/bahdanau.py
(tests/gpu/test_bahdanau_kernels.py), and to the node of the host, `nn/fused/bahdanau.py`, whose interface it has.

    [W_hh s, q] = s [W_hh, W_s]^T                  one product
    e_t = v . tanh(q + k_t),  alpha = softmax_t e,  c = sum_t alpha_t a_t            bahdanau_attend
    gates = W_ih [y; c]                            the words' part of all steps before, c's part added: one product
    s' = GRU                                       bahdanau_cell

Four launches a step, and four back: the cell's gradients, dc = d W_ic, the scores' gradients with dq, and
ds += d W_hh + dq W_s. What needs no recurrence waits until all steps are done: the weights' gradients are a product
each, those of the keys and of v one launch, those of the annotations one product of matrices, a sentence each.

Télécom, *Attention model*; Bahdanau et al. 2015.
"""
from __future__ import annotations

import functools
from typing import Any

from ... import kernels
from ...kernels.bahdanau import MOST_PLACES, PART, PLACES
from ...tensor import primitive
from .rows import column_sums

THREADS = 256                                  # a block of bahdanau_cell, where a thread has a unit


def fits(xp: Any, y: Any, places: int) -> bool:
    """Is there a kernel for words of this dtype, on the device of this namespace, and for so many places?"""
    return kernels.of(xp, y.dtype) is not None and places <= MOST_PLACES


@primitive(second=False)
def bahdanau_sequence(xp: Any, y: Any, s0: Any, keys: Any, annotations: Any, w_s: Any, v: Any, w_ih: Any, w_hh: Any,
                      b_ih: Any, b_hh: Any, *, hidden: Any = None) -> Any:
    """s_t = GRU([y_t; c_t], s_{t-1}), c_t = sum alpha a, alpha = softmax v . tanh(W_s s_{t-1} + k);  dW = sum d_t s^T

    y (T, B, E), s0 (B, H), keys (B, S, A), annotations (B, S, C), w_s (A, H), v (A), w_ih (3 H, E + C), w_hh (3 H, H),
    biases (3 H) or None, float32 -> states (T, B, H), contexts (T, B, C), alignments (T, B, S).
    hidden (B, S), a bool array of the device: places that count for nothing.  A device with kernels, first order only.

    A graph keeps 4 T B (7 H + A + S + E + C) bytes.  Raises ValueError for sizes that do not fit each other.
    """
    k, H, A, G = kernels.of(xp, y.dtype), w_s.shape[1], w_s.shape[0], 3 * w_s.shape[1]
    (T, B, E), (S, C) = y.shape, annotations.shape[1:]
    _check((s0, (B, H)), (keys, (B, S, A)), (annotations, (B, S, C)), (v, (A,)), (w_ih, (G, E + C)), (w_hh, (G, H)),
           (b_ih, (G,)), (b_hh, (G,)), (hidden, (B, S)))
    keys, annotations, v, b_ih, b_hh, hidden = (
        None if a is None else xp.ascontiguousarray(a) for a in (keys, annotations, v, b_ih, b_hh, hidden))
    product_of, empty, dtype = k.blas.matmul, xp.empty, y.dtype
    w_h, w_y, w_c = xp.concatenate([w_hh, w_s]), w_ih[:, :E], w_ih[:, E:]
    yc, h, alpha = empty((T, B, E + C), dtype), empty((T + 1, B, H), dtype), empty((T, B, S), dtype)
    yc[:, :, :E] = y
    h[0] = s0
    gates = product_of(yc.reshape(T * B, E + C)[:, :E], w_y.T).reshape(T, B, G)      # become r, z, n
    product, cells = empty((T, B, G + A), dtype), -(-B * H // THREADS)
    for t in range(T):
        product_of(h[t], w_h.T, out=product[t])
        k("bahdanau_attend", B, _threads(A, C), keys, annotations, product[t], v, hidden, alpha[t], yc[t], S, A, C, E,
          H, shared=4 * (S + 2 * PART + 64))
        product_of(yc[t][:, E:], w_c.T, out=gates[t], accumulate=True)
        k("bahdanau_cell", cells, THREADS, gates[t], product[t], b_ih, b_hh, h[t], h[t + 1], B, A, H)

    def vjp(g: Any) -> Any:
        dstates, dalignments = (None if a is None else xp.ascontiguousarray(a) for a in (g[0], g[2]))
        dc = empty((T, B, C), dtype) if g[1] is None else g[1].copy()
        ds, dgates, d = empty((T, B, S), dtype), empty((T, B, G), dtype), empty((T, B, G + A), dtype)
        dh = xp.zeros((B, H), dtype)
        for t in range(T - 1, -1, -1):
            k("bahdanau_cell_back", cells, THREADS, gates[t], product[t], h[t], None if dstates is None else dstates[t],
              dh, dgates[t], d[t], B, A, H)
            product_of(dgates[t], w_c, out=dc[t], accumulate=g[1] is not None)
            k("bahdanau_attend_back", B, _threads(A, C), keys, annotations, product[t], v, alpha[t], dc[t],
              None if dalignments is None else dalignments[t], ds[t], d[t], S, A, C, H, shared=4 * (S + 2 * PART + 32))
            product_of(d[t], w_h, out=dh, accumulate=True)
        rows, of_gates, of_h = h[:T].reshape(T * B, H), dgates.reshape(T * B, G), d.reshape(T * B, G + A)

        @functools.cache
        def of_keys() -> tuple[Any, Any]:
            blocks = B * -(-S // PLACES)
            dkeys, dv = empty((B, S, A), dtype), empty((blocks, A), dtype)
            k("bahdanau_keys", blocks, min(256, _threads(A, A)), keys, product, v, ds, dkeys, dv, T, B, S, A, H)
            return dkeys, dv
        return (lambda: product_of(of_gates, w_y).reshape(T, B, E), lambda: dh, lambda: of_keys()[0],
                lambda: product_of(alpha.transpose(1, 2, 0), dc.transpose(1, 0, 2)),
                lambda: product_of(of_h[:, G:].T, rows), lambda: column_sums(k, xp, of_keys()[1]),
                lambda: product_of(of_gates.T, yc.reshape(T * B, E + C)), lambda: product_of(of_h[:, :G].T, rows),
                lambda: column_sums(k, xp, of_gates), lambda: column_sums(k, xp, of_h)[:G])
    return (h[1:], xp.ascontiguousarray(yc[:, :, E:]), alpha), vjp


def _threads(*widths: int) -> int:
    """A block with a thread for each column of the widest row, 64 ... 1024."""
    return min(1024, max(64, 32 * -(-max(widths) // 32)))


def _check(*pairs: tuple[Any, tuple[int, ...]]) -> None:
    """A kernel would read beyond the end of an array that is too small. Raises ValueError."""
    for array, shape in pairs:
        if array is not None and array.shape != shape:
            raise ValueError(f"{array.shape} where {shape} is needed")
