"""A mistake is named when the output proves it, and only then; other mistakes get the first sentence that holds."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.check import Check, Draw, Solution
from autograder.describe import Case, describe, shared_property
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
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


# ----- Sentences where no mutant fits

def cases(wrong, shapes=((3, 2, 4), (5, 3, 2), (4, 4, 4)), axes="TBH"):
    rng = np.random.default_rng(1)
    made = []
    for shape in shapes:
        want = rng.normal(size=shape)
        draw = Draw((), dict(zip(axes, shape, strict=True)))
        got = np.asarray(wrong(want.copy(), draw))
        repaired = got.reshape(want.shape) if got.size == want.size else got
        right = repaired.shape == want.shape and bool(np.allclose(repaired, want, rtol=1e-9))
        made.append(Case(draw, got, repaired, want, 1e-7, right))
    return made


@pytest.mark.parametrize(("wrong", "sentence"), [
    (lambda w, d: w.transpose(1, 0, 2), "the result is transposed: axes 0 (T) and 1 (B) are exchanged"),
    (lambda w, d: w.swapaxes(1, 2), "the result is transposed: axes 1 (B) and 2 (H) are exchanged"),
    (lambda w, d: -w, "the sign is turned round"),
    (lambda w, d: 2 * w, "off by a factor of 2"),
    (lambda w, d: w / 2, "off by a factor of 1/2"),
    (lambda w, d: w / d["T"], "off by a factor of 1/T: a sum for a mean, or a forgotten scale"),
    (lambda w, d: w * d["B"], "off by a factor of B: a sum for a mean, or a forgotten scale"),
    (lambda w, d: w / np.sqrt(d["H"]),
     "off by a factor of 1 over the root of H: a sum for a mean, or a forgotten scale"),
    (lambda w, d: 0.37 * w, "off by the same constant factor on every draw"),
    (lambda w, d: w / np.linalg.norm(w),
     "off by one factor for all entries, another on every draw: a sum for a mean, or a forgotten scale"),
    (lambda w, d: w + 0.3, "off by a constant, the same for all entries: a bias or a mean"),
    (lambda w, d: w - w.mean(axis=1, keepdims=True), "off by a constant along axis 1 (B): a bias or a mean"),
    (lambda w, d: w[::-1], "right values in reversed order along axis 0 (T)"),
    (lambda w, d: np.concatenate([w[:1] * 0, w[:-1]]),
     "right values, one place too late along axis 0 (T): off by one step"),
    (lambda w, d: np.concatenate([w[1:], w[:1] * 0]),
     "right values, one place too early along axis 0 (T): off by one step"),
    (lambda w, d: np.roll(w, 2, axis=0),
     "right values in another order along axis 0 (T): blocks or steps are exchanged"),
    (lambda w, d: np.concatenate([w[:1], np.sin(w[1:])]),
     "right at the first step, wrong from there on: look at what is handed over from step to step"),
    (lambda w, d: np.concatenate([np.sin(w[:-2]), w[-2:]]),
     "right at the last 2 steps, wrong before: look at what is handed over from step to step"),
    (lambda w, d: w if d["T"] == d["B"] else np.sin(w),
     "right for sizes that are all equal only: what changes otherwise?"),
    (lambda w, d: w * (1 + 1e-5 * np.sin(np.arange(w.size)).reshape(w.shape)),
     "nearly right: an epsilon, a clipped logarithm, float32, or a numerical derivative?"),
])
def test_the_first_sentence_that_holds_on_all_draws_is_said(wrong, sentence):
    assert describe(cases(wrong), "TBH") == sentence


def test_what_fits_no_sentence_gets_the_first_wrong_index_and_the_size_in_words():
    told = describe(cases(lambda w, d: np.sin(3 * w)), "TBH")
    assert told == ("24 of 24 entries are wrong, the first at index (0, 0, 0); the error is about as large as the "
                    "largest entry")


def test_wrong_on_padding_alone_is_said():
    made = cases(lambda w, d: w)
    for i, c in enumerate(made):
        mask = np.arange(c.want.shape[0])[:, None] < np.arange(1, 1 + c.want.shape[1])
        got = np.where(mask[..., None], c.want, 7.0 + c.want**2)
        c.draw.tags["real"] = mask
        made[i] = Case(c.draw, got, got, c.want, 1e-7, False)
    assert describe(made, "TBH") == "right at real positions, wrong on padding: what should stand there?"


def test_symmetric_draws_do_not_make_everything_transposed():
    assert "transposed" not in describe(cases(lambda w, d: np.sin(w), shapes=((1, 1, 1), (1, 1, 1))), "TBH")


@pytest.mark.parametrize(("got", "want", "sentence"), [
    ([1, 2, 3], [1, 2], "one entry too many"), ([1], [1, 2], "one entry is missing"),
    ([2, 1], [1, 2], "right entries in another order"), ([1, 5], [1, 2], "the first wrong entry is number 1"),
    ([1, 2, 3, 4], [1, 2], "4 entries came, 2 are expected"),
    ([np.ones(2), np.ones(2)], [np.ones(2), np.zeros(2)], "the first wrong entry is number 1"),
])
def test_lists_are_described_by_their_entries(got, want, sentence):
    case = Case(Draw(()), got, got, want, 1e-7, False)
    assert describe([case, case], ()) == sentence


# ----- What failing draws share

def draws(*tags):
    return [Draw((), t) for t in tags]


@pytest.mark.parametrize(("failing", "passing", "sentence"), [
    (draws({"B": 1, "T": 4}, {"B": 1, "T": 2}), draws({"B": 3, "T": 1}, {"B": 2, "T": 2}), "fails for B = 1"),
    (draws({"B": 3, "T": 4}, {"B": 1, "T": 2}), draws({"B": 3, "T": 1}),
     "right for T = 1 only: what changes otherwise?"),
    (draws({"B": 3, "T": 3}), draws({"B": 3, "T": 1}, {"B": 1, "T": 4}), "fails for B = T"),
    (draws({"n": 3, "large": True}), draws({"n": 3}), "fails for large"),
    (draws({"n": 3}), draws({"n": 4}), None), (draws({"n": 1}), [], None), ([], draws({"n": 1}), None),
])
def test_the_property_that_tells_failing_draws_from_others(failing, passing, sentence):
    assert shared_property(failing, passing) == sentence
