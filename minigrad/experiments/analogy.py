"""King - man + woman is queen.   Chemnitz, *word2vec (3)*; Télécom, *Word embedding*.

Télécom's twelve words have five numbers that somebody chose: there queen and aunt come out exactly. "President - France
+ Germany" does not: France and Germany are one point in the table, so it is the president again, and of the words that
are left Euclid says chancellor and the cosine says king.

Then vectors are learned from a generated text with five relations, and each relation answers for each other pair. All
models of the decks get there. GloVe needs strays in the text: it is fitted to counts that occur, and where a king never
stands near "her" there is no count that says so; nor is its weight of 1 from 100 occurrences on made for so small a
text. The word whose count is nearest to that of the answer's pattern is no answer.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad import nn, viz
from minigrad.data.relations import KINDS, Relations, relations
from minigrad.data.telecom_table import telecom_table
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.cbow import CBOW
from minigrad.models.glove import GloVe
from minigrad.models.skipgram import SkipGram
from minigrad.models.word_training import train_words
from minigrad.models.word_vectors import WordVectors, answered

DIM, WINDOW = 50, 5
RELATIONS = ("gender", "rank", "age", "capital", "tense")
Make = Callable[[np.ndarray], nn.Module]
FAST = {"epochs": 5, "lr": 0.05, "subsampling": 1e-3, "formula": "program"}
TAPE = {"epochs": 2, "lr": 0.03}
PAIRS = {"epochs": 1, "lr": 0.03, "batch": 4096}
COUNTS = {"epochs": 100, "window": 10, "batch": 1024}
# result -> row, model, how it is trained, the share of stray words in its text
ROWS: dict[str, tuple[str, Make, dict, float]] = {
    "skipgram": ("skip-gram, negative sampling", lambda c: SkipGram(c, DIM), FAST, 0.25),
    "skipgram_softmax": ("skip-gram, full softmax", lambda c: SkipGram(c, DIM, "softmax"), PAIRS, 0.25),
    "skipgram_tree": ("skip-gram, hierarchical softmax", lambda c: SkipGram(c, DIM, "hierarchical"), PAIRS, 0.25),
    "cbow": ("CBOW, negative sampling", lambda c: CBOW(c, DIM), TAPE, 0.25),
    "cbow_softmax": ("CBOW, full softmax", lambda c: CBOW(c, DIM, "softmax"), TAPE, 0.25),
    "cbow_tree": ("CBOW, hierarchical softmax", lambda c: CBOW(c, DIM, "hierarchical"), TAPE, 0.25),
    "glove": ("GloVe, full weight from 10", lambda c: GloVe(len(c), DIM, x_max=10), COUNTS, 0.25),
    "glove_100": ("GloVe, full weight from 100", lambda c: GloVe(len(c), DIM), COUNTS, 0.25),
    "glove_clean": ("GloVe from 10, no strays", lambda c: GloVe(len(c), DIM, x_max=10), COUNTS, 0.0),
    "skipgram_clean": ("skip-gram, no strays", lambda c: SkipGram(c, DIM), FAST, 0.0),
}
JUDGED = [name for name in ROWS if name not in ("glove_100", "glove_clean")]

analogy = Experiment(
    "analogy", ids="C33 T43", slide="Chemnitz, *word2vec (3)*; Télécom, *Word embedding*",
    seconds=26, unit="share of right answers",
    labels={"queen": "table: distance of king - man + woman from queen",
            "aunt": "table: distance of uncle - man + woman from aunt",
            "chancellor": "table: president - France + Germany, Euclid says chancellor",
            "king": "table: the same, cosine says king", **{name: row for name, (row, *_) in ROWS.items()},
            "euclid": "skip-gram, negative sampling, by Euclid", "by_count": "the word with the nearest count"},
    targets=[Target("queen", at_most=0.0, slide="queen"), Target("aunt", at_most=0.0, slide="aunt"),
             Target("chancellor", at_least=1.0), Target("king", at_least=1.0),
             *[Target(name, at_least=0.95) for name in [*JUDGED, "euclid"]], Target("by_count", at_most=0.1),
             Target("without strays GloVe answers less than half, skip-gram nearly all",
                    holds=lambda r: r["glove_clean"] < 0.5 and r["skipgram_clean"] >= 0.95)])


def chosen_numbers(ctx: Context) -> None:
    """Télécom's table, with no training: four questions, two metrics, the map."""
    words, vectors = telecom_table()
    table = WordVectors(words, vectors)
    asked = [("king", "man", "woman"), ("uncle", "man", "woman"), ("president", "France", "Germany"),
             ("queen", "woman", "man")]
    answers = {metric: [table.analogy(*words, metric=metric)[0] for words in asked]
               for metric in ("euclidean", "cosine")}
    ctx.table("Télécom's table (five chosen numbers a word)", ["", "Euclid", "distance", "cosine", ""],
              [["{} - {} + {}".format(*words), e[0], -e[1], c[0], c[1]]
               for words, e, c in zip(asked, *answers.values(), strict=True)])
    (queen, aunt, chancellor, _), king = answers["euclidean"], answers["cosine"][2]
    ctx.result(queen=-queen[1] if queen[0] == "queen" else 9, aunt=-aunt[1] if aunt[0] == "aunt" else 9,
               chancellor=chancellor[0] == "chancellor", king=king[0] == "king")
    ctx.figure("table", viz.space, {"twelve words, five features: two main directions":
                                    dict(zip(words, table.map(), strict=True))},
               arrows=[("man", "woman"), ("king", "queen"), ("uncle", "aunt")], width=8,
               title=f"The step from man to woman leads from king to queen; president - France + Germany is "
                     f"{chancellor[0]} by Euclid, {king[0]} by the cosine")


