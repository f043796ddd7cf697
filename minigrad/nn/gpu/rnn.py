"""The Elman network's whole sequence as one node of GPU kernels; equal to `rnn_step` over time (tests/gpu/test_rnn.py).

    xg = x W_ih^T                              one product for all steps
    h_t from xg_t and h_{t-1}                  the walk
    d_t = (dy_t + W_hh^T d_{t+1}) phi'(h_t)    the walk back
    dW_hh = d^T h,  dW_ih = d^T x,  dx = d W_ih,  db = sum d           a product each, and a sum

A walk is one launch where H is one of `SIZES` and the chip has room for the cluster of blocks that it takes
(`kernels/rnn_cluster.cu`, weights stay on the chip), else a product and a small kernel a step
(`kernels/rnn_cell.cu`).

KTH, *BPTT Step by Step*; Chemnitz, *BPTT (4th)*: store all x and h, accumulate backwards.
"""
from __future__ import annotations

import functools
from typing import Any

from ...kernels import of
from ...kernels.gru_cell import places
from ...kernels.launcher import blocks
from ...kernels.rnn_cell import PHI
from ...kernels.rnn_cluster import ROWS, THREADS, launches
from ...tensor import primitive
from .rows import COLUMNS, column_sums

CELLS = 256                                    # threads of a block of rnn_cell.cu


@primitive(second=False)
def rnn_on_device(xp: Any, x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *, nonlinearity: str = "tanh",
                  reverse: bool = False, alive: Any = None) -> Any:
    """h_t = phi(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh);  d_t = (dh_t + W_hh^T d_{t+1}) phi'(h_t), dW = sum d_t z_t^T

    x (T, B, D) of float32, h0 (B, H) or None for zeros, biases (H) or None -> h of all steps (T, B, H), the last h
    (B, H).  reverse: from the last step to the first.  alive (T, B), a bool array of the device: where False, the state
    stays and the output is 0.  A device with kernels, first order only.

    A graph keeps 4 T B (H + D) bytes: states and x.
    """
    k = of(xp, x.dtype)
    (T, B, D), H = x.shape, w_hh.shape[1]
    h0, w_hh, b_ih, b_hh = [a if a is None else xp.ascontiguousarray(a) for a in (h0, w_hh, b_ih, b_hh)]
    rows = xp.ascontiguousarray(x).reshape(T * B, D)
    empty = functools.partial(xp.empty, dtype=x.dtype)
    hs, last, y = empty((T + 1, B, H)), empty((B, H)), None if alive is None else empty((T, B, H))
    xg = k.blas.matmul(rows, w_ih.T)
    given, written, options = (b_ih, b_hh, h0, alive), (hs, y, last), (int(reverse), PHI[nonlinearity])
    launch = launches(H)
    clustered, clusters = k.clustered(THREADS, launch), -(-B // ROWS)
    cells = 0 if clustered else blocks(B * H, CELLS)
    if clustered:
        k("rnn_forward", clusters * launch["rnn_forward"]["cluster"], THREADS, xg, w_hh, *given, *written, T, B,
          *options, **launch["rnn_forward"])
    else:
        h = h0
        for step in range(T):
            t, _, after = places(T, step, reverse)
            if h is not None:
                k.blas.matmul(h, w_hh.T, out=xg[t * B:(t + 1) * B], accumulate=True)
            k("rnn_cell_forward", cells, CELLS, xg, *given, *written, T, B, H, step, *options)
            h = hs[after]
    states, before = (hs[:-1], hs[1:]) if reverse else (hs[1:], hs[:-1])

    def vjp(g: Any) -> Any:
        dy, dlast = [a if a is None else xp.ascontiguousarray(a) for a in g]
        d, parts = empty((T * B, H)), None
        if clustered:
            dh = None if h0 is None else empty((B, H))
            parts = None if b_ih is None else empty((clusters, H))
            k("rnn_backward", clusters * launch["rnn_backward"]["cluster"], THREADS, dy, dlast, hs, w_hh, alive, d, dh,
              parts, T, B, *options, **launch["rnn_backward"])
        else:
            dh = empty((B, H))
            for step in reversed(range(T)):
                t = places(T, step, reverse)[0]
                k("rnn_cell_backward", cells, CELLS, dy, dlast, hs, alive, d, dh, T, B, H, step, *options)
                if step or h0 is not None:
                    k.blas.matmul(d[t * B:(t + 1) * B], w_hh, out=dh, accumulate=True)

        @functools.cache
        def db() -> Any:
            """Of both biases."""
            if parts is None:
                return column_sums(k, xp, d)
            out = empty(H)
            k("column_totals", -(-H // COLUMNS), COLUMNS, parts, out, None, clusters, H, H)
            return out
        return (lambda: k.blas.matmul(d, w_ih).reshape(T, B, D), dh, lambda: k.blas.matmul(d.T, rows),
                lambda: k.blas.matmul(d.T, before.reshape(T * B, H)), lambda: db(), lambda: db())
    return (states if y is None else y, last), vjp
