"""The decks' GRU, reset before the product, as one node; equal to `gru_before_step` in `nn/steps.py` over time
(test_fused_variants.py).

    block t = [h_{t-1}; x_t; 1; r h_{t-1}]     its head is what r and z read, its tail what n reads: nothing is copied
    (r, z) = sigmoid(W_rz [h_{t-1}; x_t; 1])   rows halved once: sigmoid a = tanh(a / 2) / 2 + 1 / 2
    n = tanh(W_n [x_t; 1; r h_{t-1}]),   h_t = n + z (h_{t-1} - n)

Backward, what needs no recurrence leaves the loop; for each unit of dh, and with q = W_hn^T dn the gradient of r h:

    dn = (1 - z) (1 - n^2),   dz = (h - n) z (1 - z);   dr = q h r (1 - r)
    dh_{t-1} = z dh + r q + [W_hr, W_hz]^T [dr; dz]

Here z keeps the old state, as in PyTorch; where the decks' z writes, the rows of z have the other sign.
Chemnitz, *GRU: Gated Recurrent Unit*; Escalera, *Other RNN Variants*; Cho et al. 2014.
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .columns import backwards, columns_of, ended, input_gradient, outputs, side_by_side
from .workspace import Lease


class _Forward:
    """What a graph keeps of T steps, B examples, D inputs, H units: 4 T B (5 H + D + 1) bytes in float32."""

    def __init__(self, T: int, B: int, D: int, H: int, dtype: np.dtype) -> None:
        K = H + D + 1
        self.blocks = v = np.empty((T + 1, K + H, B), dtype)    # T + 1: the last step's state is v[T, :H]
        v[:, K - 1] = 1
        self.h, self.h0, self.x, self.rh = v[1:, :H], v[0, :H], v[:T, H:K - 1], v[:T, K:]
        self.gates = np.empty((T, 3, H, B), dtype)              # r, z, n
        self.w_rz, self.w_n, self.u = np.empty((2 * H, K), dtype), np.empty((H, K), dtype), np.empty((H, B), dtype)
        self.steps = [(v[t, :K], v[t, H:], v[t, :H], g[:2].reshape(2 * H, B), *g, v[t, K:], v[t + 1, :H])
                      for t, g in enumerate(self.gates)]
        self.nbytes = sum(a.nbytes for a in (v, self.gates, self.w_rz, self.w_n, self.u))


class _Backward:
    """What a backward pass writes. Leased for the pass only: layers of one size use the same, still in the cache."""

    def __init__(self, T: int, B: int, H: int, dtype: np.dtype) -> None:
        self.wt_rz, self.wt_n = np.empty((H, 2 * H), dtype), np.empty((H, H), dtype)
        self.slopes, self.dy = np.empty((T, 3, H, B), dtype), np.empty((T, H, B), dtype)    # r, z, n
        self.dh, self.g, self.q = np.empty((3, H, B), dtype)
        self.columns = np.empty((3 * H, T, B), dtype)
        self.steps = [(d[1:], d[0], d[2], d[:2].reshape(2 * H, B), dy)
                      for d, dy in zip(self.slopes, self.dy, strict=True)][::-1]
        self.nbytes = sum(a.nbytes for a in (self.wt_rz, self.wt_n, self.slopes, self.dy, self.dh, self.g, self.q,
                                             self.columns))


@primitive(second=False)
def gru_before_sequence(xp: Any, x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *, reverse: bool = False,
                        alive: Any = None) -> Any:
    """h_t = (1 - z) n + z h_{t-1}, n = tanh(W_in x + b + W_hn (r h_{t-1}));  dW_hn = sum dn (r h)^T, dW = sum d z_t^T

    x (T, B, D), h0 (B, H) or None for zeros, gates r, z, n, biases (3 H) or None -> h of all steps (T, B, H), the last
    h (B, H).  reverse: from the last step to the first.  alive (T, B): where False, the state stays and the output is
    0.  NumPy only, first order only.
    """
    if reverse:
        x = x[::-1]
    (T, B, D), H, dtype = x.shape, w_hh.shape[1], x.dtype
    gone = ended(alive, reverse)
    lease = Lease(("gru before", T, B, D, H, dtype.char), lambda: _Forward(T, B, D, H, dtype))
    _walk(lease.space, x, h0, w_ih, w_hh, b_ih, b_hh, gone)
    y, last = outputs(lease.space.h, alive, reverse)

    def vjp(g: Any) -> Any:
        dy, dlast = g
        s = lease.space
        scratch = Lease(("gru before back", T, B, H, dtype.char), lambda: _Backward(T, B, H, dtype))
        _chain(s, scratch.space, w_hh, dy[::-1] if reverse and dy is not None else dy, dlast, gone)
        ds = scratch.space.columns.reshape(3 * H, T * B)

        @functools.cache
        def blocks() -> Any:
            """[h_{t-1}; x_t; 1; r h_{t-1}] of all steps side by side: (2 H + D + 1, T B), and its lease."""
            return columns_of(s.blocks[:T], "gru before blocks")

        @functools.cache
        def db() -> Any:
            return ds.sum(1)

        def dw_hh() -> Any:
            out, across = np.empty_like(w_hh), blocks()[0]
            np.dot(ds[:2 * H], across[:H].T, out[:2 * H])
            np.dot(ds[2 * H:], across[H + D + 1:].T, out[2 * H:])
            return out
        return (lambda: input_gradient(ds, w_ih, T, reverse), lambda: scratch.space.dh.T.copy(),
                lambda: np.dot(ds, blocks()[0][H:H + D].T), dw_hh,
                lambda: db(), lambda: db())
    return (y, last), vjp


def _walk(s: _Forward, x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, gone: Any) -> None:
    """The steps, forward: fills the workspace."""
    H, D = w_hh.shape[1], x.shape[2]
    np.copyto(s.x, x.transpose(0, 2, 1))
    np.copyto(s.h0, 0 if h0 is None else h0.T)
    bias = np.zeros(3 * H, x.dtype) if b_ih is None else b_ih if b_hh is None else b_ih + b_hh
    s.w_rz[:, :H], s.w_rz[:, H:H + D], s.w_rz[:, -1] = w_hh[:2 * H], w_ih[:2 * H], bias[:2 * H]
    s.w_rz *= 0.5
    s.w_n[:, :D], s.w_n[:, D], s.w_n[:, D + 1:] = w_ih[2 * H:], bias[2 * H:], w_hh[2 * H:]
    w_rz, w_n, u, half = s.w_rz, s.w_n, s.u, x.dtype.type(0.5)
    dot, tanh, multiply, add, subtract = np.dot, np.tanh, np.multiply, np.add, np.subtract
    for (head, tail, h, rz, r, z, n, rh, new), out in zip(s.steps, gone, strict=False):
        dot(w_rz, head, rz)
        tanh(rz, rz)
        multiply(rz, half, rz)
        add(rz, half, rz)
        multiply(r, h, rh)
        dot(w_n, tail, n)
        tanh(n, n)
        subtract(h, n, u)
        multiply(u, z, u)
        add(n, u, new)
        if out is not None:                    # these examples are over: h_t = h_{t-1}
            np.copyto(new, h, where=out)


def _chain(s: _Forward, b: _Backward, w_hh: Any, dy: Any, dlast: Any, gone: Any) -> None:
    """The steps, backward: b.columns gets the gradients before r, z, n of all steps, b.dh that of the first state."""
    T, H, B = s.h.shape
    np.copyto(b.wt_rz, w_hh[:2 * H].T)
    np.copyto(b.wt_n, w_hh[2 * H:].T)
    multiply, subtract, add, dot = np.multiply, np.subtract, np.add, np.dot
    r, z, n, before, spare = s.gates[:, 0], s.gates[:, 1], s.gates[:, 2], s.blocks[:T, :H], b.dy
    dr, dz, dn = b.slopes[:, 0], b.slopes[:, 1], b.slopes[:, 2]
    multiply(n, n, dn)
    subtract(1, dn, dn)
    subtract(1, z, dz)
    multiply(dn, dz, dn)
    multiply(dz, z, dz)
    subtract(before, n, spare)
    multiply(dz, spare, dz)
    subtract(1, r, dr)
    multiply(dr, s.rh, dr)                     # h r (1 - r)
    np.copyto(b.dy, 0 if dy is None else dy.transpose(0, 2, 1))
    dh, g, q, wt_rz, wt_n = b.dh, b.g, b.q, b.wt_rz, b.wt_n
    np.copyto(dh, 0 if dlast is None else dlast.T)
    for (dzn, dr, dn, drz, dy_t), gates, out in zip(b.steps, s.gates[::-1], backwards(gone, T), strict=True):
        if out is not None:                    # over: the gradient of the state passes by, nothing else does
            kept = dh[:, out]
        add(dh, dy_t, g)
        multiply(dzn, g, dzn)
        if out is not None:
            dzn[:, :, out] = 0
        dot(wt_n, dn, q)
        multiply(dr, q, dr)
        dot(wt_rz, drz, dh)
        multiply(g, gates[1], g)
        add(dh, g, dh)
        multiply(q, gates[0], q)
        add(dh, q, dh)
        if out is not None:
            dh[:, out] = kept
    side_by_side(b.slopes.reshape(T, 3 * H, B), b.columns)
