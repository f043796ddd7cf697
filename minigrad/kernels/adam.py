"""The twins of `adam.cu`: the update of each parameter that has a gradient, operation by operation in float32."""
from __future__ import annotations

from typing import Any

import numpy as np


def adam(p: Any, m: Any, v: Any, bounds: Any, count: Any, g0: Any, g1: Any, g2: Any, g3: Any, g4: Any, g5: Any, g6: Any,
         g7: Any, g8: Any, g9: Any, g10: Any, g11: Any, g12: Any, g13: Any, g14: Any, g15: Any, c1: Any, b2: Any,
         c2: Any, decay: Any, shrink: Any, eps: Any, rate: Any, live: Any) -> None:
    """m += c1 (g - m);  v = b2 v + c2 g^2;  p -= rate m / (sqrt v + eps);  before: p *= shrink, g += decay p."""
    grads = (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15)
    if live is not None:
        c1, b2, c2, decay, shrink, eps, rate = live
    for part, g in _parts(bounds, count, grads):
        p[part] *= shrink
        if decay:
            g = g + decay * p[part]
        m[part] += (g - m[part]) * c1
        v[part] = v[part] * b2 + g * g * c2
        p[part] -= m[part] / (np.sqrt(v[part]) + eps) * rate


def sgd(p: Any, b: Any, bounds: Any, count: Any, g0: Any, g1: Any, g2: Any, g3: Any, g4: Any, g5: Any, g6: Any, g7: Any,
        g8: Any, g9: Any, g10: Any, g11: Any, g12: Any, g13: Any, g14: Any, g15: Any, lr: Any, keep: Any, take: Any,
        ahead: Any, decay: Any, live: Any) -> None:
    """g += decay p;  b = keep b + take g;  p -= lr (g + ahead b), or lr b where ahead is 0; without b, p -= lr g."""
    grads = (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15)
    if live is not None:
        lr, keep, take, ahead, decay = live
    for part, g in _parts(bounds, count, grads):
        if decay:
            g = g + decay * p[part]
        if b is not None:
            b[part] = b[part] * keep + g * take
            g = g + ahead * b[part] if ahead else b[part]
        p[part] -= g * lr


def gradient_gather(out: Any, bounds: Any, count: Any, g0: Any, g1: Any, g2: Any, g3: Any, g4: Any, g5: Any, g6: Any,
                    g7: Any, g8: Any, g9: Any, g10: Any, g11: Any, g12: Any, g13: Any, g14: Any, g15: Any) -> None:
    """out: the gradients at the places of their parameters."""
    grads = (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15)
    for part, g in _parts(bounds, count, grads):
        out[part] = g


def _parts(bounds: Any, count: Any, grads: tuple) -> list[tuple[slice, Any]]:
    """(where it lies in the buffer, gradient) of each parameter that has one."""
    return [(slice(start, stop), g.reshape(-1))
            for (start, stop), g in zip(bounds[:count].tolist(), grads, strict=False) if g is not None]
