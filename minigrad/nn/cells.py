"""One step of a recurrent network: each function is its equation, each cell holds the parameters of one.

Rows are examples, so the decks' W x is `F.linear(x, W)` = x W^T; weights have PyTorch's layout (gates H, in) and
order of gates: i, f, g, o for the LSTM, r, z, n for the GRU. The layers in `rnn.py` run the same functions over time.
"""
from __future__ import annotations

import math
from typing import Any

from ..create import zeros
from ..errors import ShapeError, describe
from ..ops import relu, sigmoid, tanh
from ..ops_select import chunk
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter

ACTIVATIONS = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid}


def rnn_step(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None,
             phi: Any = tanh) -> Tensor:
    """One step.  Escalera, *(Simple) Recurrent Neural Network*; Chemnitz, *Recurrent neural networks* (phi logistic).

        h' = phi(W_ih x + b_ih + W_hh h + b_hh)

    x (B, D), h (B, H) -> h' (B, H).  Fused twin: nn/fused/rnn.py.
    """
    return phi(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh))


def lstm_step(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
              b_hh: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One step of an LSTM.  Escalera, *Long Short Term Memory (LSTM)*; Chemnitz, *LSTM*.

        (i, f, g, o) = (sigmoid, sigmoid, tanh, sigmoid)(W_ih x + b_ih + W_hh h + b_hh)
        c' = f c + i g
        h' = o tanh c'

    x (B, D), h (B, H), c (B, H) -> h' (B, H), c' (B, H).
    """
    i, f, g, o = chunk(F.linear(x, w_ih, b_ih) + F.linear(h, w_hh, b_hh), 4, -1)       # each (B, H)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = f * c + i * g
    return o * tanh(c), c


def gru_step(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
             b_hh: Tensor | None = None) -> Tensor:
    """One step of a GRU.  Chemnitz, *GRU: Gated Recurrent Unit*, in PyTorch's form: r after the product, z keeps.

        r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n  = tanh(W_in x + b_in + r (W_hn h + b_hn))
        h' = (1 - z) n + z h

    x (B, D), h (B, H) -> h' (B, H).
    """
    ir, iz, in_ = chunk(F.linear(x, w_ih, b_ih), 3, -1)                                # each (B, H)
    hr, hz, hn = chunk(F.linear(h, w_hh, b_hh), 3, -1)
    r, z = sigmoid(ir + hr), sigmoid(iz + hz)
    n = tanh(in_ + r * hn)
    return (1 - z) * n + z * h


class Cell(Module):
    """The parameters of one step, all uniform in +-1 / sqrt(H) at the start, as in PyTorch.

    weight_ih (gates H, D), weight_hh (gates H, H), bias_ih (gates H), bias_hh (gates H).
    """

    gates = 1
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        self.input_size, self.hidden_size = input_size, hidden_size
        bound, rows = 1 / math.sqrt(hidden_size), self.gates * hidden_size
        for name, shape in (("weight_ih", (rows, input_size)), ("weight_hh", (rows, hidden_size)),
                            ("bias_ih", (rows,)), ("bias_hh", (rows,))):
            kept = bias or name.startswith("weight")
            setattr(self, name, init.uniform_(Parameter(zeros(shape)), -bound, bound) if kept else None)

    @property
    def weights(self) -> tuple[Any, ...]:
        """W_ih, W_hh, b_ih, b_hh: the last four arguments of a step."""
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _start(self, x: Tensor, *states: Tensor | None) -> tuple[Tensor, ...]:
        """The states, zeros where none was given; all shapes checked."""
        if x.shape[-1] != self.input_size:
            raise ShapeError(describe(f"{type(self).__name__} takes {self.input_size} inputs a step, and x is "
                                      f"{tuple(x.shape)}.", x=x._made(), fix="x is (B, input_size)"))
        shape = (*x.shape[:-1], self.hidden_size)
        for s in states:
            if s is not None and s.shape != shape:
                raise ShapeError(describe(f"the state of {type(self).__name__} is {tuple(s.shape)}, and x "
                                          f"{tuple(x.shape)} needs {shape}.", state=s._made()))
        return tuple(zeros(shape, dtype=x.dtype, device=x.device) if s is None else s for s in states)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias_ih is not None else ", bias=False")


class RNNCell(Cell):
    """`rnn_step` with its parameters.  x (B, D), h (B, H) or None for zeros -> h' (B, H).  Unbatched: (D), (H).

    nonlinearity: "tanh", "relu" (KTH, *Recurrent Neural Networks (4/4)*) or "sigmoid" (Chemnitz).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh") -> None:
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = check_activation(nonlinearity)

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """x (B, D), h (B, H) -> h' (B, H)"""
        h, = self._start(x, h)
        w_ih, w_hh, b_ih, b_hh = self.weights
        return rnn_step(x, h, w_ih, w_hh, b_ih, b_hh, ACTIVATIONS[self.nonlinearity])


class LSTMCell(Cell):
    """`lstm_step` with its parameters.  x (B, D), (h, c) or None for zeros -> (h', c'), all (B, H)."""

    gates = 4

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """x (B, D), (h, c) each (B, H) -> (h', c')"""
        h, c = self._start(x, *(state or (None, None)))
        return lstm_step(x, h, c, *self.weights)


class GRUCell(Cell):
    """`gru_step` with its parameters.  x (B, D), h (B, H) or None for zeros -> h' (B, H)."""

    gates = 3

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """x (B, D), h (B, H) -> h' (B, H)"""
        h, = self._start(x, h)
        return gru_step(x, h, *self.weights)


def check_activation(name: str) -> str:
    """The name, if it is one of ours; else a ValueError that lists them."""
    if name not in ACTIVATIONS:
        raise ValueError(f"nonlinearity is one of {', '.join(ACTIVATIONS)}, not {name!r}")
    return name
