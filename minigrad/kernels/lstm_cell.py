"""The twins of `lstm_cell.cu`: one step of the LSTM, whose products the caller makes."""
from __future__ import annotations

from typing import Any

import numpy as np

from .common import sigmoid

Array = np.ndarray


def lstm_cell_forward(gates: Array, b_ih: Array | None, b_hh: Array | None, alive: Array | None, hs: Array, cs: Array,
                      y: Array | None, t: int, before: int, after: int, B: int, H: int) -> None:
    """c_t = f c_{t-1} + i g, h_t = o tanh c_t, of gates_t (B, 4 H) that hold W_ih x + W_hh h and then i, f, g, o."""
    a = gates[t] + sum(b for b in (b_ih, b_hh) if b is not None)
    i, f, g, o = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), np.tanh(a[:, 2 * H:3 * H]), sigmoid(a[:, 3 * H:])
    c = f * cs[before] + i * g
    h = o * np.tanh(c)
    on: Any = np.ones((B, 1), bool) if alive is None else alive[t][:, None]
    gates[t] = np.where(on, np.concatenate([i, f, g, o], 1), gates[t])
    hs[after], cs[after] = np.where(on, h, hs[before]), np.where(on, c, cs[before])
    if y is not None:
        y[t] = np.where(on, h, 0)


def lstm_cell_backward(dy: Array | None, gates: Array, cs: Array, alive: Array | None, dh: Array, dc: Array,
                       dgates: Array, t: int, before: int, after: int, B: int, H: int) -> None:
    """dc_t += dh_t o (1 - tanh^2 c_t): gradients before the gates, then dc_{t-1} and what passes by the product."""
    i, f, g, o = (gates[t, :, q * H:(q + 1) * H] for q in range(4))
    on: Any = np.ones((B, 1), bool) if alive is None else alive[t][:, None]
    total, tc = dh if dy is None else dh + dy[t], np.tanh(cs[after])
    new = dc + total * o * (1 - tc * tc)
    dgates[t] = np.where(on, np.concatenate([new * g * i * (1 - i), new * cs[before] * f * (1 - f),
                                             new * i * (1 - g * g), total * tc * o * (1 - o)], 1), 0)
    dc[:], dh[:] = np.where(on, new * f, dc), np.where(on, 0, dh)
