"""What `seq2seq` and `translation` share: texts as ids, one way to train, what a translator writes and looks at."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad import optim, viz
from minigrad.data._distinct import Pair
from minigrad.data.streams import batches_by_length, padded
from minigrad.data.vocabulary import EOS, Vocabulary
from minigrad.experiments.harness import Context
from minigrad.models.translating import batch_of, encoded, loss, translate

WARM = 50                                      # updates over which the rate rises: the first ones of Adam are rough


class Texts(NamedTuple):
    """Pairs of tokens: to train on, to test, and sources longer than any of the former two; vocabularies of `train`."""

    train: list[Pair]
    test: list[Pair]
    longer: list[Pair]
    source: Vocabulary
    target: Vocabulary


def texts_of(train: list[Pair], test: list[Pair], longer: list[Pair]) -> Texts:
    """Texts with the words of `train` alone: any other word of a test is <unk>."""
    words = [Vocabulary.build(token for pair in train for token in pair[side]) for side in (0, 1)]
    return Texts(train, test, longer, *words)


def learn(ctx: Context, model: Any, texts: Texts, rounds: int, rate: float, batch: int = 32) -> Any:
    """The model after `rounds` of Adam over the training pairs, its rate falling as a cosine; logs the loss."""
    model, pairs = ctx.to_device(model), encoded(texts.train, texts.source, texts.target)
    steps = rounds * math.ceil(len(pairs) / batch)
    adam = optim.Adam(model.parameters(), lr=rate)
    schedule = optim.LambdaLR(adam, lambda t: min((t + 1) / WARM, 1.0) * (1 + math.cos(math.pi * t / steps)) / 2)
    for epoch in ctx.rounds(rounds, model=model, optimizer=adam, schedule=schedule):
        losses = []
        for rows in batches_by_length([len(x) for x, _ in pairs], batch, ctx.rng):
            nats = loss(model, *batch_of(pairs, rows))
            adam.zero_grad()
            nats.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            schedule.step()
            losses.append(nats.item())
        ctx.log(epoch, loss=np.mean(losses))
    return model.eval()


def written(model: Any, texts: Texts, pairs: Sequence[Pair], beam: int = 0) -> list[list[str]]:
    """What a model writes for the sources of some pairs: greedily, or by beam search."""
    most = 10 + 3 * max(len(source) for source, _ in pairs) // 2
    found = translate(model, [texts.source.encode(x) for x, _ in pairs], most, beam=beam)
    return [texts.target.decode(ids) for ids in found]


def exact(texts: Sequence[Sequence[str]], pairs: Sequence[Pair]) -> float:
    """The share of texts that are their target, token by token."""
    return float(np.mean([list(text) == target for text, (_, target) in zip(texts, pairs, strict=True)]))


def attention_maps(model: Any, texts: Texts, pairs: Sequence[Pair]) -> list[tuple[np.ndarray, list[str], list[str]]]:
    """For each source: the weights (T, S) with which the model looks at it, what it writes (T), and the source (S)."""
    rows = [[*text, EOS] for text in written(model, texts, pairs)]
    source, lengths = padded([texts.source.encode(x) for x, _ in pairs])
    target, _ = padded([[model.bos, *texts.target.encode(row[:-1])] for row in rows])
    weights = model.alignments(source, lengths, target)                          # (B, T, S)
    return [(w[:len(row), :len(x)], row, list(x)) for w, row, (x, _) in zip(weights, rows, pairs, strict=True)]


def by_length(pairs: Sequence[Pair], width: int) -> dict[float, np.ndarray]:
    """Middle of a range of source lengths -> which pairs have such sources; ranges with 1 pair of 100 or more.

    A range has `width` lengths and ends at a multiple of it, 1 to 4, 5 to 8 ...; its middle is that of those there are.
    """
    sizes = np.array([len(source) for source, _ in pairs])
    ranges = [np.flatnonzero((sizes - 1) // width == k) for k in np.unique((sizes - 1) // width)]
    return {float(sizes[rows].min() + sizes[rows].max()) / 2: rows for rows in ranges if len(rows) >= len(pairs) / 100}


def over_length(lines: Mapping[str, Sequence[Any]], longest: int, **options: Any) -> Any:
    """`viz.curves` of values over source lengths, shaded where sources are longer than any that was trained on."""
    figure = viz.curves({f"trained on sources of up to {longest}; longer ones are shaded": lines}, **options)
    ax = figure.axes[0]
    right = ax.get_xlim()[1]
    ax.axvspan(longest + 0.5, right, color="#EFEFEF", zorder=0, lw=0)
    ax.set_xlim(right=right)
    return figure
