"""Convolutions and pools as layers: windows that slide over time or over a picture."""
from __future__ import annotations

import math
from typing import Any

from ..create import zeros
from ..ops_windows import _pair
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter


class Convolution(Module):
    """What both convolutions share: weight (out, in, *window), bias (out), uniform in +-1 / sqrt(in window).

    No dilation and no groups, which stand before bias in PyTorch: so bias goes by its name.
    """

    axes = 1

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, ...],
                 stride: int | tuple[int, ...] = 1, padding: int | tuple[int, ...] = 0, *, bias: bool = True) -> None:
        window = _pair(kernel_size, self.axes)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, window
        self.stride, self.padding = stride, padding
        bound = 1 / math.sqrt(in_channels * math.prod(window))
        self.weight = init.uniform_(Parameter(zeros(out_channels, in_channels, *window)), -bound, bound)
        self.bias = init.uniform_(Parameter(zeros(out_channels)), -bound, bound) if bias else None

    def extra_repr(self) -> str:
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"padding={self.padding}" + ("" if self.bias is not None else ", bias=False"))


class Conv1d(Convolution):
    """Windows over time: x (B, in, T) -> (B, out, T')."""

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in, T) -> (B, out, T')"""
        return F.conv1d(x, self.weight, self.bias, self.stride, self.padding)


class Conv2d(Convolution):
    """Windows over a picture: x (B, in, H, W) -> (B, out, H', W')."""

    axes = 2

    def forward(self, x: Tensor) -> Tensor:
        """x (B, in, H, W) -> (B, out, H', W')"""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class MaxPool2d(Module):
    """The largest value of each window: x (B, C, H, W) -> (B, C, H', W').  stride: the window's size if None."""

    function: Any = staticmethod(F.max_pool2d)

    def __init__(self, kernel_size: int | tuple[int, int], stride: Any = None, padding: Any = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> (B, C, H', W')"""
        y: Tensor = type(self).function(x, self.kernel_size, self.stride, self.padding)
        return y

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(MaxPool2d):
    """The mean of each window: x (B, C, H, W) -> (B, C, H', W')."""

    function: Any = staticmethod(F.avg_pool2d)
