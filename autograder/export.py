"""The class's scores for other systems: CSV, JSON, the tables of Canvas and Moodle, and Gradescope.

Every number is nbgrader's own: the score with manual grading and extra credit, less the late penalty, as
`nbgrader export` gives it. Two things differ from there: who handed in nothing has no score instead of a 0, and what
still waits for a person is flagged, and left out of the tables of learning platforms unless you ask for it.
"""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from autograder.anonymous import pseudonym
from autograder.course import Course, read_record, write_atomically
from autograder.errors import AutograderError, UnknownName
from autograder.tables import Table, harmless

FORMATS = {"csv": ".csv", "json": ".json", "canvas": "-canvas.csv", "moodle": "-moodle.csv",
           "gradescope": "-gradescope"}         # format -> how the name of its file ends
VERSION = 1
GRADED, PENDING, UNGRADED, ABSENT = "graded", "needs manual grading", "not graded yet", "nothing handed in"


@dataclass
class Cell:
    """One graded cell of one student."""

    notebook: str
    grade_id: str
    score: float | None         # None: a person has to grade it
    max_score: float
    extra_credit: float = 0.0


@dataclass
class Grade:
    """One student's result for the assignment. `student` is what an export shows, `id` the gradebook's own."""

    id: str
    student: str
    status: str
    max_score: float
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    raw_score: float | None = None
    penalty: float = 0.0
    score: float | None = None
    submitted: datetime | None = None
    seconds_late: float = 0.0
    cells: list[Cell] = field(default_factory=list)
    comments: list[tuple[str, str, str]] = field(default_factory=list)      # notebook, cell, text
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return ", ".join(filter(None, (self.last_name, self.first_name)))


@dataclass
class Exported:
    """The files that were written, the grades of the class, how many scores were written, and what to know."""

    paths: list[Path]
    grades: list[Grade]
    written: int                # a platform's table has only the students that it knows
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        count = {status: sum(g.status == status for g in self.grades) for status in (GRADED, PENDING, UNGRADED, ABSENT)}
        return {"files": [str(p) for p in self.paths], "students": count, "written": self.written, "notes": self.notes}


def grades(course: Course, assignment: str, *, anonymous: bool = False) -> list[Grade]:
    """The grades of all students that the gradebook or `submitted` knows, sorted by what is shown for them.

    anonymous: pseudonyms for ids, and neither names nor comments. Raises UnknownName.
    """
    from nbgrader.api import MissingEntry

    from autograder.gradebook import Grades

    course.require(assignment)
    handed_in = set(course.students(assignment))
    with Grades(course) as gradebook:
        try:
            row = gradebook.book.find_assignment(assignment)
        except MissingEntry:
            raise AutograderError(f"the gradebook has no '{assignment}' yet: autograder grade {course.shown} "
                                  f"{shlex.quote(assignment)} says what is missing") from None
        most = float(row.max_score)
        people = {s.id: {name: getattr(s, name) or "" for name in ("first_name", "last_name", "email")}
                  for s in gradebook.book.students}
        graded = {g.id: g for g in _graded(gradebook.book, row, most)}
    found = []
    for student in sorted({*graded, *people, *handed_in}):
        grade = graded.get(student) or Grade(student, student, UNGRADED if student in handed_in else ABSENT, most)
        for name, value in people.get(student, {}).items():
            setattr(grade, name, value)
        if student in graded:
            grade.result = read_record(course.result_path(assignment, student))
            grade.cells = _in_order(grade.cells, grade.result, assignment)
        if anonymous:
            _hide(grade, course)
        found.append(grade)
    return sorted(found, key=lambda g: g.student)


def _in_order(cells: list[Cell], result: dict[str, Any], assignment: str) -> list[Cell]:
    """As the notebook has them, which the gradebook does not know; those that no result names at the end."""
    order = {(c.get("notebook") or assignment, c.get("grade_id")): i for i, c in enumerate(result.get("cells", []))}
    return sorted(cells, key=lambda c: order.get((c.notebook, c.grade_id), len(order)))


