"""What `forecasting_many` compares: what a forecast starts from, windows of the past and of the weeks after, folds."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from minigrad.data.hourly_series import DAY, WEEK
from minigrad.data.series_windows import series_windows
from minigrad.data.time_series_split import time_series_split
from minigrad.data.trend_season import TrendSeason
from minigrad.models.autoregression import least_squares

STEPS, FOLDS = 24, 5                           # hours in, and hours out: Riveill, *RNN for forecasting*
Forecaster = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class View(NamedTuple):
    """One way to see the series: what is known of the future is taken off, the rest is scaled by the past.

    x (N, 24, 1), y (N, 24): windows of the past and what followed; x_later, y_later: of the weeks after. y_later and
    what `back` returns are true values, not remainders.
    """

    x: np.ndarray
    y: np.ndarray
    x_later: np.ndarray
    y_later: np.ndarray
    base_later: np.ndarray
    mean: float
    scale: float

    def stretches(self) -> np.ndarray:
        """Window and future in one: (N, 48, 1)."""
        return np.concatenate([self.x, self.y[..., None]], 1)

    def back(self, forecast: np.ndarray) -> np.ndarray:
        """Forecasts (K, 24) of a scaled remainder -> of the values."""
        return forecast * self.scale + self.mean + self.base_later


def views(values: np.ndarray, cut: int) -> dict[str, View]:
    """The hours before `cut` are the past: from them alone come the line, the season, the mean and the scale.

    raw: the values.  differenced: less the value a week before.  removed: less a line and a mean for each hour of the
    week. The base of every hour ahead is known when the forecast is made: 24 is less than a week.
    """
    bases = {"raw": np.zeros(len(values)), "differenced": np.r_[np.full(WEEK, np.nan), values[:-WEEK]],
             "removed": TrendSeason(values[:cut], WEEK).at(np.arange(len(values)))}
    found = {}
    for name, base in bases.items():
        left = values - base
        past = left[:cut][~np.isnan(left[:cut])]               # differences begin in the second week
        mean, scale = float(past.mean()), float(past.std())
        x, y = series_windows((past - mean) / scale, STEPS, STEPS)
        x_later, _ = series_windows((left[cut:] - mean) / scale, STEPS, STEPS)
        after, base_after = (series_windows(a[cut:], STEPS, STEPS)[1][..., 0] for a in (values, base))
        found[name] = View(x.astype(np.float32), y[..., 0].astype(np.float32), x_later.astype(np.float32), after,
                           base_after, mean, scale)
    return found


def naive(values: np.ndarray, cut: int) -> dict[str, np.ndarray]:
    """Forecasts (K, 24) after `cut` that learn nothing: the last value, and the values a day or a week before."""
    x, _ = series_windows(values[cut:], STEPS, STEPS)
    return {"last_value": np.repeat(x[:, -1], STEPS, 1),
            **{name: series_windows(np.roll(values, hours)[cut:], STEPS, STEPS)[1][..., 0]
               for name, hours in (("day_before", DAY), ("week_before", WEEK))}}


def miss(forecast: np.ndarray, truth: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Root mean square; axis=0: at each hour ahead."""
    return np.sqrt(np.mean((forecast - truth) ** 2, axis))


def nearest_windows(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, k: int = 3) -> np.ndarray:
    """What followed the k most similar windows, on average.  x (N, T, 1), y (N, M), x_test (K, T, 1) -> (K, M)

    It remembers every row, so it gains most from a row of the training set that shares hours with the test.
    """
    a, b = x[..., 0], x_test[..., 0]
    distance = (a ** 2).sum(1) - 2 * b @ a.T                   # (K, N), less |b|^2, which ranks nothing
    return y[np.argpartition(distance, k - 1, 1)[:, :k]].mean(1)


RULES: dict[str, tuple[str, Forecaster]] = {"least_squares": ("Least squares: AR(24)", least_squares),
                                            "nearest": ("3 nearest windows", nearest_windows)}
KINDS = {"random": "random folds", "expanding": "the past first"}


# ----- Cross-validation

def folds(count: int, rng: np.random.Generator) -> dict[str, Sequence[tuple[np.ndarray, np.ndarray]]]:
    """Rows to learn from and to test on, five folds of each kind.

    random: any row, so the windows that begin an hour before and after are learned from.  expanding: what lies before
    the test, and a gap after which windows of 48 hours share none with it.
    """
    parts = np.array_split(rng.permutation(count), FOLDS)
    return {"random": [(np.concatenate(parts[:k] + parts[k + 1:]), parts[k]) for k in range(FOLDS)],
            "expanding": time_series_split(count, FOLDS, gap=2 * STEPS - 1)}


def promised(view: View, rng: np.random.Generator) -> dict[tuple[str, str], np.ndarray]:
    """(kind of folds, rule) -> the miss of each fold, in the series' own unit: (FOLDS,)."""
    return {(kind, rule): np.array([view.scale * miss(learn(view.x[a], view.y[a], view.x[b]), view.y[b])
                                    for a, b in splits])
            for kind, splits in folds(len(view.x), rng).items() for rule, (_, learn) in RULES.items()}
