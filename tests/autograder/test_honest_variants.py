"""No honest student loses: right solutions in any form that students give them get full marks through the sandbox.

What is rewritten and how: honest.py. Here the forms are handed in as notebooks, one form of each function of an
assignment in each, and graded as a class is.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder import driver, submission
from autograder.assignment import Assignment
from autograder.build import source_notebook
from autograder.pipeline import run_notebook, seed_of
from autograder.sandbox import Limits, Sandbox
from autograder.submission import CellSpec, Template
from tests.autograder.assignment_help import NAMES, ROOT, assignment
from tests.autograder.grading_help import hand_in
from tests.autograder.honest import REWRITERS, TEXTS, rewritten
from tests.autograder.honest_forms import HANDWRITTEN

FULL = 1000                     # forms in the proof
Forms = dict[str, tuple[str, str, tuple[str, ...]]]     # function -> (its cell, a cell above, what was done)


def forms(found: Assignment, number: int, seen: set[str]) -> Forms:
    """The `number`-th form of each function of an assignment, none that is in `seen`."""
    made = {}
    for check in found.checks.values():
        rng = np.random.default_rng([number, zlib.crc32(check.function.encode())])
        bases = [found.solution_cell(check.function).source, *(v.source for v in check.variants)]
        arrays = tuple(a.name for a in check.args if a.axes) if check.called == check.function else ()
        while True:
            form = rewritten(bases[int(rng.integers(len(bases)))], check.function, arrays, rng)
            if form[0] not in seen:
                break
        seen.add(form[0])
        made[check.function] = form
    return made


def notebook(found: Assignment, made: Forms) -> dict[str, Any]:
    """A submission with these forms in it, and the cells that a student added above them."""
    book = json.loads(json.dumps(source_notebook(found)))
    cells = []
    for cell in book["cells"]:
        name = next((c.defines for c in found.cells if c.solution and c.grade_id == cell["metadata"].get(
            "nbgrader", {}).get("grade_id")), ())
        for function in made.keys() & set(name):
            source, above, _ = made[function]
            if above:
                cells.append({"cell_type": "code", "id": f"above-{function}"[:60], "metadata": {}, "outputs": [],
                              "execution_count": None, "source": above})
            cell["source"] = source
        cells.append(cell)
    return book | {"cells": cells}


def template(found: Assignment) -> Template:
    """The assignment as a gradebook would hold it."""
    book = source_notebook(found)
    return Template(found.name, tuple(
        CellSpec(m["grade_id"], c.cell_type, c.source, grade=m["grade"], solution=m["solution"], locked=m["locked"],
                 points=float(m["points"]) if m["grade"] else None)
        for c in book.cells if (m := c.metadata.get("nbgrader"))),
        pictures=frozenset(c.source for c in book.cells if "picture" in c.metadata.get("tags", ())))


def graded(found: Assignment, book: dict[str, Any], sandbox: Sandbox) -> list[Any]:
    """The cells' results, as the graders of a class make them, without a course around."""
    cells, notes = submission.read_cells(json.dumps(book).encode())
    sub = submission.rebuild(template(found), cells, "ada")
    assert sub.status == "graded", notes
    session = sandbox.session()
    try:
        return run_notebook(sub, found.checks, session, Limits(),
                            lambda cell: seed_of(b"honest", found.name, cell, "ada", sub.solution_hash)).cells
    finally:
        session.close()


def lost(made: Forms, results: list[Any]) -> list[str]:
    """What was not given full marks, in words."""
    return [f"{r['function']} has {r['score']} of {r['points']}, by {', '.join(made[r['function']][2])}: "
            f"{r['reason']}, {r['message']}\n{made[r['function']][1]}\n----\n{made[r['function']][0]}"
            for r in results if r["score"] != r["points"]]


@pytest.mark.parametrize("name", ["04_vanishing", "06_gru_bidirectional"])
def test_right_forms_of_every_function_get_full_marks(name: str) -> None:
    """Two assignments of which no handwritten form is below; all ten, in a thousand forms, by the proof."""
    found = assignment(name)
    with Sandbox() as sandbox:
        made = forms(found, 0, set())
        results = [r.to_dict() for r in graded(found, notebook(found, made), sandbox)]
    assert len(results) == len(found.checks) and not (bad := lost(made, results)), "\n\n".join(bad)


def test_handwritten_forms_get_full_marks() -> None:
    """Named tuples and NumPy's texts among them: each cost all points of its function once."""
    bad = []
    with Sandbox() as sandbox:
        for name in dict.fromkeys(name for name, _, _ in HANDWRITTEN):
            mine = [(f, k, source) for (a, f, k), source in HANDWRITTEN.items() if a == name]
            while mine:         # one form of a function in each notebook
                made: Forms = {f: (source, "", (kind,)) for f, kind, source in reversed(mine)}
                mine = [form for form in mine if made[form[0]][0] != form[2]]
                found = assignment(name)
                results = [r.to_dict() for r in graded(found, notebook(found, made), sandbox)]
                bad += [text for r in results if r["function"] in made for text in lost(made, [r])]
    assert not bad, "\n\n".join(bad)


def test_a_function_may_stand_in_a_cell_of_the_students_own() -> None:
    found = assignment("03_rnn")
    moved: Forms = {c.function: ("# see the cell above", found.solution_cell(c.function).source, ())
                    for c in found.checks.values()}
    with Sandbox() as sandbox:
        results = graded(found, notebook(found, moved), sandbox)
    assert [r.score for r in results] == [c.points for c in found.checks.values()]


@pytest.mark.proof
def test_a_thousand_right_forms_get_full_marks(tmp_path: Path, proof_record: Any) -> None:
    from autograder.make_course import make

    course, seen, kinds, bad, count = tmp_path / "course", set[str](), Counter[str](), list[str](), 0
    make(course, ROOT / "solutions")
    functions = sum(len(assignment(name).checks) for name in NAMES)
    for name in NAMES:
        found = assignment(name)
        all_made = {f"s{k:03d}": forms(found, k, seen) for k in range(-(-FULL // functions))}
        for student, made in all_made.items():
            hand_in(course, student, notebook(found, made), name)  # type: ignore[arg-type]
        for result in driver.grade(course, name):
            made = all_made[result["student"]]
            bad += lost(made, result["cells"])
            count += len(result["cells"])
            kinds.update(kind for _, _, done in made.values() for kind in done)
    assert not bad, f"{len(bad)} of {count}\n\n" + "\n\n".join(bad)
    assert count >= FULL and len(seen) == count and set(kinds) == REWRITERS.keys() | TEXTS.keys()
    proof_record("variants", {"forms": count, "functions": functions, "full_marks": count - len(bad),
                              "rewritten_by": dict(kinds.most_common())})
