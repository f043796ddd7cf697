"""BERT's two readings, trained and tested on sentences with a verb between two nouns: hidden words, and classes."""
from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np

from minigrad import no_grad, optim
from minigrad.data.masking import IGNORE, MASK, mask_words, with_cls
from minigrad.data.two_sides import kinds, two_sided
from minigrad.data.vocabulary import Vocabulary
from minigrad.experiments.harness import Context
from minigrad.models._judging import judging
from minigrad.models.bert import BERT
from minigrad.nn import functional as F

ROUND = 50                                     # updates between two looks at the test


class Sentences(NamedTuple):
    """texts; ids (N, T) behind [CLS]; lengths (N,); verb (N,): its place in ids; kind (N,): of person, the class."""

    texts: list[list[str]]
    ids: np.ndarray
    lengths: np.ndarray
    verb: np.ndarray
    kind: np.ndarray

    def rows(self, rows: np.ndarray) -> Sentences:
        """Some of them."""
        return Sentences([self.texts[k] for k in rows], *(part[rows] for part in self[1:]))

    def in_turn(self) -> Sentences:
        """The same, so ordered that the first n hold each class as often as any, or once more, while all last."""
        turn = np.zeros(len(self.kind), int)
        for kind in set(self.kind.tolist()):
            turn[self.kind == kind] = np.arange((self.kind == kind).sum())
        return self.rows(np.lexsort((self.kind, turn)))


def sentences(rng: np.random.Generator, count: int, vocabulary: Vocabulary) -> Sentences:
    """`count` different sentences of `data.two_sides`."""
    texts, places = two_sided(rng, count)
    return Sentences(texts, *with_cls(vocabulary, texts), places + 1, np.array([kinds(text)[0] for text in texts]))


def pretrain(ctx: Context, model: BERT, data: Sentences, test: Sentences, vocabulary: Vocabulary, *, updates: int,
             rate: float = 3e-3, batch: int = 64) -> None:
    """Adam on the loss of hidden words, hidden anew in each batch; no label is used. Logs loss and verbs named.

    The rate rises over 100 updates and falls to 0 over the second half.
    """
    adam = optim.Adam(model.parameters(), lr=rate)
    schedule = optim.LambdaLR(adam, lambda i: min(1.0, (i + 1) / 100, 2 * (1 - i / updates)))
    for k in ctx.rounds(updates // ROUND, model=model, optimizer=adam, schedule=schedule):
        losses = []
        for _ in range(ROUND):
            some = data.rows(ctx.rng.integers(0, len(data.texts), batch))
            ids, targets = mask_words(ctx.rng, some.ids, some.lengths, vocabulary)
            loss = model.masked_loss(ctx.tensor(ids), some.lengths, targets)
            adam.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            schedule.step()
            losses.append(loss.item())
        ctx.log((k + 1) * ROUND, loss=np.mean(losses), verb=verbs_named(ctx, model, test, vocabulary))


def verbs_named(ctx: Context, model: BERT, test: Sentences, vocabulary: Vocabulary) -> float:
    """The share of sentences whose verb, behind [MASK], is the model's first choice."""
    rows, ids, targets = np.arange(len(test.texts)), test.ids.copy(), np.full(test.ids.shape, IGNORE)
    targets[rows, test.verb] = ids[rows, test.verb]
    ids[rows, test.verb] = vocabulary[MASK]
    with judging(model):
        scores, words = model.hidden_words(ctx.tensor(ids), test.lengths, targets)
    return float((scores.cpu().numpy().argmax(-1) == words).mean())


def by_one_side(data: Sentences, test: Sentences, side: int) -> float:
    """The share of verbs named by counting: the commonest one, in `data`, for the person (side 0) or the thing (1).

    That is the best that a model can do which sees no more than this side.
    """
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for text, at in zip(data.texts, data.verb, strict=True):
        counts[kinds(text)[side]][text[at - 1]] += 1
    said = [counts[kinds(text)[side]].most_common(1)[0][0] for text in test.texts]
    return float(np.mean([word == text[at - 1] for word, text, at in zip(said, test.texts, test.verb, strict=True)]))


def fine_tune(ctx: Context, model: BERT, labelled: Sentences, *, updates: int = 120, rate: float = 2e-3, batch: int = 32
              ) -> BERT:
    """Adam on the cross-entropy of the class at [CLS]; all weights are trained. The rate rises over 20 updates."""
    adam = optim.Adam(model.parameters(), lr=rate)
    schedule = optim.LambdaLR(adam, lambda i: min(1.0, (i + 1) / 20, 2 * (1 - i / updates)))
    for _ in range(updates):
        some = labelled.rows(ctx.rng.permutation(len(labelled.texts))[:batch])
        loss = F.cross_entropy(model(ctx.tensor(some.ids), some.lengths), ctx.tensor(some.kind))
        adam.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        schedule.step()
    return model


def classes_right(ctx: Context, model: BERT, test: Sentences) -> float:
    """The share of sentences of which [CLS] tells the class."""
    with judging(model), no_grad():
        return float((model(ctx.tensor(test.ids), test.lengths).cpu().numpy().argmax(-1) == test.kind).mean())
