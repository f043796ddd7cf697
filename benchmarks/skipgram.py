"""Skip-gram with negative sampling beside gensim's, each at the rate that is best for it."""
from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from . import skipgram_steps as steps
from .pairs import compare
from .steps import Step

HERE = "benchmarks.skipgram_steps."
RATES = {"ours": (0.025, 0.035, 0.042, 0.05), "gensim": (0.025, 0.035, 0.05, 0.075)}
SEEDS = (1, 2, 3)
EQUAL = 0.002                                  # shares within this are equal: the spread over seeds


def skipgram(pairs: int, count: int = 1_000_000) -> dict[str, Any]:
    """A million words beside gensim: one worker (limit 0.8: at least 1.25 times its words a second), then two against
    two; held only if the share of neighbours of the own group is as good."""
    make: dict[str, Callable[[float, int], Step]] = {
        "ours": lambda rate, seed: steps.ours(count, rate, 1, seed),
        "gensim": lambda rate, seed: steps.gensim(count, rate, 1, seed)}
    found = {side: {rate: steps.quality(make[side](rate, 1), count) for rate in rates}
             for side, rates in RATES.items()}
    best = {side: max(shares, key=shares.__getitem__) for side, shares in found.items()}
    median = {side: statistics.median(steps.quality(make[side](best[side], seed), count) for seed in SEEDS)
              for side in RATES}
    rows = [compare(f"skip-gram, {count:,} words, {k} worker{'s' * (k > 1)} each", HERE + "ours", HERE + "gensim",
                    [count, [best["ours"], best["gensim"]], k], pairs=pairs, seconds=0.1, limit=0.8 if k == 1 else None)
            for k in (1, 2)]                   # our workers are Python threads, with a BLAS of one thread
    return {"rows": rows, "rates": best, "own_group": median,
            "own_group_by_rate": {side: {str(rate): round(share, 4) for rate, share in shares.items()}
                                  for side, shares in found.items()},
            "words_a_second": {row.name: {"ours": round(count / row.ours), "gensim": round(count / row.theirs)}
                               for row in rows},
            "held": bool(rows[0].held) and median["ours"] >= median["gensim"] - EQUAL}
