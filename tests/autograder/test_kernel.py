"""The door for a plain kernel: the same score, nothing on stderr, data only."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from autograder import kernel
from autograder.kernel import InKernel, score
from autograder.student import MissingName, StudentError, StudentTimeout, Untransferable

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"


@pytest.fixture
def in_course(tmp_path, monkeypatch):
    """A working directory in a course, two levels below its checks."""
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "03_rnn").symlink_to(SOLUTIONS / "03_rnn")
    (tmp_path / "autograded" / "ada").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "autograded" / "ada")
    kernel._load.cache_clear()


def run(source: str):
    """What a kernel does with the student's cell and the hidden region."""
    space = {"np": np, "score": score}
    exec(source, space)
    return eval('score("03_rnn", "rnn-step-test")', space)


RIGHT = "def rnn_step(x, h, W_x, W_h, b):\n    return np.tanh(x @ W_x.T + h @ W_h.T + b)"


def test_a_right_function_scores_its_points(in_course, capsys):
    assert run(RIGHT) == 14.0
    assert capsys.readouterr().out == "rnn_step: 14 of 14 points\n"


def test_a_mistake_is_one_line_with_the_lost_parts_and_the_idea(in_course, capsys):
    value = run(RIGHT.replace(" + b", ""))
    assert type(value) is float and value == 2.0
    assert capsys.readouterr().out == ("rnn_step: 2 of 14 points; lost: value, batch 1 and D = H | The bias b is part "
                                       "of the sum.\n")


@pytest.mark.parametrize("source", [
    "import warnings\n" + RIGHT.replace("return", "warnings.warn('old'); print('hi'); return"),
    "import sys\n" + RIGHT.replace("return", "print('hi', file=sys.stderr); return"),
    RIGHT.replace("np.tanh(x @ W_x.T + h @ W_h.T + b)", "1 - 2 / (np.exp(2 * (x @ W_x.T + h @ W_h.T + b)) + 1)"),
])
def test_what_a_right_function_prints_and_warns_does_not_reach_the_notebook(in_course, capsys, source):
    """determine_grade says 0 as soon as it sees a stream on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(source) == 14.0
    out, err = capsys.readouterr()
    assert err == "" and "hi" not in out


@pytest.mark.parametrize("source", ["", "def rnn_step(*a):\n    raise SystemExit", "rnn_step = 3",
                                    "def rnn_step(*a):\n    raise KeyboardInterrupt",
                                    "def rnn_step(*a):\n    return rnn_step(*a)"])
def test_no_mistake_of_a_student_raises(in_course, source):
    assert run(source) == 0.0


def test_the_seed_is_fixed(in_course, capsys):
    assert run(RIGHT.replace("h @ W_h.T", "h @ W_h")) == run(RIGHT.replace("h @ W_h.T", "h @ W_h")) == 2.0


def test_a_missing_checks_folder_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no assignment '03_rnn': neither checks/03_rnn nor solutions/03_rnn"):
        run(RIGHT)


def test_a_cell_that_has_no_check_is_said(in_course):
    with pytest.raises(KeyError, match="no Check for the cell 'rnn-stop-test'"):
        score("03_rnn", "rnn-stop-test")


# ----- InKernel

def test_copies_go_in_and_the_changed_arguments_come_back():
    x = np.zeros(3)
    value, after = InKernel({"f": lambda a: a.__setitem__(0, 7.0)}).call("f", (x,))
    assert value is None and after[0][0] == 7 and x[0] == 0


def test_functions_that_are_not_there_are_missing():
    for space in ({}, {"f": 3}):
        with pytest.raises(MissingName):
            InKernel(space).call("f", ())


@pytest.mark.parametrize("value", [
    lambda: np.matrix([[1.0]]), lambda: np.ma.array([1.0]), lambda: object(), lambda: (i for i in []),
    lambda: np.array([None]), lambda: [np.array(["a"])], lambda: type("F", (float,), {})(1)])
def test_what_is_no_plain_data_is_refused(value):
    with pytest.raises(Untransferable):
        InKernel({"f": value}).call("f", ())


def test_an_error_names_the_innermost_line_of_the_notebook_alone(tmp_path):
    file = tmp_path / "cell.py"
    file.write_text("import json\ndef g(x):\n    return json.loads(x)\ndef f(x):\n    return g(x)\n", encoding="utf-8")
    space: dict = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), space)
    with pytest.raises(StudentError) as caught:
        InKernel(space).call("f", ("{",))
    assert (caught.value.ename, caught.value.line, caught.value.number) == ("ValueError", "return json.loads(x)", 3)


@pytest.mark.parametrize("body", ["while True: pass", "try:\n        while True: pass\n    except Exception: pass",
                                  "try:\n        while True: pass\n    except BaseException: pass"])
def test_a_call_ends_at_its_time(body):
    space: dict = {}
    exec(f"def f():\n    {body}", space)
    began = time.perf_counter()
    with pytest.raises(StudentTimeout):
        InKernel(space).call("f", (), timeout=0.1)
    assert time.perf_counter() - began < 1


def test_results_that_share_memory_with_an_argument_are_seen():
    x = np.ones(2)
    shared = InKernel({"f": lambda a: [a]}).spoiled("f", (x,))
    copied = InKernel({"f": lambda a: [a.copy()]}).spoiled("f", (x,))
    assert (shared[0] == 2).all() and (copied[0] == 1).all()


def test_importing_the_kernel_door_does_not_load_nbgrader_or_a_plotting_library():
    import subprocess

    code = ("import sys, autograder.kernel\n"
            "print([m for m in ('nbgrader', 'matplotlib', 'jupytext') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).resolve().parents[2])
    assert done.stdout.strip() == "[]"
