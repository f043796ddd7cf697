"""Forecasts linear in the past, fitted in one step: the classic model beside the networks.

Télécom, *What are sequential data ?*, names the vector autoregression: y_t = A_1 y_{t-1} + ... + A_p y_{t-p} + b. A
linear model of a flattened window of T steps is that, with p = T: AR(T) for one series, VAR(T) for several. Least
squares finds its best weights; a Dense layer on the flat window is on its way to them.
"""
from __future__ import annotations

import numpy as np


def least_squares(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """Forecasts of the best linear model: min_W |X W - y|^2.  x (N, T, D), y (N, M), x_test (K, T, D) -> (K, M)

    Each of the M values has weights of its own, so M steps ahead are forecast all at once.
    """
    flat = [np.c_[a.reshape(len(a), -1), np.ones(len(a))].astype(np.float64) for a in (x, x_test)]   # a column for b
    return flat[1] @ np.linalg.lstsq(flat[0], y, rcond=None)[0]
