"""A recurrent layer and a linear reading of its states.   Chemnitz, *Temporal dependencies*; KTH, *LSTM*.

What it answers late it must have kept in h (and c): the model has no other way from the past to the answer.
"""
from __future__ import annotations

from .. import nn
from ..create import eye
from ..nn.recurrent import Recurrent
from ..tensor import Tensor, no_grad


class SequenceReader(nn.Module):
    """h_t = layer(x_t, h_{t-1}),  y_t = W_y h_t + b_y: for the last step, or for every one.

    layer: an nn.RNN, nn.LSTM or nn.GRU with batch_first=True.  outputs: the length of y_t.
    """

    def __init__(self, layer: Recurrent, outputs: int = 1, every_step: bool = False) -> None:
        self.layer, self.every_step = layer, every_step
        self.read = nn.Linear(layer.output_size, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, D) -> (B, outputs), or (B, T, outputs) with every_step"""
        h, _ = self.layer(x)                   # (B, T, H)
        return self.read(h if self.every_step else h[:, -1])


def identity_relu(inputs: int, hidden: int, scale: float = 0.3) -> nn.RNN:
    """h' = relu(W_x x + h + b) at the start: W_h the identity, b 0, so that h adds up what enters it, for ever.

    Le, Jaitly & Hinton 2015, *A Simple Way to Initialize Recurrent Networks of Rectified Linear Units*.  scale: of W_x,
    normal (0.001 in the paper, which trained for far longer).  x is (B, T, inputs).
    """
    layer = nn.RNN(inputs, hidden, nonlinearity="relu", bias="one", batch_first=True)
    w_ih, w_hh, b = layer.parameters()
    nn.init.normal_(w_ih, 0.0, scale)
    nn.init.zeros_(b)
    with no_grad():
        w_hh.copy_(eye(hidden))
    return layer
