"""NumPy twins of `cross_entropy.cu`: softmax and cross-entropy of class ids."""
from __future__ import annotations

from typing import Any

import numpy as np

LARGEST = np.finfo(np.float32).max
ZERO, ONE, NAN = np.float32(0), np.float32(1), np.float32(np.nan)


def cross_entropy_classes(target: np.ndarray, weight: Any, place: np.ndarray, ids: np.ndarray, scale: np.ndarray,
                          nothing: np.ndarray, N: int, V: int, ignore: int, mean: int, smooth: int) -> None:
    """The ids with 0 for what is no class, each row's share in the loss, and NaN where the mean is one of nothing."""
    counts, inside = target != ignore, (target >= 0) & (target < V)
    ids[:] = np.where(counts & inside, target, 0)
    place[:] = np.arange(N)
    share = np.where(counts, ONE if weight is None else weight[ids], ZERO)
    total = share.sum(dtype=np.float32)
    scale[:] = np.where(counts & ~inside, NAN, np.where(counts, ONE, ZERO) if smooth else share)
    if mean and total > 0:
        scale /= total
    nothing[...] = ZERO if total > 0 else NAN


def cross_entropy_forward(x: np.ndarray, scale: np.ndarray, ids: np.ndarray, loss: np.ndarray, top: np.ndarray,
                          logs: np.ndarray, V: int) -> None:
    """l = s (m + log sum e^(x - m) - x_c), m = max x."""
    m = np.fmax.reduce(x, axis=1, initial=-LARGEST)
    m[m > LARGEST] = 0                         # inf minus inf is NaN
    total = np.exp(x - m[:, None]).sum(1)
    top[:] = m
    logs[:] = np.where(total == 0, ZERO, np.log(total))        # 0: a row of -inf
    loss[:] = np.where(scale == 0, ZERO, (top - x[np.arange(len(x)), ids] + logs) * scale)


def cross_entropy_backward(x: np.ndarray, scale: np.ndarray, ids: np.ndarray, top: np.ndarray, logs: np.ndarray,
                           g: np.ndarray, dx: np.ndarray, V: int, stride: int) -> None:
    """dx = g s (p - [c]), p = e^(x - m - log sum)."""
    p = np.exp(x - top[:, None] - logs[:, None])
    p[np.arange(len(x)), ids] -= ONE
    dx[:] = p * (g * scale)[:, None]
