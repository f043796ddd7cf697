"""Riveill, *RNN for forecasting*: what the past may know of the future, folds, naive forecasts, and the bars."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.hourly_series import WEEK, hourly_series
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._forecasting_many import FOLDS, STEPS, folds, miss, naive, nearest_windows, promised, views
from minigrad.experiments._forecasts_shown import ahead, horizon, promises
from minigrad.experiments.forecasting_many import LABELS, MODELS, NETWORKS, forecasting_many, train
from minigrad.models.autoregression import least_squares
from tests.lines import ROOT, code_lines

CUT = 5 * WEEK


@pytest.fixture
def values(rng):
    return hourly_series(rng, 7).values


# ----- What is known when

def test_scale_line_and_season_come_from_the_past_alone(values):
    """Another future changes no window of the past, no scale, and no base but the week before's."""
    other = np.r_[values[:CUT], 100 + 3 * values[CUT:]]
    for name, a in views(values, CUT).items():
        b = views(other, CUT)[name]
        assert np.array_equal(a.x, b.x) and np.array_equal(a.y, b.y) and (a.mean, a.scale) == (b.mean, b.scale)
        assert np.array_equal(a.base_later[:1], b.base_later[:1])          # the first window, of the past all the same
        assert not np.array_equal(a.x_later, b.x_later)


@pytest.mark.parametrize("name", ["raw", "differenced", "removed"])
def test_a_perfect_forecast_of_a_view_is_the_series(name, values):
    """back(what followed, scaled) is the value, in the past's unit; and the truth is the values after the cut."""
    view = views(values, CUT)[name]
    truth = np.lib.stride_tricks.sliding_window_view(values[CUT:], 2 * STEPS)[:, STEPS:]
    assert np.array_equal(view.y_later, truth)
    perfect = (truth - view.base_later - view.mean) / view.scale
    assert np.allclose(view.back(perfect), truth)
    assert abs(np.r_[view.x[:, 0, 0], view.x[-1, 1:, 0], view.y[-1]].mean()) < 1e-4        # all of the past, once


def test_a_base_is_known_when_the_forecast_is_made(values):
    """Values of the 24 hours ahead change no base of theirs."""
    changed = values.copy()
    changed[CUT + STEPS:CUT + 2 * STEPS] += 50                 # the future of the first window
    for name, view in views(values, CUT).items():
        assert np.array_equal(view.base_later[0], views(changed, CUT)[name].base_later[0])


def test_no_window_of_the_past_reaches_over_the_cut(values):
    view = views(values, CUT)["raw"]
    assert len(view.x) == CUT - 2 * STEPS + 1 and len(view.x_later) == len(values) - CUT - 2 * STEPS + 1
    assert np.array_equal(view.stretches()[3, STEPS:, 0], view.y[3])
    assert np.array_equal(view.stretches()[3 + STEPS, :STEPS, 0], view.y[3])           # a day later it is the window
    assert np.isclose(view.y[-1, -1] * view.scale + view.mean, values[CUT - 1], atol=1e-5)


def test_naive_forecasts_are_values_of_hours_that_have_passed():
    """On a ramp each value is its hour."""
    found, first = naive(np.arange(4 * WEEK, dtype=float), 2 * WEEK), 2 * WEEK + STEPS     # the first hour ahead
    assert found["last_value"][0].tolist() == [first - 1] * STEPS
    for name, before in (("day_before", 24), ("week_before", WEEK)):
        assert found[name][0].tolist() == list(range(first - before, first - before + STEPS))
    assert all(f.shape == (2 * WEEK - 2 * STEPS + 1, STEPS) for f in found.values())


# ----- Folds

def test_folds_in_the_order_of_time_share_no_hour_and_random_ones_share_nearly_all(rng):
    """Window i has the hours i ... i + 47."""
    count = 400
    hours = lambda rows: set((rows[:, None] + np.arange(2 * STEPS)).ravel().tolist())      # noqa: E731
    for kind, splits in folds(count, rng).items():
        assert len(splits) == FOLDS
        shared = [len(hours(a) & hours(b)) / len(hours(b)) for a, b in splits]
        assert max(shared) == 0 if kind == "expanding" else min(shared) > 0.9
        assert all(not set(a) & set(b) for a, b in splits)


def test_every_row_is_tested_once_by_random_folds(rng):
    splits = folds(403, rng)["random"]
    assert sorted(np.concatenate([b for _, b in splits])) == list(range(403))
    assert all(sorted(np.r_[a, b]) == list(range(403)) for a, b in splits)


def test_the_nearest_windows_are_found(rng):
    x, y = rng.normal(size=(40, 6, 1)), rng.normal(size=(40, 2))
    found = nearest_windows(x, y, x[:5] + 1e-6, k=1)
    assert np.array_equal(found, y[:5])
    distance = ((x[:, :, 0] - x[7, :, 0]) ** 2).sum(1)
    assert np.allclose(nearest_windows(x, y, x[7:8], k=3)[0], y[np.argsort(distance)[:3]].mean(0))


