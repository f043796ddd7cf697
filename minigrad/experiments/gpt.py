"""A small GPT learns a text, and writes.  Escalera, *Recently in Natural Language Processing*; Télécom, *Decoder side*.

The deck names the Transformer, BERT and GPT-2, and prints no number. Here a GPT of 110,000 weights learns Python's help
pages letter by letter, beside an LSTM of as many weights that reads as many letters, and beside n-grams, which count
the whole text once. Neither network is done after so few updates, and the 5-gram is ahead of both: on a text this small
counting is hard to beat (as in `lm_compare`). What the GPT knows of a letter it takes from its window: the second
figure shows how many bits a letter costs after 1, 2, ... letters of it. After one it is as good as a 2-gram; after so
short a training nearly all of the rest comes from the last four.

It writes with the keys and values of earlier letters kept (`GPT.step`), which gives what the whole pass gives.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import viz
from minigrad.data.topics import split_text, topics_text
from minigrad.data.vocabulary import Vocabulary
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._next_letters import by_place, cached_less_whole, streams_of, train, windows_of
from minigrad.models.gpt import GPT
from minigrad.models.ngram import NGram
from minigrad.models.rnn_lm import RNNLM

ORDERS, BATCH, CONTEXT = (1, 2, 3, 5), 16, 64
LABELS = {**{f"order_{n}": f"{n}-gram, Kneser-Ney" for n in ORDERS}, "gpt": "GPT",
          "lstm": "LSTM of as many weights, after as many letters", "start": "GPT: the first 4 letters of a window",
          "end": "GPT: the last 32 letters of a window", "cache": "Steps with the cache: largest change of ln P"}

gpt = Experiment(
    "gpt", ids="E30", slide="Escalera, *Recently in Natural Language Processing*", seconds=45, unit="bits per letter",
    labels=LABELS, targets=[
        Target("the GPT needs fewer bits than the 3-gram", holds=lambda r: r["gpt"] < r["order_3"]),
        Target("and at most 5 % more than the LSTM", holds=lambda r: r["gpt"] < 1.05 * r["lstm"]),
        Target("the end of its window costs at least 0.5 bits less than the start",
               holds=lambda r: r["end"] < r["start"] - 0.5),
        Target("cache", at_most=1e-3)])


@gpt.run
def run(ctx: Context) -> None:
    """Train GPT and LSTM on the same text, set their bits beside those of n-grams, and let the GPT write."""
    texts = split_text(topics_text()[:40_000 if ctx.quick else None], ctx.part("text"))
    letters = Vocabulary.build("".join(texts), specials=())                    # all models know the alphabet
    ids, held_out, test = (letters.encode(text) for text in texts)
    held_out, updates = (held_out[:1000], 100) if ctx.quick else (held_out[:10_000], 1000)
    bits = {f"order_{n}": math.log2(NGram(n, "kneser-ney", vocab=len(letters)).fit(ids).perplexity(test))
            for n in ORDERS}

    ctx.part("gpt")
    settings: dict[str, Any] = dict(context=CONTEXT, d_model=32 if ctx.quick else 64, layers=1 if ctx.quick else 2)
    model = ctx.to_device(GPT(len(letters), **settings))
    train(ctx, "gpt", model, lambda: windows_of(ctx, model, ids, BATCH), held_out, updates=updates, rate=1e-2)
    ctx.part("lstm")
    lstm = ctx.to_device(RNNLM(len(letters), embedding=settings["d_model"], hidden=32 if ctx.quick else 124, tied=True,
                               forget_bias=1.0))
    train(ctx, "lstm", lstm, lambda: streams_of(ctx, lstm, ids, BATCH, CONTEXT), held_out, updates=updates, rate=8e-3)
    bits |= {"gpt": model.bits(test), "lstm": lstm.bits(test)}
    place = by_place(ctx, model, test)
    ctx.result(**bits, start=place[:4].mean(), end=place[-32:].mean(), cache=cached_less_whole(ctx, model, test))

    mg.save({"minigrad": "GPT", "tokens": letters.tokens, "settings": settings, "weights": model.state_dict()},
            ctx.folder / "model.npz")
    start = letters.encode("\n")
    sample = "".join(letters.decode(model.sample(start, 100 if ctx.quick else 400, ctx.part("sample"),
                                                 temperature=0.7)))
    (ctx.folder / "sample.txt").write_text(sample + "\n", encoding="utf-8")
    ctx.say(f"it writes:\n{sample}\n")

    levels = {f"{n}-gram": bits[f"order_{n}"] for n in ORDERS[1:]}
    ctx.figure("bits", viz.curves, {f"{BATCH} x {CONTEXT} letters an update": {
        name: np.transpose(ctx.history[f"{part} held_out"]) for name, part in (("GPT", "gpt"), ("LSTM", "lstm"))}},
        xlabel="updates", ylabel="bits per letter, text held out", levels=levels,
        title=f"After {updates * BATCH * CONTEXT:,} letters: GPT {bits['gpt']:.2f} bits, LSTM {bits['lstm']:.2f}, "
              f"counting gives {bits['order_3']:.2f} (3-gram) and {bits['order_5']:.2f} (5-gram)")
    ctx.figure("window", viz.curves, {"test text": {"GPT": (np.arange(1, CONTEXT + 1), place)}}, log="x",
               xlabel="letters of the window that it has seen", ylabel="bits for the next one", levels=levels,
               title=f"After one letter {place[0]:.2f} bits, where a 2-gram needs {bits['order_2']:.2f}; "
                     f"after more than 32, {place[-32:].mean():.2f}")