def _graded(book: Any, row: Any, most: float) -> Iterator[Grade]:
    """The submissions of an assignment with nbgrader's numbers, in a handful of queries whatever the class."""
    from nbgrader import api
    from sqlalchemy import func

    totals = {t["student"]: t for t in book.submission_dicts(row.name)}
    mine = api.SubmittedAssignment.assignment_id == row.id
    penalties = dict(book.db.query(api.SubmittedNotebook.assignment_id,
                                   func.sum(api.SubmittedNotebook.late_submission_penalty))
                     .join(api.SubmittedAssignment).filter(mine).group_by(api.SubmittedNotebook.assignment_id))
    cells = {c.id: (notebook.name, c.name, float(c.max_score)) for notebook in row.notebooks
             for c in (*notebook.grade_cells, *notebook.task_cells)}
    owner = dict(book.db.query(api.SubmittedNotebook.id, api.SubmittedAssignment.student_id)
                 .join(api.SubmittedAssignment).filter(mine))
    names = {c.id: (notebook.name, c.name) for notebook in row.notebooks
             for c in (*notebook.solution_cells, *notebook.task_cells)}
    said: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for cell_id, notebook_id, text in book.db.query(
            api.Comment.cell_id, api.Comment.notebook_id, api.Comment.comment).filter(
            api.Comment.cell_id.in_(list(names))):
        if text:
            said[owner[notebook_id]].append((*names[cell_id], text))
    got: dict[str, list[Cell]] = defaultdict(list)
    for cell_id, notebook_id, auto, manual, extra in book.db.query(
            api.Grade.cell_id, api.Grade.notebook_id, api.Grade.auto_score, api.Grade.manual_score,
            api.Grade.extra_credit).filter(api.Grade.cell_id.in_(list(cells))):
        notebook, name, points = cells[cell_id]
        score = auto if manual is None else manual
        got[owner[notebook_id]].append(Cell(
            notebook, name, None if score is None else float(score) + float(extra or 0.0), points,
            float(extra or 0.0)))
    for number, student, when, extension in book.db.query(
            api.SubmittedAssignment.id, api.SubmittedAssignment.student_id, api.SubmittedAssignment.timestamp,
            api.SubmittedAssignment.extension).filter(mine).all():
        total = totals.get(student, {})
        grade = Grade(student, student, PENDING if total.get("needs_manual_grade") else GRADED, most)
        grade.raw_score, grade.penalty = float(total.get("score") or 0.0), float(penalties.get(number) or 0.0)
        grade.score = max(0.0, grade.raw_score - grade.penalty)
        grade.submitted = when.replace(tzinfo=UTC) if when else None
        if when and row.duedate:
            grade.seconds_late = max(0.0, (when - row.duedate - (extension or timedelta())).total_seconds())
        grade.cells = sorted(got[student], key=lambda c: (c.notebook, c.grade_id))
        grade.comments = sorted(said[student])
        yield grade


def _hide(grade: Grade, course: Course) -> None:
    """Take away what names the student: also comments and quoted lines, in which anything may stand."""
    grade.student = pseudonym(course, grade.id)
    grade.first_name = grade.last_name = grade.email = ""
    grade.comments = []
    grade.result = {k: v for k, v in grade.result.items() if k not in ("student", "notes", "incidents")}
    grade.result["cells"] = [{**c, "message": "", "notes": []} for c in grade.result.get("cells", [])]


def export(folder: str | Path, assignment: str, format: str, *, out: Path | None = None, template: Path | None = None,
           column: str | None = None, roster: Path | None = None, anonymous: bool = False, pending: bool = False
           ) -> Exported:
    """Write the scores of `assignment` in a format; see the module of each (export_lms.py, gradescope.py).

    out: the file to write (for gradescope a folder, or a .zip: the autograder to upload alone). template: a table of
    Canvas or Moodle to fill in; column: its column, where the name does not tell. roster: see roster.py, where the
    platform's names are not the gradebook's. pending: also scores that still wait for manual grading.
    Raises AutograderError.
    """
    course = Course.open(folder)
    course.require(assignment)
    if format not in FORMATS:
        raise UnknownName("format", format, "export", FORMATS, ", ".join(FORMATS))
    if template and format not in ("canvas", "moodle"):
        raise AutograderError(f"--template is for the formats canvas and moodle, not for {format}")
    if template and anonymous:
        raise AutograderError("--anonymous with --template: the platform could give no pseudonym to a student")
    found = grades(course, assignment, anonymous=anonymous)
    # not beside the names: a folder of both would say who is who
    path = out or course.root / "exports" / f"{assignment}{'-anonymous' if anonymous else ''}{FORMATS[format]}"
    notes = _notes(found, pending=pending or format in ("csv", "json", "gradescope"))
    written = sum(g.score is not None for g in found)
    if format == "gradescope":
        from autograder import gradescope

        return Exported(gradescope.write(course, assignment, found, path, anonymous=anonymous), found, written, notes)
    if path.is_dir():
        raise AutograderError(f"'{path}' is a folder: name a file for --out")
    if format == "json":
        write_atomically(path, json.dumps(as_json(course, assignment, found, anonymous=anonymous), indent=1,
                                          ensure_ascii=False) + "\n")
    elif format == "csv":
        as_csv(found, assignment).write(path)
    else:
        from autograder import export_lms

        who = [g for g in found if pending or g.status != PENDING]
        written = sum(g.score is not None for g in who)
        if template:
            table, written, more = export_lms.fill(format, assignment, who, template, column, roster)
            notes += more
        else:
            table = export_lms.make(format, assignment, who, course)
        table.write(path)
    return Exported([path], found, written, notes)


