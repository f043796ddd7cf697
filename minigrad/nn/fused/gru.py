"""The GRU's whole sequence as one node; equal to `gru_step` in `nn/steps.py` over time (test_fused_sequences.py).

    (r, z) = sigmoid(W_i x_t + b_i + W_h h_{t-1} + b_h)         PyTorch's form: r after the product, z keeps
    q = W_hn h_{t-1} + b_hn,   n = tanh(W_in x_t + b_in + r q),   h_t = n + z (h_{t-1} - n)

The products with x need no state: one call makes them for all steps, where the gates are then completed in place.
Backward, what needs no recurrence leaves the loop; for each unit of dh:

    dn = (1 - z) (1 - n^2),   dz = (h - n) z (1 - z),   dr = dn q r (1 - r),   dq = dn r

Chemnitz, *GRU: Gated Recurrent Unit*, but for the place of r and the meaning of z (docs/recurrent.md).
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .columns import backwards, columns_of, ended, outputs, side_by_side
from .workspace import Lease

CACHE = 65536                                  # elements: slopes of as many steps as stay in the second-level cache


class _Forward:
    """What a graph keeps of T steps, B examples, D inputs, H units: 4 T B (5 H + D + 1) bytes in float32."""

    def __init__(self, T: int, B: int, D: int, H: int, dtype: np.dtype) -> None:
        self.x = np.empty((T, D + 1, B), dtype)                 # [x_t; 1]
        self.h = h = np.empty((T + 1, H, B), dtype)
        self.gates, self.q = np.empty((T, 3, H, B), dtype), np.empty((T, H, B), dtype)
        self.w_ih, self.w_hh = np.empty((3 * H, D + 1), dtype), np.empty((3 * H, H), dtype)
        self.bias, self.u = np.empty((2, H, B), dtype)
        a = np.empty((3, H, B), dtype)
        self.product, self.rz, self.n = a.reshape(3 * H, B), a[:2], a[2]
        self.steps = [(h[t], h[t + 1], g[:2], *g, q) for t, (g, q) in enumerate(zip(self.gates, self.q, strict=True))]
        self.nbytes = sum(v.nbytes for v in (self.x, h, self.gates, self.q, self.w_ih, self.w_hh, self.bias, self.u, a))


class _Backward:
    """What a backward pass writes. Leased for the pass only: layers of one size use the same, still in the cache."""

    def __init__(self, T: int, B: int, H: int, dtype: np.dtype) -> None:
        self.block = max(1, min(T, CACHE // (4 * H * B)))
        self.wt = np.empty((H, 3 * H), dtype)
        self.slopes, self.dy = np.empty((T, 4, H, B), dtype), np.empty((T, H, B), dtype)    # r, z, q, n
        self.dh, self.g = np.empty((2, H, B), dtype)
        self.columns = np.empty((4 * H, T, B), dtype)
        self.steps = list(zip(self.slopes, self.slopes[:, :3].reshape(T, 3 * H, B), self.dy, strict=True))
        self.nbytes = sum(v.nbytes for v in (self.wt, self.slopes, self.dy, self.dh, self.g, self.columns))


@primitive(second=False)
def gru_sequence(xp: Any, x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *, reverse: bool = False,
                 alive: Any = None) -> Any:
    """h_t = (1 - z) n + z h_{t-1};  dh_{t-1} = z dh_t + W_h^T [dr, dz, dq], dW = sum d_t h_{t-1}^T

    x (T, B, D), h0 (B, H) or None for zeros, gates r, z, n -> h of all steps (T, B, H), the last h (B, H).
    reverse: from the last step to the first.  alive (T, B): where False, the state stays and the output is 0.
    NumPy only, first order only.
    """
    if reverse:
        x = x[::-1]
    (T, B, D), H, dtype = x.shape, w_hh.shape[1], x.dtype
    lease = Lease(("gru", T, B, D, H, dtype.char), lambda: _Forward(T, B, D, H, dtype))
    gone = ended(alive, reverse)
    _walk(lease.space, x, h0, w_ih, w_hh, b_ih, b_hh, gone)
    y, last = outputs(lease.space.h[1:], alive, reverse)

    def vjp(g: Any) -> Any:
        s = lease.space
        scratch = Lease(("gru back", T, B, H, dtype.char), lambda: _Backward(T, B, H, dtype))
        dy, dlast = g
        ds = _chain(s, scratch.space, w_hh, dy[::-1] if reverse and dy is not None else dy, dlast, gone)
        rz, rzq, n = ds[:2 * H], ds[:3 * H], ds[3 * H:]

        @functools.cache
        def hs() -> Any:
            """h_{t-1} of all steps side by side: (H, T B), and its lease."""
            return columns_of(s.h[:T], "gru h")

        @functools.cache
        def xs() -> Any:
            """x_t of all steps side by side: (D, T B), and its lease."""
            return columns_of(s.x[:, :D], "gru x")

        @functools.cache
        def db_rzq() -> Any:
            return rzq.sum(1)

        def dx() -> Any:
            out = np.empty((T, B, D), ds.dtype)
            flat = out.reshape(T * B, D)
            np.dot(rz.T, w_ih[:2 * H], flat)
            flat += np.dot(n.T, w_ih[2 * H:])
            return out[::-1] if reverse else out

        def dw_ih() -> Any:
            out, across = np.empty_like(w_ih), xs()[0].T
            np.dot(rz, across, out[:2 * H])
            np.dot(n, across, out[2 * H:])
            return out

        def db_ih() -> Any:
            return np.concatenate([db_rzq()[:2 * H], n.sum(1)])
        return (dx, lambda: scratch.space.dh.T.copy(), lambda: dw_ih(), lambda: np.dot(rzq, hs()[0].T),
                lambda: db_ih(), lambda: db_rzq().copy())
    return (y, last), vjp


def _walk(s: _Forward, x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, gone: Any) -> None:
    """The steps, forward: fills the workspace."""
    T, B, D = x.shape
    H = w_hh.shape[1]
    np.copyto(s.x[:, :D], x.transpose(0, 2, 1))
    s.x[:, D] = 1
    np.copyto(s.h[0], 0 if h0 is None else h0.T)
    s.w_ih[:, :D], s.w_ih[:, D] = w_ih, 0 if b_ih is None else b_ih
    s.w_hh[:] = w_hh
    s.bias[:] = 0
    if b_hh is not None:
        s.w_ih[:2 * H, D] += b_hh[:2 * H]
        s.bias += b_hh[2 * H:, None]
    s.w_ih[:2 * H] *= 0.5                      # sigmoid a = tanh(a / 2) / 2 + 1 / 2
    s.w_hh[:2 * H] *= 0.5
    np.matmul(s.w_ih, s.x, out=s.gates.reshape(T, 3 * H, B))
    w, product, rz_h, n_h, bias, u = s.w_hh, s.product, s.rz, s.n, s.bias, s.u
    dot, tanh, multiply, add, subtract, half = np.dot, np.tanh, np.multiply, np.add, np.subtract, x.dtype.type(0.5)
    for (h, new, rz, r, z, n, q), out in zip(s.steps, gone, strict=False):
        dot(w, h, product)
        add(rz, rz_h, rz)
        tanh(rz, rz)
        multiply(rz, half, rz)
        add(rz, half, rz)
        add(n_h, bias, q)
        multiply(r, q, u)
        add(n, u, n)
        tanh(n, n)
        subtract(h, n, u)
        multiply(u, z, u)
        add(n, u, new)
        if out is not None:                    # these examples are over: h_t = h_{t-1}
            np.copyto(new, h, where=out)


def _chain(s: _Forward, b: _Backward, w_hh: Any, dy: Any, dlast: Any, gone: Any) -> np.ndarray:
    """The steps, backward -> gradients (4 H, T B) before r, z, of q, and before n; b.dh is that of the first state."""
    T, H, B = s.q.shape
    np.copyto(b.wt, w_hh.T)
    multiply, add, dot = np.multiply, np.add, np.dot
    for start in range(0, T, b.block):
        e = slice(start, min(T, start + b.block))
        p = b.slopes[e]
        slopes(s.h[e], s.gates[e, 0], s.gates[e, 1], s.gates[e, 2], s.q[e], p[:, 0], p[:, 1], p[:, 2], p[:, 3])
    if dy is not None:
        np.copyto(b.dy, dy.transpose(0, 2, 1))
    dh, g, wt = b.dh, b.g, b.wt
    np.copyto(dh, 0 if dlast is None else dlast.T)
    for (d, rzq, dy_t), z, out in zip(reversed(b.steps), s.gates[::-1, 1], backwards(gone, T), strict=False):
        if out is not None:                    # over: the gradient of the state passes by, nothing else does
            kept = dh[:, out]
        if dy is not None:
            add(dh, dy_t, g)
        else:
            np.copyto(g, dh)
        multiply(d, g, d)
        if out is not None:
            d[:, :, out] = 0
        dot(wt, rzq, dh)
        multiply(g, z, g)
        add(dh, g, dh)
        if out is not None:
            dh[:, out] = kept
    side_by_side(b.slopes.reshape(T, 4 * H, B), b.columns)
    return b.columns.reshape(4 * H, T * B)


def slopes(h: Any, r: Any, z: Any, n: Any, q: Any, dr: Any, dz: Any, dq: Any, dn: Any) -> None:
    """Of each h_t, by what goes into r, z, n and by q = W_hn h + b, but for the gradient of h_t; of many steps at once.

    h: the states before; writes into the last four.
    """
    multiply, subtract = np.multiply, np.subtract
    multiply(n, n, dn)
    subtract(1, dn, dn)
    subtract(1, z, dz)
    multiply(dn, dz, dn)
    multiply(dz, z, dz)
    subtract(h, n, dq)
    multiply(dz, dq, dz)
    multiply(dn, r, dq)
    subtract(1, r, dr)
    multiply(dr, dq, dr)
    multiply(dr, q, dr)
