"""The LSTM's whole sequence as one node of GPU kernels; equal to `lstm_step` over time (tests/gpu/test_lstm.py).

    gates = x W_ih^T                                            one product for all steps
    h_t, c_t from h_{t-1}, c_{t-1} and gates_t                  the walk
    d_t from dy_t, dh_t, dc_t                                   the walk back: gradients before the gates
    dW_hh = sum d_t^T h_{t-1},  dW_ih = sum d_t^T x_t,  db = sum d_t,  dx_t = d_t W_ih       one product each

A walk is one launch where H is one of `SIZES` and the chip has room for the cluster of blocks that it takes
(`kernels/lstm_cluster.cu`, weights stay on the chip), else a product and a small kernel a step
(`kernels/lstm_cell.cu`).

Escalera, *Long Short Term Memory (LSTM)*; Chemnitz, *LSTM*.
"""
from __future__ import annotations

import functools
from typing import Any, NamedTuple

from ...kernels import of
from ...kernels.launcher import blocks
from ...kernels.lstm_cluster import ROWS, THREADS, launches
from ...tensor import primitive
from .rows import COLUMNS, column_sums

CELLS = 256                                    # threads of a block of lstm_cell.cu


class Walk(NamedTuple):
    """One layer in one direction, as both ways of walking take it."""

    k: Any                                     # the Launcher
    xp: Any
    w_hh: Any                                  # (4 H, H)
    alive: Any                                 # (T, B) bool, or None
    reverse: bool
    T: int
    B: int
    H: int

    def empty(self, *shape: int) -> Any:
        """A new array, not yet written."""
        return self.xp.empty(shape, self.w_hh.dtype)


@primitive(second=False)
def lstm_on_device(xp: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *,
                   reverse: bool = False, alive: Any = None) -> Any:
    """c_t = f c_{t-1} + i g, h_t = o tanh c_t;  dc_t = dh_t o (1 - tanh^2 c_t) + dc_{t+1} f_{t+1}, dW = sum d_t z_t^T

    x (T, B, D) of float32, h0 and c0 (B, H) or None for zeros, gates i, f, g, o -> h of all steps (T, B, H), last h and
    c (B, H).  reverse: from the last step to the first.  alive (T, B), a bool array of the device: where False, the
    state stays and the output is 0.  A device with kernels, first order only.

    A graph keeps 4 T B (6 H + D) bytes: gates, states and x.
    """
    k = of(xp, x.dtype)
    (T, B, D), H = x.shape, w_hh.shape[1]
    own = functools.partial(_contiguous, xp)
    rows = own(x).reshape(T * B, D)
    w = Walk(k, xp, own(w_hh), alive, reverse, T, B, H)
    clustered = k.clustered(THREADS, launches(H))
    there, back = (_in_clusters, _back_in_clusters) if clustered else (_in_steps, _back_in_steps)
    gates = k.blas.matmul(rows, w_ih.T).reshape(T, B, 4 * H)
    hs, cs, y, hn, cn = there(w, gates, own(b_ih), own(b_hh), own(h0), own(c0))
    biased = b_ih is not None or b_hh is not None
    before = (hs[1:] if reverse else hs[:-1]).reshape(T * B, H)

    def vjp(g: Any) -> Any:
        dy, dhn, dcn = map(own, g)
        d, dh0, dc0, db = back(w, dy, dhn, dcn, gates, cs, (h0 is not None, c0 is not None, biased))
        d = d.reshape(T * B, 4 * H)

        def dx() -> Any:
            out = w.empty(T, B, D)
            k.blas.matmul(d, w_ih, out=out.reshape(T * B, D))
            return out
        return (lambda: dx(), dh0, dc0, lambda: k.blas.matmul(d.T, rows), lambda: k.blas.matmul(d.T, before), db, db)
    return (y, hn, cn), vjp


def _contiguous(xp: Any, a: Any) -> Any:
    """The array as kernels read it: itself, where nothing is to be done."""
    return a if a is None or a.flags.c_contiguous else xp.ascontiguousarray(a)


def _states(w: Walk) -> tuple[Any, Any, Any]:
    """Room for h and c of all steps and the one before the first, (T + 1, B, H), and for y where it is not h."""
    y = None if w.alive is None else w.empty(w.T, w.B, w.H)
    return w.empty(w.T + 1, w.B, w.H), w.empty(w.T + 1, w.B, w.H), y


