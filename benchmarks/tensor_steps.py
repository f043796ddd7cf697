"""Steps of single operations, forward and backward: ours beside PyTorch's, with the same values and sizes.

Each step ends with the gradient of its input, through `backward(gradient)`: no loss of its own is timed.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .steps import Step

GATES = 20                                     # gates in a chain: 160 operations, forward and backward


def _values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _torch() -> Any:
    import torch
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return torch


def _gates(x: Any, h: Any, sigmoid: Any, tanh: Any) -> Any:
    """What a readable cell does between its products: 8 small operations a gate."""
    for _ in range(GATES):
        z = sigmoid(x + h)
        n = tanh(x - h)
        h = (1 - z) * n + z * h
    return h


def chain(batch: int, width: int) -> Step:
    """A chain of the elementwise operations of a gated cell."""
    import minigrad as mg
    x, h = (mg.tensor(_values(batch, width), requires_grad=True) for _ in range(2))
    g = mg.ones(batch, width)

    def step() -> None:
        _gates(x, h, mg.sigmoid, mg.tanh).backward(g)
        x.grad = h.grad = None
    return step


def torch_chain(batch: int, width: int) -> Step:
    """The same in PyTorch."""
    torch = _torch()
    x, h = (torch.tensor(_values(batch, width), requires_grad=True) for _ in range(2))
    g = torch.ones(batch, width)

    def step() -> None:
        _gates(x, h, torch.sigmoid, torch.tanh).backward(g)
        x.grad = h.grad = None
    return step


def softmax(batch: int, width: int) -> Step:
    """softmax over the last axis, and its gradient."""
    import minigrad as mg
    x, g = mg.tensor(_values(batch, width), requires_grad=True), mg.tensor(_values(batch, width))

    def step() -> None:
        mg.softmax(x, -1).backward(g)
        x.grad = None
    return step


def torch_softmax(batch: int, width: int) -> Step:
    """The same in PyTorch."""
    torch = _torch()
    x, g = torch.tensor(_values(batch, width), requires_grad=True), torch.tensor(_values(batch, width))

    def step() -> None:
        torch.softmax(x, -1).backward(g)
        x.grad = None
    return step


def conv1d(batch: int, channels: int, length: int, out: int, kernel: int) -> Step:
    """A convolution over time, as a sentiment classifier has it; gradients of input, weight and bias."""
    import minigrad as mg
    return _conv(mg.conv1d, mg.tensor, (batch, channels, length), (out, channels, kernel), (batch, out, length))


def torch_conv1d(batch: int, channels: int, length: int, out: int, kernel: int) -> Step:
    """The same in PyTorch."""
    torch = _torch()
    return _conv(torch.nn.functional.conv1d, torch.tensor, (batch, channels, length), (out, channels, kernel),
                 (batch, out, length))


def conv2d(batch: int, channels: int, size: int, out: int, kernel: int) -> Step:
    """A convolution over a picture, as captioning has it; gradients of input, weight and bias."""
    import minigrad as mg
    return _conv(mg.conv2d, mg.tensor, (batch, channels, size, size), (out, channels, kernel, kernel),
                 (batch, out, size, size))


def torch_conv2d(batch: int, channels: int, size: int, out: int, kernel: int) -> Step:
    """The same in PyTorch."""
    torch = _torch()
    return _conv(torch.nn.functional.conv2d, torch.tensor, (batch, channels, size, size),
                 (out, channels, kernel, kernel), (batch, out, size, size))


def _conv(conv: Any, tensor: Any, x_shape: tuple, w_shape: tuple, y_shape: tuple) -> Step:
    """Padding keeps the size."""
    x, w, b = (tensor(_values(*s) * 0.1, requires_grad=True) for s in (x_shape, w_shape, w_shape[:1]))
    g = tensor(_values(*y_shape))

    def step() -> None:
        conv(x, w, b, padding=w_shape[-1] // 2).backward(g)
        x.grad = w.grad = b.grad = None
    return step


# name, ours, PyTorch's, arguments: for the table in __main__
ROWS: list[tuple[str, str, str, list[int]]] = [
    *[(f"elementwise chain ({b}, {n})", "chain", "torch_chain", [b, n]) for b, n in ((32, 64), (64, 512))],
    *[(f"softmax ({b}, {n})", "softmax", "torch_softmax", [b, n]) for b, n in ((32, 64), (64, 512))],
    ("conv1d (32, 64, 50) 3 -> 64", "conv1d", "torch_conv1d", [32, 64, 50, 64, 3]),
    ("conv2d (32, 16, 28, 28) 3x3 -> 16", "conv2d", "torch_conv2d", [32, 16, 28, 16, 3]),
]
