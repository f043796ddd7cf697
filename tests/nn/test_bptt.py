"""What is read from the tape about time is what the decks write down: Jacobians, terms, the direct path."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import bptt

T, B, D, H = 6, 2, 3, 4


def sequence(device: str = "cpu", batch: int = B) -> mg.Tensor:
    return mg.tensor(np.random.default_rng(1).normal(size=(T, batch, D)), device=device)


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell], ids=["rnn", "gru", "lstm"])
def test_the_unrolled_states_are_those_of_the_layer(kind, device):
    cell = kind(D, H).to(mg.float64).to(device)
    x = sequence(device)
    layer = {nn.RNNCell: nn.RNN, nn.GRUCell: nn.GRU, nn.LSTMCell: nn.LSTM}[kind](D, H).to(mg.float64).to(device)
    layer.load_state_dict({f"{name}_l0": p for name, p in cell.state_dict().items()})
    states, (y, last) = bptt.unroll(cell, x), layer(x)
    np.testing.assert_allclose(mg.stack(states.h).detach().cpu().numpy(), y.detach().cpu().numpy(), atol=1e-14)
    assert len(states.c) == (T if isinstance(last, tuple) else 0)
    if states.c:
        np.testing.assert_allclose(states.c[-1].detach().cpu().numpy(), last[1][0].detach().cpu().numpy(), atol=1e-14)


@pytest.mark.parametrize("phi", ["tanh", "relu", "sigmoid"])
def test_the_tapes_jacobians_are_the_product_of_slopes_and_weights(phi, device):
    """Two roads: one backward pass over H copies of the example, and diag(phi') W_hh multiplied out."""
    cell = nn.RNNCell(D, H, nonlinearity=phi).to(mg.float64).to(device)
    x = sequence(device, 1)
    tape, product = bptt.state_jacobians(cell, x), bptt.jacobian_products(cell, bptt.unroll(cell, x).h)
    np.testing.assert_allclose(tape, product, rtol=1e-12, atol=1e-15)
    assert np.array_equal(tape[-1], np.eye(H))
    w = cell.weight_hh.detach().cpu().numpy()
    without_slopes = np.stack([np.linalg.matrix_power(w, T - 1 - k) for k in range(T)])
    assert not np.allclose(tape[0], without_slopes[0], rtol=0.1)               # a step back is not W_hh alone


def test_a_jacobian_is_what_a_small_change_of_the_state_does():
    """Central differences with a step of 1e-5 in float64: an error of about 1e-10."""
    cell, x = nn.RNNCell(D, H).to(mg.float64), sequence(batch=1)
    jacobian = bptt.state_jacobians(cell, x)[1]                                # dh_T/dh_2
    h = bptt.unroll(cell, x).h[1].detach().numpy()
    ends = [[bptt.unroll(cell, x[2:], mg.tensor(h + s * e)).h[-1].detach().numpy()[0] for s in (1e-5, -1e-5)]
            for e in np.eye(H)]
    np.testing.assert_allclose(jacobian, np.stack([(a - b) / 2e-5 for a, b in ends], 1), atol=1e-9)


@pytest.mark.parametrize("make", [
    lambda: nn.RNNCell(D, H), lambda: nn.LSTMCell(D, H), lambda: nn.LSTMCell(D, H, proj_size=2),
    lambda: nn.GRUCell(D, H, reset="before", update="writes")], ids=["rnn", "lstm", "projected", "gru"])
def test_the_terms_add_up_to_the_gradient_and_the_first_is_nothing(make, device):
    """h_0 = 0, so the first step's product with W_hh is 0 whatever W_hh is: the sum may start at k = 2."""
    cell = make().to(mg.float64).to(device)
    x = sequence(device)
    terms = bptt.weight_terms(cell, x, lambda h: (h * h).sum())
    (bptt.unroll(cell, x).h[-1] ** 2).sum().backward()
    whole = cell.weight_hh.grad.cpu().numpy()
    np.testing.assert_allclose(terms.sum(0), whole, atol=1e-13)
    assert not terms[0].any() and terms[1:].any(axis=(1, 2)).all()


def test_a_term_is_the_gradient_at_the_step_times_the_state_before():
    """delta_k h_{k-1}^T with delta_k = dL/dh_k phi'(s_k): the direct derivative, times what comes from the loss."""
    cell, x = nn.RNNCell(D, H).to(mg.float64), sequence()
    terms = bptt.weight_terms(cell, x, lambda h: (h * h).sum())
    states = bptt.unroll(cell, x).h
    dh, = bptt.gradients((states[-1] ** 2).sum(), states)
    h = np.stack([s.detach().numpy() for s in states])
    for k in range(1, T):
        np.testing.assert_allclose(terms[k], (dh[k] * (1 - h[k] ** 2)).T @ h[k - 1], atol=1e-14)


def test_without_recurrent_weights_the_direct_path_is_the_whole_gradient(device):
    """Then no gate reads h, and c reaches c through f alone; with them there are more paths."""
    cell = nn.LSTMCell(D, H).to(mg.float64).to(device)
    x = sequence(device)

    def both() -> tuple[np.ndarray, np.ndarray]:
        states = bptt.unroll(cell, x)
        path = bptt.forget_products(cell, x, states)
        whole, = bptt.gradients((states.h[-1] ** 2).sum(), states.c)
        return whole, path * whole[-1]
    whole, direct = both()
    assert not np.allclose(whole[0], direct[0], rtol=0.1)
    nn.init.zeros_(cell.weight_hh)
    np.testing.assert_allclose(*both(), rtol=1e-12)


def test_a_forget_gate_that_is_one_lets_everything_pass():
    cell, x = nn.LSTMCell(D, H, forget_bias=100.0).to(mg.float64), sequence()
    assert (bptt.forget_products(cell, x, bptt.unroll(cell, x)) == 1).all()


@pytest.mark.parametrize("options", [{"coupled": True}, {"forget": False}, {"peephole": "full"}])
def test_an_lstm_with_other_rows_is_refused(options):
    cell, x = nn.LSTMCell(D, H, **options).to(mg.float64), sequence()
    with pytest.raises(ValueError, match="i, f, g, o"):
        bptt.forget_products(cell, x, bptt.unroll(cell, x))


def test_a_residual_cell_has_other_jacobians_and_is_refused():
    """Its factors are I + diag(phi'(s)) W_hh, and phi is not its state."""
    cell = nn.RNNCell(D, H, residual=True).to(mg.float64)
    with pytest.raises(ValueError, match=r"RNNCell\(.*residual=True\) adds the state itself"):
        bptt.jacobian_products(cell, bptt.unroll(cell, sequence()).h)


def test_a_state_after_the_loss_has_gradient_zero():
    """A loss on the first outputs only: what comes later has no part in it."""
    cell = nn.RNNCell(2, 3)
    states = bptt.unroll(cell, mg.randn(5, 1, 2))
    found, = bptt.gradients((states.h[1] ** 2).sum(), states.h)
    assert found[:2].any((1, 2)).all() and not found[2:].any()
