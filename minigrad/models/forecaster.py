"""Six networks that forecast the next value of a series.   KTH, *RNN in TensorFlow (2/5)* to *(5/5)*, *LSTM in
TensorFlow*, *GRU in TensorFlow*.

All take a window x (B, T, 1) and give one value (B, 1). They start as Keras starts them, since the deck's numbers come
from there: kernels Glorot uniform, recurrent kernels orthogonal, biases zero but for the LSTM's forget gates, 1. Keras
gives a recurrent layer one bias where PyTorch has two (the second stays at zero and is not trained, or is not there),
and its GRU two, so the counts of weights are the deck's: 51, 3, 1,282 and 1,281; 5,061 and 3,921.
"""
from __future__ import annotations

from .. import nn
from ..tensor import Tensor


def _like_keras(model: nn.Module) -> None:
    """Start the weights as Keras does, and leave each recurrent layer the one bias that it has there."""
    model.apply(nn.init.keras_)
    for name, parameter in model.named_parameters():
        if "bias_hh" in name:
            parameter.requires_grad_(False)


class DenseForecaster(nn.Module):
    """y = w^T x + b on the flattened window.   KTH, *RNN in TensorFlow (2/5)*: Flatten, Dense(1).

    A linear model: least squares finds its best weights in one step, without training.
    """

    def __init__(self, window: int = 50) -> None:
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(window, 1))
        _like_keras(self)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, 1)"""
        return self.layers(x)


class SimpleRNN(nn.Module):
    """h_t = tanh(u x_t + w h_{t-1} + b),  y = h_T.   KTH, *RNN in TensorFlow (3/5)*: SimpleRNN(1).

    Three weights, and a state of one number that is the forecast as well.
    """

    def __init__(self) -> None:
        self.rnn = nn.RNN(1, 1, batch_first=True)
        _like_keras(self)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, 1)"""
        h, _ = self.rnn(x)                     # (B, T, 1)
        return h[:, -1]


class DeepRNN(nn.Module):
    """h^l_t = tanh(U_l h^{l-1}_t + W_l h^l_{t-1} + b_l),  h^0 = x,  y = h^3_T.   KTH, *RNN in TensorFlow (4/5)*.

    SimpleRNN(20), SimpleRNN(20), SimpleRNN(1): the last layer has a state of one number again.
    """

    def __init__(self, hidden: int = 20) -> None:
        self.rnn = nn.RNN(1, hidden, num_layers=2, batch_first=True)
        self.last = nn.RNN(hidden, 1, batch_first=True)
        _like_keras(self)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, 1)"""
        h, _ = self.rnn(x)                     # (B, T, H)
        y, _ = self.last(h)                    # (B, T, 1)
        return y[:, -1]


class DeepRNNDense(nn.Module):
    """h^l_t as in DeepRNN for l = 1, 2,  y = v^T h^2_T + c.   KTH, *RNN in TensorFlow (5/5)*.

    SimpleRNN(20), SimpleRNN(20), Dense(1): the last state is read by a linear layer, so y is not bound to (-1, 1).
    """

    def __init__(self, hidden: int = 20) -> None:
        self.rnn = nn.RNN(1, hidden, num_layers=2, batch_first=True)
        self.dense = nn.Linear(hidden, 1)
        _like_keras(self)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, 1)"""
        h, _ = self.rnn(x)                     # (B, T, H)
        return self.dense(h[:, -1])


class LSTMForecaster(nn.Module):
    """(h^l_t, c^l_t) = LSTM(h^(l-1)_t, h^l_(t-1), c^l_(t-1)) for l = 1, 2,  h^0 = x,  y = v^T h^2_T + c.

    KTH, *LSTM in TensorFlow*: LSTM(20), LSTM(20), Dense(1). The equations of a step are `lstm_step`'s.
    """

    def __init__(self, hidden: int = 20) -> None:
        self.lstm = nn.LSTM(1, hidden, num_layers=2, bias="one", batch_first=True)
        self.dense = nn.Linear(hidden, 1)
        self.apply(nn.init.keras_)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, 1)"""
        h, _ = self.lstm(x)                    # (B, T, H)
        return self.dense(h[:, -1])


class GRUForecaster(nn.Module):
    """h^l_t = GRU(h^(l-1)_t, h^l_(t-1)) for l = 1, 2,  h^0 = x,  y = v^T h^2_T + c.

    KTH, *GRU in TensorFlow*: GRU(20), GRU(20), Dense(1). Keras applies r after the product and keeps two biases for it
    (reset_after, its default), as PyTorch does: 3,921 weights, 3,801 with one bias. A step is `gru_step`.
    """

    def __init__(self, hidden: int = 20) -> None:
        self.gru = nn.GRU(1, hidden, num_layers=2, batch_first=True)
        self.dense = nn.Linear(hidden, 1)
        self.apply(nn.init.keras_)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, 1) -> (B, 1)"""
        h, _ = self.gru(x)                     # (B, T, H)
        return self.dense(h[:, -1])