def test_a_fold_is_judged_in_the_unit_of_the_series(values):
    view = views(values, CUT)["raw"]
    found, rng = promised(view, np.random.default_rng(0)), np.random.default_rng(0)
    learn, test = folds(len(view.x), rng)["expanding"][2]
    want = miss(view.scale * least_squares(view.x[learn], view.y[learn], view.x[test]), view.scale * view.y[test])
    assert found["expanding", "least_squares"].shape == (FOLDS,)
    assert np.isclose(found["expanding", "least_squares"][2], want)


def test_the_miss_of_each_hour_is_a_root_mean_square():
    a, b = np.array([[1.0, 2.0], [3.0, 2.0]]), np.array([[0.0, 2.0], [0.0, 4.0]])
    assert np.allclose(miss(a, b, 0), [np.sqrt(5), np.sqrt(2)]) and np.isclose(miss(a, b), np.sqrt(14 / 4))


# ----- Training, figures, bars

@pytest.mark.parametrize("name", NETWORKS)
def test_training_gives_the_same_losses_on_every_device(name, device, tmp_path, values):
    """The same start and order; sums of float32 in another order differ in the last digits."""
    stretches, losses = views(values[:4 * WEEK], 2 * WEEK)["raw"].stretches(), []
    for where in ("cpu", device):
        ctx = harness.Context(tmp_path / where, 0, True, where, False, Console(quiet=True))
        ctx.part("p")
        train(ctx, NETWORKS[name][1](), stretches)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-3) and losses[0][-1] < losses[0][0]


def test_the_figures_hold_what_they_are_given():
    pytest.importorskip("matplotlib")
    hours = np.arange(STEPS, dtype=float)
    lines = {line.get_label(): line for line in horizon({"raw": {"AR": hours}}, "t").axes[0].lines}
    assert np.array_equal(lines["AR"].get_ydata(), hours) and any("Noise" in name for name in lines)
    ramp = np.arange(6 * WEEK, dtype=float)
    panel = ahead(ramp, 4 * WEEK, {"week": naive(ramp, 4 * WEEK)["week_before"]}, "t").axes[0]
    lines = {line.get_label(): line.get_xydata() for line in panel.lines}
    now = int(panel.get_title(loc="left").split()[-1].replace(",", ""))
    assert lines["so far"][-1].tolist() == lines["what came"][0].tolist() == [0, now]
    assert lines["week"][0].tolist() == [1, now + 1 - WEEK]    # an hour ahead, a week back
    found = {(kind, rule): hours[:FOLDS] for kind in ("random", "expanding") for rule in ("least_squares", "nearest")}
    assert len(promises(found, {"least_squares": 1.0, "nearest": 2.0}, "t").axes) == 2


GOOD = {**dict.fromkeys(LABELS, 0.0), "last_value": 1.2, "day_before": 0.77, "week_before": 0.48, "floor": 0.32,
        **{f"raw_{name}": 0.65 for name in MODELS}, **{f"removed_{name}": 0.32 for name in MODELS},
        "raw_one_by_one": 0.75, "raw_all_at_once_1": 0.27, "raw_one_by_one_1": 0.27, "differenced_least_squares": 0.44,
        "raw_nearest": 0.87, "random_nearest": 0.58, "random_least_squares": 0.63, "expanding_nearest": 0.8,
        "expanding_least_squares": 0.69}


@pytest.mark.parametrize("change, target", [
    ({}, None), ({"removed_dense": 0.4}, "removed_dense"), ({"removed_every_step": 0.45}, "removed_every_step"),
    ({"raw_dense": 0.47}, "1.5 times"), ({"differenced_least_squares": 0.7}, "differences"),
    ({"differenced_least_squares": 0.3}, "differences"), ({"week_before": 0.7}, "a week before"),
    ({"raw_one_by_one": 0.66}, "one by one"), ({"random_nearest": 0.64}, "rank"), ({"raw_nearest": 0.6}, "rank"),
    ({"random_nearest": 0.8}, "promise"), ({"expanding_nearest": 0.6}, "promise")], ids=str)
def test_the_bars_say_no(change, target):
    missed = [v["target"] for v in forecasting_many._verdicts({**GOOD, **change}, quick=False) if v["met"] is False]
    assert not missed if target is None else any(target in m for m in missed)


def test_the_file_has_under_100_lines_of_code():
    assert code_lines(ROOT / "minigrad/experiments/forecasting_many.py") < 100


@pytest.mark.proof
def test_the_medians_of_three_seeds_reach_the_bars(tmp_path, proof_record):
    record = forecasting_many.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("forecasting_many", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                             "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
