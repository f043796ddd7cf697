"""Every layer with its inputs: made, called, and a loss of what it gives. Sizes are small.

Parity is held on these cases, and tests/gpu/test_budgets.py counts the launches of their training steps. A test holds
that each module of `minigrad.nn` stands here. A name is the layer's, and behind a comma what the case covers beyond
it: options, lengths, two directions, the widths that a kernel is compiled for.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F

Draw = Callable[[np.random.Generator], np.ndarray]


class Host:
    """An input that stays on the host, such as lengths. A captured step reads no host memory: there it is a tensor."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw


@dataclass(frozen=True)
class Training:
    """One step to compare.  make: the module.  draws: of its inputs.  call(module, *inputs): outputs, or the loss."""

    make: Callable[[], nn.Module]
    draws: Sequence[Draw | Host]
    call: Callable[..., Any] = lambda module, *inputs: module(*inputs)

    def inputs(self, rng: np.random.Generator, device: str, dtype: Any, captured: bool = False) -> list[Any]:
        """Drawn inputs: floats as leaves of that dtype, ids and masks as tensors, lengths as they are, see Host."""
        found: list[Any] = []
        for draw in self.draws:
            if isinstance(draw, Host):
                host = draw.draw(rng)
                found.append(mg.tensor(host, device=device) if captured else host)
                continue
            array = draw(rng)
            floats = array.dtype.kind == "f"
            found.append(mg.tensor(array.astype(dtype) if floats else array, requires_grad=floats, device=device))
        return found

    def loss(self, module: nn.Module, inputs: Sequence[Any]) -> mg.Tensor:
        """The loss, or for outputs the sum of their mean squared distances from fixed normal numbers."""
        parts = list(outputs(self.call(module, *inputs)))
        if len(parts) == 1 and parts[0].ndim == 0:
            return parts[0]
        return sum((F.mse_loss(y, aim(y)) for y in parts[1:]), F.mse_loss(parts[0], aim(parts[0])))


def outputs(value: Any) -> Iterator[mg.Tensor]:
    """The tensors with a gradient in nested tuples."""
    if isinstance(value, mg.Tensor):
        if value.requires_grad:
            yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from outputs(part)


_aims: dict[Any, mg.Tensor] = {}


def aim(y: mg.Tensor) -> mg.Tensor:
    """Normal numbers of y's shape, dtype and device, the same at every call; uploaded once, as a graph needs it."""
    key = (tuple(y.shape), str(y.dtype), y.device.name)
    if key not in _aims:
        drawn = np.random.default_rng(7).standard_normal(key[0])
        _aims[key] = mg.tensor(drawn.astype(y.dtype), device=y.device)
    return _aims[key]


def floats(*shape: int) -> Draw:
    """Standard normal."""
    return lambda rng: rng.standard_normal(shape)


def ids(high: int, *shape: int, low: int = 0) -> Draw:
    """Ids from low to high - 1."""
    return lambda rng: rng.integers(low, high, shape)


def lengths(B: int, T: int) -> Host:
    """How many of T steps each of B examples has; one has all."""
    return Host(lambda rng: np.append(rng.integers(1, T + 1, B - 1), T))


def probabilities(*shape: int) -> Draw:
    """Between 0 and 1."""
    return lambda rng: rng.uniform(0.1, 0.9, shape)


def hidden(B: int, T: int) -> Draw:
    """A mask (B, T), True behind each example's end; the first key of each is seen."""
    return lambda rng: np.arange(T) >= rng.integers(1, T + 1, (B, 1))


# Steps, batch, input, hidden, model, vocabulary. 9 steps: CuPy's own way to join more than 8 arrays uploads a table of
# their addresses, and a layer that joins its steps so shall be found out.
T, B, D, H, E, V = 9, 3, 4, 6, 8, 11
X, PICTURE = floats(T, B, D), floats(2, 3, 6, 5)


def _with_lengths(module: nn.Module, x: Any, n: Any) -> Any:
    return module(x, lengths=n)


def _masked(module: nn.Module, x: Any, mask: Any) -> Any:
    return module(x, x, x, key_padding_mask=mask)


def _causal(module: nn.Module, x: Any, y: Any) -> Any:
    return module(x, y, tgt_is_causal=True)


def _of_a_state(module: nn.Module, x: Any, h: Any, c: Any) -> Any:
    return module(x, (h, c) if isinstance(module, (nn.LSTM, nn.LSTMCell)) else h * c)


