"""The oracle gives each part its points, says why others are lost, and never a value of a draw."""

from __future__ import annotations

import re

import numpy as np
import pytest

from autograder.answers import function_at
from autograder.check import Check, Draw, Solution
from autograder.kernel import InKernel
from autograder.oracle import CellResult, generator, grade_cell
from autograder.student import StudentDied, StudentTimeout
from tests.autograder.toys import BACK, CHECKS, LINE, SEED, SEEDS, SUMS, Limits, earned, grade, student, texts

# ----- Full marks and none


@pytest.mark.parametrize(("name", "source"), [("line", LINE), ("line_backward", BACK), ("sums", SUMS), ("firsts", "")])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_solution_earns_every_part(name, source, seed):
    result = grade(name, source, seed)
    assert (result.reason, result.score, result.message) == ("ok", result.points, "")
    assert all(p.ok for p in result.parts) and not result.misconceptions


@pytest.mark.parametrize(("body", "message"), [
    ("raise NotImplementedError()", "`line` is not written yet."),
    ("pass", "`line` returns nothing yet: is there a `return`?"),
    ("y = x @ W.T + b", "`line` returns nothing yet: is there a `return`?"),
])
def test_a_function_that_is_not_written_earns_nothing_and_is_not_searched(body, message):
    result = grade("line", f"def line(x, W, b):\n    {body}")
    assert (result.score, result.reason, result.message, result.misconceptions) == (0, "not_written", message, [])


@pytest.mark.parametrize("answer", ["np.zeros((len(x), len(W)))", "np.ones((len(x), len(W)))", "x", "W", "0", "1.0"])
def test_a_constant_or_an_argument_earns_nothing_not_even_the_shape(answer):
    assert grade("line", f"def line(x, W, b):\n    return {answer}").score == 0


def test_a_missing_function_says_so():
    result = grade("line", "del line")
    assert (result.score, result.reason) == (0, "missing")
    assert "no function `line`" in result.message


def test_a_result_that_is_no_data_is_refused():
    result = grade("line", "def line(x, W, b):\n    return (x for x in x)")
    assert result.score == 0 and "value of type generator" in result.message
    result = grade("line", "class A(np.ndarray): pass\ndef line(x, W, b):\n    return (x @ W.T + b).view(A)")
    assert result.score == 0 and "value of type object" in result.message


# ----- Exceptions and time

def test_an_exception_shows_the_students_line_and_the_shapes_alone(tmp_path):
    file = tmp_path / "cell.py"
    file.write_text("def line(x, W, b):\n    return x @ W\n", encoding="utf-8")
    space = CHECKS["line"].text.namespace()
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), space)
    result = grade_cell(CHECKS["line"], InKernel(space), SEED)
    assert result.score == 0
    # where all sizes are equal the product fits, so it does not raise on every draw: those draws count, and are wrong
    assert re.match(r"`line` (fails unless|on some draws).*: ValueError in its line `return x @ W`, called with "
                    r"x \(\d, \d\), W \(\d, \d\), b \(\d,\)", result.message)
    space = CHECKS["sums"].text.namespace()
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), space)
    result = grade_cell(CHECKS["sums"], InKernel(space), SEED)      # the line is another function's
    assert "ValueError in the line `return x @ W` of `line`; `sums` was called with xs (" in result.message
    assert "its line" not in result.message


def test_an_exception_everywhere_is_reason_raises():
    result = grade("line", "def line(x, W, b):\n    return x @ W.T + c")
    assert (result.score, result.reason) == (0, "raises")
    assert "NameError" in result.message and result.misconceptions == []


def test_an_exception_for_some_draws_names_what_they_share_and_the_others_count():
    result = grade("line", "def line(x, W, b):\n    assert len(x) > 1, x\n    return x @ W.T + b")
    assert earned(result) == {"shape": 2, "values": 5, "batch 1": 0}
    assert "fails for B = 1: AssertionError" in result.message


def test_a_draw_that_takes_too_long_ends_the_cell():
    result = grade("line", "def line(x, W, b):\n    while True: pass")
    assert (result.score, result.reason) == (0, "timeout")
    assert "too slow for x" in result.message and result.seconds < 5


