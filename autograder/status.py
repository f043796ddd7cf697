"""Where a course stands: per assignment what came in, what is graded and what is left to do; per student the scores.

    for row in status("rnn2026"):
        print(row.assignment, row.submitted, row.waiting, row.mean)
    for row in students("rnn2026", "03_rnn"):
        print(row.student, row.score, row.late_hours)

Read from the files of the course and from the gradebook by SQL, which is quick: nbgrader takes two seconds to import.
Nothing is written, and nothing is locked.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from autograder import attempts, pipeline, record, sheet, summary
from autograder.assignment import CHECKS
from autograder.course import Course, read_json
from autograder.gradebook import read_template
from autograder.sheet import Sheet


@dataclass(frozen=True)
class AssignmentStatus:
    """One assignment. Counts are of submissions; mean and median of the graded ones' scores, as StudentStatus has them.
    """

    assignment: str
    submitted: int
    graded: int
    waiting: int                # never graded, or changed since
    outdated: int               # graded by other checks, limits or another version than there are now
    unreadable: int             # graded 0, because there was nothing to run
    manual: int                 # cells of all of them that wait for a person
    errors: int                 # where the grader itself failed
    mean: float | None
    median: float | None
    max_score: float | None
    last_graded: str | None     # ISO time, UTC
    notes: list[str] = field(default_factory=list)      # late penalties, who left, what is no longer as it was made


@dataclass(frozen=True)
class StudentStatus:
    """One submission. `score` is the gradebook's, with points by hand and extra credit, less the late penalty."""

    student: str
    status: str                 # graded | waiting | changed | missing | unreadable | refused | error
    score: float | None
    max_score: float | None
    penalty: float
    attempt: int | None         # the one that counts
    attempts: int | None        # how many were graded
    submitted: str | None       # ISO time, UTC
    late_hours: float
    manual: int                 # cells that wait for a person
    incidents: list[str] = field(default_factory=list)


def status(folder: str | Path) -> list[AssignmentStatus]:
    """All assignments of a course, in the order of their names. Raises CourseError."""
    course = Course.open(folder)
    with _gradebook(course) as book:
        return [_assignment(course, book, name) for name in course.assignments()]


def students(folder: str | Path, assignment: str) -> list[StudentStatus]:
    """Who handed in something for an assignment. Raises CourseError and UnknownName."""
    course = Course.open(folder)
    course.require(assignment)
    with _gradebook(course) as book:
        found = _Found(course, book, assignment)
        return [found.student(s) for s in course.students(assignment)]


def last_backup(folder: str | Path) -> str | None:
    """When the gradebook was last copied (ISO time, UTC), None where it never was."""
    from autograder.backup import backups

    copies = backups(Course.open(folder))
    return _iso(copies[0].stat().st_mtime) if copies else None


def _assignment(course: Course, book: sqlite3.Connection, name: str) -> AssignmentStatus:
    found = _Found(course, book, name)
    rows = [found.student(s) for s in course.students(name)]
    results = [r for r in found.results.values() if r]
    scores = [r.score for r in rows if r.score is not None and found.results[r.student]]
    return AssignmentStatus(
        name, submitted=len(rows), graded=len(results), waiting=sum(r.status in ("waiting", "changed") for r in rows),
        outdated=sum(found.outdated(r) for r in results),
        unreadable=sum(r.get("status") in pipeline.EMPTY for r in results),
        manual=sum(r.manual for r in rows), errors=sum(pipeline.ERROR in r.incidents for r in rows),
        mean=round(statistics.fmean(scores), 2) if scores else None,
        median=round(statistics.median(scores), 2) if scores else None,
        max_score=found.whole.points if found.whole else None,
        last_graded=max((str(r.get("started", "")) for r in results), default=None),
        notes=[*_notes(course, name, rows), *record.differences(course, name)])


