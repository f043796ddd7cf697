"""BERT: a stack of encoders that is trained to name hidden words, then asked about the sentence at [CLS].

    h = layers(E[words] + P)                           each word sees all others, on both sides
    P(word at t) = softmax(E LN(gelu(W h_t + b)) + c)  asked where a word was hidden
    P(class) = softmax(V tanh(U h_0 + u) + v)          asked at place 0, where [CLS] stands

Devlin et al. 2019; Télécom, *BERT*: "trained Transformer encoder stack", the first token is [CLS] for classification.
No second sentence is given, so the paper's segments and its next-sentence task are left out.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..create import tensor, zeros
from ..errors import ShapeError, describe
from ..nn import functional as F
from ..ops import tanh
from ..ops_more import gelu
from ..tensor import Tensor
from .lengths import on_device
from .translating import IGNORE
from .word_encoder import WordEncoder


class BERT(nn.Module):
    """Two readings of one stack: hidden words (`word_scores`), and classes of the sentence (`forward`).

    classes: K.  longest: of a sentence with [CLS].  The table E is also the reading of words, as in the paper; matrices
    start normal with standard deviation `init`: 0.02 in the paper, for d of 768; a narrow model wants more.
    """

    def __init__(self, vocabulary_size: int, *, classes: int = 2, d_model: int = 32, heads: int = 4, layers: int = 2,
                 feedforward: int | None = None, dropout: float = 0.0, longest: int = 64, init: float = 0.1) -> None:
        self.vocabulary_size = vocabulary_size
        self.encoder = WordEncoder(vocabulary_size, d_model=d_model, heads=heads, layers=layers,
                                   feedforward=feedforward, dropout=dropout, activation="gelu", positions="learned",
                                   scale=False, longest=longest)
        self.transform, self.norm = nn.Linear(d_model, d_model), nn.LayerNorm(d_model)
        self.word_bias = nn.Parameter(zeros(vocabulary_size))
        self.pool, self.classify = nn.Linear(d_model, d_model), nn.Linear(d_model, classes)
        for p in self.parameters():
            if p.ndim > 1:
                nn.init.normal_(p, 0.0, init)

    def forward(self, ids: Tensor, lengths: Any) -> Tensor:
        """ids (B, T) with [CLS] first, lengths (B,) -> scores of the classes (B, K)"""
        return self.classify(tanh(self.pool(self.encoder(ids, lengths)[:, 0])))

    def word_scores(self, h: Tensor) -> Tensor:
        """States (..., d) -> scores of the word that stands there (..., V)"""
        return F.linear(self.norm(gelu(self.transform(h))), self.encoder.embedding.weight, self.word_bias)

    def hidden_words(self, ids: Tensor, lengths: Any, targets: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Scores (P, V) at the P places that are asked about, and the ids (P,) that belong there.

        ids (B, T), lengths (B,); targets (B, T) on the host, IGNORE at places not asked about (`data.mask_words`).
        Raises ShapeError where nothing is asked.
        """
        asked = np.flatnonzero(targets.reshape(-1) != IGNORE)
        if targets.shape != tuple(ids.shape) or not len(asked):
            raise ShapeError(describe(f"targets {targets.shape} for ids {tuple(ids.shape)} ask for {len(asked)} words.",
                                      fix="ids, targets = data.mask_words(...): at least one place that is not -100"))
        h = self.encoder(ids, lengths)
        return self.word_scores(h.reshape(-1, h.shape[-1])[asked]), targets.reshape(-1)[asked]

    def masked_loss(self, ids: Tensor, lengths: Any, targets: Any) -> Tensor:
        """The mean of -ln P(word that stood there), over the picked places alone.

        targets: as in `hidden_words`; or a Tensor on a GPU, where all places get scores and nobody looks which count.
        """
        if on_device(targets):
            scores = self.word_scores(self.encoder(ids, lengths))
            return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), targets.reshape(-1), ignore_index=IGNORE)
        scores, words = self.hidden_words(ids, lengths, targets)
        return F.cross_entropy(scores, tensor(words, device=scores.device))
