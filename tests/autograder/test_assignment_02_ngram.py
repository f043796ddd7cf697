"""02_ngram: its text against minigrad's n-grams and tape. `test_assignments.py` has what is asked of all."""

import numpy as np
import pytest

import minigrad as mg
from autograder.prove import graded, seeds
from minigrad.models.ngram import NGram
from minigrad.nn import functional as F

from .assignment_help import assignment

NAME = "02_ngram"


def test_it_has_six_functions_and_29_mutants():
    found = assignment(NAME)
    assert [check.function for check in found.checks.values()] == [
        "ngram_counts", "ngram_prob", "perplexity", "sample_next", "mlp_lm_forward", "mlp_lm_backward"]
    assert [cell.points for cell in found.graded.values()] == [16, 16, 14, 16, 18, 20]
    assert sum(len(check.mutants) for check in found.checks.values()) == 29


def test_the_shares_of_a_sampled_word_are_its_probabilities():
    """A thousand evenly spaced u: the inverse of the running sum, without any randomness."""
    sample, logits = assignment(NAME).namespace()["sample_next"], np.array([0.3, -1.0, 2.0, 0.0])
    for temperature in (0.5, 1.0, 3.0):
        found = np.bincount([sample(logits, temperature, u) for u in (np.arange(1000) + 0.5) / 1000], minlength=4)
        p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        assert np.abs(found / 1000 - p).max() <= 1e-3


def test_a_numerical_derivative_does_not_pass_for_a_gradient():
    source = """
def mlp_lm_backward(E, W1, b1, W2, b2, X, y):
    weights = [E, W1, b1, W2, b2]
    loss = lambda: -np.mean(np.log(mlp_lm_forward(*weights, X)[np.arange(len(y)), y]))
    grads = [np.zeros_like(w) for w in weights]
    for w, g in zip(weights, grads):
        for i in np.ndindex(w.shape):
            old = w[i]
            w[i] = old + 1e-5
            up = loss()
            w[i] = old - 1e-5
            g[i] = (up - loss()) / 2e-5
            w[i] = old
    return grads
"""
    [(_, result)] = graded(assignment(NAME).checks["mlp-lm-backward-test"], source, seeds(1))
    assert result.score == 0


def agrees(seed):
    """Counts and smoothed probabilities are NGram's, the network's gradients are the tape's."""
    rng, space = np.random.default_rng(seed), assignment(NAME).namespace()
    words = ["a", "b", "c", "d"]
    sentences = [[str(w) for w in rng.choice(words, size=n)] for n in rng.integers(1, 7, size=5)]
    n, k = int(rng.integers(1, 4)), float(rng.choice([0.1, 1.0]))
    counts = space["ngram_counts"](sentences, n)
    vocabulary = mg.data.Vocabulary(["<pad>", "<unk>", "<bos>", "<eos>", *words])
    model = NGram(n, "add-k", vocab=vocabulary, k=k).fit([vocabulary.encode(s) for s in sentences])
    names = {"<s>": "<bos>", "</s>": "<eos>"}
    context = next(iter(rng.permutation(np.array(list(counts), dtype=object)))) if n > 1 else ()
    p = model.distribution(vocabulary.encode([names.get(w, w) for w in context]))
    possible = int((p > 0).sum())
    for w in (*words, "</s>"):
        got = space["ngram_prob"](counts, tuple(context), w, possible, k)
        np.testing.assert_allclose(got, p[vocabulary[names.get(w, w)]], rtol=1e-12)

    V, d, H, N = 7, 3, 5, 4
    args = [mg.tensor(a, requires_grad=True) for a in (rng.normal(size=(V, d)), rng.normal(size=(H, n * d)),
                                                       rng.normal(size=H), rng.normal(size=(V, H)), rng.normal(size=V))]
    X, y = rng.integers(V, size=(N, n)), rng.integers(V, size=N)
    e = F.embedding(mg.tensor(X), args[0]).reshape(N, n * d)
    scores = F.linear(mg.tanh(F.linear(e, args[1], args[2])), args[3], args[4])
    F.cross_entropy(scores, mg.tensor(y)).backward()
    arrays = [a.detach().numpy() for a in args]
    np.testing.assert_allclose(space["mlp_lm_forward"](*arrays, X), F.softmax(scores, -1).detach().numpy(), rtol=1e-12)
    for got, want in zip(space["mlp_lm_backward"](*arrays, X, y), args, strict=True):
        np.testing.assert_allclose(got, want.grad.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    agrees(seed)
