"""Was or were, he or she, when the subject is far behind.   Télécom, *Vanishing and exploding gradients (1)*.

The deck: "The student, which already followed 6 hours of lessons, was tired. The students, ... were tired" is hard to
learn for a recurrent network. Here the gap between subject and verb ends in an attractor, a noun that asks for another
answer, so a rule that asks the nearest noun is wrong each time, and so is a bigram. Trained over 4 to 12 words every
network learns the number; the gender too those with gates, while the RNN guesses (0.50 to 0.69 right in seeds 0 to 4).
Over 16 to 24 that one learns no more than the nearest noun. Two figures: *LSTM example usage* and *LSTM regimes*.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minigrad import nn, optim, viz
from minigrad.data.agreement import ANSWERS, GENDER, NUMBER, Agreement, agreement_texts
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.agreement import AgreementReader, bigram, nearest_noun, read_out, spread, story
from minigrad.models.lstm_regimes import STORY, regime_trace
from minigrad.nn import functional as F

STARTS, D, H = 3, 16, 32
LAYERS: dict[str, Callable[[], Any]] = {                         # Télécom, *Forget Gate LSTM*: a high bias at the start
    "rnn": lambda: nn.RNN(D, H, batch_first=True), "gru": lambda: nn.GRU(D, H, batch_first=True),
    "lstm": lambda: nn.LSTM(D, H, batch_first=True, forget_bias=3.0)}
ROWS = {"nearest": "Nearest noun", "bigram": "Bigram", "rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
TRAINED = {"near": range(4, 13), "far": range(16, 25)}           # words between subject and verb
TESTED = (4, 8, 12, 16, 20, 24, 32, 48)
ASKED = {"verb": NUMBER, "pronoun": GENDER}                      # what is asked for, beside an attractor of another ...
WHERE = {"near": "over 4 to 12 words", "far": "over 16 to 24 words", "near_longest": "of 4 to 12, over 48"}

LABELS = {f"{reach}_{name}_{what}": f"{row} {words}: {what}" for reach, words in WHERE.items() for what in ASKED
          for name, row in ROWS.items() if reach == "near" or name in LAYERS}
LABELS |= {f"unit_{what}": f"One cell of the LSTM of 4 to 12: {what}" for what in ASKED}

agreement = Experiment(
    "agreement", ids="T21 T31", slide="Télécom, *Vanishing and exploding gradients (1)*",
    seconds=35, unit="accuracy", labels=LABELS,
    targets=[*[Target(f"near_{rule}_{what}", at_most=0.0) for rule in ("nearest", "bigram") for what in ASKED],
             *[Target(f"{reach}_{name}_{what}", at_least=0.95) for reach in TRAINED for what in ASKED
               for name in ("gru", "lstm")], Target("near_rnn_verb", at_least=0.95),
             Target("near_rnn_pronoun", at_most=0.8), Target("far_rnn_verb", at_most=0.2)])


def train(ctx: Context, part: str, layer: Callable[[], Any], data: Agreement, epochs: int = 12) -> AgreementReader:
    """A reader after Adam on the cross-entropy of its answers, 64 texts a batch, until the mean is under 0.005."""
    ctx.part(part)
    model = ctx.to_device(AgreementReader(layer()))
    adam = optim.Adam(model.parameters(), lr=1e-2)
    for epoch in ctx.rounds(3 if ctx.quick else epochs, model=model, optimizer=adam):
        losses = []
        for rows in np.array_split(ctx.rng.permutation(len(data.x)), -(-len(data.x) // 64)):
            scores = model(ctx.tensor(data.x[rows])).reshape(-1, len(ANSWERS))             # (B T, 5)
            loss = F.cross_entropy(scores, ctx.tensor(data.y[rows]).reshape(-1))
            adam.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            losses.append(loss.item())
        ctx.log(epoch, loss=np.mean(losses))
        if np.mean(losses) < 0.005:
            break
    return model


@agreement.run
def run(ctx: Context) -> None:
    """Train every network over short and over long gaps, from several starts; ask them and the rules at attractors."""
    rng, tested = ctx.part("tests"), (4, 16) if ctx.quick else TESTED
    tests = {what: [agreement_texts(rng, 20 if ctx.quick else 60, [gap], kind) for gap in tested]
             for what, kind in ASKED.items()}
    panels, results, trained = dict[str, Any](), dict[str, float](), dict[str, tuple[AgreementReader, Agreement]]()
    for reach, gaps in TRAINED.items():
        data = agreement_texts(ctx.part(f"{reach} data"), 60 if ctx.quick else 2000, gaps)
        models = {name: [train(ctx, f"{reach} {name} {k + 1}", layer, data) for k in range(1 if ctx.quick else STARTS)]
                  for name, layer in LAYERS.items()}
        givers: dict[str, list[Any]] = {"nearest": [nearest_noun], "bigram": [partial(bigram, data)]}
        givers |= {name: [model.answers for model in group] for name, group in models.items()}
        for what in ASKED:
            right = {name: spread(givers[name], tests[what], what) for name in ROWS}       # (3, gaps), over the starts
            panels[f"learned over {gaps[0]} to {gaps[-1]}: {what}, other {ASKED[what]}"] = {       # marks side by side
                ROWS[name]: (np.array(tested) + k / 2 - 1, *r) for k, (name, r) in enumerate(right.items())}
            results |= {f"{reach}_{name}_{what}": r[1, np.isin(tested, gaps)].mean() for name, r in right.items()}
            results |= {f"{reach}_longest_{name}_{what}": r[1, -1] for name, r in right.items()}
        trained[reach] = models["lstm"][0], data
    units = {what: read_out(*trained["near"], tests[what][1], what) for what in ASKED}
    results |= {f"unit_{what}": share for what, (_, share) in units.items()}
    ctx.result(**{name: results[name] for name in LABELS})

    ctx.figure("gaps", viz.curves, panels, ylabel="right beside an attractor", xlabel="words between subject and verb",
               title=f"Learned over 16 to 24 words, the RNN has {results['far_rnn_verb']:.0%} of the verbs right, the "
                     f"nearest noun {results['far_nearest_verb']:.0%} and the LSTM {results['far_lstm_verb']:.0%}")
    ctx.figure("gates", viz.gates, {f"unit {k}: the {ASKED[what]} of the subject": story(trained["near"][0], what, k)
                                    for what, (k, _) in units.items()},
               title=f"One cell tells the number at {results['unit_verb']:.0%} of the words of a gap, one the gender "
                     f"at {results['unit_pronoun']:.0%}: kept past the attractors, until a new subject comes")
    ctx.figure("regimes", viz.gates, {"one unit, its gates set by hand": regime_trace(STORY)},
               title="What the gates can do with a cell: overwrite, keep, answer, add, reset")
