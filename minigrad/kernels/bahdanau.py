"""NumPy twins of bahdanau.cu: one function a kernel, the same parameters, outputs written in place."""
from __future__ import annotations

import numpy as np

from .common import sigmoid

PART, PLACES = 512, 8                          # as in bahdanau.cu
MOST_PLACES = 8192                             # scores of a sentence that fit 48 KB of shared memory beside the rest


def bahdanau_attend(keys: np.ndarray, annotations: np.ndarray, product: np.ndarray, v: np.ndarray,
                    hidden: np.ndarray | None, alpha: np.ndarray, yc: np.ndarray, S: int, A: int, C: int, E: int,
                    H: int) -> None:
    """e_t = v . tanh(q + k_t);  alpha = softmax_t e;  c = sum_t alpha_t a_t

    keys (B, S, A), annotations (B, S, C), product (B, 3 H + A) that ends in q, hidden (B, S) or None -> alpha (B, S),
    c into the last C columns of yc (B, E + C). A row of which everything is hidden gets zeros.
    """
    e = np.tanh(product[:, None, 3 * H:] + keys) @ v
    if hidden is not None:
        e[hidden] = -np.inf
    most = e.max(1, keepdims=True)
    p = np.where(np.isneginf(e), np.float32(0), np.exp(e - most))
    total = p.sum(1, keepdims=True)
    alpha[...] = p * np.where(total == 0, np.float32(0), 1 / total)
    yc[:, E:] = (alpha[:, None] @ annotations)[:, 0]


def bahdanau_cell(gates: np.ndarray, product: np.ndarray, b_ih: np.ndarray | None, b_hh: np.ndarray | None,
                  h: np.ndarray, next: np.ndarray, B: int, A: int, H: int) -> None:
    """r, z = sigmoid(x + W s + b);  q = W_hn s + b_hn;  n = tanh(x + r q);  s' = (1 - z) n + z s

    gates (B, 3 H): in W_ih [y; c], out r, z, n.  product (B, 3 H + A): in W_hh s, its third H becomes q.
    """
    x, y = gates if b_ih is None else gates + b_ih, product[:, :3 * H]
    if b_hh is not None:
        y = y + b_hh
    r, z = sigmoid(x[:, :H] + y[:, :H]), sigmoid(x[:, H:2 * H] + y[:, H:2 * H])
    n = np.tanh(x[:, 2 * H:] + r * y[:, 2 * H:])
    product[:, 2 * H:3 * H] = y[:, 2 * H:]
    gates[:, :H], gates[:, H:2 * H], gates[:, 2 * H:] = r, z, n
    next[...] = (1 - z) * n + z * h


def bahdanau_cell_back(gates: np.ndarray, product: np.ndarray, h: np.ndarray, dstates: np.ndarray | None,
                       dh: np.ndarray, dgates: np.ndarray, drec: np.ndarray, B: int, A: int, H: int) -> None:
    """dn = g (1 - z) (1 - n^2);  dz = g (h - n) z (1 - z);  dr = dn q r (1 - r);  dq = dn r,  with g = dh + dstates

    dgates (B, 3 H): dr, dz, dn.  drec (B, 3 H + A): dr, dz, dq in its first 3 H.  dh becomes z g.
    """
    r, z, n, q = gates[:, :H], gates[:, H:2 * H], gates[:, 2 * H:], product[:, 2 * H:3 * H]
    g = dh if dstates is None else dh + dstates
    dn, dz = g * (1 - z) * (1 - n * n), g * (h - n) * z * (1 - z)
    dgates[:, :H] = drec[:, :H] = dn * q * r * (1 - r)
    dgates[:, H:2 * H] = drec[:, H:2 * H] = dz
    dgates[:, 2 * H:] = dn
    drec[:, 2 * H:3 * H] = dn * r
    dh[...] = g * z


def bahdanau_attend_back(keys: np.ndarray, annotations: np.ndarray, product: np.ndarray, v: np.ndarray,
                         alpha: np.ndarray, dc: np.ndarray, dalignments: np.ndarray | None, ds: np.ndarray,
                         drec: np.ndarray, S: int, A: int, C: int, H: int) -> None:
    """dalpha_t = dc . a_t + dalignments_t;  ds = alpha (dalpha - sum alpha dalpha);  dq = v sum_t ds_t (1 - tanh^2)

    dc (B, C), dalignments (B, S) or None -> ds (B, S), dq into the last A columns of drec (B, 3 H + A).
    """
    d = (annotations @ dc[:, :, None])[..., 0]
    if dalignments is not None:
        d = d + dalignments
    ds[...] = alpha * (d - (alpha * d).sum(1, keepdims=True))
    t = np.tanh(product[:, None, 3 * H:] + keys)
    drec[:, 3 * H:] = v * (ds[:, None] @ (1 - t * t))[:, 0]


def bahdanau_keys(keys: np.ndarray, product: np.ndarray, v: np.ndarray, ds: np.ndarray, dkeys: np.ndarray,
                  dv: np.ndarray, T: int, B: int, S: int, A: int, H: int) -> None:
    """dk_t = v sum_tau ds (1 - tanh^2);  dv = sum ds tanh, a row for every PLACES places of each sentence

    product (T, B, 3 H + A), ds (T, B, S) -> dkeys (B, S, A), dv (B ceil(S / PLACES), A).
    """
    dk, of_v = np.zeros_like(keys), np.zeros_like(keys)
    for q, d in zip(product[:, :, None, 3 * H:], ds[..., None], strict=True):
        e = np.tanh(q + keys)
        dk += d * (1 - e * e)
        of_v += d * e
    dkeys[...] = v * dk
    dv.reshape(B, -1, A)[...] = np.add.reduceat(of_v, np.arange(0, S, PLACES), axis=1)
