"""Bahdanau's decoder, a whole sentence as one node; equal to the loop in models/bahdanau.py (test_fused_bahdanau.py).

    e_t  = tanh(W_s s + k_t),   alpha = softmax_t v . e_t,   c = sum_t alpha_t a_t         s = s_(tau-1), t a place
    s'   = GRU([y; c], s)                                       PyTorch's form: r after the product, z keeps

Keys k_t = W_a a_t come in: they are the same at all steps. So do the words' part of the gates; the recurrence of the
gates and W_s s are one product. Backward, with d_t the gradient of v . e_t,

    ds += W_s^T q,   q = v sum_t d_t (1 - e_t^2) = -v sum_t d_t e_t^2        for the d_t of a softmax add up to 0
    dk_t = v sum_tau d_(tau,t) (1 - e_(tau,t)^2),   dv = sum d_(tau,t) e_(tau,t)

Most of the work is on e, 4 T B S A bytes in float32, of which a step's part stays in the second-level cache: all that
backward wants of it is taken while it is there. Everything else that needs no recurrence is a product over all steps.
Télécom, *Attention model*; Bahdanau et al. 2015.
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .columns import columns_of, outputs, side_by_side
from .gru import slopes
from .workspace import Lease


class _Forward:
    """What a graph keeps of T steps, B examples, S places, words of E, annotations of C, H units, a score of A units:
    4 T B (S A + S + E + C + 5 H + 1) bytes in float32.
    """

    def __init__(self, T: int, B: int, S: int, E: int, C: int, H: int, A: int, dtype: np.dtype) -> None:
        self.y = np.empty((T, E + 1, B), dtype)                 # [y_t; 1]
        self.h = h = np.empty((T + 1, H, B), dtype)
        self.gates, self.q = np.empty((T, 3, H, B), dtype), np.empty((T, H, B), dtype)
        self.e, self.alpha = np.empty((T, B, S, A), dtype), np.empty((T, B, S), dtype)
        self.c = np.empty((T, B, C), dtype)
        self.w_y, self.w_c = np.empty((3 * H, E + 1), dtype), np.empty((3 * H, C), dtype)
        self.w_h = np.empty((3 * H + A, H), dtype)              # W_hh above W_s
        self.product, self.part = np.empty((3 * H + A, B), dtype), np.empty((3 * H, B), dtype)
        self.bias, self.u = np.empty((2, H, B), dtype)
        self.query = np.empty((B, 1, A), dtype)
        self.steps = [(h[t], h[t + 1], e, e.reshape(B * S, A), alpha, alpha.reshape(B * S), alpha[:, None], c[:, None],
                       c.T, g.reshape(3 * H, B), g[:2], *g, q)
                      for t, (e, alpha, c, g, q) in enumerate(zip(self.e, self.alpha, self.c, self.gates, self.q,
                                                                  strict=True))]
        self.nbytes = sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))


class _Backward:
    """What a backward pass writes. Leased for the pass only.

    d: gradients before the gates and of the query, (4 H + A, B) a step, in the order n, r, z, W_hn h, W_s s: what meets
    the inputs' weights (n, r, z) and what meets W_hh and W_s (the last four) are then one block each.
    """

    def __init__(self, T: int, B: int, S: int, C: int, H: int, A: int, dtype: np.dtype) -> None:
        self.w_h, self.w_c = np.empty((H, 3 * H + A), dtype), np.empty((3 * H, C), dtype)
        self.d, self.columns = np.empty((T, 4 * H + A, B), dtype), np.empty((4 * H + A, T, B), dtype)
        self.dy = np.empty((T, H, B), dtype)
        self.dc, self.ds, self.da = np.empty((T, B, C), dtype), np.empty((T, B, S), dtype), np.empty((B, S, 1), dtype)
        self.square, self.dk = np.empty((2, B, S, A), dtype)
        self.dq, self.dv = np.empty((B, 1, A), dtype), np.empty(A, dtype)
        self.dh, self.g = np.empty((2, H, B), dtype)
        self.nbytes = sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))


@primitive(second=False)
def bahdanau_sequence(xp: Any, y: Any, s0: Any, keys: Any, annotations: Any, w_s: Any, v: Any, w_ih: Any, w_hh: Any,
                      b_ih: Any, b_hh: Any, *, hidden: Any = None) -> Any:
    """s_t = GRU([y_t; c_t], s_{t-1}), c_t = sum alpha a, alpha = softmax v . tanh(W_s s_{t-1} + k);  dW = sum d_t s^T

    y (T, B, E), s0 (B, H), keys (B, S, A), annotations (B, S, C), w_s (A, H), v (A), w_ih (3 H, E + C), w_hh (3 H, H),
    biases (3 H) or None -> states (T, B, H), contexts (T, B, C), alignments (T, B, S).
    hidden (B, S) bool: places that count for nothing; in each row one is open.  NumPy only, first order only.
    """
    (T, B, E), (S, C), (A, H), dtype = y.shape, annotations.shape[1:], w_s.shape, y.dtype
    keys, annotations = np.ascontiguousarray(keys), np.ascontiguousarray(annotations)
    lease = Lease(("bahdanau", T, B, S, E, C, H, A, dtype.char), lambda: _Forward(T, B, S, E, C, H, A, dtype))
    _walk(lease.space, y, s0, keys, annotations, w_s, v, w_ih, w_hh, b_ih, b_hh, hidden)
    states, _ = outputs(lease.space.h[1:], None, False)

    def vjp(g: Any) -> Any:
        s = lease.space
        scratch = Lease(("bahdanau back", T, B, S, C, H, A, dtype.char), lambda: _Backward(T, B, S, C, H, A, dtype))
        b = scratch.space
        _chain(s, b, annotations, w_s, v, w_ih, w_hh, *g)
        d = b.columns.reshape(4 * H + A, T * B)
        nrz, n, rz, recurrent = d[:3 * H], d[:H], d[H:3 * H], d[H:]

        @functools.cache
        def dw_h() -> Any:
            """Of W_hh and W_s, one above the other."""
            hs, _held = columns_of(s.h[:T], "bahdanau h")
            return np.dot(recurrent, hs.T)

        @functools.cache
        def db() -> Any:
            return d[:4 * H].sum(1)

        def dy() -> Any:
            w = np.concatenate([w_ih[2 * H:, :E], w_ih[:2 * H, :E]])
            return np.dot(nrz.T, w).reshape(T, B, E)

        def dkeys() -> Any:
            return (b.ds.sum(0)[..., None] - b.dk) * v

        def dannotations() -> Any:
            return np.matmul(s.alpha.transpose(1, 2, 0), b.dc.transpose(1, 0, 2))

        def dw_ih() -> Any:
            out, (ys, _held) = np.empty_like(w_ih), columns_of(s.y[:, :E], "bahdanau y")
            for part, x in ((out[:, :E], ys.T), (out[:, E:], s.c.reshape(T * B, C))):
                part[:2 * H], part[2 * H:] = np.dot(rz, x), np.dot(n, x)
            return out
        return (dy, lambda: b.dh.T.copy(), dkeys, dannotations, lambda: dw_h()[3 * H:], lambda: b.dv.copy(), dw_ih,
                lambda: dw_h()[:3 * H], lambda: np.concatenate([db()[H:3 * H], db()[:H]]), lambda: db()[H:].copy())
    return (states, lease.space.c.copy(), lease.space.alpha.copy()), vjp


def _walk(s: _Forward, y: Any, s0: Any, keys: Any, annotations: Any, w_s: Any, v: Any, w_ih: Any, w_hh: Any, b_ih: Any,
          b_hh: Any, hidden: Any) -> None:
    """The steps, forward: fills the workspace."""
    (T, B, E), H = y.shape, w_hh.shape[1]
    np.copyto(s.y[:, :E], y.transpose(0, 2, 1))
    s.y[:, E] = 1
    np.copyto(s.h[0], s0.T)
    s.w_y[:, :E], s.w_y[:, E], s.w_c[:] = w_ih[:, :E], 0 if b_ih is None else b_ih, w_ih[:, E:]
    s.w_h[:3 * H], s.w_h[3 * H:] = w_hh, w_s
    s.bias[:] = 0
    if b_hh is not None:
        s.w_y[:2 * H, E] += b_hh[:2 * H]
        s.bias += b_hh[2 * H:, None]
    for w in (s.w_y, s.w_c, s.w_h):            # sigmoid a = tanh(a / 2) / 2 + 1 / 2
        w[:2 * H] *= 0.5
    np.matmul(s.w_y, s.y, out=s.gates.reshape(T, 3 * H, B))
    product, part, query, bias, u = s.product, s.part, s.query, s.bias, s.u
    rz_h, n_h, s_h = product[:2 * H].reshape(2, H, B), product[2 * H:3 * H], product[3 * H:].T
    dot, matmul, tanh, half = np.dot, np.matmul, np.tanh, y.dtype.type(0.5)
    multiply, add, subtract, copyto = np.multiply, np.add, np.subtract, np.copyto
    for h, new, e, e_rows, alpha, scores, weights, c, c_t, gates, rz, r, z, n, q in s.steps:
        dot(s.w_h, h, product)
        copyto(query[:, 0], s_h)
        add(keys, query, e)
        tanh(e, e)
        dot(e_rows, v, scores)
        if hidden is not None:
            copyto(alpha, -np.inf, where=hidden)
        subtract(alpha, alpha.max(1, keepdims=True), alpha)
        np.exp(alpha, alpha)
        np.divide(alpha, alpha.sum(1, keepdims=True), alpha)
        matmul(weights, annotations, out=c)
        dot(s.w_c, c_t, part)
        add(gates, part, gates)
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


def _chain(s: _Forward, b: _Backward, annotations: Any, w_s: Any, v: Any, w_ih: Any, w_hh: Any, dstates: Any,
           dcontexts: Any, dalignments: Any) -> None:
    """The steps, backward: fills b.columns, b.ds, b.dc, b.dk (without v), b.dv; b.dh is that of the first state."""
    T, H, B = s.q.shape
    S, A = s.e.shape[2:]
    E = w_ih.shape[1] - s.c.shape[2]
    b.w_c[:H], b.w_c[H:] = w_ih[2 * H:, E:], w_ih[:2 * H, E:]
    b.w_h[:, :3 * H], b.w_h[:, 3 * H:] = w_hh.T, w_s.T
    p = b.d[:, :4 * H].reshape(T, 4, H, B)
    slopes(s.h[:T], s.gates[:, 0], s.gates[:, 1], s.gates[:, 2], s.q, p[:, 1], p[:, 2], p[:, 3], p[:, 0])
    if dstates is not None:
        np.copyto(b.dy, dstates.transpose(0, 2, 1))
    b.dh[:], b.dk[:], b.dv[:] = 0, 0, 0
    dh, g, da, square, dq, minus_v = b.dh, b.g, b.da, b.square, b.dq, -v
    dot, matmul, multiply, add, subtract, copyto = np.dot, np.matmul, np.multiply, np.add, np.subtract, np.copyto
    for t in range(T - 1, -1, -1):
        d, dc, ds, alpha, e = b.d[t], b.dc[t], b.ds[t], s.alpha[t], s.e[t]
        if dstates is not None:
            add(dh, b.dy[t], g)
        else:
            copyto(g, dh)
        of_gates = d[:4 * H].reshape(4, H, B)
        multiply(of_gates, g, of_gates)
        dot(d[:3 * H].T, b.w_c, dc)
        if dcontexts is not None:
            add(dc, dcontexts[t], dc)
        matmul(annotations, dc[:, :, None], out=da)
        if dalignments is not None:
            add(da[..., 0], dalignments[t], da[..., 0])
        multiply(alpha, da[..., 0], ds)
        subtract(ds, alpha * ds.sum(1, keepdims=True), ds)
        b.dv += dot(ds.reshape(B * S), e.reshape(B * S, A))
        multiply(e, e, square)
        matmul(ds[:, None], square, out=dq)
        multiply(dq, minus_v, dq)
        copyto(d[4 * H:], dq[:, 0].T)
        multiply(square, ds[..., None], square)
        add(b.dk, square, b.dk)
        dot(b.w_h, d[H:], dh)
        multiply(g, s.gates[t, 1], g)
        add(dh, g, dh)
    side_by_side(b.d, b.columns)
