"""Activations as layers, for `nn.Sequential`: each is its function in `functional.py`."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .module import Module


class Activation(Module):
    """The base: `function` of x with the settings that the layer was made with."""

    function: Callable[..., Tensor]
    settings: dict[str, Any] = {}

    def forward(self, x: Tensor) -> Tensor:
        """The function, with x's shape."""
        return type(self).function(x, **self.settings)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


class Tanh(Activation):
    """tanh x, as a layer."""

    function = staticmethod(F.tanh)


class ReLU(Activation):
    """max(x, 0), as a layer."""

    function = staticmethod(F.relu)


class Sigmoid(Activation):
    """1 / (1 + e^-x), as a layer."""

    function = staticmethod(F.sigmoid)


class SiLU(Activation):
    """x / (1 + e^-x), as a layer."""

    function = staticmethod(F.silu)


class GELU(Activation):
    """x times the probability that a normal number is below x, as a layer. approximate: "none", or "tanh"."""

    function = staticmethod(F.gelu)

    def __init__(self, approximate: str = "none") -> None:
        self.settings = {"approximate": approximate}


class LeakyReLU(Activation):
    """x where x > 0, else slope x, as a layer."""

    function = staticmethod(F.leaky_relu)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.settings = {"negative_slope": negative_slope}


class Softplus(Activation):
    """log(1 + e^(beta x)) / beta, as a layer; x itself where beta x > threshold."""

    function = staticmethod(F.softplus)

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.settings = {"beta": beta, "threshold": threshold}


class Softmax(Activation):
    """e^x / sum e^x along an axis, as a layer. A loss wants logits: `cross_entropy` does this itself."""

    function = staticmethod(F.softmax)

    def __init__(self, dim: int = -1) -> None:
        self.settings = {"dim": dim}


class LogSoftmax(Activation):
    """x - log sum e^x along an axis, as a layer."""

    function = staticmethod(F.log_softmax)

    def __init__(self, dim: int = -1) -> None:
        self.settings = {"dim": dim}
