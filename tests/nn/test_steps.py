"""The step functions among themselves: which forms are the same, and which become the same at which weights."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import steps

B, D, H = 3, 4, 5


def draw(rng, device, *shapes):
    """Tensors of those shapes that want gradients; weights around 0.5 in size."""
    return [mg.tensor(rng.standard_normal(s) * 0.5, device=device, requires_grad=True) for s in shapes]


def numpy(t):
    return t.detach().cpu().numpy()


def close(a, b, what=""):
    """The same up to the order of sums in float64."""
    np.testing.assert_allclose(numpy(a), numpy(b), rtol=1e-12, atol=1e-13, err_msg=what)


def same(f, g, leaves):
    """Values (one or several) of two computations, and the gradients of all leaves."""
    ys, zs = f(), g()
    ys, zs = (v if isinstance(v, tuple) else (v,) for v in (ys, zs))
    for y, z in zip(ys, zs, strict=True):
        close(y, z)
    got, want = (mg.grad(sum(((v * v * v).sum() for v in vs), mg.zeros((), dtype="float64", device=leaves[0].device)),
                         leaves, allow_unused=True) for vs in (ys, zs))
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert (a is None) == (b is None), f"leaf {i}"
        if a is not None:
            close(a, b, f"leaf {i}")


@pytest.mark.parametrize("concat", ["hx", "xh"])
@pytest.mark.parametrize("phi", steps.ACTIVATIONS)
def test_the_concatenated_and_the_split_form_are_the_same(device, rng, phi, concat):
    """W [h; x] = W_h h + W_x x: Escalera, *Vanilla RNN Gradient Flow*; Riveill's forms A and C."""
    x, h, w_ih, w_hh, b = leaves = draw(rng, device, (B, D), (B, H), (H, D), (H, H), (H,))
    joined = [w_hh, w_ih] if concat == "hx" else [w_ih, w_hh]
    f = steps.ACTIVATIONS[phi]
    same(lambda: steps.rnn_step(x, h, w_ih, w_hh, b, None, f),
         lambda: steps.rnn_step_concatenated(x, h, mg.concat(joined, 1), b, f, concat), leaves)


def test_the_order_of_concatenation_matters_and_is_one_of_two(rng):
    """Escalera has [h; x] on one slide and the input first on another: the same matrix gives another state."""
    x, h, w = draw(rng, "cpu", (B, H), (B, H), (H, 2 * H))
    a, b = steps.rnn_step_concatenated(x, h, w), steps.rnn_step_concatenated(x, h, w, concat="xh")
    assert np.abs(numpy(a) - numpy(b)).max() > 0.1
    close(b, steps.rnn_step_concatenated(h, x, w))
    with pytest.raises(ValueError, match="concat is 'hx' or 'xh', not 'hh'"):
        steps.rnn_step_concatenated(x, h, w, concat="hh")


def test_a_shortcut_without_weights_is_none_and_a_residual_step_adds_the_state(device, rng):
    """phi(... + 0 h_back) = phi(...);  h + phi(...)"""
    x, h, back, w_ih, w_hh, b = leaves = draw(rng, device, (B, D), (B, H), (B, H), (H, D), (H, H), (H,))
    zero = mg.zeros(H, H, dtype="float64", device=device)
    same(lambda: steps.skip_rnn_step(x, h, back, w_ih, w_hh, zero, b) + h,
         lambda: steps.residual_rnn_step(x, h, w_ih, w_hh, b) + 0.0 * back, leaves)


def lstm_leaves(rng, device, gates=4):
    return draw(rng, device, (B, D), (B, H), (B, H), (gates * H, D), (gates * H, H), (gates * H,), (gates * H,))


def test_coupled_gates_are_the_standard_ones_with_the_input_gate_mirrored(device, rng):
    """1 - sigmoid(a) = sigmoid(-a), so i = 1 - f is a standard LSTM with W_i = -W_f."""
    x, h, c, *w = leaves = lstm_leaves(rng, device, 3)
    same(lambda: steps.coupled_lstm_step(x, h, c, *w),
         lambda: steps.lstm_step(x, h, c, *[mg.concat([-p[:H], p]) for p in w]), leaves)


