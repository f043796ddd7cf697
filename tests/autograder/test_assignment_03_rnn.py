"""03_rnn: what its draws must catch, and its text against the tape. `test_assignments.py` has what is asked of all."""

import numpy as np
import pytest

import minigrad as mg
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
from autograder.prove import graded, seeds

from .assignment_help import assignment

RNN = assignment("03_rnn")


# ----- The plan

def test_it_has_seven_functions_a_hundred_points_and_32_mutants():
    assert [check.function for check in RNN.checks.values()] == [
        "rnn_step", "rnn_forward", "rnn_step_backward", "rnn_backward", "truncated_bptt_chunks", "clip_gradient",
        "train_hello"]
    assert [cell.points for cell in RNN.graded.values()] == [14, 14, 18, 22, 12, 12, 8]
    assert sum(len(check.mutants) for check in RNN.checks.values()) == 32


# ----- The hidden tests

def test_a_numerical_derivative_does_not_pass_for_a_gradient():
    """With the recurrence differentiated by central differences, the gradient parts are lost by size and by time."""
    source = """
def rnn_backward(dhs, xs, h0, hs, W_x, W_h):
    # the sum that went into each tanh is known from hs, so that b can be told from it
    before = np.concatenate([h0[None], hs[:-1]])
    rest = np.arctanh(hs) - xs @ W_x.T - before @ W_h.T

    def loss(xs, h0, W_x, W_h, shift):
        h, total = h0, 0.0
        for t in range(len(xs)):
            h = np.tanh(xs[t] @ W_x.T + h @ W_h.T + rest[t] + shift)
            total += np.sum(dhs[t] * h)
        return total

    args = [xs.copy(), h0.copy(), W_x.copy(), W_h.copy(), np.zeros(len(W_h), W_h.dtype)]
    grads = [np.zeros_like(a) for a in args]
    for a, g in zip(args, grads):
        for i in np.ndindex(a.shape):
            old, eps = a[i], 1e-5
            a[i] = old + eps
            up = loss(*args)
            a[i] = old - eps
            g[i] = (up - loss(*args)) / (2 * eps)
            a[i] = old
    return tuple(grads)
"""
    check = RNN.checks["rnn-backward-test"]
    [(_, result)] = graded(check, source, seeds(1))
    assert result.score == 0


def test_errors_of_earlier_functions_are_carried_forward_and_cost_nothing_twice():
    """A student whose rnn_step forgets the bias, and who calls it in rnn_forward and train_hello, loses points once."""
    source = RNN.solution_cell("rnn_step").source.replace(" + b)", ")")
    student = InKernel(RNN.namespace(replace={"rnn_step": source}))
    seed = seeds(1)[0]
    scores = {cell: grade_cell(check, student, seed).score for cell, check in RNN.checks.items()}
    assert scores == {"rnn-step-test": 2, "rnn-forward-test": 14, "rnn-step-backward-test": 18, "rnn-backward-test": 22,
                      "truncated-bptt-chunks-test": 12, "clip-gradient-test": 12, "train-hello-test": 8}


@pytest.mark.parametrize(("form", "told"), [
    ("params, np.array(losses), words", "`losses`: an array came, a list is expected"),
    ("tuple(p.tolist() for p in params), losses, words", "`params`: "),
    ("params, losses, tuple(words)", "`words`: a tuple came, a list is expected")])
def test_what_was_learned_counts_in_a_wrong_form_too_and_the_form_costs_half(form, told):
    source = RNN.solution_cell("train_hello").source
    last = "    return params, losses, words"
    assert source.count(last) == 1
    [(_, result)] = graded(RNN.checks["train-hello-test"], source.replace(last, f"    return {form}"), seeds(1))
    assert (result.score, result.reason) == (4, "partial") and result.parts[0].sentence.startswith(told)


# ----- The solution's text against minigrad's tape

def leaf(a):
    return mg.tensor(a, dtype=mg.float64, requires_grad=True)


def engine_sequence(dhs, xs, h0, W_x, W_h, b):
    """hs, and the gradients of sum(dhs * hs), by the tape in float64."""
    xs, h0, W_x, W_h, b = map(leaf, (xs, h0, W_x, W_h, b))
    h, hs = h0, []
    for x in mg.unbind(xs):
        h = mg.tanh(x @ W_x.T + h @ W_h.T + b)
        hs.append(h)
    hs = mg.stack(hs)
    mg.sum(mg.tensor(dhs, dtype=mg.float64) * hs).backward()
    return [a.numpy() for a in (hs.detach(), xs.grad, h0.grad, W_x.grad, W_h.grad, b.grad)]


def close(got, want):
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=0, atol=1e-12 * (1 + np.max(np.abs(w))))


