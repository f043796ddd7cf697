"""A recurrent language model of words or characters: what comes next, given all that came before.

    e_t = E x_t      h_t = phi(W_x e_t + W_h h_{t-1} + b)      P(x_{t+1} | x_1 .. x_t) = softmax(W_y h_t + b_y)

KTH, *A RNN Neural Language Model (1/2)*, *(2/2)*; Télécom, *(1) Training using a RNN*, *(2) Test using a RNN*;
Escalera, *Example: Character-level Language Model*; Chemnitz, *Many to One: next character/word prediction*. An n-gram
keeps n - 1 words and the fixed-window network four; here the state goes on for ever, and by truncated BPTT
(`train_chunk`) the gradient goes back to the beginning of a chunk.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn, optim
from ..backward import detach
from ..create import tensor
from ..data.streams import streams
from ..errors import MinigradError, ShapeError, describe
from ..nn import functional as F
from ..nn.recurrent import Recurrent
from ..tensor import Tensor
from . import decoding
from ._judging import judging

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class EmbeddedLayer(nn.Module):
    """`layer(embedding(ids))`: what `nn.EmbeddingLSTM` is for an LSTM, for any layer."""

    def __init__(self, embedding: nn.Embedding, layer: Recurrent) -> None:
        self.embedding, self.layer = embedding, layer

    def forward(self, ids: Tensor, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """ids (T, B), hx as in the layer -> states (T, B, H), the last state"""
        return self.layer(self.embedding(ids), hx, lengths)


class RNNLM(nn.Module):
    """Scores of the next token after each token.   KTH, *A RNN Neural Language Model*; Mikolov 2010; Zaremba 2014.

    embedding: E, the size of a word's vector; None for one-hot input (E = V, and W_x takes columns).
    cell: "rnn", "lstm" or "gru".  dropout: between embedding, layers and reading, not over time (Zaremba 2014).
    tied: W_y is the embedding's table (Press and Wolf 2017); where H is not E, `project` maps a state to E before.
    init: table and W_y start uniform in +-init and b_y at 0 (Zaremba: 0.1). None: PyTorch's starts; a tied table starts
    as W_y would, for scores from a standard normal one are far from any softmax.
    options: of the layer, such as forget_bias=1.0 or bias="one".
    Characters: an LSTM whose vocabulary is at most 1.5 E joins table and layer in one node (`nn.EmbeddingLSTM`).
    Raises ValueError for another cell, MinigradError for tied without an embedding.
    """

    def __init__(self, vocabulary_size: int, *, embedding: int | None = None, hidden: int = 128, cell: str = "lstm",
                 layers: int = 1, dropout: float = 0.0, tied: bool = False, init: float | None = None,
                 **options: Any) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell is one of {', '.join(CELLS)}, not {cell!r}")
        if tied and embedding is None:
            raise MinigradError(describe("tied weights share the embedding's table, and one-hot input has none.",
                                         fix="RNNLM(..., embedding=E, tied=True)"))
        self.vocabulary_size, self.cell, self.dropout = vocabulary_size, cell, dropout
        width = vocabulary_size if embedding is None else embedding
        options["dropout"] = dropout if layers > 1 else 0.0
        if cell == "lstm":
            self.reader: Any = nn.EmbeddingLSTM(vocabulary_size, width, hidden, layers, **options)
        else:
            self.reader = EmbeddedLayer(nn.Embedding(vocabulary_size, width),
                                        CELLS[cell](width, hidden, layers, **options))
        table = self.reader.embedding
        if embedding is None:                  # a row of the identity is a one-hot vector
            table.weight = nn.Parameter(np.eye(vocabulary_size, dtype=table.weight.dtype), requires_grad=False)
        state = self.layer.output_size
        self.project = nn.Linear(state, width, bias=False) if tied and width != state else None
        self.read = nn.Linear(width if tied else state, vocabulary_size)
        if init is not None and self.read.bias is not None:
            nn.init.uniform_(self.read.weight, -init, init)
            nn.init.zeros_(self.read.bias)
            if embedding is not None:
                nn.init.uniform_(table.weight, -init, init)
        if tied:
            table.weight = self.read.weight

    @property
    def layer(self) -> Recurrent:
        """The recurrent layer."""
        return self.reader.lstm if self.cell == "lstm" else self.reader.layer

    def forward(self, ids: Tensor, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """ids (T, B), state of the layer or None for zeros -> scores of the next token (T, B, V), state

        lengths: of the texts in the batch, as in `nn.RNN`.
        """
        if self.dropout and self.training:
            h, state = self.layer(F.dropout(self.reader.embedding(ids), self.dropout), state, lengths)
            h = F.dropout(h, self.dropout)                                     # (T, B, H)
        else:
            h, state = self.reader(ids, state, lengths)
        return self.read(h if self.project is None else self.project(h)), state

    def loss(self, x: Tensor, y: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The mean of -ln P(y_t | x_1 .. x_t), and the state.  x, y (T, B)"""
        scores, state = self(x, state)
        return F.cross_entropy(scores.reshape(-1, self.vocabulary_size), y.reshape(-1)), state

    # ------------------------------------------------------------------------------------------ what a text is worth

    def nats(self, ids: Sequence[int] | np.ndarray, *, batch: int = 1, steps: int = 256) -> np.ndarray:
        """-ln P of each id given all before it: ids (L,) -> (L - 1,), for the first one is only given.

        batch: the text as that many pieces side by side, which is faster, forgets what came before each piece, and
        leaves out up to batch - 1 ids at the end; the order is then that of time steps.
        """
        if len(ids) < 2:
            raise ShapeError(describe(f"a text of {len(ids)} ids has nothing to predict.",
                                      fix="at least two: the first is given"))
        found, state = [], None
        device = self.read.weight.device
        with judging(self):
            for x, y, _ in streams(np.asarray(ids), batch, steps):
                scores, state = self(tensor(x, device=device), state)
                losses = F.cross_entropy(scores.reshape(-1, self.vocabulary_size), tensor(y, device=device).reshape(-1),
                                         reduction="none")
                found.append(losses.cpu().numpy().astype(np.float64))
        return np.concatenate(found)

    def score(self, ids: Sequence[int] | np.ndarray) -> float:
        """ln P(ids[1:] | ids[0]): of a sentence from <bos> to <eos>.   Télécom, *(2) Test using a RNN*."""
        return -float(self.nats(ids).sum())

    def perplexity(self, ids: Sequence[int] | np.ndarray, *, batch: int = 1) -> float:
        """exp of the mean of `nats`: V for a model that knows nothing."""
        return math.exp(self.nats(ids, batch=batch).mean())

    def bits(self, ids: Sequence[int] | np.ndarray, *, batch: int = 1) -> float:
        """Mean of -log2 P: bits per character where a token is one."""
        return float(self.nats(ids, batch=batch).mean()) / math.log(2)

    # ------------------------------------------------------------------------------------------ text

    def step(self, ids: np.ndarray, state: Any = None) -> tuple[np.ndarray, Any]:
        """One token of each text: ids (B,) -> ln P of the next one (B, V) in float64, state. What `decoding` calls."""
        with judging(self):
            scores, state = self(tensor(ids[None], device=self.read.weight.device), state)
            log_p = F.log_softmax(scores[0], -1).cpu().numpy()
        return log_p.astype(np.float64), state

    def sample(self, prompt: Sequence[int] | np.ndarray, length: int, rng: np.random.Generator, **options: Any
               ) -> np.ndarray:
        """`decoding.sample` from this model: temperature, top_k, top_p, stop."""
        return decoding.sample(self.step, prompt, length, rng, **options)

    def search(self, prompt: Sequence[int] | np.ndarray, length: int, **options: Any) -> list[decoding.Found]:
        """`decoding.beam_search` in this model: beam, stop, alpha."""
        return decoding.beam_search(self.step, prompt, length, **options)


def train_chunk(model: RNNLM, optimizer: optim.Optimizer, x: Tensor, y: Tensor, state: Any = None, *,
                max_norm: float = 1.0) -> tuple[float, Any]:
    """One step of truncated BPTT: the loss of a chunk x, y (T, B), and the state that the next chunk starts with.

    Escalera, *Truncated Backpropagation through time*: the state is carried on, cut from its past. Gradients are
    clipped to max_norm together.
    """
    loss, state = model.loss(x, y, state)
    optimizer.zero_grad()
    loss.backward()
    optim.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], max_norm)
    optimizer.step()
    return loss.item(), detach(state)
