"""A straight line and a seasonal mean, fitted to the past and drawn on into the future.

    y_t = a + b t + s_(t mod period) + remainder_t,      a, b and s by least squares,  the mean of s is 0

What a network is left with is the remainder: it need not learn the calendar, nor see values that it never met. Riveill,
*RNN for forecasting*, forecasts the values as they are; removing both is the usual advice, and differences of a period
(y_t - y_(t-period)) are the other way to do it.
"""
from __future__ import annotations

import numpy as np

from ..errors import describe


class TrendSeason:
    """The line and the season of `past` (N,), values at the times 0 ... N - 1.

    level a, slope b, season (period,).  `at(times)` is their sum at any time, also after the past.
    Raises ValueError for a period below 2, or a past shorter than two periods: one cannot tell trend from season.
    """

    def __init__(self, past: np.ndarray, period: int) -> None:
        past = np.asarray(past, np.float64)
        if period < 2 or past.ndim != 1 or len(past) < 2 * period:
            raise ValueError(describe(f"TrendSeason of period {period} cannot be fitted to {past.shape}.",
                                      fix="a series (N,) of at least two periods, and a period of at least 2."))
        t = np.arange(len(past))
        design = np.c_[t, t[:, None] % period == np.arange(period)].astype(np.float64)      # (N, 1 + period)
        self.slope, *means = np.linalg.lstsq(design, past, rcond=None)[0]
        self.period, self.level = period, float(np.mean(means))
        self.season = np.array(means) - self.level

    def at(self, times: np.ndarray) -> np.ndarray:
        """a + b t + s_(t mod period) for whole times of any shape."""
        times = np.asarray(times)
        return self.level + self.slope * times + self.season[times % self.period]
