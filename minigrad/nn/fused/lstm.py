"""The LSTM's whole sequence as one node; equal to `lstm_step` in `nn/steps.py` over time (test_fused_sequences.py).

    z_t = [h_{t-1}; x_t; 1]                         the state is written where the next product reads it
    (i, f, o, g) = (sigmoid, sigmoid, sigmoid, tanh)(W z_t),   W = [W_hh, W_ih, b]
    c_t = f c_{t-1} + i g,   h_t = o tanh c_t

sigmoid a = tanh(a / 2) / 2 + 1 / 2: with the rows of i, f, o halved once in W, one tanh serves all four gates.
Backward, what needs no recurrence leaves the loop; for each unit, with ig = i g, fc = f c_{t-1}:

    di = (ig - ig i) dc,  df = (fc - fc f) dc,  dg = (i - ig g) dc,  do = (h - h o) dh,  dc += (o - h tanh c) dh

Escalera, *Long Short Term Memory (LSTM)*; Chemnitz, *LSTM*.
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .columns import backwards, columns_of, ended, input_gradient, outputs, side_by_side
from .workspace import Lease

CACHE = 40000                                  # elements: gates of as many steps as stay in the second-level cache


class Forward:
    """What a graph keeps of T steps, B examples, H units and K rows below the state (x and 1, or a one-hot id).

    4 T B (7 H + K) bytes in float32: states and inputs, i, f, o, g, c and tanh c of every step.
    """

    def __init__(self, T: int, B: int, K: int, H: int, dtype: np.dtype) -> None:
        self.z = z = np.empty((T + 1, H + K, B), dtype)         # T + 1: the last step's state is z[T, :H]
        self.h, self.below, self.h0 = z[1:, :H], z[:T, H:], z[0, :H]
        self.w = np.empty((4 * H, H + K), dtype)
        self.gates = gates = np.empty((T + 1, 5, H, B), dtype)  # i, f, o, g and c_{t-1}: [i, f] * [g, c] is one call
        self.c0, self.c, self.tanh_c = gates[0, 4], gates[T, 4], np.empty((T, H, B), dtype)
        self.ig, self.fc = self.products = np.empty((2, H, B), dtype)
        self.steps = list(zip(z[:T], gates[:T, :4].reshape(T, 4 * H, B), gates[:T, :3], gates[:T, :2], gates[:T, 3:],
                              gates[:T, 2], gates[1:, 4], self.tanh_c, self.h, strict=True))
        self.nbytes = z.nbytes + self.w.nbytes + gates.nbytes + self.tanh_c.nbytes + self.products.nbytes


class Backward:
    """What a backward pass writes. Leased for the pass only: layers of one size use the same, still in the cache."""

    def __init__(self, T: int, B: int, H: int, dtype: np.dtype) -> None:
        self.block = n = max(1, min(T, CACHE // (4 * H * B)))
        self.wt = np.empty((H, 4 * H), dtype)
        self.slopes, self.w2 = np.empty((n, 4, H, B), dtype), np.empty((n, 2, H, B), dtype)     # rows i, f, g, o
        self.c_of_h, self.dy = np.empty((2, n, H, B), dtype)
        self.dh, self.dc, self.u = np.empty((3, H, B), dtype)
        self.columns = np.empty((4 * H, T, B), dtype)
        self.steps = list(zip(self.slopes[:, :3], self.slopes[:, 3], self.slopes.reshape(n, 4 * H, B), self.dy,
                              self.c_of_h, strict=True))
        self.nbytes = sum(a.nbytes for a in (self.wt, self.slopes, self.w2, self.c_of_h, self.dy, self.dh, self.dc,
                                             self.u, self.columns))


@primitive(second=False)
def lstm_sequence(xp: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *,
                  reverse: bool = False, alive: Any = None) -> Any:
    """c_t = f c_{t-1} + i g, h_t = o tanh c_t;  dc_t = dh_t o (1 - tanh^2 c_t) + dc_{t+1} f_{t+1}, dW = sum d_t z_t^T

    x (T, B, D), h0 and c0 (B, H) or None for zeros, gates i, f, g, o -> h of all steps (T, B, H), last h and c (B, H).
    reverse: from the last step to the first.  alive (T, B): where False, the state stays and the output is 0.
    NumPy only, first order only.
    """
    if reverse:
        x = x[::-1]
    T, B, D = x.shape
    H = w_hh.shape[1]
    lease = Lease(("lstm", T, B, D + 1, H, x.dtype.char), lambda: Forward(T, B, D + 1, H, x.dtype))
    s = lease.space
    np.copyto(s.below[:, :D], x.transpose(0, 2, 1))
    s.below[:, D] = 1
    bias = 0 if b_ih is None else b_ih if b_hh is None else b_ih + b_hh
    load(s.w, w_hh, w_ih, bias)
    gone = ended(alive, reverse)
    y, h, c = walk(s, h0, c0, gone, reverse, alive)

    def vjp(g: Any) -> Any:
        s = lease.space
        ds, scratch = chain(s, w_hh, g, gone, reverse)

        @functools.cache
        def zs() -> Any:
            """[h_{t-1}; x_t] of all steps side by side: (H + D, T B), and its lease."""
            return columns_of(s.z[:T, :-1], "lstm z")

        @functools.cache
        def db() -> Any:
            return ds.sum(1)

        return (lambda: input_gradient(ds, w_ih, T, reverse), lambda: scratch.space.dh.T.copy(),
                lambda: scratch.space.dc.T.copy(),
                lambda: np.dot(ds, zs()[0][H:].T), lambda: np.dot(ds, zs()[0][:H].T), lambda: db(), lambda: db())
    return (y, h, c), vjp


def load(w: np.ndarray, w_hh: np.ndarray, below: np.ndarray, last: Any) -> None:
    """[W_hh, below, last] with rows i, f, g, o -> w with rows i, f, o, g, of which the three sigmoids' are halved."""
    H = w_hh.shape[1]
    K = H + below.shape[1]
    for k, q in enumerate((0, 1, 3, 2)):
        to, of = slice(k * H, (k + 1) * H), slice(q * H, (q + 1) * H)
        w[to, :H], w[to, H:K] = w_hh[of], below[of]
        if K < w.shape[1]:
            w[to, K] = last if type(last) is int else last[of]
    w[:3 * H] *= 0.5


