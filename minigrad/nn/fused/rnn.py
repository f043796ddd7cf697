"""The Elman network's whole sequence as one node; equal to `rnn_step` in `nn/steps.py` over time
(test_fused_sequences.py).

    z_t = [h_{t-1}; x_t; 1]                    one block a step: the state is written where the next product reads it
    h_t = phi(W z_t),  W = [W_hh, W_ih, b]     inputs, biases and recurrence are one product
    d_t = (dy_t + W_hh^T d_{t+1}) phi'(h_t)    a product, a sum, a multiplication; phi' of all steps is one call
    dW  = sum_t d_t z_t^T                      one product over all steps for each weight

KTH, *BPTT Step by Step*; Chemnitz, *BPTT (4th)*: store all x and h, accumulate backwards.
"""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...tensor import primitive
from .columns import backwards, columns_of, ended, input_gradient, outputs, side_by_side
from .workspace import Lease


class _Forward:
    """What a graph keeps of T steps, B examples, D inputs, H units: 4 T B (H + D + 1) bytes in float32.

    The views of each step are made once.
    """

    def __init__(self, T: int, B: int, D: int, H: int, dtype: np.dtype) -> None:
        self.z = z = np.empty((T + 1, H + D + 1, B), dtype)     # T + 1: the last step's state is z[T, :H]
        z[:, H + D:] = 1
        self.h, self.x, self.h0 = z[1:, :H], z[:T, H:H + D], z[0, :H]
        self.w = np.empty((H, H + D + 1), dtype)
        self.steps = list(zip(z[:T], self.h, strict=True))
        self.nbytes = z.nbytes + self.w.nbytes


class _Backward:
    """What a backward pass writes. Leased for the pass only: layers of one size use the same, still in the cache."""

    def __init__(self, T: int, B: int, H: int, dtype: np.dtype) -> None:
        self.wt, self.dh = np.empty((H, H), dtype), np.empty((H, B), dtype)
        self.slope, self.d = np.empty((2, T, H, B), dtype)
        self.columns = np.empty((H, T, B), dtype)
        self.steps = list(zip(self.d, self.slope, strict=True))[::-1]
        self.nbytes = sum(a.nbytes for a in (self.wt, self.dh, self.slope, self.d, self.columns))


@primitive(second=False)
def rnn_sequence(xp: Any, x: Any, h0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *, nonlinearity: str = "tanh",
                 reverse: bool = False, alive: Any = None) -> Any:
    """h_t = phi(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh);  d_t = (dh_t + W_hh^T d_{t+1}) phi'(h_t), dW = sum d_t z_t^T

    x (T, B, D), h0 (B, H) or None for zeros, biases (H) or None -> h of all steps (T, B, H), the last h (B, H).
    reverse: from the last step to the first.  alive (T, B): where False, the state stays and the output is 0.
    NumPy only, first order only.
    """
    if reverse:
        x = x[::-1]
    T, B, D = x.shape
    H = w_hh.shape[0]
    gone = ended(alive, reverse)
    lease = Lease(("rnn", T, B, D, H, x.dtype.char), lambda: _Forward(T, B, D, H, x.dtype))
    s = lease.space
    np.copyto(s.x, x.transpose(0, 2, 1))
    np.copyto(s.h0, 0 if h0 is None else h0.T)
    s.w[:, :H], s.w[:, H:-1] = w_hh, w_ih
    s.w[:, -1] = 0 if b_ih is None else b_ih if b_hh is None else b_ih + b_hh
    if nonlinearity == "sigmoid":              # sigmoid a = tanh(a / 2) / 2 + 1 / 2, with a halved in the weights
        s.w *= 0.5
    dot, w, phi = np.dot, s.w, _PHI[nonlinearity]
    for (z, h), out in zip(s.steps, gone, strict=False):
        dot(w, z, h)
        phi(h, h)
        if out is not None:                    # these examples are over: h_t = h_{t-1}
            np.copyto(h, z[:H], where=out)
    y, last = outputs(s.h, alive, reverse)

    def vjp(g: Any) -> Any:
        dy, dlast = g
        z, h = lease.space.z[:T], lease.space.h
        scratch = Lease(("rnn back", T, B, H, h.dtype.char), lambda: _Backward(T, B, H, h.dtype))
        s = scratch.space
        _slope(nonlinearity, h, s.slope)
        np.copyto(s.wt, w_hh.T)
        np.copyto(s.dh, 0 if dlast is None else dlast.T)
        dh, wt, dot, multiply, add = s.dh, s.wt, np.dot, np.multiply, np.add
        if dy is not None:
            np.copyto(s.d, (dy[::-1] if reverse else dy).transpose(0, 2, 1))
        for (d, slope), out in zip(s.steps, backwards(gone, T), strict=True):
            if out is not None:                # over: the gradient of the state passes by, nothing else does
                kept = dh[:, out]
            if dy is None:                     # only the last state is used: nothing to add on the way
                multiply(dh, slope, d)
            else:
                add(d, dh, d)
                multiply(d, slope, d)
            if out is not None:
                d[:, out] = 0
            dot(wt, d, dh)
            if out is not None:
                dh[:, out] = kept
        side_by_side(s.d, s.columns)           # one product over all steps for each weight
        ds = s.columns.reshape(H, T * B)

        @functools.cache
        def zs() -> Any:
            """[h_{t-1}; x_t] of all steps side by side: (H + D, T B), and its lease."""
            return columns_of(z[:, :-1], "rnn z")

        @functools.cache
        def db() -> Any:
            return ds.sum(1)

        return (lambda: input_gradient(ds, w_ih, T, reverse), lambda: scratch.space.dh.T.copy(),
                lambda: np.dot(ds, zs()[0][H:].T), lambda: np.dot(ds, zs()[0][:H].T), lambda: db(), lambda: db())
    return (y, last), vjp


def _relu(a: np.ndarray, out: np.ndarray) -> None:
    np.maximum(a, 0, out=out)


def _sigmoid_of_double(a: np.ndarray, out: np.ndarray) -> None:
    """sigmoid(2 a)"""
    np.tanh(a, out)
    np.multiply(out, 0.5, out)
    np.add(out, 0.5, out)


_PHI: dict[str, Any] = {"tanh": np.tanh, "relu": _relu, "sigmoid": _sigmoid_of_double}


def _slope(nonlinearity: str, h: np.ndarray, out: np.ndarray) -> None:
    """phi' by the value h = phi(a): 1 - h^2, [h > 0], h (1 - h)."""
    if nonlinearity == "relu":
        np.greater(h, 0, out=out, casting="unsafe")
        return
    np.multiply(h, h, out=out)
    np.subtract(1 if nonlinearity == "tanh" else h, out, out=out)
