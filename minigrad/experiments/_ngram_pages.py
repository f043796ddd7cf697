"""The half of x/ngram that reads real text: Python's help pages, word by word, as one stream."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import viz
from minigrad.data.tokenise import words
from minigrad.data.topics import split_text, topics_text
from minigrad.data.vocabulary import Vocabulary
from minigrad.experiments.harness import Context
from minigrad.models.ngram import SMOOTHINGS, NGram

ORDERS, LONGEST = (1, 2, 3, 4, 5), 8
ADDED = (1.0, 0.1, 0.01, 1e-3, 1e-4)           # the k of add-k is chosen on the validation text


def help_pages(ctx: Context) -> None:
    """Five smoothings, n = 1 to 5, on the same words; then what the counts lack, and how many there are."""
    parts = [words(part)[:6000 if ctx.quick else None] for part in split_text(topics_text(), ctx.part("help pages"))]
    v = Vocabulary.build(parts[0], min_count=2)
    train, valid, test = (v.encode(part) for part in parts)
    lines = {s: [perplexity(n, s, v, train, valid, test) for n in ORDERS] for s in SMOOTHINGS}
    for s, values in lines.items():
        ctx.part(f"help pages, {s}")
        for n, value in zip(ORDERS, values, strict=True):
            if math.isfinite(value):
                ctx.log(n, perplexity=value)
    best = {s: min(values) for s, values in lines.items()}
    others = np.min([lines[s][1:] for s in SMOOTHINGS if s != "kneser-ney"], 0)
    ctx.table(f"Perplexity on {len(test):,} words after {len(train):,}, {len(v):,} different ones",
              ["", *(f"n = {n}" for n in ORDERS)], [[s, *values] for s, values in lines.items()])
    ctx.result(**{f"text_{n}": p for n, p in zip(ORDERS, lines["kneser-ney"], strict=True)},
               **{s: p for s, p in best.items() if s != "kneser-ney"}, ahead=(others / lines["kneser-ney"][1:]).min())
    ctx.figure("smoothing", viz.curves, {f"{len(train):,} words of help pages": {
                   s: (ORDERS, values) for s, values in lines.items()}}, xlabel="n", ylabel="perplexity",
               ylim=(0, 1.1 * best["mle"]),
               title=f"Longer contexts help only who smooths well: Kneser-Ney reaches {best['kneser-ney']:.1f}, add-k "
                     f"{best['add-k']:.1f}; maximum likelihood is infinite from n = "
                     f"{1 + sum(map(math.isfinite, lines['mle']))} on")
    model = NGram(LONGEST, "kneser-ney", vocab=v).fit(train)
    lengths, shares = np.arange(1, LONGEST + 1), model.sparsity(test)
    ctx.result(**{f"unseen_{k}": shares[k - 1, 0] for k in ORDERS}, stored_5=model.sizes[4] / len(train))
    ctx.figure("sparsity", viz.curves, {f"{len(test):,} words of the test text": {
                   "n-gram never seen: probability 0": (lengths, shares[:, 0]),
                   "context never seen: 0 / 0": (lengths, shares[:, 1])}}, xlabel="n", ylabel="share of the n-grams",
               title=f"{100 * shares[2, 0]:.0f} % of the test text's 3-grams and {100 * shares[4, 0]:.0f} % of its "
                     "5-grams were never seen")
    tables: dict[str, tuple[Any, Any]] = {
        f"{size:,} words read": (lengths, NGram(LONGEST, vocab=v).fit(train[:size]).sizes)
        for size in (len(train) // 16, len(train) // 4, len(train))}
    tables["V^n"] = lengths, float(len(v)) ** lengths
    ctx.figure("storage", viz.curves, {f"{len(v):,} different words": tables}, log="y", xlabel="n",
               ylabel="different n-grams", ylim=(100, 100 * len(train)),
               title=f"A table of n-grams grows to the size of its text, {len(train):,} words, not to V^n")
    for k in (1, 2, 3, 5):
        written = NGram(k, "kneser-ney", vocab=v).fit(train).sample(ctx.rng, 20)
        ctx.say(f"n = {k}:  {' '.join(v.decode(written))}")


def perplexity(n: int, smoothing: str, v: Vocabulary, train: np.ndarray, valid: np.ndarray, test: np.ndarray) -> float:
    """On the test text; what a smoothing has to choose (k, the weights) is chosen on the validation text."""
    if smoothing == "add-k":
        k = min(ADDED, key=lambda k: NGram(n, smoothing, vocab=v, k=k).fit(train).perplexity(valid))
        return NGram(n, smoothing, vocab=v, k=k).fit(train).perplexity(test)
    return NGram(n, smoothing, vocab=v).fit(train, valid).perplexity(test)
