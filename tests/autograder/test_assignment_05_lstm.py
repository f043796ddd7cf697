"""05_lstm: its text against the tape and the LSTM layer, the copy that is promised, gradients that no difference earns.

`test_assignments.py` has what is asked of all.
"""

import numpy as np
import pytest

import minigrad as mg
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
from autograder.prove import graded, seeds
from minigrad import nn
from minigrad.nn.steps import lstm_step, peephole_lstm_step, simplified_lstm_step

from .assignment_help import assignment

LSTM = assignment("05_lstm")


# ----- The plan

def test_it_has_eight_functions_a_hundred_points_and_44_mutants():
    assert [check.function for check in LSTM.checks.values()] == [
        "lstm_gates", "lstm_step", "lstm_forward", "lstm_step_backward", "lstm_backward", "simplified_lstm_step",
        "peephole_step", "forget_bias"]
    assert [cell.points for cell in LSTM.graded.values()] == [14, 14, 12, 22, 18, 8, 8, 4]
    assert sum(len(check.mutants) for check in LSTM.checks.values()) == 44


# ----- The hidden tests

DIFFERENCES = """
    grads = [np.zeros_like(a) for a in args]
    for a, grad in zip(args, grads):
        for k in np.ndindex(a.shape):
            old, eps = a[k], 1e-5
            a[k] = old + eps
            up = loss(*args)
            a[k] = old - eps
            grad[k] = (up - loss(*args)) / (2 * eps)
            a[k] = old
    return tuple(grads)
"""
STEP_DIFFERENCES = """
def lstm_step_backward(dh_new, dc_new, x, h, c, W, b):
    def loss(x, h, c, W, b):
        h_new, c_new = lstm_step(x, h, c, W, b)
        return np.sum(dh_new * h_new) + np.sum(dc_new * c_new)

    args = [a.copy() for a in (x, h, c, W, b)]
""" + DIFFERENCES
SEQUENCE_DIFFERENCES = """
def lstm_backward(dhs, dc_last, xs, h0, c0, hs, cs, W, b):
    def loss(xs, h0, c0, W, b):
        hs, cs = lstm_forward(xs, h0, c0, W, b)
        return np.sum(dhs * hs) + np.sum(dc_last * cs[-1])

    args = [a.copy() for a in (xs, h0, c0, W, b)]
""" + DIFFERENCES


@pytest.mark.parametrize(("cell", "source"), [("lstm-step-backward-test", STEP_DIFFERENCES),
                                              ("lstm-backward-test", SEQUENCE_DIFFERENCES)])
def test_a_numerical_derivative_does_not_pass_for_a_gradient(cell, source):
    """With the forward pass differentiated by central differences, the parts are lost by size and by time."""
    [(_, result)] = graded(LSTM.checks[cell], source, seeds(1))
    assert result.score == 0


def test_a_forget_bias_written_in_place_costs_the_point_of_the_copy_alone():
    source = LSTM.solution_cell("forget_bias").source.replace("b.copy()", "b")
    [(_, result)] = graded(LSTM.checks["forget-bias-test"], source, seeds(1))
    assert result.score == 3 and "changed its argument `b`" in result.message


def test_a_forget_bias_that_is_a_view_of_its_argument_costs_the_point_of_the_copy():
    source = "def forget_bias(b, value):\n    b.reshape(4, -1)[1] = value\n    return b.reshape(-1)"
    [(_, result)] = graded(LSTM.checks["forget-bias-test"], source, seeds(1))
    assert result.score == 3


def test_pytorchs_order_in_the_gates_costs_points_in_the_gates_alone():
    """A student whose lstm_gates has o and g exchanged, and who calls it in parts 2 and 4, loses points once."""
    source = LSTM.solution_cell("lstm_gates").source.replace("i, f, o, g = np", "i, f, g, o = np")
    student = InKernel(LSTM.namespace(replace={"lstm_gates": source}))
    seed = seeds(1)[0]
    scores = {cell: grade_cell(check, student, seed).score for cell, check in LSTM.checks.items()}
    assert scores.pop("lstm-gates-test") == 6
    assert scores == {cell: LSTM.checks[cell].points for cell in scores}


# ----- The solution's text against minigrad

def leaf(a):
    return mg.tensor(a, dtype=mg.float64, requires_grad=True)


def fixed(a):
    return mg.tensor(a, dtype=mg.float64)


def close(got, want):
    for g, w in zip(got, want, strict=True):
        g, w = (a.detach().numpy() if isinstance(a, mg.Tensor) else a for a in (g, w))
        np.testing.assert_allclose(g, w, rtol=0, atol=1e-12 * (1 + np.max(np.abs(w))))


def drawn(rng, *shapes):
    return [0.7 * rng.normal(size=shape) for shape in shapes]


