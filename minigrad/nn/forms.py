"""The forms of a recurrent step: its options, its gates, its weights and its equation.

A cell is a form with one set of weights (`cells.py`), a layer runs a form over time (`rnn.py`): both are made from the
three classes here, so that an option means the same in both. The equations themselves stand in `steps.py`.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..create import zeros
from ..errors import ShapeError, describe
from ..tensor import Tensor
from . import init
from .gate_order import from_order, to_order
from .module import LoadResult, Module, Parameter
from .steps import (
    ACTIVATIONS,
    coupled_lstm_step,
    gru_before_step,
    gru_step,
    lstm_step,
    peephole_lstm_step,
    projected,
    rnn_step,
    simple_gru_step,
    simplified_lstm_step,
    skip_rnn_step,
)

State = tuple[Tensor, ...]                     # (h,), or (h, c) for an LSTM


class Weights(NamedTuple):
    """What a step multiplies and adds; None where a form has none. Each is a parameter of the name in KINDS."""

    ih: Tensor
    hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    hr: Tensor | None = None                   # projection (R, H)
    ch: Tensor | None = None                   # peepholes (3 H, H) or (3 H)
    sh: Tensor | None = None                   # shortcut through time (H, H)


KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_ch", "weight_sh")

OPTIONS = {"num_layers": 1, "nonlinearity": "tanh", "bias": True, "batch_first": False, "dropout": 0.0,
           "bidirectional": False, "proj_size": 0, "forget": True, "coupled": False, "peephole": False,
           "forget_bias": None, "reset": "after", "update": "keeps", "skip": 0, "residual": False, "merge": "concat",
           "fused": True, "checkpoint": 0}     # name -> the usual value, which is not shown


class Form(Module):
    """The base of cells and layers.

    gates: the letters of the row blocks of W_ih, W_hh and the biases, from above; "" for one block and no gate.
    output_size: the size of h, which is the hidden size except under a projection.
    """

    gates = ""
    input_size: int
    hidden_size: int
    bias: bool | str

    @property
    def output_size(self) -> int:
        """How wide h is."""
        return self.hidden_size

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """How wide each tensor of a state is: (h) or (h, c)."""
        return (self.output_size,)

    def step(self, x: Tensor, state: State, w: Weights) -> State:
        """One step, in primitives: x (B, D), state -> the next state, h first."""
        raise NotImplementedError

    def _more_weights(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weights that this form has beside the usual four."""
        return {}

    def _add_parameters(self, below: int, suffix: str = "") -> None:
        """Parameters for inputs of a size, all uniform in +-1 / sqrt(H) at the start, as in PyTorch."""
        bound, rows = 1 / math.sqrt(self.hidden_size), max(len(self.gates), 1) * self.hidden_size
        kept = {"bias_ih": bool(self.bias), "bias_hh": self.bias is True}
        for kind, shape in {"weight_ih": (rows, below), "weight_hh": (rows, self.output_size), "bias_ih": (rows,),
                            "bias_hh": (rows,), **self._more_weights()}.items():
            setattr(self, kind + suffix, init.uniform_(Parameter(zeros(shape)), -bound, bound)
                    if kept.get(kind, True) else None)

    def state_dict(self, order: str | None = None) -> dict[str, Tensor]:
        """Name -> value of all parameters, as of any module; with an order, copies with the gates in that order.

        order: the gates' letters, "ifog" (Escalera), "iofc" (ONNX), "zrh" (Keras' GRU): see `gate_order.py`.
        """
        state = super().state_dict()
        return state if order is None else to_order(self, state, order)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, order: str | None = None) -> LoadResult:
        """Write values into the parameters, as in any module.  order: of the gates in the values, if not ours."""
        return super().load_state_dict(state if order is None else from_order(self, state, order), strict)

    def extra_repr(self) -> str:
        own = vars(self)
        return ", ".join([f"{self.input_size}, {self.hidden_size}",
                          *(f"{k}={own[k]!r}" for k, usual in OPTIONS.items() if own.get(k, usual) != usual)])


class RNNForm(Form):
    """h' = phi(W_ih x + b_ih + W_hh h + b_hh), with a shortcut from k steps back, or added to h."""

    nonlinearity: str
    skip = 0
    residual = False

    def _choose(self, nonlinearity: str, residual: bool = False, skip: int = 0) -> None:
        self.nonlinearity, self.residual = _one_of("nonlinearity", nonlinearity, tuple(ACTIVATIONS)), residual
        if skip < 0:
            raise ValueError(f"skip is how many steps a shortcut goes back, or 0 for none: not {skip!r}")
        self.skip = skip

    def _more_weights(self) -> dict[str, tuple[int, ...]]:
        return {"weight_sh": (self.hidden_size, self.hidden_size)} if self.skip else {}

    def step(self, x: Tensor, state: State, w: Weights) -> State:
        """x (B, D), (h_{t-1}, ..., h_{t-k}) -> (h_t, ..., h_{t-k+1}): a line of k states, of one without a shortcut."""
        h, phi = state[0], ACTIVATIONS[self.nonlinearity]
        if w.sh is None:
            new = rnn_step(x, h, w.ih, w.hh, w.b_ih, w.b_hh, phi)
        else:
            new = skip_rnn_step(x, h, state[-1], w.ih, w.hh, w.sh, w.b_ih, w.b_hh, phi)
        return (h + new if self.residual else new, *state[:-1])