def test_the_simplified_lstm_is_the_standard_one_with_an_open_forget_gate(device, rng):
    """Télécom: c = c + i g.  sigmoid(100) is 1 in float64, and its slope 0."""
    x, h, c, *w = leaves = lstm_leaves(rng, device, 3)

    def opened():
        zeros = [mg.zeros(H, *p.shape[1:], dtype="float64", device=device) for p in w]
        zeros[2] = zeros[2] + 100.0
        return steps.lstm_step(x, h, c, *[mg.concat([p[:H], z, p[H:]]) for p, z in zip(w, zeros, strict=True)])
    same(lambda: steps.simplified_lstm_step(x, h, c, *w), opened, leaves)


def test_the_simplified_lstm_never_erases(rng):
    """dc'/dc is the identity on the direct path (Télécom, *Simplified LSTM*): with no recurrence it is all of it."""
    x, h, c, w_ih, w_hh, b_ih, b_hh = lstm_leaves(rng, "cpu", 3)
    after = steps.simplified_lstm_step(x, h, c, w_ih, w_hh, b_ih, b_hh)[1]
    seed = mg.tensor(rng.standard_normal((B, H)))
    np.testing.assert_array_equal(numpy(mg.grad(after, c, seed)[0]), numpy(seed))


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_peepholes_of_zero_are_none(device, rng, kind):
    """The standard LSTM is inside both."""
    x, h, c, *w = leaves = lstm_leaves(rng, device)
    zero = mg.zeros(*((3 * H, H) if kind == "full" else (3 * H,)), dtype="float64", device=device)
    same(lambda: steps.peephole_lstm_step(x, h, c, *w, zero), lambda: steps.lstm_step(x, h, c, *w), leaves)


def test_diagonal_peepholes_are_full_ones_that_are_zero_off_the_diagonal(device, rng):
    """Gers 2000 inside Chemnitz; the gradient of the diagonal is the full one's diagonal."""
    x, h, c, *w = leaves = lstm_leaves(rng, device)
    p, = draw(rng, device, (3 * H,))
    eye = mg.eye(H, dtype="float64", device=device)
    full = mg.concat([part.reshape(H, 1) * eye for part in p.reshape(3, H).unbind(0)])
    same(lambda: steps.peephole_lstm_step(x, h, c, *w, p),
         lambda: steps.peephole_lstm_step(x, h, c, *w, full), [*leaves, p])


def test_the_output_gate_sees_the_new_cell_and_the_others_the_old_one(rng):
    """Chemnitz' third equation: C_t in o. A peephole of one gate alone tells which cell it saw."""
    x, h, c, *w = lstm_leaves(rng, "cpu")
    plain_h, plain_c = steps.lstm_step(x, h, c, *w)
    P = rng.standard_normal((H, H))

    def only(gate):
        w_c = np.zeros((3 * H, H))
        w_c[gate * H:(gate + 1) * H] = P
        return [numpy(t) for t in steps.peephole_lstm_step(x, h, c, *w, mg.tensor(w_c))]
    a = numpy(x) @ numpy(w[0]).T + numpy(w[2]) + numpy(h) @ numpy(w[1]).T + numpy(w[3])
    i, f, g, o = np.split(a, 4, 1)
    got_h, got_c = only(2)
    np.testing.assert_allclose(got_c, numpy(plain_c), rtol=1e-13)
    want = np.tanh(numpy(plain_c)) / (1 + np.exp(-(o + numpy(plain_c) @ P.T)))
    np.testing.assert_allclose(got_h, want, rtol=1e-12)
    for gate, (pre, factor) in enumerate([(i, np.tanh(g)), (f, numpy(c))]):
        before, after = (1 / (1 + np.exp(-p)) for p in (pre, pre + numpy(c) @ P.T))
        np.testing.assert_allclose(only(gate)[1] - numpy(plain_c), (after - before) * factor, atol=1e-13)
    assert np.abs(got_h - numpy(plain_h)).max() > 1e-3


def test_a_projection_by_the_identity_is_none_and_any_other_is_a_product(rng):
    """Sak 2014."""
    h, w = draw(rng, "cpu", (B, H), (2, H))
    close(steps.projected(h, mg.eye(H, dtype="float64")), h)
    np.testing.assert_allclose(numpy(steps.projected(h, w)), numpy(h) @ numpy(w).T, rtol=1e-13)


