"""What the students of a course wrote: the sources of their cells, from the graded notebooks.

The report's examples and its comparison of submissions need code; the results hold none, so that they can be kept and
sent on. The graded notebook is the attempt that counts, and its cells are the course's own but for the student's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder import bare, submission
from autograder.assignment import BEGIN_SOLUTION, END_SOLUTION
from autograder.course import Course

Cells = Mapping[str, str]       # source by what the cell defines, "notebook/name" where there are several notebooks
DEFINES = re.compile(r"^(?:def|class) (\w+)", re.MULTILINE)


@dataclass
class Work:
    """The class's code beside the course's own. `students`: student -> cell -> source, of what the student wrote."""

    students: dict[str, dict[str, str]] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)           # all code cells that students got
    published: dict[str, str] = field(default_factory=dict)     # the solution, by cell

    @property
    def known(self) -> frozenset[str]:
        """The names of the course: these may be shown."""
        return bare.names([*self.released, *self.published.values()])

    def function(self, student: str, name: str) -> str:
        """The last cell of a student's that defines this function; "" where none does."""
        defines = re.compile(rf"^(?:def|class) {re.escape(name)}\b", re.MULTILINE)
        found = [s for s in self.students.get(student, {}).values() if defines.search(s)]
        return found[-1] if found else ""

    def solution(self, name: str) -> str:
        """The published cell that defines this function."""
        defines = re.compile(rf"^(?:def|class) {re.escape(name)}\b", re.MULTILINE)
        return next((s for s in self.published.values() if defines.search(s)), "")


def load(course: Course, assignment: str, students: Iterable[str]) -> Work:
    """The code of these students. A notebook that is missing or broken leaves its student out; nothing is raised."""
    work = Work()
    given: set[str] = set()
    names: dict[tuple[str, str], str] = {}
    for path in sorted((course.release / assignment).glob("*.ipynb")):
        for cell in _cells(path):
            work.released.append(cell["source"])
            given.add(cell["source"].strip())
            defined = DEFINES.search(cell["source"]) if cell["nbgrader"].get("solution") else None
            names[path.stem, cell["grade_id"] or ""] = defined[1] if defined else cell["grade_id"] or ""
    sources = sorted((course.source / assignment).glob("*.ipynb"))
    for path in sources:
        prefix = f"{path.stem}/" if len(sources) > 1 else ""
        work.published |= {prefix + names.get((path.stem, c["grade_id"]), c["grade_id"]): without_markers(c["source"])
                           for c in _cells(path) if c["nbgrader"].get("solution") and c["grade_id"]}
    for student in students:
        mine: dict[str, str] = {}
        for path in sorted((course.autograded / student / assignment).glob("*.ipynb")):
            prefix = f"{path.stem}/" if len(sources) > 1 else ""
            for i, cell in enumerate(_cells(path)):
                if cell["nbgrader"].get("grade") and not cell["nbgrader"].get("solution"):
                    continue
                if cell["source"].strip() and cell["source"].strip() not in given:
                    name = names.get((path.stem, cell["grade_id"] or ""), "") if cell["grade_id"] else ""
                    mine[prefix + (name or f"cell {i + 1}")] = cell["source"]
        if mine:
            work.students[student] = mine
    return work


def without_markers(source: str) -> str:
    """A solution cell as a student would have written it."""
    return "\n".join(line for line in source.splitlines() if BEGIN_SOLUTION not in line and END_SOLUTION not in line)


def _cells(path: Path) -> list[dict[str, Any]]:
    """The code cells of a notebook that the grader or the course wrote."""
    return [c for c in submission.cells_of(path) if c["cell_type"] == "code"]
