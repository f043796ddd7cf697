"""Keys and values of the steps so far, kept: at decoding a new step costs O(T), and not a whole new pass.

Télécom, *Decoder side*: outputs are fed back one at a time, and the keys and values of earlier ones do not change.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..tensor import Tensor


class Cache:
    """Keys (B, h, t, d) and values (B, h, t, e) of t steps.

    They lie in larger arrays, which double when they are full: T steps copy less than 2 T rows. A cache never changes:
    `append` gives another one, which shares the arrays; it copies them first where another continuation of this cache
    has already written behind its end.
    """

    __slots__ = ("length", "_keys", "_values", "_written", "_device")

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.length, self._device = keys.shape[2], keys.device
        self._keys, self._values = keys.data, values.data
        self._written = [self._keys.shape[2]]              # shared by all caches on these arrays: where they end

    keys = property(lambda self: Tensor(self._keys[:, :, :self.length], False, self._device))
    values = property(lambda self: Tensor(self._values[:, :, :self.length], False, self._device))

    def append(self, keys: Tensor, values: Tensor) -> Cache:
        """With keys (B, h, n, d) and values (B, h, n, e) of n more steps."""
        longer, end = object.__new__(Cache), self.length + keys.shape[2]
        longer.length, longer._device = end, self._device
        if self._written[0] == self.length and end <= self._keys.shape[2]:
            longer._keys, longer._values, longer._written = self._keys, self._values, self._written
        else:
            room = max(2 * self.length, end, 16)
            longer._keys, longer._values = (self._moved(a, room) for a in (self._keys, self._values))
            longer._written = [end]
        longer._keys[:, :, self.length:end] = keys.data
        longer._values[:, :, self.length:end] = values.data
        longer._written[0] = end
        return longer

    def _moved(self, old: Any, room: int) -> Any:
        B, h, _, d = old.shape
        new = self._device.xp.empty((B, h, room, d), dtype=old.dtype)
        new[:, :, :self.length] = old[:, :, :self.length]
        return new

    def take(self, rows: Any) -> Cache:
        """The caches of some examples of the batch, in this order, in arrays of their own."""
        picked = object.__new__(Cache)
        picked.length, picked._device, picked._written = self.length, self._device, [self.length]
        picked._keys, picked._values = self._keys[rows], self._values[rows]
        return picked


class Memory(NamedTuple):
    """What a decoder layer keeps of the encoder's output: its keys and values, and which of them are hidden."""

    seen: Cache
    hidden: Tensor | None


class DecoderCache(NamedTuple):
    """A decoder layer's cache: of its own steps, and of the encoder's output."""

    own: Cache
    memory: Memory


def take(cache: Any, rows: Any) -> Any:
    """A cache, or a list of caches, of some examples of the batch: `take(cache, [2, 2, 0])` for three beams.

    rows: integers. Lists and tuples are taken apart, Tensors and arrays are indexed, None stays.
    """
    if cache is None:
        return None
    if isinstance(cache, (list, tuple)):
        parts = [take(part, rows) for part in cache]
        return type(cache)(*parts) if hasattr(cache, "_fields") else type(cache)(parts)
    if isinstance(cache, Cache):
        return cache.take(cache._device.asarray(np.asarray(rows)))
    return cache[rows]
