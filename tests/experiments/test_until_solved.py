"""Training until a task is solved: when it stops, what it counts, and that a resumed run counts the same."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad import nn
from minigrad.experiments import ExperimentError, harness
from minigrad.experiments._console import Console
from minigrad.experiments._until_solved import ROUND, keep_a_bit, over_starts, until_solved
from minigrad.nn import functional as F


def context(folder, device="cpu", resume=False) -> harness.Context:
    return harness.Context(folder, 0, False, device, resume, Console(quiet=True))


def line(ctx, part="line", bar=0.01, updates=200):
    """y = 2x: solved in about a hundred updates."""
    def draw(rng):
        x = rng.normal(size=(8, 1)).astype(np.float32)
        return x, 2 * x
    return until_solved(ctx, part, lambda: nn.Linear(1, 1), draw, F.mse_loss, bar=bar, updates=updates, rate=0.05)


def test_training_ends_with_the_first_round_whose_mean_loss_is_under_the_bar(tmp_path):
    ctx = context(tmp_path)
    outcome = line(ctx)
    losses = [value for _, value in ctx.history["line loss"]]
    assert outcome.solved and ROUND < outcome.updates < 200 and outcome.updates == ROUND * len(losses)
    assert losses[-1] == outcome.loss < 0.01 <= min(losses[:-1])


def test_what_is_not_solved_has_used_all_updates(tmp_path):
    outcome = line(context(tmp_path), bar=0.0)
    assert outcome.solved is False and outcome.updates == 200 and outcome.loss > 0


def test_a_loss_that_is_not_finite_is_an_error_and_not_a_failure_to_learn(tmp_path):
    with pytest.raises(ExperimentError, match="loss at step 0 is nan"):
        until_solved(context(tmp_path), "p", lambda: nn.Linear(1, 1), lambda rng: (np.full((2, 1), np.nan, "f"),) * 2,
                     F.mse_loss, bar=1, updates=ROUND, rate=0.1)


@pytest.mark.parametrize("bar", [0.01, 0.0], ids=["solved", "not solved"])
def test_a_resumed_run_counts_the_updates_of_the_first_one(tmp_path, bar):
    first, again = context(tmp_path), context(tmp_path, resume=True)
    assert line(first, bar=bar) == line(again, bar=bar) and first.history == again.history


def test_parts_have_weights_and_batches_of_their_own(tmp_path):
    ctx = context(tmp_path)
    line(ctx, "a", updates=ROUND), line(ctx, "b", updates=ROUND)
    assert ctx.history["a loss"] != ctx.history["b loss"]


def test_keeping_a_bit_is_learned_alike_on_every_device(tmp_path, device):
    """One start, one order; float32 sums in another order differ in the last digits, and 20 updates add to it."""
    losses = []
    for where in ("cpu", device):
        ctx = context(tmp_path / where, where)
        keep_a_bit(ctx, "p", lambda: nn.LSTM(2, 4, batch_first=True, forget_bias=3.0), 4, 0.5, 2 * ROUND)
        losses.append([value for _, value in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-4) and losses[0][1] < losses[0][0]


def test_starts_that_ended_stay_where_they_ended(tmp_path):
    ctx = context(tmp_path)
    ctx.history = {"a loss": [[0, 4.0], [1, 1.0]], "b loss": [[0, 3.0], [1, 2.0], [2, 2.5]], "c loss": [[0, 9.0]]}
    x, low, middle, high = over_starts(ctx, ["a", "b", "c"])
    assert x.tolist() == [ROUND, 2 * ROUND, 3 * ROUND]
    assert (low.tolist(), middle.tolist(), high.tolist()) == ([3, 1, 1], [4, 2, 2.5], [9, 9, 9])
    assert over_starts(ctx, ["a"], floor=2)[1].tolist() == [4, 2]
