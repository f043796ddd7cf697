"""Ids brought together by a stable sort, and the rows of equal ones added in their order (`kernels/sort.cu`).

    keys, order = sorted_keys(k, ids, most)    # one launch, and one for every 10 bits of the largest
    sum_runs(k, "run_rows", keys, order, (rows,), out, None, span=32)        # 2 launches

The same order in every run, so the same bits. n keys move 16 n bytes a pass and 4 n or 12 n before the first; the sums
read each row once, and write one more for every span that a run goes on over. Not measured.
"""
from __future__ import annotations

from typing import Any

from ...kernels.sort import MOST_BITS, WARPS

LEAST_ROUNDS, MOST_TILES = 4, 128              # each block reads the counts of all tiles, so there are not more of them


def sorted_keys(k: Any, given: Any, most: int, none: int = -1) -> tuple[Any, Any]:
    """The keys in ascending order, and their places; those of equal keys as they stood. Both (n,), int32.

    given (n): keys of 0 ... most, int32; or ids, int64, of which those outside of 0 ... most - 1, and `none`, are
    `most`.  n > 0.
    """
    xp, n = k.xp, given.size
    passes = max(1, -(-most.bit_length() // MOST_BITS))
    bits, block = max(1, -(-most.bit_length() // passes)), 32 * WARPS
    rounds = max(LEAST_ROUNDS, -(-n // (block * MOST_TILES)))
    tiles = -(-n // (block * rounds))
    ids, keys = (None, given) if given.dtype == "int32" else (given, xp.empty(n, "int32"))
    counts = xp.empty((passes, tiles, 1 << bits), "int32")
    k("sort_count", tiles, block, ids, keys, counts, n, most, none, passes, bits, rounds, shared=4 << bits)
    source: tuple[Any, Any] = keys, None
    spare = None
    for turn in range(passes):
        into = spare or (xp.empty(n, "int32"), xp.empty(n, "int32"))
        k("sort_place", tiles, block, *source, counts, *into, n, turn, passes, bits, rounds,
          shared=4 * WARPS * ((1 << bits) + 1))
        spare, source = source if turn else None, into
    return source


def sum_runs(k: Any, kernel: str, keys: Any, order: Any, arrays: tuple[Any, ...], out: Any, more: Any, span: int,
             *numbers: float) -> None:
    """out[key] = the sum of what `kernel` gives for the places of a key; out (V, ...) of zeros, V > 0.

    more: the rows of keys from V on, of zeros too; None: they take no part.  span: places that a block adds up.
    """
    n, V, D = len(keys), out.shape[0], out.size // out.shape[0]
    spans, (block, tiles) = -(-n // span), columns(D)
    heads = k.xp.empty((spans, D), out.dtype)
    k(kernel, spans * tiles, block, keys, order, *arrays, out, more, heads, n, D, span, tiles, V, *numbers,
      shared=4 * (4 * span + 2))
    k("run_join", (spans - 1) * tiles, block, keys, heads, out, more, n, D, span, tiles, V)


def columns(D: int) -> tuple[int, int]:
    """Threads of a block, and blocks, for D columns."""
    block = min(256, 32 * max(1, -(-D // 32)))
    return block, -(-D // block)