def test_parts_that_were_complete_before_a_time_out_stay_earned():
    """The draws of `values` and `batch 1` are run before the float32 draw; both parts but the one with it are kept."""
    result = grade("line", "def line(x, W, b):\n    while x.dtype == np.float32: pass\n    return x @ W.T + b")
    assert result.reason == "timeout"
    assert earned(result) == {"shape": 2, "values": 0, "batch 1": 3}


def test_a_draw_with_a_budget_of_its_own_is_lost_alone():
    source = BACK.replace("dx =", "for _ in range(10**8 if dy.size > 1000 else 0): pass\n    dx =")
    result = grade("line_backward", source)
    assert result.reason == "wrong" and "fails for large: too slow" in result.message
    assert all(not o.sentence for o in result.parts)        # nothing is said of values that never came


def test_a_right_function_that_misses_a_budget_once_is_asked_again():
    """Its first call may have to make a table, or the machine's caches were another program's."""
    class Hiccup:
        def __init__(self):
            self.right, self.large = student(BACK), 0

        def call(self, name, args, **how):
            if args[0].size > 1000:
                self.large += 1
                if self.large == 1:
                    raise StudentTimeout("no answer after 0.2 s")
            return self.right.call(name, args, **how)

    hiccup = Hiccup()
    result = grade_cell(CHECKS["line_backward"], hiccup, SEED, Limits)
    assert (result.score, hiccup.large) == (8, 2)


def test_a_swallowed_alarm_is_still_a_time_out():
    source = """
def line(x, W, b):
    while True:
        try:
            while True: pass
        except Exception: pass
"""
    assert grade("line", source).reason == "timeout"


def test_a_student_that_dies_ends_the_cell():
    class Dying:
        def call(self, name, args, **how):
            raise StudentDied("the process ended")

    result = grade_cell(CHECKS["line"], Dying(), SEED)
    assert (result.score, result.reason) == (0, "died") and "process that ran it ended" in result.message


# ----- Form

def test_right_values_in_a_wrong_shape_earn_half_at_most():
    result = grade("line", "def line(x, W, b):\n    return (x @ W.T + b).ravel()")
    assert earned(result) == {"shape": 0, "values": 5, "batch 1": 3}
    assert result.score == 5 and "came, (" in result.parts[0].sentence


def test_a_list_for_an_array_is_a_wrong_form():
    result = grade("line", "def line(x, W, b):\n    return (x @ W.T + b).tolist()")
    assert result.score == 5 and result.parts[0].sentence == "a list came, an array is expected"


def test_without_a_shape_part_a_wrong_form_costs_half_of_the_part():
    result = grade("line_backward", BACK.replace("axis=0)", "axis=0, keepdims=True)"))
    assert earned(result) == {"dx": 2, "dW": 3, "weights": 2.2}      # dW half of 3, db half of that
    assert "`db`: (1, " in result.parts[2].sentence


def test_integers_ask_whether_a_division_was_lost():
    result = grade("line", "def line(x, W, b):\n    return (x @ W.T + b).astype(int)")
    assert "was a division or a cast lost?" in result.parts[0].sentence


def test_a_wrong_number_of_results_is_counted():
    result = grade("line_backward", BACK.replace("return dx, dW, db", "return dx, dW"))
    assert result.score == 0 and "3 results are expected: dx, dW, db; 2 came" in result.message


def test_a_list_of_results_is_as_good_as_a_tuple():
    assert grade("line_backward", BACK.replace("return dx, dW, db", "return [dx, dW, db]")).reason == "ok"


def test_nan_names_the_draw_and_asks_for_an_overflow():
    source = "def line(x, W, b):\n    y = x @ W.T + b\n    return y if abs(y).max() < 999 else y * np.nan"
    result = grade("line", source)
    assert result.parts[1].sentence == ("NaN at the draw with large inputs: is there an `exp` of a large number, "
                                        "a maximum not subtracted?")


def test_float64_for_float32_is_a_note():
    result = grade("line", "def line(x, W, b):\n    return x.astype(float) @ W.T + b")
    assert result.score == 10 and "float64 went out" in result.notes[0]


# ----- Arguments

def test_a_changed_argument_loses_the_edge_part_and_nothing_else():
    result = grade("line", "def line(x, W, b):\n    W *= 2\n    return x @ W.T / 2 + b")
    assert earned(result) == {"shape": 2, "values": 5, "batch 1": 0}
    assert result.message == "The function changed its argument `W`."