def _after(w: Walk, hs: Any) -> Any:
    """h after each step (T, B, H), of the states with the one before the first."""
    return hs[:-1] if w.reverse else hs[1:]


# ---------------------------------------------------------------------------------------------- one launch

def _cluster(w: Walk, name: str, *args: Any) -> None:
    """Start a kernel of lstm_cluster.cu: a cluster for each ROWS rows."""
    how = launches(w.H)[name]
    w.k(name, -(-w.B // ROWS) * how["cluster"], THREADS, *args, w.T, w.B, int(w.reverse), **how)


def _in_clusters(w: Walk, gates: Any, b_ih: Any, b_hh: Any, h0: Any, c0: Any) -> tuple[Any, ...]:
    """hs, cs (T + 1, B, H), y (T, B, H), last h and c (B, H); gates (T, B, 4 H) become i, f, g, o."""
    hs, cs, y = _states(w)
    hn, cn = w.empty(w.B, w.H), w.empty(w.B, w.H)
    _cluster(w, "lstm_forward", gates, w.w_hh, b_ih, b_hh, h0, c0, w.alive, hs, cs, y, hn, cn)
    return hs, cs, _after(w, hs) if y is None else y, hn, cn


def _back_in_clusters(w: Walk, dy: Any, dhn: Any, dcn: Any, gates: Any, cs: Any, wanted: tuple[bool, bool, bool]
                      ) -> tuple[Any, ...]:
    """Gradients before the gates (T, B, 4 H), of h0, c0 (B, H) and of a bias (4 H), the last three where wanted."""
    clusters = -(-w.B // ROWS)
    d, db = w.empty(w.T, w.B, 4 * w.H), None
    dh0, dc0, parts = [w.empty(*shape) if want else None for want, shape in
                       zip(wanted, ((w.B, w.H), (w.B, w.H), (clusters, 4 * w.H)), strict=True)]
    _cluster(w, "lstm_backward", dy, dhn, dcn, gates, cs, w.w_hh, w.alive, d, dh0, dc0, parts)
    if parts is not None:
        db = w.empty(4 * w.H)
        w.k("column_totals", -(-4 * w.H // COLUMNS), COLUMNS, parts, db, None, clusters, 4 * w.H, 4 * w.H)
    return d, dh0, dc0, db


# ---------------------------------------------------------------------------------------------- two launches a step

def _in_steps(w: Walk, gates: Any, b_ih: Any, b_hh: Any, h0: Any, c0: Any) -> tuple[Any, ...]:
    """As `_in_clusters`."""
    hs, cs, y = _states(w)
    T, cells, turned = w.T, blocks(w.B * w.H, CELLS), w.w_hh.T
    first, last = (T, 0) if w.reverse else (0, T)
    hs[first], cs[first] = 0 if h0 is None else h0, 0 if c0 is None else c0
    for t, before, after in _times(w):
        w.k.blas.matmul(hs[before], turned, out=gates[t], accumulate=True)
        w.k("lstm_cell_forward", cells, CELLS, gates, b_ih, b_hh, w.alive, hs, cs, y, t, before, after, w.B, w.H)
    return hs, cs, _after(w, hs) if y is None else y, hs[last].copy(), cs[last].copy()


def _back_in_steps(w: Walk, dy: Any, dhn: Any, dcn: Any, gates: Any, cs: Any, wanted: tuple[bool, bool, bool]
                   ) -> tuple[Any, ...]:
    """As `_back_in_clusters`."""
    cells, d = blocks(w.B * w.H, CELLS), w.empty(w.T, w.B, 4 * w.H)
    dh, dc = [w.xp.zeros((w.B, w.H), d.dtype) if g is None else g.copy() for g in (dhn, dcn)]
    for t, before, after in _times(w)[::-1]:
        w.k("lstm_cell_backward", cells, CELLS, dy, gates, cs, w.alive, dh, dc, d, t, before, after, w.B, w.H)
        w.k.blas.matmul(d[t], w.w_hh, out=dh, accumulate=True)
    return d, dh, dc, column_sums(w.k, w.xp, d.reshape(w.T * w.B, 4 * w.H)) if wanted[2] else None


def _times(w: Walk) -> list[tuple[int, int, int]]:
    """Each step of the walk: its time, and where the states before and after it stand."""
    return [(t, t + 1, t) for t in range(w.T)[::-1]] if w.reverse else [(t, t, t + 1) for t in range(w.T)]
