"""An LSTM with peepholes, with a projection, or with both, as one node; equal to `peephole_lstm_step` in `nn/steps.py`
over time, and to `lstm_step` with h' = W_hr (o tanh c') (test_fused_variants.py).

    (o, i, f, g) = W [h_{t-1}; x_t; 1]         rows halved once: sigmoid a = tanh(a / 2) / 2 + 1 / 2
    (i, f) += [P_i; P_f] c_{t-1},  o += P_o c_t            full matrices, or diagonal ones
    c_t = f c_{t-1} + i g,  m_t = o tanh c_t,  h_t = W_hr m_t or m_t

What o_t sees of c_t and what i and f of the next step see of it are one product: [P_o; P_i; P_f] c_t. Backward mirrors
that, because gates stored as i, f, g, o step after step have o_t beside i_{t+1} and f_{t+1}:

    dc_t += [P_o; P_i; P_f]^T [do_t; di_{t+1}; df_{t+1}],   dm_t = W_hr^T dh_t

and the rest is `lstm.py`. Chemnitz, *Peephole connections* (full, o sees c_t); Gers and Schmidhuber 2000 (diagonal);
Sak et al. 2014 (projection; PyTorch's proj_size).
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .columns import backwards, columns_of, ended, input_gradient, outputs, side_by_side
from .workspace import Lease


class _Forward:
    """What a graph keeps of T steps, B examples, D inputs, H cells, R outputs: 4 T B (6 H + R + D + 1) bytes in
    float32; with a projection 4 T B H more.
    """

    def __init__(self, T: int, B: int, D: int, H: int, R: int, projected: bool, dtype: np.dtype) -> None:
        self.z = z = np.empty((T + 1, R + D + 1, B), dtype)     # T + 1: the last step's state is z[T, :R]
        z[:, -1] = 1
        self.h, self.h0, self.x = z[1:, :R], z[0, :R], z[:T, R:-1]
        self.gates = gates = np.empty((T + 1, 5, H, B), dtype)  # o, i, f, g and c_{t-1}: [i, f] * [g, c] is one call
        self.c, self.tanh_c = gates[:, 4], np.empty((T, H, B), dtype)
        self.m = np.empty((T, H, B), dtype) if projected else self.h
        self.w = np.empty((4 * H, R + D + 1), dtype)
        self.seen, self.products = np.empty((3, H, B), dtype), np.empty((2, H, B), dtype)
        self.steps = [(z[t], z[t, :R], g[:4].reshape(4 * H, B), g[0], g[1:3], g[1:4], g[3:], g[:3], c, tc, m, h)
                      for t, (g, c, tc, m, h) in enumerate(zip(gates[:T], self.c[1:], self.tanh_c, self.m, self.h,
                                                               strict=True))]
        self.nbytes = sum(a.nbytes for a in (z, gates, self.tanh_c, self.w, self.seen, self.products))
        self.nbytes += self.m.nbytes if projected else 0


class _Backward:
    """What a backward pass writes. Leased for the pass only: layers of one size use the same, still in the cache."""

    def __init__(self, T: int, B: int, H: int, R: int, dtype: np.dtype) -> None:
        self.wt = np.empty((R, 4 * H), dtype)
        self.ifgo = v = np.empty((4 * T + 2, H, B), dtype)      # and no step after the last: zeros
        v[4 * T:] = 0
        self.slopes = v[:4 * T].reshape(T, 4, H, B)
        self.c_of_m, self.dy = np.empty((T, H, B), dtype), np.empty((T, R, B), dtype)
        self.dh = np.empty((R, B), dtype)
        self.dm, self.dc, self.u = np.empty((3, H, B), dtype)
        self.columns = np.empty((4 * H, T, B), dtype)
        self.steps = [(d[:3], d[3], d.reshape(4 * H, B), v[4 * t + 3:4 * t + 6], dy, c_of_m)
                      for t, (d, dy, c_of_m) in enumerate(zip(self.slopes, self.dy, self.c_of_m, strict=True))][::-1]
        self.nbytes = sum(a.nbytes for a in (self.wt, v, self.c_of_m, self.dy, self.dh, self.dm, self.dc, self.u,
                                             self.columns))


@primitive(second=False)
def peephole_sequence(xp: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_c: Any,
                      w_hr: Any, *, reverse: bool = False, alive: Any = None) -> Any:
    """c_t = f c_{t-1} + i g, h_t = W_hr (o tanh c_t);  dc_t = dm o (1 - tanh^2 c_t) + f dc_{t+1} + P^T [do, di, df]

    x (T, B, D), h0 (B, R) and c0 (B, H) or None for zeros, gates i, f, g, o, W_c (3 H, H) or (3 H) with rows i, f, o,
    or None, W_hr (R, H) or None for R = H -> h of all steps (T, B, R), the last h (B, R), the last c (B, H).
    reverse: from the last step to the first.  alive (T, B): where False, the states stay and the output is 0.
    NumPy only, first order only.
    """
    if reverse:
        x = x[::-1]
    (T, B, D), (G, R), dtype = x.shape, w_hh.shape, x.dtype
    H = G // 4
    gone = ended(alive, reverse)
    lease = Lease(("peephole", T, B, D, H, R, w_hr is not None, dtype.char),
                  lambda: _Forward(T, B, D, H, R, w_hr is not None, dtype))
    s = lease.space
    np.copyto(s.x, x.transpose(0, 2, 1))
    np.copyto(s.h0, 0 if h0 is None else h0.T)
    np.copyto(s.c[0], 0 if c0 is None else c0.T)
    load(s.w, w_hh, w_ih, 0 if b_ih is None else b_ih if b_hh is None else b_ih + b_hh)
    _walk(s, None if w_c is None else _o_first(w_c, B) * dtype.type(0.5), w_hr, gone)
    y, last = outputs(s.h, alive, reverse)

    def vjp(g: Any) -> Any:
        dy, dlast, dc_last = g
        s = lease.space
        scratch = Lease(("peephole back", T, B, H, R, dtype.char), lambda: _Backward(T, B, H, R, dtype))
        b = scratch.space
        np.copyto(b.dy, 0 if dy is None else (dy[::-1] if reverse else dy).transpose(0, 2, 1))
        np.copyto(b.dh, 0 if dlast is None else dlast.T)
        np.copyto(b.dc, 0 if dc_last is None else dc_last.T)
        np.copyto(b.wt, w_hh.T)
        spare = b.columns.reshape(-1)[:2 * T * H * B].reshape(T, 2, H, B)
        slopes(s.gates[:T], s.m, s.tanh_c, b.slopes, b.c_of_m, spare)
        _chain(s, b, None if w_c is None else _o_first(w_c, B), w_hr, gone)
        side_by_side(b.slopes.reshape(T, 4 * H, B), b.columns)
        ds = b.columns.reshape(4 * H, T * B)

        @functools.cache
        def zs() -> Any:
            """[h_{t-1}; x_t] of all steps side by side: (R + D, T B), and its lease."""
            return columns_of(s.z[:T, :-1], "peephole z")

        @functools.cache
        def db() -> Any:
            return ds.sum(1)

        def dw_c() -> Any:
            """i and f with c_{t-1}, o with c_t of all steps."""
            cs, lease = columns_of(s.c, "peephole c")
            before, after, i_f, o = cs[:, :-B], cs[:, B:], ds[:2 * H], ds[3 * H:]
            if w_c.ndim == 2:
                return np.concatenate([np.dot(i_f, before.T), np.dot(o, after.T)])
            return np.concatenate([np.vecdot(ds[:H], before), np.vecdot(ds[H:2 * H], before), np.vecdot(o, after)])

        def dw_hr() -> Any:
            dhs, ms = columns_of(b.dy, "peephole dh"), columns_of(s.m, "peephole m")
            return np.dot(dhs[0], ms[0].T)
        return (lambda: input_gradient(ds, w_ih, T, reverse), lambda: scratch.space.dh.T.copy(),
                lambda: scratch.space.dc.T.copy(),
                lambda: np.dot(ds, zs()[0][R:].T), lambda: np.dot(ds, zs()[0][:R].T), lambda: db(), lambda: db(), dw_c,
                dw_hr)
    return (y, last, s.c[T].T.copy()), vjp


def _o_first(w_c: np.ndarray, batch: int) -> np.ndarray:
    """Rows i, f, o -> o, i, f, because o of this step stands beside i and f of the next: (3 H, H), or (3, H, B).

    A diagonal is as wide as the batch: stretching it in every product takes 1.4 to 4 times as long.
    """
    p = np.roll(w_c, len(w_c) // 3, axis=0)
    return p if p.ndim == 2 else np.repeat(p.reshape(3, -1, 1), batch, 2)


def load(w: np.ndarray, w_hh: np.ndarray, w_ih: np.ndarray, bias: Any) -> None:
    """[W_hh, W_ih, b] with rows i, f, g, o -> w with rows o, i, f, g, of which the three sigmoids' are halved."""
    H, R = len(w) // 4, w_hh.shape[1]
    for k, q in enumerate((3, 0, 1, 2)):
        to, of = slice(k * H, (k + 1) * H), slice(q * H, (q + 1) * H)
        w[to, :R], w[to, R:-1], w[to, -1] = w_hh[of], w_ih[of], bias if type(bias) is int else bias[of]
    w[:3 * H] *= 0.5


