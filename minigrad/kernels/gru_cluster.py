"""The twins of gru_cluster.cu, a product and a cell for each step; and what its launches need."""
from __future__ import annotations

import numpy as np

from .gru_cell import gru_cell_backward, gru_cell_forward, places

Array = np.ndarray

SIZES = (32, 64, 128, 256, 512)                # of H
UNITS, ROWS, THREADS = 32, 4, 512


def forward_bytes(H: int) -> int:
    """Shared memory of a block, in the order of the declarations."""
    warps = min(16, H // 4)
    rest = max(0, H // warps - 20)
    return 16 * 2 * H + 4 * (warps * ROWS * 3 * UNITS + UNITS * ROWS + rest * 3 * THREADS)


def backward_bytes(H: int) -> int:
    """Shared memory of a block, in the order of the declarations."""
    groups = min(32, 2048 // H)
    rest = max(0, 3 * UNITS // groups - 15)
    return 16 * (2 * H + 4 * UNITS + groups * H + rest * THREADS)


def launches(H: int) -> dict[str, dict[str, int]]:
    """What a launch of each kernel asks for; none where H has no kernel."""
    return {name: {"shared": shared(H), "cluster": H // UNITS, "H": H}
            for name, shared in (("gru_forward", forward_bytes), ("gru_backward", backward_bytes)) if H in SIZES}


def gru_forward(xg: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None, h0: Array | None, alive: Array | None,
                gates: Array, hs: Array, y: Array | None, last: Array, T: int, B: int, reverse: int, *, H: int
                ) -> None:
    """All steps: hg = h W_hh^T, then the cell."""
    for step in range(T):
        h = hs[places(T, step, reverse)[1]] if step else h0
        hg = None if h is None else h.reshape(B, H) @ w_hh.T
        gru_cell_forward(xg, hg, b_ih, b_hh, h0, alive, gates, hs, y, last, T, B, H, step, reverse)


def gru_backward(dy: Array | None, dlast: Array | None, gates: Array, hs: Array, w_hh: Array, alive: Array | None,
                 d_ih: Array, d_hh: Array, dh0: Array | None, db: Array | None, T: int, B: int,
                 reverse: int, *, H: int) -> None:
    """All steps from the walk's last: the cell, then dh += d_hh W_hh; db, the sums for every four examples."""
    dh = np.empty((B, H), np.float32)
    for step in reversed(range(T)):
        gru_cell_backward(dy, dlast, gates, hs, alive, d_ih, d_hh, dh, T, B, H, step, reverse)
        dh += d_hh.reshape(T, B, 3 * H)[places(T, step, reverse)[0]] @ w_hh
    if dh0 is not None:
        dh0[...] = dh
    if db is not None:
        both = np.concatenate([d.reshape(T, B, 3 * H).sum(0) for d in (d_ih, d_hh)], 1)
        db[...] = np.add.reduceat(both, range(0, B, ROWS))