def test_without_an_edge_part_the_cheapest_part_is_lost():
    result = grade("line_backward", BACK.replace("dx = dy @ W", "dx = dy @ W\n    x += 0.0\n    W[:] = 7"))
    assert earned(result) == {"dx": 0, "dW": 3, "weights": 3} and "`W`" in result.message


def test_shared_memory_costs_only_where_copies_are_promised():
    check = Check("same", cell="same", slide="", equation="", args=("x (N)",), results=("y (N)",), copies=True)
    check.draws(lambda rng: [Draw(check.normal(rng, {"N": n})) for n in (2, 3, 4, 5)] + [Draw((np.zeros(3) - 1,))])
    check.part("values", 3)
    check.part("copy", 1, where=lambda d: d["N"] == 3, edge=True)
    Solution({"same": "def same(x):\n    return np.where(x < 0, -1.0, x)"}, [check])

    def same(x):
        return x if (x[x < 0] == -1).all() else np.where(x < 0, -1.0, x)

    alias = InKernel({"same": same})
    result = grade_cell(check, alias, SEED)
    assert earned(result) == {"values": 3, "copy": 0} and "shares its memory with the argument `x`" in result.message
    check.copies = False
    assert grade_cell(check, alias, SEED).score == 4


# ----- Gradients

def test_a_numerical_derivative_fails_at_mixed_scales_and_at_the_large_draw():
    source = """
def line_backward(dy, x, W):
    def numerical(a, f):
        g = np.zeros_like(a)
        for i in np.ndindex(*a.shape):
            old = a[i]; a[i] = old + 1e-4; up = f(); a[i] = old - 1e-4; g[i] = (up - f()) / 2e-4; a[i] = old
        return g
    loss = lambda: np.sum(dy * (x @ W.T))
    return numerical(x, loss), numerical(W, loss), dy.sum(axis=0)
"""
    result = grade("line_backward", source)
    assert earned(result)["dx"] == 0 and earned(result)["dW"] == 0
    assert earned(result)["weights"] == 0       # its draws include the one that took too long


# ----- Errors carried forward

def test_a_function_that_is_right_apart_from_an_earlier_one_earns_everything_and_a_note():
    result = grade("sums", "def line(x, W, b):\n    return np.tanh(x @ W.T) - b")
    assert (result.reason, result.score) == ("ok", 10)
    assert result.notes == ["right, apart from what `line` does: full points"]


def test_its_own_mistake_is_not_excused_by_an_earlier_one():
    other_line = "def line(x, W, b):\n    return np.tanh(x @ W.T) - b\n"
    result = grade("sums", other_line + SUMS.replace("total + line", "line"))
    assert earned(result) == {"shape": 2, "values": 0, "T = 1": 4}      # for one step the two are the same
    assert result.notes == ["right, apart from what `line` does, in T = 1"]


def test_nothing_is_carried_forward_from_an_earlier_function_that_returns_zeros():
    result = grade("sums", "def line(x, W, b):\n    return np.zeros((len(x), len(b)))")
    assert result.score == 0


def test_a_result_that_its_own_test_found_right_excuses_nothing():
    """It lies then: right where it is graded, and wrong where it is asked for another function's sake."""
    source = "def line(x, W, b):\n    return np.tanh(x @ W.T) - b"
    assert grade_cell(CHECKS["sums"], student(source), SEED).score == 10
    result = grade_cell(CHECKS["sums"], student(source), SEED, right={"line": CHECKS["line"].names})
    assert result.score < 5 and not any("apart from" in note for note in result.notes)


def test_points_that_were_lost_for_no_wrong_value_leave_a_result_right():
    """Else they would be the price of an excuse: a point for a changed argument, and eight for a later lie."""
    writes = LINE.replace("return ", "y = ") + "\n    x += 1\n    return y"
    result = grade("line", writes)
    assert result.score < result.points and result.sound == set(CHECKS["line"].names)
    assert grade("line", LINE.replace("+ b", "- b")).sound == frozenset()
    assert grade("line_backward", BACK.replace("dy.sum(axis=0)", "dy.mean(axis=0)")).sound == {"dx", "dW"}
    assert "sound" not in result.to_dict()


