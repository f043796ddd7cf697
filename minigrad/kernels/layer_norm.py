"""NumPy twins of `layer_norm.cu`: layer norm of rows, with what stands before it in a Transformer."""
from __future__ import annotations

from typing import Any

import numpy as np


def layer_norm_forward(x: np.ndarray, bias: Any, kept: Any, residual: Any, sum: Any, w: Any, b: Any, y: np.ndarray,
                       mean: np.ndarray, r: np.ndarray, n: int, eps: float) -> None:
    """y = (s - mean s) r w + b,  s = (x + bias) kept + residual into `sum`, or s = x where there is no `sum`."""
    s = x.reshape(-1, n)
    if sum is not None:
        s = s if bias is None else s + bias.reshape(n)
        s = s if kept is None else s * kept.reshape(-1, n)
        s = s if residual is None else s + residual.reshape(-1, n)
        sum.reshape(-1, n)[:] = s
    mean[:] = s.mean(1)
    d = s - mean[:, None]
    r[:] = 1 / np.sqrt((d * d).mean(1) + eps)
    h = d * r[:, None]
    h = h if w is None else h * w.reshape(n)
    y.reshape(-1, n)[:] = h if b is None else h + b.reshape(n)


def layer_norm_backward(s: np.ndarray, w: Any, mean: np.ndarray, r: np.ndarray, g: np.ndarray, plus: Any, kept: Any,
                        ds: np.ndarray, dropped: Any, n: int) -> None:
    """ds = r (u - mean u - h mean(u h)) + plus,  u = g w;  dropped = ds kept."""
    u = g.reshape(-1, n) if w is None else g.reshape(-1, n) * w.reshape(n)
    h = (s.reshape(-1, n) - mean[:, None]) * r[:, None]
    d = r[:, None] * (u - u.mean(1, keepdims=True) - h * (u * h).mean(1, keepdims=True))
    d = d if plus is None else d + plus.reshape(-1, n)
    ds.reshape(-1, n)[:] = d
    if dropped is not None:
        dropped.reshape(-1, n)[:] = d * kept.reshape(-1, n)


def layer_norm_parts(s: np.ndarray, mean: np.ndarray, r: np.ndarray, g: np.ndarray, parts: np.ndarray, rows: int,
                     n: int, span: int) -> None:
    """Sums of g h and of g over `span` rows each.  parts (chunks, 2, n)."""
    g = g.reshape(rows, n)
    gh = g * ((s.reshape(rows, n) - mean[:, None]) * r[:, None])
    for c, (dw, db) in enumerate(parts.reshape(-1, 2, n)):
        dw[:] = gh[c * span:(c + 1) * span].sum(0)
        db[:] = g[c * span:(c + 1) * span].sum(0)
