"""A character model with a state and one without, and text drawn from either.

Escalera, *Example: Character-level Language Model*. Both take one-hot letters x (B, T, V) and give scores of the next
letter, (B, T, V); what they differ in is h_(t-1).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn
from ..create import tensor
from ..nn import functional as F
from ..tensor import Tensor, no_grad


class CharRNN(nn.Module):
    """h_t = tanh(W_hh h_(t-1) + W_xh x_t),  scores y_t = W_hy h_t.   Escalera, *(Simple) Recurrent Neural Network*."""

    def __init__(self, vocabulary: int, hidden: int = 3) -> None:
        self.rnn = nn.RNN(vocabulary, hidden, bias=False, batch_first=True)
        self.read = nn.Linear(hidden, vocabulary, bias=False)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, T, V), h (1, B, H) or None for zeros -> scores (B, T, V), the last h (1, B, H)"""
        states, h = self.rnn(x, h)             # (B, T, H)
        return self.read(states), h


class MemorylessChar(nn.Module):
    """Scores y_t = W x_t: a row of scores for each letter, the same wherever the letter stands."""

    def __init__(self, vocabulary: int) -> None:
        self.read = nn.Linear(vocabulary, vocabulary, bias=False)

    def forward(self, x: Tensor, h: None = None) -> tuple[Tensor, None]:
        """x (B, T, V) -> scores (B, T, V), and no state"""
        return self.read(x), None


def spell(model: Callable[..., tuple[Tensor, Any]], letters: str, first: str, length: int,
          rng: np.random.Generator) -> str:
    """`length` letters: the first is given, each other one is drawn from softmax(y_t) and fed back.

    Escalera, *Example: Character-level Language Model, Sampling*. model: a CharRNN or MemorylessChar over `letters`.
    Raises ValueError for a first letter that is not among them.
    """
    if first not in letters:
        raise ValueError(f"spell cannot begin with {first!r}: the letters are {', '.join(letters)}")
    device = next(iter(model.parameters())).device if isinstance(model, nn.Module) else None
    text, h = first, None
    with no_grad():
        while len(text) < length:
            x = np.eye(len(letters), dtype=np.float32)[letters.index(text[-1])]
            scores, h = model(tensor(x[None, None], device=device), h)
            p = F.softmax(scores[0, 0], -1).cpu().numpy().astype(float)
            text += letters[rng.choice(len(letters), p=p / p.sum())]
    return text
