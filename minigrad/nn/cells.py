"""Cells: one step of a recurrent network with its parameters. The equation of each form stands in `steps.py`.

Names, signatures and layouts are PyTorch's: weight_ih (gates H, D), weight_hh (gates H, H), bias_ih, bias_hh (gates H).
The options after the star are the decks'; they mean the same as in the layers of `rnn.py`.
"""
from __future__ import annotations

from typing import Any

from ..create import zeros
from ..errors import ShapeError, describe
from ..tensor import Tensor
from .forms import KINDS, Form, GRUForm, LSTMForm, RNNForm, State, Weights, check_bias, given_state
from .module import Parameter


class Cell(Form):
    """The parameters of one step, all uniform in +-1 / sqrt(H) at the start, as in PyTorch.

    x: (B, D), or (D) unbatched; states (B, H) or (H), zeros where none is given.
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def _make(self, input_size: int, hidden_size: int, bias: bool | str) -> None:
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, check_bias(bias)
        self._add_parameters(input_size)

    @property
    def weights(self) -> Weights:
        """The parameters, as a step takes them; None where the form has none."""
        own = vars(self)
        return Weights._make([own.get(kind) for kind in KINDS])

    def _start(self, x: Tensor, state: Any) -> State:
        """The state, zeros where none was given; all shapes checked."""
        given = given_state(self, x, state, len(self.state_sizes))
        if x.ndim not in (1, 2):
            raise ShapeError(describe(f"{type(self).__name__} takes one step, (B, {self.input_size}) or "
                                      f"({self.input_size}), and x is {tuple(x.shape)}.", x=x._made(),
                                      fix=f"for x_t in x: state = cell(x_t, state); or nn.{type(self).__name__[:-4]}"))
        if x.shape[-1] != self.input_size:
            raise ShapeError(describe(f"{type(self).__name__} takes {self.input_size} inputs a step, and x is "
                                      f"{tuple(x.shape)}.", x=x._made(), fix="x is (B, input_size)"))
        shapes = [(*x.shape[:-1], size) for size in self.state_sizes]
        if given is None:
            return tuple([zeros(shape, dtype=x.dtype, device=x.device) for shape in shapes])
        for s, shape in zip(given, shapes, strict=True):
            if s.shape != shape:
                raise ShapeError(describe(f"the state of {type(self).__name__} is {tuple(s.shape)}, and x "
                                          f"{tuple(x.shape)} needs {shape}.", state=s._made()))
        return given


class RNNCell(RNNForm, Cell):
    """`rnn_step` with its parameters.  x (B, D), h (B, H) or None for zeros -> h' (B, H).  Unbatched: (D), (H).

    nonlinearity: "tanh", "relu" (KTH, *Recurrent Neural Networks (4/4)*) or "sigmoid" (Chemnitz).
    bias: True for PyTorch's two, "one" for bias_ih alone, False.  residual: `residual_rnn_step` (Riveill).
    A shortcut through time needs older states than a cell has: nn.RNN(..., skip=k), or `skip_rnn_step` in a loop.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool | str = True, nonlinearity: str = "tanh", *,
                 residual: bool = False) -> None:
        self._choose(nonlinearity, residual)
        self._make(input_size, hidden_size, bias)

    def forward(self, x: Tensor, hx: Tensor | None = None) -> Tensor:
        """x (B, D), h (B, H) -> h' (B, H)"""
        return self.step(x, self._start(x, hx), self.weights)[0]


class LSTMCell(LSTMForm, Cell):
    """`lstm_step` with its parameters.  x (B, D), (h, c) or None for zeros -> (h', c'), all (B, H).

    proj_size: the size R of h under `projected`; W_hh is then (4H, R).  forget=False: `simplified_lstm_step`.
    coupled: `coupled_lstm_step`.  peephole: "diagonal" or "full": `peephole_lstm_step`.  forget_bias: what the forget
    gate's biases add up to at the start.  Raises ValueError for options that exclude each other.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool | str = True, *, proj_size: int = 0,
                 forget: bool = True, coupled: bool = False, peephole: Any = False,
                 forget_bias: float | None = None) -> None:
        self._choose(bias, proj_size, forget, coupled, peephole, forget_bias)
        self._make(input_size, hidden_size, bias)
        self._start_open()

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """x (B, D), (h, c) each (B, H) -> (h', c')"""
        h, c = self.step(x, self._start(x, hx), self.weights)
        return h, c


class GRUCell(GRUForm, Cell):
    """`gru_step` with its parameters.  x (B, D), h (B, H) or None for zeros -> h' (B, H).

    reset: "after" the product (PyTorch), "before" it (the decks: `gru_before_step`), "none" (`simple_gru_step`).
    update: z "keeps" the old state (PyTorch) or "writes" the new one (the decks).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool | str = True, *, reset: str = "after",
                 update: str = "keeps") -> None:
        self._choose(reset, update)
        self._make(input_size, hidden_size, bias)

    def forward(self, x: Tensor, hx: Tensor | None = None) -> Tensor:
        """x (B, D), h (B, H) -> h' (B, H)"""
        return self.step(x, self._start(x, hx), self.weights)[0]
