"""What clipping does to a training curve.   Chemnitz, *Vanishing and exploding gradients (2)*; Escalera, *Vanilla RNN
Gradient Flow*; Télécom, *Exploding: gradient clipping*.

The decks: a gradient that explodes makes the learning curve unstable; scaled down to a threshold it keeps its direction
and the curve is stable. Clip all parameters, or only the part at fault; begin with a high threshold and lower it.
Escalera's code compares and divides by the squared norm (`np.sum(grad * grad)`, no root): a gradient of norm n becomes
one of norm threshold / n, so the larger the gradient, the smaller the step. It is a row of its own here.

The net: relu, W_h orthogonal times 1.3, so its radius and all its singular values are 1.3; plain gradient descent.
The task: the bit of 3 steps earlier, as -1 or 1, at each of 100 steps. Mean squared error; a guess of 0 costs 1.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad import Tensor, nn, optim, viz
from minigrad.data.memory_tasks import echo
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.sequence_reader import SequenceReader
from minigrad.nn import functional as F

H, BATCH, STEPS, LAG, RADIUS, RATE, THRESHOLD, STARTS = 24, 16, 100, 3, 1.3, 0.2, 1.0, 5
CAP, LOST = 1e3, 0.5                           # the largest loss that is noted; from where a start counts as lost


def recurrent_weight(net: SequenceReader) -> Tensor:
    """W_h of its layer."""
    return dict(net.layer.named_parameters())["weight_hh_l0"]


def norm_of(parameters: Iterable[Tensor]) -> float:
    """The norm of all gradients together, in float64: its square overflows float32 first."""
    return float(np.linalg.norm([np.linalg.norm(g.cpu().numpy().astype(np.float64)) for p in parameters
                                 if (g := p.grad) is not None]))


def slides_clip_(parameters: Iterable[Tensor], threshold: float) -> None:
    """Escalera's lines as they are printed: the squared norm is compared with the threshold, and divides it."""
    parameters = list(parameters)
    squared = norm_of(parameters) ** 2
    if squared > threshold:
        for g in [p.grad for p in parameters if p.grad is not None]:
            g.mul_(threshold / squared)


def by_norm(threshold: float) -> Callable[[SequenceReader], Any]:
    """All parameters together, to this norm."""
    return lambda net: optim.clip_grad_norm_(net.parameters(), threshold)


CLIPS: dict[str, tuple[str, Callable[[SequenceReader], Any]]] = {              # result -> row, what is done to grads
    "none": ("not clipped", lambda net: None),
    "norm": ("by norm, all parameters", by_norm(THRESHOLD)),
    "layer": ("by norm, the recurrent layer", lambda net: optim.clip_grad_norm_(net.layer.parameters(), THRESHOLD)),
    "w_h": ("by norm, W_h alone", lambda net: optim.clip_grad_norm_(recurrent_weight(net), THRESHOLD)),
    "value": ("by value, 0.1", lambda net: optim.clip_grad_value_(net.parameters(), 0.1)),
    "squared": ("the slide's code, no square root", lambda net: slides_clip_(net.parameters(), THRESHOLD)),
    "t100": ("by norm, threshold 100", by_norm(100.0)),
    "t10": ("by norm, threshold 10", by_norm(10.0)),
    "t01": ("by norm, threshold 0.1", by_norm(0.1)),
}
BARS: dict[str, dict[str, Any]] = {                                            # of the median start's loss; starts lost
    "none": {"at_least": 0.3}, "norm": {"at_most": 0.1}, "layer": {"at_most": 0.1}, "value": {"at_most": 0.1},
    "squared": {"at_least": 0.05}, "t100": {"at_least": 0.3}, "t10": {"at_most": 0.1}, "t01": {"at_most": 0.1},
    "lost_none": {"at_least": 2}, "lost_norm": {"at_most": 0}}
