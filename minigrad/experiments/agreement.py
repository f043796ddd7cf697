"""Was or were, he or she, when the subject is far behind.   Télécom, *Vanishing and exploding gradients (1)*.

The deck: "The student, which already followed 6 hours of lessons, was tired. The students, ... were tired" is hard to
learn for a recurrent network. Here the gap between subject and verb ends in an attractor, a noun that asks for another
answer, so a rule that asks the nearest noun is wrong each time, and so is a bigram. Trained over 4 to 12 words every
network learns the number; the gender too those with gates, and the plain RNN in none of 15 starts (seeds 0 to 4). Over
16 to 24 words that one learns no more than the nearest noun. *LSTM example usage*: the cell keeps the gender until a new
subject comes. *LSTM regimes*: what gates can do with a cell. Two figures show them.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad import nn, optim, viz
from minigrad.data.agreement import ANSWERS, BLANK, GENDER, NUMBER, Agreement, agreement_texts
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.agreement import AgreementReader, accuracy, answers, bigram, nearest_noun, read_out, story
from minigrad.models.lstm_regimes import STORY, regime_trace
from minigrad.nn import functional as F
from minigrad.nn.recurrent import Recurrent

STARTS, D, H = 3, 16, 32
LAYERS: dict[str, Callable[[], Recurrent]] = {                   # Télécom, *Forget Gate LSTM*: a high bias at the start
    "rnn": lambda: nn.RNN(D, H, batch_first=True), "gru": lambda: nn.GRU(D, H, batch_first=True),
    "lstm": lambda: nn.LSTM(D, H, batch_first=True, forget_bias=3.0)}
ROWS = {"nearest": "Nearest noun", "bigram": "Bigram", "rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
TRAINED = {"near": range(4, 13), "far": range(16, 25)}           # words between subject and verb
TESTED = (4, 8, 12, 16, 20, 24, 32, 48)
ASKED = {"verb": NUMBER, "pronoun": GENDER}                      # what is asked for, beside an attractor of another ...

LABELS = {f"{rule}_{what}": f"{ROWS[rule]}: {what}" for rule in ("nearest", "bigram") for what in ASKED}
LABELS |= {f"{reach}_{name}_{what}": f"{ROWS[name]} over {gaps[0]} to {gaps[-1]} words: {what}"
           for reach, gaps in TRAINED.items() for what in ASKED for name in LAYERS}
LABELS |= {f"longest_{name}": f"{ROWS[name]} of 4 to 12, over {TESTED[-1]}: verb" for name in LAYERS}
LABELS |= {f"unit_{what}": f"One cell of the LSTM of 4 to 12: {what}" for what in ASKED}

agreement = Experiment(
    "agreement", slide="Télécom, *Vanishing and exploding gradients (1)*", seconds=35, unit="accuracy", labels=LABELS,
    targets=[*[Target(f"{rule}_{what}", at_most=0.0) for rule in ("nearest", "bigram") for what in ASKED],
             *[Target(f"{reach}_{name}_{what}", at_least=0.95) for reach in TRAINED for what in ASKED
               for name in ("gru", "lstm")],
             Target("near_rnn_verb", at_least=0.95), Target("far_rnn_verb", at_most=0.2),
             Target("the RNN does not learn the gender: a coin, within 0.2",
                    holds=lambda r: abs(r["near_rnn_pronoun"] - 0.5) < 0.2)])


def train(ctx: Context, model: AgreementReader, data: Agreement, epochs: int, batch: int = 64) -> AgreementReader:
    """Adam on the cross-entropy of the answers, until an epoch's mean is under 0.005 or `epochs` are over."""
    adam = optim.Adam(model.parameters(), lr=1e-2)
    for epoch in ctx.rounds(epochs, model=model, optimizer=adam):
        total = 0.0
        for rows in np.split(ctx.rng.permutation(len(data.x)), range(batch, len(data.x), batch)):
            scores = model(ctx.tensor(data.x[rows])).reshape(-1, len(ANSWERS))             # (B T, 5)
            loss = F.cross_entropy(scores, ctx.tensor(data.y[rows]).reshape(-1))
            adam.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            total += loss.item() * len(rows)
        ctx.log(epoch, loss=total / len(data.x))
        if total < 0.005 * len(data.x):
            break
    return model


