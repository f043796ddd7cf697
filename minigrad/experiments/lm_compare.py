"""n-grams, a fixed window, recurrent networks: who names the next word best?   KTH, *n-gram Language Models* to *RNN*.

The deck's argument: n-grams are sparse and their tables grow; an MLP on the last 4 words is small and never says 0, but
its window is fixed; a recurrent network has no window. Here all get the same text and the same vocabulary. On phrases
whose probabilities are known (what the students open hangs on words that no 5-gram sees) the argument holds, and the
recurrent networks come close to the entropy. On 86,000 words of Python's help pages a Kneser-Ney 5-gram and the gated
networks are close to each other, far ahead of the MLP; which of them wins hangs on the split, and the figure says it.
"""
from __future__ import annotations

import math

from minigrad import viz
from minigrad.data.grammar import PHRASES
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._word_models import help_pages, phrases, train
from minigrad.models.ngram import NGram
from minigrad.models.rnn_lm import RNNLM
from minigrad.models.window_mlp_lm import CONTEXTS, WindowMLPLM

ORDERS = (1, 2, 3, 4, 5)
RECURRENT = {"rnn": ("RNN", 6e-3), "gru": ("GRU", 8e-3), "lstm": ("LSTM", 1e-2)}           # Adam's rate
ROWS = {**{f"order_{n}": f"{n}-gram, Kneser-Ney" for n in ORDERS}, "mlp": "MLP on the last 4 words",
        **{cell: name for cell, (name, _) in RECURRENT.items()}}
SIZES = {"pages": (32, 64, 96), "phrases": (16, 32, 48)}       # of an MLP's embedding and hidden layer, of a state
LIMIT = math.exp(PHRASES.limit(5))             # what the best of all 5-grams reaches; the MLP sees as many words

lm_compare = Experiment(
    "lm_compare", ids="K10 K19", slide="KTH, *Can We Build a Neural Language Model?*, *A RNN Neural Language Model*",
    seconds=60,
    unit="test perplexity", labels={
        **{f"{corpus}_{row}": f"{corpus}: {name}" for corpus in SIZES for row, name in ROWS.items()},
        "phrases_truth": "phrases: their own probabilities",
        **{f"context_{k}": f"phrases, MLP on {name}" for k, name in enumerate(CONTEXTS)}},
    targets=[
        Target("phrases: RNN, GRU and LSTM are below what any 5-gram can reach",
               holds=lambda r: max(r[f"phrases_{cell}"] for cell in RECURRENT) < LIMIT),
        Target("phrases: 5-gram and MLP, which see 4 words, are not (0.5 % for the sample)",
               holds=lambda r: min(r["phrases_order_5"], r["phrases_mlp"]) > 0.995 * LIMIT),
        Target("phrases: the LSTM is within 1.5 % of the truth, and no model below it",
               holds=lambda r: r["phrases_truth"] < min(r[f"phrases_{row}"] for row in ROWS) and
               r["phrases_lstm"] < 1.015 * r["phrases_truth"]),
        Target("pages: the deck's order of the networks: MLP, RNN, LSTM",
               holds=lambda r: r["pages_mlp"] > r["pages_rnn"] > r["pages_lstm"])])


@lm_compare.run
def run(ctx: Context) -> None:
    """Every model on both texts, then an MLP with each of Télécom's four contexts; perplexities beside sizes."""
    texts = {"pages": help_pages(ctx), "phrases": phrases(ctx)}
    perplexity: dict[str, dict[str, float]] = {corpus: {} for corpus in texts}
    stored: dict[str, dict[str, int]] = {corpus: {} for corpus in texts}
    for corpus, (v, ids, test, _) in texts.items():
        for n in ORDERS:
            grams = NGram(n, "kneser-ney", vocab=len(v)).fit(ids)
            perplexity[corpus][f"order_{n}"] = math.exp(-grams.log_probs(test)[1:].mean())
            stored[corpus][f"order_{n}"] = grams.entries
        e, h, state = SIZES[corpus]
        for row in ("mlp", *RECURRENT):
            ctx.part(f"{corpus}, {ROWS[row]}")
            model = WindowMLPLM(len(v), embedding=e, hidden=h) if row == "mlp" else RNNLM(
                len(v), embedding=2 * e, hidden=state, cell=row, dropout=0.2 if corpus == "pages" else 0.0)
            train(ctx, model, ids, 2 if ctx.quick else 4 if row == "mlp" else 6,
                  3e-3 if row == "mlp" else RECURRENT[row][1])
            perplexity[corpus][row] = math.exp(model.nats(test).mean())
            stored[corpus][row] = sum(p.data.size for p in model.parameters())
    v, ids, test, truth = texts["phrases"]
    results = {f"{corpus}_{row}": value for corpus, found in perplexity.items() for row, value in found.items()}
    for k, name in enumerate(CONTEXTS):
        ctx.part(f"phrases, MLP on {name}")
        model = train(ctx, WindowMLPLM(len(v), embedding=16, hidden=32, context=name), ids, 2 if ctx.quick else 4, 3e-3)
        results[f"context_{k}"] = math.exp(model.nats(test).mean())
    ctx.result(**results, phrases_truth=truth)

    ctx.table("Numbers that are stored: n-grams, or weights", ["", *texts],
              [[name, *[stored[corpus][row] for corpus in texts]] for row, name in ROWS.items()])
    best = {corpus: ROWS[min(found, key=found.__getitem__)] for corpus, found in perplexity.items()}
    panels = {f"{corpus}: test perplexity": {ROWS[row]: value for row, value in perplexity[corpus].items()}
              for corpus in texts} | {"pages: numbers stored": {ROWS[row]: n for row, n in stored["pages"].items()}}
    ctx.figure("perplexity", viz.rows, panels, log="pages: numbers stored", sizes="pages: numbers stored",
               limits={"phrases: test perplexity": (1.52, 1.68), "pages: test perplexity": (0, 45)},
               levels={"phrases: test perplexity": {"best 5-gram there is": LIMIT, "the phrases' own": truth}},
               title=f"Best on {len(texts['pages'].train):,} words of help pages: {best['pages']}. On phrases with far "
                     f"causes: {best['phrases']}; no 5-gram can be below {LIMIT:.3f}")
