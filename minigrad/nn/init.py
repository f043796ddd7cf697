"""Initial weights, in place, under PyTorch's names.

All are drawn on the host from the generator that `manual_seed` set: a model starts alike on every device.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import backend
from ..tensor import Tensor
from .module import Module, _overwrite


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs and outputs a weight joins: (out, in) or (out, in, *window)."""
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


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Uniform in +-gain sqrt(6 / (inputs + outputs)): the variance stays equal forward and backward (Glorot 2010)."""
    bound = gain * math.sqrt(6 / sum(_fans(tensor.shape)))
    return uniform_(tensor, -bound, bound)


def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Orthogonal rows (columns, where there are more rows): products keep the length of what they map (Saxe 2013)."""
    rows, cols = tensor.shape[0], math.prod(tensor.shape[1:])
    q, r = np.linalg.qr(backend.generator().standard_normal((max(rows, cols), min(rows, cols))))
    q = q * np.sign(np.diag(r))                # QR alone is not uniform over the rotations
    _overwrite(tensor, gain * (q.T if rows < cols else q).reshape(tensor.shape))
    return tensor


def keras_(module: Module) -> None:
    """Keras' start, for `model.apply(nn.init.keras_)`: kernels Glorot uniform, recurrent ones orthogonal, biases zero.

    An LSTM's forget gates start with a bias of 1. KTH's numbers (*RNN in TensorFlow*) need this start.
    """
    for name, p in module.named_parameters(recurse=False):
        if "bias" in name:
            start: Any = np.zeros(p.shape)
            if getattr(module, "gates", 1) == 4 and "bias_ih" in name:
                n = p.shape[0] // 4
                start[n:2 * n] = 1             # the rows of f in i, f, g, o
            _overwrite(p, start)
        elif p.ndim > 1:
            (orthogonal_ if "weight_hh" in name else xavier_uniform_)(p)