def torch_blocks(parts):
    """[W_i, W_f, W_g, W_o] on [h; x] -> W_ih, W_hh one below the other."""
    H = len(parts[0])
    return fixed(np.concatenate([p[:, H:] for p in parts])), fixed(np.concatenate([p[:, :H] for p in parts]))


def steps_agree(space, rng, B, D, H):
    """One step of each of the three cells is minigrad's step with PyTorch's rows."""
    x, h, c, W, b = drawn(rng, (B, D), (B, H), (B, H), (4 * H, H + D), (4 * H,))
    i, f, o, g = np.split(W, 4)
    b_i, b_f, b_o, b_g = np.split(b, 4)
    w_ih, w_hh = torch_blocks([i, f, g, o])
    bias = fixed(np.concatenate([b_i, b_f, b_g, b_o]))
    want = lstm_step(fixed(x), fixed(h), fixed(c), w_ih, w_hh, bias)
    close(space["lstm_step"](x, h, c, W, b), want)
    gates = space["lstm_gates"](x, h, W, b)
    close([gates[1] * c + gates[0] * gates[3]], want[1:])

    w_ih, w_hh = torch_blocks([i, g, o])
    close(space["simplified_lstm_step"](x, h, c, g, i, o, b_g, b_i, b_o),
          simplified_lstm_step(fixed(x), fixed(h), fixed(c), w_ih, w_hh, fixed(np.concatenate([b_i, b_g, b_o]))))

    p_i, p_f, p_o = drawn(rng, (H, H), (H, H), (H, H))
    w_ih, w_hh = torch_blocks([i, f, g, o])
    close(space["peephole_step"](x, h, c, np.hstack([p_f, f]), np.hstack([p_i, i]), np.hstack([p_o, o]), g,
                                 b_f, b_i, b_o, b_g),
          peephole_lstm_step(fixed(x), fixed(h), fixed(c), w_ih, w_hh, bias, None,
                             fixed(np.concatenate([p_i, p_f, p_o]))))


def sequences_agree(space, rng, T, B, D, H):
    """States and gradients are those of minigrad's LSTM layer, whose weights come by the given torch_layout."""
    xs, h0, c0, W, b, dhs, dc = drawn(rng, (T, B, D), (B, H), (B, H), (4 * H, H + D), (4 * H,), (T, B, H), (B, H))
    layer = nn.LSTM(D, H).to(mg.float64)
    layer.load_state_dict(space["torch_layout"](W, b))
    x, h_start, c_start = leaf(xs), leaf(h0[None]), leaf(c0[None])
    out, (h_n, c_n) = layer(x, (h_start, c_start))
    hs, cs = space["lstm_forward"](xs, h0, c0, W, b)
    close([hs, hs[-1], cs[-1]], [out, h_n[0], c_n[0]])

    (mg.sum(fixed(dhs) * out) + mg.sum(fixed(dc) * c_n[0])).backward()
    dxs, dh0, dc0, dW, db = space["lstm_backward"](dhs, dc, xs, h0, c0, hs, cs, W, b)
    moved = space["torch_layout"](dW, db)                               # the gradient has the layout of its parameter
    close([dxs, dh0, dc0, moved["weight_ih_l0"], moved["weight_hh_l0"], moved["bias_ih_l0"]],
          [x.grad, h_start.grad[0], c_start.grad[0], layer.weight_ih_l0.grad, layer.weight_hh_l0.grad,
           layer.bias_ih_l0.grad])
    if T == 1:
        close(space["lstm_step_backward"](dhs[0], dc, xs[0], h0, c0, W, b), [dxs[0], dh0, dc0, dW, db])


def engine_agrees(seed):
    rng, space = np.random.default_rng(seed), LSTM.namespace()
    for T in (1, int(rng.integers(2, 8))):
        B, D, H = (int(n) for n in rng.integers(1, 7, size=3))
        steps_agree(space, rng, B, D, H)
        sequences_agree(space, rng, T, B, D, H)


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    engine_agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    engine_agrees(seed)


def test_the_forget_bias_is_the_second_block_in_pytorchs_order_too():
    """So the layer's own forget_bias and the exercise's agree, once the layout is converted."""
    space = LSTM.namespace()
    b = space["forget_bias"](np.zeros(12), 3.0)
    layer = nn.LSTM(2, 3, forget_bias=3.0)
    both = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    assert np.array_equal(space["torch_layout"](np.zeros((12, 5)), b)["bias_ih_l0"][3:6], both[3:6])


# ----- The given training

def test_a_forget_bias_of_five_learns_the_first_number_and_of_zero_does_not():
    """The closing picture shows it for this seed; 300 updates take a second."""
    space = LSTM.namespace()
    last = {}
    for value in (0, 5):
        W, b, w = space["start_weights"](np.random.default_rng(1))
        _, losses = space["train_memory"]([W, space["forget_bias"](b, value), w], np.random.default_rng(7))
        last[value] = losses[-20:].mean()
    assert last[5] < 0.1 and last[0] > 0.6
