"""Skip-gram: each output is its formula, the fused form is the readable one, and training says what it does."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.skipgram_pairs import Corpus, pairs, reach, sides
from minigrad.errors import MinigradError
from minigrad.models import word_training
from minigrad.models.cbow import CBOW
from minigrad.models.glove import GloVe
from minigrad.models.skipgram import SkipGram
from minigrad.models.word_outputs import HierarchicalSoftmax
from minigrad.models.word_training import train_words
from minigrad.nn.fused.skipgram import SkipGramStep, sizes

COUNTS = np.array([40, 25, 9, 6, 5, 5, 3, 2, 2, 1])


def model_of(output, rng, dim=4, negatives=5, counts=COUNTS):
    """A skip-gram model in float64, both tables of ordinary size (the second starts at 0)."""
    model = SkipGram(counts, dim, output, negatives).to(mg.float64)
    for p in model.parameters():
        p.data[...] = rng.normal(size=p.shape) * 0.7
    return model


def numbers(model):
    return model.embedding.weight.detach().numpy(), model.output.weight.detach().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ----- The three outputs

def test_the_full_softmax_is_the_formula(rng):
    model, centre, context = model_of("softmax", rng), rng.integers(0, 10, 7), rng.integers(0, 10, 7)
    e, u = numbers(model)
    p = np.exp(e[centre] @ u.T)
    p /= p.sum(1, keepdims=True)
    loss = model(mg.tensor(centre), mg.tensor(context)).item()
    assert math.isclose(loss, -np.log(p[np.arange(7), context]).mean(), rel_tol=1e-13)
    assert np.allclose(model.output.probabilities(model.embedding(mg.tensor(centre))).detach().numpy(), p, atol=1e-14)


def test_negative_sampling_is_the_formula_and_draws_by_count(rng):
    model, centre, context = model_of("negative", rng, negatives=3), rng.integers(0, 10, 7), rng.integers(0, 10, 7)
    noise = rng.integers(0, 10, (7, 3))
    e, u = numbers(model)
    want = [-np.log(sigmoid(u[o] @ e[c])) - np.log(sigmoid(-u[k] @ e[c])).sum()
            for c, o, k in zip(centre, context, noise, strict=True)]
    args = mg.tensor(centre), mg.tensor(context)
    assert math.isclose(model(*args, noise).item(), np.mean(want), rel_tol=1e-13)
    six = np.concatenate([noise, noise], 1)                    # M = 6 count K / M = 1/2 each
    assert math.isclose(model(*args, six).item(), np.mean(want), rel_tol=1e-13)
    assert model(*args).item() != model(*args).item()          # drawn anew


def test_the_tree_gives_probabilities_that_sum_to_1_and_its_loss_is_their_logarithm(rng):
    model, centre, context = model_of("hierarchical", rng), rng.integers(0, 10, 7), rng.integers(0, 10, 7)
    p = model.output.probabilities(model.embedding(mg.tensor(centre))).detach().numpy()
    assert np.allclose(p.sum(1), 1, atol=1e-14) and (p > 0).all()
    loss = model(mg.tensor(centre), mg.tensor(context)).item()
    assert math.isclose(loss, -np.log(p[np.arange(7), context]).mean(), rel_tol=1e-13)


def test_a_path_is_walked_by_the_signs_of_its_branches(rng):
    """p of the commonest word by hand: the product of sigmoid(s_j u_j . h) along its path."""
    out = HierarchicalSoftmax(COUNTS, 4).to(mg.float64)
    out.weight.data[...] = rng.normal(size=(9, 4))
    h = rng.normal(size=4)
    n = out.signs[0] != 0
    want = sigmoid(out.signs[0][n] * (out.weight.detach().numpy()[out.nodes[0][n]] @ h)).prod()
    assert n.sum() < 5 and math.isclose(out.probabilities(mg.tensor(h[None]))[0, 0].item(), want, rel_tol=1e-13)


def test_word2vecs_start_says_nothing_yet():
    """u = 0: every word has probability 1 / V, and each choice costs log 2."""
    a = mg.tensor(np.arange(10))
    assert math.isclose(SkipGram(COUNTS, 4, "softmax")(a, a).item(), math.log(10), rel_tol=1e-6)
    assert math.isclose(SkipGram(COUNTS, 4, negatives=5)(a, a).item(), 6 * math.log(2), rel_tol=1e-6)
    e = SkipGram(COUNTS, 50).vectors
    assert e.shape == (10, 50) and np.abs(e).max() <= 0.01     # +-1 / (2 E)
    with pytest.raises(ValueError, match="not 'softmin'"):
        SkipGram(COUNTS, 4, "softmin")


# ----- The fused form

def batches_of(rng, words, count, batch, window, shared):
    """Text of `count` batches with its windows, padded as the fused form takes it, and noise words for each."""
    n = count * batch
    ids, sentence = rng.integers(0, words, n) ** 2 // words, np.sort(rng.integers(0, n // 6, n))
    left, right = sides(sentence, reach(rng, n, window))
    return ids, left, right, rng.integers(0, words, (count, shared))


@pytest.mark.parametrize("words, window, batch, shared",
                         [(30, 3, 32, 8), (5, 5, 48, 24), (400, 10, 16, 3), (2, 1, 64, 1)])
def test_the_fused_step_is_the_readable_gradient_on_the_same_samples(rng, words, window, batch, shared):
    """Two batches, each one plain gradient step on both tables; with 2 words nearly every id is a repeated one.

    float64: what differs is the order of sums of up to some hundred terms.
    """
    dim, k, lr = 6, 4, 0.05
    model = model_of("negative", rng, dim, k, np.arange(words) + 1)
    table = np.concatenate(numbers(model), axis=1)
    ids, left, right, noise = batches_of(rng, words, 2, batch, window, shared)
    losses = []
    for b in range(2):
        at = slice(b * batch, (b + 1) * batch)
        some = np.arange(len(ids)) // batch == b               # this batch's centres, and contexts wherever they are
        centre, context = pairs(ids, np.where(some, left, 0), np.where(some, right, 0))
        model.zero_grad()
        loss = model(mg.tensor(centre), mg.tensor(context), np.tile(noise[b], (len(centre), 1))) * len(centre)
        loss.backward()
        losses.append((loss.item(), int((left + right)[at].sum())))
        for p in model.parameters():
            p.data -= lr * p.grad.data
    step = SkipGramStep(dim, window, batch, shared, k, np.float64)
    got = step.chunk(table, np.pad(ids, window), left, right, noise, lr)
    np.testing.assert_allclose(table, np.concatenate(numbers(model), axis=1), rtol=1e-11, atol=1e-13)
    assert math.isclose(got[0], losses[0][0], rel_tol=1e-12) and got[1] == losses[0][1]


def test_a_word_without_context_changes_nothing(rng):
    table = rng.normal(size=(9, 8))
    before, none = table.copy(), np.zeros(32, np.int64)
    ids, noise = rng.integers(0, 9, 36), rng.integers(0, 9, (1, 5))
    SkipGramStep(4, 2, 32, 5, 5, np.float64).chunk(table, ids, none, none, noise, 1.0)
    assert np.array_equal(table, before)


def test_float32_stays_float32_and_near_float64(rng):
    ids, left, right, noise = batches_of(rng, 30, 3, 32, 4, 8)
    start = rng.normal(size=(30, 12)) * 0.5
    tables = [start.astype(t) for t in (np.float32, np.float64)]
    for table in tables:
        SkipGramStep(6, 4, 32, 8, 5, table.dtype).chunk(table, np.pad(ids, 4), left, right, noise, 0.02)
    assert tables[0].dtype == np.float32 and np.allclose(*tables, atol=1e-5)     # three steps of sums of 100 terms


def test_a_common_word_or_a_high_rate_makes_batches_small_and_noise_plentiful():
    """What diverged when it was measured is not chosen; see `sizes`."""
    assert sizes(0.008, 5.2, 5, 0.042) == (256, 48)
    assert sizes(0.12, 4.1, 5, 0.025)[0] == 48 and sizes(0.12, 4.1, 5, 10.0) == (16, 64)
    batch, shared = sizes(0.003, 5.2, 5, 0.1)
    assert batch == 256 and batch * 5 * 5.2 * 0.1 / shared < 5
    with pytest.raises(ValueError, match="multiple of 16 words, not 20"):
        SkipGramStep(4, 2, 20, 5, 5)


# ----- Training

def corpus_of_two(rng, count=3000):
    """Even words keep to themselves, and so do odd ones: sentences of five words out of ten."""
    ids = 2 * rng.integers(0, 5, (count // 5, 5)) + rng.integers(0, 2, (count // 5, 1))
    return Corpus(ids.reshape(-1), np.repeat(np.arange(count // 5), 5), [f"w{k}" for k in range(10)])


def parted(vectors):
    """Is every word nearer to all of its own kind than to any of the other?"""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    close, same = unit @ unit.T, (np.arange(10)[:, None] - np.arange(10)) % 2 == 0
    return close[same].min() > close[~same].max()


@pytest.mark.parametrize("output, fast", [("negative", True), ("negative", False), ("softmax", None),
                                          ("hierarchical", None)])
def test_words_that_share_contexts_end_up_close_by_every_output(rng, output, fast):
    corpus = corpus_of_two(rng)
    model = SkipGram(corpus.counts, 8, output)
    assert not parted(model.vectors)
    seen = list(train_words(model, corpus, window=3, epochs=5, rng=rng, fast=fast, lr=0.05 if fast else 0.02))
    assert seen[-1].loss < 0.95 * seen[0].loss and seen[-1].share == 1 and parted(model.vectors)


def test_one_worker_gives_the_same_vectors_each_time_and_two_give_good_ones():
    corpus, found = corpus_of_two(np.random.default_rng(0), 20_000), []
    for workers in (1, 1, 2):
        mg.manual_seed(3)
        model = SkipGram(corpus.counts, 8)
        for _ in train_words(model, corpus, lr=0.05, workers=workers):
            pass
        found.append(model.vectors.copy())
    assert np.array_equal(found[0], found[1]) and parted(found[2])


def test_the_batches_of_two_workers_are_together_no_larger_than_that_of_one(rng, monkeypatch):
    """All of them may be taken at one value of a row; with 32 words each, two trainings of 40 diverged under load."""
    found = []
    monkeypatch.setattr(word_training, "sizes", lambda *given: found.append(sizes(*given)) or found[-1])
    for workers in (1, 2):
        corpus = corpus_of_two(rng)
        list(train_words(SkipGram(corpus.counts, 8), corpus, epochs=1, lr=0.05, workers=workers))
    assert [batch for batch, _ in found] == [32, 16]


def test_readable_training_gives_the_same_losses_on_every_device(device):
    """The same start, windows, order and noise; sums of float32 in another order differ in the last digits."""
    losses = []
    for where in ("cpu", device):
        mg.manual_seed(0)
        corpus = corpus_of_two(np.random.default_rng(0), 300)
        model = SkipGram(corpus.counts, 4).to(where)
        losses.append([seen.loss for seen in train_words(model, corpus, epochs=2, fast=False, batch=64)])
    assert np.allclose(*losses, rtol=1e-4)


def test_subsampling_drops_pairs_of_common_words(rng):
    """Of a word with nine tenths of the text a tenth is left: each epoch sees fewer pairs, and the rare word's more."""
    ids = np.where(np.arange(3000) % 10 == 9, rng.integers(1, 10, 3000), 0)
    corpus = Corpus(ids, np.repeat(np.arange(300), 10), [str(k) for k in range(10)])
    norms = []
    for subsampling in (None, 0.01):
        mg.manual_seed(0)
        model = SkipGram(corpus.counts, 4)
        for _ in train_words(model, corpus, subsampling=subsampling, epochs=1, fast=False, dynamic=False):
            pass
        norms.append(np.linalg.norm(model.vectors[0]))
    assert norms[1] < 0.7 * norms[0]                            # fewer updates: 0 has moved less


def test_what_cannot_be_trained_is_said(rng):
    corpus = corpus_of_two(rng, 200)
    alone = Corpus(np.arange(5), np.arange(5), list("abcde"))
    for model in (CBOW(corpus.counts, 4), SkipGram(corpus.counts, 4, "softmax"), GloVe(10, 4)):
        with pytest.raises(ValueError, match="only skip-gram with negative sampling"):
            train_words(model, corpus, fast=True)
    for model in (SkipGram(alone.counts, 4), CBOW(alone.counts, 4), GloVe(5, 4)):
        with pytest.raises(ValueError, match="no sentence has two words"):
            list(train_words(model, alone))
    with pytest.raises(MinigradError, match="diverged after .*% of the training(.|\n)*a lower lr"):
        list(train_words(SkipGram(corpus.counts, 4), corpus, lr=1e4, epochs=50))
