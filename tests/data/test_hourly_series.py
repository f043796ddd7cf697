"""The hourly series, its windows, and the trend and season that are fitted to its past."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.hourly_series import DAY, PHI, SIGMA, WEEK, hourly_series, noise_floor
from minigrad.data.series_windows import series_windows
from minigrad.data.trend_season import TrendSeason


def test_the_series_is_the_sum_of_its_parts(rng):
    s = hourly_series(rng, 5)
    assert s.values.shape == (5 * WEEK,) and np.array_equal(s.values, s.trend + s.day + s.week + s.noise)


def test_each_season_repeats_after_its_period_and_the_trend_is_a_line(rng):
    s = hourly_series(rng, 5, rise=0.7)
    assert np.allclose(s.day[DAY:], s.day[:-DAY]) and not np.allclose(s.day[DAY // 2:], s.day[:-DAY // 2])
    assert np.array_equal(s.week[WEEK:], s.week[:-WEEK]) and np.allclose(s.trend[WEEK:] - s.trend[:-WEEK], 0.7)
    assert (s.week[:WEEK] == -1).sum() == 2 * DAY


def test_the_same_seed_gives_the_same_series_and_another_another():
    a, b, c = (hourly_series(np.random.default_rng(k), 2).values for k in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_the_noise_is_autoregressive_of_the_size_that_the_floor_takes(rng):
    """phi and sigma from 400 weeks, where their standard errors are 0.002 and 0.0005."""
    n = hourly_series(rng, 400).noise
    phi = n[1:] @ n[:-1] / (n[:-1] @ n[:-1])
    assert np.isclose(phi, PHI, atol=0.01) and np.isclose((n[1:] - phi * n[:-1]).std(), SIGMA, rtol=0.02)


def test_no_forecast_of_the_noise_is_better_than_the_floor_and_the_best_one_reaches_it(rng):
    """The best forecast k hours ahead is phi^k n_t."""
    n = hourly_series(rng, 400).noise
    for k in (1, 3, 24):
        miss = np.sqrt(np.mean((n[k:] - PHI ** k * n[:-k]) ** 2))
        assert np.isclose(miss, noise_floor(24)[k - 1], rtol=0.02)
        assert np.sqrt(np.mean((n[k:] - 0.5 * PHI ** k * n[:-k]) ** 2)) > miss


def test_less_than_a_week_is_refused(rng):
    with pytest.raises(ValueError, match="at least 1 week, not 0"):
        hourly_series(rng, 0)


# ----- Windows

def test_a_window_is_followed_by_its_own_future():
    x, y = series_windows(np.arange(10), 4, 3)
    assert x.shape == (4, 4, 1) and y.shape == (4, 3, 1)
    assert x[..., 0].tolist() == [[i, i + 1, i + 2, i + 3] for i in range(4)]
    assert y[..., 0].tolist() == [[i + 4, i + 5, i + 6] for i in range(4)]


def test_several_series_keep_their_columns():
    x, y = series_windows(np.arange(12).reshape(6, 2), 2, 1)
    assert x.shape == (4, 2, 2) and x[1].tolist() == [[2, 3], [4, 5]] and y[1].tolist() == [[6, 7]]


def test_windows_of_two_parts_of_a_series_share_no_step():
    values = np.arange(60)
    past, after = (np.unique(np.concatenate(series_windows(part, 5, 3), 1)) for part in (values[:40], values[40:]))
    assert past.max() == 39 and after.min() == 40


def test_a_series_of_exactly_one_window_has_one():
    assert len(series_windows(np.arange(7), 4, 3)[0]) == 1
    with pytest.raises(ValueError, match="6 steps are too few for 4 in and 3 out"):
        series_windows(np.arange(6), 4, 3)


@pytest.mark.parametrize("series, into, out", [(np.zeros(9), 0, 1), (np.zeros(9), 1, 0), (np.zeros((3, 3, 3)), 1, 1)])
def test_windows_of_nothing_are_refused(series, into, out):
    with pytest.raises(ValueError, match="at least 1 step in and out"):
        series_windows(series, into, out)


# ----- Trend and season

def test_a_line_and_a_season_are_found_exactly_and_drawn_on():
    """Without noise: also at times that no fit has seen, and from a past that ends within a period."""
    t = np.arange(200)
    season = np.array([3.0, -1.0, 0.5, -2.0, 1.0, -1.5, 0.0])
    values = 2 + 0.1 * t + season[t % 7]
    fitted = TrendSeason(values[:100], 7)
    assert np.allclose(fitted.at(t), values, atol=1e-9)                    # least squares of 100 rows in float64
    assert np.isclose(fitted.slope, 0.1) and np.isclose(fitted.level, 2 + season.mean())
    assert np.allclose(fitted.season, season - season.mean())
    assert fitted.at(t.reshape(20, 10)).shape == (20, 10)


def test_the_fit_of_the_past_does_not_know_the_future(rng):
    values = rng.normal(size=100)
    other = np.r_[values[:60], 1000 + values[60:]]
    assert np.array_equal(TrendSeason(values[:60], 7).at(np.arange(100)), TrendSeason(other[:60], 7).at(np.arange(100)))


@pytest.mark.parametrize("past, period", [(np.zeros(13), 7), (np.zeros(30), 1), (np.zeros((30, 1)), 7)])
def test_a_past_in_which_trend_and_season_cannot_be_told_apart_is_refused(past, period):
    with pytest.raises(ValueError, match=rf"period {period} cannot be fitted(.|\n)*at least two periods"):
        TrendSeason(past, period)
