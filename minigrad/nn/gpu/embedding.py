"""Rows of a table by kernel, and rows added into a table: sums in one order, so two runs give the same bits.

Bringing the rows of equal ids together costs, for n ids of rows of E:

    up to 128 ids   1 launch       each position looks through all ids: n^2 reads of an id by each column
    more            4, 5 launches  a sort of ids below 2^10, below 2^20, and two launches for the sums (`sort.py`)
"""
from __future__ import annotations

import math
from typing import Any

from .sort import columns, sorted_keys, sum_runs

FEW = 128                                      # ids up to which one launch finds equal ones by looking
SPAN = 32                                      # places that a block adds up: a batch has some thousand


def rows(xp: Any, k: Any, w: Any, source: Any, ids: Any, padding: int | None) -> Any:
    """Value and vjp of `_embedding`: w (V, ...), source and ids (...) of integers -> (..., ...).

    source is read, and copied to `ids` (int64), which the gradient needs. One launch; the gradient takes 2, or for
    more than 128 ids 5 to V = 2^10, 6 to 2^20.
    """
    shape = w.shape
    V, E, n = shape[0], math.prod(shape[1:]), ids.size
    y = xp.empty((*ids.shape, *shape[1:]), w.dtype)
    read, kept = contiguous(xp, source.astype("int64", copy=False)), None if source is ids else ids
    k("embedding_rows", -(-n // 8), 256, contiguous(xp, w), read, y, kept, n, V, E)

    def vjp(g: Any) -> Any:
        out = xp.zeros(shape, g.dtype)
        add_rows(k, out, ids, contiguous(xp, g), padding)
        return (out,)
    return y, vjp


def add_rows(k: Any, out: Any, ids: Any, rows: Any, padding: int | None = None) -> None:
    """out[v] = the sum of rows[i] over the i with ids[i] = v, in the order of i.

    out (V, *S) of zeros, ids (...) int64, rows (*ids.shape, *S), all C-contiguous, float32. An id outside of
    0 ... V - 1, and `padding`, adds nothing. One launch for up to 128 ids, else 4, or 5 from V = 2^10.
    """
    n, none = ids.size, -1 if padding is None else padding
    if not n * out.size:
        return
    V, E = out.shape[0], out.size // out.shape[0]
    if n <= FEW:
        block, tiles = columns(E)
        k("embedding_few", n * tiles, block, ids, rows, out, n, V, E, none, tiles)
        return
    keys, order = sorted_keys(k, ids, V, none)
    sum_runs(k, "run_rows", keys, order, (rows,), out, None, SPAN)


def contiguous(xp: Any, a: Any) -> Any:
    """The array, or a copy in C order; unlike `ascontiguousarray`, a 0-d one stays so."""
    return a if a.flags.c_contiguous else xp.ascontiguousarray(a)
