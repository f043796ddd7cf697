"""A tagger that knows words by number and by their letters.   Riveill, *Multi-level encoding*.

    x_t = [E w_t; h->_letters; h<-_letters]        then as BiRNNTagger

h->_letters is the state of a network that read the word's letters to its last one, h<-_letters of one that read them to
the first. So a word that no training sentence had is told by its ending.
"""
from __future__ import annotations

from .. import nn
from ..errors import MinigradError, describe
from ..nn import functional as F
from ..ops import concatenate
from ..tensor import Tensor
from .rnn_lm import CELLS
from .tagger_birnn import BiRNNTagger
from .tagging import Letters


class CharWordTagger(BiRNNTagger):
    """Scores of K tags for each word from the whole sentence, words and letters.

    words: V.  letters: how many there are.  tags: K.  letter_embedding, letter_hidden: of the network that reads the
    letters, the second in each direction.  The rest as in BiRNNTagger.
    """

    def __init__(self, words: int, letters: int, tags: int, *, letter_embedding: int = 16, letter_hidden: int = 16,
                 layers: int = 1, embedding: int = 32, hidden: int = 32, cell: str = "gru") -> None:
        super().__init__(words, tags, layers=layers, embedding=embedding, hidden=hidden, cell=cell,
                         more=2 * letter_hidden)
        self.letters = nn.Embedding(letters, letter_embedding)
        self.speller = CELLS[cell](letter_embedding, letter_hidden, batch_first=True, bidirectional=True)

    def inputs(self, words: Tensor, letters: Letters | None) -> Tensor:
        """words (B, T), letters: a `tagging.Letters` -> x (B, T, E + 2 H_letters)

        Raises MinigradError without letters.
        """
        if letters is None:
            raise MinigradError(describe("CharWordTagger reads letters, and got none.",
                                         fix="model(words, lengths, Letters(...)), as `tagging.scores` does"))
        _, last = self.speller(self.letters(letters.ids), lengths=letters.spelled)
        h = last[0] if isinstance(last, tuple) else last                       # (2, U, H): at each word's own ends
        spelling = concatenate([h[0], h[1]], -1)                               # (U, 2 H)
        return concatenate([self.embedding(words), F.embedding(letters.forms, spelling)], -1)
