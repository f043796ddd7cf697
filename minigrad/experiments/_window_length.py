"""How many steps should a forecast see?   Chemnitz, *Input aggregation*. Part of `forecasting`.

The slide's two troubles with a window: which T, and that a longer one has more weights to fit (the VC dimension). For a
linear model both can be had at once, by least squares: AR(T) for each T, learned from many series and from few.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.data.sine_series import Forecasting
from minigrad.models.autoregression import least_squares

LENGTHS, FEW = (1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50), 80


def by_length(sets: Forecasting, count: int, lengths: Sequence[int] = LENGTHS) -> dict[str, np.ndarray]:
    """Mean squared error of AR(T) learned from the first `count` series: "trained on" and "test", each (lengths,)."""
    x, y = sets.x_train[:count], sets.y_train[:count]
    found = {"series trained on": (x, y), "test series": (sets.x_test, sets.y_test)}
    return {name: np.array([np.mean((least_squares(x[:, -T:], y, a[:, -T:]) - b) ** 2) for T in lengths])
            for name, (a, b) in found.items()}
