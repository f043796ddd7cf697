"""The twins of `embedding.cu`: the same sums in the same order."""
from __future__ import annotations

from typing import Any

import numpy as np


def embedding_rows(w: Any, ids: Any, y: Any, kept: Any, n: Any, V: Any, E: Any) -> None:
    """y_i = w[id_i], or NaN where there is no such row; kept = ids."""
    flat = ids.reshape(-1)
    known = (flat >= 0) & (flat < V)
    rows = y.reshape(n, E)
    rows[~known] = np.nan
    rows[known] = w.reshape(V, E)[flat[known]]
    if kept is not None:
        kept.reshape(-1)[:] = flat


def embedding_few(ids: Any, rows: Any, out: Any, n: Any, V: Any, E: Any, padding: Any, tiles: Any) -> None:
    """out[id] = the sum of its rows, from the first to the last."""
    flat, table, given = ids.reshape(-1), out.reshape(V, E), rows.reshape(n, E)
    for i in np.flatnonzero((flat >= 0) & (flat < V) & (flat != padding)):
        table[flat[i]] += given[i]
