"""Counting n-grams beside collections.Counter, NLTK's FreqDist and nltk.lm."""
from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from .pairs import Row, Side, compare

HERE = "benchmarks.ngram_steps."
PEERS = {"counter": ("Counter", 4), "freqdist": ("FreqDist", 8), "nltk_lm": ("nltk.lm", 25)}          # times as fast
SLOW_PAIRS = 3                                 # a turn of nltk.lm takes three times 10 to 20 s


def counting(pairs: int) -> dict[str, Any]:
    """All n-grams, n = 1 to 5, of 1 M tokens: at most 1/4 of Counter's time, 1/8 of FreqDist's, 1/25 of nltk.lm's."""
    rows: list[Row] = []
    for vocab in (4000, 50_000):
        for peer, (name, times) in PEERS.items():
            if peer == "counter" or find_spec("nltk"):
                rows.append(_row("ours", vocab, peer, name, pairs, 1 / times))
        rows.append(_row("ours_from_words", vocab, "counter", "Counter, words to ids included", pairs, None))
    return {"rows": rows, "times_as_fast": {row.name: round(1 / row.ratio, 1) for row in rows}}


def _row(ours: str, vocab: int, peer: str, name: str, pairs: int, limit: float | None) -> Row:
    """Two fresh processes each: what NLTK leaves behind is some 2 GB."""
    sides = Side(1), Side(1)
    row = compare(f"V {vocab:,}, {name}", HERE + ours, HERE + peer, [vocab],
                  pairs=min(pairs, SLOW_PAIRS) if peer == "nltk_lm" else pairs, limit=limit, sides=sides)
    for side in sides:
        side.close()
    return row
