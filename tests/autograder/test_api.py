"""The Python API: a whole term by `autograder.Grader`, and an import that stays cheap."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_type_hints

import pytest

import autograder
from autograder import Grader, api, cli
from autograder.pipeline import VERSION
from tests.autograder.grading_help import CHECKOUT, answer, release, solved

A = "01_mini"


def test_a_whole_term(mini_solutions: Path, tmp_path: Path) -> None:
    """Every verb once, each on what the one before has left."""
    grader = Grader.make(tmp_path / "course", mini_solutions)
    assert grader.assignments == [A] and repr(grader) == f"Grader({str(tmp_path / 'course')!r})"
    assert all(proof.faults == [] for proof in grader.check(A, seeds=1))

    handed_out = grader.release(A, out=tmp_path / "out.zip")
    assert handed_out.points == 10 and zipfile.ZipFile(tmp_path / "out.zip").namelist()

    inbox = tmp_path / "inbox"
    wrong = answer(solved(grader.folder, A), total="def total(x):\n    return x.mean(axis=0)")
    for student, notebook in {"ada": solved(grader.folder, A), "bob": wrong,
                              "cyd": release(grader.folder, A)}.items():
        (inbox / student).mkdir(parents=True)
        (inbox / student / f"{A}.ipynb").write_text(json.dumps(notebook))
    collected = grader.collect(A, inbox)
    assert [row.student for row in collected.rows] == ["ada", "bob", "cyd"]
    assert [(row.submitted, row.waiting) for row in grader.status()] == [(3, 3)]

    told: list[int] = []
    results = grader.grade(A, jobs=1, finished=lambda result: told.append(result["version"]))
    assert {r["student"]: r["score"] for r in results} == {"ada": 10.0, "bob": 6.0, "cyd": 0.0}
    assert told == [VERSION] * 3
    assert {row.student: row.score for row in grader.students(A)} == {"ada": 10.0, "bob": 6.0, "cyd": 0.0}
    assert grader.explain(A, "bob", "total").same

    assert "bob" in grader.report(A).read_text() and "bob" not in grader.report(A, anonymous=True).read_text()
    assert not any(student.changed for student in grader.regrade(A, jobs=1, dry_run=True).students)
    assert grader.feedback(A, jobs=1, students=["bob"], zip=tmp_path / "pages.zip").new == ["bob"]
    assert zipfile.ZipFile(tmp_path / "pages.zip").namelist()
    exported = grader.export(A, "csv", out=tmp_path / "grades.csv")
    assert "bob" in (tmp_path / "grades.csv").read_text() and len(exported.grades) == 3
    assert sum(len(changed) for changed in grader.upgrade(mini_solutions, dry_run=True).values()) >= 0


def test_a_layer_can_be_attacked_by_itself() -> None:
    assert {finding.layer for finding in Grader.doctor(["none"])} == {"none"}


def test_every_verb_of_a_course_is_a_method_with_types() -> None:
    """build and demo belong to the checkout; course is `make` and `upgrade`."""
    methods = {name: f for name, f in vars(Grader).items() if inspect.isfunction(f) and not name.startswith("_")}
    assert set(cli.VERBS) - {"build", "demo", "course", "vary"} <= {*methods, "doctor"}
    space = {**vars(api), **{n: object for n in ("Collected", "Exported", "Explanation", "Finding", "Made", "Proof",
                                                 "Released", "Report", "AssignmentStatus", "StudentStatus")}}
    for name, method in methods.items():
        hints = get_type_hints(method, globalns=space)
        assert set(hints) == {*inspect.signature(method).parameters, "return"} - {"self"}, name
        assert method.__doc__, name


@pytest.mark.parametrize("code", ["import autograder", "from autograder.errors import AutograderError"])
def test_the_import_loads_nothing_but_itself(code: str) -> None:
    """It stands in the hidden region of every test cell, and beside the sandbox's worker."""
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    program = (f"import sys; before = set(sys.modules); {code}; "
               "print(sorted(m for m in set(sys.modules) - before if m.partition('.')[0] in "
               "('numpy', 'nbgrader', 'nbformat', 'click', 'rich', 'minigrad')), 'autograder.api' in sys.modules)")
    got = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert got.stdout.strip() == "[] False"


def test_the_package_has_the_two_names_and_no_other_by_itself() -> None:
    assert autograder.Grader is api.Grader and issubclass(autograder.AutograderError, Exception)
    assert autograder.__all__ == ["AutograderError", "Grader"]
    with pytest.raises(AttributeError, match="has no attribute 'Gradr'"):
        autograder.Gradr    # noqa: B018
