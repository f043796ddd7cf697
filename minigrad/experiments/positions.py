"""Where in the sentence?   Télécom, *Positional Encoding (1)*, *Positional Encoding (2)*.

The deck adds a vector of sines and cosines to each embedding and shows it for 20 words with 512 features: sines in the
left half, cosines in the right one. The paper interleaves them; the first figure has both. The deck says that the model
"learns" to follow a pattern: this pattern is fixed, and a learned table is another choice (BERT's).

The task is the smallest that needs an order: was letter a before letter b? Texts come in pairs with the same letters
and opposite answers, so an encoder without positions is right in exactly one half; with any of three kinds it is right.
On texts longer than any of the training no kind is safe: rows of a learned table were never trained there, and sines
and cosines are sums of angles that were never seen together. The second figure shows both. Third figure: how alike two
positions are depends on their distance alone, for sin p sin q + cos p cos q = cos(p - q).
"""
from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minigrad import viz
from minigrad.data.token_orders import LETTERS, TokenOrders, token_orders
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._attention_readers import Questions, ask, train
from minigrad.models.attention_reader import AttentionReader
from minigrad.nn.positions import sinusoidal
from minigrad.viz.positions import positions as pictures

KINDS = {"none": "No positions", "sinusoidal": "Sines and cosines, interleaved", "halves": "Sines left, cosines right",
         "learned": "Learned positions"}
TRAINED = range(2, 21)                         # lengths
TESTED = (4, 8, 12, 16, 20, 24, 28, 32, 40)
LABELS = {name: f"{words}: 2 to 20 letters" for name, words in KINDS.items()} | {
    f"{name}_longer": f"{words}: 24 to 40 letters" for name, words in KINDS.items()} | {
    "distance_only": "Largest change of PE(p) PE(q) along a distance"}

positions = Experiment(
    "positions", ids="T74 T75", slide="Télécom, *Positional Encoding (2)*", seconds=20, unit="share", labels=LABELS,
    targets=[Target("without positions: right in exactly half",
                    holds=lambda r: r["none"] == r["none_longer"] == 0.5),
             *[Target(name, at_least=0.97) for name in KINDS if name != "none"],
             Target("longer texts are harder for each kind", holds=lambda r: all(
                 r[f"{name}_longer"] < r[name] - 0.05 for name in KINDS if name != "none")),
             Target("distance_only", at_most=1e-9)])


def asked(texts: TokenOrders) -> Questions:
    """Was a before b?"""
    return Questions(texts.ids, texts.lengths, None, texts.labels)


@positions.run
def run(ctx: Context) -> None:
    """Train an encoder with each kind of positions, ask it at every length, and draw the positions themselves."""
    rng = ctx.part("texts")
    data = asked(token_orders(rng, 200 if ctx.quick else 1000, range(2, 6) if ctx.quick else TRAINED))
    test = asked(token_orders(rng, 50 if ctx.quick else 300, TRAINED))
    by_length = {n: asked(token_orders(rng, 20 if ctx.quick else 200, [n])) for n in TESTED}
    results, lines = dict[str, float](), dict[str, Any]()
    for kind, words in KINDS.items():
        make = partial(AttentionReader, len(LETTERS), 2, d_model=32, heads=2, layers=2, longest=max(TESTED),
                       positions=None if kind == "none" else kind)
        model = train(ctx, kind, make, data, test, updates=100 if ctx.quick else 400, batch=32 if ctx.quick else 64,
                      series="nats" if kind == "none" else "loss")             # at ln 2, from which it cannot fall
        right = {n: (ask(ctx, model, some) == some.answers).mean() for n, some in by_length.items()}
        results[kind] = (ask(ctx, model, test) == test.answers).mean()
        results[f"{kind}_longer"] = np.mean([share for n, share in right.items() if n > max(TRAINED)])
        lines[words] = list(right), list(right.values())
    tables = {"halves, the deck's picture: sines left, cosines right": sinusoidal(20, 512, layout="halves"),
              "interleaved, the paper: sine, cosine, sine, cosine ...": sinusoidal(20, 512)}
    likeness = [table @ table.T for table in tables.values()]                              # (20, 20) each
    diagonals = [np.diagonal(grid, k) for grid in likeness for k in range(20)]
    ctx.result(**results, distance_only=max(np.ptp(line) for line in diagonals))

    ctx.figure("encoding", pictures, tables, title="The same numbers in two layouts: 20 positions with 512 features")
    ctx.figure("lengths", viz.curves, {f"trained on {min(TRAINED)} to {max(TRAINED)} letters": lines},
               xlabel="letters in the text", ylabel="share of right answers", ylim=(0.3, 1.03),
               title=f"Was a before b? Without positions {results['none']:.0%}; with them {results['sinusoidal']:.0%}, "
                     f"but in longer texts {results['sinusoidal_longer']:.0%}, learned {results['learned_longer']:.0%}")
    far = sinusoidal(121, 512)
    ctx.figure("likeness", viz.curves, {"121 positions with 512 features": {
        f"with position {p}": (np.arange(121), far @ far[p]) for p in (20, 60, 100)}},
        xlabel="position", ylabel="dot product",
        title="How alike two positions are: one curve around each, so their distance alone counts")
