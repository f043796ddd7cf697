"""The training steps that are timed: ours and PyTorch's of one size, from the same weights and inputs.

A step is forward and backward (skip-gram: with the update, for its gradient is a few rows of a large table). What a
step left behind is compared between the sides before anything is timed. minigrad and PyTorch are imported when a step
is made: the table in the documents needs the names alone.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Sizes = dict[str, Any]
Shapes = list[tuple[int, ...]]


@dataclass
class Side:
    """step(): one training step.  result(): what it left behind, by parameter.  weights: those it started from."""

    step: Callable[[], Any]
    result: Callable[[], Arrays]
    weights: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Timed:
    """A case.  ours(device, **sizes), theirs(device, weights, captured, **sizes): make a Side.

    small: sizes of a rehearsal.  default: what PyTorch does if nobody sets anything, "TF32" where cuDNN computes and
    "fp32" elsewhere.  limit: the project's own, for our time over that of PyTorch's eager step in this setting;
    by: is our "eager" step meant, or our "graph"?
    """

    name: str
    ours: Callable[..., Side]
    theirs: Callable[..., Side]
    sizes: Sizes
    small: Sizes
    default: str = "fp32"
    limit: float | None = None
    by: str = "eager"


# ---------------------------------------------------------------------------------------------- recurrent layers

def ours_recurrent(device: str, cell: str, T: int, B: int, H: int) -> Side:
    """nn.RNN, nn.LSTM or nn.GRU, H inputs and units; the loss is sum(y g)."""
    import minigrad as mg
    from minigrad import nn
    mg.manual_seed(0)
    model, (x, g) = getattr(nn, cell)(H, H).to(device), _tensors(device, [(T, B, H)], [(T, B, H)])

    def step() -> Any:
        model.zero_grad()
        x.grad = None
        y, _ = model(x)
        y.backward(g)
    return _side(step, model, x)


def torch_recurrent(device: str, weights: Arrays, captured: bool, cell: str, T: int, B: int, H: int) -> Side:
    """The same in PyTorch: cuDNN."""
    import torch
    model, (x, g) = _loaded(getattr(torch.nn, cell)(H, H), weights, device), _torch(device, [(T, B, H)], [(T, B, H)])

    def step() -> None:
        model.zero_grad(set_to_none=True)
        x.grad = None
        model(x)[0].backward(g)
    return _torch_side(step, model, x)


# ---------------------------------------------------------------------------------------------- Transformer block

def ours_block(device: str, B: int, S: int, d: int, heads: int, ff: int) -> Side:
    """nn.TransformerEncoderLayer, no dropout; the loss is sum(y g)."""
    import minigrad as mg
    from minigrad import nn
    mg.manual_seed(0)
    model = nn.TransformerEncoderLayer(d, heads, ff, 0.0, batch_first=True).to(device)
    x, g = _tensors(device, [(B, S, d)], [(B, S, d)])

    def step() -> Any:
        model.zero_grad()
        x.grad = None
        model(x).backward(g)
    return _side(step, model, x)


def torch_block(device: str, weights: Arrays, captured: bool, B: int, S: int, d: int, heads: int, ff: int) -> Side:
    """The same in PyTorch: its own layer, with its fused attention."""
    import torch
    model = _loaded(torch.nn.TransformerEncoderLayer(d, heads, ff, 0.0, batch_first=True), weights, device)
    x, g = _torch(device, [(B, S, d)], [(B, S, d)])

    def step() -> None:
        model.zero_grad(set_to_none=True)
        x.grad = None
        model(x).backward(g)
    return _torch_side(step, model, x)


# ---------------------------------------------------------------------------------------------- Bahdanau's decoder

def ours_decoder(device: str, B: int, S: int, T: int, H: int) -> Side:
    """The decoder of models.Bahdanau with words (B, T, H), annotations (B, S, 2 H) and an additive score of H units."""
    import minigrad as mg
    from minigrad import nn
    from minigrad.models.bahdanau import Bahdanau, Memory
    mg.manual_seed(0)
    whole = Bahdanau(8, 8, embedding=H, hidden=H)
    model = nn.ModuleDict({"score": whole.score, "cell": whole.cell}).to(device)
    whole.to(device)
    y, annotations, s, gs, gc = _tensors(device, [(B, T, H), (B, S, 2 * H), (B, H)], [(B, T, H), (B, T, 2 * H)])

    def step() -> Any:
        model.zero_grad()
        for leaf in (y, annotations, s):
            leaf.grad = None
        states, contexts, _ = whole.decode(y, Memory(s, annotations, whole.score.project(annotations), None))
        loss = (states * gs).sum() + (contexts * gc).sum()
        loss.backward()
        return loss
    return _side(step, model, y, annotations, s)


def torch_decoder(device: str, weights: Arrays, captured: bool, B: int, S: int, T: int, H: int) -> Side:
    """The same in PyTorch: a loop over the steps with nn.GRUCell."""
    import torch
    from torch import nn

    class Score(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w_s, self.w_a, self.v = (nn.Parameter(torch.empty(*shape)) for shape in ((H, H), (H, 2 * H), (H,)))
    model = _loaded(nn.ModuleDict({"score": Score(), "cell": nn.GRUCell(3 * H, H)}), weights, device)
    score, cell = model["score"], model["cell"]
    y, annotations, first, gs, gc = _torch(device, [(B, T, H), (B, S, 2 * H), (B, H)], [(B, T, H), (B, T, 2 * H)])

    def step() -> None:
        model.zero_grad(set_to_none=True)
        for leaf in (y, annotations, first):
            leaf.grad = None
        keys, s, states, contexts = annotations @ score.w_a.T, first, [], []
        for word in y.unbind(1):
            alpha = torch.softmax(torch.tanh(keys + (s @ score.w_s.T)[:, None]) @ score.v, -1)
            c = torch.bmm(alpha[:, None], annotations)[:, 0]
            s = cell(torch.cat([word, c], -1), s)
            states.append(s)
            contexts.append(c)
        ((torch.stack(states, 1) * gs).sum() + (torch.stack(contexts, 1) * gc).sum()).backward()
    return _torch_side(step, model, y, annotations, first)


# ---------------------------------------------------------------------------------------------- skip-gram

RATE = 0.025


def ours_skipgram(device: str, V: int, d: int, k: int, B: int) -> Side:
    """models.SkipGram with k noise words for each of B pairs: forward, backward, and a plain gradient step."""
    import minigrad as mg
    from minigrad import models, nn, optim
    mg.manual_seed(0)
    model: Any = models.SkipGram(np.ones(V), d, "negative", k).to(device)
    nn.init.uniform_(model.output.weight, -0.5 / d, 0.5 / d)    # as E: at 0, where word2vec starts, E has no gradient
    centre, context, noise = (mg.tensor(ids, device=device) for ids in _pairs(V, k, B))
    sgd = optim.SGD(model.parameters(), lr=RATE)

    def step() -> Any:
        sgd.zero_grad()
        loss = model(centre, context, noise)
        loss.backward()
        sgd.step()
        return loss
    return _side(step, model)


def torch_skipgram(device: str, weights: Arrays, captured: bool, V: int, d: int, k: int, B: int) -> Side:
    """The same in PyTorch, with sparse gradients; a graph cannot capture those and takes dense ones."""
    import torch
    from torch.nn import functional as F
    words, others = (torch.nn.Embedding(V, d, sparse=not captured) for _ in range(2))
    model = _loaded(torch.nn.ModuleDict({"embedding": words, "output": others}), weights, device)
    centre, context, noise = (torch.as_tensor(ids, device=device) for ids in _pairs(V, k, B))
    sgd = torch.optim.SGD(model.parameters(), lr=RATE)

    def step() -> None:
        sgd.zero_grad(set_to_none=True)
        e, u, u_k = words(centre), others(context), others(noise)
        true = F.logsigmoid((u * e).sum(-1)).mean()
        (-true - F.logsigmoid(-torch.bmm(u_k, e[:, :, None])).mean() * k).backward()
        sgd.step()
    return _torch_side(step, model)


def _pairs(V: int, k: int, B: int) -> tuple[np.ndarray, ...]:
    """Pairs and noise of a text whose words are as unevenly frequent as those of a language."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, V + 1)
    share /= share.sum()
    return (*(rng.choice(V, B, p=share) for _ in range(2)), rng.choice(V, (B, k), p=share))


