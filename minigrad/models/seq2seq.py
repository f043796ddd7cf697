"""Encoder and decoder: one network reads the source, another writes the target, and a vector is all between them.

    h_t = RNN(E x_t, h_(t-1)),   c = h_Tx                              Télécom, *Attention model* ("usual")
    s_0 = c,   s_tau = RNN([E' y_(tau-1) (; c)], s_(tau-1))
    p(y_tau | y_<tau, x) = softmax(W_o s_tau + b)

Chemnitz, *Many to Many: seq2seq* (the encoder's final state is the decoder's initial state); Télécom, *Sequence to
Sequence*; KTH, *RNN Design Patterns: Encoder-Decoder*; Escalera, *Sequence to Sequence*. In Sutskever 2014 c is the
start alone, in Cho 2014 it enters every step as well. With the source as its own target it is a recurrent autoencoder.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..errors import ShapeError, describe
from ..ops import broadcast_to, concatenate, tanh, unsqueeze
from ..tensor import Tensor
from . import decoding
from ._judging import judging
from .lengths import counted
from .rnn_lm import CELLS
from .translating import check_target, ids_of, log_probabilities

States = tuple[Tensor, ...]                    # (h,), or (h, c) of an LSTM, each (layers, B, H)


class Encoder(nn.Module):
    """Reads ids: a vector for each place, and the states that a decoder starts from.

    bidirectional: a_t = [a->_t; a<-_t] (Télécom, *Attention model*). What the two directions know at their ends is
    joined for the decoder, s_0 = tanh(W [a->_Tx; a<-_1] + b), in all layers by the same W (and another one for the cell
    of an LSTM); Bahdanau 2015 takes a<-_1 alone.  start: the size of s_0 then, `hidden` if not given.
    reverse: read each source from its end, so that its beginning is near to the decoder (Sutskever 2014).
    Raises ValueError for another cell, or for both.
    """

    def __init__(self, vocabulary_size: int, *, embedding: int, hidden: int, cell: str = "gru", layers: int = 1,
                 bidirectional: bool = False, reverse: bool = False, start: int | None = None, fused: bool = True
                 ) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell is one of {', '.join(CELLS)}, not {cell!r}")
        if reverse and bidirectional:
            raise ValueError("reverse=True chooses one direction, and bidirectional=True reads in both: leave one out")
        self.reverse = reverse
        self.embedding = nn.Embedding(vocabulary_size, embedding)
        self.layer = CELLS[cell](embedding, hidden, layers, bidirectional=bidirectional, batch_first=True, fused=fused)
        self.join = nn.ModuleList([nn.Linear(2 * hidden, start or hidden)
                                   for _ in self.layer.state_sizes if bidirectional])

    def forward(self, source: Tensor, lengths: Any = None) -> tuple[Tensor, States]:
        """ids (B, S), lengths (B,) or None -> of each place (B, S, directions * H), 0 behind the end, final states

        Each sentence ends at its own length: what stands behind it, and how much, changes nothing. A source of no token
        is a ShapeError.
        """
        if source.ndim != 2 or source.shape[1] == 0:
            raise ShapeError(describe(f"a source is ids (B, S), at least one token each, not {tuple(source.shape)}.",
                                      source=source._made()))
        if self.reverse:
            source = _backwards(source, lengths)
        places, last = self.layer(self.embedding(source), lengths=lengths)
        states = last if isinstance(last, tuple) else (last,)
        if self.layer.bidirectional:           # (layers * 2, B, H): the directions of a layer are neighbours
            states = tuple([tanh(join(concatenate([s[::2], s[1::2]], -1)))
                            for join, s in zip(self.join, states, strict=True)])
        return places, states


def _backwards(source: Tensor, lengths: Any) -> Tensor:
    """Each source of ids (B, S) from its end to its beginning; padding stays behind the end."""
    B, S = source.shape
    if lengths is None:
        return source[:, ::-1]
    n, xp = counted(lengths, source.device), source.device.xp
    if n.shape != (B,) or n.dtype.kind not in "iu":                # the layer says what is wrong
        return source
    place, end = xp.arange(S), n.data[:, None]
    turned = xp.clip(xp.where(place < end, end - 1 - place, place), 0, S - 1)
    return Tensor(xp.take_along_axis(source.data, turned, axis=1), False, source.device)


class Seq2Seq(nn.Module):
    """Scores of each next target token, given the source and the target so far; a `translating.Translator`.

    source_size, target_size: of the vocabularies.  embedding, hidden, layers: of both networks.  cell: "rnn", "lstm" or
    "gru".  context: "init", c is the decoder's first state (Sutskever), or "every", c enters every step too (Cho).
    bidirectional, reverse: of the `Encoder`.  bos, eos: ids of the target vocabulary (those of `data.Vocabulary`).
    Raises ValueError for another cell or context.
    """

    def __init__(self, source_size: int, target_size: int, *, embedding: int = 64, hidden: int = 128, cell: str = "gru",
                 layers: int = 1, context: str = "init", bidirectional: bool = False, reverse: bool = False,
                 bos: int = 2, eos: int = 3, fused: bool = True) -> None:
        if context not in ("init", "every"):
            raise ValueError(f"context is 'init' or 'every', not {context!r}")
        self.context, self.bos, self.eos = context, bos, eos
        self.encoder = Encoder(source_size, embedding=embedding, hidden=hidden, cell=cell, layers=layers,
                               bidirectional=bidirectional, reverse=reverse, fused=fused)
        self.embedding = nn.Embedding(target_size, embedding)
        self.decoder = CELLS[cell](embedding + hidden * (context == "every"), hidden, layers, batch_first=True,
                                   fused=fused)
        self.read = nn.Linear(hidden, target_size)

    def forward(self, source: Tensor, lengths: Any, target: Tensor) -> Tensor:
        """ids (B, S), lengths (B,) or None, ids (B, T) that begin with <bos> -> scores of each next token (B, T, V)"""
        check_target(source, target)
        return self.decode(target, self.encode(source, lengths))[0]

    def encode(self, source: Tensor, lengths: Any = None) -> tuple[States, Tensor]:
        """-> the decoder's first state, and c (1, B, H), which is the h of its uppermost layer"""
        _, states = self.encoder(source, lengths)
        return states, states[0][-1:]

    def decode(self, target: Tensor, state: tuple[States, Tensor]) -> tuple[Tensor, tuple[States, Tensor]]:
        """The next T tokens: ids (B, T), the state before them -> scores (B, T, V), the state after them"""
        s, c = state
        y = self.embedding(target)                                                     # (B, T, E)
        if self.context == "every":
            y = concatenate([y, broadcast_to(unsqueeze(c[0], 1), (*target.shape, c.shape[-1]))], -1)
        h, last = self.decoder(y, s if len(s) > 1 else s[0])                           # (B, T, H)
        return self.read(h), (last if isinstance(last, tuple) else (last,), c)

    # ------------------------------------------------------------------------------------------ writing

    def start(self, source: Tensor, lengths: Any = None) -> tuple[States, Tensor]:
        """The state before the first token."""
        with judging(self):
            return self.encode(source, lengths)

    def step(self, ids: np.ndarray, state: tuple[States, Tensor]) -> tuple[np.ndarray, tuple[States, Tensor]]:
        """One token of each sentence: ids (B,) -> ln p of the next one (B, V), state. What `decoding` calls."""
        with judging(self):
            scores, state = self.decode(ids_of(self, ids[:, None]), state)
            return log_probabilities(scores[:, 0]), state

    pick = staticmethod(decoding.take)         # all parts of a state are (layers, B, H)
