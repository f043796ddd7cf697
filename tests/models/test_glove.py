"""GloVe: the weighted least squares of the paper, fitted to the counts."""
from __future__ import annotations

import math

import numpy as np

import minigrad as mg
from minigrad.data.cooccurrence import cooccurrence
from minigrad.models.glove import GloVe
from minigrad.models.word_training import train_words
from tests.models.test_skipgram import corpus_of_two, parted


def test_the_loss_is_the_papers_sum(rng):
    """w(x) = min(1, (x / 100)^0.75): 1 from 100 on."""
    model = GloVe(6, 3).to(mg.float64)
    for p in model.parameters():
        p.data[...] = rng.normal(size=p.shape)
    e, c, b, d = (p.detach().numpy() for p in (model.e.weight, model.context.weight, model.b, model.context_b))
    i, j, x = rng.integers(0, 6, 20), rng.integers(0, 6, 20), rng.choice([1.0, 16, 99, 100, 5000], 20)
    want = sum(min(1, (n / 100) ** 0.75) * (e[k] @ c[m] + b[k] + d[m] - math.log(n)) ** 2
               for k, m, n in zip(i, j, x, strict=True))
    assert math.isclose(model(mg.tensor(i), mg.tensor(j), mg.tensor(x)).item(), want, rel_tol=1e-12)
    assert np.array_equal(model.vectors, e + c)


def test_enough_dimensions_fit_every_count(rng):
    """10 words in 12 dimensions: e_i . e~_j + b_i + b~_j can be any ln X_ij, so nearly nothing is left."""
    corpus = corpus_of_two(rng, 2000)
    model = GloVe(10, 12, x_max=10)
    losses = [seen.loss for seen in train_words(model, corpus, epochs=200, lr=0.1, rng=rng)]
    i, j, x = cooccurrence(corpus.ids, corpus.sentence, 10)
    score = (model.e.weight.detach().numpy()[i] * model.context.weight.detach().numpy()[j]).sum(1)
    score += model.b.detach().numpy()[i] + model.context_b.detach().numpy()[j]
    assert losses[-1] < 0.01 * losses[0] and np.abs(score - np.log(x)).max() < 0.2


def test_words_that_share_contexts_end_up_close(rng):
    corpus = corpus_of_two(rng)
    model = GloVe(10, 6, x_max=10)
    for _ in train_words(model, corpus, epochs=60, lr=0.1, rng=rng):
        pass
    assert parted(model.vectors)


def test_training_gives_the_same_losses_on_every_device(device):
    """The same start and order; sums of float32 in another order differ in the last digits."""
    losses = []
    for where in ("cpu", device):
        mg.manual_seed(0)
        model = GloVe(10, 4).to(where)
        losses.append([seen.loss for seen in train_words(model, corpus_of_two(np.random.default_rng(0), 300),
                                                         epochs=5, batch=32)])
    assert np.allclose(*losses, rtol=1e-4)
