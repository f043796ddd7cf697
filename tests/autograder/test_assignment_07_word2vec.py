"""07_word2vec: its text against minigrad's tape, counts and vectors. `test_assignments.py` has what is asked of all."""

import numpy as np
import pytest

import minigrad as mg
from autograder.prove import graded, seeds
from minigrad.models.word_vectors import WordVectors
from minigrad.nn import functional as F

from .assignment_help import assignment

NAME = "07_word2vec"


def test_it_has_seven_functions_and_34_mutants():
    found = assignment(NAME)
    assert [check.function for check in found.checks.values()] == [
        "skipgram_pairs", "cbow_forward", "skipgram_loss", "neg_sampling", "analogy", "cooccurrence", "glove"]
    assert [cell.points for cell in found.graded.values()] == [14, 14, 16, 20, 14, 12, 10]
    assert sum(len(check.mutants) for check in found.checks.values()) == 34


def test_a_numerical_derivative_does_not_pass_for_the_gradient_of_negative_sampling():
    source = """
def neg_sampling(v, u_o, U_neg):
    def loss():
        return np.logaddexp(0, -u_o @ v) + np.logaddexp(0, U_neg @ v).sum()
    grads = []
    for a in (v, u_o, U_neg):
        g = np.zeros_like(a)
        for i in np.ndindex(a.shape):
            old = a[i]
            a[i] = old + 1e-5
            up = loss()
            a[i] = old - 1e-5
            g[i] = (up - loss()) / 2e-5
            a[i] = old
        grads.append(g)
    return loss(), *grads
"""
    [(_, result)] = graded(assignment(NAME).checks["neg-sampling-test"], source, seeds(1))
    assert not any(p.earned for p in result.parts if not p.name.startswith("loss"))


def leaf(a):
    return mg.tensor(a, requires_grad=True)


def agrees(seed):
    """Losses and gradients are the tape's, the analogy is WordVectors', the counts are those of `cooccurrence`."""
    rng, space = np.random.default_rng(seed), assignment(NAME).namespace()
    V, d, K = (int(v) for v in rng.integers([5, 2, 1], [10, 6, 6]))
    E, U = rng.normal(size=(V, d)), rng.normal(size=(V, d))
    w, o = (int(v) for v in rng.integers(V, size=2))

    tE, tU = leaf(E), leaf(U)
    loss = F.cross_entropy((tE[w:w + 1] @ tU.T), mg.tensor(np.array([o])))
    loss.backward()
    got = space["skipgram_loss"](E, U, w, o)
    for a, b in zip(got, (loss.item(), tE.grad.numpy(), tU.grad.numpy()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)

    context = rng.integers(V, size=3)
    want = F.softmax(mg.tensor(E)[mg.tensor(context)].mean(0) @ mg.tensor(U).T, -1)
    np.testing.assert_allclose(space["cbow_forward"](E, U, context), want.numpy(), rtol=1e-12)

    tv, to, tn = leaf(E[0]), leaf(U[0]), leaf(U[rng.integers(V, size=K)])
    loss = -F.logsigmoid((to * tv).sum()) - F.logsigmoid(-(tn @ tv)).sum()
    loss.backward()
    got = space["neg_sampling"](E[0], U[0], tn.detach().numpy())
    for a, b in zip(got, (loss.item(), tv.grad.numpy(), to.grad.numpy(), tn.grad.numpy()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)

    X = space["cooccurrence"]([int(v) for v in rng.integers(V, size=12)], V, 3)
    assert np.allclose(X, X.T)
    tW, f = leaf(E), np.minimum(1, (X / 2) ** 0.75)
    logs = np.log(np.where(X > 0, X, 1))
    error = tW @ mg.tensor(U).T + mg.tensor(E[:, :1]) + mg.tensor(U[:, 0]) - mg.tensor(logs)
    loss = (mg.tensor(f) * error * error).sum()
    loss.backward()
    got = space["glove"](E, U, E[:, 0], U[:, 0], X, 2.0, 0.75)
    np.testing.assert_allclose(got[0], loss.item(), rtol=1e-11)
    np.testing.assert_allclose(got[1], tW.grad.numpy(), rtol=1e-9, atol=1e-12)

    names = [f"w{k}" for k in range(V)]
    a, b, c = (int(v) for v in rng.permutation(V)[:3])
    [(best, _), *_] = WordVectors(names, E).unit().analogy(names[b], names[a], names[c], 1)
    assert names[space["analogy"](E, a, b, c)] == best


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    agrees(seed)
