"""The tasks of `memory`: how each is drawn, read out and scored, and what the best answer without memory scores."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minigrad.data import memory_tasks as data
from minigrad.nn import functional as F
from minigrad.tensor import Tensor

SYMBOLS = 2                                    # of ten, as in the papers, no cell learned 10 steps in 1,500 updates


def last(draw: Callable[..., data.Task]) -> Callable[..., data.Task]:
    """The task with the last step's answer alone."""
    def drawn(*args: Any) -> data.Task:
        x, answers = draw(*args)
        return x, answers[:, -1]
    return drawn


def end_of_copy(scores: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropy of the copied symbols; the silence before them is learned at once, and dilutes the gradient.

    scores (B, T, 9), answers (B, T)
    """
    return F.cross_entropy(scores[:, -SYMBOLS:].reshape(-1, scores.shape[-1]), answers[:, -SYMBOLS:].reshape(-1))


class Row(NamedTuple):
    """A task: draw(rng, batch, steps), widths of input and output, an output at every step or the last, its loss."""

    label: str
    draw: Callable[..., data.Task]
    inputs: int
    outputs: int
    every_step: bool
    loss: Callable[[Tensor, Tensor], Tensor]
    baseline: float
    shortest: int                              # for a quick run


BCE = F.binary_cross_entropy_with_logits
TASKS = {
    "adding": Row("adding", data.adding, 2, 1, False, F.mse_loss, data.ADDING_BASELINE, 4),
    "order": Row("temporal order", data.temporal_order, 8, 4, False, F.cross_entropy, data.ORDER_BASELINE, 10),
    "copying": Row(f"copying {SYMBOLS} of 8 symbols", partial(data.copying, count=SYMBOLS), 10, 9, True, end_of_copy,
                   np.log(8), 2),
    "parity": Row("parity, asked at the end", last(data.parity), 1, 1, False, BCE, data.COIN_BASELINE, 2),
    "parity_told": Row("parity, told at every step", data.parity, 1, 1, True, BCE, data.COIN_BASELINE, 6),
}
