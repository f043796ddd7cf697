"""A graded function whose arguments are no data: its driver makes them inside the student's process."""

import numpy as np
import pytest

from autograder.assignment import Assignment, AssignmentError
from autograder.check import Check, Draw, Solution
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
from autograder.prove import prove, seeds

GIVEN = """
import numpy as np

def run_rollout(w, x, n):
    return rollout(lambda window: float(window @ w), x, n)
"""
ROLLOUT = """
def rollout(model, x, n):
    x, out = x.copy(), []
    for _ in range(n):
        y = model(x)
        out.append(y)
        x = np.append(x[1:], y)
    return np.array(out)
"""


@pytest.fixture
def rollout():
    check = Check("rollout", driver="run_rollout", cell="rollout-test", slide="Deck, *Slide*", equation="y = w x",
                  args=("w (K)", "x (K)", "n"), results=("ys (N)",))

    @check.draws
    def draw(rng):
        for n in (2, 3, 4, 5, 6):
            yield Draw((rng.normal(size=4) / 2, rng.normal(size=4), n))

    check.part("values", 10)
    check.mutant("no_feedback", replace="np.append(x[1:], y)", by="x", says="The forecast enters the window.")
    check.mutant("prepend", replace="np.append(x[1:], y)", by="np.append(y, x[:-1])", says="It enters at the end.")
    check.variant("a list", """
def rollout(model, x, n):
    window = list(x)
    for _ in range(n):
        window.append(model(np.array(window[-len(x):])))
    return np.array(window[len(x):])
""")
    Solution({"rollout": ROLLOUT}, [check], GIVEN)
    return check


def test_a_driven_check_kills_its_mutants_and_accepts_its_variant(rollout):
    assert prove(rollout, seeds(3)).faults == []


def test_the_driver_of_the_reference_calls_the_reference_and_that_of_a_mutant_the_mutant(rollout):
    args = np.array([0.5, 0.25]), np.array([4.0, 8.0]), 2
    assert np.allclose(rollout.reference()(*args), [4.0, 5.0])
    assert np.allclose(rollout.mutated(rollout.mutants[0])(*args), [4.0, 4.0])


def test_a_student_who_writes_nothing_is_told_so(rollout):
    blank = rollout.text.namespace(replace={"rollout": "def rollout(model, x, n):\n    raise NotImplementedError"})
    result = grade_cell(rollout, InKernel(blank), seeds(1)[0])
    assert result.score == 0 and result.reason == "not_written"


def test_a_driver_that_no_given_cell_defines_is_an_error_of_the_assignment(tmp_path):
    folder = tmp_path / "01_toy"
    folder.mkdir()
    (folder / "notebook.py").write_text('''# %% nbgrader={"grade_id": "f", "grade": false, "locked": false, \
"schema_version": 3, "solution": true}
def f(x):
    ### BEGIN SOLUTION
    return x
    ### END SOLUTION

# %% nbgrader={"grade_id": "f-test", "grade": true, "locked": true, "points": 1, "schema_version": 3, "solution": false}
### BEGIN HIDDEN TESTS
from autograder.kernel import score

score("01_toy", "f-test")
### END HIDDEN TESTS
''')
    (folder / "checks.py").write_text('''from autograder.check import Check

c = Check("f", driver="drive", cell="f-test", slide="s", equation="e", args=("x",), results=("y",))
c.part("values", 1)
''')
    with pytest.raises(AssignmentError, match="no given cell of notebook.py defines the driver 'drive' of 'f'"):
        Assignment(folder)