def _walk(s: _Forward, p: Any, w_hr: Any, gone: Any) -> None:
    """The steps, forward: fills the workspace.  p: halved rows o, i, f of the peepholes, or None."""
    dot, tanh, multiply, add, copyto, half = np.dot, np.tanh, np.multiply, np.add, np.copyto, s.w.dtype.type(0.5)
    w, seen, products, (ig, fc) = s.w, s.seen, s.products, s.products
    if p is not None:                          # what the gates see of c: (3, H, B)
        see, seen_by_dot = (dot, seen.reshape(-1, seen.shape[2])) if p.ndim == 2 else (multiply, seen)
        see(p, s.c[0], seen_by_dot)
    for (z, before, a, o, i_f, ifg, g_c, sigmoids, c, tc, m, h), out in zip(s.steps, gone, strict=False):
        dot(w, z, a)
        if p is None:
            tanh(a, a)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
        else:
            add(i_f, seen[1:], i_f)
            tanh(ifg, ifg)
            multiply(i_f, half, i_f)
            add(i_f, half, i_f)
        multiply(i_f, g_c, products)
        add(ig, fc, c)
        if out is not None:                    # these examples are over: c_t = c_{t-1}, and h_t below
            copyto(c, g_c[1], where=out)
        if p is not None:
            see(p, c, seen_by_dot)
            add(o, seen[0], o)
            tanh(o, o)
            multiply(o, half, o)
            add(o, half, o)
        tanh(c, tc)
        multiply(o, tc, m)
        if w_hr is not None:
            dot(w_hr, m, h)
        if out is not None:
            copyto(h, before, where=out)


