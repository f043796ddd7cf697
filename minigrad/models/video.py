"""Networks that read films: one label a film, one a frame, or the next frame.

Escalera, *Process Sequences* (many to one, many to many for each frame); Chemnitz, *Classification of LSTM
architectures*, *LSTM networks* (convolutional weights); Télécom, *Many-to-One*. A small convolution makes a vector of
each frame, and a recurrent layer reads the vectors:

    e_t = tanh(W vec(pool(relu(K * x_t + b))) + c)      h_t = GRU(e_t, h_{t-1})      scores_t = W_y h_t + b_y

`FramesAlone` is the same without the recurrent layer: what it cannot do is what the memory is for. `NextFrame` keeps
its state as pictures.
"""
from __future__ import annotations

from .. import nn
from ..create import zeros
from ..errors import ShapeError, describe
from ..ops import concatenate, relu, tanh
from ..tensor import Tensor
from .sequence_reader import SequenceReader


class FrameEncoder(nn.Module):
    """Each frame, with the `back` - 1 before it, as a vector: x (B, T, size, size) -> (B, T, width).

    A convolution of 3 x 3, a pool of 2 x 2, a dense layer. Before the first frame stands an empty one.
    """

    def __init__(self, size: int, channels: int = 8, width: int = 32, back: int = 1) -> None:
        self.size, self.back = size, back
        self.see = nn.Conv2d(back, channels, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dense = nn.Linear(channels * (size // 2) ** 2, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, size, size) -> (B, T, width).  Raises ShapeError for frames of another size."""
        _check(self, x, self.size)
        B, T, *frame = x.shape
        padded = concatenate([zeros(B, self.back - 1, *frame, dtype=x.dtype, device=x.device), x], 1)
        seen = concatenate([padded[:, k:k + T].unsqueeze(2) for k in range(self.back)], 2)    # (B, T, back, size, size)
        y = self.pool(relu(self.see(seen.reshape(B * T, self.back, *frame))))
        return tanh(self.dense(y.reshape(B * T, -1))).reshape(B, T, -1)


class FilmReader(nn.Module):
    """Encoder, GRU and a reading of its last state, or of every one.   Télécom, *Many-to-One*: video activity.

    every_frame: many to many, one label a frame.
    """

    def __init__(self, size: int, classes: int, hidden: int = 32, every_frame: bool = False) -> None:
        self.encoder = FrameEncoder(size, width=hidden)
        self.reader = SequenceReader(nn.GRU(hidden, hidden, batch_first=True), classes, every_frame)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, size, size) -> scores (B, classes), or (B, T, classes) with every_frame"""
        return self.reader(self.encoder(x))


class FramesAlone(nn.Module):
    """Without a memory: each frame is read by itself, and a film is the mean of what its frames say.

    back: frames that are read together, so 2 sees a motion.
    """

    def __init__(self, size: int, classes: int, hidden: int = 32, every_frame: bool = False, back: int = 1) -> None:
        self.encoder, self.every_frame = FrameEncoder(size, width=hidden, back=back), every_frame
        self.read = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, size, size) -> scores (B, classes), or (B, T, classes) with every_frame"""
        scores = self.read(self.encoder(x))
        return scores if self.every_frame else scores.mean(1)


class NextFrame(nn.Module):
    """h_t, c_t = ConvLSTM(x_t, h_{t-1}, c_{t-1}),  scores of frame t + 1 = K * h_t + b.   Shi et al. 2015.

    The state is a picture with `channels` numbers a pixel, its products are convolutions: Chemnitz, *LSTM networks*. No
    weight belongs to a place, so a network that has learned small films reads large ones. A score is for its pixel to
    be the lit one: softmax over the frame.  memory: False starts anew at every frame, and so sees one alone.
    """

    def __init__(self, channels: int = 8, memory: bool = True) -> None:
        self.channels, self.memory = channels, memory
        self.layer = nn.ConvLSTM(1, channels, 3, batch_first=True)
        self.read = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, height, width) -> scores of the frame after each, of the same shape"""
        _check(self, x)
        B, T, *frame = x.shape
        h, _ = self.layer(x.reshape(B, T, 1, *frame) if self.memory else x.reshape(B * T, 1, 1, *frame))
        return self.read(h.reshape(B * T, self.channels, *frame)).reshape(x.shape)


def _check(model: nn.Module, x: Tensor, size: int | None = None) -> None:
    if x.ndim != 4 or 0 in x.shape or (size and tuple(x.shape[2:]) != (size, size)):
        frames = f"(B, T, {size}, {size})" if size else "(B, T, height, width)"
        raise ShapeError(describe(f"{type(model).__name__} cannot read {tuple(x.shape)}.", x=x._made(),
                                  fix=f"films are {frames}"))
