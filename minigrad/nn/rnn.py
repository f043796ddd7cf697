"""Recurrent layers: the steps of `cells.py` over whole sequences, stacked and in both directions.

A layer computes a sequence in one of two ways that a test holds equal: **readable**, a loop over the step function, and
**fused**, one node for the whole sequence (`nn/fused/`; RNN on device cpu). `fused=False` chooses the loop.
Parameters have PyTorch's names and layout: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, then l1, and `_reverse`.
"""
from __future__ import annotations

import math
from typing import Any

from ..backend import cpu
from ..create import zeros
from ..errors import DeviceError, ShapeError, describe
from ..ops import concatenate, squeeze, stack, swapaxes, unsqueeze
from ..tensor import Tensor
from . import init
from .cells import ACTIVATIONS, check_activation, gru_step, lstm_step, rnn_step
from .fused.rnn import rnn_sequence
from .module import Module, Parameter

State = tuple[Tensor, ...]                     # (h,), or (h, c) for an LSTM; each (B, H)


class Recurrent(Module):
    """What RNN, LSTM and GRU share: parameters, layers, directions, shapes.

    x: (T, B, D), (B, T, D) with batch_first, or (T, D) unbatched.  State: (layers * directions, B, H), or
    (layers * directions, H) unbatched; zeros if not given. Output: (T, B, directions * H), and the final state.
    """

    gates = 1
    states = 1                                 # how many tensors a state has

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
                 fused: bool = True) -> None:
        if dropout:
            raise NotImplementedError(f"dropout={dropout} between recurrent layers is not there yet: only 0")
        if min(input_size, hidden_size, num_layers) < 1:
            raise ShapeError(f"sizes of {type(self).__name__} are at least 1: input_size={input_size}, "
                             f"hidden_size={hidden_size}, num_layers={num_layers}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional, self.fused = bias, batch_first, bidirectional, fused
        self.dropout = dropout
        bound, rows = 1 / math.sqrt(hidden_size), self.gates * hidden_size
        directions = ("", "_reverse") if bidirectional else ("",)
        self._names = tuple(tuple(f"{kind}_l{layer}{way}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
                            for layer in range(num_layers) for way in directions)
        for k, names in enumerate(self._names):
            below = input_size if k < len(directions) else hidden_size * len(directions)
            for name, shape in zip(names, ((rows, below), (rows, hidden_size), (rows,), (rows,)), strict=True):
                kept = bias or name.startswith("weight")
                setattr(self, name, init.uniform_(Parameter(zeros(shape)), -bound, bound) if kept else None)

    def step(self, x: Tensor, state: State, *weights: Any) -> State:
        """One step, in primitives: x (B, D), state, W_ih, W_hh, b_ih, b_hh -> the next state, h first."""
        raise NotImplementedError

    def sequence(self, x: Tensor, state: State | None, weights: tuple[Any, ...], reverse: bool
                 ) -> tuple[Tensor, State]:
        """One layer in one direction.  x (T, B, D), state or None for zeros -> h of all steps (T, B, H), last state."""
        if state is None:
            start = zeros(x.shape[1], self.hidden_size, dtype=x.dtype, device=x.device)
            state = (start,) * self.states
        steps, outputs = x.unbind(0), []
        for x_t in reversed(steps) if reverse else steps:
            state = self.step(x_t, state, *weights)
            outputs.append(state[0])
        return stack(outputs[::-1] if reverse else outputs), state

    def forward(self, x: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        """x (T, B, D), hx (layers * directions, B, H) -> output (T, B, directions * H), final state like hx."""
        given = None if hx is None else tuple(hx) if self.states > 1 else (hx,)
        single = x.ndim == 2
        self._check(x, given)
        if single:
            x, given = unsqueeze(x, 1), given and tuple([unsqueeze(s, 1) for s in given])
        elif self.batch_first:
            x = swapaxes(x, 0, 1)
        starts = [None] * len(self._names) if given is None else list(zip(*[s.unbind(0) for s in given], strict=True))
        finals, own, ways = [], vars(self), 1 + self.bidirectional
        for k in range(0, len(starts), ways):
            outputs = []
            for i in range(k, k + ways):
                y, final = self.sequence(x, starts[i], tuple([own[n] for n in self._names[i]]), i > k)
                outputs.append(y)
                finals.append(final)
            x = concatenate(outputs, -1) if ways > 1 else y
        last = tuple([stack(parts) for parts in zip(*finals, strict=True)])
        if single:
            x, last = squeeze(x, 1), tuple([squeeze(s, 1) for s in last])
        elif self.batch_first:
            x = swapaxes(x, 0, 1)
        return x, last if self.states > 1 else last[0]

    def _check(self, x: Tensor, given: tuple[Tensor, ...] | None) -> None:
        """Raise ShapeError or DeviceError with this layer's name and sizes."""
        name = f"{type(self).__name__}({self.extra_repr()})"
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ShapeError(describe(f"{name} cannot take {tuple(x.shape)}.", x=x._made(), fix="x is " + (
                f"(B, T, {self.input_size})" if self.batch_first else f"(T, B, {self.input_size})")
                + f", or (T, {self.input_size}) unbatched"))
        if 0 in x.shape[:-1]:
            raise ShapeError(describe(f"{name} needs at least one step and one example: x is {tuple(x.shape)}.",
                                      x=x._made()))
        weight = vars(self)[self._names[0][0]]
        if x.device is not weight.device:
            raise DeviceError(describe(f"{name} lies on {weight.device.name!r}, and x on {x.device.name!r}.",
                                       x=x._made(), fix=f"model.to({x.device.name!r}), or x.to(...)"))
        if given is None:
            return
        batch = () if x.ndim == 2 else (x.shape[0 if self.batch_first else 1],)
        shape = (len(self._names), *batch, self.hidden_size)
        if len(given) != self.states:
            raise ShapeError(describe(f"the state of {name} has {self.states} tensors, and {len(given)} came."))
        for s in given:
            if s.shape != shape:
                raise ShapeError(describe(f"the state of {name} is {tuple(s.shape)}, and x {tuple(x.shape)} needs "
                                          f"{shape}.", state=s._made(), fix="(layers * directions, B, H)"))

    def extra_repr(self) -> str:
        options = {"num_layers": (self.num_layers, 1), "nonlinearity": (getattr(self, "nonlinearity", "tanh"), "tanh"),
                   "bias": (self.bias, True), "batch_first": (self.batch_first, False),
                   "bidirectional": (self.bidirectional, False), "fused": (self.fused, True)}
        return ", ".join([f"{self.input_size}, {self.hidden_size}",
                          *(f"{k}={v!r}" for k, (v, usual) in options.items() if v != usual)])


class RNN(Recurrent):
    """Elman networks, stacked: h_t^l = phi(W_ih^l h_t^(l-1) + b_ih^l + W_hh^l h_(t-1)^l + b_hh^l), h_t^0 = x_t.

    Escalera, *Multilayer RNNs*; Télécom, *Bi-directional RNN*.  x (T, B, D) -> output (T, B, directions * H),
    h_n (layers * directions, B, H).  nonlinearity: "tanh", "relu" or "sigmoid".
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
                 bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
                 fused: bool = True) -> None:
        self.nonlinearity = check_activation(nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, fused=fused)

    def sequence(self, x: Tensor, state: State | None, weights: tuple[Any, ...], reverse: bool
                 ) -> tuple[Tensor, State]:
        """The whole sequence as one node, where that is chosen and possible; else the loop."""
        if not self.fused or x.device is not cpu:
            return super().sequence(x, state, weights, reverse)
        y, h = rnn_sequence(x, state and state[0], *weights, nonlinearity=self.nonlinearity, reverse=reverse)
        return y, (h,)

    def step(self, x: Tensor, state: State, *weights: Any) -> State:
        """`rnn_step`: x (B, D), (h,) -> (h',)"""
        w_ih, w_hh, b_ih, b_hh = weights
        return (rnn_step(x, state[0], w_ih, w_hh, b_ih, b_hh, ACTIVATIONS[self.nonlinearity]),)


class LSTM(Recurrent):
    """LSTMs, stacked; the equations are `lstm_step`'s.  Escalera, *Multilayer RNNs*; Chemnitz, *LSTM networks*.

    x (T, B, D), (h_0, c_0) -> output (T, B, directions * H), (h_n, c_n), states (layers * directions, B, H).
    """

    gates, states = 4, 2

    def step(self, x: Tensor, state: State, *weights: Any) -> State:
        """`lstm_step`: x (B, D), (h, c) -> (h', c')"""
        return lstm_step(x, *state, *weights)


class GRU(Recurrent):
    """GRUs, stacked; the equations are `gru_step`'s.  Chemnitz, *GRU: Gated Recurrent Unit*.

    x (T, B, D), h_0 -> output (T, B, directions * H), h_n (layers * directions, B, H).
    """

    gates = 3

    def step(self, x: Tensor, state: State, *weights: Any) -> State:
        """`gru_step`: x (B, D), (h,) -> (h',)"""
        return (gru_step(x, state[0], *weights),)
