"""A captioner that looks at another place of the picture for each word.   Escalera, *Image Captioning with Attention*.

    e_(t,p) = v^T tanh(W_s h_(t-1) + W_a a_p)        how well place p fits what was said so far
    alpha_t = softmax_p e_(t,p)
    z_t = sum_p alpha_(t,p) a_p                      what is seen
    h_t, c_t = LSTM([y_(t-1); z_t], h_(t-1), c_(t-1))
    p(y_t | y_<t, picture) = softmax(W_y [h_t; z_t] + b)
    h_0, c_0 = tanh(W_0 (sum_p a_p) / P + b)

Xu et al. (2015), *Show, Attend and Tell* (ICML, as Escalera says); Chemnitz, *One to Many: image caption generation
(3)*. The decks have pictures of it and no equation: these are the paper's, whose
output layer has a hidden layer besides.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..create import tensor
from ..nn.scores import AdditiveScore, attend_to
from ..ops import concatenate, stack, tanh
from ..ops_select import split
from ..tensor import Tensor
from . import translating
from ._judging import judging
from .image_encoder import Places
from .show_and_tell import captions_each, repeated, word_vectors
from .translating import log_probabilities

State = tuple[Tensor, Tensor, Tensor, Tensor]  # h, c, the places a, and W_a a: what all steps share


class ShowAttendTell(nn.Module):
    """Scores of the next word of a caption, given the places of the picture and the words before.

    places: pictures -> a (B, P, F).  attention: the size of the score's hidden layer.  bos, eos: ids of the two ends.
    embedding: size of the word vectors, or their values.  options: of the LSTM cell.  A `Translator`, from pictures.
    """

    def __init__(self, places: Places, vocabulary_size: int, *, bos: int, eos: int, embedding: int | np.ndarray = 32,
                 hidden: int = 64, attention: int = 32, **options: Any) -> None:
        self.places, self.bos, self.eos = places, bos, eos
        self.embedding = word_vectors(vocabulary_size, embedding)
        self.score = AdditiveScore(hidden, places.features, attention)
        self.init = nn.Linear(places.features, 2 * hidden)
        self.cell = nn.LSTMCell(self.embedding.weight.shape[1] + places.features, hidden, **options)
        self.read = nn.Linear(hidden + places.features, vocabulary_size)

    def start(self, images: Tensor, lengths: Any = None, each: int = 1) -> State:
        """The state before <bos>.  each: captions a picture."""
        a = self.places(images)                                                        # (B, P, F)
        h, c = split(tanh(self.init(a.mean(1))), self.cell.hidden_size, -1)
        h, c, a, seen = (repeated(part, each) for part in (h, c, a, self.score.project(a)))
        return h, c, a, seen

    def look(self, word: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """One step: word vectors (B, E), state -> [h_t; z_t] (B, H + F), alpha_t (B, P), state."""
        h, c, a, seen = state
        z, alpha = attend_to(self.score.compare(h, seen), a)
        h, c = self.cell(concatenate([word, z], -1), (h, c))
        return concatenate([h, z], -1), alpha, (h, c, a, seen)

    def read_all(self, images: Tensor, captions: Tensor) -> tuple[Tensor, Tensor]:
        """[h_t; z_t] at every word (B, T, H + F), and the weights alpha (B, T, P)."""
        state, found = self.start(images, None, captions_each(images, captions)), []
        for word in self.embedding(captions).unbind(1):
            *parts, state = self.look(word, state)
            found.append(parts)
        seen, alpha = (stack(part, 1) for part in zip(*found, strict=True))
        return seen, alpha

    def forward(self, images: Tensor, lengths: Any, captions: Tensor) -> Tensor:
        """images (B, 3, 24, 24), captions (B, T) or (k B, T) -> scores of each next word (B, T, V).  lengths: None"""
        return self.read(self.read_all(images, captions)[0])

    def attention(self, images: Any, captions: Any) -> np.ndarray:
        """Where the model looks for each word of captions[:, 1:], having read those before: (B, T - 1, P).

        Rows sum to 1.  Chemnitz, *One to Many (3)*; `viz.over_image` draws it.
        """
        images, captions = translating.ids_of(self, images), translating.ids_of(self, captions)
        with judging(self):
            return self.read_all(images, captions[:, :-1])[1].cpu().numpy()

    def coverage(self, alpha: Tensor, real: Tensor) -> Tensor:
        """The mean over captions of sum_p (1 - sum_t alpha_(t,p))^2: the paper's "doubly stochastic" loss.

        alpha (B, T, P) of `read_all`; real (B, T): 1 at words, 0 at padding.  It asks that each place be looked at for
        about one word in all. That suits a caption that names all of a picture; ours name one or two of nine places.
        """
        left = 1 - (alpha * real.unsqueeze(-1)).sum(1)                                 # (B, P)
        return (left * left).sum(1).mean()

    def step(self, ids: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """One word more, ids (B,) -> ln p of the next one (B, V), state. What `decoding` calls."""
        with judging(self):
            seen, _, state = self.look(self.embedding(tensor(ids, device=self.read.weight.device)), state)
            return log_probabilities(self.read(seen)), state

    def pick(self, state: State, rows: np.ndarray) -> State:
        """The state of these captions."""
        at = tensor(rows, device=state[0].device)
        h, c, a, seen = (part[at] for part in state)
        return h, c, a, seen
