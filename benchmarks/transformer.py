"""A Transformer block's training step beside PyTorch's, and decoding with a cache beside decoding without one."""
from __future__ import annotations

import os
import statistics
from typing import Any

import numpy as np

from .pairs import Row, Side, compare
from .recurrent import _say

HERE = "benchmarks.transformer_steps."
SIZES = ((64, 4), (128, 4), (256, 8), (512, 8))            # width, heads; 32 examples of 64 steps
PEERS = {"eager": "the equations", "fused": "scaled_dot_product_attention", "layer": "nn.TransformerEncoderLayer"}
LENGTHS = (64, 128, 256, 512, 1024)
EXPONENT = 1.25                                # of decoding time in length: 1 is linear, 2 is what whole passes exceed


def transformer(pairs: int) -> dict[str, Any]:
    """A Transformer block: forward, backward and Adam, beside PyTorch three ways, with one and two threads."""
    rows = []
    for threads in (1, 2):
        sides = Side(threads), Side(threads)
        rows += [_row(size, kind, threads, 1, pairs, sides) for size in SIZES for kind in PEERS]
        for side in sides:
            side.close()
    sides = _sleeping(2), Side(2)
    rows += [_row(size, kind, 2, 2, pairs, sides) for size in SIZES for kind in PEERS]
    for side in sides:
        side.close()
    return {"rows": rows}


def _row(size: tuple[int, int], kind: str, threads: int, shared: int, pairs: int, sides: tuple[Side, Side]) -> Row:
    name = f"d {size[0]} / {PEERS[kind]}, {threads} thread{'s' * (threads > 1)}" + ", parts on 2" * (shared > 1)
    limit = None
    if shared == 1 and threads == 1:
        limit = 1.05 if kind == "fused" else 1.0
    elif shared == 1 and kind != "fused":
        limit = 1.35 if size[0] == 64 else 1.2
    return _say(compare(name, HERE + "block", HERE + "torch_block", [*size, kind, shared], pairs=pairs, limit=limit,
                        sides=sides))


def decoding(pairs: int) -> dict[str, Any]:
    """A small GPT writes 64 to 1,024 characters: seconds with the cache are nearly linear in the length."""
    rows = [_say(compare(f"{n} characters, with the cache / by whole passes", HERE + "decode", HERE + "decode_whole",
                         [n], pairs=min(pairs, 5))) for n in LENGTHS[:3]]
    side, seconds = Side(1), {}
    for n in LENGTHS:
        side.ask(make=HERE + "decode", args=[n])
        seconds[str(n)] = statistics.median(side.ask(seconds=0.3) for _ in range(pairs))
    side.close()
    times = list(seconds.values())
    exponent = float(np.polyfit(np.log(LENGTHS), np.log(times), 1)[0])
    return {"rows": rows, "seconds": {n: round(s, 4) for n, s in seconds.items()}, "exponent": round(exponent, 3),
            "of_twice_the_length": [round(b / a, 2) for a, b in zip(times, times[1:], strict=False)],
            "limit_of_exponent": EXPONENT, "held": exponent <= EXPONENT}


def _sleeping(threads: int) -> Side:
    """A side whose idle BLAS workers sleep soon, so that Python's threads find a free core."""
    os.environ["OPENBLAS_THREAD_TIMEOUT"] = "18"
    try:
        return Side(threads)
    finally:
        del os.environ["OPENBLAS_THREAD_TIMEOUT"]