def walk(s: Forward, h0: Any, c0: Any, gone: Any, reverse: bool, alive: Any) -> tuple[Any, Any, Any]:
    """The steps, forward -> h of all steps (T, B, H), last h, last c (B, H)."""
    np.copyto(s.h0, 0 if h0 is None else h0.T)
    np.copyto(s.c0, 0 if c0 is None else c0.T)
    w, half, products, ig, fc = s.w, s.w.dtype.type(0.5), s.products, s.ig, s.fc
    dot, tanh, multiply, add = np.dot, np.tanh, np.multiply, np.add
    for (z, a, sigmoids, i_f, g_c, o, c, tc, h), out in zip(s.steps, gone, strict=False):
        dot(w, z, a)
        tanh(a, a)
        multiply(sigmoids, half, sigmoids)
        add(sigmoids, half, sigmoids)
        multiply(i_f, g_c, products)
        add(ig, fc, c)
        tanh(c, tc)
        multiply(o, tc, h)
        if out is not None:                    # these examples are over: h_t = h_{t-1}, c_t = c_{t-1}
            np.copyto(h, z[:len(h)], where=out)
            np.copyto(c, g_c[1], where=out)
    return *outputs(s.h, alive, reverse), s.c.T.copy()


def chain(s: Forward, w_hh: np.ndarray, g: Any, gone: Any, reverse: bool) -> tuple[np.ndarray, Lease]:
    """The steps, backward -> gradients before the gates (4 H, T B), rows i, f, g, o, and the lease that holds them.

    The lease's dh and dc are then the gradients of the first state. Local slopes are computed for a block of steps in
    one call, just before those steps are walked.
    """
    dy, dlast, dc_last = g
    T, H, B = s.tanh_c.shape
    scratch = Lease(("lstm back", T, B, H, s.z.dtype.char), lambda: Backward(T, B, H, s.z.dtype))
    b = scratch.space
    n, wt, dh, dc, u = b.block, b.wt, b.dh, b.dc, b.u
    np.copyto(wt, w_hh.T)
    np.copyto(dh, 0 if dlast is None else dlast.T)
    np.copyto(dc, 0 if dc_last is None else dc_last.T)
    if dy is not None and reverse:
        dy = dy[::-1]
    multiply, subtract, add, dot = np.multiply, np.subtract, np.add, np.dot
    walked = backwards(gone, T)
    for start in range((T - 1) // n * n, -1, -n):
        m = min(n, T - start)
        block = slice(start, start + m)
        gates, h, slopes, c_of_h, w2 = s.gates[block], s.h[block], b.slopes[:m], b.c_of_h[:m], b.w2[:m]
        i_f = slopes[:, :2]
        multiply(gates[:, :2], gates[:, 3:], i_f)              # ig, fc
        multiply(i_f[:, 0], gates[:, 3], slopes[:, 2])
        subtract(gates[:, 0], slopes[:, 2], slopes[:, 2])
        multiply(i_f, gates[:, :2], w2)
        subtract(i_f, w2, i_f)
        multiply(h, gates[:, 2], slopes[:, 3])
        subtract(h, slopes[:, 3], slopes[:, 3])
        multiply(h, s.tanh_c[block], c_of_h)
        subtract(gates[:, 2], c_of_h, c_of_h)
        if dy is not None:
            np.copyto(b.dy[:m], dy[block].transpose(0, 2, 1))
        for k in range(m - 1, -1, -1):
            d_ifg, d_o, d, dy_t, c_of_h_t = b.steps[k]
            out = next(walked)
            if out is not None:                # over: the gradient of the state passes by, nothing else does
                kept = dh[:, out], dc[:, out]
            if dy is not None:
                add(dh, dy_t, dh)
            multiply(dh, c_of_h_t, u)
            add(dc, u, dc)
            multiply(d_ifg, dc, d_ifg)
            multiply(d_o, dh, d_o)
            multiply(dc, gates[k, 1], dc)
            if out is not None:
                d[:, out] = 0
            dot(wt, d, dh)
            if out is not None:
                dh[:, out], dc[:, out] = kept
        side_by_side(slopes.reshape(m, 4 * H, B), b.columns[:, block])
    return b.columns.reshape(4 * H, T * B), scratch
