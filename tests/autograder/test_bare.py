"""Code that is shown to a class computes what the student's does, and says nothing of who wrote it."""

from __future__ import annotations

import ast
import sys

import numpy as np
import pytest

from autograder.bare import MAX_SOURCE, bare, names

from .assignment_help import assignment, cells

SECRET = "ada4711"


@pytest.mark.parametrize("source", [
    f"# {SECRET}\nx = 1  # {SECRET}", f'"""{SECRET}"""\nx = 1', f"def f(x):\n    '''{SECRET}'''\n    return x",
    f"x = '{SECRET}'", f"x = b'{SECRET}'", f"x = f'{{y}} {SECRET}'", f"x = f'{{y:{SECRET}}}'", f"{SECRET} = 1",
    f"def {SECRET}(x): return x", f"class {SECRET}: pass", f"class {SECRET}:\n    {SECRET} = 1", f"x.{SECRET} = 1",
    f"f({SECRET}=1)", f"def f(*{SECRET}, **{SECRET}_): pass", f"import {SECRET}", f"import numpy.{SECRET} as x",
    f"from {SECRET} import y", f"from numpy import {SECRET}", f"import numpy as {SECRET}", f"lambda {SECRET}: 1",
    f"def f():\n    global {SECRET}", f"try: pass\nexcept ValueError as {SECRET}: pass", f"for {SECRET} in x: pass",
    f"match x:\n    case {SECRET}: pass", f"match x:\n    case [*{SECRET}]: pass",
    f"match x:\n    case {{**{SECRET}}}: pass", f"match x:\n    case f({SECRET}=1): pass", f"x: {SECRET} = 1",
    f"x = 1 if '{SECRET}' else 2", f"@{SECRET}\ndef f(): pass", f"with x as {SECRET}: pass", f"({SECRET} := 1)",
    f"def f():\n    x = 1\n    def {SECRET}(): nonlocal x", f"def f():\n    x = 1\n    '{SECRET}'\n    return x",
    f"[{SECRET} for {SECRET} in x]", f"del {SECRET}", f"assert x, '{SECRET}'", f"x = 1 # type: {SECRET}",
])
def test_a_name_is_gone_wherever_python_lets_a_student_write_one(source):
    shown = bare(source, {"x", "y", "f"})
    assert SECRET not in shown
    ast.parse(shown)


@pytest.mark.parametrize("number", ["4711123", "-4711123", "0.4711123", "4711123e3", "4711123j", "0x47E2D3",
                                    "9" * 5000])
def test_an_enrolment_number_is_a_name_too(number):
    shown = bare(f"x = {number}", {"x"})
    assert shown in ("x = 0", "x = -0", "")      # "": Python reads no number of 5,000 digits


def test_numbers_that_mean_something_stay():
    assert bare("x = [1e-8, 0.5, 10000, 1000000, -1, 2j, True, None, ...]", {"x"}) == \
        "x = [1e-08, 0.5, 10000, 1000000, -1, 2j, True, None, ...]"


def test_what_python_numpy_and_the_course_named_stays_and_the_rest_is_numbered():
    source = ("def rnn_step(x, h, W_x):\n    # my own\n    summe = np.einsum('bd,hd->bh', x, W_x, optimize=True)\n"
              "    ergebnis = np.tanh(summe).sum(axis=0, keepdims=True)\n    return ergebnis + len(summe)")
    assert bare(source, names(["def rnn_step(x, h, W_x): pass"])) == (
        "def rnn_step(x, h, W_x):\n    a1 = np.einsum('...', x, W_x, optimize=True)\n"
        "    a2 = np.tanh(a1).sum(axis=0, keepdims=True)\n    return a2 + len(a1)")


def test_a_new_name_is_never_one_that_the_course_uses():
    assert bare("meins = a1 + deins", {"a1", "a3"}) == "a2 = a1 + a4"


@pytest.mark.parametrize("source", ["def f(:", "x = '", "\x00", "(" * 300 + ")" * 300, "-" * 100_000 + "1",
                                    "x = 1\n" * MAX_SOURCE, "x\udcffy = 1", "  indented", "return )"])
def test_what_cannot_be_read_is_shown_as_nothing(source):
    assert bare(source) == ""
    assert names([source[:MAX_SOURCE]]) <= {"x"}        # not raised: a course's own cells may hold magics


def test_nothing_is_said_about_odd_escapes(recwarn):
    assert bare(r"x = '\d \ada'", {"x"}) == "x = '...'" and not recwarn.list


@pytest.mark.parametrize(("name", "cell"), cells())
def test_every_solution_and_right_variant_computes_the_same_when_it_is_bare(name, cell):
    """The names change, the code does not: a bare solution with its names known is the solution itself."""
    check = assignment(name).checks[cell]
    sources = [check.source(), *(v.source for v in check.variants)]
    for source in sources:
        tree, shown = ast.parse(source), ast.parse(bare(source, names([source])))
        assert [type(n) for n in ast.walk(_plain(tree))] == [type(n) for n in ast.walk(_plain(shown))]


def _plain(tree):
    """The tree without docstrings, and with texts alike: f-strings become texts in a bare one."""
    class Plain(ast.NodeTransformer):
        def visit_JoinedStr(self, node):
            return ast.Constant("")

        def visit_Expr(self, node):
            return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else \
                self.generic_visit(node)
    return Plain().visit(tree)


def test_a_bare_solution_still_gives_the_right_result():
    check = assignment("03_rnn").checks["rnn-step-test"]
    space = {"np": np}
    exec(bare(check.source(), {"rnn_step", "np"}), space)
    rng = np.random.default_rng(0)
    x, h, W_x, W_h, b = (rng.normal(size=s) for s in ((2, 3), (2, 4), (4, 3), (4, 4), (4,)))
    assert np.array_equal(space["rnn_step"](x, h, W_x, W_h, b), check.reference()(x, h, W_x, W_h, b))


def test_modules_of_the_standard_library_keep_their_names():
    assert bare("import collections.abc\nimport privat.kram") == "import collections.abc\nimport a1.a2"
    assert "collections" in sys.stdlib_module_names
