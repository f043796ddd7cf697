"""Random bits without a state, and dropout by them: Philox4x32-10, so that masks are the same on every device.

Salmon, Moraes, Dror, Shaw, *Parallel Random Numbers: As Easy as 1, 2, 3* (2011). A block of four 32-bit words is a pure
function of a 128-bit counter and a 64-bit key, so each thread of a GPU computes its own (`kernels/dropout.cu`). A twin
in another language gives the same masks if it keeps to this layout:

    key      (seed mod 2^32, seed div 2^32)
    counter  (block mod 2^32, block div 2^32, 0, 0)
    word i   word i mod 4 of block i div 4; i counts the elements of the tensor in C order, whatever its strides
    kept     where word i >= round(p 2^32), at most 2^32 - 1; a kept value is multiplied by 1 / (1 - p)
"""
from __future__ import annotations

from typing import Any

import numpy as np

from . import kernels, ops
from .tensor import primitive

_LOW = 0xFFFFFFFF
_PER_BLOCK = 4 * 256                           # elements that a block of the kernel has

BLOCK = 8192                                   # counters a pass on the host: six arrays of uint64 in the cache


def words(xp: Any, seed: int, n: int) -> Any:
    """The first n 32-bit words of a seed's sequence: (n,) uint32, made where xp lives."""
    if xp is np:
        return _on_host(seed, n)
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


def _on_host(seed: int, n: int) -> np.ndarray:
    """`words` in place, in blocks that stay in the cache: a fifth of the time of whole arrays."""
    m = -(-n // 4)
    out, work = np.empty((m, 4), np.uint32), np.empty((6, min(BLOCK, m)), np.uint64)
    low, half = np.uint64(_LOW), np.uint64(32)
    for start in range(0, m, BLOCK):
        b = min(BLOCK, m - start)
        c0, c1, c2, c3, p0, p1 = work[:, :b]
        p0[:] = np.arange(start, start + b, dtype=np.uint64)
        np.bitwise_and(p0, low, out=c0)
        np.right_shift(p0, half, out=c1)
        c2[:] = c3[:] = 0
        k0, k1 = seed & _LOW, seed >> 32 & _LOW
        for _ in range(10):
            np.multiply(c0, np.uint64(0xD2511F53), out=p0)
            np.multiply(c2, np.uint64(0xCD9E8D57), out=p1)
            for p, c, other, k in ((p1, c0, c1, k0), (p0, c2, c3, k1)):
                np.right_shift(p, half, out=c)
                c ^= other
                c ^= np.uint64(k)
                np.bitwise_and(p, low, out=other)
            k0, k1 = (k0 + 0x9E3779B9) & _LOW, (k1 + 0xBB67AE85) & _LOW
        for i, c in enumerate((c0, c1, c2, c3)):
            out[start:start + b, i] = c
    return out.reshape(-1)[:n]


def mask(xp: Any, seed: int, p: float, shape: tuple, dtype: Any) -> Any:
    """0 with probability p, else 1 / (1 - p): an array of that shape and dtype."""
    n = 1
    for length in shape:
        n *= length
    return xp.reshape(words(xp, seed, n) >= threshold(p), shape).astype(dtype) * (1 / (1 - p))


def threshold(p: float) -> int:
    """The least word that is kept where p is the probability of 0."""
    return min(round(p * 2 ** 32), _LOW)


@primitive
def dropout(xp: Any, a: Any, *, key: int, p: float, key_at: Any = None) -> Any:
    """y = a m, m = 0 with probability p, else 1 / (1 - p);  da = g m

    key: the seed of m.  key_at: with kernels, an array that holds it, read whenever the node runs.  With kernels m is
    not stored: one launch forward, one backward.
    """
    if xp is ops:                              # linear in a: its gradients of every order are itself
        return dropout(a, key=key, p=p, key_at=key_at), lambda g: (dropout(g, key=key, p=p, key_at=key_at),)
    if (k := kernels.of(xp, a.dtype)) is None:
        m = mask(xp, key, p, a.shape, a.dtype)
        return a * m, lambda g: (g * m,)

    def masked(x: Any) -> Any:
        x = x if x.flags.c_contiguous else xp.ascontiguousarray(x)
        y = xp.empty(x.shape, x.dtype)
        k("dropout", -(-x.size // _PER_BLOCK), 256, x, y, x.size, key & (1 << 64) - 1, key_at, threshold(p),
          1 / (1 - p))
        return y
    return masked(a), lambda g: (masked(g),)
