"""The twins of `clip.cu`."""
from __future__ import annotations

from typing import Any

import numpy as np

THREADS = 256                                  # of a block


def gradient_squares(parts: Any, offset: Any, blocks: Any, g0: Any, g1: Any, g2: Any, g3: Any, g4: Any, g5: Any,
                     g6: Any, g7: Any, g8: Any, g9: Any, g10: Any, g11: Any, g12: Any, g13: Any, g14: Any, g15: Any,
                     n0: Any, n1: Any, n2: Any, n3: Any, n4: Any, n5: Any, n6: Any, n7: Any, n8: Any, n9: Any, n10: Any,
                     n11: Any, n12: Any, n13: Any, n14: Any, n15: Any) -> None:
    """parts[offset + block] = the sum of squares of what the block reads: every `blocks`-th stretch of 256 elements."""
    grads = (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15)
    sizes = (n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12, n13, n14, n15)
    sums = np.zeros(blocks, np.float32)
    for g, n in zip(grads, sizes, strict=True):
        if n:
            padded = np.zeros(-(-n // (blocks * THREADS)) * blocks * THREADS, np.float32)
            padded[:n] = g.reshape(-1)
            sums += (padded * padded).reshape(-1, blocks, THREADS).sum((0, 2))
    parts[offset:offset + blocks] = sums


def gradient_norm(parts: Any, n: Any, largest: Any, out: Any) -> None:
    """out = (the root of the sum of n parts, the factor min(1, largest / (norm + 1e-6)))."""
    root = np.sqrt(parts[:n].sum())
    out[0], out[1] = root, np.minimum(largest / (root + np.float32(1e-6)), np.float32(1))


def gradient_scale(factor: Any, g0: Any, g1: Any, g2: Any, g3: Any, g4: Any, g5: Any, g6: Any, g7: Any, g8: Any,
                   g9: Any, g10: Any, g11: Any, g12: Any, g13: Any, g14: Any, g15: Any, n0: Any, n1: Any, n2: Any,
                   n3: Any, n4: Any, n5: Any, n6: Any, n7: Any, n8: Any, n9: Any, n10: Any, n11: Any, n12: Any,
                   n13: Any, n14: Any, n15: Any) -> None:
    """Each gradient times factor[0], in place."""
    grads = (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15)
    for g in grads:
        if g is not None:
            g *= factor[0]
