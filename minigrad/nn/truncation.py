"""Truncated backpropagation through time: the state runs on for ever, the gradient goes back a few steps.

    for start, y, state in nn.truncated(layer, x, k1=20):
        opt.zero_grad()
        loss(y, target[start:start + len(y)]).backward()
        opt.step()

Escalera, *Truncated Backpropagation through time* (chunks: k2 = k1); Chemnitz, *Truncated BPTT* (from every t back to
t - T: k1 = 1, k2 = T); Télécom, *Exploding: truncated BPTT*.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..backward import detach
from ..errors import describe
from ..tensor import Tensor


def truncated(layer: Callable[..., tuple[Tensor, Any]], x: Tensor, hx: Any = None, *, k1: int, k2: int | None = None
              ) -> Iterator[tuple[int, Tensor, Any]]:
    """Every k1 steps: (start, outputs y of the newest k1 steps, state after them), for a loss, backward and a step.

    x (T, B, D), (B, T, D) where the layer is batch_first, or (T, D); y is x's of these steps, the last one shorter
    where k1 does not divide T. The gradient of y goes back over at most k2 steps, a multiple of k1: those of y and the
    k2 - k1 before them, which are computed once more, with the weights as they are then. k2=None: k1, chunks with
    carried state, where each step is computed once.
    layer(x, state) -> (y, state); a state is any nested tuple, the first is hx, each is cut from its past by `detach`.
    A layer with skip=k reaches back within the steps that are computed together.
    Raises ValueError: k1 < 1, k2 no multiple of k1, a layer of two directions (the second comes from the future).
    """
    k2 = k1 if k2 is None else k2
    if k1 < 1 or k2 < k1 or k2 % k1:
        raise ValueError(f"truncated takes k1 >= 1, and for k2 a multiple of k1: not k1={k1!r}, k2={k2!r}")
    if getattr(layer, "bidirectional", False):
        raise ValueError(describe("a layer of two directions cannot be truncated: the second starts at the end of x.",
                                  fix="cut x into parts that are sequences of their own"))
    return _windows(layer, x, hx, k1, k2)


def _windows(layer: Callable[..., tuple[Tensor, Any]], x: Tensor, hx: Any, k1: int, k2: int
             ) -> Iterator[tuple[int, Tensor, Any]]:
    axis = 1 if getattr(layer, "batch_first", False) and x.ndim > getattr(layer, "single_ndim", 2) else 0
    place = (slice(None),) * axis
    states = [detach(hx)]                      # at the last k2 / k1 borders, the oldest first
    for start in range(0, x.shape[axis], k1):
        begin = start - (len(states) - 1) * k1
        y, state = layer(x[(*place, slice(begin, start + k1))], states[0])
        states.append(detach(state))
        del states[:-(k2 // k1)]
        yield start, y[(*place, slice(start - begin, None))] if begin < start else y, states[-1]
