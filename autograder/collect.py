"""Bring submissions into a course from wherever students handed them in.

Each hand-in of a download (downloads.py, clones.py, exchange.py) is given to a student of the gradebook by the roster,
its notebooks to the assignment's by name or, where a browser or a student renamed them, by their cells. Then it goes to
submitted/STUDENT/ASSIGNMENT with its time. What is replaced goes to .autograder/replaced, what leads to no student to
.autograder/uncollected: a collection never loses a file.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder import clones, downloads, entries, pick, roster, times
from autograder.course import CONFIG, Course, read_record, write_atomically
from autograder.downloads import File, HandIn
from autograder.errors import AutograderError, UnknownName
from autograder.sheet import TIMESTAMP

FORMATS = ("auto", "exchange", "moodle", "canvas", "folder", "git")
STATES = NEW, CHANGED, SAME, OLDER, LEFT = "new", "changed", "same", "older", "left out"
OWN = "source", "release", "checks", "autograded", "feedback", "reports", "exports"      # what a course writes


@dataclass
class Row:
    """One hand-in and what became of it."""

    who: str
    student: str | None
    files: list[str]
    time: datetime | None
    late: bool | None
    state: str
    notes: list[str] = field(default_factory=list)


@dataclass
class Collected:
    """A whole collection: a row a hand-in, the files that were not read and why, and where unmatched work is kept."""

    format: str
    rows: list[Row] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    uncollected: Path | None = None

    def count(self, *states: str) -> int:
        return sum(r.state in states for r in self.rows)

    def to_dict(self) -> dict[str, Any]:
        rows = [{"who": r.who, "student": r.student, "files": r.files, "time": r.time and r.time.isoformat(),
                 "late": r.late, "state": r.state, "notes": r.notes} for r in self.rows]
        return {"format": self.format, "submissions": rows, "warnings": self.warnings,
                "refused": [{"file": n, "why": w} for n, w in self.refused],
                "uncollected": str(self.uncollected) if self.uncollected else None}


def collect(folder: str | Path, assignment: str, source: str | Path | None = None, *, format: str = "auto",
            roster_file: Path | None = None, id_column: str | None = None, pattern: str = "",
            timezone: str | None = None, dry_run: bool = False) -> Collected:
    """Collect the submissions of `assignment` from `source` (None: nbgrader's exchange); returns what was done.

    `roster_file` and `id_column`: see roster.py. `pattern`: a regular expression for file names, as nbgrader's
    zip_collect takes it. `timezone`: of the times that a download writes without one. Raises AutograderError where the
    source cannot be read at all; a single hand-in never raises.
    """
    course = Course.open(folder)
    course.require(assignment)
    if format not in FORMATS:
        raise UnknownName("format", format, "collect", FORMATS, ", ".join(FORMATS))
    where = times.zone(timezone)
    names = roster.read(roster_file, id_column, where) if roster_file else None
    wanted = pick.notebooks(course, assignment)
    got = Collected(format)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(course.lock())
        staging = stack.enter_context(_staging(course, dry_run=dry_run))
        found = list(_hand_ins(course, assignment, source, format, pattern, staging, where, got))
        _refuse_assignments(course, source, found, got.format)
        due, known = _gradebook(course, assignment)
        if names:
            names.adopt(known)
        students = _match(found, names)
        places = []
        for hand_in, (student, why) in zip(found, students, strict=True):
            place = _Place(course, assignment, student, hand_in, wanted, due, got, dry_run=dry_run)
            if names and student in names.times:
                hand_in.time = names.times[student]
            got.rows.append(place.run() if student else place.leave(why))
            places.append(place)
        if not dry_run:
            _tidy(places)
        if names and not dry_run:
            _introduce(course, names, [r.student for r in got.rows if r.student and r.state != LEFT])
    if got.format == "moodle" and any(h.time is None for h in found):
        got.warnings.append("this zip has the time of the download, not of each submission: give Moodle's grading "
                            "worksheet by --roster, which has them")
    if names and (old := [r for r in got.rows if r.state == OLDER and r.student in names.times]):
        got.warnings.append(f"{len(old)} older than what is there, by the roster's times: if the roster was made "
                            "before this download, take a new one and collect again")
    got.warnings += _strangers(got.rows, known)
    got.rows.sort(key=lambda r: (r.student is None, r.student or r.who))
    if names:
        got.warnings += [f"the roster's line for '{s}' has no id that can name a folder" for s in names.skipped]
    return got


@contextmanager
def _staging(course: Course, *, dry_run: bool) -> Iterator[Path]:
    """A folder for our copies, beside the course's own, so that no student reads it; for a dry run outside of the
    course, which may be one that cannot be written."""
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="incoming-") as name:
            yield Path(name)
        return
    course.private.mkdir(mode=0o700, exist_ok=True)
    for left in course.private.glob("incoming-*"):      # of a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="incoming-", dir=course.private) as name:
        yield Path(name)


def _hand_ins(course: Course, assignment: str, source: str | Path | None, format: str, pattern: str, staging: Path,
              where: Any, got: Collected) -> list[HandIn]:
    """The hand-ins of a source, and its format into `got`."""
    path = Path(source) if source is not None else None
    if path is not None and not path.exists():
        raise AutograderError(f"there is no '{source}' to collect from")
    if path is not None and path.is_dir():
        _refuse_own(path)

    def refuse(name: str, why: str) -> None:
        got.refused.append((name, why))

    if format == "exchange" or path is None or (format == "auto" and not pattern and path.is_dir()
                                                and _is_exchange(path, assignment)):
        from autograder import exchange

        got.format = "exchange"
        if path is None and format not in ("auto", "exchange"):
            raise AutograderError(f"name the folder or the zip to collect from, for the format {format}")
        if path is None and not exchange.configured(course):
            raise AutograderError("nbgrader has no exchange here: name the zip or the folder to collect from, or set "
                                  f"c.Exchange.root in {course.root / 'nbgrader_config.py'}")
        inbound = exchange.inbound_of(path, assignment) if path is not None else None
        if path is not None and inbound is None:
            raise AutograderError(f"'{source}' is no exchange: it has no folder 'inbound'")
        to = staging / "submitted"
        to.mkdir()
        got.warnings += exchange.collect(course, assignment, to, inbound, refuse)
        path, kind = to, "folder"
    elif format == "git" or (format == "auto" and not pattern and path.is_dir() and clones.are_clones(path)):
        got.format = "git"
        return list(clones.hand_ins(path, assignment, staging, refuse))
    else:
        kind = "pattern" if pattern else format
    with entries.opened(path, refuse) as found:
        if kind == "auto":
            kind = downloads.kind_of(found)
        if got.format == "auto" or pattern:
            got.format = kind
        reader = downloads.Reader(staging, where, refuse)
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return downloads.hand_ins(kind, found, reader, pattern=pattern, assignment=assignment, made=made)


def _refuse_own(path: Path) -> None:
    """Raises AutograderError for a course's folder, or one in it that the course itself writes."""
    here = path.resolve()
    root = next((folder for folder in (here, *here.parents) if (folder / CONFIG).is_file()), None)
    if root and (here == root or here.relative_to(root).parts[0] in OWN):
        raise AutograderError(f"'{path}' belongs to the course itself, and holds no student's work: name a platform's "
                              "zip, or a folder with a notebook or a folder for each student")


def _refuse_assignments(course: Course, source: str | Path | None, found: list[HandIn], format: str) -> None:
    """Raises AutograderError where several entries of a folder are called as assignments: these are no students."""
    called = sorted({h.own for h in found} & set(course.assignments()))
    if format == "folder" and len(called) > 1:
        raise AutograderError(f"'{source}' has entries called {', '.join(called[:3])}, as the assignments are, where "
                              "each should be a student's; nothing was collected")


def _is_exchange(path: Path, assignment: str) -> bool:
    return path.name == "inbound" or (path / "inbound").is_dir() or any(path.glob("*/inbound")) or any(
        path.glob(f"*+{assignment}+*"))


def _gradebook(course: Course, assignment: str) -> tuple[dict[str | None, datetime], dict[str, str]]:
    """When the assignment is due, for each student with an extension and under None for all others; and the students
    that the gradebook knows, with their addresses."""
    from nbgrader.api import MissingEntry

    from autograder.gradebook import Grades

    with Grades(course) as grades:
        known = {s.id: s.email or "" for s in grades.book.students}
        try:
            row = grades.book.find_assignment(assignment)
        except MissingEntry:
            return {}, known
        if row.duedate is None:
            return {}, known
        due: dict[str | None, datetime] = {s.student_id: s.duedate.replace(tzinfo=UTC) for s in row.submissions}
        return due | {None: row.duedate.replace(tzinfo=UTC)}, known


def _strangers(rows: list[Row], known: Mapping[str, str]) -> list[str]:
    """A warning where most students of a known class are new: the ids may be of another kind than last time."""
    new = [r.student for r in rows if r.state == NEW and r.student and r.student not in known]
    if len(known) < 5 or 2 * len(new) <= len(rows):
        return []
    return [f"{len(new)} of {len(rows)} are new to the gradebook, '{new[0]}' for one, which has ids such as "
            f"'{min(known)}': if they are the same people, name the roster's column of ids by --id-column"]


def _match(found: list[HandIn], names: roster.Roster | None) -> list[tuple[str | None, str]]:
    """The student of each hand-in, or None and why."""
    matched: list[tuple[str | None, str]] = []
    for hand_in in found:
        if names:
            matched.append(names.find(hand_in.keys))
        else:
            own = roster.safe_id(hand_in.own)
            matched.append((own, "" if own else "its name cannot name a folder; map it by --roster"))
    twice = {s for s, n in Counter(s for s, _ in matched if s).items() if n > 1}
    how = "in the roster" if names else "give --roster to tell them apart"
    return [(None, f"{sum(s == m for m, _ in matched)} hand-ins lead to '{s}' ({how})") if s in twice else (s, why)
            for s, why in matched]


def _introduce(course: Course, names: roster.Roster, students: list[str]) -> None:
    """Names and addresses for the gradebook, where it has none: the formgrader and the exports show them."""
    from nbgrader.api import MissingEntry

    from autograder.gradebook import Grades

    with Grades(course) as grades:
        for student in students:
            try:
                known = grades.book.find_student(student)
                new = {k: v for k, v in names.people[student].items() if v and not getattr(known, k)}
            except MissingEntry:
                new = {k: v for k, v in names.people[student].items() if v}
            if new:
                grades.book.update_or_create_student(student, **new)


def _tidy(places: list[_Place]) -> None:
    """Take away what led to no student in an earlier collection and is collected now."""
    kept = {path for place in places for path in place.kept}
    for path in {path for place in places for path in place.came} - kept:
        if path.is_file():
            path.unlink()
            for folder in (path.parent, path.parent.parent):
                with suppress(OSError):         # the others' work is in it
                    folder.rmdir()


# placing --------------------------------------------------------------------------------------------------------------

class _Place:
    """One hand-in on its way to submitted/STUDENT/ASSIGNMENT."""

    def __init__(self, course: Course, assignment: str, student: str | None, hand_in: HandIn,
                 wanted: Mapping[str, set[str]], due: Mapping[str | None, datetime], got: Collected, *,
                 dry_run: bool) -> None:
        self.course, self.assignment, self.student, self.hand_in = course, assignment, student or "", hand_in
        self.wanted, self.got, self.dry_run = wanted, got, dry_run
        self.due = due.get(student, due.get(None))
        self.folder = course.submitted / self.student / assignment
        self.record = course.collected_path(assignment, self.student)
        self.notes = list(hand_in.notes)
        self.kept: set[Path] = set()        # where files that led to no student were put
        self.came: set[Path] = set()        # where files that were collected would lie, had they led to none

    def run(self) -> Row:
        """Bring it in; returns its row."""
        chosen, left, notes = pick.choose(self.hand_in.files, self.wanted)
        if not chosen:
            return self.leave("has no notebook of this assignment")
        self.notes += notes
        if self.course.submitted.joinpath(self.student).is_symlink() or self.folder.is_symlink():
            return self.leave(f"{self.folder} is a link: remove it")
        for file in left:
            self.notes.append(f"'{file.name}' was not taken; it is kept")
            self._keep(file)
        time, late = self._time()
        data = {f"{name}.ipynb": file.path.read_bytes() for name, file in chosen.items()}
        self.came = {self._keeping(file, data[f"{name}.ipynb"]) for name, file in chosen.items()}
        state = self._state(data, time, max(f.order for f in chosen.values()))
        if not self.dry_run:
            if state == OLDER:
                self._store("replaced", data, time)
            elif state != SAME:
                self._bring(data, time, chosen)
            elif time and not times.read(self.folder):
                write_atomically(self.folder / TIMESTAMP, times.stamp(time))
                self.notes.append("its time is known now")
        names = [f.name for f in chosen.values()]
        return Row(self.hand_in.who, self.student, names, time, late, state, self.notes)

    def leave(self, why: str) -> Row:
        """Keep it where no student's work is lost: it leads to nobody, or holds nothing of the assignment."""
        for file in self.hand_in.files:
            self._keep(file)
        return Row(self.hand_in.who, self.student or None, [f.name for f in self.hand_in.files], self.hand_in.time,
                   self.hand_in.late, LEFT, [why, *self.notes])

    def _keep(self, file: File) -> None:
        data = file.path.read_bytes()
        path = self._keeping(file, data)
        self.got.uncollected = path.parent.parent
        if not self.dry_run:
            write_atomically(path, data)
            self.kept.add(path)

    def _keeping(self, file: File, data: bytes) -> Path:
        """Where a file is kept that leads to no student."""
        digest = hashlib.sha256(data).hexdigest()[:8]
        folder = self.course.private / "uncollected" / self.assignment
        return folder / _slug(self.hand_in.who) / f"{digest}-{_slug(file.name)}"

    def _time(self) -> tuple[datetime | None, bool | None]:
        """The submission's time and whether it is late, by the platform's word where it has one."""
        time, late = self.hand_in.time, self.hand_in.late
        if time is None and late is not None and self.hand_in.seen:
            # Canvas keeps no time in its download, but says what came late: the time nearest to that
            if late and self.due is None:
                self.notes.append("Canvas says late; set the due date in the formgrader, so that it counts")
            elif late and self.due is not None:
                time = self.due + times.A_SECOND
            else:
                time = min(self.hand_in.seen, self.due) if self.due else self.hand_in.seen
        by = time or self.hand_in.seen
        if late is None and by and self.due and (time or by <= self.due):
            late = by > self.due
        return time, late

    def _state(self, data: Mapping[str, bytes], time: datetime | None, order: int) -> str:
        """new, same, older than what is there, or changed."""
        there = [p for p in self.folder.glob("*.ipynb") if p.is_file() and not p.is_symlink()]
        if not there:
            return NEW
        if {p.name: p.read_bytes() for p in there} == dict(data):
            return SAME
        old = read_record(self.record)
        before, before_order = times.read(self.folder), int(old.get("order") or 0)
        if order and before_order and order != before_order:
            return OLDER if order < before_order else CHANGED
        return OLDER if time and before and time < before else CHANGED

    def _bring(self, data: Mapping[str, bytes], time: datetime | None, chosen: Mapping[str, File]) -> None:
        """Old files to `replaced`, then the time, then the notebooks: a run that is killed does the rest next time."""
        there = [p for p in self.folder.glob("*") if p.is_file() and not p.is_symlink() and p.name[0] != "."]
        if any(p.suffix == ".ipynb" for p in there):
            self._store("replaced", {p.name: p.read_bytes() for p in there}, times.read(self.folder))
        stamp = self.folder / TIMESTAMP
        if time:
            write_atomically(stamp, times.stamp(time))
        else:
            stamp.unlink(missing_ok=True)
        for name, content in data.items():
            write_atomically(self.folder / name, content)
        for path in there:
            if path.suffix == ".ipynb" and path.name not in data:
                path.unlink()
                self.notes.append(f"{path.name} is in the older version alone, which is kept")
        record = {"format": self.got.format, "who": self.hand_in.who, "time": time and times.stamp(time),
                  "late": self.hand_in.late, "order": max(f.order for f in chosen.values()),
                  "files": {name: {"name": file.name, "sha256": hashlib.sha256(data[f"{name}.ipynb"]).hexdigest()}
                            for name, file in chosen.items()}}
        write_atomically(self.record, json.dumps(record, indent=1, ensure_ascii=False) + "\n")

    def _store(self, kind: str, data: Mapping[str, bytes], time: datetime | None) -> None:
        """Keep a version that is not the one in `submitted`."""
        digest = hashlib.sha256(b"".join(data[n] for n in sorted(data))).hexdigest()[:8]
        when = f"{time:%Y%m%dT%H%M%S}" if time else "undated"
        folder = self.course.private / kind / self.assignment / self.student / f"{when}-{digest}"
        for name, content in data.items():
            write_atomically(folder / name, content)
        if time and TIMESTAMP not in data:
            write_atomically(folder / TIMESTAMP, times.stamp(time))


def _slug(text: str) -> str:
    """A name for a file of ours that a person still recognises."""
    return re.sub(r"[^\w.@ -]+", "_", text)[:80].strip(" .") or "unnamed"
