"""Jacobians, Hessians and their products with vectors: against closed forms, against PyTorch, on every device."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import primitive

from .texts import expect, message


def test_the_jacobian_of_a_product_is_its_matrix(device, rng):
    """d(Wx)/dx = W."""
    W, x = rng.standard_normal((4, 3)), rng.standard_normal(3)
    J = mg.jacobian(lambda x: mg.tensor(W, device=device) @ x, mg.tensor(x, device=device))
    mg.compare(J, W, rtol=1e-14)


def test_the_jacobian_of_a_recurrent_step_is_the_decks(device, rng):
    """KTH, *Exploding and vanishing gradients*: dh_t / dh_{t-1} = diag(1 - h_t^2) W."""
    W, h = rng.standard_normal((3, 3)), rng.standard_normal(3)
    J = mg.jacobian(lambda h: mg.tanh(mg.tensor(W, device=device) @ h), mg.tensor(h, device=device))
    mg.compare(J, np.diag(1 - np.tanh(W @ h) ** 2) @ W, rtol=1e-12)


def test_shapes_are_those_of_the_value_then_of_the_argument(device):
    """Also where one of them is 0-d or empty."""
    for shape in ((), (2,), (2, 3), (0,)):
        x = mg.ones(shape, dtype=mg.float64, device=device)
        assert mg.jacobian(lambda x: mg.stack([x, x * 2]), x).shape == (2, *shape, *shape)


def test_a_value_that_does_not_depend_on_the_argument_has_a_zero_jacobian(device):
    """None would have to be handled by every caller."""
    x = mg.ones(2, device=device)
    assert mg.jacobian(lambda x: mg.ones(3, device=device), x).tolist() == [[0, 0]] * 3
    assert mg.hessian(lambda x: (x * 3).sum(), x).tolist() == [[0, 0]] * 2
    assert mg.hessian_vector_product(lambda x: (x * 3).sum(), x, x).tolist() == [0, 0]


def test_the_hessian_of_a_quadratic_form_is_its_matrix(device, rng):
    """x^T A x / 2 with a symmetric A."""
    A = rng.standard_normal((3, 3))
    A = A + A.T
    a, x = mg.tensor(A, device=device), mg.tensor(rng.standard_normal(3), device=device)
    mg.compare(mg.hessian(lambda x: (x * (a @ x)).sum() * 0.5, x), A, rtol=1e-12)
    v = rng.standard_normal(3)
    mg.compare(mg.hessian_vector_product(lambda x: (x * (a @ x)).sum() * 0.5, x, mg.tensor(v, device=device)), A @ v,
               rtol=1e-12)


def test_the_products_agree_with_pytorch(rng):
    """A two-layer network with a softmax: nothing has a closed form that one would write by hand."""
    torch = pytest.importorskip("torch")
    W, V, x, v = (rng.standard_normal(s) for s in ((4, 3), (5, 4), (3,), (3,)))

    def f(lib, tensor):
        return lambda x: (lib.softmax(tensor(V) @ lib.tanh(tensor(W) @ x), -1) ** 2).sum()
    ours, theirs = f(mg, mg.tensor), f(torch, torch.tensor)
    t = torch.tensor(x)
    mg.compare(mg.hessian(ours, mg.tensor(x)), torch.autograd.functional.hessian(theirs, t).numpy(), rtol=1e-10,
               atol=1e-13)
    mg.compare(mg.hessian_vector_product(ours, mg.tensor(x), mg.tensor(v)),
               torch.autograd.functional.hvp(theirs, t, torch.tensor(v))[1].numpy(), rtol=1e-10, atol=1e-13)
    slopes = torch.autograd.functional.jacobian(lambda x: torch.tanh(torch.tensor(W) @ x), t)
    mg.compare(mg.jacobian(lambda x: mg.tanh(mg.tensor(W) @ x), mg.tensor(x)), slopes.numpy(), rtol=1e-12)


def test_a_jacobian_can_itself_be_differentiated(device):
    """d/dx trace(d(x^3)/dx) = 6x: a penalty on a Jacobian is trained."""
    x = mg.tensor([1.0, 2.0], requires_grad=True, device=device)
    J = mg.jacobian(lambda x: x ** 3, x, create_graph=True)
    J.sum().backward()
    assert x.grad.tolist() == [6, 12]


def test_a_wrong_second_derivative_is_seen():
    """The checker's own proof: an operation whose vjp is wrong by its second derivative gives another Hessian."""
    @primitive
    def crooked(xp, a):
        """y = a^3;  da = 3 g a^2"""
        return a * a * a, lambda g: (g * 3 * a * (a if xp is np else 1),)
    H = mg.hessian(lambda x: crooked(x).sum(), mg.tensor([2.0]))
    assert H.tolist() != [[12.0]]


def test_the_hessian_of_several_values_is_refused():
    """It has no shape that one would expect."""
    def square(x):
        return x * x
    assert message(mg.GradError, lambda: mg.hessian(square, mg.ones(2))) == expect("""
        the Hessian is of a single value, and f gives (2,).
          made at: test_higher.py:N   return x * x
          fix    : reduce it: f(x).sum(); or jacobian(f, x) for all first derivatives""")


def test_a_direction_of_another_shape_is_refused():
    """It would be stretched in silence."""
    v = mg.ones(3)
    assert message(mg.ShapeError, lambda: mg.hessian_vector_product(lambda x: x.sum(), mg.ones(2), v)) == expect("""
        hessian_vector_product takes v of x's shape (2,), and this one is (3,).
          v  : test_higher.py:N   v = mg.ones(3)
          fix: v is a direction in which x moves""")
