"""Training steps of RNN, LSTM and GRU over a grid of sizes, and of character models, beside PyTorch's."""
from __future__ import annotations

import math
import sys
from typing import Any

from . import recurrent_steps as steps
from .pairs import Row, Side, compare

HERE = "benchmarks.recurrent_steps."
EACH = {("RNN", 1): 1.05, ("RNN", 2): 1.05, ("GRU", 1): 1.05, ("GRU", 2): 1.05, ("LSTM", 1): 1.3, ("LSTM", 2): 1.55}
MEAN = {("RNN", 1): 0.63, ("RNN", 2): 0.63, ("GRU", 1): 0.63, ("GRU", 2): 0.63, ("LSTM", 1): 1.15, ("LSTM", 2): 1.25}
ALL = 0.76                                     # the geometric mean of all rows together


def layers(pairs: int) -> dict[str, Any]:
    """RNN, GRU and LSTM: forward, backward and Adam, beside PyTorch with its fused Adam, with one and two threads."""
    rows: list[Row] = []
    means: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for threads in (1, 2):
        sides = Side(threads), Side(threads)
        peaks[str(threads)] = _peak(sides[0])
        for cell in ("RNN", "GRU", "LSTM"):
            mine = [_row(cell, size, True, EACH[cell, threads], pairs, sides) for size in steps.grid()]
            means[f"{cell}, {threads} thread{'s' * (threads > 1)}"] = _geometric(mine)
            rows += mine
        rows += [_row("LSTM", (50, b, 512, 1), False, 1.0, pairs, sides) for b in (32, 64)]
        peaks[str(threads)] = max(peaks[str(threads)], _peak(sides[0]))
        for side in sides:
            side.close()
    means["all rows"] = _geometric([r for r in rows if "data" not in r.name])
    limits = {f"{c}, {t} thread{'s' * (t > 1)}": limit for (c, t), limit in MEAN.items()} | {"all rows": ALL}
    return {"rows": rows, "gemm_peak_gflops": peaks, "geometric_means": means, "limits_of_means": limits,
            "held": {k: means[k] <= v for k, v in limits.items()}}


def characters(pairs: int) -> dict[str, Any]:
    """A character model's step (embedding, LSTM, projection, cross-entropy, clipping, Adam) beside PyTorch's."""
    none: dict[int, float] = {}
    sizes = [(65, 64, 128, 50, 32, none), (65, 128, 128, 50, 32, {1: 0.95}), (97, 128, 128, 50, 32, none),
             (97, 128, 256, 50, 32, none), (97, 256, 256, 50, 64, {1: 0.75, 2: 0.9}),
             (97, 512, 512, 50, 32, {1: 0.75, 2: 0.9})]
    rows = []
    for threads in (1, 2):
        sides = Side(threads), Side(threads)
        for v, e, h, t, b, limits in sizes:
            name = f"V {v}, E {e}, H {h}, T {t}, B {b}, {threads} thread{'s' * (threads > 1)}"
            rows.append(_say(compare(name, HERE + "characters", HERE + "torch_characters", [v, e, h, t, b], pairs=pairs,
                                     limit=limits.get(threads), sides=sides)))
        for side in sides:
            side.close()
    return {"rows": rows}


def _row(cell: str, size: steps.Sizes, wanted: bool, limit: float, pairs: int, sides: tuple[Side, Side]) -> Row:
    t, b, h, n = size
    threads = sides[0].threads
    name = (f"{cell} H {h}, T {t}, B {b}" + (f", {n} layers" if n > 1 else "") + ("" if wanted else ", input is data")
            + f", {threads} thread{'s' * (threads > 1)}")
    return _say(compare(name, HERE + "layer", HERE + "torch_layer", [cell, *size, wanted], pairs=pairs, seconds=0.1,
                        limit=limit, work=steps.operations(cell, *size, wanted), sides=sides))


def _say(row: Row) -> Row:
    """A hundred rows take a quarter of an hour: show each when it is there."""
    print(f"  {row.name:<50} {row.ratio:6.3f}", file=sys.stderr, flush=True)
    return row


def _peak(side: Side) -> float:
    """GFLOP/s of a square product of 1024: what this machine's BLAS reaches, the best of five turns."""
    side.ask(make=HERE + "gemm", args=[])
    return round(2 * 1024 ** 3 / min(side.ask(seconds=0.2) for _ in range(5)) / 1e9, 1)


def _geometric(rows: list[Row]) -> float:
    return round(math.exp(sum(math.log(r.ratio) for r in rows) / len(rows)), 3)
