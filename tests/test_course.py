"""minigrad.course: what a student reads when a visible test passes, fails, or meets an unwritten function."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from minigrad import course


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


def test_progress_counts_a_function_when_all_its_calls_pass(capsys):
    course.environment("99_test", functions=["double", "later"])
    run(x=np.ones(2), expected=np.full(2, 2.0))
    with pytest.raises(course.VisibleTestFailed):
        run(x=np.ones(3), expected=np.zeros(3))
    capsys.readouterr()
    course.progress()
    assert capsys.readouterr().out == "Visible tests: 0 of 2 pass in this session.\n  to do  double, later\n"
    run(x=np.ones(3), expected=np.full(3, 2.0))
    capsys.readouterr()
    course.progress()
    assert capsys.readouterr().out == \
        "Visible tests: 1 of 2 pass in this session.\n  pass   double\n  to do  later\n"


def test_the_first_cell_says_what_graded_code_may_import(capsys):
    course.environment("03_rnn")
    out = capsys.readouterr().out
    assert out.startswith("03_rnn: Python ") and "Graded code may import numpy only." in out


def test_an_old_numpy_gets_the_line_that_repairs_it(monkeypatch, capsys):
    monkeypatch.setattr(course.np, "__version__", "1.19.5")
    course.environment("03_rnn")
    assert "%pip install 'numpy>=1.26'" in capsys.readouterr().out


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
