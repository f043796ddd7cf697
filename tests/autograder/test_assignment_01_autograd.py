"""01_autograd: what its draws must catch, and its text against minigrad's tape. `test_assignments.py` has the rest."""

import numpy as np
import pytest

import minigrad as mg
from autograder.prove import graded, seeds

from .assignment_help import assignment

NAME = "01_autograd"


def test_it_has_seven_functions_and_37_mutants():
    found = assignment(NAME)
    assert [check.function for check in found.checks.values()] == [
        "Value", "topo_order", "backward", "unbroadcast", "matmul_vjp", "softmax_cross_entropy", "gradcheck"]
    assert [cell.points for cell in found.graded.values()] == [14, 14, 16, 14, 14, 16, 12]
    assert sum(len(check.mutants) for check in found.checks.values()) == 37


def test_any_right_order_is_right():
    """Two orders of a diamond: the judge looks at the property, and not at the solution's own order."""
    check = assignment(NAME).checks["topo-order-test"]
    draws = check.drawn(np.random.default_rng(0))
    for draw in draws:
        want = check.reference()(*draw.args)
        assert not any(check.judge(sorted(want), draw, want, None).values())    # the numbers rise: a right order too
        assert check.judge(want[:-1], draw, want, None)["each node once" if not draw["a diamond"] else
                                                        "diamonds and deep graphs"] or draw["3,000 nodes in a row"]


def test_a_leaf_as_often_as_there_are_nodes_is_no_order():
    """A node without parents stands before none of them: without the root, such a list says nothing."""
    check = assignment(NAME).checks["topo-order-test"]
    for draw in check.drawn(np.random.default_rng(0)):
        want = check.reference()(*draw.args)
        said = check.judge([max(n for n in want if not draw.args[0][n])] * len(want), draw, want, None)
        assert said["parents first"] and said["each node once"]


def test_a_numerical_derivative_does_not_pass_for_the_gradient_of_the_loss():
    source = """
def softmax_cross_entropy(z, t):
    def loss(z):
        top = z.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(z - top).sum(axis=1)) + top[:, 0] - z[np.arange(len(t)), t]))
    g = np.zeros_like(z)
    for i in np.ndindex(z.shape):
        old = z[i]
        z[i] = old + 1e-5
        up = loss(z)
        z[i] = old - 1e-5
        g[i] = (up - loss(z)) / 2e-5
        z[i] = old
    return loss(z), g
"""
    [(_, result)] = graded(assignment(NAME).checks["softmax-cross-entropy-test"], source, seeds(1))
    assert next(p for p in result.parts if p.name == "dz").earned == 0


def leaf(a):
    return mg.tensor(a, dtype=mg.float64, requires_grad=True)


def agrees(seed):
    """The solution's text and minigrad's tape give the same gradients."""
    rng, space = np.random.default_rng(seed), assignment(NAME).namespace()

    w, x, b = (float(v) for v in rng.normal(size=3))
    ours = [space["Value"](v) for v in (w, x, b)]
    theirs = [leaf(v) for v in (w, x, b)]
    for (p, q, r), tanh, exp in ((ours, space["Value"].tanh, space["Value"].exp), (theirs, mg.tanh, mg.exp)):
        y = tanh(p * q + r) * p - exp(q) * r ** 2
        if p is ours[0]:
            space["backward"](space["topo_order"](y))
        else:
            y.backward()
    np.testing.assert_allclose([v.grad for v in ours], [t.grad.item() for t in theirs], rtol=1e-12)

    m, k, n = (int(v) for v in rng.integers(1, 6, size=3))
    A, B, g = leaf(rng.normal(size=(3, m, k))), leaf(rng.normal(size=(k, n))), rng.normal(size=(3, m, n))
    (A @ B).backward(mg.tensor(g))
    for got, want in zip(space["matmul_vjp"](g, A.detach().numpy(), B.detach().numpy()), (A.grad, B.grad), strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-12, atol=1e-13)

    c = leaf(rng.normal(size=(1, k, 1)))
    big = rng.normal(size=(m, 2, k, n))
    (c * mg.tensor(np.ones_like(big))).backward(mg.tensor(big))
    np.testing.assert_allclose(space["unbroadcast"](big, (1, k, 1)), c.grad.numpy(), rtol=1e-12, atol=1e-13)

    z, t = leaf(5 * rng.normal(size=(4, k + 1))), rng.integers(0, k + 1, size=4)
    loss = mg.nn.functional.cross_entropy(z, mg.tensor(t))
    loss.backward()
    got = space["softmax_cross_entropy"](z.detach().numpy(), t)
    np.testing.assert_allclose(got[0], loss.item(), rtol=1e-12)
    np.testing.assert_allclose(got[1], z.grad.numpy(), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(space["gradcheck"](lambda v: space["softmax_cross_entropy"](v, t)[0],
                                                  z.detach().numpy().copy(), 1e-5), got[1], atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    agrees(seed)