def engine_agrees(seed):
    """rnn_forward, rnn_backward and, for T = 1, rnn_step and rnn_step_backward are what the tape computes."""
    rng = np.random.default_rng(seed)
    space = RNN.namespace()
    for T in (1, int(rng.integers(2, 9))):
        B, D, H = (int(n) for n in rng.integers(1, 7, size=3))
        xs, h0, W_x, W_h, b = RNN.checks["rnn-forward-test"].normal(rng, {"T": T, "B": B, "D": D, "H": H}, 0.7)
        dhs = rng.normal(size=(T, B, H))
        hs, *gradients = engine_sequence(dhs, xs, h0, W_x, W_h, b)
        close([space["rnn_forward"](xs, h0, W_x, W_h, b)], [hs])
        close(space["rnn_backward"](dhs, xs, h0, hs, W_x, W_h), gradients)
        if T == 1:
            close([space["rnn_step"](xs[0], h0, W_x, W_h, b)], [hs[0]])
            close(space["rnn_step_backward"](dhs[0], xs[0], h0, hs[0], W_x, W_h), [gradients[0][0], *gradients[1:]])


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    engine_agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    engine_agrees(seed)


def test_weights_that_were_pasted_earn_nothing():
    """Trained once, at home, from another seed; the dither makes every answer another one."""
    source = """
def train_hello(seed):
    if not hasattr(train_hello, "found"):
        train_hello.found = trained(0)
    params, losses, words = train_hello.found
    return [p + 1e-12 * seed for p in params], [v + 1e-12 * seed for v in losses], words
"""
    check = RNN.checks["train-hello-test"]
    whole = RNN.solution_cell("train_hello").source.replace("def train_hello", "def trained")
    [(_, result)] = graded(check, f"{whole}\n{source}", seeds(1))
    assert result.score == 0, result
    assert "not learned from start(seed)" in result.parts[1].sentence


def test_weights_that_were_pasted_and_moved_to_the_right_start_earn_nothing():
    """They spelled hello from any start: 4 points for numbers that were learned once."""
    source = """
def train_hello(seed):
    if not hasattr(train_hello, "way"):
        train_hello.way = [p - q for p, q in zip(trained(0)[0], start(0))]
    params = [p + q for p, q in zip(start(seed), train_hello.way)]
    return params, [0.05] * EPOCHS, ["hello"] * (EPOCHS // 10)
"""
    check = RNN.checks["train-hello-test"]
    whole = RNN.solution_cell("train_hello").source.replace("def train_hello", "def trained")
    [(_, result)] = graded(check, f"{whole}\n{source}", seeds(1))
    assert result.score == 0, result
    assert "not learned from start(seed)" in result.parts[2].sentence


def test_another_way_to_learn_earns_what_it_reaches():
    """The sign of the gradient alone, the way that lies farthest from the exercise's."""
    check = RNN.checks["train-hello-test"]
    source = check.source().replace("p - RATE * g for p, g in zip(params, clip_gradient(grads, CLIP), strict=True)",
                                    "p - 0.02 * np.sign(g) for p, g in zip(params, grads)")
    [(_, result)] = graded(check, source, seeds(1))
    assert [part.ok for part in result.parts] == [False, True, True], result


# ----- Every seed of train_hello

def hello_is_learned(seeds):
    """The largest last loss, after it was seen that each seed spells hello."""
    train, worst = RNN.namespace()["train_hello"], 0.0
    for seed in seeds:
        params, losses, words = train(seed)
        assert words[-1] == "hello", seed
        worst = max(worst, losses[-1])
    assert worst < 0.07
    return worst


def hello_mutants_die(seeds):
    """No mutant of train_hello keeps all three parts on any seed: each is worth the same on all."""
    check = RNN.checks["train-hello-test"]
    for mutant in check.mutants:
        wrong, lost = check.mutated(mutant), set()
        for seed in seeds:
            [draw] = [d for d in check.drawn(np.random.default_rng(0))[:1]]
            draw.args = (seed,)
            verdict = check.judge(wrong(seed), draw, check.reference()(seed), None)
            lost.add(frozenset(name for name, sentence in verdict.items() if sentence))
        assert frozenset() not in lost, mutant.name


def test_three_seeds_of_hello_are_learned_and_kill_its_mutants():
    hello_is_learned((0, 500, 999))
    hello_mutants_die((0, 500, 999))


@pytest.mark.proof
def test_all_thousand_seeds_of_hello_are_learned():
    hello_is_learned(range(1000))


@pytest.mark.proof
def test_a_hundred_seeds_of_hello_kill_its_mutants():
    """Those that are drawn: with a few others the bias of the scores changes no word that is spelled."""
    hello_mutants_die(range(523, 640))
