"""autograder.build: the release is what nbgrader would make, always the same bytes, and shows no solution."""

import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.assignment import Assignment, AssignmentError, find_assignment
from autograder.build import BuildError, build, check_current, dumps, leaks, release_notebook, source_notebook

ROOT = Path(__file__).parents[2]

NOTEBOOK = r'''# %% [markdown]
r"""
# Doubling
"""

# %% nbgrader={"grade_id": "double", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x + 0 * x
    ### END SOLUTION

# %% nbgrader={"grade_id": "double-test", "grade": true, "locked": true, "points": 2, "solution": false}
assert double(1) == 2
### BEGIN HIDDEN TESTS
from autograder.kernel import score
score("01_double", "double-test")
### END HIDDEN TESTS
'''
CHECKS = '''import numpy as np

from autograder.check import Check, Draw

double = Check("double", cell="double-test", slide="Nobody, *Twice*", equation="y = 2 x", args=("x (N)",),
               results=("y (N)",))


@double.draws
def draw(rng):
    for _ in range(4):
        yield Draw((rng.normal(size=3),))


double.part("value", 2)
double.mutant("once", replace="x + x + 0 * x", by="x + 0 * x", says="Add x twice.", visible=True, family="sum")
'''


@pytest.fixture
def small(tmp_path):
    """A folder with an assignment of one function, and a way to change a text of its two files."""
    folder = tmp_path / "solutions" / "01_double"
    folder.mkdir(parents=True)
    (folder / "notebook.py").write_text(NOTEBOOK, encoding="utf-8")
    (folder / "checks.py").write_text(CHECKS, encoding="utf-8")

    def change(file, old, new):
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    return folder, change


@pytest.fixture(scope="module")
def rnn():
    return Assignment(ROOT / "solutions" / "03_rnn")


def by_id(notebook):
    return {cell.id: cell for cell in notebook.cells}


# ----- The two notebooks