class LSTMForm(Form):
    """c' = f c + i g, h' = o tanh c': with or without a forget gate, coupled, with peepholes, projected."""

    proj_size = 0

    def _choose(self, bias: bool | str, proj_size: int, forget: bool, coupled: bool, peephole: Any,
                forget_bias: float | None) -> None:
        if peephole not in (False, "diagonal", "full"):
            raise ValueError(f"peephole is False, 'diagonal' (Gers 2000) or 'full' (Chemnitz), not {peephole!r}")
        if coupled and not forget:
            raise ValueError("coupled=True writes 1 - f, so it needs the forget gate: forget=True, or coupled=False")
        if peephole and (coupled or not forget):
            raise ValueError(f"peephole={peephole!r} is for the standard gates: choose it, or "
                             + ("coupled=True" if coupled else "forget=False") + ", not both")
        if proj_size < 0:
            raise ValueError(f"proj_size is the size of the projected h, or 0 for none: not {proj_size!r}")
        if forget_bias is not None and not (forget and bias):
            raise ValueError(f"forget_bias={forget_bias!r} needs a forget gate that has a bias: forget=True, and "
                             "bias=True or 'one'")
        self.proj_size, self.forget, self.coupled, self.peephole = proj_size, forget, coupled, peephole
        self.forget_bias = forget_bias
        self.gates = "fgo" if coupled else "ifgo" if forget else "igo"

    def _start_open(self) -> None:
        """The forget gates' biases, where a value was given."""
        if self.forget_bias is not None:
            init.lstm_forget_bias_(self, self.forget_bias)

    @property
    def output_size(self) -> int:
        """How wide h is: the projection's size, or the cell's."""
        return self.proj_size or self.hidden_size

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """h and c."""
        return self.output_size, self.hidden_size

    def _more_weights(self) -> dict[str, tuple[int, ...]]:
        H = self.hidden_size
        more: dict[str, tuple[int, ...]] = {"weight_hr": (self.proj_size, H)} if self.proj_size else {}
        if self.peephole:
            more["weight_ch"] = (3 * H, H) if self.peephole == "full" else (3 * H,)
        return more

    def step(self, x: Tensor, state: State, w: Weights) -> State:
        """x (B, D), (h, c) -> (h', c')"""
        h, c = state
        if w.ch is not None:
            h, c = peephole_lstm_step(x, h, c, w.ih, w.hh, w.b_ih, w.b_hh, w.ch)
        else:
            one = coupled_lstm_step if self.coupled else lstm_step if self.forget else simplified_lstm_step
            h, c = one(x, h, c, w.ih, w.hh, w.b_ih, w.b_hh)
        return (h if w.hr is None else projected(h, w.hr)), c


class GRUForm(Form):
    """h' between h and n by z: r after the product, before it, or none."""

    def _choose(self, reset: str, update: str) -> None:
        self.reset = _one_of("reset", reset, ("after", "before", "none"))
        self.update = _one_of("update", update, ("keeps", "writes"))
        self.gates = "zn" if reset == "none" else "rzn"

    def step(self, x: Tensor, state: State, w: Weights) -> State:
        """x (B, D), (h,) -> (h',)"""
        one = {"after": gru_step, "before": gru_before_step, "none": simple_gru_step}[self.reset]
        return (one(x, state[0], w.ih, w.hh, w.b_ih, w.b_hh, self.update),)


def check_bias(bias: bool | str) -> bool | str:
    """True (two, as in PyTorch), "one" (as in most decks and Keras) or False; else a ValueError."""
    if bias not in (True, False, "one"):
        raise ValueError(f"bias is True (b_ih and b_hh), 'one' (b_ih alone) or False, not {bias!r}")
    return bias if bias == "one" else bool(bias)           # 1 and np.True_ are equal to True, but not it


def given_state(of: Module, x: Any, state: Any, n: int = 1) -> State | None:
    """The state of n tensors that came with x, as a tuple; None where none came.

    Raises TypeError (x or a part of the state is no Tensor), ShapeError (h alone where (h, c) is taken, or (h, c) where
    h is).
    """
    if not isinstance(x, Tensor):
        pair = type(x) is tuple
        raise TypeError(describe(f"{of._tree()} takes a Tensor, and x is of type {type(x).__name__}.",
                                 likely="x is (output, state), what a layer gave" if pair else None,
                                 fix="y, state = layer(x), and pass y on" if pair else "mg.tensor(x)"))
    if state is None:
        return None
    parts, usual = tuple(state) if isinstance(state, (tuple, list)) else (state,), "h" if n == 1 else "(h, c)"
    for s in parts:
        if not isinstance(s, Tensor):
            raise TypeError(describe(f"the state of {of._tree()} is {usual}, of Tensors, and a value of type "
                                     f"{type(s).__name__} came.",
                                     fix=f"hx={usual}, None for zeros; lengths=... by its name"))
    if len(parts) != n:
        raise ShapeError(describe(f"the state of {of._tree()} has {n} tensor{'s' * (n > 1)}, and {len(parts)} came.",
                                  fix=f"{usual}, as the last call gave it"))
    return parts


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"{option} is one of {', '.join(choices)}, not {value!r}")
    return value
