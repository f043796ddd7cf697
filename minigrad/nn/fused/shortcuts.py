"""An Elman network with shortcuts through time as one node; equal to `skip_rnn_step` and `residual_rnn_step` in
`nn/steps.py` over time (test_fused_variants.py).

    z_t = [h_{t-1}; h_{t-k}; x_t; 1]           a state is written into the block of the next step and of the k-th next
    p_t = phi(W z_t),  W = [W_hh, W_s, W_ih, b]
    h_t = p_t, or h_{t-1} + p_t                skip alone, or residual
    dh_t = dy_t + W_hh^T d_{t+1} + W_s^T d_{t+k} (+ dh_{t+1}),   d_t = dh_t phi'(p_t)

Both products of d_t are one, [W_hh, W_s]^T d_t; its lower half waits k steps. Télécom, *Vanishing: use
skip-connections* (states before the first are 0); Riveill, *How to introduce residual in RNN*.
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .columns import backwards, columns_of, ended, input_gradient, outputs, side_by_side
from .rnn import _PHI, _slope
from .workspace import Lease


class _Forward:
    """What a graph keeps of T steps, B examples, D inputs, H units: 4 T B (H + D + 1) bytes in float32; with a skip
    4 T B H more, with residual 4 T B H more.
    """

    def __init__(self, T: int, B: int, D: int, H: int, skip: int, residual: bool, dtype: np.dtype) -> None:
        self.states = S = 2 * H if skip else H                  # rows of z_t that are states
        self.z = z = np.empty((T + 1, S + D + 1, B), dtype)     # T + 1: the last step's state is z[T, :H]
        z[:, -1] = 1
        self.h, self.h0, self.x = z[1:, :H], z[0, :H], z[:T, S:S + D]
        self.back = z[:, H:S]
        self.p = np.empty((T, H, B), dtype) if residual else self.h
        later = [z[t + skip, H:S] if skip and t + skip < T else None for t in range(T)]
        self.steps = list(zip(z[:T], z[:T, :H], self.p, self.h, later, strict=True))
        self.w = np.empty((H, S + D + 1), dtype)
        self.nbytes = z.nbytes + self.w.nbytes + (self.p.nbytes if residual else 0)


class _Backward:
    """What a backward pass writes. Leased for the pass only: layers of one size use the same, still in the cache."""

    def __init__(self, T: int, B: int, H: int, skip: int, dtype: np.dtype) -> None:
        S = 2 * H if skip else H
        self.wt, self.dh = np.empty((S, H), dtype), np.empty((H, B), dtype)
        self.slope, self.d = np.empty((2, T, H, B), dtype)
        self.columns = np.empty((H, T, B), dtype)
        n = max(skip, 1)
        self.ring = ring = np.empty((n, S, B), dtype)           # [W_hh, W_s]^T d of the newest k steps
        self.steps = [(self.d[t], self.slope[t], ring[t % n], ring[t % n, :H],
                       ring[t % n, H:] if skip and t + skip < T else None) for t in range(T)][::-1]
        self.nbytes = sum(a.nbytes for a in (self.wt, self.dh, self.slope, self.d, self.columns, ring))


@primitive(second=False)
def shortcut_sequence(xp: Any, x: Any, h0: Any, w_ih: Any, w_hh: Any, w_s: Any, b_ih: Any, b_hh: Any, *,
                      nonlinearity: str = "tanh", skip: int = 0, residual: bool = False, reverse: bool = False,
                      alive: Any = None) -> Any:
    """h_t = (h_{t-1} +) phi(W_ih x_t + b + W_hh h_{t-1} + W_s h_{t-k});  dW = sum d_t z_t^T

    x (T, B, D), h0 (B, H) or None for zeros, W_s (H, H), or None where skip is 0, biases (H) or None -> h of all steps
    (T, B, H), the last h (B, H).  skip: k.  reverse: from the last step to the first.
    alive (T, B): where False, the state stays and the output is 0; before its first step an example has no states, so
    there h_{t-k} is 0.  NumPy only, first order only.
    """
    if reverse:
        x = x[::-1]
    (T, B, D), H, dtype = x.shape, w_hh.shape[0], x.dtype
    gone, unborn = ended(alive, reverse), _unborn(alive, reverse, T)
    lease = Lease(("shortcuts", T, B, D, H, skip, residual, dtype.char),
                  lambda: _Forward(T, B, D, H, skip, residual, dtype))
    s = lease.space
    S = s.states
    np.copyto(s.x, x.transpose(0, 2, 1))
    np.copyto(s.h0, 0 if h0 is None else h0.T)
    s.w[:, :H], s.w[:, S:-1] = w_hh, w_ih
    s.w[:, -1] = 0 if b_ih is None else b_ih if b_hh is None else b_ih + b_hh
    if skip:
        s.w[:, H:S] = w_s
        s.back[:skip] = 0
        if skip <= T:
            np.copyto(s.back[skip - 1], s.h0, where=True if unborn[0] is None else ~unborn[0])
    if nonlinearity == "sigmoid":              # sigmoid a = tanh(a / 2) / 2 + 1 / 2, with a halved in the weights
        s.w *= 0.5
    dot, copyto, w, phi = np.dot, np.copyto, s.w, _PHI[nonlinearity]
    for (z, before, p, h, later), out, early in zip(s.steps, gone, unborn[1:], strict=False):
        dot(w, z, p)
        phi(p, p)
        if residual:
            np.add(before, p, h)
        if out is not None:                    # these examples are over: h_t = h_{t-1}
            copyto(h, before, where=out)
        if later is not None:
            copyto(later, h)
            if early is not None:
                copyto(later, 0, where=early)
    y, last = outputs(s.h, alive, reverse)

    def vjp(g: Any) -> Any:
        dy, dlast = g
        s = lease.space
        scratch = Lease(("shortcuts back", T, B, H, skip, dtype.char), lambda: _Backward(T, B, H, skip, dtype))
        b = scratch.space
        _slope(nonlinearity, s.p, b.slope)
        np.copyto(b.wt[:H], w_hh.T)
        if skip:
            np.copyto(b.wt[H:], w_s.T)
        _chain(b, None if dy is None else dy[::-1] if reverse else dy, dlast, skip, residual, gone, unborn)
        side_by_side(b.d, b.columns)           # one product over all steps for each weight
        ds = b.columns.reshape(H, T * B)

        @functools.cache
        def zs() -> Any:
            """[h_{t-1}; h_{t-k}; x_t] of all steps side by side: (S + D, T B), and its lease."""
            return columns_of(s.z[:T, :-1], "shortcuts z")

        @functools.cache
        def db() -> Any:
            return ds.sum(1)

        return (lambda: input_gradient(ds, w_ih, T, reverse), lambda: scratch.space.dh.T.copy(),
                lambda: np.dot(ds, zs()[0][S:].T), lambda: np.dot(ds, zs()[0][:H].T),
                lambda: np.dot(ds, zs()[0][H:S].T), lambda: db(), lambda: db())
    return (y, last), vjp


def _unborn(alive: np.ndarray | None, reverse: bool, T: int) -> list[Any]:
    """After t = 0 ... T steps of the walk: None, or the mask (B,) of the examples that have not begun yet.

    Their state is h_0 already, but not yet at their own time 0: as h_{t-k} it counts as 0.
    """
    if alive is None:
        return [None] * (T + 1)
    first = (alive[::-1] if reverse else alive).argmax(axis=0)
    return [first > t if t < first.max() else None for t in range(T + 1)]


def _chain(b: _Backward, dy: Any, dlast: Any, skip: int, residual: bool, gone: Any, unborn: list[Any]) -> None:
    """The steps, backward: b.d gets the gradients before phi, b.dh that of the first state."""
    T = len(b.d)
    if dy is not None:
        np.copyto(b.d, dy.transpose(0, 2, 1))
    np.copyto(b.dh, 0 if dlast is None else dlast.T)
    dh, wt, dot, add, multiply, copyto = b.dh, b.wt, np.dot, np.add, np.multiply, np.copyto
    for (d, slope, products, upper, lower), out, early in zip(b.steps, backwards(gone, T), unborn[:0:-1], strict=True):
        if lower is not None:                  # W_s^T d of k steps later, about to be overwritten with this step's
            if early is not None:
                copyto(lower, 0, where=early)
            add(dh, lower, dh)
        if out is not None:                    # over: the gradient of the state passes by, nothing else does
            kept = dh[:, out]
        if dy is not None:
            add(dh, d, dh)
        multiply(dh, slope, d)
        if out is not None:
            d[:, out] = 0
        dot(wt, d, products)
        if residual:
            add(dh, upper, dh)
        else:
            copyto(dh, upper)
        if out is not None:
            dh[:, out] = kept
    if 0 < skip <= T:                          # h_0 was the h_{t-k} of step k
        lower = b.ring[skip - 1, len(dh):]
        if unborn[0] is not None:
            copyto(lower, 0, where=unborn[0])
        add(dh, lower, dh)
