"""Training a reader of whole sentences, and its accuracy on others: what `selfattention` and `positions` share."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad import nn, no_grad, optim
from minigrad.experiments.harness import Context
from minigrad.models._judging import judging
from minigrad.nn import functional as F

ROUND = 25                                     # updates between two looks at the test
WARM = 100                                     # updates in which the rate rises: a fast start may never settle


class Questions(NamedTuple):
    """ids (N, T), lengths (N,), places asked about (N,) or None for the whole sentence, answers (N,)."""

    ids: np.ndarray
    lengths: np.ndarray
    at: np.ndarray | None
    answers: np.ndarray

    def rows(self, rows: np.ndarray) -> Questions:
        """Some of them."""
        at = None if self.at is None else self.at[rows]
        return Questions(self.ids[rows], self.lengths[rows], at, self.answers[rows])


def ask(ctx: Context, model: nn.Module, asked: Questions) -> np.ndarray:
    """The best answer to each question (N,)."""
    with judging(model), no_grad():
        return model(ctx.tensor(asked.ids), asked.lengths, asked.at).cpu().numpy().argmax(-1)


def train(ctx: Context, part: str, make: Callable[[], nn.Module], data: Questions, test: Questions, *, updates: int,
          rate: float = 3e-3, batch: int = 64, series: str = "loss") -> Any:
    """A reader after `updates` of Adam on the cross-entropy of its answers, each on a batch drawn from `data`.

    The rate rises over 100 updates and falls to 0 over the second half; gradients are clipped to norm 1. Loss and
    accuracy on `test` are logged every 25 updates.  series: the loss's name, "loss" where it has to fall.
    """
    ctx.part(part)
    model = ctx.to_device(make())
    adam = optim.Adam(model.parameters(), lr=rate)
    schedule = optim.LambdaLR(adam, lambda i: min(1.0, (i + 1) / WARM, 2 * (1 - i / updates)))
    for k in ctx.rounds(updates // ROUND, model=model, optimizer=adam, schedule=schedule):
        losses = []
        for _ in range(ROUND):
            some = data.rows(ctx.rng.integers(0, len(data.answers), batch))
            loss = F.cross_entropy(model(ctx.tensor(some.ids), some.lengths, some.at), ctx.tensor(some.answers))
            adam.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            schedule.step()
            losses.append(loss.item())
        ctx.log((k + 1) * ROUND, **{series: np.mean(losses)},
                accuracy=(ask(ctx, model, test) == test.answers).mean())
    return model
