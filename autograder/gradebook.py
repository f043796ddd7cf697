"""The gradebook, as the fast driver uses it: the assignment's cells out, one transaction a submission in.

nbgrader's own functions commit after every row and open the database once a cell. Here one session serves a whole run,
and a submission's rows appear together or not at all. Manual scores, extra credit and manual comments stay as they are,
and where the text is another one they wait for a person again (by_hand.py).
"""

from __future__ import annotations

import dataclasses
import json
import os
import sysconfig
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autograder import by_hand, lean, submission
from autograder.backup import backup
from autograder.course import Course
from autograder.errors import AutograderError, CourseError, UnknownName
from autograder.late import Late
from autograder.sheet import Sheet
from autograder.submission import CellSpec, Template

NO_RESPONSE = "No response."        # nbgrader's words; the formgrader looks for them


@dataclass(frozen=True)
class Rows:
    """What one submission leaves in the gradebook: scores (None: a person decides), cells with no answer, and of the
    answers that a person reads the texts (by_hand.py).

    All by (notebook, cell): a cell's name is unique only within its notebook.
    """

    student: str
    scores: dict[tuple[str, str], float | None]
    blank: frozenset[tuple[str, str]]
    timestamp: str | None = None
    texts: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Cells:
    """A notebook of an assignment: the numbers of its row and of its cells' rows, by kind, and the cells' names."""

    id: str
    name: str
    names: dict[str, str]
    graded: tuple[str, ...]
    solutions: tuple[str, ...]
    tasks: tuple[str, ...]


