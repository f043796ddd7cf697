"""A recurrent network that says what is in a picture, which it gets as one vector v.

    h_t = tanh(W_x x_t + W_h h_(t-1) + W_v v)      the picture at every step: Escalera, *Convolutional neural networks*
    x_(-1) = W_v v, then words, LSTM               once, before the words: Chemnitz, *One to Many*; Vinyals 2015
    h_0, c_0 = tanh(W_v v + b)                     as the state before the words
    p(y_t | y_<t, picture) = softmax(W_y h_t + b)

Vinyals, Toshev, Bengio, Erhan (2015), *Show and Tell*. The slide's W_ih is W_v here. A caption begins with <bos> and
ends with <eos> (Escalera's START token); in training the true words are read, afterwards the model's own. To translate
a picture is what the model does, so it is a `Translator` (models/translating.py), from pictures instead of sentences:
`loss`, `greedy` and `search` there train it and let it speak.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..create import tensor
from ..errors import ShapeError, describe
from ..nn import functional as F
from ..ops import broadcast_to, concatenate, expand_dims, squeeze, tanh
from ..ops_select import split
from ..tensor import Tensor
from . import decoding
from ._judging import judging
from .image_encoder import ImageVector
from .rnn_lm import CELLS
from .translating import log_probabilities

IMAGES = ("first", "every", "init")


def caption_step(x: Tensor, h: Tensor, v: Tensor, w_x: Tensor, w_h: Tensor, w_v: Tensor) -> Tensor:
    """One step of Escalera's captioner.  *Convolutional neural networks* [and recurrent ones].

        before:  h' = tanh(W_x x + W_h h)
        now:     h' = tanh(W_x x + W_h h + W_v v)

    x (B, E), h (B, H), v (B, V) -> h' (B, H).  ShowAndTell(image="every", cell="rnn") is this with W_ih = [W_x W_v].
    """
    return tanh(F.linear(x, w_x) + F.linear(h, w_h) + F.linear(v, w_v))


class ShowAndTell(nn.Module):
    """Scores of the next word of a caption, given the picture and the words before.

    encoder: pictures -> v (B, size); None for a model that sees no picture, a language model of captions.
    image: v comes "first", as the word before all words, at "every" step beside the word, or as the state ("init").
    cell: "lstm" (Show and Tell), "rnn" (Escalera) or "gru".  bos, eos: ids of the two ends.
    embedding: the size of word vectors, which are learned, or their values (V, E), such as word2vec's (Chemnitz).
    options: of the layer, such as forget_bias=2.0: what came first has to last to the end.
    Raises ValueError for another image or cell, ShapeError for word vectors that are not (V, E).
    """

    def __init__(self, encoder: ImageVector | None, vocabulary_size: int, *, bos: int, eos: int, image: str = "first",
                 cell: str = "lstm", embedding: int | np.ndarray = 32, hidden: int = 64, **options: Any) -> None:
        if image not in IMAGES or cell not in CELLS:
            raise ValueError(f"image is one of {', '.join(IMAGES)}, cell one of {', '.join(CELLS)}: not {image!r} and "
                             f"{cell!r}")
        self.encoder, self.image, self.bos, self.eos = encoder, image if encoder else "none", bos, eos
        self.embedding = word_vectors(vocabulary_size, embedding)
        width = self.embedding.weight.shape[1]
        seen = 0 if encoder is None else encoder.size
        self.layer = CELLS[cell](width + seen * (self.image == "every"), hidden, batch_first=True, **options)
        if self.image in ("first", "init"):    # at every step the layer's own W_ih has the columns W_v
            self.w_v = nn.Linear(seen, width if image == "first" else hidden * len(self.layer.state_sizes))
            # v, of about 0.5 an entry, becomes as long as a word: smaller, it is forgotten before it is found useful
            nn.init.normal_(self.w_v.weight, 0.0, 2 * seen ** -0.5)
        self.read = nn.Linear(hidden, vocabulary_size)

    def forward(self, images: Tensor, lengths: Any, captions: Tensor) -> Tensor:
        """images (B, 3, 24, 24), captions (B, T) that begin with <bos> -> scores of each next word (B, T, V)

        lengths: None; pictures have none.  captions (k B, T): k captions for each picture, one after another.
        """
        return self.read(self._read_on(captions, self.start(images, lengths, captions_each(images, captions)))[0])

    def start(self, images: Tensor, lengths: Any = None, each: int = 1) -> tuple[Tensor | None, Any]:
        """The state before <bos>: v, if it is read at every step, and the layer's state.  each: captions a picture."""
        if self.encoder is None:
            return None, None
        v = repeated(self.encoder(images), each)                                       # (B, size)
        if self.image == "every":
            return v, None
        if self.image == "first":
            return None, self.layer(expand_dims(self.w_v(v), 1))[1]
        parts = split(expand_dims(tanh(self.w_v(v)), 0), self.layer.hidden_size, -1)   # each (1, B, H)
        return None, parts[0] if len(parts) == 1 else tuple(parts)

    def _read_on(self, ids: Tensor, state: tuple[Tensor | None, Any]) -> tuple[Tensor, tuple[Tensor | None, Any]]:
        """Words (B, T) after a state -> h of all steps (B, T, H), the state after them."""
        v, hx = state
        x = self.embedding(ids)                                                        # (B, T, E)
        if v is not None:
            x = concatenate([x, broadcast_to(expand_dims(v, 1), (*x.shape[:2], v.shape[-1]))], -1)
        h, hx = self.layer(x, hx)
        return h, (v, hx)

    def step(self, ids: np.ndarray, state: tuple[Tensor | None, Any]) -> tuple[np.ndarray, tuple[Tensor | None, Any]]:
        """One word more, ids (B,) -> ln p of the next one (B, V), state. What `decoding` calls."""
        with judging(self):
            h, state = self._read_on(tensor(ids[:, None], device=self.read.weight.device), state)
            return log_probabilities(squeeze(self.read(h), 1)), state

    def pick(self, state: tuple[Tensor | None, Any], rows: np.ndarray) -> tuple[Tensor | None, Any]:
        """The state of these captions."""
        v, hx = state
        return None if v is None else v[tensor(rows, device=v.device)], decoding.take(hx, rows)


