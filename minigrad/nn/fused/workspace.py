"""Arrays that a fused node works in, kept for the next call: a fresh large array costs a page fault every 4 kB.

A graph leases a workspace when it is recorded; the lease lives in the node's vjp. When the tape frees the node (after
backward, or with the last name of the graph) the lease ends, and the workspace may serve the next call of the same
sizes. So two live graphs never share one, and nothing that a node returns may lie in one.
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

LIMIT = 256 << 20                              # bytes that idle workspaces may hold; the longest idle go first

_idle: OrderedDict[Hashable, list[Any]] = OrderedDict()
_held = 0                                      # bytes in _idle


class Lease:
    """The right to use one workspace; it ends with the object."""

    __slots__ = ("key", "space")

    def __init__(self, key: Hashable, make: Callable[[], Any]) -> None:
        global _held
        self.key, idle = key, _idle.get(key)
        if idle:
            self.space = idle.pop()
            _held -= self.space.nbytes
        else:
            self.space = make()

    def __del__(self) -> None:
        global _held
        if _idle is None or not hasattr(self, "space"):        # the interpreter is ending, or make() raised
            return
        _idle.setdefault(self.key, []).append(self.space)
        _idle.move_to_end(self.key)
        _held += self.space.nbytes
        while _held > LIMIT and _idle:
            oldest = next(iter(_idle))
            if _idle[oldest]:
                _held -= _idle[oldest].pop().nbytes
            if not _idle[oldest]:
                del _idle[oldest]


def idle_bytes() -> int:
    """How much memory idle workspaces hold."""
    return _held


def clear() -> None:
    """Give all idle workspaces back to the system."""
    global _held
    _idle.clear()
    _held = 0
