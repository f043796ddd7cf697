"""An hourly series: a trend, a day, a week, and noise that fades slowly.   Riveill, *RNN for forecasting*.

    y_t = level + slope t + day_(t mod 24) + week_(t mod 168) + n_t,      n_t = phi n_(t-1) + e_t,   e_t ~ N(0, sigma^2)

The day is two waves of random phase, and two days of the week lie lower. Whoever knew all but the noise's future would
miss the value k hours ahead by sqrt(sigma^2 (1 - phi^2k) / (1 - phi^2)) in the root mean square (`noise_floor`): no
forecast is better. The slides show a real series and do not name it; this one has parts that are known, one by one.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

DAY, WEEK = 24, 168
PHI, SIGMA = 0.8, 0.2                          # of the noise: it forgets half in about 3 hours


class HourlySeries(NamedTuple):
    """values = trend + day + week + noise; each (N,), float64."""

    values: np.ndarray
    trend: np.ndarray
    day: np.ndarray
    week: np.ndarray
    noise: np.ndarray


def hourly_series(rng: np.random.Generator, weeks: int = 18, *, rise: float = 0.15) -> HourlySeries:
    """`weeks` whole weeks of the formula above. rise: of the trend, a week.  Raises ValueError for weeks below 1."""
    if weeks < 1:
        raise ValueError(f"hourly_series needs at least 1 week, not {weeks}")
    t = np.arange(weeks * WEEK)
    phase = rng.uniform(0, 2 * np.pi, 2)
    day = np.sin(2 * np.pi * t / DAY + phase[0]) + 0.4 * np.sin(4 * np.pi * t / DAY + phase[1])
    rest = rng.integers(7) + np.arange(2)      # two days in a row
    week = np.where(np.isin(t // DAY % 7, rest % 7), -1.0, 0.0)
    trend = 5 + rise * t / WEEK
    e = rng.normal(0, SIGMA, len(t))
    noise = np.empty(len(t))
    noise[0] = e[0] / np.sqrt(1 - PHI ** 2)    # as wide at the start as later
    for k in range(1, len(t)):
        noise[k] = PHI * noise[k - 1] + e[k]
    return HourlySeries(trend + day + week + noise, trend, day, week, noise)


def noise_floor(steps: int) -> np.ndarray:
    """The root mean square miss of the best forecast 1 ... `steps` hours ahead: (steps,)."""
    return np.sqrt(SIGMA ** 2 * (1 - PHI ** (2 * np.arange(1, steps + 1))) / (1 - PHI ** 2))
