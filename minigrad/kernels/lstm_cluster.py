"""The twins of `lstm_cluster.cu`: the LSTM's equations over time, with all rows at once."""
from __future__ import annotations

from typing import Any

import numpy as np

from .common import sigmoid

Array = np.ndarray
SIZES = (32, 64, 128, 256, 512)                # H that the source is compiled for
ROWS, UNITS, THREADS = 4, 32, 512              # rows of a cluster; units and threads of a block


def shared_bytes(H: int, keep: int | None = None) -> int:
    """What a block takes of shared memory.  keep: how many of a thread's weights, in fours, its registers hold."""
    each = H // 16
    return 16 * (2 * H + 2176 + 512 * (each - (keep or (each if each <= 16 else 12))))


def launches(H: int) -> dict[str, dict[str, int]]:
    """What a launch of each kernel asks for; none where H has no kernel."""
    how = {"shared": shared_bytes(H), "cluster": H // UNITS, "H": H}
    return {"lstm_forward": how, "lstm_backward": how} if H in SIZES else {}


def lstm_forward(gates: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None, h0: Array | None, c0: Array | None,
                 alive: Array | None, hs: Array, cs: Array, y: Array | None, hn: Array, cn: Array, T: int, B: int,
                 reverse: int, *, H: int) -> None:
    """c_t = f c_{t-1} + i g, h_t = o tanh c_t, of gates (T, B, 4 H) that hold W_ih x and then i, f, g, o."""
    hn[:], cn[:] = 0 if h0 is None else h0, 0 if c0 is None else c0
    hs[T if reverse else 0], cs[T if reverse else 0] = hn, cn
    bias = sum(b for b in (b_ih, b_hh) if b is not None)
    for t in range(T)[::-1 if reverse else 1]:
        a = gates[t] + bias + hn @ w_hh.T
        i, f, g, o = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), np.tanh(a[:, 2 * H:3 * H]), sigmoid(a[:, 3 * H:])
        on = slice(None) if alive is None else alive[t]
        gates[t, on] = np.concatenate([i, f, g, o], 1)[on]
        cn[on] = (f * cn + i * g)[on]
        hn[on] = (o * np.tanh(cn))[on]
        after = t if reverse else t + 1
        hs[after], cs[after] = hn, cn
        if y is not None:
            y[t] = hn if alive is None else np.where(alive[t][:, None], hn, 0)


def lstm_backward(dy: Array | None, dhn: Array | None, dcn: Array | None, gates: Array, cs: Array, w_hh: Array,
                  alive: Array | None, dgates: Array, dh0: Array | None, dc0: Array | None, db: Array | None, T: int,
                  B: int, reverse: int, *, H: int) -> None:
    """dc_t = dh_t o (1 - tanh^2 c_t) + f_{t+1} dc_{t+1}, dh_{t-1} = W_hh^T dgates_t + dy_{t-1}; db = sum_t dgates_t."""
    dh, dc = np.zeros((B, H), np.float32), np.zeros((B, H), np.float32)
    dh[:], dc[:] = 0 if dhn is None else dhn, 0 if dcn is None else dcn
    for t in range(T)[::1 if reverse else -1]:
        before, after = (t + 1, t) if reverse else (t, t + 1)
        i, f, g, o = (gates[t, :, q * H:(q + 1) * H] for q in range(4))
        on: Any = np.ones((B, 1), bool) if alive is None else alive[t][:, None]
        total = dh if dy is None else dh + np.where(on, dy[t], 0)
        tc = np.tanh(cs[after])
        new = dc + total * o * (1 - tc * tc)
        d = np.concatenate([new * g * i * (1 - i), new * cs[before] * f * (1 - f), new * i * (1 - g * g),
                            total * tc * o * (1 - o)], 1)
        dgates[t] = np.where(on, d, 0)
        dc = np.where(on, new * f, dc)
        dh = np.where(on, 0, dh) + dgates[t] @ w_hh
    for out, value in ((dh0, dh), (dc0, dc)):
        if out is not None:
            out[:] = value
    if db is not None:
        rows = dgates[::1 if reverse else -1].sum(0)
        for cluster in range(len(db)):
            db[cluster] = rows[4 * cluster:4 * cluster + 4].sum(0)