def read_template(notebook: Any, course: Course, assignment: str) -> Template:
    """The cells of one notebook from the gradebook's row `notebook`, in the order of the release notebook."""
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
    # without a release the gradebook alone will do: only pictures and given text are unknown then
    cells = submission.cells_of(course.release / assignment / f"{notebook.name}.ipynb")
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
                    frozenset(given), released, notebook.name)


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
        lean.prepare()
        from nbgrader.api import Gradebook

        self.course = course
        self._known: dict[str, tuple[str, list[_Cells]]] = {}
        try:
            with scripts_on_path():
                self.book = Gradebook(course.db_url, course.name)
        except Exception as e:                  # sqlalchemy's own tree of errors: locked, corrupt, of another version
            why = f"{type(e).__name__}: {str(e).splitlines()[0]}"
            raise CourseError(f"the gradebook {course.database} cannot be opened ({why}); "
                              "after an update of nbgrader, `nbgrader db upgrade` may help") from e

    @cached_property
    def late(self) -> Late:
        """The course's late plugin. Raises CourseError."""
        return Late(self.course)

    def __enter__(self) -> Grades:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.book.close()

    def assignments(self) -> list[str]:
        """The assignments that the gradebook knows."""
        return sorted(a.name for a in self.book.assignments)

    def sheet(self, assignment: str) -> Sheet:
        """The notebooks of an assignment with their cells; raises UnknownName, or AutograderError where it has none."""
        known = self.assignments()
        if assignment not in known and assignment in self.course.assignments():
            force = " --force" if (self.course.release / assignment).is_dir() else ""      # or nbgrader skips it
            what = "is not in the gradebook" if force else "has a source notebook and no release yet"
            raise AutograderError(f"assignment '{assignment}' {what}: in the course folder, "
                                  f"nbgrader generate_assignment {assignment}{force} makes it")
        if assignment not in known:
            raise UnknownName("assignment", assignment, str(self.course.root), known,
                              f"autograder status {self.course.shown} lists all")
        notebooks = self.book.find_assignment(assignment).notebooks
        if not notebooks:
            raise AutograderError(f"assignment '{assignment}' has no notebook in the gradebook: "
                                  f"nbgrader generate_assignment {assignment} puts them there")
        return Sheet(assignment, tuple(read_template(n, self.course, assignment) for n in notebooks))

    def scores(self, assignment: str, *, manual: bool = False) -> dict[str, dict[tuple[str, str], float | None]]:
        """The scores that stand in the gradebook: student -> (notebook, cell) -> score; the automatic ones, or those
        alone that people gave."""
        from nbgrader.api import Assignment, BaseCell, Grade, Notebook, SubmittedAssignment, SubmittedNotebook

        score = Grade.manual_score if manual else Grade.auto_score
        rows = (self.book.db.query(SubmittedAssignment.student_id, Notebook.name, BaseCell.name, score)
                .select_from(Grade).join(BaseCell, BaseCell.id == Grade.cell_id)
                .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
                .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
                .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
                .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
                .filter(Assignment.name == assignment))
        found: dict[str, dict[tuple[str, str], float | None]] = {}
        for student, notebook, cell, points in rows.filter(score.is_not(None)) if manual else rows:
            found.setdefault(student, {})[notebook, cell] = points
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
        found, notebooks = self._find_or_add(assignment, rows)
        for row, cells, grades, comments in notebooks:
            total, comment_on = 0.0, {cells.names[c.cell_id]: c for c in comments}      # a written answer has two cells
            for grade in grades:
                name = cells.names[grade.cell_id]
                place = (cells.name, name)
                score, read = rows.scores.get(place), None
                if place in rows.texts:
                    read = by_hand.follow(self.book.db, grade, comment_on.get(name), rows.texts[place])
                # nbgrader leaves the row of a task as the last person left it
                task = grade.cell_id in cells.tasks and score is None and grade.auto_score is None
                if not (read and grade.manual_score is not None) and not (task and read is not False):
                    grade.needs_manual_grade = grade.manual_score is not None or score is None
                grade.auto_score = score
                total += (grade.manual_score if grade.manual_score is not None else score or 0.0)
                total += grade.extra_credit or 0.0
            for name, comment in comment_on.items():
                comment.auto_comment = NO_RESPONSE if (cells.name, name) in rows.blank else None
            row.late_submission_penalty = self.late.penalty(rows.student, total, found.total_seconds_late)

    def _find_or_add(self, assignment: str, rows: Rows) -> tuple[Any, list[tuple[Any, _Cells, list[Any], list[Any]]]]:
        """The submission's row, and for each notebook its row, its cells, grades and comments. Nothing is committed.

        What is not there is made: the same mirror as Gradebook.add_submission, which commits half-way. Also where the
        assignment was released anew with another cell or notebook.
        """
        from nbgrader import api, utils

        db, when = self.book.db, utils.parse_utc(rows.timestamp) if rows.timestamp else None
        number, known = self._cells(assignment)
        found = db.query(api.SubmittedAssignment).filter_by(assignment_id=number, student_id=rows.student).one_or_none()
        there = {}
        if found is not None:
            found.timestamp = when or found.timestamp
            there = {n.notebook_id: n for n in db.query(api.SubmittedNotebook).filter_by(assignment_id=found.id)}
        else:
            if db.get(api.Student, rows.student) is None:
                db.add(api.Student(id=rows.student))
            found = api.SubmittedAssignment(assignment_id=number, student_id=rows.student, timestamp=when)
            db.add(found)
            db.flush()
        notebooks = []
        for cells in known:
            row = there.get(cells.id) or api.SubmittedNotebook(
                id=api.new_uuid(), notebook_id=cells.id, assignment_id=found.id)
            both = []
            for kind, ids in ((api.Grade, cells.graded + cells.tasks), (api.Comment, cells.solutions + cells.tasks)):
                old = self._of(kind, row, cells) if cells.id in there else []
                new = set(ids) - {r.cell_id for r in old}
                both.append([*old, *(kind(cell_id=c, notebook_id=row.id) for c in ids if c in new)])
            db.add_all([row, *both[0], *both[1]])
            notebooks.append((row, cells, *both))
        return found, notebooks

    def _of(self, kind: Any, notebook: Any, cells: _Cells) -> list[Any]:
        """A submitted notebook's grades or comments.

        nbgrader's tables have an index by (cell, notebook) and none by notebook: `notebook.grades` reads the rows of
        the whole class, and the cost of a run would grow with the square of its size.
        """
        return list(self.book.db.query(kind).filter(kind.cell_id.in_(cells.names), kind.notebook_id == notebook.id))

    def _cells(self, assignment: str) -> tuple[str, list[_Cells]]:
        """The number of an assignment's row and its notebooks' cells, read once: after a commit SQLAlchemy would read
        its own objects again."""
        if assignment not in self._known:
            row = self.book.find_assignment(assignment)
            self._known[assignment] = row.id, [
                _Cells(n.id, n.name, {c.id: c.name for c in (*n.grade_cells, *n.solution_cells, *n.task_cells)},
                       tuple(c.id for c in n.grade_cells), tuple(c.id for c in n.solution_cells),
                       tuple(c.id for c in n.task_cells)) for n in row.notebooks]
        return self._known[assignment]

    def update_penalties(self, assignment: str, students: Collection[str]) -> None:
        """Ask the late plugin again for submissions that are not graded again, in one transaction: a due date, a
        plugin or a manual score may have changed. Raises CourseError and AutograderError where the plugin fails."""
        from nbgrader import api
        from sqlalchemy import func
        from sqlalchemy.orm import contains_eager

        late = self.late            # also where there is nothing to do: a slip is said before anything runs
        mine = api.SubmittedAssignment.assignment_id == self.book.find_assignment(assignment).id
        db = self.book.db
        notebooks = [n for n in db.query(api.SubmittedNotebook).join(api.SubmittedNotebook.assignment)
                     .options(contains_eager(api.SubmittedNotebook.assignment)).filter(mine)
                     if n.assignment.student_id in students
                     and (n.late_submission_penalty is not None or n.assignment.total_seconds_late > 0)]
        # one query for all: nbgrader's tables have no index for the grades of a notebook
        earned = func.coalesce(api.Grade.manual_score, api.Grade.auto_score, 0.0) + func.coalesce(
            api.Grade.extra_credit, 0.0)
        scores = dict(db.query(api.Grade.notebook_id, func.sum(earned)).join(api.SubmittedNotebook).join(
            api.SubmittedAssignment).filter(mine).group_by(api.Grade.notebook_id)) if notebooks else {}
        try:
            for n in notebooks:
                n.late_submission_penalty = late.penalty(
                    n.assignment.student_id, scores.get(n.id, 0.0), n.assignment.total_seconds_late)
            if sum(map(db.is_modified, notebooks)) > 1:
                backup(self.course, "late penalties")
            db.commit()
        except Exception:
            db.rollback()
            raise
