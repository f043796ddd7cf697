"""What the decks compute by hand about a gradient through time, redone and set beside the tape: parts of `vanishing`.

The chain of one unit (Riveill, Télécom), the product of Jacobians and its bound (Chemnitz, Escalera), the direct path
through the cell of an LSTM (Chemnitz, Escalera, Télécom), and the terms of the sum over states (KTH, Télécom, Riveill).
"""
from __future__ import annotations

import numpy as np

from minigrad import float64, nn, optim, viz
from minigrad.data.memory_tasks import echo
from minigrad.experiments import Context
from minigrad.models.random_cell import spectral_radius_
from minigrad.nn import bptt
from minigrad.nn import functional as F

PRINTED = {2: "0.0625", 4: "0.00391", 8: "0.0000152", 16: "0.0000000000233", 50: "7e-31"}      # Riveill's 0.25^n
GAMMA = {"tanh": 1.0, "relu": 1.0, "sigmoid": 0.25}                            # the largest slope of each activation
WORDS = {"sigmoid": "logistic"}


def one_unit(ctx: Context, phi: str, w: float, b: float = 0.0, start: float = 0.0, size: float = 0.0,
             count: int = 200) -> np.ndarray:
    """|dh_T/dh_{T-n}|, n = 0 ... 50, of a single unit: the largest of `count` sequences of inputs of that size."""
    cell = ctx.to_device(nn.RNNCell(1, 1, nonlinearity=phi).to(float64))
    for p, value in zip(cell.parameters(), (1.0, w, b, 0.0), strict=True):
        nn.init.constant_(p, value)
    x, h = ctx.tensor(size * ctx.rng.normal(size=(51, count, 1))), ctx.tensor(np.full((count, 1), start))
    states = bptt.unroll(cell, x, h).h
    found, = bptt.gradients(states[-1].sum(), states)                          # (51, count, 1)
    return abs(found[::-1]).max((1, 2))


def chain(ctx: Context) -> dict[str, float]:
    """Riveill's table, its misprint, and chains whose factor w phi' is not 0.25."""
    ctx.part("chain of one unit")
    n = np.arange(51)
    curves = {"0.25^n": 0.25 ** n,
              "logistic, w = 1": one_unit(ctx, "sigmoid", 1, size=1),
              "logistic, w = 4, at its steepest": one_unit(ctx, "sigmoid", 4, -2, start=0.5),
              "tanh, w = 1": one_unit(ctx, "tanh", 1, size=1),
              "tanh, w = 1, at 0": one_unit(ctx, "tanh", 1)}
    computed, logistic, steep, *_ = curves.values()
    ctx.table("The derivative chain dh_T/dh_{T-n} (where inputs are random: the most of 200 sequences)",
              ["n", "slide", "0.25^n / slide", *curves],
              [[k, text, computed[k] / float(text), *[y[k] for y in curves.values()]] for k, text in PRINTED.items()])
    ctx.figure("chain", viz.curves, {"one unit; where inputs are random, the most of 200 sequences": {
        name: (n, y) for name, y in curves.items()}}, log="y", xlabel="steps back n", ylabel="|dh_T / dh_{T-n}|",
               title="0.25 a step is the most that a logistic unit with w = 1 keeps, and no law: a factor is w phi'")
    return {"logistic_chain": float((logistic / computed)[1:].max()), "steepest_chain": steep[-1],
            "misprint": computed[16] / float(PRINTED[16])}


def products(ctx: Context) -> dict[str, float]:
    """The product of diag(phi') W_h against the tape, and its bound (gamma sigma)^d, below and above the threshold."""
    steps, hidden, panels, errors, excess = 60, 32, {}, [], []
    for radius in (0.4, 1.1):
        for phi, gamma in GAMMA.items():
            rng = ctx.part(f"product {phi} {radius}")
            cell = ctx.to_device(nn.RNNCell(4, hidden, nonlinearity=phi).to(float64))
            sigma = spectral_radius_(cell.weight_hh, radius, rng)
            x = ctx.tensor(rng.normal(size=(steps + 1, 1, 4)))
            tape = bptt.state_jacobians(cell, x)[::-1]                         # (steps + 1, H, H), by distance
            product = bptt.jacobian_products(cell, bptt.unroll(cell, x).h)[::-1]
            errors.append((abs(tape - product).max((1, 2)) / abs(product).max((1, 2))).max())
            norms, bound = np.linalg.norm(product, 2, (1, 2)), (gamma * sigma) ** np.arange(steps + 1)
            excess.append((norms / bound)[1:].max())
            panels[f"{WORDS.get(phi, phi)}, radius {radius}, largest singular value {sigma:.2f}"] = {
                "from the tape": (range(steps + 1), np.linalg.norm(tape, 2, (1, 2))),
                "product of diag(phi') W_h": (range(steps + 1), norms),
                "bound (gamma sigma)^d": (range(steps + 1), bound)}
    ctx.figure("product", viz.curves, panels, log="y", xlabel="distance d", ylabel="norm of dh_T / dh_{T-d}",
               sharey=False, title="The product of diag(phi') W_h is the tape's gradient. A bound below 1 makes it "
                                   "vanish; a bound above 1 allows an explosion, which need not come")
    return {"product_error": max(errors), "bound_excess": max(excess)}


