"""How word vectors are trained: one generator for each model, which says now and then how far it is.

    for seen in train_words(SkipGram(corpus.counts), corpus):
        print(f"{seen.share:.0%}  loss {seen.loss:.3f}")

Skip-gram and CBOW go over the text `epochs` times, each time with windows and left-out words drawn anew; the rate falls
linearly to nearly 0, as in word2vec. Skip-gram with negative sampling runs fused (nn/fused/skipgram.py) on cpu; on a
device with kernels its loss and CBOW's are one node each (nn/gpu/skipgram.py) of the readable form. GloVe goes over its
counts. The readable forms take Adam, GloVe its paper's AdaGrad, the fused one plain gradient steps.
"""
from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from .. import optim
from ..backend import cpu, generator
from ..create import tensor
from ..data.cooccurrence import cooccurrence
from ..data.skipgram_pairs import Corpus, contexts, keep_probability, pairs, reach, sides, subsample
from ..errors import MinigradError, describe
from ..nn.fused.skipgram import SkipGramStep, sizes
from .cbow import CBOW
from .glove import GloVe
from .skipgram import SkipGram
from .word_outputs import NegativeSampling

REPORTS = 20                                   # over the whole training, at most
CHUNK = 5120                                   # words of one rate in the fused form; gensim takes 10,000


class Seen(NamedTuple):
    """share: how much of the training is done, from 0 to 1.  loss: a pair's (a word's, an entry's) since the last."""

    share: float
    loss: float


def train_words(model: SkipGram | CBOW | GloVe, corpus: Corpus, *, window: int | None = None, dynamic: bool = True,
                subsampling: float | None = None, formula: str = "paper", epochs: int = 5, lr: float | None = None,
                batch: int | None = None, rng: np.random.Generator | None = None, fast: bool | None = None,
                workers: int = 1) -> Iterator[Seen]:
    """Train a model on a text; yields a `Seen` up to 20 times, with the model usable each time.

    window: context words on each side (5; GloVe 10).  dynamic: drawn from 1 ... window for each word; in GloVe weighted
    by 1 / distance.  subsampling, formula: see `keep_probability`; None keeps all.
    lr: fused 0.025, Adam 0.01, GloVe 0.05.  batch: words of the fused form (a multiple of 16; None: see
    `nn.fused.skipgram.sizes`), elsewhere pairs, words or entries (None: a hundredth of them, from 32 to 1024).
    rng: the host generator if None.  fast: None takes the fused form where there is one, True insists, False forbids.
    workers: threads of the fused form, for a BLAS of one thread (OPENBLAS_NUM_THREADS=1). They write to the same tables
    and now and then lose a change (Recht et al. 2011, *Hogwild*), so only one gives the same vectors each time; where a
    word is common, the batches of more are smaller.
    Raises ValueError where there is none, and for a text without a pair; MinigradError when the training diverges.
    """
    rng = generator() if rng is None else rng
    fused = isinstance(model, SkipGram) and isinstance(model.output, NegativeSampling) and (
        model.embedding.weight.device is cpu)
    if fast and not fused:
        raise ValueError("only skip-gram with negative sampling on cpu has a fused form")
    if isinstance(model, GloVe):
        steps = _glove(model, corpus, window or 10, dynamic, epochs, lr or 0.05, batch, rng)
    else:
        text = _Text(corpus, window or 5, dynamic, subsampling, formula, rng)
        if isinstance(model, SkipGram) and fused and fast is not False:
            steps = _fused(model, text, epochs, lr or 0.025, batch, workers)
        else:
            steps = _readable(model, text, epochs, lr or 0.01, batch)
    return _reports(steps)


def _reports(steps: Iterator[tuple[float, float, float]]) -> Iterator[Seen]:
    """Join (share done, sum of losses, their number) into at most REPORTS reports."""
    total = count = said = 0.0
    for share, loss, number in steps:
        total, count = total + loss, count + number
        if not np.isfinite(total):
            raise MinigradError(describe(f"the word vectors diverged after {share:.0%} of the training.",
                                         fix="a lower lr, or a smaller batch"))
        if int(share * REPORTS) > said and count:
            yield Seen(share, total / count)
            total, count, said = 0.0, 0.0, int(share * REPORTS)


class _Text:
    """The text as each epoch sees it: some words left out, and a reach drawn for each."""

    def __init__(self, corpus: Corpus, window: int, dynamic: bool, subsampling: float | None, formula: str,
                 rng: np.random.Generator) -> None:
        self.corpus, self.window, self.dynamic, self.rng = corpus, window, dynamic, rng
        counts = corpus.counts
        self.keep = None if subsampling is None else keep_probability(counts, subsampling, formula)
        kept = counts if self.keep is None else counts * self.keep
        self.most = float(kept.max() / kept.sum())             # the share of the commonest word

    def epoch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """ids (N,), left (N,), right (N,). Raises ValueError where no word has another in its sentence."""
        ids, sentence, rng = self.corpus.ids, self.corpus.sentence, self.rng
        if self.keep is not None:
            ids, sentence = subsample(rng, ids, sentence, self.keep)
        left, right = sides(sentence, reach(rng, len(ids), self.window, self.dynamic))
        if not (left.any() or right.any()):
            raise ValueError("no sentence has two words: there is no pair to learn from")
        return ids, left, right