# ---------------------------------------------------------------------------------------------- both sides

def _drawn(leaves: Shapes, fixed: Shapes) -> list[tuple[np.ndarray, bool]]:
    """Normal numbers, and is a gradient wanted?"""
    rng = np.random.default_rng(0)
    return [(rng.standard_normal(shape, dtype=np.float32), k < len(leaves)) for k, shape in enumerate(leaves + fixed)]


def _tensors(device: str, leaves: Shapes, fixed: Shapes) -> list[Any]:
    import minigrad as mg
    return [mg.tensor(a, requires_grad=wanted, device=device) for a, wanted in _drawn(leaves, fixed)]


def _torch(device: str, leaves: Shapes, fixed: Shapes) -> list[Any]:
    import torch
    return [torch.as_tensor(a, device=device).requires_grad_(wanted) for a, wanted in _drawn(leaves, fixed)]


def _arrays(tensors: Any) -> Arrays:
    return {name: np.array(t.device.numpy(t.detach().data)) for name, t in tensors.items()}


def _side(step: Callable[[], Any], model: Any, *leaves: Any) -> Side:
    weights = _arrays(model.state_dict())

    def gradients() -> Arrays:
        named = {**dict(model.named_parameters()), **{f"input {i}": x for i, x in enumerate(leaves)}}
        return _arrays({name: p.grad for name, p in named.items()})
    return Side(step, gradients, weights)


