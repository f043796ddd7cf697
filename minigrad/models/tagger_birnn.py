"""A tagger that reads both ways, in one layer or several.   Télécom, *Bi-directional RNN*; Riveill, *Stacked Bi-RNN*.

    h->_t from the left, h<-_t from the right        y_t = W_y [h->_t; h<-_t] + b_y

A layer above reads [h->; h<-] of the one below. From the right it begins at each sentence's own last word.
"""
from __future__ import annotations

from .tagger_rnn import RNNTagger


class BiRNNTagger(RNNTagger):
    """Scores of K tags for each word from the whole sentence.

    words: V.  tags: K.  layers: 1, or more for the stacked one.  embedding: E.  hidden: H of each direction.
    cell: "rnn", "lstm" or "gru".  more: see RNNTagger.
    """

    def __init__(self, words: int, tags: int, *, layers: int = 1, embedding: int = 32, hidden: int = 32,
                 cell: str = "gru", more: int = 0) -> None:
        super().__init__(words, tags, embedding=embedding, hidden=hidden, cell=cell, more=more, num_layers=layers,
                         bidirectional=True)
