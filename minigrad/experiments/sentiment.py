"""What a review thinks, from its words and from their order.   Télécom, *Sentiment Classification*.

The deck: the mean of word vectors "does not work" for a review that says "good" three times and means the opposite;
"we need a sequence model". Here reviews come in pairs with the same words and opposite verdicts: the mean is right in
exactly one half, whatever it learns. Trained on reviews in which good words are praise it is right in all of those, and
takes a review with three times "good" for praise. A convolution (*Using 1D convolution instead of RNN*) is right while
its window holds cue and quality, and guesses beyond. Gated networks are right at every distance that they were trained
on, and so is a tanh network whose states are pooled over time in both directions (what Riveill's *solution2* is taken
to be). One that answers with its last state (*solution 1*) learns it from some starts, in two of seeds 0 to 2, and
guesses after 60 passes from others: it is shown and not judged. The convolution with a BiLSTM is Chemnitz's *Many to
One: sentiment analysis*, on one-hot words.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import nn, viz
from minigrad.data.reviews import POSITIVE, VERDICTS, WORDS, Reviews, plain_reviews, review_pairs
from minigrad.data.streams import padded
from minigrad.data.vocabulary import SPECIALS, Vocabulary
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._classifying import Examples, answers, train
from minigrad.models.over_time import prefixes
from minigrad.models.sentiment_average import SentimentAverage
from minigrad.models.sentiment_conv import SentimentConv
from minigrad.models.sentiment_conv_bilstm import SentimentConvBiLSTM
from minigrad.models.sentiment_rnn import SentimentRNN

VOCABULARY = Vocabulary([*SPECIALS, *WORDS])
V = len(VOCABULARY)
# name -> row, network, Adam's rate, passes at most
MODELS: dict[str, tuple[str, Callable[[], nn.Module], float, int]] = {
    "average": ("Average of word vectors", lambda: SentimentAverage(V), 1e-2, 8),
    "conv": ("Convolution, window of 3", lambda: SentimentConv(V, kernel=3), 1e-2, 12),
    "conv_deep": ("Two convolutions, window of 9", lambda: SentimentConv(V, kernel=5, layers=2), 5e-3, 12),
    "rnn": ("RNN, last state", lambda: SentimentRNN(V, cell="rnn"), 1.5e-3, 60),
    "rnn_pooled": ("RNN, both ways, max", lambda: SentimentRNN(V, cell="rnn", reading="max", bidirectional=True), 3e-3,
                   12),
    "lstm": ("LSTM, last state", lambda: SentimentRNN(V, cell="lstm", forget_bias=1.0), 1e-2, 20),
    "conv_bilstm": ("Convolution + BiLSTM", lambda: SentimentConvBiLSTM(V), 1e-2, 20)}
WINDOW = {"conv": 3, "conv_deep": 9}           # words seen at once: a cue, the gap, a quality
TRAINED, BEYOND = range(9), (10, 12, 16, 24)   # gaps to train and test on, and to test on only
THRICE = "the film was lacking good taste good jokes and good music full of noise".split()

LABELS = {name: row for name, (row, *_) in MODELS.items()}
LABELS |= {f"{name}_{where}": f"{LABELS[name]}: gaps {what}" for name in WINDOW
           for where, what in (("near", "that it holds"), ("far", "beyond it"))}
LABELS |= {"average_plain": "Average, trained and tested on reviews without a turn",
           "average_thrice": "That average: P(positive), good three times and lacking",
           "lstm_thrice": "LSTM: P(positive), good three times and lacking"}

sentiment = Experiment(
    "sentiment", ids="C34 C40 K20 R1 R30 R31 R32 T9 T16 T47 T48 T49", slide="Télécom, *Sentiment Classification*",
    seconds=25, unit="accuracy", labels=LABELS, targets=[
        Target("the average is right in exactly one half", slide="does not work",
               holds=lambda r: abs(r["average"] - 0.5) < 1e-9),
        Target("average_plain", at_least=0.99),
        Target("average_thrice", at_least=0.8, slide="the average of good is positive"),
        Target("lstm_thrice", at_most=0.1),
        Target("rnn", slide="we need a sequence model"),
        *[Target(name, at_least=0.98) for name in ("rnn_pooled", "lstm", "conv_bilstm")],
        *[Target(f"{name}_near", at_least=0.9) for name in WINDOW],
        Target("beyond its window a convolution guesses: one half, within 0.07",
               holds=lambda r: all(abs(r[f"{name}_far"] - 0.5) < 0.07 for name in WINDOW))])


def encoded(reviews: Reviews) -> Examples:
    """Ids (N, T), lengths, verdicts."""
    return Examples(*padded([VOCABULARY.encode(text) for text in reviews.texts]), reviews.labels)


@sentiment.run
def run(ctx: Context) -> None:
    """Train every network on the same pairs, and the average on plain reviews too; test at every gap."""
    rng, trained, beyond = ctx.part("reviews"), (0, 8) if ctx.quick else TRAINED, (12,) if ctx.quick else BEYOND
    data, test = review_pairs(rng, 80 if ctx.quick else 2500, trained).split(rng)
    tests = [test] + [review_pairs(rng, 10 if ctx.quick else 100, [gap]) for gap in beyond]
    plain, plain_test = map(encoded, plain_reviews(rng, 80 if ctx.quick else 1000, trained).split(rng))
    gaps, results = np.concatenate([part.gaps for part in tests]), dict[str, float]()
    panels: dict[str, dict[str, Any]] = {"without a state": {}, "with a state": {}}
    shown = np.unique(gaps)
    models = dict[str, nn.Module]()
    for k, (name, (row, make, rate, epochs)) in enumerate(MODELS.items()):
        models[name] = train(ctx, name, make, encoded(data), rate=rate, falling=False,
                             epochs=4 if ctx.quick else epochs)
        right = np.concatenate([answers(ctx, models[name], encoded(part)) == part.labels for part in tests])
        results[name] = right[np.isin(gaps, trained)].mean()
        if name in WINDOW:
            near = gaps <= WINDOW[name] - 2
            results |= {f"{name}_near": right[near].mean(), f"{name}_far": right[~near].mean()}
        panels["without a state" if name in ("average", *WINDOW) else "with a state"][row] = (
            shown + (k - 3) / 8, [right[gaps == gap].mean() for gap in shown])             # marks side by side
    average = train(ctx, "average plain", MODELS["average"][1], plain, rate=1e-2, falling=False,
                    epochs=4 if ctx.quick else 8)
    readers = {"average, of plain reviews": average, "average, of pairs": models["average"],
               "LSTM, of pairs": models["lstm"]}
    told = np.array([prefixes(model, ctx.tensor(VOCABULARY.encode(THRICE)[None]))[:, POSITIVE]
                     for model in readers.values()])                                       # (models, T)
    ctx.result(**results, average_plain=(answers(ctx, average, plain_test) == plain_test.y).mean(),
               average_thrice=told[0, -1], lstm_thrice=told[2, -1])
    ctx.table("Same words, opposite verdicts: reviews that were held out", ["verdict", "gap", "review"],
              [[VERDICTS[test.labels[k]], test.gaps[k], " ".join(test.texts[k])] for k in range(4)])

    ctx.figure("gaps", viz.curves, panels, xlabel="words between cue and quality (trained: to 8)",
               ylabel="reviews right", levels={"a guess": 0.5}, ylim=(0.35, 1.04),
               title=f"Same words, opposite verdicts: the average has {results['average']:.0%} right, a convolution "
                     f"what its window holds, an LSTM {results['lstm']:.0%} of those up to 8 words apart")
    ctx.figure("words", viz.heatmap, told, list(readers), THRICE, label="P(positive)",
               title=f"A bad review with three times good: an average says {told[0, -1]:.0%} positive, an LSTM "
                     f"{told[2, -1]:.0%}")
