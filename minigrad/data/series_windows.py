"""Windows over a long series: some steps in, the steps after them out.   Riveill, *RNN for forecasting*: 24 and 24."""
from __future__ import annotations

import numpy as np

from ..errors import describe


def series_windows(series: np.ndarray, steps_in: int, steps_out: int) -> tuple[np.ndarray, np.ndarray]:
    """series (N,) or (N, D) -> x (M, steps_in, D) and what followed each, y (M, steps_out, D); M = N - in - out + 1.

    Row i begins at step i: x is series[i : i + in], y is series[i + in : i + in + out]; D is 1 for a series (N,). Cut a
    series into past and future first, and each part into windows: then no window reaches over the cut.
    x and y are read-only views.  Raises ValueError for sizes below 1, another form, or a series too short for one row.
    """
    values = np.asarray(series)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or min(steps_in, steps_out) < 1:
        raise ValueError(f"series_windows takes (N,) or (N, D) and at least 1 step in and out, not "
                         f"{np.shape(series)}, {steps_in} and {steps_out}")
    whole = steps_in + steps_out
    if len(values) < whole:
        raise ValueError(describe(f"{len(values)} steps are too few for {steps_in} in and {steps_out} out.",
                                  fix="a longer series, or shorter windows."))
    rows = np.lib.stride_tricks.sliding_window_view(values, whole, axis=0).swapaxes(1, 2)     # (M, in + out, D)
    return rows[:, :steps_in], rows[:, steps_in:]