def _fused(model: SkipGram, text: _Text, epochs: int, lr: float, batch: int | None, workers: int
           ) -> Iterator[tuple[float, float, float]]:
    """Plain gradient steps on both tables, side by side in one array; the rate falls to 1/250, as in word2vec."""
    output: NegativeSampling = model.output
    e, u, w = model.embedding.weight.data, output.weight.data, text.window
    dim, table = e.shape[1], np.concatenate([e, u], axis=1)
    steps: list[SkipGramStep] = []
    loss = seen = said = 0.0
    with ThreadPoolExecutor(workers) as pool:
        for epoch in range(epochs):
            ids, left, right = text.epoch()
            if not steps:
                often = text.most * workers    # the workers' batches may all be taken at one value of a row
                most, shared = sizes(often, float(np.mean(left + right)), output.negatives, lr)
                n = batch or most
                shared = -(-shared * n // most)
                steps = [SkipGramStep(dim, w, n, shared, output.negatives, e.dtype) for _ in range(workers)]
            batches, size = -(-len(ids) // n), max(1, CHUNK // n)
            more = batches * n - len(ids)      # the last batch is filled up with words that have no context
            ids, left, right = np.pad(ids, (w, w + more)), np.pad(left, (0, more)), np.pad(right, (0, more))
            for first in range(0, batches, size * workers):
                ends = [min(first + size * k, batches) for k in range(workers + 1)]
                rate = lr * max(1 - (epoch + first / batches) / epochs, 1 / 250)
                jobs = [(table, ids[a * n:b * n + 2 * w], left[a * n:b * n], right[a * n:b * n],
                         output.noise.draw(text.rng, (b - a, shared)), rate)
                        for a, b in zip(ends, ends[1:], strict=False) if a < b]
                each = pool.map(SkipGramStep.chunk, steps, *zip(*jobs, strict=True)) if workers > 1 else [
                    steps[0].chunk(*jobs[0])]
                for one, pairs_seen in each:
                    loss, seen = loss + one, seen + pairs_seen
                share = (epoch + ends[-1] / batches) / epochs
                if int(share * REPORTS) > said:
                    e[...], u[...] = table[:, :dim], table[:, dim:]
                    yield share, loss, seen
                    loss, seen, said = 0.0, 0.0, int(share * REPORTS)


def _hundredth(count: int) -> int:
    """A batch that leaves an epoch some hundred steps, within 32 ... 1024."""
    return min(max(count // 100, 32), 1024)


def _readable(model: SkipGram | CBOW, text: _Text, epochs: int, lr: float, batch: int | None
              ) -> Iterator[tuple[float, float, float]]:
    """Adam on batches of pairs (skip-gram) or words (CBOW) in random order."""
    where, rng = model.embedding.weight.device, text.rng
    adam = optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        ids, left, right = text.epoch()
        data: tuple[np.ndarray, ...]
        if isinstance(model, SkipGram):
            data = pairs(ids, left, right)
        else:
            context, there = contexts(ids, left, right, text.window)
            some = there.any(1)                                # a word alone in its sentence has no context
            data = context[some], there[some].astype(model.embedding.weight.dtype), ids[some]
        count = len(data[0])
        order = rng.permutation(count)
        for start in range(0, count, size := batch or _hundredth(count)):
            rows = order[start:start + size]
            adam.param_groups[0]["lr"] = lr * (1 - (epoch + start / count) / epochs)
            loss = model(*(tensor(part[rows], device=where) for part in data))
            adam.zero_grad()
            loss.backward()
            adam.step()
            yield (epoch + (start + len(rows)) / count) / epochs, loss.item() * len(rows), len(rows)


def _glove(model: GloVe, corpus: Corpus, window: int, distance: bool, epochs: int, lr: float, batch: int | None,
           rng: np.random.Generator) -> Iterator[tuple[float, float, float]]:
    """AdaGrad on batches of entries of X in random order (Pennington et al. 2014)."""
    where, dtype = model.e.weight.device, model.e.weight.dtype
    i, j, x = cooccurrence(corpus.ids, corpus.sentence, len(corpus.words), window, distance)
    if not len(x):
        raise ValueError("no sentence has two words: there is no pair to count")
    adagrad = optim.Adagrad(model.parameters(), lr=lr, initial_accumulator_value=1.0)      # as in the authors' program
    for epoch in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), size := batch or _hundredth(len(x))):
            rows = order[start:start + size]
            loss = model(tensor(i[rows], device=where), tensor(j[rows], device=where),
                         tensor(x[rows], dtype=dtype, device=where))
            adagrad.zero_grad()
            loss.backward()
            adagrad.step()
            yield (epoch + (start + len(rows)) / len(x)) / epochs, loss.item(), len(rows)
