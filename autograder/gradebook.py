"""The gradebook, as the fast driver uses it: the assignment's cells out, one transaction a submission in.

nbgrader's own functions commit after every row and open the database once a cell. Here one session serves a whole run,
and a submission's rows appear together or not at all. Manual scores, extra credit and manual comments stay as they are.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from autograder import submission
from autograder.course import Course
from autograder.errors import AutograderError, CourseError, UnknownName
from autograder.submission import CellSpec, Template

NO_RESPONSE = "No response."        # nbgrader's words; the formgrader looks for them


@dataclass(frozen=True)
class Rows:
    """What one submission leaves in the gradebook: scores by cell (None: a person decides), cells with no answer."""

    student: str
    scores: dict[str, float | None]
    blank: frozenset[str]
    timestamp: str | None = None


def read_template(notebook: Any, course: Course, assignment: str) -> Template:
    """The assignment's cells from the gradebook's `notebook` row, in the order of the release notebook."""
    grades = {c.name: c for c in notebook.grade_cells}
    tasks = {c.name: c for c in notebook.task_cells}
    solutions = {c.name for c in notebook.solution_cells}
    specs = {}
    for row in notebook.source_cells:
        graded = grades.get(row.name) or tasks.get(row.name)
        specs[row.name] = CellSpec(
            row.name, row.cell_type, row.source or "", row.checksum, grade=row.name in grades,
            solution=row.name in solutions, locked=bool(row.locked), task=row.name in tasks,
            points=float(graded.max_score) if graded else None)
    order, given, pictures, released = list(specs), set(), set(), {}
    try:
        cells, _ = submission.read_cells((course.release / assignment / f"{assignment}.ipynb").read_bytes())
    except (OSError, submission.Unreadable):
        cells = []          # the gradebook alone will do: only pictures and given text are unknown then
    place = {c["grade_id"]: i for i, c in enumerate(cells)}
    order.sort(key=lambda name: place.get(name, len(cells)))
    for c in cells:
        if c["grade_id"] in specs:
            released[c["grade_id"]] = c["source"]
            if "picture" in c["tags"]:
                specs[c["grade_id"]] = dataclasses.replace(specs[c["grade_id"]], picture=True)
        else:
            given.add(c["source"])
            if "picture" in c["tags"]:
                pictures.add(c["source"])
    try:
        kernelspec = dict(json.loads(notebook.kernelspec or "{}"))
    except (ValueError, TypeError):
        kernelspec = {}
    return Template(assignment, tuple(specs[name] for name in order), kernelspec, frozenset(pictures),
                    frozenset(given), released)


@contextmanager
def scripts_on_path() -> Iterator[None]:
    """nbgrader looks for `alembic` on the PATH to make a gradebook; it is there only in an activated environment."""
    old = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), old])
    try:
        yield
    finally:
        os.environ["PATH"] = old


class Grades:
    """One session on a course's gradebook."""

    def __init__(self, course: Course) -> None:
        from nbgrader.api import Gradebook  # 2 s of imports

        self.course = course
        try:
            with scripts_on_path():
                self.book = Gradebook(course.db_url, course.name)
        except Exception as e:                  # sqlalchemy's own tree of errors: locked, corrupt, of another version
            why = f"{type(e).__name__}: {str(e).splitlines()[0]}"
            raise CourseError(f"the gradebook {course.database} cannot be opened ({why}); "
                              "after an update of nbgrader, `nbgrader db upgrade` may help") from e

    def __enter__(self) -> Grades:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.book.close()

    def assignments(self) -> list[str]:
        """The assignments that the gradebook knows."""
        return sorted(a.name for a in self.book.assignments)

    def template(self, assignment: str) -> Template:
        """The cells of an assignment; raises UnknownName, or AutograderError for one of several notebooks."""
        known = self.assignments()
        if assignment not in known:
            raise UnknownName("assignment", assignment, str(self.course.root), known,
                              f"autograder status {self.course.shown} lists all")
        notebooks = self.book.find_assignment(assignment).notebooks
        if [n.name for n in notebooks] != [assignment]:
            names = ", ".join(n.name for n in notebooks) or "none"
            raise AutograderError(f"assignment '{assignment}' should have one notebook of its own name; it has {names}")
        return read_template(notebooks[0], self.course, assignment)

    def scores(self, assignment: str) -> dict[str, dict[str, float | None]]:
        """The automatic scores that stand in the gradebook: student -> cell -> score."""
        from nbgrader.api import Assignment, BaseCell, Grade, SubmittedAssignment, SubmittedNotebook

        rows = (self.book.db.query(SubmittedAssignment.student_id, BaseCell.name, Grade.auto_score)
                .select_from(Grade).join(BaseCell, BaseCell.id == Grade.cell_id)
                .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
                .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
                .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
                .filter(Assignment.name == assignment))
        found: dict[str, dict[str, float | None]] = {}
        for student, cell, score in rows:
            found.setdefault(student, {})[cell] = score
        self.book.db.rollback()     # a reading transaction must not keep the file locked while students' code runs
        return found

    def save(self, assignment: str, rows: Rows) -> None:
        """Write one submission's rows in one transaction, as nbgrader's SaveAutoGrades and AssignLatePenalties do."""
        try:
            self._save(assignment, rows)
            self.book.db.commit()
        except Exception:
            self.book.db.rollback()
            raise

    def _save(self, assignment: str, rows: Rows) -> None:
        from nbgrader import utils

        found = self._find_or_add(assignment, rows.student)
        if rows.timestamp:
            found.timestamp = utils.parse_utc(rows.timestamp)
        for notebook in found.notebooks:
            total = 0.0
            for grade in notebook.grades:
                score = rows.scores.get(grade.cell.name)
                grade.auto_score = score
                grade.needs_manual_grade = grade.manual_score is not None or score is None
                total += (grade.manual_score if grade.manual_score is not None else score or 0.0)
                total += grade.extra_credit or 0.0
            for comment in notebook.comments:
                comment.auto_comment = NO_RESPONSE if comment.cell.name in rows.blank else None
            notebook.late_submission_penalty = self._penalty(rows.student, total, found.total_seconds_late)

    def _find_or_add(self, assignment: str, student: str) -> Any:
        """The submission's row with a row for each cell; what is missing is added, and nothing is committed."""
        from nbgrader import api

        db = self.book.db
        if db.get(api.Student, student) is None:
            db.add(api.Student(id=student))
        a = self.book.find_assignment(assignment)
        found = db.query(api.SubmittedAssignment).filter_by(assignment_id=a.id, student_id=student).one_or_none()
        if found is None:
            # the same mirror as Gradebook.add_submission, which commits half-way
            found = api.SubmittedAssignment(assignment_id=a.id, student_id=student)
            db.add(found)
            db.flush()
            for notebook in a.notebooks:
                nb = api.SubmittedNotebook(notebook_id=notebook.id, assignment_id=found.id)
                db.add(nb)
                db.flush()
                for cell in [*notebook.grade_cells, *notebook.task_cells]:
                    db.add(api.Grade(cell_id=cell.id, notebook_id=nb.id))
                for cell in [*notebook.solution_cells, *notebook.task_cells]:
                    db.add(api.Comment(cell_id=cell.id, notebook_id=nb.id))
            db.flush()
            db.refresh(found)
        return found

    def _penalty(self, student: str, score: float, seconds_late: float) -> float | None:
        """nbgrader's own late policy (none | zero), capped to the score as nbgrader caps it."""
        if not seconds_late > 0:
            return None
        from nbgrader.plugins import LateSubmissionPlugin

        penalty = LateSubmissionPlugin(penalty_method=self.course.late_policy).late_submission_penalty(
            student, score, seconds_late)
        return None if penalty is None else min(max(penalty, 0.0), score)
