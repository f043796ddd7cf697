"""RNN, LSTM and GRU over whole sequences: stacked, in both directions, in every form that the decks give.

Parameters have PyTorch's names and layout: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, then l1, and `_reverse`.
Options before the star are PyTorch's, in its order; those behind it are the decks' (`docs/recurrent.md`). What all
three have in common (`forward`, lengths, packed sequences) is told in `recurrent.py`; here stands which node computes
which form.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .forms import GRUForm, LSTMForm, RNNForm, State, Weights
from .fused.gru import gru_sequence
from .fused.gru_before import gru_before_sequence
from .fused.lstm import lstm_sequence
from .fused.peephole import peephole_sequence
from .fused.rnn import rnn_sequence
from .fused.shortcuts import shortcut_sequence
from .gpu.gru import gru_on_device
from .gpu.lstm import lstm_on_device
from .gpu.rnn import rnn_on_device
from .recurrent import Recurrent, Sequence
from .standard import standard_gru, standard_lstm


class RNN(RNNForm, Recurrent):
    """Elman networks, stacked: h_t^l = phi(W_ih^l h_t^(l-1) + b_ih^l + W_hh^l h_(t-1)^l + b_hh^l), h_t^0 = x_t.

    Escalera, *Multilayer RNNs*; Télécom, *Bi-directional RNN*.  x (T, B, D) -> output (T, B, directions * H),
    h_n (layers * directions, B, H).

    nonlinearity: "tanh", "relu" or "sigmoid".  bias: True (two, PyTorch), "one" (b_ih alone) or False.
    dropout: between layers, in training.  merge: of two directions, "concat", "sum", "mean" or "mul".
    skip=k: adds W_s h_{t-k} before phi (`skip_rnn_step`; Télécom, *Vanishing: use skip-connections*), weight_sh_l0
    (H, H). It reaches back within one call: a state that is carried over is h_{t-1} alone, and what lies before it
    counts as 0.
    residual: h_t = h_{t-1} + phi(...) (`residual_rnn_step`; Riveill).
    checkpoint=k: keep states every k steps, and compute the rest once more in backward.
    fused=False: the readable loop, which has second-order gradients and shows its steps to `viz.flow`.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
                 bias: bool | str = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
                 *, skip: int = 0, residual: bool = False, merge: str = "concat", fused: bool = True,
                 checkpoint: int = 0) -> None:
        self._choose(nonlinearity, residual, skip)
        self._make(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, merge, fused,
                   checkpoint)

    def fused_sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: np.ndarray | None
                       ) -> Sequence:
        """`rnn_sequence`, or `shortcut_sequence` for skip and residual."""
        if self.skip and self.checkpoint:      # a piece needs the last k states of the one before: the loop has them
            return self.loop(x, state, w, reverse, alive)
        h0 = state and state[0]
        if self.skip or self.residual:
            y, h = shortcut_sequence(x, h0, w.ih, w.hh, w.sh, w.b_ih, w.b_hh, nonlinearity=self.nonlinearity,
                                     skip=self.skip, residual=self.residual, reverse=reverse, alive=alive)
        else:
            y, h = rnn_sequence(x, h0, w.ih, w.hh, w.b_ih, w.b_hh, nonlinearity=self.nonlinearity, reverse=reverse,
                                alive=alive)
        return y, (h,)

    def kernel_sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: Any) -> Sequence:
        """`rnn_on_device`, or the loop for skip and residual."""
        if self.skip or self.residual:
            return self.loop(x, state, w, reverse, alive)
        y, h = rnn_on_device(x, state and state[0], w.ih, w.hh, w.b_ih, w.b_hh, nonlinearity=self.nonlinearity,
                             reverse=reverse, alive=alive)
        return y, (h,)

    def _full(self, x: Tensor, state: State | None) -> State:
        """With a shortcut the loop carries a line of k states, h_{t-1} to h_{t-k}; before the start they are 0."""
        line = super()._full(x, state)
        return (*line, *[line[0] * 0.0] * (self.skip - len(line)))


