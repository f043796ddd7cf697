"""Spelling "hello" one letter at a time.   Escalera, *Example: Character-level Language Model*.

The deck: over the letters h, e, l, o a recurrent network learns h -> e, e -> l, l -> l, l -> o, and its letters are fed
back to it. The two answers after l are why it needs a state: the best model that sees only the letter before gives each
of them one half, so it stays at 2 ln 2 / 4 = 0.347 nats a letter and spells "hello" in one of four attempts.
"""
from __future__ import annotations

import math

import numpy as np

from minigrad import nn, no_grad, optim, viz
from minigrad.data.one_hot_text import one_hot_text
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.char_rnn import CharRNN, MemorylessChar, spell
from minigrad.nn import functional as F

WORD = "hello"
FLOOR = 2 * math.log(2) / 4                    # nats a letter: two of the four answers are a fair coin
DRAWS = 400                                    # words drawn: a share of 1/4 is then known to about 0.02

hello = Experiment(
    "hello", ids="E9 E10", slide="Escalera, *Example: Character-level Language Model*",
    seconds=1, unit="number", labels={
        "accuracy": "RNN of 3 units: letters right", "loss": "RNN: nats a letter", "spelled": "RNN: words spelled",
        "memoryless_accuracy": "No state: letters right", "memoryless": "No state: nats a letter",
        "memoryless_spelled": "No state: words spelled"}, targets=[
        Target("accuracy", at_least=1.0, slide="4 of 4"),
        Target("loss", at_most=0.02),
        Target("spelled", at_least=0.95, slide="hello"),
        Target("without a state: 0.347 nats a letter, within 0.002",
               holds=lambda r: abs(r["memoryless"] - FLOOR) < 2e-3),
        Target("without a state: at most 3 letters right", holds=lambda r: r["memoryless_accuracy"] <= 0.75),
        Target("without a state: a quarter of the words spelled, within 0.1",
               holds=lambda r: abs(r["memoryless_spelled"] - 0.25) < 0.1)])


def train(ctx: Context, model: nn.Module, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[np.ndarray, float, float]:
    """`steps` of Adam on the cross-entropy -> probabilities (T, V) of the next letter, loss, share of answers right.

    x (1, T, V) one-hot, y (1, T).
    """
    adam, letters, answers = optim.Adam(model.parameters(), lr=0.1), ctx.tensor(x), ctx.tensor(y[0])
    for step in ctx.rounds(steps, model=model, optimizer=adam):
        scores, _ = model(letters)
        loss = F.cross_entropy(scores[0], answers)
        adam.zero_grad()
        loss.backward()
        adam.step()
        ctx.log(step, loss=loss)
    with no_grad():
        p = F.softmax(model(letters)[0][0], -1).cpu().numpy()          # (T, V)
    return p, -float(np.log(p[np.arange(len(p)), y[0]]).mean()), float((p.argmax(-1) == y[0]).mean())


@hello.run
def run(ctx: Context) -> None:
    """Train both models on the word, let them spell, and show what each answers at every letter."""
    x, y, letters = one_hot_text(WORD)
    answers: list[np.ndarray] = []
    results: dict[str, float] = {}
    makes = {"": lambda: CharRNN(len(letters), hidden=3), "memoryless_": lambda: MemorylessChar(len(letters))}
    for name, make in makes.items():
        ctx.part(name.strip("_") or "rnn")
        model = ctx.to_device(make())
        p, loss, accuracy = train(ctx, model, x, y, steps=50 if ctx.quick else 400)
        words = [spell(model, letters, WORD[0], len(WORD), ctx.rng) for _ in range(20 if ctx.quick else DRAWS)]
        answers.append(p)
        results |= {name + "accuracy": accuracy, (name or "loss").strip("_"): loss,
                    name + "spelled": words.count(WORD) / len(words)}
    ctx.result(**results)

    gap = np.full((1, len(letters)), np.nan)
    rows = [f"after {WORD[:k + 1]}" for k in range(len(WORD) - 1)]
    ctx.figure("answers", viz.heatmap, np.concatenate([answers[0], gap, answers[1]]),
               [f"RNN, {row}" for row in rows] + [""] + [f"no state, {row}" for row in rows], list(letters),
               label="probability", xlabel="the next letter",
               title="After l comes l, then o: only the network with a state can answer both")
