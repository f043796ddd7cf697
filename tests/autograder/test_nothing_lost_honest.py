"""No honest student loses: the solutions and all right variants of the Checks, through the whole grader, sandboxed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autograder import driver
from autograder.course import Course
from autograder.make_course import make
from tests.autograder.grading_help import CHECKOUT, answer, hand_in, solved, totals

SOLUTIONS = sorted(p.parent.name for p in (CHECKOUT / "solutions").glob("*/checks.py"))


def honest_class(course: Path, name: str) -> dict[str, int]:
    """Hand in the solution, and as many notebooks as a function has right variants, each with the next of each."""
    found = Course.open(course).load(name)
    assert found is not None
    notebook = solved(course, name)
    hand_in(course, "s000", notebook, name)
    checks = [c for c in found.checks.values() if c.variants]
    used = 0
    for k in range(max(len(c.variants) for c in checks)):
        cells: dict[str, str] = {}
        for check in checks:
            cell = found.solution_cell(check.function).grade_id.replace("-", "_")
            if k < len(check.variants) and cell not in cells:
                cells[cell] = check.variants[k].source
                used += 1
        hand_in(course, f"s{k + 1:03}", answer(notebook, **cells), name)
    return {"submissions": k + 2, "variants": used, "of_variants": sum(len(c.variants) for c in checks)}


def graded(course: Path, name: str, jobs: int) -> dict[str, Any]:
    """Grade the honest class. `lost`: cells without all of their points, with what was said about them."""
    about: dict[str, Any] = honest_class(course, name)
    results = list(driver.grade(course, name, jobs=jobs))
    cells = [(r["student"], c) for r in results for c in r["cells"]]
    full = {r["student"]: r["max_score"] for r in results}
    assert totals(course, name) == full, "the gradebook says the same"
    return about | {"cells": len(cells), "zeros": sum(not c["score"] for _, c in cells),
                    "lost": [f"{name} {s} {c['grade_id']}: {c['reason']}, {c['message']}" for s, c in cells
                             if c["score"] != c["points"]]}


def test_honest_work_of_one_assignment_gets_all_points(rnn: Path) -> None:
    record = graded(rnn, "03_rnn", 1)
    assert record["lost"] == [] and record["variants"] == record["of_variants"] > 0


@pytest.mark.proof
def test_honest_work_of_all_assignments_gets_all_points(tmp_path: Path, proof_record: Any) -> None:
    make(tmp_path / "course", CHECKOUT / "solutions")
    records = {name: graded(tmp_path / "course", name, 2) for name in SOLUTIONS}
    lost = [line for record in records.values() for line in record["lost"]]
    assert lost == [] and len(records) == 10, "\n".join(lost)
    assert all(record["variants"] == record["of_variants"] for record in records.values())
    proof_record("honest_zeros", {"zeros": sum(r["zeros"] for r in records.values()), "lost_points": len(lost),
                                  "assignments": records})