def nearest_by_count(text: Relations) -> float:
    """The share of questions answered right by the word that occurs most nearly as often as the second one."""
    counts, questions = text.corpus.counts, np.concatenate([*text.questions.values()])
    far = np.abs(counts[questions[:, 1], None] - counts).astype(float)
    np.put_along_axis(far, questions[:, :3], np.inf, axis=1)
    return float((far.argmin(1) == questions[:, 3]).mean())


@analogy.run
def run(ctx: Context) -> None:
    """The table, then each model on the generated text, and what it answers."""
    chosen_numbers(ctx)
    texts = {stray: relations(ctx.part("text"), 12 if ctx.quick else 300, stray) for stray in (0.25, 0.0)}
    rows, maps, less = {}, {}, {"epochs": 2} if ctx.quick else {}
    for name, (row, make, options, stray) in ROWS.items():
        text, rng = texts[stray], ctx.part(row)
        model = ctx.to_device(make(text.corpus.counts))
        for seen in ctx.progress(train_words(model, text.corpus, rng=rng, **{"window": WINDOW} | options | less)):
            ctx.log(round(100 * seen.share), loss=seen.loss)
        ctx.checkpoint(round(100 * seen.share), model=model)
        vectors = WordVectors(text.corpus.words, model.vectors)
        rows[row] = answered(vectors.unit(), text.questions)
        ctx.result(**{name: rows[row]["all"]})
        if name == "skipgram":
            ctx.result(euclid=answered(vectors, text.questions, "euclidean")["all"])
            maps = {title: dict(zip(words, vectors.map(words), strict=True)) for title, words in
                    {"people": KINDS[0], "countries and capitals": KINDS[1] + KINDS[2],
                     "verbs": KINDS[3] + KINDS[4]}.items()}
    ctx.result(by_count=nearest_by_count(texts[0.25]))
    names = ["people", "countries", "capitals", "present", "past", "vehicles"]
    pairs = {(words[q[0]], words[q[1]]): None for name in ("gender", "capital", "tense")
             for words in [texts[0.25].corpus.words] for q in texts[0.25].questions[name][::2]}
    ctx.figure("space", viz.space, maps, arrows=pairs,
               groups={word: names[k] for k, kind in enumerate(KINDS) for word in kind},
               title="Skip-gram's vectors: one relation is one direction")
    ctx.figure("answers", viz.heatmap, np.array([[r[name] for name in (*RELATIONS, "all")] for r in rows.values()]),
               list(rows), [*RELATIONS, "all"], label="share of right answers",
               title=f"{sum(r['all'] >= 0.95 for r in rows.values())} of {len(rows)} rows answer at least 95 % of "
                     f"{sum(map(len, texts[0.25].questions.values()))} questions")