def test_nothing_is_carried_forward_from_values_of_another_shape():
    """In the reference they could broadcast to any size: the grader's own memory is at stake."""
    result = grade("sums", "def line(x, W, b):\n    return np.ones((10**6, 1, 1), np.int8)")
    assert result.score < 5 and not any("apart from" in n for n in result.notes)


def test_a_function_that_deletes_itself_later_costs_the_check_nothing():
    """Two mutants fit the first draws, so further ones are made, and there the function is gone."""
    check = Check("f", cell="f", slide="", equation="", args=("n",), results=("r",))
    check.draws(lambda rng: [Draw((float(n),)) for n in (2, 2, 2, 2)])
    check.part("all", 1)
    check.mutant("double", replace="return n", by="return n + n", says="Not twice.")
    check.mutant("square", replace="return n", by="return n * n", says="Not squared.")
    Solution({"f": "def f(n):\n    return n"}, [check])
    space: dict = {"calls": []}
    exec("def f(n):\n    global f\n    calls.append(n)\n    if len(calls) == 4: del f\n    return n + n", space)
    result = grade_cell(check, InKernel(space), SEED)
    assert (result.score, result.reason) == (0, "wrong")


def test_a_right_function_beside_a_wrong_earlier_one_needs_no_excuse():
    source = "def line(x, W, b):\n    return x\ndef sums(xs, W, b):\n    return np.cumsum(xs @ W.T + b, axis=0)"
    result = grade("sums", source)
    assert result.reason == "ok" and result.notes == []


WRITES = "`line`, which `sums` calls, changes its arguments: that costs points here as well. Mend it first: "


@pytest.mark.parametrize(("line", "points", "notes"), [
    ("W += 0.5\n    return x @ W.T + b", {"values": 0, "T = 1": 4}, ["right, apart from what `line` does, in T = 1"]),
    ("b[:] = x[0].sum()\n    return x @ W.T + b", {"values": 4, "T = 1": 4},      # each call writes the whole of b anew
     ["right, apart from what `line` does, in values and T = 1"]),
    ("y = x @ W.T + b\n    W *= 0.5\n    return y", {"values": 0, "T = 1": 4}, [])])
def test_an_earlier_function_that_changes_its_arguments_is_named_and_no_full_points_are_promised(line, points, notes):
    result = grade("sums", f"def line(x, W, b):\n    {line}")
    assert earned(result) == {"shape": 0, **points} and result.notes == notes
    assert WRITES in result.message and "The function changed its argument" in result.message
    assert not result.misconceptions
    assert result.parts[1].sentence == ("" if points["values"] else "the values differ; see below")


def test_a_result_that_is_the_argument_itself_is_seen_through():
    """All entries of the list are one array then: the last state, again and again."""
    step = "def step(x, h):\n    h *= 0.5\n    h += x\n    return h"
    steps = "def steps(xs, h):\n    hs = []\n    for x in xs:\n        h = step(x, h)\n        hs.append(h)\n" \
            "    return np.stack(hs)"
    first = Check("step", cell="step", slide="", equation="", args=("x (B)", "h (B)"), results=("h (B)",))
    check = Check("steps", cell="steps", slide="", equation="", args=("xs (T, B)", "h (B)"), results=("hs (T, B)",))
    check.draws(lambda rng: [Draw(check.normal(rng, {"T": t, "B": 3})) for t in (2, 3, 4, 5)])
    check.part("values", 3)
    check.mutant("last", replace="np.stack(hs)", by="np.stack([h] * len(hs))", says="Every state, not the last one.")
    Solution({"step": "def step(x, h):\n    return 0.5 * h + x", "steps": steps}, [first, check])
    space = check.text.namespace()
    exec(step, space)
    result = grade_cell(check, InKernel(space), SEED)
    assert result.score == 0 and "`step`, which `steps` calls, changes its arguments" in result.message
    assert not result.misconceptions


def test_an_earlier_function_that_changes_its_arguments_is_no_excuse_for_a_mistake_of_its_own():
    line = "def line(x, W, b):\n    y = x @ W.T + b\n    x *= 0.5\n    return y\n"
    result = grade("sums", line + SUMS.replace("line(x,", "line(x.copy(),").replace("total + line", "line"))
    assert earned(result)["values"] == 0 and WRITES not in result.message
    assert [m.mutant for m in result.misconceptions] == ["reset"]
    result = grade("sums", line + SUMS.replace("line(x,", "line(x.copy(),"))
    assert (result.reason, result.message) == ("ok", "")


