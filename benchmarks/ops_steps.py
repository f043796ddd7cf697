"""Single operations, forward and backward, and Adam: ours beside PyTorch's, with the same sizes and work.

Operations that one node computes. The gradient arrives as data, so nothing but the operation is timed.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .steps import Step


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def _torch(threads: int = 1) -> Any:
    import os

    import torch
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", threads)))
    return torch


def cross_entropy(n: int, v: int) -> Step:
    """Mean cross-entropy of n rows of v logits with class ids, and its gradient."""
    import minigrad as mg
    from minigrad.nn import functional as F
    x, y = mg.tensor(_normal(n, v), requires_grad=True), mg.tensor(np.arange(n) * 7 % v)

    def step() -> None:
        x.grad = None
        F.cross_entropy(x, y).backward()
    return step


def composed_cross_entropy(n: int, v: int) -> Step:
    """The same as its composition."""
    import minigrad as mg
    from minigrad.nn import functional as F
    x, y = mg.tensor(_normal(n, v), requires_grad=True), mg.tensor(np.arange(n) * 7 % v)

    def step() -> None:
        x.grad = None
        F.cross_entropy(x, y, fused=False).backward()
    return step


def torch_cross_entropy(n: int, v: int) -> Step:
    """PyTorch's."""
    torch = _torch()
    x, y = torch.tensor(_normal(n, v), requires_grad=True), torch.tensor(np.arange(n) * 7 % v)

    def step() -> None:
        x.grad = None
        torch.nn.functional.cross_entropy(x, y).backward()
    return step


def layer_norm(n: int, d: int, fused: bool = True) -> Step:
    """Layer norm of n rows of d features with weight and bias, and its three gradients."""
    import minigrad as mg
    from minigrad.nn import functional as F
    x, g = mg.tensor(_normal(n, d), requires_grad=True), mg.tensor(_normal(n, d))
    w, b = mg.ones(d, requires_grad=True), mg.zeros(d, requires_grad=True)

    def step() -> None:
        x.grad = w.grad = b.grad = None
        F.layer_norm(x, d, w, b, fused=fused).backward(g)
    return step


def composed_layer_norm(n: int, d: int) -> Step:
    """The same as its composition."""
    return layer_norm(n, d, fused=False)


def torch_layer_norm(n: int, d: int) -> Step:
    """PyTorch's."""
    torch = _torch()
    x, g = torch.tensor(_normal(n, d), requires_grad=True), torch.tensor(_normal(n, d))
    w, b = torch.ones(d, requires_grad=True), torch.zeros(d, requires_grad=True)

    def step() -> None:
        x.grad = w.grad = b.grad = None
        torch.nn.functional.layer_norm(x, (d,), w, b).backward(g)
    return step


def _ids(n: int, v: int) -> np.ndarray:
    return (v * np.random.default_rng(2).random(n) ** 3).astype(np.int64)      # a few words are frequent


def embedding(n: int, v: int, e: int, fused: bool = True) -> Step:
    """n rows of a table (v, e), and its gradient."""
    import minigrad as mg
    from minigrad.nn import functional as F
    w, g, ids = mg.tensor(_normal(v, e), requires_grad=True), mg.tensor(_normal(n, e)), mg.tensor(_ids(n, v))

    def step() -> None:
        w.grad = None
        (F.embedding(ids, w) if fused else w[ids]).backward(g)
    return step


def composed_embedding(n: int, v: int, e: int) -> Step:
    """The same as an index."""
    return embedding(n, v, e, fused=False)


def torch_embedding(n: int, v: int, e: int) -> Step:
    """PyTorch's, with a dense gradient."""
    torch = _torch()
    w, g, ids = torch.tensor(_normal(v, e), requires_grad=True), torch.tensor(_normal(n, e)), torch.tensor(_ids(n, v))

    def step() -> None:
        w.grad = None
        torch.nn.functional.embedding(ids, w).backward(g)
    return step


def _sizes(width: int, layers: int) -> list[tuple[int, ...]]:
    return [s for _ in range(layers) for s in ((width, width), (width,))]


def adam(width: int, layers: int) -> Step:
    """One step of Adam for linear layers of a width."""
    from minigrad import nn, optim, tensor
    params = [nn.Parameter(_normal(*s)) for s in _sizes(width, layers)]
    for p in params:
        p.grad = tensor(_normal(*p.shape))
    return optim.Adam(params).step


def torch_adam(width: int, layers: int) -> Step:
    """PyTorch's, with fused=True: its fastest."""
    torch = _torch()
    params = [torch.nn.Parameter(torch.tensor(_normal(*s))) for s in _sizes(width, layers)]
    for p in params:
        p.grad = torch.tensor(_normal(*p.shape))
    step: Step = torch.optim.Adam(params, fused=True).step
    return step


# name, ours, PyTorch's, arguments: for the table in __main__
ROWS: list[tuple[str, str, str, list[int]]] = [
    *[(f"cross-entropy {n} x {v}", "cross_entropy", "torch_cross_entropy", [n, v])
      for n, v in ((64, 10), (1600, 65), (1600, 5000))],
    *[(f"layer norm {n} x {d}", "layer_norm", "torch_layer_norm", [n, d])
      for n, d in ((64, 64), (2048, 128), (2048, 512))],
    *[(f"embedding {n} of {v} x {e}", "embedding", "torch_embedding", [n, v, e])
      for n, v, e in ((32, 100, 64), (1600, 65, 64), (1600, 5000, 128))],
    *[(f"Adam, {layers} layers of {width}", "adam", "torch_adam", [width, layers])
      for width, layers in ((64, 4), (128, 6), (512, 4))],
]
