"""Learning to name the next letter: a GPT from windows of a text, an LSTM from streams of it, by one schedule."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from minigrad import optim
from minigrad.backward import detach
from minigrad.data.streams import streams
from minigrad.experiments.harness import Context
from minigrad.models._judging import judging
from minigrad.models.gpt import GPT
from minigrad.models.rnn_lm import RNNLM
from minigrad.nn import functional as F
from minigrad.tensor import Tensor

ROUND, WARM = 50, 50                           # updates between two looks at what is held out; in which the rate rises


def windows_of(ctx: Context, model: GPT, ids: np.ndarray, batch: int) -> Iterator[Tensor]:
    """Losses, one an update: of `batch` windows as wide as the model's context, at places drawn from the text."""
    while True:
        rows = ctx.rng.integers(0, len(ids) - model.context, batch)[:, None] + np.arange(model.context)
        yield model.loss(ctx.tensor(ids[rows]), ctx.tensor(ids[rows + 1]))


def streams_of(ctx: Context, model: RNNLM, ids: np.ndarray, batch: int, steps: int) -> Iterator[Tensor]:
    """Losses, one an update: of the next `steps` letters in `batch` streams; the state goes on, cut from its past."""
    state = None
    for x, y, fresh in streams(ids, batch, steps, passes=None):
        loss, state = model.loss(ctx.tensor(x), ctx.tensor(y), None if fresh else state)
        yield loss
        state = detach(state)


def train(ctx: Context, part: str, model: GPT | RNNLM, losses: Callable[[], Iterator[Tensor]], held_out: np.ndarray, *,
          updates: int, rate: float) -> None:
    """Adam with decoupled decay of weights and gradients clipped to norm 1, on each of `updates` losses.

    The rate rises over 50 updates and falls to 0 as a cosine. Loss and bits on `held_out` are logged each 50 updates.
    A resumed run starts its streams anew.
    """
    ctx.part(part)
    parameters, source = list(model.parameters()), losses()
    adam = optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    schedule = optim.LambdaLR(adam, lambda i: min(1.0, (i + 1) / WARM) * (1 + math.cos(math.pi * i / updates)) / 2)
    for k in ctx.rounds(updates // ROUND, model=model, optimizer=adam, schedule=schedule):
        found = []
        for _ in range(ROUND):
            loss = next(source)
            adam.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(parameters, 1.0)
            adam.step()
            schedule.step()
            found.append(loss.item())
        ctx.log((k + 1) * ROUND, loss=np.mean(found) / math.log(2), held_out=model.bits(held_out, batch=16))


def by_place(ctx: Context, model: GPT, ids: np.ndarray) -> np.ndarray:
    """Bits that the next letter costs after 1, 2, ... `context` letters of a window (context,): means over a text."""
    rows = np.arange(0, len(ids) - model.context, model.context)[:, None] + np.arange(model.context)
    with judging(model):
        scores = model(ctx.tensor(ids[rows])).reshape(-1, model.vocabulary_size)
        losses = F.cross_entropy(scores, ctx.tensor(ids[rows + 1]).reshape(-1), reduction="none")
    return losses.cpu().numpy().reshape(rows.shape).mean(0) / math.log(2)


def cached_less_whole(ctx: Context, model: GPT, ids: np.ndarray) -> float:
    """The largest difference of ln P between steps with the cache and one pass over at most `context` letters."""
    ids, state, most = ids[:model.context], None, 0.0
    with judging(model):
        whole = F.log_softmax(model(ctx.tensor(ids[None]))[0], -1).cpu().numpy()           # (T, V)
    for letter, want in zip(ids, whole, strict=True):
        log_p, state = model.step(np.array([letter]), state)
        most = max(most, float(np.abs(log_p[0] - want).max()))
    return most
