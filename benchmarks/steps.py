"""The steps that are compared: each function makes one, ours beside the peer's, with the same sizes and work."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], object]
CHAIN = 800                                    # operations in a chain: so many that the sum at its end is nothing


def _forward(x: Any) -> Callable[[], Any]:
    """A chain of multiplications of 4 values. What a step returns is freed off the clock: backward frees its own."""
    def step() -> Any:
        y = x
        for _ in range(CHAIN):
            y = y * 1.0001
        return y
    return step


def _both(x: Any) -> Step:
    """The same chain, then backward through it."""
    forward = _forward(x)

    def step() -> None:
        forward().sum().backward()
        x.grad = None
    return step


def _leaf() -> Any:
    import minigrad as mg
    return mg.ones(4, requires_grad=True)


def _torch_leaf() -> Any:
    import torch
    torch.set_num_threads(1)
    return torch.ones(4, requires_grad=True)


def tape_forward() -> Step:
    """What recording costs."""
    return _forward(_leaf())


def tape_both() -> Step:
    """What recording and walking cost."""
    return _both(_leaf())


def torch_forward() -> Step:
    """PyTorch's eager chain."""
    return _forward(_torch_leaf())


def torch_both() -> Step:
    """PyTorch's eager chain, then backward through it."""
    return _both(_torch_leaf())


def numpy_chain() -> Step:
    """The bare NumPy calls of the chain."""
    return _forward(np.ones(4, np.float32))


def forecaster(threads: int = 1, batch: int = 32, steps: int = 50, hidden: int = 20) -> Step:
    """A training step of KTH's deep RNN (20-20 and a Dense layer), as `minigrad run forecasting` does it."""
    import minigrad as mg
    from minigrad import nn, optim
    from minigrad.nn import functional as F
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    x = mg.tensor(rng.standard_normal((batch, steps, 1)).astype(np.float32))
    y = mg.tensor(rng.standard_normal((batch, 1)).astype(np.float32))
    rnn, dense = nn.RNN(1, hidden, num_layers=2, batch_first=True), nn.Linear(hidden, 1)
    opt = optim.Adam([*rnn.parameters(), *dense.parameters()], lr=1e-3)

    def step() -> None:
        opt.zero_grad()
        _, h = rnn(x)
        F.mse_loss(dense(h[-1]), y).backward()
        opt.step()
    return step


def torch_forecaster(threads: int = 1, batch: int = 32, steps: int = 50, hidden: int = 20) -> Step:
    """The same in PyTorch, with its fused Adam."""
    import torch
    from torch import nn
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((batch, steps, 1)).astype(np.float32))
    y = torch.tensor(rng.standard_normal((batch, 1)).astype(np.float32))
    rnn, dense = nn.RNN(1, hidden, num_layers=2, batch_first=True), nn.Linear(hidden, 1)
    opt = torch.optim.Adam([*rnn.parameters(), *dense.parameters()], lr=1e-3, fused=True)

    def step() -> None:
        opt.zero_grad()
        _, h = rnn(x)
        nn.functional.mse_loss(dense(h[-1]), y).backward()
        opt.step()
    return step


def _import(name: str) -> Step:
    """A fresh interpreter imports a package, from bytecode as an installed one does, whatever the environment says."""
    import os
    import subprocess
    import sys
    import tempfile
    cache = tempfile.TemporaryDirectory()
    env = {**os.environ, "PYTHONPYCACHEPREFIX": cache.name, "PYTHONDONTWRITEBYTECODE": ""}

    def step() -> None:
        assert cache                           # lives as long as the step
        subprocess.run([sys.executable, "-c", f"import {name}"], check=True, env=env)
    return step


def import_minigrad() -> Step:
    """A fresh interpreter that imports minigrad."""
    return _import("minigrad")


def import_numpy() -> Step:
    """A fresh interpreter that imports NumPy."""
    return _import("numpy")
