"""What all taggers share: scores of all tags for each word, a loss over real words, training, and answers.

Télécom, *Many-to-Many : T_x = T_y*: as many answers as words. Sentences of a batch are filled up to the longest; what
stands behind an end has no tag (IGNORE), so it is in no loss, and no score of a real word depends on it.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import nn, optim
from ..create import tensor
from ..data.streams import batches_by_length
from ..data.tagged_sentences import IGNORE, TagBatch
from ..data.vocabulary import PAD, UNK, Vocabulary
from ..nn import functional as F
from ..tensor import Tensor
from ._judging import judging


class Letters(NamedTuple):
    """The words of a batch as letters: ids (U, L) of each different word once, spelled (U,), how many it has, and
    forms (B, T), which of them stands there."""

    ids: Tensor
    spelled: np.ndarray
    forms: Tensor


class Tagger(nn.Module):
    """A model that gives each word of a sentence a score of each of K tags.  read: the layer that gives them."""

    read: nn.Linear

    def forward(self, words: Tensor, lengths: np.ndarray, letters: Letters | None = None) -> Tensor:
        """words (B, T), lengths (B,) -> scores (B, T, K). Letters are for those that read them."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")


def scores(model: Tagger, batch: TagBatch) -> Tensor:
    """The model's scores (B, T, K) of a batch."""
    device = model.read.weight.device
    return model(tensor(batch.words, device=device), batch.lengths,
                 Letters(tensor(batch.letters, device=device), batch.spelled, tensor(batch.forms, device=device)))


def loss(model: Tagger, batch: TagBatch) -> Tensor:
    """The mean over all real words of -ln P(tag | sentence). Words tagged IGNORE count neither above nor below."""
    z = scores(model, batch)
    tags = tensor(batch.tags.reshape(-1), device=z.device)
    return F.cross_entropy(z.reshape(-1, z.shape[-1]), tags, ignore_index=IGNORE)


def hidden(rng: np.random.Generator, batch: TagBatch, words: Vocabulary, alpha: float) -> TagBatch:
    """A batch in which a word that was counted n times is <unk> with probability alpha / (alpha + n).

    Training sentences have no unknown word, so without this nothing would be learned about <unk>; and rare words are
    most like those that are to come. Kiperwasser & Goldberg 2016, *Simple and Accurate Dependency Parsing*, with alpha
    1/4. Letters and tags stay.
    """
    p = alpha / (alpha + np.maximum(words.counts, 1))
    p[words[PAD]] = 0.0
    return batch._replace(words=np.where(rng.random(batch.words.shape) < p[batch.words], words[UNK], batch.words))


def train_epoch(model: Tagger, optimizer: optim.Optimizer, data: TagBatch, rng: np.random.Generator, *,
                batch: int = 32, words: Vocabulary | None = None, alpha: float = 2.0, max_norm: float = 5.0) -> float:
    """One pass over all sentences, those of like length together -> the mean loss.

    words, alpha: hide rare words as `hidden` does, if given.  max_norm: gradients are clipped to it together.
    """
    losses = []
    for rows in batches_by_length(data.lengths, batch, rng):
        part = data.rows(rows)
        value = loss(model, part if words is None else hidden(rng, part, words, alpha))
        optimizer.zero_grad()
        value.backward()
        optim.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(value.item())
    return float(np.mean(losses))


def log_probabilities(model: Tagger, data: TagBatch, *, batch: int = 256) -> np.ndarray:
    """ln P of each tag at each word: (N, T, K), NaN behind the ends of sentences."""
    width = model.read.out_features
    found = np.full((*data.words.shape, width), np.nan)
    with judging(model):
        for rows in batches_by_length(data.lengths, batch):
            part = data.rows(rows)
            log_p = F.log_softmax(scores(model, part), -1).cpu().numpy()
            real = part.tags != IGNORE
            found[rows[:, None], np.arange(real.shape[1])] = np.where(real[..., None], log_p, np.nan)
    return found


def greedy_tags(log_p: np.ndarray) -> np.ndarray:
    """The likeliest tag of each word on its own: (N, T, K) -> (N, T); IGNORE where log_p is NaN."""
    real = ~np.isnan(log_p[..., 0])
    return np.where(real, np.where(real[..., None], log_p, 0.0).argmax(-1), IGNORE)


def accuracy(tags: np.ndarray, predicted: np.ndarray, where: np.ndarray | None = None) -> float:
    """The share of right tags, (N, T) both, over the real words, or over those of them that `where` (N, T) holds.

    Raises ValueError where there is no such word.
    """
    counts = tags != IGNORE
    if where is not None:
        counts &= where
    if not counts.any():
        raise ValueError("accuracy over no word at all: each tag is IGNORE, or `where` is False everywhere")
    return float((tags == predicted)[counts].mean())


class MajorityTags:
    """The baseline that knows words alone: each has the tag that it had most often; an unknown one the commonest tag.

    words (N, T), tags (N, T): of the training sentences.  size: how many words there are.  K: how many tags.
    """

    def __init__(self, words: np.ndarray, tags: np.ndarray, size: int, K: int) -> None:
        real = tags != IGNORE
        counts = np.zeros((size, K))
        np.add.at(counts, (words[real], tags[real]), 1)
        self.best = np.where(counts.any(1), counts.argmax(1), counts.sum(0).argmax())

    def tags(self, words: np.ndarray) -> np.ndarray:
        """Word ids (N, T) -> tags (N, T)."""
        found: np.ndarray = self.best[words]
        return found
