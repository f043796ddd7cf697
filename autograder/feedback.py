"""Feedback for students: nbgrader's pages, kept current, and what has changed since a student's last attempt.

    made = make("mycourse", "03_rnn")           # DIR/feedback/STUDENT/03_rnn/, only what is missing or older
    resolved(before, now)                       # which of the mistakes that were named are gone

A page is made again when anything that it shows has changed: the result, a score or a comment of a person, the attempt
before. What a page was made from is kept as a hash, since file times say nothing of the gradebook.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder import hints, submission
from autograder.course import Course, read_record, write_atomically
from autograder.errors import AutograderError, UnknownName
from autograder.packing import packed
from autograder.sheet import TIMESTAMP
from autograder.summary import function_of, sentence_of

JUDGED = ("ok", "partial", "wrong")     # reasons of a cell whose function gave something that could be compared
EXCHANGE_FILES = ("submission_secret.txt", TIMESTAMP)     # by these nbgrader's exchange knows whose page it is
MAX_EXCHANGE_FILE = 1000                          # bytes
FORM = 1                                # of what this module adds to a page


# since the last attempt -----------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Mistake:
    """A misconception that was named in an attempt."""

    notebook: str
    grade_id: str
    function: str
    mutant: str
    sentence: str


@dataclass(frozen=True)
class Since:
    """What became of the mistakes that the attempt before was told of."""

    resolved: tuple[Mistake, ...] = ()
    again: tuple[Mistake, ...] = ()


def resolved(before: Mapping[str, Any], now: Mapping[str, Any]) -> Since:
    """Compare two results of one student, the earlier one first.

    A mistake that was named is resolved when its cell could be judged on new draws and does not give it any more; where
    the function is gone, raises or hangs, nothing is known. Results of other versions may lack any field.
    """
    cells = {_key(c): c for c in now.get("cells") or []}
    named = {(_key(c), str(m.get("mutant"))) for c in cells.values() for m in c.get("misconceptions") or []}
    gone, again = [], []
    for c in before.get("cells") or []:
        for m in c.get("misconceptions") or []:
            mistake = Mistake(*_key(c), function_of(c), str(m.get("mutant")), sentence_of(m, c))
            if (_key(c), mistake.mutant) in named:
                again.append(mistake)
            elif cells.get(_key(c), {}).get("reason") in JUDGED:
                gone.append(mistake)
    return Since(tuple(gone), tuple(again))


def _key(cell: Mapping[str, Any]) -> tuple[str, str]:
    return str(cell.get("notebook") or ""), str(cell.get("grade_id") or "")


def attempt_before(results: Sequence[Mapping[str, Any]], now: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The result of the attempt before `now`, of those that were kept (oldest first); None for a first attempt."""
    number = now.get("attempt")
    if number is not None:
        earlier = [r for r in results if r.get("attempt") is not None and r["attempt"] < number]
    else:
        earlier = [r for r in results if r.get("source_hash") != now.get("source_hash")]
    return earlier[-1] if earlier else None


def texts(course: Course, assignment: str, student: str, notebook: str) -> dict[str, str]:
    """What a feedback page adds to the test cells of one notebook, by grade_id; empty for a first attempt."""
    now = read_record(course.result_path(assignment, student))
    before = attempt_before(_attempts(course, assignment, student), now) if now else None
    if before is None:
        return {}
    since = resolved(before, now)
    found: dict[str, list[str]] = {}
    for m in since.resolved:
        if m.notebook in ("", notebook):
            found.setdefault(m.grade_id, []).append(f"Resolved since your last attempt: {m.sentence}")
    for m in since.again:
        if m.notebook in ("", notebook):
            first = next(iter(_hints(course, assignment, notebook, m.function)), "")
            text = f"As in your last attempt: {m.sentence}" + (f"\n{first}" if first else "")
            found.setdefault(m.grade_id, []).append(text)
    return {cell: _wrapped(lines) for cell, lines in found.items()}


def _wrapped(lines: Sequence[str]) -> str:
    from autograder.notebook_out import wrap

    return "\n".join(["", *(row for text in lines for row in wrap(text))]) + "\n"


def _hints(course: Course, assignment: str, notebook: str, function: str) -> list[str]:
    """The hints behind the cell of the release in which students write `function`."""
    cells = submission.cells_of(course.release / assignment / f"{notebook}.ipynb")
    defines = re.compile(rf"^(?:def|class) {re.escape(function)}\b", re.MULTILINE)
    answer = next((c["grade_id"] for c in cells if c["cell_type"] == "code" and c["nbgrader"].get("solution")
                   and c["grade_id"] and defines.search(c["source"])), "")
    return hints.behind([(c["cell_type"], c["grade_id"] or "", c["source"]) for c in cells], answer)


def _attempts(course: Course, assignment: str, student: str) -> list[dict[str, Any]]:
    from autograder import attempts

    return attempts.results(course, assignment, student)


# pages ----------------------------------------------------------------------------------------------------------------

@dataclass
class Made:
    """What a run did: students whose pages are new, whose pages stand, and for whom nbgrader failed."""

    new: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    not_released: list[str] = field(default_factory=list)
    zip: Path | None = None

    @property
    def students(self) -> list[str]:
        """Whose pages are there."""
        return sorted(self.new + self.unchanged)