# ----- What an earlier function stands in the way of

@pytest.mark.parametrize(("body", "reason", "sentence"), [
    ("while True: pass", "timeout", "does not answer in time. Mend it first"),
    ("return np.sin(y)", "raises", "raises an error. Mend it first"),
    ("pass", "not_written", "is not written yet. Write it first"),
    ("raise NotImplementedError", "not_written", "is not written yet. Write it first")])
def test_a_caller_that_fails_for_an_earlier_function_is_not_blamed(body, reason, sentence):
    source = f"def line(x, W, b):\n    {body}"
    own = grade("line", source)
    assert (own.reason, own.cause) == (reason, None)
    result = grade_cell(CHECKS["sums"], student(source), SEED, Limits, failed={"line": ("line", own.reason)})
    assert result.score == 0 and result.cause == ("line", reason)
    assert result.message.startswith(f"`line`, which `sums` needs, {sentence}: until then nothing is known of `sums`.")
    assert "too slow" not in texts(result) and "further calls" not in texts(result)


def test_it_is_the_function_at_the_root_that_is_named():
    result = grade_cell(CHECKS["sums"], student("def line(x, W, b):\n    while True: pass"), SEED, Limits,
                        failed={"line": ("root", "timeout")})
    assert result.message.startswith("`root`, which `sums` needs, does not answer in time.")
    assert result.cause == ("root", "timeout")


@pytest.mark.parametrize("failed", [{}, {"line": ("line", "ok")}, {"line": ("line", "raises")},
                                    {"firsts": ("firsts", "timeout")}])
def test_a_caller_that_hangs_by_itself_is_told_so(failed):
    result = grade_cell(CHECKS["sums"], student("def sums(xs, W, b):\n    while True: pass"), SEED, Limits,
                        failed=failed)
    assert "`sums` on some draws: too slow" in result.message and result.cause is None


def test_an_error_in_a_line_of_its_own_is_its_own(tmp_path):
    file = tmp_path / "cell.py"
    file.write_text("def sums(xs, W, b):\n    return np.cumsum(ys)\n", encoding="utf-8")
    space = CHECKS["sums"].text.namespace()
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), space)
    for failed in ({"line": ("line", "raises")}, {"line": ("line", "timeout")}):
        result = grade_cell(CHECKS["sums"], InKernel(space), SEED, failed=failed)
        assert result.message.startswith("`sums` raises NameError in its line `return np.cumsum(ys)`, called with xs")
    result = grade_cell(CHECKS["sums"], InKernel(space), SEED, failed={"line": ("line", "missing")})
    assert "`line`, which `sums` needs, is not in the notebook." in result.message      # both are to be mended
    assert "NameError in its line `return np.cumsum(ys)`" in result.message


def test_a_judged_caller_waits_in_each_of_its_parts():
    check = judged_check()
    check.text.sources["root"] = "def root(n):\n    return helper(n) / 2 * n ** -0.5"
    helper = Check("helper", cell="helper", slide="", equation="", args=("x",), results=("r",))
    Solution(check.text.sources, [helper, check])
    space = check.text.namespace()
    exec("def helper(x):\n    while True: pass", space)
    result = grade_cell(check, InKernel(space), SEED, Limits, failed={"helper": ("helper", "timeout")})
    assert [p.sentence for p in result.parts] == ["it waits for `helper`", ""]
    assert result.message.startswith("`helper`, which `root` needs, does not answer in time.")


@pytest.mark.parametrize(("text", "number", "name"), [
    ("def f(x):\n    def g():\n        return 1\n    return g()", 3, "f"),
    ("class A:\n    def f(self):\n        return 1", 3, "A"),
    ("async def f():\n# at the margin\n    return 1", 3, "f"),
    ("@wraps\ndef f(\n    x,\n):\n    return 1", 5, "f"),
    ("def f():\n    pass\ng = lambda x: (\n    x)", 4, ""), ("x = 1", 1, ""), ("definite(1)", 1, ""), ("", 7, ""),
    ("if True:\n    def f():\n        pass", 3, "")])
def test_the_function_that_a_line_stands_in_is_read_from_the_text(text, number, name):
    assert function_at(text.split("\n"), number) == name