clipping = Experiment(
    "clipping", ids="C13 T24", slide="Télécom, *Exploding: gradient clipping*", seconds=20, unit="loss at last",
    labels={**{name: row for name, (row, _) in CLIPS.items()}, "lost_none": f"starts lost of {STARTS}, not clipped",
            "lost_norm": f"starts lost of {STARTS}, by norm, all parameters"},
    targets=[*[Target(name, **bar) for name, bar in BARS.items()],
             Target("the slide's code without the square root learns less than clipping by the norm",
                    holds=lambda r: r["squared"] > 2 * r["norm"]),
             Target("a lower threshold makes an unstable curve stable: 10 against 100",
                    holds=lambda r: r["t10"] < r["t100"])])


def train(ctx: Context, clip: Callable[[SequenceReader], Any], updates: int) -> tuple[np.ndarray, np.ndarray]:
    """Losses and gradient norms before clipping, (updates,) each.  A run that is not finite any more has diverged:
    it ends there, and the rest of its losses are CAP, of its norms NaN."""
    net = ctx.to_device(SequenceReader(nn.RNN(1, H, nonlinearity="relu", batch_first=True), every_step=True))
    nn.init.orthogonal_(recurrent_weight(net), RADIUS)
    sgd = optim.SGD(net.parameters(), lr=RATE)
    losses, norms = np.full(updates, CAP), np.full(updates, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        for i in range(updates):
            x, y = map(ctx.tensor, echo(ctx.rng, BATCH, STEPS, LAG))           # (B, T, 1) each
            loss = F.mse_loss(net(x)[:, LAG:], 2 * y[:, LAG:] - 1)
            sgd.zero_grad()
            loss.backward()
            norm = norm_of(net.parameters())
            if not np.isfinite([loss.item(), norm]).all():
                break
            losses[i], norms[i] = min(loss.item(), CAP), norm
            clip(net)
            sgd.step()
    ctx.checkpoint(updates, model=net, optimizer=sgd)
    return losses, norms



@clipping.run
def run(ctx: Context) -> None:
    """The same starts and batches under every clipping: curves, lost starts, steps over the threshold."""
    starts, updates = (2, 60) if ctx.quick else (STARTS, 300)
    rows: list[list[Any]] = []
    panels = {}
    for name, (row, clip) in ctx.progress(CLIPS.items(), "clippings"):
        runs = []
        for k in range(starts):
            ctx.part(f"start {k}")
            runs.append(train(ctx, clip, updates))
        losses, norms = (np.array(a) for a in zip(*runs, strict=True))         # (starts, updates) each
        ctx.part(name)
        for i, value in enumerate(np.median(losses, 0)):
            ctx.log(i, **{"loss" if name == "norm" else "error": value})       # what is called a loss has to fall
        last = np.median(losses[:, -20:], 1)
        lost = int((last > LOST).sum())
        ctx.result(**{name: np.median(last)}, **({f"lost_{name}": lost} if f"lost_{name}" in BARS else {}))
        rows.append([row, *map(float, (np.median(last), last.min(), last.max())), lost,
                     int(np.isnan(norms).any(1).sum()), f"{np.nanmean(norms > THRESHOLD):.0%}",
                     float(np.nanmax(norms))])
        panels[row] = {f"start {k + 1}": (range(updates), curve) for k, curve in enumerate(losses)}
    ctx.table(f"{starts} starts of {updates} updates: loss at last (median of 20 updates, noted up to {CAP:g}), lost "
              f"(above {LOST:g}), not finite,\nsteps whose norm was above {THRESHOLD:g}, largest norm",
              ["", "median", "best", "worst", "lost", "not finite", "above", "largest norm"], rows)
    ctx.figure("clipping", viz.curves, panels, log="y", ylim=(1e-3, 100), xlabel="update", ylabel="mean squared error",
               levels={"a guess of 0": 1.0},
               title=f"Not clipped, {rows[0][4]} of {starts} starts are lost; clipped by the norm of all gradients, "
                     f"{rows[1][4]}. Lower thresholds make unstable curves stable")
