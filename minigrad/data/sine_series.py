"""10,000 noisy sums of two sines, and the value after each.   KTH, *RNN in TensorFlow (1/5)*.

The deck shows the series and not how they were made. The book that it cites (Geron, ch. 15) makes them so:

    s(t) = 0.5 sin((t - o1) (10 f1 + 10)) + 0.2 sin((t - o2) (20 f2 + 20)) + 0.1 (u_t - 0.5),    t in [0, 1]

with o1, o2, f1, f2 drawn from U(0, 1) once a series and u_t once a step. The first 50 values are the input, the 51st is
what to forecast. Nobody can forecast u: no mean squared error lies below its variance, 0.1^2 / 12 = 0.00083.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

NOISE_FLOOR = 0.1 ** 2 / 12                    # the variance of 0.1 (u - 0.5)


class Forecasting(NamedTuple):
    """Windows x (N, T, 1) and the value after each, y (N, 1), of three sets that share no series; float32."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def sine_series(rng: np.random.Generator, count: int = 10_000, steps: int = 51) -> np.ndarray:
    """`count` series of the formula above -> (count, steps, 1), float32. Raises ValueError unless both are positive."""
    if count < 1 or steps < 1:
        raise ValueError(f"sine_series needs at least one series and one step, not {count} and {steps}")
    f1, f2, o1, o2 = rng.random((4, count, 1))
    t = np.linspace(0, 1, steps)
    s = 0.5 * np.sin((t - o1) * (10 * f1 + 10))
    s += 0.2 * np.sin((t - o2) * (20 * f2 + 20))
    s += 0.1 * (rng.random((count, steps)) - 0.5)
    return s[..., None].astype(np.float32)


def forecasting_sets(rng: np.random.Generator, count: int = 10_000, window: int = 50) -> Forecasting:
    """The deck's task: 70 % of the series to train on, 20 % to validate, 10 % to test (7,000, 2,000 and 1,000).

    x (N, window, 1), y (N, 1). Raises ValueError for fewer than 10 series: the test set would be empty.
    """
    if count < 10:
        raise ValueError(f"forecasting_sets needs at least 10 series, not {count}")
    series = sine_series(rng, count, window + 1)
    parts = []
    for part in np.split(series, [count * 7 // 10, count * 9 // 10]):
        parts += [part[:, :-1], part[:, -1]]
    return Forecasting(*parts)
