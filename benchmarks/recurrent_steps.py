"""Training steps of recurrent layers, ours beside PyTorch's: forward, backward and Adam, the same sizes and work."""
from __future__ import annotations

from typing import Any

import numpy as np

from .steps import Step

Sizes = tuple[int, int, int, int]              # T steps, B examples, H units and as many inputs, L layers


def grid() -> list[Sizes]:
    """Hidden 20 to 512, batch 32 and 64, 25 to 100 steps, one and two layers: 20 sizes."""
    widths = (20, 64, 128, 256, 512)
    return [*[(50, 32, h, 1) for h in widths], *[(25, 64, h, 1) for h in widths],
            *[(100, 32, h, 1) for h in (20, 128, 256)], *[(50, 32, h, 2) for h in widths],
            *[(50, 64, h, 1) for h in (128, 512)]]


def layer(cell: str, steps: int, batch: int, hidden: int, layers: int, wanted: bool = True) -> Step:
    """A step of nn.RNN, nn.LSTM or nn.GRU.  wanted: is the gradient of the input wanted, or is the input data?"""
    import minigrad as mg
    from minigrad import nn, optim
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    model = getattr(nn, cell)(hidden, hidden, layers)
    x = mg.tensor(rng.standard_normal((steps, batch, hidden)).astype(np.float32), requires_grad=wanted)
    weight = mg.tensor(rng.standard_normal((steps, batch, hidden)).astype(np.float32))
    adam = optim.Adam(model.parameters())
    return _training(model, x, weight, adam)


def torch_layer(cell: str, steps: int, batch: int, hidden: int, layers: int, wanted: bool = True) -> Step:
    """The same in PyTorch, with its fused Adam."""
    import torch
    torch.manual_seed(0)
    model = getattr(torch.nn, cell)(hidden, hidden, layers)
    x = torch.randn(steps, batch, hidden, requires_grad=wanted)
    weight = torch.randn(steps, batch, hidden)
    adam = torch.optim.Adam(model.parameters(), fused=True)
    return _training(model, x, weight, adam)


def _training(model: Any, x: Any, weight: Any, adam: Any) -> Step:
    """Forward, backward of sum(y weight), Adam: the same words on both sides."""
    def step() -> None:
        adam.zero_grad()
        x.grad = None
        y, _ = model(x)
        y.backward(weight)
        adam.step()
    return step


def characters(vocabulary: int, width: int, hidden: int, steps: int, batch: int) -> Step:
    """A step of a character model: embedding, LSTM, projection, cross-entropy, clipping, Adam."""
    import minigrad as mg
    from minigrad import nn, optim
    from minigrad.nn import functional as F
    mg.manual_seed(0)
    x, y = _text(vocabulary, steps, batch)
    lstm, head = nn.EmbeddingLSTM(vocabulary, width, hidden), nn.Linear(hidden, vocabulary)
    parameters = [*lstm.parameters(), *head.parameters()]
    adam = optim.Adam(parameters)
    ids, targets = mg.tensor(x), mg.tensor(y.reshape(-1))
    state: list[Any] = [None]

    def step() -> None:
        adam.zero_grad()
        h, last = lstm(ids, state[0])
        F.cross_entropy(head(h).reshape(-1, vocabulary), targets).backward()
        optim.clip_grad_norm_(parameters, 1.0)
        adam.step()
        state[0] = mg.detach(last)
    return step


def torch_characters(vocabulary: int, width: int, hidden: int, steps: int, batch: int) -> Step:
    """The same in PyTorch."""
    import torch
    from torch import nn
    torch.manual_seed(0)
    x, y = _text(vocabulary, steps, batch)
    embedding, lstm, head = nn.Embedding(vocabulary, width), nn.LSTM(width, hidden), nn.Linear(hidden, vocabulary)
    parameters = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
    adam = torch.optim.Adam(parameters, fused=True)
    ids, targets = torch.from_numpy(x), torch.from_numpy(y.reshape(-1))
    state: list[Any] = [None]

    def step() -> None:
        adam.zero_grad()
        h, last = lstm(embedding(ids), state[0])
        nn.functional.cross_entropy(head(h).reshape(-1, vocabulary), targets).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        state[0] = tuple(s.detach() for s in last)
    return step


def _text(vocabulary: int, steps: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(0).integers(0, vocabulary, (steps + 1, batch))
    return np.ascontiguousarray(ids[:-1]), np.ascontiguousarray(ids[1:])


def gemm(n: int = 1024) -> Step:
    """A square product in float32: what the machine's BLAS can do, `2 n^3` operations."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, n, n)).astype(np.float32)
    out = np.empty_like(a)

    def step() -> None:
        np.dot(a, b, out)
    return step


def operations(cell: str, steps: int, batch: int, hidden: int, layers: int, wanted: bool = True) -> float:
    """Multiplications and additions of the products of one step: what GFLOP/s are counted by.

    Forward and two products backward for the recurrence; the same for the inputs, but one less where they are data.
    """
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[cell]
    one = 2.0 * steps * batch * gates * hidden * hidden
    return one * (6 * layers - (not wanted))
