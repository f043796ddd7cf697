"""Translating long sentences, without attention and with it.   Télécom, *Bleu score for long sentences*.

The deck (*Attention model*): one vector c = a_Tx is to hold a whole sentence, and cannot; a decoder with attention
looks at the words that it needs. The figure, from Bahdanau et al. (2015), is BLEU against the length of a sentence: the
plain model falls, the one with attention holds. Here the languages are generated (`data.translation`): the shape is the
paper's, the numbers are not. Sentences of 4 to 24 words are trained on; among those of 25 to 40 attention falls too,
for nothing so long was ever seen. A dictionary has nine words of ten right and their order wrong.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.data._distinct import Pair
from minigrad.data.bleu import bleu
from minigrad.data.translation import translation_pairs, word_by_word
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._translating import (
    Texts,
    attention_maps,
    by_length,
    exact,
    learn,
    over_length,
    texts_of,
    written,
)
from minigrad.models.bahdanau import Bahdanau
from minigrad.models.seq2seq import Seq2Seq
from minigrad.models.transformer import TransformerTranslator
from minigrad.viz.alignments import alignments

LONGEST = 24
ROWS = {"dictionary": "Word by word, from a dictionary", "plain": "Encoder-decoder, one vector",
        "attention": "With attention (Bahdanau)", "transformer": "Transformer"}
MODELS: dict[str, tuple[Callable[[int, int], Any], float]] = {       # and Adam's rate
    "plain": (lambda v, w: Seq2Seq(v, w, embedding=64, hidden=128, context="every"), 4e-3),
    "attention": (lambda v, w: Bahdanau(v, w, embedding=64, hidden=64), 6e-3),
    "transformer": (lambda v, w: TransformerTranslator(v, w, d_model=64, heads=4, layers=2, feedforward=128,
                                                       norm="pre"), 4e-3)}
SPANS = {"": (4, 24), "_short": (4, 8), "_long": (20, 24), "_longer": (25, 40)}
SHOWN = {"negation": "le petit chat noir du roi ne dort pas .",
         "pronoun, adverb": "la reine qui aime les oiseaux la voit souvent devant l' école .",
         "negated past": "des amis du médecin n' ont pas trouvé la lettre blanche .",
         "adjectives on both sides": "ces petits oiseaux blancs suivent le jeune médecin calme dans la ville vide ."}

translation = Experiment(
    "translation", ids="C43 T11 T52 T53 T54 T55 T56 T57 T58 T59 T60 T61 T62 T63 T65", unit="BLEU",
    slide="Télécom, *Bleu score for long sentences*", seconds=65, labels={
        **{name + span: f"{row}, {low} to {high} words" for span, (low, high) in SPANS.items()
           for name, row in ROWS.items()},
        "plain_beam": "Encoder-decoder, 4 to 24 words, beam of 4",
        "attention_beam": "With attention, 4 to 24 words, beam of 4",
        "attention_exact": "With attention, 4 to 24 words: share without a mistake"},
    targets=[
        Target("dictionary", at_most=65.0), Target("plain", slide="17.82 (paper, other data)"),
        Target("attention", at_least=90.0, slide="26.75 (paper, other data)"), Target("transformer", at_least=85.0),
        Target("one vector falls with length: at 20 to 24 words to less than half of 4 to 8",
               holds=lambda r: r["plain_long"] < r["plain_short"] / 2),
        Target("attention holds: at 20 to 24 words above 0.9 of 4 to 8",
               holds=lambda r: r["attention_long"] > 0.9 * r["attention_short"]),
        Target("attention is above one vector on longer sentences than any trained on, by 20",
               holds=lambda r: r["attention_longer"] > r["plain_longer"] + 20)])


def drawn(ctx: Context) -> Texts:
    """Pairs to train on, as long ones to test, and longer ones; what the figure shows is in none of them."""
    rng, (train, test, longer) = ctx.part("data"), (150, 30, 15) if ctx.quick else (5000, 300, 300)
    pairs = [p for p in translation_pairs(rng, train + test, (4, LONGEST)) if " ".join(p[0]) not in SHOWN.values()]
    return texts_of(pairs[test:], pairs[:test], translation_pairs(rng, longer, (LONGEST + 1, 40)))


def scores(texts: list[list[str]], pairs: list[Pair], rows: Any) -> float:
    """BLEU of some rows of the translations."""
    return bleu([texts[k] for k in rows], [pairs[k][1] for k in rows])


@translation.run
def run(ctx: Context) -> None:
    """Train the three models, translate what they have not seen, and draw BLEU over length and the alignments."""
    texts = drawn(ctx)
    pairs, results, models = texts.test + texts.longer, dict[str, float](), dict[str, Any]()
    answers = {"dictionary": [word_by_word(source) for source, _ in pairs]}
    for name, (make, rate) in MODELS.items():
        ctx.part(ROWS[name])
        models[name] = learn(ctx, make(len(texts.source), len(texts.target)), texts, 2 if ctx.quick else 6, rate, 48)
        answers[name] = written(models[name], texts, pairs)
    for name, found in answers.items():
        results |= {name + span: scores(found, pairs, [k for k, (x, _) in enumerate(pairs) if low <= len(x) <= high])
                    for span, (low, high) in SPANS.items()}
    searched = texts.test[:6 if ctx.quick else None]
    for name in ("plain", "attention"):
        found = written(models[name], texts, searched, beam=4)
        results[f"{name}_beam"] = scores(found, searched, range(len(found)))
    ctx.result(**results, attention_exact=exact(answers["attention"][:len(texts.test)], texts.test))

    k = max(range(len(texts.test)), key=lambda k: len(texts.test[k][0]))
    ctx.table(f"A sentence of {len(pairs[k][0])} words", [], [
        ["French", " ".join(pairs[k][0])], ["English", " ".join(pairs[k][1])],
        *[[ROWS[name], " ".join(found[k])] for name, found in answers.items()]])
    bins = by_length(pairs, 4)
    ctx.figure("bleu", over_length, {ROWS[name]: [list(bins), [scores(found, pairs, rows) for rows in bins.values()]]
                                     for name, found in answers.items()},
               LONGEST, xlabel="words of the French sentence", ylabel="BLEU", ylim=(0, 102),
               title=f"From 4 to 8 words to 20 to 24, BLEU falls from {results['plain_short']:.0f} to "
                     f"{results['plain_long']:.0f} with one vector, from {results['attention_short']:.0f} to "
                     f"{results['attention_long']:.0f} with attention")
    shown = attention_maps(models["attention"], texts, [(sentence.split(), []) for sentence in SHOWN.values()])
    ctx.figure("alignments", alignments, dict(zip(SHOWN, shown, strict=True)), label="alignment weight",
               title="The alignment leaves the diagonal where French has another order: adjectives, pronouns, negation")
