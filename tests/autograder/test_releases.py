"""Every assignment through the real pipeline: a course, submissions, the sandbox.

The solved notebook gets full marks and the blank one nothing, in the strongest layer that this machine offers, and
stock `nbgrader validate` tells a student of either what is true of it.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder import driver
from autograder.build import release_notebook
from autograder.make_course import make
from autograder.sandbox import NoSandbox, Sandbox

from .assignment_help import NAMES, ROOT, assignment, reduced, run_in_kernel
from .grading_help import Notebook, by_cell, command, edit, hand_in, release, scores, solved, totals

VALIDATED_IN_CI = "01_autograd"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with all assignments."""
    folder = tmp_path_factory.mktemp("term") / "course"
    make(folder, ROOT / "solutions")
    return folder


def grade(course: Path, name: str, **notebooks: Notebook) -> dict[str, dict[str, Any]]:
    for student, notebook in notebooks.items():
        hand_in(course, student, notebook, name)
    return {r["student"]: r for r in driver.grade(course, name, students=[*notebooks], jobs=2)}


@functools.cache
def strongest() -> list[str]:
    """The parts of the best layer that works here; AUTOGRADER_LAYERS=1 (as in CI) makes a machine without one fail."""
    try:
        with Sandbox() as sandbox:
            return [part for part in sandbox.layers if part != "none"]
    except NoSandbox as e:
        if os.environ.get("AUTOGRADER_LAYERS"):
            raise
        pytest.skip(str(e))


@pytest.mark.slow
def test_a_course_is_made_of_all_assignments_at_once(course):
    assert sorted(p.name for p in (course / "release").iterdir()) == NAMES


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_solved_notebook_gets_full_marks_and_the_blank_one_nothing(course, name):
    layers = strongest()
    results = grade(course, name, solved=solved(course, name), blank=release(course, name))
    assert totals(course, name) == {"solved": 100.0, "blank": 0.0}
    for student, result in results.items():
        assert result["status"] == "graded" and result["layers"] == layers
        assert result["incidents"] == [] and result["max_score"] == 100
        assert [c["grade_id"] for c in result["cells"]] == list(assignment(name).graded)
        assert {c["reason"] for c in result["cells"]} == {"ok" if student == "solved" else "not_written"}
    assert all(c["message"] for c in results["blank"]["cells"])
    assert set(scores(course, name)["blank"].values()) == {0.0}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_function_alone_earns_its_own_points_and_no_others(course, name):
    """A student who has written one function of many: nothing before it or after it is needed, and nothing comes.

    A function that calls an earlier one is left out: it needs that one to be written.
    """
    found, right, blank = assignment(name), solved(course, name), release(course, name)
    cells = {c["metadata"]["nbgrader"]["grade_id"]: c["source"] for c in right["cells"] if "nbgrader" in c["metadata"]}
    check = next(c for c in [*found.checks.values()][::-1] if not c.uses)
    place = found.solution_cell(check.function).grade_id
    result = grade(course, name, one=edit(blank, place, lambda c: c.update(source=cells[place])))["one"]
    assert by_cell(result)[check.cell]["score"] == check.points == result["score"]


# ----- nbgrader validate

def validate(course: Path, notebook: Notebook, name: str, tmp_path: Path) -> str:
    path = tmp_path / f"{name}.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return command(course, "nbgrader", "validate", str(path))


def validates(course: Path, name: str, tmp_path: Path) -> None:
    """The button that students have: it runs the visible tests, and these say what is not done."""
    assert "Success! Your notebook passes all the tests." in validate(course, solved(course, name), name, tmp_path)
    told = validate(course, release(course, name), name, tmp_path)
    assert f"VALIDATION FAILED ON {len(assignment(name).graded)} CELL(S)" in told
    for check in assignment(name).checks.values():
        assert f"{check.function}: the visible test does not pass yet." in told
    assert "Traceback" not in told and "HIDDEN" not in told


@pytest.mark.slow
@pytest.mark.parametrize("name", [VALIDATED_IN_CI])
def test_validate_counts_the_open_cells_of_a_release_and_passes_a_solution(course, name, tmp_path):
    validates(course, name, tmp_path)


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_validate_does_so_for_each_assignment(course, name, tmp_path):
    validates(course, name, tmp_path)


# ----- What students get

@pytest.mark.parametrize("name", NAMES)
def test_a_release_holds_no_hidden_test_and_no_way_to_the_grader(course, name):
    """Solutions are looked for, line by line, in test_build.py; here the release of a course, as it is handed out."""
    text = (course / "release" / name / f"{name}.ipynb").read_text(encoding="utf-8")
    assert [p.name for p in (course / "release" / name).iterdir()] == [f"{name}.ipynb"]
    for word in ("HIDDEN TESTS", "BEGIN SOLUTION", "END SOLUTION", "autograder", "score("):
        assert word not in text.replace("_score(", "").replace(".score(", ""), word


@pytest.mark.parametrize("name", NAMES)
def test_a_release_needs_numpy_minigrad_and_matplotlib_alone(name):
    """What an import statement of the notebook names; the standard library comes with Python."""
    known = {"numpy", "minigrad", "matplotlib", *sys.stdlib_module_names}
    for cell in assignment(name).cells:
        nodes = ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ()
        source = cell.source.partition("### BEGIN HIDDEN TESTS")[0]
        for node in nodes:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(
                node, ast.ImportFrom) else []
            for module in names:
                assert module.split(".")[0] in known or module not in source, (name, cell.line, module)


def test_a_student_finds_every_release_by_the_command_of_the_guide(tmp_path):
    done = subprocess.run([sys.executable, "-m", "minigrad", "exercises", str(tmp_path / "mywork")], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert [Path(line).stem for line in done.stdout.split()] == NAMES


@pytest.mark.slow
@pytest.mark.parametrize("name", reduced(NAMES[::2]))
def test_no_cell_of_a_blank_release_shows_a_traceback(name, tmp_path, monkeypatch):
    """Picture cells too meet functions that are not written: a student who runs all cells reads words, and no errors.

    A cell that asks for a name which another one would have made is told so by minigrad.course; a name that stands for
    two things in one notebook is found here.
    """
    _, ran = run_in_kernel(release_notebook(assignment(name)), tmp_path, monkeypatch)
    outputs = [(cell, out) for cell, done in ran.items() for out in done.get("outputs", ())]
    errors = {cell: "\n".join(out.traceback) for cell, out in outputs if out.output_type == "error"}
    assert set(assignment(name).graded) <= set(errors)
    assert {cell: text for cell, text in errors.items() if "is not written yet" not in text} == {}
    assert [cell for cell, out in outputs if out.get("name") == "stderr"] == []
    assert any(f"0 of {len(assignment(name).checks)} pass now" in out.get("text", "") for _, out in outputs)
