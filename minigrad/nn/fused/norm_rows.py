"""Layer norm of rows in place, for the nodes that end or begin with one: `layer_norm.py` says the formulas.

In blocks of rows that stay in the cache, with means as products: a row sum of NumPy costs several times a BLAS product
with 1/n.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from . import threads

BLOCK = 32768                                  # elements: a block and its copies stay in the second-level cache
SHARED = 131072                                # the same on several threads: calls long enough to run side by side


def block(width: int) -> int:
    """How many rows of so many elements one call takes."""
    return max(1, (BLOCK if threads.count() == 1 else SHARED) // max(width, 1))


def normalise(x: np.ndarray, w: Any, b: Any, eps: float, h: np.ndarray, r: np.ndarray, y: np.ndarray,
              bias: Any = None, kept: Any = None, residual: Any = None) -> None:
    """h = (s - mean s) r,  r = 1 / sqrt(var s + eps),  y = h w + b,  s = (x + bias) kept + residual.

    x, h, y, kept, residual (m, n), r (m, 1), w, b, bias (n); None: left out. h may be x itself; x becomes s.
    """
    m, n = x.shape
    share = np.full((n, 1), 1 / n, x.dtype)

    def rows(start: int, stop: int) -> None:
        step = block(n)
        for a in range(start, stop, step):
            e = slice(a, min(a + step, stop))
            part, out, root, s = h[e], y[e], r[e], x[e]
            _sum(s, e, bias, kept, residual)
            np.subtract(s, np.dot(s, share), out=part)
            np.vecdot(part, part, out=root[:, 0])
            root *= share[0]
            root += eps
            np.sqrt(root, out=root)
            np.divide(1, root, out=root)
            part *= root
            if w is None:
                np.copyto(out, part)
            else:
                np.multiply(part, w, out=out)
            if b is not None:
                out += b
    threads.parts(rows, m, 256)


def gradients(g: np.ndarray, h: np.ndarray, r: np.ndarray, w: Any, dx: np.ndarray) -> tuple[Any, Any]:
    """dx = r (u - mean u - h mean(u h)), u = g w, in one walk over the rows; returns dw = sum g h, db = sum g.

    g, h, dx (m, n), r (m, 1), w (n) or None: then dw is None too. dx may be g itself.
    """
    m, n = g.shape
    share = np.full((n, 1), 1 / n, g.dtype)
    gain = share if w is None else share * w[:, None]
    sums: list[tuple[np.ndarray, np.ndarray]] = []

    def rows(start: int, stop: int) -> None:
        step = min(block(n), stop - start)
        dw, db = np.zeros(n, g.dtype), np.zeros(n, g.dtype)
        scratch, ones = np.empty((step, n), g.dtype), np.ones(step, g.dtype)
        for a in range(start, stop, step):
            e = slice(a, min(a + step, stop))
            part, gp, out = h[e], g[e], dx[e]
            gh, one = scratch[:len(part)], ones[:len(part)]
            np.multiply(gp, part, out=gh)
            mean, slope = np.dot(gp, gain), np.dot(gh, gain)
            if w is None:
                np.subtract(gp, mean, out=out)
            else:
                dw += np.dot(one, gh)
                db += np.dot(one, gp)
                np.multiply(gp, w, out=out)
                out -= mean
            np.multiply(part, slope, out=gh)
            out -= gh
            out *= r[e]
        sums.append((dw, db))
    total = column_sums(g) if w is None else None
    threads.parts(rows, m, 256)
    if w is None:
        return None, total
    dw, db = sums[0]
    for other in sums[1:]:
        dw += other[0]
        db += other[1]
    return dw, db


def add(y: np.ndarray, bias: Any = None, kept: Any = None, residual: Any = None) -> None:
    """y = (y + bias) kept + residual, in blocks of rows.  y, kept, residual (m, n), bias (n); None: left out."""
    def rows(start: int, stop: int) -> None:
        step = block(y.shape[1])
        for a in range(start, stop, step):
            e = slice(a, min(a + step, stop))
            _sum(y[e], e, bias, kept, residual)
    threads.parts(rows, len(y), 256)


def _sum(part: np.ndarray, e: slice, bias: Any, kept: Any, residual: Any) -> None:
    if bias is not None:
        part += bias
    if kept is not None:
        part *= kept[e]
    if residual is not None:
        part += residual[e]


def column_sums(a: np.ndarray) -> np.ndarray:
    """sum_i a_i of rows (m, n), as a product: a third of the time of a.sum(0)."""
    return np.dot(np.ones(len(a), a.dtype), a)