def gru_leaves(rng, device, gates=3):
    return draw(rng, device, (B, D), (B, H), (gates * H, D), (gates * H, H), (gates * H,), (gates * H,))


@pytest.mark.parametrize("step", [steps.gru_step, steps.gru_before_step])
def test_z_writes_is_z_keeps_with_the_gate_mirrored(device, rng, step):
    """1 - z for z: the four decks against PyTorch."""
    x, h, *w = leaves = gru_leaves(rng, device)
    mirrored = [mg.concat([p[:H], -p[H:2 * H], p[2 * H:]]) for p in w]
    same(lambda: step(x, h, *w, update="writes"), lambda: step(x, h, *mirrored), leaves)


def test_with_r_open_and_z_mirrored_pytorchs_form_is_the_decks(device, rng):
    """LECTURES 2.4: forms 1 and 3 differ in the place of r and the sense of z, and in nothing else."""
    x, h, *w = leaves = gru_leaves(rng, device)
    zero = [mg.zeros(H, *p.shape[1:], dtype="float64", device=device) for p in w]
    zero[2] = zero[2] + 100.0                  # sigmoid(100) is 1

    def opened(sign=1):
        return [mg.concat([z, sign * p[H:2 * H], p[2 * H:]]) for p, z in zip(w, zero, strict=True)]
    same(lambda: steps.gru_before_step(x, h, *opened(), update="writes"), lambda: steps.gru_step(x, h, *opened(-1)),
         leaves)
    same(lambda: steps.gru_before_step(x, h, *opened()), lambda: steps.simple_gru_step(x, h, *[p[H:] for p in w]),
         leaves)


def test_before_and_after_the_product_differ_where_r_is_not_one(rng):
    """W (r h) is not r (W h): the test above would pass if both were one function."""
    x, h, *w = gru_leaves(rng, "cpu")
    assert np.abs(numpy(steps.gru_step(x, h, *w)) - numpy(steps.gru_before_step(x, h, *w))).max() > 1e-3


@pytest.mark.parametrize("update, kept", [("keeps", 1.0), ("writes", 0.0)])
def test_what_an_open_update_gate_does(rng, update, kept):
    """z = 1 keeps the old state in PyTorch's form, and writes the new one in the decks'."""
    z, n, h = mg.ones(B, H, dtype="float64"), *draw(rng, "cpu", (B, H), (B, H))
    close(steps.mixed(z, n, h, update), kept * h + (1 - kept) * n)


CASES = [("rnn", steps.rnn_step, 1, 1, []), ("skip", steps.skip_rnn_step, 2, 1, [(H, H)]),
         ("residual", steps.residual_rnn_step, 1, 1, []), ("lstm", steps.lstm_step, 2, 4, []),
         ("simplified", steps.simplified_lstm_step, 2, 3, []), ("coupled", steps.coupled_lstm_step, 2, 3, []),
         ("full", steps.peephole_lstm_step, 2, 4, [(3 * H, H)]),
         ("diagonal", steps.peephole_lstm_step, 2, 4, [(3 * H,)]),
         ("gru", steps.gru_step, 1, 3, []), ("gru-before", steps.gru_before_step, 1, 3, []),
         ("simple-gru", steps.simple_gru_step, 1, 2, [])]


@pytest.mark.parametrize("name, step, states, gates, more", CASES, ids=[c[0] for c in CASES])
def test_gradients_of_first_and_second_order_agree_with_differences(device, rng, name, step, states, gates, more):
    """Every argument of every form, against an oracle that knows no formula."""
    shapes = [(B, D), *[(B, H)] * states, (gates * H, D), (gates * H, H), (gates * H,), (gates * H,)]
    leaves = draw(rng, device, *shapes, *more)

    def f(*args):
        if name == "skip":                     # its matrix stands before the biases
            x, h, back, w_ih, w_hh, b_ih, b_hh, w_s = args
            return step(x, h, back, w_ih, w_hh, w_s, b_ih, b_hh)
        y = step(*args)
        return mg.concat(y, 1) if isinstance(y, tuple) else y
    assert mg.gradcheck(f, leaves, order=2)
