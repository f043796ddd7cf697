"""Many steps ahead, three ways.   Riveill, *How to predict futur multiple values*; KTH, *RNN Design Patterns*.

    one by one               y_(T+1) = f(x_1 .. x_T),  y_(T+2) = f(x_1 .. x_T, y_(T+1)),  ...: a forecast is fed back
    all at once              (y_(T+1) .. y_(T+m)) = W h_T + b: one layer of m outputs on the last state
    sequence to sequence     (y_(t+1) .. y_(t+m)) = W h_t + b at every step t: the same layer, shared over the steps

The first learns one step and pays for its own misses; the second learns m steps from one state a window; the third
has T times as many targets (KTH: "shifted by one day into the future"). Riveill's return_sequences=False and =True are
the second and the third. All take x (B, T, 1), give (B, m), and learn from stretches (B, T + m, 1) by `loss`.
"""
from __future__ import annotations

from .. import nn
from ..errors import ShapeError, describe
from ..nn import functional as F
from ..nn.recurrent import Recurrent
from ..ops import concatenate, stack
from ..tensor import Tensor
from .sequence_reader import SequenceReader


class MultiStep(nn.Module):
    """What the three share: `steps` values ahead, and the cut of a stretch into window and future."""

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ShapeError(f"{type(self).__name__} forecasts at least 1 step, not {steps}")
        self.steps = steps

    def loss(self, stretch: Tensor) -> Tensor:
        """The mean squared error of what this way learns: stretch (B, T + steps, 1) -> ()"""
        raise NotImplementedError(f"{type(self).__name__}.loss")

    def window(self, stretch: Tensor) -> int:
        """T of a stretch (B, T + steps, 1).  Raises ShapeError if nothing is left for the window."""
        if stretch.ndim != 3 or stretch.shape[2] != 1 or stretch.shape[1] <= self.steps:
            raise ShapeError(describe(f"{type(self).__name__} of {self.steps} steps cannot learn from "
                                      f"{tuple(stretch.shape)}.", stretch=stretch._made(),
                                      fix=f"(B, T + {self.steps}, 1): a window of T steps, and the future"))
        return stretch.shape[1] - self.steps


class OneByOne(MultiStep):
    """y_(t+1) = w h_t + b, learned at every step; ahead, each forecast is the next input.

    layer: an nn.RNN, nn.LSTM or nn.GRU of one input, with batch_first=True.
    """

    def __init__(self, layer: Recurrent, steps: int) -> None:
        super().__init__(steps)
        self.layer, self.read = layer, nn.Linear(layer.output_size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, steps)"""
        h, state = self.layer(x)
        ahead = [self.read(h[:, -1:])]                         # each (B, 1, 1)
        while len(ahead) < self.steps:
            h, state = self.layer(ahead[-1], state)
            ahead.append(self.read(h))
        return concatenate(ahead, 1)[..., 0]

    def loss(self, stretch: Tensor) -> Tensor:
        """Of the next value after every step, the true values given."""
        self.window(stretch)
        h, _ = self.layer(stretch[:, :-1])
        return F.mse_loss(self.read(h), stretch[:, 1:])


class AllAtOnce(MultiStep):
    """`network`: x (B, T, 1) -> (B, steps), such as SequenceReader(layer, steps) or a dense one on the flat window."""

    def __init__(self, network: nn.Module, steps: int) -> None:
        super().__init__(steps)
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, steps)"""
        return self.network(x)

    def loss(self, stretch: Tensor) -> Tensor:
        """Of the steps after the window."""
        T = self.window(stretch)
        return F.mse_loss(self.network(stretch[:, :T]), stretch[:, T:, 0])


class EveryStep(MultiStep):
    """Sequence to sequence: (y_(t+1) .. y_(t+m)) = W h_t + b at each step t; the last one's are the forecast.

    layer: as in OneByOne.
    """

    def __init__(self, layer: Recurrent, steps: int) -> None:
        super().__init__(steps)
        self.network = SequenceReader(layer, steps, every_step=True)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, steps)"""
        return self.network(x)[:, -1]

    def loss(self, stretch: Tensor) -> Tensor:
        """Of the `steps` values after every step of the window."""
        T = self.window(stretch)
        shifted = stack([stretch[:, k + 1:k + 1 + T, 0] for k in range(self.steps)], 2)    # (B, T, steps)
        return F.mse_loss(self.network(stretch[:, :T]), shifted)


def dense(window: int, steps: int, hidden: int = 32) -> AllAtOnce:
    """Riveill, *Dense model*: W_2 relu(W_1 x + b_1) + b_2 on the flat window, all steps at once."""
    return AllAtOnce(nn.Sequential(nn.Flatten(), nn.Linear(window, hidden), nn.ReLU(), nn.Linear(hidden, steps)), steps)
