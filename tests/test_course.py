"""minigrad.course: what a student reads when a visible test passes, fails, or meets an unwritten function."""

import os
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest

from minigrad import course
from minigrad.install import install_line

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def a_fresh_session(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setattr(course, "_session", course._Session())


def double(x):
    return 2 * x


def run(function=double, expected=None, **kwargs):
    settings = {"equation": "y = 2 x", "not_tested": "negative x."} | kwargs
    if "x" not in settings:
        settings["x"] = np.array([1.0, 2.0])
    course.test(function, expected=np.array([2.0, 4.0]) if expected is None else expected, **settings)


def failure(function, **kwargs):
    with pytest.raises(course.VisibleTestFailed) as caught:
        run(function, **kwargs)
    return str(caught.value)


def test_a_right_function_gets_one_line_that_says_what_is_not_tested(capsys):
    run()
    assert capsys.readouterr().out == "double: the visible test passes. Not tested here: negative x.\n"


def test_a_wrong_value_shows_call_both_values_the_first_wrong_index_and_the_equation():
    def triple(x):
        return np.array([2.0, 6.0])

    assert failure(triple) == """\
triple: the visible test does not pass yet.
  call            triple(x (2,))
  came            shape (2,)
                  [2. 6.]
  expected        shape (2,)
                  [2. 4.]
  difference      first wrong index [1]: 6 came, 4 is expected (1 of 2 entries differ)
  equation        y = 2 x
  not tested here negative x."""


@pytest.mark.parametrize(("wrong", "words"), [
    (lambda x: 2 * x[None], "shape (1, 2)"),
    (lambda x: (2 * x).astype(int), "an array of int64"),
    (lambda x: list(2 * x), "a list"),
    (lambda x: 2 * x * np.nan, "nan came, 2 is expected (2 of 2 entries differ)"),
    (lambda x: (2 * x).astype(object), "an array of object"),
    (lambda x: 3.5, "3.5"),
    (lambda x: "no", "str 'no'"),
])
def test_whatever_wrong_thing_comes_the_message_names_it(wrong, words):
    assert words in failure(wrong)


def test_an_unwritten_function_gets_a_friendly_sentence():
    def stub(x):
        raise NotImplementedError()

    def without_return(x):
        2 * x  # noqa: B018

    def caller(x):
        return stub(x)

    assert "stub is not written yet" in failure(stub)
    assert "caller calls stub, which is not written yet" in failure(caller)
    assert "without_return returns nothing yet. Is there a `return`?" in failure(without_return)


def test_an_error_shows_the_students_own_line_and_not_numpys():
    def broken(x):
        y = x.reshape(3, 3)
        return y

    text = failure(broken)
    assert "ValueError: cannot reshape array of size 2 into shape (3,3)" in text
    assert "in broken, line" in text and "y = x.reshape(3, 3)" in text


def test_a_result_that_cannot_be_looked_at_still_gets_a_message():
    class Hostile(list):
        def __len__(self):
            raise RuntimeError

    assert "something that cannot be shown: Hostile" in failure(lambda x: Hostile(), results=("a", "b"))


def test_only_the_named_results_are_compared():
    def three(x):
        return x, 2 * x, "not looked at"

    run(three, results=("a", "b", "c"), expected={"b": np.array([2.0, 4.0])})
    text = failure(three, results=("a", "b", "c"), expected={"a": np.array([0.0, 0.0])})
    assert "a: shape (2,)" in text
    assert "2 came\n  expected        3 results: a, b, c" in failure(lambda x: (1, 2), results=("a", "b", "c"))


def test_part_takes_the_piece_that_is_compared():
    run(lambda x: [0, [1, "last"]], part=lambda r: r[1][-1], expected="last")
    assert "the expected piece is not found: IndexError" in failure(lambda x: [0], part=lambda r: r[1], expected="last")


def test_a_given_function_may_stand_between_the_test_and_the_graded_one(capsys):
    """The call that is shown is the one that was made; the verdict counts for the function that is graded."""
    def rollout(model, x):
        raise NotImplementedError

    def run_rollout(w, x):
        return rollout(lambda v: w * v, x)
    with pytest.raises(course.VisibleTestFailed, match="(?s)rollout: .*run_rollout.*is not written yet"):
        course.test(run_rollout, of="rollout", w=2.0, x=1.0, expected=2.0, equation="y = w x", not_tested="x = 0.")

    def twice(w, x):
        return w * x
    course.test(twice, of="rollout", w=2.0, x=1.0, expected=2.0, equation="y = w x", not_tested="x = 0.")
    assert capsys.readouterr().out.startswith("rollout: the visible test passes.")


def test_lists_of_tuples_and_of_arrays_are_compared_entry_by_entry():
    run(lambda x: [(0, 3), (3, 6)], expected=[(0, 3), (3, 6)])
    assert "[1][1]: int 7" in failure(lambda x: [(0, 3), (3, 7)], expected=[(0, 3), (3, 6)])
    assert "a list: [[0, 3]]" not in failure(lambda x: [(0, 3)], expected=[(0, 3), (3, 6)])
    assert "[0]: a list: [0, 3]" in failure(lambda x: [[0, 3]], expected=[(0, 3)])
    run(lambda x: [x, x[:1]], expected=[np.array([1.0, 2.0]), np.array([1.0])])


def test_a_float_in_the_place_of_a_whole_number_is_told_from_it():
    """3.0 and 3 printed alike are no message."""
    text = failure(lambda x: [(0, 3.0), (3, 6)], expected=[(0, 3), (3, 6)])
    assert "came            [0][1]: float 3.0\n  expected        [0][1]: int 3\n" in text


def test_numbers_are_taken_for_arrays_without_axes_and_bools_are_not():
    run(lambda x: np.float64(0.5), expected=0.5)
    run(lambda x: np.array(0.5), expected=0.5)
    assert "bool True" in failure(lambda x: True, expected=1.0)
    assert "bool True" in failure(lambda x: True, expected=1)


def test_printing_warnings_and_changed_arguments_are_told_on_stdout_alone(capsys):
    def noisy(x):
        print("here I am")
        print("and here", file=sys.stderr)
        warnings.warn("a warning of mine", stacklevel=2)
        y = 2 * x
        x[:] = 0
        return y

    run(noisy)
    out, err = capsys.readouterr()
    assert err == ""
    assert "here I am\nand here" in out and "UserWarning: a warning of mine" in out
    assert "changed its argument `x`" in out and "noisy: the visible test passes" in out


def test_the_function_gets_copies():
    data = np.array([1.0, 2.0])

    def destroy(x):
        x *= 2
        return x

    run(destroy, x=data)
    assert data.tolist() == [1.0, 2.0]


def test_a_printing_loop_is_cut(capsys):
    def chatty(x):
        for _ in range(10_000):
            print("again")
        return 2 * x

    run(chatty)
    assert len(capsys.readouterr().out) < 2 * course.CAPTURE


def test_under_grading_a_failure_is_printed_and_the_notebook_goes_on(monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    run(lambda x: x)
    assert "the visible test does not pass yet" in capsys.readouterr().out


def test_under_validation_a_failure_is_raised(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    failure(lambda x: x)


def test_ipython_shows_the_message_alone():
    text = failure(lambda x: x)
    assert course.VisibleTestFailed(text)._render_traceback_() == text.split("\n")


# ----- What passes now

def notebook(**sources):
    """A namespace with these functions in it, as cells of a notebook would leave them."""
    space = {"np": np}
    for source in sources.values():
        exec(source, space)
    return space


RIGHT, WRONG = "def twice(x):\n    return 2 * x", "def twice(x):\n    return 3 * x"


def test_progress_counts_a_function_when_all_its_calls_pass(capsys):
    course.environment("99_test", functions=["double", "later"])
    run(x=np.ones(2), expected=np.full(2, 2.0))
    with pytest.raises(course.VisibleTestFailed):
        run(x=np.ones(3), expected=np.zeros(3))
    capsys.readouterr()
    course.progress()
    assert capsys.readouterr().out == "Visible tests: 0 of 2 pass now.\n  to do  double, later (not run yet)\n"
    run(x=np.ones(3), expected=np.full(3, 2.0))
    capsys.readouterr()
    course.progress()
    assert capsys.readouterr().out == \
        "Visible tests: 1 of 2 pass now.\n  pass   double\n  to do  later (not run yet)\n"


def test_progress_tests_the_functions_as_they_are_now(capsys):
    """A student repairs a function and looks at the table, or breaks an earlier one without noticing."""
    space = notebook(twice=RIGHT)
    run(space["twice"])
    for source, count in ((WRONG, 0), (RIGHT, 1)):
        exec(source, space)
        capsys.readouterr()
        course.progress()
        assert f"{count} of 1 pass now" in capsys.readouterr().out


def test_progress_follows_a_function_that_a_given_one_calls(capsys):
    space = notebook(twice=RIGHT, driver="def run_twice(x):\n    return twice(x)")
    course.test(space["run_twice"], of="twice", x=1.0, expected=2.0, equation="y = 2 x", not_tested="x = 0.")
    exec(WRONG, space)
    course.progress()
    assert "0 of 1 pass now.\n  to do  twice\n" in capsys.readouterr().out


def test_progress_runs_nothing_again_under_grading(monkeypatch, capsys):
    space = notebook(twice=RIGHT)
    run(space["twice"])
    exec("def twice(x):\n    raise SystemExit", space)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    capsys.readouterr()
    course.progress()
    assert capsys.readouterr().out == "Visible tests: 1 of 1 pass now.\n  pass   twice\n"


def test_the_table_says_in_words_what_its_signs_mean():
    """Nothing hangs on a colour, a screen reader gets headers, and a function's name cannot be markup."""
    table = course._Progress({"one": "passes", "two": "fails", "<b>": "not run"})
    text = table._repr_html_()
    for words in ('<th scope="row"><code>one</code></th><td><span aria-hidden="true">\u2713</span> passes</td>',
                  "\u2717</span> does not pass yet", "&lt;b&gt;</code>", "\u25cb</span> not run yet",
                  '<th scope="col">visible test</th>'):
        assert words in text
    assert "color" not in text and "style" not in text
    assert repr(table) == "  pass   one\n  to do  two, <b> (not run yet)"


def test_in_jupyter_the_table_comes_below_the_plain_line(capsys):
    """IPython's own shell, which prints what it displays as text where there is no page."""
    pytest.importorskip("IPython")
    code = ("from IPython.core.interactiveshell import InteractiveShell as S\nS.instance()\n"
            "import IPython.display as d\nfrom minigrad import course\n"
            "d.display = lambda it: print(it._repr_html_()[:6], it, sep='|')\n"
            "course.environment('99_test', ['f'])\ncourse.progress()\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={k: v for k, v in os.environ.items() if k != "NBGRADER_EXECUTION"})
    assert done.stdout.endswith("Visible tests: 0 of 1 pass now.\n<table|  to do  f (not run yet)\n")


STUB = "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"


@pytest.mark.parametrize(("cell", "said"), [
    ("f(1)", f"f is not written yet:\n{course.WRITE_IT}"),
    ("class C:\n    def f(self):\n        raise NotImplementedError()\nC().f()",
     f"C.f is not written yet:\n{course.WRITE_IT}"),
    ("raise NotImplementedError('mine')", "Traceback"),
    ("raise NotImplementedError", "Traceback"),
    ("c + 1", f"`c` comes from a cell that stopped, because f is not written yet:\n{course.WRITE_IT}"),
    ("e + 1", "Traceback"),
])
def test_a_cell_that_meets_a_stub_says_so_without_a_traceback(cell, said):
    """A picture cell, before the function that it draws is written."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = ["from minigrad import course\ncourse.environment('99_test', ['f'])", STUB, "a, (b, c) = f(1)\nd = 2",
             cell]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    nbclient.NotebookClient(book, timeout=60, allow_errors=True, resources={"metadata": {"path": str(ROOT)}}).execute()
    error = book.cells[-1].outputs[-1]
    assert error.output_type == "error" and said in "\n".join(error.traceback)
    assert ("Traceback" in said) or "\n".join(error.traceback) == said


# ----- The first cell

def first_cell(capsys):
    course.environment("03_rnn")
    return capsys.readouterr().out


def test_the_first_cell_says_what_runs_and_what_graded_code_may_import(capsys):
    out = first_cell(capsys)
    assert out.startswith("03_rnn: Python ") and f"NumPy {np.__version__}" in out
    assert out.endswith("Graded code may import numpy only.\n") and "needed" not in out


def test_an_old_numpy_gets_the_line_that_repairs_it(monkeypatch, capsys):
    monkeypatch.setattr(course.np, "__version__", "1.26.4")
    assert f"NumPy 2.0 or newer is needed: run this in a new cell, then restart the kernel:  " \
        f"%{install_line('course')}\n" in first_cell(capsys)


def test_an_old_python_gets_the_line_that_repairs_it(monkeypatch, capsys):
    monkeypatch.setattr(course.sys, "version_info", (3, 10, 1))
    assert f"Python 3.11 or newer is needed: make an environment with it, install there ({install_line('course')})" \
        in first_cell(capsys)


def test_without_matplotlib_the_pictures_are_told_and_the_line_that_brings_them(monkeypatch, capsys):
    monkeypatch.setattr(course, "_version", lambda name: "")
    out = first_cell(capsys)
    assert "no matplotlib" in out and "nothing graded needs them" in out and f"%{install_line('course')}" in out
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert "no matplotlib" not in first_cell(capsys)


def test_vs_code_and_colab_are_noticed(monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["__main__"], "__vsc_ipynb_file__", "x.ipynb", raising=False)
    out = first_cell(capsys)
    assert ", in VS Code." in out and f"The kernel is {sys.executable}" in out
    monkeypatch.setitem(sys.modules, "google.colab", object())
    out = first_cell(capsys)
    assert ", in Colab." in out and f"new first cell:  %{install_line()}\n" in out


def test_the_oldest_versions_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={course._dotted(course.MIN_PYTHON)}"
    assert f"numpy>={course._dotted(course.MIN_NUMPY)}" in project["dependencies"]


@pytest.mark.parametrize("extra", ["", "course"])
@pytest.mark.parametrize("inside", [".", "minigrad", "..", "/"])
def test_the_install_line_is_the_one_of_the_package(extra, inside, tmp_path, monkeypatch):
    """The file stands alone, so it has the line a second time: from a checkout, and from a wheel."""
    monkeypatch.chdir(ROOT / inside)
    for start in (None, tmp_path / "site-packages" / "minigrad" / "course.py"):
        assert course.install_line(extra, start) == install_line(extra, start)


def test_the_bar_gives_every_item_and_is_silent_under_grading(monkeypatch, capsys):
    assert list(course.progress_bar(range(3), "epochs")) == [0, 1, 2]
    assert capsys.readouterr().out.endswith("3/3\n")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert list(course.progress_bar(range(3))) == [0, 1, 2]
    assert list(course.progress_bar([])) == []
    assert capsys.readouterr().out == ""


def test_the_file_stands_alone(tmp_path):
    """The sandbox copies it into an empty package: nothing but NumPy and the standard library may be imported."""
    package = tmp_path / "minigrad"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "course.py").write_text(open(course.__file__, encoding="utf-8").read(), encoding="utf-8")
    code = ("import sys, numpy; before = set(sys.modules); from minigrad import course; "
            "print(sorted(m for m in set(sys.modules) - before if m.split('.')[0] not in sys.stdlib_module_names "
            "and not m.startswith(('minigrad', 'numpy'))))")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    assert done.stdout == "[]\n"
