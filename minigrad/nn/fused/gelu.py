"""gelu and its derivative in place, for blocks of rows in the cache; `ops_more.gelu` is the readable form.

    gelu u = u P(u),  gelu' u = P(u) + u n(u),   P the normal distribution function, n its density

In float32, P(u) = tanh(u Q(u^2)) / 2 + 1/2: atanh of 2 P - 1 is odd and smooth, and a polynomial Q of degree 6 keeps P
within 1e-7 of the truth everywhere, which is what erf in float32 gives too. NumPy has a fast tanh and no erf.
"""
from __future__ import annotations

import math

import numpy as np

from ...ops_more import _erf

# atanh(2 P(u) - 1) / u in u^2, highest power first; least squares on 0 <= u <= 6, weights moved towards equal errors
_Q = (1.75627528e-09, -1.32266099e-07, 3.96476989e-06, -5.53063012e-05, -3.25947158e-05, 0.0363330842, 0.797884942)
_END = 6.0                                     # P(6) is 1 in float32


def gelu(u: np.ndarray, slope: np.ndarray) -> None:
    """u = gelu u, slope = gelu' u, in place."""
    p = _distribution(u)
    np.multiply(u, u, out=slope)
    slope *= -0.5
    np.exp(slope, out=slope)
    slope *= 1 / math.sqrt(2 * math.pi)
    slope *= u
    slope += p
    u *= p


def _distribution(u: np.ndarray) -> np.ndarray:
    if u.dtype != np.float32:
        half: np.ndarray = 0.5 + 0.5 * _erf(np, u * math.sqrt(0.5))
        return half
    near = np.clip(u, -_END, _END)
    square = near * near
    p = square * _Q[0]
    for c in _Q[1:-1]:
        p += c
        p *= square
    p += _Q[-1]
    p *= near
    np.tanh(p, out=p)
    p *= 0.5
    p += 0.5
    return p
