"""Training on new batches until the task is solved or the updates are used up: what experiments on memory count.

How many updates a network needs says more than its loss after a set number: on these tasks the loss stays at that of a
guess for long, then falls within a few updates, or never.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from minigrad import nn, optim
from minigrad.data.memory_tasks import Task, marked
from minigrad.experiments.harness import Context
from minigrad.models.sequence_reader import SequenceReader
from minigrad.nn import functional as F
from minigrad.nn.recurrent import Recurrent
from minigrad.tensor import Tensor

ROUND = 10                                     # updates whose mean loss is judged: one batch may be lucky


class Outcome(NamedTuple):
    """solved: did the mean loss of a round get under the bar?  updates: till then, or all.  loss: of the last round."""

    solved: bool
    updates: int
    loss: float


def until_solved(ctx: Context, part: str, make: Callable[[], nn.Module], draw: Callable[[np.random.Generator], Task],
                 loss: Callable[[Tensor, Tensor], Tensor], *, bar: float, updates: int, rate: float) -> Outcome:
    """Adam with gradients clipped to norm 1, a new batch each update, until ROUND losses have a mean under `bar`.

    part: of ctx, whose seed gives the weights and all batches.  make() -> the model.  draw(rng) -> x, answers.
    loss(outputs, answers) -> a scalar.  updates: at most, a multiple of ROUND.
    """
    rng = ctx.part(part)
    model = ctx.to_device(make())
    parameters = list(model.parameters())
    adam = optim.Adam(parameters, lr=rate)
    rounds = updates // ROUND
    for i in ctx.rounds(rounds, model=model, optimizer=adam):
        total = 0.0
        for _ in range(ROUND):
            x, answers = map(ctx.tensor, draw(rng))
            value = loss(model(x), answers)
            adam.zero_grad()
            value.backward()
            optim.clip_grad_norm_(parameters, 1.0)
            adam.step()
            total += value.item()
        ctx.log(i, loss=total / ROUND)
        if total / ROUND < bar:
            ctx.checkpoint(rounds, model=model, optimizer=adam)                # a resumed run finds this part done
            break
    losses = ctx.history[f"{part} loss"]
    outcome = Outcome(losses[-1][1] < bar, ROUND * len(losses), losses[-1][1])
    ctx.say(f"{part}: {'solved' if outcome.solved else 'not solved'} after {outcome.updates} updates")
    return outcome


def keep_a_bit(ctx: Context, part: str, layer: Callable[[], Recurrent], lag: int, noise: float, updates: int
               ) -> Outcome:
    """The task of `forget_bias` and `skip`: a bit at the first of `lag` steps, noise, the answer at the end.

    layer() -> a batch_first layer of 2 inputs. Solved at a mean cross-entropy under 0.05; a guess gives log 2 = 0.693.
    """
    return until_solved(ctx, part, lambda: SequenceReader(layer()), lambda rng: marked(rng, 32, lag, noise),
                        F.binary_cross_entropy_with_logits, bar=0.05, updates=updates, rate=5e-3)


def over_starts(ctx: Context, parts: Sequence[str], floor: float = 0.01
                ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Updates, and lowest, median and highest loss of some parts after each round; a solved one stays where it ended.

    For `viz.curves`, (N,) each.  floor: what a smaller loss counts as, since all below the bar is solved.
    """
    losses = [[value for _, value in ctx.history[f"{part} loss"]] for part in parts]
    rounds = max(map(len, losses))
    grid = np.array([run + [run[-1]] * (rounds - len(run)) for run in losses])                 # (starts, rounds)
    grid = np.maximum(grid, floor)
    return ROUND * np.arange(1, rounds + 1), grid.min(0), np.median(grid, 0), grid.max(0)