def _torch_side(step: Callable[[], Any], model: Any, *leaves: Any) -> Side:
    def gradients() -> Arrays:
        named = {**dict(model.named_parameters()), **{f"input {i}": x for i, x in enumerate(leaves)}}
        return {name: p.grad.detach().to_dense().cpu().numpy().copy() for name, p in named.items()}
    return Side(step, gradients)


def _loaded(model: Any, weights: Arrays, device: str) -> Any:
    """A PyTorch module with our weights: `state_dict` has PyTorch's names and layouts."""
    import torch
    model.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in weights.items()})
    return model.to(device)


def _recurrent() -> list[Timed]:
    limits = {("LSTM", 256): 0.5, ("LSTM", 512): 0.7}
    order = [("LSTM", 256), ("LSTM", 512), ("GRU", 256), ("GRU", 512), ("RNN", 256), ("RNN", 512), ("LSTM", 128),
             ("GRU", 128), ("RNN", 128)]
    return [Timed(f"{cell}, hidden {H}, T {T}, batch 64", ours_recurrent, torch_recurrent,
                  dict(cell=cell, T=T, B=64, H=H), dict(cell=cell, T=3, B=2, H=32), "TF32", limits.get((cell, H)))
            for cell, H in order for T in (50, 100)]


_DECODER = Timed("Bahdanau decoder, hidden 512, S 50, T 50, batch 64", ours_decoder, torch_decoder,
                 dict(B=64, S=50, T=50, H=512), dict(B=2, S=4, T=3, H=32), limit=0.3, by="graph")
_BLOCK = Timed("Transformer block, d 512, ff 2048, S 128, batch 32", ours_block, torch_block,
               dict(B=32, S=128, d=512, heads=8, ff=2048), dict(B=2, S=5, d=8, heads=2, ff=16), limit=1.1)
_PAIRS = [Timed(f"skip-gram, d 128, k 5, {B:,} pairs", ours_skipgram, torch_skipgram,
                dict(V=50_000, d=128, k=5, B=B), dict(V=300, d=128, k=5, B=64), limit=0.3) for B in (4096, 65_536)]
_LAYERS = _recurrent()

CASES: list[Timed] = [*_LAYERS[:4], _DECODER, *_PAIRS, _BLOCK, *_LAYERS[4:]]   # those with limits first