@agreement.run
def run(ctx: Context) -> None:
    """Train every network over short and over long gaps, from several starts; ask them and the rules at attractors."""
    rng = ctx.part("tests")
    gaps_tested = (4, 16) if ctx.quick else TESTED
    tests = {what: [agreement_texts(rng, 20 if ctx.quick else 60, [gap], kind) for gap in gaps_tested]
             for what, kind in ASKED.items()}
    panels: dict[str, dict[str, tuple]] = {}
    rules: dict[str, float] = {}
    results: dict[str, float] = {}
    for reach, gaps in TRAINED.items():
        data = agreement_texts(ctx.part(f"{reach} data"), 60 if ctx.quick else 2000, gaps)
        models = {name: [train(ctx, ctx.to_device(AgreementReader(layer())), data, 3 if ctx.quick else 12)
                         for start in range(1 if ctx.quick else STARTS) if ctx.part(f"{reach} {name} {start + 1}")]
                  for name, layer in LAYERS.items()}
        for what, asked in tests.items():
            right = {name: [[accuracy(answers(m, d), d, what) for d in asked] for m in group]
                     for name, group in models.items()}
            right |= {"nearest": [[accuracy(nearest_noun(d), d, what) for d in asked]],
                      "bigram": [[accuracy(bigram(data, d), d, what) for d in asked]]}
            curves = {name: np.percentile(right[name], (0, 50, 100), axis=0) for name in ROWS}
            panels[f"learned over {gaps[0]} to {gaps[-1]}: {what}, other {ASKED[what]}"] = {
                ROWS[name]: (np.array(gaps_tested) + k / 2 - 1, *c) for k, (name, c) in enumerate(curves.items())}
            known = [k for k, gap in enumerate(gaps_tested) if gap in gaps]
            results |= {f"{reach}_{name}_{what}": curves[name][1, known].mean() for name in LAYERS}
            for rule in ("nearest", "bigram"):
                rules[f"{rule}_{what}"] = max(rules.get(f"{rule}_{what}", 0.0), curves[rule].max())
            if (reach, what) == ("near", "verb"):
                results |= {f"longest_{name}": curves[name][1, -1] for name in LAYERS}
        if reach == "near":
            reader, fresh = models["lstm"][0], agreement_texts(rng, 20 if ctx.quick else 100, gaps)
            units = {what: read_out(reader, what, data, fresh) for what in ASKED}
    ctx.result(**rules, **results, **{f"unit_{what}": share for what, (_, share) in units.items()})

    ctx.figure("gaps", viz.curves, panels, ylabel="right beside an attractor",
               xlabel="words between subject and verb",
               title=f"Learned over 16 to 24 words, the RNN has {results['far_rnn_verb']:.0%} of the verbs right, the "
                     f"nearest noun {rules['nearest_verb']:.0%} and the LSTM {results['far_lstm_verb']:.0%}")
    nouns = {"verb": ("king", "queens"), "pronoun": ("king", "queen")}
    stories = {f"unit {unit}: the {ASKED[what]} of the subject": story(reader, unit, *nouns[what])
               for what, (unit, _) in units.items()}
    ctx.figure("gates", viz.gates, stories, shade={panel: [t for t, word in enumerate(words) if word[0] == BLANK]
                                                   for panel, (_, words) in stories.items()},
               title=f"One cell tells the number at {units['verb'][1]:.0%} of the words of a gap, one the gender at "
                     f"{units['pronoun'][1]:.0%}: kept past the attractors, until a new subject comes")
    ctx.figure("regimes", viz.gates, {"one unit, its gates set by hand": regime_trace(STORY)},
               title="What the gates can do with a cell: overwrite, keep, answer, add, reset")