def test_the_release_is_byte_for_byte_what_nbgrader_generates_from_the_source(rnn, tmp_path, monkeypatch):
    """An instructor may release with either tool: cells, checksums and locks must not depend on it."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    # nbgrader runs the program `alembic`, which lies beside the interpreter
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "source" / rnn.name / f"{rnn.name}.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(dumps(source_notebook(rnn)), encoding="utf-8")
    config = Config()
    config.CourseDirectory.root, config.CourseDirectory.course_id = str(tmp_path), "test"
    answer = NbGraderAPI(CourseDirectory(config=config), config=config).generate_assignment(rnn.name)
    assert answer["success"], answer.get("log")
    theirs = (tmp_path / "release" / rnn.name / f"{rnn.name}.ipynb").read_text(encoding="utf-8")
    assert theirs == dumps(release_notebook(rnn))


def test_two_generations_give_the_same_bytes(rnn):
    again = Assignment(rnn.folder)
    assert dumps(release_notebook(rnn)) == dumps(release_notebook(again))
    assert dumps(source_notebook(rnn)) == dumps(source_notebook(again))


def test_the_release_names_no_version_and_its_ids_are_words(rnn):
    notebook = release_notebook(rnn)
    nbformat.validate(notebook)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", name) for name in ids)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert dumps(notebook).endswith("}\n") and json.loads(dumps(notebook))["nbformat_minor"] == 5


def test_the_release_has_stubs_checksums_and_locks(small):
    cells = by_id(release_notebook(Assignment(small[0])))
    assert cells["double"].source == \
        'def double(x):\n    """Twice x."""\n    # YOUR CODE HERE\n    raise NotImplementedError()'
    assert cells["double-test"].source == "assert double(1) == 2"
    assert cells["double-test"].metadata.editable is False and cells["double"].metadata.deletable is False
    from nbgrader.utils import compute_checksum
    assert cells["double-test"].metadata.nbgrader.checksum == compute_checksum(cells["double-test"])


def test_the_source_keeps_solutions_hidden_tests_and_tags(rnn):
    cells = by_id(source_notebook(rnn))
    assert "np.tanh(x @ W_x.T + h @ W_h.T + b)" in cells["rnn-step"].source
    assert 'score("03_rnn", "rnn-step-test")' in cells["rnn-step-test"].source
    assert [c.metadata.tags for c in cells.values() if "tags" in c.metadata] == [["picture"]] * 4


@pytest.mark.parametrize("name", sorted(p.parent.name for p in (ROOT / "solutions").glob("*/notebook.py")))
def test_no_release_in_exercises_holds_a_line_of_its_solution(name):
    release = nbformat.read(str(ROOT / "exercises" / name / f"{name}.ipynb"), as_version=4)
    assert list(leaks(Assignment(ROOT / "solutions" / name), release)) == []


def test_a_solution_line_outside_its_region_stops_the_build(small):
    folder, change = small
    change("notebook.py", "assert double(1) == 2", "def twice(x):\n    return x + x + 0 * x")
    with pytest.raises(BuildError, match=r"the release shows 'return x \+ x \+ 0 \* x' in cell 'double-test'"):
        release_notebook(Assignment(folder))


# ----- exercises/ and its check

def test_exercises_are_current():
    """`autograder build` brings them up to date; CI runs `autograder build --check`."""
    assert check_current(ROOT / "solutions", ROOT / "exercises") == []


def test_build_writes_once_and_check_names_what_differs(small, tmp_path):
    folder, change = small
    exercises = tmp_path / "exercises"
    path = exercises / "01_double" / "01_double.ipynb"
    assert check_current(folder.parent, exercises) == [f"{path}: is missing"]
    assert build(folder.parent, exercises) == [path]
    assert build(folder.parent, exercises) == []
    assert check_current(folder.parent, exercises) == []

    change("notebook.py", "# Doubling", "# Twice")
    [difference] = check_current(folder.parent, exercises)
    assert "line 5 is '\"id\": \"doubling\",', and would be '\"id\": \"twice\",'" in difference
    (exercises / "02_gone").mkdir()
    (exercises / "02_gone" / "02_gone.ipynb").write_text("{}", encoding="utf-8")
    assert "02_gone.ipynb: has no assignment in" in check_current(folder.parent, exercises)[1]


# ----- Finding and reading an assignment

def test_an_assignment_is_found_from_a_course_and_from_a_checkout(small, tmp_path):
    folder, _ = small
    assert find_assignment("01_double", folder.parent.parent) == folder
    assert find_assignment("01_double", folder) == folder
    deep = tmp_path / "autograded" / "bitdiddle" / "01_double"
    deep.mkdir(parents=True)
    assert find_assignment("01_double", deep) == folder
    course = tmp_path / "checks" / "01_double"
    course.mkdir(parents=True)
    for name in ("notebook.py", "checks.py"):
        (course / name).write_text((folder / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert find_assignment("01_double", deep) == course
    with pytest.raises(FileNotFoundError, match="'07_none': neither checks/07_none nor solutions/07_none"):
        find_assignment("07_none", deep)


def test_the_reference_is_the_text_of_the_solution(small):
    assignment = Assignment(small[0])
    assert assignment.namespace()["double"](4) == 8
    replaced = {"double": assignment.solution_cell("double").source.replace("x + x", "x")}
    assert assignment.namespace(replace=replaced)["double"](4) == 4
    assert assignment.max_score == 2


@pytest.mark.parametrize(("file", "old", "new", "message"), [
    ("notebook.py", "    ### END SOLUTION\n", "",
     "01_double/notebook.py:9: BEGIN SOLUTION has no END SOLUTION in its cell"),
    ("notebook.py", "    ### BEGIN SOLUTION\n", "", "01_double/notebook.py:10: END SOLUTION without BEGIN SOLUTION"),
    ("notebook.py", '"solution": true', '"solution": false',
     "01_double/notebook.py:9: BEGIN SOLUTION in a cell that is not marked for it: students would see what follows"),
    ("notebook.py", '"points": 2', '"points": 3',
     "01_double/checks.py:5: the parts of 'double-test' sum to 2 points, notebook.py:13 says 3"),
    ("notebook.py", '"points": 2, ', "", "01_double/notebook.py:13: test cell 'double-test' has no points"),
    ("notebook.py", 'score("01_double", "double-test")', 'score("01_double", "twice")',
     '01_double/notebook.py:13: the hidden region does not call score("01_double", "double-test")'),
    ("notebook.py", '"grade_id": "double-test"', '"grade_id": "double"',
     "01_double/notebook.py:13: grade_id 'double' is used twice; first in line 6"),
    ("notebook.py", "def double(x):", "def double(x:", "01_double/notebook.py:7: this cell is not Python"),
    ("notebook.py", "def double(x):", "def twice(x):",
     "01_double/checks.py:5: no solution cell of notebook.py defines 'double'"),
    ("checks.py", 'cell="double-test"', 'cell="twice-test"',
     "01_double/checks.py:5: 'twice-test' is no test cell of notebook.py; it has double-test"),
    ("checks.py", 'replace="x + x + 0 * x"', 'replace="x * x"',
     "01_double/checks.py:16: mutant 'once' of double: the text 'x * x' occurs 0 times in its solution cell "
     "(notebook.py:6), and must occur once"),
    ("checks.py", "import numpy as np", "import nump as np",
     "01_double/checks.py:1: ModuleNotFoundError: No module named 'nump'"),
])
def test_a_mistake_in_the_files_is_named_with_its_line(small, file, old, new, message):
    folder, change = small
    change(file, old, new)
    with pytest.raises(AssignmentError) as caught:
        Assignment(folder)
    assert message in str(caught.value)


def test_a_folder_without_checks_is_refused(tmp_path):
    (tmp_path / "notebook.py").touch()
    with pytest.raises(AssignmentError, match=r"there is no checks\.py"):
        Assignment(tmp_path)