def _notes(found: Sequence[Grade], *, pending: bool) -> list[str]:
    notes = []
    waiting = [g.student for g in found if g.status == PENDING]
    if waiting:
        what = "flagged" if pending else "left out (--pending takes them)"
        notes.append(f"{len(waiting)} waiting for manual grading, {what}: {_some(waiting)}")
    if ungraded := [g.student for g in found if g.status == UNGRADED]:
        notes.append(f"{len(ungraded)} handed in and not graded yet: {_some(ungraded)}")
    if failed := [g.student for g in found if g.result.get("status") == "error"]:
        notes.append(f"the grader failed on {_some(failed)}: grade again before you publish")
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def number(value: float | None) -> str:
    """At most two decimals, as gradebooks show them."""
    return "" if value is None else f"{round(value, 2):.2f}".rstrip("0").rstrip(".")


def as_csv(found: Sequence[Grade], assignment: str) -> Table:
    """One row a student, with a column for each graded cell."""
    cells = list(dict.fromkeys((c.notebook, c.grade_id) for g in found for c in g.cells))
    titles = [name if notebook == assignment else f"{notebook}/{name}" for notebook, name in cells]
    table = Table(["student", "last_name", "first_name", "email", "submitted", "seconds_late", "raw_score",
                   "late_penalty", "score", "max_score", "status", *map(harmless, titles)])
    for g in found:
        scores = {(c.notebook, c.grade_id): c.score for c in g.cells}
        table.rows.append([
            *map(harmless, (g.student, g.last_name, g.first_name, g.email)),
            g.submitted.isoformat() if g.submitted else "", number(g.seconds_late) if g.submitted else "",
            number(g.raw_score), "" if g.score is None else number(g.penalty), number(g.score), number(g.max_score),
            g.status, *(number(scores.get(key)) for key in cells)])
    return table


def as_json(course: Course, assignment: str, found: Sequence[Grade], *, anonymous: bool) -> dict[str, Any]:
    """The whole class. Seeds and hashes stay in the course: with them a draw could be repeated."""
    students = []
    for g in found:
        told = {(c.get("notebook") or assignment, c.get("grade_id")): c for c in g.result.get("cells", [])}
        cells = []
        for c in g.cells:
            r = told.get((c.notebook, c.grade_id), {})
            cells.append({"notebook": c.notebook, "grade_id": c.grade_id, "score": c.score, "max_score": c.max_score,
                          "extra_credit": c.extra_credit, "reason": r.get("reason"),
                          "misconceptions": [m.get("mutant") for m in r.get("misconceptions") or []],
                          "forgeable": bool(r.get("forgeable"))})
        students.append({
            "student": g.student, "last_name": g.last_name, "first_name": g.first_name, "email": g.email,
            "status": g.status, "score": g.score, "raw_score": g.raw_score, "late_penalty": g.penalty,
            "max_score": g.max_score, "submitted": g.submitted.isoformat() if g.submitted else None,
            "seconds_late": g.seconds_late, "attempt": g.result.get("attempt"), "cells": cells,
            "comments": [{"notebook": n, "grade_id": c, "comment": text} for n, c, text in g.comments]})
    if anonymous:
        for s in students:
            for key in ("last_name", "first_name", "email"):
                del s[key]
    return {"version": VERSION, "course": course.name, "assignment": assignment, "anonymous": anonymous,
            "exported": datetime.now(UTC).isoformat(timespec="seconds"), "students": students}
