"""04_vanishing: its text against minigrad's tape and layers. `test_assignments.py` has what is asked of all."""

import numpy as np
import pytest

import minigrad as mg
from autograder.prove import graded, seeds
from minigrad import nn

from .assignment_help import assignment

NAME = "04_vanishing"


def test_it_has_six_functions_and_29_mutants():
    found = assignment(NAME)
    assert [check.function for check in found.checks.values()] == [
        "step_jacobian", "jacobian_products", "gradient_norms", "orthogonal", "skip_rnn_forward", "tbptt_gradient"]
    assert [cell.points for cell in found.graded.values()] == [14, 18, 16, 14, 16, 22]
    assert sum(len(check.mutants) for check in found.checks.values()) == 29


def test_a_numerical_derivative_does_not_pass_for_the_truncated_gradient():
    """Chunk by chunk, by central differences of the chunk's own losses."""
    source = """
def tbptt_gradient(xs, h0, W_x, W_h, b, gs, k):
    def chunk(h, W, s):
        total = 0.0
        for x, g in zip(xs[s:s + k], gs[s:s + k]):
            h = np.tanh(x @ W_x.T + h @ W.T + b)
            total += np.sum(g * h)
        return total, h
    dW, h = np.zeros_like(W_h), h0
    for s in range(0, len(xs), k):
        for i in np.ndindex(W_h.shape):
            W = W_h.copy()
            W[i] += 1e-5
            up = chunk(h, W, s)[0]
            W[i] -= 2e-5
            dW[i] += (up - chunk(h, W, s)[0]) / 2e-5
        h = chunk(h, W_h, s)[1]
    return dW, h
"""
    [(_, result)] = graded(assignment(NAME).checks["tbptt-gradient-test"], source, seeds(1))
    assert {p.name: p.earned for p in result.parts}["gradient cut"] == 0


def agrees(seed):
    """Jacobians, norms and truncated gradients are the tape's, the shortcut is the layer's."""
    rng, space = np.random.default_rng(seed), assignment(NAME).namespace()
    T, B, D, H, k = (int(v) for v in rng.integers([2, 1, 1, 2, 1], [8, 4, 5, 6, 5]))
    xs, h0 = rng.normal(size=(T, B, D)), rng.normal(size=(B, H))
    W_x, W_h, b = rng.normal(size=(H, D)), 0.7 * rng.normal(size=(H, H)), rng.normal(size=H)
    gs = rng.normal(size=(T, B, H))

    W = mg.tensor(W_h, requires_grad=True)
    h, loss = mg.tensor(h0), mg.tensor(0.0, dtype=mg.float64)
    hs = []
    for t in range(T):
        h = mg.tanh(mg.tensor(xs[t]) @ mg.tensor(W_x).T + (h.detach() if t % k == 0 else h) @ W.T + mg.tensor(b))
        hs.append(h)
        loss = loss + (mg.tensor(gs[t]) * h).sum()
    loss.backward()
    dW, last = space["tbptt_gradient"](xs, h0, W_x, W_h, b, gs, k)
    np.testing.assert_allclose(dW, W.grad.numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(last, h.detach().numpy(), rtol=1e-12)

    starts = [mg.tensor(s.detach().numpy()[0], requires_grad=True) for s in hs]             # one example
    values = np.array([s.detach().numpy() for s in starts])
    products, g = space["jacobian_products"](values, W_h), rng.normal(size=H)
    norms = space["gradient_norms"](values, W_h, g)
    for i in range(T):
        state = starts[i]
        for j in range(i + 1, T):                                                           # linearised at `values`
            state = mg.tensor(1 - values[j] ** 2) * (mg.tensor(W_h) @ state)
        starts[i].grad = None
        (state * mg.tensor(g)).sum().backward()
        want = starts[i].grad.numpy()
        np.testing.assert_allclose(g @ products[i], want, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(norms[i], np.linalg.norm(want), rtol=1e-9)

    d = int(rng.integers(1, 4))
    layer = nn.RNN(D, H, skip=d).to(mg.float64)
    arrays = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    W_s = next(v for n, v in arrays.items() if n not in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
    want, _ = layer(mg.tensor(xs))
    got = space["skip_rnn_forward"](xs, 0 * h0, arrays["weight_ih_l0"], arrays["weight_hh_l0"], W_s,
                                    arrays["bias_ih_l0"] + arrays["bias_hh_l0"], d)
    np.testing.assert_allclose(got, want.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    agrees(seed)
