"""Handwritten digits read row by row.   Télécom, *Handwritten Character Recognition*.

The deck reads MNIST's rows with a recurrent network, many to one, and prints no number. Here 8 rows of 8 pixels
(scikit-learn's digits) enter a network of 64 units. How well it reads depends on who is asked: on a random split, which
tests on people whose hand was trained on, it has over 96% right, and of the last pictures, by other people, 93% or so.
One linear layer on all pixels at once stands beside it. The last row alone says little: the rest is in the state. A
network that was trained to answer at the end has no answer before; one that was asked after every row shows how much
each row tells.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import nn, viz
from minigrad.data.handwriting import SPLITS, Digits, digit_sets
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._classifying import Examples, answers, train
from minigrad.models.over_time import prefixes
from minigrad.models.row_reader import RowReader, WholePicture
from minigrad.viz.alignments import alignments

ROWS, NAMES = 8, list("0123456789")
MODELS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "last_row": ("RNN, the last row alone", RowReader), "whole": ("All pixels, one linear layer", WholePicture),
    "rnn": ("RNN, row by row", RowReader), "lstm": ("LSTM, row by row", lambda: RowReader(cell="lstm")),
    "asked": ("LSTM, asked after every row", lambda: RowReader(cell="lstm")),
    "bilstm": ("LSTM, both ways", lambda: RowReader(cell="lstm", bidirectional=True))}
DRAWN = ("rnn", "lstm", "asked")
LABELS = {f"{split}_{name}": f"{row}: {split} split" for split in SPLITS for name, (row, _) in MODELS.items()}

digits = Experiment(
    "digits", ids="T50", slide="Télécom, *Handwritten Character Recognition*", seconds=20, unit="accuracy",
    labels=LABELS, targets=[
        *[Target(f"random_{name}", at_least=0.96) for name in ("rnn", "lstm", "bilstm")],
        *[Target(f"ordered_{name}", at_least=0.89) for name in ("rnn", "lstm", "bilstm")],
        Target("people who were not trained on cost 2 % or more of the answers",
               holds=lambda r: all(r[f"random_{n}"] - r[f"ordered_{n}"] >= 0.02 for n in ("rnn", "lstm", "bilstm"))),
        *[Target(f"{split}_last_row", at_most=0.6) for split in SPLITS]])


def seen(x: np.ndarray, y: np.ndarray, name: str) -> Examples:
    """Pictures x (N, 8, 8) as the network of that name is trained on them: "asked" on each one's first 1 ... 8 rows."""
    if name == "asked":
        return Examples(np.repeat(x, ROWS, 0), np.tile(np.arange(1, ROWS + 1), len(x)), np.repeat(y, ROWS))
    x = x[:, -1:] if name == "last_row" else x
    return Examples(x, np.full(len(x), x.shape[1]), y)


def after_rows(ctx: Context, model: nn.Module, data: Digits) -> np.ndarray:
    """The share of the test's pictures that are read rightly after 1, 2, ... 8 rows (8,)."""
    asked = seen(data.x_test, data.y_test, "asked")
    return np.asarray((answers(ctx, model, asked) == asked.y).reshape(-1, ROWS).mean(0))


def reading(ctx: Context, model: nn.Module, data: Digits, told: np.ndarray) -> dict[str, Any]:
    """Panels: pictures, two that are read rightly and two that are not, and what the network says after each row."""
    right = told == data.y_test
    panels, rows = dict[str, Any](), [str(row + 1) for row in range(ROWS)]
    for letter, k in zip("ABCD", [*np.nonzero(right)[0][:2], *np.nonzero(~right)[0][:2]], strict=False):
        p = prefixes(model, ctx.tensor(data.x_test[k:k + 1]))
        panels[f"{letter}: somebody's {data.y_test[k]}"] = data.x_test[k], rows, [""] * data.x_test.shape[2]
        panels[f"{letter} is read as {told[k]}"] = p, rows, NAMES
    return panels


@digits.run
def run(ctx: Context) -> None:
    """Train every network on both splits; ask the recurrent ones after every row."""
    results, lines = dict[str, float](), {f"{split} split": dict[str, Any]() for split in SPLITS}
    for split in SPLITS:
        data = digit_sets(ctx.part(f"{split} split"), split)
        if ctx.quick:
            data = Digits(data.x_train[:100], data.y_train[:100], data.x_test[:60], data.y_test[:60])
        models, told = dict[str, nn.Module](), dict[str, np.ndarray]()
        for name, (row, make) in MODELS.items():
            models[name] = train(ctx, f"{split} {name}", make, seen(data.x_train, data.y_train, name), rate=1e-2,
                                 epochs=4 if ctx.quick else 12 if name == "asked" else 40)
            told[name] = answers(ctx, models[name], seen(data.x_test, data.y_test, name if name == "last_row" else ""))
            results[f"{split}_{name}"] = (told[name] == data.y_test).mean()
            if name in DRAWN:
                lines[f"{split} split"][row] = np.arange(1, ROWS + 1), after_rows(ctx, models[name], data)
    ctx.result(**results)                      # data, models and answers are those of the ordered split from here on

    at_end, always = (lines["ordered split"][MODELS[name][0]][1][ROWS // 2 - 1] for name in ("lstm", "asked"))
    ctx.figure("rows", viz.curves, lines, xlabel="rows read", ylabel="digits right", ylim=(0, 1.03),
               levels={"a guess": 0.1},
               title=f"After half of other people's digits an LSTM trained to answer after every row has {always:.0%} "
                     f"right, one trained to answer at the end {at_end:.0%}")
    ctx.figure("reading", alignments, reading(ctx, models["asked"], data, told["asked"]),
               label="ink, and probability after the row",
               title="How the answer forms, row by row: two pictures read rightly, two not")
    counts = np.zeros((10, 10))
    np.add.at(counts, (data.y_test, told["rnn"]), 1)
    wrong = counts * (1 - np.eye(10))
    written, read = np.unravel_index(wrong.argmax(), wrong.shape)
    ctx.figure("confusion", viz.heatmap, counts, NAMES, NAMES, label="pictures", xlabel="read as", ylabel="written",
               title=f"{wrong.sum():.0f} of {len(told['rnn'])} digits by other people are misread, a {written} as a "
                     f"{read} most often")