def _notes(course: Course, name: str, rows: list[StudentStatus]) -> list[str]:
    """What explains why the numbers differ from the report's, or the count from the gradebook's."""
    told = []
    if late := sum(r.penalty > 0 and r.score is not None for r in rows):
        told.append(f"{name}: late penalties took points from {late} of the scores, as in an export; the report counts "
                    "without them")
    if left := summary.gone(course, name):
        names = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
        told.append(f"{name}: graded, and gone from submitted: {names}; not counted here, "
                    "the gradebook and an export have the score still")
    return told


class _Found:
    """What there is of one assignment: its cells, the results and the gradebook's rows."""

    def __init__(self, course: Course, book: sqlite3.Connection, assignment: str) -> None:
        self.course, self.assignment = course, assignment
        self.results: dict[str, dict[str, Any] | None] = {}
        self.rows = _rows(book, assignment)
        self.whole = _sheet(book, course, assignment)
        self.limits = pipeline.limits_dict(course.limits(assignment))
        self.checks_hash = ""
        if self.whole:
            # the folders alone: to parse and execute the checks would take half a second each
            folders = {t.name: _checks(course, assignment, t.name) for t in self.whole}
            self.checks_hash = pipeline.checks_hash(
                self.whole, {n: SimpleNamespace(folder=f) for n, f in folders.items() if f})    # type: ignore[misc]

    def student(self, student: str) -> StudentStatus:
        result = self.result(student)
        row = self.rows.get(student, {})
        points = self.whole.points if self.whole else None
        if not result:
            return StudentStatus(student, "waiting", None, points, row.get("penalty", 0.0), None, None,
                                 row.get("timestamp"), row.get("late_hours", 0.0), 0)
        state = "changed" if self.changed(student, result) else str(result.get("status", "graded"))
        return StudentStatus(
            student, state, _less(row.get("score", result.get("score")), row.get("penalty", 0.0)), points,
            row.get("penalty", 0.0),
            result.get("attempt"), result.get("attempts", {}).get("made"),
            result.get("submitted") or row.get("timestamp"), row.get("late_hours", 0.0), row.get("manual", 0),
            sorted({str(i.get("kind")) for i in result.get("incidents", [])}))

    def result(self, student: str) -> dict[str, Any] | None:
        if student not in self.results:
            found = read_json(self.course.result_path(self.assignment, student))
            self.results[student] = found if isinstance(found, dict) else None
        return self.results[student]

    def changed(self, student: str, result: Mapping[str, Any]) -> bool:
        """Is what lies in `submitted` something else than what was graded, or from another time?

        Files that have not been touched since are not read: ctime, for zip archives and copies keep an old mtime.
        """
        folder = self.course.submitted / student / self.assignment
        try:
            graded = self.course.result_path(self.assignment, student).stat().st_mtime
            newest = max(p.lstat().st_ctime for p in [folder, *folder.iterdir()])
        except OSError:
            return True
        if newest <= graded or self.whole is None:
            return False
        work = sheet.load(self.whole, self.course.submitted, student)
        latest = next(reversed(attempts.kept(self.course, self.assignment, student)), None)
        known = latest.result if latest else result         # the one that counts may be an earlier attempt
        return work.source_hash != known.get("source_hash") or work.submitted != known.get("submitted")

    def outdated(self, result: Mapping[str, Any]) -> bool:
        return result.get("checks_hash") != self.checks_hash or result.get("limits") != self.limits


def _less(score: float | None, penalty: float) -> float | None:
    """What an export gives: the score less the late penalty, never below 0."""
    return None if score is None else round(max(0.0, score - penalty), 2)


# ----- The gradebook, by SQL

@contextlib.contextmanager
def _gradebook(course: Course) -> Iterator[sqlite3.Connection]:
    """A connection that can only read; an empty database where there is no gradebook yet."""
    path = f"{course.database.as_uri()}?mode=ro" if course.database.is_file() else ":memory:"
    with contextlib.closing(sqlite3.connect(path, uri=True, timeout=5)) as book:
        book.row_factory = sqlite3.Row
        yield book


