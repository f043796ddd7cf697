"""What the grader's tests share: a small course, and notebooks as students hand them in."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
CHECKOUT = Path(__file__).resolve().parents[2]

# ruff: noqa: E501 (a cell's metadata stands on one line)
NOTEBOOK = '''\
# %% [markdown]
r"""
# A small assignment
"""

# %% nbgrader={"grade_id": "setup", "grade": false, "locked": true, "schema_version": 3, "solution": false}
import numpy as np

from minigrad import course

# %% nbgrader={"grade_id": "double", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% nbgrader={"grade_id": "double-test", "grade": true, "locked": true, "points": 4, "schema_version": 3, "solution": false}
course.test(double, x=np.array([1.0]), expected=np.array([2.0]), equation="y = 2 x", not_tested="negative x.")
### BEGIN HIDDEN TESTS
from autograder.kernel import score
score("01_mini", "double-test")
### END HIDDEN TESTS

# %% a picture tags=["picture"]
raise SystemExit("pictures are not run when grading")

# %% nbgrader={"grade_id": "total", "grade": false, "locked": false, "schema_version": 3, "solution": true}
def total(x):
    """The sum over axis 0."""
    ### BEGIN SOLUTION
    return x.sum(axis=0)
    ### END SOLUTION

# %% nbgrader={"grade_id": "total-test", "grade": true, "locked": true, "points": 6, "schema_version": 3, "solution": false}
course.test(total, x=np.ones((2, 2)), expected=np.array([2.0, 2.0]), equation="y = sum_i x_i", not_tested="one row.")
### BEGIN HIDDEN TESTS
from autograder.kernel import score
score("01_mini", "total-test")
### END HIDDEN TESTS
'''

CHECKS = '''\
from autograder.check import Check, Draw

double = Check("double", cell="double-test", slide="A deck, Twice", equation="y = 2 x", args=("x (B)",),
               results=("y (B)",))


@double.draws
def draw_double(rng):
    for n in (2, 3, 5, 1):
        yield Draw((rng.normal(size=n),))


double.part("value", 4)
double.mutant("square", replace="2 * x", by="x * x", visible=True, family="another function",
              says="Twice x is x + x, not x times x.", question="What is twice 3, and what is 3 squared?")

total = Check("total", cell="total-test", slide="A deck, Sums", equation="y = sum_i x_i",
              args=("x (B, D)",), results=("y (D)",))


@total.draws
def draw_total(rng):
    for n in (2, 3, 5, 1):
        yield Draw((rng.normal(size=(n, 3)),))


total.part("shape", 2, kind="shape")
total.part("value", 4)
total.mutant("mean", replace="x.sum(axis=0)", by="x.mean(axis=0)", visible=True, family="mean or sum",
             says="The sum, not the mean.", question="What is the sum of two ones?")
total.mutant("other_axis", replace="axis=0", by="axis=-1", visible=False, family="axis", says="Axis 0 counts the rows.")
'''


def write_mini(folder: Path) -> Path:
    """A folder of solutions that holds the assignment 01_mini."""
    (folder / "01_mini").mkdir()
    (folder / "01_mini" / "notebook.py").write_text(NOTEBOOK, encoding="utf-8")
    (folder / "01_mini" / "checks.py").write_text(CHECKS, encoding="utf-8")
    return folder


def answer(notebook: Notebook, **sources: str) -> Notebook:
    """A copy of a release notebook with answers filled in; `rnn_step` names the cell `rnn-step`."""
    copy = json.loads(json.dumps(notebook))
    for cell in copy["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "").replace("-", "_")
        if name in sources:
            cell["source"] = sources.pop(name)
    assert not sources, f"the notebook has no cell {list(sources)}"
    return copy


def release(course: Path, assignment: str) -> Notebook:
    return json.loads((course / "release" / assignment / f"{assignment}.ipynb").read_text(encoding="utf-8"))


def solved(course: Path, assignment: str) -> Notebook:
    """The instructor's notebook as a student would hand it in: the release with every solution filled in."""
    source = json.loads((course / "source" / assignment / f"{assignment}.ipynb").read_text(encoding="utf-8"))
    answers = {c["metadata"]["nbgrader"]["grade_id"].replace("-", "_"): "".join(c["source"]) for c in source["cells"]
               if c["metadata"].get("nbgrader", {}).get("solution")}
    return answer(release(course, assignment), **answers)


def hand_in(course: Path, student: str, notebook: Notebook | bytes, assignment: str) -> Path:
    folder = course / "submitted" / student / assignment
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{assignment}.ipynb"
    path.write_bytes(notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode())
    return path


def edit(notebook: Notebook, grade_id: str, change: Callable[[dict[str, Any]], object]) -> Notebook:
    """A copy with `change` done to one cell."""
    copy = json.loads(json.dumps(notebook))
    change(next(c for c in copy["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id))
    return copy


def scores(course: Path, assignment: str) -> dict[str, dict[str, float | None]]:
    """The automatic scores in gradebook.db, read without nbgrader."""
    query = """SELECT a.student_id, c.name, g.auto_score FROM grade g JOIN base_cell c ON c.id = g.cell_id
        JOIN submitted_notebook n ON n.id = g.notebook_id JOIN submitted_assignment a ON a.id = n.assignment_id
        JOIN assignment t ON t.id = a.assignment_id WHERE t.name = ?"""
    found: dict[str, dict[str, float | None]] = {}
    with sqlite3.connect(course / "gradebook.db") as db:
        for student, cell, score in db.execute(query, (assignment,)):
            found.setdefault(student, {})[cell] = score
    return found


def totals(course: Path, assignment: str) -> dict[str, float]:
    return {s: round(sum(v or 0.0 for v in cells.values()), 6) for s, cells in scores(course, assignment).items()}


def copy_course(course: Path, to: Path) -> Path:
    """A course can be moved: nothing in it names its place."""
    shutil.copytree(course, to, symlinks=True)
    return to


def by_cell(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {c["grade_id"]: c for c in result["cells"]}


def command(course: Path, *words: str) -> str:
    """Run a Python module as a command in the course's folder; its stdout. Fails with all it said."""
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OPENBLAS_NUM_THREADS": "1",
           "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}
    got = subprocess.run([sys.executable, "-m", *words], cwd=course, env=env, capture_output=True, text=True)
    assert got.returncode == 0, got.stdout + got.stderr
    return got.stdout
