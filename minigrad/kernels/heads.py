"""NumPy twins of `heads.cu`: rows of projections <-> heads."""
from __future__ import annotations

from typing import Any

import numpy as np


def split_heads(rows: np.ndarray, bias: Any, out: np.ndarray, parts: int, B: int, L: int, heads: int, d: int,
                batch_first: int) -> None:
    """Rows (B, L, parts heads d), or (L, B, ...), with their bias -> (parts, B, heads, L, d)."""
    _by_row(out, parts, B, L, heads, d, batch_first)[...] = (rows if bias is None else rows + bias).reshape(
        *((B, L) if batch_first else (L, B)), parts, heads, d)


def merge_heads(x: np.ndarray, rows: np.ndarray, parts: int, B: int, L: int, heads: int, d: int, batch_first: int
                ) -> None:
    """(parts, B, heads, L, d) -> rows (B, L, parts heads d), or (L, B, ...)."""
    rows[...] = _by_row(x, parts, B, L, heads, d, batch_first).reshape(rows.shape)


def _by_row(x: np.ndarray, parts: int, B: int, L: int, heads: int, d: int, batch_first: int) -> np.ndarray:
    """A view of heads in the order of rows: (B, L, parts, heads, d), or (L, B, ...)."""
    return x.reshape(parts, B, heads, L, d).transpose((1, 3, 0, 2, 4) if batch_first else (3, 1, 0, 2, 4))