def direct_path(ctx: Context, draws: int, radius: float = 0.9, steps: int = 100, hidden: int = 32) -> dict[str, float]:
    """|dL/dc_{T-d}| of an LSTM beside what its direct path alone, prod f, would bring there; b_f 100 is f = 1."""
    panels, ratio = {}, {}
    for b_f, words in ((0.0, "b_f 0"), (5.0, "b_f 5"), (100.0, "f = 1")):    # a logistic of 100 is exactly 1
        rng = ctx.part(f"direct path {words}")
        rows = []
        for _ in range(draws):
            cell = ctx.to_device(nn.LSTMCell(4, hidden, forget_bias=b_f).to(float64))
            spectral_radius_(cell.weight_hh, radius, rng)
            x = ctx.tensor(rng.normal(size=(steps + 1, 1, 4)))
            states = bptt.unroll(cell, x)
            path = bptt.forget_products(cell, x, states)[::-1, 0]              # (steps + 1, H)
            whole, = bptt.gradients(states.h[-1] @ ctx.tensor(rng.normal(size=(hidden, 1))), states.c)
            whole = whole[::-1, 0]
            start = np.linalg.norm(whole[0])
            rows.append([np.linalg.norm(whole, axis=1) / start, np.linalg.norm(path * whole[0], axis=1) / start])
        a = np.array(rows)                                                     # (draws, 2, steps + 1)
        panels[words] = {name: (range(steps + 1), *np.quantile(a[:, i], (0, 0.5, 1), 0))
                         for i, name in enumerate(("whole gradient", "direct path alone: prod f"))}
        ratio[words] = float(np.median(a[:, 0, -1] / a[:, 1, -1]))
    ctx.figure("direct", viz.curves, panels, log="y", sharey=False, xlabel="distance d",
               ylabel="|dL/dc_{T-d}| / |dL/dc_T|",
               title="prod f is the direct path, not the whole gradient: the gates read h, and h reads c")
    return {"f_1_direct": float(panels["f = 1"]["direct path alone: prod f"][2][-1]),
            "whole_over_direct": ratio["b_f 5"]}


def terms(ctx: Context, updates: int, lag: int = 5, steps: int = 20) -> dict[str, float]:
    """What each state k adds to the gradient of the loss at T, before and after an RNN learned to answer `lag` back."""
    rng = ctx.part("terms")
    model = ctx.to_device(nn.ModuleDict({"cell": nn.RNNCell(1, 16), "out": nn.Linear(16, 1)}).to(float64))
    cell, out = model["cell"], model["out"]
    spectral_radius_(cell.weight_hh, 0.9, rng)

    def batch() -> tuple:
        x, y = echo(rng, 64, steps, lag)                                       # (B, T, 1) each
        return ctx.tensor(x.swapaxes(0, 1).astype(float)), ctx.tensor(y[:, -1].astype(float))

    def shares() -> tuple[np.ndarray, float]:
        x, y = batch()
        parts = bptt.weight_terms(cell, x, lambda h: F.binary_cross_entropy_with_logits(out(h), y))
        cell.weight_hh.grad = None
        F.binary_cross_entropy_with_logits(out(bptt.unroll(cell, x).h[-1]), y).backward()
        whole = cell.weight_hh.grad.cpu().numpy()
        norms = np.linalg.norm(parts, axis=(1, 2))
        return norms / norms.sum(), float(abs(parts.sum(0) - whole).max() / abs(whole).max())
    before, error = shares()
    adam = optim.Adam(model.parameters(), lr=1e-2)
    for i in ctx.rounds(updates, model=model, optimizer=adam):
        x, y = batch()
        loss = F.binary_cross_entropy_with_logits(out(bptt.unroll(cell, x).h[-1]), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
        ctx.log(i, loss=loss)
    after, error_after = shares()
    k = np.arange(1, steps + 1)
    ctx.figure("terms", viz.curves, {"": {"before training": (k, before), f"after {updates} updates": (k, after)}},
               log="y", xlabel=f"state k (the loss is at k = {steps}, the answer came at k = {steps - lag})",
               ylabel="share of state k in dL/dW_h",
               title=f"The contributions of far states: an update hears the last steps, until lag {lag} is learned")
    return {"terms_error": max(error, error_after), "first_term": before[0]}
