"""Words of close meaning are close.   Chemnitz, *Representing words*, *word2vec*; Télécom, *Weaknesses*.

The decks: one-hot vectors of any two words have the inner product 0, so "on a boat" says nothing about "on a plane".
Here a generated text has vehicles going on trips, all but the plane. A model that counts gives the plane no chance in
"we went on a trip on a ...". CBOW gives it one, hundreds of times that of an unrelated word: elsewhere a plane has
passengers and seats as a boat does, so their vectors are close. In a second text of 8,000 words in 100 groups the
neighbours of a word are nearly all of its own group.
"""
from __future__ import annotations

import numpy as np

from minigrad import no_grad, viz
from minigrad.data.relations import HELD_OUT, KINDS, TRIP, TRIP_FRAMES, VEHICLES, Relations, relations
from minigrad.data.word_groups import word_groups
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.cbow import CBOW
from minigrad.models.skipgram import SkipGram
from minigrad.models.word_training import train_words
from minigrad.models.word_vectors import WordVectors
from minigrad.nn import functional as F

DIM, WINDOW = 50, 5
SENTENCE = "went on a trip on a".split()                       # what stands before the word that is asked for
SHOWN = ("plane", "queen", "paris", "walked", "cook")

wordvec = Experiment(
    "wordvec", ids="C32 T42", slide="Chemnitz, *word2vec*; Télécom, *Weaknesses*", seconds=8, labels={
        "one_hot": "largest inner product of two one-hot vectors",
        "counted": "p(plane) after 'we went on a trip on a', by counts", "plane": "the same, by CBOW",
        "boat": "p(boat) there, by CBOW", "unrelated": "median p of the 52 unrelated words there, by CBOW",
        "times": "p(plane) / p(unrelated)", "rank": "rank of plane among words that are in no trip sentence",
        "vehicles": "share of vehicles among plane's 7 nearest, skip-gram",
        "own_group": "share of 10 nearest of the own group, 100 groups, skip-gram",
        "own_group_start": "the same, before training", "own_kind": "share of 5 nearest of the own kind, skip-gram",
        "own_kind_count": "the same of the 5 nearest by count"},
    targets=[Target("one_hot", at_most=0.0, slide=0), Target("counted", at_most=0.0, slide="does not help"),
             Target("times", at_least=20.0), Target("rank", at_most=1.0), Target("vehicles", at_least=1.0),
             Target("own_group", at_least=0.95), Target("own_group_start", at_most=0.05),
             Target("own_kind", at_least=0.75), Target("own_kind_count", at_most=0.3)])


def train(ctx: Context, model: CBOW | SkipGram, corpus, **options) -> WordVectors:
    """The model's vectors after training."""
    for seen in ctx.progress(train_words(ctx.to_device(model), corpus, window=WINDOW, rng=ctx.rng, **options)):
        ctx.log(round(100 * seen.share), loss=seen.loss)
    ctx.checkpoint(round(100 * seen.share), model=model)
    return WordVectors(corpus.words, model.vectors)


def counted(text: Relations) -> np.ndarray:
    """The share of each word in what follows "on a T on a" in the text, for any trip T: the count model's p, (V,)."""
    ids, words = text.corpus.ids, np.array(text.corpus.words)
    before = words[np.lib.stride_tricks.sliding_window_view(ids, 5)[:-1]]        # (N - 5, 5), and ids[5:] comes next
    asked = (before[:, [0, 1, 3, 4]] == ["on", "a", "on", "a"]).all(1) & np.isin(before[:, 2], TRIP)
    found = np.bincount(ids[5:][asked], minlength=len(words))
    return found / found.sum()


def after_the_trip(ctx: Context, model: CBOW, text: Relations) -> np.ndarray:
    """p of each word in the place after SENTENCE, by CBOW: (V,)"""
    context = text.ids(SENTENCE[-WINDOW:])[None]               # (1, 5): no word stands right of it
    with no_grad():
        h = model.hidden(ctx.tensor(context), ctx.tensor(np.ones(context.shape, np.float32)))
        return model.output.probabilities(h)[0].cpu().numpy()


