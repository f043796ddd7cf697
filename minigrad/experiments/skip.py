"""Shorter ways through time.   Télécom, *Vanishing gradients: use skip-connections*; Riveill, *Residual*.

The decks: a connection from h_{t-k} to h_t with a matrix of its own, or h_t = h_{t-1} + phi(...), gives the gradient a
way with fewer factors. Here one bit is shown at the first of 40 or 60 steps and asked for at the end. Back from step 60
a plain tanh network has 59 factors, one with skips of 10 steps has a way of 14 (5 skips, 9 steps), and a residual one
a way without any.
"""
from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minigrad import nn, viz
from minigrad.data.memory_tasks import COIN_BASELINE
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._until_solved import Outcome, keep_a_bit, over_starts

H, SKIP, UPDATES, STARTS = 16, 10, 800, 5
SETTINGS = {"40": (40, 0.0), "60_noisy": (60, 0.5)}                            # name -> lag, noise
ROWS: dict[str, tuple[str, Callable[[], nn.RNN]]] = {
    "plain": ("plain RNN", lambda: nn.RNN(2, H, batch_first=True)),
    "skip": (f"skip of {SKIP} steps", lambda: nn.RNN(2, H, batch_first=True, skip=SKIP)),
    "residual": ("residual", lambda: nn.RNN(2, H, batch_first=True, residual=True)),
}
JUDGED = {"skip": 3.0, "residual": 4.0}        # times faster than the plain network, at least


def faster(name: str, setting: str, times: float) -> Callable[[Mapping[str, float]], bool]:
    """Does this row need so many times fewer updates than the plain network?"""
    return lambda r: r[f"plain_{setting}"] >= times * r[f"{name}_{setting}"]


skip = Experiment(
    "skip", ids="R13 T26", slide="Télécom, *Vanishing gradients: use skip-connections*", seconds=8,
    unit=f"updates, {UPDATES}: not solved",
    labels={f"{name}_{setting}": f"{row}, lag {lag}, {'noise' if noise else 'no noise'}"
            for setting, (lag, noise) in SETTINGS.items() for name, (row, _) in ROWS.items()},
    targets=[*[Target(f"{name}_{setting}", at_most=UPDATES / 4) for setting in SETTINGS for name in JUDGED],
             *[Target(f"{ROWS[name][0]}: at least {times:g} times faster than plain, {setting.replace('_', ', ')}",
                      holds=faster(name, setting, times)) for setting in SETTINGS for name, times in JUDGED.items()]])


@skip.run
def run(ctx: Context) -> None:
    """Each network from several starts, in both settings: how many updates until the bit arrives."""
    updates, starts = (100, 1) if ctx.quick else (UPDATES, STARTS)
    found: dict[str, list[Outcome]] = {}
    panels: dict[str, dict[str, Sequence[Any]]] = {}
    table = []
    for setting, (lag, noise) in SETTINGS.items():
        lag = 8 if ctx.quick else lag
        title = f"lag {lag}, " + (f"noise of {noise:g}" if noise else "no noise")
        panels[title] = {}
        for name, (row, layer) in ROWS.items():
            parts = [f"{row}, {title}, start {k + 1}" for k in range(starts)]
            found[f"{name}_{setting}"] = outcomes = [keep_a_bit(ctx, p, layer, lag, noise, updates) for p in parts]
            panels[title][row] = over_starts(ctx, parts)
            table.append([row, title, *[o.updates if o.solved else "-" for o in outcomes]])
    medians = {name: statistics.median(o.updates for o in outcomes) for name, outcomes in found.items()}
    ctx.result(**medians)
    ctx.table("Updates until solved, from each start (-: never)", ["", "", *[str(k + 1) for k in range(starts)]], table)
    last = ", ".join(f"{row} {medians[f'{name}_{setting}']:g}" for name, (row, _) in ROWS.items())
    ctx.figure("loss", viz.curves, panels, log="xy", xlabel="updates", ylabel="loss, not below 0.01: median and range",
               levels={"a guess: log 2": COIN_BASELINE},
               title=f"Median updates to carry a bit over {lag} noisy steps: {last} ({updates}: not solved)")
