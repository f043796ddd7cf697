"""NumPy twins of skipgram.cu: one function a kernel, the same parameters, outputs written in place."""
from __future__ import annotations

import numpy as np

from .common import sigmoid


def skipgram_pairs(rows: np.ndarray, u: np.ndarray, centre: np.ndarray | None, word: np.ndarray, noise: np.ndarray,
                   loss: np.ndarray, coef: np.ndarray, dh: np.ndarray, keys: np.ndarray, B: int, M: int, D: int, N: int,
                   V: int, weight: float) -> None:
    """loss = softplus(-u_o . e) + weight sum_k softplus(u_k . e);  coef = dloss / d(u . e);  dh = sum_j coef_j u_j

    rows (N, D) with centre (B), or h (B, D) itself; u (V, D), word (B), noise (B, M).
    keys: the ids of word and noise (B, M + 1), then V + centre (B). An id out of range counts as 0 and gives NaN.
    """
    ids = np.concatenate([word[:, None], noise], 1)
    places = np.arange(B) if centre is None else centre
    wrong, outside = (ids < 0) | (ids >= V), (places < 0) | (places >= N)
    ids, places = np.where(wrong, 0, ids), np.where(outside, 0, places)
    near, share = u[ids], np.full(M + 1, weight, np.float32)
    share[0] = 1
    score = (near @ rows[places][:, :, None])[..., 0]
    score[wrong | outside[:, None]] = np.nan
    score[:, 0] *= -1
    slope = share * sigmoid(score)
    slope[:, 0] *= -1
    loss[...] = (share * (np.maximum(score, 0) + np.log1p(np.exp(-np.abs(score))))).sum(1)
    coef[...] = slope
    dh[...] = (slope[:, None] @ near)[:, 0]
    keys[:B * (M + 1)] = ids.reshape(-1)
    if centre is not None:
        keys[B * (M + 1):] = V + places


def skipgram_total(x: np.ndarray, out: np.ndarray, n: int, scale: float) -> None:
    """out = scale sum x"""
    out[...] = scale * x.sum()
