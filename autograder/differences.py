"""Where a result differs from the expected one, entry by entry, for the instructor.

The rule is that of compare.judge, which says whether a result is right; here each entry is told with its values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 100                  # wrong entries of one array that are kept


@dataclass(frozen=True)
class Entry:
    """One wrong entry: its index, what was expected and came there, and how far apart they may be."""

    index: tuple[int, ...]
    want: Any
    got: Any
    allowed: float


@dataclass
class Difference:
    """One array of a result. `where` is its place in a list, tuple or dict, "" for a result that is an array."""

    where: str
    wrong: int
    size: int
    largest: float              # |got - want|, NaN where one of them is no finite number
    allowed: float              # there
    entries: list[Entry]        # the wrong ones, the worst first


def differences(got: Any, want: Any, tol: float, examples: int | None, where: str = "") -> Iterator[Difference]:
    """The arrays and numbers of a result, each compared entry by entry by the rule of compare.judge."""
    if type(want) in (list, tuple) and type(got) in (list, tuple):
        for i, (g, w) in enumerate(zip(got, want, strict=False)):
            yield from differences(g, w, tol, examples, f"{where}[{i}]")
    elif type(want) is dict and type(got) is dict:
        for key in (k for k in want if k in got):
            yield from differences(got[key], want[key], tol, examples, f"{where}[{key!r}]")
    elif isinstance(want, (np.ndarray, np.generic, bool, int, float)):
        found = _difference(got, want, tol, examples, where)
        if found:
            yield found


def _difference(got: Any, want: Any, tol: float, examples: int | None, where: str) -> Difference | None:
    try:
        g, w = np.asarray(got), np.asarray(want)
    except (ValueError, TypeError, OverflowError):
        return None
    if g.shape != w.shape or g.dtype.kind not in "biuf" or w.dtype.kind not in "biuf":
        return None
    if w.dtype.kind in "biu":
        wrong, allowed = g != w, np.zeros(w.shape)
    else:
        finite = np.isfinite(w)
        size = np.where(finite, np.abs(w), 0)
        others = None if examples is None or w.ndim <= examples else tuple(a for a in range(w.ndim) if a != examples)
        allowed = np.broadcast_to(tol * (1 + size.max(axis=others, keepdims=True, initial=0)), w.shape)
        with np.errstate(all="ignore"):
            wrong = np.where(finite, ~(np.abs(g - w) <= allowed), ~((g == w) | (np.isnan(g) & np.isnan(w))))
    if not w.size:
        return Difference(where, 0, 0, 0.0, 0.0, [])
    with np.errstate(all="ignore"):
        error = np.abs(g.astype(float) - w.astype(float))
    error = np.where((g == w) | ~wrong & ~np.isfinite(error), 0.0, error)
    ranked = np.where(np.isnan(error), np.inf, error)
    worst = np.unravel_index(int(np.argmax(ranked)), w.shape)
    indices = [tuple(i) for i in np.argwhere(wrong)[np.argsort(-ranked[wrong], kind="stable")].tolist()]
    entries = [Entry(i, w[i].item(), g[i].item(), float(allowed[i])) for i in indices[:MOST]]
    return Difference(where, int(wrong.sum()), int(w.size), float(error[worst]), float(allowed[worst]), entries)
