"""Cross-validation in the order of time: every fold learns from the past and is tested on what comes next.

Riveill, *Time series cross-validation*, names scikit-learn's TimeSeriesSplit; the indices here are the same. The last
`splits` stretches of equal length are the tests, in order, and each one's training set is what lies before it:

    10 rows, 4 splits     learn 0 1          test 2 3
                          learn 0 1 2 3      test 4 5
                          learn 0 ... 5      test 6 7
                          learn 0 ... 7      test 8 9

Random folds put rows of the future, and neighbours that share values, into the training set of a test row.
"""
from __future__ import annotations

import numpy as np

from ..errors import describe


def time_series_split(count: int, splits: int = 5, *, test_size: int | None = None, gap: int = 0,
                      max_train_size: int | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """`count` rows in the order of time -> for each split the rows to learn from (n,), and those to test on (m,).

    test_size: rows of each test; count // (splits + 1) if None.  gap: rows left out between the two. Rows that are
    windows of w steps, one step apart, share no step over a gap of w - 1.  max_train_size: learn from that many rows
    before the gap at most; all of the past if None.
    Raises ValueError for fewer than 2 splits, sizes below 1, a negative gap, or too few rows.
    """
    if splits < 2 or gap < 0 or min(test_size or 1, max_train_size or 1) < 1 or 0 in (test_size, max_train_size):
        raise ValueError(f"time_series_split needs at least 2 splits, sizes of at least 1 and a gap of at least 0, not "
                         f"splits={splits}, test_size={test_size}, max_train_size={max_train_size}, gap={gap}")
    size = count // (splits + 1) if test_size is None else test_size
    first = count - splits * size              # where the first test begins
    if size < 1 or first - gap < 1:
        raise ValueError(describe(f"{count} rows leave nothing to learn from before {splits} tests of {max(size, 1)} "
                                  f"and a gap of {gap}.", fix="more rows, fewer splits, a smaller test_size or gap."))
    rows = np.arange(count)
    found = []
    for start in range(first, count, size):
        end = start - gap
        begin = 0 if max_train_size is None else max(0, end - max_train_size)
        found.append((rows[begin:end], rows[start:start + size]))
    return found
