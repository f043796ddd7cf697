"""Answers to questions about a picture.   Chemnitz, *Many to Many: Question answering / Scene understanding*.

    h_t, c_t = LSTM([E[q_t]; v], h_(t-1), c_(t-1))             the question word by word, beside the picture's vector
    p(answer) = softmax(W_y h_T + b)

The slide has a convolutional network for the picture, an LSTM for the question, and behind both an answer, which here
is one word. v holds all things at once, and which of them a word means is for the LSTM to find out. So beside it stands
a reader that looks at the places of the picture once for each word, as a captioner does (models/show_attend_tell.py):
it is to look at the circle when it reads "circle", at the square when it reads "square", and to compare what it saw.

    alpha_t = softmax_p (W_q E[q_t] + b)^T a_p / sqrt F          z_t = sum_p alpha_(t,p) a_p
    h_t, c_t = LSTM([E[q_t]; z_t], h_(t-1), c_(t-1))
    p(answer) = softmax(W_y [h_T; (W_g h_T + b) * (sum_p a_p) / P] + b)

Weights add up to 1 over places, so z_t cannot tell two circles from one. The mean of all places can, and the product
chooses what of it is counted (Antol et al. 2015, *VQA*, multiply picture and question so).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..data.questions import Questions
from ..data.shapes import CELLS
from ..nn.attention import attend
from ..ops import broadcast_to, concatenate, expand_dims
from ..tensor import Tensor
from ._judging import judging
from .image_encoder import ImageVector, Places
from .translating import ids_of


class VQA(nn.Module):
    """Scores of the answers.  encoder: pictures -> v (B, size), or None for one that reads the question alone.

    reads: False for one that sees the picture alone: every word is the same to it.
    """

    def __init__(self, encoder: ImageVector | None, vocabulary_size: int, answers: int, *, embedding: int = 32,
                 hidden: int = 64, reads: bool = True) -> None:
        self.encoder, self.reads = encoder, reads
        self.embedding = nn.Embedding(vocabulary_size, embedding)
        self.layer = nn.LSTM(embedding + (encoder.size if encoder else 0), hidden, batch_first=True, forget_bias=1.0)
        self.read = nn.Linear(hidden, answers)

    def forward(self, images: Tensor, questions: Tensor, lengths: Any) -> Tensor:
        """images (B, 3, 24, 24), word ids (B, T), their lengths (B,) -> scores of the answers (B, A)"""
        x = self.embedding(questions if self.reads else questions * 0)                 # (B, T, E)
        if self.encoder is not None:
            v = self.encoder(images)
            x = concatenate([x, broadcast_to(expand_dims(v, 1), (*x.shape[:2], v.shape[-1]))], -1)
        _, (h, _) = self.layer(x, lengths=lengths if self.reads else None)
        return self.read(h[0])


class AttentiveVQA(nn.Module):
    """Scores of the answers, with a look at the places for each word.  places: pictures -> a (B, P, F)."""

    def __init__(self, places: Places, vocabulary_size: int, answers: int, *, embedding: int = 32, hidden: int = 64
                 ) -> None:
        self.places = places
        self.embedding, self.query = nn.Embedding(vocabulary_size, embedding), nn.Linear(embedding, places.features)
        self.layer = nn.LSTM(embedding + places.features, hidden, batch_first=True, forget_bias=1.0)
        self.gate = nn.Linear(hidden, places.features)
        self.read = nn.Linear(hidden + places.features, answers)

    def forward(self, images: Tensor, questions: Tensor, lengths: Any) -> Tensor:
        """images (B, 3, 24, 24), word ids (B, T), their lengths (B,) -> scores of the answers (B, A)"""
        a, x = self.places(images), self.embedding(questions)                          # (B, P, F), (B, T, E)
        z, _ = attend(self.query(x), a, a)                                             # (B, T, F)
        _, (h, _) = self.layer(concatenate([x, z], -1), lengths=lengths)
        return self.read(concatenate([h[0], self.gate(h[0]) * a.mean(1)], -1))

    def attention(self, images: Any, questions: Any) -> np.ndarray:
        """Where the model looks at each word, images (B, 3, 24, 24), ids (B, T) -> (B, T, P); rows sum to 1."""
        images, questions = ids_of(self, images), ids_of(self, questions)
        with judging(self):
            a = self.places(images)
            return attend(self.query(self.embedding(questions)), a, a)[1].cpu().numpy()


def best_of(values: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """For each question the commonest answer among those with the same value: what knows the value alone can reach.

    values (N,): such as the picture, or the question's text as a number.  answers (N,) -> (N,).
    """
    said = np.zeros_like(answers)
    for value in np.unique(values):
        at = values == value
        said[at] = np.bincount(answers[at]).argmax()
    return said


def looks_at_named(looks: np.ndarray, asked: Questions) -> float:
    """Of the questions that end in the name of a shape, the share whose largest weight at that word is at the thing.

    looks (N, T, P): of `attention` for all questions.
    """
    hits = []
    for text, weights, length, at in zip(asked.texts, looks, asked.lengths, asked.picture, strict=True):
        named = [it.row * CELLS + it.column for it in asked.scenes[at] if it.shape == text.split()[-1]]
        if named:
            hits.append(weights[length - 1].argmax() == named[0])
    return float(np.mean(hits))


def answers_of(model: Any, asked: Questions) -> np.ndarray:
    """The best answer to each question (N,): a number of `data.questions.ANSWERS`."""
    with judging(model):
        scores = model(ids_of(model, asked.images[asked.picture]), ids_of(model, asked.ids), asked.lengths)
        return scores.cpu().numpy().argmax(-1)
