"""Copies of the gradebook, made before a change that touches a whole class.

    backup(course, "regrade")       # DIR/.autograder/backups/gradebook-20260301-174500-regrade.db, in UTC

SQLite's own backup makes them, so a copy is whole also while the formgrader writes. The last 20 are kept. To go back to
one, close the formgrader and call

    python -c "from autograder import backup; backup.restore('DIR', 'gradebook-20260301-174500-regrade.db')"

or, with no program of ours at all, copy the file over DIR/gradebook.db and delete DIR/gradebook.db-journal if there is
one. What was graded since then differs from the rows, so the next `autograder grade` grades just that again; manual
scores and comments are those of the copy.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from autograder.course import Course
from autograder.errors import CourseError

KEEP = 20
PATIENCE = 5.0              # seconds for a writer to end its transaction; the formgrader's last milliseconds
SIDE_FILES = ("-journal", "-wal", "-shm")


def backup(course: Course | str | Path, reason: str) -> Path | None:
    """Copy the gradebook, delete all copies but the last 20, and return the new one; None where there is no gradebook.

    `reason` becomes a part of the name. Raises CourseError where the gradebook is locked or damaged, or the copy cannot
    be written: then nothing has changed yet, and the caller must change nothing.
    """
    course = course if isinstance(course, Course) else Course.open(course)
    if not course.database.is_file():
        return None
    folder = folder_of(course)
    path = _free_name(folder, reason)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy(course.database, path)
    except OSError as e:
        raise CourseError(f"the gradebook could not be backed up to {folder} ({e.strerror or e}); "
                          "nothing was changed: make room there and try again") from None
    for old in backups(course)[KEEP:]:
        old.unlink(missing_ok=True)
    return path


def backups(course: Course) -> list[Path]:
    """The copies that there are, newest first."""
    return sorted(folder_of(course).glob("gradebook-*.db"), key=_age, reverse=True)


def restore(course: Course | str | Path, copy: str | Path) -> Path | None:
    """Put a copy (a path, or a name in the backups' folder) in the gradebook's place.

    What stood there is backed up first, under the reason "before-restore"; its path is returned. A gradebook too
    damaged for that is kept byte by byte under the reason "damaged". Raises CourseError where the copy is none, and
    Busy while a run works on the course.
    """
    course = course if isinstance(course, Course) else Course.open(course)
    path = Path(copy) if Path(copy).is_file() else folder_of(course) / copy
    if not path.is_file():
        names = ", ".join(p.name for p in backups(course)[:3]) or "none"
        raise CourseError(f"there is no backup '{copy}' in {folder_of(course)}; the latest are: {names}")
    with course.lock():
        fresh = course.database.with_name(".gradebook.db.part")
        try:
            _copy(path, fresh)
            before = _put_aside(course)
            for ending in SIDE_FILES:       # the journal of another file would be rolled back into this one
                course.database.with_name(course.database.name + ending).unlink(missing_ok=True)
            os.replace(fresh, course.database)
        finally:
            fresh.unlink(missing_ok=True)
    return before


def folder_of(course: Course) -> Path:
    """Where the copies lie."""
    return course.private / "backups"


def _put_aside(course: Course) -> Path | None:
    try:
        return backup(course, "before-restore")
    except CourseError:
        path = _free_name(folder_of(course), "damaged")
        shutil.copyfile(course.database, path)
        return path


def _free_name(folder: Path, reason: str) -> Path:
    """A name that no copy has, for now; a second one within a second is numbered."""
    word = re.sub(r"[^a-z0-9]+", "-", reason.lower()).strip("-")[:40] or "change"
    stem = f"gradebook-{datetime.now(UTC):%Y%m%d-%H%M%S}-{word}"
    path, number = folder / f"{stem}.db", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.db", number + 1
    return path


def _age(path: Path) -> tuple[str, int]:
    """Sorts by the time in the name, then by when the file was written (within one second)."""
    return path.name[:len("gradebook-YYYYMMDD-HHMMSS")], path.stat().st_mtime_ns


def _copy(source: Path, target: Path) -> None:
    """A whole copy of a database, under its name only when it is complete and its pages fit together."""
    part = target.with_name(f".{target.name.lstrip('.')}.part")
    part.unlink(missing_ok=True)            # of a run that was killed
    until = time.monotonic() + PATIENCE

    def wait(status: int, remaining: int, total: int) -> None:
        if time.monotonic() > until:        # sqlite3 would try for ever
            raise TimeoutError

    try:
        with _opened(source) as old, _opened(part) as new:
            old.backup(new, pages=1000, progress=wait, sleep=0.05)
            found = new.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(str(found).splitlines()[-1])
            if not new.execute("SELECT 1 FROM sqlite_master WHERE name = 'submitted_assignment'").fetchone():
                raise sqlite3.DatabaseError("it has no table of submissions")
        os.replace(part, target)
    except TimeoutError:
        raise CourseError(f"{source} is locked by another program for more than {PATIENCE:g} s, so it was not backed "
                          "up and nothing was changed; close the formgrader or wait for the other program") from None
    except sqlite3.Error as e:
        raise CourseError(f"{source} cannot be read as a gradebook ({e}), so nothing was changed; "
                          "the copies in .autograder/backups may be whole") from None
    finally:
        part.unlink(missing_ok=True)
        part.with_name(part.name + "-journal").unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that is closed at the end; sqlite3's own context manager only ends a transaction."""
    db = sqlite3.connect(path, timeout=PATIENCE)
    try:
        yield db
    finally:
        db.close()
