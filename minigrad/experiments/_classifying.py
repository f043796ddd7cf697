"""Training a classifier of whole sequences, and asking it: what `sentiment` and `digits` share."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minigrad import nn, optim
from minigrad.data.streams import batches_by_length
from minigrad.experiments.harness import Context
from minigrad.models._judging import judging
from minigrad.nn import functional as F


class Examples(NamedTuple):
    """x (N, T, ...): ids or vectors, padded.  lengths (N,): steps that are real.  y (N,): classes."""

    x: np.ndarray
    lengths: np.ndarray
    y: np.ndarray


def train(ctx: Context, part: str, make: Callable[[], nn.Module], data: Examples, *, rate: float, epochs: int,
          falling: bool = True) -> nn.Module:
    """A network after Adam on the cross-entropy of its answers, until a pass has a mean under 0.005.

    make() -> a Module of `model(x, lengths) -> scores (B, K)`.  64 examples of like length share a batch; gradients are
    clipped to norm 1.  falling: the rate falls to 0 as a cosine over `epochs`. Not where all is learned within a few
    passes and nobody can tell when, as with reviews: the rate would be low by then.
    """
    ctx.part(part)
    model = ctx.to_device(make())
    parameters = list(model.parameters())
    adam = optim.Adam(parameters, lr=rate)
    for epoch in ctx.rounds(epochs, model=model, optimizer=adam):
        if falling:
            adam.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
        losses = []
        for rows in batches_by_length(data.lengths, 64, ctx.rng):
            n = data.lengths[rows]
            loss = F.cross_entropy(model(ctx.tensor(data.x[rows, :n.max()]), n), ctx.tensor(data.y[rows]))
            adam.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(parameters, 1.0)
            adam.step()
            losses.append(loss.item())
        ctx.log(epoch, loss=np.mean(losses))
        if np.mean(losses) < 5e-3:
            ctx.checkpoint(epochs, model=model, optimizer=adam)                # a resumed run finds this part done
            break
    return model


def answers(ctx: Context, model: nn.Module, data: Examples) -> np.ndarray:
    """The likeliest class of each example (N,)."""
    with judging(model):
        scores: np.ndarray = model(ctx.tensor(data.x), data.lengths).cpu().numpy()
    return scores.argmax(-1)
