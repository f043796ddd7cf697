"""The twins of rnn_cell.cu: one step of an Elman network, forward and backward."""
from __future__ import annotations

import numpy as np

from .common import sigmoid
from .gru_cell import places

Array = np.ndarray

PHI = {"tanh": 0, "relu": 1, "sigmoid": 2}     # what the kernels call them


def rnn_cell_forward(xg: Array, b_ih: Array | None, b_hh: Array | None, h0: Array | None, alive: Array | None,
                     hs: Array, y: Array | None, last: Array, T: int, B: int, H: int, step: int, reverse: int, phi: int
                     ) -> None:
    """h' = phi(x W_ih^T + h W_hh^T + b_ih + b_hh)"""
    t, before, after = places(T, step, reverse)
    if step == 0:
        hs[before] = 0 if h0 is None else h0
    a = xg.reshape(T, B, H)[t]
    for b in (b_ih, b_hh):
        if b is not None:
            a = a + b
    new = np.tanh(a) if phi == 0 else np.maximum(a, 0) if phi == 1 else sigmoid(a)
    on = np.ones((B, 1), bool) if alive is None else alive[t][:, None]
    hs[after] = np.where(on, new, hs[before])
    if y is not None:
        y[t] = np.where(on, new, 0)
    if step == T - 1:
        last[...] = hs[after]


def rnn_cell_backward(dy: Array | None, dlast: Array | None, hs: Array, alive: Array | None, d: Array, dh: Array,
                      T: int, B: int, H: int, step: int, reverse: int, phi: int) -> None:
    """d = g phi',  phi' = 1 - h^2, [h > 0], h (1 - h);  dh = 0, or g where the example is over"""
    t, _, after = places(T, step, reverse)
    h = hs[after]
    slope = 1 - h * h if phi == 0 else np.float32(1) * (h > 0) if phi == 1 else h * (1 - h)
    passing = dh if step < T - 1 else np.zeros_like(dh) if dlast is None else dlast
    g = passing if dy is None else passing + dy[t]
    on = np.ones((B, 1), bool) if alive is None else alive[t][:, None]
    d.reshape(T, B, H)[t] = np.where(on, g * slope, 0)
    dh[...] = np.where(on, 0, passing)