def slopes(gates: np.ndarray, m: np.ndarray, tanh_c: np.ndarray, of_c: np.ndarray, c_of_m: np.ndarray,
           spare: np.ndarray) -> None:
    """What a unit of dc gives to i, f, g, and a unit of dm to o: of_c (n, 4, H, B); and a unit of dm to c: c_of_m.

    gates (n, 5, H, B) with rows o, i, f, g, c_{t-1}, m = o tanh c and tanh c (n, H, B), spare (n, 2, H, B).
    """
    multiply, subtract, i_f, d_g, d_o = np.multiply, np.subtract, of_c[:, :2], of_c[:, 2], of_c[:, 3]
    multiply(gates[:, 1:3], gates[:, 3:], i_f)                 # ig, fc
    multiply(i_f[:, 0], gates[:, 3], d_g)
    subtract(gates[:, 1], d_g, d_g)
    multiply(i_f, gates[:, 1:3], spare)
    subtract(i_f, spare, i_f)
    multiply(m, gates[:, 0], d_o)
    subtract(m, d_o, d_o)
    multiply(m, tanh_c, c_of_m)
    subtract(gates[:, 0], c_of_m, c_of_m)


def _chain(s: _Forward, b: _Backward, p: Any, w_hr: Any, gone: Any) -> None:
    """The steps, backward: b.slopes become gradients before the gates, b.dh and b.dc those of the first states, and
    b.dy the gradients of h_t.  p: rows o, i, f of the peepholes, or None.
    """
    T, _, H, B = b.slopes.shape
    dh, dc, dm, u, wt = b.dh, b.dc, b.dm, b.u, b.wt
    dot, add, multiply = np.dot, np.add, np.multiply
    w_rh = None if w_hr is None else np.ascontiguousarray(w_hr.T)
    if p is not None:
        pt, spare = (np.ascontiguousarray(p.T), None) if p.ndim == 2 else (None, np.empty_like(p))

    def seen_by(d_oif: np.ndarray) -> None:
        """dc += [P_o; P_i; P_f]^T d"""
        if pt is not None:
            dot(pt, d_oif.reshape(3 * H, B), u)
        else:
            np.add.reduce(multiply(p, d_oif, spare), 0, None, u)
        add(dc, u, dc)

    for (d_ifg, d_o, d, d_oif, dh_t, c_of_m), f, out in zip(b.steps, s.gates[T - 1::-1, 2], backwards(gone, T),
                                                           strict=True):
        if out is not None:                    # over: the gradients of the states pass by, nothing else does
            kept = dh[:, out]
        add(dh_t, dh, dh_t)
        if w_rh is None:
            dm = dh_t
        else:
            dot(w_rh, dh_t, dm)
        multiply(d_o, dm, d_o)
        if out is not None:
            d_o[:, out] = 0
        if p is not None:
            seen_by(d_oif)
        if out is not None:                    # i and f of the next step did see the c that passes by
            kept_c = dc[:, out]
        multiply(dm, c_of_m, u)
        add(dc, u, dc)
        multiply(d_ifg, dc, d_ifg)
        multiply(dc, f, dc)
        if out is not None:
            d[:, out] = 0
            dh_t[:, out] = 0
            dc[:, out] = kept_c
        dot(wt, d, dh)
        if out is not None:
            dh[:, out] = kept
    if p is not None:                          # c_0 was seen by the first i and f alone
        d_oif = np.zeros((3, H, B), dc.dtype)
        d_oif[1:] = b.slopes[0, :2]
        seen_by(d_oif)
