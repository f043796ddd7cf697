"""A text, one character at a time.   Chemnitz, *Many to One: next character/word prediction*, *Sunspring SciFi movie*.

The deck: a recurrent network that has learned to name the next character of Shakespeare writes more of him, when what
it draws is fed back. Escalera, *Sampling*; Télécom, *(3) Sampling novel sequences*, *One-to-Many* (music). Here a text
that every Python has, any file (`--text FILE`), or melodies whose bars come again after 8 notes (`--corpus notes`):
an n-gram model of order 3 sees two notes, so it cannot know them. `minigrad sample` writes with what was learned.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import viz
from minigrad.data.vocabulary import Vocabulary
from minigrad.experiments import Context, Experiment, Option, Target
from minigrad.experiments._reading import read, read_corpus
from minigrad.models.ngram import NGram
from minigrad.models.text_model import TextModel

ORDERS = (1, 3, 5, 8)
LABELS = {"alphabet": "nothing known: log2 V", **{f"order_{n}": f"{n}-gram, Kneser-Ney" for n in ORDERS},
          "lstm": "LSTM", "entropy": "the corpus' own entropy"}
charlm = Experiment(
    "charlm", ids="C38 C39 R7 T10 T39", slide="Chemnitz, *Many to One: next character/word prediction*",
    seconds=60, unit="bits per character",
    labels=LABELS, options=[
        Option("corpus", "what to learn: Python's help pages, or melodies", choices=("topics", "notes")),
        Option("text", "learn this text instead", metavar="FILE")],
    targets=[Target("the LSTM needs fewer bits than the 3-gram", holds=lambda r: r["lstm"] < r["order_3"]),
             Target("notes: the LSTM is within 10 % of the entropy, and no n-gram within 50 %", holds=lambda r: (
                 "entropy" not in r or r["lstm"] < 1.1 * r["entropy"] and
                 min(r[f"order_{n}"] for n in ORDERS) > 1.5 * r["entropy"]))])


@charlm.run
def run(ctx: Context) -> None:
    """Train the LSTM, show what it writes on the way, and set its bits beside those of n-grams on the same text."""
    (train, held_out, test), entropy = read_corpus(ctx)
    letters = Vocabulary.build(train + held_out + test, specials=())          # all of them know the alphabet
    bits, held = {"alphabet": math.log2(len(letters))}, {}
    for n in ORDERS:
        grams = NGram(n, "kneser-ney", vocab=len(letters)).fit(letters.encode(train))
        bits[f"order_{n}"], held[n] = (math.log2(grams.perplexity(letters.encode(text))) for text in (test, held_out))
    ctx.part("LSTM")
    size: dict[str, Any] = dict(embedding=32, hidden=32) if ctx.quick else dict(embedding=128, hidden=256)
    plan = dict(rounds=4, updates=25, batch=8) if ctx.quick else dict(rounds=20, updates=75, batch=16)
    writer = read(ctx, TextModel(letters, **size, forget_bias=1.0), train, held_out, steps=50, rate=8e-3, **plan)
    bits["lstm"] = writer.model.bits(letters.encode(test))
    if entropy is not None:
        bits["entropy"] = entropy / math.log(2)
    ctx.result(**bits)

    curves = {name: np.transpose(ctx.history[f"LSTM {key}"])
              for name, key in (("LSTM, text that it learns", "bits"), ("LSTM, text held out", "held_out"))}
    best = min((name for name in bits if name != "entropy"), key=bits.__getitem__)
    ctx.figure("bits", viz.curves, {f"{len(train):,} characters, {len(letters)} different ones": curves},
               xlabel="updates", ylabel="bits per character",
               levels={f"{n}-gram, text held out": held[n] for n in ORDERS[1:]} | (
                   {} if entropy is None else {LABELS["entropy"]: bits["entropy"]}),
               title=f"{LABELS[best]} is best on the test text, by bits per character: LSTM {bits['lstm']:.2f}, "
                     + ", ".join(f"{n}-gram {bits[f'order_{n}']:.2f}" for n in ORDERS[1:]))
