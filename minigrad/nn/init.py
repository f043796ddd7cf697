"""Initial weights, in place, under PyTorch's names.

All are drawn on the host from the generator that `manual_seed` set: a model starts alike on every device.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import backend
from ..errors import MinigradError, ShapeError, describe
from ..tensor import Tensor
from .module import Module, _overwrite


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs and outputs a weight joins: (out, in) or (out, in, *window)."""
    if len(shape) < 2:
        raise ShapeError(describe(f"a weight joins inputs and outputs, and {tuple(shape)} has fewer than two axes.",
                                  fix="init.zeros_ or init.uniform_ for biases"))
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Uniform in [a, b)."""
    _overwrite(tensor, backend.generator().uniform(a, b, tensor.shape))
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Normal with this mean and standard deviation."""
    _overwrite(tensor, backend.generator().normal(mean, std, tensor.shape))
    return tensor


def constant_(tensor: Tensor, value: float) -> Tensor:
    """One value."""
    _overwrite(tensor, np.full(tensor.shape, value))
    return tensor


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By what a weight's start is enlarged so that an activation keeps the variance: PyTorch's numbers.

    "linear", "conv1d", "conv2d", "sigmoid": 1; "tanh": 5/3; "relu": sqrt 2; "leaky_relu": sqrt(2 / (1 + slope^2)) with
    the slope in param (0.01); "selu": 3/4.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2),
             "selu": 0.75}
    if nonlinearity not in gains:
        raise ValueError(f"nonlinearity is one of {', '.join([*gains, 'leaky_relu'])}, not {nonlinearity!r}")
    return gains[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform in +-gain sqrt(6 / (inputs + outputs)): the variance stays equal forward and backward (Glorot 2010)."""
    bound = gain * math.sqrt(6 / sum(_fans(tensor.shape)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Normal with the variance of `xavier_uniform_`: gain^2 2 / (inputs + outputs) (Glorot 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor.shape))))


def _he(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """The standard deviation of He's start."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor.shape)[mode == "fan_out"])


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Uniform with variance gain^2 / inputs (or outputs: mode="fan_out"): what a rectifier needs (He 2015).

    a: the slope of leaky_relu.
    """
    bound = math.sqrt(3) * _he(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Normal with variance gain^2 / inputs (or outputs: mode="fan_out"): what a rectifier needs (He 2015)."""
    return normal_(tensor, 0.0, _he(tensor, a, mode, nonlinearity))


def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Orthogonal rows (columns, where there are more rows): products keep the length of what they map (Saxe 2013)."""
    _fans(tensor.shape)                        # refuses vectors
    rows, cols = tensor.shape[0], math.prod(tensor.shape[1:])
    q, r = np.linalg.qr(backend.generator().standard_normal((max(rows, cols), min(rows, cols))))
    q = q * np.sign(np.diag(r))                # QR alone is not uniform over the rotations
    _overwrite(tensor, gain * (q.T if rows < cols else q).reshape(tensor.shape))
    return tensor


def lstm_forget_bias_(module: Module, value: float = 1.0) -> Module:
    """The biases of the forget gates of all LSTMs in a module: `value` in bias_ih, 0 in bias_hh (Gers 2000).

    A gate that starts open lets gradients through many steps from the first update on (Jozefowicz 2015).
    Raises MinigradError where there is no LSTM with biases.
    """
    found = [(m, name, p) for m in module.modules() if "f" in _gates(m)
             for name, p in m.named_parameters(recurse=False) if "bias" in name]
    if not found:
        raise MinigradError(describe(f"{type(module).__name__} has no LSTM with biases and a forget gate.",
                                     fix="nn.LSTM(..., bias=True)"))
    for m, name, p in found:
        start = p.device.numpy(p.data).copy()
        start[_forget_rows(m, p)] = value if "bias_ih" in name else 0.0
        _overwrite(p, start)
    return module


def _gates(module: Module) -> str:
    """The letters of a recurrent module's row blocks; "" for others."""
    gates = getattr(module, "gates", "")
    return gates if isinstance(gates, str) else ""


def _forget_rows(module: Module, bias: Tensor) -> slice:
    """The rows of f: the second quarter of i, f, g, o, the first third of f, g, o."""
    gates = _gates(module)
    n, k = bias.shape[0] // len(gates), gates.index("f")
    return slice(k * n, (k + 1) * n)


def keras_(module: Module) -> None:
    """Keras' start, for `model.apply(nn.init.keras_)`: kernels Glorot uniform, recurrent ones orthogonal, biases zero.

    An LSTM's forget gates start with a bias of 1. KTH's numbers (*RNN in TensorFlow*) need this start.
    """
    for name, p in module.named_parameters(recurse=False):
        if "bias" in name:
            start: Any = np.zeros(p.shape)
            if "f" in _gates(module) and "bias_ih" in name:
                start[_forget_rows(module, p)] = 1
            _overwrite(p, start)
        elif p.ndim > 1:
            (orthogonal_ if name.startswith(("weight_hh", "weight_sh")) else xavier_uniform_)(p)
