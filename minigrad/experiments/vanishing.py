"""How far back a gradient reaches.   Chemnitz, *Vanishing and exploding gradients*; Escalera, *Vanilla RNN Gradient
Flow*; Télécom, *Vanishing and exploding gradients*; Riveill, *What is the value of the derivative 'chain'?*

The decks: a step back multiplies the gradient by W_h, so |W_h| (Chemnitz), its largest singular value (Escalera) or the
ratio of one unit (Télécom) above 1 explodes and below 1 vanishes; 0.25 a step is left of the logistic (Riveill); the
cell of an LSTM lets it pass. The tape: a step multiplies by diag(phi') W_h. Below the threshold the plain cells vanish;
above it they can explode, and the slopes decide whether they do.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import nn, viz
from minigrad.experiments import Context, Experiment, Target, _chains
from minigrad.experiments._reach import DIES, EXPLODES, FADES, STEPS, D, H, band, fate, reach
from minigrad.models.random_cell import update_bias_

RADII = (0.5, 0.9, 1.1, 1.5, 2.0, 4.0)
CELLS: dict[str, Callable[[], nn.RNNCell | nn.LSTMCell | nn.GRUCell]] = {
    "RNN tanh": lambda: nn.RNNCell(D, H),
    "RNN relu": lambda: nn.RNNCell(D, H, nonlinearity="relu"),
    "RNN logistic": lambda: nn.RNNCell(D, H, nonlinearity="sigmoid"),
    "LSTM, b_f 0": lambda: nn.LSTMCell(D, H, forget_bias=0.0),
    "LSTM, b_f 5": lambda: nn.LSTMCell(D, H, forget_bias=5.0),
    "GRU, b_z 0": lambda: update_bias_(nn.GRUCell(D, H, reset="before", update="writes"), 0.0),
    "GRU, b_z -5": lambda: update_bias_(nn.GRUCell(D, H, reset="before", update="writes"), -5.0),
}
LEFT = f"left after {STEPS} steps: "
ROWS: dict[str, tuple[str, dict[str, Any], str | float | None]] = {            # result -> row, bar, what a deck says
    "logistic_chain": ("one logistic unit, w = 1, against 0.25^n", {"at_most": 1.0}, "0.25^n"),
    "steepest_chain": ("one logistic unit, w = 4, after 50 steps", {"at_least": 1.0}, "0.25^50"),
    "misprint": ("0.25^16 against the number that is printed", {"at_least": 9.9}, "1"),
    "product_error": ("product of Jacobians against the tape", {"at_most": 1e-10}, None),
    "bound_excess": ("its norm against (gamma sigma)^d", {"at_most": 1 + 1e-9}, None),
    "tanh_09": (LEFT + "RNN tanh, radius 0.9", {"at_most": DIES}, "vanishes"),
    "lstm_09": (LEFT + "LSTM, b_f 5, along c, radius 0.9", {"at_least": 0.1}, "flows"),
    "gru_09": (LEFT + "GRU, b_z -5, radius 0.9", {"at_least": 0.1}, None),
    "logistic_2": (LEFT + "RNN logistic, radius 2", {"at_most": DIES}, "explodes"),
    "logistic_4": (LEFT + "RNN logistic, radius 4", {"at_most": DIES}, "explodes"),
    "relu_11": (LEFT + "RNN relu, radius 1.1", {"at_most": 1.0}, "explodes"),
    "relu_2": (LEFT + "RNN relu, radius 2", {"at_least": EXPLODES}, "explodes"),
    "relu_2_driven": (LEFT + "the same, inputs of size 10", {"at_least": EXPLODES}, "explodes"),
    "tanh_4": (LEFT + "RNN tanh, radius 4", {"at_least": EXPLODES}, "explodes"),
    "tanh_2_driven": (LEFT + "RNN tanh, radius 2, inputs of size 10", {"at_most": DIES}, "explodes"),
    "f_1_direct": (LEFT + "LSTM with f = 1, direct path", {"at_least": 1.0}, 1.0),
    "whole_over_direct": ("LSTM, b_f 5: whole gradient against prod f", {"at_least": 2.0}, 1.0),
    "first_term": ("what state 1 adds to dL/dW_h", {"at_most": 0.0}, None),
    "terms_error": ("sum over all states against dL/dW_h", {"at_most": 1e-10}, None),
}
vanishing = Experiment("vanishing", ids="C11 C12 C24 E22 E27 E28 R12 T22 T23", seconds=20,
                       slide="Chemnitz, *Vanishing and exploding gradients*", labels={k: v[0] for k, v in ROWS.items()},
                       targets=[Target(name, slide=slide, **bar) for name, (_, bar, slide) in ROWS.items()])


@vanishing.run
def run(ctx: Context) -> None:
    """The decks' own chains; the distance at which each cell's gradient dies or explodes; what the slopes do to it."""
    draws = 1 if ctx.quick else 8
    ctx.result(**_chains.chain(ctx), **_chains.products(ctx))
    left = distances(ctx, draws)
    ctx.result(tanh_09=left["RNN tanh", 0.9], lstm_09=left["LSTM, b_f 5, along c", 0.9],
               gru_09=left["GRU, b_z -5", 0.9], logistic_2=left["RNN logistic", 2.0],
               logistic_4=left["RNN logistic", 4.0], relu_11=left["RNN relu", 1.1], relu_2=left["RNN relu", 2.0],
               tanh_4=left["RNN tanh", 4.0])
    left = saturation(ctx, draws)
    ctx.result(relu_2_driven=left["RNN relu", 10.0], tanh_2_driven=left["RNN tanh", 10.0])
    ctx.result(**_chains.direct_path(ctx, draws), **_chains.terms(ctx, updates=80 if ctx.quick else 300))


def distances(ctx: Context, draws: int) -> dict[tuple[str, float], float]:
    """Tabulates and draws where each cell's gradient dies or explodes; (cell, radius) -> what is left at last."""
    panels: dict[str, Any] = {}
    all_curves: dict[str, list[Any]] = {}
    heads, left = [""], {}
    for radius in ctx.progress(RADII, "radii"):
        found: dict[str, list[np.ndarray]] = {}
        sigmas = []
        for name, make in CELLS.items():
            ctx.part(f"radius {radius} {name}")
            for _ in range(draws):
                rows, sigma = reach(ctx, make(), radius)
                sigmas.append(sigma)
                for row, along in zip(rows, ("", ", along c"), strict=False):
                    found.setdefault(name + along, []).append(row)
        heads.append(f"radius {radius}, sigma {np.median(sigmas):.1f}")
        panels[heads[-1]] = {n: band(curves) for n, curves in found.items() if n + ", along c" not in found}
        ctx.part(f"radius {radius}")
        for name, curves in found.items():
            all_curves.setdefault(name, []).append(curves)
            left[name, radius] = float(np.median(curves, 0)[-1])
            for d in range(0, STEPS + 1, 10):
                ctx.log(d, **{name: np.median(curves, 0)[d]})
    for floor in (FADES, DIES):
        ctx.table(f"Steps back at which the gradient is below {floor:g} of its start (dies) or above {1 / floor:g} "
                  f"(explodes), else what is left\nafter {STEPS}: median, and range of {draws} draws (sigma: the "
                  "largest singular value of W_h)",
                  heads, [[name, *[fate(c, floor) for c in curves]] for name, curves in all_curves.items()])
    ctx.figure("distance", viz.curves, panels, log="y", ylim=(1e-15, 1e9), levels={f"{DIES:g} of the start": DIES},
               xlabel="steps back d (sigma: largest singular value)", ylabel="|dL/dh_{T-d}| / |dL/dh_T|, LSTM: of c",
               title="Below radius 1 every RNN's gradient dies; LSTM and GRU keep it where their gates start open")
    return left


def saturation(ctx: Context, draws: int, radius: float = 2.0) -> dict[tuple[str, float], float]:
    """The same W_h with inputs of three sizes; (cell, size) -> what is left at last."""
    panels: dict[str, Any] = {}
    left = {}
    for name in ("RNN relu", "RNN tanh"):
        panels[f"{name}, radius {radius:g}"] = series = {}
        for size in (0.1, 1.0, 10.0):
            ctx.part(f"saturation {name}")                                     # the same draws for every size
            curves = [reach(ctx, CELLS[name](), radius, size)[0][0] for _ in range(draws)]
            series[f"inputs of size {size:g}"] = band(curves)
            left[name, size] = float(np.median(curves, 0)[-1])
    ctx.figure("saturation", viz.curves, panels, log="y", xlabel="steps back d", ylabel="|dL/dh_{T-d}| / |dL/dh_T|",
               title="A radius above 1 does not make a gradient explode: strong inputs saturate tanh, and it vanishes")
    return left
