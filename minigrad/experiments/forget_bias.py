"""A forget gate that starts open.   Télécom, *Forget Gate LSTM*; Chemnitz, *How do LSTM solve the ... problem? (1)*.

The deck: a high initial b^f keeps c as it is. Here one bit is shown at the first of 60 steps, nothing or noise after
it, and asked for at the end. With b_f = 0 the gates start near 1/2 and keep about 0.5^60 of c, and of the gradient that
could open them. The start counts, not the cell: a GRU fails as well, but not if its update gate starts shut (z writes,
so b_z = -3). Of 18 starts each (seeds 0 to 2) b_f = 3, b_f = 5 and b_z = -3 solve it from all, a plain RNN from 4,
b_f = 1 from 1, b_f = 0 and the GRU from none. Another deck finds the biases of an LSTM mostly useless.
"""
from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from minigrad import nn, no_grad, viz
from minigrad.data.memory_tasks import COIN_BASELINE
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._until_solved import Outcome, keep_a_bit, over_starts

H, LAG, UPDATES, STARTS = 16, 60, 800, 3
NOISE = {"quiet": 0.0, "noisy": 0.5}           # of each step after the first, beside a signal of +-1


def lstm(bias: float) -> nn.LSTM:
    """b_f: what the forget gate's two biases add up to; all else uniform in +-1 / sqrt(H), as usual."""
    return nn.LSTM(2, H, batch_first=True, forget_bias=bias)


def gru(bias: float | None = None) -> nn.GRU:
    """The decks' GRU, h' = (1 - z) h + z n.  bias: of z; far below 0, z is near 0 and h stays."""
    layer = nn.GRU(2, H, batch_first=True, reset="before", update="writes")
    if bias is not None:
        with no_grad():                        # rows r, z, n
            _, _, b_ih, b_hh = layer.parameters()
            b_ih[H:2 * H], b_hh[H:2 * H] = bias, 0.0
    return layer


ROWS: dict[str, tuple[str, Callable[[], nn.RNN | nn.LSTM | nn.GRU]]] = {
    "rnn": ("plain RNN", lambda: nn.RNN(2, H, batch_first=True)),
    "lstm_0": ("LSTM, b_f = 0", lambda: lstm(0)),
    "lstm_1": ("LSTM, b_f = 1", lambda: lstm(1)),
    "lstm_3": ("LSTM, b_f = 3", lambda: lstm(3)),
    "lstm_5": ("LSTM, b_f = 5", lambda: lstm(5)),
    "gru": ("GRU", gru),
    "gru_shut": ("GRU, b_z = -3", lambda: gru(-3)),
}
OPEN, CLOSED = ("lstm_3", "lstm_5", "gru_shut"), ("rnn", "lstm_0", "gru")      # b_f = 1: between the two

forget_bias = Experiment(
    "forget_bias", ids="T29", slide="Télécom, *Forget Gate LSTM*", seconds=30, unit=f"updates, {UPDATES}: not solved",
    labels={**{f"{name}_{noise}": f"{row}, {noise}" for noise in NOISE for name, (row, _) in ROWS.items()},
            "open_solved": "share solved: b_f = 3, b_f = 5, b_z = -3",
            "closed_solved": "share solved: RNN, b_f = 0, GRU"},
    targets=[*[Target(f"{name}_{noise}", at_most=UPDATES / 2) for noise in NOISE for name in OPEN],
             *[Target(f"{name}_{noise}", at_least=UPDATES / 2) for noise in NOISE for name in CLOSED],
             Target("open_solved", at_least=0.9), Target("closed_solved", at_most=0.2)])


@forget_bias.run
def run(ctx: Context) -> None:
    """Every row from several starts, with and without noise: how many updates until the bit is kept."""
    lag, updates, starts = (6, 100, 1) if ctx.quick else (LAG, UPDATES, STARTS)
    found: dict[str, list[Outcome]] = {}
    panels: dict[str, dict[str, Sequence[Any]]] = {}
    for noise, size in NOISE.items():
        lines = panels[f"{noise}: {'nothing' if not size else f'noise of {size:g}'} after the first step"] = {}
        for name, (row, layer) in ROWS.items():
            parts = [f"{row}, {noise}, start {k + 1}" for k in range(starts)]
            found[f"{name}_{noise}"] = [keep_a_bit(ctx, part, layer, lag, size, updates) for part in parts]
            lines[row] = over_starts(ctx, parts)
    solved = {name: [o.solved for o in outcomes] for name, outcomes in found.items()}
    ctx.result(**{name: statistics.median(o.updates for o in outcomes) for name, outcomes in found.items()},
               **{which: statistics.fmean(sum((solved[f"{name}_{noise}"] for name in names for noise in NOISE), []))
                  for which, names in (("open_solved", OPEN), ("closed_solved", CLOSED))})
    ctx.table(f"Updates until solved from {starts} starts, lag {lag} (-: never)", ["", *NOISE], [
        [row, *[", ".join(str(o.updates) if o.solved else "-" for o in found[f"{name}_{noise}"]) for noise in NOISE]]
        for name, (row, _) in ROWS.items()])
    kept = {is_open: sum((s for name, s in solved.items() if name.startswith(OPEN) == is_open), [])
            for is_open in (True, False)}
    ctx.figure("loss", viz.curves, panels, log="x", xlabel="updates", ylabel="loss: median and range of the starts",
               levels={"a guess: log 2": COIN_BASELINE},
               title=f"A bit is kept for {lag} steps within {updates} updates: from {sum(kept[True])} of "
                     f"{len(kept[True])} starts with open gates, from {sum(kept[False])} of "
                     f"{len(kept[False])} without")
