"""The texts of x/lm_compare, the same ids for every model, and the training of its networks."""
from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad import optim
from minigrad.data.grammar import PHRASES
from minigrad.data.streams import streams
from minigrad.data.tokenise import sentences, words
from minigrad.data.topics import split_text, topics_text
from minigrad.data.vocabulary import EOS, UNK, Vocabulary
from minigrad.experiments.harness import Context
from minigrad.models.rnn_lm import RNNLM, train_chunk
from minigrad.nn import functional as F


class Corpus(NamedTuple):
    """A vocabulary, and a text to train on and one to test on as ids; each sentence is ended by <eos>.

    truth: the test text's perplexity under the probabilities that made it, where they are known.
    """

    vocabulary: Vocabulary
    train: np.ndarray
    test: np.ndarray
    truth: float | None = None


def help_pages(ctx: Context) -> Corpus:
    """Python's help pages, nine tenths to train on, by paragraph; words that come less than 5 times are <unk>."""
    text = topics_text()[:20_000 if ctx.quick else None]
    train, test = ([w for s in sentences(part) for w in [*words(s), EOS]]
                   for part in split_text(text, ctx.part("help pages"), (0.9, 0.1)))
    v = Vocabulary.build(train, min_count=5, specials=(UNK, EOS))
    return Corpus(v, v.encode(train), v.encode(test))


def phrases(ctx: Context) -> Corpus:
    """Sentences of the grammar around "the students opened their ..."."""
    rng, sizes = ctx.part("phrases"), (300, 100) if ctx.quick else (8000, 5000)
    v = Vocabulary.build(PHRASES.words, specials=(UNK, EOS))
    drawn = [PHRASES.sample(rng, n) for n in sizes]
    train, test = (v.encode(w for s in part for w in [*s, EOS]) for part in drawn)
    return Corpus(v, train, test, math.exp(-sum(math.log(PHRASES.probability(s)) for s in drawn[1]) / len(test)))


def train(ctx: Context, model: Any, ids: np.ndarray, passes: int, rate: float) -> Any:
    """An RNNLM or a WindowMLPLM after some passes of Adam, its rate falling as a cosine. Returns the model.

    Windows come 256 at a time in a new order, recurrent networks read 10 streams in chunks of 35 words.
    """
    adam = optim.Adam(ctx.to_device(model).parameters(), lr=rate)
    one_pass = _streams if isinstance(model, RNNLM) else _windows
    for k in ctx.rounds(passes, model=model, optimizer=adam):
        adam.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * k / passes)) / 2
        ctx.log(k, loss=np.mean(one_pass(ctx, model, adam, ids)))
    return model


def _streams(ctx: Context, model: RNNLM, adam: optim.Optimizer, ids: np.ndarray) -> list[float]:
    losses, state = [], None
    for x, y, _ in streams(ids, 10, 35):
        loss, state = train_chunk(model, adam, ctx.tensor(x), ctx.tensor(y), state)
        losses.append(loss)
    return losses


def _windows(ctx: Context, model: Any, adam: optim.Optimizer, ids: np.ndarray) -> list[float]:
    x, y = model.contexts(ids)
    order = ctx.rng.permutation(len(y))[:len(ids) - 1]                         # of "nearby 1" one in eight
    losses = []
    for rows in np.split(order, range(256, len(order), 256)):
        loss = F.cross_entropy(model(ctx.tensor(x[rows])), ctx.tensor(y[rows]))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return losses
