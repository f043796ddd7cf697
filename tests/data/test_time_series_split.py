"""Folds in the order of time: never the future, the gap, and scikit-learn's indices."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.time_series_split import time_series_split

CASES = [dict(), dict(splits=2), dict(splits=7), dict(gap=3), dict(test_size=4), dict(max_train_size=6),
         dict(splits=3, test_size=5, gap=2, max_train_size=7), dict(max_train_size=1), dict(splits=2, test_size=1)]


def test_the_example_of_the_docstring():
    found = [(a.tolist(), b.tolist()) for a, b in time_series_split(10, 4)]
    assert found == [([0, 1], [2, 3]), ([0, 1, 2, 3], [4, 5]), (list(range(6)), [6, 7]), (list(range(8)), [8, 9])]


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("count", [23, 24, 61])
def test_every_row_to_learn_from_lies_before_every_row_of_the_test(count, options):
    """By more than the gap; and the tests follow one another up to the last row, without overlap."""
    folds = time_series_split(count, **options)
    for learn, test in folds:
        assert len(learn) and len(test) and learn.max() + options.get("gap", 0) < test.min()
        assert len(learn) <= options.get("max_train_size", count)
    tests = np.concatenate([test for _, test in folds])
    assert np.array_equal(tests, np.arange(tests[0], count)) and len({len(test) for _, test in folds}) == 1


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("count", [23, 24, 61])
def test_the_indices_are_those_of_scikit_learn(count, options):
    selection = pytest.importorskip("sklearn.model_selection")
    names = {"splits": "n_splits"}
    peer = selection.TimeSeriesSplit(**{names.get(k, k): v for k, v in options.items()})
    ours, theirs = time_series_split(count, **options), list(peer.split(np.zeros(count)))
    assert len(ours) == len(theirs)
    for (a, b), (c, d) in zip(ours, theirs, strict=True):
        assert np.array_equal(a, c) and np.array_equal(b, d)


@pytest.mark.parametrize("count, options", [(5, {}), (20, dict(gap=10)), (20, dict(test_size=4)), (3, dict(splits=3))],
                         ids=str)
def test_too_few_rows_are_refused_where_scikit_learn_refuses_them(count, options):
    with pytest.raises(ValueError, match=rf"{count} rows leave nothing to learn from before (.|\n)*fewer splits"):
        time_series_split(count, **options)
    try:
        from sklearn.model_selection import TimeSeriesSplit
    except ImportError:
        return
    options = {"n_splits" if k == "splits" else k: v for k, v in options.items()}
    with pytest.raises(ValueError):
        list(TimeSeriesSplit(**options).split(np.zeros(count)))


@pytest.mark.parametrize("options", [dict(splits=1), dict(gap=-1), dict(test_size=0), dict(max_train_size=0)], ids=str)
def test_sizes_that_mean_nothing_are_named(options):
    (name, value), = options.items()
    with pytest.raises(ValueError, match=f"needs at least 2 splits(.|\n)*{name}={value}"):
        time_series_split(100, **options)