# ----- Hand-written judges

def judged_check() -> Check:
    def judge(got, draw, want, call):
        return {"positive": None if got > 0 else "it is not positive",
                "agrees": None if call("helper", 2.0) == 4.0 else "`helper` does not double"}

    check = Check("root", cell="root", slide="", equation="", args=("n",), results=("r",), judge=judge)
    check.draws(lambda rng: [Draw((float(n),)) for n in rng.uniform(1, 2, 4)])
    check.part("positive", 1)
    check.part("agrees", 2)
    check.mutant("negative", replace="n ** 0.5", by="-(n ** 0.5)", says="The root is positive.")
    Solution({"root": "def root(n):\n    return n ** 0.5", "helper": "def helper(x):\n    return 2 * x"}, [check])
    return check


def test_a_judge_decides_parts_and_may_call_the_students_functions():
    check = judged_check()
    space = check.text.namespace()
    assert grade_cell(check, InKernel(space), SEED).score == 3
    space["helper"] = lambda x: x
    result = grade_cell(check, InKernel(space), SEED)
    assert earned(result) == {"positive": 1, "agrees": 0}
    assert result.parts[1].sentence == "`helper` does not double"


@pytest.mark.parametrize(("helper", "words"), [
    ("def helper(x):\n    while True: pass", "is too slow"),
    ("def helper(x):\n    return object", "returns a value of type type"),
    ("def helper(x):\n    return 1 / 0", "raises ZeroDivisionError"), ("helper = None", "is not in the notebook")])
def test_a_judge_whose_helper_fails_says_how_in_words(helper, words):
    check = judged_check()
    space = check.text.namespace()
    exec(helper, space)
    result = grade_cell(check, InKernel(space), SEED, Limits)
    assert [p.sentence for p in result.parts] == [f"a function that it needs {words}", ""]


def test_a_mutant_of_a_judged_function_is_recognised_by_its_results():
    check = judged_check()
    space = check.text.namespace() | {"root": lambda n: -(n ** 0.5)}
    result = grade_cell(check, InKernel(space), SEED)
    assert [m.mutant for m in result.misconceptions] == ["negative"]


@pytest.mark.parametrize(("shape", "score", "told"), [(False, 1.5, ["positive"]), (True, 2, ["shape"])])
def test_a_wrong_form_is_repaired_for_the_judge_and_costs_what_it_costs_elsewhere(shape, score, told):
    """Half of each part, as without a judge; with a part for the shape, that part and the cap."""
    check, seen = judged_check(), []
    judge = check.judge
    check.judge = lambda got, *rest: (seen.append(got), judge(got, *rest))[1]
    if shape:
        check.part("shape", 1, kind="shape")
    result = grade_cell(check, InKernel(check.text.namespace() | {"root": lambda n: [n + 1]}), SEED)
    assert (result.reason, result.score) == ("partial", score)
    assert [p.name for p in result.parts if p.sentence == "a list came, a float is expected"] == told
    assert [type(g) for g in seen] == [float] * 4


@pytest.mark.parametrize(("value", "sentence"), [
    ("2", "a text came, a float is expected"), ([1.0, 2.0], "a list came, a float is expected"),
    (np.array(2 + 1j), "a complex number came, not float")])
def test_a_form_that_cannot_be_repaired_never_reaches_the_judge(value, sentence):
    check = judged_check()
    result = grade_cell(check, InKernel(check.text.namespace() | {"root": lambda n: value}), SEED)
    assert (result.reason, result.score, result.parts[0].sentence) == ("wrong", 0, sentence)


def test_a_value_that_a_judge_trips_over_is_wrong_and_no_fault_of_the_check():
    """It must not look like a faulty test, or a student could have the grade given by hand. A faulty judge does."""
    check = judged_check()
    judge, table = check.judge, [0.0, 1.0, 2.0]
    check.judge = lambda got, *rest: (table[int(got)], judge(got, *rest))[1]
    assert grade_cell(check, InKernel(check.text.namespace()), SEED).reason == "ok"
    for value in (1e6, -7.5, np.array(-7.5)):
        result = grade_cell(check, InKernel(check.text.namespace() | {"root": lambda n, v=value: v * n}), SEED)
        assert (result.reason, result.score) == ("wrong", 0)
        assert "cannot be judged" in result.parts[0].sentence
    check.judge = lambda got, *rest: table[7]
    assert grade_cell(check, InKernel(check.text.namespace()), SEED).reason == "check_error"


