"""Random bits without a state: Philox4x32-10, for dropout masks that are the same on every device.

Salmon, Moraes, Dror, Shaw, *Parallel Random Numbers: As Easy as 1, 2, 3* (2011). A block of four 32-bit words is a pure
function of a 128-bit counter and a 64-bit key, so each thread of a GPU computes its own. A twin in another language
gives the same masks if it keeps to this layout:

    key      (seed mod 2^32, seed div 2^32)
    counter  (block mod 2^32, block div 2^32, 0, 0)
    word i   word i mod 4 of block i div 4; i counts the elements of the tensor in C order, whatever its strides
    kept     where word i >= round(p 2^32), at most 2^32 - 1; a kept value is multiplied by 1 / (1 - p)
"""
from __future__ import annotations

from typing import Any

_LOW = 0xFFFFFFFF


def words(xp: Any, seed: int, n: int) -> Any:
    """The first n 32-bit words of a seed's sequence: (n,) uint32, made where xp lives."""
    index = xp.arange(-(-n // 4), dtype="uint64")
    counter = (index & _LOW, index >> 32, xp.zeros_like(index), xp.zeros_like(index))
    block = rounds(counter, (seed & _LOW, seed >> 32 & _LOW))
    return xp.reshape(xp.stack(block, axis=1), (-1,))[:n].astype("uint32")


def rounds(counter: tuple, key: tuple[int, int]) -> tuple:
    """Ten rounds on a counter of four words, held as uint64 so that a product keeps its upper half."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & _LOW, (p0 >> 32) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + 0x9E3779B9) & _LOW, (k1 + 0xBB67AE85) & _LOW
    return c0, c1, c2, c3


def mask(xp: Any, seed: int, p: float, shape: tuple, dtype: Any) -> Any:
    """0 with probability p, else 1 / (1 - p): an array of that shape and dtype."""
    n = 1
    for length in shape:
        n *= length
    kept = words(xp, seed, n) >= min(round(p * 2 ** 32), _LOW)
    return xp.reshape(kept, shape).astype(dtype) * (1 / (1 - p))