ROWS = """
SELECT s.student_id AS student, s.timestamp, s.extension, a.duedate, sum(coalesce(g.manual_score, g.auto_score, 0.0)
       + coalesce(g.extra_credit, 0.0)) AS score, sum(g.needs_manual_grade) AS manual,
       (SELECT sum(coalesce(p.late_submission_penalty, 0.0)) FROM submitted_notebook p WHERE p.assignment_id = s.id)
       AS penalty
FROM assignment a JOIN submitted_assignment s ON s.assignment_id = a.id
JOIN submitted_notebook n ON n.assignment_id = s.id JOIN grade g ON g.notebook_id = n.id
WHERE a.name = ? GROUP BY s.id"""

CELLS = """
SELECT c.name, c.cell_type, c.source, c.checksum, c.locked,
       (SELECT g.max_score FROM base_cell b JOIN grade_cells g ON g.id = b.id
        WHERE b.notebook_id = c.notebook_id AND b.name = c.name) AS grade,
       (SELECT t.max_score FROM base_cell b JOIN task_cells t ON t.id = b.id
        WHERE b.notebook_id = c.notebook_id AND b.name = c.name) AS task,
       EXISTS (SELECT 1 FROM base_cell b JOIN solution_cells s ON s.id = b.id
        WHERE b.notebook_id = c.notebook_id AND b.name = c.name) AS solution
FROM source_cell c WHERE c.notebook_id = ?"""


def _rows(book: sqlite3.Connection, assignment: str) -> dict[str, dict[str, Any]]:
    found = {}
    for row in _select(book, ROWS, assignment):
        handed_in, due = _time(row["timestamp"]), _time(row["duedate"])
        late = 0.0
        if handed_in and due:
            # nbgrader keeps an extension as the time after 1970-01-01
            extension = _time(row["extension"])
            allowed = due.timestamp() + (extension.timestamp() if extension else 0.0)
            late = max(0.0, handed_in.timestamp() - allowed)
        found[row["student"]] = {
            "score": round(row["score"], 2), "manual": row["manual"], "penalty": round(row["penalty"] or 0.0, 2),
            "timestamp": _iso(handed_in.timestamp()) if handed_in else None, "late_hours": round(late / 3600, 2)}
    return found


def _sheet(book: sqlite3.Connection, course: Course, assignment: str) -> Sheet | None:
    """The assignment's notebooks as gradebook.Grades.sheet gives them; None where the gradebook has none."""
    templates = []
    for n in _select(book, "SELECT n.* FROM notebook n JOIN assignment a ON a.id = n.assignment_id WHERE a.name = ? "
                     "ORDER BY n.name", assignment):
        cells = [SimpleNamespace(**{k: c[k] for k in c.keys()}) for c in _select(book, CELLS, n["id"])]     # noqa: SIM118
        rows = SimpleNamespace(
            name=n["name"], kernelspec=n["kernelspec"], source_cells=cells,
            grade_cells=[SimpleNamespace(name=c.name, max_score=c.grade) for c in cells if c.grade is not None],
            task_cells=[SimpleNamespace(name=c.name, max_score=c.task) for c in cells if c.task is not None],
            solution_cells=[c for c in cells if c.solution])
        templates.append(read_template(rows, course, assignment))
    return Sheet(assignment, tuple(templates)) if templates else None


def _select(book: sqlite3.Connection, query: str, *values: Any) -> list[sqlite3.Row]:
    try:
        return book.execute(query, values).fetchall()
    except sqlite3.OperationalError as e:
        if "no such table" in str(e):       # the course has just been made
            return []
        raise


def _checks(course: Course, assignment: str, notebook: str) -> Path | None:
    """The folder that course.load would load."""
    own = course.checks / assignment / notebook
    places = [own, course.checks / assignment] if notebook == assignment else [own]
    return next((p for p in places if (p / CHECKS).is_file()), None)


def _time(text: str | None) -> datetime | None:
    """A time of nbgrader's: UTC without saying so."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
