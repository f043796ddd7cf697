"""Bring an assignment to the students: into nbgrader's exchange, or as a folder or a zip for a learning platform.

What goes out is release/ASSIGNMENT as the course's machinery makes it from checks/ASSIGNMENT. It is looked through once
more on its way: a line of a solution or of a hidden test, an output, or a file of the checks stops it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.course import Course
from autograder.errors import AutograderError
from autograder.packing import packed

MARKS = ("BEGIN SOLUTION", "BEGIN HIDDEN TESTS", "BEGIN MARK SCHEME")
TRUSTED = ("checks.py", "notebook.py", "gradebook.db")
WORDS = 4           # shorter lines are too common to tell


@dataclass
class Released:
    """Where a release went, what is in it, and what was brought up to date for it."""

    where: str
    files: list[str]
    points: float
    answers: int
    updated: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"where": self.where, "files": self.files, "points": self.points, "answers": self.answers,
                "updated": self.updated, "notes": self.notes}


def release(folder: str | Path, assignment: str, *, out: Path | None = None, force: bool = False) -> Released:
    """Release `assignment` to `out` (a folder, or a file that ends in .zip), or to nbgrader's exchange.

    `force` replaces what an exchange already has. Raises AutograderError where a solution would be seen, where nothing
    is configured to release to, and in nbgrader's words where the exchange refuses.
    """
    from autograder.make_course import make

    course = Course.open(folder)
    course.require(assignment)
    updated: list[str] = []
    said: list[str] = []
    if (course.checks / assignment).is_dir():
        did = make(course.root, course.checks / assignment, tell=said.append)
        updated = [name for name in (*did["made"], *did["updated"]) if f"/{assignment}/" in name]
    place = course.release / assignment
    with course.lock():
        paths = _files(place)
        shown = list(leaks(course, assignment))
        if shown:
            raise AutograderError(f"not released: {'; '.join(shown[:3])}. Mend source/{assignment} or checks/"
                                  f"{assignment}, then: autograder course {course.shown}")
        points, answers = _content(place)
        where = _hand_out(course, assignment, paths, out, force=force)
    kept = [line for line in said if line.startswith("kept") and assignment in line]
    return Released(where, [str(p.relative_to(place)) for p in paths], points, answers, updated, kept)


def _hand_out(course: Course, assignment: str, paths: list[Path], out: Path | None, *, force: bool) -> str:
    place = course.release / assignment
    if out is None:
        from autograder import exchange

        if not exchange.configured(course):
            raise AutograderError("nbgrader has no exchange here: write a zip for a learning platform by "
                                  f"--out FILE.zip, or set c.Exchange.root in {course.root / 'nbgrader_config.py'}")
        return exchange.release(course, assignment, force=force)
    if out.suffix.casefold() == ".zip":
        with packed(out) as add:
            for path in paths:
                add(f"{assignment}/{path.relative_to(place)}", path.read_bytes())
        return str(out)
    to = out / assignment
    if to.resolve().is_relative_to(course.root / "source") or to.resolve().is_relative_to(course.root / "release"):
        raise AutograderError(f"'{out}' lies in the course's own folders: name another for --out")
    for path in paths:
        target = to / path.relative_to(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return str(to)


def _files(place: Path) -> list[Path]:
    """What students get: the regular files below the release folder."""
    found = sorted(p for p in place.rglob("*") if p.is_file() and not any(
        part.startswith(".") for part in p.relative_to(place).parts))
    if not any(p.suffix == ".ipynb" for p in found):
        raise AutograderError(f"there is no notebook in {place}: autograder course {place.parents[1]} makes it")
    if linked := next((p for p in found if p.is_symlink()), None):
        raise AutograderError(f"{linked} is a link: put the file there instead")
    return found


def leaks(course: Course, assignment: str) -> Iterator[str]:
    """What the release shows and must not, one line each."""
    import nbformat

    from autograder import build

    place = course.release / assignment
    for path in _files(place):
        if path.name in TRUSTED:
            yield f"{path.name} lies in the release"
        if path.suffix != ".ipynb":
            continue
        notebook = nbformat.read(path, as_version=4)
        check = course.load(assignment, path.stem)
        if check is not None:
            yield from build.leaks(check, notebook)
        source = course.source / assignment / path.name
        if source.is_file():
            yield from seen(nbformat.read(source, as_version=4), notebook)
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.get("outputs"):
                yield f"an output in cell '{cell.get('id', '')}' of {path.name}"


def seen(source: Any, release: Any) -> Iterator[str]:
    """Lines of the source's solutions and hidden tests that stand in a code cell of the release."""
    hidden: set[str] = set()
    given: set[str] = set()
    for cell in source.cells:
        inside = False
        for line in cell.source.splitlines():
            if any(mark in line for mark in MARKS):
                inside = True
            elif inside and "END " in line and any(mark.replace("BEGIN", "END") in line for mark in MARKS):
                inside = False
            else:
                (hidden if inside else given).add(line.strip())
    hidden -= given
    for cell in release.cells:
        for line in cell.source.splitlines():
            text = line.strip()
            if any(mark in line for mark in MARKS):
                yield f"the marker {text!r} in cell '{cell.get('id', '')}'"
            elif cell.cell_type == "code" and text in hidden and len(text.split()) >= WORDS:
                yield f"{text[:60]!r} in cell '{cell.get('id', '')}'"


def _content(place: Path) -> tuple[float, int]:
    """The points and the number of cells to fill in, of all notebooks."""
    import nbformat

    points, answers = 0.0, 0
    for path in sorted(place.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            marks = cell.metadata.get("nbgrader", {})
            points += float(marks.get("points", 0) or 0) if marks.get("grade") or marks.get("task") else 0.0
            answers += bool(marks.get("solution") or marks.get("task"))
    return points, answers
