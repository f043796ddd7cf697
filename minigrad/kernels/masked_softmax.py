"""NumPy twins of `masked_softmax.cu`: softmax of attention scores with masks and dropout."""
from __future__ import annotations

from typing import Any

import numpy as np

LOWEST = np.finfo(np.float32).min


def masked_softmax_forward(p: np.ndarray, hidden: Any, added: Any, kept: Any, used: Any, rows: int, heads: int, S: int,
                           T: int, by_example: int, by_head: int, by_query: int, by_key: int, first: int) -> None:
    """p = softmax of the scores that stand in it, used = p kept; a row that sees nothing gives zeros."""
    s = p.reshape(rows, T)
    row, j = np.arange(rows)[:, None], np.arange(T)
    at = row // S // heads * by_example + row // S % heads * by_head + row % S * by_query + j * by_key
    if added is not None:
        s += added.reshape(-1)[at]
    s[j > first + row % S] = -np.inf
    if hidden is not None:
        s[hidden.reshape(-1)[at]] = -np.inf
    top = np.fmax.reduce(s, axis=1, initial=LOWEST, keepdims=True)
    top[top > -LOWEST] = 0                     # inf minus inf is NaN
    np.exp(s - top, out=s)
    total = s.sum(1, keepdims=True)
    s *= np.where(total == 0, np.float32(0), 1 / total)
    if used is not None:
        np.multiply(p, kept.reshape(p.shape), out=used.reshape(p.shape))


def masked_softmax_backward(p: np.ndarray, kept: Any, d: np.ndarray, rows: int, T: int) -> None:
    """d = p (d - sum_j d_j p_j), where d is d kept if there is dropout."""
    p, d = p.reshape(rows, T), d.reshape(rows, T)
    if kept is not None:
        d *= kept.reshape(rows, T)
    d -= (p * d).sum(1, keepdims=True)
    d *= p
