"""A small GPT: a stack of self-attention that sees earlier words only, and names the next one.

    x_t = E[word_t] + P_t     h = layers(x), each place sees itself and those before     P(word_(t+1)) = softmax(E h_t)

Radford et al. 2018, 2019 (GPT, GPT-2); Escalera, *Recently in Natural Language Processing*; Télécom, *Decoder side*.
Against a recurrent model (`rnn_lm`) it has no state: each place sees the last `context` words themselves. At decoding
their keys and values are kept, so that a word costs O(T) instead of a whole pass, O(T^2).
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from .. import nn
from ..backend import Device
from ..create import tensor
from ..errors import ShapeError, describe
from ..nn import functional as F
from ..nn.attention import take
from ..tensor import Tensor
from . import decoding
from ._judging import judging
from .translating import log_probabilities
from .word_encoder import WordEncoder


class Written(NamedTuple):
    """Texts half written: what the layers have cached, and the ids (B, n) that the cache was made of."""

    cache: Any
    ids: np.ndarray


class GPT(nn.Module):
    """Scores of the next token after each token.

    context: how many tokens it sees, and how many positions are learned.  norm before each part, GELU, and a table that
    is also the reading (Press and Wolf 2017), as in GPT-2; its starts too: normal with standard deviation 0.02, and the
    matrices that write into the residual sum smaller by sqrt(2 layers).
    """

    def __init__(self, vocabulary_size: int, *, d_model: int = 64, heads: int = 4, layers: int = 2,
                 feedforward: int | None = None, dropout: float = 0.0, context: int = 128) -> None:
        self.vocabulary_size, self.context = vocabulary_size, context
        self.encoder = WordEncoder(vocabulary_size, d_model=d_model, heads=heads, layers=layers,
                                   feedforward=feedforward, dropout=dropout, activation="gelu", norm="pre",
                                   positions="learned", causal=True, scale=False, longest=context)
        for p in self.parameters():
            if p.ndim > 1:
                nn.init.normal_(p, 0.0, 0.02)
        for layer in cast(Any, self.encoder.stack.layers):
            for linear in (layer.self_attn.out_proj, layer.linear2):
                nn.init.normal_(linear.weight, 0.0, 0.02 / math.sqrt(2 * layers))

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B, T), T at most `context` -> scores of the next token (B, T, V).  Raises ShapeError for longer ones."""
        return F.linear(self.encoder(ids), self.encoder.embedding.weight)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The mean of -ln P(y_t | x_1 .. x_t).  x, y (B, T)"""
        return F.cross_entropy(self(x).reshape(-1, self.vocabulary_size), y.reshape(-1))

    # ------------------------------------------------------------------------------------------ what a text is worth

    def nats(self, ids: Sequence[int] | np.ndarray, *, batch: int = 32) -> np.ndarray:
        """-ln P of each id given those before it: ids (L,) -> (L - 1,), for the first one is only given.

        Each is told by at least context / 2 ids before it, where the text has them, and at most `context`: windows move
        on by half their width, and count in their second half alone.
        """
        ids = np.asarray(ids)
        if len(ids) < 2:
            raise ShapeError(describe(f"a text of {len(ids)} ids has nothing to predict.",
                                      fix="at least two: the first is given"))
        width, half = self.context, max(1, self.context // 2)
        starts = [*range(0, max(1, len(ids) - width), half), max(0, len(ids) - 1 - width)]
        found = np.zeros(len(ids) - 1)
        with judging(self):
            for k in range(0, len(starts), batch):
                rows = np.array(starts[k:k + batch])[:, None] + np.arange(min(width, len(ids) - 1))    # (b, T)
                x, y = (tensor(ids[rows + shift], device=self.device) for shift in (0, 1))
                losses = F.cross_entropy(self(x).reshape(-1, self.vocabulary_size), y.reshape(-1), reduction="none")
                told = losses.cpu().numpy().reshape(rows.shape)
                for row, values in zip(rows, told, strict=True):
                    new = 0 if row[0] == 0 else half
                    found[row[new:]] = values[new:]
        return found

    def bits(self, ids: Sequence[int] | np.ndarray, *, batch: int = 32) -> float:
        """Mean of -log2 P: bits per character where a token is one."""
        return float(self.nats(ids, batch=batch).mean()) / math.log(2)

    # ------------------------------------------------------------------------------------------ text

    @property
    def device(self) -> Device:
        """Where its weights are."""
        return self.encoder.embedding.weight.device

    def step(self, ids: np.ndarray, state: Written | None = None) -> tuple[np.ndarray, Written]:
        """One token of each text: ids (B,) -> ln P of the next one (B, V) in float64, state. What `decoding` calls.

        The positions are full after `context` tokens: then it goes on with the second half of them, read once more.
        """
        before = state or Written(None, np.zeros((len(ids), 0), np.int64))
        if before.ids.shape[1] == self.context:
            before = Written(None, before.ids[:, self.context - self.context // 2:])
        written = np.concatenate([before.ids, np.asarray(ids)[:, None]], 1)
        start = 0 if before.cache is None else before.ids.shape[1]
        with judging(self):
            x = self.encoder.embed(tensor(written[:, start:], device=self.device), start)      # (B, 1, d), mostly
            h, cache = self.encoder.stack.step(x, before.cache)
            return log_probabilities(F.linear(h[:, -1], self.encoder.embedding.weight)), Written(cache, written)

    def pick(self, state: Written, rows: np.ndarray) -> Written:
        """The state of these texts, which beam search goes on with."""
        return Written(*take(tuple(state), rows))

    def sample(self, prompt: Sequence[int] | np.ndarray, length: int, rng: np.random.Generator, **options: Any
               ) -> np.ndarray:
        """`decoding.sample` from this model: temperature, top_k, top_p, stop."""
        return decoding.sample(self.step, prompt, length, rng, **options)

    def search(self, prompt: Sequence[int] | np.ndarray, length: int, **options: Any) -> list[decoding.Found]:
        """`decoding.beam_search` in this model: beam, stop, alpha."""
        return decoding.beam_search(self.step, prompt, length, pick=self.pick, **options)
