"""The twins of `sort.cu`: the same order, and the same sums in it."""
from __future__ import annotations

from typing import Any

import numpy as np

WARPS, MOST_BITS = 8, 10                       # of a block; of a key in one pass: sort.cu has room for no more


def sort_count(ids: Any, keys: Any, counts: Any, n: Any, most: Any, none: Any, passes: Any, bits: Any,
               rounds: Any) -> None:
    """keys = ids, those that take no part as `most`; counts (passes, tiles, 2^bits): of the lowest bits, else 0."""
    if ids is not None:
        flat = ids.reshape(-1)
        keys[:] = np.where((flat >= 0) & (flat < most) & (flat != none), flat, most)
    counts[...] = 0
    _count(counts, keys, 0, bits, rounds)


def sort_place(keys: Any, order: Any, counts: Any, to_keys: Any, to_order: Any, n: Any, turn: Any, passes: Any,
               bits: Any, rounds: Any) -> None:
    """Both sorted by the bits of this pass, stably; counts of the next one are added up."""
    by_digit = np.argsort(_digits(keys, turn, bits), kind="stable")
    to_keys[:] = keys[by_digit]
    to_order[:] = by_digit if order is None else order[by_digit]
    if turn + 1 < passes:
        _count(counts, to_keys, turn + 1, bits, rounds)


def _digits(keys: Any, turn: Any, bits: Any) -> Any:
    return (keys >> turn * bits & (1 << bits) - 1).astype(np.uint16)    # NumPy sorts 16 bits by radix


def _count(counts: Any, keys: Any, turn: Any, bits: Any, rounds: Any) -> None:
    tile = np.arange(len(keys)) // (32 * WARPS * rounds)
    found = np.bincount((tile << bits) + _digits(keys, turn, bits), minlength=counts[turn].size)
    counts[turn] += found.reshape(counts[turn].shape).astype(np.int32)


def run_rows(keys: Any, order: Any, rows: Any, out: Any, more: Any, heads: Any, n: Any, D: Any, span: Any, tiles: Any,
             V: Any) -> None:
    """out[key] = the rows of each run, up to the end of its span; heads[span] = those of a run that began before.

    Keys from V on belong to the rows of more, and take no part where that is None.
    """
    _add_runs(keys, rows.reshape(n, D)[order], out, more, heads, D, span, V)


def run_products(keys: Any, order: Any, given: Any, coef: Any, rows: Any, dh: Any, g: Any, out: Any, more: Any,
                 heads: Any, n: Any, D: Any, span: Any, tiles: Any, V: Any, pairs: Any, words: Any, scale: Any) -> None:
    """The same of scale g coef x for the items of pairs, and of scale g dh for those behind them."""
    behind, all_ = pairs * words, scale * g.reshape(-1)[0]
    product, number = order < behind, np.minimum(order, behind - 1)
    place = given[behind + number // words] - V if n > behind else number // words
    factor = np.where(product, all_ * coef.reshape(-1)[number], all_)
    x = np.where(product[:, None], rows[place], dh[np.where(product, 0, order - behind)])
    _add_runs(keys, factor[:, None] * x, out, more, heads, D, span, V)


def run_join(keys: Any, heads: Any, out: Any, more: Any, n: Any, D: Any, span: Any, tiles: Any, V: Any) -> None:
    """The row of a key += the heads of the later spans of its run, in order."""
    starts = np.arange(span, n, span)
    for start in starts[keys[starts] == keys[starts - 1]]:
        key = keys[start]
        if key < V:
            out.reshape(V, D)[key] += heads[start // span]
        elif more is not None:
            more[key - V] += heads[start // span]


def _add_runs(keys: Any, x: Any, out: Any, more: Any, heads: Any, D: Any, span: Any, V: Any) -> None:
    """The rows x (n, D) of each run, one after another."""
    inside = keys < V if more is None else np.ones(len(keys), bool)
    same = np.concatenate(([False], keys[1:] == keys[:-1]))
    starts = np.flatnonzero((~same | (np.arange(len(keys)) % span == 0)) & inside)
    lengths, began = np.diff(starts, append=np.count_nonzero(inside)), same[starts]
    sums = x[starts].copy()
    for k in range(1, lengths.max(initial=1)):
        longer = lengths > k
        sums[longer] += x[starts[longer] + k]
    heads[starts[began] // span] = sums[began]
    key, sums = keys[starts[~began]], sums[~began]
    out.reshape(V, D)[key[key < V]] = sums[key < V]
    if more is not None:
        more[key[key >= V] - V] = sums[key >= V]
