"""What is "it"?   Télécom, *Self-Attention*, *In summary*.

The deck: in "The animal didn't cross the street because it was too tired", "it" is the animal, which self-attention
finds by looking from "it" at all other words. Here any noun may be tired and any noun wide, in groups of four sentences
in which the first noun is right in half and the last noun in half (`data.references`); the answer, one of 20 nouns, is
read from the state of "it", and the nouns of a test sentence were never together in a sentence of the training.

Half is also the most that can be reached without attention or order (the same words in another order have another
answer), and from left to right (the reason comes after "it"). In the first layer "it" does not know the reason yet: the
noun that it looks at more is the right one in half of the sentences. In the second layer it is the right one. The
figures show both.
"""
from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minigrad import viz
from minigrad.data.references import NOUNS, WORDS, References, encode, noun_pairs, reference_texts
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._attention_readers import Questions, ask, train
from minigrad.models.attention_reader import AttentionReader, BagOfWords
from minigrad.viz.alignments import alignments

D, HEADS, LAYERS, HELD_OUT = 32, 4, 2, 40      # of 190 pairs of nouns, 40 are kept for the test
READERS: dict[str, Any] = {
    "attention": {}, "left_to_right": {"causal": True}, "no_order": {"positions": None}, "bag": None}
LABELS = {"attention": "Self-attention, two layers", "left_to_right": "Self-attention to earlier words only",
          "no_order": "Self-attention without positions", "bag": "Average of word vectors, no attention",
          "first": "Rule: the first noun", "last": "Rule: the last noun",
          "right_weight": "Layer 2: weight from 'it' to the right noun",
          "wrong_weight": "Layer 2: weight from 'it' to the other noun",
          "looks_right": "Layer 2: share of 'it' that look at the right noun more",
          "looks_right_1": "Layer 1: the same"}
SENTENCES = {reason: tuple(f"the animal didn't cross the street because it was too {reason}".split())
             for reason in ("tired", "wide")}

selfattention = Experiment(
    "selfattention", ids="T66 T71", slide="Télécom, *Self-Attention*", seconds=20, unit="share", labels=LABELS,
    targets=[Target("attention", at_least=0.97),
             *[Target(name, at_most=0.5) for name in READERS if name != "attention"],
             Target("the first noun, or the last one, is right in exactly half",
                    holds=lambda r: r["first"] == r["last"] == 0.5),
             Target("right_weight", at_least=0.4), Target("wrong_weight", at_most=0.1),
             Target("looks_right", at_least=0.95, slide='"it" is the animal'),
             Target("layer 1 cannot know: within 0.1 of half", holds=lambda r: abs(r["looks_right_1"] - 0.5) < 0.1)])


def reader(options: dict[str, Any] | None) -> Any:
    """A reader by the options of its encoder; None is the average of word vectors."""
    if options is None:
        return BagOfWords(len(WORDS), len(NOUNS), D)
    return AttentionReader(len(WORDS), len(NOUNS), d_model=D, heads=HEADS, layers=LAYERS, **options)


def asked(texts: References) -> Questions:
    """What is "it"?"""
    return Questions(texts.ids, texts.lengths, texts.it, texts.answers)


def looks(model: AttentionReader, texts: References) -> tuple[np.ndarray, np.ndarray]:
    """Weight from "it" to the right noun and to the other one, the mean over heads -> both (layers, N)."""
    rows = np.arange(len(texts))
    it = model.encoder.weights(texts.ids, texts.lengths)[rows, :, :, texts.it].mean(2)     # (N, layers, T)
    right, wrong = (it[rows, :, texts.nouns[rows, at]].T for at in (texts.right, 1 - texts.right))
    return right, wrong


@selfattention.run
def run(ctx: Context) -> None:
    """Train the readers on the same sentences, ask them about new pairs of nouns, and see where "it" looks."""
    rng = ctx.part("texts")
    pairs = [frozenset(pair) for pair in rng.permutation(sorted(map(sorted, noun_pairs())))]
    texts, tests = (reference_texts(rng, groups, some) for groups, some in (
        (100 if ctx.quick else 400, pairs[HELD_OUT:]), (20 if ctx.quick else 100, pairs[:HELD_OUT])))
    data, test = asked(texts), asked(tests)
    models = {name: train(ctx, name, partial(reader, options), data, test,
                          updates=75 if ctx.quick else 600, batch=16 if ctx.quick else 64)
              for name, options in READERS.items()}
    right, wrong = looks(models["attention"], tests)
    found = {name: (ask(ctx, model, test) == test.answers).mean() for name, model in models.items()}
    found |= {"first": (tests.right == 0).mean(), "last": (tests.right == 1).mean(),
              "right_weight": right[1].mean(), "wrong_weight": wrong[1].mean(),
              "looks_right": (right[1] > wrong[1]).mean(), "looks_right_1": (right[0] > wrong[0]).mean()}
    ctx.result(**{name: found[name] for name in LABELS})

    examples, panels, names = encode(*SENTENCES.values()), dict[str, Any](), [
        f"layer {k + 1}, head {h + 1}" for k in range(LAYERS) for h in range(HEADS)]
    weights = models["attention"].encoder.weights(examples.ids, examples.lengths)          # (2, layers, heads, T, T)
    said = ask(ctx, models["attention"], asked(examples))
    for k, (reason, words) in enumerate(SENTENCES.items()):
        it = weights[k, :, :, examples.it[k]].reshape(len(names), -1)
        panels[f'too {reason}: "it" is the {NOUNS[said[k]]}'] = it, names, words
    ctx.figure("it", alignments, panels, label='weight from "it"',
               title=f'In layer 2 "it" looks more at the right noun than at the other in {found["looks_right"]:.0%} of '
                     'new sentences')
    words, first = SENTENCES["tired"], weights[0, -1, :, examples.it[0]].argmax(-1)        # of each head of layer 2
    most = np.bincount(first).argmax()
    ctx.figure("heads", alignments, {
        name: (w, words, words) for name, w in zip(names, weights[0].reshape(len(names), *2 * weights.shape[-1:]),
                                                   strict=True)},
        title=f'From "it", {(first == most).sum()} of {HEADS} heads of layer 2 look most at "{words[most]}": a row is '
              "the word that looks, a column the word that it looks at")
    ctx.figure("learning", viz.curves, {"nouns that were never together in training": {
        LABELS[name]: np.transpose(ctx.history[f"{name} accuracy"]) for name in READERS}},
        xlabel="updates", ylabel="share of right answers", ylim=(0, 1.03), levels={"first noun, last noun": 0.5},
        title=f"Self-attention finds the noun in {found['attention']:.0%}; without order, or without the words after "
              f"\"it\", no more than half")