def test_a_result_that_is_the_same_on_every_draw_earns_nothing():
    """Nor where a judge looks at a property alone: trained weights could be pasted in."""
    check = judged_check()
    result = grade_cell(check, InKernel(check.text.namespace() | {"root": lambda n: 1.25}), SEED)
    assert (result.reason, result.score) == ("wrong", 0)
    result = grade_cell(check, InKernel(check.text.namespace() | {"root": lambda n: n + 1}), SEED)
    assert result.score == 3


def test_draws_after_a_timeout_earn_nothing_with_a_judge_either():
    check = judged_check()
    check.draws(lambda rng: [Draw((float(n),), {"late": n > 1}) for n in range(1, 5)])
    check.part("later", 3, where=lambda d: d["late"])
    judge = check.judge
    check.judge = lambda *args: judge(*args) | {"later": None}

    class Slow:
        def call(self, name, args, **how):
            raise StudentTimeout("too slow")

    result = grade_cell(check, Slow(), SEED)
    assert (result.reason, result.score) == ("timeout", 0) and len(result.parts) == 3


# ----- Faults of the Check, seeds, plain data

@pytest.mark.parametrize("fault", ["draws", "reference", "judge"])
def test_a_fault_of_the_check_is_told_and_not_raised(fault):
    check = judged_check()
    if fault == "draws":
        check.draws(lambda rng: 1 / 0)
    elif fault == "reference":
        Solution({"root": "def root(n):\n    return undefined"}, [check])
    else:
        check.judge = lambda got, draw, want, call: {"no such part": None}
    result = grade_cell(check, InKernel({"root": lambda n: n}), SEED)
    assert (result.score, result.reason) == (0, "check_error")
    assert result.notes[0].startswith("incident: the Check itself failed")


def test_the_same_seed_draws_the_same_and_another_one_other_inputs():
    def inputs(seed):
        return [a for d in CHECKS["line"].drawn(generator(seed)) for a in d.args]

    first, again, other = inputs(SEED), inputs(SEED), inputs(SEEDS[0])
    assert first and all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(a.shape == b.shape and np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_result_is_plain_json_and_comes_back_the_same():
    result = grade("line", LINE.replace(" + b", ""))
    assert CellResult.from_dict(result.to_dict()) == result
    assert result.to_dict()["misconceptions"][0]["family"] == "bias left out"


WRONG = [LINE.replace("+ b", "- 2 * b"), LINE.replace("x @ W.T", "np.sin(x @ W.T)"), LINE.replace(" + b", ""),
         "def line(x, W, b):\n    raise ValueError(str(x.tolist()))", "def line(x, W, b):\n    return x.tolist(), W, b",
         "def line(x, W, b):\n    return {str(x): W}", "def line(x, W, b):\n    return str(x @ W.T + b)",
         "def line(x, W, b):\n    raise type(str(x), (Exception,), {})"]


@pytest.mark.parametrize("source", WRONG)
def test_no_verdict_holds_a_drawn_or_an_expected_value(source):
    check = CHECKS["line"]
    told = texts(grade("line", source))
    numbers = {f"{v:.3f}"[:5] for d in check.drawn(generator(SEED)) for a in (*d.args, check.run(check.reference(), d))
               for v in np.asarray(a).ravel()}
    assert told.strip() and numbers and not any(n in told for n in numbers)


def test_a_failing_cell_is_judged_in_well_under_a_second():
    result = grade("line_backward", BACK.replace("dy.T @ x", "np.sin(dy.T @ x)"))
    assert result.score < result.points and result.seconds < 0.5


def test_students_cannot_reach_the_reference_through_their_arguments():
    """Copies go in: what the function keeps or changes is not what it is compared with."""
    source = "kept = []\ndef line(x, W, b):\n    kept.append(x)\n    x[:] = 0\n    return x @ W.T + b"
    assert earned(grade("line", source)) == {"shape": 2, "values": 0, "batch 1": 0}
    assert student(source).call("line", (np.ones((1, 1)), np.ones((1, 1)), np.ones(1)))[1][0] == 0
