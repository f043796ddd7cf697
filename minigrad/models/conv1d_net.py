"""Convolutions over time in place of a recurrent network.   Télécom, *Using 1D convolution instead of RNN*.

    y_t = relu(sum_(j < k) W_j x_(t + j - p) + b)

Every step sees a window of k steps, of L layers 1 + L (k - 1), and nothing beyond: where a recurrent network has a
memory, this one has a reach. In exchange no step waits for the one before it.
"""
from __future__ import annotations

from typing import Any

from .. import nn
from ..ops import relu, swapaxes, where
from ..ops_more import pad
from ..tensor import Tensor
from .over_time import check_reading, pooled, real


class ConvOverTime(nn.Module):
    """Layers of convolution and relu that keep the number of steps: x (B, T, D) -> (B, T, channels).

    kernel: k.  causal: a step sees itself and k - 1 steps before it; else as many on either side (an even kernel has
    one more before). Beyond the ends, and behind an example's own end, stand zeros.
    Raises ValueError for fewer than one layer or step of kernel.
    """

    def __init__(self, inputs: int, channels: int, kernel: int = 3, layers: int = 1, causal: bool = False) -> None:
        if kernel < 1 or layers < 1:
            raise ValueError(f"a convolution over time has at least 1 layer and a kernel of 1 step, not {layers} and "
                             f"{kernel}")
        before = kernel - 1 if causal else kernel // 2
        self.padding, self.reach = (before, kernel - 1 - before), 1 + layers * (kernel - 1)
        self.layers = nn.ModuleList([nn.Conv1d(channels if k else inputs, channels, kernel) for k in range(layers)])

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """x (B, T, D), lengths (B,) -> (B, T, channels); what stands behind an example's end changes nothing."""
        alive = None if lengths is None else swapaxes(real(x, lengths), 1, 2)              # (B, 1, T)
        y = swapaxes(x, 1, 2)                                                              # (B, D, T)
        for layer in self.layers:
            y = y if alive is None else where(alive, y, 0.0)
            y = relu(layer(pad(y, self.padding)))
        return swapaxes(y, 1, 2)


class Conv1dNet(nn.Module):
    """`ConvOverTime`, one vector out of its steps, and a linear reading: x (B, T, D) -> (B, outputs).

    pooling: "max" (any step may answer), "mean", "last" (the step before the one to forecast; with causal=True it has
    seen `reach` steps), or None: every step has its outputs, (B, T, outputs).
    Raises ValueError for another pooling, and as ConvOverTime does.
    """

    def __init__(self, inputs: int, channels: int = 32, kernel: int = 3, layers: int = 1, outputs: int = 1, *,
                 pooling: str | None = "max", causal: bool = False) -> None:
        self.pooling = pooling if pooling is None else check_reading(pooling)
        self.convolution = ConvOverTime(inputs, channels, kernel, layers, causal)
        self.read = nn.Linear(channels, outputs)

    @property
    def reach(self) -> int:
        """How many steps one step sees."""
        return self.convolution.reach

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """x (B, T, D), lengths (B,) -> (B, outputs), or (B, T, outputs) with pooling=None"""
        y = self.convolution(x, lengths)
        return self.read(y if self.pooling is None else pooled(y, lengths, self.pooling))
