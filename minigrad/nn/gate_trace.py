"""What an LSTM's gates do at each step of a sequence, as arrays to look at.

Chemnitz, *LSTM cell*, reads them as three questions: is this input worth storing (i), is the memory still needed (f),
is it the moment to answer (o)? Escalera, *Long Short Term Memory (LSTM)*: write, erase, reveal, and how much (g).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ..create import zeros
from ..ops import concatenate, sigmoid, stack, swapaxes, tanh, unsqueeze
from ..ops_select import chunk
from ..tensor import Tensor, no_grad
from . import functional as F
from .forms import given_state
from .rnn import LSTM

GATES = ("i", "f", "g", "o", "c", "h")


def gate_trace(lstm: LSTM, x: Tensor, hx: tuple[Tensor, Tensor] | None = None, *, layer: int = 0,
               reverse: bool = False) -> dict[str, np.ndarray]:
    """The gates i, f, o, the candidate g, the cell c and the state h of one layer at each step; h is its output.

        (i, f, g, o) = (sigmoid, sigmoid, tanh, sigmoid)(W_ih x + b_ih + W_hh h + b_hh)
        c' = f c + i g,   h' = o tanh c'

    x (T, B, D), or (B, T, D) where the layer is batch_first, or (T, D) unbatched; hx as in a call.  Each array is
    (T, B, H), or (T, H) unbatched, in the order of time for both directions.  layer: which one, from below; reverse:
    its other direction.  Nothing is recorded, and there is no dropout between layers.
    Raises ValueError for a layer or direction that is not there, and for an LSTM of another equation (peepholes,
    projection, no forget gate, coupled gates).
    """
    _check(lstm, layer, reverse)
    lstm._check(x, given_state(lstm, x, hx, 2))
    single = x.ndim == 2
    with no_grad():
        steps = unsqueeze(x, 1) if single else swapaxes(x, 0, 1) if lstm.batch_first else x         # (T, B, D)
        start = None if hx is None else tuple(unsqueeze(s, 1) if single else s for s in hx)
        ways = 1 + lstm.bidirectional
        for k in range(layer + 1):
            traces = [_direction(lstm, steps, start, ways * k + way, way == 1) for way in range(ways)]
            steps = concatenate([t["h"] for t in traces], -1)
        trace = {name: part.cpu().numpy() for name, part in traces[reverse].items()}
    return {name: part[:, 0] for name, part in trace.items()} if single else trace


def _check(lstm: LSTM, layer: int, reverse: bool) -> None:
    if not isinstance(lstm, LSTM):
        raise ValueError(f"gate_trace reads the gates of an nn.LSTM, and {type(lstm).__name__} is none")
    if not 0 <= layer < lstm.num_layers or reverse > lstm.bidirectional:
        raise ValueError(f"this LSTM has {lstm.num_layers} layers and {1 + lstm.bidirectional} directions: there is no "
                         f"layer {layer}" + ", reverse" * reverse)
    usual: dict[str, Any] = {"proj_size": 0, "forget": True, "coupled": False, "peephole": False, "merge": "concat"}
    for option, value in usual.items():
        if (got := getattr(lstm, option, value)) != value:
            raise ValueError(f"gate_trace reads the standard LSTM, and this one has {option}={got!r}")


def _direction(lstm: LSTM, x: Tensor, hx: tuple[Tensor, ...] | None, k: int, reverse: bool) -> dict[str, Tensor]:
    """One layer in one direction, the k-th of all.  x (T, B, D) -> gates, cell and state, each (T, B, H)."""
    suffix = f"_l{k // (1 + lstm.bidirectional)}" + "_reverse" * reverse
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights: list[Any] = [getattr(lstm, name + suffix, None) for name in names]
    w_ih, w_hh, b_ih, b_hh = weights
    zero = zeros(x.shape[1], lstm.hidden_size, dtype=x.dtype, device=x.device)
    h, c = (zero, zero) if hx is None else (hx[0][k], hx[1][k])         # each (B, H)
    steps = []
    for x_t in x.unbind(0)[::-1] if reverse else x.unbind(0):
        i, f, g, o = chunk(F.linear(x_t, w_ih, b_ih) + F.linear(h, w_hh, b_hh), 4, -1)
        i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
        c = f * c + i * g
        h = o * tanh(c)
        steps.append((i, f, g, o, c, h))
    return {name: stack(parts[::-1] if reverse else parts)
            for name, parts in zip(GATES, zip(*steps, strict=True), strict=True)}
