"""A mistake is named when the output proves it, and only then; what other mistakes are told: test_structure.py."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from autograder.check import Check, Draw, Solution
from autograder.kernel import InKernel
from autograder.misconception import Found, sentences
from autograder.oracle import grade_cell
from autograder.questions import ANY, BY_FAMILY
from tests.autograder.assignment_help import assignment, cells
from tests.autograder.toys import BACK, CHECKS, LINE, SEED, SEEDS, earned, grade

# ----- Naming


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "mutant"), [(c.function, m.name) for c in CHECKS.values() for m in c.mutants])
def test_each_mutant_is_named_with_its_sentence_the_equation_and_the_slide(name, mutant, seed):
    check = CHECKS[name]
    wanted = next(m for m in check.mutants if m.name == mutant)
    result = grade(name, check.source(wanted), seed)
    assert [m.mutant for m in result.misconceptions] == [mutant]
    told = result.misconceptions[0]
    assert told.sentence == f"{wanted.says}\n{check.equation}  (slide: {check.slide})" and told.family == wanted.family


def test_a_mutant_written_in_another_way_is_recognised_by_its_output():
    result = grade("line", "def line(x, W, b):\n    return np.einsum('bd,hd->bh', x, W)")
    assert [m.mutant for m in result.misconceptions] == ["no_bias"]
    assert result.question == "What is y at x = 0?"


def test_a_mutants_own_question_comes_before_the_checks():
    result = grade("line", LINE.replace("return x", "return -x"))
    assert result.question == "What is y for b = 0?"


def test_a_mistake_without_a_question_of_its_own_or_its_check_ends_with_its_familys():
    result = grade("line_backward", BACK.replace("dy.sum", "dy.mean"))
    assert [m.mutant for m in result.misconceptions] == ["mean"] and result.question == ANY
    mutant = CHECKS["line_backward"].mutants[-1]
    found = [Found((dataclasses.replace(mutant, family="mean or sum"),), ("db",))]
    assert sentences(CHECKS["line_backward"], found)[1] == BY_FAMILY["mean or sum"]


def test_every_named_mistake_of_the_course_ends_with_a_question():
    families = {m.family for name, cell in cells() for m in assignment(name).checks[cell].mutants}
    assert set(BY_FAMILY) <= families, "a question for a family that no mistake belongs to"
    assert all(q.rstrip().endswith("?") for q in (*BY_FAMILY.values(), ANY))


def test_a_mutant_in_a_wrong_shape_is_recognised_too():
    result = grade("line", "def line(x, W, b):\n    return (x @ W.T).ravel()")
    assert [m.mutant for m in result.misconceptions] == ["no_bias"]


def test_one_wrong_result_beside_right_ones_is_found():
    result = grade("line_backward", BACK.replace("dy.T @ x", "dy.T @ x * 0.5"))
    assert [(m.mutant, m.outputs) for m in result.misconceptions] == [("dW_half", ["dW"])]
    assert result.message == "`dx` and `db` are right, `dW` is not."
    assert earned(result) == {"dx": 2, "dW": 0, "weights": 1.5}


def test_two_mistakes_at_once_are_both_named_the_one_nearer_to_the_input_first():
    result = grade("line_backward", BACK.replace("dy.T @ x", "dy.T @ x / 2").replace("dy.sum", "dy.mean"))
    assert [m.mutant for m in result.misconceptions] == ["dW_half", "mean"]


def test_a_mutants_output_beside_a_different_mistake_is_not_named():
    """dW is the mutant's, db is nobody's: another mistake that shares one output must not be misnamed."""
    result = grade("line_backward", BACK.replace("dy.T @ x", "dy.T @ x / 2").replace("dy.sum(axis=0)", "np.sin(dy[0])"))
    assert result.misconceptions == [] and result.question is None


def test_a_mutant_that_fits_on_some_draws_only_is_not_named():
    source = "def line(x, W, b):\n    return x @ W.T + (b if len(x) == 2 else 0)"
    result = grade("line", source)
    assert [p.ok for p in result.parts] == [True, False, False]
    named_for = {o for m in result.misconceptions for o in m.outputs}
    assert not named_for or earned(result)["values"] == 0       # B = 1 never has two rows: there the bias is missing


def test_one_discriminating_draw_is_not_enough():
    check = Check("f", cell="f", slide="", equation="", args=("n",), results=("r",))
    check.draws(lambda rng: [Draw((float(n),)) for n in (1, 2, 3, -4)])
    check.part("all", 1)
    check.mutant("absolute", replace="return n", by="return abs(n)", says="Keep the sign.")
    Solution({"f": "def f(n):\n    return n"}, [check])
    result = grade_cell(check, InKernel({"f": abs}), SEED)
    assert result.score == 0 and result.misconceptions == []


def test_between_two_mutants_that_fit_further_draws_decide():
    """On 1 the two agree, and all draws of this seed may be 1: what the student wrote shows on others."""
    check = Check("f", cell="f", slide="", equation="", args=("n",), results=("r",))
    first = True

    @check.draws
    def draw(rng):
        nonlocal first
        numbers, first = ([1.0] * 4 if first else rng.uniform(2, 3, 4)), False
        return [Draw((float(n),)) for n in numbers]

    check.part("all", 1)
    check.mutant("double", replace="return n", by="return n + n", says="Not twice.")
    check.mutant("plus_one", replace="return n", by="return n + 1", says="Not one more.")
    Solution({"f": "def f(n):\n    return n"}, [check])
    result = grade_cell(check, InKernel({"f": lambda n: n + 1}), SEED)
    assert [m.mutant for m in result.misconceptions] == ["plus_one"]


def test_two_mutants_that_are_always_equal_give_one_sentence_the_first():
    check = Check("f", cell="f", slide="", equation="", args=("x (N)",), results=("r (N)",))
    check.draws(lambda rng: [Draw((rng.normal(size=n),)) for n in (2, 3, 4, 5)])
    check.part("all", 1)
    check.mutant("twice", replace="return x", by="return 2 * x", says="Not twice.")
    check.mutant("sum", replace="return x", by="return x + x", says="Do not add it to itself.")
    Solution({"f": "def f(x):\n    return x"}, [check])
    result = grade_cell(check, InKernel({"f": lambda x: x * 2}), SEED)
    assert [m.mutant for m in result.misconceptions] == ["twice"]


def test_a_mutant_that_raises_where_the_student_raises_still_fits():
    check = Check("f", cell="f", slide="", equation="", args=("a (N, M)", "b (M, N)"), results=("r (N, N)",))
    shapes = ((2, 3), (3, 3), (2, 2), (4, 4), (4, 2))
    check.draws(lambda rng: [Draw(check.normal(rng, {"N": n, "M": m})) for n, m in shapes])
    check.part("all", 1)
    check.mutant("transposed", replace="a @ b", by="a @ b.T", says="No transpose.")
    Solution({"f": "def f(a, b):\n    return a @ b"}, [check])
    result = grade_cell(check, InKernel({"np": np, "f": lambda a, b: np.einsum("nm,km->nk", a, b)}), SEED)
    assert [m.mutant for m in result.misconceptions] == ["transposed"]
    assert result.message == "`f` fails unless N = M: ValueError, called with a (2, 3), b (3, 2)"
