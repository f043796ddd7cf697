"""Pairs of which no source occurs twice: a split of the list is then a split without leaks."""
from __future__ import annotations

from collections.abc import Callable

from ..errors import describe

Pair = tuple[list[str], list[str]]
_PATIENCE = 200                                # draws in a row that bring nothing new: there is hardly anything left


def distinct_pairs(draw: Callable[[], Pair], count: int, what: str) -> list[Pair]:
    """`count` pairs (source, target) from draw(), each source once, in the order drawn.

    what: what is drawn, for the message. Raises ValueError for a count below 0, or where nothing new comes any more.
    """
    if count < 0:
        raise ValueError(f"there are no {count} pairs")
    pairs: dict[tuple[str, ...], Pair] = {}
    misses = 0
    while len(pairs) < count:
        source, target = draw()
        known = len(pairs)
        pairs.setdefault(tuple(source), (source, target))
        misses = misses + 1 if len(pairs) == known else 0
        if misses > _PATIENCE:
            raise ValueError(describe(f"{what}: no new one after {len(pairs)} of {count}.",
                                      fix="longer ones, or fewer"))
    return list(pairs.values())