class _Function(nn.Module):
    """A function as a module without parameters."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        """The function."""
        return self.function(*inputs)


def of(function: Callable[..., Any], *draws: Draw) -> Training:
    """A case of a function."""
    return Training(lambda: _Function(function), draws)


LAYERS: dict[str, Training] = {
    "Linear": Training(lambda: nn.Linear(D, H), [floats(B, D)]),
    "Linear, on sequences": Training(lambda: nn.Linear(D, H, bias=False), [X]),
    "Bilinear": Training(lambda: nn.Bilinear(D, H, 2), [floats(B, D), floats(B, H)]),
    "Embedding": Training(lambda: nn.Embedding(V, D), [ids(V, B, 40)]),
    "Embedding, padding": Training(lambda: nn.Embedding(V, D, padding_idx=0), [ids(V, B, T)]),
    "Embedding, 128 wide": Training(lambda: nn.Embedding(50, 128), [ids(50, 16, 20)]),
    "Flatten": Training(lambda: nn.Sequential(nn.Flatten(), nn.Linear(T * D, 2)), [floats(B, T, D)]),
    "Sequential": Training(lambda: nn.Sequential(nn.Linear(D, H), nn.Tanh(), nn.Linear(H, 2)), [floats(B, D)]),
    "LayerNorm": Training(lambda: nn.LayerNorm(E), [floats(B, T, E)]),
    "LayerNorm, 512 wide": Training(lambda: nn.LayerNorm(512), [floats(9, 512)]),
    "LayerNorm, without weights": Training(lambda: nn.LayerNorm((T, D), elementwise_affine=False), [floats(B, T, D)]),
    "BatchNorm1d": Training(lambda: nn.BatchNorm1d(D), [floats(7, D, T)]),
    "BatchNorm2d": Training(lambda: nn.BatchNorm2d(3), [floats(4, 3, 5, 5)]),
    "Dropout": Training(lambda: nn.Dropout(0.4), [floats(17, 13)]),
    "Conv1d": Training(lambda: nn.Conv1d(D, H, 3, padding=1), [floats(B, D, 7)]),
    "Conv2d": Training(lambda: nn.Conv2d(3, 4, 3, stride=2), [PICTURE]),
    "MaxPool2d": Training(lambda: nn.MaxPool2d(2), [PICTURE]),
    "AvgPool2d": Training(lambda: nn.AvgPool2d(2), [PICTURE]),
    "PositionalEncoding": Training(lambda: nn.PositionalEncoding(E, T), [floats(B, T, E)]),
    "PositionalEncoding, learned": Training(lambda: nn.PositionalEncoding(E, T, "learned"), [floats(B, T, E)]),
    "EmbeddingLSTM": Training(lambda: nn.EmbeddingLSTM(V, D, H), [ids(V, T, B)]),
    "ConvLSTM": Training(lambda: nn.ConvLSTM(2, 3, 3), [floats(T, B, 2, 5, 4)]),
    "ConvLSTMCell": Training(lambda: nn.ConvLSTMCell(2, 3, 3), [floats(B, 2, 5, 4)]),
    "MultiheadAttention": Training(lambda: nn.MultiheadAttention(E, 2, batch_first=True), [floats(B, T, E)],
                                   lambda m, x: m(x, x, x)),
    "MultiheadAttention, of three": Training(lambda: nn.MultiheadAttention(E, 2, batch_first=True),
                                             [floats(B, 5, E), floats(B, T, E), floats(B, T, E)]),
    "MultiheadAttention, causal": Training(lambda: nn.MultiheadAttention(E, 2, batch_first=True), [floats(B, T, E)],
                                           lambda m, x: m(x, x, x, need_weights=False, is_causal=True)),
    "MultiheadAttention, masked": Training(lambda: nn.MultiheadAttention(E, 2, batch_first=True),
                                           [floats(B, T, E), hidden(B, T)], _masked),
    "MultiheadAttention, 128 keys": Training(lambda: nn.MultiheadAttention(E, 2, batch_first=True),
                                             [floats(2, 128, E), hidden(2, 128)], _masked),
    "DotScore": Training(nn.DotScore, [floats(B, D), floats(B, T, D)]),
    "GeneralScore": Training(lambda: nn.GeneralScore(D, H), [floats(B, D), floats(B, T, H)]),
    "ConcatScore": Training(lambda: nn.ConcatScore(D, H, E), [floats(B, D), floats(B, T, H)]),
    "AdditiveScore": Training(lambda: nn.AdditiveScore(D, H, E), [floats(B, D), floats(B, T, H)]),
    "Transformer": Training(lambda: nn.Transformer(E, 2, 1, 1, 12, dropout=0.0), [floats(T, B, E), floats(4, B, E)]),
    "Transformer, causal": Training(lambda: nn.Transformer(E, 2, 1, 1, 12, batch_first=True),
                                    [floats(B, T, E), floats(B, 4, E)], _causal),
    "TransformerEncoder": Training(lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(E, 2, 12, 0.2), 2),
                                   [floats(T, B, E)]),
    "TransformerDecoder": Training(lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(E, 2, 12, 0.2), 2),
                                   [floats(T, B, E), floats(4, B, E)]),
    "TransformerEncoderLayer": Training(lambda: nn.TransformerEncoderLayer(E, 2, 12, 0.0), [floats(T, B, E)]),
    "TransformerEncoderLayer, norm first, gelu": Training(
        lambda: nn.TransformerEncoderLayer(E, 2, 12, 0.0, "gelu", norm_first=True), [floats(T, B, E)]),
    "TransformerDecoderLayer": Training(lambda: nn.TransformerDecoderLayer(E, 2, 12, 0.0),
                                        [floats(T, B, E), floats(4, B, E)]),
    "TransformerDecoderLayer, causal": Training(lambda: nn.TransformerDecoderLayer(E, 2, 12, 0.0),
                                                [floats(T, B, E), floats(4, B, E)], _causal),
}

for _name in "GELU LeakyReLU LogSoftmax ReLU SiLU Sigmoid Softmax Softplus Tanh".split():
    LAYERS[_name] = Training(getattr(nn, _name), [floats(B, D)])

for _name in ("RNN", "GRU", "LSTM"):
    _layer, _cell = getattr(nn, _name), getattr(nn, f"{_name}Cell")
    LAYERS[f"{_name}Cell"] = Training(partial(_cell, D, H), [floats(B, D)])
    LAYERS[f"{_name}Cell, of a state"] = Training(partial(_cell, D, H), [floats(B, D), floats(B, H), floats(B, H)],
                                                  _of_a_state)
    LAYERS[_name] = Training(partial(_layer, D, H), [X])
    LAYERS[f"{_name}, readable"] = Training(partial(_layer, D, H, fused=False), [X])
    LAYERS[f"{_name}, two layers, two directions, lengths"] = Training(
        partial(_layer, D, H, 2, bidirectional=True), [X, lengths(B, T)], _with_lengths)
    for _width in (32, 64, 128, 256, 512):     # what the sequence kernels are compiled for
        LAYERS[f"{_name}, hidden {_width}"] = Training(partial(_layer, D, _width), [X])
        LAYERS[f"{_name}, hidden {_width}, lengths, both ways"] = Training(
            partial(_layer, D, _width, bidirectional=True), [X, lengths(B, T)], _with_lengths)
    LAYERS[f"{_name}, of a state"] = Training(partial(_layer, D, 32), [X, floats(1, B, 32), floats(1, B, 32)],
                                              _of_a_state)

for _text, _make in {
        "RNN, relu": lambda: nn.RNN(D, 32, nonlinearity="relu"),
        "RNN, sigmoid": lambda: nn.RNN(D, 32, nonlinearity="sigmoid"),
        "RNN, residual": lambda: nn.RNN(D, H, residual=True), "RNN, skip": lambda: nn.RNN(D, H, skip=2),
        "LSTM, projected": lambda: nn.LSTM(D, H, proj_size=3), "LSTM, coupled": lambda: nn.LSTM(D, H, coupled=True),
        "LSTM, no forget gate": lambda: nn.LSTM(D, 32, forget=False),
        "LSTM, peephole": lambda: nn.LSTM(D, 32, peephole="diagonal"),
        "LSTM, full peephole": lambda: nn.LSTM(D, 32, peephole="full"),
        "GRU, reset before": lambda: nn.GRU(D, 32, reset="before"),
        "GRU, no reset": lambda: nn.GRU(D, 32, reset="none"),
        "GRU, update writes": lambda: nn.GRU(D, 32, update="writes")}.items():
    LAYERS[_text] = Training(_make, [X])

TARGETS = ids(V, 9)
LOSSES: dict[str, Training] = {
    "cross_entropy": of(F.cross_entropy, floats(9, V), TARGETS),
    "cross_entropy, wide, some ignored": of(lambda z, y: F.cross_entropy(z, y, ignore_index=0), floats(33, 1003),
                                            ids(4, 33)),
    "cross_entropy, smoothed": of(lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1), floats(9, V), TARGETS),
    "cross_entropy, summed": of(lambda z, y: F.cross_entropy(z, y, reduction="sum"), floats(9, V), TARGETS),
    "nll_loss": of(lambda z, y: F.nll_loss(F.log_softmax(z, -1), y), floats(9, V), TARGETS),
    "mse_loss": of(F.mse_loss, floats(B, D), floats(B, D)),
    "l1_loss": of(F.l1_loss, floats(B, D), floats(B, D)),
    "huber_loss": of(F.huber_loss, floats(B, D), floats(B, D)),
    "smooth_l1_loss": of(F.smooth_l1_loss, floats(B, D), floats(B, D)),
    "binary_cross_entropy": of(F.binary_cross_entropy, probabilities(B, D), probabilities(B, D)),
    "binary_cross_entropy_with_logits": of(F.binary_cross_entropy_with_logits, floats(B, D), probabilities(B, D)),
    "kl_div": of(lambda z, y: F.kl_div(F.log_softmax(z, -1), F.softmax(y, -1)), floats(B, D), floats(B, D)),
    "cosine_similarity": of(F.cosine_similarity, floats(B, D), floats(B, D)),
    "cosine_embedding_loss": of(lambda a, b: F.cosine_embedding_loss(a, b, mg.ones(B, dtype=a.dtype, device=a.device)),
                                floats(B, D), floats(B, D)),
}
