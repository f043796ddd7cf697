"""Backpropagation through time, read from the tape: the gradient at each state, its Jacobians, the terms of its sum.

A cell runs in a loop and the tape goes back through it, so BPTT has no code of its own. What the decks write down about
it (the product of Jacobians, the sum over states, the direct path of an LSTM) is here as arrays, from that same tape.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backward import grad
from ..create import eye, zeros
from ..ops import clone, concatenate, sigmoid
from ..tensor import Tensor, no_grad
from . import functional as F
from .cells import Cell, LSTMCell, RNNCell

# phi'(s) from h = phi(s)
SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": lambda h: 1 - h * h, "relu": lambda h: (h > 0).astype(h.dtype), "sigmoid": lambda h: h * (1 - h)}


class States(NamedTuple):
    """The states of all steps, each (B, H): h_1 ... h_T, and c_1 ... c_T of a cell that has a cell state, else ()."""

    h: tuple[Tensor, ...]
    c: tuple[Tensor, ...]


def unroll(cell: Cell, x: Tensor, state: Any = None) -> States:
    """All states of a cell over a sequence.  x (T, B, D); state as the cell takes it, None for zeros."""
    h, c = [], []
    for x_t in x.unbind(0):
        state = cell(x_t, state)
        h.append(state[0] if isinstance(state, tuple) else state)
        c += [state[1]] if isinstance(state, tuple) else []
    return States(tuple(h), tuple(c))


def gradients(loss: Tensor, *rows: Sequence[Tensor]) -> list[np.ndarray]:
    """dL/dh_t for rows of states, one array (T, B, H) a row; 0 where the loss does not see a state.

    loss: one value.
    """
    found = iter(grad(loss, [state for row in rows for state in row], allow_unused=True))
    return [np.stack([np.zeros_like(_host(state)) if (g := next(found)) is None else _host(g) for state in row])
            for row in rows]


def state_jacobians(cell: RNNCell, x: Tensor) -> np.ndarray:
    """dh_T/dh_k for k = 1 ... T, from the tape.  x (T, 1, D) -> (T, H, H), rows are the entries of h_T.

    One backward pass for all rows: the example is repeated H times, and copy i asks for entry i.
    """
    n = cell.hidden_size
    states = unroll(cell, concatenate([x] * n, 1))
    return np.stack([_host(g) for g in grad(states.h[-1], states.h, eye(n, dtype=x.dtype, device=x.device))])


def jacobian_products(cell: RNNCell, h: Sequence[Tensor]) -> np.ndarray:
    """dh_T/dh_k = prod_{j=k+1..T} diag(phi'(s_j)) W_hh for k = 1 ... T, multiplied out.  h: T of (1, H) -> (T, H, H).

    Chemnitz, *Vanishing and exploding gradients* (its h'_k W_h); Escalera, *Vanilla RNN Gradient Flow*, leaves the
    slope out on the first of its slides.
    Raises ValueError for a residual cell, whose factors are these and the identity.
    """
    if cell.residual:
        raise ValueError(f"jacobian_products multiplies slopes and W_hh, and {cell._tree()} adds the state "
                         "itself: state_jacobians reads the tape")
    w, slope = _host(cell.weight_hh), SLOPES[cell.nonlinearity]
    products = [np.eye(len(w), dtype=w.dtype)]
    for state in reversed(h[1:]):
        products.append(products[-1] @ (slope(_host(state)[0])[:, None] * w))
    return np.stack(products[::-1])


def forget_products(cell: LSTMCell, x: Tensor, states: States) -> np.ndarray:
    """prod_{j=k+1..T} f_j for k = 1 ... T: dc_T/dc_k along the direct path alone.  x (T, B, D) -> (T, B, H).

    Télécom, *Forget Gate LSTM*; Escalera, *Long Short Term Memory (LSTM): Gradient Flow*; Chemnitz, *How do LSTM solve
    the vanishing gradient problem?* (f = 1). The whole of dc_T/dc_k has more paths: the gates read h_k = o tanh c_k.
    states: of `unroll(cell, x)`.  Raises ValueError for a cell of another form than (i, f, g, o).
    """
    if cell.gates != "ifgo" or cell.peephole:
        raise ValueError(f"forget_products reads f from rows i, f, g, o without peepholes, not from {cell!r}")
    w, rows = cell.weights, slice(cell.hidden_size, 2 * cell.hidden_size)
    with no_grad():
        before = [zeros(states.h[0].shape, dtype=x.dtype, device=x.device), *states.h[:-1]]
        f = [_host(sigmoid((F.linear(x_t, w.ih, w.b_ih) + F.linear(h, w.hh, w.b_hh))[:, rows]))
             for x_t, h in zip(x.unbind(0), before, strict=True)]
    later = np.concatenate([np.stack(f)[1:], np.ones_like(f[0])[None]])        # nothing lies between c_T and itself
    return np.cumprod(later[::-1], 0)[::-1]


def weight_terms(cell: Cell, x: Tensor, loss: Callable[[Tensor], Tensor]) -> np.ndarray:
    """The sum dL/dW_hh = sum_k (dL/dh_T) (dh_T/dh_k) (d+h_k/dW_hh), term by term.  x (T, B, D) -> (T, *W_hh's shape).

    d+ holds h_{k-1} fixed. Every step works with a copy of W_hh of its own: the gradient of copy k is term k.
    loss: of h_T.  KTH, *Backpropagation Through Time*; Télécom, *Vanishing and exploding gradients*, whose sum leaves
    dL/dh_T out; Riveill, *Main learning problem*.
    """
    weights = cell.weights
    copies = [clone(weights.hh) for _ in range(x.shape[0])]
    state = cell._start(x[0], None)
    for x_t, copy in zip(x.unbind(0), copies, strict=True):
        state = cell.step(x_t, state, weights._replace(hh=copy))
    return np.stack([_host(g) for g in grad(loss(state[0]), copies)])


def _host(t: Any) -> np.ndarray:
    return t.detach().cpu().numpy()
