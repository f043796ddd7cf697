"""NumPy twins of `columns.cu`: sums over the rows of a matrix, in two stages."""
from __future__ import annotations

from typing import Any

import numpy as np


def column_parts(a: np.ndarray, parts: np.ndarray, rows: int, n: int, span: int) -> None:
    """parts_c = sum of rows c span ... (c + 1) span - 1.  a (rows, n), parts (chunks, n)."""
    a = a.reshape(rows, n)
    for c, part in enumerate(parts.reshape(-1, n)):
        part[:] = a[c * span:(c + 1) * span].sum(0)


def column_totals(parts: np.ndarray, out: np.ndarray, rest: Any, chunks: int, n: int, width: int) -> None:
    """out, rest = sum of all parts.  parts (chunks, n), out of size width, rest of size n - width, or None."""
    total = parts.reshape(chunks, n).sum(0)
    out[...] = total[:width].reshape(out.shape)
    if rest is not None:
        rest[...] = total[width:].reshape(rest.shape)