def word_vectors(vocabulary_size: int, embedding: int | np.ndarray) -> nn.Embedding:
    """A table (V, E) of word vectors: new ones of a size, or given ones, which are learned further.

    Raises ShapeError for given ones that are not one for each word.
    """
    if isinstance(embedding, (int, np.integer)):
        return nn.Embedding(vocabulary_size, int(embedding))
    given = np.asarray(embedding)
    if given.ndim != 2 or len(given) != vocabulary_size:
        raise ShapeError(describe(f"{vocabulary_size} words need word vectors ({vocabulary_size}, E), not "
                                  f"{given.shape}.", fix="a row for each id of the vocabulary"))
    table = nn.Embedding(*given.shape)
    table.weight = nn.Parameter(given.astype(table.weight.dtype))
    return table


def repeated(a: Tensor, each: int) -> Tensor:
    """Each row `each` times, one after another: (B, ...) -> (each B, ...)."""
    if each == 1:
        return a
    return broadcast_to(expand_dims(a, 1), (a.shape[0], each, *a.shape[1:])).reshape(-1, *a.shape[1:])


def captions_each(images: Tensor, captions: Tensor) -> int:
    """How many captions there are for each picture. Raises ShapeError where that is no whole number."""
    if captions.ndim != 2 or captions.shape[0] % images.shape[0] or not captions.shape[0]:
        raise ShapeError(describe(f"{images.shape[0]} pictures cannot share captions {tuple(captions.shape)}.",
                                  captions=captions._made(), fix="captions (B, T), or (k B, T) for k a picture"))
    return captions.shape[0] // images.shape[0]
