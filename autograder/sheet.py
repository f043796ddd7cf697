"""A whole assignment: one Template a notebook, and what one student handed in for it, one Submission a notebook.

Most assignments are one notebook with the assignment's own name. nbgrader allows any number with any names; a
submission is then all of them, each is run in a session of its own, and a missing one costs its own cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from autograder import submission
from autograder.submission import Submission, Template

TIMESTAMP = "timestamp.txt"
MAX_TIMESTAMP = 1000        # bytes


@dataclass(frozen=True)
class Sheet:
    """An assignment as the course has it: its notebooks in the gradebook's order, which is that of their names."""

    assignment: str
    notebooks: tuple[Template, ...]

    def __iter__(self) -> Iterator[Template]:
        return iter(self.notebooks)

    @property
    def plain(self) -> bool:
        """One notebook with the assignment's name: texts then need not say which notebook they speak of."""
        return [t.name for t in self.notebooks] == [self.assignment]

    @property
    def points(self) -> float:
        return sum(t.points for t in self.notebooks)

    def digest(self) -> str:
        """A hash of all that the course decides, so that a changed test is a reason to grade again."""
        if self.plain:
            return self.notebooks[0].digest()
        return submission.digest([[t.name, t.digest()] for t in self.notebooks])


@dataclass(frozen=True)
class HandedIn:
    """What one student handed in for an assignment: a Submission for each of its notebooks, also for a missing one."""

    assignment: str
    student: str
    notebooks: tuple[Submission, ...]
    timestamp: str | None = None            # when it came in, as timestamp.txt says it

    def __iter__(self) -> Iterator[Submission]:
        return iter(self.notebooks)

    def notebook(self, name: str) -> Submission:
        """One notebook; KeyError for a name that the assignment does not have."""
        return {s.name: s for s in self.notebooks}[name]

    @property
    def plain(self) -> bool:
        return [s.name for s in self.notebooks] == [self.assignment]

    @property
    def status(self) -> str:
        """graded if any notebook can be run; else why the first cannot."""
        states = [s.status for s in self.notebooks]
        return "graded" if "graded" in states else states[0]

    @property
    def submitted(self) -> str | None:
        """When it came in, as nbgrader reads it: ISO, in UTC."""
        if not self.timestamp:
            return None
        from nbgrader.utils import parse_utc

        return str(parse_utc(self.timestamp).replace(tzinfo=UTC).isoformat())

    @property
    def source_hash(self) -> str:
        """What the result depends on, from the student's side."""
        if self.plain:
            return self.notebooks[0].source_hash
        return submission.digest([[s.name, s.source_hash] for s in self.notebooks])

    @property
    def answers_hash(self) -> str:
        """What the student wrote, and nothing of the course's: another one is another attempt."""
        return submission.digest([[s.name, s.status, [[c.name, c.source, c.missing] for c in s.cells
                                                      if not c.spec or c.spec.students]] for s in self.notebooks])

    @property
    def files(self) -> dict[str, bytes]:
        """The files that were read, by their names."""
        return dict(s.file for s in self.notebooks if s.file)

    @property
    def notes(self) -> list[str]:
        return [self.told(s, note) for s in self.notebooks for note in s.notes]

    @property
    def incidents(self) -> list[dict[str, Any]]:
        return [self.marked(s, i) for s in self.notebooks for i in s.incidents]

    @property
    def blank(self) -> frozenset[tuple[str, str]]:
        """The cells with no answer, as (notebook, cell)."""
        return frozenset((s.name, c.name) for s in self.notebooks for c in s.cells
                         if c.spec and c.spec.solution and (c.missing or c.source == c.spec.source))

    def told(self, sub: Submission, note: str) -> str:
        """A note, with the notebook's name where there are several."""
        return note if self.plain else f"{sub.name}.ipynb: {note}"

    def marked(self, sub: Submission, incident: dict[str, str]) -> dict[str, str]:
        """An incident, with the notebook's name where there are several."""
        return incident if self.plain else {**incident, "notebook": sub.name}


def load(sheet: Sheet, root: Path, student: str, folder: Path | None = None) -> HandedIn:
    """All notebooks of `student` below `root` (the folder `submitted`), rebuilt. Never raises on what is there.

    `folder`: where they lie, if not in STUDENT/ASSIGNMENT.
    """
    names = {t.name for t in sheet}
    found = [submission.load(t, root, student, names - {t.name}, folder) for t in sheet]
    return HandedIn(sheet.assignment, student, tuple(found), timestamp(folder or root / student / sheet.assignment))


def timestamp(folder: Path) -> str | None:
    """What timestamp.txt says beside a submission: nbgrader's collect writes it, and an import from a learning
    platform. None where there is none or it holds no date."""
    try:        # behind a link it would be another student's
        data = submission.read_plain(folder / TIMESTAMP, folder.parent.parent, MAX_TIMESTAMP)
    except submission.Unreadable:
        return None
    text = data.decode("utf-8", "replace").strip()
    try:
        from nbgrader.utils import parse_utc

        return text if text and parse_utc(text) else None
    except (ValueError, OverflowError, TypeError):
        return None
