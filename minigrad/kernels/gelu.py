"""NumPy twins of `gelu.cu`: bias, activation, dropout and residual between two products."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

HALF = np.float32(0.5)
_erf = np.vectorize(math.erf, otypes=[np.float32])


def _biased(x: np.ndarray, bias: Any, n: int) -> np.ndarray:
    x = x.reshape(-1, n)
    return x if bias is None else x + bias.reshape(n)


def _into(y: np.ndarray, values: np.ndarray, kept: Any) -> None:
    y[...] = values.reshape(y.shape) if kept is None else values.reshape(y.shape) * kept.reshape(y.shape)


def bias_gelu_forward(x: np.ndarray, bias: Any, kept: Any, y: np.ndarray, n: int) -> None:
    """y = u P(u) kept,  u = x + bias."""
    u = _biased(x, bias, n)
    _into(y, u * (HALF * (1 + _erf(u * np.float32(math.sqrt(0.5))))), kept)


def bias_gelu_backward(x: np.ndarray, bias: Any, kept: Any, g: np.ndarray, dx: np.ndarray, n: int) -> None:
    """dx = g kept (P(u) + u n(u)),  u = x + bias."""
    u = _biased(x, bias, n)
    below = HALF * (1 + _erf(u * np.float32(math.sqrt(0.5))))
    density = np.exp(-HALF * u * u) * np.float32(1 / math.sqrt(2 * math.pi))
    _into(dx, g.reshape(-1, n) * (below + u * density), kept)


def bias_relu_forward(x: np.ndarray, bias: Any, kept: Any, y: np.ndarray, n: int) -> None:
    """y = max(u, 0) kept,  u = x + bias."""
    _into(y, np.maximum(_biased(x, bias, n), np.float32(0)), kept)


def bias_relu_backward(x: np.ndarray, bias: Any, kept: Any, g: np.ndarray, dx: np.ndarray, n: int) -> None:
    """dx = g kept [u > 0],  u = x + bias."""
    _into(dx, np.where(_biased(x, bias, n) > 0, g.reshape(-1, n), np.float32(0)), kept)


def residual_forward(x: np.ndarray, bias: Any, kept: Any, residual: np.ndarray, y: np.ndarray, n: int
                     ) -> None:
    """y = (x + bias) kept + residual."""
    _into(y, _biased(x, bias, n), kept)
    y += residual.reshape(y.shape)
