"""Training steps of a Transformer block, and decoding with and without a cache, ours beside PyTorch's."""
from __future__ import annotations

from typing import Any

import numpy as np

from .steps import Step

BATCH, STEPS = 32, 64


def block(width: int, heads: int, peer: str, threads: int = 1) -> Step:
    """A step of nn.TransformerEncoderLayer, whatever the peer is.

    threads: how many share the elementwise parts (`nn.fused.threads`).
    """
    import minigrad as mg
    from minigrad import nn, optim
    from minigrad.nn.fused import threads as shared
    shared.use(threads)
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    model = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True)
    x = mg.tensor(rng.standard_normal((BATCH, STEPS, width)).astype(np.float32), requires_grad=True)
    weight = mg.tensor(rng.standard_normal((BATCH, STEPS, width)).astype(np.float32))
    return _training(model, x, weight, optim.Adam(model.parameters()))


def torch_block(width: int, heads: int, peer: str, threads: int = 1) -> Step:
    """The same in PyTorch, with its fused Adam; its own threads are as many as the process was started with.

    peer: "layer", its nn.TransformerEncoderLayer; "eager", the equations in its operations; "fused", the same with its
    scaled_dot_product_attention.
    """
    import torch
    torch.manual_seed(0)
    model: Any = torch.nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True)
    call = model if peer == "layer" else lambda x: _equations(model, x, heads, peer == "fused")
    x = torch.randn(BATCH, STEPS, width, requires_grad=True)
    weight = torch.randn(BATCH, STEPS, width)
    return _training(call, x, weight, torch.optim.Adam(model.parameters(), fused=True))


def _equations(layer: Any, x: Any, heads: int, fused: bool) -> Any:
    """The layer's forward pass, written out."""
    import torch
    from torch.nn import functional as F
    B, T, E = x.shape
    attn = layer.self_attn
    q, k, v = F.linear(x, attn.in_proj_weight, attn.in_proj_bias).view(B, T, 3, heads, -1).permute(2, 0, 3, 1, 4)
    if fused:
        found = F.scaled_dot_product_attention(q, k, v)
    else:
        found = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1) @ v
    x = layer.norm1(x + attn.out_proj(found.transpose(1, 2).reshape(B, T, E)))
    return layer.norm2(x + layer.linear2(F.relu(layer.linear1(x))))


def _training(model: Any, x: Any, weight: Any, adam: Any) -> Step:
    """Forward, backward of sum(y weight), Adam: the same words on both sides."""
    def step() -> None:
        adam.zero_grad()
        x.grad = None
        model(x).backward(weight)
        adam.step()
    return step


def decode_whole(length: int) -> Step:
    """The same text by whole passes over all that is there."""
    return decode(length, cached=False)


def decode(length: int, cached: bool = True, width: int = 64, layers: int = 2) -> Step:
    """Greedy text of so many characters from a small GPT, one example: step by step from a cache."""
    import minigrad as mg
    from minigrad import nn
    from minigrad.nn.positions import PositionalEncoding
    mg.manual_seed(0)
    table, place = nn.Embedding(65, width), PositionalEncoding(width, length)
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True), layers)
    stack.eval()
    head = nn.Linear(width, 65)

    def step() -> list[int]:
        ids, cache = [0], None
        with mg.no_grad():
            for t in range(length):
                if cached:
                    y, cache = stack.step(place(table(mg.tensor([ids[-1:]])), t), cache)
                else:
                    y = stack(place(table(mg.tensor([ids]))), is_causal=True)
                ids.append(int(head(y[:, -1]).numpy().argmax()))
        return ids
    return step