class LSTM(LSTMForm, Recurrent):
    """LSTMs, stacked; the equations are `lstm_step`'s.  Escalera, *Multilayer RNNs*; Chemnitz, *LSTM networks*.

    x (T, B, D), (h_0, c_0) -> output (T, B, directions * H), (h_n, c_n), states (layers * directions, B, H).

    proj_size=R: h = W_hr (o tanh c) of size R, weight_hr_l0 (R, H).  forget=False: without forget gate (Télécom,
    *Simplified LSTM*).  coupled: i = 1 - f.  peephole: the gates see c, by "full" matrices (Chemnitz, *Peephole
    connections*) or "diagonal" ones (Gers 2000), weight_ch_l0, rows i, f, o.  forget_bias: what the two biases of the
    forget gate add up to at the start (Télécom, *Forget Gate LSTM*).
    bias, dropout, merge, checkpoint and fused as in RNN.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool | str = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, *,
                 forget: bool = True, coupled: bool = False, peephole: Any = False, forget_bias: float | None = None,
                 merge: str = "concat", fused: bool = True, checkpoint: int = 0) -> None:
        self._choose(bias, proj_size, forget, coupled, peephole, forget_bias)
        self._make(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, merge, fused,
                   checkpoint)
        self._start_open()

    def fused_sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: np.ndarray | None
                       ) -> Sequence:
        """`lstm_sequence`, or `peephole_sequence` for peepholes and projections; other forms as weights of these."""
        w = standard_lstm(self, w)
        h0, c0 = state or (None, None)
        if w.ch is not None or w.hr is not None:
            y, h, c = peephole_sequence(x, h0, c0, w.ih, w.hh, w.b_ih, w.b_hh, w.ch, w.hr, reverse=reverse, alive=alive)
        else:
            y, h, c = lstm_sequence(x, h0, c0, w.ih, w.hh, w.b_ih, w.b_hh, reverse=reverse, alive=alive)
        return y, (h, c)

    def kernel_sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: Any) -> Sequence:
        """`lstm_on_device`, or the loop for peepholes and projections; other forms as weights of it."""
        if self.peephole or self.proj_size:
            return self.loop(x, state, w, reverse, alive)
        w = standard_lstm(self, w)
        h0, c0 = state or (None, None)
        y, h, c = lstm_on_device(x, h0, c0, w.ih, w.hh, w.b_ih, w.b_hh, reverse=reverse, alive=alive)
        return y, (h, c)


class GRU(GRUForm, Recurrent):
    """GRUs, stacked; the equations are `gru_step`'s.  Chemnitz, *GRU: Gated Recurrent Unit*.

    x (T, B, D), h_0 -> output (T, B, directions * H), h_n (layers * directions, B, H).

    reset: r "after" the product (PyTorch), "before" it (the decks: `gru_before_step`), or "none" (Télécom, *Simple
    GRU*).  update: z "keeps" the old state (PyTorch, Keras, ONNX) or "writes" the new one (the four decks that print
    it).  bias, dropout, merge, checkpoint and fused as in RNN.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool | str = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
                 reset: str = "after", update: str = "keeps", merge: str = "concat", fused: bool = True,
                 checkpoint: int = 0) -> None:
        self._choose(reset, update)
        self._make(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, merge, fused,
                   checkpoint)

    def fused_sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: np.ndarray | None
                       ) -> Sequence:
        """`gru_sequence`, or `gru_before_sequence` for r before the product; other forms as weights of these."""
        w = standard_gru(self, w)
        node = gru_before_sequence if self.reset == "before" else gru_sequence
        y, h = node(x, state and state[0], w.ih, w.hh, w.b_ih, w.b_hh, reverse=reverse, alive=alive)
        return y, (h,)

    def kernel_sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: Any) -> Sequence:
        """`gru_on_device`, or the loop for r before the product; other forms as weights of it."""
        if self.reset == "before":
            return self.loop(x, state, w, reverse, alive)
        w = standard_gru(self, w)
        y, h = gru_on_device(x, state and state[0], w.ih, w.hh, w.b_ih, w.b_hh, reverse=reverse, alive=alive)
        return y, (h,)
