"""The twins of rnn_cluster.cu, a product and a cell for each step; and what its launches need."""
from __future__ import annotations

import numpy as np

from .gru_cell import places
from .rnn_cell import rnn_cell_backward, rnn_cell_forward

Array = np.ndarray

SIZES = (32, 64, 128, 256, 512)                # of H
ROWS, THREADS = 4, 512


def units(H: int) -> int:
    """Units of a block."""
    return 32 if H < 512 else 64


def forward_bytes(H: int) -> int:
    """Shared memory of a block, in the order of the declarations."""
    parts = 8 if H < 64 else THREADS // units(H)
    return 16 * 2 * H + 4 * (parts + 1) * ROWS * units(H)


def backward_bytes(H: int) -> int:
    """Shared memory of a block, in the order of the declarations."""
    return 16 * (2 * H + units(H) + min(32, 2048 // H) * H)


def launches(H: int) -> dict[str, dict[str, int]]:
    """What a launch of each kernel asks for; none where H has no kernel."""
    return {name: {"shared": shared(H), "cluster": H // units(H), "H": H}
            for name, shared in (("rnn_forward", forward_bytes), ("rnn_backward", backward_bytes)) if H in SIZES}


def rnn_forward(xg: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None, h0: Array | None, alive: Array | None,
                hs: Array, y: Array | None, last: Array, T: int, B: int, reverse: int, phi: int, *, H: int) -> None:
    """All steps: a = x W_ih^T + h W_hh^T, then the cell."""
    a = xg.reshape(T, B, H).copy()
    for step in range(T):
        t, before, _ = places(T, step, reverse)
        h = hs[before] if step else h0
        if h is not None:
            a[t] += h.reshape(B, H) @ w_hh.T
        rnn_cell_forward(a, b_ih, b_hh, h0, alive, hs, y, last, T, B, H, step, reverse, phi)


def rnn_backward(dy: Array | None, dlast: Array | None, hs: Array, w_hh: Array, alive: Array | None, d: Array,
                 dh0: Array | None, db: Array | None, T: int, B: int, reverse: int, phi: int, *, H: int) -> None:
    """All steps from the walk's last: the cell, then dh += d W_hh; db, the sums for every four examples."""
    dh = np.empty((B, H), np.float32)
    for step in reversed(range(T)):
        rnn_cell_backward(dy, dlast, hs, alive, d, dh, T, B, H, step, reverse, phi)
        dh += d.reshape(T, B, H)[places(T, step, reverse)[0]] @ w_hh
    if dh0 is not None:
        dh0[...] = dh
    if db is not None:
        db[...] = np.add.reduceat(d.reshape(T, B, H).sum(0), range(0, B, ROWS))
