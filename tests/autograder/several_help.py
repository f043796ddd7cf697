"""An assignment of two notebooks, as an instructor has it who made it with nbgrader: `maths` is graded by Checks,
`words` has bare asserts, two answers that a person grades, and a task."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.autograder.grading_help import CHECKS, Notebook
from tests.autograder.grading_help import NOTEBOOK as MINI

A = "ps1"
MATHS, WORDS = "maths", "words"
NOTEBOOKS = (MATHS, WORDS)


def _cell(grade_id: str, source: str, kind: str = "code", **about: Any) -> dict[str, Any]:
    nbgrader = {"schema_version": 3, "grade_id": grade_id, "grade": False, "solution": False, "locked": False,
                "task": False} | about
    cell = {"cell_type": kind, "id": grade_id, "metadata": {"nbgrader": nbgrader}, "source": source}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def words_source() -> Notebook:
    """The instructor's second notebook; `double-test` is the name of a cell in the first one too."""
    region = "    ### BEGIN SOLUTION\n    {}\n    ### END SOLUTION"
    hidden = "\n### BEGIN HIDDEN TESTS\nassert {}\n### END HIDDEN TESTS"
    cells = [
        _cell("upper", "def upper(text):\n" + region.format("return text.upper()"), solution=True),
        _cell("double-test", "assert upper('a') == 'A'" + hidden.format("upper('bc') == 'BC'"), grade=True, locked=True,
              points=3),
        _cell("length", "def length(text):\n" + region.format("return len(text)"), solution=True),
        _cell("length-test", "assert length('') == 0" + hidden.format("length('abc') == 3"), grade=True, locked=True,
              points=2),
        _cell("why", "Why is a string no list?", "markdown", grade=True, solution=True, points=5),
        _cell("sketch", "# Sketch a function of your own here.", grade=True, solution=True, points=4),
        _cell("essay", "Read the chapter. <b>Write</b> a page about it below.", "markdown", task=True, locked=True,
              points=6),
    ]
    return {"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}}


def write_several(course: Path) -> None:
    """Add the assignment to a course folder: checks of the first notebook, both sources, release and rows."""
    from autograder.build import dumps, source_notebook
    from autograder.course import Course, open_assignment
    from autograder.make_course import generate_release

    checks = course / "checks" / A / MATHS
    checks.mkdir(parents=True)
    (checks / "notebook.py").write_text(MINI.replace('score("01_mini"', f'score("{A}/{MATHS}"'), encoding="utf-8")
    (checks / "checks.py").write_text(CHECKS, encoding="utf-8")
    source = course / "source" / A
    source.mkdir(parents=True)
    (source / f"{MATHS}.ipynb").write_text(dumps(source_notebook(open_assignment(checks))), encoding="utf-8")
    (source / f"{WORDS}.ipynb").write_text(json.dumps(words_source()), encoding="utf-8")
    generate_release(Course.open(course), A)


def read(course: Path, step: str, notebook: str) -> Notebook:
    return json.loads((course / step / A / f"{notebook}.ipynb").read_text(encoding="utf-8"))


def answered(course: Path, notebook: str, **sources: str) -> Notebook:
    """The release with every solution and `sources` filled in; `length` names a cell."""
    copy, filled = read(course, "release", notebook), read(course, "source", notebook)
    answers = {c["metadata"]["nbgrader"]["grade_id"]: c["source"] for c in filled["cells"]
               if c["metadata"].get("nbgrader", {}).get("solution")}
    for cell in copy["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        cell["source"] = sources.get(name.replace("-", "_"), answers.get(name, cell["source"]))
    return copy


def hand_in(course: Path, student: str, **notebooks: Notebook | bytes) -> Path:
    """Hand in these notebooks, `maths=...` and `words=...`; returns the folder."""
    folder = course / "submitted" / student / A
    folder.mkdir(parents=True, exist_ok=True)
    for name, notebook in notebooks.items():
        data = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
        (folder / f"{name}.ipynb").write_bytes(data)
    return folder


def rows(course: Path) -> dict[str, dict[tuple[str, str], tuple[Any, ...]]]:
    """What nbgrader's gradebook says: student -> (notebook, cell) -> auto score, manual score, waits, max score."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        return {s.student_id: {(n.name, g.name): (g.auto_score, g.manual_score, g.needs_manual_grade, g.max_score)
                               for n in s.notebooks for g in n.grades} for s in book.assignment_submissions(A)}


def nbgrader_autograde(course: Path, assignment: str) -> None:
    """nbgrader's autograde in this process, as the formgrader's button calls it, with the course's configuration."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    from autograder import nbgrader_plugin
    from autograder.course import Course
    from autograder.nbgrader_api import read_config

    here, before = os.getcwd(), set(sys.modules)
    sys.path.insert(0, str(course))
    try:
        config = read_config(Course.open(course))
        api = NbGraderAPI(CourseDirectory(config=config), config=config)
        for student in sorted(p.parent.name for p in (course / "submitted").glob(f"*/{assignment}")):
            answer = api.autograde(assignment, student, force=True)
            assert answer["success"], answer
    finally:
        os.chdir(here)
        sys.path.remove(str(course))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(course)):
                del sys.modules[name]
        for _, worker in nbgrader_plugin._workers.values():
            worker.close()
        nbgrader_plugin._workers.clear()
