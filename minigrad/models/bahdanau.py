"""Attention: the decoder looks at all places of the source, at each step at those that matter to it.

    a_t = [a->_t; a<-_t]                                           annotations of a bidirectional encoder
    e_(tau,t) = v^T tanh(W_s s_(tau-1) + W_a a_t)                  the alignment model
    alpha_(tau,t) = exp e_(tau,t) / sum_t' exp e_(tau,t')          over the true places of the source
    c_tau = sum_t alpha_(tau,t) a_t                                the context vector
    s_tau = GRU([E' y_(tau-1); c_tau], s_(tau-1))
    p(y_tau | y_<tau, x) = softmax(W_o s_tau + b)

Télécom, *Attention model* (six slides); Bahdanau et al. 2015. One vector c = a_Tx is too little for a long sentence.
The output sees s_tau alone, as the decks print it: s_tau has read c_tau already. The paper's also sees y_(tau-1) and
c_tau, through a layer of maxout units.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..backend import cpu
from ..create import tensor
from ..errors import ShapeError, describe
from ..nn.fused import bahdanau as on_host
from ..nn.gpu import bahdanau as on_device
from ..nn.scores import AdditiveScore, attend_to, score_of
from ..ops import concatenate, stack, swapaxes, tanh
from ..tensor import Tensor
from ._judging import judging
from .seq2seq import Encoder
from .translating import behind, check_target, ids_of, log_probabilities


class Memory(NamedTuple):
    """A source that was read, and the decoder's state: what goes from step to step.

    s (B, H); annotations (B, S, 2 H); keys, what the score makes of them once; hidden (B, S), True at padding, or None.
    """

    s: Tensor
    annotations: Tensor
    keys: Tensor
    hidden: Tensor | None


class Bahdanau(nn.Module):
    """Scores of each next target token, given the source and the target so far; a `translating.Translator`.

    source_size, target_size: of the vocabularies.  embedding: of both.  hidden: of the decoder, of each direction of
    the encoder, and of the alignment model.
    score: "additive", or Luong's "dot", "general", "concat" (`nn/scores.py`). A dot needs annotations as wide as s:
    then each direction of the encoder has hidden / 2.
    query: "previous", the score sees s_(tau-1), and c_tau enters the step (the decks); or "current" (Luong 2015): s_tau
    is computed first, the score sees it, and the output reads tanh(W_c [c_tau; s_tau]).
    bos, eos: ids of the target vocabulary (those of `data.Vocabulary`).
    Raises ValueError for another score or query, ShapeError for a dot with an odd hidden size.
    """

    def __init__(self, source_size: int, target_size: int, *, embedding: int = 64, hidden: int = 128,
                 score: str = "additive", query: str = "previous", bos: int = 2, eos: int = 3, fused: bool = True
                 ) -> None:
        if query not in ("previous", "current"):
            raise ValueError(f"query is 'previous' or 'current', not {query!r}")
        if score == "dot" and hidden % 2:
            raise ShapeError(describe(f"annotations of two directions cannot be {hidden} wide, as a dot score with s "
                                      "needs them.", fix="an even hidden size, or score='general'"))
        self.query, self.bos, self.eos, self.fused = query, bos, eos, fused
        self.encoder = Encoder(source_size, embedding=embedding, hidden=hidden // 2 if score == "dot" else hidden,
                               bidirectional=True, start=hidden, fused=fused)
        width = 2 * self.encoder.layer.hidden_size
        self.score = score_of(score, hidden, width, hidden)
        self.embedding = nn.Embedding(target_size, embedding)
        self.cell = nn.GRUCell(embedding + width * (query == "previous"), hidden)
        self.mix = nn.Linear(width + hidden, hidden, bias=False) if query == "current" else None
        self.read = nn.Linear(hidden, target_size)

    def forward(self, source: Tensor, lengths: Any, target: Tensor) -> Tensor:
        """ids (B, S), lengths (B,) or None, ids (B, T) that begin with <bos> -> scores of each next token (B, T, V)"""
        check_target(source, target)
        s, c, _ = self.decode(self.embedding(target), self.encode(source, lengths))
        return self.scores(s, c)

    def encode(self, source: Tensor, lengths: Any = None) -> Memory:
        """Read the source: annotations, the keys of the score, the decoder's first state."""
        annotations, (s,) = self.encoder(source, lengths)
        return Memory(s[0], annotations, self.score.project(annotations), behind(lengths, source))

    def decode(self, y: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """All steps, with the true words: their vectors (B, T, E) -> s (B, T, H), c (B, T, 2 H), alpha (B, T, S)

        One node for an additive or concat score of s_(tau-1), if fused: `nn/fused/bahdanau.py` on cpu, and on a device
        with kernels, in float32, `nn/gpu/bahdanau.py`. Else the loop.
        """
        on_cpu = y.device is cpu
        known = on_cpu or on_device.fits(y.device.xp, y, memory.keys.shape[1])
        if (self.fused and known and self.query == "previous" and isinstance(self.score, AdditiveScore)
                and self.cell._hooks is None):                     # the node does not call the cell
            cell, score, hidden = self.cell, self.score, memory.hidden
            s, c, alpha = (on_host if on_cpu else on_device).bahdanau_sequence(
                swapaxes(y, 0, 1), memory.s, memory.keys, memory.annotations, score.w_s, score.v, cell.weight_ih,
                cell.weight_hh, cell.bias_ih, cell.bias_hh, hidden=None if hidden is None else hidden.data)
            return swapaxes(s, 0, 1), swapaxes(c, 0, 1), swapaxes(alpha, 0, 1)
        steps, s = [], memory.s
        for word in y.unbind(1):                                                       # (B, E)
            s, c, alpha = self.advance(word, memory._replace(s=s))
            steps.append((s, c, alpha))
        states, contexts, alignments = (stack(parts, 1) for parts in zip(*steps, strict=True))
        return states, contexts, alignments

    def advance(self, y: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """One step: the vector of the word before (B, E) -> s_tau (B, H), c_tau (B, 2 H), alpha_tau (B, S)"""
        s = memory.s
        if self.query == "current":
            s = self.cell(y, s)
        e = self.score.compare(s, memory.keys)                                         # (B, S)
        c, alpha = attend_to(e, memory.annotations, memory.hidden)
        if self.query == "previous":
            s = self.cell(concatenate([y, c], -1), s)
        return s, c, alpha

    def scores(self, s: Tensor, c: Tensor) -> Tensor:
        """s (..., H), c (..., 2 H) -> scores of the next token (..., V)"""
        return self.read(s if self.mix is None else tanh(self.mix(concatenate([c, s], -1))))

    # ------------------------------------------------------------------------------------------ writing, looking

    def start(self, source: Tensor, lengths: Any = None) -> Memory:
        """The state before the first token."""
        with judging(self):
            return self.encode(source, lengths)

    def step(self, ids: np.ndarray, state: Memory) -> tuple[np.ndarray, Memory]:
        """One token of each sentence: ids (B,) -> ln p of the next one (B, V), state. What `decoding` calls."""
        with judging(self):
            s, c, _ = self.advance(self.embedding(ids_of(self, ids)), state)
            return log_probabilities(self.scores(s, c)), state._replace(s=s)

    @staticmethod
    def pick(state: Memory, rows: np.ndarray) -> Memory:
        """The state of these sentences of the batch."""
        index = tensor(rows, device=state.s.device)
        hidden = None if state.hidden is None else state.hidden[index]
        return Memory(state.s[index], state.annotations[index], state.keys[index], hidden)

    def alignments(self, source: Any, lengths: Any, target: Any) -> np.ndarray:
        """alpha (B, T, S): in row tau the weights with which the model looks at the source when it writes the token
        after target[:, tau]; each row adds up to 1.   Télécom, *Visualisation of the attention weights*.

        source (B, S), lengths (B,) or None, target (B, T) ids that begin with <bos>.
        """
        with judging(self):
            memory = self.encode(ids_of(self, source), lengths)
            return self.decode(self.embedding(ids_of(self, target)), memory)[2].cpu().numpy()