def make(folder: str | Path, assignment: str, *, students: Sequence[str] = (), jobs: int | None = None,
         force: bool = False, started: Callable[[int, int], None] = lambda new, old: None,
         finished: Callable[[int], None] = lambda n: None) -> Made:
    """Make the feedback pages of graded submissions that have none or an older one.

    `started` is told how many will be made and how many stand; `finished` how many each finished task had. Raises
    AutograderError where nothing is graded, UnknownName for a student without a graded submission, Busy while another
    run works on the course.
    """
    from autograder.pages import Pages, written
    from autograder.workers import cores

    course = Course.open(folder)
    course.require(assignment)
    there = graded(course, assignment)
    for student in students:
        if student not in there:
            raise UnknownName("graded submission of", student, f"{course.autograded} for '{assignment}'", there)
    if not there:
        raise AutograderError(f"nothing of '{assignment}' is graded yet: autograder grade {course.shown} {assignment}")
    chosen = sorted(set(students)) or there
    with course.lock():
        keys = _keys(course, assignment, chosen)
        record = course.private / "feedback" / f"{assignment}.json"
        stand = read_record(record)
        made = Made()
        for s in chosen:
            current = not force and stand.get(s) == keys[s] and written(course.root, s, assignment)
            (made.unchanged if current else made.new).append(s)
        started(len(made.new), len(made.unchanged))
        if made.new:
            with Pages(min(jobs or cores(), len(made.new))) as pages:
                made.failed = pages.make(course.root, assignment, made.new, finished)
            made.new = [s for s in made.new if s not in made.failed]
            stand = {s: k for s, k in stand.items() if s not in made.failed} | {s: keys[s] for s in made.new}
            write_atomically(record, json.dumps(stand, indent=1, sort_keys=True) + "\n")
    return made


def graded(course: Course, assignment: str) -> list[str]:
    """Students with a graded notebook and a result."""
    return sorted(p.parent.name for p in course.autograded.glob(f"*/{assignment}")
                  if not p.parent.name.startswith(".") and course.result_path(assignment, p.parent.name).is_file())


def _keys(course: Course, assignment: str, students: Sequence[str]) -> dict[str, str]:
    """A hash of all that each student's page is made from."""
    rows = _rows(course, assignment)
    config = _bytes(course.root / "nbgrader_config.py")
    found = {}
    for s in students:
        digest = hashlib.sha256(b"%d\0" % FORM + config)
        digest.update(_bytes(course.result_path(assignment, s)))
        digest.update(json.dumps(rows.get(s, []), default=str).encode())
        for r in _attempts(course, assignment, s)[-2:]:
            digest.update(json.dumps(r.get("cells"), default=str).encode())
        for path in sorted((course.autograded / s / assignment).glob("*.ipynb")):
            digest.update(hashlib.sha256(_bytes(path)).digest())
        found[s] = digest.hexdigest()
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _rows(course: Course, assignment: str) -> dict[str, list[Any]]:
    """Scores, comments and penalties in the gradebook, by student: what people write there is on the page as well."""
    from nbgrader.api import Assignment, BaseCell, Comment, Grade, SubmittedAssignment, SubmittedNotebook

    from autograder.gradebook import Grades

    found: dict[str, list[Any]] = {}
    with Grades(course) as grades:
        db = grades.book.db
        for table, columns in ((Grade, (Grade.auto_score, Grade.manual_score, Grade.extra_credit)),
                               (Comment, (Comment.auto_comment, Comment.manual_comment))):
            query = (db.query(SubmittedAssignment.student_id, SubmittedNotebook.late_submission_penalty, BaseCell.name,
                              *columns).select_from(table).join(BaseCell, BaseCell.id == table.cell_id)
                     .join(SubmittedNotebook, SubmittedNotebook.id == table.notebook_id)
                     .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
                     .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
                     .filter(Assignment.name == assignment).order_by(SubmittedAssignment.student_id, BaseCell.name))
            for student, *values in query:
                found.setdefault(student, []).append(values)
    return found


# handing out ----------------------------------------------------------------------------------------------------------

def release(folder: str | Path, assignment: str, made: Made) -> None:
    """Put the pages into nbgrader's exchange, for those who handed in through it; notes in `made` who did not.

    Raises AutograderError where there is no exchange.
    """
    from autograder import exchange

    course = Course.open(folder)
    if not exchange.configured(course):
        raise AutograderError("nbgrader has no exchange here: hand the pages out by --zip, or set c.Exchange.root in "
                              f"{course.root / 'nbgrader_config.py'}")
    for s in made.students:
        there, here = (place / s / assignment for place in (course.submitted, course.root / "feedback"))
        for name in EXCHANGE_FILES:
            with contextlib.suppress(submission.Unreadable):        # behind a link it would be another student's
                write_atomically(here / name, submission.read_plain(there / name, course.submitted, MAX_EXCHANGE_FILE))
        ready = all((here / name).is_file() for name in EXCHANGE_FILES)
        (made.released if ready else made.not_released).append(s)
    if made.released:
        exchange.release_feedback(course, assignment, made.not_released)


def write_zip(folder: str | Path, assignment: str, students: Sequence[str], path: Path) -> None:
    """Write the pages of these students into a zip that Moodle takes back ("upload multiple feedback files in a zip").

    Each student has the folder that the platform's own download had (FULL NAME_NUMBER_assignsubmission_file_); a
    student who did not come from a platform has a folder of the student's name.
    """
    course = Course.open(folder)
    with packed(path) as add:
        for s in sorted(students):
            for page in sorted((course.root / "feedback" / s / assignment).glob("*.html")):
                add(f"{platform_folder(course, assignment, s)}/{page.name}", page.read_bytes())


def platform_folder(course: Course, assignment: str, student: str) -> str:
    """The folder of a student in the platform's download, as the collection has noted it."""
    record = read_record(course.collected_path(assignment, student))
    who = str(record.get("who") or "")
    moodle = re.fullmatch(r"([^/\\\x00-\x1f]+) \((\d+)\)", who)
    if moodle and record.get("format") == "moodle":
        return f"{moodle[1]}_{moodle[2]}_assignsubmission_file_"
    return re.sub(r"[/\\\x00-\x1f]+", "_", who).strip(". ") or student
