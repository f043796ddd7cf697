"""The proof of a Check finds what is wrong with it: each of these Checks has one fault that must be told."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.check import Check, CheckError, Draw, Named, Solution, sizes
from autograder.prove import prove, seeds
from tests.autograder.toys import CHECKS, LINE, line_check

FEW = seeds(2)


@pytest.mark.parametrize("name", ["line", "sums", "firsts"])
def test_the_toys_have_no_fault(name):
    assert prove(CHECKS[name], FEW).faults == []


def faults(check: Check, source: str = LINE) -> str:
    Solution({check.function: source}, [check])
    return "\n".join(prove(check, FEW).faults)


def test_a_mutant_that_survives_is_told():
    check = line_check()
    check.mutant("harmless", replace="x @ W.T", by="x @ W.T * 1", says="Nothing.")
    assert "mutant 'harmless' survives" in faults(check)


def test_two_mutants_with_other_messages_that_cannot_be_told_apart_are_told():
    check = line_check()
    check.mutant("no_bias_again", replace=" + b", by=" + 0 * b", says="Another sentence for the same thing.")
    assert "mutant 'no_bias_again' is told as ['no_bias']" in faults(check)


def test_a_price_that_depends_on_the_seed_is_told():
    check = line_check()
    check.mutant("sometimes", replace=" + b", by=" + b * (x[0, 0] < 1)", says="Always add the bias.")
    check.draws(lambda rng: [Draw(check.normal(rng, s)) for s in sizes(rng, "BDH", different=4, one={"B": 4})])
    assert "mutant 'sometimes'" in "\n".join(prove_with(check, 12))


def prove_with(check: Check, count: int) -> list[str]:
    Solution({check.function: LINE}, [check])
    return prove(check, seeds(count)).faults


def test_a_right_variant_that_loses_points_is_told():
    check = line_check()
    check.variant("not so right", "def line(x, W, b):\n    return x @ W.T + b + 1e-3")
    assert "variant 'not so right' loses 'values'" in faults(check)


def test_a_part_with_few_draws_is_told():
    check = line_check()
    check.draws(lambda rng: [Draw(check.normal(rng, {"B": n, "D": 2, "H": 3})) for n in (1, 2, 3, 4, 5)])
    assert "part 'batch 1': 1 draws, 4 are needed" in faults(check)


def test_a_part_that_the_argument_earns_is_told():
    check = Check("f", cell="f", slide="", equation="", args=("x (N)",), results=("y (N)",))
    check.draws(lambda rng: [Draw((a,)) for a in np.abs(rng.normal(size=(4, 3)))])
    check.part("positive", 1)
    assert "the constant an argument earns 'positive'" in faults(check, "def f(x):\n    return np.abs(x)")


def test_the_same_seeds_prove_the_same():
    assert prove(CHECKS["line"], FEW) == prove(CHECKS["line"], FEW)
    assert seeds(3) == seeds(5)[:3] and len(set(seeds(30))) == 30


# ----- Declaring

def test_axes_are_read_off_the_names():
    assert Named.parse("xs (T, B, D)") == Named("xs", ("T", "B", "D"))
    assert Named.parse("b (H,)") == Named("b", ("H",)) and Named.parse("grads") == Named("grads")


@pytest.mark.parametrize("declare", [
    lambda c: c.part("values", 1), lambda c: c.part("more", 1, outputs="no such result"), lambda c: c.part("free", 0),
    lambda c: c.part("odd", 1, kind="colour"), lambda c: c.mutant("no_bias", replace="a", by="b", says="Twice."),
    lambda c: c.mutant("empty", says="Nothing is replaced."),
    lambda c: list(sizes(np.random.default_rng(0), "ABCDEFG")),
    lambda c: c.sizes_of((np.ones((2, 3)), np.ones((4, 5)), np.ones(4))), lambda c: c.sizes_of((np.ones(2),) * 3),
    lambda c: Named.parse("x (B"),
    lambda c: Check("f", cell="f", slide="", equation="", args=(), results=("r",)).reference(),
])
def test_a_declaration_that_does_not_fit_is_an_error_at_once(declare):
    with pytest.raises(CheckError):
        declare(line_check())


def test_sizes_are_all_different_then_all_equal_then_one():
    made = list(sizes(np.random.default_rng(0), "TBD"))
    assert [len(set(s.values())) for s in made[:5]] == [3, 3, 3, 1, 1]
    assert [s["B"] for s in made[5:7]] == [1, 1] and [s["T"] for s in made[7:]] == [1, 1]
