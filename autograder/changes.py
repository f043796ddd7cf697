"""What making a course anew would change in it: found out first, shown, and only then written.

A file that still is as `autograder course` wrote it may be replaced; what the instructor edited is kept, and with it
the whole assignment, whose files must fit together. Where students have handed in, an assignment whose cells would be
added or removed is kept as well, since the rows of the gradebook hang on the cells.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder import record
from autograder.assignment import CHECKS, NOTEBOOK, Assignment
from autograder.course import Course, open_assignment, read_record, write_atomically

SAME, MISSING, OLD, EDITED = "same", "missing", "old", "edited"


@dataclass
class Part:
    """One assignment, or the course's own files (no name): what each file will hold, and how it stands now."""

    name: str
    files: dict[str, str]                       # path in the course -> the text that it should hold
    states: dict[str, str]                      # path -> same | missing | old (as we wrote it) | edited
    kept: str = ""                              # why nothing of it is changed
    newer: dict[str, Path] = field(default_factory=dict)        # edited here -> the newer text, which is not taken
    fresh: bool = False                         # not in the course yet
    own: bool = False                           # made from the course's own checks, which the instructor has edited
    submissions: int = 0
    graded: int = 0
    changed: dict[str, str] = field(default_factory=dict)       # path -> "+3 -1"

    @property
    def waits(self) -> bool:
        """It would change something that is there already: only an upgrade does that."""
        touched = any(self.states[path] == OLD or path.startswith("checks/") for path in self.changed)
        return touched and not (self.kept or self.fresh or self.own)

    @property
    def regrades(self) -> bool:
        return any(path.startswith("checks/") for path in self.changed)


def read_solutions(folder: Path) -> dict[str, Assignment]:
    """The notebooks of an assignment's folder by name: the folder itself, or one folder for each of several.

    Raises CourseError with file and line where their files do not fit together.
    """
    if (folder / NOTEBOOK).is_file():
        return {folder.name: open_assignment(folder)}
    return {p.name: open_assignment(p) for p in sorted(folder.iterdir())
            if (p / NOTEBOOK).is_file() and (p / CHECKS).is_file()}


def course_part(course: Course, files: Mapping[str, str], written: Mapping[str, str]) -> Part:
    """The files that belong to no assignment."""
    states = {path: state(course.root / path, text, written.get(path)) for path, text in files.items()}
    return _with_changes(course, Part("", dict(files), states))


def assignment_part(course: Course, folder: Path, written: Mapping[str, str]) -> Part:
    """An assignment from `folder`, which is a folder of solutions or the course's own checks/NAME."""
    from autograder.build import dumps, source_notebook

    folder = folder.resolve()       # as the notebooks' own folders are
    name, here = folder.name, course.checks / folder.name
    notebooks, own = read_solutions(folder), folder == here.resolve()
    texts = {} if own else {f"checks/{name}/{p.relative_to(folder).as_posix()}": p.read_text(encoding="utf-8")
                            for a in notebooks.values() for p in sorted(a.folder.glob("*.py"))}
    states = {path: state(course.root / path, text, written.get(path)) for path, text in texts.items()}
    edited = [path for path, found in states.items() if found == EDITED]
    if edited:      # from its own text from here on; what the instructor changed there is the course's
        part = assignment_part(course, here, written)
        part.newer = {path: folder / Path(path).relative_to(f"checks/{name}") for path in edited
                      if hash_of(texts[path]) != written.get(path)}
        return part
    sources = {f"source/{name}/{n}.ipynb": dumps(source_notebook(a)) for n, a in notebooks.items()}
    states |= {path: state(course.root / path, text, written.get(path)) for path, text in sources.items()}
    part = Part(name, texts | sources, states, fresh=not here.is_dir())
    part.own = own and record.digest(record.checks_of(course, name)) != record.read(course).get("checks", {}).get(name)
    part.submissions = len(course.students(name))
    part.graded = sum(1 for _ in course.results(name).glob("*.json"))
    part = _with_changes(course, part)
    if part.changed:
        part.kept = _cells_would_change(course, name, notebooks)
    return part


def state(path: Path, text: str, written: str | None) -> str:
    """How a file stands to the text that it should hold; `written`: the hash of what we last wrote there."""
    try:
        now = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return MISSING
    return SAME if now == text else OLD if hash_of(now) == written else EDITED


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _with_changes(course: Course, part: Part) -> Part:
    for path, found in part.states.items():
        if found in (OLD, MISSING):
            old = "" if found == MISSING else (course.root / path).read_text(encoding="utf-8")
            part.changed[path] = stat(old, part.files[path])
    return part


def stat(old: str, new: str) -> str:
    """The lines that go and come, as a diff counts them."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[2:]
    added = sum(line.startswith("+") for line in lines)
    return f"+{added} -{sum(line.startswith('-') for line in lines)}"


def _cells_would_change(course: Course, name: str, notebooks: Mapping[str, Assignment]) -> str:
    """Why nbgrader would refuse the new notebooks; it would delete the release folder first, so ask before."""
    if not course.database.is_file():
        return ""
    from autograder.gradebook import Grades

    with Grades(course) as grades:
        if name not in grades.assignments() or not grades.book.assignment_submissions(name):
            return ""
        old = {(t.name, c.name) for t in grades.sheet(name) if t.name in notebooks for c in t.cells}
    new = {(n, c.grade_id) for n, a in notebooks.items() for c in a.cells if c.grade_id}
    if old == new:
        return ""
    some = ", ".join(sorted(cell for _, cell in old ^ new)[:4])
    return f"students have handed in, and the new version adds or removes cells ({some}); give it another name"


def written(course: Course) -> dict[str, str]:
    """The hashes of what `autograder course` wrote, by path; "release/NAME": of the source that it was made from."""
    return read_record(course.private / "written.json")


def remember(course: Course, hashes: Mapping[str, str]) -> None:
    """Keep the hashes for `written`."""
    write_atomically(course.private / "written.json", json.dumps(hashes, indent=1, sort_keys=True) + "\n")
