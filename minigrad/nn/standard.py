"""Forms without a kernel of their own, as weights of one that has: the fused nodes serve more forms than they know.

    coupled gates     i = 1 - f, and 1 - sigmoid(a) = sigmoid(-a):    LSTM rows (-W_f, W_f, W_g, W_o)
    no forget gate    f = 1 = sigmoid(100), exactly, and its slope is exactly 0:    LSTM rows (W_i, 0, W_g, W_o)
    z writes          1 - z for z:    GRU rows (W_r, -W_z, W_n)
    no reset gate     r = 1 = sigmoid(100):    GRU rows (0, W_z, W_n)

The tape carries the gradients back through the choice of rows. Tests hold each equal to its step in `steps.py`.
"""
from __future__ import annotations

from typing import Any

from ..tensor import Tensor, primitive
from .forms import GRUForm, LSTMForm, Weights

OPEN = 100.0                                   # tanh(50) is 1 in float64: the gate is 1, and its slope 0
Blocks = tuple[tuple[int, int] | None, ...]    # for each block of the result: block of the source, and sign


@primitive(second=False)
def _blocks(xp: Any, a: Any, *, take: Blocks, sources: int, fill: float = 0.0) -> Any:
    """y_k = s_k a_(j_k), or a constant, for each block of rows;  da_j = sum over its k of s_k g_k"""
    rows = a.shape[0] // sources
    y = xp.full((len(take) * rows, *a.shape[1:]), fill, a.dtype)

    def each() -> Any:
        for k, source in enumerate(take):
            if source is not None:
                yield slice(k * rows, (k + 1) * rows), slice(source[0] * rows, (source[0] + 1) * rows), source[1]
    for to, of, sign in each():
        y[to] = a[of] if sign > 0 else -a[of]

    def vjp(g: Any) -> Any:
        da = xp.zeros_like(a)
        for to, of, sign in each():
            da[of] += g[to] if sign > 0 else -g[to]
        return (da,)
    return y, vjp


def standard_lstm(form: LSTMForm, w: Weights) -> Weights:
    """The weights of an LSTM with gates i, f, g, o that computes the same."""
    if form.coupled:
        return _as(w, form, ((0, -1), (0, 1), (1, 1), (2, 1)))
    return w if form.forget else _as(w, form, ((0, 1), None, (1, 1), (2, 1)))


def standard_gru(form: GRUForm, w: Weights) -> Weights:
    """The weights of a GRU with gates r, z, n whose z keeps, that computes the same."""
    sign = -1 if form.update == "writes" else 1
    if form.reset == "none":
        return _as(w, form, (None, (0, sign), (1, 1)))
    return w if sign == 1 else _as(w, form, ((0, 1), (1, -1), (2, 1)))


def _as(w: Weights, form: LSTMForm | GRUForm, take: Blocks) -> Weights:
    n, constant = len(form.gates), None in take

    def rows(p: Tensor | None, fill: float = 0.0) -> Any:
        return None if p is None else _blocks(p, take=take, sources=n, fill=fill)
    b_ih = rows(w.b_ih, OPEN)
    if b_ih is None and constant:              # no biases, but a gate that is held open needs one
        H, device = form.hidden_size, w.ih.device
        fills = [device.xp.full(H, OPEN if source is None else 0.0, dtype=w.ih.dtype) for source in take]
        b_ih = Tensor(device.xp.concatenate(fills), False, device)
    return Weights(rows(w.ih), rows(w.hh), b_ih, rows(w.b_hh), w.hr)
