"""The GRU's whole sequence as one node of GPU kernels; equal to `gru_step` over time (tests/gpu/test_gru.py).

    xg = x W_ih^T                              one product for all steps
    h_t and the gates from xg_t, h_{t-1}       the walk
    d_ih before r, z, n;  d_hh before r, z, and of q = W_hn h + b_hn           the walk back
    dW_hh = d_hh^T h,  dW_ih = d_ih^T x,  dx = d_ih W_ih         a product each;  the biases' gradients are sums

A walk is one launch where H is one of `SIZES` and the chip has room for the cluster of blocks that it takes
(`kernels/gru_cluster.cu`, weights stay on the chip), else a product and a small kernel a step
(`kernels/gru_cell.cu`).

Chemnitz, *GRU: Gated Recurrent Unit*, but for the place of r and the meaning of z (docs/recurrent.md).
"""
from __future__ import annotations

import functools
from typing import Any

from ...kernels import of
from ...kernels.gru_cell import places
from ...kernels.gru_cluster import ROWS, THREADS, launches
from ...kernels.launcher import blocks
from ...tensor import primitive
from .rows import COLUMNS, column_sums

CELLS = 256                                    # threads of a block of gru_cell.cu


@primitive(second=False)
def gru_on_device(xp: Any, x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *, reverse: bool = False,
                  alive: Any = None) -> Any:
    """h_t = (1 - z) n + z h_{t-1};  dh_{t-1} = z dh_t + W_h^T [dr, dz, dq], dW = sum d_t h_{t-1}^T

    x (T, B, D) of float32, h0 (B, H) or None for zeros, gates r, z, n -> h of all steps (T, B, H), the last h (B, H).
    reverse: from the last step to the first.  alive (T, B), a bool array of the device: where False, the state stays
    and the output is 0.  A device with kernels, first order only.

    A graph keeps 4 T B (5 H + D) bytes: gates, states and x.
    """
    k = of(xp, x.dtype)
    (T, B, D), H = x.shape, w_hh.shape[1]
    h0, w_hh, b_ih, b_hh = [a if a is None else xp.ascontiguousarray(a) for a in (h0, w_hh, b_ih, b_hh)]
    rows = xp.ascontiguousarray(x).reshape(T * B, D)
    empty = functools.partial(xp.empty, dtype=x.dtype)
    gates, hs, last = empty((T, B, 4 * H)), empty((T + 1, B, H)), empty((B, H))
    y = None if alive is None else empty((T, B, H))
    xg = k.blas.matmul(rows, w_ih.T)
    given, written = (b_ih, b_hh, h0, alive), (gates, hs, y, last)
    launch = launches(H)
    clustered, clusters = k.clustered(THREADS, launch), -(-B // ROWS)
    cells = 0 if clustered else blocks(B * H, CELLS)
    way = int(reverse)
    if clustered:
        k("gru_forward", clusters * launch["gru_forward"]["cluster"], THREADS, xg, w_hh, *given, *written, T, B, way,
          **launch["gru_forward"])
    else:
        h, product = h0, empty((B, 3 * H))
        for step in range(T):
            hg = None if h is None else k.blas.matmul(h, w_hh.T, out=product)
            k("gru_cell_forward", cells, CELLS, xg, hg, *given, *written, T, B, H, step, way)
            h = hs[places(T, step, reverse)[2]]
    states, before = (hs[:-1], hs[1:]) if reverse else (hs[1:], hs[:-1])

    def vjp(g: Any) -> Any:
        dy, dlast = [a if a is None else xp.ascontiguousarray(a) for a in g]
        d_ih, d_hh = empty((T * B, 3 * H)), empty((T * B, 3 * H))
        if clustered:
            dh, parts = None if h0 is None else empty((B, H)), None if b_ih is None else empty((clusters, 6 * H))
            k("gru_backward", clusters * launch["gru_backward"]["cluster"], THREADS, dy, dlast, gates, hs, w_hh, alive,
              d_ih, d_hh, dh, parts, T, B, way, **launch["gru_backward"])
        else:
            dh = empty((B, H))
            for step in reversed(range(T)):
                t = places(T, step, reverse)[0]
                k("gru_cell_backward", cells, CELLS, dy, dlast, gates, hs, alive, d_ih, d_hh, dh, T, B, H, step,
                  way)
                if step or h0 is not None:
                    k.blas.matmul(d_hh[t * B:(t + 1) * B], w_hh, out=dh, accumulate=True)

        @functools.cache
        def db() -> Any:
            """Of b_ih and b_hh."""
            if not clustered:
                return column_sums(k, xp, d_ih), None if b_hh is None else column_sums(k, xp, d_hh)
            out = empty(3 * H), empty(3 * H)
            k("column_totals", -(-6 * H // COLUMNS), COLUMNS, parts, *out, clusters, 6 * H, 3 * H)
            return out
        return (lambda: k.blas.matmul(d_ih, w_ih).reshape(T, B, D), dh, lambda: k.blas.matmul(d_ih.T, rows),
                lambda: k.blas.matmul(d_hh.T, before.reshape(T * B, H)), lambda: db()[0], lambda: db()[1])
    return (states if y is None else y, last), vjp
