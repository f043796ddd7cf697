"""The LSTM for pictures over time: its products are convolutions, its states are pictures.   Shi et al. 2015.

As in `recurrent.py`, a layer computes a sequence readable, a loop over `conv_lstm_step`, or fused, one node
(`fused/conv_lstm.py`, on device cpu); a test holds both equal. PyTorch has none; names follow its LSTM.
"""
from __future__ import annotations

import math
from typing import Any

from ..backend import cpu
from ..create import zeros
from ..errors import DeviceError, ShapeError, describe
from ..ops import sigmoid, squeeze, stack, swapaxes, tanh, unsqueeze
from ..ops_select import chunk
from ..tensor import Tensor
from . import functional as F
from . import init
from .forms import check_bias, given_state
from .fused.conv_lstm import conv_lstm_sequence
from .module import Module, Parameter


def conv_lstm_step(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                   b_hh: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One step of an LSTM on pictures, * a convolution.  Chemnitz, *LSTM networks*; Shi et al. 2015, no peepholes.

        (i, f, g, o) = (sigmoid, sigmoid, tanh, sigmoid)(W_ih * x + b_ih + W_hh * h + b_hh)
        c' = f c + i g
        h' = o tanh c'

    x (B, C, height, width), h and c (B, H, height, width), W_ih (4 H, C, kh, kw), W_hh (4 H, H, kh, kw) with odd kh and
    kw -> h', c'.  The borders are padded with zeros, so every picture has one size.
    """
    around = (w_hh.shape[2] // 2, w_hh.shape[3] // 2)
    i, f, g, o = chunk(F.conv2d(x, w_ih, b_ih, padding=around) + F.conv2d(h, w_hh, b_hh, padding=around), 4, 1)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)               # each (B, H, height, width)
    c = f * c + i * g
    return o * tanh(c), c


class _Convolutional(Module):
    """What the cell and the layer share: sizes, parameters, checks."""

    gates = "ifgo"                             # the order of the rows: where `init` finds the forget gate

    def _choose(self, input_size: int, hidden_size: int, kernel_size: int | tuple[int, int], bias: bool | str) -> None:
        kernel = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        if len(kernel) != 2 or any(k < 1 or k % 2 == 0 for k in kernel):
            raise ShapeError(f"kernel_size of {type(self).__name__} is odd, so that a window has a middle: not "
                             f"{kernel_size!r}")
        if min(input_size, hidden_size) < 1:
            raise ShapeError(f"sizes of {type(self).__name__} are at least 1: input_size={input_size}, "
                             f"hidden_size={hidden_size}")
        self.input_size, self.hidden_size, self.kernel_size = input_size, hidden_size, kernel
        self.bias = check_bias(bias)

    def _add_parameters(self, below: int, suffix: str = "") -> None:
        """Uniform in +-1 / sqrt(H kh kw) at the start: the LSTM's bound, with a window for each hidden unit."""
        H, kernel = self.hidden_size, self.kernel_size
        bound = 1 / math.sqrt(H * math.prod(kernel))
        kept = {"bias_ih": bool(self.bias), "bias_hh": self.bias is True}
        for kind, shape in {"weight_ih": (4 * H, below, *kernel), "weight_hh": (4 * H, H, *kernel),
                            "bias_ih": (4 * H,), "bias_hh": (4 * H,)}.items():
            setattr(self, kind + suffix, init.uniform_(Parameter(zeros(shape)), -bound, bound)
                    if kept.get(kind, True) else None)

    def _weights(self, suffix: str = "") -> tuple[Any, ...]:
        own = vars(self)
        return tuple([own[kind + suffix] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")])

    def _check(self, x: Tensor, axes: str, state: Any, shape: tuple[int, ...], device: Any) -> None:
        """Raise ShapeError or DeviceError with this module's name and sizes."""
        name = f"{type(self).__name__}({self.extra_repr()})"
        if x.ndim not in (n := axes.count(",") + 1, n - 1) or x.shape[-3] != self.input_size or 0 in x.shape:
            raise ShapeError(describe(f"{name} cannot take {tuple(x.shape)}.", x=x._made(),
                                      fix=f"x is ({axes}) with C = {self.input_size}, or without B"))
        if x.device is not device:
            raise DeviceError(describe(f"{name} lies on {device.name!r}, and x on {x.device.name!r}.", x=x._made(),
                                       fix=f"model.to({device.name!r}), or x.to(...)"))
        for s in state or ():
            if s.shape != shape:
                raise ShapeError(describe(f"the state of {name} is {tuple(s.shape)}, and x {tuple(x.shape)} needs "
                                          f"{shape}.", state=s._made()))

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, kernel_size={self.kernel_size}" + (
            "" if self.bias is True else f", bias={self.bias!r}")


class ConvLSTMCell(_Convolutional):
    """`conv_lstm_step` with its parameters.  x (B, C, height, width), (h, c) or None for zeros -> (h', c').

    weight_ih (4 H, C, kh, kw), weight_hh (4 H, H, kh, kw), bias_ih and bias_hh (4 H); rows i, f, g, o.  bias: True,
    "one" (bias_ih alone) or False.  Without B: (C, height, width).  Raises ShapeError, DeviceError.
    """

    weight_ih: Parameter

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int | tuple[int, int],
                 bias: bool | str = True) -> None:
        self._choose(input_size, hidden_size, kernel_size, bias)
        self._add_parameters(input_size)

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """x (B, C, height, width), h and c (B, H, height, width) -> (h', c')"""
        given_state(self, x, hx, 2)
        shape = (*x.shape[:-3], self.hidden_size, *x.shape[-2:])
        self._check(x, "B, C, height, width", hx, shape, self.weight_ih.device)
        if hx is None:
            hx = (zeros(shape, dtype=x.dtype, device=x.device),) * 2
        if x.ndim == 3:
            h, c = conv_lstm_step(unsqueeze(x, 0), *[unsqueeze(s, 0) for s in hx], *self._weights())
            return squeeze(h, 0), squeeze(c, 0)
        return conv_lstm_step(x, *hx, *self._weights())


class ConvLSTM(_Convolutional):
    """`conv_lstm_step` over time.  x (T, B, C, height, width) -> h of the last layer (T, B, H, height, width), (h, c).

    States are (layers, B, H, height, width), zeros if not given. batch_first: x and the output are (B, T, ...).
    Without B: x (T, C, height, width), states (layers, H, height, width).  Parameters: weight_ih_l0 (4 H, C, kh, kw),
    weight_hh_l0 (4 H, H, kh, kw), bias_ih_l0 and bias_hh_l0 (4 H), then _l1 with H input channels; rows i, f, g, o.
    bias: True, "one" (bias_ih alone) or False.  fused: one node on cpu, else the loop.
    Raises ShapeError, DeviceError.  Chemnitz, *LSTM networks*; Shi et al. 2015.
    """

    weight_ih_l0: Parameter
    single_ndim = 4                            # axes of x without a batch: `nn.truncated` asks

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int | tuple[int, int], num_layers: int = 1,
                 bias: bool | str = True, batch_first: bool = False, *, fused: bool = True) -> None:
        self._choose(input_size, hidden_size, kernel_size, bias)
        if num_layers < 1:
            raise ShapeError(f"num_layers of {type(self).__name__} is at least 1, not {num_layers}")
        self.num_layers, self.batch_first, self.fused = num_layers, batch_first, fused
        for layer in range(num_layers):
            self._add_parameters(hidden_size if layer else input_size, f"_l{layer}")

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (T, B, C, height, width), h and c (layers, B, H, height, width) -> output, (h, c)"""
        given_state(self, x, hx, 2)
        single = x.ndim == 4
        batch = () if single else (x.shape[0 if self.batch_first else 1],)
        self._check(x, "B, T, C, height, width" if self.batch_first else "T, B, C, height, width", hx,
                    (self.num_layers, *batch, self.hidden_size, *x.shape[-2:]), self.weight_ih_l0.device)
        if single:
            x, hx = unsqueeze(x, 1), hx and (unsqueeze(hx[0], 1), unsqueeze(hx[1], 1))
        elif self.batch_first:
            x = swapaxes(x, 0, 1)
        starts: Any = ([(None, None)] * self.num_layers if hx is None else
                       zip(hx[0].unbind(0), hx[1].unbind(0), strict=True))
        run = conv_lstm_sequence if self.fused and x.device is cpu else _loop
        finals = []
        for layer, start in enumerate(starts):
            x, *final = run(x, *start, *self._weights(f"_l{layer}"))
            finals.append(final)
        h, c = (stack(parts) for parts in zip(*finals, strict=True))
        if single:
            return squeeze(x, 1), (squeeze(h, 1), squeeze(c, 1))
        return swapaxes(x, 0, 1) if self.batch_first else x, (h, c)

    def extra_repr(self) -> str:
        own, usual = vars(self), {"num_layers": 1, "batch_first": False, "fused": True}
        return super().extra_repr() + "".join(f", {k}={own[k]!r}" for k, v in usual.items() if own[k] != v)


def _loop(x: Tensor, h: Tensor | None, c: Tensor | None, w_ih: Tensor, w_hh: Tensor, *biases: Any
          ) -> tuple[Tensor, Tensor, Tensor]:
    """The whole sequence as a loop: h of all steps, the last h and c."""
    if h is None or c is None:
        h = c = zeros(x.shape[1], w_hh.shape[1], *x.shape[3:], dtype=x.dtype, device=x.device)
    outputs = []
    for x_t in x.unbind(0):
        h, c = conv_lstm_step(x_t, h, c, w_ih, w_hh, *biases)
        outputs.append(h)
    return stack(outputs), h, c
