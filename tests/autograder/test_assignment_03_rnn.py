"""03_rnn: the hidden tests kill every listed mistake, give right code full marks and a blank notebook nothing."""

import contextlib
import io
import re
import time
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from autograder.assignment import Assignment
from minigrad import course

ROOT = Path(__file__).parents[2]
RNN = Assignment(ROOT / "solutions" / "03_rnn")
CELLS = list(RNN.checks)
MUTANTS = [(cell, mutant.name) for cell in CELLS for mutant in RNN.checks[cell].mutants]


def mutated(cell, name):
    """The reference's namespace with one mutant in it."""
    check = RNN.checks[cell]
    mutant = next(m for m in check.mutants if m.name == name)
    source = check.source(mutant)
    assert source is not None
    return RNN.namespace(replace={check.function: source})


def visible_test_passes(cell, space):
    """Run the part of the test cell that students see."""
    visible = re.sub(r"### BEGIN HIDDEN TESTS.*### END HIDDEN TESTS", "", RNN.graded[cell].source, flags=re.DOTALL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(visible, space)
    except course.VisibleTestFailed:
        return False
    return True


# ----- The plan

def test_it_has_seven_functions_a_hundred_points_and_31_mutants():
    assert [check.function for check in RNN.checks.values()] == [
        "rnn_step", "rnn_forward", "rnn_step_backward", "rnn_backward", "truncated_bptt_chunks", "clip_gradient",
        "train_hello"]
    assert [cell.points for cell in RNN.graded.values()] == [14, 14, 18, 22, 12, 12, 8]
    assert RNN.max_score == 100
    assert len(MUTANTS) == 31


def test_the_first_cell_names_the_graded_functions():
    environment = next(cell for cell in RNN.cells if cell.grade_id == "environment")
    named = re.findall(r'"(\w+)"', environment.source.split("functions=")[1])
    assert named == [check.function for check in RNN.checks.values()]


def test_each_function_has_three_folded_hints_and_the_last_has_a_gap():
    for check in RNN.checks.values():
        place = RNN.cells.index(RNN.solution_cell(check.function))
        hints = RNN.cells[place + 1].source
        assert re.findall(r"<summary>(.*?)</summary>", hints) == [
            "Hint 1: the idea", "Hint 2: the shapes", "Hint 3: a line with a gap"]
        assert "____" in hints.split("Hint 3")[1]


# ----- The visible tests

@pytest.mark.parametrize("cell", CELLS)
def test_the_visible_test_passes_for_the_solution_in_a_fifth_of_a_second(cell):
    space = RNN.namespace()
    begin = time.perf_counter()
    assert visible_test_passes(cell, space)
    assert time.perf_counter() - begin < 0.2


@pytest.mark.parametrize(("cell", "name"), MUTANTS)
def test_the_visible_test_notices_a_mutant_exactly_where_its_flag_says_so(cell, name):
    mutant = next(m for m in RNN.checks[cell].mutants if m.name == name)
    assert mutant.visible is not visible_test_passes(cell, mutated(cell, name))


@pytest.mark.parametrize("cell", CELLS)
def test_at_least_one_mutant_passes_each_visible_test(cell):
    """A green line is an invitation to think on: the points come from what it does not show."""
    assert not all(m.visible for m in RNN.checks[cell].mutants)


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
    hello_mutants_die(range(0, 1000, 10))
