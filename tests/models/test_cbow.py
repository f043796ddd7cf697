"""CBOW: the mean of what is there, each output, and that order does not count."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.models.cbow import CBOW
from minigrad.models.word_training import train_words
from tests.models.test_skipgram import COUNTS, corpus_of_two, parted


def batch(rng):
    """Contexts (5, 4), each with at least one word, and the words between them."""
    there = rng.random((5, 4)) < 0.6
    there[:, 0] = True
    return np.where(there, rng.integers(0, 10, (5, 4)), 0), there.astype(float), rng.integers(0, 10, 5)


def model_of(rng, output="softmax"):
    model = CBOW(COUNTS, 3, output).to(mg.float64)
    for p in model.parameters():
        p.data[...] = rng.normal(size=p.shape)
    return model


def test_h_is_the_mean_of_the_words_that_are_there_and_the_loss_the_formula(rng):
    model, (context, there, word) = model_of(rng), batch(rng)
    e, u = (p.detach().numpy() for p in (model.embedding.weight, model.output.weight))
    h = np.stack([e[row[on > 0]].mean(0) for row, on in zip(context, there, strict=True)])
    assert np.allclose(model.hidden(mg.tensor(context), mg.tensor(there)).detach().numpy(), h, atol=1e-14)
    p = np.exp(h @ u.T)
    want = -np.log(p[np.arange(5), word] / p.sum(1)).mean()
    assert math.isclose(model(mg.tensor(context), mg.tensor(there), mg.tensor(word)).item(), want, rel_tol=1e-13)


def test_the_order_of_the_context_does_not_count_and_gaps_do_not_either(rng):
    model, (context, there, word) = model_of(rng, "hierarchical"), batch(rng)
    order = rng.permutation(4)
    filled = np.where(there > 0, context, 7)                   # what stands in a gap is not seen
    losses = [model(mg.tensor(c), mg.tensor(t), mg.tensor(word)).item()
              for c, t in ((context, there), (context[:, order], there[:, order]), (filled, there))]
    assert np.allclose(losses, losses[0], rtol=1e-14)


def test_the_gradients_are_the_losses_slopes(rng):
    model, (context, there, word) = model_of(rng, "hierarchical"), batch(rng)

    def loss(weight):
        model.embedding.weight.data[...] = weight.data
        h = (mg.tensor(there / there.sum(1, keepdims=True))[..., None] * mg.nn.functional.embedding(
            mg.tensor(context), weight)).sum(1)
        return model.output(h, mg.tensor(word))
    assert mg.gradcheck(loss, mg.tensor(model.vectors.copy(), requires_grad=True))


@pytest.mark.parametrize("output", ["negative", "softmax", "hierarchical"])
def test_words_that_share_contexts_end_up_close_by_every_output(rng, output):
    corpus = corpus_of_two(rng)
    model = CBOW(corpus.counts, 8, output)
    seen = list(train_words(model, corpus, window=3, epochs=8, rng=rng, lr=0.03, batch=256))
    assert seen[-1].loss < 0.95 * seen[0].loss and parted(model.vectors)


def test_training_gives_the_same_losses_on_every_device(device):
    """The same start, windows and order; sums of float32 in another order differ in the last digits."""
    losses = []
    for where in ("cpu", device):
        mg.manual_seed(0)
        corpus = corpus_of_two(np.random.default_rng(0), 300)
        model = CBOW(corpus.counts, 4, "hierarchical").to(where)
        losses.append([seen.loss for seen in train_words(model, corpus, epochs=2, batch=64)])
    assert np.allclose(*losses, rtol=1e-4)
