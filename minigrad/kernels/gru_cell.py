"""The twins of gru_cell.cu: one step of a GRU, forward and backward."""
from __future__ import annotations

import numpy as np

from .common import sigmoid

Array = np.ndarray


def gru_cell_forward(xg: Array, hg: Array | None, b_ih: Array | None, b_hh: Array | None, h0: Array | None,
                     alive: Array | None, gates: Array, hs: Array, y: Array | None, last: Array, T: int, B: int, H: int,
                     step: int, reverse: int) -> None:
    """r, z = sigmoid(a + p), n = tanh(a_n + r p_n), h' = n + z (h - n);  a = x W_ih^T + b_ih, p = h W_hh^T + b_hh"""
    t, before, after = places(T, step, reverse)
    if step == 0:
        hs[before] = 0 if h0 is None else h0
    h, kept = hs[before], gates.reshape(T, B, 4, H)
    a = xg.reshape(T, B, 3, H)[t] + (np.float32(0) if b_ih is None else b_ih.reshape(3, H))
    p = np.zeros((B, 3, H), np.float32) if hg is None else hg.reshape(B, 3, H)
    if b_hh is not None:
        p = p + b_hh.reshape(3, H)
    r, z, q = sigmoid(a[:, 0] + p[:, 0]), sigmoid(a[:, 1] + p[:, 1]), p[:, 2]
    n = np.tanh(a[:, 2] + r * q)
    on = np.ones((B, 1), bool) if alive is None else alive[t][:, None]
    new = np.where(on, n + z * (h - n), h)
    for k, gate in enumerate((r, z, q, n)):
        kept[t, :, k] = gate
    hs[after] = new
    if y is not None:
        y[t] = np.where(on, new, 0)
    if step == T - 1:
        last[...] = new


def gru_cell_backward(dy: Array | None, dlast: Array | None, gates: Array, hs: Array, alive: Array | None, d_ih: Array,
                      d_hh: Array, dh: Array, T: int, B: int, H: int, step: int, reverse: int) -> None:
    """dn = g (1 - z) (1 - n^2), dq = dn r, dz = g (h - n) z (1 - z), dr = dn q r (1 - r);  dh = g z"""
    t, before, _ = places(T, step, reverse)
    r, z, q, n = gates.reshape(T, B, 4, H)[t].transpose(1, 0, 2)
    passing = dh if step < T - 1 else np.zeros_like(dh) if dlast is None else dlast
    g = passing if dy is None else passing + dy[t]
    dn = g * (1 - z) * (1 - n * n)
    dz, dr, dq = g * (hs[before] - n) * z * (1 - z), dn * q * r * (1 - r), dn * r
    on = np.ones((B, 1), bool) if alive is None else alive[t][:, None]
    to_ih, to_hh = d_ih.reshape(T, B, 3, H)[t], d_hh.reshape(T, B, 3, H)[t]
    for k, (di, dj) in enumerate(((dr, dr), (dz, dz), (dn, dq))):
        to_ih[:, k], to_hh[:, k] = np.where(on, di, 0), np.where(on, dj, 0)
    dh[...] = np.where(on, g * z, passing)


def places(T: int, step: int, reverse: int) -> tuple[int, int, int]:
    """Of a step of the walk: its time, and where the states before and after it stand in hs."""
    t = T - 1 - step if reverse else step
    return (t, t + 1, t) if reverse else (t, t, t + 1)