@wordvec.run
def run(ctx: Context) -> None:
    """The held-out plane, nearest neighbours, and the share of neighbours of the own group."""
    text = relations(ctx.part("text"), 30 if ctx.quick else 300)
    corpus, vocabulary = text.corpus, len(text.corpus.words)
    one_hot = F.one_hot(ctx.tensor(np.arange(vocabulary))).cpu().numpy()
    ctx.result(one_hot=(one_hot @ one_hot.T - np.eye(vocabulary)).max())

    ctx.part("CBOW, full softmax")
    cbow = CBOW(corpus.counts, DIM, "softmax")
    train(ctx, cbow, corpus, epochs=2, lr=0.03)
    p = after_the_trip(ctx, cbow, text)
    by_counts, unrelated = counted(text), text.ids([*text.twins.values()])
    plane, boat = text.ids([HELD_OUT, "boat"])
    on_trips = text.ids([*({*VEHICLES, *TRIP, *" ".join(TRIP_FRAMES).split()} & {*corpus.words} - {HELD_OUT})])
    others = np.setdiff1d(np.arange(vocabulary), on_trips)
    ctx.result(counted=by_counts[plane], plane=p[plane], boat=p[boat], unrelated=np.median(p[unrelated]),
               times=p[plane] / np.median(p[unrelated]), rank=1 + (p[others] > p[plane]).sum())

    ctx.part("skip-gram, negative sampling")
    vectors = train(ctx, SkipGram(corpus.counts, DIM), corpus, epochs=5, lr=0.05, subsampling=1e-3, formula="program")
    near = [w for w, _ in vectors.nearest(HELD_OUT, len(VEHICLES) - 1)]
    of_kind = np.flatnonzero(text.group)
    by_count = WordVectors(corpus.words, np.log(corpus.counts)[:, None])
    ctx.result(vehicles=np.isin(near, VEHICLES).mean(), own_kind=vectors.own_group(text.group, 5, words=of_kind),
               own_kind_count=by_count.own_group(text.group, 5, words=of_kind, metric="euclidean"))
    ctx.table("Nearest by cosine, skip-gram", ["word", *map(str, range(1, 6))],
              [[w, *[f"{n} {c:.2f}" for n, c in vectors.nearest(w, 5)]] for w in SHOWN])

    big, group = word_groups(ctx.part("8,000 words in 100 groups"), 40_000 if ctx.quick else 1_000_000,
                             1000 if ctx.quick else 8000, 20 if ctx.quick else 100)
    common = np.argsort(-big.counts)[:2000]
    model = SkipGram(big.counts, 100)
    ctx.result(own_group_start=WordVectors(big.words, model.vectors).own_group(group, words=common))
    ctx.result(own_group=train(ctx, model, big, epochs=1, lr=0.042, subsampling=1e-3, formula="program").own_group(
        group, words=common))

    first = [*text.ids([w for w in VEHICLES if w != HELD_OUT]), plane, *sorted(unrelated, key=lambda k: -p[k])[:4]]
    shares = np.stack([by_counts[first], p[first]], 1)
    shares[shares == 0] = np.nan                               # what was never counted is an empty cell
    ctx.figure("trip", viz.heatmap, np.log10(shares), [corpus.words[k] for k in first], ["counts", "CBOW"],
               label="log10 of the probability after 'we went on a trip on a'",
               title="No plane went on a trip: counts give it no chance, CBOW "
                     f"{p[plane] / np.median(p[unrelated]):.0f} times that of an unrelated word")
    names = ["people", "countries", "capitals", "present", "past", "vehicles"]
    panels = {"people, countries, capitals": sum(KINDS[:3], []), "verbs, vehicles": sum(KINDS[3:], [])}
    ctx.figure("map", viz.space, {title: dict(zip(words, vectors.unit().map(words), strict=True))
                                  for title, words in panels.items()},
               groups={w: names[k] for k, kind in enumerate(KINDS) for w in kind}, width=7.5, height=6,
               title="Words of one kind lie together, the plane with the vehicles")
