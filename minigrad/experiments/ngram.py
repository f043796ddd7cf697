"""n-gram language models.   KTH, *n-gram Language Models*, and *Problems* with them; Télécom, *Language model*.

The deck: of 1000 times "students opened their", 400 go on with books and 100 with exams, so p(books) = 0.4 and
p(exams) = 0.1, although a proctor had started the clock. Sentences of a grammar with these probabilities show what
counting finds, and the bound: no model's perplexity is below exp(entropy). A 4-gram stays above it however much it
reads, a 10-gram, which sees the proctor, comes to it. A homophone is told from its twin by the words around it.

On real text (Python's help pages) most long n-grams of a test text were never seen, and a bare ratio of counts gives
them no probability: that is what smoothing is for. A table of n-grams is as large as the text that filled it.
"""
from __future__ import annotations

import math

import numpy as np

from minigrad import viz
from minigrad.data.grammar import HOMOPHONES, PHRASES, homophone_pairs
from minigrad.data.vocabulary import Vocabulary
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._ngram_pages import ORDERS, help_pages
from minigrad.models.ngram import SMOOTHINGS, NGram
from minigrad.models.ngram_arpa import to_arpa

PHRASE = "students opened their".split()
BOUND, LIMIT_4 = PHRASES.perplexity, math.exp(PHRASES.limit(4))
ngram = Experiment(
    "ngram", ids="K2 K5 K6 K7 T34", slide="KTH, *n-gram Language Models*", seconds=6, unit="value", labels={
        "books": "4-gram: p(books | students opened their)", "exams": "4-gram: p(exams | students opened their)",
        **{f"grammar_{n}": f"grammar: perplexity of the {n}-gram" for n in (2, 3, 4, 10)},
        **{f"homophones_{n}": f"homophones told apart, n = {n}" for n in ORDERS},
        **{f"text_{n}": f"help pages: perplexity of Kneser-Ney, n = {n}" for n in ORDERS},
        **{s: f"help pages: the best n of {s}" for s in SMOOTHINGS if s != "kneser-ney"},
        "ahead": "best other smoothing / Kneser-Ney, the least of n = 2 to 5",
        **{f"unseen_{n}": f"help pages: unseen {n}-grams" for n in ORDERS},
        "stored_5": "help pages: 5-grams stored for each token read"},
    targets=[Target("books", slide=0.4), Target("exams", slide=0.1),
             Target("the estimates are within 0.015 of 0.4 and 0.1",
                    holds=lambda r: max(abs(r["books"] - 0.4), abs(r["exams"] - 0.1)) < 0.015),
             Target("the 10-gram's perplexity is less than 1 % above exp(entropy), and not below it",
                    holds=lambda r: BOUND <= r["grammar_10"] < 1.01 * BOUND),
             Target("the 4-gram's is less than 1 % above the limit of 4-grams, and not below it",
                    holds=lambda r: LIMIT_4 <= r["grammar_4"] < 1.01 * LIMIT_4),
             Target("homophones_1", at_most=0.5), Target("homophones_4", at_least=1.0), Target("ahead", at_least=1.0),
             Target("unseen_5", at_least=0.5), Target("stored_5", at_most=1.0)])


def exact(model: NGram, vocabulary: Vocabulary) -> float:
    """The model's expected perplexity on PHRASES: over every sentence with its probability, so without a test set."""
    sentences = [vocabulary.encode(s) for s in PHRASES.sentences]
    ends = np.cumsum([len(s) + 1 for s in sentences])
    scores = np.add.reduceat(model.log_probs(sentences), np.append(0, ends[:-1]))
    return math.exp(-np.dot(list(PHRASES.sentences.values()), scores) / PHRASES.length)


def grammar(ctx: Context) -> None:
    """More and more sentences of the grammar: what n-grams of each order make of them, and the phrase of the deck."""
    v = Vocabulary.build(PHRASES.words)
    sizes = (30, 100, 300, 1000) if ctx.quick else (30, 100, 300, 1000, 3000, 10_000, 30_000)
    text = [v.encode(s) for s in PHRASES.sample(ctx.part("grammar"), sizes[-1])]
    lines: dict[str, tuple[list[int], list[float]]] = {}
    for n in (2, 3, 4, 10):
        ctx.part(f"grammar, n = {n}")
        reached = [exact(NGram(n, "kneser-ney", vocab=v).fit(text[:size]), v) for size in sizes]
        for size, perplexity in zip(sizes, reached, strict=True):
            ctx.log(size, loss=math.log(perplexity))
        lines[f"n = {n}"] = list(sizes), reached
        ctx.result(**{f"grammar_{n}": reached[-1]})
    to_arpa(NGram(4, "kneser-ney", vocab=v).fit(text), ctx.folder / "model.arpa")
    after = [NGram(4, vocab=v).fit(text[:size]).distribution(v.encode(PHRASE)) for size in sizes[::2]]
    ctx.table(f'After "{" ".join(PHRASE)}": counted in so many sentences', ["", "set", *map(str, sizes[::2])],
              [[w, p, *(float(q[v[w]]) for q in after)] for w, p in PHRASES.after(PHRASE).items()])
    ctx.result(books=after[-1][v["books"]], exams=after[-1][v["exams"]])
    above = {name: (x, [100 * (p / BOUND - 1) for p in y]) for name, (x, y) in lines.items()}
    ctx.figure("grammar", viz.curves, {"Kneser-Ney, expected over all sentences of the grammar": above}, log="xy",
               xlabel="sentences counted", ylabel="perplexity above exp(entropy), %",
               levels={"the best 4-gram": 100 * (LIMIT_4 / BOUND - 1)},
               title=f"The 10-gram comes within {above['n = 10'][1][-1]:.2f} % of the grammar's own perplexity, "
                     f"{BOUND:.3f}; no 4-gram is below {LIMIT_4:.3f}")


def homophones(ctx: Context) -> None:
    """Of a sentence and what sounds the same, the more probable one: how often is it the one that was meant?"""
    v = Vocabulary.build(HOMOPHONES.words)
    text = [v.encode(s) for s in HOMOPHONES.sample(ctx.part("homophones"), 100 if ctx.quick else 1000)]
    meant, heard = ([v.encode(pair[k]) for pair in homophone_pairs()] for k in (0, 1))
    for n in ORDERS:
        model = NGram(n, "kneser-ney", vocab=v).fit(text)
        gap = np.array([model.score(a) - model.score(b) for a, b in zip(meant, heard, strict=True)])
        gap[np.abs(gap) < 1e-9] = 0            # the same words in another order of summation
        ctx.result(**{f"homophones_{n}": np.mean((np.sign(gap) + 1) / 2)})


@ngram.run
def run(ctx: Context) -> None:
    """The grammar, the homophones, the help pages."""
    grammar(ctx)
    homophones(ctx)
    help_pages(ctx)
