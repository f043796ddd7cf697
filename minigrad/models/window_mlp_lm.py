"""The fixed-window neural language model: an MLP on the words around a gap.   Bengio et al. 2003.

    e = [E x_1; ..; E x_n]      h = tanh(W1 e + b1)      y = softmax(W2 h + b2)      (+ W3 e with direct connections)

KTH, *Can We Build a Neural Language Model? (1/3)* to *(3/3)*; Télécom, *Classic neural language model*, which names
four kinds of context. No count is ever zero here, and the size grows with n and not with V^n; but the window is fixed.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn
from ..create import tensor
from ..errors import MinigradError, ShapeError, describe
from ..nn import functional as F
from ..tensor import Tensor
from . import decoding
from ._judging import judging

# Where the words of a context stand, counted from the word to be predicted.
CONTEXTS: dict[str, tuple[int, ...]] = {
    "last 4": (-4, -3, -2, -1),
    "4 left and 4 right": (-4, -3, -2, -1, 1, 2, 3, 4),
    "last 1": (-1,),
    "nearby 1": (-4, -3, -2, -1, 1, 2, 3, 4),                  # one of these at a time: skip-gram's question reversed
}


def contexts(ids: Sequence[int] | np.ndarray, context: str | Sequence[int] = "last 4", pad: int = 0
             ) -> tuple[np.ndarray, np.ndarray]:
    """The words around each word of a text but the first: ids (L,) -> x (N, n), y (N,), N = L - 1.

    context: one of CONTEXTS, or offsets such as (-2, -1).  pad: the id that stands for words beyond either end.
    "nearby 1": x (8 N, 1), y (8 N,): each word eight times, with one word of its neighbourhood.
    Raises ValueError for another context, or an offset of 0: that word would be given.
    """
    offsets = _offsets(context)
    ids = np.asarray(ids)
    reach = max(map(abs, offsets))
    wide = np.pad(ids, reach, constant_values=pad)
    x = np.stack([wide[reach + 1 + k:reach + k + len(ids)] for k in offsets], 1)           # (N, n)
    y = ids[1:]
    return (x.reshape(-1, 1), np.repeat(y, len(offsets))) if context == "nearby 1" else (x, y)


class WindowMLPLM(nn.Module):
    """Scores of a word from the n words of its context.   KTH, *Can We Build a Neural Language Model? (2/3)*.

    embedding: E.  hidden: H.  context: one of CONTEXTS, or offsets such as (-2, -1).  pad: the id beyond a text's ends.
    direct: W3 from the embedded context straight to the scores (Bengio 2003).
    Weights: V E + H (n E + 1) + V (H + 1), and V n E more with direct: linear in n.
    Only contexts that lie on the left make a language model: others fill gaps, and their perplexity is another number.
    """

    def __init__(self, vocabulary_size: int, *, embedding: int = 32, hidden: int = 64,
                 context: str | Sequence[int] = "last 4", direct: bool = False, pad: int = 0) -> None:
        self.vocabulary_size, self.context, self.pad = vocabulary_size, context, pad
        self.offsets = _offsets(context)
        n = 1 if context == "nearby 1" else len(self.offsets)
        self.embedding = nn.Embedding(vocabulary_size, embedding)
        self.hidden = nn.Linear(n * embedding, hidden)
        self.read = nn.Linear(hidden, vocabulary_size)
        self.direct = nn.Linear(n * embedding, vocabulary_size, bias=False) if direct else None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, n) -> scores of the word in the gap (B, V)"""
        e = self.embedding(x).reshape(x.shape[0], -1)          # (B, n E)
        y = self.read(F.tanh(self.hidden(e)))                  # (B, V)
        return y if self.direct is None else y + self.direct(e)

    def contexts(self, ids: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`contexts` of this model: what it is trained on."""
        return contexts(ids, self.context, self.pad)

    def nats(self, ids: Sequence[int] | np.ndarray, *, batch: int = 1024) -> np.ndarray:
        """-ln P of each id but the first, given its context: ids (L,) -> (L - 1,); "nearby 1": the mean over places."""
        x, y = self.contexts(ids)
        if not len(y):
            raise ShapeError(describe(f"a text of {len(ids)} ids has nothing to predict.",
                                      fix="at least two: the first is given"))
        device, found = self.read.weight.device, []
        with judging(self):
            for start in range(0, len(y), batch):
                rows = slice(start, start + batch)
                losses = F.cross_entropy(self(tensor(x[rows], device=device)), tensor(y[rows], device=device),
                                         reduction="none")
                found.append(losses.cpu().numpy().astype(np.float64))
        return np.concatenate(found).reshape(len(ids) - 1, -1).mean(1)

    def perplexity(self, ids: Sequence[int] | np.ndarray) -> float:
        """exp of the mean of `nats`: V for a model that knows nothing."""
        return math.exp(self.nats(ids).mean())

    def step(self, ids: np.ndarray, state: Any = None) -> tuple[np.ndarray, Any]:
        """One token of each text: ids (B,) -> ln P of the next one (B, V), and the words still seen (B, reach).

        What `decoding` calls. Raises MinigradError for a context that needs words from the right.
        """
        if max(self.offsets) > 0:
            raise MinigradError(describe(f"a model with context {self.context!r} sees words that are not written yet.",
                                         fix="context='last 4' or 'last 1' for text from left to right"))
        reach = -min(self.offsets)
        seen = np.full((len(ids), reach), self.pad) if state is None else state
        seen = np.concatenate([seen, ids[:, None]], 1)[:, 1:]
        with judging(self):
            x = tensor(seen[:, [reach + k for k in self.offsets]], device=self.read.weight.device)
            log_p = F.log_softmax(self(x), -1).cpu().numpy()
        return log_p.astype(np.float64), seen

    def sample(self, prompt: Sequence[int] | np.ndarray, length: int, rng: np.random.Generator, **options: Any
               ) -> np.ndarray:
        """`decoding.sample` from this model: temperature, top_k, top_p, stop."""
        return decoding.sample(self.step, prompt, length, rng, **options)


def _offsets(context: str | Sequence[int]) -> tuple[int, ...]:
    """Where the words of a context stand."""
    if isinstance(context, str):
        if context not in CONTEXTS:
            raise ValueError(f"context is one of {', '.join(map(repr, CONTEXTS))}, or offsets, not {context!r}")
        return CONTEXTS[context]
    if not len(context) or 0 in context:
        raise ValueError(f"offsets of a context are whole numbers other than 0, such as (-2, -1), not {tuple(context)}")
    return tuple(context)
